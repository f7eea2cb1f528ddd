#include "trial.h"

#include "common/journal/journal.h"
#include "common/journal/journal_index.h"
#include "common/journal/journal_keeper.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SEGMENT_BYTES 1800
#define STEPS         14
#define PAYLOAD_MAX   1400
#define KILL_WITHIN   90 /* operations of a life */
#define FAIL_WITHIN   16 /* syncs of a life */
#define START_NS      INT64_C(1795374000000000000)

struct life {
    struct trial *trial;
    const char *dir;
    struct sp_state_file file;
    struct sp_journal *journal;
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

/* The payload of a generation: a matter of seed, number and epoch only. */
static size_t payload_make(const struct trial *trial, uint64_t gen, uint32_t epoch,
                           char out[PAYLOAD_MAX + 64])
{
    struct trial random = {.random = (trial->seed * 1000 + gen) * 1000 + epoch};
    size_t len = (size_t)trial_random(&random, gen % 2 == 0 ? 100 : PAYLOAD_MAX);
    int head = snprintf(out, 64, "{\"gen\":\"%" PRIu64 "\",\"x\":\"", gen);

    for (size_t i = 0; i < len; i++)
        out[(size_t)head + i] = (char)('a' + trial_random(&random, 26));
    memcpy(out + (size_t)head + len, "\"}", 3);
    return (size_t)head + len + 2;
}

static struct sp_journal_options options_of(const char *dir, uint32_t epoch,
                                            const struct sp_file_port *port)
{
    return (struct sp_journal_options){.dir = dir,
                                       .stream = sp_name_of("execution"),
                                       .installation = "crash",
                                       .world = "paper",
                                       .epoch = epoch,
                                       .segment_bytes = SEGMENT_BYTES,
                                       .sync_every = {-1},
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
    char payload[PAYLOAD_MAX + 64];
    struct sp_err err = {0};

    if (!sync_journal(life)) return false;
    SP_ASSERT(header.generation < TRIAL_GENS);
    header.noted_seq = sp_journal_next_seq(life->journal) - 1;
    life->trial->noted[header.generation][life->epoch] = header.noted_seq;
    if (bounds->gen_issued < header.generation) bounds->gen_issued = header.generation;
    size_t len = payload_make(life->trial, header.generation, life->epoch, payload);
    recorder_mark(bounds);
    if (!went_on(life, sp_state_save(&life->file, &header, payload, len, &err), "save", &err)) {
        return false;
    }
    life->gen = bounds->gen_acked = header.generation;
    bounds->gen_epoch = life->epoch;
    recorder_mark(bounds);
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

    if (!sync_journal(life)) return false;
    if (!went_on(life, sp_segment_list_read(life->dir, &list, &err), "list", &err)) return false;
    size_t keep_from = (size_t)trial_random(life->trial, list.count);
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

static bool begin(struct life *life)
{
    struct sp_journal_options options = options_of(life->dir, life->epoch, recorder_port());
    struct trial *trial = life->trial;
    struct sp_err err = {0};

    if (!load(life, &options.noted_seq) || !look(life)) return false;
    if (trial_random(trial, 2) == 0) options.noted_seq = trial->bounds.seq_acked;
    sp_status status = sp_journal_open(&options, &life->journal, &err);
    if (!went_on(life, status, "open", &err)) return false;
    acknowledge(life);
    if (trial->bounds.seq_acked != trial->bounds.seq_issued) {
        snprintf(trial->why, sizeof trial->why, "opening ends at record %" PRIu64 ", not %" PRIu64,
                 trial->bounds.seq_acked, trial->bounds.seq_issued);
        return false;
    }
    return true;
}

static bool step(struct life *life)
{
    static bool (*const steps[])(struct life *) = {append, append,       append,        append,
                                                   append, sync_journal, sync_journal,  save,
                                                   save,   seal,         keep_segments, trim};

    return steps[trial_random(life->trial, sizeof steps / sizeof steps[0])](life);
}

/* Nothing is acknowledged after a sync of the journal failed, whatever the disk says later. */
static void end(struct life *life)
{
    static const struct {
        bool (*call)(struct life *);
    } calls[] = {{append}, {sync_journal}, {seal}};

    if (recorder_has_failed() && sp_journal_health(life->journal) != SP_OK) {
        struct disk_bounds before = life->trial->bounds;
        for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++)
            SP_IGNORE(calls[i].call(life));
        life->trial->bounds = before;
    }
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

__attribute__((format(printf, 2, 3))) static bool wrong(struct trial_start *out, const char *format,
                                                        ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(out->why, sizeof out->why, format, args);
    va_end(args);
    return false;
}

static bool refuse(struct trial_start *out, const char *what, sp_status status,
                   const struct sp_err *err)
{
    out->refused = status;
    return wrong(out, "%s refused: %s: %.160s", what, sp_status_name(status), err->text);
}

static bool start_state(const struct trial *trial, const struct trial_given *given,
                        struct trial_start *out, uint64_t *noted_seq)
{
    char dir[300], expected[PAYLOAD_MAX + 64];
    struct sp_state_file file = {.dir = dir,
                                 .name = "execution",
                                 .installation = "crash",
                                 .port = given->port};
    struct sp_state_header header = {0};
    struct sp_err err = {0};
    char *json = NULL;

    snprintf(dir, sizeof dir, "%s/state", given->root);
    sp_status status = sp_file_make_dirs(given->port, dir, &err);
    if (status != SP_OK) return refuse(out, "state directory", status, &err);
    status = sp_state_load(&file, given->bounds.gen_acked, &out->outcome, &header, &json, &err);
    if (status != SP_OK) return refuse(out, "state", status, &err);
    size_t len = payload_make(trial, header.generation, header.epoch, expected);
    bool same = json == NULL || (strlen(json) == len && memcmp(json, expected, len) == 0);
    free(json);
    out->gen = header.generation;
    out->gen_epoch = header.epoch;
    *noted_seq = header.noted_seq;
    if ((out->outcome == SP_STATE_NEW) != (json == NULL) || !same) {
        return wrong(out, "generation %" PRIu64 " is not what was saved", out->gen);
    }
    if (out->gen < given->bounds.gen_acked || out->gen > given->bounds.gen_issued) {
        return wrong(out, "generation %" PRIu64 ", acknowledged %" PRIu64 ", issued %" PRIu64,
                     out->gen, given->bounds.gen_acked, given->bounds.gen_issued);
    }
    if (out->gen == given->bounds.gen_acked && out->gen_epoch != given->bounds.gen_epoch) {
        return wrong(out, "generation %" PRIu64 " is another one than was acknowledged", out->gen);
    }
    if (header.generation >= TRIAL_GENS || header.epoch > TRIAL_LIVES ||
        *noted_seq != trial->noted[header.generation][header.epoch]) {
        return wrong(out, "generation %" PRIu64 " notes another sequence", out->gen);
    }
    return true;
}

/* Whether the record is the one that was issued as its sequence. */
static bool is_issued(const struct trial *trial, const struct sp_record *record)
{
    if (record->seq >= TRIAL_SEQS || record->epoch != trial->epoch[record->seq]) return false;
    if (trial->is_started[record->seq]) {
        return record->kind == SP_REC_STREAM_STARTED || record->kind == SP_REC_JOURNAL_TRUNCATED ||
               record->kind == SP_REC_JOURNAL_TRIMMED;
    }
    return record->kind == SP_REC_CURSOR &&
           record->body.cursor.inputs == (uint32_t)record->seq * 16 + record->epoch;
}

static uint64_t digest_line(uint64_t digest, const char *line, size_t len_bytes)
{
    uint32_t low = sp_crc32c((uint32_t)digest, line, len_bytes);

    return (digest ^ low) * UINT64_C(0x9e3779b97f4a7c15) + len_bytes;
}

/* Records of the life before come first, then those that starts added: their epochs are above. */
static bool read_back(const struct trial *trial, const char *dir, uint64_t trim_issued,
                      struct trial_start *out)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    sp_name stream = sp_name_of("execution");
    struct sp_err err = {0};
    uint64_t expected = 1;
    sp_status status = sp_journal_reader_open(dir, &stream, 0, &reader, &err);

    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, &record, NULL, &err);
        if (status != SP_OK) break;
        if (expected == 1 && record.seq <= trim_issued) {
            expected = record.seq;
            out->kept = record.seq - 1;
        }
        bool issued = is_issued(trial, &record);
        bool added = record.epoch > TRIAL_LIVES && (record.kind == SP_REC_STREAM_STARTED ||
                                                    record.kind == SP_REC_JOURNAL_TRUNCATED);
        if (record.seq != expected || (!issued && !added) ||
            (issued && out->kept + 1 != record.seq)) {
            sp_journal_reader_close(reader);
            return wrong(out, "record %" PRIu64 " is not what was appended", record.seq);
        }
        if (issued) out->kept = record.seq;
        if (record.kind == SP_REC_JOURNAL_TRUNCATED && record.seq >= out->digest_until) {
            const char *name = strrchr(record.body.journal_truncated.kept_in.s, '-');
            out->late_tail = name != NULL ? (uint32_t)strtoul(name + 1, NULL, 10) : 0;
        }
        size_t len = 0;
        const char *line = sp_journal_reader_line(reader, &len);
        out->digest = digest_line(out->digest, line, len);
        if (record.seq + 1 == out->digest_until) out->digest_upto = out->digest;
        expected++;
    }
    sp_journal_reader_close(reader);
    if (status != SP_AGAIN) return refuse(out, "reader", status, &err);
    if (expected != out->next_seq) return wrong(out, "the reader ends before the writer");
    return true;
}

