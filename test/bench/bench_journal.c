/* The journal beside what the disk can do, in one run, interleaved, in one folder.
 *
 *   synced   each record appended and synced, and written ahead for as the gateway does, which
 *            counts, against write + fdatasync of as many bytes
 *   grouped  batches of 32, synced once a second and at the end, against write of as many bytes in
 *            64 KiB pieces, synced once a second and at the end
 *   and reading all of it back, as records
 *
 * Prints what it measured and the ratios; judges nothing. Runs in the folder it is started in.
 * bench-journal [--json] [SAMPLES]
 */
#include "../common/folder.h"
#include "../proto/filler.h"
#include "common/clock.h"
#include "common/journal/journal.h"

#define SAMPLES_DEFAULT 20000
#define BATCH           32
#define GROUPED_RECORDS 640000
#define PIECE_BYTES     65536

static struct sp_record records[BATCH];
static char dir[512];
static char piece[PIECE_BYTES];

struct latency {
    int64_t *ns;
    size_t count;
};

struct value {
    const char *key;
    double value;
    int places;
};

static bool json;

static void report(const char *name, const struct value *values, size_t count)
{
    printf(json ? "{\"name\":\"%s\"" : "%-16s", name);
    for (size_t i = 0; i < count; i++) {
        printf(json ? ",\"%s\":%.*f" : " %s=%.*f", values[i].key, values[i].places,
               values[i].value);
    }
    puts(json ? "}" : "");
}

static int compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t percentile(struct latency *latency, unsigned per_mille)
{
    qsort(latency->ns, latency->count, sizeof latency->ns[0], compare_ns);
    return latency->ns[(latency->count - 1) * per_mille / 1000];
}

static int64_t total(const struct latency *latency)
{
    int64_t sum = 0;

    for (size_t i = 0; i < latency->count; i++)
        sum += latency->ns[i];
    return sum;
}

static const char *path_in(const char *name, char buf[600])
{
    snprintf(buf, 600, "%s/%s", dir, name);
    return buf;
}

static struct sp_journal *open_journal(const char *name)
{
    static char path[600];
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};
    struct sp_journal_options options = {.dir = path_in(name, path),
                                         .stream = sp_name_of("execution"),
                                         .installation = "bench",
                                         .epoch = 1,
                                         .sync_every = {-1}};

    if (sp_journal_open(&options, &journal, &err) != SP_OK) {
        fprintf(stderr, "%s\n", err.text);
        exit(74);
    }
    return journal;
}

static void prepare(enum sp_kind kind)
{
    for (uint32_t i = 0; i < BATCH; i++) {
        sp_filler_record(kind, i, &records[i]);
        records[i].stream = sp_name_of("execution");
        records[i].epoch = 1;
        sp_record_add_cause(&records[i], &(struct sp_ref){sp_name_of("strategy.ema"), 3, 118});
        if (i + 1 < BATCH) records[i].in = (struct sp_ref){0};
    }
}

static void append(struct sp_journal *journal, uint32_t count)
{
    uint64_t seq = sp_journal_next_seq(journal);

    for (uint32_t i = 0; i < count; i++)
        records[BATCH - count + i].seq = seq + i;
    sp_status status = sp_journal_append(journal, records + BATCH - count, count, NULL);
    SP_ASSERT(status == SP_OK);
}

static void sync_journal(struct sp_journal *journal)
{
    sp_status status = sp_journal_sync(journal, NULL);

    SP_ASSERT(status == SP_OK);
}

