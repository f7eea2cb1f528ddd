"""Unmodified python-binance trades over REST at the practice exchange: it sends its parameters in
the body, also with DELETE.

usage: python_binance_rest.py BUILD_DIR SOURCE_DIR
"""
import sys
import tempfile

try:
    import binance
    from binance.client import Client
    from binance.exceptions import BinanceAPIException
except ImportError:
    print("SKIPPED: python-binance is not installed; scripts/setup --test installs it")
    sys.exit(77)

from exchange import KEY, SECRET, Exchange  # noqa: E402

BUILD, SOURCE = sys.argv[1:3]
SYMBOL = "BTCUSDT"


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
    print("error codes: ok")


def main():
    with tempfile.TemporaryDirectory() as folder, Exchange(BUILD, SOURCE, folder) as exchange:
        Client.API_URL = Client.MARGIN_API_URL = exchange.base + "/api"
        client = Client(KEY, SECRET)
        trade(client)
        errors(client)
        client.close_connection()
    print(f"python-binance {binance.__version__}: ok")


main()
