/* Connections: accept, read, answer, close. An epoll of its own hangs in the service's loop as one
 * descriptor, so that a thousand connections cost the loop nothing while they are quiet.
 */
#include "common/http/http_internal.h"

#include "common/clock.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS_PER_ROUND 64
#define READ_BYTES       65536
#define HOUSEKEEPING_NS  (500 * SP_NS_PER_MS)
#define SLOT_BITS        16
struct connection {
    struct sp_http_server *server;
    uint64_t id; /* generation and slot; 0: free */
    uint32_t generation, slot;
    int fd;
    bool working;   /* its bytes are being worked through: no second time from within */
    bool answering; /* a request waits for its reply */
    bool keep;      /* keep-alive of that request */
    bool ending;    /* close once everything is sent */
    bool dead;      /* close now */
    bool wants_out; /* epoll watches for room */
    bool unsent;    /* in server->unsent */
    struct http_parse *parse;
    struct http_socket *socket; /* NULL: HTTP */
    char *in;                   /* read but not yet parsed: pipelined requests */
    size_t in_bytes;
    char *out;
    size_t out_bytes, sent_bytes, out_room;
    sp_mono since;  /* HTTP: the request began; WebSocket: the last ping was sent */
    bool ping_open; /* no pong came since */
};

struct sp_http_server {
    struct sp_loop *loop;
    struct sp_timer *timer;
    struct sp_http_options options;
    struct sp_http_handlers handlers;
    struct sp_http_stats stats;
    int listener, epoll;
    uint16_t port;
    struct connection **slots;
    uint32_t slot_count; /* used so far */
    uint32_t *free_slots;
    uint32_t free_count;
    struct connection **unsent; /* with texts that leave when the loop's callback is over */
    uint32_t unsent_count;
    bool deaf; /* no descriptor was free for another connection: until the next housekeeping */
    char buf[READ_BYTES];
};

/* ---- Connections ---- */

static struct connection *find(const struct sp_http_server *server, uint64_t id)
{
    uint64_t slot = id & ((1U << SLOT_BITS) - 1);

    if (id == 0 || slot >= server->slot_count) return NULL;
    struct connection *c = server->slots[slot];
    return c->id == id && !c->dead ? c : NULL;
}

static void drop_unsent(struct connection *c)
{
    struct sp_http_server *server = c->server;
    uint32_t at = 0;

    if (!c->unsent) return;
    while (server->unsent[at] != c)
        at++;
    server->unsent[at] = server->unsent[--server->unsent_count];
    c->unsent = false;
}

static struct connection *take_slot(struct sp_http_server *server)
{
    if (server->free_count > 0) return server->slots[server->free_slots[--server->free_count]];
    if (server->slot_count == server->options.connections_max) return NULL;
    struct connection *c = calloc(1, sizeof *c);
    if (c == NULL) return NULL;
    c->server = server;
    c->slot = server->slot_count;
    server->slots[server->slot_count++] = c;
    return c;
}

/* It is released in its next turn, which this brings about: an owner that walks a list of
 * connections is not called back from within. */
static void doom(struct connection *c)
{
    if (c->dead) return;
    c->dead = true;
    shutdown(c->fd, SHUT_RDWR);
}

static void release(struct connection *c)
{
    struct sp_http_server *server = c->server;
    uint64_t id = c->id;
    bool was_socket = c->socket != NULL;

    drop_unsent(c);
    c->id = 0;
    close(c->fd);
    sp_http_parse_close(c->parse);
    sp_http_socket_close(c->socket);
    free(c->in);
    free(c->out);
    *c = (struct connection){.server = server, .generation = c->generation, .slot = c->slot};
    server->free_slots[server->free_count++] = c->slot;
    server->stats.connections--;
    if (!was_socket) return;
    server->stats.sockets--;
    if (server->handlers.on_closed != NULL) server->handlers.on_closed(server->handlers.ctx, id);
}

/* ---- Out ---- */

