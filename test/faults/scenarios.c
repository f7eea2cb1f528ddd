#include "scenarios.h"

#include "common/clock.h"
#include "common/journal/journal.h"
#include "common/journal/journal_keeper.h"
#include "common/journal/retention.h"
#include "common/journal/role.h"
#include "common/journal/state.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define START_NS      INT64_C(1795374000000000000)
#define SEGMENT_BYTES 1500
#define STATE         "{\"books\":[1,2,3]}"

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    printf("FAILED: preparing: %s\n", err->text);
    exit(1);
}

void scenario_journal_dir(const struct scenario_run *run, char out[256])
{
    snprintf(out, 256, "%s%s%s", run->dir, run->instance != NULL ? "/" : "",
             run->instance != NULL ? run->instance : "");
}

static struct sp_journal_options options_of(const struct scenario_run *run, uint32_t epoch)
{
    static char dir[256]; /* one journal is open at a time */

    scenario_journal_dir(run, dir);
    return (struct sp_journal_options){.dir = dir,
                                       .stream = sp_name_of("execution"),
                                       .installation = "faults",
                                       .epoch = epoch,
                                       .segment_bytes = SEGMENT_BYTES,
                                       .sync_every = {-1},
                                       .start_time = {START_NS + epoch},
                                       .build = "0.0.0",
                                       .boot_id = sp_name_of("boot")};
}

static sp_status append(struct sp_journal *journal, uint32_t epoch, uint32_t count,
                        struct sp_err *err)
{
    static struct sp_record records[8];
    uint64_t seq = sp_journal_next_seq(journal);

    for (uint32_t i = 0; i < count; i++) {
        records[i] = (struct sp_record){.stream = sp_name_of("execution"),
                                        .epoch = epoch,
                                        .seq = seq + i,
                                        .time = {START_NS + (int64_t)(seq + i) * 1000},
                                        .kind = SP_REC_CURSOR};
        records[i].body.cursor.inputs = (uint32_t)(seq + i);
    }
    records[count - 1].in = (struct sp_ref){.stream = sp_name_of("md"), .epoch = 3, .seq = seq};
    return sp_journal_append(journal, records, count, err);
}

/* Appends over several segments, syncs, seals. */
static sp_status use(struct scenario_run *run, struct sp_journal *journal, uint32_t epoch,
                     struct sp_err *err)
{
    sp_status status = SP_OK;

    run->acked_seq = sp_journal_durable_seq(journal);
    for (uint32_t i = 0; status == SP_OK && i < 6; i++) {
        status = append(journal, epoch, 1 + i, err);
        if (status == SP_OK && (i % 2 == 0 || i == 5)) status = sp_journal_sync(journal, err);
        if (status == SP_OK && i == 3) status = sp_journal_seal(journal, err);
        run->acked_seq = sp_journal_durable_seq(journal);
    }
    return status;
}

static sp_status open_and_use(struct scenario_run *run, uint32_t epoch, struct sp_err *err)
{
    struct sp_journal_options options = options_of(run, epoch);
    struct sp_journal *journal = NULL;
    sp_status status = sp_journal_open(&options, &journal, err);

    if (status == SP_OK) status = use(run, journal, epoch, err);
    sp_journal_close(journal);
    return status;
}

static sp_status journal_new(struct scenario_run *run, struct sp_err *err)
{
    return open_and_use(run, 1, err);
}

void scenario_make_journal(struct scenario_run *run)
{
    struct sp_err err = {0};

    must(open_and_use(run, 1, &err), &err);
    must(open_and_use(run, 2, &err), &err);
}

static sp_status journal_again(struct scenario_run *run, struct sp_err *err)
{
    return open_and_use(run, 3, err);
}

/* The last file of the journal. */
static void last_segment(const struct scenario_run *run, char path[SP_SEGMENT_PATH_SIZE])
{
    struct sp_segment_list list = {0};
    struct sp_err err = {0};

    must(sp_segment_list_read(run->dir, &list, &err), &err);
    must(sp_segment_path(run->dir, list.first[list.count - 1], path, &err), &err);
    sp_segment_list_free(&list);
}

