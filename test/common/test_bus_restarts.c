/* Facts over every kind of restart and stop: published == applied, in order, once; what a power cut
 * took back is announced. Each case runs with the publisher's files and with its socket only. */
#include "bus_fixture.h"

/* A case, run with files and without. */
typedef void case_fn(struct fixture *f, bool files);

static void each_way(void **state, case_fn *fn)
{
    struct fixture *f = *state;

    fn(f, true);
    close_publisher(f);
    close_subscriber(f);
    void *second = NULL;
    setup(&second);
    fn(second, false);
    teardown(&second);
}

static uint64_t last_seq(const struct fixture *f)
{
    return sp_journal_next_seq(f->journal) - 1;
}

/* It has caught up, and received something over its socket. */
static bool is_in_touch(struct fixture *f, uint64_t seq)
{
    return sp_bus_stats(f->sub).received > 0 && is_caught_up(f, seq);
}

static void assert_all_applied(struct fixture *f)
{
    assert_true(run_on_until(f, is_caught_up, last_seq(f)));
    assert_int_equal(assert_facts_add_up(f), 0);
}

/* ---- Joining and being late ---- */

static void late_joiner(struct fixture *f, bool files)
{
    open_publisher(f, 1);
    add_facts(f, 1, 700, true); /* nobody listens; more than one answer holds */
    subscribe_facts(f, (struct sp_ref){0}, files);
    for (int i = 0; i < 50; i++) { /* it joins while more is published */
        add_facts(f, 1, 5, true);
        turn(f);
    }
    assert_all_applied(f);
    struct sp_bus_stats stats = sp_bus_stats(f->sub);
    assert_true((files ? stats.replayed_files : stats.replayed_socket) >= 701);
    assert_int_equal(files ? stats.replayed_socket : stats.replayed_files, 0);
}

static void test_bus_restarts_a_late_joiner_gets_everything(void **state)
{
    each_way(state, late_joiner);
}

/* Queues of ten, bursts of thousands: most frames are dropped. */
static void full_queues(struct fixture *f, bool files)
{
    f->queue_max = 10;
    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, files);
    assert_true(run_until(f, is_in_touch, 1));
    for (int i = 0; i < 2; i++) {
        add_facts(f, 1, 2200, true);
        turn(f);
    }
    assert_all_applied(f);
    struct sp_bus_stats stats = sp_bus_stats(f->sub);
    assert_true(stats.gaps >= 1);
    assert_true(stats.received < 4400); /* else nothing was dropped, and nothing was shown */
    assert_true(stats.replayed_files + stats.replayed_socket >= 4401 - stats.received);
    struct sp_bus_flow flow = flow_of(f->sub, stream_name);
    assert_int_equal(flow.applied, 4401);
    assert_int_equal(flow.replayed, stats.replayed_files + stats.replayed_socket);
    assert_int_equal(flow.gaps, stats.gaps);
    assert_int_equal(flow.lost + flow.rewound + flow.lag, 0);
}

static void test_bus_restarts_full_queues_lose_nothing(void **state)
{
    each_way(state, full_queues);
}

/* The subscriber stands still for a minute, as under SIGSTOP, while the publisher goes on. */
static void stopped_subscriber(struct fixture *f, bool files)
{
    f->queue_max = 10;
    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, files);
    assert_true(run_until(f, is_in_touch, 1));
    for (int i = 0; i < 60; i++) {
        add_facts(f, 1, 100, true);
        skipped_ns += SP_NS_PER_S;
        assert_int_equal(sp_loop_turn(f->loop, (sp_dur){0}, NULL), SP_OK);
    }
    assert_all_applied(f);
    assert_int_equal(notices_of(f, SP_SUB_SILENT), 0); /* it was not the publisher who was silent */
    struct sp_bus_flow flow = flow_of(f->sub, stream_name);
    assert_int_equal(flow.applied, 6001);
    assert_int_equal(flow.lost + flow.lag, 0);
}

static void test_bus_restarts_a_stopped_subscriber_catches_up(void **state)
{
    each_way(state, stopped_subscriber);
}

