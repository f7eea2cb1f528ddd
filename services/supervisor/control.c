#include "services/supervisor/control.h"

#include "proto/json.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_LINE_BYTES 2048

sp_status sp_control_open(struct sp_control *control, const char *path, struct sp_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (strlen(path) >= sizeof address.sun_path)
        return SP_FAIL(err, SP_INVALID, "%s: longer than %zu bytes; choose a shorter paths.run",
                       path, sizeof address.sun_path - 1);
    *control = (struct sp_control){.listen_fd = -1};
    for (int i = 0; i < SP_CONTROL_CLIENTS_MAX; i++) {
        control->clients[i].fd = -1;
    }
    snprintf(control->path, sizeof control->path, "%s", path);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (unlink(path) != 0 && errno != ENOENT)
        return SP_FAIL(err, SP_IO, "cannot replace %s: %s", path, strerror(errno));

    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t mask = umask(0177);
    bool ok = fd >= 0 && bind(fd, (const struct sockaddr *)&address, sizeof address) == 0 &&
              listen(fd, SP_CONTROL_CLIENTS_MAX) == 0;
    umask(mask);
    if (!ok) {
        SP_FAIL(err, SP_IO, "cannot listen on %s: %s", path, strerror(errno));
        if (fd >= 0) close(fd);
        return SP_IO;
    }
    control->listen_fd = fd;
    return SP_OK;
}

void sp_control_close(struct sp_control *control)
{
    if (control->path[0] == '\0') return;
    for (uint32_t i = 0; i < SP_CONTROL_CLIENTS_MAX; i++) {
        sp_control_end(control, i);
    }
    if (control->listen_fd >= 0) close(control->listen_fd);
    control->listen_fd = -1;
    unlink(control->path);
    control->path[0] = '\0';
}

int sp_control_accept(struct sp_control *control)
{
    int fd = accept4(control->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) return -1;
    for (int i = 0; i < SP_CONTROL_CLIENTS_MAX; i++) {
        if (control->clients[i].fd >= 0) continue;
        control->clients[i] = (struct sp_control_client){.fd = fd};
        return i;
    }
    close(fd);
    return -1;
}

sp_status sp_control_read(struct sp_control *control, uint32_t index,
                          struct sp_supervisor_request *out, struct sp_err *err)
{
    struct sp_control_client *client = &control->clients[index];

    if (client->fd < 0) return SP_CLOSED;
    size_t room = sizeof client->line - client->len_bytes;
    ssize_t n = recv(client->fd, client->line + client->len_bytes, room, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return SP_AGAIN;
    if (n <= 0) {
        sp_control_end(control, index);
        return SP_CLOSED;
    }
    /* A client that waits for its answer has nothing more to say. */
    if (client->wait != SP_CONTROL_IDLE) return SP_AGAIN;
    client->len_bytes += (size_t)n;
    const char *end = memchr(client->line, '\n', client->len_bytes);
    if (end == NULL) {
        if (client->len_bytes < sizeof client->line) return SP_AGAIN;
        return SP_FAIL(err, SP_INVALID, "a request is one line of at most %d bytes",
                       SP_CONTROL_LINE_MAX);
    }
    struct sp_supervisor_request request = {0};
    sp_status status = sp_json_decode_body(sp_schema_of(SP_DTO_supervisor_request), client->line,
                                           (size_t)(end - client->line), &request, err);
    if (status != SP_OK) return SP_INVALID;
    *out = request;
    return SP_OK;
}

void sp_control_send(struct sp_control *control, uint32_t index, enum sp_dto dto, const void *body)
{
    struct sp_control_client *client = &control->clients[index];
    char line[ANSWER_LINE_BYTES];
    size_t len = 0;

    if (client->fd < 0) return;
    sp_status status = sp_json_encode_body(sp_schema_of(dto), body, line, sizeof line - 1, &len);
    SP_ASSERT(status == SP_OK);
    line[len++] = '\n';
    if (send(client->fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)len)
        sp_control_end(control, index);
}

void sp_control_end(struct sp_control *control, uint32_t index)
{
    struct sp_control_client *client = &control->clients[index];

    if (client->fd < 0) return;
    close(client->fd);
    client->fd = -1;
    client->wait = SP_CONTROL_IDLE;
}
