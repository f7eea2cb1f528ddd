#include "live.h"

#include "common/journal/journal.h"
#include "faults.h"
#include "files.h"
#include "memory.h"
#include "proto/wire.h"
#include "risk.h"
#include "run.h"
#include "services/execution/execution_core.h"
#include "truth.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

#define STREAMS_MAX  32
#define HALTS_MAX    (SP_LINKS_MAX + 1)
#define FRESH_NS     (2500 * SIM_MS) /* data_age_max and what a send may take behind the gate */
#define COMPARE_EACH 8

/* Where a service stands in the streams it consumes. */
struct consumer {
    char service[SIM_NAME_SIZE];
    struct sp_ref at;
};

struct halt {
    sp_name scope;
    bool holds; /* answered "done", and no resume has left since */
};

static struct {
    struct sp_books *books;    /* fold of what execution has appended */
    struct sp_execution *core; /* of the process that runs; NULL: none */
    struct sim_proc *execution;
    struct sp_record *record;
    uint32_t sent_count, sent_room, appends;
    sp_name *sent; /* every client order id that ever left */
    uint32_t consumer_count;
    struct consumer consumers[STREAMS_MAX];
    uint32_t halt_count;
    struct halt halts[HALTS_MAX];
    uint32_t reconciled_epoch; /* of execution, with a clean result */
    int64_t market_at;         /* the newest price left marketdata */
    uint32_t resumes;          /* under way: they may come before a halt or after it */
    bool holds_messages;       /* in lock-step: until their turn */
} l;

/* ---- What is appended ---- */

static struct consumer *consumer_of(const char *service, const sp_name *stream)
{
    for (uint32_t i = 0; i < l.consumer_count; i++) {
        struct consumer *c = &l.consumers[i];
        if (strcmp(c->service, service) == 0 && sp_name_eq(&c->at.stream, stream)) return c;
    }
    SP_ASSERT(l.consumer_count < STREAMS_MAX);
    struct consumer *c = &l.consumers[l.consumer_count++];
    memset(c, 0, sizeof *c);
    snprintf(c->service, sizeof c->service, "%s", service);
    c->at.stream = *stream;
    return c;
}

/* Each input is consumed once, in order. */
static void watch_cursor(const char *service, const struct sp_record *record)
{
    if (sp_ref_is_none(&record->in)) return;
    struct consumer *c = consumer_of(service, &record->in.stream);
    /* A newer epoch may begin below: a power cut took records back. */
    bool newer = record->in.epoch > c->at.epoch ||
                 (record->in.epoch == c->at.epoch && record->in.seq > c->at.seq);
    if (!newer) {
        sim_violation("%s consumed %s/%u:%llu after %u:%llu", service, record->in.stream.s,
                      record->in.epoch, (unsigned long long)record->in.seq, c->at.epoch,
                      (unsigned long long)c->at.seq);
    }
    c->at = record->in;
}

static void fold(const struct sp_record *record)
{
    const struct sp_fill *fill = &record->body.fill;

    if (record->kind == SP_REC_FILL &&
        sp_books_has_fill(l.books, &fill->symbol, fill->venue_trade_id)) {
        sim_violation("fill %llu is booked twice", (unsigned long long)fill->venue_trade_id);
    }
    sp_books_apply(l.books, record);
}

/* "Refused", "never sent", "never arrived" and "ended" are claims about the venue. */
static void check_claim(const struct sp_record *record)
{
    const sp_name *id = &record->body.order_event.client_order_id;
    bool never = record->kind == SP_REC_ORDER_REJECTED || record->kind == SP_REC_SEND_SUPPRESSED ||
                 record->kind == SP_REC_ORDER_ABSENT_PROVEN;
    bool over = record->kind == SP_REC_ORDER_CANCELED || record->kind == SP_REC_ORDER_EXPIRED;
    uint32_t count = 0;

    const struct sim_truth_order *order = never || over ? sim_truth_find(id, &count) : NULL;
    if (order == NULL || (over && sp_order_is_terminal(order->state))) return;
    sim_violation("order %s is %s by the books, and the venue %s", id->s,
                  sp_kind_name(record->kind), never ? "took it" : "still has it");
}

