#include "sockets.h"

#include "common/bus/sock.h"
#include "files.h"
#include "memory.h"

#include <stdio.h>
#include <string.h>

#define SUBSCRIPTIONS_MAX 64
#define ENDPOINT_SIZE     128
#define QUEUE_DEFAULT     10000
#define RECONNECT_NS      (20 * SIM_MS)
#define RECONNECT_NS_MAX  SIM_S
#define HANDSHAKE_NS      SIM_MS

struct packet {
    uint32_t holders; /* queues it is in, and the socket that has given it out */
    size_t len;
    uint8_t bytes[];
};

struct queued {
    int64_t at;
    struct packet *packet;
};

/* One direction of a connection. */
struct queue {
    size_t first, count, room;
    struct queued *at;
    int64_t last_at;
};

struct pipe {
    uint64_t id;                       /* what a ROUTER calls the peer; 0: free */
    struct sp_sock *bound, *connected; /* NULL: that side has closed */
    struct queue to_bound, to_connected;
};

struct sp_sock {
    struct sp_sock *next;
    struct sim_proc *proc;
    uint64_t id;
    enum sp_sock_type type;
    bool is_bound;
    char endpoint[ENDPOINT_SIZE], peer_name[SIM_NAME_SIZE];
    size_t queue_max;
    uint32_t subscription_count;
    sp_name subscriptions[SUBSCRIPTIONS_MAX];
    size_t pipe_count, pipe_room;
    struct pipe **pipes;
    struct packet *given; /* what receive gave out last */
    /* The connection whose oldest message arrived first, and when that is; NULL, SIM_NEVER: none.
     * Looked up when something has changed. */
    struct pipe *next_pipe;
    int64_t next_at;
    bool changed;
    int64_t retry_ns;
    struct sim_fiber *poller;
};

static struct {
    struct sp_sock *socks;
    uint64_t last_id, last_pipe;
    sim_fate_fn *fate;
    sim_cost_fn *turn, *travel;
    struct sim_socket_stats stats;
} net;

/* ---- Queues ---- */

static void drop_packet(struct packet *packet)
{
    if (packet != NULL && --packet->holders == 0) sim_free(packet);
}

static struct packet *make_packet(const void *bytes, size_t len)
{
    struct packet *packet = sim_alloc(sizeof *packet + len);

    packet->holders = 1; /* the sender, for now */
    packet->len = len;
    memcpy(packet->bytes, bytes, len);
    return packet;
}

static void push(struct queue *queue, struct packet *packet, int64_t at, bool overtakes)
{
    if (queue->first + queue->count == queue->room) {
        if (queue->first > queue->room / 2) {
            memmove(queue->at, queue->at + queue->first, queue->count * sizeof *queue->at);
        } else {
            struct queued *grown = sim_alloc((queue->room * 2 + 32) * sizeof *grown);
            if (queue->count > 0)
                memcpy(grown, queue->at + queue->first, queue->count * sizeof *grown);
            sim_free(queue->at);
            queue->at = grown;
            queue->room = queue->room * 2 + 32;
        }
        queue->first = 0;
    }
    if (at <= queue->last_at) at = queue->last_at + 1;
    struct queued *slot = &queue->at[queue->first + queue->count++];
    *slot = (struct queued){.at = at, .packet = packet};
    packet->holders++;
    queue->last_at = at;
    if (overtakes && queue->count > 1) {
        struct packet *before = slot[-1].packet;
        slot[-1].packet = slot->packet;
        slot->packet = before;
    }
}

static struct packet *pull(struct queue *queue)
{
    struct packet *packet = queue->at[queue->first++].packet;

    queue->count--;
    return packet;
}

static void cut_queue(struct queue *queue, size_t keep)
{
    while (queue->count > keep)
        drop_packet(queue->at[queue->first + --queue->count].packet);
}

static struct queue *inbox(struct pipe *pipe, const struct sp_sock *sock)
{
    return pipe->bound == sock ? &pipe->to_bound : &pipe->to_connected;
}

