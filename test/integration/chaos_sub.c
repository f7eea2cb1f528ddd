/* The subscriber of bus_chaos.py: applies every fact by one record in its own journal, whose "in"
 * is the fact's place; writes every tick and every announced loss to DATA/sub/ticks.log.
 *
 *   chaos-sub RUN DATA files|socket     how it may replay facts
 *
 * Once RUN/quiet exists and everything the publisher announces was applied, it ends with exit 0.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bus/bus.h"
#include "common/clock.h"
#include "common/journal/role.h"

#define QUEUE_MAX   10
#define QUIET_BEATS 15 /* more than a second of heartbeats: each stream was named */

struct sub {
    struct sp_role role;
    struct sp_journal *journal;
    struct sp_loop *loop;
    struct sp_bus *bus;
    struct sp_subscription *facts, *ticks;
    int log_fd;
    bool quiet;
    uint64_t quiet_beat;
    char quiet_path[512], dir[400];
    struct sp_record record;
};

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    fprintf(stderr, "chaos-sub: %s: %s\n", sp_status_name(status), err->text);
    exit(sp_status_exit_code(status));
}

/* Effect and cursor are one append. */
static void on_fact(void *ctx, const struct sp_record *fact)
{
    struct sub *s = ctx;
    struct sp_record *record = &s->record;
    struct sp_err err = {0};

    memset(record, 0, sizeof(*record));
    record->stream = sp_name_of("sub");
    record->epoch = s->role.epoch;
    record->seq = sp_journal_next_seq(s->journal);
    record->time = sp_clock_wall();
    record->kind = SP_REC_CURSOR;
    record->body.cursor.inputs = fact->kind == SP_REC_CURSOR ? fact->body.cursor.inputs : 1;
    record->in = sp_record_ref(fact);
    must(sp_journal_append(s->journal, record, 1, &err), &err);
}

static void log_line(struct sub *s, const char *line)
{
    size_t len = strlen(line);

    if (write(s->log_fd, line, len) != (ssize_t)len) exit(SP_EXIT_STORAGE);
}

static void on_tick(void *ctx, const struct sp_record *tick)
{
    char line[96];

    if (tick->kind != SP_REC_QUOTE) return;
    snprintf(line, sizeof(line), "A %" PRIu32 " %" PRIu64 " %" PRIu64 "\n", tick->epoch, tick->seq,
             tick->body.quote.update_id);
    log_line(ctx, line);
}

static void on_tick_notice(void *ctx, const struct sp_sub_notice *notice)
{
    char line[96];

    if (notice->type != SP_SUB_GAP) return;
    snprintf(line, sizeof(line), "G %" PRIu32 " %" PRIu64 " %" PRIu32 " %" PRIu64 "\n",
             notice->seen_epoch, notice->first_seq, notice->epoch, notice->last_seq);
    log_line(ctx, line);
}

static void on_fact_notice(void *ctx, const struct sp_sub_notice *notice)
{
    (void)ctx;
    if (notice->type == SP_SUB_SILENT || notice->type == SP_SUB_RESTORED) return;
    fprintf(stderr, "chaos-sub: facts: notice %d: %" PRIu64 "..%" PRIu64 "\n", (int)notice->type,
            notice->first_seq, notice->last_seq);
    exit(1); /* nothing was ever lost: no power cut happened */
}

static void on_timer(void *ctx)
{
    struct sub *s = ctx;
    uint64_t beat = sp_subscription_heartbeat(s->facts).count;

    if (!s->quiet) {
        s->quiet = access(s->quiet_path, F_OK) == 0;
        s->quiet_beat = beat;
        return;
    }
    if (beat < s->quiet_beat + QUIET_BEATS) return;
    if (sp_subscription_caught_up(s->facts) && sp_subscription_caught_up(s->ticks)) {
        sp_loop_stop(s->loop);
    }
}

/* The last "in" of our own journal: near its end, so it is searched for backwards. */
static struct sp_ref last_input(struct sub *s)
{
    struct sp_ref in = {0};
    uint64_t next = sp_journal_next_seq(s->journal);

    for (uint64_t back = 64; sp_ref_is_none(&in); back *= 2) {
        struct sp_journal_reader *reader = NULL;
        struct sp_err err = {0};
        uint64_t first = next > back ? next - back : 1;
        must(sp_journal_reader_open(s->dir, NULL, first, &reader, &err), &err);
        while (sp_journal_reader_next(reader, &s->record, NULL, &err) == SP_OK) {
            if (!sp_ref_is_none(&s->record.in)) in = s->record.in;
        }
        sp_journal_reader_close(reader);
        if (first == 1) break;
    }
    return in;
}

