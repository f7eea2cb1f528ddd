#include "check.h"

#include "common/journal/journal.h"
#include "common/ledger/ledger_check.h"
#include "common/ledger/ledger_feed.h"
#include "faults.h"
#include "health.h"
#include "live.h"
#include "memory.h"
#include "proto/ids.h"
#include "services/execution/execution_core.h"
#include "services/spoor/explain.h"
#include "truth.h"
#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXECUTION_DIR "/sim/data/execution"

static struct {
    struct sp_books *books;   /* fold of execution's journal, as far as read */
    struct sp_record *record; /* scratch */
    uint64_t fill_count, trade_count;
    uint32_t answer_count, answer_room;
    sp_pln_id *answers; /* plans that execution has answered */
    char unrest[400];
} c;

/* ---- Reading ---- */

typedef void record_fn(const struct sp_record *record);

/* Calls fn for every record of a journal. False: it cannot be read, and that is a violation. */
static bool each_record(const char *stream, record_fn *fn)
{
    struct sp_journal_reader *reader = NULL;
    struct sp_err err = {0};
    char dir[200];
    uint64_t expected = 1;

    snprintf(dir, sizeof dir, "/sim/data/%s", stream);
    sp_status status = sp_journal_reader_open(dir, NULL, 0, &reader, &err);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, c.record, NULL, &err);
        if (status != SP_OK) break;
        if (c.record->seq != expected) {
            sim_violation("journal of %s: sequence %llu follows %llu", stream,
                          (unsigned long long)c.record->seq, (unsigned long long)expected - 1);
        }
        expected = c.record->seq + 1;
        fn(c.record);
    }
    sp_journal_reader_close(reader);
    if (status == SP_AGAIN) return true;
    sim_violation("journal of %s cannot be read: %s", stream, err.text);
    return false;
}

static void take_answer(const struct sp_record *record)
{
    if (record->kind != SP_REC_PLAN_ACCEPTED && record->kind != SP_REC_PLAN_REFUSED &&
        record->kind != SP_REC_PLAN_EXPIRED)
        return;
    if (c.answer_count == c.answer_room) {
        c.answer_room = c.answer_room * 2 + 256;
        c.answers = sim_grow(c.answers, c.answer_room * sizeof *c.answers);
    }
    c.answers[c.answer_count++] = record->body.plan_answer.plan_id;
}

static void fold_execution(const struct sp_record *record)
{
    take_answer(record);
    if (record->kind == SP_REC_FILL) c.fill_count++;
    if (record->kind == SP_REC_TRADE_CLOSED) c.trade_count++;
    sp_books_apply(c.books, record);
}

static bool fold_books(void)
{
    c.answer_count = 0;
    c.fill_count = 0;
    c.trade_count = 0;
    sp_books_init(c.books, sim_world_config());
    return each_record("execution", fold_execution);
}

/* ---- Calm ---- */

static struct sp_reconciliation_result last_result;

static void take_result(const struct sp_record *record)
{
    if (record->kind == SP_REC_RECONCILIATION_RESULT)
        last_result = record->body.reconciliation_result;
}

static void say_unready(void)
{
    size_t len = 0;

    for (uint32_t i = 0; i < sim_world_count(); i++) {
        len += (size_t)snprintf(c.unrest + len, sizeof c.unrest - len, "%s %s ", sim_world_name(i),
                                sp_supervised_state_name(sim_world_child(i)->state));
        if (len >= sizeof c.unrest) return;
    }
}

bool sim_check_is_calm(void)
{
    const char *why = "";

    if (!sim_world_is_ready()) {
        say_unready();
        return false;
    }
    const struct sp_execution *core = sim_live_core();
    if (core == NULL || !core->venue_up) {
        snprintf(c.unrest, sizeof c.unrest, "execution is not connected to the venue");
        return false;
    }
    memset(&last_result, 0, sizeof last_result);
    if (!fold_books() || !each_record("reconciliation", take_result)) return false;
    if (!sim_faults_account_is_settled()) {
        snprintf(c.unrest, sizeof c.unrest, "what others did on the account is not adopted yet");
        return false;
    }
    if (last_result.execution_epoch != c.books->epoch || !last_result.clean) {
        snprintf(c.unrest, sizeof c.unrest,
                 "execution is in epoch %u, the newest reconciliation of epoch %u, clean %d: %s",
                 c.books->epoch, last_result.execution_epoch, last_result.clean,
                 last_result.reason.s);
        return false;
    }
    if (!sim_health_is_calm(&why)) {
        snprintf(c.unrest, sizeof c.unrest, "health: %s", why);
        return false;
    }
    for (uint32_t i = 0; i < c.books->order_count; i++) {
        const struct sp_order *order = &c.books->orders[i];
        if (!sp_order_is_in_flight(order->state)) continue;
        snprintf(c.unrest, sizeof c.unrest, "order %s is %s", order->intent.client_order_id.s,
                 sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)order->state));
        return false;
    }
    return true;
}

