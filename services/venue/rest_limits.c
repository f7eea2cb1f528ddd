/* How much may be asked for, and what becomes of who does not stop. */
#include "services/venue/rest_internal.h"

#include <string.h>

#define NS_PER_MS       INT64_C(1000000)
#define REFUSALS_MAX    20                 /* within a minute; the next one is banned */
#define BAN_MS          INT64_C(120000)    /* the first; each one after is twice as long */
#define BAN_MS_MAX      INT64_C(259200000) /* three days */
#define FILLED_AS_MAKER 5 /* so many orders fewer are counted for one that rested and filled */

void sp_rest_init_limits(struct sp_rest *rest)
{
    struct sp_rest_limits *limits = &rest->limits;

    memset(limits, 0, sizeof *limits);
    limits->weight = (struct sp_rest_window){.span_ms = 60000, .max = SP_REST_WEIGHT_MAX};
    limits->raw = (struct sp_rest_window){.span_ms = 300000, .max = SP_REST_RAW_MAX};
    for (uint32_t i = 0; i < SP_VENUE_ACCOUNTS_MAX; i++) {
        limits->orders_10s[i] =
            (struct sp_rest_window){.span_ms = 10000, .max = SP_REST_ORDERS_10S};
        limits->orders_day[i] =
            (struct sp_rest_window){.span_ms = 86400000, .max = SP_REST_ORDERS_DAY};
    }
}

void sp_rest_reset_limits(struct sp_rest *rest)
{
    struct sp_rest_limits *limits = &rest->limits;

    limits->weight.max = SP_REST_WEIGHT_MAX;
    limits->refusals = limits->bans = 0;
    limits->banned_until_ms = 0;
    for (uint32_t i = 0; i < SP_VENUE_ACCOUNTS_MAX; i++) {
        limits->orders_10s[i].max = SP_REST_ORDERS_10S;
        limits->orders_day[i].max = SP_REST_ORDERS_DAY;
    }
}

/* Spans are aligned, as the protocol says: minutes begin at :00. */
static bool turn_window(struct sp_rest_window *window, sp_wall now)
{
    int64_t begin_ms = now.ns / NS_PER_MS / window->span_ms * window->span_ms;

    if (begin_ms == window->begin_ms) return false;
    window->begin_ms = begin_ms;
    window->used = 0;
    return true;
}

void sp_rest_turn_windows(struct sp_rest *rest, sp_wall now)
{
    struct sp_rest_limits *limits = &rest->limits;

    if (turn_window(&limits->weight, now)) limits->refusals = 0;
    turn_window(&limits->raw, now);
    for (uint32_t i = 0; i < SP_VENUE_ACCOUNTS_MAX; i++) {
        turn_window(&limits->orders_10s[i], now);
        turn_window(&limits->orders_day[i], now);
    }
}

static int64_t ms_left(const struct sp_rest_window *window, sp_wall now)
{
    return window->begin_ms + window->span_ms - now.ns / NS_PER_MS;
}

void sp_rest_refuse_banned(struct sp_rest_call *call, int64_t until_ms)
{
    sp_rest_fail_limit(call, 418, until_ms - call->now.ns / NS_PER_MS,
                       "Way too much request weight used; IP banned until %lld. Please use "
                       "WebSocket Streams for live updates to avoid bans.",
                       (long long)until_ms);
}

/* Who goes on after he was told to wait is banned, longer each time. */
static void refuse(struct sp_rest_call *call)
{
    struct sp_rest_limits *limits = &call->rest->limits;

    if (++limits->refusals > REFUSALS_MAX) {
        int64_t ban_ms = BAN_MS << limits->bans;
        if (ban_ms > BAN_MS_MAX) ban_ms = BAN_MS_MAX;
        if (limits->bans < 16) limits->bans++;
        limits->refusals = 0;
        limits->banned_until_ms = call->now.ns / NS_PER_MS + ban_ms;
        sp_rest_refuse_banned(call, limits->banned_until_ms);
        return;
    }
    bool is_weight = limits->weight.used > limits->weight.max;
    const struct sp_rest_window *window = is_weight ? &limits->weight : &limits->raw;
    sp_rest_fail_limit(call, 429, ms_left(window, call->now),
                       "Too much request weight used; current limit is %u request weight per %s. "
                       "Please use WebSocket Streams for live updates to avoid polling the API.",
                       window->max, is_weight ? "1 MINUTE" : "5 MINUTE");
}

bool sp_rest_take_weight(struct sp_rest_call *call, uint32_t weight)
{
    struct sp_rest_limits *limits = &call->rest->limits;

    if (call->now.ns / NS_PER_MS < limits->banned_until_ms) {
        sp_rest_refuse_banned(call, limits->banned_until_ms);
        return false;
    }
    limits->weight.used += weight;
    limits->raw.used++;
    if (limits->weight.used <= limits->weight.max && limits->raw.used <= limits->raw.max) {
        return true;
    }
    refuse(call);
    return false;
}

bool sp_rest_may_order(struct sp_rest_call *call, uint32_t orders)
{
    struct sp_rest_limits *limits = &call->rest->limits;
    struct sp_rest_window *windows[] = {&limits->orders_10s[call->account],
                                        &limits->orders_day[call->account]};
    static const char *const spans[] = {"10 SECOND", "1 DAY"};

    for (size_t i = 0; i < 2; i++) {
        if (windows[i]->used + orders <= windows[i]->max) continue;
        int64_t wait_ms = ms_left(windows[i], call->now);
        call->retry_at_ms = call->now.ns / NS_PER_MS + wait_ms;
        sp_rest_add_header(call, "Retry-After", (wait_ms + 999) / 1000);
        sp_rest_fail(call, 429, REST_TOO_MANY_ORDERS,
                     "Too many new orders; current limit is %u orders per %s.", windows[i]->max,
                     spans[i]);
        return false;
    }
    return true;
}

void sp_rest_count_orders(struct sp_rest_call *call, uint32_t orders)
{
    struct sp_rest_limits *limits = &call->rest->limits;
    struct sp_rest_window *seconds = &limits->orders_10s[call->account];
    struct sp_rest_window *day = &limits->orders_day[call->account];

    seconds->used += orders;
    day->used += orders;
    sp_rest_add_header(call, "X-MBX-ORDER-COUNT-10S", seconds->used);
    sp_rest_add_header(call, "X-MBX-ORDER-COUNT-1D", day->used);
}

static void give_back(struct sp_rest_window *window, uint32_t orders)
{
    window->used -= orders < window->used ? orders : window->used;
}

/* Orders that do not fill are what is limited: a first execution takes back what was counted. */
void sp_rest_note_changes(struct sp_rest *rest, const struct sp_venue_changes *changes)
{
    for (uint32_t i = 0; i < changes->count; i++) {
        const struct sp_venue_change *change = &changes->at[i];
        bool is_first =
            change->fill.trade_no != 0 && change->order.filled.e8 == change->fill.qty.e8;
        if (!is_first) continue;
        bool is_maker = change->fill.liquidity == SP_LIQUIDITY_MAKER;
        uint32_t orders = is_maker ? FILLED_AS_MAKER : 1;
        give_back(&rest->limits.orders_10s[change->order.account], orders);
        give_back(&rest->limits.orders_day[change->order.account], orders);
    }
}
