/* The live shell around a core that notes the order of what happens to it. */
#include "common/shell.h"

#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define EFFECT_SEND 1

struct fixture {
    char root[64];
    struct sp_service service;
    struct sp_config *config;
    struct sp_shell *shell;
    /* What the core does next, and what it saw. */
    bool sync_kind, forbid, listen, usurp;
    struct sp_role twin; /* who took the role away */
    uint32_t records_per_event;
    char log[512];
    uint32_t applied;
};

/* A letter for each thing, so that a test reads the order. */
static void note(struct fixture *f, char what)
{
    size_t len = strlen(f->log);

    assert_true(len + 1 < sizeof f->log);
    f->log[len] = what;
}

static void decide(void *state, const struct sp_event *event, struct sp_decision *decision)
{
    struct fixture *f = state;

    (void)event;
    note(f, 'd');
    for (uint32_t i = 0; i < f->records_per_event; i++) {
        struct sp_record *record = sp_decision_add(
            decision, f->sync_kind ? SP_REC_TRADING_HALTED : SP_REC_SCHEDULED_TICK, NULL);
        if (f->sync_kind) {
            record->body.trading_state.scope = sp_name_of("all");
            record->body.trading_state.trading = SP_TRADING_STOPPED;
            record->body.trading_state.cause = SP_HALT_CAUSE_STORAGE;
        } else {
            record->body.scheduled_tick.scheduled_id.raw = sp_decision_mint(decision, SP_ID_SCH);
            record->body.scheduled_tick.schedule_name = sp_name_of("s");
            record->body.scheduled_tick.event = sp_name_of("E");
            record->body.scheduled_tick.timestamp = (sp_wall){1};
        }
    }
    if (f->records_per_event > 0) sp_decision_effect(decision, EFFECT_SEND);
}

static void apply(void *state, const struct sp_record *record)
{
    struct fixture *f = state;

    if (record->kind == SP_REC_STREAM_STARTED) return;
    if (record->kind != SP_REC_CURSOR) f->applied++;
    /* Durable already when the kind demands it. */
    bool durable =
        f->service.journal != NULL && sp_journal_durable_seq(f->service.journal) >= record->seq;
    note(f, record->kind == SP_REC_CURSOR ? 'c' : f->sync_kind && !durable ? '!' : 'a');
}

static bool allows(const void *state, const struct sp_effect *effect)
{
    const struct fixture *f = state;

    (void)effect;
    return !f->forbid;
}

static void withdrawn(void *state, const struct sp_effect *effect, struct sp_decision *decision)
{
    (void)effect;
    (void)decision;
    note(state, 'w');
}

/* Another takes the role with a file of its own to lock, as after somebody removed ours. */
static struct sp_role take_role_away(const struct fixture *f)
{
    struct sp_role twin = {0};
    char lock[sizeof f->service.dir + 8];

    snprintf(lock, sizeof lock, "%s/LOCK", f->service.dir);
    assert_int_equal(unlink(lock), 0);
    assert_int_equal(sp_role_acquire(&twin, f->service.dir, NULL), SP_OK);
    assert_true(twin.epoch > f->service.role.epoch);
    return twin;
}

static void perform(void *ctx, const struct sp_effect *effect)
{
    struct fixture *f = ctx;

    assert_int_equal(effect->type, EFFECT_SEND);
    note(f, 'p');
    if (f->usurp) f->twin = take_role_away(f);
}

/* The log and the ledger of a service. */
static void told(void *ctx, const struct sp_record *record)
{
    struct fixture *f = ctx;

    (void)record;
    if (f->listen) note(f, 't');
}

static const struct sp_core core = {
    .decide = decide, .apply = apply, .allows = allows, .withdrawn = withdrawn};

static void open_service(struct fixture *f)
{
    struct sp_err err = {0};
    struct sp_service *service = &f->service;

    service->config = f->config;
    service->instance = sp_name_of("tester");
    service->stream = service->instance;
    snprintf(service->dir, sizeof service->dir, "%s/tester", f->root);
    assert_int_equal(sp_loop_open(&service->loop, &err), SP_OK);
    assert_int_equal(sp_file_make_dirs(sp_file_port_real(), service->dir, &err), SP_OK);
    assert_int_equal(sp_role_acquire(&service->role, service->dir, &err), SP_OK);
    struct sp_journal_options journal = {.dir = service->dir,
                                         .stream = service->stream,
                                         .installation = "test",
                                         .world = "",
                                         .epoch = service->role.epoch,
                                         .sync_every = {-1}};
    assert_int_equal(sp_journal_open(&journal, &service->journal, &err), SP_OK);
    struct sp_bus_options bus = {.run_dir = f->root, .service = service->instance, .epoch = 1};
    assert_int_equal(sp_bus_open(service->loop, &bus, &service->bus, &err), SP_OK);
    assert_int_equal(sp_bus_add_facts(service->bus, service->journal, &service->stream, &err),
                     SP_OK);
    struct sp_shell_options shell = {.service = service,
                                     .core = &core,
                                     .core_state = f,
                                     .perform = perform,
                                     .applied = told,
                                     .ctx = f};
    assert_int_equal(sp_shell_open(&shell, &f->shell, &err), SP_OK);
    assert_int_equal(sp_shell_replay(f->shell, 0, &err), SP_OK);
}

