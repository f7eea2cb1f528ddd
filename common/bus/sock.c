/* Options, and why (libzmq 4.3.4; each was a real failure of somebody):
 *
 *   LINGER 0            the library's default waits for ever at exit
 *   SNDHWM, RCVHWM      finite and per peer; only tuning: the bus replays what was dropped
 *   MAXMSGSIZE          the body is allocated from the claimed size before anything is checked
 *   HANDSHAKE_IVL 2 s   a peer that connects and says nothing holds a descriptor for 30 s otherwise
 *   RECONNECT_IVL 20 ms, up to 1 s
 *   IMMEDIATE 1         (DEALER) without a connection a send is refused, not kept for a peer that
 *                       may come much later: nobody expects that command any more
 *   ROUTER_MANDATORY 1  a peer that has gone is an error, not a silent drop
 *   XSUB, not SUB       SUB compares every message with its subscriptions once more; the publisher
 *                       has sent nothing else, and the bus looks at the stream's name anyway
 *   no HEARTBEAT_*      they abort a slow subscriber; the bus has its own
 *   no XPUB_NODROP      it stalls the publisher
 *
 * The context lives until the process ends: terminating it can hang, and the kernel closes
 * everything just as well. It is the one global here because sockets of one process must share the
 * I/O thread.
 *
 * Waiting: a socket's descriptor is edge-triggered and any call on the socket may consume the edge.
 * So `drained` remembers that the last call was a receive that found nothing, after which every new
 * message is announced by the descriptor; in every other case ZMQ_EVENTS is asked before waiting.
 */
#include "common/bus/sock.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <zmq.h>

#include "common/clock.h"

#define QUEUE_DEFAULT      10000
#define MESSAGE_DEFAULT    (INT64_C(1) << 20)
#define HANDSHAKE_MS       2000
#define RECONNECT_MS       20
#define RECONNECT_MS_MAX   1000
#define FOREIGN_PER_CALL   16
#define XSUB_SUBSCRIBE     1 /* before the name */
#define SCHEME             "ipc://"
#define SCHEME_LEN         (sizeof(SCHEME) - 1)
#define PATH_LEN_BYTES_MAX 107 /* sun_path without its NUL */

_Static_assert(sizeof(((struct sockaddr_un *)0)->sun_path) == PATH_LEN_BYTES_MAX + 1, "sun_path");

struct sp_sock {
    void *zmq;
    zmq_msg_t msg; /* always initialised: what receive last gave out */
    enum sp_sock_type type;
    int fd;
    bool drained;
    bool more; /* the last receive found a message: there may be another, and nobody has to ask */
};

static void *context;

static void make_context(void)
{
    context = zmq_ctx_new();
}

static sp_status check_endpoint(const char *endpoint, struct sp_err *err)
{
    if (strncmp(endpoint, SCHEME, SCHEME_LEN) != 0) {
        return SP_FAIL(err, SP_INVALID, "%s: only ipc:// endpoints are supported", endpoint);
    }
    size_t len = strlen(endpoint) - SCHEME_LEN;
    if (len == 0 || len > PATH_LEN_BYTES_MAX) {
        return SP_FAIL(err, SP_INVALID,
                       "%s: the path has %zu bytes, a socket allows 1 to %d: use a shorter run "
                       "directory",
                       endpoint, len, PATH_LEN_BYTES_MAX);
    }
    return SP_OK;
}

static bool set_int(void *zmq, int option, int value)
{
    return zmq_setsockopt(zmq, option, &value, sizeof(value)) == 0;
}

