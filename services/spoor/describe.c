#include "services/spoor/describe.h"

#include "proto/json.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

/* ---- Values ---- */

unsigned sp_say_places_of(int64_t e8)
{
    unsigned places = 8;

    while (places > 0 && e8 % 10 == 0) {
        e8 /= 10;
        places--;
    }
    return places;
}

const char *sp_say_places(int64_t e8, unsigned places, char buf[SP_SAY_SIZE])
{
    unsigned needed = sp_say_places_of(e8);

    return sp_e8_pretty(e8, needed > places ? needed : places, buf);
}

const char *sp_say_e8(int64_t e8, char buf[SP_SAY_SIZE])
{
    return sp_say_places(e8, 2, buf);
}

const char *sp_say_signed(int64_t e8, char buf[SP_SAY_SIZE])
{
    char text[SP_SAY_SIZE];

    snprintf(buf, SP_SAY_SIZE, "%s%s", e8 >= 0 ? "+" : "", sp_e8_pretty(e8, 8, text));
    return buf;
}

const char *sp_say_dur(sp_dur d, char buf[SP_SAY_SIZE])
{
    long long s = (long long)(d.ns / S);

    if (d.ns < S / 10) {
        snprintf(buf, SP_SAY_SIZE, "%lld.%02lld ms", (long long)(d.ns / MS),
                 (long long)(d.ns % MS / (MS / 100)));
    } else if (s < 60) {
        snprintf(buf, SP_SAY_SIZE, "%lld.%02lld s", s, (long long)(d.ns % S / (S / 100)));
    } else if (s < 3600) {
        snprintf(buf, SP_SAY_SIZE, "%lld min %02lld s", s / 60, s % 60);
    } else {
        snprintf(buf, SP_SAY_SIZE, "%lld h %02lld min", s / 3600, s / 60 % 60);
    }
    return buf;
}

const char *sp_say_enum(enum sp_enum which, uint8_t value, char buf[SP_SAY_SIZE])
{
    const char *name = sp_enum_name(which, value);
    size_t i = 0;

    for (; name != NULL && name[i] != '\0' && i + 1 < SP_SAY_SIZE; i++)
        buf[i] = (char)(name[i] == '_' ? ' ' : tolower((unsigned char)name[i]));
    buf[i] = '\0';
    return buf;
}

const char *sp_say_order(const struct sp_order_intent *intent, char buf[SP_LINE_SIZE])
{
    char qty[SP_SAY_SIZE], px[SP_SAY_SIZE];
    const char *side = sp_enum_name(SP_ENUM_SIDE, intent->side);

    sp_say_e8(intent->qty.e8, qty);
    if (intent->type == SP_ORDER_TYPE_LIMIT) {
        snprintf(buf, SP_LINE_SIZE, "%s %s limit %s", side, qty, sp_say_e8(intent->px.e8, px));
    } else if (intent->type == SP_ORDER_TYPE_STOP_LOSS) {
        snprintf(buf, SP_LINE_SIZE, "%s %s stop %s", side, qty, sp_say_e8(intent->stop_px.e8, px));
    } else {
        snprintf(buf, SP_LINE_SIZE, "%s %s market", side, qty);
    }
    return buf;
}

const char *sp_say_facts(const sp_facts *facts, char buf[SP_LINE_SIZE])
{
    size_t used = 0;

    buf[0] = '\0';
    for (uint32_t i = 0; i < facts->count && used < SP_LINE_SIZE; i++) {
        char name[SP_NAME_SIZE], pretty[SP_SAY_SIZE];
        const char *value = facts->at[i].value.s;
        int64_t e8 = 0;
        sp_dur dur = {0};
        snprintf(name, sizeof name, "%s", facts->at[i].name.s);
        for (char *p = name; *p != '\0'; p++)
            if (*p == '_') *p = ' ';
        /* A whole number is a count as often as an amount. */
        if (sp_e8_parse(value, strlen(value), &e8) == SP_OK)
            value = sp_say_places(e8, strchr(value, '.') != NULL ? 2 : 0, pretty);
        else if (sp_dur_parse(value, strlen(value), &dur) == SP_OK && dur.ns < S)
            value = sp_say_dur(dur, pretty);
        int n =
            snprintf(buf + used, SP_LINE_SIZE - used, "%s%s %s", i > 0 ? ", " : "", name, value);
        used += n > 0 ? (size_t)n : 0;
    }
    return buf;
}

