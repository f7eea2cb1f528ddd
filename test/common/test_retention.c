/* Deleting old segments: what may go, what a death in its middle leaves, who needs what. */
#include "common/clock.h"
#include "common/journal/retention.h"
#include "common/journal/state.h"
#include "common/journal/state_rows.h"
#include "common/retain.h"

#include "fault_port.h"
#include "journal_fixture.h"

#define SEGMENTS 6

/* A journal of several segments of a few records each. */
static void write_journal(const struct folder *f, uint32_t epoch, const struct sp_file_port *port,
                          uint64_t *firsts)
{
    struct sp_journal_options options = options_for(f, epoch);
    struct sp_journal *journal = NULL;

    options.segment_bytes = 300; /* one batch in each */
    if (port != NULL) options.port = port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (int i = 1; i < SEGMENTS; i++) {
        firsts[i] = sp_journal_next_seq(journal);
        assert_int_equal(append_batch(journal, epoch, 3, NULL), SP_OK);
    }
    firsts[0] = 1;
    sp_journal_close(journal);
}

static uint64_t first_held(const struct folder *f)
{
    struct sp_segment_list list;

    assert_int_equal(sp_segment_list_read(f->path, &list, NULL), SP_OK);
    uint64_t first = list.first[0];
    sp_segment_list_free(&list);
    return first;
}

static struct sp_retention_plan plan_of(const struct folder *f, uint64_t before_seq,
                                        int64_t before_ns, uint64_t needs)
{
    struct sp_retention_ask ask = {before_seq, {before_ns}};
    struct sp_retention_plan plan = {0};

    assert_int_equal(sp_retention_plan(f->path, &ask, needs, &plan, NULL), SP_OK);
    return plan;
}

static void test_retention_plans_whole_segments_below_every_limit(void **state)
{
    struct folder f = folder_make();
    uint64_t firsts[SEGMENTS];

    (void)state;
    write_journal(&f, 1, NULL, firsts);
    struct sp_retention_plan plan = plan_of(&f, 0, 0, UINT64_MAX);
    assert_int_equal(plan.first_kept, firsts[SEGMENTS - 1]); /* never the newest */
    assert_int_equal(plan.segments, SEGMENTS - 1);
    assert_true(plan.bytes > 0 && plan.is_newest && !plan.is_asked);
    for (int i = 0; i < SEGMENTS; i++) {
        /* A segment goes when what is needed begins in the next one or later. */
        assert_int_equal(plan_of(&f, 0, 0, firsts[i]).first_kept, firsts[i]);
        if (i > 0) assert_int_equal(plan_of(&f, 0, 0, firsts[i] + 1).first_kept, firsts[i]);
        if (i > 0) assert_int_equal(plan_of(&f, 0, 0, firsts[i] - 1).first_kept, firsts[i - 1]);
        assert_int_equal(plan_of(&f, firsts[i], 0, UINT64_MAX).first_kept, firsts[i]);
        if (i > 0)
            assert_int_equal(plan_of(&f, firsts[i] + 1, 0, UINT64_MAX).first_kept, firsts[i]);
    }
    assert_true(plan_of(&f, firsts[2], 0, UINT64_MAX).is_asked);
    assert_false(plan_of(&f, firsts[4], 0, firsts[2]).is_asked);
    /* Written just now: nothing is older than a minute ago, all of it than a minute hence. */
    int64_t now_ns = sp_clock_wall().ns;
    assert_int_equal(plan_of(&f, 0, now_ns - 60000000000, UINT64_MAX).segments, 0);
    assert_int_equal(plan_of(&f, 0, now_ns + 60000000000, UINT64_MAX).segments, SEGMENTS - 1);
    folder_remove(&f);
}

