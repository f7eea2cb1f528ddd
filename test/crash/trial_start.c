#include "trial.h"

#include "common/journal/journal.h"
#include "common/journal/journal_index.h"
#include "common/journal/journal_keeper.h"
#include "common/journal/role.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    char dir[300], expected[TRIAL_PAYLOAD_SIZE];
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
    size_t len = trial_payload(trial, header.generation, header.epoch, expected);
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

/* The snapshot and what is behind it must give what the whole journal gives. */
struct folds {
    uint64_t snapshot_seq;
    struct trial_fold whole, tail;
};

static void fold_record(const struct trial *trial, const struct sp_record *record, bool is_first,
                        struct folds *folds)
{
    if (is_first) folds->whole = trial_fold_upto(trial, record->seq - 1); /* deleted by now */
    trial_fold_add(&folds->whole, record->seq, record->epoch);
    if (record->seq > folds->snapshot_seq) trial_fold_add(&folds->tail, record->seq, record->epoch);
}

/* Records of the life before come first, then those that starts added: their epochs are above. */
static bool read_back(const struct trial *trial, const char *dir, uint64_t trim_issued,
                      struct folds *folds, struct trial_start *out)
{
    bool is_first = true;
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
        fold_record(trial, &record, is_first, folds);
        is_first = false;
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

static sp_status restore(const struct trial_given *given, struct trial_restored *restored,
                         struct folds *folds, struct sp_err *err)
{
    struct trial_snapshots snapshots = {0};
    char dir[300];

    snprintf(dir, sizeof dir, "%s/state", given->root);
    sp_status status = trial_snapshots_open(dir, given->port, restored->first_seq > 1, &folds->tail,
                                            &snapshots, err);
    if (status == SP_OK) {
        trial_snapshots_load(&snapshots, restored);
        folds->snapshot_seq = restored->base.at.seq;
    }
    trial_snapshots_close(&snapshots);
    return status;
}

static bool start_journal(const struct trial *trial, const struct trial_given *given,
                          struct trial_start *out, uint64_t noted_seq)
{
    char dir[300];
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};
    const struct disk_bounds *bounds = &given->bounds;

    snprintf(dir, sizeof dir, "%s/journal", given->root);
    struct sp_journal_options options = trial_journal_options(dir, given->epoch, given->port);
    options.noted_seq = noted_seq;
    if (given->note_acked && bounds->seq_acked > noted_seq) options.noted_seq = bounds->seq_acked;
    if (given->noted_seq > options.noted_seq) options.noted_seq = given->noted_seq;
    sp_status status = sp_journal_open(&options, &journal, &err);
    if (status != SP_OK) return refuse(out, "journal", status, &err);
    out->next_seq = sp_journal_next_seq(journal);
    struct trial_restored restored = {.first_seq = sp_journal_first_seq(journal)};
    struct folds folds = {0};
    status = restore(given, &restored, &folds, &err);
    if (status != SP_OK) {
        sp_journal_close(journal);
        return refuse(out, "snapshots", status, &err);
    }
    bool right = read_back(trial, dir, bounds->trim_issued, &folds, out);
    restored.last_seq = out->kept;
    if (right && !trial_restored_fits(trial, &restored, out->why)) right = false;
    if (right && !trial_fold_eq(&folds.whole, &folds.tail))
        right = wrong(out, "the snapshot and the records behind it give another state");
    if (right && given->marks) {
        recorder_mark(&(struct disk_bounds){out->kept, out->kept, out->gen, out->gen,
                                            out->gen_epoch, bounds->trim_issued, out->role_epoch});
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

/* Whatever is left of LOCK and EPOCH, the role is had, with an epoch that nobody had before. */
static bool start_role(const struct trial_given *given, struct sp_role *role,
                       struct trial_start *out)
{
    char dir[300];
    struct sp_err err = {0};

    snprintf(dir, sizeof dir, "%s/journal", given->root);
    sp_status status = sp_role_acquire_through(given->port, role, dir, &err);
    if (status != SP_OK) return refuse(out, "role", status, &err);
    out->role_epoch = role->epoch;
    if (role->epoch <= given->bounds.role_epoch)
        return wrong(out, "epoch %" PRIu32 " is handed out twice", role->epoch);
    if (given->marks) {
        struct disk_bounds bounds = given->bounds;
        bounds.role_epoch = role->epoch;
        recorder_mark(&bounds);
    }
    return true;
}

static bool start_in_role(const struct trial *trial, const struct trial_given *given,
                          struct trial_start *out)
{
    uint64_t noted_seq = 0;

    if (!start_state(trial, given, out, &noted_seq)) return false;
    if (given->marks) {
        struct disk_bounds bounds = given->bounds;
        bounds.role_epoch = out->role_epoch;
        bounds.gen_issued = bounds.gen_acked = out->gen;
        bounds.gen_epoch = out->gen_epoch;
        recorder_mark(&bounds);
    }
    if (!start_journal(trial, given, out, noted_seq)) return false;
    return !given->keep || check_indexes(given, out);
}

bool trial_start(const struct trial *trial, const struct trial_given *given,
                 struct trial_start *out)
{
    struct sp_role role = {0};
    bool right = start_role(given, &role, out) && start_in_role(trial, given, out);

    sp_role_release(&role);
    return right;
}

bool trial_check(const struct trial *trial, const struct trial_given *given,
                 struct trial_start *out)
{
    struct trial_start again = {0};
    struct trial_given later = *given;

    if (!trial_start(trial, given, out)) return false;
    later.epoch++;
    later.bounds.role_epoch = out->role_epoch;
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