const char *sim_check_unrest(void)
{
    if (!sim_world_is_ready()) say_unready();
    return c.unrest;
}

/* ---- The end ---- */

static const struct sp_venue_fill_row *true_fill(uint64_t trade_no)
{
    for (uint32_t i = 0; i < sim_truth_fill_count(); i++) {
        if (sim_truth_fill(i)->trade_no == trade_no) return sim_truth_fill(i);
    }
    return NULL;
}

static void check_fill(const struct sp_record *record)
{
    const struct sp_fill *fill = &record->body.fill;

    if (record->kind != SP_REC_FILL) return;
    const struct sp_venue_fill_row *truth = true_fill(fill->venue_trade_id);
    if (truth == NULL) {
        sim_violation("fill %llu was booked and never happened",
                      (unsigned long long)fill->venue_trade_id);
        return;
    }
    bool same = sp_name_eq(&fill->client_order_id, &truth->client_order_id) &&
                fill->px.e8 == truth->px.e8 && fill->qty.e8 == truth->qty.e8 &&
                fill->fee.e8 == truth->fee.e8 && fill->side == (uint8_t)truth->side;
    if (!same)
        sim_violation("fill %llu differs from the venue's",
                      (unsigned long long)fill->venue_trade_id);
}

static void check_fills(void)
{
    uint32_t ours = 0;

    each_record("execution", check_fill);
    for (uint32_t i = 0; i < sim_truth_fill_count(); i++) {
        const struct sp_venue_fill_row *fill = sim_truth_fill(i);
        bool is_external = strncmp(fill->client_order_id.s, "hand", 4) == 0;
        if (!is_external) ours++;
    }
    if (c.fill_count == ours) return;
    sim_violation("%llu fills are booked, the venue executed %u for us",
                  (unsigned long long)c.fill_count, ours);
}

static void check_balances(void)
{
    for (uint32_t i = 0; i < c.books->asset_count; i++) {
        const struct sp_asset_book *asset = &c.books->assets[i];
        int64_t truth = sim_truth_balance(&asset->asset);
        if (sim_truth_fill_count() == 0 || truth == asset->amount.e8) continue;
        sim_violation("%s: the books say %lld, the venue %lld (1e-8)", asset->asset.s,
                      (long long)asset->amount.e8, (long long)truth);
    }
}

/* Nothing is left at the venue, nobody holds a position: the operation was stopped to be flat. */
static void check_flat(void)
{
    for (uint32_t i = 0; i < c.books->trade_count; i++) {
        const struct sp_trade_book *trade = &c.books->trades[i];
        if (trade->opened && !trade->closed)
            sim_violation("%s stopped with an open trade", c.books->links[trade->link].id.s);
    }
    for (uint32_t i = 0; i < sim_truth_order_count(); i++) {
        const struct sim_truth_order *order = sim_truth_order(i);
        if (!sp_order_is_terminal(order->state) && !order->is_external)
            sim_violation("order %s is left at the venue", order->client_order_id.s);
    }
}

/* The ledger is whole, and says of each asset what the journal says. */
static void check_ledger(void)
{
    struct sp_ledger_rows *rows = NULL;
    struct sp_ledger_sums sums = {0};
    struct sp_err err = {0};
    sp_name stream = sp_name_of("execution");
    const struct sp_world_config *world = sp_config_world(sim_world_config());

    sp_status status = sp_ledger_rows_open(EXECUTION_DIR "/ledger.db", &stream, world, &rows, &err);
    if (status == SP_OK) status = sp_ledger_check(rows, &err);
    if (status == SP_OK) status = sp_ledger_fold(rows, EXECUTION_DIR, &stream, 0, &err);
    if (status == SP_OK) status = sp_ledger_sum(rows, world, EXECUTION_DIR, &stream, &sums, &err);
    sp_ledger_rows_close(rows);
    if (status != SP_OK) sim_violation("ledger: %s", err.text);
    for (uint32_t i = 0; i < sums.count; i++) {
        if (!sp_ledger_asset_agrees(&sums.at[i]))
            sim_violation("ledger and journal differ in %s", sums.at[i].asset.s);
    }
    if (status == SP_OK && sums.fills != c.fill_count)
        sim_violation("the ledger's journal has %llu fills", (unsigned long long)sums.fills);
}

