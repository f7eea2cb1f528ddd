/* journal stat: what a journal holds, segment by segment, from the indexes; it verifies nothing
 * that an index says. */
#include "services/spoor/journal_check.h"

#include "common/journal/journal_index.h"
#include "proto/decimal.h"

#include <errno.h>
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

/* Whether an index is only missing or not sound; all else would say too little of what is there. */
static bool can_be_built(sp_status status)
{
    return status == SP_NOT_FOUND || status == SP_CORRUPT;
}

/* The index beside the segment if it is its own, else one in memory. SP_CORRUPT: row->damaged, with
 * an index of what is before the damage, or without one. */
static sp_status index_of(const char *dir, struct row *row, bool is_last, struct sp_index **out,
                          struct sp_err *err)
{
    struct sp_segment_cursor cursor = {0};
    struct sp_line seal = {0};
    sp_status status = sp_segment_open(&cursor, dir, row->first_seq, err);

    if (status != SP_OK) return status;
    row->compressed = cursor.file.zip != NULL;
    status = sp_segment_read_seal(&cursor, &seal, err);
    sp_segment_close(&cursor);
    row->sealed = status == SP_OK;
    if (status != SP_OK && !can_be_built(status)) return status;
    if (row->sealed) {
        status = sp_index_open(dir, row->first_seq, out, err);
        if (status != SP_OK && !can_be_built(status)) return status;
        row->indexed = status == SP_OK && sp_index_facts(*out).seal_crc == seal.crc &&
                       sp_index_check(*out) == SP_OK;
        if (row->indexed) return SP_OK;
        if (status == SP_OK) sp_index_close(*out);
        *out = NULL;
    }
    return sp_index_build(dir, row->first_seq, is_last, out, err);
}

/* SP_OK also if it is damaged: *err says how. */
static sp_status read_row(const char *dir, struct row *row, bool is_last, struct sums *sums,
                          struct sp_err *err)
{
    char path[SP_SEGMENT_PATH_SIZE];
    struct stat st = {0};
    struct sp_index *index = NULL;
    sp_status status = index_of(dir, row, is_last, &index, err);

    if (status == SP_NO_MEMORY || status == SP_IO) {
        sp_index_close(index);
        return status;
    }
    row->damaged = status != SP_OK || index == NULL;
    if (index != NULL) {
        row->facts = sp_index_facts(index);
        if (!add_kinds(index, sums)) row->damaged = true;
        sp_index_close(index);
    }
    const char *suffix = row->compressed ? SP_SEGMENT_ZIP_SUFFIX : ".jsonl";
    if (sp_segment_path_as(dir, row->first_seq, suffix, path, NULL) == SP_OK &&
        stat(path, &st) != 0 && errno != ENOENT) /* deleted meanwhile: no bytes */
        return SP_FAIL(err, SP_IO, "cannot look at %s: %s", path, strerror(errno));
    row->disk_bytes = (uint64_t)st.st_size;
    sums->records += row->facts.records;
    sums->disk_bytes += row->disk_bytes;
    sums->plain_bytes += row->facts.segment_bytes;
    return SP_OK;
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

static sp_status read_rows(const char *dir, const struct sp_segment_list *list, struct row *rows,
                           struct sums *sums, struct sp_err *damage)
{
    for (size_t i = 0; i < list->count; i++) {
        struct sp_err why = {0};
        rows[i].first_seq = list->first[i];
        sp_status status = read_row(dir, &rows[i], i + 1 == list->count, sums, &why);
        if (status != SP_OK) *damage = why;
        if (status != SP_OK) return status;
        if (rows[i].damaged && damage->text[0] == '\0') *damage = why;
        if (rows[i].damaged) damage->status = SP_CORRUPT;
    }
    return SP_OK;
}

int sp_journal_stat(struct sp_journal_job *job, const char *dir, const sp_name *name)
{
    struct sp_segment_list list = {0};
    struct sums sums = {0};
    struct sp_err err = {0};
    struct row *rows = NULL;
    sp_status status = sp_segment_list_read(dir, &list, &err);

    if (status == SP_OK) rows = calloc(list.count, sizeof *rows);
    if (status == SP_OK && rows == NULL)
        status = SP_FAIL(&err, SP_NO_MEMORY, "%s: memory is exhausted", dir);
    if (status == SP_OK) status = read_rows(dir, &list, rows, &sums, &err);
    if (status == SP_OK && job->json) print_json(name, rows, list.count, &sums);
    if (status == SP_OK && !job->json) print_text(name, rows, list.count, &sums);
    free(rows);
    sp_segment_list_free(&list);
    if (status != SP_OK) return sp_cli_fail(sp_status_exit_code(status), NULL, "%s", err.text);
    if (err.status == SP_OK) return SP_EXIT_OK;
    fflush(stdout);
    return sp_cli_fail(SP_EXIT_DAMAGED, NULL, "%s", err.text);
}
