#include "explain_fixture.h"

#include <stdio.h>
#include <string.h>

#define LINK   sp_name_of("ema")
#define SYMBOL sp_name_of("BTCUSDT")

static void text(sp_text *out, const char *words)
{
    sp_text_printf(out, "%s", words);
}

static void cause_tick(struct sp_record *record, uint64_t seq)
{
    struct sp_ref ref = {sp_name_of("md.practice.BTCUSDT"), 1, seq};

    sp_record_add_cause(record, &ref);
}

/* The strategy sees a cross and decides; returns the record of the verdict. */
static const struct sp_record *signal(struct history *h, uint32_t n, const char *time,
                                      int64_t close_e8, const char *tick, uint64_t tick_seq,
                                      const struct sp_record *threat)
{
    struct sp_record *r = history_add(&h->strategy, SP_REC_OPPORTUNITY_DETECTED, time, NULL);
    struct sp_opportunity *o = &r->body.opportunity;

    cause_tick(r, tick_seq);
    *o = (struct sp_opportunity){.opportunity_id = h->opp[n],
                                 .strategy_link_id = LINK,
                                 .symbol = SYMBOL,
                                 .side = SP_SIDE_BUY,
                                 .signal_type = sp_name_of("MOMENTUM_CROSS"),
                                 .confidence = {71000000},
                                 .worker = sp_name_of("cross"),
                                 .plugin = sp_name_of("momentum_cross"),
                                 .plugin_version = sp_name_of("1.0.0"),
                                 .px = {close_e8},
                                 .timestamp = r->time};
    text(&o->rule, "ema_fast 62,146.90 rose above ema_slow 62,140.74, gap 0.99 bps >= min_gap "
                   "0.8 bps");
    text(&o->tick, tick);
    const struct sp_record *detected = history_put(&h->strategy);

    enum sp_kind kind = threat != NULL ? SP_REC_OPPORTUNITY_REJECTED : SP_REC_OPPORTUNITY_ACCEPTED;
    r = history_add(&h->strategy, kind, time, detected);
    struct sp_opportunity_verdict *v = &r->body.opportunity_verdict;
    *v = (struct sp_opportunity_verdict){.opportunity_id = h->opp[n],
                                         .strategy_link_id = LINK,
                                         .symbol = SYMBOL,
                                         .worker = sp_name_of("qualify"),
                                         .plugin = sp_name_of("block_on_threat"),
                                         .plugin_version = sp_name_of("1.0.0")};
    text(&v->reason, "no active threat, no open position");
    if (threat != NULL) {
        v->cause = SP_REJECT_CAUSE_THREAT;
        v->threat_ids = (sp_thr_ids){.count = 1, .at = {h->threat}};
        text(&v->reason, "volatility_spike (HIGH)");
        text(&v->rule, "an active threat of severity HIGH or above blocks entries");
        text(&v->configured_at, "config/demo/strategies/ema_cross.json:26, block_from");
        struct sp_ref ref = sp_record_ref(threat);
        sp_record_add_cause(r, &ref);
    }
    return history_put(&h->strategy);
}

static const struct sp_record *plan(struct history *h, uint32_t n, uint32_t opp, const char *time,
                                    const struct sp_record *accepted)
{
    struct sp_record *r = history_add(&h->strategy, SP_REC_PLAN_READY, time, accepted);
    struct sp_plan *p = &r->body.plan;

    *p = (struct sp_plan){.plan_id = h->plan[n],
                          .trade_id = h->trade[n],
                          .strategy_link_id = LINK,
                          .symbol = SYMBOL,
                          .action = SP_PLAN_ACTION_OPEN,
                          .side = SP_SIDE_BUY,
                          .open_cause = SP_OPEN_CAUSE_OPPORTUNITY,
                          .opportunity_ids = {.count = 1, .at = {h->opp[opp]}},
                          .order_type = SP_ORDER_TYPE_MARKET,
                          .tif = SP_TIF_IOC,
                          .qty = {8055000},
                          .stop_px = {INT64_C(6196191000000)},
                          .target_px = {INT64_C(6252125000000)}};
    text(&p->entry, "market");
    text(&p->exit, "stop 61,961.91 (-0.3 %), target 62,521.25 (+0.6 %)");
    text(&p->size, "0.08055 BTC = risk 15.02 USDT (0.15 % of 10,012.42) / 186.45 per BTC");
    text(&p->route, "IOC, valid 500 ms");
    return history_put(&h->strategy);
}