/* Where the last line of the log stands; the beginning of epoch 1 if there is none. */
static struct sp_ref last_tick(struct sub *s)
{
    struct sp_ref at = {.stream = sp_name_of("md.chaos"), .epoch = 1};
    char tail[256] = {0};
    struct stat st;
    uint32_t seen_epoch;
    uint64_t first;

    if (fstat(s->log_fd, &st) != 0) exit(SP_EXIT_STORAGE);
    off_t from = st.st_size > 200 ? st.st_size - 200 : 0;
    ssize_t n = pread(s->log_fd, tail, sizeof(tail) - 1, from);
    if (n <= 0) return at;
    tail[n - 1] = '\0'; /* the last newline */
    const char *line = strrchr(tail, '\n');
    line = line != NULL ? line + 1 : tail;
    if (sscanf(line, "A %" SCNu32 " %" SCNu64, &at.epoch, &at.seq) == 2) return at;
    if (sscanf(line, "G %" SCNu32 " %" SCNu64 " %" SCNu32 " %" SCNu64, &seen_epoch, &first,
               &at.epoch, &at.seq) == 4) {
        return at;
    }
    fprintf(stderr, "chaos-sub: torn line in ticks.log: %s\n", line);
    exit(1);
}

static void subscribe(struct sub *s, struct sp_err *err)
{
    struct sp_sub_options facts = {.stream = sp_name_of("pub"),
                                   .publisher = sp_name_of("pub"),
                                   .facts = true,
                                   .cursor = last_input(s),
                                   .on_record = on_fact,
                                   .on_notice = on_fact_notice,
                                   .ctx = s};
    struct sp_sub_options ticks = {.stream = sp_name_of("md.chaos"),
                                   .publisher = sp_name_of("pub"),
                                   .cursor = last_tick(s),
                                   .on_record = on_tick,
                                   .on_notice = on_tick_notice,
                                   .ctx = s};

    must(sp_bus_subscribe(s->bus, &facts, &s->facts, err), err);
    must(sp_bus_subscribe(s->bus, &ticks, &s->ticks, err), err);
}

int main(int argc, char **argv)
{
    static struct sub s;
    struct sp_err err = {0};
    char path[512];

    if (argc != 4) return SP_EXIT_USAGE;
    snprintf(s.dir, sizeof(s.dir), "%s/sub", argv[2]);
    snprintf(s.quiet_path, sizeof(s.quiet_path), "%s/quiet", argv[1]);
    must(sp_loop_open(&s.loop, &err), &err);
    must(sp_role_acquire(&s.role, s.dir, &err), &err);
    snprintf(path, sizeof(path), "%s/ticks.log", s.dir);
    s.log_fd = open(path, O_CREAT | O_RDWR | O_APPEND | O_CLOEXEC, 0600);
    struct sp_journal_options journal = {.dir = s.dir,
                                         .stream = sp_name_of("sub"),
                                         .installation = "chaos",
                                         .world = "test",
                                         .epoch = s.role.epoch,
                                         .segment_bytes = 1 << 20};
    must(sp_journal_open(&journal, &s.journal, &err), &err);
    struct sp_bus_options options = {.run_dir = argv[1],
                                     .data_dir = strcmp(argv[3], "files") == 0 ? argv[2] : NULL,
                                     .service = sp_name_of("sub"),
                                     .epoch = s.role.epoch,
                                     .queue_max = QUEUE_MAX};
    must(sp_bus_open(s.loop, &options, &s.bus, &err), &err);
    subscribe(&s, &err);
    sp_dur every = {10 * SP_NS_PER_MS};
    must(sp_loop_add_timer(s.loop, every, every, on_timer, &s, NULL), &err);
    must(sp_loop_run(s.loop, &err), &err);
    must(sp_journal_seal(s.journal, &err), &err);
    struct sp_bus_stats stats = sp_bus_stats(s.bus);
    printf("last subscriber: %" PRIu64 " received, %" PRIu64 " gaps, %" PRIu64 " replayed from "
           "files, %" PRIu64 " by socket\n",
           stats.received, stats.gaps, stats.replayed_files, stats.replayed_socket);
    sp_bus_close(s.bus);
    sp_journal_close(s.journal);
    sp_role_release(&s.role);
    sp_loop_close(s.loop);
    close(s.log_fd);
    return 0;
}
