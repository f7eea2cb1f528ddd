/* Any bytes as one payload of the venue's streams: a status, no allocation, and counts, order and
 * signs that the books may rely on. */
#include "fuzz.h"

#include "common/market/binance_feed.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sp_feed_message message;
    struct sp_err err = {0};

    fuzz_memory_begin();
    sp_status status = sp_feed_parse((const char *)data, size, &message, &err);
    fuzz_memory_end(0, 0);
    if (status != SP_OK) {
        FUZZ_CHECK(err.status == status && err.text[0] != '\0');
        return 0;
    }
    switch (message.type) {
    case SP_FEED_TRADE: FUZZ_CHECK(message.trade.px.e8 > 0 && message.trade.qty.e8 > 0); break;
    case SP_FEED_QUOTE:
        FUZZ_CHECK(message.quote.bid_px.e8 >= 0 && message.quote.ask_px.e8 >= 0);
        break;
    case SP_FEED_SHUTDOWN: break;
    case SP_FEED_DELTA:
    case SP_FEED_SNAPSHOT:
        FUZZ_CHECK(message.bids.count <= SP_FEED_LEVELS_MAX);
        FUZZ_CHECK(message.asks.count <= SP_FEED_LEVELS_MAX);
        for (uint32_t i = 0; i < message.bids.count; i++)
            FUZZ_CHECK(message.bids.at[i].px.e8 > 0 && message.bids.at[i].qty.e8 >= 0);
        for (uint32_t i = 0; i < message.asks.count; i++)
            FUZZ_CHECK(message.asks.at[i].px.e8 > 0 && message.asks.at[i].qty.e8 >= 0);
        break;
    }
    return 0;
}
