#include "common/journal/journal_lookup.h"

#include "common/journal/journal_begin.h"
#include "common/journal/segment_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPEN_MAX_FILES 8
#define LIST_FIRST     64

struct part {
    uint64_t first_seq;
    uint32_t base; /* number of its first listed record */
    uint32_t count;
    struct sp_index *index;
    bool is_last, scanned;
};

/* Segments that are open for reading lines; the one used longest ago is closed for the next. */
struct opened {
    struct sp_segment_file file;
    uint32_t part;
    uint64_t used;
};

struct sp_lookup {
    char dir[SP_SEGMENT_PATH_SIZE];
    sp_name stream;
    char damage[240];
    bool is_short; /* of memory, once */
    struct part *parts;
    uint32_t part_count, count, scanned;
    uint64_t records;
    struct opened opened[OPEN_MAX_FILES];
    uint64_t uses;
    char line[SP_JSON_LINE_MAX + 1];
};

/* Room for one more; NULL without memory, and *at stays as it is. */
static void *grown(void *at, size_t count, size_t *cap, size_t size)
{
    size_t wanted = *cap == 0 ? LIST_FIRST : *cap * 2;

    if (count < *cap) return at;
    void *bigger = reallocarray(at, wanted, size);
    if (bigger != NULL) *cap = wanted;
    return bigger;
}

static void note_damage(struct sp_lookup *lookup, const char *text)
{
    if (lookup->damage[0] == '\0') snprintf(lookup->damage, sizeof lookup->damage, "%s", text);
}

/* ---- Opening ---- */

/* Where the part before it ended. */
struct expected {
    bool known;
    uint64_t seq;
    uint32_t crc;
};

static sp_status check_order(struct sp_lookup *lookup, const struct sp_segment_cursor *cursor,
                             const struct expected *expected, struct sp_err *err)
{
    if (sp_name_is_empty(&lookup->stream)) lookup->stream = cursor->head.stream;
    if (!sp_name_eq(&lookup->stream, &cursor->head.stream))
        return sp_segment_damaged(cursor, "belongs to another stream", err);
    if (!expected->known) return SP_OK;
    if (expected->seq != cursor->head.first_seq)
        return sp_segment_damaged(cursor, "the segment before it is missing", err);
    if (expected->crc != cursor->head.prev_crc)
        return sp_segment_damaged(cursor, "does not follow the segment before", err);
    return SP_OK;
}

/* The index that lies beside it, if it is that segment's. */
static sp_status take_index(const struct sp_lookup *lookup, struct part *part,
                            struct sp_segment_cursor *cursor)
{
    struct sp_line seal = {0};
    sp_status status = sp_index_open(lookup->dir, part->first_seq, &part->index, NULL);

    if (status == SP_OK) status = sp_segment_read_seal(cursor, &seal, NULL);
    if (status == SP_OK && sp_index_facts(part->index).seal_crc == seal.crc) return SP_OK;
    sp_index_close(part->index);
    part->index = NULL;
    return SP_NOT_FOUND;
}

/* SP_OK, SP_CORRUPT with what is before the damage, or neither and no index. */
static sp_status open_part(struct sp_lookup *lookup, struct part *part, struct expected *expected,
                           struct sp_err *err)
{
    struct sp_segment_cursor cursor = {0};
    sp_status status = sp_segment_open(&cursor, lookup->dir, part->first_seq, err);

    if (status != SP_OK) return status;
    status = check_order(lookup, &cursor, expected, err);
    if (status == SP_OK && (part->is_last || take_index(lookup, part, &cursor) != SP_OK)) {
        part->scanned = true;
        lookup->scanned++;
        status = sp_index_build(lookup->dir, part->first_seq, part->is_last, &part->index, err);
    }
    sp_segment_close(&cursor);
    if (part->index == NULL) return status;
    struct sp_index_facts facts = sp_index_facts(part->index);
    part->base = lookup->count;
    part->count = facts.record_count;
    lookup->count += facts.record_count;
    lookup->records += facts.records;
    *expected = (struct expected){true, facts.last_seq + 1, facts.seal_crc};
    return status;
}

