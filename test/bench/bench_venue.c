/* How fast the practice exchange answers, seen by a client on its own machine: plain sockets, HTTP
 * bytes written by hand, signatures made before the clock is read. One JSON line; judges nothing.
 *
 *   rest COUNT                  place and cancel one after the other over one connection; the time
 *                               of both together
 *   pipeline CONNECTIONS COUNT  immediate orders that find nothing and expire, without waiting:
 *                               DEPTH of them under way at a time on each connection
 *   streams CONNECTIONS MS      that many WebSockets follow the trades: what arrives, whether any
 *                               is missing, and how long after the first the last has a trade
 *
 * bench-venue PORT KEY SECRET SYMBOL PX QTY rest|pipeline|streams ...
 */
#include "common/clock.h"
#include "common/crypto.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEPTH          32
#define CONNECTION_MAX 1024
#define SAMPLES_MAX    100000
#define TRADES_MAX     65536
#define REQUEST_MAX    1024
#define IN_MAX         65536

static uint16_t port;
static const char *key, *secret, *symbol, *px, *qty;
static uint64_t last_id;
static int64_t samples[SAMPLES_MAX];

struct connection {
    int fd;
    char in[IN_MAX];
    size_t in_bytes;
    uint64_t asked, answered;
    bool upgraded;
    uint64_t last_trade, trades;
};
static struct connection connections[CONNECTION_MAX];

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench-venue: %s failed: %s\n", what, strerror(errno));
    exit(1);
}

static void connect_to(struct connection *c)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons(port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int on = 1;

    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    must(c->fd >= 0, "socket");
    must(connect(c->fd, (const struct sockaddr *)&at, sizeof at) == 0, "connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static void write_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        must(n > 0, "send");
        bytes += n;
        len -= (size_t)n;
    }
}

/* ---- Orders ---- */

enum ask { REST, CANCEL, TRY };

/* A signed request to place order `id`, to cancel it, or to try it at once. Returns its bytes. */
static size_t make_request(char out[REQUEST_MAX], uint64_t id, enum ask what)
{
    char query[REQUEST_MAX], hex[2 * SP_SHA256_BYTES + 1];
    uint8_t digest[SP_SHA256_BYTES];
    int64_t ms = sp_clock_wall().ns / SP_NS_PER_MS;
    int len = 0;

    if (what == CANCEL) {
        len =
            snprintf(query, sizeof query,
                     "symbol=%s&origClientOrderId=b%" PRIu64 "&timestamp=%" PRId64, symbol, id, ms);
    } else {
        len = snprintf(query, sizeof query,
                       "symbol=%s&side=BUY&type=LIMIT&timeInForce=%s&quantity=%s&price=%s"
                       "&newClientOrderId=b%" PRIu64 "&recvWindow=60000&timestamp=%" PRId64,
                       symbol, what == TRY ? "IOC" : "GTC", qty, px, id, ms);
    }
    struct sp_bytes payload = {query, (size_t)len};
    must(sp_hmac_sha256(secret, strlen(secret), &payload, 1, digest), "hmac");
    sp_hex(digest, sizeof digest, hex);
    len = snprintf(out, REQUEST_MAX,
                   "%s /api/v3/order?%s&signature=%s HTTP/1.1\r\nHost: x\r\nX-MBX-APIKEY: %s\r\n"
                   "\r\n",
                   what == CANCEL ? "DELETE" : "POST", query, hex, key);
    must(len > 0 && len < REQUEST_MAX, "request");
    return (size_t)len;
}

/* The bytes of the first answer that is whole; 0 if none is. Ends the program if it says no. */
static size_t whole_answer(const char *in, size_t in_bytes)
{
    static const char length[] = "Content-Length:";
    const char *end = memmem(in, in_bytes, "\r\n\r\n", 4);

    if (end == NULL) return 0;
    size_t head = (size_t)(end - in) + 4;
    const char *at = memmem(in, head, length, sizeof length - 1);
    size_t body = at != NULL ? strtoul(at + sizeof length - 1, NULL, 10) : 0;
    if (head + body > in_bytes) return 0;
    if (strncmp(in, "HTTP/1.1 200", 12) != 0) {
        fprintf(stderr, "bench-venue: %.*s\n", (int)(head + body), in);
        exit(1);
    }
    return head + body;
}

