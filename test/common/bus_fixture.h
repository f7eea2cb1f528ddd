/* What the tests of the bus share: a publisher and a subscriber, each with a loop of its own, so
 * that either can stand still; a list of all that the subscriber was given; and what was published,
 * so that the two can be added up: published == applied + announced as lost.
 *
 * Time: these programs are linked with --wrap=sp_clock_mono. The clock of everything under test is
 * the real one plus what a test has skipped, so no test waits for a timeout.
 */
#ifndef SP_TEST_BUS_FIXTURE_H
#define SP_TEST_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/bus/bus.h"
#include "common/clock.h"
#include "folder.h"

#define EVENTS_MAX 65536
#define EPOCHS_MAX 64

/* ---- The clock ---- */

static int64_t skipped_ns;

sp_mono __real_sp_clock_mono(void);
sp_mono __wrap_sp_clock_mono(void);

sp_mono __wrap_sp_clock_mono(void)
{
    return (sp_mono){__real_sp_clock_mono().ns + skipped_ns};
}

/* What a subscriber has seen, in order: records and notices. */
struct seen {
    uint32_t count;
    struct event {
        bool notice;
        int type; /* notice type or record kind */
        uint32_t epoch, seen_epoch;
        uint64_t seq, last_seq;
        uint64_t value; /* what the record says */
    } at[EVENTS_MAX];
};

struct fixture {
    struct folder folder;
    char run[512], data[512];
    struct sp_loop *loop;     /* the publisher's */
    struct sp_loop *sub_loop; /* the subscriber's */
    uint32_t queue_max;       /* of the sockets opened next */
    uint64_t segment_bytes;   /* of the journal opened next */
    struct sp_journal *journal;
    struct sp_bus *pub, *sub;
    struct sp_subscription *subscription;
    struct seen seen;
    struct sp_record record;
    uint64_t quotes;
    uint64_t published[EPOCHS_MAX]; /* newest sequence of each epoch of the ring */
};

static const char *const stream_name = "execution";
static const char *const ring_name = "md.test.BTCUSDT";
static const char *const subscriber_name = "strategy.ema";

static inline void on_record(void *ctx, const struct sp_record *record)
{
    struct fixture *f = ctx;

    assert_true(f->seen.count < EVENTS_MAX);
    struct event *event = &f->seen.at[f->seen.count++];
    *event = (struct event){.type = (int)record->kind, .epoch = record->epoch, .seq = record->seq};
    if (record->kind == SP_REC_CURSOR) event->value = record->body.cursor.inputs;
    if (record->kind == SP_REC_QUOTE) event->value = record->body.quote.update_id;
    if (record->kind == SP_REC_BOOK_SNAPSHOT) {
        event->value = record->body.book_snapshot.last_update_id;
        assert_int_equal(record->by_count, 0);
    }
}

static inline void on_notice(void *ctx, const struct sp_sub_notice *notice)
{
    struct fixture *f = ctx;

    assert_true(f->seen.count < EVENTS_MAX);
    f->seen.at[f->seen.count++] = (struct event){.notice = true,
                                                 .type = (int)notice->type,
                                                 .epoch = notice->epoch,
                                                 .seen_epoch = notice->seen_epoch,
                                                 .seq = notice->first_seq,
                                                 .last_seq = notice->last_seq};
}

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->folder = folder_make();
    snprintf(f->run, sizeof(f->run), "%s/run", f->folder.path);
    snprintf(f->data, sizeof(f->data), "%s/data", f->folder.path);
    assert_int_equal(mkdir(f->data, 0700), 0);
    assert_int_equal(sp_loop_open(&f->loop, NULL), SP_OK);
    assert_int_equal(sp_loop_open(&f->sub_loop, NULL), SP_OK);
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    sp_bus_close(f->sub);
    sp_bus_close(f->pub);
    sp_journal_close(f->journal);
    sp_loop_close(f->loop);
    sp_loop_close(f->sub_loop);
    folder_remove(&f->folder);
    free(f);
    return 0;
}

