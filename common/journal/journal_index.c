/* An index file, 00000000000000000042.idx, belongs to the segment of that first sequence. All
 * numbers are little-endian; parts follow each other without gaps:
 *
 *   head      160 bytes: "spoorix\n"; format 1, head bytes (32 bits each); the stream's name, 40
 *             bytes, padded with zeros; 64 bits each: first sequence, last sequence, bytes of the
 *             segment (not compressed), records in it; earliest and latest time of the listed ones
 *             (ns since 1970); 32 bits each: c of the SEAL line, mentions M, listed records N,
 *             kinds K, listed in the list L (= N), fan bits F, bytes of a page (4096), CRC of the
 *             table of page checksums; 20 zero bytes; CRC of the 156 bytes before
 *   mentions  M x 24 bytes: 16 of the id (below), its type ("trd" and a zero byte), the number of
 *             the record that mentions it, from 0; sorted by id, type, number
 *   records   N x 32 bytes: time (ns since 1970, 64 bits), offset of its line in the segment (64);
 *             32 bits each: sequence less the segment's first, bytes of the line without its
 *             newline, the c of the line before (with which it verifies), number of its kind
 *   kinds     K x 24 bytes: number of the kind, how many of it are listed, where the first of
 *             them is in the list, zero (32 bits each); how many there are (64); sorted by number
 *   list      N x 32 bits: numbers of records, by kind and then ascending
 *   fan       (2^F + 1) x 32 bits: how many mentions have a first word (below) whose highest F bits
 *             are less than 0, 1, ... 2^F
 *   pages     32 bits each: CRC of every 4096 bytes behind the head, the last page ends with `fan`
 *
 * Listed are all records but those of kind CURSOR. A record mentions the ids that are, quoted and
 * whole, strings in its body. An id of 128 bits is two words: its low 64 bits with their order
 * reversed, then its high 64 bits with theirs. So the ids that end with the same digits stand
 * together, and are found by a binary search. CRC is CRC-32C, started with 0.
 */
#include "common/journal/journal_index_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "parts are used as they lie in the file");

static uint64_t reversed(uint64_t x)
{
    x = (x >> 1 & UINT64_C(0x5555555555555555)) | (x & UINT64_C(0x5555555555555555)) << 1;
    x = (x >> 2 & UINT64_C(0x3333333333333333)) | (x & UINT64_C(0x3333333333333333)) << 2;
    x = (x >> 4 & UINT64_C(0x0f0f0f0f0f0f0f0f)) | (x & UINT64_C(0x0f0f0f0f0f0f0f0f)) << 4;
    return __builtin_bswap64(x);
}

struct sp_index_key sp_index_key_of(struct sp_id id)
{
    return (struct sp_index_key){{reversed(id.lo), reversed(id.hi)}};
}

struct sp_id sp_index_id_of(const uint64_t key[2])
{
    return (struct sp_id){.hi = reversed(key[1]), .lo = reversed(key[0])};
}

uint64_t sp_index_body_bytes(const struct sp_index_head *head)
{
    return sizeof *head + (uint64_t)head->id_count * sizeof(struct sp_index_id_entry) +
           (uint64_t)head->record_count * sizeof(struct sp_index_record_entry) +
           (uint64_t)head->kind_count * sizeof(struct sp_index_kind_entry) +
           (uint64_t)head->list_count * sizeof(uint32_t) +
           ((UINT64_C(1) << head->fan_bits) + 1) * sizeof(uint32_t);
}

uint32_t sp_index_page_count(const struct sp_index_head *head)
{
    uint64_t bytes = sp_index_body_bytes(head) - sizeof *head;

    return (uint32_t)((bytes + SP_INDEX_PAGE_BYTES - 1) / SP_INDEX_PAGE_BYTES);
}

sp_status sp_index_path(const char *dir, uint64_t first_seq, char out[SP_SEGMENT_PATH_SIZE],
                        struct sp_err *err)
{
    return sp_segment_path_as(dir, first_seq, SP_INDEX_SUFFIX, out, err);
}

