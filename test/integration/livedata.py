#!/usr/bin/env python3
"""Paper on live prices: one practice exchange is the live market of another operation.

The first operation only lets its generated market be followed over HTTP, as Binance Spot does. The
second is config/live-paper with its feed pointed there: it follows the streams, keeps the book,
trades on them at its own practice exchange, and records them. Then the venue cuts its streams,
says serverShutdown and loses events. Each time data come again, and no trade is missing that was
not announced: published == received + announced. In the end the book is the
venue's to the last level.

usage: livedata.py BUILD_DIR SOURCE_DIR [--keep]
"""
import contextlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

from chaos import configure
from system import System, check_books, check_orders, free_port

TOKEN = "operator0123456789abcdef"
STREAM = "md.paper.BTCUSDT"


def secret(path, text):
    path.touch(mode=0o600)
    path.write_text(text)


def serve(system, with_token):
    """Its practice exchange over HTTP."""
    secrets = system.folder / "secrets"
    secrets.mkdir(mode=0o700)
    secret(secrets / "keys.json", json.dumps({"keys": [{"api_key": "k" * 64, "secret": "s" * 64}]}))
    secret(secrets / "token", TOKEN + "\n")
    port = free_port()
    system.world["venue"]["api"] = {"listen": f"127.0.0.1:{port}", "keys": "../secrets/keys.json"}
    if with_token:
        system.world["venue"]["api"]["control"] = "../secrets/token"
    return f"127.0.0.1:{port}"


def make_market(system):
    """Nobody trades there. Its clock begins with ours, so that prices are of today."""
    configure(system, None)
    system.world["feed"].update(speed="10x", silence="5s", start=time.strftime(
        "%Y-%m-%dT%H:%M:%SZ", time.gmtime()))
    system.operation["strategy_links"][0]["active"] = False
    host = serve(system, True)
    system.write_config()
    return host


def make_paper(system, host):
    feed = dict(system.world["feed"])
    configure(system, None)
    system.world["feed"] = feed
    feed.update(rest=f"http://{host}", stream=f"ws://{host}", record=True, silence="2s")
    own = serve(system, False)
    system.write_config()
    return own


def get(url):
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)
    except (urllib.error.URLError, OSError):
        return None