static inline void turn(struct fixture *f)
{
    assert_int_equal(sp_loop_turn(f->loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
    assert_int_equal(sp_loop_turn(f->sub_loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
}

/* A few turns, after which the clocks have gone on by 50 ms. The library's own clock does not: so
 * few that a connection is not given up sooner than it can be made. */
static inline void turn_long(struct fixture *f)
{
    for (int i = 0; i < 3; i++)
        turn(f);
    skipped_ns += 50 * SP_NS_PER_MS;
}

typedef bool condition_fn(struct fixture *f, uint64_t arg);
typedef void turn_fn(struct fixture *f);

/* Runs both loops until the condition holds; false after ten real seconds. */
static inline bool run_by(struct fixture *f, turn_fn *turn_once, condition_fn *fn, uint64_t arg)
{
    sp_mono start = __real_sp_clock_mono();

    while (!fn(f, arg)) {
        if (sp_mono_since(__real_sp_clock_mono(), start).ns > 10 * SP_NS_PER_S) return false;
        turn_once(f);
    }
    return true;
}

static inline bool run_until(struct fixture *f, condition_fn *fn, uint64_t arg)
{
    return run_by(f, turn, fn, arg);
}

/* The same with time passing quickly: for what timeouts lead to. */
static inline bool run_on_until(struct fixture *f, condition_fn *fn, uint64_t arg)
{
    return run_by(f, turn_long, fn, arg);
}

static inline bool has_events(struct fixture *f, uint64_t count)
{
    return f->seen.count >= count;
}

static inline bool is_caught_up(struct fixture *f, uint64_t seq)
{
    return sp_subscription_caught_up(f->subscription) &&
           sp_subscription_cursor(f->subscription).seq >= seq;
}

/* The subscriber's own bus runs in its own loop. */
static inline struct sp_bus *open_bus(struct fixture *f, const char *service, uint32_t epoch,
                                      bool files)
{
    bool subscriber = strcmp(service, subscriber_name) == 0;
    struct sp_bus_options options = {.run_dir = f->run,
                                     .data_dir = files ? f->data : NULL,
                                     .service = sp_name_of(service),
                                     .epoch = epoch,
                                     .queue_max = f->queue_max};
    struct sp_bus *bus = NULL;
    struct sp_err err = {0};
    sp_status status = sp_bus_open(subscriber ? f->sub_loop : f->loop, &options, &bus, &err);

    if (status != SP_OK) print_error("%s\n", err.text);
    assert_int_equal(status, SP_OK);
    return bus;
}

/* Sequences first, first + 1, ... in order, with the right content; notices passed over. */
static inline void assert_facts(const struct fixture *f, uint64_t first, uint64_t last)
{
    uint64_t expected = first;

    for (uint32_t i = 0; i < f->seen.count; i++) {
        const struct event *event = &f->seen.at[i];
        if (event->notice) continue;
        assert_int_equal(event->seq, expected);
        if (event->type == SP_REC_CURSOR) assert_int_equal(event->value, expected);
        expected++;
    }
    assert_int_equal(expected, last + 1);
}

static inline uint32_t notices_of(const struct fixture *f, int type)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < f->seen.count; i++)
        count += f->seen.at[i].notice && f->seen.at[i].type == type;
    return count;
}

static inline struct sp_ref cursor_at(const char *stream, uint32_t epoch, uint64_t seq)
{
    return (struct sp_ref){.stream = sp_name_of(stream), .epoch = epoch, .seq = seq};
}

static inline bool is_noticed(struct fixture *f, uint64_t type)
{
    return notices_of(f, (int)type) > 0;
}

/* ---- Counters ---- */

struct flow_wanted {
    const char *stream;
    struct sp_bus_flow flow;
};

static inline void take_flow(void *ctx, const struct sp_bus_flow *flow)
{
    struct flow_wanted *wanted = ctx;

    if (strcmp(flow->stream.s, wanted->stream) == 0) wanted->flow = *flow;
}

/* What a bus says of a stream; all zero if it has none of that name. */
static inline struct sp_bus_flow flow_of(const struct sp_bus *bus, const char *stream)
{
    struct flow_wanted wanted = {.stream = stream};

    sp_bus_flows(bus, take_flow, &wanted);
    return wanted.flow;
}

/* ---- Facts ---- */

static inline void open_journal(struct fixture *f, uint32_t epoch)
{
    char dir[600];
    struct sp_journal_options options = {.dir = dir,
                                         .stream = sp_name_of(stream_name),
                                         .installation = "testbench",
                                         .world = "paper",
                                         .epoch = epoch,
                                         .segment_bytes = f->segment_bytes,
                                         .sync_every = {-1}};
    struct sp_err err = {0};

    snprintf(dir, sizeof(dir), "%s/%s", f->data, stream_name);
    mkdir(dir, 0700);
    sp_status status = sp_journal_open(&options, &f->journal, &err);
    if (status != SP_OK) print_error("%s\n", err.text);
    assert_int_equal(status, SP_OK);
}

static inline void open_publisher(struct fixture *f, uint32_t epoch)
{
    sp_name stream = sp_name_of(stream_name);

    open_journal(f, epoch);
    f->pub = open_bus(f, stream_name, epoch, true);
    assert_int_equal(sp_bus_add_facts(f->pub, f->journal, &stream, NULL), SP_OK);
}

static inline void close_publisher(struct fixture *f)
{
    sp_bus_close(f->pub);
    sp_journal_close(f->journal);
    f->pub = NULL;
    f->journal = NULL;
}

static inline void close_subscriber(struct fixture *f)
{
    sp_bus_close(f->sub);
    f->sub = NULL;
    f->subscription = NULL;
}

static inline struct sp_record *next_fact(struct fixture *f, uint32_t epoch)
{
    struct sp_record *record = &f->record;

    memset(record, 0, sizeof(*record));
    record->stream = sp_name_of(stream_name);
    record->epoch = epoch;
    record->seq = sp_journal_next_seq(f->journal);
    record->time = sp_clock_wall();
    record->kind = SP_REC_CURSOR;
    record->body.cursor.inputs = (uint32_t)record->seq;
    return record;
}

/* Appends `count` facts; publishes them unless they are to be lost on the way. */
static inline void add_facts(struct fixture *f, uint32_t epoch, uint32_t count, bool publish)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sp_record *record = next_fact(f, epoch);
        assert_int_equal(sp_journal_append(f->journal, record, 1, NULL), SP_OK);
        if (publish) assert_int_equal(sp_bus_publish(f->pub, record, NULL), SP_OK);
    }
}

