/* The bus beside its floor: the same frames through the same kind of sockets, without codec,
 * sequence, ring or loop. Publisher and subscriber are two processes over ipc; rounds of floor and
 * bus alternate, so that both see the same machine. Prints; judges nothing.
 *
 *   rate  frames per second, as fast as they go, none lost (queues hold them all)
 *   hop   from before the publish call until the record is in the subscriber's hands, one frame
 *         about every 100 us
 *
 * bench-bus [--json] [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/folder.h"
#include "common/bus/bus.h"
#include "common/clock.h"
#include "proto/wire.h"

#define ROUNDS_MAX 50
#define ROUNDS     5
#define RATE_COUNT 300000
#define HOP_COUNT  5000
#define HOP_EVERY  (100 * SP_NS_PER_US)
#define BURST      256

/* One round, seen from both processes. */
struct bench {
    bool bus, hop;
    uint64_t count;
    const char *dir;
    int ready[2], result[2]; /* the subscriber says that frames arrive, then its samples */
    struct sp_loop *loop;
    struct sp_bus *pub;
    struct sp_record record;
    uint64_t got;
    sp_mono first;
    int64_t *samples; /* hop: ns; rate: [0] is the time of the round */
};

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench-bus: %s failed\n", what);
    exit(1);
}

static struct sp_sock_options deep_queues(void)
{
    return (struct sp_sock_options){.queue_max = 2 * RATE_COUNT};
}

/* number 0: only to see that frames arrive. */
static void fill(struct sp_record *record, uint64_t number)
{
    memset(record, 0, offsetof(struct sp_record, body));
    record->stream = sp_name_of("md.paper.BTCUSDT");
    record->time = (sp_wall){INT64_C(1795374000000000000) + (int64_t)number};
    record->kind = SP_REC_TRADE;
    record->body.trade = (struct sp_trade){.trade_id = number,
                                           .px = {INT64_C(6012345000000)},
                                           .qty = {INT64_C(123456000)},
                                           .taker_side = SP_SIDE_BUY,
                                           .received = sp_clock_mono()};
}

/* ---- Subscriber ---- */

static void take(struct bench *b, uint64_t number, sp_mono sent)
{
    sp_mono now = sp_clock_mono();

    if (number == 0) {
        if (b->ready[1] < 0) return;
        must(write(b->ready[1], "r", 1) == 1, "write");
        close(b->ready[1]);
        b->ready[1] = -1;
        return;
    }
    if (b->got == 0) b->first = now;
    if (b->hop) b->samples[b->got] = sp_mono_since(now, sent).ns;
    b->got++;
    must(b->got == number, "order");
    if (b->got < b->count) return;
    if (!b->hop) b->samples[0] = sp_mono_since(now, b->first).ns;
    size_t bytes = (b->hop ? b->count : 1) * sizeof(*b->samples);
    for (size_t at = 0; at < bytes;) {
        ssize_t n = write(b->result[1], (const char *)b->samples + at, bytes - at);
        must(n > 0, "write");
        at += (size_t)n;
    }
    _exit(0);
}

static void on_record(void *ctx, const struct sp_record *record)
{
    take(ctx, record->body.trade.trade_id, record->body.trade.received);
}

/* The raw frame is the bus's frame, then number and time, which the floor reads undecoded. */
struct trailer {
    uint64_t number;
    sp_mono sent;
};

static void subscribe_raw(struct bench *b)
{
    struct sp_sock_options options = deep_queues();
    struct sp_sock *sock = NULL;
    sp_name stream = sp_name_of("md.paper.BTCUSDT");
    char endpoint[128];

    snprintf(endpoint, sizeof(endpoint), "ipc://%s/raw", b->dir);
    must(sp_sock_connect(SP_SOCK_SUB, endpoint, &options, &sock, NULL) == SP_OK, "connect");
    must(sp_sock_subscribe(sock, &stream, NULL) == SP_OK, "subscribe");
    for (;;) {
        const uint8_t *frame = NULL;
        size_t len = 0;
        struct trailer trailer;
        struct sp_poll_item item = {.sock = sock};
        sp_status status = sp_sock_receive(sock, NULL, &frame, &len);
        if (status == SP_OK) {
            memcpy(&trailer, frame + len - sizeof(trailer), sizeof(trailer));
            take(b, trailer.number, trailer.sent);
        } else {
            must(sp_sock_poll(&item, 1, (sp_dur){-1}, NULL) == SP_OK, "poll");
        }
    }
}