static const struct sp_record *answer(struct history *h, enum sp_kind kind, uint32_t n,
                                      const char *time, const struct sp_record *ready)
{
    struct sp_record *r = history_add(&h->execution, kind, time, ready);
    struct sp_plan_answer *a = &r->body.plan_answer;

    *a = (struct sp_plan_answer){.plan_id = h->plan[n],
                                 .trade_id = h->trade[n],
                                 .strategy_link_id = LINK,
                                 .action = SP_PLAN_ACTION_OPEN};
    if (kind == SP_REC_PLAN_REFUSED) {
        a->gate = sp_name_of("order_value_max");
        a->limit = sp_name_of("6000");
        a->value = sp_name_of("6513.4");
        text(&a->reason, "order_value_max is 6513.4, the limit is 6000");
    }
    return history_put(&h->execution);
}

static sp_name client_id(sp_trd_id trade, uint32_t leg)
{
    char digits[SP_ID_TEXT_SIZE], whole[SP_NAME_SIZE];
    sp_name name = {{0}};

    snprintf(whole, sizeof whole, "sabcd%s%03u", sp_id_digits(trade.raw, digits), leg);
    bool fits = sp_name_set(&name, whole);
    SP_ASSERT(fits);
    return name;
}

struct leg {
    uint32_t trade, number;
    sp_ord_id id;
    uint8_t role;
    int64_t px_e8; /* limit or trigger; 0: market */
};

static const struct sp_record *intent(struct history *h, const struct leg *leg, const char *time,
                                      const struct sp_record *cause)
{
    struct sp_record *r = history_add(&h->execution, SP_REC_ORDER_INTENT, time, cause);
    struct sp_order_intent *o = &r->body.order_intent;
    bool enters = leg->role == SP_LEG_ROLE_ENTRY;

    *o = (struct sp_order_intent){.order_id = leg->id,
                                  .client_order_id = client_id(h->trade[leg->trade], leg->number),
                                  .plan_id = h->plan[leg->trade],
                                  .trade_id = h->trade[leg->trade],
                                  .strategy_link_id = LINK,
                                  .symbol = SYMBOL,
                                  .role = leg->role,
                                  .leg = leg->number,
                                  .side = enters ? SP_SIDE_BUY : SP_SIDE_SELL,
                                  .type = SP_ORDER_TYPE_MARKET,
                                  .tif = enters ? SP_TIF_IOC : SP_TIF_GTC,
                                  .qty = {8055000},
                                  .open_cause = SP_OPEN_CAUSE_OPPORTUNITY};
    if (leg->role == SP_LEG_ROLE_TARGET) {
        o->type = SP_ORDER_TYPE_LIMIT;
        o->px.e8 = leg->px_e8;
        o->close_cause = SP_CLOSE_CAUSE_TARGET;
    } else if (leg->role == SP_LEG_ROLE_STOP) {
        o->type = SP_ORDER_TYPE_STOP_LOSS;
        o->stop_px.e8 = leg->px_e8;
        o->close_cause = SP_CLOSE_CAUSE_STOP;
    } else if (leg->role == SP_LEG_ROLE_EXIT) {
        o->close_cause = SP_CLOSE_CAUSE_OPERATOR;
        o->command_id = h->flatten;
    } else {
        o->gate.count = 3;
        o->gate.at[0] = (struct sp_fact){sp_name_of("data_age"), sp_name_of("3ms")};
        o->gate.at[1] = (struct sp_fact){sp_name_of("order_value"), sp_name_of("5006.05")};
        o->gate.at[2] = (struct sp_fact){sp_name_of("order_value_max"), sp_name_of("6000")};
    }
    return history_put(&h->execution);
}

