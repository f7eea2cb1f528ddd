#!/usr/bin/env python3
"""The Binance adapter seen from outside: through a gate that notes every request on its way to
spoor-venue, in the order in which they leave and with what was answered.

What execution and reconciliation count at the metrics endpoint is what passed the gate: requests
and errors by kind, weight, latency, connections, the venue's clock. Then the exchange answers 429
with Retry-After, again and again, while positions have to be closed: nothing leaves before its time
is over, cancels go out before anything that raises the risk, and a cancel or a question that is
repeated is no duplicate of an order.

usage: adapter.py BUILD_DIR SOURCE_DIR [--keep]
"""
import copy
import http.client
import http.server
import json
import re
import shutil
import sys
import tempfile
import threading
import time
import urllib.parse
import urllib.request

from chaos import configure
from system import System, check_books, check_orders, free_port

KEY = "adapterkey0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
SECRET = "adaptersecret0123456789abcdefghijklmnopqrstuvwxyz"
TOKEN = "adaptertoken0123456789"
KINDS = {("POST", "/api/v3/order"): "order", ("POST", "/api/v3/orderList/oco"): "order",
         ("DELETE", "/api/v3/order"): "cancel", ("GET", "/api/v3/order"): "order_query",
         ("GET", "/api/v3/openOrders"): "open_orders", ("GET", "/api/v3/allOrders"): "all_orders",
         ("GET", "/api/v3/myTrades"): "trades", ("GET", "/api/v3/account"): "account",
         ("GET", "/api/v3/time"): "time"}
LINKS = ("ema", "other")
ROUNDS = 3
WAIT_MS = 1200


class Passage:
    """One request: when it came, and with what it went back."""

    def __init__(self, method, target, body):
        url = urllib.parse.urlsplit(target)
        self.at, self.answered = time.monotonic(), None
        self.kind = KINDS.get((method, url.path), "other")
        self.params = dict(urllib.parse.parse_qsl(url.query) + urllib.parse.parse_qsl(body))
        self.status, self.code, self.weight, self.retry_s = None, 0, 0, None

    def note(self, answer, content):
        self.status, self.answered = answer.status, time.monotonic()
        self.weight = int(answer.headers.get("x-mbx-used-weight-1m") or 0)
        self.retry_s = answer.headers.get("retry-after")
        if answer.status >= 300:
            self.code = json.loads(content or b"{}").get("code", 0)

    def error(self):
        """As the adapter should have counted it."""
        if self.status is None:
            return "no_answer"
        if self.status < 300:
            return None
        if self.code in (-2013, -2011):
            return "not_found"
        return {429: "limited", 418: "banned"}.get(
            self.status, "refused" if self.status in (400, 401) else "unknown")


