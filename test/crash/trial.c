#include "trial.h"

#include "common/journal/journal.h"
#include "common/journal/journal_keeper.h"
#include "common/journal/role.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEGMENT_BYTES 1800
#define BLANKS_BYTES  2048
#define STEPS         18
#define PAYLOAD_MAX   (TRIAL_PAYLOAD_SIZE - 64)
#define KILL_WITHIN   90 /* operations of a life */
#define FAIL_WITHIN   16 /* syncs of a life */
#define START_NS      INT64_C(1795374000000000000)

struct life {
    struct trial *trial;
    const char *dir;
    struct sp_state_file file;
    struct sp_role role;
    struct sp_journal *journal;
    struct trial_snapshots snapshots;
    struct trial_fold fold;
    uint32_t epoch;
    uint64_t gen; /* loaded or saved last */
};

uint64_t trial_random(struct trial *trial, uint64_t below)
{
    trial->random += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t z = trial->random;
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (z ^ z >> 31) % below;
}

size_t trial_payload(const struct trial *trial, uint64_t gen, uint32_t epoch,
                     char out[TRIAL_PAYLOAD_SIZE])
{
    struct trial random = {.random = (trial->seed * 1000 + gen) * 1000 + epoch};
    size_t len = (size_t)trial_random(&random, gen % 2 == 0 ? 100 : PAYLOAD_MAX);
    int head = snprintf(out, 64, "{\"gen\":\"%" PRIu64 "\",\"x\":\"", gen);

    for (size_t i = 0; i < len; i++)
        out[(size_t)head + i] = (char)('a' + trial_random(&random, 26));
    memcpy(out + (size_t)head + len, "\"}", 3);
    return (size_t)head + len + 2;
}

struct sp_journal_options trial_journal_options(const char *dir, uint32_t epoch,
                                                const struct sp_file_port *port)
{
    return (struct sp_journal_options){.dir = dir,
                                       .stream = sp_name_of("execution"),
                                       .installation = "crash",
                                       .world = "paper",
                                       .epoch = epoch,
                                       .segment_bytes = SEGMENT_BYTES,
                                       .sync_every = {-1},
                                       .blanks_bytes = BLANKS_BYTES,
                                       .start_time = {START_NS + epoch},
                                       .build = "0.0.0",
                                       .boot_id = sp_name_of("boot"),
                                       .port = port};
}

static void issue(struct life *life, uint64_t seq, bool is_started)
{
    struct trial *trial = life->trial;

    SP_ASSERT(seq < TRIAL_SEQS);
    trial->epoch[seq] = (uint8_t)life->epoch;
    trial->is_started[seq] = is_started;
    trial->ends_batch[seq] = is_started;
    trial->bounds.seq_issued = seq;
}

static void acknowledge(struct life *life)
{
    life->trial->bounds.seq_acked = sp_journal_next_seq(life->journal) - 1;
    recorder_mark(&life->trial->bounds);
}

static const struct sp_record *make_batch(struct life *life, uint32_t *count_out)
{
    static struct sp_record records[8];
    uint32_t count = 1 + (uint32_t)trial_random(life->trial, 5);
    uint64_t seq = sp_journal_next_seq(life->journal);

    for (uint32_t i = 0; i < count; i++) {
        records[i] = (struct sp_record){.stream = sp_name_of("execution"),
                                        .epoch = life->epoch,
                                        .seq = seq + i,
                                        .time = {START_NS + (int64_t)(seq + i) * 1000},
                                        .kind = SP_REC_CURSOR};
        records[i].body.cursor.inputs = (uint32_t)(seq + i) * 16 + life->epoch;
    }
    records[count - 1].in = (struct sp_ref){.stream = sp_name_of("md"), .epoch = 3, .seq = seq};
    *count_out = count;
    return records;
}

/* What a call gave while the process may be dead or its disk may have failed. False: the life ends,
 * and if trial->why says something, wrongly. */
static bool went_on(struct life *life, sp_status status, const char *what, const struct sp_err *err)
{
    char *why = life->trial->why;

    if (status == SP_OK && !recorder_has_failed()) return true;
    if (status == SP_OK) {
        snprintf(why, sizeof life->trial->why, "%s was acknowledged after a failed sync", what);
    } else if (!recorder_is_dead() && !recorder_has_failed()) {
        snprintf(why, sizeof life->trial->why, "%s refused: %s: %.160s", what,
                 sp_status_name(status), err->text);
    }
    return false;
}

