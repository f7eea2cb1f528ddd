/* A file of recorded inputs is lines of JSON, each ended by a newline:
 *
 *   {"c":"xxxxxxxx","run":{"format":1,"stream":"execution","installation":"demo",
 *    "build":"0.1.0","config":"xxxxxxxx","epoch":3,"next":17,"at":"2026-11-22T18:00:00.12..."}}
 *   {"c":"xxxxxxxx","state":{...}}
 *   {"c":"xxxxxxxx","n":1,"s":17,"i":"RECORD","id":0,"now":"81123456789","wall":"...",
 *    "market":"...","x":"strategy.ema","r":{"c":"00000000","s":...,"b":{...}}}
 *   {"c":"xxxxxxxx","end":"stopped"}
 *
 * c     CRC-32C of the bytes behind the first 16 ({"c":"xxxxxxxx",) up to the newline, seeded
 *       with the c of the line before; that of a RUN line with 0
 * n     number of the input in its run, from 1 without a gap
 * s     sequence that the next record of the service's journal got
 * i     RECORD, TICK, TIMER, MESSAGE: an event for decide; NOTE: a change beside it; OWN: a
 *       record that the shell appended by itself
 * id    the event's        now, wall, market   its clocks
 * x, r  stream and journal line (c and w are 0) of what the event carries; absent if nothing
 *
 * A run is a process: RUN, STATE, inputs; END unless it was killed. A file has one run after the
 * other. Each line is one write before the input is decided upon: a kill leaves whole lines and at
 * most one unfinished one at the end, which the next run cuts off. Nothing is synced.
 */
#include "common/inputs.h"

#include "common/config/config.h"
#include "common/journal/file.h"
#include "proto/decimal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const event_names[] = {[SP_EVENT_RECORD] = "RECORD",
                                          [SP_EVENT_TICK] = "TICK",
                                          [SP_EVENT_TIMER] = "TIMER",
                                          [SP_EVENT_MESSAGE] = "MESSAGE"};
#define EVENT_COUNT (sizeof event_names / sizeof *event_names)

/* ---- Writing ---- */

/* Writes the checksum over what stands behind its prefix, and the newline. */
static sp_status seal(uint32_t *crc, char *buf, size_t cap_bytes, size_t used, size_t *len_bytes)
{
    char digits[12];

    if (used + 1 > cap_bytes) return SP_FULL;
    *crc = sp_crc32c(*crc, buf + SP_LINE_CRC_PREFIX, used - SP_LINE_CRC_PREFIX);
    snprintf(digits, sizeof digits, "%08x", *crc);
    memcpy(buf + 6, digits, 8);
    buf[used] = '\n';
    *len_bytes = used + 1;
    return SP_OK;
}

#define LINE_BEGIN "{\"c\":\"00000000\","
_Static_assert(sizeof LINE_BEGIN - 1 == SP_LINE_CRC_PREFIX, "the checksum covers all behind it");

sp_status sp_input_put_run(const struct sp_input_run *run, uint32_t *crc, char *buf,
                           size_t cap_bytes, size_t *len_bytes)
{
    char at[SP_WALL_TEXT_SIZE];
    uint32_t sum = 0;

    int n = snprintf(buf, cap_bytes,
                     LINE_BEGIN "\"run\":{\"format\":%d,\"stream\":\"%s\",\"installation\":\"%s\","
                                "\"build\":\"%s\",\"config\":\"%08x\",\"epoch\":%" PRIu32
                                ",\"next\":%" PRIu64 ",\"at\":\"%s\"}}",
                     SP_INPUTS_FORMAT, run->stream.s, run->installation.s, run->build.s,
                     run->config_crc, run->epoch, run->next_seq, sp_wall_format(run->at, at));
    sp_status status = seal(&sum, buf, cap_bytes, (size_t)n, len_bytes);
    if (status == SP_OK) *crc = sum;
    return status;
}

