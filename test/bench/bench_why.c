/* How long `why` takes over a long history, through the indexes of its segments, as they were
 * written and compressed; and what the indexes and the compression cost.
 *
 * One stream of trades of twelve records each, written as execution writes. An explanation is what
 * the command does: open the journals, find a trade that is drawn, build its chain, print it. The
 * newest segment has no index and is read whole; it is full to its half on average, and here as the
 * number of records has it. Prints what it measured; judges nothing. Runs in the folder it is
 * started in.
 * bench-why [--json] [RECORDS [FORM]], FORM: plain, zipped or both
 */
#include "../common/folder.h"
#include "../proto/filler.h"
#include "common/clock.h"
#include "common/journal/journal.h"
#include "common/journal/journal_keeper.h"
#include "common/journal/journal_lookup.h"
#include "services/spoor/explain.h"

#include <time.h>

#define RECORDS_DEFAULT 1000000
#define SAMPLES         50

static const enum sp_kind life[] = {SP_REC_OPPORTUNITY_DETECTED,
                                    SP_REC_OPPORTUNITY_ACCEPTED,
                                    SP_REC_PLAN_READY,
                                    SP_REC_PLAN_ACCEPTED,
                                    SP_REC_ORDER_INTENT,
                                    SP_REC_ORDER_SENT,
                                    SP_REC_ORDER_ACK,
                                    SP_REC_FILL,
                                    SP_REC_TRADE_OPENED,
                                    SP_REC_POSITION_ADJUSTED,
                                    SP_REC_RECONCILIATION_RESULT,
                                    SP_REC_TRADE_CLOSED};
#define LIFE (sizeof life / sizeof life[0])

static struct sp_record records[LIFE];
static char dir[512];
static bool json;

struct measured {
    double p50_ms, max_ms;
    double cpu_p50_ms; /* of the processor, whatever else ran beside it */
};

static double ms_since(sp_mono began)
{
    return (double)sp_mono_since(sp_clock_mono(), began).ns / 1e6;
}

static double cpu_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    fprintf(stderr, "%s\n", err->text);
    exit(74);
}

/* The n-th trade's id of a type: a hash under a time, as all ids are. */
static struct sp_id id_of(enum sp_id_type type, uint64_t trade)
{
    struct sp_id_source source = {
        .installation = "bench",
        .stream = "execution",
        .epoch = 1,
        .seq = trade + 1,
        .time = {INT64_C(1795374000000000000) + (int64_t)trade * SP_NS_PER_S}};

    return sp_id_mint(type, &source);
}

/* All ids of a record are this trade's. */
static void set_ids(struct sp_record *record, uint64_t trade)
{
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);

    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        char *at = (char *)&record->body + field->offset;
        if (sp_kind_is_id(field->kind)) {
            struct sp_id id =
                id_of((enum sp_id_type)((int)field->kind - SP_KIND_ID_FIRST - 1), trade);
            memcpy(at, &id, sizeof id);
        } else if (sp_kind_is_ids(field->kind)) {
            sp_trd_ids ids = {.count = 1}; /* all lists of ids are alike */
            ids.at[0].raw =
                id_of((enum sp_id_type)((int)field->kind - SP_KIND_IDS_FIRST - 1), trade);
            memcpy(at, &ids, sizeof ids);
        }
    }
}

static void prepare(void)
{
    for (uint32_t i = 0; i < LIFE; i++) {
        sp_filler_record(life[i], i, &records[i]);
        records[i].stream = sp_name_of("execution");
        records[i].epoch = 1;
        records[i].by_count = 0;
        sp_record_add_cause(&records[i], &(struct sp_ref){sp_name_of("strategy.ema"), 3, 118});
        if (i + 1 < LIFE) records[i].in = (struct sp_ref){0};
    }
}

static double write_history(const char *path, uint64_t trades)
{
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};
    struct sp_journal_options options = {.dir = path,
                                         .stream = sp_name_of("execution"),
                                         .installation = "bench",
                                         .epoch = 1,
                                         .sync_every = {-1}};
    sp_mono began = sp_clock_mono();

    must(sp_journal_open(&options, &journal, &err), &err);
    for (uint64_t trade = 0; trade < trades; trade++) {
        uint64_t seq = sp_journal_next_seq(journal);
        for (uint32_t i = 0; i < LIFE; i++) {
            records[i].seq = seq + i;
            records[i].time = (sp_wall){INT64_C(1795374000000000000) +
                                        (int64_t)trade * SP_NS_PER_S + (int64_t)i * 1000};
            set_ids(&records[i], trade);
        }
        must(sp_journal_append(journal, records, LIFE, &err), &err);
    }
    sp_journal_close(journal);
    return ms_since(began);
}

static double keep(const char *path, sp_dur compress_after, struct sp_keeper_done *done)
{
    struct sp_keeper_options options = {.dir = path,
                                        .port = sp_file_port_real(),
                                        .compress_after = compress_after};
    struct sp_err err = {0};
    sp_mono began = sp_clock_mono();

    must(sp_keeper_pass(&options, done, &err), &err);
    return ms_since(began);
}

/* What the files of a form take. */
static double mb_of(const char *path, const char *suffix)
{
    DIR *folder = opendir(path);
    double bytes = 0;

    SP_ASSERT(folder != NULL);
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        struct stat st;
        size_t len = strlen(e->d_name), end = strlen(suffix);
        if (len <= end || strcmp(e->d_name + len - end, suffix) != 0) continue;
        if (fstatat(dirfd(folder), e->d_name, &st, 0) == 0) bytes += (double)st.st_size;
    }
    closedir(folder);
    return bytes / 1e6;
}

