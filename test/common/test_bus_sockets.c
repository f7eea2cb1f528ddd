/* Connections that are dead, half dead or somebody else's: found by silence, made anew, and
 * everything published adds up afterwards. */
#include "impostor.h"

/* Two at most: at the PUB's place and at the ROUTER's. */
static struct impostor at_pub, at_rep;

static bool are_refused(struct fixture *f, uint64_t count)
{
    (void)f;
    if (at_pub.listener > 0) impostor_turn(&at_pub);
    if (at_rep.listener > 0) impostor_turn(&at_rep);
    return at_pub.left + at_rep.left >= count;
}

/* Handshake (64 bytes and READY) and, of a SUB, its subscriptions. */
static bool is_believed(struct fixture *f, uint64_t bytes)
{
    (void)f;
    if (at_pub.listener > 0) impostor_turn(&at_pub);
    if (at_rep.listener > 0) impostor_turn(&at_rep);
    return at_pub.heard + at_rep.heard >= bytes;
}

static int setup_impostors(void **state)
{
    at_pub = (struct impostor){.listener = -1};
    at_rep = (struct impostor){.listener = -1};
    return setup(state);
}

static int teardown_impostors(void **state)
{
    impostor_close(&at_pub);
    impostor_close(&at_rep);
    return teardown(state);
}

static bool is_level(struct fixture *f, uint64_t seq)
{
    return is_caught_up(f, seq) && sp_bus_stats(f->sub).received > 0;
}

static bool is_heard(struct fixture *f, uint64_t frames)
{
    return sp_bus_stats(f->sub).frames_received >= frames;
}

/* ---- A protocol error ends an endpoint for ever ---- */

static void test_bus_sockets_outlive_a_protocol_error(void **state)
{
    struct fixture *f = *state;

    impostor_open(&at_pub, f, "execution.pub");
    impostor_open(&at_rep, f, "execution.rep");
    impostor_say_nonsense(&at_pub);
    impostor_say_nonsense(&at_rep);
    subscribe_facts(f, (struct sp_ref){0}, false);
    assert_true(run_until(f, are_refused, 2));
    impostor_step_aside(&at_pub);
    impostor_step_aside(&at_rep);
    open_publisher(f, 1);
    add_facts(f, 1, 300, true);
    assert_true(run_on_until(f, is_level, 301));
    assert_int_equal(assert_facts_add_up(f), 0);
    assert_true(sp_bus_stats(f->sub).reconnects >= 1);
    assert_int_equal(notices_of(f, SP_SUB_SILENT), notices_of(f, SP_SUB_RESTORED));
}

/* Only the control socket is dead; heartbeats arrive, so nothing is silent. */
static void break_control(struct fixture *f, const char *name)
{
    impostor_open(&at_rep, f, name);
    impostor_say_nonsense(&at_rep);
}

static void test_bus_sockets_outlive_a_dead_control_socket(void **state)
{
    struct fixture *f = *state;

    break_control(f, "execution.rep");
    subscribe_facts(f, (struct sp_ref){0}, false);
    assert_true(run_until(f, are_refused, 1));
    impostor_step_aside(&at_rep);
    open_publisher(f, 1);
    add_facts(f, 1, 300, true);
    assert_true(run_until(f, is_heard, 1));
    assert_true(run_on_until(f, is_level, 301));
    assert_int_equal(assert_facts_add_up(f), 0);
    assert_int_equal(notices_of(f, SP_SUB_SILENT), 0); /* the SUB was never made anew */
}

static bool is_reported(struct fixture *f, uint64_t seq)
{
    sp_name stream = sp_name_of(ring_name);
    sp_name consumer = sp_name_of(subscriber_name);

    return sp_bus_consumed(f->pub, &stream, &consumer, 1) == seq;
}

/* A paced publisher waits for reports: they must find their way again. The subscriber joins live,
 * so that it has nothing to ask for. */
static void test_bus_sockets_bring_reports_over_a_dead_control_socket(void **state)
{
    struct fixture *f = *state;

    break_control(f, "marketdata.rep");
    subscribe_ring(f, cursor_at(ring_name, 3, 0), true);
    assert_true(run_until(f, are_refused, 1));
    impostor_step_aside(&at_rep);
    open_ring(f, 3, 64, false);
    add_quotes(f, 50);
    assert_true(run_on_until(f, is_reported, 50));
    assert_int_equal(assert_ring_adds_up(f, cursor_at(ring_name, 3, 0)).applied, 50);
}

static void take_reply(void *ctx, const struct sp_record *reply)
{
    uint32_t *replies = ctx;

    *replies += reply->kind == SP_REC_COMMAND_REPLY;
}