static void watch(struct connection *c, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0U), .data = {.ptr = c}};

    if (c->wants_out == out) return;
    c->wants_out = out;
    if (epoll_ctl(c->server->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0) doom(c);
}

static void flush(struct connection *c)
{
    while (c->sent_bytes < c->out_bytes) {
        ssize_t n = send(c->fd, c->out + c->sent_bytes, c->out_bytes - c->sent_bytes,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) break;
        if (n <= 0) {
            doom(c);
            return;
        }
        c->sent_bytes += (size_t)n;
    }
    bool all = c->sent_bytes == c->out_bytes;
    if (all) c->sent_bytes = c->out_bytes = 0;
    if (all && c->ending) {
        doom(c);
        return;
    }
    watch(c, !all);
}

/* False: the peer does not read, or memory is exhausted; the connection is dead then. */
static bool put(void *ctx, const uint8_t *bytes, size_t len_bytes)
{
    struct connection *c = ctx;
    struct sp_http_server *server = c->server;

    if (c->sent_bytes > 0) {
        memmove(c->out, c->out + c->sent_bytes, c->out_bytes - c->sent_bytes);
        c->out_bytes -= c->sent_bytes;
        c->sent_bytes = 0;
    }
    /* A single answer may be larger than the bound; what piles up behind it may not. */
    if (c->out_bytes > server->options.unsent_bytes_max && c->unsent) flush(c);
    if (c->dead || c->out_bytes > server->options.unsent_bytes_max) {
        server->stats.too_slow++;
        doom(c);
        return false;
    }
    if (c->out_bytes + len_bytes > c->out_room) {
        size_t room = 2 * (c->out_bytes + len_bytes);
        char *out = realloc(c->out, room);
        if (out == NULL) {
            doom(c);
            return false;
        }
        c->out = out;
        c->out_room = room;
    }
    memcpy(c->out + c->out_bytes, bytes, len_bytes);
    c->out_bytes += len_bytes;
    return true;
}

static void flush_unsent(void *ctx)
{
    struct sp_http_server *server = ctx;

    while (server->unsent_count > 0) {
        struct connection *c = server->unsent[--server->unsent_count];
        c->unsent = false;
        if (!c->dead) flush(c);
    }
}

/* Texts of one callback leave together: a feed at full speed has many for each connection. */
static void flush_soon(struct connection *c)
{
    struct sp_http_server *server = c->server;

    if (c->unsent) return;
    c->unsent = true;
    server->unsent[server->unsent_count++] = c;
    if (!sp_loop_defer(server->loop, flush_unsent, server)) flush_unsent(server);
}

static bool put_reply(struct connection *c, const struct sp_http_reply *reply)
{
    char head[HTTP_REPLY_HEAD_BYTES];
    size_t len_bytes = sp_http_reply_head(reply, c->keep, head);

    return put(c, (const uint8_t *)head, len_bytes) &&
           (reply->body_bytes == 0 || put(c, (const uint8_t *)reply->body, reply->body_bytes));
}

/* ---- In ---- */

static void on_text(void *ctx, const char *text, size_t len_bytes)
{
    struct connection *c = ctx;
    struct sp_http_server *server = c->server;

    if (c->dead || c->ending) return;
    server->handlers.on_text(server->handlers.ctx, c->id, text, len_bytes);
}

static void on_control(void *ctx, bool is_pong)
{
    struct connection *c = ctx;
    const struct sp_http_handlers *handlers = &c->server->handlers;

    if (is_pong) c->ping_open = false;
    if (handlers->on_control != NULL && !c->dead && !c->ending)
        handlers->on_control(handlers->ctx, c->id);
}

