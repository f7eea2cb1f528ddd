/* Parquet files of our own: what a column is, and the layout that writer and reader share.
 *
 *   "PAR1" | row groups | footer (thrift) | footer length (LE 32) | "PAR1"
 *
 * A row group holds one chunk per column, a chunk one data page (version 1, PLAIN, zstd) with the
 * CRC-32 of its bytes in the header. All columns are flat and REQUIRED, so pages have no levels.
 * The footer also holds two values of our own, which other readers ignore: the CRC-32C of all bytes
 * before the footer, and that of the footer itself (taken with this value as eight zeros). So every
 * byte of a file is covered, and a reader knows a file that we did not write.
 *
 * Any program reads these files: times are TIMESTAMP(NANOS, UTC), prices and quantities are
 * DECIMAL(18,8) on INT64, which are exact. Any thread.
 */
#ifndef SP_COMMON_PERSIST_PARQUET_H
#define SP_COMMON_PERSIST_PARQUET_H

#include "proto/types.h"

#define SP_PARQUET_COLUMNS_MAX    32
#define SP_PARQUET_NAME_SIZE      40
#define SP_PARQUET_TEXT_MAX       4096
#define SP_PARQUET_GROUP_ROWS_MAX (1u << 20)
#define SP_PARQUET_GROUPS_MAX     4096
#define SP_PARQUET_PAGE_BYTES_MAX ((size_t)16 * 1024 * 1024)
#define SP_PARQUET_MAGIC          "PAR1"

enum sp_parquet_type {
    SP_PARQUET_BOOL,
    SP_PARQUET_U32,
    SP_PARQUET_I64,
    SP_PARQUET_U64,
    SP_PARQUET_TIME, /* sp_wall */
    SP_PARQUET_E8,   /* sp_px, sp_qty, sp_amt: below 10,000,000,000 in size */
    SP_PARQUET_TEXT, /* UTF-8, at most SP_PARQUET_TEXT_MAX bytes */
    SP_PARQUET_TYPE_COUNT
};

struct sp_parquet_column {
    char name[SP_PARQUET_NAME_SIZE];
    enum sp_parquet_type type;
};

/* One value. `number` holds every type but TEXT; U64 keeps its bits. */
struct sp_parquet_cell {
    int64_t number;
    const char *text; /* not terminated */
    uint32_t len_bytes;
};

/* What a whole file holds. The times are those of its first TIME column. */
struct sp_parquet_summary {
    uint64_t rows;
    uint64_t len_bytes;
    sp_wall min_time; /* 0 if there is no row or no such column */
    sp_wall max_time;
};

/* Where a column chunk lies and what range it holds. */
struct sp_parquet_chunk {
    int64_t offset;
    int64_t compressed_bytes; /* page header included, as in the file */
    int64_t plain_bytes;      /* page header included */
    int64_t min;              /* ordered types only: I64, TIME, E8 */
    int64_t max;
};

struct sp_parquet_group {
    int64_t rows;
    struct sp_parquet_chunk *chunks; /* one per column */
};

/* A footer. The caller owns the arrays. */
struct sp_parquet_footer {
    uint32_t column_count;
    uint32_t group_count;
    int64_t rows;
    uint32_t body_crc32c;
    struct sp_parquet_column columns[SP_PARQUET_COLUMNS_MAX];
    struct sp_parquet_group *groups;
};

/* Whether chunks of this type carry their range. */
bool sp_parquet_is_ordered(enum sp_parquet_type type);
/* Whether a column of this type can hold the number. */
bool sp_parquet_fits(enum sp_parquet_type type, int64_t number);
/* Bytes of one value in a page; 0 for BOOL (a bit) and TEXT (4 and its length). */
size_t sp_parquet_width(enum sp_parquet_type type);
/* Room that a footer of this many columns and groups is sure to fit in. */
size_t sp_parquet_footer_bound(uint32_t column_count, uint32_t group_count);
/* SP_FULL if it does not fit cap_bytes. */
SP_NODISCARD sp_status sp_parquet_footer_encode(const struct sp_parquet_footer *footer,
                                                uint8_t *buf, size_t cap_bytes, size_t *len_bytes,
                                                struct sp_err *err);
/* Checks the footer's own CRC and every count, name, type and offset against `body_bytes`, which is
 * where the footer starts. `buf` is changed. On success *out owns its groups (free with
 * sp_parquet_footer_fini). SP_CORRUPT; SP_UNSUPPORTED if it is not a file of ours; SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_parquet_footer_decode(uint8_t *buf, size_t len_bytes, int64_t body_bytes,
                                                struct sp_parquet_footer *out, struct sp_err *err);
void sp_parquet_footer_fini(struct sp_parquet_footer *footer);

#endif
