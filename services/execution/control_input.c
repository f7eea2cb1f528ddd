/* Threats, reconciliation results, operators, and the stop of the operation. */
#include "common/journal/file.h"
#include "common/journal/state_rows.h"
#include "services/execution/execution_internal.h"
#include "services/execution/flatten_book.h"

#include <stdio.h>
#include <string.h>

/* ---- The circuit breaker over connections ---- */

static struct sp_trading_state *breaker_record(struct sp_turn *turn, enum sp_kind kind,
                                               enum sp_breaker breaker, const struct sp_ref *cause)
{
    struct sp_record *record = sp_decision_add(turn->decision, kind, cause);
    struct sp_trading_state *body = &record->body.trading_state;

    body->scope = sp_name_of("all");
    body->trading = breaker == SP_BREAKER_CLOSED ? SP_TRADING_ALLOWED : SP_TRADING_REDUCE_ONLY;
    body->breaker = (uint8_t)breaker;
    body->cause = SP_HALT_CAUSE_THREAT;
    return body;
}

void sp_x_breaker_opens(struct sp_turn *turn, sp_thr_id threat, const char *why,
                        const struct sp_ref *cause)
{
    const struct sp_books *books = &turn->x->books;
    sp_thr_ids threats = books->breaker_threats;

    /* Half open still lists the threats that have ended, as its reason: they must not count again,
     * or the breaker would wait for their end for ever. */
    if (books->breaker != SP_BREAKER_OPEN) threats = (sp_thr_ids){0};
    for (uint32_t i = 0; i < threats.count; i++) {
        if (sp_thr_id_eq(threats.at[i], threat)) return;
    }
    if (threats.count < SP_IDS_MAX) threats.at[threats.count++] = threat;
    struct sp_trading_state *body =
        breaker_record(turn, SP_REC_TRADING_HALTED, SP_BREAKER_OPEN, cause);
    body->threat_ids = threats;
    sp_text_printf(&body->reason, "%s", why);
    sp_text_printf(&body->next_step, "when the threat ends and the books are reconciled");
}

void sp_x_breaker_eases(struct sp_turn *turn, sp_thr_id threat, const struct sp_ref *cause)
{
    const struct sp_books *books = &turn->x->books;
    sp_thr_ids left = {0};
    bool was_there = false;

    if (books->breaker != SP_BREAKER_OPEN) return;
    for (uint32_t i = 0; i < books->breaker_threats.count; i++) {
        sp_thr_id id = books->breaker_threats.at[i];
        if (sp_thr_id_eq(id, threat)) {
            was_there = true;
        } else {
            left.at[left.count++] = id;
        }
    }
    if (!was_there) return;
    enum sp_breaker next = left.count > 0 ? SP_BREAKER_OPEN : SP_BREAKER_HALF_OPEN;
    struct sp_trading_state *body = breaker_record(turn, SP_REC_TRADING_HALTED, next, cause);
    body->threat_ids = left.count > 0 ? left : books->breaker_threats;
    sp_text_printf(&body->reason, "%s",
                   left.count > 0 ? books->breaker_reason.s : "connection restored");
    sp_text_printf(&body->next_step, "%s",
                   turn->x->books.config->breaker.resume_automatic
                       ? "resumes after a clean reconciliation"
                       : "spoor resume, after a clean reconciliation");
}

void sp_x_threat(struct sp_turn *turn)
{
    const struct sp_record *record = turn->event->record;
    const struct sp_threat *threat = &record->body.threat;
    struct sp_ref cause = sp_record_ref(record);

    if (!sp_name_is(&threat->threat_type, "CONNECTION_LOST")) return;
    if (record->kind == SP_REC_THREAT_DETECTED) {
        sp_x_breaker_opens(turn, threat->threat_id, threat->rule.s, &cause);
    } else {
        sp_x_breaker_eases(turn, threat->threat_id, &cause);
    }
}

/* ---- Reconciliation ---- */

/* close_on_disconnect: every open trade of the breaker's threats is closed, now that orders can be
 * sent and the books are known to be right. */
