/* Turns of lock-step: what a service is given, in which order, and when a turn is over. Functions
 * that note what they are told stand for bus and shell (wrap_turns in test/meson.build). */
#include "common/turns.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LANES 3

struct fixture {
    struct sp_config *config;
    struct sp_service service;
    struct sp_turns *turns;
    /* What the bus knows. */
    uint32_t lanes;
    struct sp_sub_options lane[LANES];
    uint64_t answered; /* request id of the newest answer */
    /* What the service does. */
    bool unconnected, unsettled;
    uint32_t hold_in_settle; /* messages that come while it is asked to settle */
    sp_wall market;
    char log[256]; /* "begin BTCUSDT:1 m7 answer ", so that a test reads the order */
};

static struct fixture *f;

static void note(const char *what, uint64_t number)
{
    size_t len = strlen(f->log);

    int n = snprintf(f->log + len, sizeof f->log - len, "%s%.0" PRIu64 " ", what, number);
    assert_true(n > 0 && (size_t)n < sizeof f->log - len);
}

static void assert_told(const char *expected)
{
    assert_string_equal(f->log, expected);
    f->log[0] = '\0';
}

/* ---- The bus and the shell ---- */

sp_status __wrap_sp_bus_subscribe(struct sp_bus *bus, const struct sp_sub_options *options,
                                  struct sp_subscription **out, struct sp_err *err);
sp_status __wrap_sp_bus_reply(struct sp_bus *bus, const struct sp_peer *peer,
                              const struct sp_record *answer);
void __wrap_sp_bus_flush(struct sp_bus *bus);
void __wrap_sp_shell_set_market(struct sp_shell *shell, sp_wall market);

sp_status __wrap_sp_bus_subscribe(struct sp_bus *bus, const struct sp_sub_options *options,
                                  struct sp_subscription **out, struct sp_err *err)
{
    (void)bus;
    (void)out;
    (void)err;
    assert_true(f->lanes < LANES);
    f->lane[f->lanes++] = *options;
    return SP_OK;
}

sp_status __wrap_sp_bus_reply(struct sp_bus *bus, const struct sp_peer *peer,
                              const struct sp_record *answer)
{
    (void)bus;
    assert_int_equal(peer->len_bytes, 5);
    assert_int_equal(answer->kind, SP_REC_TURN_DONE);
    f->answered = answer->body.lock_turn.request_id;
    note("answer", 0);
    return SP_OK;
}

void __wrap_sp_bus_flush(struct sp_bus *bus)
{
    (void)bus;
    note("flush", 0);
}

void __wrap_sp_shell_set_market(struct sp_shell *shell, sp_wall market)
{
    (void)shell;
    f->market = market;
}

/* ---- The service ---- */

static bool can_begin(void *ctx)
{
    (void)ctx;
    return !f->unconnected;
}

static void begin(void *ctx)
{
    (void)ctx;
    note("begin", 0);
}

static void on_record(void *ctx, const struct sp_record *record)
{
    (void)ctx;
    note(record->stream.s, record->seq);
}

static void on_message(void *ctx, const struct sp_record *message)
{
    (void)ctx;
    note("m", message->body.cursor.inputs);
}

static void send_message(uint32_t number)
{
    struct sp_record message = {.kind = SP_REC_CURSOR, .body.cursor.inputs = number};

    sp_turns_hold(f->turns, on_message, NULL, &message);
}

static bool settle(void *ctx)
{
    (void)ctx;
    if (f->hold_in_settle > 0) send_message(100 + f->hold_in_settle--);
    return !f->unsettled;
}

static void subscribe(const char *stream, bool facts)
{
    struct sp_sub_options options = {.stream = sp_name_of(stream),
                                     .facts = facts,
                                     .on_record = on_record};
    struct sp_subscription *sub = NULL;

    assert_int_equal(sp_turns_subscribe(f->turns, &f->service, &options, &sub, NULL), SP_OK);
}

static void open_turns(bool lock_step)
{
    struct sp_turns_options options = {.service = &f->service,
                                       .shell = (struct sp_shell *)f, /* only handed on */
                                       .can_begin = can_begin,
                                       .begin = begin,
                                       .settle = settle};

    f->config->worlds[0].feed.lock_step = lock_step;
    assert_int_equal(sp_turns_open(&options, &f->turns, NULL), SP_OK);
    assert_int_equal(f->turns != NULL, lock_step);
    subscribe("md", false); /* by no means the order in which they are given */
    subscribe("b", true);
    subscribe("a", true);
}

static void arrive(const char *stream, uint32_t epoch, uint64_t seq)
{
    struct sp_record record = {.stream = sp_name_of(stream),
                               .epoch = epoch,
                               .seq = seq,
                               .kind = SP_REC_CURSOR};

    for (uint32_t i = 0; i < f->lanes; i++) {
        const struct sp_sub_options *lane = &f->lane[i];
        if (sp_name_is(&lane->stream, stream)) lane->on_record(lane->ctx, &record);
    }
}

/* A turn that names how far "a" and "md" are. */
static void turn(uint64_t id, uint64_t a, uint64_t md)
{
    struct sp_peer peer = {.len_bytes = 5};
    struct sp_record request = {.kind = SP_REC_TURN};
    struct sp_lock_turn *body = &request.body.lock_turn;

    body->request_id = id;
    body->market_time.ns = (int64_t)id * 1000;
    body->streams.count = 2;
    body->streams.at[0] = (struct sp_mark){.stream = sp_name_of("a"), .epoch = 1, .seq = a};
    body->streams.at[1] = (struct sp_mark){.stream = sp_name_of("md"), .epoch = 1, .seq = md};
    assert_true(sp_turns_take(f->turns, &peer, &request));
}

