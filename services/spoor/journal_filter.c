#include "services/spoor/journal_filter.h"

#include "services/spoor/describe.h"

#include "common/journal/journal.h"
#include "common/journal/journal_begin.h"
#include "common/journal/journal_lookup.h"
#include "proto/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DAY_NS (INT64_C(86400) * 1000000000)

int sp_journal_filter_option(const struct sp_cli *cli, int *index, struct sp_journal_filter *filter,
                             bool *taken)
{
    const struct {
        const char *name;
        const char **value;
    } options[] = {{"--kind", &filter->kind_text},   {"--type", &filter->kind_text},
                   {"--id", &filter->id_text},       {"--since", &filter->since_text},
                   {"--until", &filter->until_text}, {"--cause", &filter->cause_text}};

    *taken = false;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        if (!sp_cli_option(cli, index, options[i].name, options[i].value)) continue;
        *taken = true;
        if (*options[i].value != NULL) return SP_EXIT_OK;
        return sp_cli_usage(NULL, "%s wants a value", options[i].name);
    }
    return SP_EXIT_OK;
}

/* "2026-01-05T18:22:07Z", or "18:22:07" of any day: then only the time of day counts. */
static bool parse_time(const char *text, sp_wall *out)
{
    char whole[64];

    if (sp_wall_parse(text, strlen(text), out) == SP_OK) return true;
    snprintf(whole, sizeof whole, "1970-01-01T%sZ", text);
    return sp_wall_parse(whole, strlen(whole), out) == SP_OK;
}

static bool is_before(sp_wall time, sp_wall limit)
{
    bool only_clock = limit.ns < DAY_NS;

    return (only_clock ? time.ns % DAY_NS : time.ns) < limit.ns;
}

/* "execution/2:57", also "execution:57". */
static bool parse_cause(const char *text, struct sp_ref *out)
{
    const char *colon = strrchr(text, ':');
    char *end = NULL;

    if (sp_ref_parse(text, strlen(text), out)) return true;
    if (colon == NULL || !sp_name_set_n(&out->stream, text, (size_t)(colon - text))) return false;
    out->epoch = 0;
    out->seq = strtoull(colon + 1, &end, 10);
    return out->seq > 0 && *end == '\0';
}

static int resolve_id(struct sp_journal_filter *filter, const char *data_dir)
{
    struct sp_evidence *evidence = NULL;

    if (filter->id_text == NULL) return SP_EXIT_OK;
    int code = sp_cli_evidence(data_dir, &evidence);
    if (code != SP_EXIT_OK) return code;
    code = sp_cli_id(evidence, filter->id_text, &filter->id);
    if (code == SP_EXIT_OK) sp_id_format(filter->id.type, filter->id.id, filter->whole_id);
    sp_evidence_free(evidence);
    return code;
}

int sp_journal_filter_finish(struct sp_journal_filter *filter, const char *data_dir)
{
    static const char times[] = "Write 18:22:07 or 2026-01-05T18:22:07Z";

    if (filter->kind_text != NULL &&
        !sp_kind_parse(filter->kind_text, strlen(filter->kind_text), &filter->kind))
        return sp_cli_usage("Kinds are in docs, for example FILL, TRADE_CLOSED, PLAN_REFUSED",
                            "there is no kind of record \"%s\"", filter->kind_text);
    if (filter->since_text != NULL && !parse_time(filter->since_text, &filter->since))
        return sp_cli_usage(times, "--since %s is no time", filter->since_text);
    if (filter->until_text != NULL && !parse_time(filter->until_text, &filter->until))
        return sp_cli_usage(times, "--until %s is no time", filter->until_text);
    if (filter->cause_text != NULL && !parse_cause(filter->cause_text, &filter->cause))
        return sp_cli_usage("Write STREAM:SEQ or STREAM/EPOCH:SEQ, as in \"caused by\"",
                            "--cause %s is no record", filter->cause_text);
    return resolve_id(filter, data_dir);
}

bool sp_journal_filter_is_set(const struct sp_journal_filter *filter)
{
    return filter->kind_text != NULL || filter->id_text != NULL || filter->since_text != NULL ||
           filter->until_text != NULL || filter->cause_text != NULL || filter->strategy != NULL;
}

static bool is_cause(const struct sp_ref *cause, const struct sp_ref *ref)
{
    return cause->seq == ref->seq && sp_name_eq(&cause->stream, &ref->stream) &&
           (cause->epoch == 0 || cause->epoch == ref->epoch);
}

static bool is_caused(const struct sp_ref *cause, const struct sp_record *record)
{
    for (uint32_t i = 0; i < record->by_count; i++)
        if (is_cause(cause, &record->by[i])) return true;
    return is_cause(cause, &record->in);
}

