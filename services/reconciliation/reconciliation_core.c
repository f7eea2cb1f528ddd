#include "services/reconciliation/reconciliation_internal.h"

#include "proto/decimal.h"

#include <stddef.h>
#include <string.h>

#define MS INT64_C(1000000)

#define ANSWER_LIMIT_NS   (1000 * MS)
#define REPEAT_FAST_NS    (50 * MS) /* the first few cuts, and questions that did not leave */
#define REPEAT_NS         (250 * MS)
#define FAST_TRIES        3
#define BACK_OFF_FIRST_NS (5000 * MS)
#define BACK_OFF_MAX_NS   (60000 * MS)
#define PROPOSALS_MAX     (SP_DECISION_EFFECTS_MAX - 4)

_Static_assert(1 + SP_DIFFS_MAX + SP_SYMBOLS_MAX - 1 <= SP_DECISION_RECORDS_MAX,
               "a result, its differences and hints are one batch");

/* ---- Reasons ---- */

static void add_cause(struct sp_reconcile_reasons *reasons, const struct sp_ref *cause)
{
    if (cause == NULL) return;
    for (uint32_t i = 0; i < reasons->by_count; i++) {
        if (sp_ref_eq(&reasons->by[i], cause)) return;
    }
    /* The newest causes win: a long history may be read again at the start. */
    if (reasons->by_count == SP_CAUSES_MAX) {
        memmove(&reasons->by[0], &reasons->by[1], (SP_CAUSES_MAX - 1) * sizeof *reasons->by);
        reasons->by_count--;
    }
    reasons->by[reasons->by_count++] = *cause;
}

static void want(struct sp_turn *turn, enum sp_trigger trigger, const struct sp_ref *cause)
{
    turn->r->want.wanted[trigger] = true;
    add_cause(&turn->r->want, cause);
}

static bool is_wanted(const struct sp_reconciler *r)
{
    for (size_t i = 0; i < SP_TRIGGER_COUNT; i++) {
        if (r->want.wanted[i]) return true;
    }
    return false;
}

/* What trading waits for comes first. */
static enum sp_trigger trigger_of(const struct sp_reconcile_reasons *reasons)
{
    if (reasons->wanted[SP_TRIGGER_START]) return SP_TRIGGER_START;
    if (reasons->wanted[SP_TRIGGER_RECONNECT]) return SP_TRIGGER_RECONNECT;
    if (reasons->wanted[SP_TRIGGER_OPERATOR]) return SP_TRIGGER_OPERATOR;
    return SP_TRIGGER_PERIODIC;
}

/* ---- The pass ---- */

static void wait_until(struct sp_turn *turn, int64_t delay_ns)
{
    turn->r->step = SP_STEP_WAIT;
    turn->r->next_at = (sp_mono){turn->event->now.ns + delay_ns};
}

static void begin_pass(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    r->pass = r->want;
    r->want = (struct sp_reconcile_reasons){0};
    r->reconciliation_id.raw = sp_decision_mint(turn->decision, SP_ID_REC);
    r->verifying = false;
    r->tries = 0;
    r->obstacle = NULL;
    r->previous.found = r->previous.count = 0;
    r->found.found = r->found.count = 0;
    memset(&r->cut.header, 0, sizeof r->cut.header);
    wait_until(turn, 0);
}

static void fill_result(struct sp_turn *turn, struct sp_reconciliation_result *result)
{
    const struct sp_reconciler *r = turn->r;
    const struct sp_cut *cut = &r->cut;

    *result = (struct sp_reconciliation_result){.reconciliation_id = r->reconciliation_id,
                                                .trigger = (uint8_t)trigger_of(&r->pass),
                                                .scheduled_id = r->pass.scheduled_id,
                                                .command_id = r->pass.command_id,
                                                .execution_epoch = cut->header.epoch,
                                                .venue_generation = cut->header.venue_generation,
                                                .books_version = cut->header.version};
}

