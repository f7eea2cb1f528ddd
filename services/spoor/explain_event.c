/* Threats, operator commands, reconciliations and schedules: why they came, and what they did. */
#include "services/spoor/explain_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- Threats ---- */

static struct sp_chain_node *threat_edge(struct sp_place place, const struct sp_record *record,
                                         const char *what, sp_wall time)
{
    const struct sp_threat *t = &record->body.threat;
    char clock[SP_WALL_TEXT_SIZE];

    struct sp_chain_node *node =
        sp_chain_node(place.section, place.parent, record, "%s %s%s%s", what,
                      sp_wall_clock(time, 3, clock), t->tick.s[0] != '\0' ? "  " : "", t->tick.s);
    /* The tick says when it was seen; the record where that is written. */
    for (uint32_t i = 0; i < record->by_count; i++)
        if (strncmp(record->by[i].stream.s, "md.", 3) == 0) node->ref = record->by[i];
    return node;
}

/* Facts of others that a threat stands on, such as a process that ended. Ticks are not kept. */
static void cause_nodes(const struct sp_explain *x, struct sp_place place,
                        const struct sp_record *record)
{
    char line[SP_LINE_SIZE];

    for (uint32_t i = 0; i < record->by_count; i++) {
        const struct sp_record *cause = sp_evidence_at(x->evidence, &record->by[i]);
        if (cause == NULL) continue;
        sp_chain_node(place.section, place.parent, cause, "%s %s", sp_kind_name(cause->kind),
                      sp_describe(cause, line));
    }
}

/* What a threat of health is about. */
static sp_name subject_of(const struct sp_threat *t)
{
    for (uint32_t i = 0; i < t->values.count; i++)
        if (sp_name_is(&t->values.at[i].name, "service")) return t->values.at[i].value;
    return (sp_name){{0}};
}

struct sp_chain_node *sp_explain_threat_branch(const struct sp_explain *x, struct sp_place place,
                                               sp_thr_id id)
{
    struct sp_evidence_id mention = {.type = SP_ID_THR, .id = id.raw};
    const struct sp_record *began = sp_explain_find(x, mention, SP_REC_THREAT_DETECTED);
    const struct sp_record *ended = sp_explain_find(x, mention, SP_REC_THREAT_ENDED);
    const struct sp_record *any = began != NULL ? began : ended;
    char text[SP_ID_SHORT_SIZE];

    sp_thr_id_short(id, text);
    if (any == NULL)
        return sp_chain_node(place.section, place.parent, NULL,
                             "threat %s: its record is not in the journals", text);
    const struct sp_threat *t = &any->body.threat;
    struct sp_chain_node *node =
        sp_chain_node(place.section, place.parent, any, "threat %s: %s, %s", text, t->threat_type.s,
                      sp_enum_name(SP_ENUM_SEVERITY, t->severity));
    if (place.parent == NULL) sp_explain_clock(node, t->began, 3);
    if (t->plugin.s[0] != '\0') {
        sp_chain_detail(node, "", "%s (%s %s): %s", t->worker.s, t->plugin.s, t->plugin_version.s,
                        t->rule.s);
    } else {
        sp_chain_detail(node, "", "%s: %s", t->worker.s, t->rule.s);
    }
    struct sp_place edges = {place.section, node};
    if (began != NULL) cause_nodes(x, edges, began);
    if (began != NULL) threat_edge(edges, began, "began", t->began);
    if (ended != NULL) {
        threat_edge(edges, ended, "ended", ended->body.threat.ended);
    } else {
        sp_chain_node(edges.section, edges.parent, NULL, "still active");
    }
    return node;
}

/* What mentions an id apart from the records that made it. */
static void list_effects(struct sp_explain *x, const char *title, const struct sp_records *all,
                         enum sp_kind own, enum sp_kind own_too)
{
    struct sp_records effects = {0};

    for (uint32_t i = 0; i < all->count; i++)
        if (all->at[i]->kind != own && all->at[i]->kind != own_too)
            sp_records_add(&effects, all->at[i]);
    if (effects.count > 0) {
        sp_explain_list(x, title, &effects);
    } else {
        sp_chain_say(x->chain, title, "nothing");
    }
    free(effects.at);
}

static void say_next_trades(struct sp_explain *x, const struct sp_records *records)
{
    sp_trd_id *trades = NULL;
    uint32_t count = sp_explain_trades(records, &trades);
    char id[SP_ID_SHORT_SIZE];

    for (uint32_t i = 0; i < count && i < 3; i++)
        sp_chain_say(x->chain, i == 0 ? "NEXT" : "", "spoor why %s",
                     sp_trd_id_short(trades[i], id));
    free(trades);
}