static bool append(struct life *life)
{
    uint32_t count = 0;
    const struct sp_record *records = make_batch(life, &count);
    struct sp_err err = {0};

    for (uint32_t i = 0; i < count; i++)
        issue(life, records[i].seq, false);
    life->trial->ends_batch[records[count - 1].seq] = true;
    recorder_mark(&life->trial->bounds);
    return went_on(life, sp_journal_append(life->journal, records, count, &err), "append", &err);
}

static bool sync_journal(struct life *life)
{
    struct sp_err err = {0};

    if (!went_on(life, sp_journal_sync(life->journal, &err), "sync", &err)) return false;
    acknowledge(life);
    return true;
}

static bool save(struct life *life)
{
    struct disk_bounds *bounds = &life->trial->bounds;
    struct sp_state_header header = {.generation = life->gen + 1, .epoch = life->epoch};
    char payload[TRIAL_PAYLOAD_SIZE];
    struct sp_err err = {0};

    if (!sync_journal(life)) return false;
    SP_ASSERT(header.generation < TRIAL_GENS);
    header.noted_seq = sp_journal_next_seq(life->journal) - 1;
    life->trial->noted[header.generation][life->epoch] = header.noted_seq;
    if (bounds->gen_issued < header.generation) bounds->gen_issued = header.generation;
    size_t len = trial_payload(life->trial, header.generation, life->epoch, payload);
    recorder_mark(bounds);
    if (!went_on(life, sp_state_save(&life->file, &header, payload, len, &err), "save", &err)) {
        return false;
    }
    life->gen = bounds->gen_acked = header.generation;
    bounds->gen_epoch = life->epoch;
    recorder_mark(bounds);
    return true;
}

/* A turn of the loop: copies what is appended by now, saves a copy that is due. */
static bool snapshot(struct life *life)
{
    struct sp_ref at = {sp_name_of("execution"), life->epoch,
                        sp_journal_next_seq(life->journal) - 1};

    life->fold = trial_fold_upto(life->trial, at.seq);
    trial_snapshots_tick(&life->snapshots, &at, sp_journal_durable_seq(life->journal));
    return !recorder_is_dead() && !recorder_has_failed();
}

/* Writes ahead, which also syncs what was appended. */
static bool prepare(struct life *life)
{
    bool is_short = sp_journal_is_short(life->journal);
    struct sp_err err = {0};

    if (!went_on(life, sp_journal_prepare(life->journal, &err), "prepare", &err)) return false;
    if (is_short) acknowledge(life);
    return true;
}

static bool seal(struct life *life)
{
    struct sp_err err = {0};

    if (!went_on(life, sp_journal_seal(life->journal, &err), "seal", &err)) return false;
    acknowledge(life);
    return true;
}

/* What the keeper's thread does, when we want it. */
static bool keep_segments(struct life *life)
{
    struct sp_keeper_options options = {.dir = life->dir, .port = recorder_port()};
    struct sp_keeper_done done = {0};
    struct sp_err err = {0};

    if (trial_random(life->trial, 2) == 0) options.compress_after.ns = 1;
    return went_on(life, sp_keeper_pass(&options, &done, &err), "keeping", &err);
}

/* Deletes old segments, as a person asks for it. */
static bool trim(struct life *life)
{
    struct sp_segment_list list = {0};
    struct sp_record record = {.stream = sp_name_of("execution"),
                               .epoch = life->epoch,
                               .time = {START_NS},
                               .kind = SP_REC_JOURNAL_TRIMMED};
    struct sp_err err = {0};

    if (!sync_journal(life) || !snapshot(life)) return false;
    if (!went_on(life, sp_segment_list_read(life->dir, &list, &err), "list", &err)) return false;
    uint64_t oldest = sp_snapshots_oldest(life->snapshots.snapshots);
    bool all = trial_random(life->trial, 2) == 0;
    size_t keep_from = all ? list.count - 1 : (size_t)trial_random(life->trial, list.count);
    while (keep_from > 0 && list.first[keep_from] > oldest + 1)
        keep_from--; /* a start may need what is behind the oldest snapshot */
    uint64_t first_kept = list.first[keep_from];
    sp_segment_list_free(&list);
    if (keep_from == 0) return true;
    record.seq = sp_journal_next_seq(life->journal);
    record.body.journal_trimmed.first_seq = first_kept;
    issue(life, record.seq, true);
    life->trial->bounds.trim_issued = first_kept;
    recorder_mark(&life->trial->bounds);
    if (!went_on(life, sp_journal_append(life->journal, &record, 1, &err), "append", &err) ||
        !sync_journal(life)) {
        return false;
    }
    return went_on(life, sp_journal_delete_before(life->journal, first_kept, &err), "trim", &err);
}

