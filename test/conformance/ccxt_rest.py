"""Unmodified ccxt trades over REST at the practice exchange.

usage: ccxt_rest.py BUILD_DIR SOURCE_DIR
"""
import decimal
import sys
import tempfile

try:
    import ccxt
except ImportError:
    print("SKIPPED: ccxt is not installed; scripts/setup --test installs it")
    sys.exit(77)

from exchange import KEY, SECRET, Exchange  # noqa: E402

BUILD, SOURCE = sys.argv[1:3]
D = decimal.Decimal
SYMBOL = "BTC/USDT"


def client_of(exchange, secret=SECRET, key=KEY):
    client = ccxt.binance({"apiKey": key, "secret": secret,
                           "options": {"defaultType": "spot", "fetchCurrencies": False,
                                       "fetchMargins": False,
                                       "fetchMarkets": {"types": ["spot"]}}})
    client.urls["api"]["public"] = client.urls["api"]["private"] = exchange.base + "/api/v3"
    return client


def expect(error, call):
    try:
        call()
    except error as found:
        assert type(found) is error, f"{type(found).__name__}: {found}"
        return
    raise AssertionError(f"no {error.__name__}")


def public(client):
    market = client.load_markets()[SYMBOL]
    assert (market["precision"]["amount"], market["precision"]["price"]) == (1e-05, 0.01)
    assert market["limits"]["cost"]["min"] == 5
    book = client.fetch_order_book(SYMBOL)
    assert book["bids"][0][0] < book["asks"][0][0]
    assert book["bids"] == sorted(book["bids"], reverse=True)
    ticker = client.fetch_ticker(SYMBOL)
    assert ticker["low"] <= ticker["last"] <= ticker["high"], ticker
    assert client.fetch_tickers([SYMBOL])[SYMBOL]["symbol"] == SYMBOL
    touch = client.fetch_bids_asks([SYMBOL])[SYMBOL]
    assert touch["bid"] < touch["ask"]
    trades = client.fetch_trades(SYMBOL, limit=5)
    assert len(trades) == 5 and trades[0]["id"] < trades[4]["id"]
    candles = client.fetch_ohlcv(SYMBOL, "1s", limit=3)
    assert len(candles) == 3 and all(c[3] <= c[4] <= c[2] for c in candles), candles
    assert client.fetch_time() > 1_700_000_000_000
    print("markets, book, tickers, trades, candles, time: ok")


def balance(client):
    return {a: D(str(v)) for a, v in client.fetch_balance()["total"].items()}


def market_orders(client):
    before = balance(client)
    bought = client.create_order(SYMBOL, "market", "buy", 0.01)
    assert bought["status"] == "closed" and bought["filled"] == 0.01, bought
    assert bought["average"] > 0 and len(bought["trades"]) >= 1
    cost = D(str(bought["cost"]))
    fees = sum(D(str(t["fee"]["cost"])) for t in bought["trades"])
    after = balance(client)
    assert after["BTC"] - before["BTC"] == D("0.01")
    assert before["USDT"] - after["USDT"] == cost + fees, (before, after, cost, fees)
    by_quote = client.create_order(SYMBOL, "market", "buy", None, None, {"quoteOrderQty": 100})
    assert D("95") < D(str(by_quote["cost"])) <= D("100"), by_quote
    sold = client.create_order(SYMBOL, "market", "sell", 0.005)
    assert sold["side"] == "sell" and sold["status"] == "closed"
    mine = client.fetch_my_trades(SYMBOL)
    assert {t["order"] for t in mine} >= {bought["id"], by_quote["id"], sold["id"]}
    assert [t["id"] for t in client.fetch_my_trades(SYMBOL, params={"orderId": bought["id"]})] == \
        [t["id"] for t in bought["trades"]]
    print("market orders by quantity and value, fills, fees, balances: ok")


def limit_orders(client):
    bid = client.fetch_order_book(SYMBOL)["bids"][0][0]
    far = round(bid * 0.8, 2)
    order = client.create_order(SYMBOL, "limit", "buy", 0.001, far, {"clientOrderId": "mine-1"})
    assert order["status"] == "open" and order["clientOrderId"] == "mine-1"
    locked = client.fetch_balance()["USDT"]["used"]
    assert locked >= 0.001 * far
    assert client.fetch_order(order["id"], SYMBOL)["price"] == far
    assert client.fetch_order(None, SYMBOL, {"clientOrderId": "mine-1"})["id"] == order["id"]
    expect(ccxt.InvalidOrder, lambda: client.create_order(
        SYMBOL, "limit", "buy", 0.001, far, {"clientOrderId": "mine-1"}))  # duplicate while open
    assert [o["id"] for o in client.fetch_open_orders(SYMBOL)] == [order["id"]]
    assert client.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    expect(ccxt.OrderNotFound, lambda: client.cancel_order(order["id"], SYMBOL))
    assert client.fetch_balance()["USDT"]["used"] == 0
    again = client.create_order(SYMBOL, "limit", "buy", 0.001, far, {"clientOrderId": "mine-1"})
    assert again["id"] != order["id"], "an ended order's id is accepted again, as at Binance"
    second = client.create_order(SYMBOL, "limit", "sell", 0.001, round(bid * 1.2, 2))
    gone = client.cancel_all_orders(SYMBOL)
    assert {o["id"] for o in gone} == {again["id"], second["id"]}, gone
    states = {o["id"]: o["status"] for o in client.fetch_orders(SYMBOL)}
    assert states[order["id"]] == states[again["id"]] == "canceled", states
    print("limit orders: placed, asked for, cancelled, ids taken again: ok")


