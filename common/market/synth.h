/* One generated instrument: a believable two-sided market, made in slots of 100 ms.
 *
 * The price is a random walk with regimes: quiet flats that pull back to their middle, trends up
 * and down of one to three minutes, and bursts of high volatility. Around it stands a book of some
 * twenty levels a side that is never crossed. A slot moves the touch (one quote), lets takers trade
 * at it (a trade and a quote each), and ends with one change of the book.
 *
 * Integer arithmetic and a generator of its own (xoshiro256**): the same seed gives the same market
 * on every machine. No clock; nothing is allocated after init. Owned by one thread.
 */
#ifndef SP_MARKET_SYNTH_H
#define SP_MARKET_SYNTH_H

#include "common/market/book.h"
#include "common/market/instrument.h"
#include "proto/record.h"

#define SP_SYNTH_SLOT_NS   INT64_C(100000000)
#define SP_SYNTH_ITEMS_MAX 16

enum sp_synth_trend { SP_SYNTH_FLAT, SP_SYNTH_UP, SP_SYNTH_DOWN };

/* A trade or a quote within a slot. */
struct sp_synth_item {
    enum sp_kind kind;
    int64_t offset_ns; /* from the start of the slot; rising */
    struct sp_trade trade;
    struct sp_quote quote;
};

struct sp_synth_slot {
    uint32_t count;
    struct sp_synth_item at[SP_SYNTH_ITEMS_MAX];
    struct sp_book_delta delta; /* at the end of the slot */
};

struct sp_synth {
    struct sp_instrument instrument;
    uint64_t random[4];
    struct sp_book book;
    uint64_t update_id;
    uint64_t trade_id;
    int64_t fair;   /* 1/1024 of a tick */
    int64_t anchor; /* where the walk is drawn to in the long run */
    int64_t middle; /* of the present flat */
    enum sp_synth_trend trend;
    uint32_t trend_slots; /* left */
    int64_t drift;        /* 1/1000 bps a second */
    int64_t sigma;        /* 1/1000 bps a root second */
    bool burst;
    uint32_t burst_slots; /* left of the burst or of the calm before the next */
    int64_t burst_sigma;
    bool last_up;
    struct sp_book_delta *delta; /* being gathered; within the slot being made */
};

/* A market of `instrument` that begins at `px`, which must be
 * at least 100,000 ticks. SP_INVALID without tick or step, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_synth_init(struct sp_synth *synth, const struct sp_instrument *instrument,
                                     sp_px px, uint64_t seed, struct sp_err *err);
void sp_synth_fini(struct sp_synth *synth);
/* Makes the next slot. */
void sp_synth_slot(struct sp_synth *synth, struct sp_synth_slot *out);
/* The book as it stands between slots. */
void sp_synth_snapshot(const struct sp_synth *synth, struct sp_book_snapshot *out);

#endif