/* ---- Connections ---- */

static void free_pipe(struct pipe *pipe)
{
    cut_queue(&pipe->to_bound, 0);
    cut_queue(&pipe->to_connected, 0);
    sim_free(pipe->to_bound.at);
    sim_free(pipe->to_connected.at);
    sim_free(pipe);
}

static void forget_pipe(struct sp_sock *sock, const struct pipe *pipe)
{
    for (size_t i = 0; i < sock->pipe_count; i++) {
        if (sock->pipes[i] != pipe) continue;
        memmove(&sock->pipes[i], &sock->pipes[i + 1],
                (sock->pipe_count - i - 1) * sizeof *sock->pipes);
        sock->pipe_count--;
        sock->changed = true;
        return;
    }
}

static void add_pipe(struct sp_sock *sock, struct pipe *pipe)
{
    sock->changed = true;
    if (sock->pipe_count == sock->pipe_room) {
        sock->pipe_room = sock->pipe_room * 2 + 4;
        sock->pipes = sim_grow(sock->pipes, sock->pipe_room * sizeof *sock->pipes);
    }
    sock->pipes[sock->pipe_count++] = pipe;
}

static struct sp_sock *by_id(uint64_t id)
{
    for (struct sp_sock *sock = net.socks; sock != NULL; sock = sock->next) {
        if (sock->id == id) return sock;
    }
    return NULL;
}

static struct sp_sock *bound_at(const char *endpoint)
{
    for (struct sp_sock *sock = net.socks; sock != NULL; sock = sock->next) {
        if (sock->is_bound && strcmp(sock->endpoint, endpoint) == 0) return sock;
    }
    return NULL;
}

static bool has_peer(const struct sp_sock *sock)
{
    for (size_t i = 0; i < sock->pipe_count; i++) {
        if (sock->pipes[i]->bound != NULL) return true;
    }
    return false;
}

static void try_connect(void *ctx)
{
    struct sp_sock *sock = by_id((uint64_t)(uintptr_t)ctx);

    if (sock == NULL || has_peer(sock)) return;
    struct sp_sock *peer = bound_at(sock->endpoint);
    if (peer == NULL) {
        sim_at(sim_now() + sock->retry_ns, try_connect, ctx);
        sock->retry_ns *= 2;
        if (sock->retry_ns > RECONNECT_NS_MAX) sock->retry_ns = RECONNECT_NS_MAX;
        return;
    }
    struct pipe *pipe = sim_alloc(sizeof *pipe);
    *pipe = (struct pipe){.id = ++net.last_pipe, .bound = peer, .connected = sock};
    add_pipe(sock, pipe);
    add_pipe(peer, pipe);
    net.stats.connects++;
    sock->retry_ns = RECONNECT_NS;
}

/* One side closes. What was under way to the other may still arrive, up to some message. */
static void close_side(struct pipe *pipe, struct sp_sock *sock)
{
    bool is_bound = pipe->bound == sock;
    struct sp_sock *other = is_bound ? pipe->connected : pipe->bound;
    struct queue *out = is_bound ? &pipe->to_connected : &pipe->to_bound;

    cut_queue(inbox(pipe, sock), 0);
    if (is_bound) pipe->bound = NULL;
    if (!is_bound) pipe->connected = NULL;
    if (other == NULL) {
        free_pipe(pipe);
        return;
    }
    cut_queue(out, sim_random_below(sim_chance(), out->count + 1));
    other->changed = true;
    if (is_bound) {
        sim_at(sim_now() + RECONNECT_NS, try_connect, (void *)(uintptr_t)other->id);
    }
    if (out->count == 0) {
        forget_pipe(other, pipe);
        free_pipe(pipe);
    }
}

/* A connection whose other side has gone and that has nothing left. */
static void tidy(struct sp_sock *sock)
{
    for (size_t i = sock->pipe_count; i-- > 0;) {
        struct pipe *pipe = sock->pipes[i];
        bool alone = pipe->bound == NULL || pipe->connected == NULL;
        if (!alone || inbox(pipe, sock)->count > 0) continue;
        forget_pipe(sock, pipe);
        free_pipe(pipe);
    }
}

