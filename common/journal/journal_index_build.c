#include "common/journal/journal_index_layout.h"

#include "proto/decimal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ID_LEN       30 /* "trd_" and 26 digits */
#define NO_DIGIT     0xff
#define KINDS_KNOWN  256
#define FIRST_ROOM   1024
#define ENTRIES_EACH 16 /* mentions for one step of the fan */
#define BUCKET_BITS  16
#define BUCKET_SMALL 24

/* An index in the making. */
struct build {
    struct sp_index *index;
    size_t id_cap, record_cap;
    uint64_t kind_total[SP_KIND_NUMBER_MAX + 1];
    uint32_t kind_listed[SP_KIND_NUMBER_MAX + 1];
    enum sp_kind kinds[KINDS_KNOWN];     /* that were met, by a hash of their names; NONE */
    uint32_t prefixes[SP_ID_TYPE_COUNT]; /* of typed ids: "trd_" as it lies in memory */
    uint8_t digits[256]; /* values of the digits of ids; NO_DIGIT for what is none */
};

/* Room for one more; false without memory. */
static bool reserve(void *array, size_t count, size_t *cap, size_t size)
{
    void *old, *grown;

    if (count < *cap) return true;
    memcpy(&old, array, sizeof old);
    size_t want = *cap == 0 ? FIRST_ROOM : *cap * 2;
    if (want > UINT32_MAX) return false;
    grown = reallocarray(old, want, size);
    if (grown == NULL) return false;
    memcpy(array, &grown, sizeof grown);
    *cap = want;
    return true;
}

/* ---- One line ---- */

/* The text behind `"name":"` up to the next quote; it most often stands at `at`. NULL if there is
 * none. */
static const char *string_after(const char *at, const char *end, const char *name, size_t *len)
{
    size_t name_len = strlen(name);
    const char *found = (size_t)(end - at) > name_len && memcmp(at, name, name_len) == 0
                            ? at
                            : memmem(at, (size_t)(end - at), name, name_len);

    if (found == NULL) return NULL;
    found += name_len;
    const char *quote = memchr(found, '"', (size_t)(end - found));
    if (quote == NULL) return NULL;
    *len = (size_t)(quote - found);
    return found;
}

static enum sp_kind kind_of(struct build *b, const char *name, size_t len)
{
    size_t at = len == 0 ? 0 : (len * 7 + (uint8_t)name[0] * 3U + (uint8_t)name[len - 1]);
    enum sp_kind *known = &b->kinds[at % KINDS_KNOWN], kind = SP_REC_NONE;

    if (*known != SP_REC_NONE) {
        const char *text = sp_kind_name(*known);
        if (strncmp(text, name, len) == 0 && text[len] == '\0') return *known;
    }
    SP_IGNORE(!sp_kind_parse(name, len, &kind)); /* NONE: of a newer version */
    *known = kind;
    return kind;
}

static void make_tables(struct build *b)
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";

    memset(b->digits, NO_DIGIT, sizeof b->digits);
    for (uint8_t i = 0; i < sizeof digits - 1; i++)
        b->digits[(uint8_t)digits[i]] = i;
    for (unsigned type = 0; type < SP_ID_TYPE_COUNT; type++)
        memcpy(&b->prefixes[type], sp_id_prefix((enum sp_id_type)type), 4);
}

/* What sp_id_parse takes, at a tenth of its time, which would be most of an index's. */
static bool parse_digits(const uint8_t values[256], const char *text, struct sp_id *out)
{
    unsigned __int128 bits = 0;
    bool sound = values[(uint8_t)text[0]] <= 7; /* 130 bits do not fit */

    for (unsigned i = 0; i < ID_LEN - 4; i++) {
        uint8_t value = values[(uint8_t)text[i]];
        sound = sound && value != NO_DIGIT;
        bits = bits << 5 | (value & 31);
    }
    *out = (struct sp_id){.hi = (uint64_t)(bits >> 64), .lo = (uint64_t)bits};
    return sound && bits != 0;
}

/* The id that stands quoted around this underscore. */
static bool id_around(const struct build *b, const char *underscore, const char *begin,
                      const char *end, struct sp_index_id_entry *out)
{
    const char *text = underscore - 3;
    struct sp_id id = {0};
    uint32_t prefix = 0;

    if (text <= begin || end - text <= ID_LEN || text[-1] != '"' || text[ID_LEN] != '"')
        return false;
    memcpy(&prefix, text, sizeof prefix);
    for (unsigned type = 0; type < SP_ID_TYPE_COUNT; type++) {
        if (prefix != b->prefixes[type]) continue;
        if (!parse_digits(b->digits, text + 4, &id)) return false;
        struct sp_index_key key = sp_index_key_of(id);
        *out = (struct sp_index_id_entry){.key = {key.at[0], key.at[1]}};
        memcpy(out->type, text, 3);
        return true;
    }
    return false;
}

