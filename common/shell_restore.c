/* From a snapshot and the tail of the journal, or from all of it, to where the journal ends. */
#include "common/failpoint.h"
#include "common/log.h"
#include "common/planted_bug.h"
#include "common/shell_internal.h"

#include <stdlib.h>

static void fold(struct sp_shell *shell, const struct sp_record *record)
{
    if (!sp_ref_is_none(&record->in)) {
        struct sp_shell_cursor_at *cursor = sp_shell_find_cursor(shell, &record->in.stream);
        cursor->at = record->in;
        cursor->written = record->in;
    }
    if (record->time.ns > shell->market.ns && record->kind != SP_REC_STREAM_STARTED) {
        shell->market = record->time;
    }
    shell->last = sp_record_ref(record);
    shell->last_time = record->time;
    shell->stats.folded++;
    shell->options.core->apply(shell->options.core_state, record);
    if (shell->options.applied != NULL) shell->options.applied(shell->options.ctx, record);
}

sp_status sp_shell_replay(struct sp_shell *shell, uint64_t from_seq, struct sp_err *err)
{
    struct sp_service *service = shell->options.service;
    struct sp_journal_reader *reader = NULL;
    struct sp_record *record = malloc(sizeof *record);
    uint64_t first = from_seq > 0 ? from_seq : sp_journal_first_seq(service->journal);

    if (record == NULL) return SP_FAIL(err, SP_NO_MEMORY, "replay record");
    if (from_seq == 0 && first > 1) {
        free(record);
        return SP_FAIL(err, SP_CORRUPT,
                       "%s: records before %" PRIu64
                       " were deleted, and no sound snapshot stands for "
                       "them: restore %s.json from a backup, or the segments",
                       service->dir, first, service->instance.s);
    }
    sp_status status = sp_journal_read(service->journal, first, &reader, err);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, record, NULL, err);
        if (status == SP_OK) fold(shell, record);
    }
    /* The market clock starts anew: what the feed says next may be earlier (another recording). */
    shell->market = (sp_wall){0};
    sp_journal_reader_close(reader);
    free(record);
    if (shell->snapshots != NULL) sp_snapshots_begin(shell->snapshots, from_seq);
    return status == SP_AGAIN ? SP_OK : status;
}

/* Whether the journal holds the very record that the snapshot ends with: a journal that was put
 * back to an older state and went on from there does not. */
static bool journal_has(struct sp_shell *shell, const struct sp_snapshot_base *base)
{
    struct sp_service *service = shell->options.service;
    struct sp_journal_reader *reader = NULL;
    uint64_t seq = base->at.seq;

    if (!sp_name_eq(&base->at.stream, &service->stream)) return false;
    if (seq < sp_journal_first_seq(service->journal)) return false;
    if (seq >= sp_journal_next_seq(service->journal)) return false;
    struct sp_record *record = malloc(sizeof *record);
    sp_status status = record != NULL ? SP_OK : SP_NO_MEMORY;
    if (status == SP_OK) status = sp_journal_read(service->journal, seq, &reader, NULL);
    if (status == SP_OK) status = sp_journal_reader_next(reader, record, NULL, NULL);
    bool same = status == SP_OK && record->seq == seq && record->epoch == base->at.epoch &&
                record->time.ns == base->time.ns;
    sp_journal_reader_close(reader);
    free(record);
    return same;
}

/* The sequence the snapshot reaches to; 0 without one. */
static uint64_t restore_snapshot(struct sp_shell *shell)
{
    struct sp_snapshot_base base = {0};

    if (shell->snapshots == NULL || !sp_snapshots_load(shell->snapshots, &base)) return 0;
    if (!journal_has(shell, &base)) {
        sp_snapshots_refuse(shell->snapshots, "it does not fit the journal");
        return 0;
    }
    for (uint32_t i = 0; i < base.cursor_count; i++) {
        struct sp_shell_cursor_at *cursor = sp_shell_find_cursor(shell, &base.cursors[i].stream);
        cursor->at = base.cursors[i];
        cursor->written = base.cursors[i];
    }
    return base.at.seq;
}

sp_status sp_shell_restore(struct sp_shell *shell, struct sp_err *err)
{
    sp_mono began = sp_clock_mono();
    uint64_t seq = restore_snapshot(shell);
    sp_status status =
        sp_shell_replay(shell, seq > 0 ? seq + (SP_BUG(restore_skips_one) ? 2 : 1) : 0, err);

    if (status != SP_OK) return status;
    SP_FAILPOINT(restored);
    sp_log(SP_LOG_INFO, "state_restored", "from=%s folded=%" PRIu64 " ms=%" PRId64,
           seq > 0 ? "snapshot" : "journal", shell->stats.folded,
           (sp_clock_mono().ns - began.ns) / SP_NS_PER_MS);
    shell->inputs = sp_input_recorder_of(shell->options.service, shell->options.core,
                                         shell->options.core_state);
    return SP_OK;
}