static void receive(struct connection *c)
{
    ssize_t n = recv(c->fd, c->in + c->in_bytes, IN_MAX - c->in_bytes, 0);

    must(n > 0, "receive");
    c->in_bytes += (size_t)n;
}

static void drop_in(struct connection *c, size_t bytes)
{
    c->in_bytes -= bytes;
    memmove(c->in, c->in + bytes, c->in_bytes);
}

static void ask(struct connection *c, const char *request, size_t len)
{
    size_t answer = 0;

    write_all(c->fd, request, len);
    while ((answer = whole_answer(c->in, c->in_bytes)) == 0)
        receive(c);
    drop_in(c, answer);
}

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static void print_percentiles(const char *name, size_t count)
{
    qsort(samples, count, sizeof *samples, by_value);
    printf("{\"name\":\"%s\",\"samples\":%zu,\"p50_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f", name,
           count, (double)samples[count / 2] / 1e3, (double)samples[count * 99 / 100] / 1e3,
           (double)samples[count - 1] / 1e3);
}

static void run_rest(size_t count)
{
    struct connection *c = &connections[0];
    char place[REQUEST_MAX], cancel[REQUEST_MAX];

    must(count > 0 && count <= SAMPLES_MAX, "count");
    connect_to(c);
    for (size_t i = 0; i < count; i++) {
        last_id++;
        size_t place_len = make_request(place, last_id, REST);
        size_t cancel_len = make_request(cancel, last_id, CANCEL);
        sp_mono began = sp_clock_mono();
        ask(c, place, place_len);
        ask(c, cancel, cancel_len);
        samples[i] = sp_mono_since(sp_clock_mono(), began).ns;
    }
    print_percentiles("place_cancel", count);
    printf("}\n");
}

static void fill_pipe(struct connection *c, uint64_t count)
{
    static char batch[DEPTH * REQUEST_MAX];
    size_t len = 0;

    while (c->asked < count && c->asked - c->answered < DEPTH) {
        len += make_request(batch + len, ++last_id, TRY);
        c->asked++;
    }
    write_all(c->fd, batch, len);
}

static void run_pipeline(size_t connection_count, uint64_t count)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t each = count / connection_count, left = each * connection_count;

    must(epoll >= 0 && connection_count <= CONNECTION_MAX && each > 0, "epoll");
    for (size_t i = 0; i < connection_count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &connections[i]}};
        connect_to(&connections[i]);
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) == 0, "epoll");
    }
    sp_mono began = sp_clock_mono();
    for (size_t i = 0; i < connection_count; i++)
        fill_pipe(&connections[i], each);
    while (left > 0) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, 10000);
        must(ready > 0, "answers");
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            size_t answer = 0, at = 0;
            receive(c);
            while ((answer = whole_answer(c->in + at, c->in_bytes - at)) > 0) {
                at += answer;
                c->answered++;
                left--;
            }
            drop_in(c, at);
            if (c->asked - c->answered <= DEPTH / 2) fill_pipe(c, each);
        }
    }
    double seconds = (double)sp_mono_since(sp_clock_mono(), began).ns / 1e9;
    double orders = (double)(each * connection_count);
    printf("{\"name\":\"pipeline\",\"connections\":%zu,\"orders\":%.0f,\"orders_per_s\":%.0f}\n",
           connection_count, orders, orders / seconds);
}

/* ---- Streams ---- */

static struct {
    uint64_t id;
    int64_t first_ns, last_ns;
    uint32_t count;
} seen[TRADES_MAX];
static uint64_t missing;

static void on_trade(struct connection *c, const char *text, size_t len)
{
    static const char field[] = "\"t\":";
    const char *at = memmem(text, len, field, sizeof field - 1);

    must(at != NULL, "a trade's id");
    uint64_t id = strtoull(at + sizeof field - 1, NULL, 10);
    int64_t now = sp_clock_mono().ns;
    if (c->trades > 0 && id > c->last_trade + 1) missing += id - c->last_trade - 1;
    c->last_trade = id;
    c->trades++;
    if (seen[id % TRADES_MAX].id != id) {
        seen[id % TRADES_MAX].id = id;
        seen[id % TRADES_MAX].first_ns = now;
        seen[id % TRADES_MAX].count = 0;
    }
    seen[id % TRADES_MAX].last_ns = now;
    seen[id % TRADES_MAX].count++;
}