static struct sp_bus *open_bus(struct bench *b, const char *service)
{
    struct sp_bus_options options = {.run_dir = b->dir,
                                     .service = sp_name_of(service),
                                     .epoch = 1,
                                     .queue_max = 2 * RATE_COUNT};
    struct sp_bus *bus = NULL;

    must(sp_loop_open(&b->loop, NULL) == SP_OK, "loop");
    must(sp_bus_open(b->loop, &options, &bus, NULL) == SP_OK, "bus");
    return bus;
}

static void subscribe_bus(struct bench *b)
{
    struct sp_sub_options options = {.stream = sp_name_of("md.paper.BTCUSDT"),
                                     .publisher = sp_name_of("marketdata"),
                                     .on_record = on_record,
                                     .ctx = b};
    struct sp_bus *bus = open_bus(b, "strategy.ema");

    must(sp_bus_subscribe(bus, &options, NULL, NULL) == SP_OK, "subscribe");
    SP_IGNORE(sp_loop_run(b->loop, NULL));
    _exit(0);
}

/* ---- Publisher ---- */

static bool is_ready(const struct bench *b)
{
    struct sp_poll_item item = {.fd = b->ready[0]};

    must(sp_sock_poll(&item, 1, (sp_dur){SP_NS_PER_MS}, NULL) == SP_OK, "poll");
    return item.readable;
}

static void wait_until(sp_mono due)
{
    while (sp_clock_mono().ns < due.ns) {
        struct timespec ts = {.tv_nsec = 20 * SP_NS_PER_US};
        nanosleep(&ts, NULL);
    }
}

static void send_raw(struct bench *b, struct sp_sock *sock, uint64_t number)
{
    uint8_t frame[512];
    static uint8_t encoded[512];
    static size_t encoded_len;
    struct trailer trailer = {.number = number, .sent = sp_clock_mono()};

    if (encoded_len == 0) {
        fill(&b->record, 1);
        must(sp_wire_encode(&b->record, encoded, sizeof(encoded), &encoded_len, NULL) == SP_OK,
             "encode");
        encoded_len -= sizeof(trailer); /* the same number of bytes in all */
    }
    memcpy(frame, encoded, encoded_len);
    memcpy(frame + encoded_len, &trailer, sizeof(trailer));
    must(sp_sock_send(sock, frame, encoded_len + sizeof(trailer)) == SP_OK, "send");
}

static void publish_raw(struct bench *b)
{
    struct sp_sock_options options = deep_queues();
    struct sp_sock *sock = NULL;
    char endpoint[128];

    snprintf(endpoint, sizeof(endpoint), "ipc://%s/raw", b->dir);
    must(sp_sock_bind(SP_SOCK_PUB, endpoint, &options, &sock, NULL) == SP_OK, "bind");
    do {
        send_raw(b, sock, 0);
    } while (!is_ready(b));
    sp_mono due = sp_clock_mono();
    for (uint64_t n = 1; n <= b->count; n++) {
        due.ns += HOP_EVERY;
        if (b->hop) wait_until(due);
        send_raw(b, sock, n);
    }
    wait(NULL);
    sp_sock_close(sock);
}

static void publish(struct bench *b, uint64_t number)
{
    fill(&b->record, number);
    must(sp_bus_publish(b->pub, &b->record, NULL) == SP_OK, "publish");
}

static void publish_bus(struct bench *b)
{
    sp_name stream = sp_name_of("md.paper.BTCUSDT");
    sp_dur no_wait = {0};

    b->pub = open_bus(b, "marketdata");
    must(sp_bus_add_ring(b->pub, &stream, 65536, NULL, NULL, NULL) == SP_OK, "ring");
    do {
        publish(b, 0);
        SP_IGNORE(sp_loop_turn(b->loop, no_wait, NULL));
    } while (!is_ready(b));
    sp_mono due = sp_clock_mono();
    for (uint64_t n = 1; n <= b->count; n++) {
        due.ns += HOP_EVERY;
        if (b->hop) wait_until(due);
        publish(b, n);
        if (b->hop || n % BURST == 0) SP_IGNORE(sp_loop_turn(b->loop, no_wait, NULL));
    }
    wait(NULL);
    sp_bus_close(b->pub);
    sp_loop_close(b->loop);
}