void sp_input_put_state_head(const char *state, size_t state_bytes, uint32_t *crc, char buf[32])
{
    static const char head[] = "\"state\":";

    *crc = sp_crc32c(*crc, head, sizeof head - 1);
    *crc = sp_crc32c(*crc, state, state_bytes);
    *crc = sp_crc32c(*crc, "}", 1);
    snprintf(buf, 32, "{\"c\":\"%08x\",%s", *crc, head);
}

static const char *what_name(const struct sp_input_put *put)
{
    if (put->what == SP_INPUT_NOTE) return "NOTE";
    if (put->what == SP_INPUT_OWN) return "OWN";
    return event_names[put->event->type];
}

sp_status sp_input_put_event(const struct sp_input_put *put, uint32_t *crc, char *buf,
                             size_t cap_bytes, size_t *len_bytes)
{
    const struct sp_event *event = put->event;
    const struct sp_line_meta meta = {0};
    char wall[SP_WALL_TEXT_SIZE], market[SP_WALL_TEXT_SIZE];
    size_t body = 0;

    int n = snprintf(buf, cap_bytes,
                     LINE_BEGIN "\"n\":%" PRIu64 ",\"s\":%" PRIu64 ",\"i\":\"%s\",\"id\":%" PRIu32
                                ",\"now\":\"%" PRId64 "\",\"wall\":\"%s\",\"market\":\"%s\"",
                     put->n, put->next_seq, what_name(put), event->id, event->now.ns,
                     sp_wall_format(event->wall, wall), sp_wall_format(event->market, market));
    size_t used = (size_t)n;
    if (event->record != NULL && used < cap_bytes) {
        n = snprintf(buf + used, cap_bytes - used, ",\"x\":\"%s\",\"r\":", event->record->stream.s);
        used += (size_t)n;
        if (used >= cap_bytes) return SP_FULL;
        sp_status status =
            sp_json_encode_line(event->record, &meta, buf + used, cap_bytes - used, &body);
        if (status != SP_OK) return status;
        used += body;
    }
    if (used + 2 > cap_bytes) return SP_FULL;
    buf[used++] = '}';
    return seal(crc, buf, cap_bytes, used, len_bytes);
}

sp_status sp_input_put_end(const char *why, uint32_t *crc, char *buf, size_t cap_bytes,
                           size_t *len_bytes)
{
    int n = snprintf(buf, cap_bytes, LINE_BEGIN "\"end\":\"%s\"}", why);

    return seal(crc, buf, cap_bytes, (size_t)n, len_bytes);
}

/* ---- Reading ---- */

struct sp_inputs {
    FILE *file;
    char *line;
    size_t room;
    uint64_t number; /* of the line, from 1 */
    int64_t offset;  /* of its first byte */
    bool again;      /* it was read by a seek and is to be given */
    uint32_t crc;
    uint64_t n; /* of the last input */
    char path[SP_PATH_SIZE];
};

sp_status sp_inputs_open(const char *path, struct sp_inputs **out, struct sp_err *err)
{
    struct sp_inputs *inputs = calloc(1, sizeof *inputs);

    if (inputs == NULL) return SP_FAIL(err, SP_NO_MEMORY, "inputs");
    snprintf(inputs->path, sizeof inputs->path, "%s", path);
    inputs->file = fopen(path, "re");
    if (inputs->file == NULL) {
        int errnum = errno;
        sp_inputs_close(inputs);
        return SP_FAIL(err, errnum == ENOENT ? SP_NOT_FOUND : SP_IO, "%.150s: %s", path,
                       strerror(errnum));
    }
    *out = inputs;
    return SP_OK;
}

void sp_inputs_close(struct sp_inputs *inputs)
{
    if (inputs == NULL) return;
    if (inputs->file != NULL) fclose(inputs->file);
    free(inputs->line);
    free(inputs);
}