/* What became of an order is known from the venue, or from who has compared with it. */
static void check_evidence(const struct sp_record *records, uint32_t count)
{
    static const enum sp_kind told[] = {SP_REC_ORDER_ACK,           SP_REC_ORDER_REJECTED,
                                        SP_REC_ORDER_CANCELED,      SP_REC_ORDER_EXPIRED,
                                        SP_REC_ORDER_ABSENT_PROVEN, SP_REC_FILL};
    bool knows = sim_faults_venue_speaks() || l.holds_messages;

    for (uint32_t i = 0; i < count && !knows; i++) {
        knows = records[i].kind == SP_REC_CORRECTION;
        for (size_t k = 0; k < sizeof told / sizeof *told && !knows; k++) {
            if (records[i].kind != told[k]) continue;
            sim_violation("%s without a word of the venue", sp_kind_name(told[k]));
        }
    }
}

/* Late truth: what the books have said of it before. */
void sim_live_taken(const sp_name *client_order_id)
{
    const struct sp_order *order = sp_books_order(l.books, client_order_id);
    bool never = order != NULL && (order->state == SP_ORDER_STATE_REJECTED ||
                                   order->state == SP_ORDER_STATE_SUPPRESSED ||
                                   order->state == SP_ORDER_STATE_ABSENT_PROVEN);

    if (!never) return;
    sim_violation("order %s is %s by the books, and the venue takes it now", client_order_id->s,
                  sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)order->state));
}

static void see(const char *service, const struct sp_record *record)
{
    if (record->kind == SP_REC_BALANCE_ADOPTED)
        sim_faults_account_adopted(&record->body.balance_adopted);
    watch_cursor(service, record);
    check_claim(record);
    if (strcmp(service, "execution") == 0) fold(record);
    if (record->kind == SP_REC_RECONCILIATION_RESULT && record->body.reconciliation_result.clean)
        l.reconciled_epoch = record->body.reconciliation_result.execution_epoch;
}

/* The core holds what the fold of its journal says: cash, positions, orders. */
static void compare_books(void)
{
    const struct sp_books *core = &l.core->books;

    for (uint32_t i = 0; i < l.books->link_count; i++) {
        const struct sp_link_book *a = &l.books->links[i], *b = &core->links[i];
        if (a->cash.e8 == b->cash.e8 && a->result.realised.e8 == b->result.realised.e8) continue;
        sim_violation("%s: cash %lld in memory, %lld by the journal", a->id.s,
                      (long long)b->cash.e8, (long long)a->cash.e8);
    }
    for (uint32_t i = 0; i < l.books->asset_count; i++) {
        if (l.books->assets[i].amount.e8 == core->assets[i].amount.e8) continue;
        sim_violation("%s differs between memory and journal", l.books->assets[i].asset.s);
    }
    if (l.books->fill_total != core->fill_total || l.books->order_count != core->order_count)
        sim_violation("fills or orders differ between memory and journal");
}

sp_status __real_sp_journal_append(struct sp_journal *journal, const struct sp_record *records,
                                   uint32_t count, struct sp_err *err);
sp_status __wrap_sp_journal_append(struct sp_journal *journal, const struct sp_record *records,
                                   uint32_t count, struct sp_err *err);
sp_status __wrap_sp_journal_append(struct sp_journal *journal, const struct sp_record *records,
                                   uint32_t count, struct sp_err *err)
{
    const struct sim_proc *self = sim_self();
    bool is_execution = self == l.execution && l.core != NULL;

    /* Before the append the core has applied all that came before. */
    if (is_execution && l.appends++ % COMPARE_EACH == 0) compare_books();
    sp_status status = __real_sp_journal_append(journal, records, count, err);
    if (status != SP_OK) return status;
    if (is_execution) check_evidence(records, count);
    for (uint32_t i = 0; i < count; i++) {
        sim_risk_record(&records[i], l.books);
        see(self->name, &records[i]);
    }
    return status;
}

/* ---- Starts: what is on the disk is what counts ---- */

static void forget(const char *service)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < l.consumer_count; i++) {
        if (strcmp(l.consumers[i].service, service) != 0) l.consumers[kept++] = l.consumers[i];
    }
    l.consumer_count = kept;
    if (strcmp(service, "execution") != 0) return;
    sp_books_init(l.books, sim_world_config());
    sim_faults_account_forget();
}

static void read_back(const char *dir, const char *service)
{
    struct sp_journal_reader *reader = NULL;
    sp_status status = sp_journal_reader_open(dir, NULL, 0, &reader, NULL);

    forget(service);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, l.record, NULL, NULL);
        if (status == SP_OK) see(service, l.record);
    }
    sp_journal_reader_close(reader);
    if (status != SP_AGAIN) sim_violation("the journal that %s just opened is unreadable", service);
}

sp_status __real_sp_journal_open(const struct sp_journal_options *options, struct sp_journal **out,
                                 struct sp_err *err);
