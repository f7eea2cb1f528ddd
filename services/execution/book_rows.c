#include "services/execution/book_rows.h"

#include "common/journal/file.h"
#include "common/planted_bug.h"

#include <string.h>

#define VENUE_ROW "venue." /* no instrument's name ends in a point */

#define NOT_YET UINT32_MAX

/* What is read so far. */
struct loading {
    struct sp_books *books;
    uint32_t intents, orders;
    uint64_t newest_trade_id; /* of an older snapshot: of all instruments */
    bool adapts;              /* saved under another configuration */
    uint32_t links;           /* how many there are to be */
    uint32_t link_rows;
    uint32_t link_at[SP_BOOK_LINKS_MAX];         /* where the link of a row is now, or NOT_YET */
    struct sp_link_book idle[SP_BOOK_LINKS_MAX]; /* until a trade needs it */
    const char *why;
};

/* Of all that the fold takes from the configuration. What was saved under another one is adapted:
 * the rows then give what folding all records under this one gives. */
static uint32_t config_crc(const struct sp_books *books)
{
    const struct sp_world_config *world = books->world;
    uint32_t crc = sp_rows_crc_name(0, &world->id);

    for (uint32_t i = 0; i < books->config->link_count; i++) {
        crc = sp_rows_crc_name(crc, &books->config->links[i].id);
        crc = sp_crc32c(crc, &books->config->links[i].capital.e8, sizeof(int64_t));
    }
    for (uint32_t i = 0; i < world->balance_count; i++) {
        crc = sp_rows_crc_name(crc, &world->balances[i].asset);
        crc = sp_crc32c(crc, &world->balances[i].amount.e8, sizeof(int64_t));
    }
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        crc = sp_rows_crc_name(crc, &world->instruments[i].symbol);
        crc = sp_rows_crc_name(crc, &world->instruments[i].base);
        crc = sp_rows_crc_name(crc, &world->instruments[i].quote);
    }
    return crc;
}

/* ---- Saving ---- */

static void save_state(const struct sp_books *books, struct sp_rows_writer *out)
{
    struct sp_book_state row = {.config_crc = config_crc(books),
                                .version = books->version,
                                .epoch = books->epoch,
                                .fill_total = books->fill_total,
                                .plan_total = books->plan_total,
                                .command_total = books->command_total,
                                .incidents = books->incidents,
                                .breaker = (uint8_t)books->breaker,
                                .breaker_threats = books->breaker_threats,
                                .breaker_reason = books->breaker_reason,
                                .world = books->world->id,
                                .links = books->link_count + books->retired_count};

    SP_ROW_PUT_REF(&row, threat, books->venue_threat_ref);
    sp_rows_add(out, SP_DTO_book_state, &row);
    if (!sp_ref_is_none(&books->venue_threat_ref)) {
        sp_rows_add(out, SP_DTO_threat, &books->venue_threat);
    }
}

static void save_orders(const struct sp_books *books, struct sp_rows_writer *out)
{
    for (uint32_t i = 0; i < books->order_count; i++)
        sp_rows_add(out, SP_DTO_order_intent, &books->orders[i].intent);
    for (uint32_t i = 0; i < books->order_count; i++) {
        const struct sp_order *order = &books->orders[i];
        struct sp_book_order row = {.state = (uint8_t)order->state,
                                    .filled = order->filled,
                                    .venue_order_id = order->venue_order_id,
                                    .replaced = order->replaced,
                                    .reason = order->reason};
        SP_ROW_PUT_REF(&row, intent, order->intent_ref);
        sp_rows_add(out, SP_DTO_book_order, &row);
    }
}

static void save_exit(const struct sp_exit_want *want, uint32_t trade, bool last_sell,
                      struct sp_rows_writer *out)
{
    struct sp_book_exit row = {.trade = trade,
                               .last_sell = last_sell,
                               .cause = want->cause,
                               .threat_ids = want->threat_ids,
                               .scheduled_id = want->scheduled_id,
                               .command_id = want->command_id};

    if (!want->wanted) return;
    SP_ROW_PUT_REF(&row, by, want->by);
    sp_rows_add(out, SP_DTO_book_exit, &row);
}