/* A whole line without its newline. SP_AGAIN: there is none. */
static sp_status read_line(struct sp_inputs *inputs, size_t *len, struct sp_err *err)
{
    if (inputs->again) {
        inputs->again = false;
        *len = strlen(inputs->line);
        return SP_OK;
    }
    inputs->offset = ftello(inputs->file);
    ssize_t got = getline(&inputs->line, &inputs->room, inputs->file);
    if (got < 0 && ferror(inputs->file))
        return SP_FAIL(err, SP_IO, "%.150s: %s", inputs->path, strerror(errno));
    if (got <= 0 || inputs->line[got - 1] != '\n') return SP_AGAIN;
    inputs->line[got - 1] = '\0';
    inputs->number++;
    *len = (size_t)got - 1;
    return SP_OK;
}

struct scan {
    const char *at, *end;
};

static bool take(struct scan *scan, const char *literal)
{
    size_t len = strlen(literal);

    if ((size_t)(scan->end - scan->at) < len || memcmp(scan->at, literal, len) != 0) return false;
    scan->at += len;
    return true;
}

static bool take_number(struct scan *scan, uint64_t *out)
{
    char *end = NULL;

    if (scan->at == scan->end || *scan->at < '0' || *scan->at > '9') return false;
    errno = 0;
    *out = strtoull(scan->at, &end, 10);
    scan->at = end;
    return errno == 0;
}

static bool take_u32(struct scan *scan, uint32_t *out)
{
    uint64_t wide = 0;

    if (!take_number(scan, &wide) || wide > UINT32_MAX) return false;
    *out = (uint32_t)wide;
    return true;
}

/* Up to the next quote, which is taken too. */
static bool take_text(struct scan *scan, const char **text, size_t *len)
{
    const char *quote = memchr(scan->at, '"', (size_t)(scan->end - scan->at));

    if (quote == NULL) return false;
    *text = scan->at;
    *len = (size_t)(quote - scan->at);
    scan->at = quote + 1;
    return true;
}

static bool take_name(struct scan *scan, sp_name *out)
{
    const char *text = NULL;
    size_t len = 0;
    char copy[SP_NAME_SIZE];

    if (!take_text(scan, &text, &len) || len >= sizeof copy) return false;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return sp_name_set(out, copy);
}

static bool take_wall(struct scan *scan, sp_wall *out)
{
    const char *text = NULL;
    size_t len = 0;

    return take_text(scan, &text, &len) && sp_wall_parse(text, len, out) == SP_OK;
}

static bool take_hex(struct scan *scan, uint32_t *out)
{
    const char *text = NULL;
    size_t len = 0;
    char *end = NULL;

    if (!take_text(scan, &text, &len) || len != 8) return false;
    *out = (uint32_t)strtoul(text, &end, 16);
    return end == text + 8;
}

static sp_status parse_run(struct scan *scan, struct sp_input *out, struct sp_err *err)
{
    struct sp_input_run *run = &out->run;
    uint32_t format = 0;

    out->what = SP_INPUT_RUN;
    if (!take(scan, "{\"format\":") || !take_u32(scan, &format)) return SP_CORRUPT;
    if (format != SP_INPUTS_FORMAT)
        return SP_FAIL(err, SP_VERSION, "its format is %" PRIu32 ", this build reads %d", format,
                       SP_INPUTS_FORMAT);
    bool good = take(scan, ",\"stream\":\"") && take_name(scan, &run->stream) &&
                take(scan, ",\"installation\":\"") && take_name(scan, &run->installation) &&
                take(scan, ",\"build\":\"") && take_name(scan, &run->build) &&
                take(scan, ",\"config\":\"") && take_hex(scan, &run->config_crc) &&
                take(scan, ",\"epoch\":") && take_u32(scan, &run->epoch) &&
                take(scan, ",\"next\":") && take_number(scan, &run->next_seq) &&
                take(scan, ",\"at\":\"") && take_wall(scan, &run->at) && take(scan, "}}");
    return good && scan->at == scan->end ? SP_OK : SP_CORRUPT;
}