static void close_after_disconnect(struct sp_turn *turn, const struct sp_ref *cause)
{
    struct sp_books *books = &turn->x->books;

    for (uint32_t i = 0; i < books->live_trade_count; i++) {
        const struct sp_trade_book *trade = sp_books_live_trade(books, i);
        if (trade->closed || !trade->opened || trade->exit.wanted) continue;
        if (!sp_turn_has_room(turn, 4)) return;
        struct sp_id plan = sp_decision_mint(turn->decision, SP_ID_PLN);
        struct sp_record *record = sp_decision_add(turn->decision, SP_REC_PLAN_ACCEPTED, cause);
        record->body.plan_answer =
            (struct sp_plan_answer){.plan_id = {plan},
                                    .trade_id = trade->trade_id,
                                    .strategy_link_id = books->links[trade->link].id,
                                    .action = SP_PLAN_ACTION_CLOSE,
                                    .close_cause = SP_CLOSE_CAUSE_THREAT,
                                    .threat_ids = books->breaker_threats};
        sp_text_printf(&record->body.plan_answer.reason, "breaker.close_on_disconnect");
    }
}

static void close_breaker(struct sp_turn *turn, sp_rec_id by, const struct sp_ref *cause)
{
    const struct sp_books *books = &turn->x->books;

    if (books->config->breaker.close_on_disconnect) close_after_disconnect(turn, cause);
    struct sp_trading_state *body =
        breaker_record(turn, SP_REC_TRADING_RESUMED, SP_BREAKER_CLOSED, cause);
    body->threat_ids = books->breaker_threats;
    body->reconciliation_id = by;
    sp_text_printf(&body->reason, "connection restored, books reconciled");
}

void sp_x_reconciled(struct sp_turn *turn)
{
    const struct sp_record *record = turn->event->record;
    const struct sp_reconciliation_result *result = &record->body.reconciliation_result;
    struct sp_execution *x = turn->x;
    struct sp_ref cause = sp_record_ref(record);

    if (result->execution_epoch != turn->decision->epoch) return;
    if (result->venue_generation != x->venue_generation || !x->venue_up) return;
    x->reconciled = result->clean;
    x->reconciled_by = cause;
    x->unclean = result->reason;
    /* An execution that nobody told of is asked for, whatever its correction would be worth. */
    if (!result->clean && x->fills_request == 0) sp_x_catch_up(turn);
    if (!result->clean || x->books.breaker != SP_BREAKER_HALF_OPEN) return;
    if (!x->books.config->breaker.resume_automatic) return;
    close_breaker(turn, result->reconciliation_id, &cause);
}

/* ---- Operators ---- */

static void add_command(struct sp_turn *turn, const struct sp_operator_command *command)
{
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_OPERATOR_COMMAND, NULL);

    record->body.operator_command = *command;
}

static void scope_state(struct sp_turn *turn, enum sp_kind kind,
                        const struct sp_operator_command *command, const struct sp_ref *cause)
{
    struct sp_record *record = sp_decision_add(turn->decision, kind, cause);
    struct sp_trading_state *body = &record->body.trading_state;
    bool halts = kind == SP_REC_TRADING_HALTED;

    body->scope = command->scope;
    if (strncmp(command->scope.s, "strategy.", 9) == 0) {
        SP_IGNORE(!sp_name_set(&body->strategy_link_id, command->scope.s + 9)); /* it is shorter */
    }
    body->trading = halts ? SP_TRADING_REDUCE_ONLY : SP_TRADING_ALLOWED;
    body->cause = SP_HALT_CAUSE_OPERATOR;
    body->command_id = command->command_id;
    sp_text_printf(&body->reason, "%s%s%s", halts ? "operator" : "operator resumed",
                   command->reason.s[0] != '\0' ? ": " : "", command->reason.s);
    if (halts) sp_text_printf(&body->next_step, "spoor resume --scope %s", command->scope.s);
}

static bool is_scope(struct sp_books *books, const sp_name *scope)
{
    sp_name link = {{0}};

    if (sp_name_is(scope, "all")) return true;
    if (strncmp(scope->s, "strategy.", 9) != 0 || !sp_name_set(&link, scope->s + 9)) return false;
    return sp_books_link(books, &link, NULL) != NULL;
}