static void slow_subscriber(struct fixture *f, bool files)
{
    f->queue_max = 10;
    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, files);
    for (int i = 0; i < 150; i++) {
        add_facts(f, 1, 20, true);
        assert_int_equal(sp_loop_turn(f->loop, (sp_dur){0}, NULL), SP_OK);
        if (i % 30 == 0) turn(f);
    }
    assert_all_applied(f);
}

static void test_bus_restarts_a_slow_subscriber_loses_nothing(void **state)
{
    each_way(state, slow_subscriber);
}

/* ---- The publisher ---- */

static void publisher_restart(struct fixture *f, bool files)
{
    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, files);
    for (uint32_t epoch = 1; epoch <= 6; epoch++) {
        add_facts(f, epoch, 30, true);
        for (uint32_t i = 0; i < epoch; i++)
            turn(f);
        add_facts(f, epoch, epoch % 3, false); /* killed between append and send */
        close_publisher(f);
        if (epoch % 2 == 0) turn(f);
        open_publisher(f, epoch + 1);
    }
    add_facts(f, 7, 1, true);
    assert_all_applied(f);
    assert_int_equal(notices_of(f, SP_SUB_REWOUND), 0);
}

static void test_bus_restarts_of_the_publisher_lose_nothing(void **state)
{
    each_way(state, publisher_restart);
}

/* Written, and killed before anything could be sent; nobody comes back. Only its files can tell. */
static void test_bus_restarts_a_dead_publisher_is_read_to_its_end(void **state)
{
    struct fixture *f = *state;

    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, true);
    add_facts(f, 1, 10, true);
    assert_true(run_until(f, is_caught_up, 11));
    add_facts(f, 1, 300, false);
    close_publisher(f);
    assert_true(run_on_until(f, has_events, 311));
    assert_int_equal(assert_facts_add_up(f), 0);
    assert_int_equal(notices_of(f, SP_SUB_GAP), 0);
}

static long journal_size(const struct fixture *f, char path[700])
{
    struct stat st;

    snprintf(path, 700, "%s/%s/%020d.jsonl", f->data, stream_name, 1);
    assert_int_equal(stat(path, &st), 0);
    return (long)st.st_size;
}

/* A power cut takes back what was not synced, and the subscriber has seen it. */
static void lost_tail(struct fixture *f, bool files)
{
    char path[700];

    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, files);
    add_facts(f, 1, 20, true);
    assert_int_equal(sp_journal_sync(f->journal, NULL), SP_OK);
    long kept = journal_size(f, path);
    add_facts(f, 1, 15, true); /* 22..36 */
    assert_true(run_on_until(f, is_caught_up, 36));
    close_publisher(f);
    assert_int_equal(truncate(path, kept), 0);
    open_publisher(f, 2); /* begins at 22 */
    add_facts(f, 2, 30, true);
    assert_true(run_on_until(f, is_noticed, SP_SUB_REWOUND));
    assert_true(run_until(f, is_caught_up, 52));
    assert_int_equal(assert_facts_add_up(f), 15);
    struct sp_bus_flow flow = flow_of(f->sub, stream_name);
    assert_int_equal(flow.rewound, 15);
    assert_int_equal(flow.applied - flow.rewound, 52);
    assert_int_equal(notices_of(f, SP_SUB_REWOUND), 1);
    const struct event *told = NULL;
    for (uint32_t i = 0; i < f->seen.count && told == NULL; i++) {
        if (f->seen.at[i].notice && f->seen.at[i].type == SP_SUB_REWOUND) told = &f->seen.at[i];
    }
    assert_non_null(told);
    if (told == NULL) return; /* for the compiler */
    assert_int_equal(told->seen_epoch, 1);
    assert_int_equal(told->epoch, 2);
    assert_int_equal(told->seq, 22);
    assert_int_equal(told->last_seq, 36);
}

static void test_bus_restarts_a_lost_tail_is_announced(void **state)
{
    each_way(state, lost_tail);
}