static sp_status open_parts(struct sp_lookup *lookup, struct sp_err *err)
{
    struct sp_segment_list list;
    struct expected expected = {0};
    struct sp_err why = {0};
    sp_status status = sp_segment_list_read(lookup->dir, &list, err);

    if (status != SP_OK) return status;
    lookup->parts = calloc(list.count, sizeof *lookup->parts);
    if (lookup->parts == NULL) {
        sp_segment_list_free(&list);
        return SP_FAIL(err, SP_NO_MEMORY, "%s: memory is exhausted", lookup->dir);
    }
    for (size_t i = 0; i < list.count && status == SP_OK; i++) {
        struct part *part = &lookup->parts[lookup->part_count];
        *part = (struct part){.first_seq = list.first[i], .is_last = i + 1 == list.count};
        status = open_part(lookup, part, &expected, &why);
        if (part->index != NULL) lookup->part_count++;
        /* Deleted since it was listed, and so are those before it. */
        if (status == SP_NOT_FOUND) {
            expected.known = false;
            status = SP_OK;
        }
    }
    sp_segment_list_free(&list);
    if (status == SP_NO_MEMORY || status == SP_IO) {
        if (err != NULL) *err = why;
        return status;
    }
    if (status != SP_OK) note_damage(lookup, why.text);
    return SP_OK;
}

/* Segments that vanished are damage like any other. */
static sp_status check_begin(struct sp_lookup *lookup, struct sp_err *err)
{
    struct sp_begin begin;
    struct sp_err why = {0};

    if (lookup->part_count == 0 || lookup->parts[0].first_seq <= 1) return SP_OK;
    sp_status status = sp_begin_check(lookup->dir, 0, &begin, &why);
    if (status == SP_CORRUPT) note_damage(lookup, why.text);
    if (status != SP_NO_MEMORY && status != SP_IO) return SP_OK;
    if (err != NULL) *err = why;
    return status;
}

sp_status sp_lookup_open(const char *dir, struct sp_lookup **out, struct sp_err *err)
{
    char path[SP_SEGMENT_PATH_SIZE];
    sp_status status = sp_segment_path(dir, 0, path, err);

    if (status != SP_OK) return status;
    struct sp_lookup *lookup = calloc(1, sizeof *lookup);
    if (lookup == NULL) return SP_FAIL(err, SP_NO_MEMORY, "%s: memory is exhausted", dir);
    snprintf(lookup->dir, sizeof lookup->dir, "%s", dir);
    status = open_parts(lookup, err);
    if (status == SP_OK) status = check_begin(lookup, err);
    if (status != SP_OK) {
        sp_lookup_close(lookup);
        return status;
    }
    *out = lookup;
    return SP_OK;
}

void sp_lookup_close(struct sp_lookup *lookup)
{
    if (lookup == NULL) return;
    for (uint32_t i = 0; i < lookup->part_count; i++)
        sp_index_close(lookup->parts[i].index);
    for (unsigned i = 0; i < OPEN_MAX_FILES; i++)
        sp_segment_file_close(&lookup->opened[i].file);
    free(lookup->parts);
    free(lookup);
}

sp_name sp_lookup_stream(const struct sp_lookup *lookup)
{
    return lookup->stream;
}

const char *sp_lookup_damage(const struct sp_lookup *lookup)
{
    return lookup->damage;
}

uint32_t sp_lookup_count(const struct sp_lookup *lookup)
{
    return lookup->count;
}

uint64_t sp_lookup_records(const struct sp_lookup *lookup)
{
    return lookup->records;
}

bool sp_lookup_is_short(const struct sp_lookup *lookup)
{
    return lookup->is_short;
}

uint32_t sp_lookup_scanned(const struct sp_lookup *lookup)
{
    return lookup->scanned;
}

/* ---- Records ---- */

/* An index on disk did not hold: makes it anew in memory, once. What it said so far stays true,
 * since an index is a matter of its segment alone. */
