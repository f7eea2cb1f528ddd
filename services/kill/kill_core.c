#include "services/kill/kill_core.h"

#include "common/config/strict_json.h"
#include "proto/decimal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define QUERY_BYTES  256
#define WAIT_MS      250u
#define ASK_TRIES    8 /* for one answer: about half a minute */
#define ABSENT_TRIES 4 /* "no such order" in a row before it counts as never arrived */

enum code { CODE_UNKNOWN_ORDER = -2011, CODE_NO_SUCH_ORDER = -2013 };

struct filters {
    sp_name base;
    sp_qty step, min_qty;
    sp_amt min_value;
};

struct run {
    const struct sp_kill_port *port;
    const struct sp_kill_symbol *symbol;
    struct filters filters;
    struct sp_call_answer answer;
    struct sp_strict_json *json; /* of the newest answer */
    int64_t code;                /* the venue's error code, 0 if none */
};

static SP_PRINTF(2, 3) void say(const struct run *run, const char *fmt, ...)
{
    char text[400], line[480];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    snprintf(line, sizeof line, "%s: %s", run->symbol->symbol.s, text);
    run->port->say(run->port->ctx, line);
}

static void forget(struct run *run)
{
    sp_strict_json_free(run->json);
    free(run->answer.body);
    run->json = NULL;
    run->answer = (struct sp_call_answer){.outcome = SP_CALL_NOT_SENT};
    run->code = 0;
}

/* One attempt. True if the venue answered in JSON. */
static bool call(struct run *run, const struct sp_kill_request *request)
{
    static const struct sp_strict_limits limits = {.bytes_max = SP_CALL_BODY_MAX, .depth_max = 16};

    forget(run);
    run->port->call(run->port->ctx, request, &run->answer);
    if (run->answer.outcome != SP_CALL_ANSWERED) return false;
    if (sp_strict_json_parse(run->answer.body != NULL ? run->answer.body : "",
                             run->answer.body_bytes, &limits, &run->json, NULL) != SP_OK)
        return false;
    if (run->answer.status >= 400) {
        const struct sp_strict_node *code = sp_strict_get(sp_strict_json_root(run->json), "code");
        if (sp_strict_integer(code, &run->code) != SP_OK) run->code = -1;
    }
    return true;
}

/* Says what is in the way and waits. */
static void back_off(struct run *run, const char *what, uint32_t tries)
{
    const char *msg = sp_strict_text(
        sp_strict_get(run->json != NULL ? sp_strict_json_root(run->json) : NULL, "msg"));
    uint32_t ms = WAIT_MS << (tries < 5 ? tries : 5);

    if (run->answer.outcome != SP_CALL_ANSWERED) {
        say(run, "%s: %s; again", what, run->answer.error);
    } else {
        say(run, "%s: HTTP %d, code %lld, %s; again", what, run->answer.status,
            (long long)run->code, msg != NULL ? msg : "no text");
    }
    if (run->answer.retry_after > 0) {
        say(run, "the venue wants %u s of silence", run->answer.retry_after);
        ms = run->answer.retry_after * 1000;
    }
    run->port->wait(run->port->ctx, ms);
}

/* A question may be asked any number of times. The root of the answer; NULL if none came. */
static const struct sp_strict_node *ask(struct run *run, const struct sp_kill_request *request)
{
    for (uint32_t i = 0; i < ASK_TRIES; i++) {
        if (call(run, request) && run->answer.status == 200) return sp_strict_json_root(run->json);
        back_off(run, request->path, i);
    }
    say(run, "%s was not answered", request->path);
    return NULL;
}

/* ---- Reading ---- */

static bool read_e8(const struct sp_strict_node *object, const char *key, int64_t *out)
{
    const char *text = sp_strict_text(sp_strict_get(object, key));

    return text != NULL && sp_e8_parse(text, strlen(text), out) == SP_OK;
}

static bool is_text(const struct sp_strict_node *object, const char *key, const char *want)
{
    const char *text = sp_strict_text(sp_strict_get(object, key));

    return text != NULL && strcmp(text, want) == 0;
}

