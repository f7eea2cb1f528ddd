#include "common/config/config_value.h"

#include "common/config/units.h"
#include "proto/decimal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ID_BYTES_MAX   24
#define WORD_BYTES_MAX 48 /* longer words are never close to a key of ours */

static const struct {
    const char *doc, *example;
    enum sp_strict_kind kind;
} types[SP_VALUE_TYPE_COUNT] = {
    [SP_VALUE_COUNT] = {"a whole number", "10", SP_STRICT_INTEGER},
    [SP_VALUE_BIG] = {"a whole number", "10", SP_STRICT_INTEGER},
    [SP_VALUE_FLAG] = {"true or false", "true", SP_STRICT_BOOL},
    [SP_VALUE_NAME] = {"a name of letters, digits and . _ -", "\"BTCUSDT\"", SP_STRICT_STRING},
    [SP_VALUE_ID] = {"an id of at most 24 letters, digits, _ and -", "\"ema\"", SP_STRICT_STRING},
    [SP_VALUE_WORD] = {"one of the known words", NULL, SP_STRICT_STRING},
    [SP_VALUE_EITHER] = {"one of the known words", NULL, SP_STRICT_STRING},
    [SP_VALUE_PATH] = {"a path", "\"../../var/demo\"", SP_STRICT_STRING},
    [SP_VALUE_AMOUNT] = {"an amount with its asset", "\"6000 USDT\"", SP_STRICT_STRING},
    [SP_VALUE_NUMBER] = {"a decimal number in quotes", "\"0.01\"", SP_STRICT_STRING},
    [SP_VALUE_RATIO] = {"a share in % or bps", "\"0.3%\"", SP_STRICT_STRING},
    [SP_VALUE_SPEED] = {"a speed", "\"60x\" or \"max\"", SP_STRICT_STRING},
    [SP_VALUE_DURATION] = {"a duration with its unit (ms s m h d)", "\"500ms\"", SP_STRICT_STRING},
    [SP_VALUE_BYTES] = {"a size with its unit (B KiB MiB GiB)", "\"50 MiB\"", SP_STRICT_STRING},
    [SP_VALUE_TIME] = {"a time in UTC", "\"2026-01-05T18:00:00Z\"", SP_STRICT_STRING},
    [SP_VALUE_ZONE] = {"an offset from UTC", "\"+01:00\"", SP_STRICT_STRING},
    [SP_VALUE_LISTEN] = {"a numeric address and a port", "\"127.0.0.1:8787\"", SP_STRICT_STRING},
    [SP_VALUE_URL] = {"a URL of scheme, host and perhaps a port", "\"https://api.binance.com\"",
                      SP_STRICT_STRING},
    [SP_VALUE_SCALAR] = {"a text, a number, true or false", "20", SP_STRICT_STRING},
    [SP_VALUE_OBJECT] = {"an object", "{ ... }", SP_STRICT_OBJECT},
    [SP_VALUE_ROWS] = {"a list", "[ ... ]", SP_STRICT_LIST},
    [SP_VALUE_NAMES] = {"a list of names", "[\"BTCUSDT\"]", SP_STRICT_LIST},
};

const char *sp_value_type_doc(enum sp_value_type type)
{
    return types[type].doc;
}

const char *sp_value_type_example(enum sp_value_type type)
{
    return types[type].example;
}

enum sp_strict_kind sp_value_type_kind(enum sp_value_type type)
{
    return types[type].kind;
}

bool sp_value_has_word(const char *const *words, const char *word, size_t *index)
{
    for (*index = 0; words != NULL && words[*index] != NULL; ++*index) {
        if (strcmp(words[*index], word) == 0) return true;
    }
    return false;
}

static sp_status parse_id(const char *text, sp_name *out)
{
    if (strlen(text) > ID_BYTES_MAX || strchr(text, '.') != NULL) return SP_TYPE;
    return text[0] != '\0' && sp_name_set(out, text) ? SP_OK : SP_TYPE;
}

static sp_status parse_listen(const char *text, struct sp_scalar *out)
{
    const char *colon = strrchr(text, ':');
    char host[INET_ADDRSTRLEN], *end;
    struct in_addr address;
    long port;

    if (colon == NULL || (size_t)(colon - text) >= sizeof host) return SP_TYPE;
    memcpy(host, text, (size_t)(colon - text));
    host[colon - text] = '\0';
    if (inet_pton(AF_INET, host, &address) != 1) return SP_TYPE;
    if (colon[1] < '1' || colon[1] > '9') return SP_TYPE;
    port = strtol(colon + 1, &end, 10);
    if (*end != '\0') return SP_TYPE;
    if (port > UINT16_MAX) return SP_RANGE;
    out->number = port;
    memcpy(out->text, host, sizeof host);
    return SP_OK;
}

