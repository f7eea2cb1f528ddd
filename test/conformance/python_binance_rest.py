"""Unmodified python-binance trades over REST at the practice exchange, with its parameters in the
body, also with DELETE; and its sockets follow the market and the account.

usage: python_binance_rest.py BUILD_DIR SOURCE_DIR
"""
import asyncio
import sys
import tempfile

try:
    import binance
    from binance import AsyncClient, BinanceSocketManager
    from binance.client import Client
    from binance.exceptions import BinanceAPIException
except ImportError:
    print("SKIPPED: python-binance is not installed; scripts/setup --test installs it")
    sys.exit(77)

from exchange import ED_KEY, ED_PRIVATE, KEY, SECRET, Exchange  # noqa: E402
from wire import WebSocket  # noqa: E402

BUILD, SOURCE = sys.argv[1:3]
SYMBOL = "BTCUSDT"
LIMIT_S = 30


def code_of(call):
    try:
        call()
    except BinanceAPIException as error:
        return error.code
    raise AssertionError("no error")


def trade(client):
    info = client.get_symbol_info(SYMBOL)
    assert {f["filterType"] for f in info["filters"]} >= {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"}
    assert len(client.get_order_book(symbol=SYMBOL, limit=5)["bids"]) == 5
    assert len(client.get_klines(symbol=SYMBOL, interval="1s", limit=2)) == 2
    assert float(client.get_symbol_ticker(symbol=SYMBOL)["price"]) > 0
    assert client.get_asset_balance("USDT")["free"] == "10000.00000000"
    bought = client.order_market_buy(symbol=SYMBOL, quantity="0.01")
    assert bought["status"] == "FILLED" and bought["executedQty"] == "0.01000000"
    bid = float(client.get_orderbook_ticker(symbol=SYMBOL)["bidPrice"])
    order = client.order_limit_buy(symbol=SYMBOL, quantity="0.001", price=f"{bid * 0.8:.2f}")
    assert client.get_order(symbol=SYMBOL, orderId=order["orderId"])["status"] == "NEW"
    assert len(client.get_open_orders(symbol=SYMBOL)) == 1
    gone = client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
    assert gone["status"] == "CANCELED" and gone["origClientOrderId"] == order["clientOrderId"]
    listed = client.create_oco_order(
        symbol=SYMBOL, side="SELL", quantity="0.001", aboveType="TAKE_PROFIT_LIMIT",
        aboveStopPrice=f"{bid * 1.3:.2f}", abovePrice=f"{bid * 1.3:.2f}", aboveTimeInForce="GTC",
        belowType="STOP_LOSS", belowStopPrice=f"{bid * 0.7:.2f}")
    assert listed["contingencyType"] == "OCO" and len(listed["orderReports"]) == 2, listed
    ended = client.cancel_order(symbol=SYMBOL, orderId=listed["orders"][0]["orderId"])
    assert ended["status"] == "CANCELED" and client.get_open_orders(symbol=SYMBOL) == []
    assert client.create_test_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity="0.01") == {}
    mine = client.get_my_trades(symbol=SYMBOL, orderId=bought["orderId"])
    assert sum(float(t["qty"]) for t in mine) == 0.01
    assert len(client.get_all_orders(symbol=SYMBOL)) == 4
    print("book, candles, market and limit order, cancel in a body, trades: ok")


