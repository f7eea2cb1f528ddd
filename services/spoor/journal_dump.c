/* journal dump and export: the lines, or some of them, as they are or as a table. */
#include "services/spoor/journal_check.h"

#include "common/journal/journal_segment.h"
#include "proto/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- dump ---- */

static bool dump_record(void *ctx, const struct sp_record *record, const char *line, size_t len)
{
    (void)ctx;
    (void)record;
    fwrite(line, 1, len, stdout);
    putchar('\n');
    return !ferror(stdout);
}

static int dump_segment(const char *dir, uint64_t first_seq)
{
    static char buf[65536];
    struct sp_segment_file file = {0};
    char path[SP_SEGMENT_PATH_SIZE];
    struct sp_err err = {0};
    uint64_t at = 0;
    ssize_t n = 0;

    sp_status status = sp_segment_file_open(&file, dir, first_seq, path, &err);
    if (status != SP_OK) return sp_cli_fail(sp_status_exit_code(status), NULL, "%s", err.text);
    while ((n = sp_segment_file_read(&file, buf, sizeof buf, at)) > 0) {
        fwrite(buf, 1, (size_t)n, stdout);
        at += (uint64_t)n;
    }
    sp_segment_file_close(&file);
    if (n == 0) return SP_EXIT_OK;
    fflush(stdout);
    return sp_cli_fail(SP_EXIT_DAMAGED, NULL, "%s: byte %" PRIu64 " on cannot be read", path, at);
}

/* Every line as it is, without judging: for jq and for looking at damage. */
static int dump_all(const char *dir)
{
    struct sp_segment_list list;
    struct sp_err err = {0};
    int code = SP_EXIT_OK;
    sp_status status = sp_segment_list_read(dir, &list, &err);

    if (status != SP_OK) return sp_cli_fail(sp_status_exit_code(status), NULL, "%s", err.text);
    for (size_t i = 0; i < list.count; i++) {
        int one = dump_segment(dir, list.first[i]);
        if (one != SP_EXIT_OK) code = one;
    }
    sp_segment_list_free(&list);
    return code;
}

static int walk(struct sp_journal_job *job, const char *dir, sp_journal_walk_fn *fn, void *ctx)
{
    struct sp_err err = {0};
    sp_status status = sp_journal_walk(dir, &job->filter, fn, ctx, &err);

    fflush(stdout);
    if (status == SP_OK) return SP_EXIT_OK;
    return sp_cli_fail(sp_status_exit_code(status), NULL, "%s", err.text);
}

int sp_journal_dump(struct sp_journal_job *job, const char *dir, const sp_name *name)
{
    (void)name;
    if (!sp_journal_filter_is_set(&job->filter)) return dump_all(dir);
    return walk(job, dir, dump_record, NULL);
}

/* ---- export --csv ---- */

/* The columns of every record, which no field is named like, and what most bodies have. */
static const char *const record_columns[] = {
    "record_stream", "record_epoch",  "record_sequence", "record_time",
    "record_kind",   "record_causes", "record_consumed",
};
static const char *const body_columns[] = {"opportunity_id", "trade_id", "plan_id",
                                           "order_id",       "symbol",   "strategy_link_id"};
#define BODY_COLUMNS (sizeof body_columns / sizeof body_columns[0])

/* RFC 4180: quoted if it holds a quote, a comma or a line break; a quote is doubled. */
static void put_cell(const char *text, size_t len, bool first)
{
    bool quoted = false;

    if (!first) putchar(',');
    for (size_t i = 0; i < len; i++)
        quoted = quoted || strchr("\",\r\n", text[i]) != NULL;
    if (quoted) putchar('"');
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '"') putchar('"');
        putchar(text[i]);
    }
    if (quoted) putchar('"');
}

static void put_text(const char *text)
{
    put_cell(text, strlen(text), false);
}

/* Behind the JSON value that begins here. The line verified, so it is well formed. */
static const char *skip_value(const char *at, const char *end)
{
    unsigned depth = 0;
    bool in_string = false;

    for (; at < end; at++) {
        if (in_string) {
            if (*at == '\\')
                at++;
            else if (*at == '"')
                in_string = false;
        } else if (*at == '"') {
            in_string = true;
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            if (depth == 0) break;
            depth--;
        } else if (*at == ',' && depth == 0) {
            break;
        }
    }
    return at < end ? at : end;
}

/* The value of a field of an object, as it stands there; NULL if it has none. */
static const char *find_value(const char *body, size_t body_len, const char *name, size_t *len)
{
    const char *at = body + 1, *end = body + body_len - 1;
    size_t name_len = strlen(name);

    while (at < end) {
        const char *key = at + 1;
        const char *quote = memchr(key, '"', (size_t)(end - key));
        if (quote == NULL) return NULL;
        const char *value = quote + 2, *behind = skip_value(value, end);
        if ((size_t)(quote - key) == name_len && memcmp(key, name, name_len) == 0) {
            *len = (size_t)(behind - value);
            return value;
        }
        at = behind + 1;
    }
    return NULL;
}

