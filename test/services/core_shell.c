#include "core_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define STEP_MS 50

static const sp_wall market_begin = {INT64_C(1795374000000000000)};

void core_config(struct sp_config *config)
{
    static const char *const links[] = {"ema", "mean"};
    struct sp_world_config *world = &config->worlds[0];

    memset(config, 0, sizeof *config);
    config->platform.installation = sp_name_of("testbench");
    config->world_count = 1;
    world->id = sp_name_of("paper");
    world->type = SP_WORLD_PAPER;
    world->venue = sp_name_of("paper");
    world->feed.symbol_count = 1;
    world->feed.symbols[0] = sp_name_of("BTCUSDT");
    world->instrument_count = 1;
    world->instruments[0] = (struct sp_instrument_config){.symbol = sp_name_of("BTCUSDT"),
                                                          .base = sp_name_of("BTC"),
                                                          .quote = sp_name_of("USDT"),
                                                          .tick = {1000000},
                                                          .step = {1000},
                                                          .min_qty = {1000},
                                                          .min_value = {5 * SP_FX_ONE}};
    world->balance_count = 1;
    world->balances[0] =
        (struct sp_balance_config){.asset = sp_name_of("USDT"), .amount = {100000 * SP_FX_ONE}};
    world->fee_maker = (sp_ratio){SP_FX_ONE / 1000};
    world->fee_taker = (sp_ratio){SP_FX_ONE / 1000};
    for (uint32_t i = 0; i < 2; i++) {
        config->links[config->link_count++] =
            (struct sp_link_config){.id = sp_name_of(links[i]),
                                    .active = true,
                                    .capital = {10000 * SP_FX_ONE},
                                    .capital_asset = sp_name_of("USDT"),
                                    .on_stop = SP_ON_STOP_FLATTEN};
        config->links[i].blueprint.symbol = sp_name_of("BTCUSDT");
        config->links[i].risk.entries_window = (sp_dur){INT64_C(60000) * MS};
    }
    config->risk.price_collar = (sp_ratio){SP_FX_ONE / 100};
    config->risk.entries_window = (sp_dur){INT64_C(60000) * MS};
    world->instruments[0].risk.entries_window = config->risk.entries_window;
    config->risk.data_age_max = (sp_dur){INT64_C(60000) * MS};
    config->breaker.resume_automatic = true;
}

/* ---- The journal ---- */

static void check_record(const struct sp_record *record)
{
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    struct sp_err err = {0};

    assert_non_null(info);
    if (strcmp(info->writer, "execution") != 0 && strcmp(info->writer, "*") != 0) {
        fail_msg("%s is not written by execution", info->name);
    }
    if (info->needs_cause && record->by_count == 0) fail_msg("%s has no cause", info->name);
    for (uint32_t i = 0; i < record->by_count; i++) {
        assert_int_not_equal(record->by[i].seq, 0);
        assert_true(record->by[i].stream.s[0] != '\0');
    }
    if (sp_validate(sp_schema_of(info->dto), &record->body, &err) != SP_OK) {
        fail_msg("%s: %s", info->name, err.text);
    }
}

static void append(struct core_shell *s, const struct sp_record *record)
{
    assert_true(s->record_count < CORE_RECORDS_MAX);
    assert_int_equal(record->seq, s->record_count + 1);
    s->records[s->record_count++] = *record;
}

static void check_fold(const struct core_shell *s)
{
    core_check_same(&s->core.books, &s->shadow.books);
}