static void save_trade(const struct sp_trade_book *trade, struct sp_rows_writer *out)
{
    struct sp_book_trade row = {.trade_id = trade->trade_id,
                                .plan_id = trade->plan_id,
                                .link = trade->link,
                                .symbol = trade->symbol,
                                .open_cause = trade->open_cause,
                                .opportunity_ids = trade->opportunity_ids,
                                .stop_px = trade->stop_px,
                                .target_px = trade->target_px,
                                .legs = trade->legs,
                                .opened = trade->opened,
                                .closed = trade->closed,
                                .protected_once = trade->protected_once,
                                .flatten = trade->flatten,
                                .bought_qty = trade->bought_qty,
                                .sold_qty = trade->sold_qty,
                                .dust_e8 = trade->dust.e8,
                                .bought = trade->bought,
                                .sold = trade->sold,
                                .fees = trade->fees,
                                .counted = trade->counted,
                                .fee_qty_e8 = trade->fee_qty.e8,
                                .opened_at = trade->opened_at,
                                .closed_at = trade->closed_at};

    SP_ROW_PUT_REF(&row, opened, trade->opened_ref);
    SP_ROW_PUT_REF(&row, last, trade->last_ref);
    sp_rows_add(out, SP_DTO_book_trade, &row);
}

static void save_trades(const struct sp_books *books, struct sp_rows_writer *out)
{
    for (uint32_t i = 0; i < books->trade_count; i++)
        save_trade(&books->trades[i], out);
    for (uint32_t i = 0; i < books->trade_count; i++) {
        save_exit(&books->trades[i].exit, i, false, out);
        save_exit(&books->trades[i].last_sell, i, true, out);
    }
}

static void save_result(const char *scope, const struct sp_result_book *result,
                        const struct sp_instrument_config *instrument, uint64_t newest_trade_id,
                        struct sp_rows_writer *out)
{
    struct sp_book_result row = {.newest_trade_id = newest_trade_id,
                                 .realised = result->realised,
                                 .peak = result->peak,
                                 .day = result->day,
                                 .realised_today = result->realised_today,
                                 .entries_since = result->entries_since,
                                 .entries = result->entries};

    row.scope = sp_name_of(scope);
    if (instrument != NULL) {
        row.base = instrument->base;
        row.quote = instrument->quote;
    }
    sp_rows_add(out, SP_DTO_book_result, &row);
}

/* Those of the links are in their own rows. An instrument that no longer trades has none. */
static void save_results(const struct sp_books *books, struct sp_rows_writer *out)
{
    save_result(VENUE_ROW, &books->venue, NULL, 0, out);
    for (uint32_t i = 0; i < books->instrument_count; i++)
        save_result(books->instruments[i].symbol.s, &books->instruments[i].result,
                    &books->world->instruments[i], books->instruments[i].newest_trade_id, out);
}

/* What the configuration begins with. */
static sp_amt start_of(const struct sp_books *books, const sp_name *asset)
{
    for (uint32_t i = 0; i < books->world->balance_count; i++) {
        if (sp_name_eq(&books->world->balances[i].asset, asset))
            return books->world->balances[i].amount;
    }
    return (sp_amt){0};
}

static void save_money(const struct sp_books *books, struct sp_rows_writer *out)
{
    for (uint32_t i = 0; i < books->link_count + books->retired_count; i++) {
        const struct sp_link_book *link = &books->links[i];
        struct sp_book_link row = {.id = link->id,
                                   .capital = link->capital,
                                   .cash = link->cash,
                                   .realised_pnl = link->result.realised,
                                   .fees = link->fees,
                                   .peak = {link->capital.e8 + link->result.peak.e8},
                                   .day = link->result.day,
                                   .realised_today = link->result.realised_today,
                                   .entries_since = link->result.entries_since,
                                   .entries = link->result.entries};
        sp_rows_add(out, SP_DTO_book_link, &row);
    }
    for (uint32_t i = 0; i < books->asset_count; i++) {
        struct sp_book_asset row = {books->assets[i].asset, books->assets[i].amount,
                                    start_of(books, &books->assets[i].asset),
                                    books->assets[i].adopted};
        sp_rows_add(out, SP_DTO_book_asset, &row);
    }
    for (uint32_t i = 0; i < books->scope_count; i++) {
        const struct sp_scope_book *scope = &books->scopes[i];
        struct sp_book_scope row = {.scope = scope->scope,
                                    .halted = scope->halted,
                                    .cause = scope->cause,
                                    .reason = scope->reason};
        SP_ROW_PUT_REF(&row, by, scope->by);
        sp_rows_add(out, SP_DTO_book_scope, &row);
    }
}

