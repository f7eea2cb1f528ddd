#include "common/persist/state_persistor.h"

#include "proto/types.h"

#include <stdlib.h>
#include <string.h>

struct state_ops {
    sp_status (*save)(struct sp_state_persistor *persistor, const struct sp_state_header *header,
                      const char *json, size_t len_bytes, struct sp_err *err);
    sp_status (*load)(struct sp_state_persistor *persistor, uint64_t generation_expected,
                      enum sp_state_outcome *outcome, struct sp_state_header *header, char **json,
                      struct sp_err *err);
    sp_status (*peek)(struct sp_state_persistor *persistor, bool before,
                      struct sp_state_header *header, char **json, struct sp_err *err);
};

struct sp_state_persistor {
    const struct state_ops *ops;
    struct sp_state_file file; /* json */
    /* memory: the newest; NULL before the first */
    char *text;
    size_t len_bytes;
    struct sp_state_header header;
};

static sp_status make(const struct state_ops *ops, struct sp_state_persistor **out,
                      struct sp_err *err)
{
    struct sp_state_persistor *persistor = calloc(1, sizeof *persistor);

    if (persistor == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the state");
    persistor->ops = ops;
    *out = persistor;
    return SP_OK;
}

/* ---- json ---- */

static sp_status json_save(struct sp_state_persistor *persistor,
                           const struct sp_state_header *header, const char *json, size_t len_bytes,
                           struct sp_err *err)
{
    return sp_state_save(&persistor->file, header, json, len_bytes, err);
}

static sp_status json_load(struct sp_state_persistor *persistor, uint64_t generation_expected,
                           enum sp_state_outcome *outcome, struct sp_state_header *header,
                           char **json, struct sp_err *err)
{
    return sp_state_load(&persistor->file, generation_expected, outcome, header, json, err);
}

static sp_status json_peek(struct sp_state_persistor *persistor, bool before,
                           struct sp_state_header *header, char **json, struct sp_err *err)
{
    return sp_state_peek(&persistor->file, before, header, json, err);
}

sp_status sp_state_persistor_json(const struct sp_state_file *file, struct sp_state_persistor **out,
                                  struct sp_err *err)
{
    static const struct state_ops ops = {.save = json_save, .load = json_load, .peek = json_peek};
    sp_status status = make(&ops, out, err);

    if (status == SP_OK) (*out)->file = *file;
    return status;
}

/* ---- memory ---- */

static char *copy_of(const char *text, size_t len_bytes)
{
    char *copy = malloc(len_bytes + 1);

    if (copy == NULL) return NULL;
    memcpy(copy, text, len_bytes);
    copy[len_bytes] = '\0';
    return copy;
}

static sp_status memory_save(struct sp_state_persistor *persistor,
                             const struct sp_state_header *header, const char *json,
                             size_t len_bytes, struct sp_err *err)
{
    uint64_t before = persistor->header.generation;

    if (len_bytes > SP_STATE_BYTES_MAX) {
        return SP_FAIL(err, SP_TOO_LONG, "state in memory: %zu bytes", len_bytes);
    }
    if (len_bytes == 0 || memchr(json, '\0', len_bytes) != NULL) {
        return SP_FAIL(err, SP_INVALID, "state in memory: payload is no JSON text");
    }
    if (before != 0 ? header->generation != before + 1 : header->generation == 0) {
        return SP_FAIL(err, SP_INVALID, "state in memory: generation %" PRIu64 " does not follow",
                       header->generation);
    }
    char *copy = copy_of(json, len_bytes);
    if (copy == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the state");
    free(persistor->text);
    persistor->text = copy;
    persistor->len_bytes = len_bytes;
    persistor->header = *header;
    return SP_OK;
}

static sp_status memory_load(struct sp_state_persistor *persistor, uint64_t generation_expected,
                             enum sp_state_outcome *outcome, struct sp_state_header *header,
                             char **json, struct sp_err *err)
{
    char *copy = NULL;

    if (persistor->header.generation < generation_expected) {
        return SP_FAIL(err, SP_CORRUPT,
                       "state in memory: generation %" PRIu64
                       " was written, the newest here is %" PRIu64,
                       generation_expected, persistor->header.generation);
    }
    if (persistor->text != NULL) {
        copy = copy_of(persistor->text, persistor->len_bytes);
        if (copy == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the state");
    }
    *outcome = copy != NULL ? SP_STATE_LOADED : SP_STATE_NEW;
    *header = persistor->header;
    *json = copy;
    return SP_OK;
}

static sp_status memory_peek(struct sp_state_persistor *persistor, bool before,
                             struct sp_state_header *header, char **json, struct sp_err *err)
{
    enum sp_state_outcome outcome = SP_STATE_NEW;

    if (before || persistor->text == NULL)
        return SP_FAIL(err, SP_NOT_FOUND, "state in memory: there is no such generation");
    return memory_load(persistor, 0, &outcome, header, json, err);
}

sp_status sp_state_persistor_memory(struct sp_state_persistor **out, struct sp_err *err)
{
    static const struct state_ops ops = {.save = memory_save,
                                         .load = memory_load,
                                         .peek = memory_peek};

    return make(&ops, out, err);
}

/* ---- Any ---- */

sp_status sp_state_persistor_save(struct sp_state_persistor *persistor,
                                  const struct sp_state_header *header, const char *json,
                                  size_t len_bytes, struct sp_err *err)
{
    return persistor->ops->save(persistor, header, json, len_bytes, err);
}

sp_status sp_state_persistor_load(struct sp_state_persistor *persistor,
                                  uint64_t generation_expected, enum sp_state_outcome *outcome,
                                  struct sp_state_header *header, char **json, struct sp_err *err)
{
    return persistor->ops->load(persistor, generation_expected, outcome, header, json, err);
}

sp_status sp_state_persistor_peek(struct sp_state_persistor *persistor, bool before,
                                  struct sp_state_header *header, char **json, struct sp_err *err)
{
    return persistor->ops->peek(persistor, before, header, json, err);
}

void sp_state_persistor_close(struct sp_state_persistor *persistor)
{
    if (persistor == NULL) return;
    free(persistor->text);
    free(persistor);
}
