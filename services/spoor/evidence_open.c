#include "services/spoor/evidence_open.h"

#include "services/spoor/describe.h"
#include "services/spoor/explain.h"

#include <stdlib.h>
#include <string.h>

#define CANDIDATES_MAX 8
#define TRADE_AT       5  /* where the trade's digits begin in a client order id */
#define CLIENT_ID_LEN  34 /* "s", installation, trade, leg: 1 + 4 + 26 + 3 */

int sp_cli_data_dir(const struct sp_cli *cli, const char *data, char out[SP_PATH_SIZE])
{
    struct sp_config *config = NULL;

    if (data != NULL) {
        if (strlen(data) >= SP_PATH_SIZE) return sp_cli_usage(NULL, "--data is too long");
        snprintf(out, SP_PATH_SIZE, "%s", data);
        return SP_EXIT_OK;
    }
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    snprintf(out, SP_PATH_SIZE, "%s", config->platform.data_dir);
    sp_config_free(config);
    return SP_EXIT_OK;
}

int sp_cli_evidence(const char *data_dir, struct sp_evidence **out)
{
    struct sp_err err = {0};
    sp_status status = sp_evidence_load(data_dir, out, &err);

    if (status == SP_NOT_FOUND)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING,
                           "Nothing ran with this configuration yet: spoor up. Else: --data DIR",
                           "%s", err.text);
    if (status != SP_OK) return sp_cli_fail(sp_status_exit_code(status), NULL, "%s", err.text);
    for (uint32_t i = 0; i < sp_evidence_streams(*out); i++) {
        const struct sp_evidence_stream *stream = sp_evidence_stream(*out, i);
        if (stream->damage[0] == '\0') continue;
        SP_IGNORE(sp_cli_fail(0, stream->damage, "journal %s is read only up to its damage",
                              stream->name.s)); /* a warning */
    }
    return SP_EXIT_OK;
}

/* ---- The newest ---- */

static const struct word {
    const char *word;
    enum sp_kind kind;
    enum sp_id_type type;
    const char *about;
} words[] = {
    {"trade", SP_REC_TRADE_CLOSED, SP_ID_TRD, "closed trade"},
    {"open", SP_REC_TRADE_OPENED, SP_ID_TRD, "opened trade"},
    {"opportunity", SP_REC_OPPORTUNITY_DETECTED, SP_ID_OPP, "opportunity"},
    {"rejected", SP_REC_OPPORTUNITY_REJECTED, SP_ID_OPP, "rejected opportunity"},
    {"refused", SP_REC_PLAN_REFUSED, SP_ID_PLN, "refused plan"},
    {"plan", SP_REC_PLAN_READY, SP_ID_PLN, "plan"},
    {"threat", SP_REC_THREAT_DETECTED, SP_ID_THR, "threat"},
    {"order", SP_REC_ORDER_INTENT, SP_ID_ORD, "order"},
    {"reconciliation", SP_REC_RECONCILIATION_RESULT, SP_ID_REC, "reconciliation"},
    {"correction", SP_REC_CORRECTION, SP_ID_REC, "correction"},
    {"command", SP_REC_OPERATOR_COMMAND, SP_ID_CMD, "operator command"},
    {"schedule", SP_REC_SCHEDULED_TICK, SP_ID_SCH, "schedule"},
};
#define WORD_COUNT (sizeof words / sizeof words[0])

/* The first id of the wanted type in a record's own text. */
static bool id_of_type(const struct sp_record *record, enum sp_id_type type, struct sp_id *out)
{
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);

    for (uint32_t i = 0; i < schema->field_count; i++) {
        if ((int)schema->fields[i].kind != SP_KIND_ID_FIRST + 1 + (int)type) continue;
        memcpy(out, (const char *)&record->body + schema->fields[i].offset, sizeof *out);
        return out->hi != 0 || out->lo != 0;
    }
    return false;
}

