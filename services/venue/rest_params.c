#include "services/venue/rest_params.h"

#include "common/config/strict_json.h"

#include <stdlib.h>
#include <string.h>

/* Appends decoded text and its NUL. False: wrong encoding, or no room. */
SP_NODISCARD static bool decode(struct sp_rest_params *params, const char *from, size_t len_bytes,
                                const char **out)
{
    char *to = params->text + params->text_bytes;

    if (len_bytes >= sizeof params->text - params->text_bytes) return false;
    *out = to;
    for (size_t i = 0; i < len_bytes; i++) {
        char c = from[i];
        if (c == '+') c = ' ';
        if (c == '%') {
            if (len_bytes - i < 3 || !sp_hex_parse(from + i + 1, 2, &c, 1)) return false;
            i += 2;
        }
        if (c == '\0') return false;
        *to++ = c;
    }
    *to++ = '\0';
    params->text_bytes = (size_t)(to - params->text);
    return true;
}

SP_NODISCARD static sp_status take_pair(struct sp_rest_params *params, const char *pair,
                                        size_t len_bytes, bool *is_signature)
{
    const char *equals = memchr(pair, '=', len_bytes);
    size_t name_bytes = equals != NULL ? (size_t)(equals - pair) : len_bytes;
    const char *value = equals != NULL ? equals + 1 : pair + len_bytes;
    size_t before_bytes = params->text_bytes;
    struct sp_rest_param param;

    if (!decode(params, pair, name_bytes, &param.name)) return SP_INVALID;
    if (!decode(params, value, len_bytes - (size_t)(value - pair), &param.value)) return SP_INVALID;
    *is_signature = strcmp(param.name, "signature") == 0;
    if (*is_signature && params->signature == NULL) {
        params->signature = param.value;
        return SP_OK;
    }
    if (*is_signature || sp_rest_param(params, param.name) != NULL) {
        params->text_bytes = before_bytes; /* what is not kept takes no room */
        return SP_OK;
    }
    if (params->count == SP_REST_PARAMS_MAX) return SP_TOO_LONG;
    params->at[params->count++] = param;
    return SP_OK;
}

/* One of the two places. What is kept of it goes to the payload with its "&" as they stood. */
SP_NODISCARD static sp_status take_all(struct sp_rest_params *params, const char *bytes,
                                       size_t len_bytes)
{
    size_t begin = params->payload_bytes;

    for (size_t at = 0; at < len_bytes;) {
        const char *pair = bytes + at;
        const char *end = memchr(pair, '&', len_bytes - at);
        size_t pair_bytes = end != NULL ? (size_t)(end - pair) : len_bytes - at;
        bool is_signature = false;
        if (pair_bytes > 0) {
            sp_status status = take_pair(params, pair, pair_bytes, &is_signature);
            if (status != SP_OK) return status;
        }
        if (!is_signature) {
            if (params->payload_bytes > begin) params->payload[params->payload_bytes++] = '&';
            memcpy(params->payload + params->payload_bytes, pair, pair_bytes);
            params->payload_bytes += pair_bytes;
        }
        at += pair_bytes + 1;
    }
    return SP_OK;
}

sp_status sp_rest_params_parse(const char *query, const char *body, size_t body_bytes,
                               struct sp_rest_params *out)
{
    size_t query_bytes = strlen(query);

    out->count = 0;
    out->signature = NULL;
    out->text_bytes = out->payload_bytes = 0;
    if (query_bytes > SP_REST_BYTES_MAX || body_bytes > SP_REST_BYTES_MAX - query_bytes) {
        return SP_TOO_LONG;
    }
    sp_status status = take_all(out, query, query_bytes);
    if (status == SP_OK) status = take_all(out, body, body_bytes);
    return status;
}

const char *sp_rest_param(const struct sp_rest_params *params, const char *name)
{
    for (uint32_t i = 0; i < params->count; i++) {
        if (strcmp(params->at[i].name, name) == 0) return params->at[i].value;
    }
    return NULL;
}

static int by_name(const void *a, const void *b)
{
    const struct sp_rest_param *x = a, *y = b;

    return strcmp(x->name, y->name);
}

SP_NODISCARD static bool put_text(char *to, size_t room, size_t *at, const char *text)
{
    size_t len_bytes = strlen(text);

    if (*at > room || len_bytes > room - *at) return false;
    memcpy(to + *at, text, len_bytes);
    *at += len_bytes;
    return true;
}

/* Copies the member's name and value: the document does not outlive the request. */
SP_NODISCARD static sp_status take_member(struct sp_rest_params *params,
                                          const struct sp_strict_node *node)
{
    const char *text = sp_strict_text(node);
    struct sp_rest_param param;
    struct sp_rest_param *last = &params->at[params->count];

    if (text == NULL) return SP_INVALID;
    if (params->count == SP_REST_PARAMS_MAX) return SP_TOO_LONG;
    const char *parts[] = {sp_strict_key(node), text};
    const char **to[] = {&param.name, &param.value};
    for (size_t i = 0; i < 2; i++) {
        *to[i] = params->text + params->text_bytes;
        if (!put_text(params->text, sizeof params->text - 1, &params->text_bytes, parts[i])) {
            return SP_TOO_LONG;
        }
        params->text[params->text_bytes++] = '\0';
    }
    if (strcmp(param.name, "signature") == 0) {
        params->signature = param.value;
        return SP_OK;
    }
    *last = param;
    params->count++;
    return SP_OK;
}

sp_status sp_rest_params_from_json(const struct sp_strict_node *object, struct sp_rest_params *out)
{
    const size_t room = sizeof out->payload;
    bool is_null = object == NULL || sp_strict_kind_of(object) == SP_STRICT_NULL;
    sp_status status = SP_OK;
    bool fits = true;

    out->count = 0;
    out->signature = NULL;
    out->text_bytes = out->payload_bytes = 0;
    if (!is_null && sp_strict_kind_of(object) != SP_STRICT_OBJECT) return SP_INVALID;
    for (const struct sp_strict_node *node = sp_strict_first(object);
         node != NULL && status == SP_OK; node = sp_strict_next(node)) {
        status = take_member(out, node);
    }
    if (status != SP_OK) return status;
    qsort(out->at, out->count, sizeof *out->at, by_name);
    for (uint32_t i = 0; i < out->count && fits; i++) {
        fits = (i == 0 || put_text(out->payload, room, &out->payload_bytes, "&")) &&
               put_text(out->payload, room, &out->payload_bytes, out->at[i].name) &&
               put_text(out->payload, room, &out->payload_bytes, "=") &&
               put_text(out->payload, room, &out->payload_bytes, out->at[i].value);
    }
    return fits ? SP_OK : SP_TOO_LONG;
}
