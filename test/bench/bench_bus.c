/* The bus beside its floor: the same frames through the same kind of sockets, without codec,
 * sequence, ring or loop. Publisher and subscriber are two processes over ipc; rounds of floor and
 * bus alternate, so that both see the same machine. Prints; judges nothing.
 *
 *   rate   records per second, each in a frame of its own, as fast as they go, none lost (queues
 *          hold them all)
 *   batch  the same from a callback of the loop, so that records travel together, paced by the
 *          subscriber; the floor, which is not, sends frames of as many bytes as a full one has,
 *          and each counts as many records
 *   hop    from before the publish call until the record is in the subscriber's hands, one frame
 *          about every 100 us
 *
 * bench-bus [--json] [--only rate|batch|hop] [ROUNDS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../common/folder.h"
#include "common/bus/bus.h"
#include "common/clock.h"
#include "proto/wire.h"

#define ROUNDS_MAX  50
#define ROUNDS      5
#define RATE_COUNT  1000000
#define BATCH_COUNT 2000000
#define HOP_COUNT   5000
#define HOP_EVERY   (100 * SP_NS_PER_US)
#define BURST       256
#define WINDOW      49152

enum what { RATE, BATCH, HOP, WHAT_COUNT };

static const char *const names[] = {[RATE] = "rate", [BATCH] = "batch", [HOP] = "hop"};

static const uint64_t counts[] = {[RATE] = RATE_COUNT, [BATCH] = BATCH_COUNT, [HOP] = HOP_COUNT};

/* One round, seen from both processes. */
struct bench {
    enum what what;
    bool bus;
    uint64_t count;
    uint64_t step; /* records that one frame of the floor stands for */
    uint64_t published;
    uint8_t raw[SP_WIRE_FRAME_MAX]; /* the floor's frame, without its trailer */
    size_t raw_len;
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

static void begin_records(struct sp_record *record)
{
    memset(record, 0, offsetof(struct sp_record, body));
    record->stream = sp_name_of("md.paper.BTCUSDT");
    record->kind = SP_REC_TRADE;
}

/* number 0: only to see that frames arrive. `received` is when it was published. */
static void fill(struct sp_record *record, uint64_t number)
{
    record->time = (sp_wall){INT64_C(1795374000000000000) + (int64_t)number};
    record->body.trade = (struct sp_trade){.trade_id = number,
                                           .px = {INT64_C(6012345000000)},
                                           .qty = {INT64_C(123456000)},
                                           .taker_side = SP_SIDE_BUY,
                                           .received = sp_clock_mono()};
}

/* ---- Subscriber ---- */

static void take(struct bench *b, uint64_t number, sp_mono sent)
{
    if (number == 0) {
        if (b->ready[1] < 0) return;
        must(write(b->ready[1], "r", 1) == 1, "write");
        close(b->ready[1]);
        b->ready[1] = -1;
        return;
    }
    if (b->got == 0) b->first = sp_clock_mono();
    if (b->what == HOP) b->samples[b->got] = sp_mono_since(sp_clock_mono(), sent).ns;
    b->got += b->step;
    must(b->got == number, "order");
    if (b->got < b->count) return;
    if (b->what != HOP) b->samples[0] = sp_mono_since(sp_clock_mono(), b->first).ns;
    size_t bytes = (b->what == HOP ? b->count : 1) * sizeof(*b->samples);
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
                                     .paced = b->what == BATCH,
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

/* The frame the bus would send, shortened by the trailer: the same number of bytes in all. */
static void make_raw(struct bench *b)
{
    sp_name stream = sp_name_of("md.paper.BTCUSDT");
    size_t len = sp_wire_encode_stream(&stream, b->raw);
    size_t one = 0;

    fill(&b->record, 1);
    b->step = 0;
    for (uint64_t n = 1; n <= (b->what == BATCH ? SP_WIRE_RECORDS_MAX : 1); n++) {
        b->record.seq = b->count / 2;
        if (sp_wire_encode_record(&b->record, b->raw + len, SP_WIRE_FRAME_MAX - len, &one, NULL) !=
            SP_OK) {
            break;
        }
        len += one;
        b->step++;
    }
    b->count -= b->count % b->step;
    b->raw_len = len - sizeof(struct trailer);
}

static void send_raw(struct bench *b, struct sp_sock *sock, uint64_t number)
{
    struct trailer trailer = {.number = number, .sent = sp_clock_mono()};

    memcpy(b->raw + b->raw_len, &trailer, sizeof(trailer));
    must(sp_sock_send(sock, b->raw, b->raw_len + sizeof(trailer)) == SP_OK, "send");
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
    for (uint64_t n = b->step; n <= b->count; n += b->step) {
        due.ns += HOP_EVERY;
        if (b->what == HOP) wait_until(due);
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

/* As marketdata does it at full speed: within a window of what its consumer has reported. */
static bool publish_burst(void *ctx)
{
    struct bench *b = ctx;
    struct sp_trade *trade = &b->record.body.trade;
    sp_name consumer = sp_name_of("strategy.ema");
    sp_mono now = sp_clock_mono();

    if (b->record.seq - sp_bus_consumed(b->pub, &b->record.stream, &consumer, 1) > WINDOW) {
        return false; /* its report wakes us */
    }
    for (int i = 0; i < BURST && b->published < b->count; i++) {
        trade->trade_id = ++b->published;
        trade->px.e8 += (int64_t)(b->published % 7) - 3;
        trade->received = now;
        b->record.time.ns++;
        must(sp_bus_publish(b->pub, &b->record, NULL) == SP_OK, "publish");
    }
    return b->published < b->count;
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
    if (b->what == BATCH) {
        sp_loop_set_idle(b->loop, publish_burst, b);
        while (b->published < b->count) {
            SP_IGNORE(sp_loop_turn(b->loop, (sp_dur){SP_NS_PER_MS}, NULL));
        }
    }
    sp_mono due = sp_clock_mono();
    for (uint64_t n = b->published + 1; n <= b->count; n++) {
        due.ns += HOP_EVERY;
        if (b->what == HOP) wait_until(due);
        publish(b, n);
        if (b->what == HOP || n % BURST == 0) SP_IGNORE(sp_loop_turn(b->loop, no_wait, NULL));
    }
    while (waitpid(-1, NULL, WNOHANG) == 0) { /* it may still ask for a replay */
        SP_IGNORE(sp_loop_turn(b->loop, (sp_dur){SP_NS_PER_MS}, NULL));
    }
    sp_bus_close(b->pub);
    sp_loop_close(b->loop);
}

/* The samples of one round; returns what it took of processors, in ns. Both sides are processes of
 * their own: nothing is carried over. */
static int64_t run_round(bool bus, enum what what, int64_t *samples)
{
    struct rusage usage;
    struct folder folder = folder_make();
    struct bench b = {.bus = bus,
                      .what = what,
                      .count = counts[what],
                      .step = 1,
                      .dir = folder.path,
                      .samples = samples};

    begin_records(&b.record);
    if (!bus) make_raw(&b);
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
    size_t bytes = (what == HOP ? b.count : 1) * sizeof(*samples);
    for (size_t at = 0; at < bytes;) {
        ssize_t n = read(b.result[0], (char *)samples + at, bytes - at);
        must(n > 0, "read");
        at += (size_t)n;
    }
    must(wait4(pid, NULL, 0, &usage) == pid, "wait");
    for (int i = 0; i < 2; i++) {
        close(b.ready[i]);
        close(b.result[i]);
    }
    folder_remove(&folder);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SP_NS_PER_S +
           (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * SP_NS_PER_US;
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

/* `cpu`: what the rounds took of all processors, [1] the bus's. */
static void print_rate(enum what what, int64_t *raw, int64_t *bus, const int64_t cpu[2],
                       size_t rounds, bool json)
{
    const char *name = names[what];
    double records = (double)(counts[what] * rounds);
    qsort(raw, rounds, sizeof(*raw), by_value);
    qsort(bus, rounds, sizeof(*bus), by_value);
    double floor_rate = (double)counts[what] / ((double)raw[rounds / 2] / 1e9);
    double bus_rate = (double)counts[what] / ((double)bus[rounds / 2] / 1e9);

    if (json) {
        printf(
            "{\"name\":\"%s\",\"rounds\":%zu,\"floor_per_s\":%.0f,\"per_s\":%.0f,"
            "\"best_per_s\":%.0f,\"ratio_of_rate\":%.3f,\"floor_cpu_ns\":%.1f,\"cpu_ns\":%.1f}\n",
            name, rounds, floor_rate, bus_rate, (double)counts[what] / ((double)bus[0] / 1e9),
            bus_rate / floor_rate, (double)cpu[0] / records, (double)cpu[1] / records);
        return;
    }
    printf("%-5s raw %9.0f/s  bus %9.0f/s  ratio %.2f  (median of %zu rounds of %" PRIu64
           "; of all processors %.0f and %.0f ns a record)\n",
           name, floor_rate, bus_rate, bus_rate / floor_rate, rounds, counts[what],
           (double)cpu[0] / records, (double)cpu[1] / records);
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
    static int64_t samples[WHAT_COUNT][2][ROUNDS_MAX * HOP_COUNT];
    bool wanted[WHAT_COUNT] = {true, true, true};
    int64_t cpu[WHAT_COUNT][2] = {{0}};
    size_t rounds = ROUNDS;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else if (strcmp(argv[i], "--only") == 0 && i + 1 < argc) {
            i++;
            for (int w = 0; w < WHAT_COUNT; w++)
                wanted[w] = strcmp(argv[i], names[w]) == 0;
        } else {
            rounds = strtoul(argv[i], NULL, 10);
        }
    }
    if (rounds == 0 || rounds > ROUNDS_MAX) return 64;
    for (size_t round = 0; round < rounds; round++) {
        for (int i = 0; i < 2 * WHAT_COUNT; i++) {
            enum what what = (enum what)(i / 2);
            bool bus = i % 2 == 1;
            size_t at = what == HOP ? round * HOP_COUNT : round;
            if (wanted[what]) cpu[what][bus] += run_round(bus, what, &samples[what][bus][at]);
        }
    }
    for (int w = RATE; w <= BATCH; w++) {
        if (!wanted[w]) continue;
        print_rate((enum what)w, samples[w][0], samples[w][1], cpu[w], rounds, json);
    }
    if (wanted[HOP]) print_hop(samples[HOP][0], samples[HOP][1], rounds, json);
    return 0;
}