static bool start_journal(const struct trial *trial, const struct trial_given *given,
                          struct trial_start *out, uint64_t noted_seq)
{
    char dir[300];
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};
    const struct disk_bounds *bounds = &given->bounds;

    snprintf(dir, sizeof dir, "%s/journal", given->root);
    struct sp_journal_options options = options_of(dir, given->epoch, given->port);
    options.noted_seq = noted_seq;
    if (given->note_acked && bounds->seq_acked > noted_seq) options.noted_seq = bounds->seq_acked;
    if (given->noted_seq > options.noted_seq) options.noted_seq = given->noted_seq;
    sp_status status = sp_journal_open(&options, &journal, &err);
    if (status != SP_OK) return refuse(out, "journal", status, &err);
    out->next_seq = sp_journal_next_seq(journal);
    bool right = read_back(trial, dir, bounds->trim_issued, out);
    if (right && given->marks) {
        recorder_mark(&(struct disk_bounds){out->kept, out->kept, out->gen, out->gen,
                                            out->gen_epoch, bounds->trim_issued});
    }
    sp_journal_close(journal);
    if (right && (out->kept < bounds->seq_acked || out->kept > bounds->seq_issued)) {
        return wrong(out, "%" PRIu64 " records kept, %" PRIu64 " acknowledged, %" PRIu64 " issued",
                     out->kept, bounds->seq_acked, bounds->seq_issued);
    }
    if (right && out->kept > 0 && !trial->ends_batch[out->kept]) {
        return wrong(out, "record %" PRIu64 " is kept without the rest of its batch", out->kept);
    }
    return right;
}

