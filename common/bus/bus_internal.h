/* What the files of the bus share; nobody else includes it.
 *
 *   bus.c            opening, control socket, heartbeats, pump
 *   bus_publish.c    our streams: facts and rings, what leaves together, pacing
 *   bus_serve.c      answering replay requests
 *   bus_files.c      where a consumer continues in a journal
 *   bus_source.c     our connection to one publisher: sockets, liveness, dispatch
 *   bus_subscribe.c  a subscription: live order, gaps, what is held meanwhile
 *   bus_catchup.c    its replay: files, control socket, snapshots
 *   bus_client.c     asking another service
 *   bus_metrics.c    counters and lags as text
 *
 * Every queue and table has a bound. The pump is an eventfd in the loop: whoever has more work than
 * one turn allows wakes it and is called again in the next round.
 */
#ifndef SP_COMMON_BUS_INTERNAL_H
#define SP_COMMON_BUS_INTERNAL_H

#include "common/bus/bus.h"
#include "common/clock.h"
#include "proto/wire.h"

#define BUS_STREAMS_MAX   128
#define BUS_SOURCES_MAX   32
#define BUS_SUBS_MAX      256
#define BUS_SESSIONS_MAX  32
#define BUS_CONSUMERS_MAX 256
#define BUS_SNAPSHOT_MAX  64

#define BUS_TURN_RECORDS 256 /* taken from one socket, or delivered, per turn: whole frames */
#define BUS_CREDIT       256 /* records per replay request */
#define BUS_CREDIT_MAX   4096
#define BUS_HOLD_BYTES   ((size_t)1 << 20)
#define BUS_DIR_SIZE     512

#define BUS_BEAT_NS      (100 * SP_NS_PER_MS)
#define BUS_BEATS_FULL   10 /* every tenth names all streams */
#define BUS_TICK_NS      (50 * SP_NS_PER_MS)
#define BUS_PACE_NS      (10 * SP_NS_PER_MS)
#define BUS_POLL_NS      (500 * SP_NS_PER_MS) /* silence after which files are polled */
#define BUS_SILENT_NS    (2 * SP_NS_PER_S)    /* silence after which sockets are made anew */
#define BUS_RETRY_NS     (250 * SP_NS_PER_MS)
#define BUS_RETRY_NS_MAX (2 * SP_NS_PER_S)

/* Records of a volatile stream as they travel, oldest first, in one arena. Empty if first_seq >
 * last_seq. */
struct bus_ring {
    uint32_t capacity;
    uint64_t first_seq, last_seq;
    struct bus_slot {
        uint32_t at, len;
    } * slots;          /* of sequence s: s & slot_mask */
    uint64_t slot_mask; /* a power of two, at least the capacity, less one */
    uint8_t *arena;
    size_t arena_len;
    size_t at; /* where the next record goes */
};

/* Records that were published and not sent yet; they lie one behind the other. */
struct bus_batch {
    const uint8_t *at; /* in the ring's arena, or in `own` */
    size_t len_bytes;
    uint32_t count;
    uint8_t *own; /* facts: SP_WIRE_FRAME_MAX bytes */
};

/* A stream of ours. */
struct bus_out {
    sp_name stream;
    struct sp_journal *journal; /* NULL: a ring */
    struct bus_ring ring;
    struct bus_batch batch;
    bool unsent;                /* in bus->unsent */
    uint8_t head[SP_NAME_SIZE]; /* how its frames begin */
    size_t head_len_bytes;
    sp_bus_snapshot_fn *snapshot;
    void *ctx;
    bool announced;
    uint64_t announced_seq, announced_durable;
};

/* A replay somebody asked us for. Kept for its reader after it has ended. */
enum bus_serving { BUS_SERVE_NOTHING, BUS_SERVE_SNAPSHOT, BUS_SERVE_FRAMES, BUS_SERVE_END };

struct bus_session {
    bool used;
    enum bus_serving serving;
    struct sp_peer peer;
    struct bus_out *out;
    uint64_t request_id;
    uint64_t next_seq;
    uint32_t credit;
    bool gone; /* for the end of the answer, with low_seq */
    uint64_t low_seq;
    struct sp_journal_reader *reader; /* facts; behind `record` if that is pending */
    bool pending;
    struct sp_record record;
    sp_mono touched;
};

struct bus_consumer {
    sp_name consumer, stream;
    uint32_t epoch;
    uint64_t seq;
};

/* The subscriptions to one stream of a publisher. */
struct bus_receivers {
    struct sp_subscription *at[BUS_SUBS_MAX];
    uint32_t count;
};

/* The stream of the last frame, and whose it is: found out once for a run of frames. */
struct bus_latest {
    sp_name stream;
    size_t head_len_bytes; /* of its name in a frame; 0: none yet */
    uint32_t subs;         /* of the bus, when the receivers were looked up */
    struct bus_receivers receivers;
};