static bool parse_what(struct scan *scan, struct sp_input *out)
{
    sp_name name = {{0}};

    if (!take_name(scan, &name)) return false;
    out->what = SP_INPUT_NOTE;
    if (sp_name_is(&name, "NOTE")) return true;
    out->what = SP_INPUT_OWN;
    if (sp_name_is(&name, "OWN")) return true;
    out->what = SP_INPUT_EVENT;
    for (size_t i = 0; i < EVENT_COUNT; i++) {
        out->event.type = (enum sp_event_type)i;
        if (sp_name_is(&name, event_names[i])) return true;
    }
    return false;
}

static sp_status parse_record(struct scan *scan, struct sp_input *out, struct sp_err *err)
{
    struct sp_line_meta meta;
    sp_name stream = {{0}};
    const char *body = NULL;
    size_t body_len = 0;

    if (!take_text(scan, &body, &body_len) || body_len >= sizeof stream.s) return SP_CORRUPT;
    memcpy(stream.s, body, body_len); /* of a message it is empty */
    if (!take(scan, ",\"r\":")) return SP_CORRUPT;
    size_t len = (size_t)(scan->end - scan->at) - 1;
    sp_status status =
        sp_json_decode_envelope(scan->at, len, &stream, &out->record, &meta, &body, &body_len, err);
    if (status != SP_OK) return status;
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(out->record.kind)->dto);
    status = sp_json_parse_body(schema, body, body_len, &out->record.body, err);
    scan->at += len;
    out->event.record = &out->record;
    return status;
}

static sp_status parse_event(struct scan *scan, struct sp_input *out, struct sp_err *err)
{
    const char *text = NULL;
    size_t len = 0;
    char *end = NULL;

    out->event = (struct sp_event){0};
    bool good = take_number(scan, &out->n) && take(scan, ",\"s\":") &&
                take_number(scan, &out->next_seq) && take(scan, ",\"i\":\"") &&
                parse_what(scan, out) && take(scan, ",\"id\":") && take_u32(scan, &out->event.id) &&
                take(scan, ",\"now\":\"") && take_text(scan, &text, &len);
    if (!good) return SP_CORRUPT;
    out->event.now.ns = strtoll(text, &end, 10);
    good = end == text + len && take(scan, ",\"wall\":\"") && take_wall(scan, &out->event.wall) &&
           take(scan, ",\"market\":\"") && take_wall(scan, &out->event.market);
    if (!good) return SP_CORRUPT;
    sp_status status = SP_OK;
    if (take(scan, ",\"x\":\"")) status = parse_record(scan, out, err);
    if (status != SP_OK) return status;
    return take(scan, "}") && scan->at == scan->end ? SP_OK : SP_CORRUPT;
}

static sp_status parse(struct sp_inputs *inputs, size_t len, struct sp_input *out,
                       struct sp_err *err)
{
    struct scan scan = {inputs->line, inputs->line + len};
    const char *text = NULL;
    uint32_t crc = 0;

    if (!take(&scan, "{\"c\":\"") || !take_hex(&scan, &crc) || !take(&scan, ","))
        return SP_FAIL(err, SP_CORRUPT, "it does not begin as a line of recorded inputs");
    bool is_run = take(&scan, "\"run\":");
    uint32_t sum = sp_crc32c(is_run ? 0 : inputs->crc, inputs->line + SP_LINE_CRC_PREFIX,
                             len - SP_LINE_CRC_PREFIX);
    if (sum != crc) return SP_FAIL(err, SP_CORRUPT, "its checksum is wrong");
    inputs->crc = crc;
    if (is_run) return parse_run(&scan, out, err);
    if (take(&scan, "\"n\":")) return parse_event(&scan, out, err);
    if (take(&scan, "\"state\":")) {
        out->what = SP_INPUT_STATE;
        out->state = scan.at;
        out->state_bytes = (size_t)(scan.end - scan.at) - 1;
        return SP_OK;
    }
    out->what = SP_INPUT_END;
    if (!take(&scan, "\"end\":\"") || !take_text(&scan, &text, &len)) return SP_CORRUPT;
    sp_text_printf(&out->why, "%.*s", (int)len, text);
    return SP_OK;
}