static bool set_options(void *zmq, enum sp_sock_type type, const struct sp_sock_options *options)
{
    static const struct sp_sock_options none;
    const struct sp_sock_options *o = options != NULL ? options : &none;
    int64_t max = o->message_max_bytes != 0 ? (int64_t)o->message_max_bytes : MESSAGE_DEFAULT;
    int queue = o->queue_max != 0 ? (int)o->queue_max : QUEUE_DEFAULT;

    bool ok = set_int(zmq, ZMQ_LINGER, 0) && set_int(zmq, ZMQ_SNDHWM, queue) &&
              set_int(zmq, ZMQ_RCVHWM, queue) && set_int(zmq, ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS) &&
              set_int(zmq, ZMQ_RECONNECT_IVL, RECONNECT_MS) &&
              set_int(zmq, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MS_MAX) &&
              zmq_setsockopt(zmq, ZMQ_MAXMSGSIZE, &max, sizeof(max)) == 0;
    if (type == SP_SOCK_DEALER) ok = ok && set_int(zmq, ZMQ_IMMEDIATE, 1);
    if (type == SP_SOCK_ROUTER) ok = ok && set_int(zmq, ZMQ_ROUTER_MANDATORY, 1);
    return ok;
}

static sp_status open_sock(enum sp_sock_type type, const struct sp_sock_options *options,
                           struct sp_sock **out, struct sp_err *err)
{
    static const int types[] = {[SP_SOCK_PUB] = ZMQ_PUB,
                                [SP_SOCK_SUB] = ZMQ_XSUB,
                                [SP_SOCK_ROUTER] = ZMQ_ROUTER,
                                [SP_SOCK_DEALER] = ZMQ_DEALER};
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sp_sock *sock = calloc(1, sizeof(*sock));

    SP_ASSERT(type <= SP_SOCK_DEALER);
    if (sock == NULL) return SP_FAIL(err, SP_NO_MEMORY, "socket");
    pthread_once(&once, make_context);
    if (context != NULL) sock->zmq = zmq_socket(context, types[type]);
    size_t len = sizeof(sock->fd);
    if (sock->zmq == NULL || !set_options(sock->zmq, type, options) ||
        zmq_getsockopt(sock->zmq, ZMQ_FD, &sock->fd, &len) != 0) {
        sp_status status = SP_FAIL(err, SP_IO, "socket: %s", zmq_strerror(zmq_errno()));
        if (sock->zmq != NULL) zmq_close(sock->zmq);
        free(sock);
        return status;
    }
    sock->type = type;
    zmq_msg_init(&sock->msg);
    *out = sock;
    return SP_OK;
}

sp_status sp_sock_bind(enum sp_sock_type type, const char *endpoint,
                       const struct sp_sock_options *options, struct sp_sock **out,
                       struct sp_err *err)
{
    struct sp_sock *sock = NULL;
    sp_status status = check_endpoint(endpoint, err);

    if (status != SP_OK) return status;
    status = open_sock(type, options, &sock, err);
    if (status != SP_OK) return status;
    if (zmq_bind(sock->zmq, endpoint) != 0) {
        status = SP_FAIL(err, SP_IO, "bind %s: %s", endpoint, zmq_strerror(zmq_errno()));
        sp_sock_close(sock);
        return status;
    }
    *out = sock;
    return SP_OK;
}

sp_status sp_sock_connect(enum sp_sock_type type, const char *endpoint,
                          const struct sp_sock_options *options, struct sp_sock **out,
                          struct sp_err *err)
{
    struct sp_sock *sock = NULL;
    sp_status status = check_endpoint(endpoint, err);

    if (status != SP_OK) return status;
    status = open_sock(type, options, &sock, err);
    if (status != SP_OK) return status;
    if (zmq_connect(sock->zmq, endpoint) != 0) {
        status = SP_FAIL(err, SP_IO, "connect %s: %s", endpoint, zmq_strerror(zmq_errno()));
        sp_sock_close(sock);
        return status;
    }
    *out = sock;
    return SP_OK;
}

void sp_sock_close(struct sp_sock *sock)
{
    if (sock == NULL) return;
    zmq_msg_close(&sock->msg);
    zmq_close(sock->zmq);
    free(sock);
}

