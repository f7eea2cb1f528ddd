/* The bus: streams of records between services, at least once, applied once, in order.
 *
 * Each service binds one PUB and one ROUTER (RUN/NAME.pub, RUN/NAME.rep). A stream has one writer
 * and a gapless sequence. PUB is a fast hint; a subscriber that sees a gap, or a heartbeat that
 * promises more than it has, replays: facts from the publisher's journal files (also of a dead
 * publisher) or its ROUTER; market data from the publisher's ring, past it a snapshot and a gap
 * notice. docs/bus.md has the rules and the failure matrix. One thread: the loop's.
 */
#ifndef SP_COMMON_BUS_H
#define SP_COMMON_BUS_H

#include "common/bus/loop.h"
#include "common/journal/journal.h"

struct sp_bus;
struct sp_subscription;
struct sp_client;

struct sp_bus_options {
    const char *run_dir;
    const char *data_dir; /* where journals of other services may be read; NULL: socket only */
    sp_name service;      /* instance: "strategy.ema" */
    uint32_t epoch;
    uint32_t queue_max;
    uint64_t message_max_bytes;
    /* Whether a service of this name may read that stream of facts: who reads must be known to who
     * deletes old records (common/consumers.h). NULL: all. */
    bool (*may_read)(const sp_name *service, const sp_name *stream);
};

/* A question on the control socket; answer with sp_bus_reply, at once or later. */
typedef void sp_bus_request_fn(void *ctx, const struct sp_peer *peer,
                               const struct sp_record *request);
/* A snapshot of a ring stream: fills up to `max` records (BOOK_SNAPSHOT parts, body and time only)
 * that bring a late joiner to the ring's newest sequence; returns how many, 0 if there is none. */
typedef uint32_t sp_bus_snapshot_fn(void *ctx, const sp_name *stream, struct sp_record *out,
                                    uint32_t max);

/* The caller holds the role's lock: stale socket files of a dead predecessor are replaced. Makes
 * run_dir (0700) if needed. Our own facts are replayed from their journal. SP_INVALID: a name or
 * path that is too long; SP_CONFIG: others may write in run_dir; SP_IO, SP_TOO_LONG, SP_NO_MEMORY,
 * SP_FULL (the loop). */
SP_NODISCARD sp_status sp_bus_open(struct sp_loop *loop, const struct sp_bus_options *options,
                                   struct sp_bus **out, struct sp_err *err);
void sp_bus_close(struct sp_bus *bus);
void sp_bus_on_request(struct sp_bus *bus, sp_bus_request_fn *fn, void *ctx);
/* SP_CLOSED: the asker has gone; SP_FULL: it does not read. */
SP_NODISCARD sp_status sp_bus_reply(struct sp_bus *bus, const struct sp_peer *peer,
                                    const struct sp_record *answer);
/* Announced in heartbeats. */
void sp_bus_set_phase(struct sp_bus *bus, enum sp_phase phase);
void sp_bus_set_market_time(struct sp_bus *bus, sp_wall market);

/* ---- Publishing ---- */

/* A stream of facts, backed by our journal. Heartbeats carry its last and durable sequence. */
SP_NODISCARD sp_status sp_bus_add_facts(struct sp_bus *bus, struct sp_journal *journal,
                                        const sp_name *stream, struct sp_err *err);
/* A volatile stream, backed by a ring of `capacity` frames. */
SP_NODISCARD sp_status sp_bus_add_ring(struct sp_bus *bus, const sp_name *stream, uint32_t capacity,
                                       sp_bus_snapshot_fn *snapshot, void *ctx, struct sp_err *err);
/* Sends a record of one of our streams: facts after they were appended; ring records get the next
 * sequence and our epoch here (and record->seq, ->epoch are set). Records of one stream that a
 * callback of the loop publishes travel together: they leave when it returns, or when a frame is
 * full; outside of callbacks each leaves at once. Never blocks; for a slow subscriber the frame is
 * dropped, and it replays. SP_FULL: the record does not fit a frame; it was not sent. */
SP_NODISCARD sp_status sp_bus_publish(struct sp_bus *bus, struct sp_record *record,
                                      struct sp_err *err);
/* Sends now what was published: before work that takes long. */
void sp_bus_flush(struct sp_bus *bus);

/* Pacing for replays at full speed: the lowest sequence that every consumer in the list has
 * reported for this stream in our epoch; 0 until all have. A publisher that stays within its ring's
 * capacity of it loses nothing, also before the first report. */
uint64_t sp_bus_consumed(const struct sp_bus *bus, const sp_name *stream, const sp_name *consumers,
                         uint32_t count);

/* ---- Subscribing ---- */

/* Called once per record, in order. */
typedef void sp_sub_record_fn(void *ctx, const struct sp_record *record);
/* GAP: records first_seq.. are lost. If seen_epoch is epoch: up to last_seq. Else the publisher has
 * begun anew: the rest of seen_epoch, any epoch between, and epoch up to last_seq. Market data: a
 * snapshot follows, if the publisher gives one, as records of kind BOOK_SNAPSHOT at last_seq; they
 * are outside the stream's sequence. Facts: the publisher no longer holds them.
 * REWOUND (facts): the publisher lost an unsynced tail that we had seen, first_seq..last_seq of
 * seen_epoch; first_seq of epoch comes next.
 * SILENT, RESTORED: once each per outage of two seconds and more. */