/* Answers the handshake; false if the request is none after all. */
static bool become_socket(struct connection *c, const struct sp_http_request *request)
{
    struct sp_http_server *server = c->server;
    const char *key = sp_http_header(request, "Sec-WebSocket-Key");
    const char *version = sp_http_header(request, "Sec-WebSocket-Version");
    struct http_socket_callbacks callbacks = {c, put, on_text, on_control};
    char head[HTTP_REPLY_HEAD_BYTES];

    if (key == NULL || version == NULL || strcmp(version, "13") != 0) return false;
    size_t len_bytes = sp_http_socket_head(key, head);
    if (len_bytes == 0) return false;
    c->socket = sp_http_socket_open(&callbacks, server->options.body_bytes_max);
    if (c->socket == NULL) return false;
    server->stats.sockets++;
    c->since = sp_clock_mono();
    return put(c, (const uint8_t *)head, len_bytes);
}

static void take_request(struct connection *c)
{
    struct sp_http_server *server = c->server;
    struct sp_http_request request = {.connection = c->id};

    sp_http_parse_request(c->parse, &request);
    server->stats.requests++;
    c->keep = sp_http_parse_keeps_alive(c->parse);
    bool upgrades = sp_http_parse_wants_socket(c->parse) && request.method == SP_HTTP_GET &&
                    server->handlers.on_upgrade != NULL;
    if (upgrades) c->keep = false;
    if (upgrades && server->handlers.on_upgrade(server->handlers.ctx, &request) &&
        become_socket(c, &request)) {
        return;
    }
    c->answering = true;
    server->handlers.on_request(server->handlers.ctx, &request);
}

static void refuse_bytes(struct connection *c)
{
    struct sp_http_reply reply = {.status = sp_http_parse_bad_status(c->parse),
                                  .type = "text/plain"};

    c->server->stats.malformed++;
    c->keep = false;
    c->ending = true;
    SP_IGNORE(!put_reply(c, &reply)); /* it is closed either way */
}

/* Works through the bytes: as many requests as are answered at once. Returns how many were used. */
static size_t work(struct connection *c, const char *bytes, size_t len_bytes)
{
    size_t at = 0;

    c->working = true;
    while (at < len_bytes && !c->dead && !c->ending && !c->answering) {
        size_t used = 0;
        if (c->socket != NULL) {
            const uint8_t *rest = (const uint8_t *)bytes + at;
            if (!sp_http_socket_feed(c->socket, rest, len_bytes - at)) c->ending = true;
            at = len_bytes;
            break;
        }
        enum http_parsed parsed = sp_http_parse_feed(c->parse, bytes + at, len_bytes - at, &used);
        at += used;
        if (parsed == HTTP_PARSE_REQUEST) take_request(c);
        if (parsed == HTTP_PARSE_BAD) refuse_bytes(c);
    }
    c->working = false;
    return at;
}

/* Keeps what comes behind a request that waits for its reply. */
static void keep_rest(struct connection *c, const char *rest, size_t len_bytes)
{
    if (len_bytes == 0 || c->dead || c->ending) return;
    if (c->in_bytes + len_bytes > c->server->options.unsent_bytes_max) {
        c->server->stats.too_slow++;
        doom(c);
        return;
    }
    char *in = realloc(c->in, c->in_bytes + len_bytes);
    if (in == NULL) {
        doom(c);
        return;
    }
    memcpy(in + c->in_bytes, rest, len_bytes);
    c->in = in;
    c->in_bytes += len_bytes;
}

static void take_bytes(struct connection *c, const char *bytes, size_t len_bytes)
{
    if (c->in_bytes > 0 || c->answering) {
        keep_rest(c, bytes, len_bytes);
        return;
    }
    if (c->socket == NULL && !sp_http_parse_is_midway(c->parse)) c->since = sp_clock_mono();
    size_t used = work(c, bytes, len_bytes);
    keep_rest(c, bytes + used, len_bytes - used);
}

/* After a reply: what was read meanwhile. */
static void work_on_rest(struct connection *c)
{
    char *in = c->in;
    size_t in_bytes = c->in_bytes;

    if (c->working || in_bytes == 0) return;
    c->in = NULL;
    c->in_bytes = 0;
    size_t used = work(c, in, in_bytes);
    keep_rest(c, in + used, in_bytes - used);
    free(in);
}