static bool has_asset(const struct sp_books *books, const sp_name *asset)
{
    for (uint32_t i = 0; i < books->asset_count; i++) {
        if (sp_name_eq(&books->assets[i].asset, asset)) return true;
    }
    return false;
}

/* What came to the account or left it past this system: a person says so, and the next
 * reconciliation shows whether it is true. No trade and no strategy's money changes. */
static void adopt(struct sp_turn *turn, const struct sp_operator_command *command,
                  const struct sp_ref *cause)
{
    struct sp_record *record = sp_decision_add(turn->decision, SP_REC_BALANCE_ADOPTED, cause);

    record->body.balance_adopted =
        (struct sp_balance_adopted){.command_id = command->command_id,
                                    .asset = command->asset,
                                    .before = sp_books_held(&turn->x->books, &command->asset),
                                    .after = command->amount};
    turn->x->reconciled = false;
    sp_text_printf(&turn->x->unclean, "%s was adopted: not compared yet", command->asset.s);
}

/* Empty, or why an adoption cannot be. */
static sp_text why_no_adoption(const struct sp_books *books,
                               const struct sp_operator_command *command)
{
    sp_text why = {{0}};

    if (!sp_name_is(&command->scope, "all")) {
        sp_text_printf(&why, "an asset belongs to the account: scope all");
    } else if (command->asset.s[0] == '\0') {
        sp_text_printf(&why, "no asset was named");
    } else if (!has_asset(books, &command->asset) && books->asset_count == SP_ASSETS_MAX) {
        sp_text_printf(&why, "%d assets are all that the books hold", SP_ASSETS_MAX);
    }
    return why;
}

/* One flatten of a scope at a time. */
static void replace_flatten(struct sp_turn *turn, const sp_name *scope)
{
    const struct sp_flatten_book *flatten = sp_flatten_of_scope(&turn->x->books, scope);

    if (flatten != NULL) sp_x_flatten_fails(turn, flatten, "another flatten of its scope goes on");
}

uint64_t sp_execution_halts(const struct sp_execution *x)
{
    const struct sp_books *books = &x->books;
    uint32_t crc = sp_crc32c(0, &books->breaker, sizeof books->breaker);

    for (uint32_t i = 0; i < books->scope_count; i++) {
        const struct sp_scope_book *scope = &books->scopes[i];
        if (!scope->halted) continue;
        crc = sp_rows_crc_name(crc, &scope->scope);
        crc = sp_crc32c(crc, &scope->by.epoch, sizeof scope->by.epoch);
        crc = sp_crc32c(crc, &scope->by.seq, sizeof scope->by.seq);
    }
    for (uint32_t i = 0; i < books->flatten_count; i++)
        crc = sp_crc32c(crc, &books->flattens[i].command_id, sizeof(sp_cmd_id));
    return (UINT64_C(1) << 32) | crc;
}

/* Whoever resumes has seen what it lifts: not what came since. */
static bool is_confirmed(const struct sp_execution *x, const struct sp_operator_command *command)
{
    if (command->command != SP_COMMAND_RESUME || command->confirms == 0) return true;
    return command->confirms == sp_execution_halts(x);
}

void sp_x_command(struct sp_turn *turn)
{
    const struct sp_operator_command *command = &turn->event->record->body.operator_command;
    struct sp_execution *x = turn->x;

    x->command_refused = (sp_text){{0}};
    if (!is_scope(&x->books, &command->scope)) {
        sp_text_printf(&x->command_refused, "no scope %s here: all, or strategy.LINK",
                       command->scope.s);
        return;
    }
    if (sp_books_has_command(&x->books, command->command_id)) return;
    if (command->command == SP_COMMAND_RECONCILE) return; /* not this service's */
    if (!is_confirmed(x, command)) {
        sp_text_printf(&x->command_refused, "what is halted has changed since: look again");
        return;
    }
    if (command->command == SP_COMMAND_ADOPT) {
        x->command_refused = why_no_adoption(&x->books, command);
        if (x->command_refused.s[0] != '\0') return;
    }
    if (command->command == SP_COMMAND_FLATTEN) replace_flatten(turn, &command->scope);
    struct sp_ref at = sp_decision_next_ref(turn->decision);
    add_command(turn, command);
    if (command->command == SP_COMMAND_ADOPT) {
        adopt(turn, command, &at);
        return;
    }
    if (command->command != SP_COMMAND_RESUME) {
        scope_state(turn, SP_REC_TRADING_HALTED, command, &at);
        return;
    }
    scope_state(turn, SP_REC_TRADING_RESUMED, command, &at);
    if (x->books.breaker == SP_BREAKER_HALF_OPEN && x->reconciled) {
        close_breaker(turn, (sp_rec_id){{0}}, &at);
    }
}