static void save_flattens(const struct sp_books *books, struct sp_rows_writer *out)
{
    for (uint32_t i = 0; i < books->flatten_count; i++) {
        const struct sp_flatten_book *flatten = &books->flattens[i];
        struct sp_book_flatten row = {.command_id = flatten->command_id,
                                      .scope = flatten->scope,
                                      .step = flatten->step,
                                      .resumed = flatten->resumed,
                                      .blocked = flatten->blocked};
        SP_ROW_PUT_REF(&row, by, flatten->by);
        sp_rows_add(out, SP_DTO_book_flatten, &row);
    }
}

/* Rings go by place: their totals say which place is next. */
void sp_books_save(const struct sp_books *books, struct sp_rows_writer *out)
{
    save_state(books, out);
    save_money(books, out);
    save_results(books, out);
    save_orders(books, out);
    save_trades(books, out);
    save_flattens(books, out);
    for (uint32_t i = 0; i < books->fill_count; i++)
        sp_rows_add(out, SP_DTO_fill, &books->fills[i].fill);
    for (uint32_t i = 0; i < books->plan_count; i++) {
        struct sp_book_plan row = {books->plans[i]};
        sp_rows_add(out, SP_DTO_book_plan, &row);
    }
    for (uint32_t i = 0; i < books->command_count; i++) {
        struct sp_book_command row = {books->commands[i]};
        sp_rows_add(out, SP_DTO_book_command, &row);
    }
}

/* ---- Loading: each takes one row; false if it cannot be ---- */

static bool load_state(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_state *row = &body->book_state;
    struct sp_books *books = loading->books;

    loading->adapts = row->config_crc != config_crc(books);
    loading->links = row->links > 0 ? row->links : books->link_count;
    if (loading->adapts && !sp_name_eq(&row->world, &books->world->id)) {
        loading->why = "the books are of another world";
        return false;
    }
    books->version = row->version;
    books->epoch = row->epoch;
    books->fill_total = row->fill_total;
    books->plan_total = row->plan_total;
    books->command_total = row->command_total;
    loading->newest_trade_id = row->max_venue_trade_id;
    books->incidents = row->incidents;
    books->breaker = (enum sp_breaker)row->breaker;
    books->breaker_threats = row->breaker_threats;
    books->breaker_reason = row->breaker_reason;
    books->venue_threat_ref = SP_ROW_REF(row, threat);
    return true;
}

static bool load_threat(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    if (sp_ref_is_none(&loading->books->venue_threat_ref)) return false;
    loading->books->venue_threat = body->threat;
    return true;
}

static bool load_intent(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    if (loading->intents >= SP_ORDERS_MAX) return false;
    loading->books->orders[loading->intents++].intent = body->order_intent;
    return true;
}

static bool load_order(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_order *row = &body->book_order;

    if (loading->orders >= loading->intents) return false;
    struct sp_order *order = &loading->books->orders[loading->orders++];
    order->intent_ref = SP_ROW_REF(row, intent);
    order->state = (enum sp_order_state)row->state;
    order->filled = row->filled;
    order->venue_order_id = row->venue_order_id;
    order->replaced = row->replaced;
    order->reason = row->reason;
    return true;
}

/* Of a link that did nothing there is no place while it is not configured. */
static uint32_t link_of_row(struct loading *loading, uint32_t row)
{
    if (loading->link_at[row] == NOT_YET) {
        const struct sp_link_book *idle = &loading->idle[row];
        loading->link_at[row] = sp_books_retired_link(loading->books, &idle->id);
    }
    return loading->link_at[row];
}

static bool did_nothing(const struct sp_link_book *link)
{
    return link->cash.e8 == 0 && link->fees.e8 == 0 && link->result.realised.e8 == 0 &&
           link->result.day == 0;
}