/* After the keeper's pass each segment that has a successor has an index, which says what is in it:
 * whatever a crash left of one was found out. */
static bool check_indexes(const struct trial_given *given, struct trial_start *out)
{
    char dir[300];
    struct sp_keeper_options options = {.dir = dir, .port = given->port};
    struct sp_keeper_done done = {0};
    struct sp_segment_list list = {0};
    struct sp_err err = {0};

    snprintf(dir, sizeof dir, "%s/journal", given->root);
    sp_status status = sp_keeper_pass(&options, &done, &err);
    if (status == SP_OK) status = sp_segment_list_read(dir, &list, &err);
    if (status != SP_OK) return refuse(out, "keeping", status, &err);
    for (size_t i = 0; i + 1 < list.count && status == SP_OK; i++) {
        struct sp_index *index = NULL, *built = NULL;
        status = sp_index_open(dir, list.first[i], &index, &err);
        if (status == SP_OK) status = sp_index_build(dir, list.first[i], false, &built, &err);
        if (status == SP_OK) status = sp_index_check(index);
        if (status == SP_OK) {
            struct sp_index_facts said = sp_index_facts(index), is = sp_index_facts(built);
            if (said.last_seq != is.last_seq || said.records != is.records ||
                said.seal_crc != is.seal_crc || said.id_count != is.id_count) {
                status = SP_FAIL(&err, SP_CORRUPT, "it says what is not in its segment");
            }
        }
        sp_index_close(index);
        sp_index_close(built);
    }
    sp_segment_list_free(&list);
    return status == SP_OK || refuse(out, "index", status, &err);
}

bool trial_start(const struct trial *trial, const struct trial_given *given,
                 struct trial_start *out)
{
    uint64_t noted_seq = 0;

    if (!start_state(trial, given, out, &noted_seq)) return false;
    if (given->marks) {
        struct disk_bounds bounds = given->bounds;
        bounds.gen_issued = bounds.gen_acked = out->gen;
        bounds.gen_epoch = out->gen_epoch;
        recorder_mark(&bounds);
    }
    if (!start_journal(trial, given, out, noted_seq)) return false;
    return !given->keep || check_indexes(given, out);
}

bool trial_check(const struct trial *trial, const struct trial_given *given,
                 struct trial_start *out)
{
    struct trial_start again = {0};
    struct trial_given later = *given;

    if (!trial_start(trial, given, out)) return false;
    later.epoch++;
    later.noted_seq = out->next_seq - 1;
    again.digest_until = out->next_seq;
    if (!trial_start(trial, &later, &again)) {
        char why[200];
        snprintf(why, sizeof why, "%.199s", again.why);
        out->refused = again.refused;
        return wrong(out, "second start: %s", why);
    }
    /* Where an older recovery cut off a tail and died, and less than it saw came back, its file is
     * recorded when the journal reaches the sequence in its name: by the second start at times. */
    uint64_t added = again.late_tail > 0 && again.late_tail < given->epoch ? 2 : 1;
    if (again.gen != out->gen || again.kept != out->kept || again.digest_upto != out->digest ||
        again.next_seq != out->next_seq + added) {
        return wrong(out,
                     "second start: generation %" PRIu64 ", %" PRIu64 " records kept, next %" PRIu64
                     "; first: %" PRIu64 ", %" PRIu64 ", %" PRIu64,
                     again.gen, again.kept, again.next_seq, out->gen, out->kept, out->next_seq);
    }
    return true;
}
