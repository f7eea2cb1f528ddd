"""The limits of the practice exchange, who has which account, and what a kill leaves, seen by a
client of our own.

usage: limits.py BUILD_DIR SOURCE_DIR
"""
import json
import sys
import tempfile

from exchange import KEY, SECOND_KEY, SECOND_SECRET, Exchange
from wire import WebSocket, frame, http, method_of, raw, signed, signed_query, upgrade

BUILD, SOURCE = sys.argv[1:3]
SYMBOL = "BTCUSDT"
PING, PONG = 9, 10
LIMIT = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
         "quantity": "0.001", "price": "20000"}


def headers_of(port, method, path, query, key=KEY):
    """Status and headers in lower case."""
    got = raw(port, (f"{method} /api/v3/{path}?{query} HTTP/1.1\r\nHost: h\r\nX-MBX-APIKEY: {key}"
                     "\r\nConnection: close\r\n\r\n").encode())
    lines = got.partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return int(lines[0].split()[1]), {k.lower(): v for k, v in
                                      (line.split(": ", 1) for line in lines[1:])}


def test_accounts(exchange):
    port = exchange.port
    mine = signed(port, "GET", "account")[1]
    theirs = signed(port, "GET", "account", key=SECOND_KEY, secret=SECOND_SECRET)[1]
    assert mine["uid"] != theirs["uid"]
    assert {b["asset"]: b["free"] for b in theirs["balances"]}["USDT"] == "500.00000000"
    order = signed(port, "POST", "order", **LIMIT, newClientOrderId="same")[1]
    other = signed(port, "POST", "order", **LIMIT, newClientOrderId="same", key=SECOND_KEY,
                   secret=SECOND_SECRET)[1]
    assert order["orderId"] != other["orderId"], "an id is of its account"
    for ask in ({"orderId": other["orderId"]}, {"orderId": 10**6}):
        assert signed(port, "GET", "order", symbol=SYMBOL, **ask)[1]["code"] == -2013
        assert signed(port, "DELETE", "order", symbol=SYMBOL, **ask)[1]["code"] == -2011
    assert len(signed(port, "GET", "openOrders", symbol=SYMBOL)[1]) == 1
    with WebSocket(port, "/ws-api/v3") as client:
        client.send(frame(method_of("userDataStream.subscribe.signature")))
        assert client.answer()["result"] == {"subscriptionId": 0}
        signed(port, "DELETE", "openOrders", symbol=SYMBOL, key=SECOND_KEY, secret=SECOND_SECRET)
        signed(port, "DELETE", "openOrders", symbol=SYMBOL)
        while True:
            event = json.loads(client.hear()[1]).get("event", {})
            if event.get("e") == "executionReport":
                break
        assert event["i"] == order["orderId"], "another account's order was told of"
        client.send(frame(method_of("userDataStream.unsubscribe", subscriptionId=0)))
        assert client.answer()["result"] == {}
        while True:
            message = json.loads(client.hear()[1])
            if message.get("event", {}).get("e") == "eventStreamTerminated":
                break
        assert message["subscriptionId"] == 0


def test_orders(exchange):
    port = exchange.port
    exchange.act("limits", orders_10s=5)
    codes, before = [], None
    for _ in range(30):  # at most two spans of ten seconds
        status, headers = headers_of(port, "POST", "order", signed_query(**LIMIT))
        codes.append(status)
        if status == 429:
            assert 0 < int(headers["retry-after"]) <= 10
            break
        count = int(headers["x-mbx-order-count-10s"])
        assert before is None or count in (1, before + 1)
        before = count
        assert int(headers["x-mbx-order-count-1d"]) >= before
    assert codes[-1] == 429, codes
    assert signed(port, "POST", "order", key=SECOND_KEY, secret=SECOND_SECRET, **LIMIT)[0] == 200
    exchange.control("DELETE", "faults")
    for key in ({}, {"key": SECOND_KEY, "secret": SECOND_SECRET}):
        assert signed(port, "DELETE", "openOrders", symbol=SYMBOL, **key)[0] == 200