static struct sp_discrepancy *add_discrepancy(struct sp_turn *turn, const struct sp_ref *cause,
                                              enum sp_difference item, enum sp_item_result result)
{
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_DISCREPANCY, cause);

    record->body.discrepancy =
        (struct sp_discrepancy){.reconciliation_id = turn->r->reconciliation_id,
                                .item = (uint8_t)item,
                                .result = (uint8_t)result};
    return &record->body.discrepancy;
}

static void tell_diffs(struct sp_turn *turn, const struct sp_diffs *list,
                       const struct sp_diffs *left, const struct sp_ref *cause)
{
    for (uint32_t i = 0; i < list->count; i++) {
        const struct sp_diff *diff = &list->at[i];
        bool stays = left != NULL && sp_diffs_concerns(left, diff);
        struct sp_discrepancy *body = add_discrepancy(
            turn, cause, diff->item, stays ? SP_ITEM_RESULT_UNRESOLVED : SP_ITEM_RESULT_CORRECTED);
        body->symbol = diff->symbol;
        body->asset = diff->asset;
        body->client_order_id = diff->client_order_id;
        body->venue_trade_id = diff->venue_trade_id;
        body->ours = diff->ours;
        body->venues = diff->venues;
        body->evidence = diff->evidence;
    }
}

/* Found twice in a row: between the entry's fill and its stop the first time may be chance. Told,
 * but trading is not closed for it: the position is real and the gateway tends it. */
static void tell_unprotected(struct sp_turn *turn, struct sp_reconciliation_result *result,
                             uint32_t bits, const struct sp_ref *cause)
{
    const struct sp_world_config *world = turn->r->world;

    for (uint32_t i = 0; i < world->instrument_count; i++) {
        if ((bits & 1u << i) == 0) continue;
        if (turn->decision->record_count == SP_DECISION_RECORDS_MAX) return;
        struct sp_discrepancy *body = add_discrepancy(turn, cause, SP_DIFFERENCE_PROTECTION_MISSING,
                                                      SP_ITEM_RESULT_UNRESOLVED);
        body->symbol = world->instruments[i].symbol;
        sp_text_printf(&body->ours, "a position without a live order to sell it");
        sp_text_printf(&body->evidence, "in two passes in a row; a warning: trading goes on");
        result->discrepancies_found++;
    }
}

/* Ends the pass. `found`: what differed; `left`: what still does; `why`: unclean for another reason
 * (NULL: none). */
static void finish(struct sp_turn *turn, const struct sp_diffs *found, const struct sp_diffs *left,
                   const char *why)
{
    struct sp_reconciler *r = turn->r;
    struct sp_ref at = sp_decision_next_ref(turn->decision);
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_RECONCILIATION_RESULT, NULL);
    struct sp_reconciliation_result *result = &record->body.reconciliation_result;
    bool compared = why == NULL || found->found > 0;
    uint32_t unprotected = 0;

    for (uint32_t i = 0; i < r->pass.by_count; i++) {
        sp_record_add_cause(record, &r->pass.by[i]);
    }
    fill_result(turn, result);
    result->discrepancies_found = found->found;
    result->unresolved = left->found;
    if (found->found > left->found) {
        result->corrections_applied = found->found - left->found;
    }
    result->clean = left->found == 0 && why == NULL;
    if (compared) {
        result->orders = r->cut.ours.order_count;
        result->fills = r->cut.venues.fill_count;
        result->balances = r->cut.venues.balance_count;
        unprotected = sp_cut_unprotected(r->world, &r->cut, &result->positions);
    }
    if (why != NULL) {
        sp_text_printf(&result->reason, "%s", why);
    } else if (left->count > 0) {
        const struct sp_diff *first = &left->at[0];
        sp_text_printf(&result->reason, "%u of %u unresolved: %s %s%s ours %s, venue %s",
                       left->found, found->found,
                       sp_enum_name(SP_ENUM_DIFFERENCE, (uint8_t)first->item), first->asset.s,
                       first->symbol.s, first->ours.s, first->venues.s);
    }
    tell_diffs(turn, found, left, &at);
    if (compared) {
        tell_unprotected(turn, result, unprotected & r->unprotected, &at);
        r->unprotected = unprotected;
    }
    r->step = SP_STEP_IDLE;
}

