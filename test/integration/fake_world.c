/* The world as a strategy sees it, on the real bus: "--instance marketdata" plays bars at full
 * tilt,
 * "--instance execution" answers plans. Used to kill and restart a strategy between them.
 *
 * The market rises and falls in slow waves, with bursts that are threats. Execution refuses every
 * fourth plan; it opens the others at once and closes them after a while.
 */
#include "common/service.h"

#include <string.h>

#define BAR_EVERY_NS (2 * SP_NS_PER_MS)
#define HOLD_NS      (700 * SP_NS_PER_MS) /* longer than a killed strategy needs to be warm again */
#define BASE_PX      INT64_C(6000000000000) /* 60,000 */
#define WAVE_BARS    200
#define BURST_BARS   30
#define START_NS     INT64_C(1767636000000000000) /* 2026-01-05T18:00:00Z */

struct world {
    struct sp_service *service;
    sp_name market;
    uint64_t bars;
    uint64_t plans;
    struct sp_ref cause; /* of the open trade */
    struct sp_plan open; /* zero when flat */
    int64_t realised_e8;
    sp_wall opened;
};
static struct world world;

static void must(bool ok, const char *what, const struct sp_err *err)
{
    if (ok) return;
    sp_log(SP_LOG_ERROR, "fake_world", "what=\"%s\" error=\"%s\"", what, err->text);
    sp_assert_fail(what, err->text);
}

/* ---- Market data ---- */

static sp_wall market_time(void)
{
    return (sp_wall){START_NS + (int64_t)world.bars * SP_NS_PER_S};
}

/* A triangle of +-60, and every 5 waves a burst of +-30 from bar to bar. */
static sp_px price(void)
{
    int64_t phase = (int64_t)(world.bars % WAVE_BARS), half = WAVE_BARS / 2;
    int64_t height = phase < half ? phase : WAVE_BARS - phase;
    int64_t px = BASE_PX + (height - half / 2) * SP_FX_ONE * 120 / half;

    if (world.bars % (5 * WAVE_BARS) < BURST_BARS) px += (world.bars % 2 ? 30 : -30) * SP_FX_ONE;
    return (sp_px){px};
}

static void play_bar(void *ctx)
{
    struct sp_record record = {.stream = world.market, .kind = SP_REC_BAR};
    struct sp_err err = {0};
    sp_px px = price();

    (void)ctx;
    record.time = (sp_wall){market_time().ns + SP_NS_PER_S};
    record.body.bar = (struct sp_bar){.interval = {SP_NS_PER_S},
                                      .opened = market_time(),
                                      .open = px,
                                      .high = px,
                                      .low = px,
                                      .close = px,
                                      .volume = {SP_FX_ONE},
                                      .trade_count = 3,
                                      .received = sp_clock_mono()};
    world.bars++;
    must(sp_bus_publish(world.service->bus, &record, &err) == SP_OK, "publish", &err);
}

static sp_status init_market(struct sp_err *err)
{
    const struct sp_world_config *config = sp_config_world(world.service->config);
    sp_dur every = {BAR_EVERY_NS};

    world.market = sp_world_stream(config, "BTCUSDT");
    sp_status status = sp_bus_add_ring(world.service->bus, &world.market, 4096, NULL, NULL, err);
    if (status != SP_OK) return status;
    return sp_loop_add_timer(world.service->loop, every, every, play_bar, NULL, NULL);
}

/* ---- Execution ---- */

/* One batch: appended whole, then published. */
static void write_batch(struct sp_record *records, uint32_t count)
{
    struct sp_err err = {0};
    uint64_t seq = sp_journal_next_seq(world.service->journal);

    for (uint32_t i = 0; i < count; i++) {
        records[i].stream = world.service->stream;
        records[i].epoch = world.service->role.epoch;
        records[i].seq = seq + i;
        records[i].time = sp_clock_wall();
        sp_record_add_cause(&records[i], &world.cause);
    }
    must(sp_journal_append(world.service->journal, records, count, &err) == SP_OK, "append", &err);
    for (uint32_t i = 0; i < count; i++)
        must(sp_bus_publish(world.service->bus, &records[i], &err) == SP_OK, "publish", &err);
}

