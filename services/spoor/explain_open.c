/* What happened around a trade while it was open: its protection, services that ended and came
 * back, reconciliations, halts, corrections. */
#include "services/spoor/explain_internal.h"
#include "services/spoor/memory.h"

#include <stdlib.h>
#include <string.h>

struct moment {
    sp_wall time; /* market clock */
    uint32_t order;
    const struct sp_record *record;
    char text[SP_LINE_SIZE];
};

struct moments {
    struct moment *at;
    uint32_t count;
    sp_wall from, to;
};

static struct moment *add_moment(struct moments *moments, sp_wall time,
                                 const struct sp_record *record)
{
    struct moment *at = sp_memory(realloc(moments->at, (moments->count + 1) * sizeof *at));

    moments->at = at;
    struct moment *moment = &at[moments->count];
    *moment = (struct moment){.time = time, .order = moments->count, .record = record};
    moments->count++;
    return moment;
}

static int compare_moments(const void *a_, const void *b_)
{
    const struct moment *a = a_, *b = b_;

    if (a->time.ns != b->time.ns) return a->time.ns < b->time.ns ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* ---- Protection ---- */

static void say_leg(char *out, size_t cap, const struct sp_position_adjusted *p)
{
    char px[SP_SAY_SIZE], id[SP_ID_SHORT_SIZE];
    bool is_stop = !sp_ord_id_is_none(p->stop_order_id);

    snprintf(out, cap, "%s SELL %s %s", is_stop ? "stop" : "target",
             sp_say_e8(is_stop ? p->stop_px.e8 : p->target_px.e8, px),
             sp_ord_id_short(is_stop ? p->stop_order_id : p->target_order_id, id));
}

static bool is_leg(const struct sp_position_adjusted *p)
{
    return sp_ord_id_is_none(p->stop_order_id) != sp_ord_id_is_none(p->target_order_id);
}

static void add_protection(struct moments *moments, const struct sp_trade_case *c)
{
    for (uint32_t i = 0; i < c->adjusted.count; i++) {
        const struct sp_record *record = c->adjusted.at[i];
        const struct sp_position_adjusted *p = &record->body.position_adjusted, *pair = NULL;
        char one[128], other[128];
        if (!is_leg(p)) {
            struct moment *moment = add_moment(moments, record->time, record);
            snprintf(moment->text, sizeof moment->text, "%s", p->reason.s);
            continue;
        }
        /* Both legs of a pair are acknowledged at once. */
        if (i + 1 < c->adjusted.count) pair = &c->adjusted.at[i + 1]->body.position_adjusted;
        if (pair != NULL && (!is_leg(pair) || sp_ord_id_is_none(pair->stop_order_id) ==
                                                  sp_ord_id_is_none(p->stop_order_id)))
            pair = NULL;
        say_leg(one, sizeof one, p);
        if (pair != NULL) record = c->adjusted.at[++i];
        struct moment *moment = add_moment(moments, record->time, record);
        if (pair != NULL) {
            say_leg(other, sizeof other, pair);
            snprintf(moment->text, sizeof moment->text, "protective pair resting: %s, %s", one,
                     other);
        } else {
            snprintf(moment->text, sizeof moment->text, "protection resting: %s", one);
        }
    }
}

/* ---- Services ---- */

/* All CHILD_READY, in order. */
struct ready {
    uint32_t *items;
    uint32_t count;
};

/* The next CHILD_READY of that service, and the epoch it had before. */
static const struct sp_record *back_again(const struct sp_explain *x, const struct ready *ready,
                                          uint32_t item, const sp_name *name,
                                          uint32_t *epoch_before)
{
    uint32_t stream = sp_evidence_item(x->evidence, item)->stream, next = 0;

    while (next < ready->count && ready->items[next] < item)
        next++;
    for (uint32_t i = next; i > 0 && *epoch_before == 0; i--) {
        if (sp_evidence_item(x->evidence, ready->items[i - 1])->stream != stream) break;
        const struct sp_record *record = sp_evidence_record(x->evidence, ready->items[i - 1]);
        if (record != NULL && sp_name_eq(&record->body.child.name, name))
            *epoch_before = record->body.child.epoch;
    }
    for (uint32_t i = next; i < ready->count; i++) {
        if (sp_evidence_item(x->evidence, ready->items[i])->stream != stream) break;
        const struct sp_record *record = sp_evidence_record(x->evidence, ready->items[i]);
        if (record != NULL && sp_name_eq(&record->body.child.name, name)) return record;
    }
    return NULL;
}

static void add_child(const struct sp_explain *x, struct moments *moments, const struct ready *all,
                      uint32_t item)
{
    const struct sp_record *record = sp_evidence_record(x->evidence, item);
    uint32_t before = 0;

    if (record == NULL) return;
    const struct sp_child *child = &record->body.child;
    sp_wall time = sp_evidence_market_time(x->evidence, record->time);
    if (time.ns < moments->from.ns || time.ns > moments->to.ns) return;
    const struct sp_record *ready = back_again(x, all, item, &child->name, &before);
    struct moment *moment = add_moment(moments, time, record);
    char what[SP_LINE_SIZE], took[SP_SAY_SIZE], epochs[64] = "";
    snprintf(what, sizeof what, "%s %s", child->name.s,
             child->reason.s[0] != '\0' ? child->reason.s : "ended");
    if (ready == NULL) {
        snprintf(moment->text, sizeof moment->text, "%.900s, not back yet", what);
        return;
    }
    if (before != 0 && ready->body.child.epoch != 0)
        snprintf(epochs, sizeof epochs, ", epoch %u -> %u", before, ready->body.child.epoch);
    snprintf(moment->text, sizeof moment->text, "%.900s, back in %s%s", what,
             sp_say_dur(sp_wall_since(ready->time, record->time), took), epochs);
}

/* ---- All ---- */

static bool is_of_trade(const struct sp_trade_case *c, const sp_name *client_order_id)
{
    for (uint32_t i = 0; i < c->order_count; i++)
        if (sp_name_eq(&c->orders[i].client_order_id, client_order_id)) return true;
    return false;
}

static bool concerns(const struct sp_trade_case *c, const struct sp_record *record)
{
    if (record->kind == SP_REC_CORRECTION)
        return is_of_trade(c, &record->body.correction.client_order_id);
    if (record->kind == SP_REC_DISCREPANCY)
        return is_of_trade(c, &record->body.discrepancy.client_order_id);
    if (record->kind == SP_REC_TRADING_HALTED || record->kind == SP_REC_TRADING_RESUMED) {
        const struct sp_trading_state *t = &record->body.trading_state;
        return sp_name_is_empty(&t->strategy_link_id) || sp_name_eq(&t->strategy_link_id, &c->link);
    }
    return true;
}

static void add_event(const struct sp_explain *x, struct moments *moments,
                      const struct sp_trade_case *c, uint32_t item)
{
    const struct sp_record *record = sp_evidence_record(x->evidence, item);
    char line[SP_LINE_SIZE];

    if (record == NULL || !concerns(c, record)) return;
    /* A service that knows no market clock stamps by the wall. */
    sp_wall time = record->time;
    if (time.ns < moments->from.ns || time.ns > moments->to.ns)
        time = sp_evidence_market_time(x->evidence, time);
    if (time.ns < moments->from.ns || time.ns > moments->to.ns) return;
    struct moment *moment = add_moment(moments, time, record);
    const char *what = record->kind == SP_REC_CORRECTION           ? "correction: "
                       : record->kind == SP_REC_DISCREPANCY        ? "difference: "
                       : record->kind == SP_REC_TRADING_HALTED     ? "trading halted, "
                       : record->kind == SP_REC_TRADING_RESUMED    ? "trading resumed, "
                       : record->kind == SP_REC_VENUE_DISCONNECTED ? "venue: "
                       : record->kind == SP_REC_VENUE_CONNECTED    ? "venue: "
                                                                   : "";
    const char *text = sp_describe(record, line);
    if (record->kind == SP_REC_VENUE_DISCONNECTED || record->kind == SP_REC_VENUE_CONNECTED)
        text = record->body.feed.reason.s;
    snprintf(moment->text, sizeof moment->text, "%s%.900s", what, text);
}

/* Whether a record of that time may belong to the trade, by the clock of the market or the wall:
 * told from the index, so that what lies elsewhere is not even read. */
static bool may_be_within(const struct sp_explain *x, const struct moments *moments, sp_wall time)
{
    sp_wall market = sp_evidence_market_time(x->evidence, time);

    return (time.ns >= moments->from.ns && time.ns <= moments->to.ns) ||
           (market.ns >= moments->from.ns && market.ns <= moments->to.ns);
}

static void add_events(const struct sp_explain *x, struct moments *moments,
                       const struct sp_trade_case *c)
{
    static const enum sp_kind kinds[] = {
        SP_REC_CHILD_EXITED,   SP_REC_CHILD_GIVEN_UP,     SP_REC_RECONCILIATION_RESULT,
        SP_REC_TRADING_HALTED, SP_REC_TRADING_RESUMED,    SP_REC_CORRECTION,
        SP_REC_DISCREPANCY,    SP_REC_VENUE_DISCONNECTED, SP_REC_VENUE_CONNECTED,
    };
    const enum sp_kind child_ready = SP_REC_CHILD_READY;
    struct ready ready = {0};
    uint32_t *items = NULL;
    struct sp_evidence_span span = {moments->from, moments->to};
    uint32_t count =
        sp_evidence_of_kinds_in(x->evidence, kinds, sizeof kinds / sizeof kinds[0], span, &items);

    ready.count = sp_evidence_of_kinds(x->evidence, &child_ready, 1, &ready.items);
    for (uint32_t i = 0; i < count; i++) {
        struct sp_evidence_item at = *sp_evidence_item(x->evidence, items[i]);
        if (!may_be_within(x, moments, at.time)) continue;
        if (at.kind == SP_REC_CHILD_EXITED || at.kind == SP_REC_CHILD_GIVEN_UP) {
            add_child(x, moments, &ready, items[i]);
        } else {
            add_event(x, moments, c, items[i]);
        }
    }
    free(ready.items);
    free(items);
}

void sp_explain_while_open(struct sp_explain *x, const struct sp_trade_case *c)
{
    struct moments moments = {.from = c->opened->time, .to = {INT64_MAX}};

    if (c->closed != NULL) moments.to = c->closed->time;
    add_protection(&moments, c);
    add_events(x, &moments, c);
    if (moments.count > 0) {
        qsort(moments.at, moments.count, sizeof *moments.at, compare_moments);
        struct sp_chain_section *section = sp_chain_section(x->chain, "WHILE OPEN");
        for (uint32_t i = 0; i < moments.count; i++) {
            struct sp_chain_node *node =
                sp_chain_node(section, NULL, moments.at[i].record, "%s", moments.at[i].text);
            sp_explain_clock(node, moments.at[i].time, 0);
        }
    }
    free(moments.at);
}
