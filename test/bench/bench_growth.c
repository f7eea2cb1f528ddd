/* How the bus grows: one publisher with many streams, many subscribers that each take all of them.
 * Every process is one of its own. A round publishes ROUND records, spread over the streams, in
 * turns of BURST; the next begins when every subscriber has all of them. A round is so small that
 * no queue fills, as the library counts (a reader reports every half of a queue). Prints one line a
 * combination; judges nothing.
 *
 *   records_per_s       what each subscriber receives
 *   delivered_per_s     what all of them receive together
 *   publisher_cpu_ns    of all its threads, for a record, whoever it goes to
 *   subscriber_cpu_ns   of all its threads, for a record
 *   publisher_kib, subscriber_kib   private memory at the end, rings and queues included
 *
 * bench-growth [--json] [SECONDS]
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/folder.h"
#include "common/bus/bus.h"
#include "common/clock.h"

#define STREAMS_MAX 100
#define SUBS_MAX    20
#define ROUND       8192
#define BURST       256
#define CAPACITY    32768
#define SETTLE_NS   (300 * SP_NS_PER_MS)
#define TOLD_BYTES  sizeof(struct told)

/* What a process has used. */
struct told {
    int64_t cpu_ns;
    int64_t private_kib;
};

struct growth {
    uint32_t streams, subs;
    const char *dir;
    int done[2], result[2]; /* a byte for each round that a subscriber has; what each has used */
    struct sp_loop *loop;
    struct sp_bus *bus;
    struct sp_record record;
    sp_name names[STREAMS_MAX];
    /* the publisher */
    uint64_t round, left;
    /* a subscriber */
    uint64_t got, seen;
    bool is_seen[STREAMS_MAX];
};

static void must(bool ok, const char *what)
{
    if (ok) return;
    fprintf(stderr, "bench-growth: %s failed\n", what);
    exit(1);
}

static struct told used(void)
{
    struct rusage usage;
    struct told told = {0};
    char line[128];
    long kib = 0;
    FILE *file = fopen("/proc/self/smaps_rollup", "r");

    must(file != NULL, "smaps_rollup");
    while (fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "Private_%*[^:]: %ld", &kib) == 1) told.private_kib += kib;
    }
    fclose(file);
    must(getrusage(RUSAGE_SELF, &usage) == 0, "getrusage");
    told.cpu_ns = (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * SP_NS_PER_S +
                  (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) * SP_NS_PER_US;
    return told;
}

static void open_bus(struct growth *g, const char *service)
{
    struct sp_bus_options options = {.run_dir = g->dir, .service = sp_name_of(service), .epoch = 1};

    must(sp_loop_open(&g->loop, NULL) == SP_OK, "loop");
    must(sp_bus_open(g->loop, &options, &g->bus, NULL) == SP_OK, "bus");
}

/* ---- A subscriber ---- */

/* The trade's number is its round's; its quantity that of its stream. Round 0 shows that every
 * stream arrives. */
static void on_record(void *ctx, const struct sp_record *record)
{
    struct growth *g = ctx;
    uint64_t stream = (uint64_t)record->body.trade.qty.e8 - 1;
    bool complete = false;

    if (record->body.trade.trade_id == 0) {
        g->seen += !g->is_seen[stream];
        complete = !g->is_seen[stream] && g->seen == g->streams;
        g->is_seen[stream] = true;
    } else {
        complete = ++g->got % ROUND == 0;
    }
    if (complete) must(write(g->done[1], "r", 1) == 1, "write");
}

static void subscribe(struct growth *g, uint32_t number)
{
    char name[SP_NAME_SIZE];

    snprintf(name, sizeof name, "strategy.%" PRIu32, number);
    open_bus(g, name);
    for (uint32_t i = 0; i < g->streams; i++) {
        struct sp_sub_options options = {.stream = g->names[i],
                                         .publisher = sp_name_of("marketdata"),
                                         .on_record = on_record,
                                         .ctx = g};
        must(sp_bus_subscribe(g->bus, &options, NULL, NULL) == SP_OK, "subscribe");
    }
    SP_IGNORE(sp_loop_run(g->loop, NULL)); /* until SIGTERM */
    struct told told = used();
    must(write(g->result[1], &told, TOLD_BYTES) == (ssize_t)TOLD_BYTES, "write");
    _exit(0);
}

/* ---- The publisher ---- */

static bool publish_burst(void *ctx)
{
    struct growth *g = ctx;

    for (int i = 0; i < BURST && g->left > 0; i++) {
        uint32_t stream = (uint32_t)(g->left-- % g->streams);
        g->record.stream = g->names[stream];
        g->record.body.trade.trade_id = g->round;
        g->record.body.trade.qty.e8 = (int64_t)stream + 1;
        must(sp_bus_publish(g->bus, &g->record, NULL) == SP_OK, "publish");
    }
    return g->left > 0;
}

/* Bytes that the subscribers have written since. */
static uint32_t done_now(const struct growth *g)
{
    struct sp_poll_item item = {.fd = g->done[0]};
    char bytes[SUBS_MAX];

    must(sp_sock_poll(&item, 1, (sp_dur){0}, NULL) == SP_OK, "poll");
    if (!item.readable) return 0;
    ssize_t n = read(g->done[0], bytes, sizeof bytes);
    must(n > 0, "read");
    return (uint32_t)n;
}

