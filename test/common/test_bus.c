/* Facts: replay from files and socket, gaps, epochs, silence. */
#include "bus_fixture.h"

static void facts_flow(struct fixture *f, bool files)
{
    open_publisher(f, 1);
    add_facts(f, 1, 600, true); /* nobody listens yet; more than one request's credit */
    subscribe_facts(f, (struct sp_ref){0}, files);
    assert_false(sp_subscription_caught_up(f->subscription));
    assert_true(run_until(f, is_caught_up, 601));
    for (int i = 0; i < 20; i++) {
        add_facts(f, 1, 10, true);
        turn(f);
    }
    assert_true(run_until(f, is_caught_up, 801));
    assert_facts(f, 1, 801);
    struct sp_bus_stats stats = sp_bus_stats(f->sub);
    assert_true((files ? stats.replayed_files : stats.replayed_socket) >= 601);
    assert_int_equal(files ? stats.replayed_socket : stats.replayed_files, 0);
    assert_int_equal(stats.lag_max, 0);
}

static void test_bus_facts_replay_from_files_then_live(void **state)
{
    facts_flow(*state, true);
}

static void test_bus_facts_replay_over_the_socket_then_live(void **state)
{
    facts_flow(*state, false);
}

static void test_bus_facts_of_a_dead_publisher_are_read(void **state)
{
    struct fixture *f = *state;

    open_journal(f, 1);
    f->record.epoch = 0;
    add_facts(f, 1, 300, false);
    sp_journal_close(f->journal);
    f->journal = NULL;
    subscribe_facts(f, cursor_at(stream_name, 1, 100), true);
    assert_true(run_until(f, is_caught_up, 301));
    assert_facts(f, 101, 301);
}

static void test_bus_gap_is_found_by_the_next_record(void **state)
{
    struct fixture *f = *state;

    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, true);
    assert_true(run_until(f, is_caught_up, 1));
    do { /* until the subscription has reached the publisher */
        add_facts(f, 1, 1, true);
        turn(f);
    } while (sp_bus_stats(f->sub).received < 5 && sp_journal_next_seq(f->journal) < 4000);
    add_facts(f, 1, 3, false);
    add_facts(f, 1, 1, true);
    uint64_t last = sp_journal_next_seq(f->journal) - 1;
    assert_true(run_until(f, is_caught_up, last));
    assert_facts(f, 1, last);
    assert_true(sp_bus_stats(f->sub).gaps >= 1);
}

static void test_bus_lost_tail_is_found_by_the_heartbeat(void **state)
{
    struct fixture *f = *state;

    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, false);
    assert_true(run_until(f, is_caught_up, 1));
    add_facts(f, 1, 5, false);
    sp_mono start = sp_clock_mono();
    assert_true(run_until(f, is_caught_up, 6));
    assert_true(sp_mono_since(sp_clock_mono(), start).ns < SP_NS_PER_S);
    assert_facts(f, 1, 6);
}

static void test_bus_new_epoch_continues_the_stream(void **state)
{
    struct fixture *f = *state;

    for (int files = 0; files < 2; files++) {
        f->seen.count = 0;
        uint32_t epoch = files == 0 ? 1 : 3;
        open_publisher(f, epoch);
        uint64_t first = files == 0 ? 1 : sp_journal_next_seq(f->journal);
        subscribe_facts(f,
                        files == 0 ? (struct sp_ref){0}
                                   : cursor_at(stream_name, 2, sp_journal_next_seq(f->journal) - 2),
                        files == 1);
        if (files == 1) first--;
        add_facts(f, epoch, 4, true);
        assert_true(run_until(f, is_caught_up, sp_journal_next_seq(f->journal) - 1));
        close_publisher(f);
        open_publisher(f, epoch + 1);
        add_facts(f, epoch + 1, 4, true);
        uint64_t last = sp_journal_next_seq(f->journal) - 1;
        assert_true(run_until(f, is_caught_up, last));
        assert_facts(f, first, last);
        assert_int_equal(notices_of(f, SP_SUB_REWOUND), 0);
        close_publisher(f);
        sp_bus_close(f->sub);
        f->sub = NULL;
    }
}

