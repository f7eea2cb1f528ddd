#include "services/spoor/explain_internal.h"
#include "services/spoor/memory.h"

#include <stdlib.h>
#include <string.h>

/* ---- Finding records ---- */

const struct sp_record *sp_explain_find(const struct sp_explain *x, struct sp_evidence_id id,
                                        enum sp_kind kind)
{
    uint32_t count = 0;
    const uint32_t *items = sp_evidence_of_id(x->evidence, id.type, id.id, &count);

    for (uint32_t i = 0; i < count; i++)
        if (sp_evidence_item(x->evidence, items[i])->kind == kind)
            return sp_evidence_record(x->evidence, items[i]);
    return NULL;
}

struct sp_records sp_explain_all(const struct sp_explain *x, struct sp_evidence_id id)
{
    struct sp_records records = {0};
    uint32_t count = 0;
    const uint32_t *items = sp_evidence_of_id(x->evidence, id.type, id.id, &count);

    for (uint32_t i = 0; i < count; i++) {
        const struct sp_record *record = sp_evidence_record(x->evidence, items[i]);
        if (record != NULL) sp_records_add(&records, record);
    }
    return records;
}

void sp_explain_clock(struct sp_chain_node *node, sp_wall time, unsigned places)
{
    char clock[SP_WALL_TEXT_SIZE];

    sp_chain_lead(node, "%s", sp_wall_clock(time, places, clock));
}

/* The first id of one type that a record mentions. */
static bool id_in(const struct sp_record *record, enum sp_id_type type, struct sp_id *out)
{
    const struct sp_kind_info *info = sp_kind_info(record->kind);
    const struct sp_schema *schema = info != NULL ? sp_schema_of(info->dto) : NULL;

    for (uint32_t i = 0; schema != NULL && i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        const char *at = (const char *)&record->body + field->offset;
        struct sp_id id = {0};
        if ((int)field->kind == SP_KIND_ID_FIRST + 1 + (int)type) {
            memcpy(&id, at, sizeof id);
        } else if ((int)field->kind == SP_KIND_IDS_FIRST + 1 + (int)type) {
            memcpy(&id, at + offsetof(sp_trd_ids, at), sizeof id);
        }
        if (id.hi == 0 && id.lo == 0) continue;
        *out = id;
        return true;
    }
    return false;
}

uint32_t sp_explain_trades(const struct sp_records *records, sp_trd_id **out)
{
    sp_trd_id *trades = sp_memory(calloc(records->count + 1, sizeof *trades)), id;
    uint32_t count = 0;

    for (uint32_t i = 0; i < records->count; i++) {
        uint32_t n = 0;
        if (!id_in(records->at[i], SP_ID_TRD, &id.raw)) continue;
        while (n < count && !sp_trd_id_eq(trades[n], id))
            n++;
        if (n == count) trades[count++] = id;
    }
    *out = trades;
    return count;
}

void sp_explain_list(const struct sp_explain *x, const char *title,
                     const struct sp_records *records)
{
    struct sp_chain_section *section = sp_chain_section(x->chain, title);

    for (uint32_t i = 0; i < records->count; i++) {
        char line[SP_LINE_SIZE];
        struct sp_chain_node *node =
            sp_chain_node(section, NULL, records->at[i], "%s %s",
                          sp_kind_name(records->at[i]->kind), sp_describe(records->at[i], line));
        sp_explain_clock(node, records->at[i]->time, 3);
    }
}

bool sp_explain_id_of_record(const struct sp_record *record, struct sp_evidence_id *out)
{
    static const enum sp_id_type order[] = {SP_ID_TRD, SP_ID_OPP, SP_ID_THR, SP_ID_PLN,
                                            SP_ID_ORD, SP_ID_REC, SP_ID_CMD, SP_ID_SCH};

    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
        if (!id_in(record, order[i], &out->id)) continue;
        out->type = order[i];
        return true;
    }
    return false;
}

/* ---- By type ---- */

static void explain_plan(struct sp_explain *x, sp_pln_id id)
{
    struct sp_records records =
        sp_explain_all(x, (struct sp_evidence_id){.type = SP_ID_PLN, .id = id.raw});
    sp_trd_id *trades = NULL;

    if (sp_explain_trades(&records, &trades) > 0) {
        sp_explain_trade(x, trades[0]);
    } else {
        sp_explain_list(x, "MENTIONED IN", &records);
    }
    free(trades);
    free(records.at);
}

static bool has_real_time(const struct sp_chain_node *node)
{
    for (; node != NULL; node = node->next)
        if ((node->lead != NULL && node->lead[0] == '+') || has_real_time(node->first)) return true;
    return false;
}

/* What the times mean, and how to see the record behind a reference. */
static void add_footer(struct sp_chain *chain)
{
    const struct sp_chain_node *with_ref = NULL;
    bool real_time = false;

    for (const struct sp_chain_section *s = chain->first; s != NULL; s = s->next) {
        real_time = real_time || has_real_time(s->first);
        for (const struct sp_chain_node *n = s->first; n != NULL; n = n->next)
            for (const struct sp_chain_node *d = n; d != NULL; d = d->last)
                if (!sp_ref_is_none(&d->ref) && strncmp(d->ref.stream.s, "md.", 3) != 0)
                    with_ref = d;
    }
    if (with_ref == NULL) return;
    sp_chain_footer(chain, "hh:mm:ss market clock%s. Record: spoor journal %s:%" PRIu64,
                    real_time ? ", +ms real time since the tick" : "", with_ref->ref.stream.s,
                    with_ref->ref.seq);
}

struct sp_chain *sp_explain(struct sp_evidence *evidence, struct sp_evidence_id id)
{
    char text[SP_ID_TEXT_SIZE];
    uint32_t count = 0;

    sp_evidence_of_id(evidence, id.type, id.id, &count);
    if (count == 0) return NULL;
    struct sp_explain x = {.evidence = evidence,
                           .chain = sp_chain_new(sp_id_format(id.type, id.id, text))};
    switch (id.type) {
    case SP_ID_OPP: sp_explain_opportunity(&x, (sp_opp_id){id.id}); break;
    case SP_ID_THR: sp_explain_threat(&x, (sp_thr_id){id.id}); break;
    case SP_ID_TRD: sp_explain_trade(&x, (sp_trd_id){id.id}); break;
    case SP_ID_SCH: sp_explain_schedule(&x, (sp_sch_id){id.id}); break;
    case SP_ID_PLN: explain_plan(&x, (sp_pln_id){id.id}); break;
    case SP_ID_ORD: sp_explain_order_id(&x, (sp_ord_id){id.id}); break;
    case SP_ID_REC: sp_explain_reconciliation(&x, (sp_rec_id){id.id}); break;
    case SP_ID_CMD: sp_explain_command(&x, (sp_cmd_id){id.id}); break;
    case SP_ID_TYPE_COUNT: SP_ASSERT(false); break;
    }
    add_footer(x.chain);
    return x.chain;
}