/* ---- Records ---- */

/* Any record: its fields that are not empty, as name=value. */
static void describe_fields(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);
    size_t used = 0;

    buf[0] = '\0';
    for (uint32_t i = 0; i < schema->field_count && used < SP_LINE_SIZE; i++) {
        const struct sp_field *field = &schema->fields[i];
        char value[SP_VALUE_TEXT_SIZE];
        bool is_list = field->kind == SP_KIND_LEVELS || field->kind == SP_KIND_FACTS ||
                       field->kind == SP_KIND_MARKS || sp_kind_is_ids(field->kind);
        if (field->kind == SP_KIND_RETIRED || is_list) continue;
        if (sp_field_is_empty(field, &record->body)) continue;
        int n = snprintf(buf + used, SP_LINE_SIZE - used, "%s%s=%s", used > 0 ? " " : "",
                         field->name, sp_value_text(field, &record->body, value));
        used += n > 0 ? (size_t)n : 0;
    }
}

static void describe_opportunity(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_opportunity *o = &record->body.opportunity;
    char id[SP_ID_SHORT_SIZE], ratio[SP_SAY_SIZE];

    sp_e8_pretty(o->confidence.e8, 2, ratio);
    snprintf(buf, SP_LINE_SIZE, "%s %s %s, confidence %s: %s",
             sp_opp_id_short(o->opportunity_id, id), sp_enum_name(SP_ENUM_SIDE, o->side),
             o->symbol.s, ratio, o->rule.s);
}

static void describe_verdict(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_opportunity_verdict *v = &record->body.opportunity_verdict;
    char id[SP_ID_SHORT_SIZE], cause[SP_SAY_SIZE];
    bool rejected = record->kind == SP_REC_OPPORTUNITY_REJECTED;

    snprintf(buf, SP_LINE_SIZE, "%s by %s%s%s: %s", sp_opp_id_short(v->opportunity_id, id),
             v->worker.s, rejected ? ", " : "",
             rejected ? sp_say_enum(SP_ENUM_REJECT_CAUSE, v->cause, cause) : "", v->reason.s);
}

static void describe_threat(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_threat *t = &record->body.threat;
    char id[SP_ID_SHORT_SIZE];

    snprintf(buf, SP_LINE_SIZE, "%s %s %s: %s", sp_thr_id_short(t->threat_id, id), t->threat_type.s,
             sp_enum_name(SP_ENUM_SEVERITY, t->severity), t->rule.s);
}

static void describe_plan(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_plan *p = &record->body.plan;
    char id[SP_ID_SHORT_SIZE], trade[SP_ID_SHORT_SIZE], qty[SP_SAY_SIZE], stop[SP_SAY_SIZE],
        target[SP_SAY_SIZE];

    snprintf(buf, SP_LINE_SIZE, "%s %s %s: %s %s %s, stop %s, target %s",
             sp_pln_id_short(p->plan_id, id), sp_enum_name(SP_ENUM_PLAN_ACTION, p->action),
             sp_trd_id_short(p->trade_id, trade), sp_enum_name(SP_ENUM_SIDE, p->side),
             sp_say_e8(p->qty.e8, qty), p->symbol.s, sp_say_e8(p->stop_px.e8, stop),
             sp_say_e8(p->target_px.e8, target));
}