/* A power cut took back 4..6 of epoch 1; epoch 3 has begun at 4 and gone past the old cursor. */
static void rewind_case(struct fixture *f, bool files, uint32_t facts_after)
{
    open_journal(f, 1);
    add_facts(f, 1, 2, false);
    sp_journal_close(f->journal);
    open_publisher(f, 3);
    add_facts(f, 3, facts_after, true);
    uint64_t last = 4 + facts_after;
    subscribe_facts(f, cursor_at(stream_name, 1, 6), files);
    assert_true(run_until(f, is_caught_up, last));
    assert_true(run_until(f, has_events, facts_after + 2));
    assert_true(f->seen.at[0].notice);
    assert_int_equal(f->seen.at[0].type, SP_SUB_REWOUND);
    assert_int_equal(f->seen.at[0].seen_epoch, 1);
    assert_int_equal(f->seen.at[0].epoch, 3);
    assert_int_equal(f->seen.at[0].seq, 4);
    assert_int_equal(f->seen.at[0].last_seq, 6);
    assert_facts(f, 4, last);
    assert_int_equal(notices_of(f, SP_SUB_REWOUND), 1);
}

static void test_bus_rewound_stream_is_told_from_files(void **state)
{
    rewind_case(*state, true, 8);
}

static void test_bus_rewound_stream_is_told_over_the_socket(void **state)
{
    rewind_case(*state, false, 8);
}

static void test_bus_rewound_stream_shorter_than_the_cursor(void **state)
{
    rewind_case(*state, true, 0);
}

static void test_bus_older_epoch_is_dropped(void **state)
{
    struct fixture *f = *state;

    open_publisher(f, 5);
    subscribe_facts(f, (struct sp_ref){0}, false);
    add_facts(f, 5, 2, true);
    assert_true(run_until(f, is_caught_up, 3));
    /* A superseded publisher steals the socket and goes on as if it had not been. */
    sp_bus_close(f->pub);
    f->pub = open_bus(f, stream_name, 4, true);
    sp_name stream = sp_name_of(stream_name);
    assert_int_equal(sp_bus_add_facts(f->pub, f->journal, &stream, NULL), SP_OK);
    sp_mono start = sp_clock_mono();
    while (sp_bus_stats(f->sub).zombies < 3) {
        struct sp_record *record = next_fact(f, 4);
        assert_int_equal(sp_bus_publish(f->pub, record, NULL), SP_OK);
        turn(f);
        assert_true(sp_mono_since(sp_clock_mono(), start).ns < 5 * SP_NS_PER_S);
    }
    assert_facts(f, 1, 3);
}

static void test_bus_silence_is_told_once_and_so_is_its_end(void **state)
{
    struct fixture *f = *state;

    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, true);
    assert_true(run_until(f, is_caught_up, 1));
    sp_bus_close(f->pub);
    add_facts(f, 1, 2, false); /* written, and then it could not send any more */
    f->pub = NULL;
    assert_true(run_on_until(f, is_noticed, SP_SUB_SILENT));
    assert_facts(f, 1, 3); /* found in its files meanwhile */
    sp_journal_close(f->journal);
    open_publisher(f, 2);
    assert_true(run_until(f, is_noticed, SP_SUB_RESTORED));
    assert_true(run_until(f, is_caught_up, 4));
    assert_facts(f, 1, 4);
    assert_int_equal(notices_of(f, SP_SUB_SILENT), 1);
    assert_int_equal(notices_of(f, SP_SUB_RESTORED), 1);
    assert_true(sp_bus_stats(f->sub).reconnects >= 1);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bus_facts_replay_from_files_then_live),
        TEST(test_bus_facts_replay_over_the_socket_then_live),
        TEST(test_bus_facts_of_a_dead_publisher_are_read),
        TEST(test_bus_gap_is_found_by_the_next_record),
        TEST(test_bus_lost_tail_is_found_by_the_heartbeat),
        TEST(test_bus_new_epoch_continues_the_stream),
        TEST(test_bus_rewound_stream_is_told_from_files),
        TEST(test_bus_rewound_stream_is_told_over_the_socket),
        TEST(test_bus_rewound_stream_shorter_than_the_cursor),
        TEST(test_bus_older_epoch_is_dropped),
        TEST(test_bus_silence_is_told_once_and_so_is_its_end),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