/* The larger of two filters of one kind holds. */
static void raise_to(const struct sp_strict_node *filter, const char *key, int64_t *value)
{
    int64_t e8 = 0;

    if (read_e8(filter, key, &e8) && e8 > *value) *value = e8;
}

static bool read_filters(struct run *run)
{
    char query[QUERY_BYTES];

    snprintf(query, sizeof query, "symbol=%s", run->symbol->symbol.s);
    const struct sp_strict_node *root = ask(
        run,
        &(struct sp_kill_request){.method = "GET", .path = "/api/v3/exchangeInfo", .query = query});
    const struct sp_strict_node *found = sp_strict_first(sp_strict_get(root, "symbols"));
    const char *base = sp_strict_text(sp_strict_get(found, "baseAsset"));
    if (base == NULL || !sp_name_set(&run->filters.base, base)) {
        say(run, "the venue does not say what it is");
        return false;
    }
    for (const struct sp_strict_node *filter = sp_strict_first(sp_strict_get(found, "filters"));
         filter != NULL; filter = sp_strict_next(filter)) {
        if (is_text(filter, "filterType", "LOT_SIZE") ||
            is_text(filter, "filterType", "MARKET_LOT_SIZE")) {
            raise_to(filter, "stepSize", &run->filters.step.e8);
            raise_to(filter, "minQty", &run->filters.min_qty.e8);
        } else if (is_text(filter, "filterType", "NOTIONAL") ||
                   is_text(filter, "filterType", "MIN_NOTIONAL")) {
            raise_to(filter, "minNotional", &run->filters.min_value.e8);
        }
    }
    return true;
}

/* Open orders of the symbol; false if nobody says. */
static bool count_open(struct run *run, uint32_t *out)
{
    char query[QUERY_BYTES];

    snprintf(query, sizeof query, "symbol=%s", run->symbol->symbol.s);
    const struct sp_strict_node *root =
        ask(run, &(struct sp_kill_request){"GET", "/api/v3/openOrders", query, true});
    if (root == NULL || sp_strict_kind_of(root) != SP_STRICT_LIST) return false;
    *out = sp_strict_count(root);
    return true;
}

static bool read_held(struct run *run, sp_qty *free_qty, sp_qty *locked)
{
    const struct sp_strict_node *root =
        ask(run, &(struct sp_kill_request){"GET", "/api/v3/account", "", true});
    const struct sp_strict_node *list = sp_strict_get(root, "balances");

    if (list == NULL) return false;
    *free_qty = *locked = (sp_qty){0};
    for (const struct sp_strict_node *row = sp_strict_first(list); row != NULL;
         row = sp_strict_next(row)) {
        if (!is_text(row, "asset", run->filters.base.s)) continue;
        return read_e8(row, "free", &free_qty->e8) && read_e8(row, "locked", &locked->e8);
    }
    return true; /* none of it */
}

/* Whether the venue would take a sale of it. */
static bool can_sell(struct run *run, sp_qty qty)
{
    char query[QUERY_BYTES];
    sp_px px = {0};
    sp_amt value = {0};

    if (qty.e8 <= 0 || qty.e8 < run->filters.min_qty.e8) return false;
    if (run->filters.min_value.e8 == 0) return true;
    snprintf(query, sizeof query, "symbol=%s", run->symbol->symbol.s);
    const struct sp_strict_node *root =
        ask(run, &(struct sp_kill_request){"GET", "/api/v3/ticker/price", query, false});
    if (!read_e8(root, "price", &px.e8)) return true; /* the venue will say */
    return sp_px_times_qty(px, qty, &value) && value.e8 >= run->filters.min_value.e8;
}

/* ---- Acting ---- */

static void cancel_all(struct run *run)
{
    char query[QUERY_BYTES];

    snprintf(query, sizeof query, "symbol=%s", run->symbol->symbol.s);
    bool answered =
        call(run, &(struct sp_kill_request){"DELETE", "/api/v3/openOrders", query, true});
    if (answered && run->answer.status == 200) {
        say(run, "%u orders cancelled", sp_strict_count(sp_strict_json_root(run->json)));
    } else if (!answered || run->code != CODE_UNKNOWN_ORDER) {
        back_off(run, "cancel", 0); /* what is open is asked for next */
    }
}

