/* The practice exchange: accounts, orders, and the file that survives it. */
#include "services/venue/store.h"

#include "../common/folder.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE SP_FX_ONE

struct bench {
    struct folder folder;
    char path[512];
    struct sp_world_config world;
    struct sp_exchange *x;
    struct sp_venue_store *store;
    struct sp_venue_changes *changes;
    struct sp_err err;
    uint64_t number, pair;
    int64_t time;
};
static struct bench *b;

static void open_exchange(void)
{
    b->x = calloc(1, sizeof *b->x);
    assert_non_null(b->x);
    assert_int_equal(sp_exchange_init(b->x, &b->world, &b->err), SP_OK);
}

static void open_store(void)
{
    if (sp_venue_store_open(b->path, &b->store, &b->err) != SP_OK) fail_msg("%s", b->err.text);
    if (sp_venue_store_load(b->store, b->x, &b->err) != SP_OK) fail_msg("%s", b->err.text);
}

static int setup(void **state)
{
    (void)state;
    b = calloc(1, sizeof *b);
    if (b == NULL) return -1;
    b->folder = folder_make();
    folder_path(&b->folder, "venue.db", b->path);
    b->changes = calloc(1, sizeof *b->changes);
    b->world = (struct sp_world_config){.venue = sp_name_of("paper"),
                                        .instrument_count = 1,
                                        .balance_count = 2,
                                        .fee_maker = {ONE / 2000},
                                        .fee_taker = {ONE / 1000}};
    b->world.instruments[0] = (struct sp_instrument_config){.symbol = sp_name_of("BTCUSDT"),
                                                            .base = sp_name_of("BTC"),
                                                            .quote = sp_name_of("USDT"),
                                                            .tick = {1000000},
                                                            .step = {1000},
                                                            .min_qty = {1000},
                                                            .min_value = {5 * ONE}};
    b->world.balances[0] =
        (struct sp_balance_config){.asset = sp_name_of("USDT"), .amount = {10000 * ONE}};
    b->world.balances[1] =
        (struct sp_balance_config){.asset = sp_name_of("BTC"), .amount = {2 * ONE}};
    open_exchange();
    return 0;
}

static void close_all(void)
{
    sp_venue_store_close(b->store);
    b->store = NULL;
    sp_exchange_fini(b->x);
    free(b->x);
    b->x = NULL;
}

static int teardown(void **state)
{
    (void)state;
    close_all();
    folder_remove(&b->folder);
    free(b->changes);
    free(b);
    return 0;
}

static int64_t total(const char *asset)
{
    sp_name name = sp_name_of(asset);

    return sp_exchange_balance(b->x, 0, &name)->total.e8;
}

static int64_t locked(const char *asset)
{
    sp_name name = sp_name_of(asset);

    return sp_exchange_locked(b->x, 0, &name).e8;
}

/* One level on each side, then a trade in the middle of them. */
static void market(int64_t bid, int64_t ask, int64_t qty_e8, int64_t last)
{
    struct sp_market_event event = {.time = {++b->time}, .kind = SP_REC_QUOTE};

    event.body.quote = (struct sp_quote){.bid_px = {bid * ONE},
                                         .bid_qty = {qty_e8},
                                         .ask_px = {ask * ONE},
                                         .ask_qty = {qty_e8}};
    sp_exchange_market(b->x, 0, &event, b->changes);
    if (last == 0) return;
    event = (struct sp_market_event){.time = {++b->time}, .kind = SP_REC_TRADE};
    event.body.trade =
        (struct sp_trade){.px = {last * ONE}, .qty = {qty_e8}, .taker_side = SP_SIDE_BUY};
    sp_exchange_market(b->x, 0, &event, b->changes);
}

static struct sp_venue_order order(const char *id, enum sp_side side, int64_t qty_e8)
{
    return (struct sp_venue_order){.request_id = 1,
                                   .client_order_id = sp_name_of(id),
                                   .symbol = sp_name_of("BTCUSDT"),
                                   .side = (uint8_t)side,
                                   .type = SP_ORDER_TYPE_MARKET,
                                   .tif = SP_TIF_IOC,
                                   .qty = {qty_e8}};
}

static struct sp_venue_order limit(const char *id, enum sp_side side, int64_t qty_e8, int64_t px)
{
    struct sp_venue_order request = order(id, side, qty_e8);