/* One publisher, as we see it. */
struct bus_source {
    struct sp_bus *bus;
    sp_name publisher, hb_stream;
    struct sp_sock *sub, *dealer;
    sp_mono heard;    /* last sign of life, or since when we listen */
    sp_mono renewed;  /* sockets */
    sp_mono turn;     /* when frames were last received */
    sp_mono answered; /* by the control socket, or since when nobody waits for it */
    bool silent;      /* and the notice was given */
    uint32_t epoch;   /* newest heard of */
    struct sp_heartbeat heartbeat;
    struct bus_latest latest;
};

enum bus_state {
    BUS_FILES,  /* replaying from the publisher's files */
    BUS_SOCKET, /* replaying from its control socket, or waiting for it */
    BUS_LIVE    /* everything known was delivered */
};

struct sp_subscription {
    struct sp_bus *bus;
    struct bus_source *source;
    struct sp_sub_options options;
    bool watch; /* heartbeats only */
    enum bus_state state;
    uint32_t epoch;       /* of the last record delivered, or of the snapshot; 0 = none yet */
    uint64_t next;        /* sequence wanted */
    uint32_t known_epoch; /* what the publisher has announced */
    uint64_t known_seq;

    uint8_t *hold; /* live records that came too early, oldest first: u32 length, bytes */
    size_t hold_head, hold_tail;

    bool verify;    /* facts: check the cursor against the journal before going on */
    bool any_first; /* facts: the next record may have any sequence from `next` on */
    struct sp_journal_reader *reader;
    uint64_t reader_seq;  /* the sequence it gives next */
    bool reader_verified; /* opened by verifying the cursor */
    sp_mono poll_at;

    bool want_snapshot;    /* market data: the ring cannot help */
    uint64_t request_id;   /* 0 = none is under way */
    uint64_t request_next; /* `next` when it was sent */
    bool request_snapshot;
    uint32_t attempt;
    sp_mono deadline; /* of the answer, or when to try again */

    uint64_t epoch_known; /* the newest sequence announced of `epoch` */
    uint64_t applied, lost, rewound, replayed, gaps, dropped; /* as in struct sp_bus_flow */

    uint32_t told_epoch; /* paced: the last CONSUMED */
    uint64_t told_seq;
    sp_mono told_at;
};

struct sp_bus {
    struct sp_loop *loop;
    struct sp_bus_options options;
    char run_dir[BUS_DIR_SIZE], data_dir[BUS_DIR_SIZE];
    bool has_data_dir;
    struct sp_sock *pub, *router;
    struct sp_timer *beat_timer, *tick_timer, *pace_timer, *stall_timer;
    int pump_fd;
    sp_name hb_stream;
    enum sp_phase phase;
    sp_wall market;
    uint64_t beats, hb_frames;
    sp_mono last_tick;
    uint64_t request_ids;

    struct bus_out *outs[BUS_STREAMS_MAX];
    uint32_t out_hashes[BUS_STREAMS_MAX]; /* of their streams */
    uint32_t out_count, out_last;
    struct bus_out *unsent[BUS_STREAMS_MAX]; /* with a batch */
    uint32_t unsent_count;
    struct bus_session sessions[BUS_SESSIONS_MAX];
    struct bus_consumer consumers[BUS_CONSUMERS_MAX];
    uint32_t consumer_count;
    struct bus_source *sources[BUS_SOURCES_MAX];
    uint32_t source_count;
    struct sp_subscription *subs[BUS_SUBS_MAX];
    uint32_t sub_hashes[BUS_SUBS_MAX]; /* of their streams */
    uint32_t sub_count;

    sp_bus_request_fn *on_request;
    void *on_request_ctx;
    struct sp_bus_stats stats;
    struct sp_record rx; /* decoded from a socket */
    struct sp_record from_file;
    struct sp_record control;   /* a control message being built */
    struct sp_record *snapshot; /* BUS_SNAPSHOT_MAX, once a ring can give one */
    uint8_t frame[SP_WIRE_FRAME_MAX];
};

/* bus.c */
void sp_bus_wake(struct sp_bus *bus);
/* Compared before names are: a table of many streams is searched for every record or frame. */
uint32_t sp_bus_hash(const sp_name *stream);
/* An empty control message of a kind, in bus->control. */
struct sp_record *sp_bus_control(struct sp_bus *bus, enum sp_kind kind);
SP_NODISCARD sp_status sp_bus_send_control(struct sp_bus *bus, const struct sp_peer *peer);
/* "hb.<service>". SP_INVALID: too long. */
SP_NODISCARD sp_status sp_bus_hb_stream(const sp_name *service, sp_name *out, struct sp_err *err);

