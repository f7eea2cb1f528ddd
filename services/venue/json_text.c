#include "services/venue/json_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sp_json_text_free(struct sp_json_text *json)
{
    free(json->text);
    *json = (struct sp_json_text){0};
}

void sp_json_text_clear(struct sp_json_text *json)
{
    json->len_bytes = 0;
    json->failed = false;
    if (json->text != NULL) json->text[0] = '\0';
}

static void append(struct sp_json_text *json, const char *bytes, size_t len_bytes)
{
    if (json->failed) return;
    if (json->len_bytes + len_bytes + 1 > json->room_bytes) {
        size_t room = 2 * (json->len_bytes + len_bytes) + 256;
        char *text = realloc(json->text, room);
        if (text == NULL) {
            sp_json_text_clear(json);
            json->failed = true;
            return;
        }
        json->text = text;
        json->room_bytes = room;
    }
    memcpy(json->text + json->len_bytes, bytes, len_bytes);
    json->len_bytes += len_bytes;
    json->text[json->len_bytes] = '\0';
}

/* The comma before a value that is not the first of its list or object. */
static void separate(struct sp_json_text *json)
{
    char last = json->len_bytes > 0 ? json->text[json->len_bytes - 1] : '[';

    if (last != '[' && last != '{' && last != ':') append(json, ",", 1);
}

void sp_jtext_begin(struct sp_json_text *json, char bracket)
{
    separate(json);
    append(json, &bracket, 1);
}

void sp_jtext_end(struct sp_json_text *json, char bracket)
{
    append(json, &bracket, 1);
}

static void quote(struct sp_json_text *json, const char *value)
{
    append(json, "\"", 1);
    for (; *value != '\0'; value++) {
        char escaped[8];
        if (*value == '"' || *value == '\\') {
            append(json, "\\", 1);
            append(json, value, 1);
        } else if ((unsigned char)*value < 0x20) {
            snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned char)*value);
            append(json, escaped, 6);
        } else {
            append(json, value, 1);
        }
    }
    append(json, "\"", 1);
}

void sp_jtext_key(struct sp_json_text *json, const char *key)
{
    separate(json);
    quote(json, key);
    append(json, ":", 1);
}

void sp_jtext_string(struct sp_json_text *json, const char *value)
{
    separate(json);
    quote(json, value);
}

void sp_jtext_raw(struct sp_json_text *json, const char *raw)
{
    separate(json);
    append(json, raw, strlen(raw));
}

void sp_jtext_int(struct sp_json_text *json, int64_t value)
{
    char text[24];

    snprintf(text, sizeof text, "%" PRId64, value);
    sp_jtext_raw(json, text);
}

void sp_jtext_bool(struct sp_json_text *json, bool value)
{
    sp_jtext_raw(json, value ? "true" : "false");
}

void sp_jtext_e8(struct sp_json_text *json, int64_t e8)
{
    char text[32];
    uint64_t size = e8 < 0 ? 0 - (uint64_t)e8 : (uint64_t)e8;

    snprintf(text, sizeof text, "%s%" PRIu64 ".%08" PRIu64, e8 < 0 ? "-" : "", size / 100000000,
             size % 100000000);
    sp_jtext_string(json, text);
}

void sp_jtext_put_string(struct sp_json_text *json, const char *key, const char *value)
{
    sp_jtext_key(json, key);
    sp_jtext_string(json, value);
}

void sp_jtext_put_int(struct sp_json_text *json, const char *key, int64_t value)
{
    sp_jtext_key(json, key);
    sp_jtext_int(json, value);
}

void sp_jtext_put_bool(struct sp_json_text *json, const char *key, bool value)
{
    sp_jtext_key(json, key);
    sp_jtext_bool(json, value);
}

void sp_jtext_put_e8(struct sp_json_text *json, const char *key, int64_t e8)
{
    sp_jtext_key(json, key);
    sp_jtext_e8(json, e8);
}

void sp_jtext_put_ms(struct sp_json_text *json, const char *key, sp_wall time)
{
    sp_jtext_put_int(json, key, time.ns / 1000000);
}
