/* The same contract for every kind that the factory makes; and facts from a journal in memory to a
 * subscriber. */
#include "bus_fixture.h"
#include "common/persist/memory_journal.h"
#include "common/persist/persistor_factory.h"

#include <stdio.h>
#include <stdlib.h>

/* ---- State ---- */

static const enum sp_state_kind state_kinds[] = {SP_STATE_KIND_JSON, SP_STATE_KIND_MEMORY};

static struct sp_state_persistor *open_state(struct fixture *f, enum sp_state_kind kind)
{
    struct sp_persistence persistence = {.state = kind};
    struct sp_state_file file = {.dir = f->data, .name = "state", .installation = "test"};
    struct sp_state_persistor *state = NULL;

    assert_int_equal(sp_persistor_state(&persistence, &file, &state, NULL), SP_OK);
    return state;
}

static void save_state(struct sp_state_persistor *state, uint64_t generation, const char *json,
                       sp_status expected)
{
    struct sp_state_header header = {.generation = generation, .epoch = 3, .noted_seq = 70};

    assert_int_equal(sp_state_persistor_save(state, &header, json, strlen(json), NULL), expected);
}

static void expect_state(struct sp_state_persistor *state, uint64_t generation, const char *json)
{
    enum sp_state_outcome outcome = SP_STATE_DEGRADED;
    struct sp_state_header header = {0};
    char *text = NULL;

    assert_int_equal(sp_state_persistor_load(state, 0, &outcome, &header, &text, NULL), SP_OK);
    assert_int_equal(outcome, json != NULL ? SP_STATE_LOADED : SP_STATE_NEW);
    assert_int_equal(header.generation, generation);
    if (json == NULL) {
        assert_null(text);
    } else {
        assert_string_equal(text, json);
        assert_int_equal(header.noted_seq, 70);
    }
    free(text);
}

static void test_persistors_keep_the_newest_state(void **state)
{
    for (size_t i = 0; i < sizeof state_kinds / sizeof *state_kinds; i++) {
        struct sp_state_persistor *p = open_state(*state, state_kinds[i]);
        struct sp_state_header header = {0};
        enum sp_state_outcome outcome = SP_STATE_NEW;
        char *text = NULL;

        expect_state(p, 0, NULL);
        assert_int_equal(sp_state_persistor_load(p, 1, &outcome, &header, &text, NULL), SP_CORRUPT);
        save_state(p, 1, "{\"a\":1}", SP_OK);
        expect_state(p, 1, "{\"a\":1}");
        save_state(p, 1, "{\"a\":2}", SP_INVALID); /* does not follow */
        save_state(p, 3, "{\"a\":2}", SP_INVALID);
        save_state(p, 2, "", SP_INVALID);
        header.generation = 2;
        assert_int_equal(sp_state_persistor_save(p, &header, "{\0}", 3, NULL), SP_INVALID);
        char *long_text = calloc(1, SP_STATE_BYTES_MAX + 1);
        assert_int_equal(
            sp_state_persistor_save(p, &header, long_text, SP_STATE_BYTES_MAX + 1, NULL),
            SP_TOO_LONG);
        free(long_text);
        expect_state(p, 1, "{\"a\":1}");
        save_state(p, 2, "{\"a\":2}", SP_OK);
        expect_state(p, 2, "{\"a\":2}");
        assert_int_equal(sp_state_persistor_load(p, 3, &outcome, &header, &text, NULL), SP_CORRUPT);
        sp_state_persistor_close(p);
        p = open_state(*state, state_kinds[i]);
        if (state_kinds[i] == SP_STATE_KIND_MEMORY)
            expect_state(p, 0, NULL); /* nothing survives */
        else
            expect_state(p, 2, "{\"a\":2}");
        sp_state_persistor_close(p);
    }
}

/* ---- Journal ---- */

static const enum sp_journal_kind journal_kinds[] = {SP_JOURNAL_KIND_JSON_LINES,
                                                     SP_JOURNAL_KIND_MEMORY};