static const struct sp_record *step(struct history *h, enum sp_kind kind, const struct leg *leg,
                                    const char *time, const struct sp_record *cause, int64_t us)
{
    struct sp_record *r = history_add(&h->execution, kind, time, cause);
    struct sp_order_event *e = &r->body.order_event;

    *e = (struct sp_order_event){.order_id = leg->id,
                                 .client_order_id = client_id(h->trade[leg->trade], leg->number),
                                 .trade_id = h->trade[leg->trade],
                                 .strategy_link_id = LINK,
                                 .venue_order_id = 1008 + leg->number,
                                 .since_tick = {us * 1000}};
    if (kind == SP_REC_CANCEL_INTENT) {
        text(&e->reason, "an exit of the trade is wanted");
        e->command_id = h->flatten;
    }
    return history_put(&h->execution);
}

struct execution {
    uint64_t number;
    int64_t px_e8, qty_e8, fee_e8, us;
    uint8_t side, liquidity;
};

static const struct sp_record *fill(struct history *h, const struct leg *leg, const char *time,
                                    const struct sp_record *cause, const struct execution *e)
{
    struct sp_record *r = history_add(&h->execution, SP_REC_FILL, time, cause);

    r->body.fill = (struct sp_fill){.order_id = leg->id,
                                    .client_order_id = client_id(h->trade[leg->trade], leg->number),
                                    .trade_id = h->trade[leg->trade],
                                    .strategy_link_id = LINK,
                                    .venue = sp_name_of("paper"),
                                    .symbol = SYMBOL,
                                    .venue_trade_id = e->number,
                                    .side = e->side,
                                    .px = {e->px_e8},
                                    .qty = {e->qty_e8},
                                    .fee = {e->fee_e8},
                                    .fee_asset = sp_name_of("USDT"),
                                    .liquidity = e->liquidity,
                                    .venue_time = r->time,
                                    .since_tick = {e->us * 1000}};
    return history_put(&h->execution);
}

static const struct sp_record *opened(struct history *h, uint32_t trade, uint32_t opp,
                                      const struct sp_record *first_fill)
{
    struct sp_record *r = history_add(&h->execution, SP_REC_TRADE_OPENED, "18:22:07", first_fill);
    const struct sp_fill *f = &first_fill->body.fill;

    r->time = first_fill->time;
    r->body.trade_opened = (struct sp_trade_opened){.trade_id = h->trade[trade],
                                                    .strategy_link_id = LINK,
                                                    .symbol = SYMBOL,
                                                    .side = SP_SIDE_BUY,
                                                    .cause = SP_OPEN_CAUSE_OPPORTUNITY,
                                                    .opportunity_ids = {1, {h->opp[opp]}},
                                                    .plan_id = h->plan[trade],
                                                    .px = f->px,
                                                    .qty = f->qty};
    return history_put(&h->execution);
}

/* Both legs are acknowledged at once. */
static void resting(struct history *h, const struct leg *target, const struct leg *stop,
                    const char *time, const struct sp_record *cause)
{
    const struct leg *const legs[] = {target, stop};

    for (int i = 0; i < 2; i++) {
        const struct sp_record *its = intent(h, legs[i], time, cause);
        step(h, SP_REC_ORDER_SENT, legs[i], time, its, 0);
        const struct sp_record *ack = step(h, SP_REC_ORDER_ACK, legs[i], time, its, 0);
        struct sp_record *r = history_add(&h->execution, SP_REC_POSITION_ADJUSTED, time, ack);
        struct sp_position_adjusted *p = &r->body.position_adjusted;
        *p = (struct sp_position_adjusted){.trade_id = h->trade[target->trade],
                                           .strategy_link_id = LINK,
                                           .symbol = SYMBOL,
                                           .qty = {8055000}};
        if (i == 0) {
            p->target_px.e8 = target->px_e8;
            p->target_order_id = target->id;
            text(&p->reason, "target resting at the venue");
        } else {
            p->stop_px.e8 = stop->px_e8;
            p->stop_order_id = stop->id;
            text(&p->reason, "stop resting at the venue");
        }
        history_put(&h->execution);
    }
}