static void read_all(struct connection *c)
{
    struct sp_http_server *server = c->server;

    ssize_t n = recv(c->fd, server->buf, sizeof server->buf, MSG_DONTWAIT);
    if (n > 0) {
        take_bytes(c, server->buf, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
        doom(c);
    }
}

/* The end of every turn of a connection. */
static void settle(struct connection *c)
{
    if (!c->dead) flush(c);
    if (c->dead) release(c);
}

/* Watched while nobody can be accepted, it would keep the loop turning. */
static void listen_again(struct sp_http_server *server, bool again)
{
    struct epoll_event event = {.events = again ? EPOLLIN : 0U, .data = {.ptr = NULL}};

    server->deaf = !again;
    server->stats.refused += server->deaf;
    if (epoll_ctl(server->epoll, EPOLL_CTL_MOD, server->listener, &event) != 0) server->deaf = true;
}

static void accept_all(struct sp_http_server *server)
{
    for (uint32_t i = 0; i < EVENTS_PER_ROUND; i++) {
        int fd = accept4(server->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
                listen_again(server, false);
            return;
        }
        struct connection *c = take_slot(server);
        struct http_parse *parse =
            c != NULL ? sp_http_parse_open(server->options.body_bytes_max) : NULL;
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = c}};
        if (parse == NULL || epoll_ctl(server->epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
            if (c != NULL) server->free_slots[server->free_count++] = c->slot;
            sp_http_parse_close(parse);
            close(fd);
            server->stats.refused++;
            continue;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        c->id = (uint64_t)++c->generation << SLOT_BITS | c->slot;
        c->fd = fd;
        c->parse = parse;
        c->since = sp_clock_mono();
        server->stats.accepted++;
        server->stats.connections++;
    }
}

static void on_ready(void *ctx)
{
    struct sp_http_server *server = ctx;
    struct epoll_event events[EVENTS_PER_ROUND];

    int count = epoll_wait(server->epoll, events, EVENTS_PER_ROUND, 0);
    for (int i = 0; i < count; i++) {
        struct connection *c = events[i].data.ptr;
        if (c == NULL) {
            accept_all(server);
            continue;
        }
        if (c->id == 0) continue; /* released in this round */
        if (!c->dead && (events[i].events & ~(uint32_t)EPOLLOUT) != 0) read_all(c);
        settle(c);
    }
}

/* A request that does not arrive, or none after the last answer. */
static bool is_late(const struct connection *c, int64_t age_ns)
{
    const struct sp_http_options *options = &c->server->options;

    if (sp_http_parse_is_midway(c->parse)) return age_ns > options->request_time.ns;
    return !c->answering && c->in_bytes == 0 && age_ns > options->idle_time.ns;
}

static void on_housekeeping(void *ctx)
{
    struct sp_http_server *server = ctx;
    sp_mono now = sp_clock_mono();

    if (server->deaf) listen_again(server, true);
    for (uint32_t i = 0; i < server->slot_count; i++) {
        struct connection *c = server->slots[i];
        if (c->id == 0) continue;
        int64_t age = sp_mono_since(now, c->since).ns;
        if (c->socket == NULL) {
            if (is_late(c, age)) server->stats.timed_out++;
            if (is_late(c, age)) doom(c);
        } else if (c->ping_open) {
            if (age > server->options.pong_within.ns) doom(c);
        } else if (age > server->options.ping_every.ns) {
            c->since = now;
            c->ping_open = true;
            if (!sp_http_socket_ping(c->socket)) doom(c);
        }
        settle(c);
    }
}

/* ---- Life ---- */

static sp_status watch_listener(struct sp_http_server *server, struct sp_err *err)
{
    struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = NULL}};
    sp_status status = sp_http_listen(&server->options, &server->listener, &server->port, err);

    if (status != SP_OK) return status;
    server->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (server->epoll < 0 ||
        epoll_ctl(server->epoll, EPOLL_CTL_ADD, server->listener, &event) != 0) {
        return SP_FAIL(err, SP_IO, "epoll: %s", strerror(errno));
    }
    return SP_OK;
}