/* ---- Corrections ---- */

void sp_x_correction(struct sp_turn *turn)
{
    const struct sp_correction *proposal = &turn->event->record->body.correction;
    struct sp_execution *x = turn->x;
    const struct sp_order *order = sp_books_order(&x->books, &proposal->client_order_id);

    if (order == NULL || proposal->execution_epoch != turn->decision->epoch) return;
    if (sp_books_has_fill(&x->books, &proposal->symbol, proposal->venue_trade_id)) return;
    struct sp_ref at = sp_decision_next_ref(turn->decision);
    if (proposal->venue_trade_id != 0) {
        struct sp_fill_view view = {.venue_trade_id = proposal->venue_trade_id,
                                    .client_order_id = proposal->client_order_id,
                                    .symbol = proposal->symbol,
                                    .side = proposal->side,
                                    .px = proposal->px,
                                    .qty = proposal->qty,
                                    .fee = proposal->fee,
                                    .fee_asset = proposal->fee_asset,
                                    .liquidity = proposal->liquidity,
                                    .venue_time = proposal->venue_time};
        if (!sp_x_fill_is_possible(order, &view)) {
            sp_x_book_fill(turn, &view, NULL, proposal->reconciliation_id); /* halts */
            return;
        }
        struct sp_record *record =
            sp_decision_add(turn->decision, SP_REC_CORRECTION, &order->intent_ref);
        record->body.correction = *proposal;
        sp_x_book_fill(turn, &view, &at, proposal->reconciliation_id);
        return;
    }
    bool ends = sp_order_is_live(order->state) && proposal->order_state >= SP_ORDER_STATE_CANCELED;
    if (!ends || proposal->order_state > SP_ORDER_STATE_REJECTED) return;
    struct sp_record *record =
        sp_decision_add(turn->decision, SP_REC_CORRECTION, &order->intent_ref);
    record->body.correction = *proposal;
    enum sp_kind kind = proposal->order_state == SP_ORDER_STATE_CANCELED  ? SP_REC_ORDER_CANCELED
                        : proposal->order_state == SP_ORDER_STATE_EXPIRED ? SP_REC_ORDER_EXPIRED
                                                                          : SP_REC_ORDER_REJECTED;
    sp_x_order_event(turn, kind, order, "reconciliation: the venue says so");
}

/* ---- The end of the operation ---- */

void sp_x_stop(struct sp_turn *turn)
{
    struct sp_execution *x = turn->x;
    const struct sp_config *config = x->books.config;

    if (x->stopping) return;
    x->stopping = true;
    for (uint32_t i = 0; i < x->books.link_count; i++) {
        if (config->links[i].on_stop != SP_ON_STOP_FLATTEN) continue;
        if (sp_books_open_trade(&x->books, i) == NULL) continue;
        struct sp_operator_command command = {.command = SP_COMMAND_FLATTEN,
                                              .operator_name = sp_name_of("on_stop"),
                                              .asked = turn->event->wall};
        char scope[SP_NAME_SIZE + 16];
        snprintf(scope, sizeof scope, "strategy.%s", x->books.links[i].id.s);
        if (!sp_name_set(&command.scope, scope)) command.scope = sp_name_of("all");
        sp_text_printf(&command.reason, "the operation stops, on_stop is flatten");
        replace_flatten(turn, &command.scope);
        command.command_id.raw = sp_decision_mint(turn->decision, SP_ID_CMD);
        add_command(turn, &command);
    }
}
