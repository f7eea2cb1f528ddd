/* The index of a segment: where the records are that mention an id, or that are of a kind.
 *
 * Made beside a segment that is sealed and has a successor, as DIR/<first sequence>.idx;
 * journal_index.c opens with its format. It holds nothing that is not in the segment: one that is
 * missing, of another seal or damaged is ignored, and made again by the owner. Readers never write;
 * for a segment without one they make the same in memory. Records of kind CURSOR are counted, not
 * listed. One thread per index.
 */
#ifndef SP_COMMON_JOURNAL_INDEX_H
#define SP_COMMON_JOURNAL_INDEX_H

#include "common/journal/journal_segment.h"
#include "proto/ids.h"
#include "proto/record.h"

#define SP_INDEX_FORMAT 1
#define SP_INDEX_SUFFIX ".idx"

struct sp_index;

/* What it says of its segment. */
struct sp_index_facts {
    sp_name stream;
    uint64_t first_seq, last_seq; /* last below first if there is no record */
    uint64_t segment_bytes;       /* up to the end of what was indexed, SEAL line included */
    uint64_t records;             /* CURSOR records as well */
    sp_wall time_min, time_max;   /* of the listed records; both 0 if there is none */
    uint32_t seal_crc;            /* the c of its last line */
    uint32_t record_count;        /* listed */
    uint32_t id_count, kind_count;
};

/* A listed record; they are numbered from 0, in the order of their sequences. */
struct sp_index_record {
    uint64_t seq, offset; /* of the line in the segment */
    sp_wall time;
    uint32_t len_bytes; /* of the line, without its newline */
    uint32_t prev_crc;  /* the c of the line before, with which this one verifies */
    enum sp_kind kind;  /* NONE if this version does not know it */
};

struct sp_index_kind {
    enum sp_kind kind;
    uint32_t listed; /* 0 for CURSOR */
    uint64_t total;
};

/* A range of mentions. */
struct sp_index_range {
    uint32_t first, count;
};

struct sp_index_mention {
    enum sp_id_type type;
    struct sp_id id;
    uint32_t record; /* number */
};

/* "DIR/00000000000000000042.idx". SP_TOO_LONG. */
SP_NODISCARD sp_status sp_index_path(const char *dir, uint64_t first_seq,
                                     char out[SP_SEGMENT_PATH_SIZE], struct sp_err *err);
/* Maps the index beside a segment. Checks its head; pages are checked when they are looked at.
 * SP_NOT_FOUND; SP_CORRUPT: of another format or damaged; SP_IO, SP_NO_MEMORY, SP_TOO_LONG. */
SP_NODISCARD sp_status sp_index_open(const char *dir, uint64_t first_seq, struct sp_index **out,
                                     struct sp_err *err);
/* Makes it in memory from the segment's lines, each verified, up to the first batch that is not
 * whole. SP_OK, also with a tail that is torn; SP_CORRUPT with err for damage to what was
 * acknowledged: then *out has what is before it; `is_last`: no segment follows, so the end may be
 * torn. Else the statuses of sp_segment_open, and *out is untouched. */
SP_NODISCARD sp_status sp_index_build(const char *dir, uint64_t first_seq, bool is_last,
                                      struct sp_index **out, struct sp_err *err);
void sp_index_close(struct sp_index *index);
/* Writes it beside its segment: another name, sync, rename, directory. SP_STORAGE: then what was
 * there is still there, and nothing else is wrong; SP_TOO_LONG, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_index_save(const struct sp_index *index, const char *dir,
                                     const struct sp_file_port *port, struct sp_err *err);

struct sp_index_facts sp_index_facts(const struct sp_index *index);
/* All of these: SP_CORRUPT if a page does not verify; then build another. */
SP_NODISCARD sp_status sp_index_check(struct sp_index *index); /* every page */
SP_NODISCARD sp_status sp_index_record(struct sp_index *index, uint32_t number,
                                       struct sp_index_record *out);
/* The number of the first listed record at or behind `seq`; their count if there is none. */
SP_NODISCARD sp_status sp_index_seek(struct sp_index *index, uint64_t seq, uint32_t *number);
/* The i-th kind, by its number. */
SP_NODISCARD sp_status sp_index_kind(struct sp_index *index, uint32_t i, struct sp_index_kind *out);
/* How many listed records are of the kind. */
SP_NODISCARD sp_status sp_index_of_kind(struct sp_index *index, enum sp_kind kind, uint32_t *count);
/* The number of the i-th of them. */
SP_NODISCARD sp_status sp_index_at_kind(struct sp_index *index, enum sp_kind kind, uint32_t i,
                                        uint32_t *number);
/* The mentions of ids whose last `bits` bits (1 to 128) are those of `id`, of any type: sorted by
 * id, type and record, so that the same id stands together. */
SP_NODISCARD sp_status sp_index_find(struct sp_index *index, struct sp_id id, unsigned bits,
                                     struct sp_index_range *out);
SP_NODISCARD sp_status sp_index_mention(struct sp_index *index, uint32_t i,
                                        struct sp_index_mention *out);

#endif
