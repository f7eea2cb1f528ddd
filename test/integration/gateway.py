#!/usr/bin/env python3
"""The whole operation over the protocol of Binance Spot, at spoor-venue's own port.

Execution and reconciliation speak REST and WebSocket instead of the native protocol; market data
stay where they were. Trades open and close in two instruments, the books equal the venue's to the
last digit, execution is killed while it trades and comes back, and what its user data do not tell
is found out for each instrument. Nothing that the run left behind holds the key
or the secret. What must not trade ends with 78 and a text that says why: a laxer file mode, a host
that is not loopback, a wrong secret, and a key that may withdraw.

usage: gateway.py BUILD_DIR SOURCE_DIR [--keep]
"""
import http.server
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from chaos import configure
from system import System, check_books, check_orders, free_port

SYMBOLS = ("BTCUSDT", "ETHUSDT")
KEY = "canarykey0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
TOKEN = "canarytoken0123456789"
# What goes wrong once each while it trades: orders are then UNKNOWN, or the stream is lost.
FAULTS = (("drop_reply", "timeout"), ("error_executed", "drop_request"), ("lose_event",),
          ("duplicate_event", "drop_stream"))
SECRET = "canarysecret0123456789abcdefghijklmnopqrstuvwxyz"


def write_secret(path, value, mode):
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(json.dumps(value))
    path.chmod(mode)


def two_symbols(system):
    """A second instrument, and a link of its own that trades it."""
    world = system.world
    world["feed"]["symbols"] = list(SYMBOLS)
    world["instruments"].append({**world["instruments"][0], "symbol": SYMBOLS[1], "base": "ETH"})
    world["venue"]["balances"] = {"USDT": "20000", "BTC": "0", "ETH": "0"}
    blueprint = json.loads(json.dumps(system.blueprint))
    blueprint["trigger"]["symbol"] = SYMBOLS[1]
    (system.config / "strategies" / "eth.json").write_text(json.dumps(blueprint))
    system.operation["strategy_links"].append(
        {**system.operation["strategy_links"][0], "id": "eth", "blueprint": "strategies/eth.json"})
    for name in ("order_value_max", "position_value_max"):
        system.operation["risk"][name] = "12000 USDT"
    system.operation["risk"]["open_orders_max"] = 8


def over_binance(system):
    """Its keys lie outside of the folders that are searched afterwards."""
    port = free_port()
    secrets = system.folder / "secrets"
    secrets.mkdir(mode=0o700)
    write_secret(secrets / "venue.json", {"keys": [{"api_key": KEY, "secret": SECRET}]}, 0o600)
    write_secret(secrets / "key.json", {"api_key": KEY, "secret": SECRET}, 0o400)
    (secrets / "token").touch(mode=0o600)
    (secrets / "token").write_text(TOKEN + "\n")
    system.world["venue"]["api"] = {"listen": f"127.0.0.1:{port}", "keys": "../secrets/venue.json",
                                    "control": "../secrets/token"}
    system.world["venue"]["binance"] = {"rest": f"http://127.0.0.1:{port}",
                                        "ws_api": f"ws://127.0.0.1:{port}",
                                        "key": "../secrets/key.json", "absence": "2s",
                                        "renew": "12s"}
    system.write_config()
    return secrets


def closed_trades(system, symbol=None):
    return len([r for r in system.records("execution", {"TRADE_CLOSED"})
                if symbol in (None, r["b"]["symbol"])])


def reconciled(system):
    return [r["b"] for r in system.records("reconciliation", {"RECONCILIATION_RESULT"})]


def trade_and_kill(system):
    done = system.spoor("up", "--policy", "budget=20,backoff_max=1s", timeout=90)
    assert done.returncode == 0
    system.await_that("a reconciliation is clean",
                      lambda: any(b.get("clean") for b in reconciled(system)))
    system.await_that("a trade is closed", lambda: closed_trades(system) >= 1, 60)
    each_closes(system, "after a kill", lambda: kill_execution(system))
    survive_silence(system)
    survive_faults(system)
    survive_shutdown(system)
    check_processes(system)
    system.spoor("down", timeout=60)


def each_closes(system, when, act):
    """In every instrument a trade closes after `act`."""
    before = {symbol: closed_trades(system, symbol) for symbol in SYMBOLS}
    act()
    for symbol in SYMBOLS:
        system.await_that(f"a trade in {symbol} closes {when}",
                          lambda: closed_trades(system, symbol) > before[symbol], 60)


