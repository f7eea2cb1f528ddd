#include "common/record_inputs.h"

#include "common/clock.h"
#include "common/journal/journal.h"
#include "common/journal/state.h"
#include "common/journal/state_rows.h"
#include "common/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_ROOM  520
#define END_ROOM   128 /* kept for the line that says why it ends */
#define TAIL_BLOCK 65536

struct sp_input_recorder {
    const struct sp_file_port *port;
    int fd; /* -1: ended */
    uint64_t bytes, bytes_max;
    uint32_t crc;
    uint64_t n; /* of the last input */
    char path[PATH_ROOM];
    char line[SP_INPUT_LINE_SIZE];
};

/* Takes back what was written in part, so that the file ends with a whole line. If that fails too,
 * nothing may follow: a reader takes what has no end for a kill in its midst. */
static bool take_back(const struct sp_input_recorder *r)
{
    return r->port->truncate(r->port->self, r->fd, (off_t)r->bytes) == 0;
}

static void end_here(struct sp_input_recorder *r, const char *why)
{
    size_t len = 0;

    if (take_back(r) && sp_input_put_end(why, &r->crc, r->line, sizeof r->line, &len) == SP_OK &&
        sp_file_write_all(r->port, r->fd, r->line, len, NULL) != SP_OK)
        SP_IGNORE(!take_back(r)); /* as above */
    r->port->close(r->port->self, r->fd);
    r->fd = -1;
}

void sp_input_recorder_stop(struct sp_input_recorder *r, const char *why)
{
    if (r == NULL || r->fd < 0) return;
    end_here(r, why);
    sp_log(SP_LOG_WARN, "inputs_not_recorded",
           "file=%s inputs=%" PRIu64 " reason=\"%s\" next=\"running without\"", r->path, r->n, why);
}

/* `crc`: the checksum of the line. */
static void write_line(struct sp_input_recorder *r, size_t len, uint32_t crc)
{
    struct sp_err err = {0};

    if (r->bytes + len + END_ROOM > r->bytes_max) {
        sp_input_recorder_stop(r, "the file has reached its bound");
    } else if (sp_file_write_all(r->port, r->fd, r->line, len, &err) != SP_OK) {
        sp_input_recorder_stop(r, strerror(err.os_errno));
    } else {
        r->bytes += len;
        r->crc = crc;
        r->n++;
    }
}

void sp_input_recorder_put(struct sp_input_recorder *r, enum sp_input_what what,
                           const struct sp_event *event, uint64_t next_seq)
{
    size_t len = 0;

    if (r == NULL || r->fd < 0) return;
    uint32_t crc = r->crc;
    struct sp_input_put put = {.what = what, .n = r->n + 1, .next_seq = next_seq, .event = event};
    if (sp_input_put_event(&put, &crc, r->line, sizeof r->line, &len) != SP_OK) {
        sp_input_recorder_stop(r, "an input is longer than a line may be");
        return;
    }
    write_line(r, len, crc);
}

uint64_t sp_input_recorder_bytes(const struct sp_input_recorder *r)
{
    return r != NULL && r->fd >= 0 ? r->bytes : 0;
}

/* ---- Opening ---- */

/* Where the last whole line ends. */
static sp_status find_end(struct sp_input_recorder *r, uint64_t size, uint64_t *out,
                          struct sp_err *err)
{
    char *block = malloc(TAIL_BLOCK);
    uint64_t end = size;

    if (block == NULL) return SP_FAIL(err, SP_NO_MEMORY, "inputs");
    while (end > 0) {
        uint64_t from = end > TAIL_BLOCK ? end - TAIL_BLOCK : 0;
        ssize_t got =
            r->port->pread(r->port->self, r->fd, block, (size_t)(end - from), (off_t)from);
        if (got != (ssize_t)(end - from)) {
            free(block);
            return SP_FAIL(err, SP_STORAGE, "%.150s: %s", r->path,
                           got < 0 ? strerror(errno) : "it has become shorter");
        }
        const char *newline = memrchr(block, '\n', (size_t)got);
        end = from;
        if (newline == NULL) continue;
        end += (uint64_t)(newline - block) + 1;
        break;
    }
    free(block);
    *out = end;
    return SP_OK;
}

static sp_status open_file(struct sp_input_recorder *r, uint64_t wanted, struct sp_err *err)
{
    const struct sp_file_port *port = r->port;
    char before[PATH_ROOM + 2];
    struct stat info;

    snprintf(before, sizeof before, "%s.1", r->path);
    if (stat(r->path, &info) == 0 && (uint64_t)info.st_size + wanted > r->bytes_max &&
        port->rename(port->self, r->path, before) != 0)
        return SP_FAIL(err, SP_STORAGE, "%.150s: %s", before, strerror(errno));
    r->fd = port->open(port->self, r->path, O_RDWR | O_CREAT | O_APPEND, 0600);
    if (r->fd < 0) return SP_FAIL(err, SP_STORAGE, "%.150s: %s", r->path, strerror(errno));
    if (fstat(r->fd, &info) != 0)
        return SP_FAIL(err, SP_STORAGE, "%.150s: %s", r->path, strerror(errno));
    sp_status status = find_end(r, (uint64_t)info.st_size, &r->bytes, err);
    if (status != SP_OK || r->bytes == (uint64_t)info.st_size) return status;
    if (port->truncate(port->self, r->fd, (off_t)r->bytes) != 0)
        return SP_FAIL(err, SP_STORAGE, "%.150s: %s", r->path, strerror(errno));
    return SP_OK;
}

