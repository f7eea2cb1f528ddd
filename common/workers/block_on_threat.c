/* block_on_threat: rejects an opportunity while an active threat is as severe as block_from or
 * more, or while a trade of the link is open or its entry is in flight; else accepts it.
 */
#include "common/workers/worker_text.h"
#include "proto/ids.h"

struct block_on_threat {
    uint8_t block_from;
};

static void block_on_threat_init(void *state, const struct sp_params *params)
{
    struct block_on_threat *block = state;

    block->block_from = sp_params_severity(params, "block_from");
}

/* What a person calls it: the plugin that saw it, else its type. */
static const char *threat_name(const struct sp_active_threat *threat)
{
    return sp_name_is_empty(&threat->plugin) ? threat->threat_type.s : threat->plugin.s;
}

/* How many active threats block; those that fit are named in the verdict. */
static uint32_t collect(const struct block_on_threat *block, const struct sp_flow_base *base,
                        struct sp_opportunity_verdict *verdict)
{
    const struct sp_active_threat *worst = NULL;
    uint32_t blocking = 0;

    for (uint32_t i = 0; i < base->threat_count; i++) {
        const struct sp_active_threat *threat = &base->threats[i];
        if (threat->severity < block->block_from) continue;
        blocking++;
        if (worst == NULL || threat->severity > worst->severity) worst = threat;
        if (verdict->threat_ids.count < SP_IDS_MAX)
            verdict->threat_ids.at[verdict->threat_ids.count++] = threat->threat_id;
    }
    if (worst == NULL) return 0;
    verdict->cause = SP_REJECT_CAUSE_THREAT;
    sp_worker_fact_name(&verdict->values, "blocked_by", threat_name(worst));
    sp_text_printf(&verdict->reason, "%s (%s)", threat_name(worst),
                   sp_enum_name(SP_ENUM_SEVERITY, worst->severity));
    return blocking;
}

static struct sp_disposition reject_for_threat(const struct block_on_threat *block,
                                               struct sp_flow *flow, struct sp_record *record)
{
    struct sp_opportunity_verdict *verdict = &record->body.opportunity_verdict;
    const char *severity = sp_enum_name(SP_ENUM_SEVERITY, block->block_from);

    sp_text_printf(&verdict->rule, "an active threat of severity %s%s blocks entries", severity,
                   block->block_from == SP_SEVERITY_CRITICAL ? "" : " or above");
    sp_flow_configured_at(flow, "block_from", &verdict->configured_at);
    sp_worker_fact_name(&verdict->values, "block_from", severity);
    return sp_publish("OPPORTUNITY_REJECTED", record);
}

static struct sp_disposition reject_for_trade(struct sp_flow *flow, struct sp_record *record)
{
    const struct sp_flow_base *base = sp_flow_base(flow);
    struct sp_opportunity_verdict *verdict = &record->body.opportunity_verdict;
    char id[SP_ID_SHORT_SIZE];

    verdict->cause = SP_REJECT_CAUSE_POSITION_OPEN;
    verdict->trade_id = base->trade_id;
    sp_text_printf(&verdict->reason,
                   base->in_flight ? "already_long: the entry of %s is in flight"
                                   : "already_long: %s is open",
                   sp_trd_id_short(base->trade_id, id));
    sp_text_printf(&verdict->rule, "one open trade at a time");
    sp_worker_fact_name(&verdict->values, "blocked_by", "already_long");
    return sp_publish("OPPORTUNITY_REJECTED", record);
}

static struct sp_disposition block_on_threat_process(void *state, struct sp_flow *flow)
{
    const struct block_on_threat *block = state;
    const struct sp_flow_base *base = sp_flow_base(flow);
    struct sp_record *record = sp_flow_payload(flow, SP_REC_OPPORTUNITY_REJECTED);

    if (collect(block, base, &record->body.opportunity_verdict) > 0)
        return reject_for_threat(block, flow, record);
    if (!sp_trd_id_is_none(base->trade_id)) return reject_for_trade(flow, record);
    record->kind = SP_REC_OPPORTUNITY_ACCEPTED;
    sp_text_printf(&record->body.opportunity_verdict.reason, "%s, no open position",
                   base->threat_count == 0 ? "no active threat" : "no active threat that blocks");
    return sp_publish("OPPORTUNITY_ACCEPTED", record);
}

extern const struct sp_plugin sp_plugin_block_on_threat;
const struct sp_plugin sp_plugin_block_on_threat = {
    .manifest =
        "{\"name\": \"block_on_threat\", \"version\": \"1.0.0\", \"category\": \"qualification\",\n"
        " \"subtype\": \"planning_qualification\",\n"
        " \"about\": \"reject while a threat is active or a trade is open\",\n"
        " \"requires_dtos\": [], \"produces_dtos\": [],\n"
        " \"publishes\": [\"OPPORTUNITY_ACCEPTED\", \"OPPORTUNITY_REJECTED\"],\n"
        " \"listens\": [\"SIGNAL_GENERATED\", \"THREAT_DETECTED\", \"THREAT_ENDED\"],\n"
        " \"params\": {\"block_from\": {\"type\": \"severity\", \"default\": \"HIGH\"}}}",
    .state_bytes = sizeof(struct block_on_threat),
    .init = block_on_threat_init,
    .process = block_on_threat_process,
};