sp_status sp_inputs_next(struct sp_inputs *inputs, struct sp_input *out, struct sp_err *err)
{
    struct sp_err why = {0};
    size_t len = 0;

    sp_status status = read_line(inputs, &len, err);
    if (status != SP_OK) return status;
    status = parse(inputs, len, out, &why);
    out->line = inputs->number;
    bool is_numbered = status == SP_OK && out->what >= SP_INPUT_EVENT && out->what <= SP_INPUT_OWN;
    if (status == SP_OK && out->what == SP_INPUT_RUN) inputs->n = 0;
    if (is_numbered && out->n != ++inputs->n)
        status = SP_FAIL(&why, SP_CORRUPT, "input %" PRIu64 " follows input %" PRIu64, out->n,
                         inputs->n - 1);
    if (status == SP_OK) return SP_OK;
    return SP_FAIL(err, status == SP_VERSION ? SP_VERSION : SP_CORRUPT,
                   "%.90s: line %" PRIu64 ", byte %" PRId64 ": %.80s", inputs->path, inputs->number,
                   inputs->offset,
                   why.text[0] != '\0' ? why.text : "it is not what a recorder writes");
}

sp_status sp_inputs_seek(struct sp_inputs *inputs, uint32_t epoch, struct sp_err *err)
{
    char wanted[40];
    size_t len = 0;

    snprintf(wanted, sizeof wanted, ",\"epoch\":%" PRIu32 ",", epoch);
    for (;;) {
        sp_status status = read_line(inputs, &len, err);
        if (status == SP_AGAIN)
            return SP_FAIL(err, SP_NOT_FOUND, "%.150s has no run of epoch %" PRIu32, inputs->path,
                           epoch);
        if (status != SP_OK) return status;
        bool is_run = len > SP_LINE_CRC_PREFIX &&
                      strncmp(inputs->line + SP_LINE_CRC_PREFIX, "\"run\":", 6) == 0;
        inputs->again = is_run && strstr(inputs->line, wanted) != NULL;
        if (inputs->again) return SP_OK;
    }
}

const char *sp_input_text(const struct sp_input *input, char buf[SP_INPUT_TEXT_SIZE])
{
    const char *what = input->what == SP_INPUT_NOTE  ? "NOTE"
                       : input->what == SP_INPUT_OWN ? "OWN"
                                                     : event_names[input->event.type];
    const struct sp_record *record = input->event.record;
    char at[SP_REF_TEXT_SIZE] = "";

    if (record == NULL) {
        snprintf(buf, SP_INPUT_TEXT_SIZE, "%s %" PRIu32, what, input->event.id);
        return buf;
    }
    struct sp_ref ref = sp_record_ref(record);
    snprintf(buf, SP_INPUT_TEXT_SIZE, "%s %" PRIu32 ", %s %s", what, input->event.id,
             sp_kind_name(record->kind), sp_ref_is_none(&ref) ? "" : sp_ref_format(&ref, at));
    return buf;
}

/* ---- The configuration's sum ---- */

static uint32_t crc_of_file(uint32_t crc, const char *path)
{
    char block[4096];
    size_t n;
    FILE *file = fopen(path, "re");

    if (file == NULL) return sp_crc32c(crc, "?", 1); /* it was there when it was loaded */
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        crc = sp_crc32c(crc, block, n);
    fclose(file);
    return crc;
}

uint32_t sp_inputs_config_crc(const struct sp_config *config)
{
    char path[SP_PATH_SIZE + 20];
    uint32_t crc = 0;

    snprintf(path, sizeof path, "%s/platform.json", config->dir);
    crc = crc_of_file(crc, path);
    snprintf(path, sizeof path, "%s/operation.json", config->dir);
    crc = crc_of_file(crc, path);
    for (uint32_t i = 0; i < config->link_count; i++)
        crc = crc_of_file(crc, config->links[i].blueprint.file);
    return crc;
}
