#include "services/spoor/explain_internal.h"

#include <stdlib.h>
#include <string.h>

/* The tick behind a decision: kept in words, since ticks are volatile. */
static struct sp_chain_node *tick_root(struct sp_chain_section *section,
                                       const struct sp_record *record,
                                       const struct sp_opportunity *signal)
{
    struct sp_chain_node *root =
        sp_chain_node(section, NULL, NULL, "%s",
                      signal->tick.s[0] != '\0' ? signal->tick.s : "tick (not described)");

    sp_explain_clock(root, signal->timestamp, 3);
    if (record->by_count > 0) root->ref = record->by[0];
    return root;
}

static struct sp_chain_node *verdict_node(const struct sp_explain *x,
                                          struct sp_chain_section *section,
                                          struct sp_chain_node *parent,
                                          const struct sp_record *record)
{
    const struct sp_opportunity_verdict *v = &record->body.opportunity_verdict;
    char cause[SP_SAY_SIZE];

    if (record->kind == SP_REC_OPPORTUNITY_ACCEPTED)
        return sp_chain_node(section, parent, record, "accepted by %s: %s", v->worker.s,
                             v->reason.s);
    struct sp_chain_node *node = sp_chain_node(section, parent, record, "rejected by %s (%s %s)",
                                               v->worker.s, v->plugin.s, v->plugin_version.s);
    if (v->rule.s[0] != '\0') sp_chain_detail(node, "", "rule: %s", v->rule.s);
    if (v->configured_at.s[0] != '\0') sp_chain_detail(node, "", "(%s)", v->configured_at.s);
    if (v->reason.s[0] != '\0')
        sp_chain_detail(node, "", "%s: %s", sp_say_enum(SP_ENUM_REJECT_CAUSE, v->cause, cause),
                        v->reason.s);
    for (uint32_t i = 0; i < v->threat_ids.count; i++)
        sp_explain_threat_branch(x, (struct sp_place){section, node}, v->threat_ids.at[i]);
    return node;
}

struct sp_chain_node *sp_explain_opportunity_branch(const struct sp_explain *x,
                                                    struct sp_chain_section *section, sp_opp_id id)
{
    struct sp_records records =
        sp_explain_all(x, (struct sp_evidence_id){.type = SP_ID_OPP, .id = id.raw});
    struct sp_chain_node *node = NULL;
    char text[SP_ID_SHORT_SIZE], confidence[SP_SAY_SIZE];

    for (uint32_t i = 0; i < records.count; i++) {
        const struct sp_record *record = records.at[i];
        const struct sp_opportunity *signal = &record->body.opportunity;
        if (record->kind == SP_REC_OPPORTUNITY_DETECTED && node == NULL) {
            node = sp_chain_node(section, tick_root(section, record, signal), record,
                                 "opportunity %s: %s, confidence %s", sp_opp_id_short(id, text),
                                 sp_enum_name(SP_ENUM_SIDE, signal->side),
                                 sp_e8_pretty(signal->confidence.e8, 2, confidence));
            sp_chain_detail(node, "", "%s (%s %s): %s", signal->worker.s, signal->plugin.s,
                            signal->plugin_version.s, signal->rule.s);
        }
        if (record->kind == SP_REC_OPPORTUNITY_ACCEPTED ||
            record->kind == SP_REC_OPPORTUNITY_REJECTED)
            verdict_node(x, section, node, record);
    }
    free(records.at);
    return node;
}

/* ---- How often, and why ---- */

#define LABELS_MAX 16
#define TALLY_MAX  1000 /* records that it counts at most: the newest */

struct tally {
    uint32_t detected, accepted, rejected;
    uint32_t label_count;
    struct {
        sp_name label;
        uint32_t count;
    } labels[LABELS_MAX];
};

/* "volatility_spike" from the reason "volatility_spike (HIGH)": its first word, if it is a name. */
static sp_name label_of(const struct sp_opportunity_verdict *v)
{
    sp_name label = {{0}};
    size_t len = strcspn(v->reason.s, " :,");

    if (len > 0 && sp_name_set_n(&label, v->reason.s, len)) return label;
    return sp_name_of(sp_enum_name(SP_ENUM_REJECT_CAUSE, v->cause));
}

static void count_rejection(struct tally *tally, const struct sp_opportunity_verdict *v)
{
    sp_name label = label_of(v);
    uint32_t i = 0;

    while (i < tally->label_count && !sp_name_eq(&tally->labels[i].label, &label))
        i++;
    if (i == LABELS_MAX) return;
    if (i == tally->label_count) tally->labels[tally->label_count++].label = label;
    tally->labels[i].count++;
}

static void say_tally(struct sp_explain *x, const sp_name *link)
{
    static const enum sp_kind kinds[] = {SP_REC_OPPORTUNITY_DETECTED, SP_REC_OPPORTUNITY_ACCEPTED,
                                         SP_REC_OPPORTUNITY_REJECTED};
    struct tally tally = {0};
    uint32_t *items = NULL;
    char why[SP_LINE_SIZE] = "";
    size_t used = 0;

    uint32_t count =
        sp_evidence_of_kinds(x->evidence, kinds, sizeof kinds / sizeof kinds[0], &items);
    uint32_t first = count > TALLY_MAX ? count - TALLY_MAX : 0;
    for (uint32_t i = first; i < count; i++) {
        const struct sp_record *record = sp_evidence_record(x->evidence, items[i]);
        if (record == NULL) continue;
        sp_name of = sp_record_link(record);
        if (!sp_name_eq(&of, link)) continue;
        if (record->kind == SP_REC_OPPORTUNITY_DETECTED) tally.detected++;
        if (record->kind == SP_REC_OPPORTUNITY_ACCEPTED) tally.accepted++;
        if (record->kind == SP_REC_OPPORTUNITY_REJECTED) {
            tally.rejected++;
            count_rejection(&tally, &record->body.opportunity_verdict);
        }
    }
    free(items);
    for (uint32_t i = 0; i < tally.label_count && used < sizeof why; i++) {
        int n = snprintf(why + used, sizeof why - used, "%s%s %u", i > 0 ? ", " : " (",
                         tally.labels[i].label.s, tally.labels[i].count);
        used += n > 0 ? (size_t)n : 0;
    }
    sp_chain_say(x->chain, first > 0 ? "LATELY" : "SO FAR",
                 "%u opportunit%s of %s: %u accepted, %u rejected%s%s", tally.detected,
                 tally.detected == 1 ? "y" : "ies", link->s, tally.accepted, tally.rejected, why,
                 used > 0 ? ")" : "");
}

