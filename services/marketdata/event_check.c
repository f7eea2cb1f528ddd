#include "services/marketdata/event_check.h"

#include "proto/decimal.h"

static bool check_number(const char *what, int64_t e8, int64_t least, sp_text *why)
{
    char buf[SP_E8_TEXT_SIZE];

    if (e8 >= least) return true;
    sp_text_printf(why, "%s of %s", what, sp_e8_format(e8, buf));
    return false;
}

static bool check_quote(const struct sp_quote *quote, sp_text *why)
{
    char bid[SP_E8_TEXT_SIZE], ask[SP_E8_TEXT_SIZE];

    if (!check_number("bid", quote->bid_px.e8, 1, why)) return false;
    if (!check_number("ask", quote->ask_px.e8, 1, why)) return false;
    if (quote->bid_px.e8 < quote->ask_px.e8) return true;
    sp_text_printf(why, "crossed: bid %s, ask %s", sp_e8_format(quote->bid_px.e8, bid),
                   sp_e8_format(quote->ask_px.e8, ask));
    return false;
}

static bool check_levels(const struct sp_levels *levels, sp_text *why)
{
    for (uint32_t i = 0; i < levels->count; i++) {
        if (!check_number("level at a price", levels->at[i].px.e8, 1, why)) return false;
        if (!check_number("level with a quantity", levels->at[i].qty.e8, 0, why)) return false;
    }
    return true;
}

static bool check_body(const struct sp_market_event *event, sp_text *why)
{
    const union sp_body *body = &event->body;

    if (event->kind == SP_REC_TRADE)
        return check_number("trade at a price", body->trade.px.e8, 1, why) &&
               check_number("trade with a quantity", body->trade.qty.e8, 1, why);
    if (event->kind == SP_REC_QUOTE) return check_quote(&body->quote, why);
    if (event->kind == SP_REC_BOOK_DELTA)
        return check_levels(&body->book_delta.bids, why) &&
               check_levels(&body->book_delta.asks, why);
    return check_levels(&body->book_snapshot.bids, why) &&
           check_levels(&body->book_snapshot.asks, why);
}

bool sp_md_is_possible(const struct sp_market_event *event, sp_wall last, sp_text *why)
{
    char behind[SP_E8_TEXT_SIZE];

    if (event->time.ns >= last.ns) return check_body(event, why);
    sp_text_printf(why, "%s of the past: %s s behind the event before", sp_kind_name(event->kind),
                   sp_e8_format((last.ns - event->time.ns) / 10, behind));
    return false;
}