static void run_for(struct growth *g, int64_t ns)
{
    sp_mono start = sp_clock_mono();

    while (sp_mono_since(sp_clock_mono(), start).ns < ns)
        SP_IGNORE(sp_loop_turn(g->loop, (sp_dur){SP_NS_PER_MS}, NULL));
}

/* One record a stream, slowly, until every subscriber has had one of each. */
static void join_all(struct growth *g)
{
    for (uint32_t done = 0; done < g->subs; done += done_now(g)) {
        g->left = g->streams;
        sp_loop_set_idle(g->loop, publish_burst, g);
        run_for(g, 20 * SP_NS_PER_MS);
    }
    run_for(g, SETTLE_NS);
}

static void run_round(struct growth *g)
{
    uint32_t done = 0;

    g->round++;
    g->left = ROUND;
    sp_loop_set_idle(g->loop, publish_burst, g);
    while (done < g->subs) {
        SP_IGNORE(sp_loop_turn(g->loop, (sp_dur){SP_NS_PER_MS / 5}, NULL));
        done += done_now(g);
    }
}

static void open_publisher(struct growth *g)
{
    open_bus(g, "marketdata");
    for (uint32_t i = 0; i < g->streams; i++)
        must(sp_bus_add_ring(g->bus, &g->names[i], CAPACITY, NULL, NULL, NULL) == SP_OK, "ring");
    g->record = (struct sp_record){.time = {INT64_C(1795374000000000000)}, .kind = SP_REC_TRADE};
    g->record.body.trade = (struct sp_trade){.px = {INT64_C(6012345000000)},
                                             .taker_side = SP_SIDE_BUY,
                                             .received = sp_clock_mono()};
}

static void print(const struct growth *g, double seconds, const struct told told[2], bool json)
{
    double records = (double)(g->round * ROUND);
    double rate = records / seconds;
    double cpu[2] = {(double)told[0].cpu_ns / records,
                     (double)told[1].cpu_ns / records / (double)g->subs};

    if (json) {
        printf("{\"name\":\"%" PRIu32 "x%" PRIu32 "\",\"records_per_s\":%.0f,"
               "\"delivered_per_s\":%.0f,\"publisher_cpu_ns\":%.0f,\"subscriber_cpu_ns\":%.0f,"
               "\"publisher_kib\":%" PRId64 ",\"subscriber_kib\":%" PRId64 "}\n",
               g->streams, g->subs, rate, rate * g->subs, cpu[0], cpu[1], told[0].private_kib,
               told[1].private_kib / g->subs);
    } else {
        printf("%3" PRIu32 " streams %2" PRIu32 " subscribers %9.0f/s each %10.0f/s in all  cpu "
               "%5.0f and %5.0f ns  private %6" PRId64 " and %6" PRId64 " KiB\n",
               g->streams, g->subs, rate, rate * g->subs, cpu[0], cpu[1], told[0].private_kib,
               told[1].private_kib / g->subs);
    }
    fflush(stdout);
}

static void measure(uint32_t streams, uint32_t subs, double seconds, bool json)
{
    struct folder folder = folder_make();
    static struct growth g;
    pid_t pids[SUBS_MAX];
    struct told told[2] = {{0}};

    g = (struct growth){.streams = streams, .subs = subs, .dir = folder.path};
    for (uint32_t i = 0; i < streams; i++) {
        char name[SP_NAME_SIZE];
        snprintf(name, sizeof name, "md.paper.PAIR%" PRIu32, i);
        g.names[i] = sp_name_of(name);
    }
    must(pipe(g.done) == 0 && pipe(g.result) == 0, "pipe");
    for (uint32_t i = 0; i < subs; i++) {
        pids[i] = fork();
        must(pids[i] >= 0, "fork");
        if (pids[i] == 0) subscribe(&g, i);
    }
    open_publisher(&g);
    join_all(&g);
    struct told before = used();
    sp_mono start = sp_clock_mono();
    double took = 0;
    while (took < seconds) {
        run_round(&g);
        took = (double)sp_mono_since(sp_clock_mono(), start).ns / 1e9;
    }
    told[0] = used();
    told[0].cpu_ns -= before.cpu_ns;
    for (uint32_t i = 0; i < subs; i++) {
        struct told one;
        kill(pids[i], SIGTERM);
        must(read(g.result[0], &one, TOLD_BYTES) == (ssize_t)TOLD_BYTES, "read");
        must(waitpid(pids[i], NULL, 0) == pids[i], "wait");
        told[1].cpu_ns += one.cpu_ns;
        told[1].private_kib += one.private_kib;
    }
    print(&g, took, told, json);
    sp_bus_close(g.bus);
    sp_loop_close(g.loop);
    for (int i = 0; i < 2; i++) {
        close(g.done[i]);
        close(g.result[i]);
    }
    folder_remove(&folder);
}

int main(int argc, char **argv)
{
    static const uint32_t streams[] = {1, 10, 100}, subs[] = {1, 5, 20};
    double seconds = 0.5;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            seconds = strtod(argv[i], NULL);
        }
    }
    for (int i = 0; i < 9; i++) {
        pid_t pid = fork(); /* each on its own: the sockets' context lasts as long as its process */
        must(pid >= 0, "fork");
        if (pid == 0) {
            measure(streams[i / 3], subs[i % 3], seconds, json);
            _exit(0);
        }
        int status = 0;
        must(waitpid(pid, &status, 0) == pid && status == 0, "a combination");
    }
    return 0;
}
