/* Finding records of a journal by id, kind or sequence, without reading all of it.
 *
 * Through the indexes of its segments; a segment that has none, or one that does not hold, is read
 * once and indexed in memory, as is the newest. Never writes and takes no lock; the writer may go
 * on. Listed records (all but CURSOR) have numbers from 0, in the order of their sequences. One
 * thread.
 */
#ifndef SP_COMMON_JOURNAL_LOOKUP_H
#define SP_COMMON_JOURNAL_LOOKUP_H

#include "common/journal/journal_index.h"

struct sp_lookup;

/* Numbers of records; the caller frees `at`. */
struct sp_lookup_numbers {
    uint32_t *at;
    uint32_t count;
    size_t cap;
};

struct sp_lookup_mentions {
    struct sp_index_mention *at; /* .record is the number in the journal */
    uint32_t count;
    size_t cap;
};

/* Damage is noted, not an error: then what is before it is there. SP_NOT_FOUND, SP_IO,
 * SP_NO_MEMORY, SP_TOO_LONG. */
SP_NODISCARD sp_status sp_lookup_open(const char *dir, struct sp_lookup **out, struct sp_err *err);
void sp_lookup_close(struct sp_lookup *lookup);

sp_name sp_lookup_stream(const struct sp_lookup *lookup);     /* empty if nothing could be read */
const char *sp_lookup_damage(const struct sp_lookup *lookup); /* "" if there is none */
uint32_t sp_lookup_count(const struct sp_lookup *lookup);     /* of listed records */
uint64_t sp_lookup_records(const struct sp_lookup *lookup);   /* of all */
/* Whether memory ran out on the way: then what was not found may be there all the same. */
bool sp_lookup_is_short(const struct sp_lookup *lookup);
/* Segments that had to be read whole, for want of an index. */
uint32_t sp_lookup_scanned(const struct sp_lookup *lookup);

/* False if it cannot be read any more. */
SP_NODISCARD bool sp_lookup_record(struct sp_lookup *lookup, uint32_t number,
                                   struct sp_index_record *out);
/* Its line without the newline, verified; NULL if it cannot be read any more. Valid until the next
 * call. */
const char *sp_lookup_line(struct sp_lookup *lookup, uint32_t number, size_t *len_bytes);
/* The number of the first listed record at or behind the sequence; the count if there is none. */
uint32_t sp_lookup_seek(struct sp_lookup *lookup, uint64_t seq);

/* Whether records from `earliest` to `latest` are of interest. */
typedef bool sp_lookup_times_fn(const void *ctx, sp_wall earliest, sp_wall latest);

/* Adds the records of a kind, ascending. SP_NO_MEMORY: some may be missing. */
SP_NODISCARD sp_status sp_lookup_kind(struct sp_lookup *lookup, enum sp_kind kind,
                                      struct sp_lookup_numbers *out);
/* The same, without the segments whose times are of no interest. */
SP_NODISCARD sp_status sp_lookup_kind_in(struct sp_lookup *lookup, enum sp_kind kind,
                                         sp_lookup_times_fn *times, const void *ctx,
                                         struct sp_lookup_numbers *out);
bool sp_lookup_newest(struct sp_lookup *lookup, enum sp_kind kind, uint32_t *number);
/* Adds the mentions of ids that end with the same `bits` bits (1 to 128): by segment, and in each
 * by id, type and number; so of one id, its numbers ascend. SP_NO_MEMORY: some may be missing. */
SP_NODISCARD sp_status sp_lookup_find(struct sp_lookup *lookup, struct sp_id id, unsigned bits,
                                      struct sp_lookup_mentions *out);

#endif
