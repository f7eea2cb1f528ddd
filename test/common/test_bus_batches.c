/* Several records in one frame: what a callback publishes leaves together, arrives once and in
 * order, within its bounds, and adds up when frames are lost. Publisher and subscriber have a loop
 * each, so that either can stand still. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "common/bus/bus.h"
#include "common/clock.h"
#include "folder.h"
#include "proto/wire.h"

#define RINGS 3

static const char *const ring_names[RINGS] = {"md.test.A", "md.test.B", "md.test.C"};

struct fixture {
    struct folder folder;
    char run[300], data[300];
    uint32_t queue_max;
    struct sp_loop *pub_loop, *sub_loop;
    struct sp_journal *journal;
    struct sp_bus *pub, *sub;
    struct sp_subscription *subscription;
    struct sp_record record;
    enum sp_kind kind;       /* of what is published */
    uint32_t rings;          /* published in turn */
    uint32_t to_publish;     /* in the next callback */
    uint64_t last_published; /* sequence, in the first ring */
    uint64_t at;             /* the sequence the subscriber stands at */
    uint64_t applied, announced;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));

    f->folder = folder_make();
    snprintf(f->run, sizeof(f->run), "%s/run", f->folder.path);
    snprintf(f->data, sizeof(f->data), "%s/data", f->folder.path);
    assert_int_equal(mkdir(f->data, 0700), 0);
    assert_int_equal(sp_loop_open(&f->pub_loop, NULL), SP_OK);
    assert_int_equal(sp_loop_open(&f->sub_loop, NULL), SP_OK);
    f->kind = SP_REC_QUOTE;
    f->rings = 1;
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    sp_bus_close(f->sub);
    sp_bus_close(f->pub);
    sp_journal_close(f->journal);
    sp_loop_close(f->pub_loop);
    sp_loop_close(f->sub_loop);
    folder_remove(&f->folder);
    free(f);
    return 0;
}

static struct sp_bus *open_bus(struct fixture *f, struct sp_loop *loop, const char *service)
{
    struct sp_bus_options options = {.run_dir = f->run,
                                     .data_dir = f->data,
                                     .service = sp_name_of(service),
                                     .epoch = 1,
                                     .queue_max = f->queue_max};
    struct sp_bus *bus = NULL;

    assert_int_equal(sp_bus_open(loop, &options, &bus, NULL), SP_OK);
    return bus;
}

static void open_rings(struct fixture *f, uint32_t capacity)
{
    f->pub = open_bus(f, f->pub_loop, "marketdata");
    for (uint32_t i = 0; i < f->rings; i++) {
        sp_name stream = sp_name_of(ring_names[i]);
        assert_int_equal(sp_bus_add_ring(f->pub, &stream, capacity, NULL, NULL, NULL), SP_OK);
    }
}

/* ---- The subscriber ---- */

static void on_record(void *ctx, const struct sp_record *record)
{
    struct fixture *f = ctx;

    assert_int_equal(record->seq, f->at + 1);
    if (record->kind == SP_REC_QUOTE) assert_int_equal(record->body.quote.update_id, record->seq);
    if (record->kind == SP_REC_CURSOR) assert_int_equal(record->body.cursor.inputs, record->seq);
    f->at = record->seq;
    f->applied++;
}

static void on_notice(void *ctx, const struct sp_sub_notice *notice)
{
    struct fixture *f = ctx;

    if (notice->type != SP_SUB_GAP) return;
    assert_int_equal(notice->first_seq, f->at + 1);
    assert_true(notice->last_seq > f->at);
    f->announced += notice->last_seq - f->at;
    f->at = notice->last_seq;
}