/* Frames of a server have no mask. */
static size_t take_frame(struct connection *c, size_t at)
{
    const uint8_t *head = (const uint8_t *)c->in + at;
    size_t left = c->in_bytes - at, head_len = 2;

    if (left < head_len) return 0;
    size_t len = head[1];
    must(len < 127, "a frame's length");
    if (len == 126) {
        head_len = 4;
        if (left < head_len) return 0;
        len = (size_t)head[2] << 8 | head[3];
    }
    if (left < head_len + len) return 0;
    if ((head[0] & 15) == 1) on_trade(c, c->in + at + head_len, len);
    return head_len + len;
}

static void follow(struct connection *c)
{
    char request[REQUEST_MAX], name[32];
    size_t i = 0;

    for (; symbol[i] != '\0' && i + 1 < sizeof name; i++)
        name[i] = (char)tolower((unsigned char)symbol[i]);
    name[i] = '\0';
    int len = snprintf(request, sizeof request,
                       "GET /ws/%s@trade HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                       name);
    connect_to(c);
    write_all(c->fd, request, (size_t)len);
    while (!c->upgraded) {
        receive(c);
        const char *end = memmem(c->in, c->in_bytes, "\r\n\r\n", 4);
        if (end == NULL) continue;
        must(strncmp(c->in, "HTTP/1.1 101", 12) == 0, "upgrade");
        c->upgraded = true;
        drop_in(c, (size_t)(end + 4 - c->in));
    }
}

/* Of the trades that everybody has: the time between the first and the last who got it. */
static size_t take_spreads(size_t connection_count)
{
    size_t count = 0;

    for (size_t i = 0; i < TRADES_MAX; i++) {
        if (seen[i].count == connection_count)
            samples[count++] = seen[i].last_ns - seen[i].first_ns;
    }
    return count;
}

static void run_streams(size_t connection_count, int64_t ms)
{
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    uint64_t messages = 0;

    must(epoll >= 0 && connection_count <= CONNECTION_MAX, "epoll");
    for (size_t i = 0; i < connection_count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data = {.ptr = &connections[i]}};
        follow(&connections[i]);
        must(epoll_ctl(epoll, EPOLL_CTL_ADD, connections[i].fd, &event) == 0, "epoll");
    }
    sp_mono began = sp_clock_mono();
    while (sp_mono_since(sp_clock_mono(), began).ns < ms * SP_NS_PER_MS) {
        struct epoll_event events[64];
        int ready = epoll_wait(epoll, events, 64, 100);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            size_t at = 0, frame = 0;
            receive(c);
            while ((frame = take_frame(c, at)) > 0)
                at += frame;
            drop_in(c, at);
        }
    }
    for (size_t i = 0; i < connection_count; i++)
        messages += connections[i].trades;
    size_t count = take_spreads(connection_count);
    must(count > 0, "trades that all have seen");
    print_percentiles("streams", count);
    printf(",\"connections\":%zu,\"messages\":%" PRIu64 ",\"messages_per_s\":%.0f,"
           "\"missing\":%" PRIu64 "}\n",
           connection_count, messages, (double)messages * 1e3 / (double)ms, missing);
}

int main(int argc, char **argv)
{
    struct rlimit files = {0};

    if (argc < 9) return 64;
    must(getrlimit(RLIMIT_NOFILE, &files) == 0, "limit");
    files.rlim_cur = files.rlim_max;
    must(setrlimit(RLIMIT_NOFILE, &files) == 0, "limit");
    port = (uint16_t)strtoul(argv[1], NULL, 10);
    key = argv[2];
    secret = argv[3];
    symbol = argv[4];
    px = argv[5];
    qty = argv[6];
    last_id = (uint64_t)sp_clock_wall().ns;
    size_t first = strtoul(argv[8], NULL, 10);
    if (strcmp(argv[7], "rest") == 0) {
        run_rest(first);
    } else if (argc < 10) {
        return 64;
    } else if (strcmp(argv[7], "pipeline") == 0) {
        run_pipeline(first, strtoull(argv[9], NULL, 10));
    } else if (strcmp(argv[7], "streams") == 0) {
        run_streams(first, strtol(argv[9], NULL, 10));
    } else {
        return 64;
    }
    return 0;
}