def order_the_venue(host, path, method="POST", **params):
    request = urllib.request.Request(
        f"http://{host}/spoor/v1/{path}", data=urllib.parse.urlencode(params).encode(),
        headers={"Authorization": "Bearer " + TOKEN}, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def values(system):
    """Counters of the paper operation's marketdata."""
    text = urllib.request.urlopen(
        f"http://{system.platform['http']['listen']}/metrics", timeout=5).read().decode()
    found = {}
    for line in text.splitlines():
        name = re.match(r"(spoor_feed_\w+)\{[^}]*\} (-?\d+)", line)
        if name and 'service="marketdata"' in line:
            found[name[1]] = int(name[2])
    return found if "spoor_feed_connected_total" in found else None


def gaps(system):
    return [r["b"].get("reason", "") for r in system.records("marketdata", {"DATA_GAP"})]


def announced(system, first, last):
    """Trades that were said to be missing, of those."""
    missing = set()
    for reason in gaps(system):
        one = re.match(r"trade (\d+) is missing", reason)
        many = re.match(r"trades (\d+) to (\d+) are missing", reason)
        if one:
            missing.add(int(one[1]))
        if many:
            missing.update(range(int(many[1]), int(many[2]) + 1))
    return {t for t in missing if first <= t <= last}


def up_again(system, what, act, check=None):
    """Acts, then waits for another connection that data come from."""
    before = system.await_that("the counters are there", lambda: values(system))
    act()
    def is_up():
        now = values(system) or before
        is_new = now["spoor_feed_connected_total"] > before["spoor_feed_connected_total"]
        flows = now["spoor_feed_read"] > before["spoor_feed_read"]
        return is_new and flows and now["spoor_feed_connections"] == 1
    system.await_that(f"data come again after {what}", is_up, 30)
    if check:
        system.await_that(f"{what} is announced", lambda: check(gaps(system)), 10)
    print(f"{what}: data come again")


def disturb(system, host):
    was = len(gaps(system))
    up_again(system, "a good-bye of the venue",
             lambda: order_the_venue(host, "act", what="server_shutdown", ms=4000))
    assert len(gaps(system)) == was, f"the connection was replaced with a gap: {gaps(system)[was:]}"
    books = system.await_that("counters", lambda: values(system))["spoor_feed_books_taken_total"]
    up_again(system, "a cut", lambda: order_the_venue(host, "act", what="stream_drop"),
             lambda all_gaps: any("the connection to the venue was lost" in g
                                  for g in all_gaps[was:]))
    system.await_that("the book is taken again",
                      lambda: (values(system) or {}).get("spoor_feed_books_taken_total", 0) > books)
    was = len(gaps(system))
    order_the_venue(host, "faults", kind="lose_event", on="market", count=20, chance="0.3", seed=3)
    system.await_that("lost events are announced", lambda: len(gaps(system)) > was)
    print(f"lost events: {gaps(system)[was:][:3]}")


def check_the_book(system, build, market, host, own):
    """Once its market stands still, both venues show the same book. Nothing is lost any more: of
    the last event before a silence nobody could know."""
    order_the_venue(host, "faults", method="DELETE")
    healed = get(f"http://{host}/api/v3/depth?symbol=BTCUSDT&limit=5")["lastUpdateId"]
    system.await_that("the book is followed again", lambda: (get(
        f"http://{own}/api/v3/depth?symbol=BTCUSDT&limit=5") or {}).get("lastUpdateId", 0) > healed)
    subprocess.run([build / "test" / "md_ask", market.run, "pause_feed"], check=True,
                   stdout=subprocess.DEVNULL)

    def same():
        theirs = get(f"http://{host}/api/v3/depth?symbol=BTCUSDT&limit=5000")
        ours = get(f"http://{own}/api/v3/depth?symbol=BTCUSDT&limit=5000")
        return theirs and ours and theirs["lastUpdateId"] == ours["lastUpdateId"] and (theirs, ours)
    theirs, ours = system.await_that("the book has the venue's number", same)
    assert len(theirs["bids"]) > 10 and len(theirs["asks"]) > 10
    assert theirs == ours, f"the book is not the venue's\n{theirs}\n{ours}"
    print(f"book {ours['lastUpdateId']}: {len(ours['bids'])} bids and {len(ours['asks'])} asks are "
          "the venue's")


def check_trades(system, summary):
    first, last = summary["first_trade"], summary["last_trade"]
    missing = announced(system, first, last)
    assert summary["TRADE"] + len(missing) == last - first + 1, (summary, sorted(missing))
    assert summary["TRADE"] > 100 and summary["time_back"] == 0 and summary["gaps"] == 0, summary
    assert summary["book"]["right"], summary
    print(f"trades {first} to {last}: {summary['TRADE']} received, {len(missing)} announced as "
          "missing")


def check_files(system):
    rows = 0
    for path in (system.data).rglob("*.parquet"):
        content = path.read_bytes()
        assert content[:4] == content[-4:] == b"PAR1", path
        rows += 1
    assert rows >= 3, f"{rows} files were recorded"
    print(f"{rows} files were recorded")


def run(build, source, folder):
    with System(build, source, folder + "/market") as market, \
            System(build, source, folder + "/paper", base="live-paper") as paper, \
            contextlib.ExitStack() as at_end:
        host = make_market(market)
        own = make_paper(paper, host)
        paper.spoor("check")
        market.spoor("up", timeout=90)
        paper.spoor("up", timeout=90)
        paper.await_that("the book is right", lambda: get(
            f"http://{own}/api/v3/depth?symbol=BTCUSDT&limit=5"))
        tap = subprocess.Popen([build + "/test/md_tap", paper.run, "tap", STREAM], text=True,
                               stdout=subprocess.PIPE)
        at_end.callback(tap.kill)  # of one that has ended: nothing
        assert '"event":"book"' in tap.stdout.readline()
        disturb(paper, host)
        paper.await_that("a trade is closed",
                         lambda: paper.records("execution", {"TRADE_CLOSED"}), 60)
        check_the_book(paper, paper.build, market, host, own)
        tap.terminate()
        check_trades(paper, json.loads(tap.communicate(timeout=30)[0].splitlines()[-1]))
        paper.spoor("down", timeout=60)
        market.spoor("down", timeout=60)
        fills = check_books(paper)
        check_orders(paper)
        assert not [r for r in paper.records("marketdata", {"FEED_ERROR"})]
        print(f"{len(fills)} executions on those prices: our books equal the paper venue's")
        check_files(paper)


def main():
    folder = tempfile.mkdtemp(prefix="spoor-livedata-")
    try:
        run(sys.argv[1], sys.argv[2], folder)
    finally:
        if "--keep" in sys.argv[3:]:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


sys.exit(main())