/* bus_publish.c */
struct bus_out *sp_bus_find_out(struct sp_bus *bus, const sp_name *stream);
uint64_t sp_bus_out_last(const struct bus_out *out);
uint64_t sp_bus_out_durable(const struct bus_out *out);
void sp_bus_out_close(struct bus_out *out);
/* As many records from `seq` on, which is held, as one frame takes and as lie together, at most
 * `max`; returns how many. */
uint32_t sp_bus_ring_records(const struct bus_out *out, uint64_t seq, uint32_t max,
                             struct sp_pieces *frame);
/* Before the bus closes. */
void sp_bus_drop_unsent(struct sp_bus *bus);
void sp_bus_on_consumed(struct sp_bus *bus, const struct sp_consumed *consumed);

/* bus_serve.c */
void sp_bus_serve_request(struct sp_bus *bus, const struct sp_peer *peer,
                          const struct sp_replay_request *request);
/* One turn of every session. True if one of them can go on at once. */
bool sp_bus_serve_pump(struct sp_bus *bus);
void sp_bus_serve_tick(struct sp_bus *bus, sp_mono now);
void sp_bus_serve_close(struct sp_bus *bus);

/* bus_files.c */
struct bus_place {
    struct sp_journal_reader *reader; /* gives first_seq next */
    uint64_t first_seq;               /* 0: the oldest there is */
    uint32_t epoch;                   /* rewound: of first_seq */
    bool rewound; /* the cursor's record was taken back; first_seq is the newer epoch's first */
    bool gone;    /* what follows the cursor is no longer held; first_seq is the oldest */
};
/* Where a journal is: ours, or the folder of another's. */
struct bus_files {
    const struct sp_journal *own; /* NULL: in dir */
    const char *dir;
};
/* Opens a journal behind `cursor` (none: at its beginning). With `verify` the cursor's own record
 * must be there in the cursor's epoch, else it was rewound. SP_OK; SP_AGAIN: the cursor is past the
 * end, and nothing newer has begun; SP_NOT_FOUND: no journal; SP_CORRUPT, SP_IO ... */
SP_NODISCARD sp_status sp_bus_files_open(const struct bus_files *files, const struct sp_ref *cursor,
                                         bool verify, struct bus_place *out, struct sp_err *err);
/* DATA/<service>; false if there is none to read. */
bool sp_bus_files_dir(const struct sp_bus *bus, const sp_name *service, char out[BUS_DIR_SIZE]);

/* bus_source.c */
SP_NODISCARD sp_status sp_bus_source_get(struct sp_bus *bus, const sp_name *publisher,
                                         struct bus_source **out, struct sp_err *err);
void sp_bus_source_close(struct bus_source *source);
/* `slept`: since the tick before. */
void sp_bus_source_tick(struct bus_source *source, sp_mono now, sp_dur slept);

/* bus_subscribe.c */
void sp_bus_sub_close(struct sp_subscription *sub);
/* A record from the PUB, and its bytes. */
void sp_bus_sub_live(struct sp_subscription *sub, const uint8_t *bytes, size_t len_bytes,
                     const struct sp_record *record);
void sp_bus_sub_mark(struct sp_subscription *sub, const struct sp_mark *mark);
/* The record stands where we stand: hands it on. */
void sp_bus_sub_deliver(struct sp_subscription *sub, const struct sp_record *record);
void sp_bus_sub_notice(const struct sp_subscription *sub, const struct sp_sub_notice *notice);
/* The publisher has announced more than was delivered. */
bool sp_bus_sub_is_behind(const struct sp_subscription *sub);
/* One turn. True if there is more to do at once. */
bool sp_bus_sub_pump(struct sp_subscription *sub);
void sp_bus_sub_tick(struct sp_subscription *sub, sp_mono now);
void sp_bus_sub_pace(struct sp_subscription *sub, sp_mono now);
/* Records announced by the publisher and not delivered. */
uint64_t sp_bus_sub_lag(const struct sp_subscription *sub);
/* It waits for the control socket: for an answer, or to be rid of a report. */
bool sp_bus_sub_awaits(const struct sp_subscription *sub, sp_mono now);

/* bus_catchup.c */
/* Leaves BUS_LIVE: replays what is missing, by the best way there is. */
void sp_bus_catchup_begin(struct sp_subscription *sub);
/* One turn of reading files; true if there is more. */
bool sp_bus_catchup_step(struct sp_subscription *sub);
/* When the answer is overdue. */
void sp_bus_catchup_retry(struct sp_subscription *sub);
/* From the control socket. The record may be changed. */
void sp_bus_catchup_record(struct sp_subscription *sub, struct sp_record *record);
void sp_bus_catchup_end(struct sp_subscription *sub, uint32_t epoch,
                        const struct sp_replay_end *end);

#endif