static void closed(struct history *h, uint32_t trade, uint8_t cause, const char *from,
                   const char *time, const struct sp_record *last, struct sp_trade_closed sums)
{
    struct sp_record *r = history_add(&h->execution, SP_REC_TRADE_CLOSED, from, last);
    sp_wall since = r->time;

    r = history_add(&h->execution, SP_REC_TRADE_CLOSED, time, last);
    sums.trade_id = h->trade[trade];
    sums.strategy_link_id = LINK;
    sums.symbol = SYMBOL;
    sums.cause = cause;
    sums.closure_reason = sp_name_of(cause == SP_CLOSE_CAUSE_TARGET ? "target" : "operator");
    sums.opportunity_ids = (sp_opp_ids){1, {h->opp[trade == 0 ? 0 : 3]}};
    sums.opened = since;
    sums.closed = r->time;
    sums.qty.e8 = 8055000;
    if (cause == SP_CLOSE_CAUSE_OPERATOR) sums.command_id = h->flatten;
    r->body.trade_closed = sums;
    history_put(&h->execution);
}

static void reconciled(struct history *h, sp_rec_id id, uint8_t trigger, uint32_t epoch,
                       const char *time, uint32_t orders)
{
    struct sp_record *r = history_add(&h->reconciliation, SP_REC_RECONCILIATION_RESULT, time, NULL);

    r->body.reconciliation_result = (struct sp_reconciliation_result){.reconciliation_id = id,
                                                                      .trigger = trigger,
                                                                      .execution_epoch = epoch,
                                                                      .venue_generation = 1,
                                                                      .orders = orders,
                                                                      .positions = orders > 0,
                                                                      .balances = 2,
                                                                      .clean = true};
    history_put(&h->reconciliation);
}

static void child(struct history *h, enum sp_kind kind, const char *time, uint32_t epoch,
                  uint32_t pid)
{
    struct sp_record *r = history_add(&h->supervisor, kind, time, NULL);

    r->body.child = (struct sp_child){.name = sp_name_of("execution"), .pid = pid, .epoch = epoch};
    if (kind == SP_REC_CHILD_EXITED) {
        r->body.child.signal = 9;
        text(&r->body.child.reason, "killed by signal 9 (KILL)");
    }
    history_put(&h->supervisor);
}

/* At 60x, 18:24:00 on the market clock is 24 s after the anchor. */
static void crash_and_restart(struct history *h)
{
    child(h, SP_REC_CHILD_EXITED, "2026-11-22T10:00:24Z", 0, 4104);
    child(h, SP_REC_CHILD_STARTED, "2026-11-22T10:00:24.020Z", 0, 4131);
    child(h, SP_REC_CHILD_READY, "2026-11-22T10:00:24.310Z", 2, 4131);
    history_restart(&h->execution, "18:24:01");
    struct sp_record *r = history_add(&h->execution, SP_REC_VENUE_CONNECTED, "18:24:10", NULL);
    r->body.feed = (struct sp_feed){.feed = sp_name_of("paper"), .messages = 1};
    text(&r->body.feed.reason, "connected, reports subscribed");
    history_put(&h->execution);
    reconciled(h, h->second_pass, SP_TRIGGER_RECONNECT, 2, "18:24:19", 2);
}