/* The segment that is read whole. */
static double newest_mb(const char *path)
{
    struct sp_segment_list list;
    struct sp_segment_cursor cursor = {0};
    struct sp_err err = {0};

    must(sp_segment_list_read(path, &list, &err), &err);
    must(sp_segment_open(&cursor, path, list.first[list.count - 1], &err), &err);
    double bytes = (double)sp_segment_file_size(&cursor.file);
    sp_segment_close(&cursor);
    sp_segment_list_free(&list);
    return bytes / 1e6;
}

static void explain_once(uint64_t trade)
{
    struct sp_evidence *evidence = NULL;
    struct sp_err err = {0};
    struct sp_chain_style style = {.width = 100};
    char *text = NULL;
    size_t len = 0;

    must(sp_evidence_load(dir, &evidence, &err), &err);
    struct sp_evidence_id id = {.type = SP_ID_TRD, .id = id_of(SP_ID_TRD, trade)};
    struct sp_chain *chain = sp_explain(evidence, id);
    SP_ASSERT(chain != NULL);
    FILE *out = open_memstream(&text, &len);
    SP_ASSERT(out != NULL);
    sp_chain_print(chain, &style, out);
    fclose(out);
    SP_ASSERT(len > 500);
    free(text);
    sp_chain_free(chain);
    sp_evidence_free(evidence);
}

static int compare_ms(const void *a_, const void *b_)
{
    double a = *(const double *)a_, b = *(const double *)b_;

    return (a > b) - (a < b);
}

static struct measured measure(uint64_t trades)
{
    static double ms[SAMPLES], cpu[SAMPLES];
    uint64_t random = 7;

    for (uint32_t i = 0; i < SAMPLES; i++) {
        random = random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        sp_mono began = sp_clock_mono();
        double cpu_began = cpu_ms();
        explain_once((random >> 20) % trades);
        cpu[i] = cpu_ms() - cpu_began;
        ms[i] = ms_since(began);
    }
    qsort(ms, SAMPLES, sizeof *ms, compare_ms);
    qsort(cpu, SAMPLES, sizeof *cpu, compare_ms);
    return (struct measured){ms[SAMPLES / 2], ms[SAMPLES - 1], cpu[SAMPLES / 2]};
}

static void report(const char *name, const char *const *keys, const double *values, size_t count)
{
    printf(json ? "{\"name\":\"%s\"" : "%-8s", name);
    for (size_t i = 0; i < count; i++)
        printf(json ? ",\"%s\":%.3f" : " %s=%.3f", keys[i], values[i]);
    puts(json ? "}" : "");
    fflush(stdout);
}

/* What opening alone costs the processor: most of it is the newest segment. */
static double open_ms(const char *path)
{
    struct sp_lookup *lookup = NULL;
    struct sp_err err = {0};
    double began = cpu_ms();

    must(sp_lookup_open(path, &lookup, &err), &err);
    double ms = cpu_ms() - began;
    SP_ASSERT(sp_lookup_scanned(lookup) == 1);
    sp_lookup_close(lookup);
    return ms;
}

static void measure_form(const char *path, const char *form, uint64_t trades)
{
    static const char *const asked[] = {"p50_ms", "max_ms", "cpu_p50_ms", "open_cpu_ms"};

    SP_IGNORE(open_ms(path) < 0); /* the page cache has it then */
    double opened = open_ms(path);
    struct measured m = measure(trades);
    report(form, asked, (double[]){m.p50_ms, m.max_ms, m.cpu_p50_ms, opened}, 4);
}

static void bench(const char *path, uint64_t trades, const char *form)
{
    static const char *const made[] = {"records",  "segments", "mb",     "write_s",  "index_s",
                                       "index_mb", "zip_s",    "zip_mb", "newest_mb"};
    struct sp_keeper_done indexed, zipped;

    double write_ms = write_history(path, trades), zip_ms = 0;
    double index_ms = keep(path, (sp_dur){0}, &indexed), mb = mb_of(path, ".jsonl");
    if (strcmp(form, "zipped") != 0) measure_form(path, "plain", trades);
    if (strcmp(form, "plain") != 0) {
        zip_ms = keep(path, (sp_dur){1}, &zipped);
        measure_form(path, "zipped", trades);
    }
    report("made", made,
           (double[]){(double)trades * LIFE, indexed.indexed + 1, mb, write_ms / 1e3,
                      index_ms / 1e3, mb_of(path, ".idx"), zip_ms / 1e3, mb_of(path, ".zst"),
                      newest_mb(path)},
           9);
}

int main(int argc, char **argv)
{
    char template[] = "why-XXXXXX", path[600];

    if (argc > 1 && strcmp(argv[1], "--json") == 0) {
        json = true;
        argc--;
        argv++;
    }
    uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : RECORDS_DEFAULT;
    if (count < LIFE || mkdtemp(template) == NULL) return 64;
    snprintf(dir, sizeof dir, "%s", template);
    snprintf(path, sizeof path, "%s/execution", dir);
    prepare();
    bench(path, count / LIFE, argc > 2 ? argv[2] : "both");
    folder_remove_path(dir);
    return 0;
}
