"""What shall go wrong at the practice exchange goes wrong, and only that: each fault is set by the
operator, met by a client of our own, and judged by the exchange's own truth.

usage: faults.py BUILD_DIR SOURCE_DIR
"""
import json
import socket
import sys
import tempfile
import time
import urllib.error

from exchange import KEY, TOKEN, Exchange
from wire import WebSocket, connect, frame, http, method_of, raw, signed, signed_query

BUILD, SOURCE = sys.argv[1:3]
SYMBOL = "BTCUSDT"
LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
         "quantity": "0.001", "price": "20000"}
last_id = 0


def new_id():
    global last_id
    last_id += 1
    return f"f{last_id}"


class Bench:
    def __init__(self, exchange):
        self.exchange, self.port = exchange, exchange.port

    def place(self, **changes):
        """Id, status and answer."""
        name = new_id()
        status, answer = signed(self.port, "POST", "order",
                                **(LIMIT | changes | {"newClientOrderId": name}))
        return name, status, answer

    def exists(self, name):
        return name in {o["client_order_id"] for o in self.exchange.truth()["orders"]}

    def head_of(self, name):
        """Head and body of the answer to an order; empty if the connection is cut instead."""
        query = signed_query(**LIMIT, newClientOrderId=name)
        got = raw(self.port, (f"POST /api/v3/order?{query} HTTP/1.1\r\nHost: h\r\n"
                              f"X-MBX-APIKEY: {KEY}\r\nConnection: close\r\n\r\n").encode())
        head, _, body = got.partition(b"\r\n\r\n")
        return head.decode(), body.decode()

    def account(self):
        client = WebSocket(self.port, "/ws-api/v3")
        client.send(frame(method_of("userDataStream.subscribe.signature")))
        assert client.answer()["status"] == 200
        return client

    def reports(self, client, names, count):
        """The next `count` execution reports of these orders."""
        found = []
        while len(found) < count:
            heard = client.hear()
            assert heard is not None, f"the connection has ended after {found}"
            event = json.loads(heard[1]).get("event", {}) if heard[0] == 1 else {}
            if event.get("e") == "executionReport" and (event["C"] or event["c"]) in names:
                found.append(event)
        return found


def test_guard(b):
    for headers in ((), ("Authorization: Bearer " + TOKEN[:-1],), (f"X-MBX-APIKEY: {KEY}",),
                    ("Authorization: Bearer " + KEY,), ("Authorization: " + TOKEN,)):
        for method, path in (("GET", "truth"), ("POST", "faults"), ("POST", "act"),
                             ("DELETE", "faults"), ("POST", "order")):
            status, answer = http(b.port, method, "/spoor/v1/" + path,
                                  signed_query(kind="drop_reply"), headers=headers)
            assert status == 401, (method, path, headers, status, answer)
    assert b.exchange.control("GET", "faults") == []
    for params in ({}, {"kind": "nothing"}, {"kind": "delay", "ms": 10**12},
                   {"kind": "timeout", "status": 200}, {"kind": "delay", "count": -1},
                   {"kind": "delay", "on": "x" * 100}, {"kind": "delay", "chance": "x"}):
        try:
            b.exchange.control("POST", "faults", **params)
        except urllib.error.HTTPError as error:
            assert error.code == 400, params
        else:
            raise AssertionError(f"taken: {params}")


def test_replies(b):
    b.exchange.fault("drop_reply", count=1)
    name = new_id()
    assert b.head_of(name) == ("", "")
    assert b.exists(name)
    for kind, status, code, executed in (
            ("timeout", 504, -1007, True), ("timeout_refused", 504, -1007, False),
            ("error_executed", 500, -1006, True), ("error_refused", 500, -1006, False)):
        b.exchange.fault(kind, count=1)
        name, *got = b.place()
        assert (got[0], got[1]["code"]) == (status, code), (kind, got)
        assert b.exists(name) == executed, kind
    b.exchange.fault("error_executed", count=1, status=502)
    name, status, _ = b.place()
    assert status == 502 and b.exists(name)
    b.exchange.fault("drop_request", count=1)
    name = new_id()
    assert b.head_of(name) == ("", "")
    assert not b.exists(name)
    b.exchange.fault("no_reply", count=1)
    name = new_id()
    with connect(b.port) as sock:
        sock.sendall((f"POST /api/v3/order?{signed_query(**LIMIT, newClientOrderId=name)} HTTP/1.1"
                      f"\r\nHost: h\r\nX-MBX-APIKEY: {KEY}\r\n\r\n").encode())
        b.exchange.await_that("the order", lambda: b.exists(name))
        sock.settimeout(0.2)
        try:
            assert not sock.recv(1), "an answer"
        except socket.timeout:
            pass
    name, status, _ = b.place()
    assert status == 200 and b.exists(name), "rules are used up"