sp_status sp_sock_subscribe(struct sp_sock *sock, const sp_name *stream, struct sp_err *err)
{
    uint8_t request[1 + SP_NAME_SIZE] = {XSUB_SUBSCRIBE};
    size_t len = strnlen(stream->s, SP_NAME_SIZE - 1);

    SP_ASSERT(sock->type == SP_SOCK_SUB);
    sock->drained = false;
    memcpy(request + 1, stream->s, len + 1);
    if (zmq_send(sock->zmq, request, len + 2, ZMQ_DONTWAIT) < 0) {
        return SP_FAIL(err, SP_IO, "subscribe %s: %s", stream->s, zmq_strerror(zmq_errno()));
    }
    return SP_OK;
}

bool sp_sock_is_listened(const char *endpoint)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (check_endpoint(endpoint, NULL) != SP_OK) return false;
    memcpy(address.sun_path, endpoint + SCHEME_LEN, strlen(endpoint) - SCHEME_LEN);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return false;
    int rc = connect(fd, (const struct sockaddr *)&address, sizeof(address));
    bool listened = rc == 0 || errno == EAGAIN; /* EAGAIN: its backlog is full */
    close(fd);
    return listened;
}

static sp_status send_status(int rc)
{
    if (rc >= 0) return SP_OK;
    if (zmq_errno() == EAGAIN) return SP_FULL;
    return zmq_errno() == EHOSTUNREACH ? SP_CLOSED : SP_IO;
}

sp_status sp_sock_send(struct sp_sock *sock, const void *buf, size_t len_bytes)
{
    SP_ASSERT(sock->type == SP_SOCK_PUB || sock->type == SP_SOCK_DEALER);
    sock->drained = false;
    return send_status(zmq_send(sock->zmq, buf, len_bytes, ZMQ_DONTWAIT));
}

sp_status sp_sock_send_to(struct sp_sock *sock, const struct sp_peer *peer, const void *buf,
                          size_t len_bytes)
{
    SP_ASSERT(sock->type == SP_SOCK_ROUTER);
    sock->drained = false;
    sp_status status =
        send_status(zmq_send(sock->zmq, peer->id, peer->len_bytes, ZMQ_DONTWAIT | ZMQ_SNDMORE));
    if (status != SP_OK) return status;
    /* The peer was routable a moment ago: the library takes or drops the rest of the message. */
    return send_status(zmq_send(sock->zmq, buf, len_bytes, ZMQ_DONTWAIT));
}

/* One copy, into memory of the library's, which it would make of a single buffer as well. */
static sp_status send_pieces(struct sp_sock *sock, const struct sp_pieces *p)
{
    zmq_msg_t msg;

    if (zmq_msg_init_size(&msg, p->head_len_bytes + p->tail_len_bytes) != 0) return SP_IO;
    uint8_t *data = zmq_msg_data(&msg);
    memcpy(data, p->head, p->head_len_bytes);
    memcpy(data + p->head_len_bytes, p->tail, p->tail_len_bytes);
    sp_status status = send_status(zmq_msg_send(&msg, sock->zmq, ZMQ_DONTWAIT));
    if (status != SP_OK) zmq_msg_close(&msg);
    return status;
}

sp_status sp_sock_send_pieces(struct sp_sock *sock, const struct sp_pieces *pieces)
{
    SP_ASSERT(sock->type == SP_SOCK_PUB || sock->type == SP_SOCK_DEALER);
    sock->drained = false;
    return send_pieces(sock, pieces);
}

sp_status sp_sock_send_pieces_to(struct sp_sock *sock, const struct sp_peer *peer,
                                 const struct sp_pieces *pieces)
{
    SP_ASSERT(sock->type == SP_SOCK_ROUTER);
    sock->drained = false;
    sp_status status =
        send_status(zmq_send(sock->zmq, peer->id, peer->len_bytes, ZMQ_DONTWAIT | ZMQ_SNDMORE));
    if (status != SP_OK) return status;
    return send_pieces(sock, pieces);
}

