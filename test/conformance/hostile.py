"""Malformed requests at the practice exchange, one after the other: after each of them it still
answers a ping and its process lives. Where the protocol names the answer, that is checked too.

usage: hostile.py BUILD_DIR SOURCE_DIR
"""
import json
import socket
import struct
import sys
import tempfile
import urllib.parse

from exchange import Exchange
from wire import LIMIT_S, WebSocket, connect, frame, http, method_of, raw, signed, upgrade

BUILD, SOURCE = sys.argv[1:3]
MOST = 2**63 - 1


# ---- What is hostile ----

def broken_http(port):
    """Bytes and the status they are refused with; None: whatever comes, it ends."""
    ping = b"GET /api/v3/ping HTTP/1.1\r\nHost: h\r\n"
    end = b"Connection: close\r\n\r\n"
    many = b"".join(b"X-%d: 1\r\n" % i for i in range(200))
    cases = [
        ("nonsense", b"\x00\x01\x02\xff\r\n\r\n", 400),
        ("a TLS hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64), 400),
        ("an unknown method", b"FROB / HTTP/1.1\r\n\r\n", 400),
        ("HTTP/9", b"GET / HTTP/9.9\r\n" + end, None),
        ("a header flood", ping + many + end, 431),
        ("a long header", ping + b"X: " + b"y" * 9000 + b"\r\n" + end, 431),
        ("a header name without end", ping + b"x" * 9000, 431),
        ("a long target", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + end, 414),
        ("a NUL in a header", ping + b"X: \x00\r\n" + end, 400),
        ("a NUL in the target", b"GET /\x00 HTTP/1.1\r\n" + end, 400),
        ("a header without colon", ping + b"nonsense\r\n" + end, 400),
        ("negative length", ping + b"Content-Length: -1\r\n" + end, 400),
        ("a length that is no number", ping + b"Content-Length: ten\r\n" + end, 400),
        ("length beyond 2^64", ping + b"Content-Length: 99999999999999999999\r\n" + end, 400),
        ("length of 2^63", ping + b"Content-Length: 9223372036854775808\r\n" + end, 413),
        ("two lengths", ping + b"Content-Length: 1\r\nContent-Length: 2\r\n" + end, 400),
        ("length and chunks", ping + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n" + end,
         400),
        ("a chunk of 2^64", ping + b"Transfer-Encoding: chunked\r\n" + end
         + b"FFFFFFFFFFFFFFFFF\r\n", 400),
        ("a chunk that is no number", ping + b"Transfer-Encoding: chunked\r\n" + end + b"xyz\r\n",
         400),
        ("chunks beyond the bound", ping + b"Transfer-Encoding: chunked\r\n" + end
         + b"8000\r\n" + b"a" * 0x8000 + b"\r\n8001\r\n" + b"a" * 0x8001 + b"\r\n", 413),
        ("headers behind the chunks", ping + b"Transfer-Encoding: chunked\r\n" + end
         + b"1\r\na\r\n0\r\n" + many + b"\r\n", 431),
        ("HEAD", b"HEAD /api/v3/ping HTTP/1.1\r\nHost: h\r\n" + end, 405),
        ("CONNECT", b"CONNECT h:80 HTTP/1.1\r\nHost: h\r\n" + end, 404),
        ("an upgrade without key", b"GET /ws HTTP/1.1\r\nUpgrade: websocket\r\n"
         b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", 404),
        ("an upgrade of another version", upgrade("/ws").replace(b"13", b"7"), 404),
        ("an upgrade with a long key", upgrade("/ws").replace(b"dGhl", b"dGhl" * 100), 404),
        ("an upgrade elsewhere", upgrade("/api/v3/ping"), 200),
        ("a way out of the folder", b"GET /api/v3/../../etc/passwd HTTP/1.1\r\n" + end, 404),
        ("pings on one connection", (ping + b"\r\n") * 50 + ping + end, 200),
    ]
    for name, data, status in cases:
        def run(data=data, status=status):
            got = raw(port, data)
            if status is not None:
                assert got.startswith(b"HTTP/1.1 %d " % status), got[:60]
            assert b"pings" not in data or got.count(b"HTTP/1.1 200") == 51
        yield "http: " + name, run
    for name, data in (("half a request", ping), ("half a body", b"POST /api/v3/order HTTP/1.1\r\n"
                       b"Content-Length: 100\r\n\r\nsymbol="), ("half a handshake",
                       upgrade("/ws")[:-2]), ("nothing", b"")):
        def leave(data=data):
            with connect(port) as sock:
                sock.sendall(data)
        yield "http: leaves after " + name, leave


def broken_queries(port):
    """Public requests with the code that they are refused with; None: they are answered."""
    encode = urllib.parse.quote
    cases = [
        ("depth", "", -1102), ("depth", "symbol=", -1102), ("depth", "symbol=NONEUSDT", -1121),
        ("depth", "symbol=" + "A" * 5000, -1121), ("depth", "symbol=%00", -1100),
        ("depth", "symbol=%zz", -1100), ("depth", "symbol=%F", -1100),
        ("depth", "symbol=BTCUSDT&limit=-1", -1100), ("depth", "symbol=BTCUSDT&limit=0", None),
        ("depth", f"symbol=BTCUSDT&limit={MOST}", None),
        ("depth", f"symbol=BTCUSDT&limit={MOST + 1}", -1100),
        ("depth", "symbol=BTCUSDT&limit=1e3", -1100), ("depth", "symbol=BTCUSDT&limit=", -1100),
        ("depth", "symbol=BTCUSDT&limit=+5", -1100), ("depth", "symbol=BTCUSDT&limit=%095", -1100),
        ("trades", f"symbol=BTCUSDT&limit={MOST}", None),
        ("trades", "symbol=BTCUSDT&limit=0", None),
        ("aggTrades", f"symbol=BTCUSDT&fromId={MOST}&limit={MOST}", None),
        ("aggTrades", f"symbol=BTCUSDT&startTime={MOST}&endTime=0", None),
        ("klines", "symbol=BTCUSDT", -1102), ("klines", "symbol=BTCUSDT&interval=9x", -1120),
        ("klines", "symbol=NONEUSDT&interval=9x", -1121),
        ("klines", "symbol=BTCUSDT&interval=1m&limit=0", None),
        ("klines", f"symbol=BTCUSDT&interval=1w&limit={MOST}&startTime={MOST}", None),
        ("ticker/price", "symbols=" + encode('["BTCUSDT"'), -1100),
        ("ticker/price", "symbols=" + encode("[" * 500 + "]" * 500), -1100),
        ("ticker/price", "symbols=" + encode('["NONEUSDT"]'), -1121),
        ("ticker/price", "symbols=" + encode("[null]"), -1121),
        ("ticker/price", "symbols=" + encode("[[]]"), -1121),
        ("ticker/price", "symbols=5", -1100), ("ticker/price", "symbols=null", -1100),
        ("ticker/price", "symbols=" + encode('{"a":"BTCUSDT"}'), -1100),
        ("ticker/24hr", "symbols=" + encode("[" + '"BTCUSDT",' * 400 + '"BTCUSDT"]', safe='[",]'),
         -1101),
        ("exchangeInfo", "symbols=" + encode('["NONEUSDT"]'), -1121),
        ("exchangeInfo", "symbol=%22%5C%01", -1121),
        ("ping", "&".join(f"a{i}=1" for i in range(100)), -1100),
        ("ping", "&&&&=&=&&", None), ("ping", "a&" * 4000, None), ("nonsense", "", -1000),
        ("order", "symbol=BTCUSDT", -2014),
    ]
    for path, query, code in cases:
        def run(path=path, query=query, code=code):
            _, answer = http(port, "GET", "/api/v3/" + path, query)
            got = answer.get("code") if isinstance(answer, dict) else None
            assert got == code, answer
        yield f"rest: {path}?{query[:40]}", run
    for body in (b"a&" * 8192, b"a&" * 32768, b"\xff" * 4096, b"=" * 16384, b"%" * 100):
        def post(body=body):
            status, _ = http(port, "POST", "/api/v3/order", "", body)
            assert 400 <= status < 500, status
        yield f"rest: a body of {body[:8]}...", post


def broken_orders(port):
    """Signed requests and the code that they are refused with; None: they are answered."""
    order = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
             "quantity": "0.001", "price": "20000"}
    oco = {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.001", "aboveType": "LIMIT_MAKER",
           "abovePrice": "200000", "belowType": "STOP_LOSS", "belowStopPrice": "10000"}
    far = 10**30
    cases = [
        ("POST", "order", {"timestamp": 0} | order, -1021),
        ("POST", "order", {"timestamp": MOST} | order, -1021),
        ("POST", "order", {"timestamp": -1} | order, -1100),
        ("POST", "order", {"recvWindow": 60001} | order, -1131),
        ("POST", "order", {"recvWindow": "x"} | order, -1100),
        ("POST", "order", order | {"quantity": "1e3"}, -1100),
        ("POST", "order", order | {"quantity": far}, -1111),
        ("POST", "order", order | {"quantity": "0.000000001"}, -1111),
        ("POST", "order", order | {"quantity": "-1"}, -1100),
        ("POST", "order", order | {"quantity": "0"}, -1013),
        ("POST", "order", order | {"price": "0"}, -1013),
        ("POST", "order", order | {"price": "92233720368", "quantity": "92233720368"}, -1013),
        ("POST", "order", order | {"price": "92233720368", "quantity": "1"}, -1013),
        ("POST", "order", order | {"price": "9000000000", "quantity": "1.1"}, -1013),
        ("POST", "order", order | {"price": "9000000000", "quantity": "1"}, -1013),
        ("POST", "order", order | {"side": "SIDEWAYS"}, -1117),
        ("POST", "order", order | {"type": "NONE"}, -1116),
        ("POST", "order", order | {"timeInForce": "GTX"}, -1115),
        ("POST", "order", order | {"newClientOrderId": "x" * 37}, -1100),
        ("POST", "order", order | {"newClientOrderId": ""}, -1100),
        ("POST", "order", order | {"newClientOrderId": '"\x01'}, -1100),
        ("POST", "order", order | {"quoteOrderQty": "5"}, -1106),
        ("POST", "order", {k: order[k] for k in ("symbol", "side")} | {"type": "MARKET"}, -1102),
        ("POST", "order", {k: order[k] for k in ("symbol", "side")}
         | {"type": "MARKET", "quoteOrderQty": "92233720368"}, -2010),
        ("POST", "order", {k: order[k] for k in ("symbol", "side")}
         | {"type": "MARKET", "quantity": "92233720368"}, -1013),
        ("POST", "order", order | {"type": "STOP_LOSS"}, -1106),
        ("POST", "order", order | {"type": "STOP_LOSS_LIMIT"}, -1102),
        ("POST", "order", order | {"type": "TAKE_PROFIT_LIMIT", "stopPrice": "-1"}, -1100),
        ("POST", "order", order | {"type": "TAKE_PROFIT_LIMIT", "stopPrice": "92233720368"}, -1013),
        ("POST", "order", order | {"selfTradePreventionMode": "ALWAYS"}, -1100),
        ("POST", "orderList/oco", order, -1102),
        ("POST", "orderList/oco", oco | {"aboveType": "MARKET"}, -1106),
        ("POST", "orderList/oco", oco | {"aboveType": "STOP_LOSS"}, -1106),
        ("POST", "orderList/oco", oco | {"belowType": "LIMIT_MAKER", "belowPrice": "1"}, -1106),
        ("POST", "orderList/oco", oco | {"abovePrice": "92233720368"}, -1013),
        ("POST", "orderList/oco", oco | {"quantity": "92233720368"}, -1013),
        ("POST", "orderList/oco", oco | {"aboveClientOrderId": "a", "belowClientOrderId": "a"},
         -2010),
        ("POST", "orderList/oco", oco | {"listClientOrderId": "x" * 37}, -1100),
        ("POST", "order/oco", oco, -1102),
        ("POST", "order/oco", {"symbol": "BTCUSDT", "side": "SELL", "quantity": "0.001",
                               "price": "1", "stopPrice": "2", "stopLimitPrice": "2"}, -1102),
        ("GET", "orderList", {}, -1102), ("GET", "orderList", {"orderListId": MOST}, -2013),
        ("GET", "orderList", {"origClientOrderId": "x" * 4000}, -2013),
        ("GET", "allOrderList", {"fromId": MOST, "limit": MOST, "startTime": MOST}, None),
        ("DELETE", "orderList", {"symbol": "BTCUSDT", "orderListId": MOST}, -2011),
        ("DELETE", "orderList", {"symbol": "BTCUSDT"}, -1102),
        ("POST", "order/cancelReplace", order, -1102),
        ("POST", "order/cancelReplace", order | {"cancelReplaceMode": "MAYBE"}, -1100),
        ("POST", "order/cancelReplace", order | {"cancelReplaceMode": "ALLOW_FAILURE"}, -1102),
        ("POST", "order/cancelReplace", order | {"cancelReplaceMode": "STOP_ON_FAILURE",
                                                 "cancelOrderId": MOST}, -2022),
        ("DELETE", "order", {"symbol": "BTCUSDT", "orderId": 1, "cancelRestrictions": "x"}, -2011),
        ("POST", "order", order | {"newClientOrderId": "..."}, None),
        ("GET", "order", {"symbol": "BTCUSDT"}, -1102),
        ("GET", "order", {"symbol": "BTCUSDT", "orderId": MOST}, -2013),
        ("GET", "order", {"symbol": "BTCUSDT", "orderId": MOST + 1}, -1100),
        ("GET", "order", {"symbol": "BTCUSDT", "orderId": -5}, -1100),
        ("GET", "order", {"symbol": "BTCUSDT", "origClientOrderId": "!!!"}, -2013),
        ("GET", "order", {"symbol": "BTCUSDT", "origClientOrderId": "x" * 4000}, -2013),
        ("DELETE", "order", {"symbol": "BTCUSDT", "origClientOrderId": "!!!"}, -2011),
        ("DELETE", "order", {"symbol": "BTCUSDT", "orderId": MOST}, -2011),
        ("DELETE", "order", {"symbol": "BTCUSDT", "origClientOrderId": "...",
                             "newClientOrderId": "\xff\n" * 100}, -1100),
        ("GET", "allOrders", {"symbol": "BTCUSDT", "limit": 0}, None),
        ("GET", "allOrders", {"symbol": "BTCUSDT", "orderId": MOST, "limit": MOST}, None),
        ("GET", "myTrades", {"symbol": "BTCUSDT", "fromId": MOST, "orderId": MOST}, None),
        ("DELETE", "openOrders", {"symbol": "BTCUSDT"}, None),
        ("DELETE", "openOrders", {"symbol": "BTCUSDT"}, -2011),
        ("DELETE", "openOrders", {}, -1102),
    ]
    for method, path, params, code in cases:
        def run(method=method, path=path, params=params, code=code):
            _, answer = signed(port, method, path, **params)
            got = answer.get("code") if isinstance(answer, dict) else None
            assert got == code, answer
        shown = urllib.parse.urlencode(params)[:60]
        yield f"signed: {method} {path}?{shown}", run
    for path in ("allOrders", "myTrades"):
        def late(path=path):
            assert signed(port, "POST", "order", symbol="BTCUSDT", side="BUY", type="MARKET",
                          quantity="0.001")[0] == 200
            for start in (MOST, MOST // 10**6 + 1):  # beyond all time: nothing lies there
                got = signed(port, "GET", path, symbol="BTCUSDT", startTime=start, endTime=MOST)
                assert got == (200, []), got
            everything = signed(port, "GET", path, symbol="BTCUSDT", startTime=0, endTime=MOST)[1]
            assert len(everything) > 0
        yield f"signed: {path} beyond all time", late


def broken_messages(port):
    """Texts to both kinds of WebSocket: each is answered, and the connection goes on."""
    texts = [
        "", " ", "{", "[]", "5", "null", '"x"', "nonsense", "\x01", "[" * 20000, '{"a":' * 3000,
        "{}", '{"id":{}}', '{"id":[1],"method":5}', '{"method":null,"params":null}',
        '{"id":99999999999999999999,"method":"ping"}', '{"id":1e999,"method":"ping"}',
        '{"id":"' + "i" * 5000 + '","method":"ping"}', '{"id":1,"id":2,"method":"ping"}',
        '{"id":1,"method":"' + "m" * 5000 + '"}', '{"id":1,"method":"\\u0000"}',
        '{"id":1,"method":"ping","params":["x"]}', '{"id":1,"method":"ping","params":[1,null]}',
        '{"id":1,"method":"ping","params":"x"}', '{"id":1,"method":"ping","params":{"a":[]}}',
        '{"id":1,"method":"ping","params":null}', '{"id":1,"method":"ping","params":7}',
        '{"id":1,"method":"order.place"}', '{"id":1,"method":"order.place","params":[]}',
        '{"id":1,"method":"userDataStream.subscribe.signature"}',
        '{"id":1,"method":"userDataStream.unsubscribe","params":{"subscriptionId":-1}}',
        '{"id":1,"method":"ticker.price","params":{"symbols":["BTCUSDT"]}}',
        '{"method":"SUBSCRIBE","params":"x","id":1}', '{"method":"SUBSCRIBE","params":[1],"id":1}',
        '{"method":"SUBSCRIBE","params":{"a":"btcusdt@trade"},"id":1}',
        '{"method":"SUBSCRIBE","params":["@","@@","btcusdt@","btcusdt@kline_","' + "a" * 500
        + '@trade","btcusdt@depth7"],"id":1}',
        '{"method":"UNSUBSCRIBE","params":["never"],"id":null}',
        '{"method":"SET_PROPERTY","params":["combined"],"id":1}',
        '{"method":"SET_PROPERTY","params":["combined",5],"id":1}',
        '{"method":"GET_PROPERTY","id":1}', '{"method":"LIST_SUBSCRIPTIONS","id":1}',
        json.dumps({"method": "SUBSCRIBE", "params": [f"x{i}@trade" for i in range(3000)],
                    "id": 1}),
    ]
    for path in ("/ws-api/v3", "/ws/0", "/stream?streams="):
        def talk(path=path):
            with WebSocket(port, path) as client:
                for text in texts:
                    client.send(frame(text))
                    assert isinstance(client.answer(), dict), text
        yield f"socket {path}: {len(texts)} texts", talk

    def account():
        with WebSocket(port, "/ws-api/v3") as client:
            for code in (None, -2035):  # the second time it is there already
                client.send(frame(method_of("userDataStream.subscribe.signature")))
                answer = client.answer()
                assert answer.get("error", {}).get("code") == code, answer
            client.send(frame(method_of("order.status", symbol="BTCUSDT", orderId=2**53)))
            assert client.answer()["error"]["code"] == -2013
    yield "socket: twice the account, then leaves", account


def broken_frames(port):
    big = frame("x" * 70000)
    cases = [
        ("not masked", frame("{}", masked=False)), ("opcode 3", frame("", 3)),
        ("opcode 15", frame("", 15)), ("goes on with nothing", frame("x", 0)),
        ("two beginnings", frame("a", 1, final=False) + frame("b", 1)),
        ("reserved bits", b"\xf1\x80abcd"), ("no UTF-8", frame(b"\xff\xfe")),
        ("half a character", frame(b"\xe2\x82")), ("too large", big),
        ("too large in parts", frame("x" * 40000, final=False) + frame("x" * 40000, 0)),
        ("2^63 bytes", b"\x81\xff" + b"\x7f" + b"\xff" * 7 + b"abcdx"),
        ("2^64 bytes", b"\x81\xff" + b"\xff" * 8 + b"abcdx"),
        ("a ping of 126 bytes", frame("p" * 126, 9)),
        ("a ping in parts", frame("p", 9, final=False)),
        ("a close of one byte", frame("x", 8)),
        ("a close with a wrong code", frame(b"\x00\x01", 8)),
        ("a close", frame(b"\x03\xe8bye", 8)), ("a close, then more", frame("", 8) + frame("{}")),
    ]
    for name, data in cases:
        def run(data=data):
            with WebSocket(port, "/ws/btcusdt@trade") as client:
                try:
                    client.send(data)
                except (BrokenPipeError, ConnectionResetError):
                    pass
                client.ends()
        yield "frames: " + name, run

    def odd():
        """What is odd but allowed: the connection goes on."""
        message = '{"method":"GET_PROPERTY","id":1}'
        with WebSocket(port, "/ws", behind=frame(message)) as client:  # in one with the handshake
            assert client.answer()["id"] == 1
            client.send(frame(b"\x00\xff", 2) + frame("", 10) + frame("p" * 125, 9))
            client.send(b"".join(frame(c, 1 if i == 0 else 0, i == len(message) - 1)
                                 for i, c in enumerate(message)))
            for byte in frame(message):
                client.send(bytes([byte]))
            assert [client.answer()["id"] for _ in range(2)] == [1, 1]
            client.send(b"".join(frame("p", 9) for _ in range(2000)))
            assert client.hear() is not None
    yield "frames: odd ones", odd

    def leave():
        for _ in range(20):
            client = WebSocket(port, "/stream?streams=btcusdt@depth/btcusdt@trade/x@y///")
            client.send(frame("x" * 1000)[:500])
            client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.__exit__(None, None, None)
    yield "frames: twenty leave within one", leave


def main():
    count, wrong = 0, []
    with tempfile.TemporaryDirectory(prefix="spoor-hostile.") as folder, \
            Exchange(BUILD, SOURCE, folder) as exchange:
        exchange.act("limits", messages=1000000, connections=1000000)
        for group in (broken_http, broken_queries, broken_orders, broken_messages, broken_frames):
            for name, run in group(exchange.port):
                count += 1
                try:
                    run()
                except (AssertionError, OSError, ValueError) as error:
                    wrong.append(f"{name}: {type(error).__name__} {str(error)[:200]}")
                    print("wrong:", wrong[-1], flush=True)
                assert exchange.processes[1].poll() is None, f"{name}: the venue has ended"
                assert exchange.get("ping") == {}, name
        venue = exchange.processes[1]
        venue.terminate()
        assert venue.wait(LIMIT_S) == 0, "the venue ends as it should"
    if wrong:
        sys.exit(f"{len(wrong)} of {count} wrong")
    print(f"{count} hostile requests: each refused as it should be, and a ping answered after it")


if __name__ == "__main__":
    main()