static bool newest_of(struct sp_evidence *evidence, const struct word *word,
                      struct sp_evidence_id *out)
{
    uint32_t item = 0;

    if (!sp_evidence_newest(evidence, word->kind, &item)) return false;
    const struct sp_record *record = sp_evidence_record(evidence, item);
    out->type = word->type;
    return record != NULL && id_of_type(record, word->type, &out->id);
}

static const struct word *find_word(const char *text)
{
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (strcmp(words[i].word, text) == 0) return &words[i];
    return NULL;
}

/* "Newest: trd_7k2mqd (closed trade), ..." */
static const char *what_there_is(struct sp_evidence *evidence, char hint[SP_LINE_SIZE])
{
    size_t used = 0;

    for (size_t i = 0; i < WORD_COUNT && used < SP_LINE_SIZE; i++) {
        struct sp_evidence_id id;
        char text[SP_ID_SHORT_SIZE];
        if (!newest_of(evidence, &words[i], &id)) continue;
        int n = snprintf(hint + used, SP_LINE_SIZE - used, "%s%s (%s)",
                         used > 0 ? ", " : "The newest: ", sp_id_short(id.type, id.id, text),
                         words[i].about);
        used += n > 0 ? (size_t)n : 0;
    }
    if (used == 0) snprintf(hint, SP_LINE_SIZE, "There are no trades, plans or orders yet.");
    return hint;
}

int sp_cli_last(struct sp_evidence *evidence, const char *word, struct sp_evidence_id *out)
{
    const struct word *found = find_word(word);
    char hint[SP_LINE_SIZE];
    size_t used = 0;

    if (found != NULL && newest_of(evidence, found, out)) return SP_EXIT_OK;
    if (found != NULL)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, what_there_is(evidence, hint), "there is no %s yet",
                           found->about);
    for (size_t i = 0; i < WORD_COUNT && used < sizeof hint; i++) {
        int n = snprintf(hint + used, sizeof hint - used, "%s%s",
                         i > 0 ? ", " : "There are: ", words[i].word);
        used += n > 0 ? (size_t)n : 0;
    }
    return sp_cli_usage(hint, "\"last %s\" names nothing", word);
}

/* ---- By its text ---- */

/* "execution:57", also "execution/2:57". */
static const struct sp_record *record_at(struct sp_evidence *evidence, const char *text)
{
    struct sp_ref ref = {0};
    const char *colon = strrchr(text, ':');
    char *end = NULL;

    if (colon == NULL) return NULL;
    if (sp_ref_parse(text, strlen(text), &ref)) return sp_evidence_at(evidence, &ref);
    if (!sp_name_set_n(&ref.stream, text, (size_t)(colon - text))) return NULL;
    ref.seq = strtoull(colon + 1, &end, 10);
    return end != colon + 1 && *end == '\0' ? sp_evidence_at(evidence, &ref) : NULL;
}

/* A client order id holds its trade's digits; the order is the one with that very id. */
static bool by_client_order_id(struct sp_evidence *evidence, const char *text,
                               struct sp_evidence_id *out)
{
    char quoted[SP_NAME_SIZE + 24], trade[SP_ID_TEXT_SIZE];
    struct sp_evidence_id id = {.type = SP_ID_TRD};
    uint32_t item = 0;

    if (strlen(text) != CLIENT_ID_LEN || text[0] != 's') return false;
    snprintf(trade, sizeof trade, "%s%.26s", sp_id_prefix(SP_ID_TRD), text + TRADE_AT);
    if (!sp_id_parse(SP_ID_TRD, trade, strlen(trade), &id.id)) return false;
    snprintf(quoted, sizeof quoted, "\"client_order_id\":\"%s\"", text);
    if (!sp_evidence_with_text(evidence, id, quoted, &item)) return false;
    const struct sp_record *record = sp_evidence_record(evidence, item);
    if (record == NULL) return false;
    if (id_of_type(record, SP_ID_ORD, &out->id)) {
        out->type = SP_ID_ORD;
        return true;
    }
    return sp_explain_id_of_record(record, out);
}