/* What LEDGER_STATE_CHANGED says of a link is what the books hold after its batch. */
static void check_ledger_states(struct core_shell *s)
{
    for (uint32_t i = 0; i < s->decision.record_count; i++) {
        const struct sp_ledger_state *said = &s->decision.records[i].body.ledger_state;
        bool last = s->decision.records[i].kind == SP_REC_LEDGER_STATE_CHANGED;
        for (uint32_t k = i + 1; k < s->decision.record_count; k++) {
            if (s->decision.records[k].kind == SP_REC_LEDGER_STATE_CHANGED) last = false;
        }
        if (!last) continue;
        const struct sp_link_book *link =
            sp_books_link(&s->core.books, &said->strategy_link_id, NULL);
        assert_non_null(link);
        assert_int_equal(said->cash.e8, link->cash.e8);
        assert_int_equal(said->realised_pnl.e8, link->result.realised.e8);
        assert_int_equal(said->fees.e8, link->fees.e8);
        if (sp_trd_id_is_none(said->trade_id)) continue;
        const struct sp_trade_book *trade = sp_books_trade(&s->core.books, said->trade_id);
        assert_non_null(trade);
        int64_t held = sp_trade_position(trade).e8;
        assert_int_equal(said->position.e8, held > 0 ? held : 0);
    }
}

static void check_orders(const struct core_shell *s)
{
    for (uint32_t i = 0; i < s->core.books.order_count; i++) {
        const struct sp_order *order = &s->core.books.orders[i];
        assert_true(order->filled.e8 >= 0);
        assert_true(order->filled.e8 <= order->intent.qty.e8);
    }
    assert_int_equal(s->core.books.incidents, 0);
}

static void apply(struct core_shell *s)
{
    for (uint32_t i = 0; i < s->decision.record_count; i++) {
        sp_execution_core.apply(&s->core, &s->decision.records[i]);
        sp_execution_core.apply(&s->shadow, &s->decision.records[i]);
    }
    if (s->decision.record_count == 0) return;
    s->dirty = true;
    check_fold(s);
    check_ledger_states(s);
    check_orders(s);
}

/* ---- One event ---- */

static bool dies_here(struct core_shell *s)
{
    if (s->kill.steps == 0 || --s->kill.steps > 0) return false;
    s->kill.happened = true;
    return true;
}

static void begin(struct core_shell *s)
{
    struct sp_decision *decision = &s->decision;

    sp_decision_begin(decision);
    decision->installation = s->config.platform.installation.s;
    decision->stream = sp_name_of("execution");
    decision->epoch = s->epoch;
    decision->next_seq = s->record_count + 1;
    decision->time = (sp_wall){market_begin.ns + s->now};
}

/* False: killed. */
static bool keep(struct core_shell *s)
{
    for (uint32_t i = 0; i < s->decision.record_count; i++)
        check_record(&s->decision.records[i]);
    if (dies_here(s)) return false;
    for (uint32_t i = 0; i < s->decision.record_count; i++)
        append(s, &s->decision.records[i]);
    if (dies_here(s)) {
        for (uint32_t i = 0; i < s->decision.record_count; i++)
            sp_execution_core.apply(&s->shadow, &s->decision.records[i]);
        return false;
    }
    apply(s);
    return true;
}

static bool has_intent(const struct core_shell *s, const sp_name *id)
{
    for (uint32_t i = 0; i < s->record_count; i++) {
        const struct sp_record *record = &s->records[i];
        if (record->kind != SP_REC_ORDER_INTENT) continue;
        if (sp_name_eq(&record->body.order_intent.client_order_id, id)) return true;
    }
    return false;
}

/* I1 and I2: a durable intent before the first byte, and one attempt per id for ever. */
static void check_send(struct core_shell *s, const sp_name *id)
{
    if (id->s[0] == '\0') return;
    if (!has_intent(s, id)) fail_msg("%s leaves without an intent", id->s);
    for (uint32_t i = 0; i < s->send_count; i++) {
        if (sp_name_eq(&s->sends[i], id)) fail_msg("%s leaves a second time", id->s);
    }
    assert_true(s->send_count < CORE_SENDS_MAX);
    s->sends[s->send_count++] = *id;
}

static void tell(struct core_shell *s, enum sp_execution_input input,
                 const struct sp_record *message)
{
    assert_true(s->outcome_count < sizeof s->outcomes / sizeof *s->outcomes);
    s->outcomes[s->outcome_count].input = input;
    s->outcomes[s->outcome_count++].message = *message;
}

