#include "common/decider.h"

#include <string.h>

void sp_decision_begin(struct sp_decision *decision)
{
    decision->record_count = 0;
    decision->effect_count = 0;
    decision->minted = 0;
}

struct sp_ref sp_decision_next_ref(const struct sp_decision *decision)
{
    return (struct sp_ref){.stream = decision->stream,
                           .epoch = decision->epoch,
                           .seq = decision->next_seq + decision->record_count};
}

struct sp_record *sp_decision_add(struct sp_decision *decision, enum sp_kind kind,
                                  const struct sp_ref *cause)
{
    SP_ASSERT(decision->record_count < SP_DECISION_RECORDS_MAX);
    SP_ASSERT(sp_kind_info(kind) != NULL);
    struct sp_ref at = sp_decision_next_ref(decision);
    struct sp_record *record = &decision->records[decision->record_count++];

    memset(record, 0, sizeof *record);
    record->stream = at.stream;
    record->epoch = at.epoch;
    record->seq = at.seq;
    record->time = decision->time;
    record->kind = kind;
    if (cause != NULL) sp_record_add_cause(record, cause);
    return record;
}

struct sp_effect *sp_decision_effect(struct sp_decision *decision, uint32_t type)
{
    SP_ASSERT(decision->effect_count < SP_DECISION_EFFECTS_MAX);
    struct sp_effect *effect = &decision->effects[decision->effect_count++];

    memset(effect, 0, sizeof *effect);
    effect->type = type;
    return effect;
}

struct sp_id sp_decision_mint(struct sp_decision *decision, enum sp_id_type type)
{
    struct sp_ref at = sp_decision_next_ref(decision);
    struct sp_id_source source = {.installation = decision->installation,
                                  .stream = decision->stream.s,
                                  .epoch = at.epoch,
                                  .seq = at.seq,
                                  .n = decision->minted++,
                                  .time = decision->time};

    return sp_id_mint(type, &source);
}
