/* Everything in the bus has a bound; what happens there is counted, and nothing is lost by it. */
#include "bus_fixture.h"

#include "proto/wire.h"

static bool is_level(struct fixture *f, uint64_t seq)
{
    return is_caught_up(f, seq) && sp_bus_stats(f->sub).received > 0;
}

/* ---- Lines of metrics ---- */

struct lines {
    char text[1 << 16];
    size_t len;
};

static void take_line(void *ctx, const char *line)
{
    struct lines *lines = ctx;
    int n = snprintf(lines->text + lines->len, sizeof(lines->text) - lines->len, "%s\n", line);

    assert_true(n > 0);
    lines->len += (size_t)n;
    assert_true(lines->len < sizeof(lines->text));
}

/* The value of `name`, which may have labels; fails if there is none. */
static uint64_t metric(const struct sp_bus *bus, const char *name)
{
    static struct lines lines;
    char start[200];

    lines.len = 0;
    sp_bus_print_metrics(bus, take_line, &lines);
    snprintf(start, sizeof(start), "\n%s ", name);
    const char *at = strstr(lines.text, start);
    if (at == NULL) fail_msg("no %s in\n%s", name, lines.text);
    return strtoull(at + strlen(start), NULL, 10);
}

#define STREAM_METRIC(what)                                                                        \
    "spoor_bus_stream_" what "_total{stream=\"execution\",consumer=\"strategy.ema\"}"

/* ---- Live records during a replay ---- */

static void test_bus_bounds_held_records_are_bounded(void **state)
{
    struct fixture *f = *state;
    const char *lag = "spoor_bus_lag_records{stream=\"execution\",consumer=\"strategy.ema\"}";

    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, false);
    assert_true(run_until(f, is_level, 1));
    add_facts(f, 1, 5, false); /* lost; the publisher does not come to answer */
    sp_mono start = __real_sp_clock_mono();
    while (sp_bus_stats(f->sub).held_drops < 100) {
        add_facts(f, 1, 100, true);
        assert_int_equal(sp_loop_turn(f->sub_loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
        assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 8 * SP_NS_PER_S);
    }
    uint64_t last = sp_journal_next_seq(f->journal) - 1;
    assert_true(last < 60000); /* the buffer has 1 MiB */
    assert_in_range(metric(f->sub, lag), 100, last);
    assert_true(run_until(f, is_caught_up, last));
    assert_int_equal(assert_facts_add_up(f), 0);
    assert_int_equal(metric(f->sub, lag), 0);
    assert_true(metric(f->sub, "spoor_bus_held_drops_total") >= 100);
    assert_true(metric(f->sub, "spoor_bus_gaps_total") >= 1);
    assert_true(metric(f->sub, "spoor_bus_replayed_socket_total") >= 5);
    assert_true(metric(f->pub, "spoor_bus_requests_total") >= 1);
    assert_int_equal(metric(f->pub, "spoor_bus_published_total"), last - 6);
    assert_int_equal(metric(f->sub, STREAM_METRIC("applied")), last);
    assert_int_equal(metric(f->sub, STREAM_METRIC("lost")), 0);
    assert_int_equal(metric(f->sub, STREAM_METRIC("rewound")), 0);
    assert_true(metric(f->sub, STREAM_METRIC("dropped")) >= 100);
    assert_true(metric(f->sub, STREAM_METRIC("gaps")) >= 1);
    assert_int_equal(metric(f->sub, STREAM_METRIC("replayed")),
                     sp_bus_stats(f->sub).replayed_socket);
}

/* ---- Who may read ---- */

static bool only_execution(const sp_name *service, const sp_name *stream)
{
    return sp_name_is(service, "reader") && sp_name_is(stream, "execution");
}

static void test_bus_bounds_facts_are_only_for_readers_who_are_known(void **state)
{
    static const struct {
        const char *stream;
        bool facts;
        sp_status expected;
    } cases[] = {{"execution", true, SP_OK},
                 {"strategy.ema", true, SP_INVALID},
                 {"md.test.BTCUSDT", false, SP_OK}};
    struct fixture *f = *state;
    struct sp_bus_options options = {.run_dir = f->run,
                                     .service = sp_name_of("reader"),
                                     .epoch = 1,
                                     .queue_max = 100,
                                     .message_max_bytes = 65536,
                                     .may_read = only_execution};

    assert_int_equal(sp_bus_open(f->sub_loop, &options, &f->sub, NULL), SP_OK);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sp_sub_options want = {.stream = sp_name_of(cases[i].stream),
                                      .publisher = sp_name_of("execution"),
                                      .facts = cases[i].facts,
                                      .on_record = on_record,
                                      .on_notice = on_notice,
                                      .ctx = f};
        struct sp_subscription *sub = NULL;
        struct sp_err err = {0};
        assert_int_equal(sp_bus_subscribe(f->sub, &want, &sub, &err), cases[i].expected);
        if (cases[i].expected != SP_OK) assert_non_null(strstr(err.text, "reader"));
    }
}

/* ---- Replays at once ---- */