/* Whether the head is one that we could have written, for a file of this size. */
static bool head_is_sound(const struct sp_index_head *head, uint64_t file_bytes, uint64_t first_seq)
{
    if (memcmp(head->magic, SP_INDEX_MAGIC, sizeof head->magic) != 0) return false;
    if (head->crc != sp_crc32c(0, head, offsetof(struct sp_index_head, crc))) return false;
    if (head->format != SP_INDEX_FORMAT || head->head_bytes != sizeof *head) return false;
    if (head->page_bytes != SP_INDEX_PAGE_BYTES || head->fan_bits > SP_INDEX_FAN_BITS) return false;
    if (memchr(head->stream, '\0', sizeof head->stream) == NULL) return false;
    if (head->first_seq != first_seq || head->list_count != head->record_count) return false;
    return sp_index_body_bytes(head) + UINT64_C(4) * sp_index_page_count(head) == file_bytes;
}

static void point_into(struct sp_index *index, void *map)
{
    char *at = (char *)map + sizeof index->head;
    struct sp_index_head *head = &index->head;

    index->parts.ids = (void *)at;
    at += head->id_count * sizeof *index->parts.ids;
    index->parts.records = (void *)at;
    at += head->record_count * sizeof *index->parts.records;
    index->parts.kinds = (void *)at;
    at += head->kind_count * sizeof *index->parts.kinds;
    index->parts.list = (void *)at;
    at += head->list_count * sizeof *index->parts.list;
    index->parts.fan = (void *)at;
    index->page_crc = (const void *)((const char *)map + sp_index_body_bytes(head));
}

static sp_status damaged(const char *path, struct sp_err *err)
{
    return SP_FAIL(err, SP_CORRUPT, "%s is damaged or of another format", path);
}

static sp_status map_checked(struct sp_index *index, const char *path, uint64_t first_seq,
                             struct sp_err *err)
{
    memcpy(&index->head, index->map, sizeof index->head);
    if (!head_is_sound(&index->head, index->map_bytes, first_seq)) return damaged(path, err);
    index->page_count = sp_index_page_count(&index->head);
    point_into(index, (void *)(uintptr_t)index->map); /* mapped for reading only */
    if (sp_crc32c(0, index->page_crc, index->page_count * sizeof *index->page_crc) !=
        index->head.pages_crc)
        return damaged(path, err);
    index->checked = calloc(index->page_count, 1);
    if (index->checked == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", path);
    return SP_OK;
}

sp_status sp_index_open(const char *dir, uint64_t first_seq, struct sp_index **out,
                        struct sp_err *err)
{
    char path[SP_SEGMENT_PATH_SIZE];
    struct stat st = {0};
    sp_status status = sp_index_path(dir, first_seq, path, err);

    if (status != SP_OK) return status;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 && errno == ENOENT) return SP_FAIL(err, SP_NOT_FOUND, "there is no %s", path);
    if (fd < 0 || fstat(fd, &st) != 0) {
        status = SP_FAIL(err, SP_IO, "cannot read %s: %s", path, strerror(errno));
    } else if (st.st_size < (off_t)sizeof(struct sp_index_head)) {
        status = damaged(path, err);
    }
    void *map = MAP_FAILED;
    if (status == SP_OK) {
        map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (map == MAP_FAILED)
            status = SP_FAIL(err, SP_IO, "cannot map %s: %s", path, strerror(errno));
    }
    if (fd >= 0) close(fd);
    if (status != SP_OK) return status;
    struct sp_index *index = calloc(1, sizeof *index);
    if (index == NULL) {
        munmap(map, (size_t)st.st_size);
        return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", path);
    }
    index->map = map;
    index->map_bytes = (size_t)st.st_size;
    status = map_checked(index, path, first_seq, err);
    if (status != SP_OK) {
        sp_index_close(index);
        return status;
    }
    *out = index;
    return SP_OK;
}

void sp_index_close(struct sp_index *index)
{
    if (index == NULL) return;
    if (index->map != NULL) {
        munmap((void *)(uintptr_t)index->map, index->map_bytes);
    } else {
        free(index->parts.ids);
        free(index->parts.records);
        free(index->parts.kinds);
        free(index->parts.list);
        free(index->parts.fan);
    }
    free(index->checked);
    free(index);
}

struct sp_index_facts sp_index_facts(const struct sp_index *index)
{
    const struct sp_index_head *head = &index->head;
    struct sp_index_facts facts = {.first_seq = head->first_seq,
                                   .last_seq = head->last_seq,
                                   .segment_bytes = head->segment_bytes,
                                   .records = head->records,
                                   .time_min = {head->time_min_ns},
                                   .time_max = {head->time_max_ns},
                                   .seal_crc = head->seal_crc,
                                   .record_count = head->record_count,
                                   .id_count = head->id_count,
                                   .kind_count = head->kind_count};

