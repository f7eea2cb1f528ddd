/* journal stat: what a journal holds, segment by segment, from the indexes; it verifies nothing
 * that an index says. */
#include "services/spoor/journal_check.h"

#include "common/journal/journal_index.h"
#include "proto/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* What is known of one segment. */
struct row {
    uint64_t first_seq;
    struct sp_index_facts facts;
    uint64_t disk_bytes;
    bool sealed, indexed, compressed, damaged;
};

struct sums {
    uint64_t records, disk_bytes, plain_bytes;
    uint64_t kinds[SP_KIND_NUMBER_MAX + 1];
};

static bool add_kinds(struct sp_index *index, struct sums *sums)
{
    struct sp_index_facts facts = sp_index_facts(index);

    for (uint32_t i = 0; i < facts.kind_count; i++) {
        struct sp_index_kind kind;
        if (sp_index_kind(index, i, &kind) != SP_OK) return false;
        sums->kinds[kind.kind] += kind.total;
    }
    return true;
}

/* The index beside the segment if it is its own, else one in memory. */
static struct sp_index *index_of(const char *dir, struct row *row, bool is_last, struct sp_err *err)
{
    struct sp_segment_cursor cursor = {0};
    struct sp_index *index = NULL;
    struct sp_line seal = {0};

    if (sp_segment_open(&cursor, dir, row->first_seq, err) != SP_OK) return NULL;
    row->compressed = cursor.file.zip != NULL;
    row->sealed = sp_segment_read_seal(&cursor, &seal, NULL) == SP_OK;
    sp_segment_close(&cursor);
    if (row->sealed && sp_index_open(dir, row->first_seq, &index, NULL) == SP_OK) {
        row->indexed = sp_index_facts(index).seal_crc == seal.crc && sp_index_check(index) == SP_OK;
        if (row->indexed) return index;
        sp_index_close(index);
        index = NULL;
    }
    row->damaged = sp_index_build(dir, row->first_seq, is_last, &index, err) != SP_OK;
    return index;
}

static void read_row(const char *dir, struct row *row, bool is_last, struct sums *sums,
                     struct sp_err *err)
{
    char path[SP_SEGMENT_PATH_SIZE];
    struct stat st = {0};
    struct sp_index *index = index_of(dir, row, is_last, err);

    row->damaged = row->damaged || index == NULL;
    if (index != NULL) {
        row->facts = sp_index_facts(index);
        if (!add_kinds(index, sums)) row->damaged = true;
        sp_index_close(index);
    }
    const char *suffix = row->compressed ? SP_SEGMENT_ZIP_SUFFIX : ".jsonl";
    if (sp_segment_path_as(dir, row->first_seq, suffix, path, NULL) == SP_OK)
        SP_IGNORE(stat(path, &st) != 0); /* deleted meanwhile: no bytes */
    row->disk_bytes = (uint64_t)st.st_size;
    sums->records += row->facts.records;
    sums->disk_bytes += row->disk_bytes;
    sums->plain_bytes += row->facts.segment_bytes;
}

static const char *state_of(const struct row *row, char out[64])
{
    snprintf(out, 64, "%s%s%s%s", row->damaged ? "DAMAGED, " : "", row->sealed ? "sealed" : "open",
             row->indexed ? ", indexed" : "", row->compressed ? ", compressed" : "");
    return out;
}

static const char *bytes_text(uint64_t bytes, char out[SP_WALL_TEXT_SIZE])
{
    return sp_e8_pretty((int64_t)bytes * SP_FX_ONE, 0, out);
}

/* ---- Text ---- */

static void print_row(const struct row *row)
{
    char from[SP_WALL_TEXT_SIZE] = "-", to[SP_WALL_TEXT_SIZE] = "-", bytes[SP_WALL_TEXT_SIZE];
    char range[64], state[64];

    if (row->facts.record_count > 0) {
        sp_wall_format(row->facts.time_min, from);
        sp_wall_format(row->facts.time_max, to);
    }
    snprintf(range, sizeof range, "%" PRIu64 "..%" PRIu64, row->first_seq, row->facts.last_seq);
    printf("  %-19s %9" PRIu64 " records  %.19s  %.19s  %13s bytes  %s\n", range,
           row->facts.records, from, to, bytes_text(row->disk_bytes, bytes), state_of(row, state));
}

static int compare_kinds(const void *a_, const void *b_, void *sums_)
{
    const struct sums *sums = sums_;
    unsigned a = *(const unsigned *)a_, b = *(const unsigned *)b_;

    if (sums->kinds[a] != sums->kinds[b]) return sums->kinds[a] > sums->kinds[b] ? -1 : 1;
    return a < b ? -1 : a > b;
}