#define ASKERS 80

struct asker {
    struct sp_sock *dealer;
    uint64_t next, last, request;
    int64_t asked_ns;
};

static void ask(struct asker *asker, struct fixture *f)
{
    static uint64_t requests;
    uint8_t frame[512];
    size_t len = 0;

    memset(&f->record, 0, sizeof(f->record));
    f->record.kind = SP_REC_REPLAY_REQUEST;
    f->record.epoch = 1;
    f->record.body.replay_request = (struct sp_replay_request){.request_id = ++requests,
                                                               .consumer = sp_name_of("asker"),
                                                               .stream = sp_name_of(stream_name),
                                                               .first_seq = asker->next,
                                                               .credit = 256};
    assert_int_equal(sp_wire_encode(&f->record, frame, sizeof(frame), &len, NULL), SP_OK);
    asker->request = requests;
    asker->asked_ns = sp_clock_mono().ns;
    if (sp_sock_send(asker->dealer, frame, len) != SP_OK) asker->request = 0;
}

static void hear(struct asker *asker, struct fixture *f)
{
    struct sp_wire_frame frame;
    const uint8_t *bytes = NULL;
    size_t len = 0;

    while (sp_sock_receive(asker->dealer, NULL, &bytes, &len) == SP_OK) {
        assert_int_equal(sp_wire_open(bytes, len, &frame, NULL), SP_OK);
        while (sp_wire_next(&frame, &f->record, NULL) == SP_OK) {
            const struct sp_replay_end *end = &f->record.body.replay_end;
            if (f->record.kind != SP_REC_REPLAY_END) {
                if (f->record.seq == asker->next) asker->next++;
            } else if (end->request_id == asker->request) {
                asker->last = end->last_seq;
                asker->request = 0;
            }
        }
    }
}

/* More askers than slots, all at once, for an answer of many turns: everybody comes to the end. */
static void test_bus_bounds_more_askers_than_slots_all_get_their_answer(void **state)
{
    struct fixture *f = *state;
    static struct asker askers[ASKERS];
    char endpoint[128];
    sp_name service = sp_name_of(stream_name);
    uint32_t done = 0;

    open_publisher(f, 1);
    add_facts(f, 1, 1000, false);
    sp_bus_endpoint(f->run, &service, "rep", endpoint);
    for (uint32_t i = 0; i < ASKERS; i++) {
        askers[i] = (struct asker){.next = 1};
        assert_int_equal(sp_sock_connect(SP_SOCK_DEALER, endpoint, NULL, &askers[i].dealer, NULL),
                         SP_OK);
    }
    sp_mono start = __real_sp_clock_mono();
    while (done < ASKERS) {
        done = 0;
        int64_t now = sp_clock_mono().ns;
        for (uint32_t i = 0; i < ASKERS; i++) {
            struct asker *asker = &askers[i];
            hear(asker, f);
            bool finished = asker->last != 0 && asker->next > asker->last;
            bool waits = asker->request != 0 && now - asker->asked_ns < 250 * SP_NS_PER_MS;
            if (!finished && !waits) ask(asker, f);
            done += finished;
        }
        turn_long(f);
        assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 8 * SP_NS_PER_S);
    }
    assert_true(sp_bus_stats(f->pub).requests_refused > 0);
    for (uint32_t i = 0; i < ASKERS; i++)
        sp_sock_close(askers[i].dealer);
}

/* ---- Tables ---- */

static void test_bus_bounds_subscriptions_and_publishers_are_bounded(void **state)
{
    struct fixture *f = *state;
    struct sp_sub_options options = {.publisher = sp_name_of("p"),
                                     .stream = sp_name_of("s"),
                                     .on_record = on_record,
                                     .ctx = f};
    struct sp_err err = {0};
    sp_status status = SP_OK;
    uint32_t count = 0;
    char name[16];

    f->sub = open_bus(f, subscriber_name, 1, false);
    for (; status == SP_OK && count < 1000; count++) {
        snprintf(name, sizeof(name), "p%" PRIu32, count);
        options.publisher = sp_name_of(name);
        status = sp_bus_subscribe(f->sub, &options, NULL, &err);
    }
    assert_int_equal(status, SP_FULL);
    assert_int_equal(count, 33);
    assert_non_null(strstr(err.text, "32"));
    options.publisher = sp_name_of("p0");
    status = SP_OK;
    for (; status == SP_OK && count < 1000; count++)
        status = sp_bus_subscribe(f->sub, &options, NULL, &err);
    assert_int_equal(status, SP_FULL);
    assert_int_equal(count, 33 + 225);
    assert_non_null(strstr(err.text, "256"));
}

static bool are_reports_refused(struct fixture *f, uint64_t count)
{
    return sp_bus_stats(f->pub).reports_refused >= count;
}