/* The samples of one round. Both sides are processes of their own: nothing is carried over. */
static void run_round(bool bus, bool hop, int64_t *samples)
{
    struct folder folder = folder_make();
    struct bench b = {.bus = bus, .hop = hop, .dir = folder.path, .samples = samples};

    b.count = hop ? HOP_COUNT : RATE_COUNT;
    must(pipe(b.ready) == 0 && pipe(b.result) == 0, "pipe");
    fflush(stdout);
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        pid_t sub = fork();
        must(sub >= 0, "fork");
        if (sub == 0) {
            if (bus) subscribe_bus(&b);
            subscribe_raw(&b);
        }
        if (bus) publish_bus(&b);
        if (!bus) publish_raw(&b);
        _exit(0);
    }
    size_t bytes = (hop ? b.count : 1) * sizeof(*samples);
    for (size_t at = 0; at < bytes;) {
        ssize_t n = read(b.result[0], (char *)samples + at, bytes - at);
        must(n > 0, "read");
        at += (size_t)n;
    }
    waitpid(pid, NULL, 0);
    for (int i = 0; i < 2; i++) {
        close(b.ready[i]);
        close(b.result[i]);
    }
    folder_remove(&folder);
}

/* ---- Report ---- */

static int by_value(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;

    return (left > right) - (left < right);
}

static double us(int64_t ns)
{
    return (double)ns / 1000.0;
}

static void print_rate(int64_t *raw, int64_t *bus, size_t rounds, bool json)
{
    qsort(raw, rounds, sizeof(*raw), by_value);
    qsort(bus, rounds, sizeof(*bus), by_value);
    double floor_rate = RATE_COUNT / ((double)raw[rounds / 2] / 1e9);
    double bus_rate = RATE_COUNT / ((double)bus[rounds / 2] / 1e9);

    if (json) {
        printf("{\"name\":\"rate\",\"rounds\":%zu,\"floor_per_s\":%.0f,\"per_s\":%.0f,"
               "\"ratio_of_rate\":%.3f}\n",
               rounds, floor_rate, bus_rate, bus_rate / floor_rate);
        return;
    }
    printf("rate  raw %9.0f/s  bus %9.0f/s  ratio %.2f  (median of %zu rounds of %d)\n", floor_rate,
           bus_rate, bus_rate / floor_rate, rounds, RATE_COUNT);
}

static void print_hop(int64_t *raw, int64_t *bus, size_t rounds, bool json)
{
    size_t count = rounds * HOP_COUNT;
    static const int percents[] = {50, 99};

    qsort(raw, count, sizeof(*raw), by_value);
    qsort(bus, count, sizeof(*bus), by_value);
    for (int i = 0; i < 2; i++) {
        size_t at = count * (size_t)percents[i] / 100;
        if (json) {
            printf("{\"name\":\"hop_p%d\",\"samples\":%zu,\"floor_us\":%.1f,\"us\":%.1f,"
                   "\"ratio\":%.3f}\n",
                   percents[i], count, us(raw[at]), us(bus[at]), us(bus[at]) / us(raw[at]));
            continue;
        }
        printf("hop   p%d  raw %6.1f us  bus %6.1f us  ratio %.2f\n", percents[i], us(raw[at]),
               us(bus[at]), us(bus[at]) / us(raw[at]));
    }
}

int main(int argc, char **argv)
{
    static int64_t hops[2][ROUNDS_MAX * HOP_COUNT];
    int64_t rates[2][ROUNDS_MAX];
    size_t rounds = ROUNDS;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            rounds = strtoul(argv[i], NULL, 10);
        }
    }
    if (rounds == 0 || rounds > ROUNDS_MAX) return 64;
    for (size_t round = 0; round < rounds; round++) {
        for (int bus = 0; bus < 2; bus++) {
            run_round(bus == 1, false, &rates[bus][round]);
            run_round(bus == 1, true, &hops[bus][round * HOP_COUNT]);
        }
    }
    print_rate(rates[0], rates[1], rounds, json);
    print_hop(hops[0], hops[1], rounds, json);
    return 0;
}
