/* Rings, heartbeats and the control socket. */
#include "bus_fixture.h"

static void test_bus_rings_late_joiner_gets_a_snapshot_then_every_record_once(void **state)
{
    struct fixture *f = *state;

    open_ring(f, 1, 64, true);
    add_quotes(f, 100);
    subscribe_ring(f, (struct sp_ref){0}, false);
    for (int i = 0; i < 100; i++) { /* it joins while we publish */
        add_quotes(f, 1);
        turn(f);
    }
    assert_true(run_until(f, is_caught_up, 200));
    assert_int_equal(f->seen.at[0].type, SP_REC_BOOK_SNAPSHOT);
    assert_int_equal(f->seen.at[1].type, SP_REC_BOOK_SNAPSHOT);
    uint64_t seq = f->seen.at[0].seq;
    assert_true(seq >= 100);
    assert_int_equal(f->seen.at[1].seq, seq);
    for (uint32_t i = 2; i < f->seen.count; i++) {
        assert_false(f->seen.at[i].notice);
        assert_int_equal(f->seen.at[i].seq, ++seq);
        assert_int_equal(f->seen.at[i].value, seq);
    }
    assert_int_equal(seq, 200);
}

static void test_bus_rings_replays_what_it_holds(void **state)
{
    struct fixture *f = *state;

    open_ring(f, 4, 64, true);
    add_quotes(f, 100);
    subscribe_ring(f, cursor_at(ring_name, 4, 50), false);
    assert_true(run_until(f, is_caught_up, 100));
    assert_facts(f, 51, 100);
    assert_int_equal(notices_of(f, SP_SUB_GAP), 0);
    assert_int_equal(sp_bus_stats(f->sub).replayed_socket, 50);
}

static void test_bus_rings_past_the_ring_the_loss_is_told(void **state)
{
    struct fixture *f = *state;

    open_ring(f, 4, 64, true);
    add_quotes(f, 100);
    subscribe_ring(f, cursor_at(ring_name, 4, 20), false);
    assert_true(run_until(f, is_caught_up, 100));
    assert_int_equal(f->seen.count, 3);
    assert_true(f->seen.at[0].notice);
    assert_int_equal(f->seen.at[0].type, SP_SUB_GAP);
    assert_int_equal(f->seen.at[0].seq, 21);
    assert_int_equal(f->seen.at[0].last_seq, 100);
    assert_int_equal(f->seen.at[0].seen_epoch, 4);
    assert_int_equal(f->seen.at[1].type, SP_REC_BOOK_SNAPSHOT);
}

static void test_bus_rings_of_a_new_epoch_is_a_loss(void **state)
{
    struct fixture *f = *state;

    open_ring(f, 4, 64, false);
    add_quotes(f, 10);
    subscribe_ring(f, cursor_at(ring_name, 4, 5), false);
    assert_true(run_until(f, is_caught_up, 10));
    sp_bus_close(f->pub);
    open_ring(f, 5, 64, true);
    add_quotes(f, 3);
    assert_true(run_until(f, is_noticed, SP_SUB_GAP));
    add_quotes(f, 3);
    assert_true(run_until(f, has_events, 5 + 1 + 2 + 3));
    const struct event *gap = &f->seen.at[5];
    assert_true(gap->notice);
    assert_int_equal(gap->seen_epoch, 4);
    assert_int_equal(gap->epoch, 5);
    assert_int_equal(gap->seq, 11);
    assert_int_equal(gap->last_seq, 3);
    assert_int_equal(f->seen.at[8].seq, 4);
    assert_int_equal(f->seen.count, 11);
}

static bool is_consumed(struct fixture *f, uint64_t seq)
{
    sp_name stream = sp_name_of(ring_name);
    sp_name consumer = sp_name_of(subscriber_name);

    return sp_bus_consumed(f->pub, &stream, &consumer, 1) == seq;
}

static void test_bus_rings_paced_consumer_misses_nothing_and_reports(void **state)
{
    struct fixture *f = *state;
    sp_name stream = sp_name_of(ring_name);
    sp_name both[2] = {sp_name_of(subscriber_name), sp_name_of("health")};

    subscribe_ring(f, (struct sp_ref){0}, true); /* before the publisher is there */
    open_ring(f, 9, 64, true);
    add_quotes(f, 40);
    assert_true(is_consumed(f, 0));
    assert_true(run_until(f, is_consumed, 40));
    assert_facts(f, 1, 40);
    add_quotes(f, 2);
    assert_true(run_until(f, is_consumed, 42));
    assert_int_equal(sp_bus_consumed(f->pub, &stream, both, 2), 0);
}

/* Which subscriptions a frame is for is found out once for a run of frames of one stream. */
struct counted {
    const char *stream;
    uint64_t records, last;
};

static void count_record(void *ctx, const struct sp_record *record)
{
    struct counted *counted = ctx;

    assert_string_equal(record->stream.s, counted->stream);
    if (counted->records > 0) assert_int_equal(record->seq, counted->last + 1);
    counted->last = record->seq;
    counted->records++;
}