    SP_IGNORE(!sp_name_set(&facts.stream, head->stream)); /* empty then, which is no stream */
    return facts;
}

/* ---- Pages ---- */

static bool page_holds(const struct sp_index *index, uint32_t page)
{
    uint64_t begin = sizeof index->head + (uint64_t)page * SP_INDEX_PAGE_BYTES;
    uint64_t end = sp_index_body_bytes(&index->head);
    uint64_t len = end - begin < SP_INDEX_PAGE_BYTES ? end - begin : SP_INDEX_PAGE_BYTES;

    return sp_crc32c(0, index->map + begin, (size_t)len) == index->page_crc[page];
}

/* Whether what lies there may be used. */
static bool is_sound(struct sp_index *index, const void *at, size_t bytes)
{
    if (index->map == NULL) return true;
    uint64_t begin = (uint64_t)((const uint8_t *)at - index->map) - sizeof index->head;
    uint64_t last = begin + bytes - 1;

    for (uint64_t page = begin / SP_INDEX_PAGE_BYTES; page <= last / SP_INDEX_PAGE_BYTES; page++) {
        SP_ASSERT(page < index->page_count);
        if (index->checked[page]) continue;
        if (!page_holds(index, (uint32_t)page)) return false;
        index->checked[page] = 1;
    }
    return true;
}

sp_status sp_index_check(struct sp_index *index)
{
    for (uint32_t page = 0; index->map != NULL && page < index->page_count; page++)
        if (!page_holds(index, page)) return SP_CORRUPT;
    return SP_OK;
}

/* ---- Records ---- */

sp_status sp_index_record(struct sp_index *index, uint32_t number, struct sp_index_record *out)
{
    if (number >= index->head.record_count) return SP_CORRUPT; /* another part named it */
    const struct sp_index_record_entry *entry = &index->parts.records[number];
    if (!is_sound(index, entry, sizeof *entry)) return SP_CORRUPT;
    if (entry->len_bytes > SP_JSON_LINE_MAX) return SP_CORRUPT;
    *out = (struct sp_index_record){.seq = index->head.first_seq + entry->seq,
                                    .offset = entry->offset,
                                    .time = {entry->time_ns},
                                    .len_bytes = entry->len_bytes,
                                    .prev_crc = entry->prev_crc,
                                    .kind = SP_REC_NONE};
    if (sp_kind_info(entry->kind) != NULL) out->kind = (enum sp_kind)entry->kind;
    return SP_OK;
}

sp_status sp_index_seek(struct sp_index *index, uint64_t seq, uint32_t *number)
{
    uint32_t low = 0, high = index->head.record_count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct sp_index_record_entry *entry = &index->parts.records[mid];
        if (!is_sound(index, entry, sizeof *entry)) return SP_CORRUPT;
        if (index->head.first_seq + entry->seq < seq) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *number = low;
    return SP_OK;
}

/* ---- Kinds ---- */

sp_status sp_index_kind(struct sp_index *index, uint32_t i, struct sp_index_kind *out)
{
    SP_ASSERT(i < index->head.kind_count);
    const struct sp_index_kind_entry *entry = &index->parts.kinds[i];
    if (!is_sound(index, entry, sizeof *entry)) return SP_CORRUPT;
    *out =
        (struct sp_index_kind){.kind = SP_REC_NONE, .listed = entry->listed, .total = entry->total};
    if (sp_kind_info(entry->kind) != NULL) out->kind = (enum sp_kind)entry->kind;
    return SP_OK;
}

/* NULL in *out if none is of the kind. */
static sp_status find_kind(struct sp_index *index, enum sp_kind kind,
                           const struct sp_index_kind_entry **out)
{
    *out = NULL;
    for (uint32_t i = 0; i < index->head.kind_count; i++) {
        const struct sp_index_kind_entry *entry = &index->parts.kinds[i];
        if (!is_sound(index, entry, sizeof *entry)) return SP_CORRUPT;
        if (entry->kind != (uint32_t)kind) continue;
        if ((uint64_t)entry->first + entry->listed > index->head.list_count) return SP_CORRUPT;
        *out = entry;
    }
    return SP_OK;
}

