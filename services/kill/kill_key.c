#include "services/kill/kill_key.h"

#include "common/config/strict_json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text <= ' ' || *text > '~') return false;
    }
    return true;
}

static bool take(const struct sp_strict_node *root, const char *name, char out[SP_KILL_KEY_MAX])
{
    const char *text = NULL;

    if (sp_strict_string(sp_strict_get(root, name), &text) != SP_OK) return false;
    if (text[0] == '\0' || strlen(text) >= SP_KILL_KEY_MAX || !is_printable(text)) return false;
    memcpy(out, text, strlen(text) + 1);
    return true;
}

sp_status sp_kill_key_load(const char *path, struct sp_kill_key *out, struct sp_err *err)
{
    static const struct sp_strict_limits limits = {.bytes_max = 4096, .depth_max = 2};
    struct sp_strict_json *json = NULL;
    struct sp_strict_fault fault = {0};
    struct stat st;

    if (stat(path, &st) != 0) return SP_FAIL(err, SP_IO, "%s: %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode)) return SP_FAIL(err, SP_REFUSED, "%s is not a regular file", path);
    if (st.st_uid != geteuid())
        return SP_FAIL(err, SP_REFUSED, "%s belongs to somebody else", path);
    if ((st.st_mode & 077) != 0)
        return SP_FAIL(err, SP_REFUSED, "%s may be read by others: chmod 400", path);
    if (sp_strict_json_load(path, &limits, &json, &fault) != SP_OK)
        return SP_FAIL(err, SP_INVALID, "%s:%u: %s", path, fault.line, fault.text);
    const struct sp_strict_node *root = sp_strict_json_root(json);
    bool ok = take(root, "api_key", out->api_key) && take(root, "secret", out->secret);
    sp_strict_json_free(json);
    if (ok) return SP_OK;
    return SP_FAIL(err, SP_INVALID, "%s: not {\"api_key\": \"..\", \"secret\": \"..\"}", path);
}

void sp_kill_key_wipe(struct sp_kill_key *key)
{
    explicit_bzero(key, sizeof *key);
}
