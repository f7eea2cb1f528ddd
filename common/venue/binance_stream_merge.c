#include "common/venue/binance_stream_merge.h"

#include <string.h>

void sp_stream_merge_up(struct sp_stream_merge *merge, uint32_t connection)
{
    SP_ASSERT(connection < SP_STREAM_CONNECTIONS_MAX);
    bool alone = true;
    for (uint32_t i = 0; i < SP_STREAM_CONNECTIONS_MAX; i++) {
        if (i != connection && merge->up[i]) alone = false;
    }
    if (alone) memset(merge, 0, sizeof *merge);
    for (uint32_t i = 0; i < SP_STREAM_SYMBOLS_MAX; i++) {
        merge->lanes[i].seen[connection] = (struct sp_stream_numbers){0};
    }
    merge->up[connection] = true;
}

void sp_stream_merge_down(struct sp_stream_merge *merge, uint32_t connection)
{
    SP_ASSERT(connection < SP_STREAM_CONNECTIONS_MAX);
    merge->up[connection] = false;
}

/* `first` to `last`; 0 is no number, so there is nothing to compare. `joined`: without a hole. */
static enum sp_stream_verdict judge(uint64_t passed, uint64_t first, uint64_t last, bool joined)
{
    if (last == 0 || passed == 0) return SP_STREAM_PASS;
    if (last <= passed) return SP_STREAM_REPEATED;
    return joined && first > passed + 1 ? SP_STREAM_AHEAD : SP_STREAM_PASS;
}

static void raise_to(uint64_t *number, uint64_t to)
{
    if (to > *number) *number = to;
}

enum sp_stream_verdict sp_stream_merge_take(struct sp_stream_merge *merge, uint32_t connection,
                                            uint32_t symbol, const struct sp_feed_message *message)
{
    SP_ASSERT(connection < SP_STREAM_CONNECTIONS_MAX && merge->up[connection]);
    SP_ASSERT(symbol < SP_STREAM_SYMBOLS_MAX);
    struct sp_stream_lane *lane = &merge->lanes[symbol];
    struct sp_stream_numbers *seen = &lane->seen[connection];
    uint64_t *passed = &lane->passed.quote, *mine = &seen->quote;
    uint64_t last = message->quote.update_id, first = 0;
    bool joined = merge->up[0] && merge->up[1];

    if (message->type == SP_FEED_TRADE) {
        passed = &lane->passed.trade;
        mine = &seen->trade;
        first = last = message->trade.trade_id;
    } else if (message->type == SP_FEED_DELTA) {
        passed = &lane->passed.update;
        mine = &seen->update;
        first = message->first_update_id;
        last = message->last_update_id;
    }
    raise_to(mine, last);
    enum sp_stream_verdict verdict = judge(*passed, first, last, joined);
    if (verdict == SP_STREAM_PASS) raise_to(passed, last);
    return verdict;
}

bool sp_stream_merge_is_replaced(const struct sp_stream_merge *merge, uint32_t by)
{
    if (!merge->up[by]) return false;
    for (uint32_t i = 0; i < SP_STREAM_SYMBOLS_MAX; i++) {
        const struct sp_stream_lane *lane = &merge->lanes[i];
        const struct sp_stream_numbers *seen = &lane->seen[by];
        bool is_ahead = seen->trade > lane->passed.trade || seen->quote > lane->passed.quote ||
                        seen->update > lane->passed.update;
        if (is_ahead) return false;
    }
    return true;
}