static void subscribe(struct fixture *f, const char *publisher, const char *stream, bool facts)
{
    struct sp_sub_options options = {.stream = sp_name_of(stream),
                                     .publisher = sp_name_of(publisher),
                                     .facts = facts,
                                     .paced = !facts, /* from the beginning */
                                     .on_record = on_record,
                                     .on_notice = on_notice,
                                     .ctx = f};

    f->sub = open_bus(f, f->sub_loop, "strategy.ema");
    assert_int_equal(sp_bus_subscribe(f->sub, &options, &f->subscription, NULL), SP_OK);
}

/* ---- The publisher ---- */

static void publish_one(struct fixture *f, uint32_t ring)
{
    struct sp_record *record = &f->record;

    memset(record, 0, sizeof(*record));
    record->stream = sp_name_of(ring_names[ring]);
    record->time = sp_clock_wall();
    record->kind = f->kind;
    if (f->kind == SP_REC_CURSOR) record->body.cursor.inputs = (uint32_t)f->last_published + 1;
    if (f->kind == SP_REC_QUOTE) {
        record->body.quote = (struct sp_quote){.update_id = f->last_published + 1,
                                               .bid_px = {SP_FX_ONE},
                                               .bid_qty = {SP_FX_ONE},
                                               .ask_px = {2 * SP_FX_ONE},
                                               .ask_qty = {SP_FX_ONE}};
    }
    assert_int_equal(sp_bus_publish(f->pub, record, NULL), SP_OK);
    if (ring == 0) f->last_published = record->seq;
}

static bool publish_turn(void *ctx)
{
    struct fixture *f = ctx;
    uint64_t frames = sp_bus_stats(f->pub).frames_published;

    for (uint32_t i = 0; i < f->to_publish; i++) {
        publish_one(f, i % f->rings);
    }
    /* Nothing that would fit the frame has left already. */
    if (f->to_publish < 100) assert_int_equal(sp_bus_stats(f->pub).frames_published, frames);
    f->to_publish = 0;
    return false;
}

static void turn_pub(struct fixture *f)
{
    assert_int_equal(sp_loop_turn(f->pub_loop, (sp_dur){0}, NULL), SP_OK);
}

/* Publishes so many in one callback. */
static void publish_together(struct fixture *f, uint32_t count)
{
    f->to_publish = count;
    sp_loop_set_idle(f->pub_loop, publish_turn, f);
    turn_pub(f);
    assert_int_equal(f->to_publish, 0);
}