    request.type = SP_ORDER_TYPE_LIMIT;
    request.tif = SP_TIF_GTC;
    request.px = (sp_px){px * ONE};
    return request;
}

static struct sp_venue_order pair(const char *id, const char *stop_id, int64_t qty_e8)
{
    struct sp_venue_order request = limit(id, SP_SIDE_SELL, qty_e8, 1100);

    request.pair_client_order_id = sp_name_of(stop_id);
    request.pair_stop_px = (sp_px){900 * ONE};
    return request;
}

static sp_status place(const struct sp_venue_order *request)
{
    struct sp_venue_request wanted;
    struct sp_venue_placed placed = {0};

    b->changes->count = 0;
    sp_status status = sp_exchange_read(b->x, request, &wanted, &b->err);
    if (status == SP_OK) {
        status = sp_exchange_place(b->x, &wanted, b->changes, &placed, &b->err);
    }
    b->number = placed.order_no;
    b->pair = placed.pair_no;
    return status;
}

static void takes(struct sp_venue_order request)
{
    if (place(&request) != SP_OK) fail_msg("%s", b->err.text);
}

static void refuses(struct sp_venue_order request, sp_status status, const char *why)
{
    uint32_t open = b->x->open_count;
    int64_t usdt = total("USDT"), btc = total("BTC");

    assert_int_equal(place(&request), status);
    if (strstr(b->err.text, why) == NULL) fail_msg("\"%s\" does not say %s", b->err.text, why);
    assert_int_equal(b->x->open_count, open);
    assert_int_equal(b->changes->count, 0);
    assert_int_equal(total("USDT"), usdt);
    assert_int_equal(total("BTC"), btc);
}

static bool is_open(const char *id)
{
    sp_name name = sp_name_of(id);

    return sp_exchange_open_order(b->x, 0, &name) != NULL;
}

static void cancel(const char *id)
{
    sp_name name = sp_name_of(id);
    const struct sp_venue_order_row *row = sp_exchange_open_order(b->x, 0, &name);

    assert_non_null(row);
    assert_int_equal(sp_exchange_cancel(b->x, row->order_no, NULL, b->changes, &b->err), SP_OK);
}

/* ---- Accounts ---- */

static void test_exchange_taking_moves_money_and_fee_exactly(void **state)
{
    (void)state;
    market(999, 1000, 10 * ONE, 1000);
    takes(order("a", SP_SIDE_BUY, ONE / 2));
    assert_int_equal(total("BTC"), 2 * ONE + ONE / 2);
    assert_int_equal(total("USDT"), 10000 * ONE - 500 * ONE - ONE / 2);
    takes(order("b", SP_SIDE_SELL, ONE / 2));
    assert_int_equal(total("BTC"), 2 * ONE);
    assert_int_equal(total("USDT"), 10000 * ONE - ONE - ONE / 2 + 0 - 49950000 + 50000000);
    assert_int_equal(b->changes->at[b->changes->count - 1].order.state, SP_ORDER_STATE_FILLED);
}

static void test_exchange_resting_locks_and_pays_the_makers_fee(void **state)
{
    (void)state;
    market(999, 1000, 10 * ONE, 1000);
    takes(limit("a", SP_SIDE_BUY, ONE, 990));
    assert_int_equal(locked("USDT"), 990 * ONE + 99000000); /* with the fee it may cost */
    takes(limit("b", SP_SIDE_SELL, ONE, 1010));
    assert_int_equal(locked("BTC"), ONE);
    market(980, 990, 5 * ONE, 990);
    assert_false(is_open("a"));
    assert_int_equal(total("USDT"), 10000 * ONE - 990 * ONE - 49500000);
    assert_int_equal(locked("USDT"), 0);
    cancel("b");
    assert_int_equal(locked("BTC"), 0);
}

static void test_exchange_funds_are_promised_once(void **state)
{
    (void)state;
    market(999, 1000, 100 * ONE, 1000);
    takes(limit("a", SP_SIDE_SELL, 3 * ONE / 2, 1100));
    refuses(limit("b", SP_SIDE_SELL, ONE / 2 + 1000, 1100), SP_REFUSED,
            "insufficient balance of BTC");
    takes(limit("c", SP_SIDE_SELL, ONE / 2, 1100));
    refuses(order("d", SP_SIDE_BUY, 10 * ONE), SP_REFUSED, "insufficient balance of USDT");
    takes(limit("e", SP_SIDE_BUY, 9 * ONE, 990));
    refuses(limit("f", SP_SIDE_BUY, 11 * ONE / 10, 990), SP_REFUSED, "insufficient balance");
}