static int ambiguous(const char *text, const struct sp_evidence_id *ids, uint32_t count)
{
    char hint[SP_LINE_SIZE];
    size_t used = 0;

    for (uint32_t i = 0; i < count && i < CANDIDATES_MAX && used < sizeof hint; i++) {
        char whole[SP_ID_TEXT_SIZE];
        int n = snprintf(hint + used, sizeof hint - used, "%s%s", i > 0 ? "\n  " : "Which one?\n  ",
                         sp_id_format(ids[i].type, ids[i].id, whole));
        used += n > 0 ? (size_t)n : 0;
    }
    if (count > CANDIDATES_MAX && used < sizeof hint)
        snprintf(hint + used, sizeof hint - used, "\n  and %u more", count - CANDIDATES_MAX);
    return sp_cli_fail(SP_EXIT_USAGE, hint, "\"%s\" is short for %u ids", text, count);
}

const char *sp_cli_deleted(const struct sp_evidence *evidence, char *buf, size_t size_bytes)
{
    size_t used = 0;

    buf[0] = '\0';
    for (uint32_t i = 0; i < sp_evidence_streams(evidence) && used < size_bytes; i++) {
        const struct sp_evidence_stream *stream = sp_evidence_stream(evidence, i);
        char time[SP_WALL_TEXT_SIZE];
        if (stream->first_seq <= 1) continue;
        int n =
            snprintf(buf + used, size_bytes - used, "%srecords of %s before %" PRIu64 " (%.19s)",
                     used > 0 ? ", " : "", stream->name.s, stream->first_seq,
                     sp_wall_format(stream->first_time, time));
        used += n > 0 ? (size_t)n : 0;
    }
    if (used > 0 && used < size_bytes) snprintf(buf + used, size_bytes - used, " were deleted");
    return buf;
}

static int unknown(struct sp_evidence *evidence, const char *text)
{
    char hint[SP_LINE_SIZE], deleted[SP_LINE_SIZE];
    uint64_t records = 0;

    if (sp_cli_deleted(evidence, deleted, sizeof deleted)[0] != '\0')
        return sp_cli_fail(SP_EXIT_NOT_RUNNING,
                           "A backup of the journals may still have it: --data DIR",
                           "no record mentions \"%s\" any more: %s", text, deleted);
    for (uint32_t i = 0; i < sp_evidence_streams(evidence); i++)
        records += sp_evidence_stream(evidence, i)->records;
    return sp_cli_fail(SP_EXIT_NOT_RUNNING, what_there_is(evidence, hint),
                       "no record mentions \"%s\": searched %" PRIu64 " records in %u journals",
                       text, records, sp_evidence_streams(evidence));
}

int sp_cli_id(struct sp_evidence *evidence, const char *text, struct sp_evidence_id *out)
{
    struct sp_evidence_id found[CANDIDATES_MAX];
    enum sp_id_type type = SP_ID_TYPE_COUNT;
    const char *digits = text;

    if (strcmp(text, "last") == 0) return sp_cli_last(evidence, "trade", out);
    const struct sp_record *record = record_at(evidence, text);
    if (record != NULL && sp_explain_id_of_record(record, out)) return SP_EXIT_OK;
    if (record != NULL)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, "See: spoor journal STREAM:SEQ",
                           "record %s mentions no id", text);
    if (by_client_order_id(evidence, text, out)) return SP_EXIT_OK;
    if (sp_id_type_of(text, &type)) digits = text + strlen(sp_id_prefix(type));
    if (digits[0] == '\0') return unknown(evidence, text);
    uint32_t count = sp_evidence_find_ids(evidence, type, digits, found, CANDIDATES_MAX);
    if (count == 0) return unknown(evidence, text);
    if (count > 1) return ambiguous(text, found, count);
    *out = found[0];
    return SP_EXIT_OK;
}