static void perform(struct core_shell *s, const struct sp_effect *effect)
{
    const struct sp_record *message = &effect->message;
    uint32_t said = s->venue.said_count;
    bool sends = effect->type == SP_XE_SEND;

    s->cancels += effect->type == SP_XE_CANCEL;
    s->asks += effect->type == SP_XE_ASK;
    if (!s->connected) {
        if (sends) tell(s, SP_XI_NOT_SENT, message);
        return;
    }
    if (sends) {
        check_send(s, &message->body.venue_order.client_order_id);
        check_send(s, &message->body.venue_order.pair_client_order_id);
    }
    if (!s->lose_requests) venue_receive(&s->venue, message);
    if (s->lose_answers) s->venue.said_count = said;
    if (sends) tell(s, SP_XI_SENT, message);
}

/* False: killed. */
static bool carry_out(struct core_shell *s)
{
    static struct sp_effect effects[SP_DECISION_EFFECTS_MAX];
    uint32_t count = s->decision.effect_count;

    memcpy(effects, s->decision.effects, count * sizeof *effects);
    for (uint32_t i = 0; i < count; i++) {
        if (dies_here(s)) return false;
        if (sp_execution_core.allows(&s->core, &effects[i])) {
            perform(s, &effects[i]);
            if (dies_here(s)) return false;
            continue;
        }
        s->withdrawn++;
        begin(s);
        sp_execution_core.withdrawn(&s->core, &effects[i], &s->decision);
        if (!keep(s)) return false;
    }
    return true;
}

static bool one_event(struct core_shell *s, enum sp_event_type type, uint32_t id,
                      const struct sp_record *record)
{
    sp_wall at = {market_begin.ns + s->now};
    struct sp_event event =
        {.type = type, .now = {s->now}, .wall = at, .market = at, .id = id, .record = record};

    begin(s);
    sp_execution_core.decide(&s->core, &event, &s->decision);
    return keep(s) && carry_out(s);
}

bool core_event(struct core_shell *s, enum sp_event_type type, uint32_t id,
                const struct sp_record *record)
{
    static struct sp_record message;
    bool lives = !s->kill.happened && one_event(s, type, id, record);

    while (lives && (s->outcome_count > 0 || s->dirty)) {
        if (s->outcome_count > 0) {
            enum sp_execution_input input = s->outcomes[0].input;
            message = s->outcomes[0].message;
            s->outcome_count--;
            memmove(&s->outcomes[0], &s->outcomes[1], s->outcome_count * sizeof *s->outcomes);
            lives = one_event(s, SP_EVENT_MESSAGE, input, &message);
        } else {
            s->dirty = false;
            lives = one_event(s, SP_EVENT_TIMER, SP_XT_TICK, NULL);
        }
    }
    return lives;
}

void core_deliver(struct core_shell *s)
{
    while (s->venue.said_count > 0 && s->connected && !s->kill.happened) {
        struct sp_record message = venue_take(&s->venue, 0);
        core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_MESSAGE, &message);
    }
}

void core_pass(struct core_shell *s, int64_t ms)
{
    for (int64_t passed = 0; passed < ms && !s->kill.happened; passed += STEP_MS) {
        s->now += STEP_MS * MS;
        core_event(s, SP_EVENT_TIMER, SP_XT_TICK, NULL);
        core_deliver(s);
    }
}

/* ---- Life ---- */

static void start(struct core_shell *s)
{
    struct sp_record started = {.stream = sp_name_of("execution"),
                                .epoch = ++s->epoch,
                                .seq = s->record_count + 1,
                                .time = {market_begin.ns + s->now},
                                .kind = SP_REC_STREAM_STARTED};

    append(s, &started);
    sp_execution_core.apply(&s->shadow, &started);
    sp_execution_init(&s->core, &s->config);
    for (uint32_t i = 0; i < s->record_count; i++)
        sp_execution_core.apply(&s->core, &s->records[i]);
    check_fold(s);
    s->kill = (struct core_kill){0};
    s->connected = false;
    s->dirty = false;
    s->outcome_count = 0;
    s->generation = 0;
    s->venue.said_count = 0;
}