/* Cash moves with the capital that the configuration gives; what is not configured has none. */
static bool load_link(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_link *row = &body->book_link;
    struct sp_books *books = loading->books;
    uint32_t at = 0;

    if (loading->link_rows == SP_BOOK_LINKS_MAX) return false;
    struct sp_link_book *configured = sp_books_link(books, &row->id, &at);
    sp_amt capital = configured != NULL ? configured->capital : (sp_amt){0};
    struct sp_link_book link = {.id = row->id,
                                .capital = capital,
                                .cash = {row->cash.e8 - row->capital.e8 + capital.e8},
                                .fees = row->fees,
                                .result = {.realised = row->realised_pnl,
                                           .peak = {row->peak.e8 - row->capital.e8},
                                           .day = row->day,
                                           .realised_today = row->realised_today}};
    loading->idle[loading->link_rows] = link;
    if (configured != NULL) {
        link.result.entries_since = row->entries_since;
        link.result.entries = row->entries;
    } else if (did_nothing(&link)) {
        loading->link_at[loading->link_rows++] = NOT_YET;
        return true;
    } else {
        at = sp_books_retired_link(books, &row->id);
    }
    books->links[at] = link;
    loading->link_at[loading->link_rows++] = at;
    return true;
}

static bool load_trade(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_trade *row = &body->book_trade;
    struct sp_books *books = loading->books;

    if (books->trade_count >= SP_TRADES_MAX || row->link >= loading->link_rows) return false;
    if (!row->closed && sp_world_instrument(books->world, row->symbol.s) == NULL) {
        loading->why = "a trade is open in an instrument that is not configured any more";
        return false;
    }
    uint32_t link = link_of_row(loading, row->link);
    books->trades[books->trade_count++] =
        (struct sp_trade_book){.trade_id = row->trade_id,
                               .plan_id = row->plan_id,
                               .link = link,
                               .symbol = row->symbol,
                               .open_cause = row->open_cause,
                               .opportunity_ids = row->opportunity_ids,
                               .stop_px = row->stop_px,
                               .target_px = row->target_px,
                               .legs = SP_BUG(legs_not_kept) ? 1 : row->legs,
                               .opened = row->opened,
                               .closed = row->closed,
                               .protected_once = row->protected_once,
                               .flatten = row->flatten,
                               .bought_qty = row->bought_qty,
                               .sold_qty = row->sold_qty,
                               .dust = {row->dust_e8},
                               .bought = row->bought,
                               .sold = row->sold,
                               .fees = row->fees,
                               .counted = row->counted,
                               .fee_qty = {row->fee_qty_e8},
                               .opened_at = row->opened_at,
                               .closed_at = row->closed_at,
                               .opened_ref = SP_ROW_REF(row, opened),
                               .last_ref = SP_ROW_REF(row, last)};
    return true;
}

static bool load_exit(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_exit *row = &body->book_exit;

    if (row->trade >= loading->books->trade_count) return false;
    struct sp_trade_book *trade = &loading->books->trades[row->trade];
    struct sp_exit_want *want = row->last_sell ? &trade->last_sell : &trade->exit;
    if (want->wanted) return false;
    *want = (struct sp_exit_want){.wanted = true,
                                  .cause = row->cause,
                                  .threat_ids = row->threat_ids,
                                  .scheduled_id = row->scheduled_id,
                                  .command_id = row->command_id,
                                  .by = SP_ROW_REF(row, by)};
    return true;
}

static bool load_fill(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    struct sp_books *books = loading->books;

    if (books->fill_count >= SP_FILLS_MAX) return false;
    books->fills[books->fill_count++].fill = body->fill;
    return true;
}

static bool load_plan(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    struct sp_books *books = loading->books;

    if (books->plan_count >= SP_PLANS_MAX) return false;
    books->plans[books->plan_count++] = body->book_plan.plan_id;
    return true;
}

static bool load_command(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    struct sp_books *books = loading->books;

    if (books->command_count >= SP_COMMANDS_MAX) return false;
    books->commands[books->command_count++] = body->book_command.command_id;
    return true;
}

/* An amount moves with what the configuration begins with. */
static bool load_asset(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_asset *row = &body->book_asset;
    struct sp_books *books = loading->books;
    bool shifts = loading->adapts && !row->adopted;
    int64_t shift = shifts ? start_of(books, &row->asset).e8 - row->start.e8 : 0;
    uint32_t at = 0;

    while (at < books->asset_count && !sp_name_eq(&books->assets[at].asset, &row->asset))
        at++;
    if (at == SP_ASSETS_MAX) return false;
    sp_amt amount = {row->amount.e8 + shift};
    if (at == books->asset_count) {
        /* It was configured, and never moved. */
        if (shifts && row->start.e8 != 0 && amount.e8 == 0) return true;
        books->asset_count++;
    }
    books->assets[at] = (struct sp_asset_book){row->asset, amount, row->adopted};
    return true;
}