/* A market order pays the asks as they are, not the last trade. */
static void test_exchange_a_market_order_cannot_overdraw(void **state)
{
    (void)state;
    market(999, 3000, 100 * ONE, 1000);
    refuses(order("a", SP_SIDE_BUY, 9 * ONE), SP_REFUSED, "insufficient balance of USDT");
    takes(order("b", SP_SIDE_BUY, 3 * ONE));
    assert_true(total("USDT") >= 0);
}

static void test_exchange_a_market_order_before_any_trade_cannot_overdraw(void **state)
{
    (void)state;
    market(999, 3000, 100 * ONE, 0);
    refuses(order("a", SP_SIDE_BUY, 9 * ONE), SP_REFUSED, "insufficient balance of USDT");
}

/* ---- Ids ---- */

static void test_exchange_an_id_is_unique_among_open_orders_only(void **state)
{
    (void)state;
    market(999, 1000, 10 * ONE, 1000);
    takes(limit("a", SP_SIDE_SELL, ONE / 10, 1100));
    refuses(limit("a", SP_SIDE_SELL, ONE / 10, 1200), SP_EXISTS, "duplicate");
    refuses(pair("x", "a", ONE / 10), SP_EXISTS, "duplicate");
    cancel("a");
    takes(order("a", SP_SIDE_BUY, ONE / 10));
    takes(order("a", SP_SIDE_BUY, ONE / 10)); /* a client that resends fills twice */
    assert_int_equal(total("BTC"), 2 * ONE + 2 * ONE / 10);
    refuses(pair("p", "p", ONE / 10), SP_REFUSED, "two ids");
}

static void test_exchange_refusals_leave_nothing_behind(void **state)
{
    struct sp_venue_order foreign = order("a", SP_SIDE_BUY, ONE);

    (void)state;
    market(999, 1000, 10 * ONE, 1000);
    foreign.symbol = sp_name_of("DOGEUSDT");
    refuses(foreign, SP_REFUSED, "invalid symbol");
    refuses(order("b", SP_SIDE_BUY, 999), SP_REFUSED, "LOT_SIZE");
    refuses(limit("c", SP_SIDE_SELL, 1000, 1100), SP_REFUSED, "NOTIONAL");
    struct sp_venue_order odd = limit("d", SP_SIDE_SELL, ONE, 1100);
    odd.px.e8++;
    refuses(odd, SP_REFUSED, "PRICE_FILTER");
}

/* ---- Pairs ---- */

static void test_exchange_a_pair_locks_once_and_ends_together(void **state)
{
    (void)state;
    market(999, 1000, 10 * ONE, 1000);
    takes(pair("t", "s", 2 * ONE));
    assert_int_equal(locked("BTC"), 2 * ONE);
    cancel("s");
    assert_int_equal(b->changes->count, 2);
    assert_false(is_open("t") || is_open("s"));
    assert_int_equal(locked("BTC"), 0);
}

static void test_exchange_the_stop_of_a_pair_sells_and_ends_the_limit(void **state)
{
    (void)state;
    market(999, 1000, 10 * ONE, 1000);
    takes(pair("t", "s", 2 * ONE));
    market(890, 895, 10 * ONE, 890);
    assert_false(is_open("t") || is_open("s"));
    assert_int_equal(total("BTC"), 0);
    assert_int_equal(total("USDT"), 10000 * ONE + 1780 * ONE - 178000000);
}

static void test_exchange_a_part_of_the_limit_ends_the_stop(void **state)
{
    (void)state;
    market(999, 1000, 10 * ONE, 1000);
    takes(pair("t", "s", 2 * ONE));
    market(1098, 1101, ONE / 2, 1100);
    assert_true(is_open("t"));
    assert_false(is_open("s"));
    assert_int_equal(locked("BTC"), 3 * ONE / 2);
    assert_int_equal(total("BTC"), 3 * ONE / 2);
}

static void test_exchange_a_pair_beyond_the_price_is_refused(void **state)
{
    (void)state;
    market(899, 900, 10 * ONE, 900);
    refuses(pair("t", "s", ONE), SP_REFUSED, "trigger");
    market(1100, 1101, 10 * ONE, 1100);
    refuses(pair("t", "s", ONE), SP_REFUSED, "prices");
}