struct core_shell *core_new(void)
{
    struct core_shell *s = calloc(1, sizeof *s);

    assert_non_null(s);
    core_config(&s->config);
    s->now = 1000 * MS;
    s->absence.ns = 2000 * MS;
    venue_init(&s->venue, (sp_px){50000 * SP_FX_ONE}, (sp_amt){0}, (sp_amt){100000 * SP_FX_ONE});
    sp_execution_init(&s->shadow, &s->config);
    start(s);
    return s;
}

void core_free(struct core_shell *s)
{
    free(s);
}

void core_restart(struct core_shell *s)
{
    start(s);
}

void core_up(struct core_shell *s)
{
    struct sp_record record = {.kind = SP_REC_VENUE_ANSWER};

    s->connected = true;
    record.body.venue_answer.request_id = ++s->generation;
    record.body.venue_answer.wait = s->absence;
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_UP, &record);
    core_deliver(s);
}

void core_down(struct core_shell *s)
{
    s->connected = false;
    s->venue.said_count = 0;
    core_event(s, SP_EVENT_MESSAGE, SP_XI_VENUE_DOWN, NULL);
}

static struct sp_record fact(struct core_shell *s, const char *stream, enum sp_kind kind)
{
    return (struct sp_record){.stream = sp_name_of(stream),
                              .epoch = 1,
                              .seq = ++s->plans,
                              .time = {market_begin.ns + s->now},
                              .kind = kind};
}

void core_reconciled(struct core_shell *s, bool clean)
{
    struct sp_record record = fact(s, "reconciliation", SP_REC_RECONCILIATION_RESULT);

    record.body.reconciliation_result =
        (struct sp_reconciliation_result){.reconciliation_id = {{7, s->plans}},
                                          .trigger = SP_TRIGGER_RECONNECT,
                                          .execution_epoch = s->epoch,
                                          .venue_generation = s->generation,
                                          .clean = clean};
    core_event(s, SP_EVENT_RECORD, 0, &record);
}

void core_price(struct core_shell *s, int64_t px)
{
    struct sp_record record = fact(s, "md.paper.BTCUSDT", SP_REC_QUOTE);
    sp_px at = {px * SP_FX_ONE};

    s->venue.price = at;
    record.body.quote = (struct sp_quote){.bid_px = at, .ask_px = at};
    core_event(s, SP_EVENT_TICK, 0, &record);
    record.kind = SP_REC_TRADE;
    record.body.trade = (struct sp_trade){.px = at, .qty = {SP_FX_ONE}};
    core_event(s, SP_EVENT_TICK, 0, &record);
}

void core_move(struct core_shell *s, int64_t px, int64_t part_e8)
{
    core_price(s, px);
    venue_move(&s->venue, (sp_px){px * SP_FX_ONE}, (sp_qty){part_e8});
    core_deliver(s);
}

struct core_shell *core_ready(void)
{
    struct core_shell *s = core_new();

    core_price(s, 50000);
    core_up(s);
    core_reconciled(s, true);
    return s;
}

/* ---- Plans and commands ---- */

struct sp_record core_plan(struct core_shell *s, const char *link)
{
    char stream[SP_NAME_SIZE];

    snprintf(stream, sizeof stream, "strategy.%s", link);
    struct sp_record record = fact(s, stream, SP_REC_PLAN_READY);
    record.body.plan = (struct sp_plan){.plan_id = {{1, s->plans}},
                                        .trade_id = {{2, s->plans}},
                                        .strategy_link_id = sp_name_of(link),
                                        .symbol = sp_name_of("BTCUSDT"),
                                        .action = SP_PLAN_ACTION_OPEN,
                                        .side = SP_SIDE_BUY,
                                        .open_cause = SP_OPEN_CAUSE_OPPORTUNITY,
                                        .opportunity_ids = {.count = 1, .at = {{{3, s->plans}}}},
                                        .order_type = SP_ORDER_TYPE_MARKET,
                                        .tif = SP_TIF_IOC,
                                        .qty = {SP_FX_ONE / 10},
                                        .stop_px = {49000 * SP_FX_ONE},
                                        .target_px = {52000 * SP_FX_ONE},
                                        .reference_px = s->venue.price,
                                        .tick_received = {s->now},
                                        .valid_until = {s->now + 500 * MS}};
    return record;
}

