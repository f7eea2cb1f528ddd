/* The publisher of bus_chaos.py: facts from a journal and a ring, at a rate that overflows tiny
 * queues, until the file RUN/quiet appears; then it only beats, until SIGTERM.
 *
 *   chaos-pub RUN DATA               publish
 *   chaos-pub --verify DIR STREAM    check a journal; exit 0 if it is whole
 *
 * The number of ring records is kept in DATA/pub/ring.EPOCH, which is raised before each is sent.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/bus/bus.h"
#include "common/clock.h"
#include "common/journal/role.h"

#define QUEUE_MAX     10
#define RING_CAPACITY 256
#define FACTS_MAX     3
#define TICKS_MAX     6

struct pub {
    struct sp_role role;
    struct sp_journal *journal;
    struct sp_loop *loop;
    struct sp_bus *bus;
    int count_fd;
    uint64_t ticks;
    uint64_t random;
    char quiet[512];
    struct sp_record record;
};

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    fprintf(stderr, "chaos-pub: %s: %s\n", sp_status_name(status), err->text);
    exit(sp_status_exit_code(status));
}

static uint32_t draw(struct pub *p, uint32_t max)
{
    p->random ^= p->random << 13;
    p->random ^= p->random >> 7;
    p->random ^= p->random << 17;
    return (uint32_t)(p->random % max) + 1;
}

static void publish_fact(struct pub *p)
{
    struct sp_record *record = &p->record;
    struct sp_err err = {0};

    memset(record, 0, sizeof(*record));
    record->stream = sp_name_of("pub");
    record->epoch = p->role.epoch;
    record->seq = sp_journal_next_seq(p->journal);
    record->time = sp_clock_wall();
    record->kind = SP_REC_CURSOR;
    record->body.cursor.inputs = draw(p, 1000000);
    must(sp_journal_append(p->journal, record, 1, &err), &err);
    must(sp_bus_publish(p->bus, record, &err), &err);
}

static void publish_tick(struct pub *p)
{
    struct sp_record *record = &p->record;
    struct sp_err err = {0};

    memset(record, 0, sizeof(*record));
    record->stream = sp_name_of("md.chaos");
    record->time = sp_clock_wall();
    record->kind = SP_REC_QUOTE;
    p->ticks++;
    record->body.quote = (struct sp_quote){.update_id = p->ticks,
                                           .bid_px = {SP_FX_ONE},
                                           .bid_qty = {(int64_t)p->ticks},
                                           .ask_px = {2 * SP_FX_ONE},
                                           .ask_qty = {SP_FX_ONE}};
    if (pwrite(p->count_fd, &p->ticks, sizeof(p->ticks), 0) != (ssize_t)sizeof(p->ticks)) exit(74);
    must(sp_bus_publish(p->bus, record, &err), &err);
}

static void on_timer(void *ctx)
{
    struct pub *p = ctx;

    if (access(p->quiet, F_OK) == 0) return;
    for (uint32_t n = draw(p, FACTS_MAX); n > 0; n--)
        publish_fact(p);
    for (uint32_t n = draw(p, TICKS_MAX); n > 0; n--)
        publish_tick(p);
}

static uint32_t give_snapshot(void *ctx, const sp_name *stream, struct sp_record *out, uint32_t max)
{
    const struct pub *p = ctx;

    (void)stream;
    SP_ASSERT(max >= 2);
    for (uint32_t i = 0; i < 2; i++) {
        memset(&out[i], 0, sizeof(out[i]));
        out[i].kind = SP_REC_BOOK_SNAPSHOT;
        out[i].body.book_snapshot.last_update_id = p->ticks + 1;
        out[i].body.book_snapshot.part = i;
        out[i].body.book_snapshot.more = i == 0;
    }
    return 2;
}

static int verify(const char *dir, const char *stream)
{
    struct sp_journal_report report = {0};
    struct sp_err err = {0};
    sp_name name = sp_name_of(stream);

    must(sp_journal_verify(dir, &name, &report, &err), &err);
    printf("%s: %" PRIu64 " records, %u epochs, %u segments\n", stream, report.records,
           report.epochs, report.segments);
    return 0;
}

int main(int argc, char **argv)
{
    static struct pub p;
    struct sp_err err = {0};
    char dir[400], path[512];
    sp_name ring = sp_name_of("md.chaos");

    if (argc == 4 && strcmp(argv[1], "--verify") == 0) return verify(argv[2], argv[3]);
    if (argc != 3) return SP_EXIT_USAGE;
    snprintf(dir, sizeof(dir), "%s/pub", argv[2]);
    snprintf(p.quiet, sizeof(p.quiet), "%s/quiet", argv[1]);
    must(sp_loop_open(&p.loop, &err), &err);
    must(sp_role_acquire(&p.role, dir, &err), &err);
    p.random = UINT64_C(0x9e3779b97f4a7c15) * p.role.epoch;
    snprintf(path, sizeof(path), "%s/ring.%" PRIu32, dir, p.role.epoch);
    p.count_fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    struct sp_journal_options journal = {.dir = dir,
                                         .stream = sp_name_of("pub"),
                                         .installation = "chaos",
                                         .world = "test",
                                         .epoch = p.role.epoch,
                                         .segment_bytes = 1 << 20};
    must(sp_journal_open(&journal, &p.journal, &err), &err);
    struct sp_bus_options options = {.run_dir = argv[1],
                                     .data_dir = argv[2],
                                     .service = sp_name_of("pub"),
                                     .epoch = p.role.epoch,
                                     .queue_max = QUEUE_MAX};
    must(sp_bus_open(p.loop, &options, &p.bus, &err), &err);
    must(sp_bus_add_facts(p.bus, p.journal, &journal.stream, &err), &err);
    must(sp_bus_add_ring(p.bus, &ring, RING_CAPACITY, give_snapshot, &p, &err), &err);
    sp_dur every = {SP_NS_PER_MS};
    must(sp_loop_add_timer(p.loop, every, every, on_timer, &p, NULL), &err);
    must(sp_loop_run(p.loop, &err), &err);
    must(sp_journal_seal(p.journal, &err), &err);
    sp_bus_close(p.bus);
    sp_journal_close(p.journal);
    sp_role_release(&p.role);
    sp_loop_close(p.loop);
    close(p.count_fd);
    return 0;
}
