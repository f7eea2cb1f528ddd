/* What the journals say, found by the ids that it mentions.
 *
 * Looks into every journal under a data directory as it is: of a running system, of a stopped one,
 * with a torn tail. Never writes and takes no lock. Finds records through the indexes of segments
 * (common/journal/journal_lookup.h) and parses one when it is asked for. Without memory the command
 * ends (memory.h). One thread.
 */
#ifndef SP_SPOOR_EVIDENCE_H
#define SP_SPOOR_EVIDENCE_H

#include "proto/ids.h"
#include "proto/record.h"

#define SP_EVIDENCE_STREAMS_MAX 64

struct sp_evidence;

struct sp_evidence_stream {
    sp_name name;
    uint64_t records;
    uint64_t first_seq; /* oldest held; above 1: what was before it was deleted */
    sp_wall first_time; /* of the oldest listed record, if something was deleted */
    char damage[240];   /* why it could be read only so far; "" if whole */
};

/* One record, by its number from 0: streams by name, within a stream by sequence. */
struct sp_evidence_item {
    uint32_t stream;   /* index */
    enum sp_kind kind; /* NONE if it is of a kind that this version does not know */
    uint64_t seq;
    sp_wall time;
};

/* A typed id that some record mentions. */
struct sp_evidence_id {
    enum sp_id_type type;
    struct sp_id id;
};

/* Both inclusive. */
struct sp_evidence_span {
    sp_wall from, to;
};

/* Journals are the sub-directories that hold one; damage is noted in its stream, not an error.
 * SP_NOT_FOUND if there is none, SP_IO. */
SP_NODISCARD sp_status sp_evidence_load(const char *data_dir, struct sp_evidence **out,
                                        struct sp_err *err);
void sp_evidence_free(struct sp_evidence *evidence);

uint32_t sp_evidence_streams(const struct sp_evidence *evidence);
const struct sp_evidence_stream *sp_evidence_stream(const struct sp_evidence *evidence,
                                                    uint32_t index);
/* Valid until the next call. */
const struct sp_evidence_item *sp_evidence_item(struct sp_evidence *evidence, uint32_t item);
/* Owned by the evidence. NULL if it is of a kind that this version does not know, or cannot be read
 * any more. */
const struct sp_record *sp_evidence_record(struct sp_evidence *evidence, uint32_t item);
/* NULL if it is not there (market data never is). Epoch 0 of the reference: any. */
const struct sp_record *sp_evidence_at(struct sp_evidence *evidence, const struct sp_ref *ref);

/* Items that mention the id, in order; *count is 0 if none does. Owned by the evidence. */
const uint32_t *sp_evidence_of_id(struct sp_evidence *evidence, enum sp_id_type type,
                                  struct sp_id id, uint32_t *count);
/* Ids whose text ends with `digits` and which are of that type (SP_ID_TYPE_COUNT: of any). Fills up
 * to `max`, returns how many there are. */
uint32_t sp_evidence_find_ids(struct sp_evidence *evidence, enum sp_id_type type,
                              const char *digits, struct sp_evidence_id *out, uint32_t max);
/* Items of these kinds, in order; returns how many. The caller frees *out. */
uint32_t sp_evidence_of_kinds(struct sp_evidence *evidence, const enum sp_kind *kinds,
                              uint32_t count, uint32_t **out);
/* The same, without some of those that are outside of a span of time, by the clock of their records
 * and by the market's: what it costs is a matter of the span, not of the history. */
uint32_t sp_evidence_of_kinds_in(struct sp_evidence *evidence, const enum sp_kind *kinds,
                                 uint32_t count, struct sp_evidence_span span, uint32_t **out);
/* Newest item of a kind, by its sequence in its stream and then by time; false if there is none. */
bool sp_evidence_newest(struct sp_evidence *evidence, enum sp_kind kind, uint32_t *item);
/* First item that mentions the id and whose line holds the text; false if none does. */
bool sp_evidence_with_text(struct sp_evidence *evidence, struct sp_evidence_id id, const char *text,
                           uint32_t *item);

/* Market time of a moment of the wall clock, by the feed's anchors; the same if it has none. */
sp_wall sp_evidence_market_time(const struct sp_evidence *evidence, sp_wall wall);

#endif