/* A byte of the second segment is another one: what is before it stays. */
void scenario_make_damaged(struct scenario_run *run)
{
    char dir[256], path[SP_SEGMENT_PATH_SIZE];
    struct sp_segment_list list = {0};
    struct sp_err err = {0};

    scenario_make_journal(run);
    scenario_journal_dir(run, dir);
    must(sp_segment_list_read(dir, &list, &err), &err);
    must(sp_segment_path(dir, list.first[1], path, &err), &err);
    run->acked_seq = list.first[1] - 1;
    sp_segment_list_free(&list);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || pwrite(fd, "~", 1, 400) != 1) abort();
    close(fd);
}

static void tear_journal(struct scenario_run *run)
{
    static const char torn[] = "{\"c\":\"00000000\",\"s\":99,\"e\":2,\"w\":1,";
    char path[SP_SEGMENT_PATH_SIZE];

    scenario_make_journal(run);
    last_segment(run, path);
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (fd < 0 || write(fd, torn, sizeof torn - 1) < 0) abort();
    close(fd);
}

static void seal_journal(struct scenario_run *run)
{
    struct sp_journal_options options = options_of(run, 3);
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};

    scenario_make_journal(run);
    must(sp_journal_open(&options, &journal, &err), &err);
    must(sp_journal_seal(journal, &err), &err);
    run->acked_seq = sp_journal_durable_seq(journal);
    sp_journal_close(journal);
}

static sp_status journal_after_seal(struct scenario_run *run, struct sp_err *err)
{
    return open_and_use(run, 4, err);
}

static sp_status journal_with_threads(struct scenario_run *run, struct sp_err *err)
{
    struct sp_journal_options options = options_of(run, 3);
    struct sp_journal *journal = NULL;

    options.sync_every.ns = SP_NS_PER_MS;
    options.compress_after.ns = 1;
    sp_status status = sp_journal_open(&options, &journal, err);
    if (status == SP_OK) status = use(run, journal, 3, err);
    sp_journal_close(journal);
    return status;
}

static sp_status journal_read(struct scenario_run *run, struct sp_err *err)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    sp_name stream = sp_name_of("execution");
    uint64_t count = 0;
    char dir[256];

    scenario_journal_dir(run, dir);
    sp_status status = sp_journal_reader_open(dir, &stream, 0, &reader, err);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, &record, NULL, err);
        if (status == SP_OK && count == 0 && record.seq <= run->trim_seq) count = record.seq - 1;
        if (status == SP_OK && record.seq != ++count)
            status = SP_FAIL(err, SP_GONE, "record %" PRIu64 " is missing", count);
    }
    sp_journal_reader_close(reader);
    if (status != SP_AGAIN) return status;
    return count >= run->acked_seq ? SP_OK : SP_FAIL(err, SP_GONE, "the end came early");
}

static sp_status journal_read_middle(struct scenario_run *run, struct sp_err *err)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    sp_status status = sp_journal_reader_open(run->dir, NULL, run->acked_seq / 2, &reader, err);

    if (status == SP_OK) status = sp_journal_reader_next(reader, &record, NULL, err);
    if (status == SP_OK && record.seq != run->acked_seq / 2) abort();
    sp_journal_reader_close(reader);
    return status;
}

static sp_status journal_verify(struct scenario_run *run, struct sp_err *err)
{
    struct sp_journal_report report = {0};
    char dir[256];

    scenario_journal_dir(run, dir);
    return sp_journal_verify(dir, NULL, &report, err);
}

static sp_status keep_pass(struct scenario_run *run, int64_t compress_after_ns, struct sp_err *err)
{
    char dir[256];
    struct sp_keeper_options options = {.dir = dir,
                                        .port = sp_file_port_real(),
                                        .compress_after = {compress_after_ns}};
    struct sp_keeper_done done = {0};

    scenario_journal_dir(run, dir);
    return sp_keeper_pass(&options, &done, err);
}

static sp_status keeper_indexes(struct scenario_run *run, struct sp_err *err)
{
    return keep_pass(run, 0, err);
}

