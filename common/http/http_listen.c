/* Where a server listens, and the bounds it has if none are given. */
#include "common/http/http_internal.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 256

void sp_http_set_defaults(struct sp_http_options *options)
{
    if (options->connections_max == 0) options->connections_max = 1200;
    if (options->body_bytes_max == 0) options->body_bytes_max = (size_t)64 * 1024;
    if (options->unsent_bytes_max == 0) options->unsent_bytes_max = (size_t)1024 * 1024;
    if (options->request_time.ns == 0) options->request_time.ns = 10 * SP_NS_PER_S;
    if (options->idle_time.ns == 0) options->idle_time.ns = 75 * SP_NS_PER_S;
    if (options->ping_every.ns == 0) options->ping_every.ns = 20 * SP_NS_PER_S;
    if (options->pong_within.ns == 0) options->pong_within.ns = 60 * SP_NS_PER_S;
}

sp_status sp_http_listen(const struct sp_http_options *options, int *out, uint16_t *port,
                         struct sp_err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(options->port)};
    struct sockaddr *at = (struct sockaddr *)&address;
    socklen_t len = sizeof address;
    sp_status status = SP_OK;
    int on = 1;

    if (inet_pton(AF_INET, options->host, &address.sin_addr) != 1 ||
        ntohl(address.sin_addr.s_addr) >> 24 != 127) {
        return SP_FAIL(err, SP_CONFIG, "%s is no loopback address; use 127.0.0.1", options->host);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return SP_FAIL(err, SP_IO, "socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at, len) != 0 || listen(fd, BACKLOG) != 0) {
        status = SP_FAIL(err, SP_CONFIG, "port %u of %s cannot be used (%s); set another one",
                         options->port, options->host, strerror(errno));
    } else if (getsockname(fd, at, &len) != 0) {
        status = SP_FAIL(err, SP_IO, "getsockname: %s", strerror(errno));
    }
    if (status != SP_OK) {
        close(fd);
        return status;
    }
    *out = fd;
    *port = ntohs(address.sin_port);
    return SP_OK;
}