static bool load_scope(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_scope *row = &body->book_scope;
    bool halted = row->halted && !SP_BUG(halt_not_kept);
    struct sp_books *books = loading->books;

    if (books->scope_count >= SP_SCOPES_MAX) return false;
    books->scopes[books->scope_count++] = (struct sp_scope_book){.scope = row->scope,
                                                                 .halted = halted,
                                                                 .cause = row->cause,
                                                                 .reason = row->reason,
                                                                 .by = SP_ROW_REF(row, by)};
    return true;
}

static bool load_flatten(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_flatten *row = &body->book_flatten;
    struct sp_books *books = loading->books;

    if (books->flatten_count >= SP_FLATTENS_MAX) return false;
    books->flattens[books->flatten_count++] =
        (struct sp_flatten_book){.command_id = row->command_id,
                                 .scope = row->scope,
                                 .step = row->step,
                                 .resumed = row->resumed,
                                 .blocked = row->blocked,
                                 .by = SP_ROW_REF(row, by)};
    return true;
}

static bool load_result(void *ctx, const union sp_body *body)
{
    struct loading *loading = ctx;
    const struct sp_book_result *row = &body->book_result;
    struct sp_books *books = loading->books;
    struct sp_result_book *result = sp_name_is(&row->scope, VENUE_ROW) ? &books->venue : NULL;

    for (uint32_t i = 0; i < books->instrument_count; i++) {
        const struct sp_instrument_config *now = &books->world->instruments[i];
        if (!sp_name_eq(&books->instruments[i].symbol, &row->scope)) continue;
        result = &books->instruments[i].result;
        /* Older snapshots hold one number, of a venue that counts all instruments together. */
        books->instruments[i].newest_trade_id =
            row->newest_trade_id > 0 ? row->newest_trade_id : loading->newest_trade_id;
        if (!loading->adapts) continue;
        if (sp_name_eq(&row->base, &now->base) && sp_name_eq(&row->quote, &now->quote)) continue;
        loading->why = "an instrument has another base or quote";
        return false;
    }
    if (result == NULL) return loading->adapts; /* of an instrument that is not configured */
    *result = (struct sp_result_book){.realised = row->realised,
                                      .peak = row->peak,
                                      .day = row->day,
                                      .realised_today = row->realised_today,
                                      .entries_since = row->entries_since,
                                      .entries = row->entries};
    return true;
}

/* Every ring is as full as its total says, and no list has lost a row. */
static bool is_whole(const struct loading *loading)
{
    const struct sp_books *books = loading->books;

    return loading->orders == loading->intents && loading->link_rows == loading->links &&
           books->fill_count ==
               (books->fill_total < SP_FILLS_MAX ? books->fill_total : SP_FILLS_MAX) &&
           books->plan_count ==
               (books->plan_total < SP_PLANS_MAX ? books->plan_total : SP_PLANS_MAX) &&
           books->command_count ==
               (books->command_total < SP_COMMANDS_MAX ? books->command_total : SP_COMMANDS_MAX);
}

sp_status sp_books_load(struct sp_books *books, struct sp_rows_reader *in, struct sp_err *err)
{
    static const struct sp_row_taker takers[] = {{SP_DTO_book_state, load_state},
                                                 {SP_DTO_threat, load_threat},
                                                 {SP_DTO_order_intent, load_intent},
                                                 {SP_DTO_book_order, load_order},
                                                 {SP_DTO_book_trade, load_trade},
                                                 {SP_DTO_book_exit, load_exit},
                                                 {SP_DTO_fill, load_fill},
                                                 {SP_DTO_book_plan, load_plan},
                                                 {SP_DTO_book_command, load_command},
                                                 {SP_DTO_book_link, load_link},
                                                 {SP_DTO_book_asset, load_asset},
                                                 {SP_DTO_book_scope, load_scope},
                                                 {SP_DTO_book_flatten, load_flatten},
                                                 {SP_DTO_book_result, load_result}};
    struct loading loading = {.books = books};
    sp_status status = sp_rows_take(in, takers, sizeof takers / sizeof takers[0], &loading, err);

    if (loading.why != NULL) return SP_FAIL(err, SP_INVALID, "snapshot: %s", loading.why);
    if (status != SP_OK) return status;
    books->order_count = loading.orders;
    sp_books_find_live(books);
    if (!is_whole(&loading)) return SP_FAIL(err, SP_INVALID, "snapshot: rows are missing");
    return SP_OK;
}