static bool same_id(const struct sp_index_id_entry *a, const struct sp_index_id_entry *b)
{
    return a->key[0] == b->key[0] && a->key[1] == b->key[1] &&
           memcmp(a->type, b->type, sizeof a->type) == 0;
}

/* The ids of a line; each once. False without memory. */
static bool add_ids(struct build *b, const char *begin, const char *end)
{
    struct sp_index_head *head = &b->index->head;
    uint32_t first = head->id_count;
    const char *at = begin;

    while ((at = memchr(at, '_', (size_t)(end - at))) != NULL) {
        struct sp_index_id_entry entry;
        bool known = !id_around(b, at, begin, end, &entry);
        for (uint32_t i = first; i < head->id_count && !known; i++)
            known = same_id(&b->index->parts.ids[i], &entry);
        at++;
        if (known) continue;
        if (!reserve(&b->index->parts.ids, head->id_count, &b->id_cap, sizeof entry)) return false;
        entry.record = head->record_count;
        b->index->parts.ids[head->id_count++] = entry;
    }
    return true;
}

static bool add_record(struct build *b, const struct sp_batch_line *line, uint32_t seq,
                       uint64_t offset, uint32_t prev_crc)
{
    struct sp_index_head *head = &b->index->head;
    const char *end = line->text + line->len_bytes;
    size_t time_len = 0, kind_len = 0;
    const char *time = string_after(line->text, end, ",\"t\":\"", &time_len);
    const char *behind = time != NULL ? time + time_len + 1 : line->text;
    const char *kind = string_after(behind, end, ",\"k\":\"", &kind_len);
    struct sp_index_record_entry entry = {.offset = offset,
                                          .seq = seq,
                                          .len_bytes = (uint32_t)line->len_bytes,
                                          .prev_crc = prev_crc};
    sp_wall wall = {0};

    if (time != NULL) SP_IGNORE(sp_wall_parse(time, time_len, &wall)); /* 0: a record not of ours */
    entry.time_ns = wall.ns;
    if (kind != NULL) entry.kind = (uint32_t)kind_of(b, kind, kind_len);
    head->records++;
    b->kind_total[entry.kind]++;
    if (entry.kind == SP_REC_CURSOR) return true;
    if (!reserve(&b->index->parts.records, head->record_count, &b->record_cap, sizeof entry))
        return false;
    if (kind != NULL && !add_ids(b, kind, end)) return false;
    if (head->record_count == 0 || wall.ns < head->time_min_ns) head->time_min_ns = wall.ns;
    if (head->record_count == 0 || wall.ns > head->time_max_ns) head->time_max_ns = wall.ns;
    b->kind_listed[entry.kind]++;
    b->index->parts.records[head->record_count++] = entry;
    return true;
}

/* `seq`: of its first record, less the segment's first. */
static bool add_batch(struct build *b, const struct sp_batch *batch, uint32_t seq, uint64_t offset,
                      uint32_t prev_crc)
{
    for (uint32_t i = 0; i < batch->count; i++) {
        const struct sp_batch_line *line = &batch->line[i];
        if (!add_record(b, line, seq + i, offset, prev_crc)) return false;
        offset += line->len_bytes + 1;
        prev_crc = sp_line_crc(line->text);
    }
    return true;
}

/* ---- Order ---- */

static int compare_ids(const void *a_, const void *b_)
{
    const struct sp_index_id_entry *a = a_, *b = b_;

    if (a->key[0] != b->key[0]) return a->key[0] < b->key[0] ? -1 : 1;
    if (a->key[1] != b->key[1]) return a->key[1] < b->key[1] ? -1 : 1;
    int type = memcmp(a->type, b->type, sizeof a->type);
    if (type != 0) return type;
    return a->record < b->record ? -1 : a->record > b->record;
}

static void sort_small(struct sp_index_id_entry *at, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct sp_index_id_entry entry = at[i];
        uint32_t n = i;
        for (; n > 0 && compare_ids(&at[n - 1], &entry) > 0; n--)
            at[n] = at[n - 1];
        at[n] = entry;
    }
}