static sp_status keeper_compresses(struct scenario_run *run, struct sp_err *err)
{
    return keep_pass(run, 1, err);
}

void scenario_make_zipped(struct scenario_run *run)
{
    struct sp_err err = {0};

    scenario_make_journal(run);
    must(keep_pass(run, 1, &err), &err);
}

/* Everything but the newest segment, by its record; the files may stay. */
static sp_status write_trimmed(struct scenario_run *run, struct sp_journal *journal, uint32_t epoch,
                               struct sp_err *err)
{
    static struct sp_record record;
    struct sp_retention_ask ask = {0};
    struct sp_retention_plan plan = {0};
    sp_status status = sp_retention_plan(run->dir, &ask, run->acked_seq + 1, &plan, err);

    if (status != SP_OK) return status;
    if (plan.segments == 0) abort();
    record = (struct sp_record){.stream = sp_name_of("execution"),
                                .epoch = epoch,
                                .seq = sp_journal_next_seq(journal),
                                .time = {START_NS},
                                .kind = SP_REC_JOURNAL_TRIMMED};
    record.body.journal_trimmed.first_seq = plan.first_kept;
    run->trim_seq = plan.first_kept;
    status = sp_journal_append(journal, &record, 1, err);
    if (status == SP_OK) status = sp_journal_sync(journal, err);
    run->acked_seq = sp_journal_durable_seq(journal);
    return status;
}

static sp_status trim(struct scenario_run *run, bool deletes, struct sp_err *err)
{
    struct sp_journal_options options = options_of(run, 3);
    struct sp_journal *journal = NULL;
    sp_status status = sp_journal_open(&options, &journal, err);

    if (status == SP_OK) status = write_trimmed(run, journal, 3, err);
    if (status == SP_OK && deletes) status = sp_journal_delete_before(journal, run->trim_seq, err);
    if (status == SP_OK) status = append(journal, 3, 2, err);
    if (status == SP_OK) status = sp_journal_sync(journal, err);
    if (status == SP_OK) run->acked_seq = sp_journal_durable_seq(journal);
    sp_journal_close(journal);
    return status;
}

static sp_status retain(struct scenario_run *run, struct sp_err *err)
{
    return trim(run, true, err);
}

/* Died between the record and the files. */
static void leave_trimmed(struct scenario_run *run)
{
    struct sp_err err = {0};

    scenario_make_journal(run);
    must(trim(run, false, &err), &err);
}

static sp_status role(struct scenario_run *run, struct sp_err *err)
{
    struct sp_role held = {.lock_fd = -1, .epoch_fd = -1};
    sp_status status = sp_role_acquire(&held, run->dir, err);

    if (status == SP_OK) status = sp_role_check(&held, err);
    sp_role_release(&held);
    return status;
}

const struct scenario journal_scenarios[] = {
    {"journal-new", NULL, journal_new, "", NULL},
    {"journal-again", scenario_make_journal, journal_again, "", NULL},
    {"journal-torn", tear_journal, journal_again, "", NULL},
    {"journal-sealed", seal_journal, journal_after_seal, "", NULL},
    {"journal-zipped", scenario_make_zipped, journal_again, "", NULL},
    {"journal-threads", scenario_make_journal, journal_with_threads, "*", NULL},
    {"read", scenario_make_journal, journal_read, "", NULL},
    {"read-zipped", scenario_make_zipped, journal_read, "", NULL},
    {"read-middle", scenario_make_zipped, journal_read_middle, "", NULL},
    {"verify", scenario_make_journal, journal_verify, "", NULL},
    {"verify-zipped", scenario_make_zipped, journal_verify, "", NULL},
    {"index", scenario_make_journal, keeper_indexes, "*", NULL},
    {"compress", scenario_make_journal, keeper_compresses, "*", NULL},
    {"retain", scenario_make_journal, retain, "", NULL},
    {"retain-zipped", scenario_make_zipped, retain, "", NULL},
    {"retain-half", leave_trimmed, journal_after_seal, "", NULL},
    {"role", NULL, role, "fstat stat pread", NULL},
};
const size_t journal_scenario_count = sizeof journal_scenarios / sizeof journal_scenarios[0];

