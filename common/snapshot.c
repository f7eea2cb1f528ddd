#include "common/snapshot.h"

#include "common/clock.h"
#include "common/failpoint.h"
#include "common/journal/state_rows.h"
#include "common/log.h"
#include "common/planted_bug.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_NS      (10 * SP_NS_PER_S)
#define EVERY_RECORDS 50000

enum stage {
    IDLE,
    COPIED, /* waits for the journal to be synced that far */
    SAVING  /* the thread works on copy, base, text */
};

struct sp_snapshots {
    struct sp_snapshots_options options;
    sp_name build;
    uint64_t generation; /* of the next; 0: none are taken */
    enum stage stage;
    uint64_t taken_seq; /* what the newest try includes */
    sp_mono taken_at;
    struct sp_snapshots_stats stats;
    void *copy; /* of the state: before load as it was, later as it is to be saved */
    struct sp_snapshot_base base;
    char *text;
    pthread_t thread;
    atomic_bool done;
    /* Of the thread, until done: */
    sp_status status;
    struct sp_err err;
    sp_dur save;
    size_t bytes;
};

sp_status sp_snapshots_open(const struct sp_snapshots_options *options, struct sp_snapshots **out,
                            struct sp_err *err)
{
    struct sp_snapshots *s = calloc(1, sizeof *s);

    if (s == NULL) return SP_FAIL(err, SP_NO_MEMORY, "snapshots");
    s->options = *options;
    if (s->options.every.ns <= 0) s->options.every.ns = EVERY_NS;
    if (s->options.every_records == 0) s->options.every_records = EVERY_RECORDS;
    s->build = sp_name_of(options->build != NULL ? options->build : SPOOR_BUILD);
    s->copy = malloc(options->core->state_bytes);
    s->text = malloc(SP_STATE_BYTES_MAX);
    if (s->copy == NULL || s->text == NULL) {
        sp_snapshots_close(s);
        return SP_FAIL(err, SP_NO_MEMORY, "snapshots");
    }
    memcpy(s->copy, options->core_state, options->core->state_bytes);
    s->taken_at = sp_clock_mono();
    *out = s;
    return SP_OK;
}

/* ---- Loading ---- */

static sp_status read_base(struct sp_snapshots *s, struct sp_rows_reader *reader,
                           struct sp_snapshot_base *base, struct sp_err *err)
{
    struct sp_rows_reader ahead;
    enum sp_dto dto = SP_DTO_NONE;
    union sp_body row;
    sp_status status = sp_rows_next(reader, &dto, &row, err);

    if (status == SP_AGAIN || (status == SP_OK && dto != SP_DTO_snapshot_head)) {
        return SP_FAIL(err, SP_INVALID, "snapshot: does not say where it stands");
    }
    if (status != SP_OK) return status;
    if (!sp_name_eq(&row.snapshot_head.build, &s->build) && !s->options.partial) {
        return SP_FAIL(err, SP_VERSION, "snapshot: written by build %s", row.snapshot_head.build.s);
    }
    *base = (struct sp_snapshot_base){
        .at = {row.snapshot_head.stream, row.snapshot_head.epoch, row.snapshot_head.seq},
        .time = row.snapshot_head.time};
    for (ahead = *reader; sp_rows_next(&ahead, &dto, &row, NULL) == SP_OK; *reader = ahead) {
        if (dto != SP_DTO_snapshot_cursor) return SP_OK;
        if (base->cursor_count >= SP_SNAPSHOT_CURSORS_MAX) {
            return SP_FAIL(err, SP_INVALID, "snapshot: too many cursors");
        }
        base->cursors[base->cursor_count++] = (struct sp_ref){
            row.snapshot_cursor.stream, row.snapshot_cursor.epoch, row.snapshot_cursor.seq};
    }
    return SP_OK; /* what is wrong with the next row, the core's load will find */
}

static sp_status load_rows(struct sp_snapshots *s, const struct sp_state_header *header,
                           const char *json, struct sp_snapshot_base *base, struct sp_err *err)
{
    struct sp_rows_reader reader;
    sp_status status = sp_rows_open(&reader, json, strlen(json), err);

    if (status == SP_OK) status = read_base(s, &reader, base, err);
    if (status != SP_OK) return status;
    if (base->at.seq != header->noted_seq || base->at.epoch != header->epoch) {
        return SP_FAIL(err, SP_INVALID, "snapshot: header and rows differ");
    }
    return s->options.core->load(s->options.core_state, &reader, err);
}

bool sp_snapshots_load(struct sp_snapshots *s, struct sp_snapshot_base *base)
{
    enum sp_state_outcome outcome = SP_STATE_NEW;
    struct sp_state_header header = {0};
    char *json = NULL;
    struct sp_err err = {0};
    sp_status status = sp_state_persistor_load(s->options.state, 0, &outcome, &header, &json, &err);

    s->generation = sp_state_next_generation(status, outcome, &header);
    if (status == SP_OK && outcome == SP_STATE_NEW) return false;
    if (status == SP_OK && outcome == SP_STATE_DEGRADED && !s->options.partial) {
        status = SP_FAIL(&err, SP_CORRUPT, "snapshot: only the generation before is readable");
    }
    if (status == SP_OK) status = load_rows(s, &header, json, base, &err);
    free(json);
    if (status == SP_OK) {
        s->stats.generation = header.generation;
        s->stats.seq = header.noted_seq;
        return true;
    }
    sp_snapshots_refuse(s, err.text);
    if (s->generation == 0) {
        sp_log(SP_LOG_ERROR, "snapshots_off", "next=\"move the snapshot away\"");
    }
    return false;
}