/* As a kill would: nothing is flushed or noted. */
static void abandon_service(struct fixture *f)
{
    sp_bus_close(f->service.bus);
    sp_journal_close(f->service.journal);
    sp_loop_close(f->service.loop);
    sp_role_release(&f->service.role);
    free(f->shell);
    f->service = (struct sp_service){0};
    f->shell = NULL;
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);

    snprintf(f->root, sizeof f->root, "/tmp/spoor-shell-XXXXXX");
    assert_non_null(mkdtemp(f->root));
    f->config = calloc(1, sizeof *f->config);
    f->config->platform.installation = sp_name_of("test");
    f->records_per_event = 1;
    open_service(f);
    memset(f->log, 0, sizeof f->log);
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

    abandon_service(f);
    nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f->config);
    free(f);
    return 0;
}

/* Linked in place of the service's own: what it was told to end for. */
static sp_status failed;

void __wrap_sp_service_fail(struct sp_service *service, const struct sp_err *err);

void __wrap_sp_service_fail(struct sp_service *service, const struct sp_err *err)
{
    (void)service;
    failed = err->status;
}

static struct sp_record input(uint64_t seq)
{
    return (struct sp_record){.stream = sp_name_of("other"),
                              .epoch = 2,
                              .seq = seq,
                              .kind = SP_REC_DATA_GAP};
}

static void test_shell_syncs_before_it_applies_and_acts(void **state)
{
    struct fixture *f = *state;

    f->sync_kind = true;
    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_string_equal(f->log, "dap");
    assert_int_equal(sp_shell_stats(f->shell).synced, 1);
}

static void test_shell_does_not_sync_what_may_be_lazy(void **state)
{
    struct fixture *f = *state;

    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_string_equal(f->log, "dap");
    assert_int_equal(sp_shell_stats(f->shell).synced, 0);
}

static void test_shell_acts_before_it_tells(void **state)
{
    struct fixture *f = *state;

    f->listen = true;
    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_string_equal(f->log, "dapt");
    /* A withdrawal reuses the decision: what it belonged to is told before. */
    f->forbid = true;
    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_string_equal(f->log, "daptdatw");
}

static void test_shell_withdraws_what_is_no_longer_allowed(void **state)
{
    struct fixture *f = *state;

    f->forbid = true;
    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_string_equal(f->log, "daw");
    assert_int_equal(sp_shell_stats(f->shell).withdrawn, 1);
}

static void test_shell_moves_the_cursor_with_the_effect(void **state)
{
    struct fixture *f = *state;
    struct sp_record first = input(7);
    sp_name other = sp_name_of("other");

    sp_shell_event(f->shell, SP_EVENT_RECORD, 0, &first);
    abandon_service(f);
    memset(f->log, 0, sizeof f->log);
    open_service(f);
    struct sp_ref cursor = sp_shell_cursor(f->shell, &other);
    assert_int_equal(cursor.seq, 7);
    assert_int_equal(cursor.epoch, 2);
    assert_string_equal(f->log, "a");
}

static void test_shell_covers_inputs_without_output(void **state)
{
    struct fixture *f = *state;
    sp_name other = sp_name_of("other");

    f->records_per_event = 0;
    for (uint64_t seq = 1; seq <= 300; seq++) {
        struct sp_record record = input(seq);
        memset(f->log, 0, sizeof f->log);
        sp_shell_event(f->shell, SP_EVENT_RECORD, 0, &record);
        assert_string_equal(f->log, seq == 256 ? "dc" : "d");
    }
    assert_int_equal(sp_shell_cursor(f->shell, &other).seq, 300);
    abandon_service(f);
    open_service(f);
    /* The journal knows of 256; the rest is delivered again. */
    assert_int_equal(sp_shell_cursor(f->shell, &other).seq, 256);
}

static void test_shell_does_not_answer_cursors_with_cursors(void **state)
{
    struct fixture *f = *state;

    f->records_per_event = 0;
    for (uint64_t seq = 1; seq <= 300; seq++) {
        struct sp_record record = input(seq);
        record.kind = SP_REC_CURSOR;
        memset(f->log, 0, sizeof f->log);
        sp_shell_event(f->shell, SP_EVENT_RECORD, 0, &record);
        assert_string_equal(f->log, "d");
    }
}

