/* Plays a source into the streams: silently up to where the market stands, then everything that is
 * due, a bounded share per turn of the loop. Never blocks. One thread: the loop's.
 *
 *   RUN_UP  reading without publishing: books and bars become what they would be
 *   LIVE    every event is published when the market clock reaches it, or (speed 0) as soon as
 *           each consumer of its stream is at most SP_MD_WINDOW records behind
 *   OVER    the source has no more
 *
 * A live source is never behind: it is in LIVE from the start, and what it sends is published as it
 * comes, whether or not somebody keeps up.
 *
 * In lock-step an event is published when everybody is done with the one before.
 *
 * A stream begins with STREAM_STARTED in each epoch: a paced consumer that has it is there, and
 * nothing else is published at speed 0 before all are. A bar has the time of its end and comes
 * before the event that closed it, so times never run back. When a run-up ends, the book as it
 * stands is published first.
 */
#ifndef SP_MARKETDATA_PLAY_H
#define SP_MARKETDATA_PLAY_H

#include "common/shell.h"
#include "services/marketdata/conductor.h"
#include "services/marketdata/marketdata_core.h"
#include "services/marketdata/record_thread.h"

#define SP_MD_RING         65536
#define SP_MD_WINDOW       4096
#define SP_MD_POSITION_MAX 1000 /* events between two FEED_POSITION, at speed 0 */

enum sp_md_mode { SP_MD_RUN_UP, SP_MD_LIVE, SP_MD_PLAYED };

/* One stream. */
struct sp_md_out {
    sp_name stream;
    uint32_t consumer_count;
    sp_name consumers[SP_LINKS_MAX + 2];
    uint64_t last_seq;
    uint64_t room; /* speed 0: records that may be published in this turn */
    struct sp_metric *trades, *quotes, *deltas, *snapshots, *bars;
};

struct sp_md_play {
    struct sp_service *service;
    struct sp_shell *shell;
    struct sp_marketdata *core;
    struct sp_record_thread *recording; /* NULL: off */
    struct sp_conductor *conductor;     /* NULL: not in lock-step */
    bool stepped;                       /* in lock-step: the first turns were given */
    struct sp_source source;
    bool can_seek; /* cheaper than reading: the generator */
    bool live;     /* the source has events when it says so: they are due at once */
    enum sp_md_mode mode;
    bool waiting;    /* speed 0: for consumers */
    bool opened;     /* the streams have begun */
    bool whole_turn; /* between two parts of a book event */
    bool has_pending;
    bool dry; /* a live source has nothing more for now */
    struct sp_market_event pending;
    sp_wall first;  /* market time of the source's first event */
    sp_wall sought; /* how far a run-up has sought */
    sp_wall target; /* speed 0: where a run-up ends */
    sp_wall market; /* market clock; 0: not known yet */
    sp_wall last;   /* time of the last event read */
    sp_mono clock_mono;
    sp_wall clock_market;
    uint64_t published, unnoted; /* events; of those, since the last position */
    sp_mono noted;
    uint64_t early_errors; /* before the run began */
    struct sp_feed early_error;
    struct sp_md_step step;
    struct sp_record record;  /* being published */
    struct sp_record message; /* to the core */
    uint64_t messages_noted;  /* as a recording of inputs knows it */
    struct sp_md_out outs[SP_MD_SYMBOLS_MAX];
};

/* Adds the ring streams. The source, service, shell and core are set. */
SP_NODISCARD sp_status sp_md_play_add_streams(struct sp_md_play *play, struct sp_err *err);
/* Reads to the first event, plans, tells the core, sets the clock. An empty source has ended. */
SP_NODISCARD sp_status sp_md_play_start(struct sp_md_play *play, struct sp_err *err);
/* Gives the core a message; of *message only the body is the caller's. */
void sp_md_play_tell(struct sp_md_play *play, enum sp_md_input input, struct sp_record *message);
/* Instead of that for a live source: nothing was read yet, and the streams begin with the first
 * event. The market's clock is ours until then, and that of the newest event afterwards. */
void sp_md_play_start_live(struct sp_md_play *play);
/* One turn; of a live source also whenever it has something. True if more is due at once. */
bool sp_md_play_turn(struct sp_md_play *play);
/* After a turn with nothing more: how long until the next has something to do, unless a message
 * comes first. 1 ms to 25 ms. */
sp_dur sp_md_play_rest(const struct sp_md_play *play);
/* After the core was told of a resume: what was missed is missed, as after a real outage. */
void sp_md_play_resumed(struct sp_md_play *play);
/* Speed 0: notes the position if it has moved for a second. */
void sp_md_play_note(struct sp_md_play *play);
/* How far the stream is behind the market clock, market time. */
sp_dur sp_md_play_lag(const struct sp_md_play *play);

#endif