def test_weight(exchange):
    port = exchange.port
    _, headers = headers_of(port, "GET", "exchangeInfo", "")
    assert headers["x-mbx-used-weight-1m"] == headers["x-mbx-used-weight"]
    exchange.act("limits", weight=1)
    statuses = []
    while 418 not in statuses and len(statuses) < 100:
        status, headers = headers_of(port, "GET", "time", "")
        statuses.append(status)
        assert status == 200 or int(headers["retry-after"]) > 0
    assert statuses.count(429) >= 20 and statuses[-1] == 418, statuses
    status, answer = http(port, "GET", "/api/v3/ping")
    assert status == 418 and "banned until" in answer["msg"]
    assert 100 < int(headers["retry-after"]) <= 120
    exchange.act("limits", weight=1)  # forgiven; the next ban is twice as long
    status = 0
    while status != 418:
        status, headers = headers_of(port, "GET", "time", "")
    assert 200 < int(headers["retry-after"]) <= 240
    exchange.control("DELETE", "faults")
    assert http(port, "GET", "/api/v3/ping") == (200, {})


def test_sockets(exchange):
    port = exchange.port
    with WebSocket(port, "/ws/0") as client:
        # More than five within one second, wherever it begins.
        client.send(12 * frame('{"method":"LIST_SUBSCRIPTIONS","id":1}'))
        answers, heard = 0, client.hear()
        while heard is not None and heard[0] == 1:
            answers, heard = answers + 1, client.hear()
        assert 5 <= answers <= 10, answers
        assert heard is not None and heard[0] == 8 and heard[1][:2] == b"\x03\xf0", heard
    with WebSocket(port, "/ws/0") as client:
        names = [f"btcusdt@kline_{n}" for n in ("1s", "1m")]
        client.send(frame(json.dumps({"method": "SUBSCRIBE", "params": names, "id": 1})))
        for number in (2**53 + 1, -2**53 - 1, 2**63 - 1, "9f3a-\u00e9 12"):  # echoed to the digit
            client.send(frame(json.dumps({"method": "GET_PROPERTY", "params": ["combined"],
                                          "id": number})))
            message = {}
            while message.get("id") != number:
                assert "id" not in message or message["id"] == 1, message
                message = json.loads(client.hear()[1])
            assert message == {"result": False, "id": number}, message
    with WebSocket(port, "/ws-api/v3") as client:
        for number in (2**53 + 1, 2**63 - 1, "a-string-id"):
            client.send(frame(json.dumps({"method": "ping", "id": number})))
            assert client.answer()["id"] == number
    for opcode in (PING, PONG):  # they count among the messages
        with WebSocket(port, "/ws/0") as client:
            client.send(12 * frame("", opcode))
            heard = client.hear()
            while heard is not None and heard[0] == PONG:
                heard = client.hear()
            assert heard is not None and heard[0] == 8 and heard[1][:2] == b"\x03\xf0", heard
    exchange.act("limits", lifetime_ms=1)
    for path in ("/ws/0", "/ws-api/v3"):
        with WebSocket(port, path) as client:
            heard = client.hear()
            assert heard is not None and heard[0] == 8 and heard[1][:2] == b"\x03\xe9", heard
    exchange.control("DELETE", "faults")
    exchange.act("limits", connections=1)
    assert raw(port, upgrade("/ws/0")).startswith(b"HTTP/1.1 429 ")
    exchange.control("DELETE", "faults")
    with WebSocket(port, "/ws/0"):
        pass


def refusal(port, **params):
    """What POST order says; the parameters over those of LIMIT, None takes one away."""
    order = {k: v for k, v in (LIMIT | params).items() if v is not None}
    answer = signed(port, "POST", "order", **order)[1]
    assert answer.get("code", 0) in (0, -1013), answer
    return answer.get("msg", "")