/* The keys are hashes: put into buckets by their first bits they are almost sorted. */
static bool sort_ids(struct build *b)
{
    uint32_t count = b->index->head.id_count;
    struct sp_index_id_entry *from = b->index->parts.ids;
    struct sp_index_id_entry *sorted = calloc((size_t)count + 1, sizeof *sorted);
    uint32_t *ends = calloc(((size_t)1 << BUCKET_BITS) + 1, sizeof *ends);

    if (sorted == NULL || ends == NULL) {
        free(sorted);
        free(ends);
        return false;
    }
    for (uint32_t i = 0; i < count; i++)
        ends[(from[i].key[0] >> (64 - BUCKET_BITS)) + 1]++;
    for (uint32_t i = 0; i < 1U << BUCKET_BITS; i++)
        ends[i + 1] += ends[i];
    for (uint32_t i = 0; i < count; i++)
        sorted[ends[from[i].key[0] >> (64 - BUCKET_BITS)]++] = from[i];
    for (uint32_t i = 0, first = 0; i < 1U << BUCKET_BITS; first = ends[i++]) {
        uint32_t here = ends[i] - first;
        if (here > BUCKET_SMALL) {
            qsort(sorted + first, here, sizeof *sorted, compare_ids);
        } else {
            sort_small(sorted + first, here);
        }
    }
    free(ends);
    free(from);
    b->index->parts.ids = sorted;
    return true;
}

static bool make_fan(struct sp_index *index)
{
    unsigned bits = 0;

    while (bits < SP_INDEX_FAN_BITS && index->head.id_count >> bits > ENTRIES_EACH)
        bits++;
    uint32_t *fan = calloc(((size_t)1 << bits) + 1, sizeof *fan);
    if (fan == NULL) return false;
    for (uint32_t i = 0; i < index->head.id_count; i++)
        fan[(bits == 0 ? 0 : index->parts.ids[i].key[0] >> (64 - bits)) + 1]++;
    for (uint32_t i = 0; i < 1U << bits; i++)
        fan[i + 1] += fan[i];
    index->head.fan_bits = bits;
    index->parts.fan = fan;
    return true;
}

static bool make_kinds(struct build *b)
{
    struct sp_index *index = b->index;
    uint32_t at[SP_KIND_NUMBER_MAX + 1] = {0}, first = 0;

    index->parts.kinds = calloc(SP_KIND_NUMBER_MAX + 1, sizeof *index->parts.kinds);
    index->parts.list = calloc((size_t)index->head.record_count + 1, sizeof *index->parts.list);
    if (index->parts.kinds == NULL || index->parts.list == NULL) return false;
    for (uint32_t kind = 0; kind <= SP_KIND_NUMBER_MAX; kind++) {
        if (b->kind_total[kind] == 0) continue;
        index->parts.kinds[index->head.kind_count++] =
            (struct sp_index_kind_entry){.kind = kind,
                                         .listed = b->kind_listed[kind],
                                         .first = first,
                                         .total = b->kind_total[kind]};
        at[kind] = first;
        first += b->kind_listed[kind];
    }
    for (uint32_t i = 0; i < index->head.record_count; i++)
        index->parts.list[at[index->parts.records[i].kind]++] = i;
    index->head.list_count = index->head.record_count;
    return true;
}

/* ---- A segment ---- */

static sp_status read_segment(struct build *b, struct sp_segment_cursor *cursor, bool is_last,
                              struct sp_err *err)
{
    struct sp_batch batch;
    sp_status status;

    for (;;) {
        uint64_t offset = cursor->at;
        uint32_t prev_crc = cursor->crc;
        uint32_t seq = (uint32_t)(cursor->next_seq - cursor->head.first_seq);
        status = sp_segment_next(cursor, &batch, err);
        if (status != SP_OK) break;
        if (!add_batch(b, &batch, seq, offset, prev_crc))
            return SP_FAIL(err, SP_NO_MEMORY, "no memory to index %s", cursor->path);
    }
    if (status == SP_CLOSED) return SP_OK;
    if (status == SP_AGAIN && is_last) return SP_OK;
    if (status == SP_AGAIN) return sp_segment_damaged(cursor, "ends without a seal", err);
    if (status == SP_CORRUPT && !is_last) return sp_segment_damaged(cursor, cursor->why, err);
    return status == SP_CORRUPT ? sp_segment_judge(cursor, 0, err) : status;
}

static void make_head(struct sp_index_head *head, const struct sp_segment_cursor *cursor)
{
    memcpy(head->magic, SP_INDEX_MAGIC, sizeof head->magic);
    memcpy(head->stream, cursor->head.stream.s, sizeof head->stream);
    head->format = SP_INDEX_FORMAT;
    head->head_bytes = sizeof *head;
    head->last_seq = cursor->next_seq - 1;
    head->segment_bytes = cursor->at;
    head->seal_crc = cursor->crc;
    head->page_bytes = SP_INDEX_PAGE_BYTES;
}