static sp_status parse_url(const char *text, struct sp_scalar *out)
{
    static const char *const schemes[] = {"https://", "http://", "wss://", "ws://"};
    static const char host_bytes[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    const char *host = NULL;

    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(text, schemes[i], len) == 0) host = text + len;
    }
    if (host == NULL) return SP_TYPE;
    const char *rest = host + strspn(host, host_bytes);
    if (rest == host) return SP_TYPE;
    if (*rest == ':' && rest[1] >= '1' && rest[1] <= '9')
        rest += 1 + strspn(rest + 1, "0123456789");
    if (*rest != '\0') return SP_TYPE;
    if (strlen(text) >= SP_URL_SIZE) return SP_RANGE;
    snprintf(out->text, sizeof out->text, "%s", text);
    return SP_OK;
}

static sp_status parse_short_text(const char *text, struct sp_scalar *out)
{
    if (strlen(text) >= sizeof((struct sp_param_config *)NULL)->text) return SP_RANGE;
    snprintf(out->text, sizeof out->text, "%s", text);
    return SP_OK;
}

static sp_status parse_integer(const char *text, struct sp_scalar *out)
{
    char *end;

    out->number = strtoll(text, &end, 10);
    return *end == '\0' && end != text ? SP_OK : SP_TYPE;
}

sp_status sp_value_parse(const struct sp_field *f, const char *dir, const char *text,
                         struct sp_scalar *out)
{
    size_t len_bytes = strlen(text), index = 0;
    sp_status status;
    sp_ratio ratio = {0};
    sp_amt amount = {0};
    sp_dur duration = {0};
    sp_wall wall = {0};
    uint64_t bytes = 0;

    if (f->words != NULL && !sp_value_has_word(f->words, text, &index)) return SP_TYPE;
    switch (f->type) {
    case SP_VALUE_COUNT:
    case SP_VALUE_BIG: return parse_integer(text, out);
    case SP_VALUE_FLAG: out->number = strcmp(text, "true") == 0; return SP_OK;
    case SP_VALUE_NAME: return len_bytes > 0 && sp_name_set(&out->name, text) ? SP_OK : SP_TYPE;
    case SP_VALUE_ID: return parse_id(text, &out->name);
    case SP_VALUE_WORD:
    case SP_VALUE_EITHER:
        out->number = f->type == SP_VALUE_WORD ? (int64_t)index + f->word_base : index == 0;
        return SP_OK;
    case SP_VALUE_PATH:
        if (len_bytes == 0) return SP_TYPE;
        return sp_config_join(dir, text, out->text) ? SP_OK : SP_RANGE;
    case SP_VALUE_AMOUNT:
        status = sp_units_amount(text, &amount, &out->name);
        out->number = amount.e8;
        return status;
    case SP_VALUE_NUMBER: return sp_e8_parse(text, len_bytes, &out->number);
    case SP_VALUE_RATIO:
    case SP_VALUE_SPEED:
        status =
            f->type == SP_VALUE_RATIO ? sp_units_ratio(text, &ratio) : sp_units_speed(text, &ratio);
        out->number = ratio.e8;
        return status;
    case SP_VALUE_DURATION:
        status = sp_dur_parse(text, len_bytes, &duration);
        out->number = duration.ns;
        return status;
    case SP_VALUE_BYTES:
        status = sp_units_bytes(text, &bytes);
        out->number = (int64_t)bytes;
        return status;
    case SP_VALUE_TIME:
        status = sp_wall_parse(text, len_bytes, &wall);
        out->number = wall.ns;
        return status;
    case SP_VALUE_ZONE:
        status = sp_units_zone(text, &duration);
        out->number = duration.ns;
        return status;
    case SP_VALUE_LISTEN: return parse_listen(text, out);
    case SP_VALUE_URL: return parse_url(text, out);
    case SP_VALUE_SCALAR: return parse_short_text(text, out);
    case SP_VALUE_OBJECT:
    case SP_VALUE_ROWS:
    case SP_VALUE_NAMES:
    case SP_VALUE_TYPE_COUNT: break;
    }
    SP_ASSERT(f->type == SP_VALUE_COUNT); /* a list or object is no simple value */
    return SP_TYPE;
}

