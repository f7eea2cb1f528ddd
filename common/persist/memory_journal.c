/* Lines lie in blocks that never move, so that a reader needs the lock only to find the next one;
 * an index says where each sequence is. */
#include "common/persist/memory_journal.h"

#include "common/clock.h"
#include "common/decider.h"
#include "common/journal/journal_ops.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES       ((size_t)1 << 20)
#define BYTES_MAX_DEFAULT ((uint64_t)512 << 20)

_Static_assert(BLOCK_BYTES > SP_JSON_LINE_MAX, "a line fits into a block");

struct line {
    const char *text;
    size_t len_bytes;
};

struct block {
    struct block *next;
    size_t used;
    char text[BLOCK_BYTES];
};

/* What readers use, in any thread, under the lock. */
struct store {
    pthread_mutex_t lock;
    struct line *lines; /* of sequence 1 and on */
    uint64_t count, capacity;
};

struct sp_journal {
    struct sp_journal_base base;
    struct store *store;
    struct block *blocks; /* the newest first */
    sp_name stream;
    uint32_t epoch;
    uint64_t bytes, bytes_max;
    bool poisoned;
};

struct sp_journal_reader {
    struct sp_journal_reader_base base;
    struct store *store;
    sp_name stream;
    uint64_t next_seq;
    struct line line;
};

/* ---- Readers ---- */

static sp_status memory_next(struct sp_journal_reader *reader, struct sp_record *out,
                             struct sp_line_meta *meta, struct sp_err *err)
{
    struct sp_line_meta ours;

    pthread_mutex_lock(&reader->store->lock);
    bool is_there = reader->next_seq <= reader->store->count;
    if (is_there) reader->line = reader->store->lines[reader->next_seq - 1];
    pthread_mutex_unlock(&reader->store->lock);
    if (!is_there) return SP_AGAIN;
    sp_status status = sp_json_decode_line(reader->line.text, reader->line.len_bytes,
                                           &reader->stream, out, meta != NULL ? meta : &ours, err);
    if (status != SP_OK) return SP_FAIL(err, SP_CORRUPT, "a line in memory does not decode");
    SP_ASSERT(out->seq == reader->next_seq);
    reader->next_seq++;
    return SP_OK;
}

static const char *memory_line(const struct sp_journal_reader *reader, size_t *len_bytes)
{
    *len_bytes = reader->line.len_bytes;
    return reader->line.text;
}

static void memory_reader_close(struct sp_journal_reader *reader)
{
    free(reader);
}

static const struct sp_journal_reader_ops reader_ops = {
    .next = memory_next, .line = memory_line, .close = memory_reader_close};

static sp_status memory_read(const struct sp_journal *journal, uint64_t first_seq,
                             struct sp_journal_reader **out, struct sp_err *err)
{
    struct sp_journal_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read a journal");
    reader->base.ops = &reader_ops;
    reader->store = journal->store;
    reader->stream = journal->stream;
    reader->next_seq = first_seq > 0 ? first_seq : 1;
    *out = reader;
    return SP_OK;
}

/* ---- The writer ---- */

static sp_status poison(struct sp_journal *journal, const char *what, struct sp_err *err)
{
    journal->poisoned = true;
    return SP_FAIL(err, SP_STORAGE, "journal %s in memory: %s", journal->stream.s, what);
}

/* Room for `len_bytes` in one piece; NULL without memory. */
static char *reserve(struct sp_journal *journal, size_t len_bytes)
{
    struct block *block = journal->blocks;

    if (block == NULL || BLOCK_BYTES - block->used < len_bytes) {
        block = malloc(sizeof *block);
        if (block == NULL) return NULL;
        block->next = journal->blocks;
        block->used = 0;
        journal->blocks = block;
    }
    return block->text + block->used;
}

static bool grow(struct store *store, uint32_t count)
{
    uint64_t capacity = store->capacity != 0 ? store->capacity : 1024;

    if (store->count + count <= store->capacity) return true;
    while (capacity < store->count + count)
        capacity *= 2;
    struct line *lines = realloc(store->lines, capacity * sizeof *lines);
    if (lines == NULL) return false;
    store->lines = lines;
    store->capacity = capacity;
    return true;
}