def order_types(client):
    """The life of each type that rests or waits, and what ends at once."""
    touch = client.get_orderbook_ticker(symbol=SYMBOL)
    bid, ask = float(touch["bidPrice"]), float(touch["askPrice"])
    far, low, high = f"{bid * 0.8:.2f}", f"{bid * 0.7:.2f}", f"{bid * 1.3:.2f}"
    by_value = client.order_market_buy(symbol=SYMBOL, quoteOrderQty="100")
    assert by_value["status"] == "FILLED" and 95 < float(by_value["cummulativeQuoteQty"]) <= 100
    limit = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "quantity": "0.001"}
    fok = client.create_order(**limit, timeInForce="FOK", price=far)
    ioc = client.create_order(**limit, timeInForce="IOC", price=f"{ask * 1.01:.2f}")
    assert (fok["status"], ioc["status"]) == ("EXPIRED", "FILLED"), (fok, ioc)
    for kind, params in (("LIMIT_MAKER", {"side": "BUY", "price": far}),
                         ("STOP_LOSS", {"stopPrice": low}),
                         ("STOP_LOSS_LIMIT", {"stopPrice": low, "price": low}),
                         ("TAKE_PROFIT", {"stopPrice": high}),
                         ("TAKE_PROFIT_LIMIT", {"stopPrice": high, "price": high})):
        if kind.endswith("_LIMIT"):
            params["timeInForce"] = "GTC"
        order = client.create_order(**({"symbol": SYMBOL, "side": "SELL", "type": kind,
                                        "quantity": "0.001"} | params))
        found = client.get_order(symbol=SYMBOL, orderId=order["orderId"])
        assert (found["status"], found["type"]) == ("NEW", kind), found
        assert [o["orderId"] for o in client.get_open_orders(symbol=SYMBOL)] == [order["orderId"]]
        gone = client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        assert gone["status"] == "CANCELED", gone
    resting = client.create_order(**limit, timeInForce="GTC", price=far)
    other = client.cancel_replace_order(**limit, timeInForce="GTC", price=low,
                                        cancelReplaceMode="STOP_ON_FAILURE",
                                        cancelOrderId=resting["orderId"])
    assert other["newOrderResult"] == "SUCCESS", other
    client.cancel_order(symbol=SYMBOL, orderId=other["newOrderResponse"]["orderId"])
    held = {b["asset"]: b for b in client.get_account()["balances"]}
    assert held["USDT"]["locked"] == held["BTC"]["locked"] == "0.00000000", held
    day = client.get_ticker(symbol=SYMBOL)
    assert float(day["lowPrice"]) <= float(day["lastPrice"]) <= float(day["highPrice"]), day
    assert len(client.get_recent_trades(symbol=SYMBOL, limit=3)) == 3
    print("each type of order, from its beginning to its end: ok")


async def heard(socket, wanted=lambda event: True):
    """The first event that is wanted; combined streams hold it in "data"."""
    while True:
        event = await asyncio.wait_for(socket.recv(), LIMIT_S)
        event = event.get("data", event)
        assert event.get("e") != "error", event
        if wanted(event):
            return event


async def sockets(base):
    AsyncClient.API_URL = AsyncClient.MARGIN_API_URL = base + "/api"
    AsyncClient.WS_API_URL = base.replace("http:", "ws:") + "/ws-api/v3"
    BinanceSocketManager.STREAM_URL = base.replace("http:", "ws:") + "/"
    client = await AsyncClient.create(KEY, SECRET)
    manager = BinanceSocketManager(client)
    async with manager.trade_socket(SYMBOL) as trades:
        first = await heard(trades)
        assert (await heard(trades))["t"] > first["t"]
    async with manager.symbol_ticker_socket(SYMBOL) as tickers:
        ticker = await heard(tickers)
        assert float(ticker["l"]) <= float(ticker["c"]) <= float(ticker["h"]), ticker
    async with manager.depth_socket(SYMBOL) as depth:
        change = await heard(depth)
        assert change["e"] == "depthUpdate" and change["U"] <= change["u"], change
    async with manager.kline_socket(SYMBOL, interval="1m") as candles:
        assert (await heard(candles))["k"]["i"] == "1m"
    async with manager.user_socket() as account:
        order = await client.order_market_buy(symbol=SYMBOL, quantity="0.001")
        fill = await heard(account, lambda e: e.get("x") == "TRADE")
        assert (fill["i"], fill["S"], fill["X"]) == (order["orderId"], "BUY", "FILLED"), fill
        position = await heard(account, lambda e: e.get("e") == "outboundAccountPosition")
        assert {"BTC", "USDT"} <= {b["a"] for b in position["B"]}, position
    await client.session.close()  # close_connection waits ten seconds for one more message
    print("trades, ticker, book, candles, orders and balances as they happen: ok")