void sp_explain_threat(struct sp_explain *x, sp_thr_id id)
{
    struct sp_evidence_id mention = {.type = SP_ID_THR, .id = id.raw};
    struct sp_records records = sp_explain_all(x, mention);
    const struct sp_record *began = sp_explain_find(x, mention, SP_REC_THREAT_DETECTED);
    const struct sp_record *ended = sp_explain_find(x, mention, SP_REC_THREAT_ENDED);
    const struct sp_record *any = began != NULL ? began : ended;

    if (any == NULL) {
        sp_chain_headline(x->chain, "its own record is not in the journals");
        sp_explain_list(x, "MENTIONED IN", &records);
        free(records.at);
        return;
    }
    const struct sp_threat *t = &any->body.threat;
    char from[SP_WALL_TEXT_SIZE], to[SP_WALL_TEXT_SIZE], took[SP_SAY_SIZE];
    sp_name subject = subject_of(t);
    const char *link = subject.s[0] != '\0'               ? subject.s
                       : t->strategy_link_id.s[0] != '\0' ? t->strategy_link_id.s
                                                          : "all strategies";
    sp_wall_clock(t->began, 0, from);
    if (ended != NULL) {
        sp_wall until = ended->body.threat.ended;
        sp_chain_headline(x->chain, "%s  %s  %s  %s  %s to %s (%s)", link, t->symbol.s,
                          t->threat_type.s, sp_enum_name(SP_ENUM_SEVERITY, t->severity), from,
                          sp_wall_clock(until, 0, to),
                          sp_say_dur(sp_wall_since(until, t->began), took));
    } else {
        sp_chain_headline(x->chain, "%s  %s  %s  %s  ACTIVE since %s", link, t->symbol.s,
                          t->threat_type.s, sp_enum_name(SP_ENUM_SEVERITY, t->severity), from);
    }
    struct sp_place place = {sp_chain_section(x->chain, "SEEN BECAUSE"), NULL};
    sp_explain_threat_branch(x, place, id);
    list_effects(x, "WHAT IT DID", &records, SP_REC_THREAT_DETECTED, SP_REC_THREAT_ENDED);
    say_next_trades(x, &records);
    free(records.at);
}

/* ---- Operator commands ---- */

void sp_explain_command(struct sp_explain *x, sp_cmd_id id)
{
    struct sp_evidence_id mention = {.type = SP_ID_CMD, .id = id.raw};
    struct sp_records records = sp_explain_all(x, mention);
    const struct sp_record *command = sp_explain_find(x, mention, SP_REC_OPERATOR_COMMAND);

    if (command == NULL) {
        sp_chain_headline(x->chain, "its own record is not in the journals");
        sp_explain_list(x, "MENTIONED IN", &records);
        free(records.at);
        return;
    }
    const struct sp_operator_command *c = &command->body.operator_command;
    const char *who = c->operator_name.s[0] != '\0' ? c->operator_name.s : "nobody named";
    sp_chain_headline(x->chain, "%s %s  by %s", sp_enum_name(SP_ENUM_COMMAND, c->command),
                      c->scope.s, who);
    struct sp_chain_section *section = sp_chain_section(x->chain, "ASKED");
    struct sp_chain_node *node =
        sp_chain_node(section, NULL, command, "%s: %s", who,
                      c->reason.s[0] != '\0' ? c->reason.s : "no reason given");
    sp_explain_clock(node, command->time, 3);
    list_effects(x, "WHAT IT DID", &records, SP_REC_OPERATOR_COMMAND, SP_REC_NONE);
    say_next_trades(x, &records);
    free(records.at);
}

/* ---- Reconciliations ---- */

void sp_explain_reconciliation(struct sp_explain *x, sp_rec_id id)
{
    struct sp_evidence_id mention = {.type = SP_ID_REC, .id = id.raw};
    struct sp_records records = sp_explain_all(x, mention);
    const struct sp_record *result = sp_explain_find(x, mention, SP_REC_RECONCILIATION_RESULT);
    char trigger[SP_SAY_SIZE], line[SP_LINE_SIZE];

    if (result == NULL) {
        sp_chain_headline(x->chain, "no result: it was not finished");
        sp_explain_list(x, "MENTIONED IN", &records);
        free(records.at);
        return;
    }
    const struct sp_reconciliation_result *r = &result->body.reconciliation_result;
    sp_chain_headline(x->chain, "%s  %s", sp_say_enum(SP_ENUM_TRIGGER, r->trigger, trigger),
                      r->clean ? "BOOKS EQUAL" : "BOOKS DIFFER");
    struct sp_chain_section *section = sp_chain_section(x->chain, "COMPARED");
    struct sp_chain_node *node =
        sp_chain_node(section, NULL, result, "%s", sp_describe(result, line));
    sp_explain_clock(node, result->time, 3);
    sp_chain_detail(node, "", "execution epoch %u, venue connection %u, books version %" PRIu64,
                    r->execution_epoch, r->venue_generation, r->books_version);
    list_effects(x, "DIFFERENCES AND EFFECTS", &records, SP_REC_RECONCILIATION_RESULT, SP_REC_NONE);
    say_next_trades(x, &records);
    free(records.at);
}

/* ---- Schedules ---- */

void sp_explain_schedule(struct sp_explain *x, sp_sch_id id)
{
    struct sp_evidence_id mention = {.type = SP_ID_SCH, .id = id.raw};
    struct sp_records records = sp_explain_all(x, mention);
    const struct sp_record *tick = sp_explain_find(x, mention, SP_REC_SCHEDULED_TICK);

    if (tick != NULL) {
        const struct sp_scheduled_tick *t = &tick->body.scheduled_tick;
        char due[SP_WALL_TEXT_SIZE];
        sp_chain_headline(x->chain, "%s  %s  due %s", t->schedule_name.s, t->event.s,
                          sp_wall_clock(t->timestamp, 0, due));
        struct sp_chain_section *section = sp_chain_section(x->chain, "DUE");
        struct sp_chain_node *node =
            sp_chain_node(section, NULL, tick, "schedule %s: %s", t->schedule_name.s, t->event.s);
        sp_explain_clock(node, t->timestamp, 3);
        if (t->missed > 0) sp_chain_detail(node, "", "%u due times were passed over", t->missed);
    } else {
        sp_chain_headline(x->chain, "its own record is not in the journals");
    }
    list_effects(x, "WHAT IT DID", &records, SP_REC_SCHEDULED_TICK, SP_REC_NONE);
    say_next_trades(x, &records);
    free(records.at);
}
