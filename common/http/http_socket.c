/* A WebSocket (RFC 6455) between two byte queues. The only module that knows wslay. */
#include "common/http/http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/types.h>

#include <wslay/wslay.h>

struct http_socket {
    struct http_socket_callbacks callbacks;
    wslay_event_context_ptr wslay;
    const uint8_t *in;
    size_t in_bytes;
    bool as_client; /* its frames are masked */
};

static ssize_t take(wslay_event_context_ptr wslay, uint8_t *buf, size_t room, int flags, void *ctx)
{
    struct http_socket *socket = ctx;

    (void)flags;
    if (socket->in_bytes == 0) {
        wslay_event_set_error(wslay, WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = room < socket->in_bytes ? room : socket->in_bytes;
    memcpy(buf, socket->in, n);
    socket->in += n;
    socket->in_bytes -= n;
    return (ssize_t)n;
}

static ssize_t put(wslay_event_context_ptr wslay, const uint8_t *bytes, size_t len_bytes, int flags,
                   void *ctx)
{
    struct http_socket *socket = ctx;

    (void)flags;
    if (!socket->callbacks.put(socket->callbacks.ctx, bytes, len_bytes)) {
        wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)len_bytes;
}

static void on_message(wslay_event_context_ptr wslay,
                       const struct wslay_event_on_msg_recv_arg *message, void *ctx)
{
    struct http_socket *socket = ctx;

    (void)wslay;
    if (message->opcode == WSLAY_TEXT_FRAME) {
        const char *text = message->msg_length > 0 ? (const char *)message->msg : "";
        socket->callbacks.on_text(socket->callbacks.ctx, text, message->msg_length);
    } else if (message->opcode == WSLAY_PING || message->opcode == WSLAY_PONG) {
        socket->callbacks.on_control(socket->callbacks.ctx, message->opcode == WSLAY_PONG);
    }
}

/* A client's frames are masked, so that no proxy takes what they hold for a request. */
static int make_mask(wslay_event_context_ptr wslay, uint8_t *buf, size_t len_bytes, void *ctx)
{
    (void)ctx;
    if (getrandom(buf, len_bytes, 0) == (ssize_t)len_bytes) return 0;
    wslay_event_set_error(wslay, WSLAY_ERR_CALLBACK_FAILURE);
    return -1;
}

static struct http_socket *open_socket(const struct http_socket_callbacks *callbacks,
                                       size_t message_bytes_max, bool as_client)
{
    static const struct wslay_event_callbacks events = {.recv_callback = take,
                                                        .send_callback = put,
                                                        .genmask_callback = make_mask,
                                                        .on_msg_recv_callback = on_message};
    struct http_socket *socket = calloc(1, sizeof *socket);

    if (socket == NULL) return NULL;
    socket->callbacks = *callbacks;
    socket->as_client = as_client;
    int failed = as_client ? wslay_event_context_client_init(&socket->wslay, &events, socket)
                           : wslay_event_context_server_init(&socket->wslay, &events, socket);
    if (failed != 0) {
        free(socket);
        return NULL;
    }
    wslay_event_config_set_max_recv_msg_length(socket->wslay, message_bytes_max);
    return socket;
}

struct http_socket *sp_http_socket_open(const struct http_socket_callbacks *callbacks,
                                        size_t message_bytes_max)
{
    return open_socket(callbacks, message_bytes_max, false);
}

struct http_socket *sp_http_socket_open_client(const struct http_socket_callbacks *callbacks,
                                               size_t message_bytes_max)
{
    return open_socket(callbacks, message_bytes_max, true);
}

void sp_http_socket_close(struct http_socket *socket)
{
    if (socket == NULL) return;
    wslay_event_context_free(socket->wslay);
    free(socket);
}

bool sp_http_socket_feed(struct http_socket *socket, const uint8_t *bytes, size_t len_bytes)
{
    socket->in = bytes;
    socket->in_bytes = len_bytes;
    bool fine = wslay_event_recv(socket->wslay) == 0;
    socket->in_bytes = 0;
    /* Pongs and close frames were queued by the library, which reads no more once the peer has
     * closed or broken the protocol. */
    return wslay_event_send(socket->wslay) == 0 && fine &&
           wslay_event_get_read_enabled(socket->wslay) != 0;
}

static bool queue_text(struct http_socket *socket, const char *text, size_t len_bytes)
{
    struct wslay_event_msg message = {.opcode = WSLAY_TEXT_FRAME,
                                      .msg = (const uint8_t *)text,
                                      .msg_length = len_bytes};

    return wslay_event_queue_msg(socket->wslay, &message) == 0 &&
           wslay_event_send(socket->wslay) == 0;
}

/* A server's is written here: the library copies each message into memory of its own first. Nothing
 * of it waits in between, since what is put is always taken whole. */
bool sp_http_socket_text(struct http_socket *socket, const char *text, size_t len_bytes)
{
    uint8_t head[10] = {0x80 | WSLAY_TEXT_FRAME};
    unsigned width = len_bytes < 126 ? 0 : len_bytes <= UINT16_MAX ? 2 : 8;

    if (socket->as_client) return queue_text(socket, text, len_bytes);
    head[1] = (uint8_t)(width == 0 ? len_bytes : width == 2 ? 126 : 127);
    for (unsigned i = 0; i < width; i++)
        head[2 + i] = (uint8_t)(len_bytes >> (8 * (width - 1 - i)));
    return socket->callbacks.put(socket->callbacks.ctx, head, 2 + width) &&
           (len_bytes == 0 ||
            socket->callbacks.put(socket->callbacks.ctx, (const uint8_t *)text, len_bytes));
}

bool sp_http_socket_ping(struct http_socket *socket)
{
    struct wslay_event_msg message = {.opcode = WSLAY_PING, .msg = (const uint8_t *)""};

    return wslay_event_queue_msg(socket->wslay, &message) == 0 &&
           wslay_event_send(socket->wslay) == 0;
}

bool sp_http_socket_end(struct http_socket *socket, uint16_t code)
{
    return wslay_event_queue_close(socket->wslay, code, NULL, 0) == 0 &&
           wslay_event_send(socket->wslay) == 0;
}