void history_first_trade(struct history *h)
{
    struct leg entry = {0, 1, h->entry, SP_LEG_ROLE_ENTRY, 0};
    struct leg target = {0, 2, h->target, SP_LEG_ROLE_TARGET, INT64_C(6252125000000)};
    struct leg stop = {0, 3, h->stop, SP_LEG_ROLE_STOP, INT64_C(6196191000000)};

    struct sp_record *r = history_add(&h->marketdata, SP_REC_FEED_STARTED, "18:00:00", NULL);
    r->body.feed = (struct sp_feed){.feed = sp_name_of("generator"),
                                    .anchor_wall = {INT64_C(1795341600000000000)},
                                    .anchor_market = r->time,
                                    .speed = {60 * SP_FX_ONE}};
    history_put(&h->marketdata);
    child(h, SP_REC_CHILD_READY, "2026-11-22T10:00:00.100Z", 1, 4104);
    reconciled(h, h->first_pass, SP_TRIGGER_START, 1, "18:00:01", 0);

    const struct sp_record *accepted = signal(h, 0, "18:22:07", INT64_C(6214836000000),
                                              "bar 1s closes at 62,148.36 (11 trades)", 1327, NULL);
    const struct sp_record *ready = plan(h, 0, 0, "18:22:07", accepted);
    answer(h, SP_REC_PLAN_ACCEPTED, 0, "18:22:07", ready);
    const struct sp_record *its = intent(h, &entry, "18:22:07", ready);
    step(h, SP_REC_ORDER_SENT, &entry, "18:22:07", its, 350);
    step(h, SP_REC_ORDER_ACK, &entry, "18:22:07", its, 370);
    const struct sp_record *first =
        fill(h, &entry, "18:22:07", its,
             &(struct execution){41, INT64_C(6214870000000), 5000000, 155371750, 372, SP_SIDE_BUY,
                                 SP_LIQUIDITY_TAKER});
    opened(h, 0, 0, first);
    const struct sp_record *last =
        fill(h, &entry, "18:22:07", its,
             &(struct execution){42, INT64_C(6214910000000), 3055000, 94932750, 381, SP_SIDE_BUY,
                                 SP_LIQUIDITY_TAKER});
    resting(h, &target, &stop, "18:22:07.022", last);
    crash_and_restart(h);

    const struct sp_record *sold =
        fill(h, &target, "18:27:31.950", first,
             &(struct execution){77, INT64_C(6252125000000), 8055000, 100721734, 0, SP_SIDE_SELL,
                                 SP_LIQUIDITY_MAKER});
    step(h, SP_REC_ORDER_CANCELED, &stop, "18:27:31.950", sold, 0);
    struct sp_trade_closed sums = {.bought = {INT64_C(500609000500)},
                                   .sold = {INT64_C(503608668750)},
                                   .fees = {351026234},
                                   .realised_pnl = {INT64_C(2648642016)}};
    if (h->part == HISTORY_WRONG_RESULT) sums.realised_pnl.e8++;
    closed(h, 0, SP_CLOSE_CAUSE_TARGET, "18:22:07", "18:27:31.950", sold, sums);
}

void history_threat_and_rejection(struct history *h)
{
    struct sp_record *r = history_add(&h->strategy, SP_REC_THREAT_DETECTED, "18:28:31", NULL);
    struct sp_threat *t = &r->body.threat;

    cause_tick(r, 1711);
    *t = (struct sp_threat){.threat_id = h->threat,
                            .strategy_link_id = LINK,
                            .symbol = SYMBOL,
                            .threat_type = sp_name_of("VOLATILITY_SPIKE"),
                            .severity = SP_SEVERITY_HIGH,
                            .worker = sp_name_of("volatility"),
                            .plugin = sp_name_of("volatility_spike"),
                            .plugin_version = sp_name_of("1.0.0"),
                            .began = r->time};
    text(&t->rule, "deviation of 1 s returns over 30 bars 4.12 bps > limit 2.5 bps");
    text(&t->tick, "bar 1s closes at 62,571.40 (39 trades)");
    const struct sp_record *began = history_put(&h->strategy);
    signal(h, 1, "18:28:40", INT64_C(6258890000000), "bar 1s closes at 62,588.90 (46 trades)", 1720,
           began);

    r = history_add(&h->strategy, SP_REC_THREAT_ENDED, "18:29:12", began);
    r->body.threat = began->body.threat;
    r->body.threat.ended = r->time;
    text(&r->body.threat.rule, "deviation of 1 s returns over 30 bars 2.44 bps < limit 2.5 bps");
    text(&r->body.threat.tick, "bar 1s closes at 62,590.02 (8 trades)");
    cause_tick(r, 1752);
    history_put(&h->strategy);

    r = history_add(&h->reconciliation, SP_REC_SCHEDULED_TICK, "18:30:00", NULL);
    r->body.scheduled_tick = (struct sp_scheduled_tick){.scheduled_id = h->schedule,
                                                        .schedule_name = sp_name_of("reconcile"),
                                                        .event = sp_name_of("RECONCILIATION_TICK"),
                                                        .timestamp = r->time};
    history_put(&h->reconciliation);
}

