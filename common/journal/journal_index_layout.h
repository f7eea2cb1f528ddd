/* The parts of an index as they lie in its file. Internal to journal_index*.c. */
#ifndef SP_COMMON_JOURNAL_INDEX_LAYOUT_H
#define SP_COMMON_JOURNAL_INDEX_LAYOUT_H

#include "common/journal/journal_index.h"

#define SP_INDEX_MAGIC      "spoorix\n"
#define SP_INDEX_PAGE_BYTES 4096
#define SP_INDEX_FAN_BITS   16 /* at most */

struct sp_index_head {
    char magic[8];
    uint32_t format, head_bytes;
    char stream[SP_NAME_SIZE];
    uint64_t first_seq, last_seq, segment_bytes, records;
    int64_t time_min_ns, time_max_ns;
    uint32_t seal_crc, id_count, record_count, kind_count, list_count, fan_bits;
    uint32_t page_bytes, pages_crc;
    char zero[16];
    uint32_t reserved, crc; /* CRC-32C of all bytes before it */
};
_Static_assert(sizeof(struct sp_index_head) == 160, "layout of the head");

struct sp_index_id_entry {
    uint64_t key[2]; /* the low half of the id with its bits reversed, then the high half */
    char type[4];    /* "trd", NUL */
    uint32_t record;
};
_Static_assert(sizeof(struct sp_index_id_entry) == 24, "layout of an id");

struct sp_index_record_entry {
    int64_t time_ns;
    uint64_t offset;
    uint32_t seq; /* less the segment's first */
    uint32_t len_bytes, prev_crc, kind;
};
_Static_assert(sizeof(struct sp_index_record_entry) == 32, "layout of a record");

struct sp_index_kind_entry {
    uint32_t kind, listed, first, zero; /* first: in the list */
    uint64_t total;
};
_Static_assert(sizeof(struct sp_index_kind_entry) == 24, "layout of a kind");

/* In the order in which they follow the head. `fan` has one more than 2^fan_bits. */
struct sp_index_parts {
    struct sp_index_id_entry *ids;
    struct sp_index_record_entry *records;
    struct sp_index_kind_entry *kinds;
    uint32_t *list;
    uint32_t *fan;
};

struct sp_index {
    struct sp_index_head head;
    struct sp_index_parts parts;
    /* Of a mapped one. */
    const uint8_t *map;
    size_t map_bytes;
    const uint32_t *page_crc;
    uint32_t page_count;
    uint8_t *checked; /* a page each */
};

/* A key that sorts ids by their bits from the last to the first. */
struct sp_index_key {
    uint64_t at[2];
};
struct sp_index_key sp_index_key_of(struct sp_id id);
struct sp_id sp_index_id_of(const uint64_t key[2]);

/* Where the parts end, from the file's begin: all but the checksums of the pages. */
uint64_t sp_index_body_bytes(const struct sp_index_head *head);
uint32_t sp_index_page_count(const struct sp_index_head *head);

#endif