static inline void subscribe_facts(struct fixture *f, struct sp_ref cursor, bool files)
{
    struct sp_sub_options options = {.stream = sp_name_of(stream_name),
                                     .publisher = sp_name_of(stream_name),
                                     .facts = true,
                                     .cursor = cursor,
                                     .on_record = on_record,
                                     .on_notice = on_notice,
                                     .ctx = f};

    f->sub = open_bus(f, subscriber_name, 1, files);
    assert_int_equal(sp_bus_subscribe(f->sub, &options, &f->subscription, NULL), SP_OK);
}

/* Every fact that stands in the journal was applied once, in order, with its content, and nothing
 * else but what a rewinding has announced as taken back. Returns how many were taken back. */
static inline uint64_t assert_facts_add_up(struct fixture *f)
{
    static struct event standing[EVENTS_MAX];
    struct sp_journal_reader *reader = NULL;
    uint64_t count = 0, taken_back = 0, read = 0;
    char dir[600];

    for (uint32_t i = 0; i < f->seen.count; i++) {
        const struct event *event = &f->seen.at[i];
        if (event->notice && event->type == SP_SUB_REWOUND) {
            assert_int_equal(event->last_seq, count);
            assert_in_range(event->seq, 1, count);
            taken_back += event->last_seq + 1 - event->seq;
            count = event->seq - 1;
        } else if (event->notice) {
            assert_int_not_equal(event->type, SP_SUB_GAP);
        } else {
            assert_int_equal(event->seq, count + 1);
            standing[count++] = *event;
        }
    }
    snprintf(dir, sizeof(dir), "%s/%s", f->data, stream_name);
    assert_int_equal(sp_journal_reader_open(dir, NULL, 1, &reader, NULL), SP_OK);
    while (sp_journal_reader_next(reader, &f->record, NULL, NULL) == SP_OK) {
        assert_true(read < count);
        assert_int_equal(f->record.epoch, standing[read].epoch);
        assert_int_equal(f->record.kind, standing[read].type);
        if (f->record.kind == SP_REC_CURSOR) {
            assert_int_equal(f->record.body.cursor.inputs, standing[read].value);
        }
        read++;
    }
    sp_journal_reader_close(reader);
    assert_int_equal(read, count);
    return taken_back;
}

/* ---- A ring ---- */

