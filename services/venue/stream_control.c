#include "services/venue/stream_control.h"

#include "common/config/strict_json.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_BYTES_MAX 65536

/* ---- Paths ---- */

static void follow_all(struct sp_streams *streams, uint64_t connection, const char *names)
{
    while (*names != '\0' && *names != '&') {
        size_t len = strcspn(names, "/&");
        char name[SP_STREAM_NAME_SIZE];
        if (len > 0 && len < sizeof name) {
            memcpy(name, names, len);
            name[len] = '\0';
            SP_IGNORE(sp_streams_follow(streams, connection, name)); /* as at Binance */
        }
        names += len;
        if (*names == '/') names++;
    }
}

void sp_stream_control_path(struct sp_streams *streams, uint64_t connection, const char *path,
                            const char *query)
{
    static const char key[] = "streams=";

    if (strncmp(path, "/ws/", 4) == 0) {
        follow_all(streams, connection, path + 4);
    } else if (strncmp(query, key, sizeof key - 1) == 0) {
        follow_all(streams, connection, query + sizeof key - 1);
    }
}

/* ---- Messages ---- */

static void put_id(struct sp_json_text *out, const struct sp_strict_node *id)
{
    const char *text = sp_strict_text(id);

    sp_jtext_key(out, "id");
    if (id != NULL && sp_strict_kind_of(id) == SP_STRICT_STRING) {
        sp_jtext_string(out, text);
    } else {
        sp_jtext_raw(out, text != NULL ? text : "null");
    }
}

static void refuse(struct sp_json_text *out, int code, const char *text)
{
    sp_json_text_clear(out);
    sp_jtext_begin(out, '{');
    sp_jtext_put_int(out, "code", code);
    sp_jtext_put_string(out, "msg", text);
    sp_jtext_end(out, '}');
}

/* False after an error. */
SP_NODISCARD static bool change(struct sp_streams *streams, uint64_t connection, bool follow,
                                const struct sp_strict_node *names, struct sp_json_text *out)
{
    for (const struct sp_strict_node *node = sp_strict_first(names); node != NULL;
         node = sp_strict_next(node)) {
        const char *name = NULL;
        if (sp_strict_string(node, &name) != SP_OK) {
            refuse(out, 2, "Invalid request: params must be stream names");
            return false;
        }
        if (!follow) {
            sp_streams_unfollow(streams, connection, name);
        } else if (sp_streams_follow(streams, connection, name) == SP_FULL) {
            refuse(out, 3, "Invalid request: too many streams");
            return false;
        }
    }
    sp_jtext_raw(out, "null");
    return true;
}

SP_NODISCARD static bool answer(struct sp_streams *streams, uint64_t connection,
                                const struct sp_strict_node *root, struct sp_json_text *out)
{
    const struct sp_strict_node *params = sp_strict_get(root, "params");
    const char *method = "";
    bool combined = false;

    SP_IGNORE(sp_strict_string(sp_strict_get(root, "method"), &method)); /* "" is unknown */
    if (strcmp(method, "SUBSCRIBE") == 0) return change(streams, connection, true, params, out);
    if (strcmp(method, "UNSUBSCRIBE") == 0) return change(streams, connection, false, params, out);
    if (strcmp(method, "LIST_SUBSCRIPTIONS") == 0) {
        sp_streams_list(streams, connection, out);
        return true;
    }
    if (strcmp(method, "GET_PROPERTY") == 0) {
        sp_jtext_bool(out, sp_streams_is_combined(streams, connection));
        return true;
    }
    const struct sp_strict_node *value = sp_strict_next(sp_strict_first(params));
    if (strcmp(method, "SET_PROPERTY") == 0 && sp_strict_bool(value, &combined) == SP_OK) {
        sp_streams_set_combined(streams, connection, combined);
        sp_jtext_raw(out, "null");
        return true;
    }
    refuse(out, 2, "Invalid request: unknown method");
    return false;
}

void sp_stream_control_handle(struct sp_streams *streams, uint64_t connection, const char *text,
                              size_t len_bytes, struct sp_json_text *out)
{
    static const struct sp_strict_limits limits = {.bytes_max = MESSAGE_BYTES_MAX,
                                                   .depth_max = 4,
                                                   .wide = true};
    struct sp_strict_json *json = NULL;

    sp_json_text_clear(out);
    if (sp_strict_json_parse(text, len_bytes, &limits, &json, NULL) != SP_OK) {
        refuse(out, 3, "Invalid JSON");
        return;
    }
    const struct sp_strict_node *root = sp_strict_json_root(json);
    sp_jtext_begin(out, '{');
    sp_jtext_key(out, "result");
    if (answer(streams, connection, root, out)) {
        put_id(out, sp_strict_get(root, "id"));
        sp_jtext_end(out, '}');
    }
    sp_strict_json_free(json);
}