/* ---- The interface: opening ---- */

static struct sp_sock *open_sock(enum sp_sock_type type, const char *endpoint,
                                 const struct sp_sock_options *options)
{
    struct sp_sock *sock = sim_alloc(sizeof *sock);
    const char *slash = strrchr(endpoint, '/');

    sock->proc = sim_self();
    sock->changed = true;
    sock->id = ++net.last_id;
    sock->type = type;
    snprintf(sock->endpoint, sizeof sock->endpoint, "%s", endpoint);
    snprintf(sock->peer_name, sizeof sock->peer_name, "%s", slash != NULL ? slash + 1 : endpoint);
    char *dot = strrchr(sock->peer_name, '.');
    if (dot != NULL) *dot = '\0';
    sock->queue_max =
        options != NULL && options->queue_max != 0 ? options->queue_max : QUEUE_DEFAULT;
    sock->retry_ns = RECONNECT_NS;
    sock->next = net.socks;
    net.socks = sock;
    return sock;
}

sp_status sp_sock_bind(enum sp_sock_type type, const char *endpoint,
                       const struct sp_sock_options *options, struct sp_sock **out,
                       struct sp_err *err)
{
    (void)err;
    SP_ASSERT(bound_at(endpoint) == NULL); /* who binds holds the role's lock */
    *out = open_sock(type, endpoint, options);
    (*out)->is_bound = true;
    return SP_OK;
}

sp_status sp_sock_connect(enum sp_sock_type type, const char *endpoint,
                          const struct sp_sock_options *options, struct sp_sock **out,
                          struct sp_err *err)
{
    (void)err;
    *out = open_sock(type, endpoint, options);
    sim_at(sim_now() + HANDSHAKE_NS, try_connect, (void *)(uintptr_t)(*out)->id);
    return SP_OK;
}

void sp_sock_close(struct sp_sock *sock)
{
    if (sock == NULL) return;
    for (size_t i = 0; i < sock->pipe_count; i++)
        close_side(sock->pipes[i], sock);
    for (struct sp_sock **at = &net.socks; *at != NULL; at = &(*at)->next) {
        if (*at != sock) continue;
        *at = sock->next;
        break;
    }
    drop_packet(sock->given);
    sim_free(sock->pipes);
    sim_free(sock);
}

void sim_sockets_reap(struct sim_proc *proc)
{
    for (struct sp_sock *sock = net.socks; sock != NULL;) {
        struct sp_sock *next = sock->next;
        if (sock->proc == proc) sp_sock_close(sock);
        sock = next;
    }
}

sp_status sp_sock_subscribe(struct sp_sock *sock, const sp_name *stream, struct sp_err *err)
{
    (void)err;
    SP_ASSERT(sock->type == SP_SOCK_SUB);
    SP_ASSERT(sock->subscription_count < SUBSCRIPTIONS_MAX);
    sock->subscriptions[sock->subscription_count++] = *stream;
    return SP_OK;
}

bool sp_sock_is_listened(const char *endpoint)
{
    return bound_at(endpoint) != NULL;
}

/* ---- Sending ---- */

static bool is_subscribed(const struct sp_sock *sub, const uint8_t *frame, size_t len)
{
    for (uint32_t i = 0; i < sub->subscription_count; i++) {
        size_t need = strlen(sub->subscriptions[i].s) + 1;
        if (len >= need && memcmp(sub->subscriptions[i].s, frame, need) == 0) return true;
    }
    return false;
}

