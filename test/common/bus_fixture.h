/* What the tests of the bus share: a publisher and a subscriber in one loop, and a list of all that
 * the subscriber was given. */
#ifndef SP_TEST_BUS_FIXTURE_H
#define SP_TEST_BUS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/bus/bus.h"
#include "common/clock.h"
#include "folder.h"

#define EVENTS_MAX 4096

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
    struct sp_loop *loop;
    struct sp_journal *journal;
    struct sp_bus *pub, *sub;
    struct sp_subscription *subscription;
    struct seen seen;
    struct sp_record record;
    uint64_t requests;
};

static const char *const stream_name = "execution";
static const char *const ring_name = "md.test.BTCUSDT";

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
    folder_remove(&f->folder);
    free(f);
    return 0;
}

/* Runs the loop until the condition holds; false after five seconds. */
typedef bool condition_fn(struct fixture *f, uint64_t arg);

static inline bool run_until(struct fixture *f, condition_fn *fn, uint64_t arg)
{
    sp_mono start = sp_clock_mono();

    while (!fn(f, arg)) {
        if (sp_mono_since(sp_clock_mono(), start).ns > 5 * SP_NS_PER_S) return false;
        assert_int_equal(sp_loop_turn(f->loop, (sp_dur){5 * SP_NS_PER_MS}, NULL), SP_OK);
    }
    return true;
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

static inline struct sp_bus *open_bus(struct fixture *f, const char *service, uint32_t epoch,
                                      bool files)
{
    struct sp_bus_options options = {.run_dir = f->run,
                                     .data_dir = files ? f->data : NULL,
                                     .service = sp_name_of(service),
                                     .epoch = epoch};
    struct sp_bus *bus = NULL;
    struct sp_err err = {0};
    sp_status status = sp_bus_open(f->loop, &options, &bus, &err);

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
        record->body.quote = (struct sp_quote){.update_id = ++f->requests,
                                               .bid_px = {SP_FX_ONE},
                                               .bid_qty = {SP_FX_ONE},
                                               .ask_px = {2 * SP_FX_ONE},
                                               .ask_qty = {SP_FX_ONE}};
        assert_int_equal(sp_bus_publish(f->pub, record, NULL), SP_OK);
    }
}

#endif