static void open_journal_of(struct fixture *f, enum sp_journal_kind kind, uint32_t epoch)
{
    char dir[600];
    struct sp_persistence persistence = {.journal = kind};
    struct sp_journal_options options = {.dir = dir,
                                         .stream = sp_name_of(stream_name),
                                         .installation = "testbench",
                                         .world = "paper",
                                         .epoch = epoch,
                                         .start_time = {1000},
                                         .boot_id = sp_name_of("boot"),
                                         .sync_every = {-1}};

    snprintf(dir, sizeof dir, "%s/%s", f->data, stream_name);
    assert_int_equal(sp_persistor_journal(&persistence, &options, &f->journal, NULL), SP_OK);
}

static void append_batch(struct fixture *f, uint32_t epoch, uint32_t count)
{
    static struct sp_record batch[8];
    uint64_t seq = sp_journal_next_seq(f->journal);

    for (uint32_t i = 0; i < count; i++) {
        batch[i] = *next_fact(f, epoch);
        batch[i].time.ns = 5000;
        batch[i].seq = seq + i;
    }
    assert_int_equal(sp_journal_append(f->journal, batch, count, NULL), SP_OK);
    assert_int_equal(sp_journal_next_seq(f->journal), seq + count);
}

/* Reads from `first` to the end. Lines are added to `text`, without their CRC and "w". */
static uint64_t read_from(struct fixture *f, uint64_t first, char *text)
{
    struct sp_journal_reader *reader = NULL;
    struct sp_line_meta meta;
    struct sp_record record;
    uint64_t next = first;
    size_t len_bytes = 0;

    assert_int_equal(sp_journal_read(f->journal, first, &reader, NULL), SP_OK);
    while (sp_journal_reader_next(reader, &record, &meta, NULL) == SP_OK) {
        assert_int_equal(record.seq, next++);
        assert_string_equal(record.stream.s, stream_name);
        const char *line = sp_journal_reader_line(reader, &len_bytes);
        const char *from = memmem(line, len_bytes, "\"m\":", 4);
        assert_non_null(from);
        text = mempcpy(text, from, (size_t)(line + len_bytes - from));
    }
    *text = '\0';
    assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_AGAIN);
    append_batch(f, 1, 2); /* a live tail */
    assert_int_equal(sp_journal_reader_next(reader, &record, NULL, NULL), SP_OK);
    assert_int_equal(record.seq, next);
    sp_journal_reader_close(reader);
    return next - first;
}

static void test_persistors_read_what_was_appended(void **state)
{
    static char text[2][65536];
    struct fixture *f = *state;

    for (size_t i = 0; i < 2; i++) {
        open_journal_of(f, journal_kinds[i], 1);
        assert_int_equal(sp_journal_first_seq(f->journal), 1);
        assert_int_equal(sp_journal_next_seq(f->journal), 2); /* STREAM_STARTED */
        append_batch(f, 1, 1);
        append_batch(f, 1, 8);
        append_batch(f, 1, 3);
        assert_int_equal(sp_journal_sync(f->journal, NULL), SP_OK);
        assert_int_equal(sp_journal_durable_seq(f->journal), 13);
        assert_int_equal(sp_journal_health(f->journal), SP_OK);
        assert_int_equal(read_from(f, 1, text[i]), 13);
        assert_int_equal(read_from(f, 7, text[i] + 40000), 9);
        assert_int_equal(sp_journal_stats(f->journal).records, 17);
        sp_journal_hold_segments(f->journal);
        sp_journal_release_segments(f->journal);
        assert_int_equal(sp_journal_seal(f->journal, NULL), SP_OK);
        append_batch(f, 1, 1);
        sp_journal_close(f->journal);
        open_journal_of(f, journal_kinds[i], 2);
        bool survives = journal_kinds[i] == SP_JOURNAL_KIND_JSON_LINES;
        assert_int_equal(sp_journal_next_seq(f->journal), survives ? 20 : 2);
        sp_journal_close(f->journal);
        f->journal = NULL;
    }
    assert_string_equal(text[0], text[1]);
    assert_string_equal(text[0] + 40000, text[1] + 40000);
}

