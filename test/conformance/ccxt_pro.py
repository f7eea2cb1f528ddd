"""Unmodified ccxt.pro watches the market and its account over WebSockets, and trades over them.

usage: ccxt_pro.py BUILD_DIR SOURCE_DIR
"""
import asyncio
import sys
import tempfile

try:
    import ccxt
    import ccxt.pro
except ImportError:
    print("SKIPPED: ccxt is not installed; scripts/setup --test installs it")
    sys.exit(77)

from exchange import KEY, SECRET, Exchange  # noqa: E402

BUILD, SOURCE = sys.argv[1:3]
SYMBOL = "BTC/USDT"
LIMIT_S = 30


def client_of(exchange):
    client = ccxt.pro.binance({"apiKey": KEY, "secret": SECRET, "newUpdates": True,
                               "options": {"defaultType": "spot", "fetchCurrencies": False,
                                           "fetchMargins": False,
                                           "fetchMarkets": {"types": ["spot"]}}})
    client.urls["api"]["public"] = client.urls["api"]["private"] = exchange.base + "/api/v3"
    sockets = exchange.base.replace("http:", "ws:")
    client.urls["api"]["ws"]["spot"] = sockets + "/ws"
    client.urls["api"]["ws"]["ws-api"]["spot"] = sockets + "/ws-api/v3"
    return client


async def within(awaitable):
    return await asyncio.wait_for(awaitable, LIMIT_S)


async def market(client):
    trades = await within(client.watch_trades(SYMBOL))
    more = await within(client.watch_trades(SYMBOL))
    assert int(more[-1]["id"]) > int(trades[0]["id"])
    touch = (await within(client.watch_bids_asks([SYMBOL])))[SYMBOL]
    assert 0 < touch["bid"] < touch["ask"]
    ticker = await within(client.watch_ticker(SYMBOL))
    assert ticker["low"] <= ticker["last"] <= ticker["high"]
    candles = await within(client.watch_ohlcv(SYMBOL, "1m"))
    assert candles[-1][3] <= candles[-1][4] <= candles[-1][2]
    book = await within(client.watch_order_book(SYMBOL))
    first = book["nonce"]
    for _ in range(30):  # ccxt checks every change against the one before, or it starts anew
        book = await within(client.watch_order_book(SYMBOL))
        assert book["bids"][0][0] < book["asks"][0][0], book
    assert book["nonce"] > first
    print("trades, touch, ticker, candles, 30 changes of the book in order: ok")


async def until(watch, wanted):
    """Updates until one is wanted."""
    while True:
        for update in await within(watch()):
            if wanted(update):
                return update


async def account(client):
    orders = asyncio.create_task(until(lambda: client.watch_orders(SYMBOL),
                                       lambda o: o["status"] == "closed"))
    fills = asyncio.create_task(until(lambda: client.watch_my_trades(SYMBOL), lambda t: True))
    balance = asyncio.create_task(within(client.watch_balance()))
    bought = 0
    while not (orders.done() and fills.done() and balance.done()):
        await client.create_order(SYMBOL, "market", "buy", 0.002)
        bought += 1  # the first may come before the subscription
        await asyncio.wait([orders, fills, balance], timeout=1)
    order, fill = orders.result(), fills.result()
    assert order["filled"] == 0.002 and order["side"] == "buy", order
    assert fill["amount"] > 0 and fill["fee"]["currency"] == "USDT", fill
    assert balance.result()["BTC"]["total"] > 1
    print(f"orders, fills and balances as they happen, of {bought} orders: ok")


async def trading(client):
    bid = (await client.fetch_order_book(SYMBOL))["bids"][0][0]
    order = await within(client.create_order_ws(SYMBOL, "limit", "buy", 0.001,
                                                round(bid * 0.8, 2)))
    assert order["status"] == "open", order
    assert (await within(client.fetch_order_ws(order["id"], SYMBOL)))["status"] == "open"
    assert [o["id"] for o in await within(client.fetch_open_orders_ws(SYMBOL))] == [order["id"]]
    gone = await within(client.cancel_order_ws(order["id"], SYMBOL))
    assert gone["status"] == "canceled", gone
    told = (await within(client.fetch_balance_ws()))["info"]["balances"]
    assert {b["asset"]: b["locked"] for b in told}["USDT"] == "0.00000000", told
    assert len(await within(client.fetch_my_trades_ws(SYMBOL))) >= 1
    for error, call in (
            (ccxt.InsufficientFunds, client.create_order_ws(SYMBOL, "market", "buy", 100)),
            (ccxt.InvalidOrder, client.create_order_ws(SYMBOL, "limit", "buy", 0.001, bid * 9)),
            (ccxt.OrderNotFound, client.cancel_order_ws("999999", SYMBOL))):
        try:
            await within(call)
        except error:
            continue
        raise AssertionError(f"no {error.__name__}")
    print("orders, queries and errors over the WebSocket: ok")


async def run(exchange):
    client = client_of(exchange)
    client.enableRateLimit = False
    try:
        await client.load_markets()
        await market(client)
        await account(client)
        await trading(client)
    finally:
        await client.close()


with tempfile.TemporaryDirectory() as root, Exchange(BUILD, SOURCE, root) as practice:
    asyncio.run(run(practice))
print(f"ccxt.pro {ccxt.__version__}: ok")