void history_refused_plan(struct history *h)
{
    const struct sp_record *accepted = signal(h, 2, "18:31:00", INT64_C(6260010000000),
                                              "bar 1s closes at 62,600.10 (17 trades)", 1860, NULL);

    answer(h, SP_REC_PLAN_REFUSED, 1, "18:31:00", plan(h, 1, 2, "18:31:00", accepted));
}

static const struct sp_record *command(struct history *h, sp_cmd_id id, uint8_t what,
                                       const char *time, const char *why)
{
    struct sp_record *r = history_add(&h->execution, SP_REC_OPERATOR_COMMAND, time, NULL);

    r->body.operator_command = (struct sp_operator_command){.command_id = id,
                                                            .command = what,
                                                            .scope = sp_name_of("all"),
                                                            .operator_name = sp_name_of("anna"),
                                                            .asked = r->time};
    text(&r->body.operator_command.reason, why);
    const struct sp_record *given = history_put(&h->execution);
    bool resumes = what == SP_COMMAND_RESUME;
    r = history_add(&h->execution, resumes ? SP_REC_TRADING_RESUMED : SP_REC_TRADING_HALTED, time,
                    given);
    r->body.trading_state =
        (struct sp_trading_state){.scope = sp_name_of("all"),
                                  .trading = resumes ? SP_TRADING_ALLOWED : SP_TRADING_REDUCE_ONLY,
                                  .cause = SP_HALT_CAUSE_OPERATOR,
                                  .command_id = id};
    sp_text_printf(&r->body.trading_state.reason, "operator%s: %s", resumes ? " resumed" : "", why);
    if (!resumes) text(&r->body.trading_state.next_step, "spoor resume --scope all");
    history_put(&h->execution);
    return given;
}

void history_flattened_trade(struct history *h)
{
    struct leg entry = {2, 1, h->second_entry, SP_LEG_ROLE_ENTRY, 0};
    struct leg exit_leg = {2, 2, h->exit, SP_LEG_ROLE_EXIT, 0};

    const struct sp_record *accepted = signal(h, 3, "18:34:00", INT64_C(6262000000000),
                                              "bar 1s closes at 62,620.00 (9 trades)", 2040, NULL);
    const struct sp_record *ready = plan(h, 2, 3, "18:34:00", accepted);
    answer(h, SP_REC_PLAN_ACCEPTED, 2, "18:34:00", ready);
    const struct sp_record *its = intent(h, &entry, "18:34:00", ready);
    step(h, SP_REC_ORDER_SENT, &entry, "18:34:00", its, 410);
    step(h, SP_REC_ORDER_ACK, &entry, "18:34:00", its, 430);
    const struct sp_record *bought =
        fill(h, &entry, "18:34:00", its,
             &(struct execution){90, INT64_C(6262000000000), 8055000, 252202050, 440, SP_SIDE_BUY,
                                 SP_LIQUIDITY_TAKER});
    opened(h, 2, 3, bought);
    if (h->part == HISTORY_RUNNING) return;

    const struct sp_record *given =
        command(h, h->flatten, SP_COMMAND_FLATTEN, "18:36:00", "news at 18:40");
    its = intent(h, &exit_leg, "18:36:00", given);
    step(h, SP_REC_ORDER_SENT, &exit_leg, "18:36:00", its, 0);
    step(h, SP_REC_ORDER_ACK, &exit_leg, "18:36:00", its, 0);
    const struct sp_record *sold =
        fill(h, &exit_leg, "18:36:00.030", its,
             &(struct execution){96, INT64_C(6260000000000), 8055000, 252121500, 0, SP_SIDE_SELL,
                                 SP_LIQUIDITY_TAKER});
    closed(h, 2, SP_CLOSE_CAUSE_OPERATOR, "18:34:00", "18:36:00.030", sold,
           (struct sp_trade_closed){.bought = {INT64_C(504404100000)},
                                    .sold = {INT64_C(504243000000)},
                                    .fees = {504323550},
                                    .realised_pnl = {-INT64_C(665423550)}});
    command(h, h->resume, SP_COMMAND_RESUME, "18:38:00", "news is out");
}