static void describe_answer(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_plan_answer *a = &record->body.plan_answer;
    char id[SP_ID_SHORT_SIZE], trade[SP_ID_SHORT_SIZE];

    snprintf(buf, SP_LINE_SIZE, "%s of %s%s%s%s%s", sp_pln_id_short(a->plan_id, id),
             sp_trd_id_short(a->trade_id, trade), a->gate.s[0] != '\0' ? " by " : "", a->gate.s,
             a->reason.s[0] != '\0' ? ": " : "", a->reason.s);
}

static void describe_intent(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_order_intent *o = &record->body.order_intent;
    char id[SP_ID_SHORT_SIZE], trade[SP_ID_SHORT_SIZE], order[SP_LINE_SIZE];

    snprintf(buf, SP_LINE_SIZE, "%s of %s, %s: %.300s", sp_ord_id_short(o->order_id, id),
             sp_trd_id_short(o->trade_id, trade), sp_enum_name(SP_ENUM_LEG_ROLE, o->role),
             sp_say_order(o, order));
}

static void describe_order_event(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_order_event *e = &record->body.order_event;
    char id[SP_ID_SHORT_SIZE], trade[SP_ID_SHORT_SIZE], venue[64] = "", took[SP_SAY_SIZE];

    if (e->venue_order_id != 0)
        snprintf(venue, sizeof venue, ", venue order %" PRIu64, e->venue_order_id);
    snprintf(buf, SP_LINE_SIZE, "%s of %s%s%s%s%s%s", sp_ord_id_short(e->order_id, id),
             sp_trd_id_short(e->trade_id, trade), venue, e->since_tick.ns > 0 ? ", +" : "",
             e->since_tick.ns > 0 ? sp_say_dur(e->since_tick, took) : "",
             e->reason.s[0] != '\0' ? ": " : "", e->reason.s);
}

static void describe_fill(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_fill *f = &record->body.fill;
    char id[SP_ID_SHORT_SIZE], qty[SP_SAY_SIZE], px[SP_SAY_SIZE], fee[SP_SAY_SIZE],
        liquidity[SP_SAY_SIZE];

    snprintf(buf, SP_LINE_SIZE, "%s %s %s at %s, fee %s %s %s, venue trade %" PRIu64,
             sp_ord_id_short(f->order_id, id), sp_enum_name(SP_ENUM_SIDE, f->side),
             sp_say_e8(f->qty.e8, qty), sp_say_e8(f->px.e8, px), sp_e8_pretty(f->fee.e8, 8, fee),
             f->fee_asset.s, sp_say_enum(SP_ENUM_LIQUIDITY, f->liquidity, liquidity),
             f->venue_trade_id);
}

static void describe_opened(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_trade_opened *t = &record->body.trade_opened;
    char id[SP_ID_SHORT_SIZE], qty[SP_SAY_SIZE], px[SP_SAY_SIZE];

    snprintf(buf, SP_LINE_SIZE, "%s %s %s: %s %s at %s, because of %s",
             sp_trd_id_short(t->trade_id, id), t->strategy_link_id.s, t->symbol.s,
             sp_enum_name(SP_ENUM_SIDE, t->side), sp_say_e8(t->qty.e8, qty),
             sp_say_e8(t->px.e8, px), sp_enum_name(SP_ENUM_OPEN_CAUSE, t->cause));
}

static void describe_closed(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_trade_closed *t = &record->body.trade_closed;
    char id[SP_ID_SHORT_SIZE], net[SP_SAY_SIZE];

    snprintf(buf, SP_LINE_SIZE, "%s %s %s: by %s, net %s", sp_trd_id_short(t->trade_id, id),
             t->strategy_link_id.s, t->symbol.s, sp_enum_name(SP_ENUM_CLOSE_CAUSE, t->cause),
             sp_say_signed(t->realised_pnl.e8, net));
}