/* The most frequent first. */
static void print_kinds(struct sums *sums)
{
    unsigned order[SP_KIND_NUMBER_MAX + 1];

    for (unsigned i = 0; i <= SP_KIND_NUMBER_MAX; i++)
        order[i] = i;
    qsort_r(order, SP_KIND_NUMBER_MAX + 1, sizeof order[0], compare_kinds, sums);
    for (unsigned i = 0; i <= SP_KIND_NUMBER_MAX && sums->kinds[order[i]] > 0; i++)
        printf("  %-24s %9" PRIu64 "\n",
               order[i] == SP_REC_NONE ? "unknown" : sp_kind_name(order[i]), sums->kinds[order[i]]);
}

static void print_text(const sp_name *name, const struct row *rows, size_t count, struct sums *sums)
{
    char bytes[SP_WALL_TEXT_SIZE], plain[SP_WALL_TEXT_SIZE];

    printf("%s  %" PRIu64 " records, %s bytes", name->s, sums->records,
           bytes_text(sums->disk_bytes, bytes));
    if (sums->disk_bytes != sums->plain_bytes)
        printf(" (%s before compression)", bytes_text(sums->plain_bytes, plain));
    printf(", %zu segment%s\n", count, count == 1 ? "" : "s");
    for (size_t i = 0; i < count; i++)
        print_row(&rows[i]);
    print_kinds(sums);
    printf("\n");
}

/* ---- JSON ---- */

static void print_json(const sp_name *name, const struct row *rows, size_t count,
                       const struct sums *sums)
{
    const char *comma = "";

    printf("{\"stream\":\"%s\",\"records\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"segments\":[",
           name->s, sums->records, sums->disk_bytes);
    for (size_t i = 0; i < count; i++) {
        const struct row *row = &rows[i];
        char from[SP_WALL_TEXT_SIZE] = "", to[SP_WALL_TEXT_SIZE] = "";
        if (row->facts.record_count > 0) {
            sp_wall_format(row->facts.time_min, from);
            sp_wall_format(row->facts.time_max, to);
        }
        printf("%s{\"first_seq\":%" PRIu64 ",\"last_seq\":%" PRIu64 ",\"records\":%" PRIu64
               ",\"from\":\"%s\",\"until\":\"%s\",\"bytes\":%" PRIu64 ",\"plain_bytes\":%" PRIu64
               ",\"sealed\":%s,\"indexed\":%s,\"compressed\":%s,\"damaged\":%s}",
               i > 0 ? "," : "", row->first_seq, row->facts.last_seq, row->facts.records, from, to,
               row->disk_bytes, row->facts.segment_bytes, row->sealed ? "true" : "false",
               row->indexed ? "true" : "false", row->compressed ? "true" : "false",
               row->damaged ? "true" : "false");
    }
    printf("],\"kinds\":{");
    for (unsigned i = 0; i <= SP_KIND_NUMBER_MAX; i++) {
        if (sums->kinds[i] == 0) continue;
        printf("%s\"%s\":%" PRIu64, comma, i == SP_REC_NONE ? "unknown" : sp_kind_name(i),
               sums->kinds[i]);
        comma = ",";
    }
    printf("}}\n");
}

int sp_journal_stat(struct sp_journal_job *job, const char *dir, const sp_name *name)
{
    struct sp_segment_list list;
    struct sums sums = {0};
    struct sp_err err = {0};
    bool damaged = false;
    sp_status status = sp_segment_list_read(dir, &list, &err);

    if (status != SP_OK) return sp_cli_fail(sp_status_exit_code(status), NULL, "%s", err.text);
    struct row *rows = calloc(list.count, sizeof *rows);
    SP_ASSERT(rows != NULL);
    for (size_t i = 0; i < list.count; i++) {
        struct sp_err why = {0};
        rows[i].first_seq = list.first[i];
        read_row(dir, &rows[i], i + 1 == list.count, &sums, &why);
        if (rows[i].damaged && !damaged) err = why;
        damaged = damaged || rows[i].damaged;
    }
    if (job->json) {
        print_json(name, rows, list.count, &sums);
    } else {
        print_text(name, rows, list.count, &sums);
    }
    free(rows);
    sp_segment_list_free(&list);
    if (!damaged) return SP_EXIT_OK;
    fflush(stdout);
    return sp_cli_fail(SP_EXIT_DAMAGED, NULL, "%s", err.text);
}