void sp_snapshots_refuse(struct sp_snapshots *s, const char *why)
{
    SP_ASSERT(s->stage == IDLE);
    s->stats.generation = s->stats.seq = 0;
    memcpy(s->options.core_state, s->copy, s->options.core->state_bytes);
    sp_log(SP_LOG_WARN, "snapshot_refused", "reason=\"%s\" next=fold_the_journal", why);
}

/* ---- Taking ---- */

void sp_snapshots_begin(struct sp_snapshots *s, uint64_t seq)
{
    s->taken_seq = seq;
    s->taken_at = sp_clock_mono();
}

static void encode(struct sp_snapshots *s, struct sp_rows_writer *writer)
{
    const struct sp_snapshot_base *base = &s->base;
    struct sp_snapshot_head head = {.stream = base->at.stream,
                                    .epoch = base->at.epoch,
                                    .seq = base->at.seq,
                                    .time = base->time,
                                    .build = s->build};

    sp_rows_begin(writer, s->text, SP_STATE_BYTES_MAX);
    sp_rows_add(writer, SP_DTO_snapshot_head, &head);
    for (uint32_t i = 0; i < base->cursor_count; i++) {
        struct sp_snapshot_cursor row = {base->cursors[i].stream, base->cursors[i].epoch,
                                         base->cursors[i].seq};
        sp_rows_add(writer, SP_DTO_snapshot_cursor, &row);
    }
    s->options.core->save(s->copy, writer);
}

static void *save_run(void *ctx)
{
    struct sp_snapshots *s = ctx;
    sp_mono begin = sp_clock_mono();
    struct sp_rows_writer writer;
    struct sp_state_header header = {.generation = s->generation,
                                     .epoch = s->base.at.epoch,
                                     .noted_seq = s->base.at.seq};

    encode(s, &writer);
    s->status = sp_rows_end(&writer);
    s->bytes = writer.len_bytes;
    if (s->status == SP_FULL) {
        s->status = SP_TOO_LONG;
    } else {
        s->status = sp_rows_verify(s->text, writer.len_bytes, &s->err);
    }
    if (s->status == SP_OK) {
        SP_FAILPOINT(snapshot_begun);
        s->status =
            sp_state_persistor_save(s->options.state, &header, s->text, writer.len_bytes, &s->err);
        SP_FAILPOINT(snapshot_saved);
    }
    s->save.ns = sp_clock_mono().ns - begin.ns;
    atomic_store(&s->done, true);
    return NULL;
}

/* Joins the thread and takes its result over. */
static void finish(struct sp_snapshots *s)
{
    pthread_join(s->thread, NULL);
    s->stage = IDLE;
    s->stats.save = s->save;
    s->stats.bytes = s->bytes;
    if (s->status == SP_OK) {
        s->stats.taken++;
        s->stats.generation = s->generation++;
        s->stats.seq = s->base.at.seq;
        s->stats.saved_at = sp_clock_mono();
        return;
    }
    if (s->status == SP_TOO_LONG) {
        if (s->stats.too_large++ == 0) {
            sp_log(SP_LOG_WARN, "snapshot_too_large", "next=starts_fold_more_of_the_journal");
        }
        return;
    }
    s->stats.failed++;
    /* The journal finds out by itself whether the disk can be trusted with what matters. */
    bool again = s->status == SP_FULL;
    sp_log(SP_LOG_ERROR, "snapshot_failed", "reason=\"%s\" next=%s", s->err.text,
           again ? "try_again_later" : "none_until_restart");
    if (!again) s->generation = 0;
}

static void start(struct sp_snapshots *s)
{
    sigset_t all, before;

    atomic_store(&s->done, false);
    s->err = (struct sp_err){0};
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&s->thread, NULL, save_run, s);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    s->stage = rc == 0 ? SAVING : IDLE;
    if (rc != 0) s->stats.failed++;
}

static bool is_due(const struct sp_snapshots *s, uint64_t seq, sp_mono now)
{
    if (s->generation == 0 || seq <= s->taken_seq) return false;
    return seq - s->taken_seq >= s->options.every_records ||
           now.ns - s->taken_at.ns >= s->options.every.ns;
}

void sp_snapshots_tick(struct sp_snapshots *s, const struct sp_snapshot_base *now,
                       uint64_t durable_seq)
{
    sp_mono begin = sp_clock_mono();

    if (s->stage == SAVING && atomic_load(&s->done)) finish(s);
    if (s->stage == IDLE && is_due(s, now->at.seq, begin)) {
        memcpy(s->copy, s->options.core_state, s->options.core->state_bytes);
        s->base = *now;
        s->taken_seq = now->at.seq;
        s->taken_at = begin;
        s->stats.copy.ns = sp_clock_mono().ns - begin.ns;
        s->stage = COPIED;
    }
    bool durable = durable_seq >= s->base.at.seq || SP_BUG(snapshot_ahead);
    if (s->stage == COPIED && durable) start(s);
}

/* 0: there is no such generation, or it is not sound. */
static uint64_t includes(const struct sp_snapshots *s, bool before)
{
    struct sp_state_header header = {0};
    char *json = NULL;

    if (sp_state_persistor_peek(s->options.state, before, &header, &json, NULL) != SP_OK) return 0;
    free(json);
    return header.noted_seq;
}

uint64_t sp_snapshots_oldest(struct sp_snapshots *s)
{
    if (s->stage == SAVING) finish(s);
    uint64_t older = includes(s, true), newer = includes(s, false);
    return newer == 0 || older > newer ? 0 : older;
}

struct sp_snapshots_stats sp_snapshots_stats(const struct sp_snapshots *s)
{
    return s->stats;
}

void sp_snapshots_close(struct sp_snapshots *s)
{
    if (s == NULL) return;
    if (s->stage == SAVING) finish(s);
    free(s->copy);
    free(s->text);
    free(s);
}