/* What the shell does: the record, synced; then the files. */
static sp_status trim(const struct folder *f, uint32_t epoch, const struct sp_file_port *port,
                      uint64_t first_kept, struct sp_err *err)
{
    struct sp_journal_options options = options_for(f, epoch);
    struct sp_journal *journal = NULL;
    struct sp_record record;

    options.port = port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    record_make(&record, sp_journal_next_seq(journal), epoch);
    record.kind = SP_REC_JOURNAL_TRIMMED;
    memset(&record.body, 0, sizeof record.body);
    record.body.journal_trimmed.first_seq = first_kept;
    assert_int_equal(sp_journal_append(journal, &record, 1, NULL), SP_OK);
    assert_int_equal(sp_journal_sync(journal, NULL), SP_OK);
    sp_status status = sp_journal_delete_before(journal, first_kept, err);
    if (status == SP_OK) assert_int_equal(sp_journal_first_seq(journal), first_kept);
    assert_int_equal(sp_journal_health(journal), SP_OK); /* the journal itself is none the worse */
    sp_journal_close(journal);
    return status;
}

static void check_whole_from(const struct folder *f, uint64_t first)
{
    struct sp_journal_report report;
    struct sp_journal_reader *reader = NULL;
    sp_name stream = sp_name_of("execution");

    assert_int_equal(first_held(f), first);
    assert_int_equal(sp_journal_verify(f->path, &stream, &report, NULL), SP_OK);
    assert_int_equal(report.first_seq, first);
    if (first == 1) return;
    assert_int_equal(sp_journal_reader_open(f->path, &stream, first - 1, &reader, NULL), SP_GONE);
}

static void test_retention_deletes_what_it_says_and_the_rest_is_whole(void **state)
{
    struct folder f = folder_make();
    uint64_t firsts[SEGMENTS];
    char index[512];

    (void)state;
    write_journal(&f, 1, NULL, firsts);
    snprintf(index, sizeof index, "%s/%020" PRIu64 ".idx", f.path, firsts[1]);
    FILE *file = fopen(index, "w");
    assert_non_null(file);
    fclose(file);
    struct sp_err err = {0};
    assert_int_equal(sp_retention_delete(f.path, firsts[2] + 1, quick_port(), &err), SP_INVALID);
    assert_int_equal(first_held(&f), 1);
    assert_int_equal(trim(&f, 2, quick_port(), firsts[3], NULL), SP_OK);
    check_whole_from(&f, firsts[3]);
    assert_int_not_equal(access(index, F_OK), 0);
    assert_int_equal(trim(&f, 3, quick_port(), firsts[3], NULL), SP_OK); /* again: nothing */
    check_whole_from(&f, firsts[3]);
    folder_remove(&f);
}

/* Fails at each of the removals (of a segment: its compressed form, itself, its index): the next
 * start finishes it. */
static void test_retention_a_death_in_its_middle_is_finished_by_the_next_open(void **state)
{
    (void)state;
    for (int dies_at = 1; dies_at <= 13; dies_at++) {
        struct folder f = folder_make();
        uint64_t firsts[SEGMENTS];
        struct fault fault = {.only = FAULT_UNLINK,
                              .at = dies_at,
                              .forever = true,
                              .error = EIO,
                              .quick = true};
        struct sp_file_port port = fault_port(&fault);
        struct sp_journal_options options = options_for(&f, 3);
        struct sp_journal *journal = NULL;
        struct sp_err err = {0};

        write_journal(&f, 1, NULL, firsts);
        sp_status status = trim(&f, 2, &port, firsts[4], &err);
        assert_int_equal(status, dies_at <= 12 ? SP_STORAGE : SP_OK);
        check_whole_from(&f, firsts[dies_at <= 12 ? dies_at / 3 : 4]); /* oldest first */
        assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
        assert_int_equal(sp_journal_first_seq(journal), firsts[4]);
        check_whole_from(&f, firsts[4]);
        sp_journal_close(journal);
        folder_remove(&f);
    }
}