void sp_value_store(const struct sp_field *f, const struct sp_scalar *value, void *base)
{
    uint32_t small = (uint32_t)value->number;
    uint16_t port = (uint16_t)value->number;
    bool flag = value->number != 0;

    if (f->offset == SP_NOWHERE) return;
    char *to = (char *)base + f->offset;
    switch (f->type) {
    case SP_VALUE_COUNT:
    case SP_VALUE_WORD: memcpy(to, &small, sizeof small); return;
    case SP_VALUE_FLAG:
    case SP_VALUE_EITHER: memcpy(to, &flag, sizeof flag); return;
    case SP_VALUE_NAME:
    case SP_VALUE_ID: memcpy(to, &value->name, sizeof value->name); return;
    case SP_VALUE_PATH: memcpy(to, value->text, SP_PATH_SIZE); return;
    case SP_VALUE_LISTEN:
        memcpy((char *)base + f->port_offset, &port, sizeof port);
        memcpy(to, value->text, 64);
        return;
    case SP_VALUE_URL: memcpy(to, value->text, SP_URL_SIZE); return;
    case SP_VALUE_SCALAR: memcpy(to, value->text, 64); return;
    case SP_VALUE_AMOUNT:
        if (f->asset_offset != 0) {
            memcpy((char *)base + f->asset_offset, &value->name, sizeof value->name);
        }
        memcpy(to, &value->number, sizeof value->number);
        return;
    case SP_VALUE_BIG:
    case SP_VALUE_NUMBER:
    case SP_VALUE_RATIO:
    case SP_VALUE_SPEED:
    case SP_VALUE_DURATION:
    case SP_VALUE_BYTES:
    case SP_VALUE_TIME:
    case SP_VALUE_ZONE: memcpy(to, &value->number, sizeof value->number); return;
    case SP_VALUE_OBJECT:
    case SP_VALUE_ROWS:
    case SP_VALUE_NAMES:
    case SP_VALUE_TYPE_COUNT: return;
    }
}

/* Takes the last part off a path in `out`; false if it has none that names something. */
static bool pop_part(char *out, size_t *len_bytes)
{
    size_t at = *len_bytes;

    while (at > 0 && out[at - 1] != '/')
        at--;
    if (at == *len_bytes || strcmp(out + at, "..") == 0) return false;
    *len_bytes = at > 1 ? at - 1 : at;
    out[*len_bytes] = '\0';
    return true;
}

bool sp_config_join(const char *base, const char *path, char out[SP_PATH_SIZE])
{
    char whole[2 * SP_PATH_SIZE], result[SP_PATH_SIZE] = "", *rest = whole, *part;
    bool is_absolute = path[0] == '/' || base[0] == '/';
    size_t len_bytes = 0;
    int n;

    n = path[0] == '/' || base[0] == '\0' ? snprintf(whole, sizeof whole, "%s", path)
                                          : snprintf(whole, sizeof whole, "%s/%s", base, path);
    if (n < 0 || (size_t)n >= sizeof whole) return false;
    if (is_absolute) result[len_bytes++] = '/';
    while ((part = strsep(&rest, "/")) != NULL) {
        size_t part_bytes = strlen(part);
        if (part_bytes == 0 || strcmp(part, ".") == 0) continue;
        if (strcmp(part, "..") == 0 && (pop_part(result, &len_bytes) || is_absolute)) continue;
        if (len_bytes + part_bytes + 2 > sizeof result) return false;
        if (len_bytes > 0 && result[len_bytes - 1] != '/') result[len_bytes++] = '/';
        memcpy(result + len_bytes, part, part_bytes + 1);
        len_bytes += part_bytes;
    }
    if (len_bytes == 0) result[len_bytes++] = '.';
    result[len_bytes] = '\0';
    memcpy(out, result, len_bytes + 1);
    return true;
}

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b. */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][WORD_BYTES_MAX + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    size_t a_bytes = strlen(a), b_bytes = strlen(b);

    for (size_t k = 0; k <= b_bytes; k++)
        last[k] = (unsigned)k;
    for (size_t i = 1; i <= a_bytes; i++) {
        unsigned *spare = before;
        row[0] = (unsigned)i;
        for (size_t k = 1; k <= b_bytes; k++) {
            unsigned best = last[k - 1] + (a[i - 1] != b[k - 1]);
            if (last[k] + 1 < best) best = last[k] + 1;
            if (row[k - 1] + 1 < best) best = row[k - 1] + 1;
            if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1] &&
                before[k - 2] + 1 < best) {
                best = before[k - 2] + 1;
            }
            row[k] = best;
        }
        before = last;
        last = row;
        row = spare;
    }
    return last[b_bytes];
}

const char *sp_config_nearest(const char *word, const char *const *candidates, size_t count)
{
    size_t word_bytes = strlen(word);
    unsigned best = word_bytes <= 3 ? 1 : 1 + (unsigned)word_bytes / 4;
    const char *nearest = NULL;

    if (word_bytes > WORD_BYTES_MAX) return NULL;
    for (size_t i = 0; i < count; i++) {
        unsigned d;
        if (strlen(candidates[i]) > WORD_BYTES_MAX) continue;
        d = strcasecmp(word, candidates[i]) == 0 ? 0 : distance(word, candidates[i]);
        if (d > best || (d == best && nearest != NULL)) continue;
        best = d;
        nearest = candidates[i];
    }
    return nearest;
}