static void answer(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    struct fixture *f = ctx;
    struct sp_record *reply = &f->record;

    memset(reply, 0, sizeof(*reply));
    reply->kind = SP_REC_COMMAND_REPLY;
    reply->body.command_reply =
        (struct sp_command_reply){.request_id = request->body.query.request_id, .ok = true};
    assert_int_equal(sp_bus_reply(f->pub, peer, reply), SP_OK);
}

static void test_bus_sockets_a_client_outlives_a_protocol_error(void **state)
{
    struct fixture *f = *state;
    sp_name service = sp_name_of("marketdata");
    struct sp_client *client = NULL;
    struct sp_record request = {.kind = SP_REC_QUERY,
                                .body.query = {.request_id = 5, .what = sp_name_of("status")}};
    uint32_t replies = 0;

    break_control(f, "marketdata.rep");
    assert_int_equal(
        sp_client_open(f->sub_loop, f->run, &service, take_reply, &replies, &client, NULL), SP_OK);
    assert_true(run_until(f, are_refused, 1));
    impostor_step_aside(&at_rep);
    open_ring(f, 3, 8, false);
    sp_bus_on_request(f->pub, answer, f);
    sp_mono start = __real_sp_clock_mono();
    while (sp_client_send(client, &request, NULL) != SP_OK) {
        turn_long(f);
        assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 5 * SP_NS_PER_S);
    }
    while (replies == 0) {
        turn(f);
        assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 5 * SP_NS_PER_S);
    }
    sp_client_close(client);
}

/* ---- Connected, and nothing comes ---- */

static void test_bus_sockets_leave_a_half_open_publisher(void **state)
{
    struct fixture *f = *state;

    impostor_open(&at_pub, f, "execution.pub");
    impostor_say_hello(&at_pub, "PUB");
    subscribe_facts(f, (struct sp_ref){0}, false);
    assert_true(run_until(f, is_believed, 64 + 10 + 20));
    impostor_step_aside(&at_pub); /* its connection stays open, and silent */
    open_publisher(f, 1);
    add_facts(f, 1, 300, true);
    assert_true(run_on_until(f, is_level, 301));
    assert_int_equal(assert_facts_add_up(f), 0);
    assert_true(sp_bus_stats(f->sub).reconnects >= 1);
}

static void test_bus_sockets_leave_a_half_open_control_socket(void **state)
{
    struct fixture *f = *state;

    impostor_open(&at_rep, f, "marketdata.rep");
    impostor_say_hello(&at_rep, "ROUTER");
    subscribe_ring(f, (struct sp_ref){0}, false);
    assert_true(run_until(f, is_believed, 64 + 10));
    impostor_step_aside(&at_rep);
    open_ring(f, 2, 64, true);
    add_quotes(f, 100);
    assert_true(run_on_until(f, is_level, 100));
    assert_ring_adds_up(f, (struct sp_ref){0});
}

/* The publisher stands still as under SIGSTOP; its kernel still holds the connections. */
static void test_bus_sockets_wait_for_a_stopped_publisher(void **state)
{
    struct fixture *f = *state;

    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, false);
    add_facts(f, 1, 20, true);
    assert_true(run_until(f, is_level, 21));
    sp_mono start = __real_sp_clock_mono();
    while (sp_bus_stats(f->sub).reconnects < 3) {
        assert_int_equal(sp_loop_turn(f->sub_loop, (sp_dur){0}, NULL), SP_OK);
        skipped_ns += 50 * SP_NS_PER_MS;
        assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 5 * SP_NS_PER_S);
    }
    add_facts(f, 1, 500, true);
    assert_true(run_on_until(f, is_noticed, SP_SUB_RESTORED));
    assert_true(run_until(f, is_caught_up, 521));
    assert_int_equal(assert_facts_add_up(f), 0);
    assert_int_equal(notices_of(f, SP_SUB_SILENT), 1);
    assert_int_equal(sp_bus_stats(f->sub).silences, 1);
}

/* ---- Somebody who is no longer the publisher ---- */

/* A stopped publisher was replaced, wakes, takes the endpoints back and goes on as it was: it is
 * heard, and nothing of it is believed, neither live nor in answers. The newest takes its place
 * while it lives on: it is found, because what the other sends is no sign of life. */