/* A result that could not compare is tried again soon, each time later. */
static void give_up(struct sp_turn *turn, const char *why)
{
    struct sp_reconciler *r = turn->r;
    static const struct sp_diffs none = {0};
    const struct sp_diffs *shown = r->verifying ? &r->found : &none;
    sp_text reason = {{0}};

    sp_text_printf(&reason, "not comparable in %u tries: %s", r->tries, why);
    r->back_off.ns = r->back_off.ns == 0 ? BACK_OFF_FIRST_NS : 2 * r->back_off.ns;
    if (r->back_off.ns > BACK_OFF_MAX_NS) r->back_off.ns = BACK_OFF_MAX_NS;
    r->not_before = (sp_mono){turn->event->now.ns + r->back_off.ns};
    enum sp_trigger again = trigger_of(&r->pass);
    finish(turn, shown, shown, reason.s);
    r->want.wanted[again == SP_TRIGGER_OPERATOR ? SP_TRIGGER_RECONNECT : again] = true;
}

void sp_r_cut_failed(struct sp_turn *turn, const char *why)
{
    struct sp_reconciler *r = turn->r;

    r->obstacle = why;
    r->tries++;
    if (r->tries >= SP_RECONCILE_TRIES && r->cut.header.epoch != 0) {
        give_up(turn, why);
        return;
    }
    wait_until(turn, r->tries <= FAST_TRIES ? REPEAT_FAST_NS : REPEAT_NS);
}

/* ---- Verdict on a cut ---- */

static bool is_one_version(const struct sp_reconciler *r)
{
    return r->cut.header.epoch == r->after.epoch && r->cut.header.version == r->after.version &&
           r->cut.header.venue_generation == r->after.venue_generation;
}

/* Proposes all that can be corrected, or nothing. Returns why nothing; NULL: proposed. */
static const char *propose(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;
    const struct sp_reconciliation_config *bounds = &r->config->reconciliation;
    uint32_t count = 0;
    sp_amt value = {0};

    for (uint32_t i = 0; i < r->found.count; i++) {
        if (!r->found.at[i].correctable) continue;
        count++;
        if (!sp_amt_add(value, r->found.at[i].value, &value)) value.e8 = INT64_MAX;
    }
    if (count == 0) return "none of the differences can be corrected";
    if (r->found.found > r->found.count || count > PROPOSALS_MAX ||
        count > bounds->correct_items_max) {
        return "more corrections than reconciliation.correct_items_max allows";
    }
    if (value.e8 > bounds->correct_value_max.e8) {
        return "corrections worth more than reconciliation.correct_value_max allows";
    }
    for (uint32_t i = 0; i < r->found.count; i++) {
        if (!r->found.at[i].correctable) continue;
        struct sp_correction correction = r->found.at[i].correction;
        correction.reconciliation_id = r->reconciliation_id;
        correction.books_version = r->cut.header.version;
        correction.execution_epoch = r->cut.header.epoch;
        sp_r_propose(turn, &correction);
    }
    r->proposals = count;
    r->replies = 0;
    r->verifying = true;
    r->tries = 0;
    r->previous.found = r->previous.count = 0;
    return NULL;
}

static void settled(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    if (r->verifying) {
        /* What came to light meanwhile counts too. */
        for (uint32_t i = 0; i < r->now.count; i++) {
            if (sp_diffs_concerns(&r->found, &r->now.at[i])) continue;
            r->found.found++;
            if (r->found.count < SP_DIFFS_MAX) r->found.at[r->found.count++] = r->now.at[i];
        }
        finish(turn, &r->found, &r->now, NULL);
        return;
    }
    r->found = r->now;
    const char *why_not = propose(turn);
    if (why_not == NULL) return;
    sp_text reason = {{0}};
    const struct sp_diff *first = &r->found.at[0];
    sp_text_printf(&reason, "%u unresolved, %s; first: %s %s%s ours %s, venue %s", r->found.found,
                   why_not, sp_enum_name(SP_ENUM_DIFFERENCE, (uint8_t)first->item), first->asset.s,
                   first->symbol.s, first->ours.s, first->venues.s);
    finish(turn, &r->found, &r->found, reason.s);
}