def kill_execution(system):
    pid = system.status()["execution"]["pid"]
    assert b"spoor-execution" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    os.kill(pid, signal.SIGKILL)


def survive_silence(system):
    """User data that lives and tells of no execution: it is found out by the orders that it should
    have told of, and what happened meanwhile is caught up, of each instrument."""
    def booked():
        return {symbol: {r["b"]["venue_trade_id"] for r in system.records("execution", {"FILL"})
                         if r["b"]["symbol"] == symbol} for symbol in SYMBOLS}

    def executed(symbol):
        truth = control(system, "GET", path="truth", params={"after_trade": newest})
        return {row["trade_no"] for row in truth["fills"] if row["symbol"] == symbol}

    before = booked()
    newest = max(max(ids) for ids in before.values())
    control(system, "POST", {"kind": "lose_event"})
    for symbol in SYMBOLS:
        system.await_that(f"an execution in {symbol} while nothing is told",
                          lambda: executed(symbol), 60)
    for symbol in SYMBOLS:
        wanted = executed(symbol)
        system.await_that(f"they are booked without having been told: {symbol}",
                          lambda: wanted <= booked()[symbol], 30)
    system.await_that("the silence is found out",
                      lambda: disconnects(system, "did not tell") > 0, 60)
    control(system, "DELETE")
    print(f"silent user data found out, executions of {' and '.join(SYMBOLS)} caught up")


def disconnects(system, why):
    return len([r for r in system.records("execution", {"VENUE_DISCONNECTED"})
                if why in r["b"]["reason"]])


def renewals(system):
    """Streams of user data of the execution that runs now, each replaced by another."""
    url = f"http://{system.platform['http']['listen']}/metrics"
    with urllib.request.urlopen(url, timeout=10) as answer:
        return sum(float(line.split()[-1]) for line in answer.read().decode().splitlines()
                   if line.startswith("spoor_api_renewals_total{"))


def survive_shutdown(system):
    """The exchange announces its end; and a stream that is as old as allowed is replaced (by the
    configuration after seconds, else before its day is over)."""
    def is_connected():
        return system.records("execution", {"VENUE_CONNECTED", "VENUE_DISCONNECTED"})[-1][
            "k"] == "VENUE_CONNECTED"

    def hears_the_end():
        if is_connected():  # only who is connected can be told
            control(system, "POST", {"what": "server_shutdown"}, "act")
        system.await_that("a connection ends", lambda: not is_connected() or disconnects(
            system, "shuts down"))
        return disconnects(system, "shuts down") > 0

    system.await_that("user data are renewed", lambda: renewals(system) > 0)
    system.await_that("its end was heard", hears_the_end, 60)
    system.await_that("connected anew", is_connected)
    print(f"{renewals(system):.0f} streams renewed without an end, a shutdown survived")


def control(system, method, params=None, path="faults"):
    """What the operator of the exchange asks for."""
    request = urllib.request.Request(
        system.world["venue"]["binance"]["rest"] + f"/spoor/v1/{path}?"
        + urllib.parse.urlencode(params or {}), method=method,
        headers={"Authorization": "Bearer " + TOKEN})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


def survive_faults(system):
    for kinds in FAULTS:
        before = closed_trades(system)
        for kind in kinds:
            is_order = not kind.endswith(("event", "stream"))
            on = {"on": "order.place"} if is_order else {}
            control(system, "POST", {"kind": kind, "count": 1, **on})
        system.await_that(f"a trade closes after {kinds}",
                          lambda: closed_trades(system) > before and all(
                              f["hits"] > 0 for f in control(system, "GET")), 90)
        control(system, "DELETE")
    unknown = len(system.records("execution", {"ORDER_UNKNOWN"}))
    assert unknown > 0, "no order was unknown"
    print(f"faults {FAULTS} survived, {unknown} orders unknown for a while")


def check_canary(system):
    """Neither half of the key in anything below the run's folders, nor in what the configuration
    prints."""
    searched = 0
    for folder in (system.data, system.run, system.logs, system.config):
        for path in folder.rglob("*"):
            if not path.is_file():
                continue
            searched += 1
            content = path.read_bytes()
            for name, value in (("secret", SECRET), ("key", KEY)):
                assert value.encode() not in content, f"{path} holds the {name}"
    assert searched > 10
    return searched