static void describe_trading(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_trading_state *t = &record->body.trading_state;
    char state[SP_SAY_SIZE], cause[SP_SAY_SIZE];

    sp_say_enum(SP_ENUM_HALT_CAUSE, t->cause, cause);
    snprintf(buf, SP_LINE_SIZE, "%s: %s, %s%s%s", t->scope.s,
             sp_say_enum(SP_ENUM_TRADING, t->trading, state),
             t->reason.s[0] != '\0' ? t->reason.s : cause,
             t->next_step.s[0] != '\0' ? "; next: " : "", t->next_step.s);
}

static void describe_command(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_operator_command *c = &record->body.operator_command;
    char id[SP_ID_SHORT_SIZE];

    snprintf(buf, SP_LINE_SIZE, "%s %s %s by %s%s%s", sp_cmd_id_short(c->command_id, id),
             sp_enum_name(SP_ENUM_COMMAND, c->command), c->scope.s,
             c->operator_name.s[0] != '\0' ? c->operator_name.s : "nobody named",
             c->reason.s[0] != '\0' ? ": " : "", c->reason.s);
}

static void describe_adopted(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_balance_adopted *a = &record->body.balance_adopted;
    char before[SP_E8_TEXT_SIZE], after[SP_E8_TEXT_SIZE];

    snprintf(buf, SP_LINE_SIZE, "the account holds %s %s, not %s: an operator says so",
             sp_e8_format(a->after.e8, after), a->asset.s, sp_e8_format(a->before.e8, before));
}

static void describe_flatten(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_flatten *f = &record->body.flatten;
    char id[SP_ID_SHORT_SIZE], step[SP_SAY_SIZE], of[128] = "", what[256] = "";
    char a[SP_SAY_SIZE], b[SP_SAY_SIZE], c[SP_SAY_SIZE];

    if (!sp_trd_id_is_none(f->trade_id))
        snprintf(of, sizeof of, "%s %s ", sp_trd_id_short(f->trade_id, id), f->symbol.s);
    if (f->step == SP_FLATTEN_STEP_STARTED)
        snprintf(what, sizeof what, ": %u trade%s, %u live order%s", f->trades,
                 f->trades == 1 ? "" : "s", f->orders, f->orders == 1 ? "" : "s");
    if (f->step == SP_FLATTEN_STEP_CANCELS_SENT) snprintf(what, sizeof what, ": %u", f->orders);
    if (f->step == SP_FLATTEN_STEP_MEASURED)
        snprintf(what, sizeof what, ": holds %s, sells %s, dust %s", sp_say_e8(f->position.e8, a),
                 sp_say_e8(f->qty.e8, b), sp_say_e8(f->dust.e8, c));
    if (f->step == SP_FLATTEN_STEP_REDUCING)
        snprintf(what, sizeof what, ": SELL %s %s", sp_say_e8(f->qty.e8, a), f->client_order_id.s);
    if (f->step == SP_FLATTEN_STEP_FLAT && f->dust.e8 > 0)
        snprintf(what, sizeof what, ": dust %s", sp_say_e8(f->dust.e8, a));
    snprintf(buf, SP_LINE_SIZE, "%s%s%s%s%s", of, sp_say_enum(SP_ENUM_FLATTEN_STEP, f->step, step),
             what, f->reason.s[0] != '\0' ? ": " : "", f->reason.s);
}

static void describe_result(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_reconciliation_result *r = &record->body.reconciliation_result;
    char id[SP_ID_SHORT_SIZE], counts[128];

    snprintf(counts, sizeof counts, "%u order%s, %u position%s, %u balance%s", r->orders,
             r->orders == 1 ? "" : "s", r->positions, r->positions == 1 ? "" : "s", r->balances,
             r->balances == 1 ? "" : "s");
    sp_rec_id_short(r->reconciliation_id, id);
    if (r->discrepancies_found == 0 && r->clean) {
        snprintf(buf, SP_LINE_SIZE, "%s: %s equal, nothing corrected", id, counts);
        return;
    }
    snprintf(buf, SP_LINE_SIZE, "%s: %s compared, %u difference%s, %u corrected, %u unresolved%s%s",
             id, counts, r->discrepancies_found, r->discrepancies_found == 1 ? "" : "s",
             r->corrections_applied, r->unresolved, r->reason.s[0] != '\0' ? ": " : "",
             r->reason.s);
}