static void put(struct sp_sock *from, struct pipe *pipe, struct packet *packet)
{
    struct sp_sock *to = pipe->bound == from ? pipe->connected : pipe->bound;
    struct queue *queue = inbox(pipe, to);
    struct sim_fate fate = {0};
    struct sim_message message = {.from = from->proc,
                                  .to = to->proc != NULL ? to->proc->name : "",
                                  .published = from->type == SP_SOCK_PUB,
                                  .frame = packet->bytes,
                                  .len = packet->len};

    net.stats.sent++;
    if (net.fate != NULL) net.fate(&message, &fate);
    if (fate.drop) {
        net.stats.fate_drops++;
        return;
    }
    int64_t at = sim_now() + net.travel() + fate.delay;
    for (uint32_t i = 0; i <= fate.copies; i++)
        push(queue, packet, at + (int64_t)i * SIM_US, fate.overtakes && i == 0);
    net.stats.copies += fate.copies;
    to->changed = true;
    if (to->poller != NULL) sim_wake(to->poller, queue->at[queue->first].at);
}

static bool has_room(const struct sp_sock *from, struct pipe *pipe)
{
    struct sp_sock *to = pipe->bound == from ? pipe->connected : pipe->bound;

    return to != NULL && inbox(pipe, to)->count < from->queue_max;
}

static void publish(struct sp_sock *sock, const void *buf, size_t len)
{
    struct packet *packet = NULL;

    for (size_t i = 0; i < sock->pipe_count; i++) {
        struct pipe *pipe = sock->pipes[i];
        if (pipe->connected == NULL || !is_subscribed(pipe->connected, buf, len)) continue;
        if (!has_room(sock, pipe)) {
            net.stats.full_drops++;
            continue;
        }
        if (packet == NULL) packet = make_packet(buf, len);
        put(sock, pipe, packet);
    }
    drop_packet(packet);
}

sp_status sp_sock_send(struct sp_sock *sock, const void *buf, size_t len_bytes)
{
    sim_point();
    if (sock->type == SP_SOCK_PUB) {
        publish(sock, buf, len_bytes);
        return SP_OK;
    }
    SP_ASSERT(sock->type == SP_SOCK_DEALER);
    tidy(sock);
    if (!has_peer(sock) || !has_room(sock, sock->pipes[sock->pipe_count - 1])) return SP_FULL;
    struct packet *packet = make_packet(buf, len_bytes);
    put(sock, sock->pipes[sock->pipe_count - 1], packet);
    drop_packet(packet);
    sim_point();
    return SP_OK;
}

sp_status sp_sock_send_to(struct sp_sock *sock, const struct sp_peer *peer, const void *buf,
                          size_t len_bytes)
{
    uint64_t id = 0;

    SP_ASSERT(sock->type == SP_SOCK_ROUTER);
    sim_point();
    if (peer->len_bytes != sizeof id) return SP_CLOSED;
    memcpy(&id, peer->id, sizeof id);
    for (size_t i = 0; i < sock->pipe_count; i++) {
        struct pipe *pipe = sock->pipes[i];
        if (pipe->id != id || pipe->connected == NULL) continue;
        if (!has_room(sock, pipe)) return SP_FULL;
        struct packet *packet = make_packet(buf, len_bytes);
        put(sock, pipe, packet);
        drop_packet(packet);
        return SP_OK;
    }
    return SP_CLOSED;
}

static uint8_t *join(const struct sp_pieces *pieces, size_t *len_bytes)
{
    uint8_t *frame = sim_alloc(pieces->head_len_bytes + pieces->tail_len_bytes);

    memcpy(frame, pieces->head, pieces->head_len_bytes);
    memcpy(frame + pieces->head_len_bytes, pieces->tail, pieces->tail_len_bytes);
    *len_bytes = pieces->head_len_bytes + pieces->tail_len_bytes;
    return frame;
}

sp_status sp_sock_send_pieces(struct sp_sock *sock, const struct sp_pieces *pieces)
{
    size_t len = 0;
    uint8_t *frame = join(pieces, &len);
    sp_status status = sp_sock_send(sock, frame, len);

    sim_free(frame);
    return status;
}

