/* The live shell's starts: from a snapshot and the tail, and from the whole journal whenever there
 * is any doubt about the snapshot. The core adds up what it applied. */
#include "common/journal/state_rows.h"
#include "common/shell.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct adder {
    uint64_t applied, sum;
};

struct fixture {
    char root[64];
    struct sp_service service;
    struct sp_config *config;
    struct sp_shell *shell;
    struct adder core;
};

static bool refuse_rows; /* by the core */

static void decide(void *state, const struct sp_event *event, struct sp_decision *decision)
{
    (void)state;
    (void)event;
    struct sp_record *record = sp_decision_add(decision, SP_REC_SCHEDULED_TICK, NULL);
    record->body.scheduled_tick.scheduled_id.raw = sp_decision_mint(decision, SP_ID_SCH);
    record->body.scheduled_tick.schedule_name = sp_name_of("s");
    record->body.scheduled_tick.event = sp_name_of("E");
    record->body.scheduled_tick.timestamp = (sp_wall){1};
}

static void apply(void *state, const struct sp_record *record)
{
    struct adder *adder = state;

    adder->applied++;
    adder->sum += record->seq * record->epoch;
}

static void save(const void *state, struct sp_rows_writer *out)
{
    const struct adder *adder = state;
    struct sp_consumed place = {.consumer = sp_name_of("c"),
                                .stream = sp_name_of("s"),
                                .epoch = (uint32_t)adder->applied,
                                .seq = adder->sum};

    sp_rows_add(out, SP_DTO_consumed, &place);
}

static sp_status load(void *state, struct sp_rows_reader *in, struct sp_err *err)
{
    struct adder *adder = state;
    enum sp_dto dto = SP_DTO_NONE;
    union sp_body row;
    sp_status status = sp_rows_next(in, &dto, &row, err);

    if (status != SP_OK || dto != SP_DTO_consumed) return SP_FAIL(err, SP_INVALID, "no sum");
    adder->applied = row.consumed.epoch;
    adder->sum = row.consumed.seq;
    if (refuse_rows) return SP_FAIL(err, SP_INVALID, "refused by the test");
    return sp_rows_next(in, &dto, &row, err) == SP_AGAIN ? SP_OK : SP_INVALID;
}

static const struct sp_core core = {.decide = decide,
                                    .apply = apply,
                                    .save = save,
                                    .load = load,
                                    .state_bytes = sizeof(struct adder)};

static void open_service(struct fixture *f)
{
    struct sp_err err = {0};
    struct sp_service *service = &f->service;

    f->core = (struct adder){0};
    service->config = f->config;
    service->instance = sp_name_of("tester");
    service->stream = service->instance;
    snprintf(service->dir, sizeof service->dir, "%s/tester", f->root);
    assert_int_equal(sp_loop_open(&service->loop, &err), SP_OK);
    assert_int_equal(sp_role_acquire(&service->role, service->dir, &err), SP_OK);
    struct sp_journal_options journal = {.dir = service->dir,
                                         .stream = service->stream,
                                         .installation = "test",
                                         .world = "",
                                         .epoch = service->role.epoch,
                                         .segment_bytes = 4000,
                                         .sync_every = {-1}};
    assert_int_equal(sp_journal_open(&journal, &service->journal, &err), SP_OK);
    struct sp_bus_options bus = {.run_dir = f->root,
                                 .service = service->instance,
                                 .epoch = service->role.epoch};
    assert_int_equal(sp_bus_open(service->loop, &bus, &service->bus, &err), SP_OK);
    assert_int_equal(sp_bus_add_facts(service->bus, service->journal, &service->stream, &err),
                     SP_OK);
    struct sp_shell_options shell = {.service = service,
                                     .core = &core,
                                     .core_state = &f->core,
                                     .ctx = f,
                                     .snapshot_every = {3600 * SP_NS_PER_S},
                                     .snapshot_records = 10};
    assert_int_equal(sp_shell_open(&shell, &f->shell, &err), SP_OK);
    assert_int_equal(sp_shell_restore(f->shell, &err), SP_OK);
}