void sp_r_cut_complete(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;
    static const struct sp_diffs none = {0};

    if (!is_one_version(r)) {
        sp_r_cut_failed(turn, "our books moved meanwhile");
        return;
    }
    sp_compare(r->world, turn->decision->installation, &r->cut, &r->now);
    if (r->now.found == 0) {
        finish(turn, r->verifying ? &r->found : &none, &none, NULL);
    } else if (sp_diffs_equal(&r->now, &r->previous)) {
        settled(turn);
    } else {
        /* Venue and books are read one after the other: only what is seen twice is believed. */
        r->previous = r->now;
        sp_r_cut_failed(turn, "differences keep changing");
    }
}

/* ---- Events ---- */

static void poll_schedules(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    for (uint32_t i = 0; i < r->schedule_count; i++) {
        struct sp_schedule place = r->schedules[i];
        struct sp_schedule_due due = {0};
        if (!sp_schedule_poll(&place, turn->event->market, &due)) {
            r->schedules[i] = place; /* where it stands is derived; that it ran is not */
            continue;
        }
        struct sp_ref at = sp_decision_next_ref(turn->decision);
        sp_sch_id id = {sp_decision_mint(turn->decision, SP_ID_SCH)};
        struct sp_record *record = sp_decision_add(turn->decision, SP_REC_SCHEDULED_TICK, NULL);
        record->body.scheduled_tick =
            (struct sp_scheduled_tick){.scheduled_id = id,
                                       .schedule_name = place.config->name,
                                       .event = place.config->event,
                                       .timestamp = due.at,
                                       .missed = due.missed};
        r->want.scheduled_id = id;
        want(turn, SP_TRIGGER_PERIODIC, &at);
    }
}

static void on_timer(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;
    sp_mono now = turn->event->now;
    bool waits = r->step != SP_STEP_IDLE && r->step != SP_STEP_WAIT;

    poll_schedules(turn);
    if (waits && sp_mono_since(now, r->asked_at).ns >= ANSWER_LIMIT_NS) wait_until(turn, 0);
    if (r->step == SP_STEP_PROPOSE && r->replies >= r->proposals) wait_until(turn, 0);
    if (r->step == SP_STEP_IDLE && is_wanted(r) && now.ns >= r->not_before.ns) begin_pass(turn);
    if (r->step == SP_STEP_WAIT && r->venue_up && now.ns >= r->next_at.ns) sp_r_ask_books(turn);
}

/* A pass under way is begun anew, so that its result is younger than the fact. */
static void reconnected(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;
    struct sp_ref cause = sp_record_ref(turn->event->record);

    r->not_before = (sp_mono){0};
    if (r->step == SP_STEP_IDLE || r->verifying) {
        want(turn, SP_TRIGGER_RECONNECT, &cause);
        return;
    }
    r->pass.wanted[SP_TRIGGER_RECONNECT] = true;
    add_cause(&r->pass, &cause);
    wait_until(turn, 0);
}

static void on_fact(struct sp_turn *turn)
{
    const struct sp_record *record = turn->event->record;
    const struct sp_reconciliation_result *last = &turn->r->last;
    const struct sp_trading_state *state = &record->body.trading_state;

    /* A result of this epoch and connection says all that these two could ask for. */
    bool newer = record->epoch > last->execution_epoch || !last->clean;
    if (record->kind == SP_REC_STREAM_STARTED && newer) reconnected(turn);
    if (record->kind == SP_REC_VENUE_CONNECTED) {
        bool same_epoch = record->epoch == last->execution_epoch;
        if (newer || (same_epoch && record->body.feed.messages > last->venue_generation)) {
            reconnected(turn);
        }
    }
    if (record->kind == SP_REC_TRADING_HALTED && state->breaker == SP_BREAKER_HALF_OPEN) {
        reconnected(turn);
    }
}