/* A record that a power cut took back must not have deleted anything: it is synced first. */
static void test_retention_nothing_is_deleted_before_the_record_is_durable(void **state)
{
    struct folder f = folder_make();
    uint64_t firsts[SEGMENTS];
    struct sp_journal_options options = options_for(&f, 2);
    struct sp_journal *journal = NULL;
    struct sp_record record;
    struct fault fault = {.only = FAULT_DATASYNC, .error = EIO};
    struct sp_file_port port = fault_port(&fault);

    (void)state;
    write_journal(&f, 1, NULL, firsts);
    options.port = &port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    record_make(&record, sp_journal_next_seq(journal), 2);
    record.kind = SP_REC_JOURNAL_TRIMMED;
    memset(&record.body, 0, sizeof record.body);
    record.body.journal_trimmed.first_seq = firsts[3];
    assert_int_equal(sp_journal_append(journal, &record, 1, NULL), SP_OK);
    fault.at = fault.calls + 1;
    assert_int_equal(sp_journal_sync(journal, NULL), SP_STORAGE);
    sp_journal_close(journal);
    assert_int_equal(first_held(&f), 1);
    /* It is in the page cache: the next writer makes it durable first, and then it counts. */
    options = options_for(&f, 3);
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    sp_journal_close(journal);
    check_whole_from(&f, firsts[3]);
    folder_remove(&f);
}

/* ---- Who needs what ---- */

static struct sp_config config;
static struct folder data;

static int setup_data(void **state)
{
    (void)state;
    data = folder_make();
    memset(&config, 0, sizeof config);
    config.platform.installation = sp_name_of("testbench");
    snprintf(config.platform.data_dir, sizeof config.platform.data_dir, "%s", data.path);
    config.world_count = config.link_count = 1;
    config.links[0].id = sp_name_of("ema");
    config.links[0].active = true;
    return 0;
}

static int teardown_data(void **state)
{
    (void)state;
    folder_remove(&data);
    return 0;
}

/* A consumer's journal whose newest records have consumed `execution` up to these; the last of them
 * is not known to be durable. */
static void write_consumer(const char *name, uint64_t first, uint64_t last)
{
    char dir[512];
    struct sp_journal *journal = NULL;
    struct sp_record record;

    snprintf(dir, sizeof dir, "%s/%s", data.path, name);
    struct folder f = {{0}};
    snprintf(f.path, sizeof f.path, "%.250s", dir);
    struct sp_journal_options options = options_for(&f, 1);
    options.stream = sp_name_of(name);
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (uint64_t seq = first; seq <= last; seq++) {
        record_make(&record, sp_journal_next_seq(journal), 1);
        record.stream = options.stream;
        record.in = (struct sp_ref){sp_name_of("execution"), 1, seq};
        assert_int_equal(sp_journal_append(journal, &record, 1, NULL), SP_OK);
        assert_int_equal(sp_journal_sync(journal, NULL), SP_OK);
    }
    sp_journal_close(journal);
}

static void save_snapshot(const char *name, uint64_t generation, uint64_t noted, uint64_t place)
{
    char dir[512], text[1024];
    struct sp_rows_writer writer;
    struct sp_snapshot_head head = {sp_name_of(name), 1, noted, {1}, sp_name_of("0.0.0")};
    struct sp_strategy_place row = {sp_name_of("execution"), 1, place};
    struct sp_state_header header = {generation, 1, noted};

    snprintf(dir, sizeof dir, "%s/%s", data.path, name);
    struct sp_state_file file = {.dir = dir,
                                 .name = name,
                                 .installation = "testbench",
                                 .port = quick_port()};
    sp_rows_begin(&writer, text, sizeof text);
    sp_rows_add(&writer, SP_DTO_snapshot_head, &head);
    sp_rows_add(&writer, SP_DTO_strategy_place, &row);
    assert_int_equal(sp_rows_end(&writer), SP_OK);
    assert_int_equal(sp_state_save(&file, &header, text, writer.len_bytes, NULL), SP_OK);
}

static void check_need(uint64_t seq, const char *who)
{
    sp_name stream = sp_name_of("execution");
    struct sp_need need = {0};

    assert_int_equal(sp_consumers_need(&config, &stream, &need, NULL), SP_OK);
    assert_int_equal(need.seq, seq);
    assert_string_equal(need.who.s, who);
}

