/* A journal of several segments whose records mention ids, and what is true of it. */
#ifndef SP_TEST_SEGMENTS_FIXTURE_H
#define SP_TEST_SEGMENTS_FIXTURE_H

#include "../proto/filler.h"
#include "common/journal/journal_index.h"
#include "common/journal/journal_keeper.h"
#include "journal_fixture.h"

#define SEGMENT_BYTES 40000
#define IDS_EACH      128 /* more than a record has */

static const enum sp_kind filled_kinds[] = {
    SP_REC_PLAN_READY,           SP_REC_ORDER_INTENT,    SP_REC_FILL,  SP_REC_TRADE_CLOSED,
    SP_REC_OPPORTUNITY_DETECTED, SP_REC_THREAT_DETECTED, SP_REC_CURSOR};
#define FILLED_KINDS (sizeof filled_kinds / sizeof filled_kinds[0])

/* Batches of one to three records, until there are so many segments. */
static inline void segments_write_of(const struct folder *f, uint32_t epoch, uint64_t segments,
                                     uint64_t segment_bytes)
{
    static struct sp_record records[3];
    struct sp_journal_options options = options_for(f, epoch);
    struct sp_journal *journal = NULL;

    options.segment_bytes = segment_bytes;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    while (sp_journal_stats(journal).segments < segments) {
        uint64_t seq = sp_journal_next_seq(journal);
        uint32_t count = 1 + (uint32_t)(seq % 3);
        for (uint32_t i = 0; i < count; i++) {
            struct sp_record *record = &records[i];
            sp_filler_record(filled_kinds[(seq + i) % FILLED_KINDS], seq + i, record);
            record->stream = sp_name_of("execution");
            record->epoch = epoch;
            record->seq = seq + i;
            record->time = (sp_wall){INT64_C(1795374000000000000) + (int64_t)(seq + i) * 1000};
            if (record->by_count == 0)
                sp_record_add_cause(record, &(struct sp_ref){sp_name_of("md"), 3, 118});
            if (i + 1 < count) record->in = (struct sp_ref){0};
        }
        assert_int_equal(sp_journal_append(journal, records, count, NULL), SP_OK);
    }
    sp_journal_close(journal);
}

static inline void segments_write(const struct folder *f, uint32_t epoch, uint64_t segments)
{
    segments_write_of(f, epoch, segments, SEGMENT_BYTES);
}

static inline struct sp_segment_list segments_of(const struct folder *f)
{
    struct sp_segment_list list = {0};

    assert_int_equal(sp_segment_list_read(f->path, &list, NULL), SP_OK);
    return list;
}

static inline sp_status keep(const struct folder *f, struct sp_keeper_done *done)
{
    struct sp_keeper_options options = {.dir = f->path, .port = quick_port()};

    return sp_keeper_pass(&options, done, NULL);
}

/* All sp_xxx_ids have this layout. */
struct id_list {
    uint32_t count;
    struct sp_id at[SP_IDS_MAX];
};

/* The typed ids of a record's fields, each once, by its schema. */
static inline uint32_t ids_of(const struct sp_record *record, struct sp_index_mention out[IDS_EACH])
{
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);
    uint32_t count = 0;

    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        const char *at = (const char *)&record->body + field->offset;
        struct id_list ids = {0};
        int type = 0;
        if (sp_kind_is_id(field->kind)) {
            ids.count = 1;
            memcpy(&ids.at[0], at, sizeof ids.at[0]);
            type = (int)field->kind - SP_KIND_ID_FIRST - 1;
        } else if (sp_kind_is_ids(field->kind)) {
            memcpy(&ids, at, sizeof ids);
            type = (int)field->kind - SP_KIND_IDS_FIRST - 1;
        }
        for (uint32_t n = 0; n < ids.count; n++) {
            bool known = ids.at[n].hi == 0 && ids.at[n].lo == 0;
            for (uint32_t k = 0; k < count; k++)
                known = known || (out[k].type == (enum sp_id_type)type &&
                                  memcmp(&out[k].id, &ids.at[n], sizeof ids.at[n]) == 0);
            if (!known)
                out[count++] = (struct sp_index_mention){(enum sp_id_type)type, ids.at[n], 0};
        }
    }
    return count;
}

#endif
