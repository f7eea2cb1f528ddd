#include "services/execution/results.h"

#include "services/execution/books.h"

#define NS_PER_DAY (INT64_C(86400) * 1000000000)

int64_t sp_results_day(const struct sp_books *books, sp_wall market_time)
{
    return (market_time.ns + books->config->risk.day_zone.ns) / NS_PER_DAY;
}

static bool is_within(const struct sp_result_book *result, const struct sp_risk_config *risk,
                      sp_wall market_time)
{
    int64_t since = market_time.ns - result->entries_since.ns;

    return since >= 0 && since < risk->entries_window.ns;
}

uint64_t sp_results_entries(const struct sp_result_book *result, const struct sp_risk_config *risk,
                            sp_wall market_time)
{
    return is_within(result, risk, market_time) ? result->entries : 0;
}

sp_amt sp_results_today(const struct sp_books *books, const struct sp_result_book *result,
                        sp_wall market_time)
{
    bool same_day = sp_results_day(books, market_time) == result->day;

    return same_day ? result->realised_today : (sp_amt){0};
}

static struct sp_instrument_book *instrument_of(struct sp_books *books, const sp_name *symbol)
{
    for (uint32_t i = 0; i < books->instrument_count; i++) {
        if (sp_name_eq(&books->instruments[i].symbol, symbol)) return &books->instruments[i];
    }
    return NULL;
}

static void add_gain(struct sp_result_book *result, sp_amt gain, int64_t day)
{
    if (day != result->day) {
        result->day = day;
        result->realised_today = (sp_amt){0};
    }
    bool fits = sp_amt_add(result->realised, gain, &result->realised) &&
                sp_amt_add(result->realised_today, gain, &result->realised_today);
    SP_ASSERT(fits); /* amounts were checked against the table's range when they were decoded */
    if (result->realised.e8 > result->peak.e8) result->peak = result->realised;
}

void sp_results_gain(struct sp_books *books, const struct sp_trade_book *trade, sp_amt gain,
                     sp_wall market_time)
{
    struct sp_instrument_book *instrument = instrument_of(books, &trade->symbol);
    int64_t day = sp_results_day(books, market_time);

    add_gain(&books->links[trade->link].result, gain, day);
    add_gain(&books->venue, gain, day);
    if (instrument != NULL) add_gain(&instrument->result, gain, day);
}

static void add_entry(struct sp_result_book *result, const struct sp_risk_config *risk,
                      sp_wall market_time)
{
    if (!is_within(result, risk, market_time)) {
        result->entries_since = market_time;
        result->entries = 0;
    }
    result->entries++;
}

void sp_results_entry(struct sp_books *books, const struct sp_order_intent *intent,
                      sp_wall market_time)
{
    const struct sp_instrument_config *config = sp_world_instrument(books->world, intent->symbol.s);
    struct sp_instrument_book *instrument = instrument_of(books, &intent->symbol);
    uint32_t link = 0;

    if (intent->role != SP_LEG_ROLE_ENTRY) return;
    add_entry(&books->venue, &books->config->risk, market_time);
    if (instrument != NULL && config != NULL)
        add_entry(&instrument->result, &config->risk, market_time);
    if (sp_books_link(books, &intent->strategy_link_id, &link) != NULL)
        add_entry(&books->links[link].result, &books->config->links[link].risk, market_time);
}

void sp_results_resumed(struct sp_books *books, const sp_name *scope)
{
    books->venue.entries = 0;
    for (uint32_t i = 0; i < books->instrument_count; i++)
        books->instruments[i].result.entries = 0;
    for (uint32_t i = 0; i < books->link_count; i++) {
        if (sp_books_scope_covers(scope, &books->links[i].id)) books->links[i].result.entries = 0;
    }
}

uint32_t sp_books_retired_link(struct sp_books *books, const sp_name *id)
{
    uint32_t end = books->link_count + books->retired_count;

    for (uint32_t i = books->link_count; i < end; i++) {
        if (sp_name_eq(&books->links[i].id, id)) return i;
    }
    if (end == SP_BOOK_LINKS_MAX) return end - 1;
    books->links[end] = (struct sp_link_book){.id = *id};
    books->retired_count++;
    return end;
}