static void test_bus_bounds_reports_of_consumers_are_bounded(void **state)
{
    struct fixture *f = *state;
    sp_name service = sp_name_of("marketdata"), ring = sp_name_of(ring_name);
    struct sp_client *client = NULL;
    char name[16];

    open_ring(f, 1, 16, false);
    add_quotes(f, 10);
    assert_int_equal(sp_client_open(f->sub_loop, f->run, &service, on_record, f, &client, NULL),
                     SP_OK);
    for (uint32_t i = 0; i < 300; i++) {
        struct sp_record record = {.kind = SP_REC_CONSUMED, .epoch = 1};
        snprintf(name, sizeof(name), "c%" PRIu32, i);
        record.body.consumed = (struct sp_consumed){.consumer = sp_name_of(name),
                                                    .stream = ring,
                                                    .epoch = 1,
                                                    .seq = 4};
        sp_mono start = __real_sp_clock_mono();
        while (sp_client_send(client, &record, NULL) != SP_OK) {
            turn(f);
            assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 5 * SP_NS_PER_S);
        }
    }
    assert_true(run_until(f, are_reports_refused, 300 - 256));
    assert_int_equal(sp_bus_stats(f->pub).reports_refused, 300 - 256);
    assert_int_equal(
        metric(f->pub,
               "spoor_bus_reported_lag_records{stream=\"md.test.BTCUSDT\",consumer=\"c7\"}"),
        6);
    sp_client_close(client);
}

/* ---- Questions to a service that does not read ---- */

static void count_request(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    (void)peer;
    *(uint64_t *)ctx += request->kind == SP_REC_QUERY;
}

static void test_bus_bounds_a_clients_queue_is_bounded(void **state)
{
    struct fixture *f = *state;
    sp_name service = sp_name_of("marketdata");
    struct sp_client *client = NULL;
    struct sp_record request = {.kind = SP_REC_QUERY,
                                .body.query = {.request_id = 5, .what = sp_name_of("status")}};
    uint64_t taken = 0, sent = 0;

    f->queue_max = 100;
    open_ring(f, 1, 16, false);
    sp_bus_on_request(f->pub, count_request, &taken);
    assert_int_equal(sp_client_open(f->sub_loop, f->run, &service, on_record, f, &client, NULL),
                     SP_OK);
    sp_mono start = __real_sp_clock_mono();
    while (sp_client_send(client, &request, NULL) != SP_OK) {
        turn(f);
        assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 5 * SP_NS_PER_S);
    }
    /* From here on the service stands still. */
    for (sent = 1; sp_client_send(client, &request, NULL) == SP_OK; sent++)
        assert_true(sent < 100000);
    while (taken < sent) { /* what was taken arrives */
        turn(f);
        assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 8 * SP_NS_PER_S);
    }
    assert_int_equal(taken, sent);
    sp_client_close(client);
}

/* ---- Requests that make no sense ---- */

static void test_bus_bounds_odd_requests_are_survived(void **state)
{
    struct fixture *f = *state;
    sp_name service = sp_name_of(stream_name);
    struct sp_client *client = NULL;
    const struct sp_replay_request odd[] = {
        {.request_id = 1, .first_seq = 0, .credit = 1},
        {.request_id = 2, .first_seq = 0, .epoch = 7},
        {.request_id = 3, .first_seq = UINT64_MAX, .credit = UINT32_MAX},
        {.request_id = 4, .first_seq = UINT64_MAX, .epoch = 1},
        {.request_id = 5, .first_seq = UINT64_MAX, .epoch = UINT32_MAX, .snapshot = true},
        {.request_id = 6, .first_seq = 3, .last_seq = 1, .epoch = 9},
        {.request_id = 7, .first_seq = 1, .stream = sp_name_of("nobodys")},
    };

    open_publisher(f, 1);
    add_facts(f, 1, 10, true);
    assert_int_equal(sp_client_open(f->sub_loop, f->run, &service, on_record, f, &client, NULL),
                     SP_OK);
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        struct sp_record record = {.kind = SP_REC_REPLAY_REQUEST, .epoch = 1};
        record.body.replay_request = odd[i];
        record.body.replay_request.consumer = sp_name_of("odd");
        if (sp_name_is_empty(&odd[i].stream)) record.body.replay_request.stream = service;
        sp_mono start = __real_sp_clock_mono();
        while (sp_client_send(client, &record, NULL) != SP_OK) {
            turn(f);
            assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 5 * SP_NS_PER_S);
        }
        for (int n = 0; n < 5; n++)
            turn(f);
    }
    f->seen.count = 0;
    subscribe_facts(f, (struct sp_ref){0}, false);
    assert_true(run_until(f, is_level, 11));
    sp_client_close(client);
    assert_int_equal(sp_bus_stats(f->sub).decode_errors, 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bus_bounds_held_records_are_bounded),
        TEST(test_bus_bounds_facts_are_only_for_readers_who_are_known),
        TEST(test_bus_bounds_more_askers_than_slots_all_get_their_answer),
        TEST(test_bus_bounds_subscriptions_and_publishers_are_bounded),
        TEST(test_bus_bounds_reports_of_consumers_are_bounded),
        TEST(test_bus_bounds_a_clients_queue_is_bounded),
        TEST(test_bus_bounds_odd_requests_are_survived),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