/* The same while the subscriber is down too: it starts with a cursor that nobody knows any more. */
static void lost_tail_unseen(struct fixture *f, bool files)
{
    char path[700];

    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, files);
    add_facts(f, 1, 20, true);
    long kept = journal_size(f, path);
    add_facts(f, 1, 15, true);
    assert_true(run_until(f, is_caught_up, 36));
    struct sp_ref cursor = sp_subscription_cursor(f->subscription);
    close_subscriber(f);
    close_publisher(f);
    assert_int_equal(truncate(path, kept), 0);
    open_publisher(f, 2);
    add_facts(f, 2, 3, true); /* ends at 25, below the cursor */
    close_publisher(f);
    open_publisher(f, 3);
    subscribe_facts(f, cursor, files);
    assert_true(run_until(f, is_noticed, SP_SUB_REWOUND));
    assert_true(run_until(f, is_caught_up, 26));
    assert_int_equal(assert_facts_add_up(f), 15);
}

static void test_bus_restarts_a_lost_tail_is_announced_at_the_next_start(void **state)
{
    each_way(state, lost_tail_unseen);
}

/* ---- Segments that were deleted ---- */

/* Deletes the segments that end before `seq`, as a person asks for it; returns what is held
 * first. */
static uint64_t delete_before(struct fixture *f, uint32_t epoch, uint64_t seq)
{
    static struct sp_record record;
    char dir[600];
    uint64_t first[64], low = 1;
    uint32_t count = 0;

    snprintf(dir, sizeof(dir), "%s/%s", f->data, stream_name);
    DIR *open_dir = opendir(dir);
    assert_non_null(open_dir);
    for (struct dirent *e = readdir(open_dir); e != NULL; e = readdir(open_dir)) {
        if (strlen(e->d_name) != 26 || strcmp(e->d_name + 20, ".jsonl") != 0) continue;
        assert_true(count < 64);
        first[count++] = strtoull(e->d_name, NULL, 10);
    }
    closedir(open_dir);
    for (uint32_t i = 0; i < count; i++) {
        if (first[i] <= seq && first[i] > low) low = first[i];
    }
    assert_true(low > 1);
    record = *next_fact(f, epoch);
    record.kind = SP_REC_JOURNAL_TRIMMED;
    memset(&record.body, 0, sizeof(record.body));
    record.body.journal_trimmed.first_seq = low;
    assert_int_equal(sp_journal_append(f->journal, &record, 1, NULL), SP_OK);
    assert_int_equal(sp_journal_sync(f->journal, NULL), SP_OK);
    assert_int_equal(sp_journal_delete_before(f->journal, low, NULL), SP_OK);
    return low;
}

static void deleted_segments(struct fixture *f, bool files)
{
    f->segment_bytes = 4096;
    open_publisher(f, 1);
    add_facts(f, 1, 300, false);
    uint64_t low = delete_before(f, 1, 200);
    close_publisher(f);
    assert_in_range(low, 100, 200);
    open_publisher(f, 2);
    add_facts(f, 2, 5, true);
    subscribe_facts(f, cursor_at(stream_name, 1, 50), files);
    assert_true(run_until(f, is_caught_up, last_seq(f)));
    assert_true(f->seen.at[0].notice);
    assert_int_equal(f->seen.at[0].type, SP_SUB_GAP);
    assert_int_equal(f->seen.at[0].seq, 51);
    assert_int_equal(f->seen.at[0].last_seq, low - 1);
    assert_facts(f, low, last_seq(f));
    assert_int_equal(notices_of(f, SP_SUB_GAP), 1);
    assert_int_equal(sp_bus_stats(f->sub).ring_gone, 1);
    struct sp_bus_flow flow = flow_of(f->sub, stream_name);
    assert_int_equal(flow.lost, low - 51);
    assert_int_equal(flow.applied + flow.lost, last_seq(f) - 50);
}

static void test_bus_restarts_deleted_segments_are_announced(void **state)
{
    each_way(state, deleted_segments);
}