/* What the core holds, as a snapshot would have it. */
static sp_status encode_state(const struct sp_input_recorder_options *options, char *text,
                              size_t *len_bytes, struct sp_err *err)
{
    struct sp_rows_writer writer;

    sp_rows_begin(&writer, text, SP_STATE_BYTES_MAX);
    options->core->save(options->core_state, &writer);
    sp_status status = sp_rows_end(&writer);
    if (status != SP_OK) return SP_FAIL(err, SP_FULL, "the state is longer than a line may be");
    *len_bytes = writer.len_bytes;
    return SP_OK;
}

static sp_status write_run(struct sp_input_recorder *r, const struct sp_input_run *run,
                           const char *state, size_t state_bytes, struct sp_err *err)
{
    char head[32];
    size_t len = 0;

    sp_status status = sp_input_put_run(run, &r->crc, r->line, sizeof r->line, &len);
    SP_ASSERT(status == SP_OK);
    sp_input_put_state_head(state, state_bytes, &r->crc, head);
    status = sp_file_write_all(r->port, r->fd, r->line, len, err);
    if (status == SP_OK) status = sp_file_write_all(r->port, r->fd, head, strlen(head), err);
    if (status == SP_OK) status = sp_file_write_all(r->port, r->fd, state, state_bytes, err);
    if (status == SP_OK) status = sp_file_write_all(r->port, r->fd, "}\n", 2, err);
    if (status == SP_OK) {
        r->bytes += len + strlen(head) + state_bytes + 2;
        return SP_OK;
    }
    SP_IGNORE(!take_back(r)); /* nothing follows in any case */
    return status;
}

sp_status sp_input_recorder_open(const struct sp_input_recorder_options *options,
                                 struct sp_input_recorder **out, struct sp_err *err)
{
    struct sp_input_recorder *r = calloc(1, sizeof *r);
    char *state = malloc(SP_STATE_BYTES_MAX);
    size_t state_bytes = 0, wanted = 0;
    sp_status status = SP_OK;

    if (r == NULL || state == NULL) {
        free(r);
        free(state);
        return SP_FAIL(err, SP_NO_MEMORY, "inputs");
    }
    *r = (struct sp_input_recorder){.port = options->port,
                                    .fd = -1,
                                    .bytes_max = options->max_bytes};
    snprintf(r->path, sizeof r->path, "%s", options->path);
    status = encode_state(options, state, &state_bytes, err);
    /* A run of which nothing but its begin fits would be of no use. */
    wanted = state_bytes + 2 * SP_INPUT_LINE_SIZE;
    if (status == SP_OK && wanted > r->bytes_max)
        status = SP_FAIL(err, SP_FULL, "%.150s: max_size is too small for the state", r->path);
    if (status == SP_OK) status = open_file(r, wanted, err);
    if (status == SP_OK) status = write_run(r, &options->run, state, state_bytes, err);
    free(state);
    if (status == SP_OK) {
        *out = r;
        return SP_OK;
    }
    if (r->fd >= 0) r->port->close(r->port->self, r->fd);
    free(r);
    return status;
}

void sp_input_recorder_close(struct sp_input_recorder *r)
{
    if (r == NULL) return;
    if (r->fd >= 0) end_here(r, "stopped");
    free(r);
}

/* FILE of the option, else DIR/INSTANCE.inputs of the configuration. */
static bool path_of(const struct sp_service *service, char out[PATH_ROOM])
{
    const char *dir = service->config->platform.record_inputs_dir;
    struct sp_err err = {0};

    if (service->record_inputs != NULL) {
        snprintf(out, PATH_ROOM, "%s", service->record_inputs);
        return true;
    }
    if (dir[0] == '\0') return false;
    snprintf(out, PATH_ROOM, "%.470s/%s.inputs", dir, service->instance.s);
    if (sp_file_make_dirs(sp_file_port_real(), dir, &err) == SP_OK) return true;
    sp_log_err(SP_LOG_ERROR, "inputs_not_recorded", &err);
    return false;
}

struct sp_input_recorder *sp_input_recorder_of(const struct sp_service *service,
                                               const struct sp_core *core, const void *core_state)
{
    char path[PATH_ROOM];
    struct sp_err err = {0};
    struct sp_input_recorder *recorder = NULL;

    if (core->save == NULL || !path_of(service, path)) return NULL;
    struct sp_input_recorder_options options = {
        .path = path,
        .max_bytes = service->config->platform.record_inputs_bytes,
        .port = sp_file_port_real(),
        .core = core,
        .core_state = core_state,
        .run = {.stream = service->stream,
                .installation = service->config->platform.installation,
                .build = sp_name_of(SPOOR_BUILD),
                .config_crc = sp_inputs_config_crc(service->config),
                .epoch = service->role.epoch,
                .next_seq = sp_journal_next_seq(service->journal),
                .at = sp_clock_wall()}};
    if (sp_input_recorder_open(&options, &recorder, &err) != SP_OK) {
        sp_log_err(SP_LOG_ERROR, "inputs_not_recorded", &err);
        return NULL;
    }
    sp_log(SP_LOG_INFO, "inputs_recorded", "file=%s max_bytes=%" PRIu64, path, options.max_bytes);
    return recorder;
}