struct sp_sub_notice {
    enum { SP_SUB_GAP, SP_SUB_REWOUND, SP_SUB_SILENT, SP_SUB_RESTORED } type;
    sp_name stream;
    uint32_t epoch, seen_epoch;
    uint64_t first_seq, last_seq;
};
/* "gap", "rewound", "silent" or "restored". */
const char *sp_sub_notice_name(const struct sp_sub_notice *notice);
typedef void sp_sub_notice_fn(void *ctx, const struct sp_sub_notice *notice);

struct sp_sub_options {
    sp_name stream;
    sp_name publisher; /* service instance */
    bool facts;        /* false: market data */
    bool paced;        /* report CONSUMED to the publisher every 1024 records or 10 ms */
    /* The last record consumed. None: facts from the beginning of the journal; market data from now
     * on, after a snapshot if there is one (paced: from the beginning of the publisher's epoch, if
     * its ring still holds that). */
    struct sp_ref cursor;
    sp_sub_record_fn *on_record;
    sp_sub_notice_fn *on_notice;
    void *ctx;
};
/* SP_INVALID: facts that this service may not read. SP_FULL, SP_NO_MEMORY, SP_IO. */
SP_NODISCARD sp_status sp_bus_subscribe(struct sp_bus *bus, const struct sp_sub_options *options,
                                        struct sp_subscription **out, struct sp_err *err);
/* Facts: true once everything the publisher had announced (or left in its files) was delivered. */
bool sp_subscription_caught_up(const struct sp_subscription *sub);
struct sp_ref sp_subscription_cursor(const struct sp_subscription *sub);
/* Last heartbeat of the publisher: zeroed if there was none. */
struct sp_heartbeat sp_subscription_heartbeat(const struct sp_subscription *sub);
/* Heartbeats only: to watch a service. on_record gets HEARTBEAT records. */
SP_NODISCARD sp_status sp_bus_watch(struct sp_bus *bus, const sp_name *service,
                                    sp_sub_record_fn *on_record, sp_sub_notice_fn *on_notice,
                                    void *ctx, struct sp_err *err);

/* Everything the bus drops, repairs or refuses is counted, since it was opened. */
struct sp_bus_stats {
    uint64_t published, received;                              /* records */
    uint64_t frames_published, frames_received, publish_drops; /* frames; drops: not sent */
    uint64_t duplicates, gaps, replayed_files, replayed_socket, decode_errors;
    uint64_t ring_gone;  /* losses announced: past a ring, or facts that are no longer held */
    uint64_t rewinds;    /* power cuts that took back what we had seen */
    uint64_t silences;   /* outages of two seconds and more */
    uint64_t reconnects; /* sockets made anew after silence */
    uint64_t zombies;    /* records of an epoch that has been superseded: dropped */
    uint64_t held_drops; /* live records that found the hold buffer full: replayed later */
    uint64_t requests;   /* replays we were asked for; refused: all slots at work; dropped: an asker
                            that did not read for five seconds */
    uint64_t requests_refused, requests_dropped;
    uint64_t reports_refused; /* CONSUMED of more consumers and streams than the table holds */
    uint64_t lag_max;         /* records a facts subscription is behind, now */
};
struct sp_bus_stats sp_bus_stats(const struct sp_bus *bus);
/* One stream in numbers, in this life of the service: a subscription, or a stream of its own, which
 * has no publisher and only `published` and `lag`. What was published from where a subscription
 * began is applied - rewound + lost + lag, but for what nobody announced before its publisher
 * died. */
typedef void sp_bus_flow_fn(void *ctx, const struct sp_bus_flow *flow);
/* Gives each, subscriptions first. `fn` must not change the bus. */
void sp_bus_flows(const struct sp_bus *bus, sp_bus_flow_fn *fn, void *ctx);
/* All of that as spoor_bus_* in the Prometheus text format, a line at a time without newline; and
 * the lag of each subscription here and of each consumer that reports to us, by stream. */
void sp_bus_print_metrics(const struct sp_bus *bus, void (*fn)(void *ctx, const char *line),
                          void *ctx);

/* ---- Asking another service ---- */

/* A connection to NAME's control socket; reconnects by itself. on_reply gets every answer. */
SP_NODISCARD sp_status sp_client_open(struct sp_loop *loop, const char *run_dir,
                                      const sp_name *service, sp_sub_record_fn *on_reply, void *ctx,
                                      struct sp_client **out, struct sp_err *err);
void sp_client_close(struct sp_client *client);
/* SP_FULL: no connection now (also right after opening), or too many wait: nothing was sent. */
SP_NODISCARD sp_status sp_client_send(struct sp_client *client, const struct sp_record *request,
                                      struct sp_err *err);
/* For the command line: sends one request and collects answers until one of kind `last`, with the
 * request's id if both have one and without `more`, has come. SP_TIMEOUT, SP_NOT_FOUND if nobody
 * listens. */
typedef void sp_client_answer_fn(void *ctx, const struct sp_record *answer);
SP_NODISCARD sp_status sp_client_ask(const char *run_dir, const sp_name *service,
                                     const struct sp_record *request, enum sp_kind last,
                                     sp_dur timeout, sp_client_answer_fn *fn, void *ctx,
                                     struct sp_err *err);

/* "ipc://RUN/NAME.suffix"; suffix pub or rep. */
void sp_bus_endpoint(const char *run_dir, const sp_name *service, const char *suffix,
                     char out[128]);

#endif