bool sp_journal_filter_takes(const struct sp_journal_filter *filter, const struct sp_record *record,
                             const char *line, size_t len_bytes)
{
    if (filter->kind != SP_REC_NONE && record->kind != filter->kind) return false;
    if (filter->kind == SP_REC_NONE && record->kind == SP_REC_CURSOR) return false;
    if (filter->since_text != NULL && is_before(record->time, filter->since)) return false;
    if (filter->until_text != NULL && !is_before(record->time, filter->until)) return false;
    if (filter->cause_text != NULL && !is_caused(&filter->cause, record)) return false;
    if (filter->strategy != NULL) {
        sp_name link = sp_record_link(record);
        if (!sp_name_is(&link, filter->strategy)) return false;
    }
    return filter->id_text == NULL ||
           memmem(line, len_bytes, filter->whole_id, strlen(filter->whole_id)) != NULL;
}

/* ---- Walking ---- */

/* The numbers of the records that are meant, as far as an index can tell. SP_NO_MEMORY. */
static sp_status find(struct sp_lookup *lookup, const struct sp_journal_filter *filter,
                      struct sp_lookup_numbers *out)
{
    struct sp_lookup_mentions mentions = {0};
    sp_status status = SP_OK;

    if (filter->id_text == NULL) return sp_lookup_kind(lookup, filter->kind, out);
    status = sp_lookup_find(lookup, filter->id.id, 128, &mentions);
    if (status == SP_OK) out->at = calloc((size_t)mentions.count + 1, sizeof *out->at);
    if (status == SP_OK && out->at == NULL) status = SP_NO_MEMORY;
    for (uint32_t i = 0; i < mentions.count && status == SP_OK; i++)
        if (mentions.at[i].type == filter->id.type) out->at[out->count++] = mentions.at[i].record;
    free(mentions.at);
    return status;
}

static void give_found(struct sp_lookup *lookup, const struct sp_lookup_numbers *numbers,
                       const struct sp_journal_filter *filter, sp_journal_walk_fn *fn, void *ctx)
{
    static struct sp_record record;
    struct sp_line_meta meta;
    sp_name stream = sp_lookup_stream(lookup);
    bool more = true;

    for (uint32_t i = 0; i < numbers->count && more; i++) {
        size_t len = 0;
        const char *line = sp_lookup_line(lookup, numbers->at[i], &len);
        if (line == NULL) break;
        if (sp_json_decode_line(line, len, &stream, &record, &meta, NULL) != SP_OK) continue;
        if (sp_journal_filter_takes(filter, &record, line, len)) more = fn(ctx, &record, line, len);
    }
}

static sp_status walk_found(const char *dir, const struct sp_journal_filter *filter,
                            sp_journal_walk_fn *fn, void *ctx, struct sp_err *err)
{
    struct sp_lookup_numbers numbers = {0};
    struct sp_lookup *lookup = NULL;
    sp_status status = sp_lookup_open(dir, &lookup, err);

    if (status != SP_OK) return status;
    status = find(lookup, filter, &numbers);
    if (status != SP_OK) {
        status = SP_FAIL(err, status, "%s: memory is exhausted", dir);
    } else {
        give_found(lookup, &numbers, filter, fn, ctx);
        if (sp_lookup_is_short(lookup))
            status = SP_FAIL(err, SP_NO_MEMORY, "%s: memory is exhausted", dir);
        else if (sp_lookup_damage(lookup)[0] != '\0')
            status = SP_FAIL(err, SP_CORRUPT, "%s", sp_lookup_damage(lookup));
    }
    free(numbers.at);
    sp_lookup_close(lookup);
    return status;
}

sp_status sp_journal_walk(const char *dir, const struct sp_journal_filter *filter,
                          sp_journal_walk_fn *fn, void *ctx, struct sp_err *err)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    struct sp_begin begin;
    size_t len = 0;
    bool by_kind = filter->kind != SP_REC_NONE && filter->kind != SP_REC_CURSOR;

    if (filter->id_text != NULL || by_kind) return walk_found(dir, filter, fn, ctx, err);
    /* If the oldest segments have vanished, the others are shown, and then it is said. */
    sp_status begun = sp_begin_check(dir, 0, &begin, err);
    if (begun != SP_OK && begun != SP_CORRUPT) return begun;
    sp_status status =
        sp_journal_reader_open(dir, NULL, begun == SP_OK ? 0 : begin.first_seq, &reader, err);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, &record, NULL, err);
        if (status != SP_OK) break;
        const char *line = sp_journal_reader_line(reader, &len);
        if (!sp_journal_filter_takes(filter, &record, line, len)) continue;
        if (!fn(ctx, &record, line, len)) status = SP_AGAIN;
    }
    sp_journal_reader_close(reader);
    if (status == SP_AGAIN && begun != SP_OK) return sp_begin_missing(dir, begin.first_seq, err);
    return status == SP_AGAIN ? SP_OK : status;
}