/* How the life ends, if nothing ends it before. */
static bool choose_end(struct trial *trial)
{
    uint64_t what = trial_random(trial, 8);

    if (what >= 2 && what < 5) recorder_kill((uint32_t)trial_random(trial, KILL_WITHIN));
    if (what >= 5) recorder_fail_sync(1 + (uint32_t)trial_random(trial, FAIL_WITHIN));
    return what == 0;
}

/* The role's epochs are numbers of their own here: lives are counted by those that were begun. */
static bool take_role(struct life *life)
{
    struct disk_bounds *bounds = &life->trial->bounds;
    struct sp_err err = {0};
    sp_status status = sp_role_acquire_through(recorder_port(), &life->role, life->dir, &err);

    if (!went_on(life, status, "role", &err)) return false;
    if (life->role.epoch <= bounds->role_epoch) {
        snprintf(life->trial->why, sizeof life->trial->why, "epoch %" PRIu32 " is handed out twice",
                 life->role.epoch);
        return false;
    }
    bounds->role_epoch = life->role.epoch;
    recorder_mark(bounds);
    return true;
}

/* The newest generation is used from here on, so it must not be taken back. */
static bool load(struct life *life, uint64_t *noted_seq)
{
    struct disk_bounds *bounds = &life->trial->bounds;
    struct sp_state_header header = {0};
    enum sp_state_outcome outcome;
    struct sp_err err = {0};
    char *json = NULL;

    sp_status status = sp_file_make_dirs(recorder_port(), life->file.dir, &err);
    if (!went_on(life, status, "state directory", &err)) return false;
    status = sp_state_load(&life->file, bounds->gen_acked, &outcome, &header, &json, &err);
    free(json);
    if (!went_on(life, status, "load", &err)) return false;
    life->gen = bounds->gen_acked = header.generation;
    bounds->gen_epoch = header.epoch;
    *noted_seq = header.noted_seq;
    recorder_mark(bounds);
    return true;
}

/* Whether recovery will say that it cut something off, in this start or in one that died. */
static bool has_tail(const struct life *life, uint64_t next_seq)
{
    char path[400], begin[32];
    bool found = false;

    snprintf(path, sizeof path, "%s/quarantine", life->dir);
    int len = snprintf(begin, sizeof begin, "%020" PRIu64 "-", next_seq);
    DIR *folder = opendir(path);
    if (folder == NULL) return false;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct stat st;
        if (strncmp(entry->d_name, begin, (size_t)len) != 0) continue;
        if (fstatat(dirfd(folder), entry->d_name, &st, 0) == 0 && st.st_size > 0) found = true;
    }
    closedir(folder);
    return found;
}

/* What the lives before left to be seen: nothing acknowledged is gone, and what is behind it was
 * never whole and is never seen again. Issues what opening will append. */
static bool look(struct life *life)
{
    struct trial *trial = life->trial;
    struct disk_bounds *bounds = &trial->bounds;
    struct sp_journal_report report = {0};
    struct sp_err err = {0};
    sp_status status = sp_journal_verify(life->dir, NULL, &report, &err);

    if (status == SP_NOT_FOUND) report = (struct sp_journal_report){0};
    if (status != SP_OK && status != SP_NOT_FOUND) {
        snprintf(trial->why, sizeof trial->why, "the journal after a kill: %.200s", err.text);
        return false;
    }
    if (report.last_seq < bounds->seq_acked || report.last_seq > bounds->seq_issued) {
        snprintf(trial->why, sizeof trial->why,
                 "after a kill: record %" PRIu64 " is the last, %" PRIu64 " was acknowledged",
                 report.last_seq, bounds->seq_acked);
        return false;
    }
    for (uint64_t seq = report.last_seq + 1; seq < TRIAL_SEQS; seq++)
        trial->epoch[seq] = 0;
    issue(life, report.last_seq + 1, true);
    if (report.torn_tail || has_tail(life, report.last_seq + 1)) {
        trial->ends_batch[report.last_seq + 1] = false;
        issue(life, report.last_seq + 2, true);
    }
    recorder_mark(bounds);
    return true;
}