/* ---- The file ---- */

static void save(void)
{
    assert_int_equal(sp_venue_store_save(b->store, b->x, b->changes, &b->err), SP_OK);
}

/* What a kill leaves: the file, and nothing of the memory. */
static void kill_and_reopen(void)
{
    close_all();
    open_exchange();
    open_store();
}

static void test_exchange_a_restart_restores_everything(void **state)
{
    (void)state;
    open_store();
    market(999, 1000, 10 * ONE, 1000);
    takes(order("a", SP_SIDE_BUY, ONE / 2));
    save();
    takes(pair("t", "s", ONE));
    save();
    market(1098, 1101, ONE / 2, 1100);
    save();
    takes(limit("l", SP_SIDE_BUY, ONE, 980));
    save();
    int64_t usdt = total("USDT"), btc = total("BTC");
    int64_t locked_usdt = locked("USDT"), locked_btc = locked("BTC");
    uint64_t orders = b->x->last_order_no, trades = b->x->last_trade_no;
    kill_and_reopen();
    assert_int_equal(total("USDT"), usdt);
    assert_int_equal(total("BTC"), btc);
    assert_int_equal(locked("USDT"), locked_usdt);
    assert_int_equal(locked("BTC"), locked_btc);
    assert_int_equal(b->x->last_order_no, orders);
    assert_int_equal(b->x->last_trade_no, trades);
    assert_true(is_open("t") && is_open("l") && !is_open("s"));
    cancel("t"); /* its other leg has ended before */
    save();
    assert_int_equal(locked("BTC"), 0);
    market(979, 981, 10 * ONE, 980);
    save();
    assert_false(is_open("l"));
    assert_true(b->x->last_trade_no > trades);
}

static void test_exchange_a_restored_pair_is_still_a_pair(void **state)
{
    (void)state;
    open_store();
    market(999, 1000, 10 * ONE, 1000);
    takes(pair("t", "s", ONE));
    save();
    kill_and_reopen();
    assert_int_equal(locked("BTC"), ONE);
    market(890, 895, 10 * ONE, 890);
    assert_false(is_open("t") || is_open("s"));
    assert_int_equal(total("BTC"), ONE);
}

static void count_fill(void *ctx, const struct sp_venue_fill_row *row)
{
    uint64_t *last = ctx;

    assert_int_equal(row->trade_no, *last + 1);
    *last = row->trade_no;
}

static void test_exchange_questions_are_answered_from_the_file(void **state)
{
    struct sp_venue_order_row row;
    sp_name a = sp_name_of("a"), never = sp_name_of("never");
    uint64_t last = 1;

    (void)state;
    open_store();
    market(999, 1000, 10 * ONE, 1000);
    for (int i = 0; i < 5; i++) {
        takes(order("a", SP_SIDE_BUY, ONE / 10));
        save();
    }
    kill_and_reopen();
    assert_int_equal(sp_venue_store_order(b->store, b->x, &a, &row, &b->err), SP_OK);
    assert_int_equal(row.state, SP_ORDER_STATE_FILLED);
    assert_int_equal(row.order_no, 5); /* the newest of that id */
    assert_int_equal(sp_venue_store_order(b->store, b->x, &never, &row, &b->err), SP_NOT_FOUND);
    const struct sp_venue_span span = {.after = 1, .max = 3};
    assert_int_equal(sp_venue_store_fills(b->store, b->x, &span, count_fill, &last, &b->err),
                     SP_OK);
    assert_int_equal(last, 4);
}

static void test_exchange_an_order_of_a_strange_symbol_stops_the_start(void **state)
{
    (void)state;
    open_store();
    market(999, 1000, 10 * ONE, 1000);
    takes(limit("l", SP_SIDE_BUY, ONE, 980));
    save();
    close_all();
    b->world.instruments[0].symbol = sp_name_of("ETHUSDT");
    open_exchange();
    assert_int_equal(sp_venue_store_open(b->path, &b->store, &b->err), SP_OK);
    assert_int_equal(sp_venue_store_load(b->store, b->x, &b->err), SP_CONFIG);
    assert_non_null(strstr(b->err.text, "BTCUSDT"));
}

/* ---- Conservation ---- */