/* ---- A rejected opportunity ---- */

static void say_also_blocked(struct sp_explain *x, sp_thr_id threat_id, sp_opp_id except)
{
    struct sp_evidence_id id = {.type = SP_ID_THR, .id = threat_id.raw};
    struct sp_records records = sp_explain_all(x, id);
    char title[64], text[SP_ID_SHORT_SIZE], list[SP_LINE_SIZE] = "";
    size_t used = 0;

    for (uint32_t i = 0; i < records.count && used < sizeof list; i++) {
        const struct sp_opportunity_verdict *v = &records.at[i]->body.opportunity_verdict;
        if (records.at[i]->kind != SP_REC_OPPORTUNITY_REJECTED) continue;
        if (sp_opp_id_eq(v->opportunity_id, except)) continue;
        int n = snprintf(list + used, sizeof list - used, "%s%s", used > 0 ? ", " : "",
                         sp_opp_id_short(v->opportunity_id, text));
        used += n > 0 ? (size_t)n : 0;
    }
    snprintf(title, sizeof title, "ALSO BLOCKED BY %s", sp_thr_id_short(threat_id, text));
    sp_chain_say(x->chain, title, "%s", used > 0 ? list : "nothing else");
    free(records.at);
}

/* The word of the verdict and who gave it: "REJECTED by threat volatility_spike (HIGH)". */
static void rejected_headline(struct sp_explain *x, const struct sp_record *detected,
                              const struct sp_opportunity_verdict *v)
{
    const struct sp_opportunity *signal = &detected->body.opportunity;
    char px[SP_SAY_SIZE], cause[SP_SAY_SIZE];

    sp_chain_headline(x->chain, "%s  %s  %s at %s  REJECTED by %s%s%s", v->strategy_link_id.s,
                      v->symbol.s, sp_enum_name(SP_ENUM_SIDE, signal->side),
                      sp_say_e8(signal->px.e8, px),
                      sp_say_enum(SP_ENUM_REJECT_CAUSE, v->cause, cause),
                      v->cause == SP_REJECT_CAUSE_THREAT ? " " : ": ", v->reason.s);
}

static void explain_rejected(struct sp_explain *x, const struct sp_record *detected,
                             const struct sp_record *rejected)
{
    const struct sp_opportunity_verdict *v = &rejected->body.opportunity_verdict;
    char id[SP_ID_SHORT_SIZE];

    rejected_headline(x, detected, v);
    sp_explain_opportunity_branch(x, sp_chain_section(x->chain, "DETECTED BECAUSE"),
                                  v->opportunity_id);
    if (sp_trd_id_is_none(v->trade_id)) {
        sp_chain_say(x->chain, "NOT DONE", "no plan, no order");
    } else {
        sp_chain_say(x->chain, "NOT DONE", "no plan, no order; %s was open already",
                     sp_trd_id_short(v->trade_id, id));
    }
    for (uint32_t i = 0; i < v->threat_ids.count; i++)
        say_also_blocked(x, v->threat_ids.at[i], v->opportunity_id);
    say_tally(x, &v->strategy_link_id);
    sp_chain_say(x->chain, "NEXT", "spoor journal --type OPPORTUNITY_REJECTED: all rejections");
    if (v->threat_ids.count > 0)
        sp_chain_say(x->chain, "", "spoor why %s: the threat by itself",
                     sp_thr_id_short(v->threat_ids.at[0], id));
    if (!sp_trd_id_is_none(v->trade_id))
        sp_chain_say(x->chain, "", "spoor why %s: the trade that was open",
                     sp_trd_id_short(v->trade_id, id));
}

void sp_explain_opportunity(struct sp_explain *x, sp_opp_id id)
{
    struct sp_evidence_id mention = {.type = SP_ID_OPP, .id = id.raw};
    const struct sp_record *detected = sp_explain_find(x, mention, SP_REC_OPPORTUNITY_DETECTED);
    const struct sp_record *rejected = sp_explain_find(x, mention, SP_REC_OPPORTUNITY_REJECTED);
    struct sp_records records = sp_explain_all(x, mention);
    sp_trd_id *trades = NULL;
    uint32_t count = sp_explain_trades(&records, &trades);

    if (detected != NULL && rejected != NULL) {
        explain_rejected(x, detected, rejected);
    } else if (count > 0) {
        sp_explain_trade(x, trades[0]);
    } else if (detected != NULL) {
        sp_chain_headline(x->chain, "%s  %s  no verdict yet",
                          detected->body.opportunity.strategy_link_id.s,
                          detected->body.opportunity.symbol.s);
        sp_explain_opportunity_branch(x, sp_chain_section(x->chain, "DETECTED BECAUSE"), id);
    } else {
        sp_explain_list(x, "MENTIONED IN", &records);
    }
    free(trades);
    free(records.at);
}