static void check_orders(void)
{
    for (uint32_t i = 0; i < sim_truth_order_count(); i++) {
        const struct sim_truth_order *order = sim_truth_order(i);
        uint32_t count = 0;
        if (order->is_external) continue;
        sim_truth_find(&order->client_order_id, &count);
        if (count > 1) sim_violation("%s was placed %u times", order->client_order_id.s, count);
    }
    for (uint32_t i = 0; i < c.books->order_count; i++) {
        const struct sp_order *order = &c.books->orders[i];
        uint32_t count = 0;
        const struct sim_truth_order *truth =
            sim_truth_find(&order->intent.client_order_id, &count);
        if (truth == NULL || (truth->state == order->state && truth->filled.e8 == order->filled.e8))
            continue;
        sim_violation("order %s: the books say %s, the venue %s", order->intent.client_order_id.s,
                      sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)order->state),
                      sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)truth->state));
    }
}

static bool is_answered(sp_pln_id plan)
{
    for (uint32_t i = 0; i < c.answer_count; i++) {
        if (sp_pln_id_eq(c.answers[i], plan)) return true;
    }
    return false;
}

static void check_plan(const struct sp_record *record)
{
    char text[SP_ID_TEXT_SIZE];

    if (record->kind != SP_REC_PLAN_READY || is_answered(record->body.plan.plan_id)) return;
    sp_id_format(SP_ID_PLN, record->body.plan.plan_id.raw, text);
    sim_violation("plan %s has no answer", text);
}

/* Whatever was lost on the way has been asked for again: each plan was answered. */
static void check_plans(void)
{
    const struct sp_config *config = sim_world_config();
    char stream[SP_NAME_SIZE];

    for (uint32_t i = 0; i < config->link_count; i++) {
        snprintf(stream, sizeof stream, "strategy.%.24s", config->links[i].id.s);
        each_record(stream, check_plan);
    }
}

/* Where health ran. */
static void check_alerts(void)
{
    if (sim_world_find("health") < sim_world_count()) each_record("health", sim_health_fold);
}

static const enum sp_kind explained[] = {
    SP_REC_TRADE_OPENED,    SP_REC_TRADE_CLOSED,   SP_REC_OPPORTUNITY_REJECTED,
    SP_REC_PLAN_REFUSED,    SP_REC_PLAN_EXPIRED,   SP_REC_ORDER_INTENT,
    SP_REC_CORRECTION,      SP_REC_TRADING_HALTED, SP_REC_TRADING_RESUMED,
    SP_REC_BALANCE_ADOPTED, SP_REC_THREAT_DETECTED};

static void explain_item(struct sp_evidence *evidence, uint32_t item, struct sim_result *result)
{
    const struct sp_record *record = sp_evidence_record(evidence, item);
    struct sp_evidence_id id;

    if (record == NULL) {
        sim_violation("record %u of the evidence cannot be read", item);
        return;
    }
    bool is_halt = record->kind == SP_REC_TRADING_HALTED || record->kind == SP_REC_TRADING_RESUMED;
    if (!sp_explain_id_of_record(record, &id)) {
        /* What nobody decided, such as a full disk, says its reason itself. */
        if (is_halt && record->body.trading_state.reason.s[0] != '\0') return;
        sim_violation("%s %llu mentions no id", sp_kind_name(record->kind),
                      (unsigned long long)record->seq);
        return;
    }
    struct sp_chain *chain = sp_explain(evidence, id);
    if (chain == NULL || chain->first == NULL) {
        sim_violation("%s %llu is not explained", sp_kind_name(record->kind),
                      (unsigned long long)record->seq);
    } else if (chain->contradicts) {
        sim_violation("the records of %s do not add up", chain->id);
    }
    result->explained++;
    sp_chain_free(chain);
}

static void check_explained(struct sim_result *result)
{
    struct sp_evidence *evidence = NULL;
    struct sp_err err = {0};

    if (sp_evidence_load("/sim/data", &evidence, &err) != SP_OK) {
        sim_violation("the journals cannot be read as evidence: %s", err.text);
        return;
    }
    uint32_t *items = NULL;
    uint32_t count =
        sp_evidence_of_kinds(evidence, explained, sizeof explained / sizeof *explained, &items);
    for (uint32_t i = 0; i < count && !sim_has_failed(); i++)
        explain_item(evidence, items[i], result);
    free(items);
    sp_evidence_free(evidence);
}

void sim_check_final(struct sim_result *result)
{
    if (!fold_books()) return;
    check_fills();
    check_balances();
    check_orders();
    check_plans();
    check_flat();
    check_ledger();
    check_alerts();
    check_explained(result);
    result->fills = c.fill_count;
    result->trades = c.trade_count;
    result->orders = sim_truth_order_count();
}

void sim_check_begin(void)
{
    c.books = sim_alloc(sizeof *c.books);
    c.record = sim_alloc(sizeof *c.record);
    c.unrest[0] = '\0';
}

void sim_check_end(void)
{
    sim_free(c.books);
    sim_free(c.record);
    sim_free(c.answers);
    c.answers = NULL;
    c.answer_count = c.answer_room = 0;
    c.books = NULL;
    c.record = NULL;
}