/* ---- Snapshots of state ---- */

static struct sp_state_file file_of(const struct scenario_run *run)
{
    return (struct sp_state_file){.dir = run->dir, .name = "execution", .installation = "faults"};
}

static sp_status save(struct scenario_run *run, uint64_t gen, struct sp_err *err)
{
    struct sp_state_file file = file_of(run);
    struct sp_state_header header = {.generation = gen, .epoch = 1, .noted_seq = gen};
    sp_status status = sp_state_save(&file, &header, STATE, strlen(STATE), err);

    if (status == SP_OK) run->acked_gen = gen;
    return status;
}

static sp_status save_first(struct scenario_run *run, struct sp_err *err)
{
    return save(run, 1, err);
}

static void make_state(struct scenario_run *run)
{
    struct sp_err err = {0};

    must(save(run, 1, &err), &err);
    must(save(run, 2, &err), &err);
}

static sp_status save_third(struct scenario_run *run, struct sp_err *err)
{
    return save(run, 3, err);
}

static sp_status load(struct scenario_run *run, struct sp_err *err)
{
    struct sp_state_file file = file_of(run);
    struct sp_state_header header = {0};
    enum sp_state_outcome outcome;
    char *json = NULL;
    sp_status status = sp_state_load(&file, run->acked_gen, &outcome, &header, &json, err);

    if (status == SP_OK && header.generation > run->acked_gen) run->acked_gen = header.generation;
    free(json);
    return status;
}

static void rename_to(const struct scenario_run *run, const char *from, const char *to)
{
    char old[256], new[256];

    snprintf(old, sizeof old, "%s/%s", run->dir, from);
    snprintf(new, sizeof new, "%s/%s", run->dir, to);
    if (rename(old, new) != 0) abort();
}

/* Died between the sync of a save and its rename. */
static void leave_pending(struct scenario_run *run)
{
    make_state(run);
    rename_to(run, "execution.json", "execution.json.journal");
    rename_to(run, "execution.json.bak", "execution.json");
    run->acked_gen = 1;
}

static void damage_current(struct scenario_run *run)
{
    char path[256];

    make_state(run);
    snprintf(path, sizeof path, "%s/execution.json", run->dir);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0 || write(fd, "x", 1) != 1) abort();
    close(fd);
    run->acked_gen = 1;
}

const struct scenario state_scenarios[] = {
    {"save-first", NULL, save_first, "fstat", NULL},
    {"save", make_state, save_third, "fstat", NULL},
    {"load", make_state, load, "fstat", NULL},
    {"load-none", NULL, load, "fstat", NULL},
    {"load-pending", leave_pending, load, "fstat", NULL},
    {"load-damaged", damage_current, load, "fstat", NULL},
};
const size_t state_scenario_count = sizeof state_scenarios / sizeof state_scenarios[0];

/* ---- What a start finds afterwards ---- */

static bool keeps_state(const struct scenario_run *run, char why[256])
{
    struct scenario_run again = *run;
    struct sp_err err = {0};

    if (load(&again, &err) == SP_OK) return true;
    snprintf(why, 256, "generation %" PRIu64 " was acknowledged; then: %.180s", run->acked_gen,
             err.text);
    return false;
}

static bool keeps_journal(const struct scenario_run *run, char why[256])
{
    struct scenario_run again = *run;
    struct sp_journal_options options = options_of(run, 1000);
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};

    options.noted_seq = run->acked_seq;
    sp_status status = sp_journal_open(&options, &journal, &err);
    sp_journal_close(journal);
    if (status == SP_OK) status = journal_verify(&again, &err);
    if (status == SP_OK) status = journal_read(&again, &err);
    if (status == SP_OK) return true;
    snprintf(why, 256, "record %" PRIu64 " was acknowledged; then: %.180s", run->acked_seq,
             err.text);
    return false;
}

bool scenario_kept(const struct scenario_run *run, char why[256])
{
    if (run->acked_gen > 0 && !keeps_state(run, why)) return false;
    return run->acked_seq == 0 || keeps_journal(run, why);
}