static int open_floor(const char *name)
{
    char path[600];
    int fd = open(path_in(name, path), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

    SP_ASSERT(fd >= 0);
    return fd;
}

static void write_floor(int fd, size_t len)
{
    ssize_t n = write(fd, piece, len);

    SP_ASSERT(n == (ssize_t)len);
}

static void sync_floor(int fd)
{
    int rc = fdatasync(fd);

    SP_ASSERT(rc == 0);
}

static void bench_synced(size_t samples)
{
    struct latency floor = {calloc(samples, sizeof(int64_t)), samples};
    struct latency ours = {calloc(samples, sizeof(int64_t)), samples};
    struct sp_journal *journal = open_journal("synced");
    int fd = open_floor("floor");

    prepare(SP_REC_ORDER_INTENT);
    append(journal, 1);
    uint64_t before = sp_journal_stats(journal).bytes;
    append(journal, 1);
    size_t len = (size_t)(sp_journal_stats(journal).bytes - before);
    for (size_t i = 0; i < samples; i++) {
        for (size_t side = 0; side < 2; side++) {
            /* Who goes first alternates, so that neither pays for the other's. */
            bool journal_turn = (side ^ (i & 1)) == 0;
            sp_mono began = sp_clock_mono();
            if (journal_turn) {
                append(journal, 1);
                sync_journal(journal);
                SP_IGNORE(sp_journal_prepare(journal, NULL)); /* a failure is the next sync's */
            } else {
                write_floor(fd, len);
                sync_floor(fd);
            }
            int64_t ns = sp_mono_since(sp_clock_mono(), began).ns;
            (journal_turn ? &ours : &floor)->ns[i] = ns;
        }
    }
    sp_journal_close(journal);
    close(fd);
    int64_t floor_sum = total(&floor), ours_sum = total(&ours);
    const struct value values[] = {
        {"samples", (double)samples, 0},
        {"bytes", (double)len, 0},
        {"floor_p50_us", (double)percentile(&floor, 500) / 1e3, 0},
        {"floor_p99_us", (double)percentile(&floor, 990) / 1e3, 0},
        {"p50_us", (double)percentile(&ours, 500) / 1e3, 0},
        {"p99_us", (double)percentile(&ours, 990) / 1e3, 0},
        {"ratio_of_rate", (double)floor_sum / (double)ours_sum, 3},
    };
    report("synced", values, sizeof values / sizeof values[0]);
    free(floor.ns);
    free(ours.ns);
}

static int64_t run_floor(uint64_t bytes)
{
    int fd = open_floor("floor");
    sp_mono began = sp_clock_mono(), synced = began;

    for (uint64_t done = 0; done < bytes; done += sizeof piece) {
        write_floor(fd, sizeof piece);
        if (sp_mono_since(sp_clock_mono(), synced).ns < SP_NS_PER_S) continue;
        sync_floor(fd);
        synced = sp_clock_mono();
    }
    sync_floor(fd);
    int64_t ns = sp_mono_since(sp_clock_mono(), began).ns;
    close(fd);
    return ns;
}

static int64_t run_grouped(const char *name, uint64_t *bytes)
{
    struct sp_journal *journal = open_journal(name);
    sp_mono began = sp_clock_mono(), synced = began;

    for (uint32_t done = 0; done < GROUPED_RECORDS; done += BATCH) {
        append(journal, BATCH);
        if (sp_mono_since(sp_clock_mono(), synced).ns < SP_NS_PER_S) continue;
        sync_journal(journal);
        synced = sp_clock_mono();
    }
    sync_journal(journal);
    int64_t ns = sp_mono_since(sp_clock_mono(), began).ns;
    *bytes = sp_journal_stats(journal).bytes;
    sp_journal_close(journal);
    return ns;
}

static int64_t run_read(const char *name)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    char path[600];
    uint64_t count = 0;
    sp_mono began = sp_clock_mono();
    sp_status status = sp_journal_reader_open(path_in(name, path), NULL, 1, &reader, NULL);

    SP_ASSERT(status == SP_OK);
    while (sp_journal_reader_next(reader, &record, NULL, NULL) == SP_OK)
        count++;
    SP_ASSERT(count == GROUPED_RECORDS + 1);
    sp_journal_reader_close(reader);
    return sp_mono_since(sp_clock_mono(), began).ns;
}

static void bench_grouped(const char *name, enum sp_kind kind)
{
    uint64_t bytes = 0;

    prepare(kind);
    int64_t ours_ns = run_grouped(name, &bytes);
    int64_t floor_ns = run_floor(bytes);
    int64_t read_ns = run_read(name);
    const struct value values[] = {
        {"records", GROUPED_RECORDS, 0},
        {"bytes_per_record", (double)bytes / GROUPED_RECORDS, 0},
        {"records_per_s", GROUPED_RECORDS * 1e9 / (double)ours_ns, 0},
        {"mb_per_s", (double)bytes * 1e3 / (double)ours_ns, 0},
        {"floor_mb_per_s", (double)bytes * 1e3 / (double)floor_ns, 0},
        {"ratio_of_rate", (double)floor_ns / (double)ours_ns, 3},
        {"read_records_per_s", GROUPED_RECORDS * 1e9 / (double)read_ns, 0},
    };
    report(name, values, sizeof values / sizeof values[0]);
}

int main(int argc, char **argv)
{
    size_t samples = SAMPLES_DEFAULT;
    char template[] = "bench-journal-XXXXXX";

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            json = true;
        } else {
            samples = strtoul(argv[i], NULL, 10);
        }
    }
    if (samples == 0 || mkdtemp(template) == NULL) return 64;
    snprintf(dir, sizeof dir, "%s", template);
    bench_synced(samples);
    bench_grouped("grouped_small", SP_REC_CURSOR);
    bench_grouped("grouped_large", SP_REC_ORDER_ACK);
    folder_remove_path(template);
    return 0;
}