static void superseded_ring(struct fixture *f, bool restart)
{
    struct sp_ref from = cursor_at(ring_name, 5, 0);

    open_ring(f, 5, 64, true);
    subscribe_ring(f, from, false);
    add_quotes(f, 10);
    assert_true(run_until(f, is_level, 10));
    sp_bus_close(f->pub);
    open_ring(f, 4, 64, true);
    struct sp_bus *zombie = f->pub;
    if (restart) { /* then it has to ask */
        close_subscriber(f);
        subscribe_ring(f, cursor_at(ring_name, 5, 10), false);
    }
    uint64_t before = sp_bus_stats(f->sub).zombies;
    for (int i = 0; sp_bus_stats(f->sub).zombies < before + 10; i++) {
        add_quotes(f, 1);
        turn_long(f);
        assert_true(i < 2000);
    }
    assert_int_equal(sp_subscription_cursor(f->subscription).epoch, 5);
    assert_int_equal(sp_subscription_cursor(f->subscription).seq, 10);
    f->published[4] = 0; /* nobody has to account for that */
    open_ring(f, 6, 64, true);
    add_quotes(f, 10);
    assert_true(run_on_until(f, is_noticed, SP_SUB_GAP));
    add_quotes(f, 10);
    assert_true(run_on_until(f, is_level, 20));
    struct ring_account sum = assert_ring_adds_up(f, from);
    assert_int_equal(sum.applied + sum.announced, 10 + 20);
    sp_bus_close(zombie);
}

static void test_bus_sockets_believe_no_superseded_ring(void **state)
{
    superseded_ring(*state, false);
}

static void test_bus_sockets_believe_no_answers_of_a_superseded_ring(void **state)
{
    superseded_ring(*state, true);
}

/* The same with facts: it appends where its successor has gone on, and publishes that. */
static void test_bus_sockets_believe_no_superseded_facts(void **state)
{
    struct fixture *f = *state;

    open_publisher(f, 5);
    subscribe_facts(f, (struct sp_ref){0}, false);
    add_facts(f, 5, 10, true);
    assert_true(run_until(f, is_level, 11));
    sp_name stream = sp_name_of(stream_name);
    sp_bus_close(f->pub);
    f->pub = open_bus(f, stream_name, 4, true);
    assert_int_equal(sp_bus_add_facts(f->pub, f->journal, &stream, NULL), SP_OK);
    for (int i = 0; sp_bus_stats(f->sub).zombies < 20; i++) {
        struct sp_record *record = next_fact(f, 4);
        assert_int_equal(sp_bus_publish(f->pub, record, NULL), SP_OK);
        turn_long(f);
        assert_true(i < 4000);
    }
    close_publisher(f);
    open_publisher(f, 6);
    add_facts(f, 6, 5, true);
    assert_true(run_on_until(f, is_level, 17));
    assert_int_equal(assert_facts_add_up(f), 0);
}

/* ---- Bytes that are no records ---- */

static void test_bus_sockets_count_what_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    struct sp_sock *noise = NULL;
    char endpoint[128];
    sp_name service = sp_name_of(stream_name);
    uint8_t frame[64];
    uint64_t random = 88172645463325252;

    mkdir(f->run, 0700);
    sp_bus_endpoint(f->run, &service, "pub", endpoint);
    assert_int_equal(sp_sock_bind(SP_SOCK_PUB, endpoint, NULL, &noise, NULL), SP_OK);
    subscribe_facts(f, (struct sp_ref){0}, false);
    memcpy(frame, "execution", 10);
    sp_mono start = __real_sp_clock_mono();
    while (sp_bus_stats(f->sub).decode_errors < 1000) {
        for (size_t i = 10; i < sizeof(frame); i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            frame[i] = (uint8_t)(random >> 20);
        }
        assert_int_equal(sp_sock_send(noise, frame, 10 + random % 54), SP_OK);
        turn(f);
        assert_true(sp_mono_since(__real_sp_clock_mono(), start).ns < 8 * SP_NS_PER_S);
    }
    /* Noise is no sign of life, so on a slow machine there is a silence. */
    assert_int_equal(f->seen.count, notices_of(f, SP_SUB_SILENT));
    sp_sock_close(noise);
    open_publisher(f, 1);
    add_facts(f, 1, 30, true);
    assert_true(run_on_until(f, is_level, 31));
    assert_int_equal(assert_facts_add_up(f), 0);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_impostors, teardown_impostors)
    const struct CMUnitTest tests[] = {
        TEST(test_bus_sockets_outlive_a_protocol_error),
        TEST(test_bus_sockets_outlive_a_dead_control_socket),
        TEST(test_bus_sockets_bring_reports_over_a_dead_control_socket),
        TEST(test_bus_sockets_a_client_outlives_a_protocol_error),
        TEST(test_bus_sockets_leave_a_half_open_publisher),
        TEST(test_bus_sockets_leave_a_half_open_control_socket),
        TEST(test_bus_sockets_wait_for_a_stopped_publisher),
        TEST(test_bus_sockets_believe_no_superseded_ring),
        TEST(test_bus_sockets_believe_no_answers_of_a_superseded_ring),
        TEST(test_bus_sockets_believe_no_superseded_facts),
        TEST(test_bus_sockets_count_what_cannot_be_read),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