sp_status __wrap_sp_journal_open(const struct sp_journal_options *options, struct sp_journal **out,
                                 struct sp_err *err);
sp_status __wrap_sp_journal_open(const struct sp_journal_options *options, struct sp_journal **out,
                                 struct sp_err *err)
{
    sp_status status = __real_sp_journal_open(options, out, err);

    if (status != SP_OK) return status;
    sim_faults_look_begin();
    read_back(options->dir, sim_self()->name);
    sim_faults_look_end();
    return status;
}

void __real_sp_execution_init(struct sp_execution *x, const struct sp_config *config);
void __wrap_sp_execution_init(struct sp_execution *x, const struct sp_config *config);
void __wrap_sp_execution_init(struct sp_execution *x, const struct sp_config *config)
{
    __real_sp_execution_init(x, config);
    l.core = x;
    l.execution = sim_self();
}

void sim_live_reap(struct sim_proc *proc)
{
    if (proc != l.execution) return;
    l.execution = NULL;
    l.core = NULL;
}

/* ---- What leaves for the venue ---- */

static bool is_durable, is_written;

static void look_for(void *ctx, const char *path)
{
    if (strstr(path, ".jsonl") != NULL && sim_files_has_durable(path, ctx)) is_durable = true;
}

/* Whether the text stands in the part of execution's journal that a power cut leaves. */
static bool is_on_disk(const char *text)
{
    char needle[200];

    is_durable = false;
    snprintf(needle, sizeof needle, "%s", text);
    sim_files_each("/sim/data/execution/", look_for, needle);
    return is_durable;
}

static void check_once(const sp_name *id)
{
    for (uint32_t i = 0; i < l.sent_count; i++) {
        if (sp_name_eq(&l.sent[i], id)) sim_violation("order %s was sent twice", id->s);
    }
    if (l.sent_count == l.sent_room) {
        l.sent_room = l.sent_room * 2 + 256;
        l.sent = sim_grow(l.sent, l.sent_room * sizeof *l.sent);
    }
    l.sent[l.sent_count++] = *id;
}

static void check_halts(const struct sp_order *order)
{
    const struct sp_order_intent *intent = &order->intent;

    for (uint32_t i = 0; i < l.halt_count; i++) {
        const char *scope = l.halts[i].scope.s;
        bool covers = strcmp(scope, "all") == 0 ||
                      strcmp(scope + strlen("strategy."), intent->strategy_link_id.s) == 0;
        if (l.halts[i].holds && covers)
            sim_violation("order %s buys in spite of the halt of %s", intent->client_order_id.s,
                          scope);
    }
    const struct sp_scope_book *halt = sp_books_halt_of(l.books, &intent->strategy_link_id);
    if (halt != NULL && halt->halted)
        sim_violation("order %s buys, and %s is halted", intent->client_order_id.s, halt->scope.s);
}

/* What may increase risk: only with everything known, fresh and allowed. */
static void check_increase(const struct sp_order *order)
{
    const char *id = order->intent.client_order_id.s;

    check_halts(order);
    if (l.reconciled_epoch != l.books->epoch)
        sim_violation("order %s buys in epoch %u, reconciled is epoch %u", id, l.books->epoch,
                      l.reconciled_epoch);
    if (sim_now() - l.market_at > FRESH_NS)
        sim_violation("order %s buys on a price of %lld ms ago", id,
                      (long long)((sim_now() - l.market_at) / SIM_MS));
    if (l.books->breaker == SP_BREAKER_OPEN)
        sim_violation("order %s buys with an open breaker", id);
    sim_risk_buys(order, l.books);
}

static void check_order(const struct sp_venue_order *sent)
{
    char text[120];

    check_once(&sent->client_order_id);
    if (sent->pair_client_order_id.s[0] != '\0') check_once(&sent->pair_client_order_id);
    snprintf(text, sizeof text, "\"client_order_id\":\"%s\"", sent->client_order_id.s);
    if (!is_on_disk(text))
        sim_violation("order %s left before its intent was durable", sent->client_order_id.s);
    const struct sp_order *order = sp_books_order(l.books, &sent->client_order_id);
    if (order == NULL) {
        sim_violation("order %s has no intent", sent->client_order_id.s);
    } else if (sent->side == SP_SIDE_BUY) {
        check_increase(order);
    }
}

static void note_market(const struct sim_message *message)
{
    if (message->from == NULL || strcmp(message->from->name, "marketdata") != 0) return;
    if (message->len > 3 && memcmp(message->frame, "md.", 3) == 0) l.market_at = sim_now();
}