static void run_until_at(struct fixture *f, uint64_t seq)
{
    sp_mono start = sp_clock_mono();

    while (f->at < seq || !sp_subscription_caught_up(f->subscription)) {
        assert_true(sp_mono_since(sp_clock_mono(), start).ns < 10 * SP_NS_PER_S);
        turn_pub(f);
        assert_int_equal(sp_loop_turn(f->sub_loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
    }
}

/* Until records come by PUB, without a replay. */
static void go_live(struct fixture *f)
{
    sp_mono start = sp_clock_mono();
    struct sp_bus_stats stats;

    do {
        assert_true(sp_mono_since(sp_clock_mono(), start).ns < 10 * SP_NS_PER_S);
        stats = sp_bus_stats(f->sub);
        publish_together(f, 1);
        run_until_at(f, f->last_published);
    } while (sp_bus_stats(f->sub).replayed_socket != stats.replayed_socket ||
             sp_bus_stats(f->sub).gaps != stats.gaps || f->last_published < 3);
}

/* ---- Tests ---- */

static void sizes_arrive(struct fixture *f, uint32_t capacity)
{
    static const uint32_t sizes[] = {1, 2, 3, 64, 255, 256, 257, 511, 512, 513, 1000, 1500};

    open_rings(f, capacity);
    subscribe(f, "marketdata", ring_names[0], false);
    go_live(f);
    uint64_t gaps = sp_bus_stats(f->sub).gaps;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        uint64_t before = sp_bus_stats(f->pub).frames_published;
        publish_together(f, sizes[i]);
        uint64_t frames = sp_bus_stats(f->pub).frames_published - before;
        run_until_at(f, f->last_published);
        if (sizes[i] <= 64 && capacity > 1000) assert_int_equal(frames, 1);
        assert_true(frames * SP_WIRE_RECORDS_MAX >= sizes[i]);
        assert_true(frames <= sizes[i] / 100 + 2);
    }
    assert_int_equal(f->applied, f->last_published);
    assert_int_equal(sp_bus_stats(f->pub).published, f->last_published);
    assert_int_equal(sp_bus_stats(f->sub).gaps, gaps);
    assert_int_equal(f->announced, 0);
}

static void test_bus_batches_of_every_size_arrive_once_in_order(void **state)
{
    sizes_arrive(*state, 10000);
}

/* The arena of a small ring begins anew within most of them. */
static void test_bus_batches_of_a_small_ring_arrive_once_in_order(void **state)
{
    sizes_arrive(*state, 20);
}

static void test_bus_batches_of_tiny_records_arrive_once_in_order(void **state)
{
    struct fixture *f = *state;

    f->kind = SP_REC_CURSOR; /* so small that their number is the bound of a frame */
    sizes_arrive(f, 10000);
}

static void test_bus_batches_of_a_full_queue_add_up(void **state)
{
    struct fixture *f = *state;

    f->queue_max = 2;
    open_rings(f, 1000);
    subscribe(f, "marketdata", ring_names[0], false);
    go_live(f);
    for (int i = 0; i < 300; i++) /* the subscriber stands still */
        publish_together(f, 100 + (uint32_t)i % 200);
    run_until_at(f, f->last_published);
    assert_true(sp_bus_stats(f->sub).gaps > 0);
    assert_true(f->announced > 0);
    assert_true(f->applied > 0);
    assert_int_equal(f->applied + f->announced, f->last_published);
    assert_int_equal(sp_bus_stats(f->pub).published, f->last_published);
}

static void test_bus_batches_of_a_full_queue_are_replayed_while_held(void **state)
{
    struct fixture *f = *state;

    f->queue_max = 2;
    open_rings(f, 40000);
    subscribe(f, "marketdata", ring_names[0], false);
    go_live(f);
    for (int i = 0; i < 100; i++)
        publish_together(f, 100 + (uint32_t)i % 200);
    run_until_at(f, f->last_published);
    assert_true(sp_bus_stats(f->sub).replayed_socket > 0);
    assert_int_equal(f->announced, 0);
    assert_int_equal(f->applied, f->last_published);
}

static void test_bus_batches_are_one_frame_per_stream(void **state)
{
    struct fixture *f = *state;

    f->rings = RINGS;
    open_rings(f, 100);
    publish_together(f, 30);
    assert_int_equal(sp_bus_stats(f->pub).published, 30);
    assert_int_equal(sp_bus_stats(f->pub).frames_published, RINGS);
}

static void test_bus_batches_outside_of_callbacks_do_not_wait(void **state)
{
    struct fixture *f = *state;

    open_rings(f, 100);
    for (int i = 0; i < 10; i++)
        publish_one(f, 0);
    assert_int_equal(sp_bus_stats(f->pub).frames_published, 10);
}

static bool publish_and_flush(void *ctx)
{
    struct fixture *f = ctx;

    for (int i = 0; i < 2; i++) {
        publish_one(f, 0);
        publish_one(f, 0);
        sp_bus_flush(f->pub);
    }
    assert_int_equal(sp_bus_stats(f->pub).frames_published, 2);
    publish_one(f, 0);
    return false;
}

static void test_bus_batches_leave_at_a_flush(void **state)
{
    struct fixture *f = *state;

    open_rings(f, 100);
    sp_loop_set_idle(f->pub_loop, publish_and_flush, f);
    turn_pub(f);
    assert_int_equal(sp_bus_stats(f->pub).frames_published, 3);
}

/* ---- Many streams ---- */

#define MANY 100

static void count_record(void *ctx, const struct sp_record *record)
{
    struct fixture *f = ctx;

    (void)record;
    f->applied++;
}

static bool publish_many(void *ctx)
{
    struct fixture *f = ctx;

    f->record = (struct sp_record){.kind = SP_REC_CURSOR, .body.cursor.inputs = 1};
    for (int i = 0; i < MANY; i++) {
        snprintf(f->record.stream.s, sizeof(f->record.stream.s), "md.test.%d", i);
        assert_int_equal(sp_bus_publish(f->pub, &f->record, NULL), SP_OK);
    }
    return false;
}

/* Who joins them all asks for them all at once. */
static void test_bus_batches_of_many_streams_are_joined_at_once(void **state)
{
    struct fixture *f = *state;
    struct sp_subscription *subs[MANY];
    bool live = false;

    f->rings = 0;
    open_rings(f, 0);
    f->sub = open_bus(f, f->sub_loop, "strategy.ema");
    for (int i = 0; i < MANY; i++) {
        struct sp_sub_options options = {.publisher = sp_name_of("marketdata"),
                                         .on_record = count_record,
                                         .ctx = f};
        snprintf(options.stream.s, sizeof(options.stream.s), "md.test.%d", i);
        assert_int_equal(sp_bus_add_ring(f->pub, &options.stream, 10, NULL, NULL, NULL), SP_OK);
        assert_int_equal(sp_bus_subscribe(f->sub, &options, &subs[i], NULL), SP_OK);
    }
    sp_mono start = sp_clock_mono();
    while (!live) {
        assert_true(sp_mono_since(sp_clock_mono(), start).ns < 10 * SP_NS_PER_S);
        turn_pub(f);
        assert_int_equal(sp_loop_turn(f->sub_loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
        live = true;
        for (int i = 0; i < MANY; i++)
            live = live && sp_subscription_caught_up(subs[i]);
    }
    struct sp_bus_stats stats = sp_bus_stats(f->pub);
    assert_int_equal(stats.requests_refused, 0);
    assert_true(stats.requests >= MANY);
    sp_loop_set_idle(f->pub_loop, publish_many, f);
    while (f->applied < MANY) {
        assert_true(sp_mono_since(sp_clock_mono(), start).ns < 10 * SP_NS_PER_S);
        turn_pub(f);
        assert_int_equal(sp_loop_turn(f->sub_loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
    }
}

/* ---- A gap in the middle ---- */

static bool publish_all_but_one(void *ctx)
{
    struct fixture *f = ctx;
    struct sp_record *record = &f->record;

    for (; f->to_publish > 0; f->to_publish--) {
        memset(record, 0, sizeof(*record));
        record->stream = sp_name_of("execution");
        record->epoch = 1;
        record->seq = sp_journal_next_seq(f->journal);
        record->time = sp_clock_wall();
        record->kind = SP_REC_CURSOR;
        record->body.cursor.inputs = (uint32_t)record->seq;
        assert_int_equal(sp_journal_append(f->journal, record, 1, NULL), SP_OK);
        if (f->to_publish != 6) assert_int_equal(sp_bus_publish(f->pub, record, NULL), SP_OK);
        f->last_published = record->seq;
    }
    return false;
}

static void test_bus_batches_with_a_gap_inside_are_repaired(void **state)
{
    struct fixture *f = *state;
    sp_name stream = sp_name_of("execution");
    char dir[400];
    struct sp_journal_options journal = {.dir = dir,
                                         .stream = stream,
                                         .installation = "testbench",
                                         .world = "paper",
                                         .epoch = 1,
                                         .sync_every = {-1}};

    snprintf(dir, sizeof(dir), "%s/execution", f->data);
    mkdir(dir, 0700);
    assert_int_equal(sp_journal_open(&journal, &f->journal, NULL), SP_OK);
    f->pub = open_bus(f, f->pub_loop, "execution");
    assert_int_equal(sp_bus_add_facts(f->pub, f->journal, &stream, NULL), SP_OK);
    subscribe(f, "execution", "execution", true);
    run_until_at(f, 1);
    sp_loop_set_idle(f->pub_loop, publish_all_but_one, f);
    for (int i = 0; i < 50; i++) {
        f->to_publish = 10;
        turn_pub(f);
        run_until_at(f, f->last_published);
    }
    assert_true(sp_bus_stats(f->sub).gaps > 0);
    assert_true(sp_bus_stats(f->pub).frames_published < sp_bus_stats(f->pub).published / 8);
    assert_int_equal(f->applied, f->last_published);
    assert_int_equal(f->announced, 0);
}

/* ---- Bounds ---- */

/* A publisher that keeps to no bound. */
static void send_until_refused(struct fixture *f, const uint8_t *frame, size_t len)
{
    struct sp_sock *sock = NULL;
    char endpoint[128];
    sp_name service = sp_name_of("marketdata");
    sp_mono start = sp_clock_mono();

    subscribe(f, "marketdata", ring_names[0], false);
    sp_bus_endpoint(f->run, &service, "pub", endpoint);
    assert_int_equal(sp_sock_bind(SP_SOCK_PUB, endpoint, NULL, &sock, NULL), SP_OK);
    while (sp_bus_stats(f->sub).decode_errors < 3) {
        assert_true(sp_mono_since(sp_clock_mono(), start).ns < 10 * SP_NS_PER_S);
        assert_int_equal(sp_sock_send(sock, frame, len), SP_OK);
        assert_int_equal(sp_loop_turn(f->sub_loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
    }
    assert_int_equal(sp_bus_stats(f->sub).received, 0);
    assert_int_equal(f->applied, 0);
    sp_sock_close(sock);
}

static size_t make_frame(struct fixture *f, uint8_t *frame, size_t cap, uint32_t count)
{
    sp_name stream = sp_name_of(ring_names[0]);
    size_t len = sp_wire_encode_stream(&stream, frame);

    f->record = (struct sp_record){.epoch = 1, .kind = SP_REC_CURSOR};
    for (uint32_t i = 0; i < count; i++) {
        size_t one = 0;
        f->record.seq = i + 1;
        f->record.body.cursor.inputs = i + 1;
        assert_int_equal(sp_wire_encode_record(&f->record, frame + len, cap - len, &one, NULL),
                         SP_OK);
        len += one;
    }
    return len;
}

static void test_bus_batches_of_too_many_records_are_refused(void **state)
{
    struct fixture *f = *state;
    static uint8_t frame[SP_WIRE_FRAME_MAX];

    size_t len = make_frame(f, frame, sizeof(frame), SP_WIRE_RECORDS_MAX + 1);
    send_until_refused(f, frame, len);
}

static void test_bus_batches_of_too_many_bytes_are_refused(void **state)
{
    struct fixture *f = *state;
    static uint8_t frame[SP_WIRE_FRAME_MAX + 1];

    size_t len = make_frame(f, frame, sizeof(frame), 100);
    memset(frame + len, 0x01, sizeof(frame) - len);
    send_until_refused(f, frame, sizeof(frame));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bus_batches_of_every_size_arrive_once_in_order),
        TEST(test_bus_batches_of_a_small_ring_arrive_once_in_order),
        TEST(test_bus_batches_of_tiny_records_arrive_once_in_order),
        TEST(test_bus_batches_of_a_full_queue_add_up),
        TEST(test_bus_batches_of_a_full_queue_are_replayed_while_held),
        TEST(test_bus_batches_are_one_frame_per_stream),
        TEST(test_bus_batches_outside_of_callbacks_do_not_wait),
        TEST(test_bus_batches_leave_at_a_flush),
        TEST(test_bus_batches_of_many_streams_are_joined_at_once),
        TEST(test_bus_batches_with_a_gap_inside_are_repaired),
        TEST(test_bus_batches_of_too_many_records_are_refused),
        TEST(test_bus_batches_of_too_many_bytes_are_refused),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
