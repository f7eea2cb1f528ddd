#include "trial.h"

#include "common/journal/file.h"
#include "common/journal/state_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

void trial_fold_add(struct trial_fold *fold, uint64_t seq, uint32_t epoch)
{
    const uint64_t values[] = {seq, epoch};

    fold->records++;
    fold->sum = sp_crc32c(fold->sum, values, sizeof values);
}

struct trial_fold trial_fold_upto(const struct trial *trial, uint64_t seq)
{
    struct trial_fold fold = {0};

    SP_ASSERT(seq < TRIAL_SEQS);
    for (uint64_t i = 1; i <= seq; i++)
        trial_fold_add(&fold, i, trial->epoch[i]);
    return fold;
}

bool trial_fold_eq(const struct trial_fold *a, const struct trial_fold *b)
{
    return a->records == b->records && a->sum == b->sum;
}

static void save(const void *state, struct sp_rows_writer *out)
{
    const struct trial_fold *fold = state;
    struct sp_consumed row = {.consumer = sp_name_of("fold"),
                              .stream = sp_name_of("execution"),
                              .epoch = fold->records,
                              .seq = fold->sum};

    sp_rows_add(out, SP_DTO_consumed, &row);
}

static sp_status load(void *state, struct sp_rows_reader *in, struct sp_err *err)
{
    struct trial_fold *fold = state;
    enum sp_dto dto = SP_DTO_NONE;
    union sp_body row;
    sp_status status = sp_rows_next(in, &dto, &row, err);

    if (status != SP_OK || dto != SP_DTO_consumed) return SP_FAIL(err, SP_INVALID, "no fold");
    fold->records = row.consumed.epoch;
    fold->sum = (uint32_t)row.consumed.seq;
    return sp_rows_next(in, &dto, &row, err) == SP_AGAIN ? SP_OK : SP_INVALID;
}

static const struct sp_core core = {
    .save = save, .load = load, .state_bytes = sizeof(struct trial_fold)};

sp_status trial_snapshots_open(const char *dir, const struct sp_file_port *port, bool partial,
                               struct trial_fold *fold, struct trial_snapshots *out,
                               struct sp_err *err)
{
    struct sp_state_file file = {.dir = out->dir,
                                 .name = "folded",
                                 .installation = "crash",
                                 .port = port};
    struct sp_snapshots_options options = {.core = &core,
                                           .core_state = fold,
                                           .every_records = 1,
                                           .partial = partial};

    *fold = (struct trial_fold){0};
    out->fold = fold;
    snprintf(out->dir, sizeof out->dir, "%s", dir);
    sp_status status = sp_state_persistor_json(&file, &out->state, err);
    options.state = out->state;
    if (status == SP_OK) status = sp_snapshots_open(&options, &out->snapshots, err);
    if (status != SP_OK) trial_snapshots_close(out);
    return status;
}

void trial_snapshots_load(struct trial_snapshots *snapshots, struct trial_restored *restored)
{
    restored->is_loaded = sp_snapshots_load(snapshots->snapshots, &restored->base);
    if (!restored->is_loaded) restored->base = (struct sp_snapshot_base){0};
    restored->fold = *snapshots->fold;
}

void trial_snapshots_tick(struct trial_snapshots *snapshots, const struct sp_ref *at,
                          uint64_t durable_seq)
{
    struct sp_snapshot_base base = {.at = *at};

    sp_snapshots_tick(snapshots->snapshots, &base, durable_seq);
    sp_snapshots_oldest(snapshots->snapshots);
}

void trial_snapshots_close(struct trial_snapshots *snapshots)
{
    sp_snapshots_close(snapshots->snapshots);
    sp_state_persistor_close(snapshots->state);
    snapshots->snapshots = NULL;
    snapshots->state = NULL;
}

bool trial_restored_fits(const struct trial *trial, const struct trial_restored *restored,
                         char why[256])
{
    uint64_t seq = restored->base.at.seq;

    why[0] = '\0';
    if (!restored->is_loaded && restored->first_seq > 1) {
        snprintf(why, 256, "no snapshot, and the journal begins at record %" PRIu64,
                 restored->first_seq);
    }
    if (!restored->is_loaded) return why[0] == '\0';
    if (seq > restored->last_seq) {
        snprintf(why, 256, "a snapshot of record %" PRIu64 " is ahead of the journal's %" PRIu64,
                 seq, restored->last_seq);
        return false;
    }
    struct trial_fold expected = trial_fold_upto(trial, seq);
    if (restored->base.at.epoch != trial->epoch[seq] ||
        !trial_fold_eq(&restored->fold, &expected)) {
        snprintf(why, 256, "the snapshot of record %" PRIu64 " is not what the journal gives", seq);
    } else if (seq + 1 < restored->first_seq) {
        snprintf(why, 256, "the snapshot stands at %" PRIu64 ", the journal begins at %" PRIu64,
                 seq, restored->first_seq);
    }
    return why[0] == '\0';
}