def test_cancels(b):
    name, _, _ = b.place()
    b.exchange.fault("timeout", on="order.cancel", count=1)
    got = signed(b.port, "DELETE", "order", symbol=SYMBOL, origClientOrderId=name)
    assert (got[0], got[1]["code"]) == (504, -1007)
    state = signed(b.port, "GET", "order", symbol=SYMBOL, origClientOrderId=name)[1]["status"]
    assert state == "CANCELED"
    got = signed(b.port, "DELETE", "order", symbol=SYMBOL, origClientOrderId=name)
    assert got[1]["code"] == -2011


def test_late(b):
    b.exchange.fault("delay", count=1, ms=300)
    name = new_id()
    with connect(b.port) as sock:
        sock.sendall((f"POST /api/v3/order?{signed_query(**LIMIT, newClientOrderId=name)} HTTP/1.1"
                      f"\r\nHost: h\r\nX-MBX-APIKEY: {KEY}\r\n\r\n").encode())
    assert not b.exists(name), "it is not there yet, and its client has gone"
    b.exchange.await_that("the order", lambda: b.exists(name))
    b.exchange.fault("delay", count=1, ms=300)
    name, status, answer = b.place(recvWindow=50)
    assert answer["code"] == -1021 and not b.exists(name), "its time is checked when it is taken"
    b.exchange.fault("late_reply", count=1, ms=100)
    name, status, answer = b.place()
    assert status == 200 and answer["clientOrderId"] == name
    rule = b.exchange.fault("query_lag", ms=400)
    name, _, answer = b.place()
    ask = {"symbol": SYMBOL, "orderId": answer["orderId"]}
    assert signed(b.port, "GET", "order", **ask)[1]["code"] == -2013
    assert b.exists(name)
    b.exchange.await_that("an end of the lag",
                          lambda: signed(b.port, "GET", "order", **ask)[0] == 200)
    assert [f["hits"] > 0 for f in b.exchange.control("GET", "faults") if f["id"] == rule] == [True]


def test_limits(b):
    for kind, status in (("rate_limit", 429), ("ban", 418)):
        b.exchange.fault(kind, count=1, ms=1500)
        got = [b.head_of(new_id()) for _ in range(2)]
        for head, body in got:
            assert head.startswith(f"HTTP/1.1 {status} ") and "Retry-After: " in head, head
            assert json.loads(body)["code"] == -1003
        with WebSocket(b.port, "/ws-api/v3") as client:
            client.send(frame(method_of("openOrders.status")))
            answer = client.answer()
            assert answer["status"] == status, answer
            assert answer["error"]["data"]["retryAfter"] > answer["error"]["data"]["serverTime"]
        b.exchange.await_that("the limit's end", lambda: b.place()[1] == 200)
    b.exchange.fault("maintenance")
    assert b.place()[1] == 503
    b.exchange.control("DELETE", "faults")
    assert b.place()[1] == 200


def test_events(b):
    with b.account() as client:
        b.exchange.fault("duplicate_event", count=1)
        name, _, _ = b.place()
        twice = b.reports(client, {name}, 2)
        assert twice[0] == twice[1] and twice[0]["x"] == "NEW"
        b.exchange.fault("late_event", count=1, ms=200)
        first, _, _ = b.place()
        second, _, _ = b.place()
        assert [e["c"] for e in b.reports(client, {first, second}, 2)] == [second, first]
        b.exchange.fault("reorder_event", count=1)
        name = new_id()
        assert signed(b.port, "POST", "order", symbol=SYMBOL, side="BUY", type="MARKET",
                      quantity="0.001", newClientOrderId=name)[0] == 200
        assert [e["x"] for e in b.reports(client, {name}, 2)] == ["TRADE", "NEW"]
    with b.account() as client:
        b.exchange.fault("lose_event", count=1)
        lost, _, _ = b.place()
        kept, _, _ = b.place()
        assert [e["c"] for e in b.reports(client, {lost, kept}, 1)] == [kept]
        b.exchange.fault("drop_stream", count=1)
        b.place()
        client.ends()


def test_events_first(b):
    """The execution is told of before the order is answered."""
    with WebSocket(b.port, "/ws-api/v3") as client:
        client.send(frame(method_of("userDataStream.subscribe.signature")))
        client.answer()
        order = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "0.001"}
        for first in (False, True):
            if first:
                b.exchange.fault("events_first", count=1, ms=50)
            client.send(frame(method_of("order.place", **order)))
            seen = []
            while "answer" not in seen or "TRADE" not in seen:
                heard = client.hear()
                message = json.loads(heard[1]) if heard[0] == 1 else {}
                event = message.get("event", {})
                if event.get("e") == "executionReport":
                    seen.append(event["x"])
                if "status" in message:
                    seen.append("answer")
            assert (seen.index("TRADE") < seen.index("answer")) == first, seen


