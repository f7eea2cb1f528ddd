/* A strategy that wants one trade: "--instance strategy.buy" at the market, "strategy.wait" by a
 * limit far below it, which rests at the venue, "strategy.late" at the market, but not before the
 * file RUN/late is there. Plans anew until a plan is accepted, then lives on.
 */
#include "common/service.h"
#include "proto/ids.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define AGAIN_NS       (300 * SP_NS_PER_MS)
#define QTY_E8         INT64_C(1000000) /* 0.01 */
#define TICK_E8        INT64_C(1000000)
#define PERCENT(px, n) ((px).e8 / 100 * (n) / TICK_E8 * TICK_E8)

struct want {
    struct sp_service *service;
    sp_name link;
    bool waits, accepted;
    char late[SP_PATH_SIZE + 8]; /* empty: does not wait for a file */
    sp_mono planned;
    uint64_t plans;
};
static struct want want;

static struct sp_id mint(enum sp_id_type type)
{
    struct sp_id_source source = {.installation = "one_plan",
                                  .stream = want.service->stream.s,
                                  .epoch = want.service->role.epoch,
                                  .seq = ++want.plans,
                                  .time = sp_clock_wall()};

    return sp_id_mint(type, &source);
}

static void plan(const struct sp_record *trade)
{
    struct sp_record record = {.kind = SP_REC_PLAN_READY,
                               .stream = want.service->stream,
                               .epoch = want.service->role.epoch,
                               .seq = sp_journal_next_seq(want.service->journal),
                               .time = trade->time};
    struct sp_ref cause = sp_record_ref(trade);
    sp_px px = trade->body.trade.px;
    struct sp_err err = {0};

    sp_record_add_cause(&record, &cause);
    record.body.plan = (struct sp_plan){.plan_id = {mint(SP_ID_PLN)},
                                        .trade_id = {mint(SP_ID_TRD)},
                                        .strategy_link_id = want.link,
                                        .symbol = sp_name_of("BTCUSDT"),
                                        .action = SP_PLAN_ACTION_OPEN,
                                        .side = SP_SIDE_BUY,
                                        .open_cause = SP_OPEN_CAUSE_OPERATOR,
                                        .order_type = SP_ORDER_TYPE_MARKET,
                                        .tif = SP_TIF_GTC,
                                        .qty = {QTY_E8},
                                        .stop_px = {PERCENT(px, 60)},
                                        .target_px = {PERCENT(px, 140)},
                                        .reference_px = px};
    if (want.waits) {
        record.body.plan.order_type = SP_ORDER_TYPE_LIMIT;
        record.body.plan.limit_px = (sp_px){PERCENT(px, 80)};
    }
    if (sp_journal_append(want.service->journal, &record, 1, &err) != SP_OK ||
        sp_bus_publish(want.service->bus, &record, &err) != SP_OK)
        sp_assert_fail("plan", err.text);
}

static void on_market(void *ctx, const struct sp_record *record)
{
    sp_mono now = sp_clock_mono();

    (void)ctx;
    if (record->kind != SP_REC_TRADE || want.accepted) return;
    if (want.late[0] != '\0' && access(want.late, F_OK) != 0) return;
    if (want.planned.ns != 0 && sp_mono_since(now, want.planned).ns < AGAIN_NS) return;
    want.planned = now;
    plan(record);
}

static void on_answer(void *ctx, const struct sp_record *record)
{
    (void)ctx;
    if (record->kind == SP_REC_PLAN_ACCEPTED &&
        sp_name_eq(&record->body.plan_answer.strategy_link_id, &want.link))
        want.accepted = true;
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
                                   .on_record = on_answer,
                                   .on_notice = on_notice};

    want.service = service;
    want.link = sp_name_of(service->instance.s + strlen("strategy."));
    want.waits = sp_name_is(&want.link, "wait");
    if (sp_name_is(&want.link, "late"))
        snprintf(want.late, sizeof want.late, "%s/late", service->config->platform.run_dir);
    service->state = &want;
    sp_status status = sp_bus_subscribe(service->bus, &market, &sub, err);
    return status == SP_OK ? sp_bus_subscribe(service->bus, &facts, &sub, err) : status;
}

int main(int argc, char **argv)
{
    static const struct sp_service_spec spec = {.program = "one-plan",
                                                .about = "a strategy that wants one trade",
                                                .journal = true,
                                                .init = init};

    return sp_service_main(argc, argv, &spec);
}