void sim_live_message(const struct sim_message *message)
{
    if (message->published) {
        note_market(message);
        return;
    }
    if (message->from == NULL || strcmp(message->from->name, "execution") != 0) return;
    if (strcmp(message->to, "venue") != 0) return;
    if (sp_wire_decode(message->frame, message->len, l.record, NULL) != SP_OK) {
        sim_violation("execution sent the venue what cannot be read");
        return;
    }
    if (message->from != l.execution)
        sim_violation("an execution that was replaced sends: %s", sp_kind_name(l.record->kind));
    if (l.record->kind == SP_REC_VENUE_ORDER) check_order(&l.record->body.venue_order);
}

/* ---- Commands ---- */

static struct halt *halt_of(const sp_name *scope)
{
    for (uint32_t i = 0; i < l.halt_count; i++) {
        if (sp_name_eq(&l.halts[i].scope, scope)) return &l.halts[i];
    }
    SP_ASSERT(l.halt_count < HALTS_MAX);
    l.halts[l.halt_count].scope = *scope;
    return &l.halts[l.halt_count++];
}

void sim_live_command_leaves(const struct sp_operator_command *command, bool first)
{
    if (command->command != SP_COMMAND_RESUME) return;
    if (first) l.resumes++;
    for (uint32_t i = 0; i < l.halt_count; i++) {
        bool ends =
            sp_name_is(&command->scope, "all") || sp_name_eq(&l.halts[i].scope, &command->scope);
        if (ends) l.halts[i].holds = false;
    }
}

static void look_for_written(void *ctx, const char *path)
{
    size_t len = strlen(path), bytes = 0;

    if (len < 6 || strcmp(path + len - 6, ".jsonl") != 0) return;
    const char *text = sim_files_get(path, &bytes);
    if (text != NULL && memmem(text, bytes, ctx, strlen(ctx)) != NULL) is_written = true;
}

/* In the journal, and durable; or in a segment that was compressed since, as only those are that
 * were sealed and synced. What follows from a command names it, too: its own record is meant. */
static bool is_command_durable(sp_cmd_id id)
{
    char id_text[SP_ID_TEXT_SIZE], text[SP_ID_TEXT_SIZE + 40];

    if (!sp_books_has_command(l.books, id)) return false;
    sp_id_format(SP_ID_CMD, id.raw, id_text);
    snprintf(text, sizeof text, "\"command_id\":\"%s\",\"command\":", id_text);
    is_written = false;
    sim_files_each("/sim/data/execution/", look_for_written, text);
    return !is_written || is_on_disk(text);
}

void sim_live_command_done(const struct sp_operator_command *command)
{
    char text[SP_ID_TEXT_SIZE];

    if (command->command == SP_COMMAND_RECONCILE) return;
    if (command->command == SP_COMMAND_RESUME) l.resumes--;
    sp_id_format(SP_ID_CMD, command->command_id.raw, text);
    if (!is_command_durable(command->command_id))
        sim_violation("command %s was answered before it was durable", text);
    if (command->command != SP_COMMAND_HALT || l.resumes > 0) return;
    halt_of(&command->scope)->holds = true;
}

/* ---- The end of the operation ---- */

/* Every strategy of this world is to be flat then. */
void sim_live_stopped(void)
{
    for (uint32_t i = 0; i < l.books->trade_count; i++) {
        const struct sp_trade_book *trade = &l.books->trades[i];
        if (trade->opened && !trade->closed)
            sim_violation("execution stopped of itself with an open trade of %s",
                          l.books->links[trade->link].id.s);
    }
    for (uint32_t i = 0; i < l.books->order_count; i++) {
        const struct sp_order *order = &l.books->orders[i];
        if (sp_order_is_live(order->state))
            sim_violation("execution stopped of itself, and order %s is %s",
                          order->intent.client_order_id.s,
                          sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)order->state));
    }
}

/* ---- A run ---- */

struct sp_books *sim_live_books(void)
{
    return l.books;
}
const struct sp_execution *sim_live_core(void)
{
    return l.core;
}
int64_t sim_live_price_age(void)
{
    return sim_now() - l.market_at;
}

void sim_live_begin(bool holds_messages)
{
    memset(&l, 0, sizeof l);
    l.holds_messages = holds_messages;
    sim_risk_begin();
    l.books = sim_alloc(sizeof *l.books);
    l.record = sim_alloc(sizeof *l.record);
    sp_books_init(l.books, sim_world_config());
}

void sim_live_end(void)
{
    sim_free(l.books);
    sim_free(l.record);
    sim_free(l.sent);
    memset(&l, 0, sizeof l);
}