static void on_command(struct sp_turn *turn)
{
    const struct sp_operator_command *command = &turn->event->record->body.operator_command;
    struct sp_reconciler *r = turn->r;

    if (sp_cmd_id_eq(command->command_id, r->last.command_id)) return;
    r->want.command_id = command->command_id;
    r->not_before = (sp_mono){0};
    want(turn, SP_TRIGGER_OPERATOR, NULL);
}

static void on_message(struct sp_turn *turn)
{
    struct sp_reconciler *r = turn->r;

    switch ((enum sp_reconciliation_input)turn->event->id) {
    case SP_RI_BOOKS: sp_r_books_frame(turn); break;
    case SP_RI_VENUE: sp_r_venue_frame(turn); break;
    case SP_RI_VENUE_UP: r->venue_up = true; break;
    case SP_RI_VENUE_DOWN:
        r->venue_up = false;
        if (r->step == SP_STEP_VENUE || r->step == SP_STEP_ASK) wait_until(turn, 0);
        break;
    case SP_RI_NOT_SENT:
        if (r->step != SP_STEP_IDLE) wait_until(turn, REPEAT_FAST_NS);
        break;
    case SP_RI_COMMAND: on_command(turn); break;
    }
}

static void decide(void *state, const struct sp_event *event, struct sp_decision *decision)
{
    struct sp_turn turn = {.r = state, .event = event, .decision = decision};

    switch (event->type) {
    case SP_EVENT_RECORD: on_fact(&turn); break;
    case SP_EVENT_TICK: break; /* market data is not ours */
    case SP_EVENT_TIMER: on_timer(&turn); break;
    case SP_EVENT_MESSAGE: on_message(&turn); break;
    }
}

static void apply(void *state, const struct sp_record *record)
{
    struct sp_reconciler *r = state;

    if (record->kind == SP_REC_RECONCILIATION_RESULT) {
        r->last = record->body.reconciliation_result;
        r->passes++;
        r->discrepancies += r->last.discrepancies_found;
        r->corrections += r->last.corrections_applied;
        if (r->last.clean) r->back_off = (sp_dur){0};
    }
    if (record->kind != SP_REC_SCHEDULED_TICK) return;
    for (uint32_t i = 0; i < r->schedule_count; i++) {
        const struct sp_scheduled_tick *tick = &record->body.scheduled_tick;
        if (!sp_name_eq(&r->schedules[i].config->name, &tick->schedule_name)) continue;
        r->schedules[i].last = r->ticked[i] = tick->timestamp;
    }
}

const struct sp_core sp_reconciliation_core = {.decide = decide,
                                               .apply = apply,
                                               .save = sp_r_save,
                                               .load = sp_r_load,
                                               .state_bytes =
                                                   offsetof(struct sp_reconciler, venue_up)};

void sp_reconciler_init(struct sp_reconciler *r, const struct sp_config *config)
{
    memset(r, 0, sizeof *r);
    r->config = config;
    r->world = sp_config_world(config);
    for (uint32_t i = 0; i < config->schedule_count; i++) {
        if (!sp_name_is(&config->schedules[i].event, "RECONCILIATION_TICK")) continue;
        r->schedules[r->schedule_count++].config = &config->schedules[i];
    }
    r->want.wanted[SP_TRIGGER_START] = true;
}

const char *sp_reconciler_waits_for(const struct sp_reconciler *r)
{
    if (r->step == SP_STEP_IDLE) return NULL;
    if (!r->venue_up) return "the venue";
    if (r->step == SP_STEP_VENUE || r->step == SP_STEP_ASK) return "the venue's answer";
    if (r->step == SP_STEP_WAIT && r->obstacle != NULL) return r->obstacle;
    return "execution's books";
}