static sp_status build(struct build *b, const char *dir, bool is_last, struct sp_err *err)
{
    struct sp_segment_cursor cursor = {0};
    sp_status status = sp_segment_open(&cursor, dir, b->index->head.first_seq, err);

    if (status != SP_OK) return status;
    status = read_segment(b, &cursor, is_last, err);
    make_head(&b->index->head, &cursor);
    sp_segment_close(&cursor);
    if (status != SP_OK && status != SP_CORRUPT) return status;
    if (!sort_ids(b) || !make_fan(b->index) || !make_kinds(b))
        return SP_FAIL(err, SP_NO_MEMORY, "no memory for an index of %s", dir);
    return status;
}

sp_status sp_index_build(const char *dir, uint64_t first_seq, bool is_last, struct sp_index **out,
                         struct sp_err *err)
{
    struct build *b = calloc(1, sizeof *b);
    struct sp_index *index = calloc(1, sizeof *index);
    sp_status status = SP_NO_MEMORY;

    if (b != NULL && index != NULL) {
        b->index = index;
        index->head.first_seq = first_seq;
        make_tables(b);
        status = build(b, dir, is_last, err);
    } else {
        SP_IGNORE(SP_FAIL(err, SP_NO_MEMORY, "no memory for an index of %s", dir));
    }
    free(b);
    /* Without a fan the segment could not even be entered. */
    if (index == NULL || index->parts.list == NULL || index->parts.fan == NULL) {
        sp_index_close(index);
        return status;
    }
    *out = index;
    return status;
}

/* ---- The file ---- */

/* Checksums of pages that are written piece by piece. */
struct pages {
    uint32_t *crc;
    uint32_t count, in_page;
};

static void add_to_pages(struct pages *pages, const char *at, size_t bytes)
{
    while (bytes > 0) {
        size_t room = SP_INDEX_PAGE_BYTES - pages->in_page, n = bytes < room ? bytes : room;
        pages->crc[pages->count] = sp_crc32c(pages->crc[pages->count], at, n);
        pages->in_page += (uint32_t)n;
        at += n;
        bytes -= n;
        if (pages->in_page == SP_INDEX_PAGE_BYTES) {
            pages->count++;
            pages->in_page = 0;
        }
    }
}

static sp_status write_parts(const struct sp_index *index, const struct sp_file_port *port, int fd,
                             uint32_t *crc, struct sp_err *err)
{
    struct sp_index_head head = index->head;
    const struct sp_index_parts *p = &index->parts;
    const struct {
        const void *at;
        size_t bytes;
    } parts[] = {{p->ids, head.id_count * sizeof *p->ids},
                 {p->records, head.record_count * sizeof *p->records},
                 {p->kinds, head.kind_count * sizeof *p->kinds},
                 {p->list, head.list_count * sizeof *p->list},
                 {p->fan, (((size_t)1 << head.fan_bits) + 1) * sizeof *p->fan}};
    struct pages pages = {.crc = crc};
    size_t crc_bytes = sp_index_page_count(&head) * sizeof *crc;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        add_to_pages(&pages, parts[i].at, parts[i].bytes);
    head.pages_crc = sp_crc32c(0, crc, crc_bytes);
    head.crc = sp_crc32c(0, &head, offsetof(struct sp_index_head, crc));
    sp_status status = sp_file_write_all(port, fd, &head, sizeof head, err);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0] && status == SP_OK; i++)
        if (parts[i].bytes > 0)
            status = sp_file_write_all(port, fd, parts[i].at, parts[i].bytes, err);
    return status == SP_OK ? sp_file_write_all(port, fd, crc, crc_bytes, err) : status;
}

sp_status sp_index_save(const struct sp_index *index, const char *dir,
                        const struct sp_file_port *port, struct sp_err *err)
{
    char path[SP_SEGMENT_PATH_SIZE], tmp[SP_SEGMENT_PATH_SIZE];
    sp_status status = sp_index_path(dir, index->head.first_seq, path, err);

    SP_ASSERT(index->map == NULL);
    if (status != SP_OK) return status;
    snprintf(tmp, sizeof tmp, "%s/index.tmp", dir);
    uint32_t *crc = calloc(sp_index_page_count(&index->head), sizeof *crc);
    if (crc == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to write %s", path);
    int fd = port->open(port->self, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        status = SP_FAIL(err, SP_STORAGE, "cannot create %s: %s", tmp, strerror(errno));
    } else {
        status = write_parts(index, port, fd, crc, err);
        if (status == SP_OK && port->sync(port->self, fd) != 0)
            status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", tmp, strerror(errno));
        port->close(port->self, fd);
    }
    free(crc);
    if (status == SP_OK && port->rename(port->self, tmp, path) != 0)
        status = SP_FAIL(err, SP_STORAGE, "cannot name %s: %s", path, strerror(errno));
    if (status != SP_OK) {
        port->unlink(port->self, tmp); /* it may not even be there */
        return status;
    }
    if (port->sync_dir(port->self, dir) != 0)
        return SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", dir, strerror(errno));
    return SP_OK;
}