static void test_persistors_memory_that_is_full_is_poisoned(void **state)
{
    struct fixture *f = *state;
    struct sp_journal_options options = {.stream = sp_name_of(stream_name), .epoch = 1};
    sp_status status = SP_OK;

    assert_int_equal(sp_memory_journal_open(&options, 20000, &f->journal, NULL), SP_OK);
    while (status == SP_OK && sp_journal_next_seq(f->journal) < 1000)
        status = sp_journal_append(f->journal, next_fact(f, 1), 1, NULL);
    assert_int_equal(status, SP_STORAGE);
    assert_int_equal(sp_journal_health(f->journal), SP_STORAGE);
    assert_in_range(sp_journal_next_seq(f->journal), 50, 400);
    assert_int_equal(sp_journal_append(f->journal, next_fact(f, 1), 1, NULL), SP_STORAGE);
    assert_int_equal(sp_journal_sync(f->journal, NULL), SP_STORAGE);
}

/* Nobody else can read the memory: all goes over the socket, also after the publisher began anew
 * with nothing. */
static void test_persistors_facts_in_memory_reach_a_subscriber(void **state)
{
    struct fixture *f = *state;
    sp_name stream = sp_name_of(stream_name);

    for (uint32_t epoch = 1; epoch <= 2; epoch++) {
        open_journal_of(f, SP_JOURNAL_KIND_MEMORY, epoch);
        f->pub = open_bus(f, stream_name, epoch, true);
        assert_int_equal(sp_bus_add_facts(f->pub, f->journal, &stream, NULL), SP_OK);
        add_facts(f, epoch, 600, true);
        if (epoch == 1) subscribe_facts(f, (struct sp_ref){0}, true);
        assert_true(epoch == 1 ? run_until(f, is_caught_up, 601)
                               : run_until(f, is_noticed, SP_SUB_REWOUND));
        for (int i = 0; i < 10; i++) {
            add_facts(f, epoch, 10, true);
            turn(f);
        }
        assert_true(run_until(f, is_caught_up, 701));
        if (epoch == 1) assert_facts(f, 1, 701);
        const struct event *last = &f->seen.at[f->seen.count - 1];
        assert_int_equal(last->epoch, epoch);
        assert_int_equal(last->seq, 701);
        close_publisher(f);
    }
    assert_true(sp_bus_stats(f->sub).replayed_socket >= 601);
    assert_int_equal(notices_of(f, SP_SUB_REWOUND), 1);
}

/* ---- Data ---- */

static struct sp_record trade(uint64_t n)
{
    return (struct sp_record){
        .stream = sp_name_of("md.paper.BTCUSDT"),
        .epoch = 1,
        .seq = n,
        .time = {1795370400000000000 + (int64_t)n * 1000000},
        .kind = SP_REC_TRADE,
        .body.trade = {.trade_id = n, .px = {100}, .qty = {5}, .taker_side = SP_SIDE_BUY}};
}

static void test_persistors_record_market_data_or_do_not(void **state)
{
    static const enum sp_data_kind kinds[] = {SP_DATA_KIND_PARQUET, SP_DATA_KIND_NONE};
    struct fixture *f = *state;
    char path[600];

    for (size_t i = 0; i < 2; i++) {
        struct sp_persistence persistence = {.data = kinds[i]};
        struct sp_recorder_options options = {.data_dir = path, .world = sp_name_of("paper")};
        struct sp_data_persistor *data = NULL;

        snprintf(path, sizeof path, "%s/%zu", f->data, i);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(sp_persistor_data(&persistence, &options, &data, NULL), SP_OK);
        for (uint64_t n = 1; n <= 100; n++) {
            struct sp_record record = trade(n);
            assert_int_equal(sp_data_persistor_write(data, &record, NULL), SP_OK);
        }
        assert_int_equal(sp_data_persistor_publish(data, NULL), SP_OK);
        struct sp_recorder_stats stats = sp_data_persistor_stats(data);
        bool kept = kinds[i] == SP_DATA_KIND_PARQUET;
        assert_int_equal(stats.files, kept);
        assert_int_equal(stats.rows, kept ? 100 : 0);
        assert_int_equal(stats.rows_lost, kept ? 0 : 100);
        assert_int_equal(sp_data_persistor_close(data, NULL), SP_OK);
        if (!kept) assert_int_equal(rmdir(path), 0); /* it is empty */
    }
}

#define T(name) cmocka_unit_test_setup_teardown(test_persistors_##name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(keep_the_newest_state),           T(read_what_was_appended),
        T(memory_that_is_full_is_poisoned), T(facts_in_memory_reach_a_subscriber),
        T(record_market_data_or_do_not),
    };

    return cmocka_run_group_tests_name("persistors", tests, NULL, NULL);
}