/* Drops what is left of a message. */
static void drop_rest(struct sp_sock *sock)
{
    while (zmq_msg_more(&sock->msg)) {
        if (zmq_msg_recv(&sock->msg, sock->zmq, ZMQ_DONTWAIT) < 0) return;
    }
}

/* One whole message: 1 = a single data frame is in sock->msg, 0 = not ours, dropped, -1 = error. */
static int receive_message(struct sp_sock *sock, struct sp_peer *peer)
{
    if (zmq_msg_recv(&sock->msg, sock->zmq, ZMQ_DONTWAIT) < 0) return -1;
    if (sock->type == SP_SOCK_ROUTER) {
        size_t len = zmq_msg_size(&sock->msg);
        if (len > sizeof(peer->id) || !zmq_msg_more(&sock->msg)) {
            drop_rest(sock);
            return 0;
        }
        peer->len_bytes = (uint8_t)len;
        memcpy(peer->id, zmq_msg_data(&sock->msg), len);
        if (zmq_msg_recv(&sock->msg, sock->zmq, ZMQ_DONTWAIT) < 0) return -1;
    }
    if (zmq_msg_more(&sock->msg)) {
        drop_rest(sock);
        return 0;
    }
    return 1;
}

sp_status sp_sock_receive(struct sp_sock *sock, struct sp_peer *peer, const uint8_t **frame,
                          size_t *len_bytes)
{
    SP_ASSERT(sock->type != SP_SOCK_ROUTER || peer != NULL);
    sock->drained = false;
    sock->more = false;
    for (int i = 0; i < FOREIGN_PER_CALL; i++) {
        int got = receive_message(sock, peer);
        if (got > 0) {
            *frame = zmq_msg_data(&sock->msg);
            *len_bytes = zmq_msg_size(&sock->msg);
            sock->more = true;
            return SP_OK;
        }
        if (got < 0 && zmq_errno() == EAGAIN) {
            sock->drained = true;
            return SP_AGAIN;
        }
        if (got < 0) return SP_IO;
    }
    return SP_AGAIN;
}

static bool is_readable(struct sp_sock *sock)
{
    int events = 0;
    size_t len = sizeof(events);

    if (zmq_getsockopt(sock->zmq, ZMQ_EVENTS, &events, &len) != 0) return false;
    bool readable = (events & ZMQ_POLLIN) != 0;
    sock->drained = !readable;
    return readable;
}

static int wait_for_fds(struct pollfd *fds, uint32_t count, sp_dur timeout)
{
    struct timespec ts = {.tv_sec = timeout.ns / SP_NS_PER_S, .tv_nsec = timeout.ns % SP_NS_PER_S};
    int rc = ppoll(fds, count, timeout.ns < 0 ? NULL : &ts, NULL);

    return rc < 0 && errno == EINTR ? 0 : rc;
}

sp_status sp_sock_poll(struct sp_poll_item *items, uint32_t count, sp_dur timeout,
                       struct sp_err *err)
{
    struct pollfd fds[SP_POLL_MAX];
    bool any = false;

    SP_ASSERT(count <= SP_POLL_MAX);
    for (uint32_t i = 0; i < count; i++) {
        struct sp_sock *sock = items[i].sock;
        fds[i] = (struct pollfd){.fd = sock != NULL ? sock->fd : items[i].fd, .events = POLLIN};
        items[i].readable = sock != NULL && (sock->more || (!sock->drained && is_readable(sock)));
        any = any || items[i].readable;
    }
    if (wait_for_fds(fds, count, any ? (sp_dur){0} : timeout) < 0) {
        return SP_FAIL(err, SP_IO, "poll failed");
    }
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].readable || fds[i].revents == 0) continue;
        items[i].readable = items[i].sock == NULL || is_readable(items[i].sock);
    }
    return SP_OK;
}
