// The life of each order type, the market, and the account, by the official client's own methods.
'use strict';
const assert = require('assert');
const { Spot } = require('@binance/spot');

const [base, apiKey, apiSecret, edKey, edPrivate] = process.argv.slice(2);
const sockets = base.replace('http:', 'ws:');
const client = new Spot({
    configurationRestAPI: { apiKey, apiSecret, basePath: base, timeout: 5000 },
    configurationWebsocketAPI: { apiKey, apiSecret, wsURL: `${sockets}/ws-api/v3` },
    configurationWebsocketStreams: { wsURL: sockets },
});
const symbol = 'BTCUSDT';
const rest = client.restAPI;

async function call(promise) {
    return (await promise).data();
}

async function codeOf(promise) {
    try {
        await promise;
    } catch (error) {
        return error.code;
    }
    throw new Error('no error');
}

async function publicData() {
    const info = await call(rest.exchangeInfo({ symbol }));
    assert.strictEqual(info.symbols[0].symbol, symbol);
    assert(info.symbols[0].ocoAllowed);
    const book = await call(rest.depth({ symbol, limit: 5 }));
    assert.strictEqual(book.bids.length, 5);
    assert.strictEqual((await call(rest.klines({ symbol, interval: '1s', limit: 3 }))).length, 3);
    assert.strictEqual((await call(rest.getTrades({ symbol, limit: 4 }))).length, 4);
    assert(Number((await call(rest.tickerPrice({ symbol }))).price) > 0);
    assert(Number((await call(rest.ticker24hr({ symbol }))).lastPrice) > 0);
    const touch = await call(rest.tickerBookTicker({ symbol }));
    assert(Number(touch.bidPrice) < Number(touch.askPrice));
    console.log('market over REST: ok');
    return Number(touch.bidPrice);
}

