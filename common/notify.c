#include "common/notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int sp_notify_inherited(void)
{
    const char *text = getenv(SP_NOTIFY_FD_ENV);
    if (text == NULL || text[0] == '\0') return -1;

    char *end = NULL;
    errno = 0;
    long fd = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || fd < 0 || fd > INT32_MAX) return -1;

    /* A number that names something else must not be talked to: the variable may have been
     * inherited by a program that a person started from a service's environment. */
    int type = 0;
    socklen_t len = sizeof type;
    if (getsockopt((int)fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0) return -1;
    if (type != SOCK_SEQPACKET) return -1;

    int flags = fcntl((int)fd, F_GETFL);
    if (flags < 0 || fcntl((int)fd, F_SETFL, flags | O_NONBLOCK) != 0) return -1;
    if (fcntl((int)fd, F_SETFD, FD_CLOEXEC) != 0) return -1;
    return (int)fd;
}

void sp_notify_send(int fd, const char *fmt, ...)
{
    char text[SP_NOTIFY_TEXT_MAX];
    va_list ap;

    if (fd < 0) return;
    va_start(ap, fmt);
    int n = vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    if (n <= 0) return;
    size_t len = (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    while (send(fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 && errno == EINTR) {
    }
}

sp_status sp_notify_receive(int fd, char text[SP_NOTIFY_TEXT_MAX])
{
    ssize_t n;

    do {
        n = recv(fd, text, SP_NOTIFY_TEXT_MAX - 1, MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n < 0) return errno == EAGAIN ? SP_AGAIN : SP_CLOSED;
    /* Senders never write empty datagrams, so an empty one is the end of the file. */
    if (n == 0) return SP_CLOSED;
    text[n] = '\0';
    return SP_OK;
}
