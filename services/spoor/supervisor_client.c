#include "services/spoor/supervisor_client.h"

#include "common/clock.h"
#include "proto/json.h"

#include <errno.h>
#include <glob.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_BYTES_MAX ((size_t)128 * 1024)

void sp_supervisor_sockets_find(const char *run_dir, struct sp_supervisor_sockets *out)
{
    char pattern[SP_PATH_SIZE + 32];
    glob_t found;

    *out = (struct sp_supervisor_sockets){0};
    snprintf(pattern, sizeof pattern, "%s/supervisor*.sock", run_dir);
    if (glob(pattern, 0, NULL, &found) != 0) return;
    for (size_t i = 0; i < found.gl_pathc && out->count < SP_CLIENT_SUPERVISORS_MAX; i++) {
        if (strlen(found.gl_pathv[i]) >= sizeof out->path[0]) continue;
        memcpy(out->path[out->count++], found.gl_pathv[i], strlen(found.gl_pathv[i]) + 1);
    }
    globfree(&found);
}

static sp_status open_connection(const char *path, int *out, struct sp_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return SP_FAIL(err, SP_CLOSED, "%s is too long for a socket", path);
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0) {
        *out = fd;
        return SP_OK;
    }
    SP_FAIL(err, SP_CLOSED, "%s: %s", path, strerror(errno));
    if (fd >= 0) close(fd);
    return SP_CLOSED;
}

static sp_status send_request(int fd, const char *command, const char *name, struct sp_err *err)
{
    struct sp_supervisor_request request = {.command = sp_name_of(command)};
    char line[512];
    size_t len = 0;

    if (name != NULL && !sp_name_set(&request.name, name))
        return SP_FAIL(err, SP_USAGE, "\"%s\" cannot be the name of a service", name);
    sp_status status = sp_json_encode_body(sp_schema_of(SP_DTO_supervisor_request), &request, line,
                                           sizeof line - 1, &len);
    if (status != SP_OK) return SP_FAIL(err, status, "request does not fit");
    line[len++] = '\n';
    if (send(fd, line, len, MSG_NOSIGNAL) == (ssize_t)len) return SP_OK;
    return SP_FAIL(err, SP_IO, "the supervisor does not take the request: %s", strerror(errno));
}

/* Reads to the end of the file. */
static sp_status read_answer(int fd, sp_dur timeout, char *buf, size_t *len, struct sp_err *err)
{
    int64_t deadline = sp_clock_mono().ns + timeout.ns;

    for (*len = 0; *len < ANSWER_BYTES_MAX;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        int64_t left_ms = (deadline - sp_clock_mono().ns) / SP_NS_PER_MS;
        if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) == 0)
            return SP_FAIL(err, SP_TIMEOUT, "the supervisor does not answer");
        ssize_t n = recv(fd, buf + *len, ANSWER_BYTES_MAX - *len, 0);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return SP_FAIL(err, SP_IO, "the answer breaks off: %s", strerror(errno));
        if (n == 0) return SP_OK;
        *len += (size_t)n;
    }
    return SP_FAIL(err, SP_CORRUPT, "the answer is too long");
}

static sp_status parse_answer(const char *buf, size_t len, struct sp_supervisor_answer *answer,
                              struct sp_err *err)
{
    const char *at = buf;
    uint32_t lines = 0;

    *answer = (struct sp_supervisor_answer){0};
    while (at < buf + len) {
        const char *end = memchr(at, '\n', (size_t)(buf + len - at));
        if (end == NULL) break;
        bool first = lines++ == 0;
        if (!first && answer->count == SP_CLIENT_ROWS_MAX) break;
        enum sp_dto dto = first ? SP_DTO_command_reply : SP_DTO_child_status;
        void *out = first ? (void *)&answer->reply : (void *)&answer->rows[answer->count++];
        sp_status status = sp_json_decode_body(sp_schema_of(dto), at, (size_t)(end - at), out, err);
        if (status != SP_OK) return status;
        at = end + 1;
    }
    if (lines == 0) return SP_FAIL(err, SP_IO, "the supervisor ended without an answer");
    return SP_OK;
}

sp_status sp_supervisor_ask(const char *path, const char *command, const char *name, sp_dur timeout,
                            struct sp_supervisor_answer *answer, struct sp_err *err)
{
    int fd = -1;
    size_t len = 0;
    sp_status status = open_connection(path, &fd, err);

    if (status != SP_OK) return status;
    char *buf = malloc(ANSWER_BYTES_MAX);
    if (buf == NULL) status = SP_FAIL(err, SP_NO_MEMORY, "memory is exhausted");
    if (status == SP_OK) status = send_request(fd, command, name, err);
    if (status == SP_OK) status = read_answer(fd, timeout, buf, &len, err);
    if (status == SP_OK) status = parse_answer(buf, len, answer, err);
    free(buf);
    close(fd);
    return status;
}