/* The cursor's record was taken back, and where that epoch began is deleted too. */
static void deleted_rewind(struct fixture *f, bool files)
{
    f->segment_bytes = 4096;
    open_publisher(f, 3);
    add_facts(f, 3, 300, false);
    uint64_t low = delete_before(f, 3, 100);
    subscribe_facts(f, cursor_at(stream_name, 1, 250), files);
    assert_true(run_until(f, is_caught_up, 302));
    assert_int_equal(notices_of(f, SP_SUB_REWOUND), 1);
    assert_int_equal(f->seen.at[0].type, SP_SUB_REWOUND);
    assert_int_equal(f->seen.at[0].seq, low);
    assert_int_equal(f->seen.at[0].last_seq, 250);
    assert_facts(f, low, 302);
}

static void test_bus_restarts_a_lost_tail_is_announced_from_the_middle(void **state)
{
    each_way(state, deleted_rewind);
}

/* ---- The subscriber ---- */

/* It goes on behind what it has applied, as its journal says. */
static void restart_subscriber(struct fixture *f, bool files)
{
    struct sp_ref cursor = sp_subscription_cursor(f->subscription);

    close_subscriber(f);
    subscribe_facts(f, cursor, files);
}

static void subscriber_restart(struct fixture *f, bool files)
{
    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, files);
    for (int i = 0; i < 12; i++) {
        add_facts(f, 1, 40, true);
        for (int n = 0; n < i; n++)
            turn(f);
        add_facts(f, 1, 3, i % 2 == 0);
        restart_subscriber(f, files);
    }
    assert_all_applied(f);
}

static void test_bus_restarts_of_the_subscriber_lose_nothing(void **state)
{
    each_way(state, subscriber_restart);
}

static void both_restart(struct fixture *f, bool files)
{
    open_publisher(f, 1);
    subscribe_facts(f, (struct sp_ref){0}, files);
    for (uint32_t epoch = 1; epoch <= 6; epoch++) {
        add_facts(f, epoch, 100, true);
        for (uint32_t i = 0; i < epoch; i++)
            turn(f);
        struct sp_ref cursor = sp_subscription_cursor(f->subscription);
        close_subscriber(f);
        add_facts(f, epoch, 20, false);
        close_publisher(f);
        subscribe_facts(f, cursor, files);
        if (epoch % 2 == 1) turn(f);
        open_publisher(f, epoch + 1);
    }
    assert_all_applied(f);
}

static void test_bus_restarts_of_both_at_once_lose_nothing(void **state)
{
    each_way(state, both_restart);
}

/* Another data directory: the files of the publisher are not there to be read. */
static void test_bus_restarts_unreadable_files_are_replayed_by_socket(void **state)
{
    struct fixture *f = *state;
    char data[sizeof(f->data)];

    open_publisher(f, 1);
    add_facts(f, 1, 600, true);
    memcpy(data, f->data, sizeof(data));
    snprintf(f->data, sizeof(f->data), "%s/elsewhere", f->folder.path);
    subscribe_facts(f, (struct sp_ref){0}, true);
    memcpy(f->data, data, sizeof(data));
    assert_all_applied(f);
    add_facts(f, 1, 50, false); /* found by the heartbeat */
    assert_all_applied(f);
    assert_int_equal(sp_bus_stats(f->sub).replayed_files, 0);
    assert_true(sp_bus_stats(f->sub).replayed_socket >= 651);
}

/* ---- All of it, in any order ---- */

struct storm {
    struct fixture *f;
    uint64_t random;
    uint32_t epoch;
    bool files;
    char path[700];
    long synced; /* bytes of the journal that a power cut leaves */
};

static uint32_t draw(struct storm *s, uint32_t below)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return (uint32_t)((s->random >> 11) % below);
}

static void start_publisher(struct storm *s)
{
    open_publisher(s->f, ++s->epoch);
    s->synced = journal_size(s->f, s->path);
}

