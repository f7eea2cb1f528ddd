/* The live shell: what a decision's effect stands on is kept. */
#include "scenarios.h"

#include "../common/folder.h"

#include "common/journal/state_rows.h"
#include "common/shell.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EFFECT_SEND 1
#define EVENTS      6

/* A core that adds up what it applied, as its state. */
struct adder {
    uint64_t applied, sum;
};

static struct {
    struct sp_service service;
    struct sp_shell *shell;
    struct adder core;
    struct scenario_run *run;
    struct sp_err failed; /* what the service was told to end for */
} f;

static struct sp_config config;

/* Linked in place of the service's own. */
void __wrap_sp_service_fail(struct sp_service *service, const struct sp_err *err);

void __wrap_sp_service_fail(struct sp_service *service, const struct sp_err *err)
{
    (void)service;
    if (f.failed.status == SP_OK) f.failed = *err;
}

static void decide(void *state, const struct sp_event *event, struct sp_decision *decision)
{
    (void)state;
    (void)event;
    struct sp_record *record = sp_decision_add(decision, SP_REC_TRADING_HALTED, NULL);
    record->body.trading_state.scope = sp_name_of("all");
    record->body.trading_state.trading = SP_TRADING_STOPPED;
    record->body.trading_state.cause = SP_HALT_CAUSE_STORAGE;
    sp_decision_effect(decision, EFFECT_SEND);
}

static void apply(void *state, const struct sp_record *record)
{
    struct adder *adder = state;

    adder->applied++;
    adder->sum += record->seq;
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
    return sp_rows_next(in, &dto, &row, err) == SP_AGAIN ? SP_OK : SP_INVALID;
}

/* The effect leaves the machine: what it stands on must never be gone. */
static void perform(void *ctx, const struct sp_effect *effect)
{
    (void)ctx;
    (void)effect;
    f.run->acked_seq = sp_journal_next_seq(f.service.journal) - 1;
    if (sp_journal_durable_seq(f.service.journal) < f.run->acked_seq) abort();
}

static const struct sp_core core = {.decide = decide,
                                    .apply = apply,
                                    .save = save,
                                    .load = load,
                                    .state_bytes = sizeof(struct adder)};

static sp_status open_shell(struct sp_err *err)
{
    struct sp_shell_options options = {.service = &f.service,
                                       .core = &core,
                                       .core_state = &f.core,
                                       .perform = perform,
                                       .snapshot_every = {3600 * SP_NS_PER_S},
                                       .snapshot_records = 3};

    f.core = (struct adder){0};
    return sp_shell_open(&options, &f.shell, err);
}

static sp_status open_service(struct scenario_run *run, struct sp_err *err)
{
    struct sp_service *service = &f.service;

    f.run = run;
    config.platform.installation = sp_name_of("faults");
    f.failed = (struct sp_err){0};
    *service = (struct sp_service){.config = &config,
                                   .instance = sp_name_of("execution"),
                                   .stream = sp_name_of("execution"),
                                   .role = {.lock_fd = -1, .epoch_fd = -1}};
    snprintf(service->dir, sizeof service->dir, "%s", run->dir);
    sp_status status = sp_loop_open(&service->loop, err);
    if (status == SP_OK) status = sp_role_acquire(&service->role, service->dir, err);
    if (status != SP_OK) return status;
    struct sp_journal_options journal = {.dir = service->dir,
                                         .stream = service->stream,
                                         .installation = "faults",
                                         .world = "",
                                         .epoch = service->role.epoch,
                                         .segment_bytes = 1500,
                                         .sync_every = {-1}};
    status = sp_journal_open(&journal, &service->journal, err);
    struct sp_bus_options bus = {.run_dir = run->dir,
                                 .service = service->instance,
                                 .epoch = service->role.epoch};
    if (status == SP_OK) status = sp_bus_open(service->loop, &bus, &service->bus, err);
    if (status == SP_OK) {
        status = sp_bus_add_facts(service->bus, service->journal, &service->stream, err);
    }
    if (status == SP_OK) status = open_shell(err);
    return status;
}

static void close_service(void)
{
    sp_shell_close(f.shell);
    sp_bus_close(f.service.bus);
    sp_journal_close(f.service.journal);
    sp_loop_close(f.service.loop);
    sp_role_release(&f.service.role);
    f.service = (struct sp_service){0};
    f.shell = NULL;
}

static void work(uint32_t events)
{
    for (uint32_t i = 0; i < events && f.failed.status == SP_OK; i++) {
        struct sp_record input = {.stream = sp_name_of("other"),
                                  .epoch = 2,
                                  .seq = 1 + f.core.applied,
                                  .kind = SP_REC_DATA_GAP};
        sp_shell_event(f.shell, SP_EVENT_RECORD, 0, &input);
    }
}

/* Until a snapshot is taken, or not: the timer's turns, without waiting for more than it takes. */
static void turn(void)
{
    struct sp_snapshots_stats before = sp_shell_stats(f.shell).snapshots, now = before;

    for (int i = 0; i < 40 && now.taken == before.taken && now.failed == before.failed; i++) {
        SP_IGNORE(sp_loop_turn(f.service.loop, (sp_dur){20 * SP_NS_PER_MS}, NULL));
        now = sp_shell_stats(f.shell).snapshots;
    }
}

static void prepare_service(struct scenario_run *run)
{
    struct sp_err err = {0};

    if (open_service(run, &err) != SP_OK || sp_shell_restore(f.shell, &err) != SP_OK) {
        printf("FAILED: preparing: %s\n", err.text);
        exit(1);
    }
}

/* A history with a snapshot takes its time, so it is made once and copied. */
static struct folder history;
static uint64_t history_acked_seq;

static void remove_history(void)
{
    folder_remove(&history);
}

static void make_history(void)
{
    struct scenario_run run = {0};

    history = folder_make();
    atexit(remove_history);
    snprintf(run.dir, sizeof run.dir, "%.190s", history.path);
    prepare_service(&run);
    work(EVENTS);
    turn();
    history_acked_seq = run.acked_seq;
    close_service();
}

static void prepare_history(struct scenario_run *run)
{
    static char text[65536];

    if (history.path[0] == '\0') make_history();
    DIR *folder = opendir(history.path);
    if (folder == NULL) abort();
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char from[600], to[600];
        snprintf(from, sizeof from, "%s/%s", history.path, entry->d_name);
        snprintf(to, sizeof to, "%s/%s", run->dir, entry->d_name);
        long len = entry->d_type == DT_REG ? file_read(from, text, sizeof text) : -1;
        if (len >= 0) file_write(to, text, (size_t)len);
    }
    closedir(folder);
    run->acked_seq = history_acked_seq;
}

/* Closing belongs to it, and may fail too. */
static sp_status cycle(struct scenario_run *run, struct sp_err *err)
{
    (void)run;
    work(EVENTS);
    struct sp_err failed = f.failed;
    close_service();
    if (failed.status != SP_OK) *err = failed;
    return failed.status;
}

static sp_status restart(struct scenario_run *run, struct sp_err *err)
{
    sp_status status = open_service(run, err);

    if (status == SP_OK) status = sp_shell_restore(f.shell, err);
    if (status == SP_OK) work(2);
    struct sp_err failed = f.failed;
    close_service();
    if (status != SP_OK || failed.status == SP_OK) return status;
    *err = failed;
    return failed.status;
}

const struct scenario shell_scenarios[] = {
    {"shell-cycle", prepare_service, cycle, "*", NULL},
    {"shell-restart", prepare_history, restart, "*", NULL},
};
const size_t shell_scenario_count = sizeof shell_scenarios / sizeof shell_scenarios[0];