sp_status sp_index_of_kind(struct sp_index *index, enum sp_kind kind, uint32_t *count)
{
    const struct sp_index_kind_entry *entry = NULL;
    sp_status status = find_kind(index, kind, &entry);

    if (status == SP_OK) *count = entry != NULL ? entry->listed : 0;
    return status;
}

sp_status sp_index_at_kind(struct sp_index *index, enum sp_kind kind, uint32_t i, uint32_t *number)
{
    const struct sp_index_kind_entry *entry = NULL;
    sp_status status = find_kind(index, kind, &entry);

    if (status != SP_OK) return status;
    SP_ASSERT(entry != NULL);
    SP_ASSERT(i < entry->listed);
    const uint32_t *at = &index->parts.list[entry->first + i];
    if (!is_sound(index, at, sizeof *at)) return SP_CORRUPT;
    *number = *at;
    return SP_OK;
}

/* ---- Mentions ---- */

/* The entries whose first word begins like `word`: a narrow range to search in. */
static sp_status fan_range(struct sp_index *index, uint64_t low_word, uint64_t high_word,
                           uint32_t *low, uint32_t *high)
{
    unsigned bits = index->head.fan_bits;
    uint64_t first = bits == 0 ? 0 : low_word >> (64 - bits);
    uint64_t last = bits == 0 ? 0 : high_word >> (64 - bits);
    const uint32_t *begin = &index->parts.fan[first], *end = &index->parts.fan[last + 1];

    if (!is_sound(index, begin, sizeof *begin)) return SP_CORRUPT;
    if (!is_sound(index, end, sizeof *end)) return SP_CORRUPT;
    if (*begin > *end || *end > index->head.id_count) return SP_CORRUPT;
    *low = *begin;
    *high = *end;
    return SP_OK;
}

/* The first entry in [low, high) that is not below the key; not above it, if `above`. */
static sp_status bound(struct sp_index *index, const struct sp_index_key *key, bool above,
                       struct sp_index_range *range)
{
    uint32_t low = range->first, high = range->first + range->count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct sp_index_id_entry *entry = &index->parts.ids[mid];
        if (!is_sound(index, entry, sizeof *entry)) return SP_CORRUPT;
        bool below =
            entry->key[0] != key->at[0] ? entry->key[0] < key->at[0] : entry->key[1] < key->at[1];
        if (below || (above && entry->key[0] == key->at[0] && entry->key[1] == key->at[1])) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    range->count = range->first + range->count - low;
    range->first = low;
    return SP_OK;
}

sp_status sp_index_find(struct sp_index *index, struct sp_id id, unsigned bits,
                        struct sp_index_range *out)
{
    struct sp_index_key low = sp_index_key_of(id), high;
    uint32_t begin = 0, end = 0;

    SP_ASSERT(bits >= 1);
    SP_ASSERT(bits <= 128);
    uint64_t open0 = bits >= 64 ? 0 : UINT64_MAX >> bits;
    uint64_t open1 = bits >= 128 ? 0 : bits <= 64 ? UINT64_MAX : UINT64_MAX >> (bits - 64);
    high = (struct sp_index_key){{low.at[0] | open0, low.at[1] | open1}};
    low = (struct sp_index_key){{low.at[0] & ~open0, low.at[1] & ~open1}};
    sp_status status = fan_range(index, low.at[0], high.at[0], &begin, &end);
    if (status != SP_OK) return status;
    struct sp_index_range found = {.first = begin, .count = end - begin};
    status = bound(index, &low, false, &found);
    if (status != SP_OK) return status;
    struct sp_index_range behind = found;
    status = bound(index, &high, true, &behind);
    if (status != SP_OK) return status;
    *out = (struct sp_index_range){.first = found.first, .count = behind.first - found.first};
    return SP_OK;
}

sp_status sp_index_mention(struct sp_index *index, uint32_t i, struct sp_index_mention *out)
{
    SP_ASSERT(i < index->head.id_count);
    const struct sp_index_id_entry *entry = &index->parts.ids[i];
    if (!is_sound(index, entry, sizeof *entry)) return SP_CORRUPT;
    for (unsigned type = 0; type < SP_ID_TYPE_COUNT; type++) {
        if (memcmp(entry->type, sp_id_prefix((enum sp_id_type)type), 3) != 0) continue;
        *out = (struct sp_index_mention){.type = (enum sp_id_type)type,
                                         .id = sp_index_id_of(entry->key),
                                         .record = entry->record};
        return SP_OK;
    }
    return SP_CORRUPT;
}