struct sp_record core_close_plan(struct core_shell *s, const char *link, sp_trd_id trade)
{
    struct sp_record record = core_plan(s, link);

    record.body.plan.action = SP_PLAN_ACTION_CLOSE;
    record.body.plan.trade_id = trade;
    record.body.plan.side = SP_SIDE_SELL;
    record.body.plan.open_cause = SP_OPEN_CAUSE_NONE;
    record.body.plan.close_cause = SP_CLOSE_CAUSE_SIGNAL;
    return record;
}

void core_feed(struct core_shell *s, const struct sp_record *plan)
{
    core_event(s, SP_EVENT_RECORD, 0, plan);
}

sp_trd_id core_open(struct core_shell *s, const char *link)
{
    struct sp_record plan = core_plan(s, link);

    core_feed(s, &plan);
    core_deliver(s);
    return plan.body.plan.trade_id;
}

struct sp_record core_command(struct core_shell *s, enum sp_command command, const char *scope)
{
    struct sp_record record = {.kind = SP_REC_COMMAND};

    record.body.operator_command =
        (struct sp_operator_command){.command_id = {{4, ++s->plans}},
                                     .command = (uint8_t)command,
                                     .scope = sp_name_of(scope),
                                     .operator_name = sp_name_of("tester")};
    return record;
}

void core_order_command(struct core_shell *s, const struct sp_record *command)
{
    core_event(s, SP_EVENT_MESSAGE, SP_XI_COMMAND, command);
    core_deliver(s);
}

/* ---- Looking ---- */

uint32_t core_count(const struct core_shell *s, enum sp_kind kind)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < s->record_count; i++)
        count += s->records[i].kind == kind;
    return count;
}

const struct sp_record *core_last(const struct core_shell *s, enum sp_kind kind)
{
    for (uint32_t i = s->record_count; i > 0; i--) {
        if (s->records[i - 1].kind == kind) return &s->records[i - 1];
    }
    fail_msg("no %s in the journal", sp_kind_name(kind));
    return NULL;
}

struct sp_order *core_order(struct core_shell *s, enum sp_leg_role role)
{
    for (uint32_t i = s->core.books.order_count; i > 0; i--) {
        struct sp_order *order = &s->core.books.orders[i - 1];
        if (order->intent.role == role) return order;
    }
    return NULL;
}

static int64_t asset(const struct core_shell *s, const char *name)
{
    for (uint32_t i = 0; i < s->core.books.asset_count; i++) {
        if (sp_name_is(&s->core.books.assets[i].asset, name))
            return s->core.books.assets[i].amount.e8;
    }
    return 0;
}

void core_check_truth(struct core_shell *s)
{
    const struct sp_books *books = &s->core.books;
    int64_t held = 0, cash = 0;

    assert_int_equal(books->fill_total, s->venue.fill_count);
    for (uint32_t i = 0; i < s->venue.fill_count; i++) {
        const struct sp_fill_view *fill = &s->venue.fills[i];
        assert_true(sp_books_has_fill(books, &fill->symbol, fill->venue_trade_id));
    }
    assert_int_equal(asset(s, "BTC"), s->venue.base.e8);
    assert_int_equal(asset(s, "USDT"), s->venue.quote.e8);
    for (uint32_t i = 0; i < books->trade_count; i++)
        held += sp_trade_position(&books->trades[i]).e8 + books->trades[i].dust.e8;
    assert_int_equal(held, s->venue.base.e8);
    for (uint32_t i = 0; i < books->link_count; i++)
        cash += books->links[i].cash.e8 - books->links[i].capital.e8;
    assert_int_equal(cash, s->venue.quote.e8 - 100000 * SP_FX_ONE);
}