static void test_retention_needs_are_read_from_the_consumers_files(void **state)
{
    (void)state;
    check_need(1, "reconciliation"); /* configured, and nothing is known of it */
    write_consumer("reconciliation", 500, 600);
    check_need(1, "strategy.ema");
    write_consumer("strategy.ema", 700, 800);
    check_need(1, "strategy.ema"); /* it folds the facts themselves: its snapshots count */
    save_snapshot("strategy.ema", 1, 10, 300);
    check_need(1, "strategy.ema"); /* one may be lost */
    save_snapshot("strategy.ema", 2, 20, 400);
    check_need(300, "strategy.ema");
    save_snapshot("strategy.ema", 3, 30, 710);
    save_snapshot("strategy.ema", 4, 40, 720);
    /* The last "in" is of a record that a power cut may take back: its predecessor counts. */
    check_need(599, "reconciliation");
    /* A strategy that is not configured any more, but whose folder is here. */
    write_consumer("strategy.old", 50, 60);
    check_need(1, "strategy.old");
}

static void test_retention_damaged_consumers_need_everything(void **state)
{
    char path[512];

    (void)state;
    write_consumer("reconciliation", 500, 600);
    write_consumer("strategy.ema", 700, 800);
    save_snapshot("strategy.ema", 1, 10, 710);
    save_snapshot("strategy.ema", 2, 20, 720);
    check_need(599, "reconciliation");
    snprintf(path, sizeof path, "%s/strategy.ema/strategy.ema.json.bak", data.path);
    assert_int_equal(truncate(path, 100), 0);
    check_need(1, "strategy.ema");
}

static struct sp_journal_trimmed decide(const struct folder *f, uint64_t snapshot, uint64_t own)
{
    struct sp_retain request = {.request_id = 1, .before_seq = UINT64_MAX};
    struct sp_retain_input input = {.config = &config,
                                    .dir = f->path,
                                    .stream = sp_name_of("execution"),
                                    .snapshot_seq = snapshot,
                                    .own = {own, sp_name_of("ledger")},
                                    .request = &request};
    struct sp_journal_trimmed out = {0};

    assert_int_equal(sp_retain_decide(&input, &out, NULL), SP_OK);
    return out;
}

static void test_retention_names_what_limits_it(void **state)
{
    struct folder f = folder_make();
    uint64_t firsts[SEGMENTS];
    sp_text text;

    (void)state;
    write_journal(&f, 1, NULL, firsts);
    write_consumer("reconciliation", 8, 9);
    write_consumer("strategy.ema", 100, 101);
    save_snapshot("strategy.ema", 1, 1, 100);
    save_snapshot("strategy.ema", 2, 2, 100);
    struct sp_journal_trimmed out = decide(&f, 1000, 1000);
    assert_string_equal(out.limited_by.s, "reconciliation");
    assert_int_equal(out.first_seq, firsts[3]); /* 8 is its first record */
    assert_int_equal(firsts[3], 8);
    sp_retain_say(&out, &text);
    assert_non_null(strstr(text.s, "deleted 3 segments"));
    assert_non_null(strstr(text.s, "limited by reconciliation"));
    assert_string_equal(decide(&f, 3, 1000).limited_by.s, "snapshot");
    assert_int_equal(decide(&f, 3, 1000).first_seq, firsts[1]);
    assert_string_equal(decide(&f, 0, 1000).limited_by.s, "snapshot");
    assert_int_equal(decide(&f, 0, 1000).segments, 0);
    assert_string_equal(decide(&f, 1000, 5).limited_by.s, "ledger");
    assert_int_equal(decide(&f, 1000, 5).first_seq, firsts[2]);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_retention_plans_whole_segments_below_every_limit),
        cmocka_unit_test(test_retention_deletes_what_it_says_and_the_rest_is_whole),
        cmocka_unit_test(test_retention_a_death_in_its_middle_is_finished_by_the_next_open),
        cmocka_unit_test(test_retention_nothing_is_deleted_before_the_record_is_durable),
        cmocka_unit_test_setup_teardown(test_retention_needs_are_read_from_the_consumers_files,
                                        setup_data, teardown_data),
        cmocka_unit_test_setup_teardown(test_retention_damaged_consumers_need_everything,
                                        setup_data, teardown_data),
        cmocka_unit_test_setup_teardown(test_retention_names_what_limits_it, setup_data,
                                        teardown_data),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