async function orders(bid) {
    const far = (bid * 0.8).toFixed(2);
    const order = { symbol, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC', quantity: 0.001 };
    const bought = await call(rest.newOrder({ symbol, side: 'BUY', type: 'MARKET', quantity: 0.01 }));
    assert.strictEqual(bought.status, 'FILLED');
    const resting = await call(rest.newOrder({ ...order, price: far, newClientOrderId: 'mine' }));
    assert.strictEqual(resting.status, 'NEW');
    const asked = await call(rest.getOrder({ symbol, origClientOrderId: 'mine' }));
    assert.strictEqual(asked.status, 'NEW');
    assert.strictEqual((await call(rest.getOpenOrders({ symbol }))).length, 1);
    const replaced = await call(rest.orderCancelReplace({ ...order,
        price: (bid * 0.79).toFixed(2), cancelReplaceMode: 'STOP_ON_FAILURE',
        cancelOrigClientOrderId: 'mine' }));
    assert.strictEqual(replaced.newOrderResult, 'SUCCESS');
    const gone = await call(rest.deleteOrder({ symbol,
        orderId: replaced.newOrderResponse.orderId }));
    assert.strictEqual(gone.status, 'CANCELED');
    const byValue = await call(rest.newOrder({ symbol, side: 'BUY', type: 'MARKET',
        quoteOrderQty: 100 }));
    assert(Number(byValue.cummulativeQuoteQty) > 95 && Number(byValue.cummulativeQuoteQty) <= 100);
    const { timeInForce, ...plain } = order;
    const maker = await call(rest.newOrder({ ...plain, type: 'LIMIT_MAKER', price: far,
        newOrderRespType: 'RESULT' }));
    assert.strictEqual(maker.status, 'NEW');
    await call(rest.deleteOrder({ symbol, orderId: maker.orderId }));
    const fok = await call(rest.newOrder({ ...order, timeInForce: 'FOK', price: far }));
    assert.strictEqual(fok.status, 'EXPIRED');
    const ioc = await call(rest.newOrder({ ...order, timeInForce: 'IOC',
        price: (bid * 1.02).toFixed(2) }));
    assert.strictEqual(ioc.status, 'FILLED');
    for (const type of ['STOP_LOSS', 'STOP_LOSS_LIMIT', 'TAKE_PROFIT', 'TAKE_PROFIT_LIMIT']) {
        const stops = type.startsWith('STOP');
        const limited = type.endsWith('LIMIT');
        const stopPrice = (bid * (stops ? 0.7 : 1.3)).toFixed(2);
        const waits = await call(rest.newOrder({ symbol, side: 'SELL', type, quantity: 0.001,
            stopPrice, newOrderRespType: 'RESULT',
            ...(limited ? { price: stopPrice, timeInForce: 'GTC' } : {}) }));
        assert.strictEqual(waits.type, type);
        assert.strictEqual(waits.workingTime, -1);
    }
    const list = await call(rest.orderListOco({ symbol, side: 'SELL', quantity: 0.001,
        aboveType: 'LIMIT_MAKER', abovePrice: (bid * 1.3).toFixed(2),
        belowType: 'STOP_LOSS', belowStopPrice: (bid * 0.7).toFixed(2) }));
    assert.strictEqual(list.orders.length, 2);
    assert.strictEqual((await call(rest.openOrderList())).length, 1);
    const ended = await call(rest.deleteOrderList({ symbol, orderListId: list.orderListId }));
    assert.strictEqual(ended.listOrderStatus, 'ALL_DONE');
    const all = await call(rest.deleteOpenOrders({ symbol }));
    assert.strictEqual(all.length, 4);
    assert((await call(rest.myTrades({ symbol }))).length >= 1);
    assert((await call(rest.allOrders({ symbol }))).length >= 12);
    const account = await call(rest.getAccount({ omitZeroBalances: true }));
    assert(account.balances.every((b) => Number(b.locked) === 0));
    console.log('life of each order type over REST: ok');
}

async function errors(bid) {
    const order = { symbol, side: 'BUY', type: 'LIMIT', timeInForce: 'GTC' };
    const price = (bid * 0.8).toFixed(2);
    for (const [promise, wanted] of [
        [rest.newOrder({ ...order, price, quantity: 100 }), -2010],
        [rest.newOrder({ ...order, price, quantity: 0.000001 }), -1013],
        [rest.getOrder({ symbol, orderId: 999999 }), -2013],
        [rest.deleteOrder({ symbol, orderId: 999999 }), -2011],
        [rest.depth({ symbol: 'NONE' }), -1121],
    ]) {
        assert.strictEqual(await codeOf(promise), wanted);
    }
    const stranger = new Spot({ configurationRestAPI: { apiKey, apiSecret: 'another',
        basePath: base } });
    assert.strictEqual(await codeOf(stranger.restAPI.getAccount()), -1022);
    const now = Date.now;
    Date.now = () => now() - 60000;
    try {
        assert.strictEqual(await codeOf(rest.getAccount()), -1021);
    } finally {
        Date.now = now;
    }
    console.log('errors: ok');
}

function first(subscribe, wanted = () => true) {
    return new Promise((resolve, reject) => {
        const timer = setTimeout(() => reject(new Error('nothing came in 30 s')), 30000);
        subscribe((event) => {
            if (!wanted(event)) return;
            clearTimeout(timer);
            resolve(event);
        });
    });
}

async function streams() {
    const connection = await client.websocketStreams.connect();
    const lower = symbol.toLowerCase();
    const trade = await first((on) => connection.trade({ symbol: lower }).on('message', on));
    assert.strictEqual(trade.s, symbol);
    const touch = await first((on) => connection.bookTicker({ symbol: lower }).on('message', on));
    assert(Number(touch.b) < Number(touch.a));
    const ticker = await first((on) => connection.ticker({ symbol: lower }).on('message', on));
    assert.strictEqual(ticker.s, symbol);
    const depth = await first((on) => connection.diffBookDepth({ symbol: lower })
        .on('message', on));
    assert.strictEqual(depth.e, 'depthUpdate');
    const candle = await first((on) => connection.kline({ symbol: lower, interval: '1s' })
        .on('message', on));
    assert.strictEqual(candle.k.s, symbol);
    const average = await first((on) => connection.avgPrice({ symbol: lower }).on('message', on));
    assert(Number(average.w) > 0);
    await connection.disconnect();
    console.log('trades, touch, ticker, average, book and candles as they happen: ok');
}

async function requests(bid) {
    const connection = await client.websocketAPI.connect();
    const account = await connection.userDataStreamSubscribeSignature();
    const seen = [];
    account.stream.on('message', (event) => seen.push(event));
    const placed = (await connection.orderPlace({ symbol, side: 'BUY', type: 'LIMIT',
        timeInForce: 'GTC', quantity: 0.001, price: (bid * 0.8).toFixed(2) })).data;
    assert.strictEqual((placed.result ?? placed).status, 'NEW');
    const orderId = (placed.result ?? placed).orderId;
    const state = (await connection.orderStatus({ symbol, orderId })).data;
    assert.strictEqual((state.result ?? state).status, 'NEW');
    await connection.orderCancel({ symbol, orderId });
    const end = Date.now() + 30000;
    const told = (x) => seen.some((e) => (e.event ?? e).x === x);
    const moved = () => seen.some((e) => (e.event ?? e).e === 'outboundAccountPosition');
    while (!(told('NEW') && told('CANCELED') && moved())) {
        assert(Date.now() < end, JSON.stringify(seen));
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await connection.disconnect();
    console.log('orders, their reports and balances over the WebSocket API: ok');
}

// Who signs with a key of his own, once: what follows needs no signature.
async function sessions(bid) {
    const keys = { apiKey: edKey, privateKey: edPrivate };
    const other = new Spot({
        configurationRestAPI: { ...keys, basePath: base },
        configurationWebsocketAPI: { ...keys, wsURL: `${sockets}/ws-api/v3` },
    });
    assert((await call(other.restAPI.getAccount())).balances.length > 0);
    const connection = await other.websocketAPI.connect();
    const result = async (promise) => {
        const data = (await promise).data;
        return data.result ?? data;
    };
    assert.strictEqual((await result(connection.sessionStatus())).apiKey, null);
    const [on] = [await connection.sessionLogon()].flat();
    assert.strictEqual((on.data.result ?? on.data).apiKey, edKey);
    assert.strictEqual((await result(connection.sessionStatus())).apiKey, edKey);
    const account = await connection.userDataStreamSubscribe();
    const seen = [];
    account.stream.on('message', (event) => seen.push(event.event ?? event));
    const placed = await result(connection.orderPlace({ symbol, side: 'BUY', type: 'LIMIT',
        timeInForce: 'GTC', quantity: 0.001, price: (bid * 0.8).toFixed(2) }));
    assert.strictEqual(placed.status, 'NEW');
    await connection.orderCancel({ symbol, orderId: placed.orderId });
    const end = Date.now() + 30000;
    while (!seen.some((e) => e.x === 'CANCELED')) {
        assert(Date.now() < end, JSON.stringify(seen));
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await connection.sessionLogout();
    assert.strictEqual((await result(connection.sessionStatus())).apiKey, null);
    await connection.disconnect();
    console.log('Ed25519 key and session: ok');
}

// The last: the ban that follows a limit is not waited for.
async function rateLimit() {
    let code = 0;
    for (let i = 0; i < 400 && code === 0; i++) { // each of weight 20
        code = await rest.getAccount().then(() => 0, (error) => error.code);
    }
    assert.strictEqual(code, -1003);
    console.log('rate limit: ok');
}

(async () => {
    const bid = await publicData();
    await orders(bid);
    await errors(bid);
    await streams();
    await requests(bid);
    await sessions(bid);
    await rateLimit();
    console.log('@binance/spot: ok');
    process.exit(0);
})().catch((error) => {
    console.error(error);
    process.exit(1);
});