static bool heal(struct sp_lookup *lookup, struct part *part)
{
    struct sp_index *index = NULL;
    struct sp_err err = {0};

    if (part->scanned) return false;
    part->scanned = true;
    lookup->scanned++;
    sp_status status = sp_index_build(lookup->dir, part->first_seq, part->is_last, &index, &err);
    if (status == SP_NO_MEMORY) lookup->is_short = true;
    if (status != SP_OK) note_damage(lookup, err.text);
    if (index == NULL) return false;
    sp_index_close(part->index);
    part->index = index;
    return true;
}

static struct part *part_of(struct sp_lookup *lookup, uint32_t number)
{
    uint32_t low = 0, high = lookup->part_count;

    SP_ASSERT(number < lookup->count);
    while (high - low > 1) {
        uint32_t mid = low + (high - low) / 2;
        if (lookup->parts[mid].base <= number) {
            low = mid;
        } else {
            high = mid;
        }
    }
    /* Parts without listed records share their base with the next one: the last has them. */
    return &lookup->parts[low];
}

bool sp_lookup_record(struct sp_lookup *lookup, uint32_t number, struct sp_index_record *out)
{
    struct part *part = part_of(lookup, number);

    do {
        if (sp_index_record(part->index, number - part->base, out) == SP_OK) return true;
    } while (heal(lookup, part));
    return false;
}

static struct sp_segment_file *file_of(struct sp_lookup *lookup, uint32_t part)
{
    struct opened *oldest = &lookup->opened[0];
    char path[SP_SEGMENT_PATH_SIZE];
    struct sp_err err = {0};

    lookup->uses++;
    for (unsigned i = 0; i < OPEN_MAX_FILES; i++) {
        struct opened *at = &lookup->opened[i];
        if (at->used < oldest->used) oldest = at;
        if (!at->file.is_open || at->part != part) continue;
        at->used = lookup->uses;
        return &at->file;
    }
    sp_segment_file_close(&oldest->file);
    oldest->used = 0;
    sp_status status =
        sp_segment_file_open(&oldest->file, lookup->dir, lookup->parts[part].first_seq, path, &err);
    if (status == SP_NO_MEMORY) lookup->is_short = true;
    if (status != SP_OK) {
        note_damage(lookup, err.text);
        return NULL;
    }
    oldest->part = part;
    oldest->used = lookup->uses;
    return &oldest->file;
}

const char *sp_lookup_line(struct sp_lookup *lookup, uint32_t number, size_t *len_bytes)
{
    struct sp_index_record record;
    uint32_t part = (uint32_t)(part_of(lookup, number) - lookup->parts);
    char text[96];

    if (!sp_lookup_record(lookup, number, &record)) return NULL;
    struct sp_segment_file *file = file_of(lookup, part);
    if (file == NULL) return NULL;
    ssize_t n = sp_segment_file_read(file, lookup->line, record.len_bytes, record.offset);
    if (n == (ssize_t)record.len_bytes &&
        sp_line_crc_holds(lookup->line, record.len_bytes, record.prev_crc)) {
        *len_bytes = record.len_bytes;
        return lookup->line;
    }
    snprintf(text, sizeof text, "record %" PRIu64 " does not verify; see: spoor journal verify",
             record.seq);
    note_damage(lookup, text);
    return NULL;
}

uint32_t sp_lookup_seek(struct sp_lookup *lookup, uint64_t seq)
{
    for (uint32_t i = 0; i < lookup->part_count; i++) {
        struct part *part = &lookup->parts[i];
        uint32_t number = 0;
        sp_status status;
        if (sp_index_facts(part->index).last_seq < seq) continue;
        do {
            status = sp_index_seek(part->index, seq, &number);
        } while (status != SP_OK && heal(lookup, part));
        if (status == SP_OK && number < part->count) return part->base + number;
    }
    return lookup->count;
}

/* ---- Kinds ---- */