static void test_shell_replay_folds_each_record_once(void **state)
{
    struct fixture *f = *state;

    for (int i = 0; i < 10; i++)
        sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_int_equal(f->applied, 10);
    abandon_service(f);
    f->applied = 0;
    memset(f->log, 0, sizeof f->log);
    open_service(f);
    assert_int_equal(f->applied, 10);
}

/* Wherever a kill cuts the journal off: as many inputs are consumed as have had their effect. */
static void test_shell_keeps_cursor_and_effect_in_any_prefix(void **state)
{
    struct fixture *f = *state;
    sp_name other = sp_name_of("other");
    static char whole[1 << 16];
    char path[160];

    for (uint64_t seq = 1; seq <= 5; seq++) {
        struct sp_record record = input(seq);
        sp_shell_event(f->shell, SP_EVENT_RECORD, 0, &record);
    }
    abandon_service(f);
    snprintf(path, sizeof path, "%s/tester/%020d.jsonl", f->root, 1);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t len = fread(whole, 1, sizeof whole, file);
    fclose(file);
    uint32_t prefixes = 0;
    for (size_t cut = len; cut > 0 && prefixes < 6; cut--) {
        if (whole[cut - 1] != '\n') continue;
        file = fopen(path, "wb");
        assert_int_equal(fwrite(whole, 1, cut, file), cut);
        fclose(file);
        f->applied = 0;
        open_service(f);
        assert_int_equal(sp_shell_cursor(f->shell, &other).seq, f->applied);
        abandon_service(f);
        prefixes++;
    }
    assert_int_equal(prefixes, 6);
    open_service(f);
}

static void test_shell_of_a_superseded_holder_writes_nothing(void **state)
{
    struct fixture *f = *state;
    struct sp_record waiting = input(7);

    abandon_service(f);
    open_service(f);
    memset(f->log, 0, sizeof f->log);
    uint64_t next = sp_journal_next_seq(f->service.journal);
    struct sp_role twin = take_role_away(f);
    failed = SP_OK;
    sp_shell_event(f->shell, SP_EVENT_RECORD, 0, &waiting);
    assert_int_equal(failed, SP_FENCED);
    assert_string_equal(f->log, "d"); /* neither applied nor performed */
    sp_shell_close(f->shell);         /* nor at the end, when cursors are due */
    assert_int_equal(sp_journal_next_seq(f->service.journal), next);
    f->shell = NULL;
    sp_role_release(&twin);
}

static int64_t journal_len(const struct fixture *f)
{
    char path[sizeof f->service.dir + 40];
    struct stat st;

    snprintf(path, sizeof path, "%s/%020d.jsonl", f->service.dir, 1);
    assert_int_equal(stat(path, &st), 0);
    return (int64_t)st.st_size;
}

/* For the next one's sync, and only where nothing speaks against it. */
static void test_shell_writes_ahead_after_somebody_waited_for_a_sync(void **state)
{
    struct fixture *f = *state;
    int64_t before = journal_len(f);

    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_in_range(journal_len(f), before + 1, before + 4096); /* nobody did */
    f->sync_kind = true;
    f->service.storage.level = SP_DISK_LOW;
    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_in_range(journal_len(f), before + 1, before + 4096); /* the disk runs low */
    f->service.storage.level = SP_DISK_AMPLE;
    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    int64_t ahead = journal_len(f);
    assert_true(ahead > before + (128 << 10));
    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_int_equal(journal_len(f), ahead);
}

static void test_shell_of_a_holder_superseded_meanwhile_writes_nothing_ahead(void **state)
{
    struct fixture *f = *state;
    int64_t before = journal_len(f);

    f->sync_kind = f->usurp = true;
    sp_shell_event(f->shell, SP_EVENT_TIMER, 0, NULL);
    assert_int_equal(strcmp(f->log, "dap"), 0); /* the effect left before the twin came */
    assert_in_range(journal_len(f), before + 1, before + 4096);
    sp_role_release(&f->twin);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_shell_syncs_before_it_applies_and_acts),
        TEST(test_shell_does_not_sync_what_may_be_lazy),
        TEST(test_shell_acts_before_it_tells),
        TEST(test_shell_withdraws_what_is_no_longer_allowed),
        TEST(test_shell_moves_the_cursor_with_the_effect),
        TEST(test_shell_covers_inputs_without_output),
        TEST(test_shell_does_not_answer_cursors_with_cursors),
        TEST(test_shell_replay_folds_each_record_once),
        TEST(test_shell_keeps_cursor_and_effect_in_any_prefix),
        TEST(test_shell_of_a_superseded_holder_writes_nothing),
        TEST(test_shell_writes_ahead_after_somebody_waited_for_a_sync),
        TEST(test_shell_of_a_holder_superseded_meanwhile_writes_nothing_ahead),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