static uint64_t random_state = 88172645463325252ULL;

static uint32_t below(uint32_t n)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)((random_state >> 16) % n);
}

/* What the fills of a list did to the account. */
static void account(int64_t *usdt, int64_t *btc)
{
    for (uint32_t i = 0; i < b->changes->count; i++) {
        const struct sp_venue_fill_row *fill = &b->changes->at[i].fill;
        sp_amt value = {0};
        if (fill->trade_no == 0) continue;
        assert_true(sp_px_times_qty(fill->px, fill->qty, &value));
        int64_t sign = fill->side == SP_SIDE_BUY ? 1 : -1;
        *btc += sign * fill->qty.e8;
        *usdt -= sign * value.e8 + fill->fee.e8;
        assert_true(fill->fee.e8 >= 0);
    }
}

static void random_request(int n)
{
    char id[SP_NAME_SIZE], stop[SP_NAME_SIZE];
    enum sp_side side = below(2) == 0 ? SP_SIDE_BUY : SP_SIDE_SELL;
    int64_t qty = (int64_t)(1 + below(3000)) * 100000;

    snprintf(id, sizeof id, "o%u", below(40));
    snprintf(stop, sizeof stop, "s%d", n);
    struct sp_venue_order request = order(id, side, qty);
    if (below(2) == 0) request = limit(id, side, qty, 900 + below(200));
    if (below(5) == 0) request = pair(id, stop, qty);
    SP_IGNORE(place(&request)); /* refusals are part of it */
}

static void test_exchange_money_is_conserved(void **state)
{
    int64_t usdt = total("USDT"), btc = total("BTC");
    uint32_t fills = 0;

    (void)state;
    for (int n = 0; n < 4000; n++) {
        uint32_t what = below(10);
        b->changes->count = 0;
        if (what < 5) {
            random_request(n);
        } else if (what < 6 && b->x->open_count > 0) {
            uint64_t number = b->x->open[below(b->x->open_count)].order_no;
            assert_int_equal(sp_exchange_cancel(b->x, number, NULL, b->changes, &b->err), SP_OK);
        } else {
            struct sp_market_event event = {.time = {++b->time}, .kind = SP_REC_QUOTE};
            int64_t px = 950 + below(100);
            event.body.quote = (struct sp_quote){.bid_px = {px * ONE},
                                                 .bid_qty = {(int64_t)below(300) * 1000000},
                                                 .ask_px = {(px + 1 + below(9)) * ONE},
                                                 .ask_qty = {(int64_t)below(300) * 1000000}};
            if (below(2) == 0) {
                event.kind = SP_REC_TRADE;
                event.body.trade = (struct sp_trade){.px = {px * ONE},
                                                     .qty = {(int64_t)(1 + below(300)) * 1000000},
                                                     .taker_side = SP_SIDE_SELL};
            }
            sp_exchange_market(b->x, 0, &event, b->changes);
        }
        for (uint32_t i = 0; i < b->changes->count; i++)
            fills += b->changes->at[i].fill.trade_no != 0;
        account(&usdt, &btc);
        assert_int_equal(total("USDT"), usdt);
        assert_int_equal(total("BTC"), btc);
        if (total("USDT") < locked("USDT") || total("BTC") < locked("BTC")) {
            fail_msg("step %d: %lld of %lld promised", n, (long long)locked("USDT"),
                     (long long)total("USDT"));
        }
    }
    assert_true(fills > 300);
}

#define T(name) cmocka_unit_test_setup_teardown(test_exchange_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(taking_moves_money_and_fee_exactly),
        T(resting_locks_and_pays_the_makers_fee),
        T(funds_are_promised_once),
        T(a_market_order_cannot_overdraw),
        T(a_market_order_before_any_trade_cannot_overdraw),
        T(an_id_is_unique_among_open_orders_only),
        T(refusals_leave_nothing_behind),
        T(a_pair_locks_once_and_ends_together),
        T(the_stop_of_a_pair_sells_and_ends_the_limit),
        T(a_part_of_the_limit_ends_the_stop),
        T(a_pair_beyond_the_price_is_refused),
        T(a_restart_restores_everything),
        T(a_restored_pair_is_still_a_pair),
        T(questions_are_answered_from_the_file),
        T(an_order_of_a_strange_symbol_stops_the_start),
        T(money_is_conserved),
    };

    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