static void subscribe_counted(struct fixture *f, struct counted *counted, const char *stream)
{
    struct sp_sub_options options = {.stream = sp_name_of(stream),
                                     .publisher = sp_name_of("marketdata"),
                                     .paced = true,
                                     .on_record = count_record,
                                     .ctx = counted};

    counted->stream = stream;
    assert_int_equal(sp_bus_subscribe(f->sub, &options, &f->subscription, NULL), SP_OK);
}

/* Until a quote comes by PUB, without a replay. */
static void go_live(struct fixture *f)
{
    uint64_t replayed = 0;

    do {
        replayed = sp_bus_stats(f->sub).replayed_socket;
        add_quotes(f, 1);
        assert_true(run_until(f, is_caught_up, f->quotes));
    } while (sp_bus_stats(f->sub).replayed_socket != replayed || f->quotes < 3);
}

static void test_bus_rings_frames_find_every_subscription_of_their_stream(void **state)
{
    struct fixture *f = *state;
    struct counted second = {0};

    open_ring(f, 1, 64, false);
    subscribe_ring(f, (struct sp_ref){0}, true);
    go_live(f);
    subscribe_counted(f, &second, ring_name);
    assert_true(run_until(f, is_caught_up, f->quotes));
    struct sp_bus_stats before = sp_bus_stats(f->sub);
    for (int i = 0; i < 5; i++) {
        add_quotes(f, 1);
        assert_true(run_until(f, is_caught_up, f->quotes));
    }
    assert_true(run_until(f, has_events, f->quotes));
    assert_int_equal(second.last, f->quotes);
    assert_int_equal(sp_bus_stats(f->sub).gaps, before.gaps);
    assert_int_equal(sp_bus_stats(f->sub).replayed_socket, before.replayed_socket);
}

static void test_bus_rings_frames_of_several_streams_in_turn_stay_apart(void **state)
{
    struct fixture *f = *state;
    const char *other_name = "md.test.BTCUSDC"; /* as long as the first's, and begins like it */
    sp_name other = sp_name_of(other_name);
    struct counted first = {0}, of_other = {0};

    open_ring(f, 1, 64, false);
    assert_int_equal(sp_bus_add_ring(f->pub, &other, 64, NULL, NULL, NULL), SP_OK);
    subscribe_ring(f, (struct sp_ref){0}, true);
    go_live(f);
    subscribe_counted(f, &first, ring_name);
    subscribe_counted(f, &of_other, other_name);
    for (uint64_t i = 1; i <= 12; i++) {
        f->record.stream = other;
        assert_int_equal(sp_bus_publish(f->pub, &f->record, NULL), SP_OK);
        add_quotes(f, 1 + (uint32_t)i % 2);
        assert_true(run_until(f, is_caught_up, i));
    }
    assert_true(run_until(f, has_events, f->quotes));
    assert_facts(f, 1, f->quotes);
    assert_int_equal(first.last, f->quotes);
    assert_int_equal(of_other.records, 12);
}

/* The arena is circular: frames of all sizes must come back as they were, oldest first. */
static void test_bus_rings_wraps_without_damage(void **state)
{
    struct fixture *f = *state;

    open_ring(f, 1, 50, false);
    for (int i = 0; i < 400; i++) {
        struct sp_record *record = &f->record;
        memset(record, 0, sizeof(*record));
        record->stream = sp_name_of(ring_name);
        record->kind = SP_REC_BOOK_SNAPSHOT;
        record->body.book_snapshot.last_update_id = (uint64_t)i + 1;
        record->body.book_snapshot.bids.count = (uint32_t)(i * 37 % SP_LEVELS_MAX);
        for (uint32_t n = 0; n < record->body.book_snapshot.bids.count; n++) {
            record->body.book_snapshot.bids.at[n] =
                (struct sp_level){.px = {INT64_MAX - i}, .qty = {INT64_MAX - n}};
        }
        assert_int_equal(sp_bus_publish(f->pub, record, NULL), SP_OK);
        f->quotes = record->seq;
    }
    subscribe_ring(f, cursor_at(ring_name, 1, 385), false);
    assert_true(run_until(f, is_caught_up, 400));
    assert_int_equal(f->seen.count, 15);
    for (uint32_t i = 0; i < 15; i++)
        assert_int_equal(f->seen.at[i].value, 386 + i);
}

/* ---- Heartbeats, control ---- */

static void test_bus_rings_watch_gives_heartbeats(void **state)
{
    struct fixture *f = *state;
    sp_name service = sp_name_of("marketdata");

    open_ring(f, 3, 8, false);
    sp_bus_set_phase(f->pub, SP_PHASE_READY);
    f->sub = open_bus(f, "health", 1, false);
    assert_int_equal(sp_bus_watch(f->sub, &service, on_record, on_notice, f, NULL), SP_OK);
    assert_true(run_until(f, has_events, 3));
    assert_int_equal(f->seen.at[0].type, SP_REC_HEARTBEAT);
    assert_int_equal(f->seen.at[2].seq, f->seen.at[0].seq + 2);
}