static unsigned hex(char c)
{
    return c >= 'a'   ? (unsigned)(c - 'a') + 10
           : c >= 'A' ? (unsigned)(c - 'A') + 10
                      : (unsigned)(c - '0');
}

/* What a JSON string says, without its quotes. Only control characters are written as \u00xx. */
static size_t unescape(const char *text, size_t len, char *out)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] != '\\' || i + 1 == len) {
            out[n++] = text[i];
            continue;
        }
        const char *plain = strchr(from, text[++i]);
        if (text[i] == 'u' && i + 4 < len) {
            out[n++] = (char)(hex(text[i + 3]) << 4 | hex(text[i + 4]));
            i += 4;
        } else {
            out[n++] = plain != NULL && *plain != '\0' ? to[plain - from] : text[i];
        }
    }
    return n;
}

/* Strings without their quotes, lists of strings with spaces between, all else as JSON. */
static void put_value(const char *value, size_t len)
{
    static char text[SP_JSON_LINE_MAX];
    size_t n = 0;

    if (value == NULL || len > sizeof text) {
        put_cell("", 0, false);
    } else if (value[0] == '"') {
        put_cell(text, unescape(value + 1, len - 2, text), false);
    } else if (value[0] == '[' && len > 2 && value[1] == '"') {
        for (size_t i = 1; i + 1 < len; i++)
            if (value[i] != '"') text[n++] = value[i] == ',' ? ' ' : value[i];
        put_cell(text, n, false);
    } else {
        put_cell(value, len, false);
    }
}

static const struct sp_schema *schema_of(const struct sp_journal_job *job)
{
    if (job->filter.kind == SP_REC_NONE) return NULL;
    return sp_schema_of(sp_kind_info(job->filter.kind)->dto);
}

static void put_header(const struct sp_journal_job *job)
{
    const struct sp_schema *schema = schema_of(job);

    for (size_t i = 0; i < sizeof record_columns / sizeof record_columns[0]; i++)
        put_cell(record_columns[i], strlen(record_columns[i]), i == 0);
    for (uint32_t i = 0; schema != NULL && i < schema->field_count; i++)
        if (schema->fields[i].kind != SP_KIND_RETIRED) put_text(schema->fields[i].name);
    for (size_t i = 0; schema == NULL && i < BODY_COLUMNS; i++)
        put_text(body_columns[i]);
    if (schema == NULL) put_text("body");
    fputs("\r\n", stdout);
}

static void put_record(const struct sp_record *record)
{
    char text[SP_CAUSES_MAX * (SP_REF_TEXT_SIZE + 1)], ref[SP_REF_TEXT_SIZE];
    size_t used = 0;

    put_cell(record->stream.s, strlen(record->stream.s), true);
    snprintf(text, sizeof text, "%" PRIu32, record->epoch);
    put_text(text);
    snprintf(text, sizeof text, "%" PRIu64, record->seq);
    put_text(text);
    put_text(sp_wall_format(record->time, text));
    put_text(sp_kind_name(record->kind));
    text[0] = '\0';
    for (uint32_t i = 0; i < record->by_count; i++) {
        int n = snprintf(text + used, sizeof text - used, "%s%s", i > 0 ? " " : "",
                         sp_ref_format(&record->by[i], ref));
        used += n > 0 ? (size_t)n : 0;
    }
    put_text(text);
    put_text(sp_ref_format(&record->in, ref));
}

static bool export_record(void *ctx, const struct sp_record *record, const char *line, size_t len)
{
    static struct sp_record envelope;
    const struct sp_journal_job *job = ctx;
    const struct sp_schema *schema = schema_of(job);
    struct sp_line_meta meta;
    const char *body = NULL;
    size_t body_len = 0, n = 0;

    if (sp_json_decode_envelope(line, len, &record->stream, &envelope, &meta, &body, &body_len,
                                NULL) != SP_OK)
        return true; /* it was decoded before */
    put_record(record);
    for (uint32_t i = 0; schema != NULL && i < schema->field_count; i++) {
        if (schema->fields[i].kind == SP_KIND_RETIRED) continue;
        const char *value = find_value(body, body_len, schema->fields[i].name, &n);
        put_value(value, n);
    }
    for (size_t i = 0; schema == NULL && i < BODY_COLUMNS; i++) {
        const char *value = find_value(body, body_len, body_columns[i], &n);
        put_value(value, n);
    }
    if (schema == NULL) put_cell(body, body_len, false);
    fputs("\r\n", stdout);
    return !ferror(stdout);
}

int sp_journal_export(struct sp_journal_job *job, const char *dir, const sp_name *name)
{
    (void)name;
    if (!job->header_done) put_header(job);
    job->header_done = true;
    return walk(job, dir, export_record, job);
}