def times_in_force(client):
    book = client.fetch_order_book(SYMBOL)
    bid, ask = book["bids"][0][0], book["asks"][0][0]
    fok = client.create_order(SYMBOL, "limit", "buy", 0.001, round(bid * 0.9, 2),
                              {"timeInForce": "FOK"})
    assert fok["status"] == "expired" and fok["filled"] == 0, fok
    ioc = client.create_order(SYMBOL, "limit", "buy", 0.001, round(ask * 1.01, 2),
                              {"timeInForce": "IOC"})
    assert ioc["status"] == "closed" and ioc["price"] == round(ask * 1.01, 2), ioc
    assert ioc["average"] <= ioc["price"]
    maker = client.create_order(SYMBOL, "limit", "buy", 0.001, round(bid * 0.9, 2),
                                {"postOnly": True})
    assert maker["status"] == "open" and maker["postOnly"] is True, maker
    client.cancel_order(maker["id"], SYMBOL)
    expect(ccxt.OrderImmediatelyFillable, lambda: client.create_order(
        SYMBOL, "limit", "buy", 0.001, round(ask * 1.01, 2), {"postOnly": True}))
    print("GTC, IOC, FOK, post only: ok")


def waiting_orders(client):
    bid = client.fetch_order_book(SYMBOL)["bids"][0][0]
    low, high = round(bid * 0.7, 2), round(bid * 1.3, 2)
    for kind, price, params, wanted in (
            ("market", None, {"stopLossPrice": low}, "STOP_LOSS"),
            ("limit", low, {"stopLossPrice": low}, "STOP_LOSS_LIMIT"),
            ("market", None, {"takeProfitPrice": high}, "TAKE_PROFIT"),
            ("limit", high, {"takeProfitPrice": high}, "TAKE_PROFIT_LIMIT")):
        order = client.create_order(SYMBOL, kind, "sell", 0.001, price, params)
        assert order["info"]["type"] == wanted and order["status"] == "open", order
        found = client.fetch_order(order["id"], SYMBOL)
        assert found["triggerPrice"] == (low if "STOP" in wanted else high), found
        assert client.cancel_order(order["id"], SYMBOL)["status"] == "canceled"
    expect(ccxt.OrderImmediatelyFillable, lambda: client.create_order(
        SYMBOL, "market", "sell", 0.001, None, {"stopLossPrice": high}))
    order = client.create_order(SYMBOL, "limit", "buy", 0.001, low)
    edited = client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.002, low)
    assert edited["id"] != order["id"] and edited["amount"] == 0.002, edited
    assert client.fetch_order(order["id"], SYMBOL)["status"] == "canceled"
    client.cancel_all_orders(SYMBOL)
    print("stop-loss, take-profit, with and without limit; one in place of another: ok")


def errors(exchange, client):
    bid = client.fetch_order_book(SYMBOL)["bids"][0][0]
    expect(ccxt.InsufficientFunds, lambda: client.create_order(SYMBOL, "market", "buy", 100))
    expect(ccxt.InsufficientFunds, lambda: client.create_order(
        SYMBOL, "limit", "sell", 50, round(bid * 1.1, 2)))
    expect(ccxt.OrderNotFound, lambda: client.fetch_order("999999", SYMBOL))
    expect(ccxt.InvalidOrder, lambda: client.private_post_order(
        {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
         "quantity": "0.000001", "price": "10000"}))  # LOT_SIZE
    expect(ccxt.BadSymbol, lambda: client.public_get_depth({"symbol": "NONEUSDT"}))
    wrong = client_of(exchange, secret="another")
    expect(ccxt.AuthenticationError, wrong.fetch_balance)
    stranger = client_of(exchange, key="stranger")
    expect(ccxt.AuthenticationError, stranger.fetch_balance)
    stale = client_of(exchange)
    stale.nonce = lambda: stale.milliseconds() - 60000
    expect(ccxt.InvalidNonce, stale.fetch_balance)
    limited = None
    for _ in range(400):  # each of weight 20
        try:
            client.private_get_account()
        except ccxt.RateLimitExceeded as error:
            limited = error
            break
        except ccxt.DDoSProtection as error:
            limited = error
            break
    assert limited is not None, "no limit was met"
    print(f"errors: funds, order, filter, symbol, signature, key, time, rate"
          f" ({type(limited).__name__}): ok")


def main():
    with tempfile.TemporaryDirectory() as folder, Exchange(BUILD, SOURCE, folder) as exchange:
        client = client_of(exchange)
        client.enableRateLimit = False
        public(client)
        market_orders(client)
        limit_orders(client)
        times_in_force(client)
        waiting_orders(client)
        errors(exchange, client)
    print(f"ccxt {ccxt.__version__}: ok")


main()