static void storm_step(struct storm *s)
{
    struct fixture *f = s->f;
    struct sp_ref cursor = sp_subscription_cursor(f->subscription);

    switch (draw(s, 12)) {
    case 0: /* killed */
        close_publisher(f);
        start_publisher(s);
        return;
    case 1: /* the power fails; or only its machine's, if the subscriber lives on */
        close_publisher(f);
        assert_int_equal(truncate(s->path, s->synced), 0);
        start_publisher(s);
        return;
    case 2:
        close_subscriber(f);
        s->files = draw(s, 2) == 0;
        subscribe_facts(f, cursor, s->files);
        return;
    case 3:
        assert_int_equal(sp_journal_sync(f->journal, NULL), SP_OK);
        s->synced = journal_size(f, s->path);
        return;
    case 4: skipped_ns += (int64_t)draw(s, 3000) * SP_NS_PER_MS; return;
    case 5: add_facts(f, s->epoch, draw(s, 300), true); return;
    case 6: add_facts(f, s->epoch, draw(s, 5), false); return;
    case 7:
        for (uint32_t i = draw(s, 10); i > 0; i--)
            assert_int_equal(sp_loop_turn(f->loop, (sp_dur){SP_NS_PER_MS}, NULL), SP_OK);
        return;
    default:
        add_facts(f, s->epoch, draw(s, 10), true);
        for (uint32_t i = draw(s, 6); i > 0; i--)
            turn(f);
    }
}

/* At the very record that the publisher has written last. */
static bool is_level(struct fixture *f, uint64_t epoch)
{
    struct sp_ref cursor = sp_subscription_cursor(f->subscription);

    return is_caught_up(f, last_seq(f)) && cursor.seq == last_seq(f) && cursor.epoch == epoch;
}

static void run_storm(uint64_t seed)
{
    void *state = NULL;
    struct storm s = {.random = seed * UINT64_C(0x9e3779b97f4a7c15), .files = seed % 2 == 0};

    setup(&state);
    s.f = state;
    s.f->queue_max = 10;
    open_publisher(s.f, s.epoch = 1);
    s.synced = journal_size(s.f, s.path);
    subscribe_facts(s.f, (struct sp_ref){0}, s.files);
    for (int i = 0; i < 60; i++)
        storm_step(&s);
    add_facts(s.f, s.epoch, 1, true);
    if (!run_on_until(s.f, is_level, s.epoch)) {
        fail_msg("storm %" PRIu64 ": at %" PRIu64 " of %" PRIu64, seed,
                 sp_subscription_cursor(s.f->subscription).seq, last_seq(s.f));
    }
    assert_facts_add_up(s.f);
    teardown(&state);
}

static void test_bus_restarts_in_any_order_add_up(void **state)
{
    const char *seed = getenv("SPOOR_SEED");

    (void)state;
    if (seed != NULL) {
        run_storm(strtoull(seed, NULL, 10));
        return;
    }
    for (uint64_t i = 1; i <= 4; i++)
        run_storm(i);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_bus_restarts_a_late_joiner_gets_everything),
        TEST(test_bus_restarts_full_queues_lose_nothing),
        TEST(test_bus_restarts_a_stopped_subscriber_catches_up),
        TEST(test_bus_restarts_a_slow_subscriber_loses_nothing),
        TEST(test_bus_restarts_of_the_publisher_lose_nothing),
        TEST(test_bus_restarts_a_dead_publisher_is_read_to_its_end),
        TEST(test_bus_restarts_a_lost_tail_is_announced),
        TEST(test_bus_restarts_a_lost_tail_is_announced_at_the_next_start),
        TEST(test_bus_restarts_deleted_segments_are_announced),
        TEST(test_bus_restarts_a_lost_tail_is_announced_from_the_middle),
        TEST(test_bus_restarts_of_the_subscriber_lose_nothing),
        TEST(test_bus_restarts_of_both_at_once_lose_nothing),
        TEST(test_bus_restarts_unreadable_files_are_replayed_by_socket),
        cmocka_unit_test(test_bus_restarts_in_any_order_add_up),
    };
#undef TEST

    return cmocka_run_group_tests(tests, NULL, NULL);
}