static sp_status add_kind(struct part *part, enum sp_kind kind, struct sp_lookup_numbers *out)
{
    uint32_t count = 0, number = 0;
    sp_status status = sp_index_of_kind(part->index, kind, &count);

    for (uint32_t i = 0; i < count && status == SP_OK; i++) {
        status = sp_index_at_kind(part->index, kind, i, &number);
        if (status != SP_OK) break;
        if (number >= part->count) return SP_CORRUPT;
        void *at = grown(out->at, out->count, &out->cap, sizeof *out->at);
        if (at == NULL) return SP_NO_MEMORY;
        out->at = at;
        out->at[out->count++] = part->base + number;
    }
    return status;
}

static bool every_time(const void *ctx, sp_wall earliest, sp_wall latest)
{
    (void)ctx;
    (void)earliest;
    (void)latest;
    return true;
}

sp_status sp_lookup_kind(struct sp_lookup *lookup, enum sp_kind kind, struct sp_lookup_numbers *out)
{
    return sp_lookup_kind_in(lookup, kind, every_time, NULL, out);
}

sp_status sp_lookup_kind_in(struct sp_lookup *lookup, enum sp_kind kind, sp_lookup_times_fn *times,
                            const void *ctx, struct sp_lookup_numbers *out)
{
    for (uint32_t i = 0; i < lookup->part_count; i++) {
        struct sp_index_facts facts = sp_index_facts(lookup->parts[i].index);
        uint32_t before = out->count;
        sp_status status;
        if (!times(ctx, facts.time_min, facts.time_max)) continue;
        while ((status = add_kind(&lookup->parts[i], kind, out)) != SP_OK) {
            if (status == SP_NO_MEMORY) return status;
            out->count = before;
            if (!heal(lookup, &lookup->parts[i])) break;
        }
    }
    return SP_OK;
}

static sp_status newest_in(struct part *part, enum sp_kind kind, uint32_t *number)
{
    uint32_t count = 0, at = 0;
    sp_status status = sp_index_of_kind(part->index, kind, &count);

    if (status == SP_OK && count == 0) return SP_NOT_FOUND;
    if (status == SP_OK) status = sp_index_at_kind(part->index, kind, count - 1, &at);
    if (status == SP_OK && at >= part->count) return SP_CORRUPT;
    if (status == SP_OK) *number = part->base + at;
    return status;
}

bool sp_lookup_newest(struct sp_lookup *lookup, enum sp_kind kind, uint32_t *number)
{
    for (uint32_t i = lookup->part_count; i > 0; i--) {
        struct part *part = &lookup->parts[i - 1];
        sp_status status;
        do {
            status = newest_in(part, kind, number);
        } while (status == SP_CORRUPT && heal(lookup, part));
        if (status == SP_OK) return true;
    }
    return false;
}

/* ---- Ids ---- */

static sp_status add_mentions(struct part *part, struct sp_id id, unsigned bits,
                              struct sp_lookup_mentions *out)
{
    struct sp_index_range range = {0};
    sp_status status = sp_index_find(part->index, id, bits, &range);

    for (uint32_t i = 0; i < range.count && status == SP_OK; i++) {
        struct sp_index_mention mention;
        status = sp_index_mention(part->index, range.first + i, &mention);
        if (status != SP_OK) break;
        if (mention.record >= part->count) return SP_CORRUPT;
        mention.record += part->base;
        void *at = grown(out->at, out->count, &out->cap, sizeof *out->at);
        if (at == NULL) return SP_NO_MEMORY;
        out->at = at;
        out->at[out->count++] = mention;
    }
    return status;
}

sp_status sp_lookup_find(struct sp_lookup *lookup, struct sp_id id, unsigned bits,
                         struct sp_lookup_mentions *out)
{
    for (uint32_t i = 0; i < lookup->part_count; i++) {
        uint32_t before = out->count;
        sp_status status;
        while ((status = add_mentions(&lookup->parts[i], id, bits, out)) != SP_OK) {
            if (status == SP_NO_MEMORY) return status;
            out->count = before;
            if (!heal(lookup, &lookup->parts[i])) break;
        }
    }
    return SP_OK;
}