def check_processes(system):
    """While it runs: not in argv or the environment; no core file can be made of who holds it."""
    for name in ("execution", "reconciliation"):
        pid = system.status()[name]["pid"]
        argv = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
        assert SECRET.encode() not in argv and KEY.encode() not in argv
        try:
            environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        except PermissionError:
            continue  # not even we may look: as for any process without core files
        assert SECRET.encode() not in environment and KEY.encode() not in environment


def check_refusals(system, secrets):
    """A wrong configuration never trades."""
    binance = system.world["venue"]["binance"]
    good = dict(binance)
    binance["rest"] = "https://api.binance.com"
    system.write_config()
    text = system.spoor("check", expect=78).stdout
    assert "must not reach https://api.binance.com" in text, text
    binance.update(good)
    system.write_config()
    system.spoor("check")

    write_secret(secrets / "key.json", {"api_key": KEY, "secret": SECRET}, 0o440)
    refused(system, "chmod 0400")
    write_secret(secrets / "key.json", {"api_key": KEY, "secret": SECRET}, 0o400)
    check_waits(system)
    rights = {"enableWithdrawals": False, "enableSpotAndMarginTrading": True}
    with Rights({**rights, "enableWithdrawals": True}) as url:
        binance.update(rest=url, ws_api=url.replace("http", "ws"))
        refused(system, "it may withdraw")
    with Rights({**rights, "enableSpotAndMarginTrading": False}) as url:
        binance.update(rest=url, ws_api=url.replace("http", "ws"))
        refused(system, "it may not trade")
    with Rights({"code": -1022, "msg": "Signature for this request is not valid."}, 400) as url:
        binance.update(rest=url, ws_api=url.replace("http", "ws"))
        refused(system, "Signature for this request")


def check_waits(system):
    """429 and 418: no request comes before the time the exchange asked for is over."""
    binance = system.world["venue"]["binance"]
    for status in (429, 418):
        error = {"code": -1003, "msg": "Too much request weight used."}
        with Rights(error, status, limit_first=True) as url:
            binance.update(rest=url, ws_api=url.replace("http", "ws"))
            system.write_config()
            with subprocess.Popen([system.build / "spoor-execution", "--config", system.config],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL) as process:
                try:
                    system.await_that(f"a request after {status}", lambda: len(Rights.heard) > 1)
                finally:
                    process.kill()
        pause = Rights.heard[1] - Rights.heard[0]
        assert pause >= Rights.WAIT_S - 0.05, f"asked again {pause:.3f} s after {status}"
        print(f"{status} with Retry-After {Rights.WAIT_S}: nothing was asked before")


def refused(system, why):
    """Execution alone, as in a terminal."""
    system.write_config()
    done = subprocess.run([system.build / "spoor-execution", "--config", system.config], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, timeout=30, check=False)
    assert done.returncode == 78, f"exit {done.returncode}\n{done.stdout}"
    assert why in done.stdout and SECRET not in done.stdout and KEY not in done.stdout, done.stdout
    print(f"exit 78: {why}")


class Rights:
    """A venue that tells the time, and what a key may do. With `limit_first` it refuses the first
    request with that status, and has Rights.heard tell when requests came."""
    WAIT_S = 3
    heard = []

    def __init__(self, answer, status=200, limit_first=False):
        Rights.heard = []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                Rights.heard.append(time.monotonic())
                limits = limit_first and len(Rights.heard) == 1
                is_time = self.path.startswith("/api/v3/time") and not limits
                value = {"serverTime": int(time.time() * 1000)} if is_time else answer
                body = json.dumps(value).encode()
                self.send_response(200 if is_time else status)
                self.send_header("Content-Length", str(len(body)))
                if limits:
                    self.send_header("Retry-After", str(Rights.WAIT_S))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def __exit__(self, *error):
        self.server.shutdown()
        self.server.server_close()


def main():
    keep = "--keep" in sys.argv[3:]
    folder = tempfile.mkdtemp(prefix="spoor-gateway-")
    try:
        with System(sys.argv[1], sys.argv[2], folder) as system:
            configure(system, None)
            two_symbols(system)
            secrets = over_binance(system)
            trade_and_kill(system)
            fills = check_books(system)
            entries, _ = check_orders(system)
            print(f"{len(entries)} entries, {len(fills)} executions, "
                  f"{closed_trades(system)} trades closed: our books equal the venue's")
            print(f"{check_canary(system)} files without a trace of the key")
            check_refusals(system, secrets)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            print(folder)
    return 0


sys.exit(main())
