/* A strategy that plans as fast as it is answered: an order that no market fills and that expires
 * at once, and as soon as it has ended, or was refused, the next. Its instance is "strategy.LINK".
 *
 * With BENCH_FLOOD_EVERY_US in the environment it waits for a trade of the market instead, and so
 * long at least since its last plan: then tick_received is when marketdata had that trade.
 */
#include "common/service.h"
#include "proto/ids.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_NS       (1000 * SP_NS_PER_MS)
#define QTY_E8         INT64_C(100000) /* 0.001 */
#define TICK_E8        INT64_C(1000000)
#define PERCENT(px, n) ((px).e8 / 100 * (n) / TICK_E8 * TICK_E8)

struct flood {
    struct sp_service *service;
    sp_name link;
    sp_px px; /* of the market */
    struct sp_ref cause;
    sp_mono planned;
    sp_dur every; /* 0: as soon as it is answered */
    bool ended;   /* the last plan's order, or the plan */
    uint64_t ids;
};
static struct flood flood;

static struct sp_id mint(enum sp_id_type type)
{
    struct sp_id_source source = {.installation = "flood",
                                  .stream = flood.service->stream.s,
                                  .epoch = flood.service->role.epoch,
                                  .seq = ++flood.ids,
                                  .time = sp_clock_wall()};

    return sp_id_mint(type, &source);
}

/* `tick`: 0 for now. */
static void plan(sp_mono tick)
{
    struct sp_record record = {.kind = SP_REC_PLAN_READY,
                               .stream = flood.service->stream,
                               .epoch = flood.service->role.epoch,
                               .seq = sp_journal_next_seq(flood.service->journal),
                               .time = sp_clock_wall()};
    struct sp_err err = {0};

    flood.planned = sp_clock_mono();
    flood.ended = false;
    sp_record_add_cause(&record, &flood.cause);
    record.body.plan = (struct sp_plan){.plan_id = {mint(SP_ID_PLN)},
                                        .trade_id = {mint(SP_ID_TRD)},
                                        .strategy_link_id = flood.link,
                                        .symbol = sp_name_of("BTCUSDT"),
                                        .action = SP_PLAN_ACTION_OPEN,
                                        .side = SP_SIDE_BUY,
                                        .open_cause = SP_OPEN_CAUSE_OPERATOR,
                                        .order_type = SP_ORDER_TYPE_LIMIT,
                                        .limit_px = {PERCENT(flood.px, 80)},
                                        .tif = SP_TIF_IOC,
                                        .qty = {QTY_E8},
                                        .stop_px = {PERCENT(flood.px, 60)},
                                        .target_px = {PERCENT(flood.px, 140)},
                                        .reference_px = flood.px,
                                        .tick_received = tick.ns != 0 ? tick : flood.planned};
    if (sp_journal_append(flood.service->journal, &record, 1, &err) != SP_OK ||
        sp_bus_publish(flood.service->bus, &record, &err) != SP_OK)
        sp_assert_fail("plan", err.text);
    sp_bus_flush(flood.service->bus); /* as a strategy's shell does it: now, not with the frame */
}

/* Begins, and begins anew if an answer was missed. */
static void on_market(void *ctx, const struct sp_record *record)
{
    sp_dur gone = sp_mono_since(sp_clock_mono(), flood.planned);

    (void)ctx;
    if (record->kind != SP_REC_TRADE) return;
    flood.px = record->body.trade.px;
    flood.cause = sp_record_ref(record);
    if (flood.every.ns > 0 && flood.ended && gone.ns >= flood.every.ns) {
        plan(record->body.trade.received);
    } else if (gone.ns >= AGAIN_NS) {
        plan((sp_mono){0});
    }
}

static bool is_own_end(const struct sp_record *record)
{
    const sp_name *link = &record->body.order_event.strategy_link_id;

    if (record->kind == SP_REC_PLAN_REFUSED || record->kind == SP_REC_PLAN_EXPIRED)
        return sp_name_eq(&record->body.plan_answer.strategy_link_id, &flood.link);
    if (record->kind == SP_REC_ORDER_EXPIRED || record->kind == SP_REC_ORDER_REJECTED ||
        record->kind == SP_REC_SEND_SUPPRESSED)
        return sp_name_eq(link, &flood.link);
    return false;
}

static void on_fact(void *ctx, const struct sp_record *record)
{
    (void)ctx;
    if (flood.px.e8 == 0 || !is_own_end(record)) return;
    flood.ended = true;
    if (flood.every.ns == 0) plan((sp_mono){0});
}

static void on_notice(void *ctx, const struct sp_sub_notice *notice)
{
    (void)ctx;
    (void)notice;
}

static sp_status init(struct sp_service *service, struct sp_err *err)
{
    const struct sp_world_config *world = sp_config_world(service->config);
    struct sp_subscription *sub = NULL;
    struct sp_sub_options market = {.stream = sp_world_stream(world, "BTCUSDT"),
                                    .publisher = sp_name_of("marketdata"),
                                    .on_record = on_market,
                                    .on_notice = on_notice};
    struct sp_sub_options facts = {.stream = sp_name_of("execution"),
                                   .publisher = sp_name_of("execution"),
                                   .facts = true,
                                   .on_record = on_fact,
                                   .on_notice = on_notice};

    const char *every = getenv("BENCH_FLOOD_EVERY_US");

    if (every != NULL) flood.every = (sp_dur){strtol(every, NULL, 10) * SP_NS_PER_US};
    flood.service = service;
    flood.link = sp_name_of(service->instance.s + strlen("strategy."));
    service->state = &flood;
    sp_status status = sp_bus_subscribe(service->bus, &market, &sub, err);
    return status == SP_OK ? sp_bus_subscribe(service->bus, &facts, &sub, err) : status;
}

int main(int argc, char **argv)
{
    static const struct sp_service_spec spec = {.program = "bench-flood",
                                                .about = "a strategy that never stops planning",
                                                .journal = true,
                                                .init = init};

    return sp_service_main(argc, argv, &spec);
}