sp_status sp_sock_send_pieces_to(struct sp_sock *sock, const struct sp_peer *peer,
                                 const struct sp_pieces *pieces)
{
    size_t len = 0;
    uint8_t *frame = join(pieces, &len);
    sp_status status = sp_sock_send_to(sock, peer, frame, len);

    sim_free(frame);
    return status;
}

/* ---- Receiving ---- */

static void look_up(struct sp_sock *sock)
{
    sock->next_pipe = NULL;
    sock->next_at = SIM_NEVER;
    sock->changed = false;
    for (size_t i = 0; i < sock->pipe_count; i++) {
        struct queue *queue = inbox(sock->pipes[i], sock);
        if (queue->count == 0 || queue->at[queue->first].at >= sock->next_at) continue;
        sock->next_pipe = sock->pipes[i];
        sock->next_at = queue->at[queue->first].at;
    }
}

static int64_t next_at(struct sp_sock *sock)
{
    if (sock->changed) look_up(sock);
    return sock->next_at;
}

sp_status sp_sock_receive(struct sp_sock *sock, struct sp_peer *peer, const uint8_t **frame,
                          size_t *len_bytes)
{
    if (next_at(sock) > sim_now()) return SP_AGAIN;
    struct pipe *pipe = sock->next_pipe;
    drop_packet(sock->given);
    sock->given = pull(inbox(pipe, sock));
    sock->changed = true;
    if (peer != NULL) {
        peer->len_bytes = sizeof pipe->id;
        memcpy(peer->id, &pipe->id, sizeof pipe->id);
    }
    *frame = sock->given->bytes;
    *len_bytes = sock->given->len;
    net.stats.delivered++;
    sim_count_event();
    sim_trace(sim_mix((uint64_t)sim_now()) ^ sock->given->len ^ (pipe->id << 32));
    tidy(sock);
    return SP_OK;
}

static int64_t first_ready(const struct sp_poll_item *items, uint32_t count)
{
    int64_t first = SIM_NEVER;

    for (uint32_t i = 0; i < count; i++) {
        int64_t at = SIM_NEVER;
        if (items[i].sock != NULL) {
            at = next_at(items[i].sock);
        } else if (sim_fd_is_readable(items[i].fd)) {
            at = sim_now();
        }
        if (at < first) first = at;
    }
    return first;
}

static void watch(const struct sp_poll_item *items, uint32_t count, struct sim_fiber *fiber)
{
    for (uint32_t i = 0; i < count; i++) {
        if (items[i].sock != NULL) {
            items[i].sock->poller = fiber;
        } else {
            sim_fd_set_watcher(items[i].fd, fiber);
        }
    }
}

/* Each wait takes a little time, so that a process that never sleeps does not stop the clock. */
sp_status sp_sock_poll(struct sp_poll_item *items, uint32_t count, sp_dur timeout,
                       struct sp_err *err)
{
    int64_t least = sim_now() + net.turn();
    int64_t until = timeout.ns < 0 ? SIM_NEVER : sim_now() + timeout.ns;

    (void)err;
    int64_t first = first_ready(items, count);
    if (first < until) until = first;
    sim_point();
    if (until <= least) {
        sim_block(least);
    } else {
        watch(items, count, sim_self_fiber());
        sim_block(until);
        watch(items, count, NULL);
    }
    for (uint32_t i = 0; i < count; i++) {
        items[i].readable = items[i].sock != NULL ? next_at(items[i].sock) <= sim_now()
                                                  : sim_fd_is_readable(items[i].fd);
    }
    return SP_OK;
}

/* ---- A run ---- */

void sim_sockets_begin(sim_fate_fn *fate, sim_cost_fn *turn, sim_cost_fn *travel)
{
    memset(&net.stats, 0, sizeof net.stats);
    net.last_id = 0;
    net.last_pipe = 0;
    net.fate = fate;
    net.turn = turn;
    net.travel = travel;
}

void sim_sockets_end(void)
{
    while (net.socks != NULL)
        sp_sock_close(net.socks);
}

struct sim_socket_stats sim_socket_stats(void)
{
    return net.stats;
}