static void describe_discrepancy(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_discrepancy *d = &record->body.discrepancy;
    char id[SP_ID_SHORT_SIZE], item[SP_SAY_SIZE], result[SP_SAY_SIZE];
    const char *of = d->client_order_id.s[0] != '\0' ? d->client_order_id.s : d->asset.s;

    snprintf(buf, SP_LINE_SIZE, "%s %s %s: ours %s, the venue's %s; %s%s%s",
             sp_rec_id_short(d->reconciliation_id, id),
             sp_say_enum(SP_ENUM_DIFFERENCE, d->item, item), of,
             d->ours.s[0] != '\0' ? d->ours.s : "nothing",
             d->venues.s[0] != '\0' ? d->venues.s : "nothing",
             sp_say_enum(SP_ENUM_ITEM_RESULT, d->result, result),
             d->evidence.s[0] != '\0' ? ": " : "", d->evidence.s);
}

static void describe_child(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    const struct sp_child *c = &record->body.child;
    char pid[32] = "", epoch[32] = "", delay[SP_SAY_SIZE];

    if (c->pid != 0) snprintf(pid, sizeof pid, " pid %u", c->pid);
    if (c->epoch != 0) snprintf(epoch, sizeof epoch, " epoch %u", c->epoch);
    snprintf(buf, SP_LINE_SIZE, "%s%s%s%s%s%s%s", c->name.s, pid, epoch,
             c->delay.ns > 0 ? " after " : "", c->delay.ns > 0 ? sp_say_dur(c->delay, delay) : "",
             c->reason.s[0] != '\0' ? ": " : "", c->reason.s);
}

const char *sp_describe(const struct sp_record *record, char buf[SP_LINE_SIZE])
{
    static void (*const table[SP_DTO_COUNT])(const struct sp_record *, char[SP_LINE_SIZE]) = {
        [SP_DTO_opportunity] = describe_opportunity,
        [SP_DTO_opportunity_verdict] = describe_verdict,
        [SP_DTO_threat] = describe_threat,
        [SP_DTO_plan] = describe_plan,
        [SP_DTO_plan_answer] = describe_answer,
        [SP_DTO_order_intent] = describe_intent,
        [SP_DTO_order_event] = describe_order_event,
        [SP_DTO_fill] = describe_fill,
        [SP_DTO_trade_opened] = describe_opened,
        [SP_DTO_trade_closed] = describe_closed,
        [SP_DTO_trading_state] = describe_trading,
        [SP_DTO_operator_command] = describe_command,
        [SP_DTO_balance_adopted] = describe_adopted,
        [SP_DTO_flatten] = describe_flatten,
        [SP_DTO_reconciliation_result] = describe_result,
        [SP_DTO_discrepancy] = describe_discrepancy,
        [SP_DTO_child] = describe_child,
    };
    const struct sp_kind_info *info = sp_kind_info(record->kind);

    buf[0] = '\0';
    if (info == NULL) return buf;
    if (table[info->dto] != NULL) {
        table[info->dto](record, buf);
    } else {
        describe_fields(record, buf);
    }
    return buf;
}

sp_name sp_record_link(const struct sp_record *record)
{
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    sp_name link = {{0}};

    if (info == NULL) return link;
    const struct sp_field *field = sp_schema_field(sp_schema_of(info->dto), "strategy_link_id");
    if (field != NULL) memcpy(&link, (const char *)&record->body + field->offset, sizeof link);
    return link;
}