static int setup(void **state)
{
    (void)state;
    f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->config = calloc(1, sizeof *f->config);
    assert_non_null(f->config);
    f->service.config = f->config;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    sp_turns_close(f->turns);
    free(f->config);
    free(f);
    return 0;
}

/* ---- Tests ---- */

static void test_turns_facts_come_first_by_name_then_the_market(void **state)
{
    (void)state;
    open_turns(true);
    assert_false(sp_turns_has_market(f->turns));
    arrive("md", 1, 1);
    arrive("b", 1, 1);
    send_message(7);
    arrive("a", 1, 1);
    arrive("a", 1, 2);
    assert_true(sp_turns_has_market(f->turns));
    assert_told(""); /* nobody acts out of turn */
    turn(1, 2, 1);
    assert_told("begin a1 a2 b1 md1 m7 flush answer ");
    assert_int_equal(f->answered, 1);
    assert_int_equal(f->market.ns, 1000);
}

static void test_turns_wait_for_all_that_the_turn_names(void **state)
{
    (void)state;
    open_turns(true);
    arrive("md", 1, 1);
    turn(1, 2, 1);
    assert_told("");
    arrive("a", 1, 1);
    assert_told("");
    arrive("a", 1, 2);
    assert_told("begin a1 a2 md1 flush answer ");
}

static void test_turns_an_older_epoch_is_not_what_was_named(void **state)
{
    (void)state;
    open_turns(true);
    arrive("md", 1, 1);
    arrive("a", 0, 9);
    turn(1, 2, 1);
    assert_told("");
    arrive("a", 1, 2);
    assert_told("begin a9 a2 md1 flush answer ");
}

static void test_turns_wait_for_a_connection(void **state)
{
    (void)state;
    open_turns(true);
    arrive("a", 1, 1);
    arrive("md", 1, 1);
    f->unconnected = true;
    turn(1, 1, 1);
    assert_told("");
    f->unconnected = false;
    sp_turns_go_on(f->turns);
    assert_told("begin a1 md1 flush answer ");
}

static void test_turns_end_when_no_message_is_to_come(void **state)
{
    (void)state;
    open_turns(true);
    arrive("a", 1, 1);
    arrive("md", 1, 1);
    f->unsettled = true;
    turn(1, 1, 1);
    assert_told("begin a1 md1 ");
    send_message(7);
    assert_told("m7 ");
    f->unsettled = false;
    send_message(8);
    assert_told("m8 flush answer ");
}

static void test_turns_messages_of_the_last_question_are_given(void **state)
{
    (void)state;
    open_turns(true);
    arrive("a", 1, 1);
    arrive("md", 1, 1);
    f->hold_in_settle = 2;
    turn(1, 1, 1);
    assert_told("begin a1 md1 m102 m101 flush answer ");
}

static void test_turns_what_comes_between_waits_for_the_next(void **state)
{
    (void)state;
    open_turns(true);
    arrive("a", 1, 1);
    arrive("md", 1, 1);
    turn(1, 1, 1);
    f->log[0] = '\0';
    arrive("md", 1, 2);
    send_message(9);
    assert_told("");
    turn(2, 1, 2);
    assert_told("begin md2 m9 flush answer ");
    assert_int_equal(f->answered, 2);
    assert_int_equal(f->market.ns, 2000);
}

static void test_turns_a_repetition_is_answered_and_not_acted_on(void **state)
{
    (void)state;
    open_turns(true);
    arrive("a", 1, 1);
    arrive("md", 1, 1);
    f->unsettled = true;
    turn(1, 1, 1);
    turn(1, 1, 1); /* under way: its answer is still to come */
    assert_told("begin a1 md1 ");
    f->unsettled = false;
    sp_turns_go_on(f->turns);
    assert_told("flush answer ");
    turn(1, 1, 1); /* the answer was lost */
    assert_told("flush answer ");
    assert_int_equal(f->answered, 1);
}

static void test_turns_a_release_gives_messages_at_once(void **state)
{
    (void)state;
    open_turns(true);
    assert_true(sp_turns_hold_back(f->turns));
    send_message(1);
    assert_told("");
    sp_turns_release(f->turns);
    assert_told("m1 ");
    assert_false(sp_turns_hold_back(f->turns));
    send_message(2);
    assert_told("m2 ");
}

static void test_turns_without_lock_step_nothing_waits(void **state)
{
    struct sp_peer peer = {.len_bytes = 5};
    struct sp_record request = {.kind = SP_REC_TURN};

    (void)state;
    open_turns(false);
    arrive("md", 1, 1);
    send_message(3);
    assert_told("md1 m3 ");
    assert_false(sp_turns_hold_back(f->turns));
    assert_false(sp_turns_take(f->turns, &peer, &request));
    sp_turns_go_on(f->turns);
    sp_turns_release(f->turns);
    assert_told("");
}

static void test_turns_another_request_is_not_theirs(void **state)
{
    struct sp_peer peer = {.len_bytes = 5};
    struct sp_record request = {.kind = SP_REC_QUERY};

    (void)state;
    open_turns(true);
    assert_false(sp_turns_take(f->turns, &peer, &request));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(test_turns_##name, setup, teardown)
        T(facts_come_first_by_name_then_the_market),
        T(wait_for_all_that_the_turn_names),
        T(an_older_epoch_is_not_what_was_named),
        T(wait_for_a_connection),
        T(end_when_no_message_is_to_come),
        T(messages_of_the_last_question_are_given),
        T(what_comes_between_waits_for_the_next),
        T(a_repetition_is_answered_and_not_acted_on),
        T(a_release_gives_messages_at_once),
        T(without_lock_step_nothing_waits),
        T(another_request_is_not_theirs),
#undef T
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
