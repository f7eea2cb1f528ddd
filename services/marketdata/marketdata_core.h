/* The core of spoor-marketdata: which market is played and where it stands, outages, books, bars.
 *
 * The run (what is played, the anchor of its clock, how far it came) and the open outage change
 * only in apply, so the journal gives them back after a kill:
 *   FEED_STARTED   once a process: anchor and speed; the market clock is
 *                  anchor_market + (now - anchor_wall) * speed. A speed of 0 has no clock: the
 *                  market goes as fast as its consumers, and continues from the last position.
 *   FEED_POSITION  how far a market without a clock has come (its time is the position)
 *   FEED_PAUSED, FEED_RESUMED   a drill: nothing is read in between, as in a real outage
 *   FEED_ENDED     the source has no more, or (`stopped`) an orderly stop ended the run: the next
 *                  start begins anew. A generated market outlives an orderly stop.
 *   FEED_ERROR, DATA_GAP        at most one a second each once ten were written
 *   THREAT_DETECTED, _ENDED     CONNECTION_LOST by feed_monitor: one pair per outage
 *
 * Books and bars are derived from the source's events. Pure; owned by one thread.
 */
#ifndef SP_MARKETDATA_CORE_H
#define SP_MARKETDATA_CORE_H

#include "common/decider.h"
#include "common/market/bars.h"
#include "common/market/book_sync.h"
#include "common/market/source.h"

#define SP_MD_SYMBOLS_MAX   8
#define SP_MD_INTERVALS     2 /* 1 s and 1 m */
#define SP_MD_LEVELS_MAX    8192
#define SP_MD_RUN_UP_MAX_NS (INT64_C(366) * 86400 * 1000000000)

/* Inputs by message; what they carry is in the record's body. */
enum sp_md_input {
    SP_MD_START,    /* nothing; sp_marketdata_plan was called before */
    SP_MD_ENDED,    /* feed.reason */
    SP_MD_STOP,     /* nothing */
    SP_MD_ERROR,    /* feed: symbol, reason */
    SP_MD_GAP,      /* data_gap */
    SP_MD_FLOWS,    /* nothing: data came while an outage was open */
    SP_MD_PAUSE,    /* feed.reason */
    SP_MD_RESUME,   /* feed.reason */
    SP_MD_POSITION, /* nothing */
    SP_MD_INPUT_COUNT
};

struct sp_md_options {
    sp_name feed;   /* "generator", "recording", "binance" */
    sp_text source; /* what is played: the same text is the same market */
    bool outlives;  /* the market goes on while the operation is stopped */
    sp_ratio speed; /* 0: as fast as the consumers */
    sp_dur silence; /* real time */
    uint32_t symbol_count;
    sp_name symbols[SP_MD_SYMBOLS_MAX];
    sp_name streams[SP_MD_SYMBOLS_MAX];
};

enum sp_md_run_state { SP_MD_NONE, SP_MD_RUNNING, SP_MD_OVER };

/* Authoritative. */
struct sp_md_run {
    enum sp_md_run_state state;
    sp_text source;
    sp_wall anchor_wall, anchor_market;
    sp_ratio speed;
    sp_wall position; /* latest market time of a fact of this run */
    bool paused;
};

/* What a start does: decided from the run so far. */
struct sp_md_plan {
    bool anew;
    bool over; /* the run had ended: play it silently to its end, for its last book */
    sp_wall anchor_wall, anchor_market;
    sp_wall market; /* where the market stands at the start */
    sp_text why;
};

/* At most ten facts at once, then one a second. */
struct sp_md_limit {
    uint32_t burst;
    sp_mono last;
    uint64_t held_back;
};

struct sp_md_lane {
    struct sp_book_sync sync;
    struct sp_bars bars;
    uint64_t last_trade_id; /* 0: none yet */
    bool book_was_right;
};

struct sp_marketdata {
    struct sp_md_options options;
    struct sp_md_run run;
    bool outage_open;
    struct sp_threat outage;
    struct sp_ref outage_ref;
    /* Derived. */
    struct sp_md_plan plan;
    bool expecting; /* data should be coming */
    sp_mono watched;
    sp_dur silent;
    struct sp_md_limit errors, gaps;
    uint64_t error_count, gap_count, messages;
    struct sp_md_lane lanes[SP_MD_SYMBOLS_MAX];
};

/* SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_marketdata_init(struct sp_marketdata *md,
                                          const struct sp_md_options *options, struct sp_err *err);
void sp_marketdata_fini(struct sp_marketdata *md);
extern const struct sp_core sp_marketdata_core;

/* Market time elapsed in a real time; saturates. */
sp_dur sp_md_scale(sp_dur real, sp_ratio speed);
/* Decides what a start at `wall` does, given the source's first market time; also kept in md. */
const struct sp_md_plan *sp_marketdata_plan(struct sp_marketdata *md, sp_wall wall, sp_wall first);

/* What one event of the source leads to. */
struct sp_md_step {
    uint32_t bar_count; /* bars that the event's time closed: they come before it, in this order */
    struct sp_md_bar {
        uint32_t symbol;
        struct sp_bar bar;
    } bars[SP_MD_SYMBOLS_MAX * SP_MD_INTERVALS];
    bool in_parts; /* the book is between two parts: read on before anything else is done */
    bool has_gap;
    struct sp_data_gap gap;
};
/* Takes one TRADE, QUOTE, BOOK_DELTA or BOOK_SNAPSHOT into books and bars; a DATA_GAP of the source
 * takes the book of its symbol away until the next snapshot. */
void sp_marketdata_step(struct sp_marketdata *md, const struct sp_market_event *event,
                        struct sp_md_step *step);
/* Forgets books and bars: the source was sought. */
void sp_marketdata_reset_lanes(struct sp_marketdata *md);
/* One part of the book of a symbol as it is; false: no such part, or the book is not right. */
SP_NODISCARD bool sp_marketdata_snapshot(const struct sp_marketdata *md, uint32_t symbol,
                                         uint32_t part, struct sp_book_snapshot *out);

/* Data came. True if an outage is open: send SP_MD_FLOWS. */
SP_NODISCARD bool sp_marketdata_flowed(struct sp_marketdata *md);
/* Whether silence counts from now on. */
void sp_marketdata_expect(struct sp_marketdata *md, bool expecting);

/* Those of the above that facts depend on, as a recording of inputs has them: event->id says which.
 * Books and bars are not among them: they follow from the source. */
enum sp_md_note {
    SP_MD_NOTE_PLAN = 1,   /* sp_marketdata_plan of event->wall and event->market */
    SP_MD_NOTE_MESSAGES,   /* so many were read by now: feed.messages of the record */
    SP_MD_NOTE_FLOWED,     /* sp_marketdata_flowed */
    SP_MD_NOTE_EXPECT,     /* sp_marketdata_expect: true */
    SP_MD_NOTE_EXPECT_NONE /* ... false */
};
void sp_marketdata_note(struct sp_marketdata *md, const struct sp_event *event);

#endif