def test_acts(b):
    with b.account() as user, WebSocket(b.port, "/ws/btcusdt@trade") as market, \
            WebSocket(b.port, "/stream?streams=btcusdt@trade") as combined:
        b.exchange.act("server_shutdown", ms=300)
        for client, where in ((user, ("event",)), (market, ()), (combined, ("data",))):
            while True:
                heard = client.hear()
                assert heard is not None, "cut off without a word"
                event = json.loads(heard[1]) if heard[0] == 1 else {}
                for key in where:
                    event = event.get(key, {})
                if event.get("e") == "serverShutdown":
                    break
            client.ends()
    with b.account() as user, WebSocket(b.port, "/ws/btcusdt@trade") as market:
        b.exchange.act("stream_drop", which="user")
        user.ends()
        assert market.hear() is not None
        b.exchange.act("stream_drop", which="market")
        market.ends()


def test_rules(b):
    b.exchange.act("market", symbol=SYMBOL, status="BREAK")
    assert b.exchange.get("exchangeInfo?symbol=" + SYMBOL)["symbols"][0]["status"] == "BREAK"
    assert b.place()[2] == {"code": -2010, "msg": "Market is closed."}
    b.exchange.act("market", symbol=SYMBOL, status="TRADING")
    b.exchange.act("filters", symbol=SYMBOL, min_qty="0.01", tick="0.5")
    filters = {f["filterType"]: f for f in
               b.exchange.get("exchangeInfo?symbol=" + SYMBOL)["symbols"][0]["filters"]}
    assert filters["LOT_SIZE"]["minQty"] == "0.01000000"
    assert b.place()[2] == {"code": -1013, "msg": "Filter failure: LOT_SIZE"}
    assert b.place(quantity="0.01", price="20000.1")[2]["msg"] == "Filter failure: PRICE_FILTER"
    b.exchange.act("clock_offset", ms=-60000)
    assert abs(time.time() * 1000 - 60000 - b.exchange.get("time")["serverTime"]) < 30000
    assert b.place(quantity="0.01")[2]["code"] == -1021
    b.exchange.control("DELETE", "faults")
    assert b.place()[1] == 200
    free = {a["asset"]: a["free"] for a in signed(b.port, "GET", "account")[1]["balances"]}
    with b.account() as user:
        b.exchange.act("transfer", asset="USDT", amount="-100.5")
        told = []
        while len(told) < 2:
            event = json.loads(user.hear()[1]).get("event", {})
            if event.get("e") in ("balanceUpdate", "outboundAccountPosition"):
                told.append(event)
    assert told[0]["d"] == "-100.50000000" and told[0]["a"] == "USDT", told
    assert float(told[1]["B"][0]["f"]) == float(free["USDT"]) - 100.5
    try:
        b.exchange.act("transfer", asset="USDT", amount="-1000000")
        raise AssertionError("more than there is")
    except urllib.error.HTTPError as error:
        assert error.code == 400
    assert [t["amount"] for t in b.exchange.truth()["transfers"]] == ["-100.50000000"]
    with b.account() as user:
        got = b.exchange.control("POST", "order", **LIMIT, newClientOrderId="stranger")
        assert got["clientOrderId"] == "stranger"
        assert b.reports(user, {"stranger"}, 1)[0]["x"] == "NEW"
    assert "stranger" in {o["clientOrderId"] for o in
                          signed(b.port, "GET", "openOrders", symbol=SYMBOL)[1]}


def test_seeds(b):
    """One seed, one history: 20 orders, of which chance picks some."""
    histories = []
    for _ in range(2):
        rule = b.exchange.fault("timeout", chance="0.5", seed=7)
        histories.append([b.place()[1] for _ in range(20)])
        b.exchange.control("DELETE", "faults", id=rule)
        signed(b.port, "DELETE", "openOrders", symbol=SYMBOL)
    assert histories[0] == histories[1]
    assert set(histories[0]) == {200, 504}, histories


def main():
    with tempfile.TemporaryDirectory(prefix="spoor-faults.") as folder, \
            Exchange(BUILD, SOURCE, folder) as exchange:
        bench = Bench(exchange)
        for test in (test_guard, test_replies, test_cancels, test_late, test_limits, test_events,
                     test_events_first, test_acts, test_rules, test_seeds):
            test(bench)
            signed(bench.port, "DELETE", "openOrders", symbol=SYMBOL)
            exchange.control("DELETE", "faults")
            print(f"{test.__name__[5:]}: ok", flush=True)


main()