def test_filters(exchange):
    """Each is announced, and enforced at its boundary and one unit beyond it."""
    port = exchange.port

    def rules():
        symbol = exchange.get("exchangeInfo?symbol=" + SYMBOL)["symbols"][0]
        return {f["filterType"]: f for f in symbol["filters"]}
    told = rules()
    assert set(told) == {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL", "MAX_NUM_ORDERS",
                         "MAX_NUM_ALGO_ORDERS", "PERCENT_PRICE_BY_SIDE", "MARKET_LOT_SIZE"}, told
    assert told["PERCENT_PRICE_BY_SIDE"]["bidMultiplierUp"] == "5.00000000"
    bid = float(exchange.get("ticker/bookTicker?symbol=" + SYMBOL)["bidPrice"])
    low, high = f"{bid / 2:.2f}", f"{bid * 2:.2f}"
    for price, side in ((f"{bid * 6:.2f}", "SELL"), (f"{bid / 6:.2f}", "BUY"),
                        (f"{bid / 6:.2f}", "SELL"), (f"{bid * 6:.2f}", "BUY")):
        assert refusal(port, price=price, side=side, quantity="0.01") == \
            "Filter failure: PERCENT_PRICE_BY_SIDE"
    exchange.act("filters", symbol=SYMBOL, percent_up=0, percent_down=0)
    assert refusal(port, price=f"{bid * 6:.2f}", side="SELL") == ""
    exchange.act("filters", symbol=SYMBOL, market_max_qty="0.00100", waiting_max=2)
    told = rules()
    assert told["MARKET_LOT_SIZE"]["maxQty"] == "0.00100000"
    assert told["MAX_NUM_ALGO_ORDERS"]["maxNumAlgoOrders"] == 2
    market = {"type": "MARKET", "price": None, "timeInForce": None}
    assert refusal(port, quantity="0.00101", **market) == "Filter failure: MARKET_LOT_SIZE"
    assert refusal(port, quantity="0.00100", **market) == ""
    assert refusal(port, quantity="0.00101", price=low) == "", "it is of market orders"
    stop = {"type": "STOP_LOSS", "side": "SELL", "price": None, "timeInForce": None}
    for _ in range(2):
        assert refusal(port, stopPrice=low, **stop) == ""
    assert refusal(port, stopPrice=low, **stop) == "Filter failure: MAX_NUM_ALGO_ORDERS"
    status, answer = signed(port, "POST", "orderList/oco", symbol=SYMBOL, side="SELL",
                            quantity="0.001", aboveType="LIMIT_MAKER", abovePrice=high,
                            belowType="STOP_LOSS", belowStopPrice=low)
    assert (status, answer["msg"]) == (400, "Filter failure: MAX_NUM_ALGO_ORDERS"), answer
    assert refusal(port, price=low) == "", "what does not wait is not counted"
    for params, name in (({"price": "20000.001"}, "PRICE_FILTER"),
                         ({"quantity": "0.001001"}, "LOT_SIZE"),
                         ({"quantity": "0.00001"}, "NOTIONAL")):
        assert refusal(port, **(dict(price=low) | params)) == "Filter failure: " + name
    exchange.control("DELETE", "faults")
    assert rules()["MAX_NUM_ALGO_ORDERS"]["maxNumAlgoOrders"] == 32
    assert signed(port, "DELETE", "openOrders", symbol=SYMBOL)[0] == 200


def test_kill(exchange):
    """What was answered before a kill -9 is there after it."""
    port = exchange.port
    wanted = []
    bid = float(exchange.get("ticker/bookTicker?symbol=" + SYMBOL)["bidPrice"])
    for params in ({"type": "STOP_LOSS_LIMIT", "side": "SELL", "stopPrice": f"{bid * .7:.2f}",
                    "price": f"{bid * .69:.2f}"},
                   {"type": "TAKE_PROFIT", "side": "SELL", "stopPrice": f"{bid * 1.3:.2f}",
                    "price": None, "timeInForce": None}, {}):
        order = {k: v for k, v in (LIMIT | params).items() if v is not None}
        status, answer = signed(port, "POST", "order", **order)
        assert status == 200, answer
        wanted.append(answer["orderId"])
    status, answer = signed(port, "POST", "orderList/oco", symbol=SYMBOL, side="SELL",
                            quantity="0.001", aboveType="LIMIT_MAKER",
                            abovePrice=f"{bid * 1.3:.2f}", belowType="STOP_LOSS",
                            belowStopPrice=f"{bid * .7:.2f}", listClientOrderId="list")
    assert status == 200, answer
    wanted += [o["orderId"] for o in answer["orders"]]
    before = signed(port, "GET", "account")[1]["balances"]
    exchange.kill_venue()
    exchange.start_venue()
    found = signed(port, "GET", "openOrders", symbol=SYMBOL)[1]
    assert [o["orderId"] for o in found] == wanted, found
    assert signed(port, "GET", "account")[1]["balances"] == before
    lists = signed(port, "GET", "openOrderList")[1]
    assert [entry["listClientOrderId"] for entry in lists] == ["list"]
    assert signed(port, "DELETE", "orderList", symbol=SYMBOL, listClientOrderId="list")[0] == 200
    assert len(signed(port, "DELETE", "openOrders", symbol=SYMBOL)[1]) == 3


def main():
    with tempfile.TemporaryDirectory(prefix="spoor-limits.") as folder, \
            Exchange(BUILD, SOURCE, folder) as exchange:
        for test in (test_accounts, test_orders, test_weight, test_sockets, test_filters,
                     test_kill):
            test(exchange)
            print(f"{test.__name__[5:]}: ok", flush=True)


main()