/* What the lives before left to be seen of their snapshots fits what they left of the journal. */
static bool begin_snapshots(struct life *life)
{
    struct trial_restored restored = {.first_seq = sp_journal_first_seq(life->journal),
                                      .last_seq = sp_journal_next_seq(life->journal) - 1};
    struct sp_err err = {0};
    sp_status status = trial_snapshots_open(life->file.dir, recorder_port(), restored.first_seq > 1,
                                            &life->fold, &life->snapshots, &err);

    if (!went_on(life, status, "snapshots", &err)) return false;
    trial_snapshots_load(&life->snapshots, &restored);
    if (recorder_is_dead() || recorder_has_failed()) return false;
    if (!trial_restored_fits(life->trial, &restored, life->trial->why)) return false;
    sp_snapshots_begin(life->snapshots.snapshots, restored.base.at.seq);
    return true;
}

static bool begin(struct life *life)
{
    struct sp_journal_options options =
        trial_journal_options(life->dir, life->epoch, recorder_port());
    struct trial *trial = life->trial;
    struct sp_err err = {0};

    if (!take_role(life) || !load(life, &options.noted_seq) || !look(life)) return false;
    if (trial_random(trial, 2) == 0) options.noted_seq = trial->bounds.seq_acked;
    sp_status status = sp_journal_open(&options, &life->journal, &err);
    if (!went_on(life, status, "open", &err)) return false;
    acknowledge(life);
    if (trial->bounds.seq_acked != trial->bounds.seq_issued) {
        snprintf(trial->why, sizeof trial->why, "opening ends at record %" PRIu64 ", not %" PRIu64,
                 trial->bounds.seq_acked, trial->bounds.seq_issued);
        return false;
    }
    return begin_snapshots(life);
}

static bool step(struct life *life)
{
    static bool (*const steps[])(struct life *) = {
        append,  append,  append,   append,   append,  sync_journal,  sync_journal,
        prepare, prepare, save,     save,     seal,    keep_segments, keep_segments,
        trim,    trim,    snapshot, snapshot, snapshot};

    return steps[trial_random(life->trial, sizeof steps / sizeof steps[0])](life);
}

/* Nothing is acknowledged after a sync of the journal failed, whatever the disk says later. */
static void end(struct life *life)
{
    static const struct {
        bool (*call)(struct life *);
    } calls[] = {{append}, {sync_journal}, {prepare}, {seal}};

    if (recorder_has_failed() && sp_journal_health(life->journal) != SP_OK) {
        struct disk_bounds before = life->trial->bounds;
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
            SP_IGNORE(calls[i].call(life));
        life->trial->bounds = before;
    }
    trial_snapshots_close(&life->snapshots);
    sp_journal_close(life->journal);
    life->journal = NULL;
}

static void live_once(struct life *life)
{
    bool orderly = choose_end(life->trial), goes_on = begin(life);

    for (int i = 0; goes_on && i < STEPS; i++)
        goes_on = step(life);
    if (goes_on && orderly) SP_IGNORE(seal(life));
    if (life->journal != NULL) end(life);
    sp_role_release(&life->role);
    recorder_revive();
}

bool trial_live(struct trial *trial, const char *root)
{
    char state[300], journal[300];
    struct life life = {.trial = trial, .dir = journal};

    trial->random = trial->seed;
    snprintf(state, sizeof state, "%s/state", root);
    snprintf(journal, sizeof journal, "%s/journal", root);
    life.file = (struct sp_state_file){.dir = state,
                                       .name = "execution",
                                       .installation = "crash",
                                       .port = recorder_port()};
    for (life.epoch = 1; life.epoch <= TRIAL_LIVES && trial->why[0] == '\0'; life.epoch++)
        live_once(&life);
    return trial->why[0] == '\0';
}