static void close_trade(void *ctx)
{
    static struct sp_record records[2];
    const struct sp_plan *plan = &world.open;

    (void)ctx;
    memset(records, 0, sizeof records);
    world.realised_e8 += SP_FX_ONE;
    records[0].kind = SP_REC_TRADE_CLOSED;
    records[0].body.trade_closed =
        (struct sp_trade_closed){.trade_id = plan->trade_id,
                                 .strategy_link_id = plan->strategy_link_id,
                                 .symbol = plan->symbol,
                                 .cause = SP_CLOSE_CAUSE_TARGET,
                                 .closure_reason = sp_name_of("target"),
                                 .opened = world.opened,
                                 .closed = sp_clock_wall(),
                                 .qty = plan->qty,
                                 .realised_pnl = {SP_FX_ONE}};
    records[1].kind = SP_REC_LEDGER_STATE_CHANGED;
    records[1].body.ledger_state =
        (struct sp_ledger_state){.strategy_link_id = plan->strategy_link_id,
                                 .symbol = plan->symbol,
                                 .realised_pnl = {world.realised_e8}};
    write_batch(records, 2);
    world.open = (struct sp_plan){0};
}

static void open_trade(const struct sp_plan *plan, struct sp_record records[3])
{
    struct sp_err err = {0};

    records[1].kind = SP_REC_ORDER_INTENT;
    records[1].body.order_intent =
        (struct sp_order_intent){.order_id = {plan->plan_id.raw},
                                 .client_order_id = sp_name_of("fake"),
                                 .plan_id = plan->plan_id,
                                 .trade_id = plan->trade_id,
                                 .strategy_link_id = plan->strategy_link_id,
                                 .symbol = plan->symbol,
                                 .role = SP_LEG_ROLE_ENTRY,
                                 .leg = 1,
                                 .side = plan->side,
                                 .type = plan->order_type,
                                 .tif = plan->tif,
                                 .qty = plan->qty};
    records[2].kind = SP_REC_TRADE_OPENED;
    records[2].body.trade_opened =
        (struct sp_trade_opened){.trade_id = plan->trade_id,
                                 .strategy_link_id = plan->strategy_link_id,
                                 .symbol = plan->symbol,
                                 .side = plan->side,
                                 .cause = plan->open_cause,
                                 .px = plan->reference_px,
                                 .qty = plan->qty};
    write_batch(records, 3);
    world.opened = sp_clock_wall();
    world.open = *plan;
    must(sp_loop_add_timer(world.service->loop, (sp_dur){HOLD_NS}, (sp_dur){0}, close_trade, NULL,
                           NULL) == SP_OK,
         "timer", &err);
}

static void on_plan(void *ctx, const struct sp_record *record)
{
    static struct sp_record records[3];
    struct sp_plan_answer answer = {0};

    (void)ctx;
    if (record->kind != SP_REC_PLAN_READY) return;
    memset(records, 0, sizeof records);
    answer.plan_id = record->body.plan.plan_id;
    answer.trade_id = record->body.plan.trade_id;
    answer.strategy_link_id = record->body.plan.strategy_link_id;
    world.cause = sp_record_ref(record);
    records[0].kind = ++world.plans % 4 == 0 ? SP_REC_PLAN_REFUSED : SP_REC_PLAN_ACCEPTED;
    records[0].body.plan_answer = answer;
    if (records[0].kind == SP_REC_PLAN_REFUSED)
        write_batch(records, 1);
    else
        open_trade(&record->body.plan, records);
}

static sp_status init_execution(struct sp_err *err)
{
    struct sp_subscription *sub = NULL;
    struct sp_sub_options options = {.stream = sp_name_of("strategy.ema"),
                                     .publisher = sp_name_of("strategy.ema"),
                                     .facts = true,
                                     .on_record = on_plan};

    return sp_bus_subscribe(world.service->bus, &options, &sub, err);
}

static sp_status init(struct sp_service *service, struct sp_err *err)
{
    world.service = service;
    service->state = &world;
    return sp_name_is(&service->instance, "marketdata") ? init_market(err) : init_execution(err);
}

int main(int argc, char **argv)
{
    static const struct sp_service_spec spec = {.program = "fake-world",
                                                .about = "what a strategy sees of the others",
                                                .journal = true,
                                                .init = init};

    return sp_service_main(argc, argv, &spec);
}