sp_status sp_http_server_open(struct sp_loop *loop, const struct sp_http_options *options,
                              const struct sp_http_handlers *handlers, struct sp_http_server **out,
                              struct sp_err *err)
{
    struct sp_http_server *server = calloc(1, sizeof *server);
    sp_dur every = {HOUSEKEEPING_NS};

    if (server == NULL) return SP_FAIL(err, SP_NO_MEMORY, "http server");
    server->loop = loop;
    server->listener = server->epoll = -1;
    server->options = *options;
    server->handlers = *handlers;
    sp_http_set_defaults(&server->options);
    SP_ASSERT(server->options.connections_max < 1U << SLOT_BITS);
    uint32_t max = server->options.connections_max;
    server->slots = calloc(max, sizeof *server->slots);
    server->free_slots = calloc(max, sizeof *server->free_slots);
    server->unsent = calloc(max, sizeof(struct connection *));
    sp_status status = server->slots != NULL && server->free_slots != NULL && server->unsent != NULL
                           ? watch_listener(server, err)
                           : SP_FAIL(err, SP_NO_MEMORY, "http server");
    if (status == SP_OK) status = sp_loop_add_fd(loop, server->epoll, on_ready, server);
    if (status == SP_OK) {
        status = sp_loop_add_timer(loop, every, every, on_housekeeping, server, &server->timer);
    }
    if (status != SP_OK) {
        sp_http_server_close(server);
        return status;
    }
    *out = server;
    return SP_OK;
}

void sp_http_server_close(struct sp_http_server *server)
{
    if (server == NULL) return;
    server->handlers.on_closed = NULL;
    for (uint32_t i = 0; i < server->slot_count; i++) {
        if (server->slots[i]->id != 0) release(server->slots[i]);
        free(server->slots[i]);
    }
    sp_timer_cancel(server->timer);
    sp_loop_cancel_deferred(server->loop, flush_unsent, server);
    if (server->epoll >= 0) {
        sp_loop_remove_fd(server->loop, server->epoll);
        close(server->epoll);
    }
    if (server->listener >= 0) close(server->listener);
    free(server->slots);
    free(server->free_slots);
    free(server->unsent);
    free(server);
}

/* ---- What the owner calls ---- */

sp_status sp_http_reply(struct sp_http_server *server, uint64_t connection,
                        const struct sp_http_reply *reply)
{
    struct connection *c = find(server, connection);

    if (c == NULL) return SP_CLOSED;
    SP_ASSERT(c->answering);
    c->answering = false;
    if (!put_reply(c, reply)) return SP_FULL;
    if (!c->keep) c->ending = true;
    c->since = sp_clock_mono();
    if (c->working) return SP_OK; /* sent once, after all that came together */
    flush(c);
    work_on_rest(c);
    if (!c->dead) flush(c); /* what was answered at once behind it */
    return SP_OK;
}

sp_status sp_http_send_text(struct sp_http_server *server, uint64_t connection, const char *text,
                            size_t len_bytes)
{
    struct connection *c = find(server, connection);

    if (c == NULL || c->socket == NULL || c->ending) return SP_CLOSED;
    if (!sp_http_socket_text(c->socket, text, len_bytes)) {
        doom(c);
        return SP_FULL;
    }
    if (!c->working) flush_soon(c);
    return SP_OK;
}

void sp_http_close_socket(struct sp_http_server *server, uint64_t connection, uint16_t code)
{
    struct connection *c = find(server, connection);

    if (c == NULL || c->socket == NULL || c->ending) return;
    if (!sp_http_socket_end(c->socket, code)) doom(c);
    c->ending = true;
    if (!c->dead) flush(c);
}

void sp_http_drop(struct sp_http_server *server, uint64_t connection)
{
    struct connection *c = find(server, connection);

    if (c != NULL) doom(c);
}

struct sp_http_stats sp_http_server_stats(const struct sp_http_server *server)
{
    return server->stats;
}

uint16_t sp_http_server_port(const struct sp_http_server *server)
{
    return server->port;
}