class Gate:
    """Passes on what comes, and keeps it."""

    def __init__(self, port):
        self.passages, lock = [], threading.Lock()
        gate = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def pass_on(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                passage = Passage(self.command, self.path, body.decode())
                with lock:
                    gate.passages.append(passage)
                venue = getattr(self, "venue", None)
                if venue is None:
                    venue = self.venue = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
                try:
                    venue.request(self.command, self.path, body or None,
                                  {k: v for k, v in self.headers.items() if k.lower() != "host"})
                    answer = venue.getresponse()
                    content = answer.read()
                except (OSError, http.client.HTTPException):
                    passage.answered = time.monotonic()
                    self.venue, self.close_connection = None, True
                    return
                passage.note(answer, content)
                self.send_response(answer.status)
                for name, value in answer.getheaders():
                    if name.lower() not in ("content-length", "connection", "date", "server"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = pass_on

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def counts(self, what):
        found = {}
        for value in map(what, list(self.passages)):
            if value is not None:
                found[value] = found.get(value, 0) + 1
        return found

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def write_secret(path, text, mode=0o600):
    path.touch(mode=0o600)
    path.write_text(text)
    path.chmod(mode)


def over_the_gate(system, port):
    """Two strategies; REST through the gate, user data directly."""
    secrets = system.folder / "secrets"
    secrets.mkdir(mode=0o700)
    keys = {"api_key": KEY, "secret": SECRET}
    write_secret(secrets / "venue.json", json.dumps({"keys": [keys]}))
    write_secret(secrets / "key.json", json.dumps(keys), 0o400)
    write_secret(secrets / "token", TOKEN + "\n")
    gate = Gate(port)
    venue = system.world["venue"]
    venue["balances"] = {"USDT": "20000", "BTC": "0"}
    venue["api"] = {"listen": f"127.0.0.1:{port}", "keys": "../secrets/venue.json",
                    "control": "../secrets/token"}
    venue["binance"] = {"rest": f"http://127.0.0.1:{gate.port}", "ws_api": f"ws://127.0.0.1:{port}",
                        "key": "../secrets/key.json", "absence": "1s"}
    link = system.operation["strategy_links"][0]
    system.operation["strategy_links"] = [
        {**copy.deepcopy(link), "id": name, "blueprint": f"strategies/{name}.json"}
        for name in LINKS]
    for name, periods in zip(LINKS, ((3, 8), (2, 3))):
        blueprint = copy.deepcopy(system.blueprint)
        workers = {w["id"]: w for part in blueprint.values() if isinstance(part, list)
                   for w in part}
        for worker, period in zip(("ema_fast", "ema_slow"), periods):
            workers[worker]["params"]["period"] = period
        if name == LINKS[0]:  # its position waits until it is told to go
            workers["exit"]["params"].update(stop="2%", target="2%")
        (system.config / "strategies" / f"{name}.json").write_text(json.dumps(blueprint))
    for name in ("order_value_max", "position_value_max"):
        system.operation["risk"][name] = "12000 USDT"
    system.operation["risk"]["open_orders_max"] = 8
    system.write_config()
    return gate


def control(port, method, params=None):
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/spoor/v1/faults?" + urllib.parse.urlencode(params or {}),
        method=method, headers={"Authorization": "Bearer " + TOKEN})
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.load(answer)


# ---- What is counted ----

def metrics(system):
    """{(service, name, label): value} of spoor_api_*."""
    url = f"http://{system.platform['http']['listen']}/metrics"
    found = {}
    with urllib.request.urlopen(url, timeout=10) as answer:
        for line in answer.read().decode().splitlines():
            match = re.fullmatch(r'(spoor_\w+)\{([^}]*)\} (\S+)', line)
            if match is None:
                continue
            labels = dict(re.findall(r'(\w+)="([^"]*)"', match[2]))
            label = labels.get("kind") or labels.get("error") or labels.get("le") or ""
            found[labels.get("service"), match[1], label] = float(match[3])
    return found


def summed(found, name):
    """By label, over both services."""
    out = {}
    for (_, one, label), value in found.items():
        if one == name and value:
            out[label] = out.get(label, 0) + value
    return out


def between(before, value, after):
    return all(before.get(k, 0) <= value.get(k, 0) <= after.get(k, 0)
               for k in {*before, *value, *after})


def check_counts(system, gate, what, name, kind_of):
    """Counted is what has passed the gate by then: no less than before, no more than after."""
    def agrees():
        before = gate.counts(kind_of)
        told = summed(metrics(system), name)
        after = gate.counts(kind_of)
        seen[:] = before, told, after
        return between(before, told, after)

    seen = []
    try:
        system.await_that(what, agrees, 20)  # an answer may be on its way
    except AssertionError as error:
        raise AssertionError(f"{what}: passed {seen[0]}, told {seen[1]}, passed {seen[2]}") \
            from error
    print(f"{what} as the venue saw them: {seen[1]}")
    return seen[1]


def check_metrics(system, gate):
    told = check_counts(system, gate, "requests", "spoor_api_requests_total", lambda p: p.kind)
    assert told.get("order", 0) > 0 and told.get("time", 0) > 0, told
    errors = check_counts(system, gate, "errors", "spoor_api_errors_total",
                          lambda p: p.error() if p.answered else None)
    system.await_that("no wait", lambda: not summed(metrics(system), "spoor_api_wait_ns"))
    found = metrics(system)
    answered = sum(found[s, "spoor_api_latency_seconds_count", ""]
                   for s in ("execution", "reconciliation"))
    assert 0 < answered <= len(gate.passages), answered
    weight = max(p.weight for p in gate.passages)
    for service, share in (("execution", 3600), ("reconciliation", 1200)):
        def one(name):
            return found[service, f"spoor_api_{name}", ""]

        assert one("weight_limit") == 6000 and one("weight_share") == share, share
        assert 0 < one("weight_counted") <= weight, (one("weight_counted"), weight)
        assert 0 < one("weight_used") <= one("weight_share")
        assert one("connections_total") >= 1 and one("up") == 1
        assert 0 <= one("silence_ns") < 25e9, one("silence_ns")
        assert abs(one("clock_offset_ns")) <= one("clock_error_ns") + 2e6
    assert found["execution", "spoor_api_stream_messages_total", ""] >= told["order"]
    return errors


# ---- 429 ----

def closed_trades(system):
    return len(system.records("execution", {"TRADE_CLOSED"}))


def protected_trade(system, strategy):
    """Its newest trade is open, and its protection rests at the venue."""
    last = None
    for record in system.records("execution", {"TRADE_OPENED", "TRADE_CLOSED",
                                               "POSITION_ADJUSTED"}):
        if record["b"].get("strategy_link_id") == strategy:
            last = record["k"]
    return last == "POSITION_ADJUSTED"


def limited(system, gate, port):
    """The cancel that begins to close a position meets 429, while the other strategy trades on."""
    system.await_that("a position is protected", lambda: protected_trade(system, LINKS[0]), 60)
    first = len(gate.passages)
    control(port, "POST", {"kind": "rate_limit", "on": "order.cancel", "count": 1, "ms": WAIT_MS})
    system.spoor("flatten", "--scope", f"strategy.{LINKS[0]}", expect=None)
    what = system.await_that(
        "a cancel is answered 429",
        lambda: next((p for p in gate.passages[first:] if p.status == 429), None))
    control(port, "DELETE")
    system.await_that("the wait is told", lambda: summed(metrics(system), "spoor_api_wait_ns")
                      or time.monotonic() > what.answered + int(what.retry_s))
    return what


def flattened(system):
    """How often a flatten was done to its end: only then nothing changes what a resume saw."""
    return len([r for r in system.records("execution", {"FLATTEN"}) if r["b"]["step"] == "DONE"])


def check_order(gate, refusals):
    """Behind each wait: nothing before it is over, and the cancel before any buy. Only execution
    sends either; reconciliation asks, and hears of limits by itself."""
    entries = 0
    for what in refusals:
        over = what.answered + int(what.retry_s)
        behind = [p for p in gate.passages if p.at > what.answered
                  and (p.kind == "cancel" or p.kind == "order" and p.params["side"] == "BUY")]
        assert behind[0].at > over - 0.05, f"{behind[0].kind} left within Retry-After"
        assert behind[0].kind == "cancel", "an entry left before the cancel that waited"
        assert behind[0].params["origClientOrderId"] == what.params["origClientOrderId"]
        entries += any(p.kind == "order" and p.at < over + 2 for p in behind)
    return entries


def main():
    keep = "--keep" in sys.argv[3:]
    folder = tempfile.mkdtemp(prefix="spoor-adapter-")
    try:
        with System(sys.argv[1], sys.argv[2], folder) as system:
            configure(system, None)
            port = free_port()
            gate = over_the_gate(system, port)
            system.spoor("up", timeout=90)
            system.await_that("trades are closed", lambda: closed_trades(system) >= 2, 60)
            for kind in ("error_executed", "drop_reply"):
                control(port, "POST", {"kind": kind, "on": "order.place", "count": 1})
                system.await_that(kind, lambda: all(f["hits"] for f in control(port, "GET")), 60)
                control(port, "DELETE")
            errors = check_metrics(system, gate)
            assert errors.get("unknown") and errors.get("no_answer"), errors
            refusals = []
            for number in range(ROUNDS):
                refusals.append(limited(system, gate, port))
                system.await_that("flat", lambda: flattened(system) > number, 60)
                system.resume("--scope", f"strategy.{LINKS[0]}")
            errors = check_metrics(system, gate)
            assert errors.get("limited", 0) >= ROUNDS, errors
            entries = check_order(gate, refusals)
            print(f"{ROUNDS} times 429: nothing before its time, the cancel first, then "
                  f"{entries} times an entry within 2 s")
            found = metrics(system)
            assert found["execution", "spoor_order_incidents", ""] == 0
            ids = [p.params.get("newClientOrderId") or p.params["belowClientOrderId"]
                   for p in gate.passages if p.kind == "order"]
            assert len(ids) == len(set(ids)), "an order passed twice"
            system.spoor("down", timeout=60)
            gate.close()
            fills = check_books(system)
            check_orders(system)
            print(f"{len(fills)} executions: our books equal the venue's")
    finally:
        if keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


sys.exit(main())