static inline uint32_t give_snapshot(void *ctx, const sp_name *stream, struct sp_record *out,
                                     uint32_t max)
{
    (void)ctx;
    assert_true(sp_name_is(stream, ring_name));
    assert_true(max >= 2);
    for (uint32_t i = 0; i < 2; i++) {
        memset(&out[i], 0, sizeof(out[i]));
        out[i].kind = SP_REC_BOOK_SNAPSHOT;
        out[i].body.book_snapshot.last_update_id = 77;
        out[i].body.book_snapshot.part = i;
        out[i].body.book_snapshot.more = i == 0;
    }
    return 2;
}

static inline void open_ring(struct fixture *f, uint32_t epoch, uint32_t capacity, bool snapshot)
{
    sp_name stream = sp_name_of(ring_name);

    f->pub = open_bus(f, "marketdata", epoch, false);
    assert_int_equal(
        sp_bus_add_ring(f->pub, &stream, capacity, snapshot ? give_snapshot : NULL, f, NULL),
        SP_OK);
}

static inline void add_quotes(struct fixture *f, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        struct sp_record *record = &f->record;
        memset(record, 0, sizeof(*record));
        record->stream = sp_name_of(ring_name);
        record->time = sp_clock_wall();
        record->kind = SP_REC_QUOTE;
        record->body.quote = (struct sp_quote){.update_id = ++f->quotes,
                                               .bid_px = {SP_FX_ONE},
                                               .bid_qty = {SP_FX_ONE},
                                               .ask_px = {2 * SP_FX_ONE},
                                               .ask_qty = {SP_FX_ONE}};
        assert_int_equal(sp_bus_publish(f->pub, record, NULL), SP_OK);
        assert_true(record->epoch < EPOCHS_MAX);
        f->published[record->epoch] = record->seq;
    }
}

static inline void subscribe_ring(struct fixture *f, struct sp_ref cursor, bool paced)
{
    struct sp_sub_options options = {.stream = sp_name_of(ring_name),
                                     .publisher = sp_name_of("marketdata"),
                                     .paced = paced,
                                     .cursor = cursor,
                                     .on_record = on_record,
                                     .on_notice = on_notice,
                                     .ctx = f};

    if (f->sub == NULL) f->sub = open_bus(f, subscriber_name, 1, false);
    assert_int_equal(sp_bus_subscribe(f->sub, &options, &f->subscription, NULL), SP_OK);
}

struct ring_account {
    uint64_t applied, announced, losses;
};

/* A loss brings the account to a newer place, perhaps in a newer epoch. */
static inline void account_loss(const struct fixture *f, const struct event *event,
                                struct sp_ref *at, struct ring_account *sum)
{
    assert_int_equal(event->seen_epoch, at->epoch);
    assert_int_equal(event->seq, at->seq + 1);
    sum->losses++;
    if (event->epoch != at->epoch) {
        assert_true(event->epoch > at->epoch);
        sum->announced += f->published[at->epoch] - at->seq;
        for (uint32_t e = at->epoch + 1; e < event->epoch; e++)
            sum->announced += f->published[e];
        at->seq = 0;
    }
    assert_true(event->last_seq >= at->seq);
    sum->announced += event->last_seq - at->seq;
    at->epoch = event->epoch;
    at->seq = event->last_seq;
}

/* published == applied + announced, in order and nothing twice, from behind `at` on (none: from
 * where the first snapshot stands). */
static inline struct ring_account assert_ring_adds_up(const struct fixture *f, struct sp_ref at)
{
    struct ring_account sum = {0};
    bool fresh = at.epoch == 0;

    for (uint32_t i = 0; i < f->seen.count; i++) {
        const struct event *event = &f->seen.at[i];
        if (event->notice && event->type != SP_SUB_GAP) continue;
        if (event->notice) {
            account_loss(f, event, &at, &sum);
            continue;
        }
        bool snapshot = event->type == SP_REC_BOOK_SNAPSHOT;
        if (fresh) at.epoch = event->epoch;
        if (fresh && snapshot) at.seq = event->seq;
        fresh = false;
        assert_int_equal(event->epoch, at.epoch);
        assert_int_equal(event->seq, snapshot ? at.seq : at.seq + 1);
        if (snapshot) continue;
        sum.applied++;
        at.seq++;
    }
    assert_int_equal(at.seq, f->published[at.epoch]);
    for (uint32_t e = at.epoch + 1; e < EPOCHS_MAX; e++)
        assert_int_equal(f->published[e], 0);
    return sum;
}

#endif