static void close_service(struct fixture *f)
{
    sp_shell_close(f->shell);
    sp_bus_close(f->service.bus);
    sp_journal_close(f->service.journal);
    sp_loop_close(f->service.loop);
    sp_role_release(&f->service.role);
    f->service = (struct sp_service){0};
    f->shell = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char dir[80];
    struct sp_err err = {0};

    refuse_rows = false;
    snprintf(f->root, sizeof f->root, "/tmp/spoor-snap-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    snprintf(dir, sizeof dir, "%s/tester", f->root);
    assert_int_equal(sp_file_make_dirs(sp_file_port_real(), dir, &err), SP_OK);
    f->config = calloc(1, sizeof *f->config);
    f->config->platform.installation = sp_name_of("test");
    open_service(f);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int teardown(void **state)
{
    struct fixture *f = *state;

    close_service(f);
    nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f->config);
    free(f);
    return 0;
}

/* ---- Steps ---- */

static void work(struct fixture *f, uint32_t records)
{
    for (uint32_t i = 0; i < records; i++) {
        struct sp_record input = {.stream = sp_name_of("other"),
                                  .epoch = 2,
                                  .seq = sp_journal_next_seq(f->service.journal),
                                  .kind = SP_REC_DATA_GAP};
        sp_shell_event(f->shell, SP_EVENT_RECORD, 0, &input);
    }
}

static void pass_time(struct fixture *f, int64_t ms)
{
    int64_t until = sp_clock_mono().ns + ms * SP_NS_PER_MS;

    while (sp_clock_mono().ns < until) {
        assert_int_equal(sp_loop_turn(f->service.loop, (sp_dur){20 * SP_NS_PER_MS}, NULL), SP_OK);
    }
}

/* Until one more snapshot is taken. */
static void await_snapshot(struct fixture *f)
{
    uint64_t before = sp_shell_stats(f->shell).snapshots.taken;

    assert_int_equal(sp_journal_sync(f->service.journal, NULL), SP_OK);
    for (int i = 0; i < 100 && sp_shell_stats(f->shell).snapshots.taken == before; i++)
        pass_time(f, 50);
    assert_int_equal(sp_shell_stats(f->shell).snapshots.taken, before + 1);
}

/* A new process. Its state must be that of a fold of the whole journal. */
static uint64_t restart(struct fixture *f)
{
    struct sp_journal_reader *reader = NULL;
    struct adder folded = {0};
    struct sp_record record;
    struct sp_err err = {0};
    sp_name other = sp_name_of("other");
    uint64_t consumed = 0;

    close_service(f);
    open_service(f);
    assert_int_equal(sp_journal_reader_open(f->service.dir, &f->service.stream, 0, &reader, &err),
                     SP_OK);
    while (sp_journal_reader_next(reader, &record, NULL, &err) == SP_OK) {
        apply(&folded, &record);
        if (!sp_ref_is_none(&record.in)) consumed = record.in.seq;
    }
    sp_journal_reader_close(reader);
    assert_int_equal(f->core.applied, folded.applied);
    assert_int_equal(f->core.sum, folded.sum);
    assert_int_equal(sp_shell_cursor(f->shell, &other).seq, consumed);
    return sp_shell_stats(f->shell).folded;
}

static char *path_of(struct fixture *f, const char *name, char buf[256])
{
    snprintf(buf, 256, "%s/tester/tester%s", f->root, name);
    return buf;
}

static void damage(struct fixture *f, const char *name)
{
    char path[256];
    FILE *file = fopen(path_of(f, name, path), "r+");

    assert_non_null(file);
    assert_int_equal(fseek(file, 340, SEEK_SET), 0);
    assert_int_equal(fputc('!', file), '!');
    assert_int_equal(fclose(file), 0);
}

/* ---- Tests ---- */

static void test_snapshot_and_tail_are_the_whole_journal(void **state)
{
    struct fixture *f = *state;

    work(f, 25);
    await_snapshot(f);
    for (uint32_t tail = 0; tail < 8; tail++) {
        work(f, 1);
        assert_true(restart(f) <= 2 + 2 * (uint64_t)tail + 1);
    }
}

static void test_snapshot_holds_only_what_is_durable(void **state)
{
    struct fixture *f = *state;
    char path[256];

    work(f, 25);
    pass_time(f, 400);
    assert_int_equal(sp_shell_stats(f->shell).snapshots.taken, 0);
    assert_int_not_equal(access(path_of(f, ".json", path), F_OK), 0);
    work(f, 1); /* not in it: the copy was made before */
    await_snapshot(f);
    assert_int_equal(restart(f), 2); /* that one, and STREAM_STARTED */
}

static void test_snapshot_is_not_taken_without_growth(void **state)
{
    struct fixture *f = *state;

    work(f, 25);
    await_snapshot(f);
    pass_time(f, 300);
    assert_int_equal(sp_shell_stats(f->shell).snapshots.taken, 1);
    work(f, 5);
    assert_int_equal(sp_journal_sync(f->service.journal, NULL), SP_OK);
    pass_time(f, 300);
    assert_int_equal(sp_shell_stats(f->shell).snapshots.taken, 1);
}

static void test_snapshot_damaged_is_passed_over_and_followed(void **state)
{
    struct fixture *f = *state;

    work(f, 25);
    await_snapshot(f);
    damage(f, ".json"); /* the only one */
    assert_int_equal(restart(f), 27);
    work(f, 25);
    await_snapshot(f);
    assert_int_equal(restart(f), 1);
    work(f, 25);
    await_snapshot(f);
    damage(f, ".json"); /* the one before is there, but old */
    assert_true(restart(f) > 50);
    work(f, 25);
    await_snapshot(f);
    assert_int_equal(restart(f), 1);
}

static void test_snapshot_the_core_refuses_leaves_no_trace(void **state)
{
    struct fixture *f = *state;

    work(f, 25);
    await_snapshot(f);
    refuse_rows = true;
    assert_int_equal(restart(f), 27);
}

/* A folder put back to an older state, in which another history was written since. */
static void test_snapshot_of_another_history_is_refused(void **state)
{
    struct fixture *f = *state;
    char command[600];

    work(f, 25);
    await_snapshot(f);
    close_service(f);
    snprintf(command, sizeof command,
             "mkdir %s/kept && mv %s/tester/tester.json* %s/kept/ && rm -r "
             "%s/tester/*.jsonl*",
             f->root, f->root, f->root, f->root);
    assert_int_equal(system(command), 0);
    open_service(f);
    snprintf(command, sizeof command, "mv %s/kept/* %s/tester/", f->root, f->root);
    assert_int_equal(system(command), 0);
    assert_int_equal(restart(f), 2); /* beyond the journal's end */
    work(f, 60);
    assert_int_equal(restart(f), 63); /* the same number, another record */
}

/* Taken under another build, the same rows may mean something else. */
static void test_snapshot_of_another_build_is_refused(void **state)
{
    struct fixture *f = *state;
    struct sp_snapshots *other = NULL;
    struct adder adder = {0};
    struct sp_snapshot_base base = {0};
    struct sp_snapshots_options options = {.core = &core, .core_state = &adder, .build = "older"};

    work(f, 25);
    await_snapshot(f);
    struct sp_state_file file = {.dir = f->service.dir, .name = "tester", .installation = "test"};
    assert_int_equal(sp_state_persistor_json(&file, &options.state, NULL), SP_OK);
    assert_int_equal(sp_snapshots_open(&options, &other, NULL), SP_OK);
    assert_false(sp_snapshots_load(other, &base));
    assert_int_equal(adder.applied, 0);
    sp_snapshots_close(other);
    options.build = NULL;
    assert_int_equal(sp_snapshots_open(&options, &other, NULL), SP_OK);
    assert_true(sp_snapshots_load(other, &base));
    assert_int_equal(adder.applied, 26);
    sp_snapshots_close(other);
    sp_state_persistor_close(options.state);
}

static void test_snapshot_of_another_installation_is_left_alone(void **state)
{
    struct fixture *f = *state;

    work(f, 25);
    await_snapshot(f);
    f->config->platform.installation = sp_name_of("foreign");
    assert_int_equal(restart(f), 27);
    work(f, 25);
    assert_int_equal(sp_journal_sync(f->service.journal, NULL), SP_OK);
    pass_time(f, 300);
    assert_int_equal(sp_shell_stats(f->shell).snapshots.taken, 0);
    f->config->platform.installation = sp_name_of("test");
    assert_true(restart(f) > 25); /* still the first */
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(test_snapshot_and_tail_are_the_whole_journal),
        T(test_snapshot_holds_only_what_is_durable),
        T(test_snapshot_is_not_taken_without_growth),
        T(test_snapshot_damaged_is_passed_over_and_followed),
        T(test_snapshot_the_core_refuses_leaves_no_trace),
        T(test_snapshot_of_another_history_is_refused),
        T(test_snapshot_of_another_build_is_refused),
        T(test_snapshot_of_another_installation_is_left_alone),
    };

    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