def ed25519():
    client = Client(ED_KEY, private_key=ED_PRIVATE, ping=False)
    order = client.order_limit_buy(symbol=SYMBOL, quantity="0.001", price="20000")
    assert client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])["status"] == "CANCELED"
    assert code_of(Client(KEY, private_key=ED_PRIVATE, ping=False).get_account) == -1022
    client.close_connection()
    print("orders signed by Ed25519: ok")


def listen_key(exchange, client):
    """The older way to user data: events come bare, or by the key's name."""
    key = client.stream_get_listen_key()
    assert len(key) == 64 and client.stream_get_listen_key() == key
    with WebSocket(exchange.port, f"/ws/{key}") as bare, \
            WebSocket(exchange.port, f"/stream?streams=btcusdt@depth5/{key}") as combined:
        order = client.order_limit_buy(symbol=SYMBOL, quantity="0.001", price="20000")
        event = bare.text()
        assert (event["e"], event["i"]) == ("executionReport", order["orderId"]), event
        named = combined.text()
        while named["stream"] != key:
            named = combined.text()
        assert named["data"] == event, named
        assert bare.text()["e"] == "outboundAccountPosition"
        assert client.stream_keepalive(key) == {} and client.stream_close(key) == {}
        client.cancel_order(symbol=SYMBOL, orderId=order["orderId"])
        later = [combined.text()["data"] for _ in range(5)]
        assert "executionReport" not in [event.get("e") for event in later], later
    assert code_of(lambda: client.stream_keepalive(key)) == -1125
    assert client.stream_get_listen_key() != key
    print("user data by a listen key: ok")


def errors(client):
    def order(**params):
        return lambda: client.create_order(symbol=SYMBOL, **params)

    limit = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "10000"}
    assert code_of(order(**limit, quantity="0.000001")) == -1013
    assert code_of(order(**limit, quantity="0.0000000001")) == -1111
    assert code_of(order(**limit, quantity="abc")) == -1100
    assert code_of(order(side="BUY", type="LIMIT", quantity="1", price="10000")) == -1102
    assert code_of(order(side="UP", type="MARKET", quantity="1")) == -1117
    assert code_of(order(side="BUY", type="GUESS", quantity="1")) == -1116
    assert code_of(order(side="BUY", type="MARKET", quantity="1", timeInForce="GTC")) == -1106
    assert code_of(order(side="BUY", type="MARKET", quantity="100")) == -2010
    assert code_of(lambda: client.get_order(symbol=SYMBOL, orderId=99999)) == -2013
    assert code_of(lambda: client.cancel_order(symbol=SYMBOL, orderId=99999)) == -2011
    assert code_of(lambda: client.get_order(symbol=SYMBOL)) == -1102
    assert code_of(lambda: client.get_order_book(symbol="NONE")) == -1121
    assert code_of(lambda: client.get_klines(symbol=SYMBOL, interval="7m")) == -1120
    assert code_of(Client(KEY, "another", ping=False).get_account) == -1022
    assert code_of(Client("stranger", SECRET, ping=False).get_account) == -2015
    client.timestamp_offset = -60000
    assert code_of(client.get_account) == -1021
    client.timestamp_offset = 0
    print("error codes: ok")


def rate_limit(exchange, client):
    exchange.act("limits", weight=1)
    try:
        for _ in range(3):
            client.get_account()
    except BinanceAPIException as error:
        assert (error.status_code, error.code) == (429, -1003), error
    else:
        raise AssertionError("no limit was met")
    exchange.control("DELETE", "faults")
    print("rate limit: ok")


def main():
    with tempfile.TemporaryDirectory() as folder, Exchange(BUILD, SOURCE, folder) as exchange:
        Client.API_URL = Client.MARGIN_API_URL = exchange.base + "/api"
        client = Client(KEY, SECRET)
        trade(client)
        order_types(client)
        asyncio.run(sockets(exchange.base))
        ed25519()
        listen_key(exchange, client)
        errors(client)
        rate_limit(exchange, client)
        client.close_connection()
    print(f"python-binance {binance.__version__}: ok")


main()