/* All lines are made before any of them is seen. */
static sp_status memory_append(struct sp_journal *journal, const struct sp_record *records,
                               uint32_t count, struct sp_err *err)
{
    struct store *store = journal->store;
    struct line lines[SP_DECISION_RECORDS_MAX];
    struct sp_line_meta meta = {.durable_seq = store->count};

    SP_ASSERT(count > 0);
    SP_ASSERT(count <= SP_DECISION_RECORDS_MAX);
    if (journal->poisoned) return poison(journal, "has failed before", err);
    for (uint32_t i = 0; i < count; i++) {
        sp_journal_check_ours(&records[i], &journal->stream, journal->epoch, store->count + 1 + i,
                              i + 1 == count);
        char *text = reserve(journal, SP_JSON_LINE_MAX);
        if (text == NULL) return poison(journal, "no memory", err);
        meta.batch_left = count - 1 - i;
        sp_status status =
            sp_json_encode_line(&records[i], &meta, text, SP_JSON_LINE_MAX, &lines[i].len_bytes);
        SP_ASSERT(status == SP_OK);
        lines[i].text = text;
        journal->blocks->used += lines[i].len_bytes;
        journal->bytes += lines[i].len_bytes;
    }
    if (journal->bytes > journal->bytes_max) return poison(journal, "holds all that it may", err);
    pthread_mutex_lock(&store->lock);
    bool has_room = grow(store, count);
    if (has_room) {
        memcpy(store->lines + store->count, lines, count * sizeof *lines);
        store->count += count;
    }
    pthread_mutex_unlock(&store->lock);
    return has_room ? SP_OK : poison(journal, "no memory", err);
}

/* There is no disk to wait for. */
static sp_status memory_sync(struct sp_journal *journal, struct sp_err *err)
{
    return journal->poisoned ? poison(journal, "has failed before", err) : SP_OK;
}

static uint64_t memory_next_seq(const struct sp_journal *journal)
{
    return journal->store->count + 1;
}

static uint64_t memory_first_seq(const struct sp_journal *journal)
{
    (void)journal;
    return 1;
}

static uint64_t memory_durable_seq(const struct sp_journal *journal)
{
    return journal->store->count;
}

static sp_status memory_health(const struct sp_journal *journal)
{
    return journal->poisoned ? SP_STORAGE : SP_OK;
}

static struct sp_journal_stats memory_stats(const struct sp_journal *journal)
{
    return (struct sp_journal_stats){.records = journal->store->count, .bytes = journal->bytes};
}

static void memory_close(struct sp_journal *journal)
{
    while (journal->blocks != NULL) {
        struct block *next = journal->blocks->next;
        free(journal->blocks);
        journal->blocks = next;
    }
    pthread_mutex_destroy(&journal->store->lock);
    free(journal->store->lines);
    free(journal->store);
    free(journal);
}

static const struct sp_journal_ops memory_ops = {.append = memory_append,
                                                 .sync = memory_sync,
                                                 .seal = memory_sync,
                                                 .read = memory_read,
                                                 .next_seq = memory_next_seq,
                                                 .first_seq = memory_first_seq,
                                                 .durable_seq = memory_durable_seq,
                                                 .health = memory_health,
                                                 .stats = memory_stats,
                                                 .close = memory_close};

/* ---- Opening ---- */

static sp_status append_started(struct sp_journal *journal,
                                const struct sp_journal_options *options, struct sp_err *err)
{
    const char *world = options->world != NULL ? options->world : "";
    const char *build = options->build != NULL ? options->build : SPOOR_BUILD;
    struct sp_record *record = calloc(1, sizeof *record);

    if (record == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the journal");
    record->stream = options->stream;
    record->epoch = options->epoch;
    record->seq = 1;
    record->time = options->start_time.ns != 0 ? options->start_time : sp_clock_wall();
    record->kind = SP_REC_STREAM_STARTED;
    struct sp_stream_started *body = &record->body.stream_started;
    body->first_seq = 1;
    body->boot_id = sp_name_is_empty(&options->boot_id) ? sp_clock_boot_id() : options->boot_id;
    bool named = !sp_name_is_empty(&options->stream) && sp_name_set(&body->world, world) &&
                 sp_name_set(&body->build, build);
    sp_status status = named ? sp_journal_append(journal, record, 1, err)
                             : SP_FAIL(err, SP_INVALID,
                                       "journal in memory: stream, world and build must be names");
    free(record);
    return status;
}

sp_status sp_memory_journal_open(const struct sp_journal_options *options, uint64_t bytes_max,
                                 struct sp_journal **out, struct sp_err *err)
{
    struct sp_journal *journal = calloc(1, sizeof *journal);
    struct store *store = calloc(1, sizeof *store);

    SP_ASSERT(options->epoch > 0);
    if (journal == NULL || store == NULL) {
        free(journal);
        free(store);
        return SP_FAIL(err, SP_NO_MEMORY, "no memory for the journal");
    }
    pthread_mutex_init(&store->lock, NULL);
    *journal = (struct sp_journal){.base.ops = &memory_ops,
                                   .store = store,
                                   .stream = options->stream,
                                   .epoch = options->epoch,
                                   .bytes_max = bytes_max != 0 ? bytes_max : BYTES_MAX_DEFAULT};
    sp_status status = append_started(journal, options, err);
    if (status != SP_OK) {
        memory_close(journal);
        return status;
    }
    *out = journal;
    return SP_OK;
}