static void answer_twice(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    struct fixture *f = ctx;
    struct sp_record *answer = &f->record;

    assert_int_equal(request->kind, SP_REC_QUERY);
    for (int i = 0; i < 2; i++) {
        memset(answer, 0, sizeof(*answer));
        answer->kind = SP_REC_COMMAND_REPLY;
        answer->body.command_reply.request_id = request->body.query.request_id;
        answer->body.command_reply.ok = true;
        answer->body.command_reply.more = i == 0;
        assert_int_equal(sp_bus_reply(f->pub, peer, answer), SP_OK);
    }
}

static bool was_answered(struct fixture *f, uint64_t count)
{
    return f->seen.count >= count;
}

static void test_bus_rings_client_asks_and_is_answered(void **state)
{
    struct fixture *f = *state;
    sp_name service = sp_name_of("marketdata");
    struct sp_client *client = NULL;
    struct sp_record request = {.kind = SP_REC_QUERY,
                                .body.query = {.request_id = 5, .what = sp_name_of("status")}};

    assert_int_equal(sp_client_open(f->loop, f->run, &service, on_record, f, &client, NULL), SP_OK);
    assert_int_equal(sp_client_send(client, &request, NULL), SP_FULL); /* nobody is there */
    open_ring(f, 3, 8, false);
    sp_bus_on_request(f->pub, answer_twice, f);
    sp_mono start = sp_clock_mono();
    while (sp_client_send(client, &request, NULL) != SP_OK) {
        turn(f);
        assert_true(sp_mono_since(sp_clock_mono(), start).ns < 5 * SP_NS_PER_S);
    }
    assert_true(run_until(f, was_answered, 2));
    assert_int_equal(f->seen.at[0].type, SP_REC_COMMAND_REPLY);
    sp_client_close(client);
}

static void ignore_answer(void *ctx, const struct sp_record *answer)
{
    (void)ctx;
    (void)answer;
}

static void test_bus_rings_ask_says_who_is_missing(void **state)
{
    struct fixture *f = *state;
    sp_name service = sp_name_of("marketdata");
    struct sp_err err = {0};
    struct sp_record request = {.kind = SP_REC_QUERY,
                                .body.query = {.request_id = 5, .what = sp_name_of("status")}};

    assert_int_equal(sp_client_ask(f->run, &service, &request, SP_REC_COMMAND_REPLY,
                                   (sp_dur){SP_NS_PER_S}, ignore_answer, f, &err),
                     SP_NOT_FOUND);
    assert_non_null(strstr(err.text, "marketdata is not running"));
    open_ring(f, 3, 8, false);
    assert_int_equal(sp_client_ask(f->run, &service, &request, SP_REC_COMMAND_REPLY,
                                   (sp_dur){50 * SP_NS_PER_MS}, ignore_answer, f, &err),
                     SP_TIMEOUT);
}

static void test_bus_rings_open_refuses_what_cannot_be_safe(void **state)
{
    struct fixture *f = *state;
    struct sp_bus *bus = NULL;
    struct sp_err err = {0};
    char run[600];
    struct sp_bus_options options = {.run_dir = f->data,
                                     .service = sp_name_of("marketdata"),
                                     .epoch = 1};

    assert_int_equal(chmod(f->data, 0777), 0);
    assert_int_equal(sp_bus_open(f->loop, &options, &bus, &err), SP_CONFIG);
    assert_non_null(strstr(err.text, "chmod 700"));
    snprintf(run, sizeof(run), "%s/%0100d", f->folder.path, 1);
    options.run_dir = run;
    assert_int_equal(sp_bus_open(f->loop, &options, &bus, &err), SP_INVALID);
    assert_non_null(strstr(err.text, "107"));
    options.service = sp_name_of("a-name-that-is-longer-than-heartbeats");
    assert_int_equal(sp_bus_open(f->loop, &options, &bus, &err), SP_INVALID);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bus_rings_late_joiner_gets_a_snapshot_then_every_record_once),
        TEST(test_bus_rings_replays_what_it_holds),
        TEST(test_bus_rings_past_the_ring_the_loss_is_told),
        TEST(test_bus_rings_of_a_new_epoch_is_a_loss),
        TEST(test_bus_rings_paced_consumer_misses_nothing_and_reports),
        TEST(test_bus_rings_frames_find_every_subscription_of_their_stream),
        TEST(test_bus_rings_frames_of_several_streams_in_turn_stay_apart),
        TEST(test_bus_rings_wraps_without_damage),
        TEST(test_bus_rings_watch_gives_heartbeats),
        TEST(test_bus_rings_client_asks_and_is_answered),
        TEST(test_bus_rings_ask_says_who_is_missing),
        TEST(test_bus_rings_open_refuses_what_cannot_be_safe),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