/* What became of an order without an answer: asked until the venue says, one way or the other. */
static void settle(struct run *run, const sp_name *id)
{
    char query[QUERY_BYTES];
    uint32_t absent = 0;

    snprintf(query, sizeof query, "symbol=%s&origClientOrderId=%s", run->symbol->symbol.s, id->s);
    for (uint32_t i = 0; i < ASK_TRIES && absent < ABSENT_TRIES; i++) {
        bool answered = call(run, &(struct sp_kill_request){"GET", "/api/v3/order", query, true});
        if (answered && run->answer.status == 200) {
            const char *status =
                sp_strict_text(sp_strict_get(sp_strict_json_root(run->json), "status"));
            say(run, "%s did arrive: %s", id->s, status != NULL ? status : "without a status");
            return;
        }
        if (answered && run->code == CODE_NO_SUCH_ORDER) {
            absent++;
            run->port->wait(run->port->ctx, WAIT_MS << absent);
        } else {
            back_off(run, "what became of the sale", i);
        }
    }
    say(run, "%s %s", id->s,
        absent >= ABSENT_TRIES ? "never arrived" : "is of unknown outcome: the balance will tell");
}

/* One attempt for one id. */
static void sell(struct run *run, sp_qty qty)
{
    char query[QUERY_BYTES], text[SP_E8_TEXT_SIZE];
    sp_name id = {{0}};

    run->port->mint(run->port->ctx, &id);
    snprintf(
        query, sizeof query,
        "symbol=%s&side=SELL&type=MARKET&quantity=%s&newClientOrderId=%s&newOrderRespType=FULL",
        run->symbol->symbol.s, sp_e8_format(qty.e8, text), id.s);
    bool answered = call(run, &(struct sp_kill_request){"POST", "/api/v3/order", query, true});
    if (answered && run->answer.status == 200) {
        const struct sp_strict_node *root = sp_strict_json_root(run->json);
        const char *status = sp_strict_text(sp_strict_get(root, "status"));
        say(run, "sold %s at market (%s): %s", text, id.s, status != NULL ? status : "?");
        return;
    }
    if (run->answer.outcome == SP_CALL_NOT_SENT) {
        back_off(run, "sale", 0);
        return;
    }
    bool certain = answered && run->answer.status >= 400 && run->answer.status < 500 &&
                   run->code != -1006 && run->code != -1007;
    back_off(run, certain ? "sale refused" : "sale without an answer", 0);
    if (!certain) settle(run, &id);
}

/* True when there is nothing left to do. */
static bool round_of(struct run *run, bool *flat)
{
    char held[SP_E8_TEXT_SIZE];
    uint32_t open = 0;
    sp_qty have = {0}, locked = {0};

    if (!count_open(run, &open) || !read_held(run, &have, &locked)) return true;
    if (open > 0) {
        say(run, "%u orders are still open", open);
        cancel_all(run);
        return false;
    }
    sp_qty rest = {have.e8 > run->symbol->keep.e8 ? have.e8 - run->symbol->keep.e8 : 0};
    sp_qty lots = {sp_e8_floor_to(rest.e8, run->filters.step.e8)};
    if (can_sell(run, lots)) {
        sell(run, lots);
        return false;
    }
    if (locked.e8 > 0) { /* by an order that was cancelled a moment ago */
        run->port->wait(run->port->ctx, WAIT_MS);
        return false;
    }
    *flat = true;
    say(run, "flat: nothing is open, %s %s left to sell",
        rest.e8 == 0 ? "no" : sp_e8_format(rest.e8, held), run->filters.base.s);
    return true;
}

bool sp_kill_symbol_run(const struct sp_kill_port *port, const struct sp_kill_symbol *symbol)
{
    struct run run = {.port = port, .symbol = symbol};
    bool flat = false, done = false;

    cancel_all(&run); /* before anything else: what could still fill */
    done = !read_filters(&run);
    for (uint32_t i = 0; i < SP_KILL_ROUNDS && !done; i++)
        done = round_of(&run, &flat);
    if (!done) say(&run, "not flat after %d rounds", SP_KILL_ROUNDS);
    forget(&run);
    return flat;
}
