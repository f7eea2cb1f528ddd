#include "common/persist/recorder.h"

#include "common/persist/market_rows.h"
#include "common/persist/parquet_writer.h"
#include "proto/decimal.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROLL_ROWS_DEFAULT  UINT64_C(1000000)
#define ROLL_AFTER_DEFAULT (INT64_C(900) * 1000000000)
#define GROUP_ROWS_DEFAULT 16384
#define SAME_TIME_MAX      10000 /* files that begin at the same market time */
#define TMP_SUFFIX         ".parquet.tmp"

struct open_file {
    sp_name symbol;
    const struct sp_market_layout *layout;
    sp_wall first_time;
    struct sp_parquet_writer *writer; /* NULL between files */
};

struct sp_recorder {
    struct sp_recorder_options options;
    const struct sp_file_port *port;
    struct sp_recorder_stats stats;
    uint32_t file_count;
    struct open_file files[SP_RECORDER_FILES_MAX];
    char root[PATH_MAX / 2];       /* DATA/market/<world> */
    char quarantine[PATH_MAX / 2]; /* DATA/quarantine */
};

/* md.<world>.<symbol>. A symbol is one path element and not hidden. */
static bool symbol_of(const struct sp_recorder *recorder, const sp_name *stream, sp_name *out)
{
    size_t world_len = strlen(recorder->options.world.s);
    const char *symbol = stream->s + 3 + world_len + 1;

    if (strncmp(stream->s, "md.", 3) != 0 || strlen(stream->s) <= 3 + world_len + 1) return false;
    if (strncmp(stream->s + 3, recorder->options.world.s, world_len) != 0) return false;
    if (symbol[-1] != '.' || symbol[0] == '.') return false;
    return sp_name_set(out, symbol);
}

static bool join(char *out, size_t cap_bytes, const char *a, const char *b, const char *c)
{
    int len = snprintf(out, cap_bytes, "%s%s%s", a, b, c);

    return len > 0 && (size_t)len < cap_bytes;
}

/* Moves one leftover aside, under a name that says where it was. */
static sp_status sweep_file(struct sp_recorder *recorder, const char *path, struct sp_err *err)
{
    char to[PATH_MAX];
    char name[NAME_MAX];
    const char *rest = path + strlen(recorder->root) + 1;
    unsigned n = 0;

    if (!join(name, sizeof name, recorder->options.world.s, "/", rest)) {
        return SP_FAIL(err, SP_STORAGE, "%s: name is too long", path);
    }
    for (char *c = name; *c != '\0'; c++) {
        if (*c == '/') *c = '.';
    }
    do {
        int len = snprintf(to, sizeof to, "%s/market.%s.%u", recorder->quarantine, name, n++);
        if (len < 0 || (size_t)len >= sizeof to || n > SAME_TIME_MAX) {
            return SP_FAIL(err, SP_STORAGE, "%s: no free name in quarantine", path);
        }
    } while (access(to, F_OK) == 0);
    if (recorder->port->rename(recorder->port->self, path, to) != 0) {
        return SP_FAIL(err, SP_STORAGE, "%s: cannot move to quarantine", path);
    }
    recorder->stats.swept++;
    return SP_OK;
}

/* `depth` is 2 for the world's directory, 0 for that of a kind. */
static sp_status sweep(struct sp_recorder *recorder, const char *dir, unsigned depth,
                       struct sp_err *err)
{
    DIR *entries = opendir(dir);
    sp_status status = SP_OK;
    struct dirent *entry;

    if (entries == NULL) return SP_FAIL(err, SP_STORAGE, "%s: cannot read the directory", dir);
    while (status == SP_OK && (entry = readdir(entries)) != NULL) {
        char path[PATH_MAX];
        size_t len = strlen(entry->d_name);
        size_t suffix_len = strlen(TMP_SUFFIX);

        if (entry->d_name[0] == '.' || !join(path, sizeof path, dir, "/", entry->d_name)) continue;
        if (depth > 0 && (entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN)) {
            status = sweep(recorder, path, depth - 1, err);
        } else if (depth == 0 && len > suffix_len &&
                   strcmp(entry->d_name + len - suffix_len, TMP_SUFFIX) == 0) {
            status = sweep_file(recorder, path, err);
        }
    }
    closedir(entries);
    return status;
}

sp_status sp_recorder_open(const struct sp_recorder_options *options, struct sp_recorder **out,
                           struct sp_err *err)
{
    struct sp_recorder *recorder = calloc(1, sizeof *recorder);
    uint64_t roll_rows_max;
    sp_status status = SP_OK;

    if (recorder == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the recorder");
    recorder->options = *options;
    recorder->port = options->port != NULL ? options->port : sp_file_port_real();
    if (options->roll_rows == 0) recorder->options.roll_rows = ROLL_ROWS_DEFAULT;
    if (options->roll_after.ns <= 0) recorder->options.roll_after.ns = ROLL_AFTER_DEFAULT;
    if (options->group_rows == 0) recorder->options.group_rows = GROUP_ROWS_DEFAULT;
    roll_rows_max = (uint64_t)recorder->options.group_rows * (SP_PARQUET_GROUPS_MAX - 8);
    if (recorder->options.roll_rows > roll_rows_max) recorder->options.roll_rows = roll_rows_max;
    if (options->world.s[0] == '\0' || options->world.s[0] == '.' ||
        !join(recorder->root, sizeof recorder->root, options->data_dir, "/market/",
              options->world.s) ||
        !join(recorder->quarantine, sizeof recorder->quarantine, options->data_dir, "/quarantine",
              "")) {
        status = SP_FAIL(err, SP_INVALID, "%s: not a data directory for world '%s'",
                         options->data_dir, options->world.s);
    }
    if (status == SP_OK) status = sp_file_make_dirs(recorder->port, recorder->root, err);
    if (status == SP_OK) status = sp_file_make_dirs(recorder->port, recorder->quarantine, err);
    if (status == SP_OK) status = sweep(recorder, recorder->root, 2, err);
    if (status == SP_OK && recorder->stats.swept > 0 &&
        recorder->port->sync_dir(recorder->port->self, recorder->quarantine) != 0) {
        status = SP_FAIL(err, SP_STORAGE, "%s: cannot sync the directory", recorder->quarantine);
    }
    if (status != SP_OK) {
        free(recorder);
        return status;
    }
    *out = recorder;
    return SP_OK;
}

/* The path of a file that does not exist yet. */
static sp_status new_path(const struct sp_recorder *recorder, const struct open_file *file,
                          char path[PATH_MAX], struct sp_err *err)
{
    char dir[PATH_MAX];
    char text[SP_WALL_TEXT_SIZE];
    char compact[SP_WALL_TEXT_SIZE];
    size_t len = 0;
    int got =
        snprintf(dir, sizeof dir, "%s/%s/%s", recorder->root, file->symbol.s, file->layout->name);
    sp_status status;

    if (got < 0 || (size_t)got >= sizeof dir - SP_WALL_TEXT_SIZE - sizeof TMP_SUFFIX - 8) {
        return SP_FAIL(err, SP_STORAGE, "%s: path is too long", dir);
    }
    status = sp_file_make_dirs(recorder->port, dir, err);
    if (status != SP_OK) return status;
    for (const char *c = sp_wall_format(file->first_time, text); *c != '\0'; c++) {
        if (*c != '-' && *c != ':') compact[len++] = *c;
    }
    compact[len] = '\0';
    for (unsigned n = 0; n < SAME_TIME_MAX; n++) {
        got = snprintf(path, PATH_MAX, "%s/%s-%u.parquet", dir, compact, n);
        if (got > 0 && got < PATH_MAX && access(path, F_OK) != 0 && errno == ENOENT) return SP_OK;
    }
    return SP_FAIL(err, SP_STORAGE, "%s: no free name for %s", dir, compact);
}

static sp_status begin_file(struct sp_recorder *recorder, struct open_file *file, sp_wall time,
                            struct sp_err *err)
{
    char path[PATH_MAX];
    struct sp_parquet_writer_options options = {.path = path,
                                                .columns = file->layout->columns,
                                                .column_count = file->layout->column_count,
                                                .group_rows = recorder->options.group_rows,
                                                .port = recorder->port};
    sp_status status;

    file->first_time = time;
    status = new_path(recorder, file, path, err);
    if (status != SP_OK) return status;
    return sp_parquet_writer_open(&options, &file->writer, err);
}

static sp_status finish_file(struct sp_recorder *recorder, struct open_file *file,
                             struct sp_err *err)
{
    struct sp_parquet_summary summary = {0};
    uint64_t rows = sp_parquet_writer_rows(file->writer);
    sp_status status = SP_OK;

    if (rows == 0) {
        sp_parquet_writer_abandon(file->writer);
    } else {
        status = sp_parquet_writer_finish(file->writer, &summary, err);
        if (status == SP_OK) {
            recorder->stats.files++;
            recorder->stats.bytes += summary.len_bytes;
        } else {
            recorder->stats.rows_lost += rows;
        }
    }
    file->writer = NULL;
    return status;
}

static struct open_file *find_file(struct sp_recorder *recorder, const sp_name *symbol,
                                   const struct sp_market_layout *layout)
{
    struct open_file *file = recorder->files;

    for (uint32_t i = 0; i < recorder->file_count; i++, file++) {
        if (file->layout == layout && sp_name_eq(&file->symbol, symbol)) return file;
    }
    if (recorder->file_count == SP_RECORDER_FILES_MAX) return NULL;
    recorder->file_count++;
    *file = (struct open_file){.symbol = *symbol, .layout = layout};
    return file;
}

static bool levels_fit(const sp_levels *levels)
{
    for (uint32_t i = 0; i < levels->count; i++) {
        if (!sp_parquet_fits(SP_PARQUET_E8, levels->at[i].px.e8)) return false;
        if (!sp_parquet_fits(SP_PARQUET_E8, levels->at[i].qty.e8)) return false;
    }
    return true;
}

/* So that of a record with one level out of range none is written. */
static bool all_levels_fit(const struct sp_record *record)
{
    const struct sp_book_delta *delta = &record->body.book_delta;
    const struct sp_book_snapshot *snapshot = &record->body.book_snapshot;

    if (record->kind == SP_REC_BOOK_DELTA)
        return levels_fit(&delta->bids) && levels_fit(&delta->asks);
    if (record->kind != SP_REC_BOOK_SNAPSHOT) return true;
    return levels_fit(&snapshot->bids) && levels_fit(&snapshot->asks);
}

static sp_status put_row(struct sp_recorder *recorder, struct open_file *file,
                         const struct sp_parquet_cell *cells, struct sp_err *err)
{
    sp_status status = sp_parquet_writer_append(file->writer, cells, err);

    if (status == SP_OK) {
        recorder->stats.rows++;
    } else if (status == SP_RANGE || status == SP_TOO_LONG) {
        recorder->stats.out_of_range++;
    } else {
        recorder->stats.rows_lost += sp_parquet_writer_rows(file->writer);
        sp_parquet_writer_abandon(file->writer);
        file->writer = NULL;
    }
    return status;
}

static sp_status put_record(struct sp_recorder *recorder, struct open_file *file,
                            const struct sp_record *record, struct sp_err *err)
{
    struct sp_parquet_cell cells[SP_PARQUET_COLUMNS_MAX];
    uint32_t count = sp_market_row_count(record);
    sp_status status = SP_OK;

    if (!all_levels_fit(record)) {
        recorder->stats.out_of_range++;
        return SP_FAIL(err, SP_RANGE, "a level of %s/%u:%llu is out of range", record->stream.s,
                       record->epoch, (unsigned long long)record->seq);
    }
    for (uint32_t i = 0; i < count && status == SP_OK; i++) {
        sp_market_row(record, i, cells);
        status = put_row(recorder, file, cells, err);
    }
    return status;
}

/* Rolls between records, never within one: its rows stay in one file. */
static bool is_due(const struct sp_recorder *recorder, const struct open_file *file, sp_wall now)
{
    return file->writer != NULL &&
           (sp_parquet_writer_rows(file->writer) >= recorder->options.roll_rows ||
            sp_wall_since(now, file->first_time).ns >= recorder->options.roll_after.ns);
}

sp_status sp_recorder_append(struct sp_recorder *recorder, const struct sp_record *record,
                             struct sp_err *err)
{
    const struct sp_market_layout *layout = sp_market_layout(record->kind);
    sp_status rolled = SP_OK;
    sp_status status = SP_OK;
    struct open_file *file;
    sp_name symbol;

    if (layout == NULL) return SP_OK;
    if (!symbol_of(recorder, &record->stream, &symbol)) {
        return SP_FAIL(err, SP_INVALID, "%s is no market-data stream of world %s", record->stream.s,
                       recorder->options.world.s);
    }
    file = find_file(recorder, &symbol, layout);
    if (file == NULL) return SP_FAIL(err, SP_FULL, "no room to record %s", record->stream.s);
    if (is_due(recorder, file, record->time)) rolled = finish_file(recorder, file, err);
    /* A roll that failed is reported, but the record at hand still goes into the next file. */
    if (file->writer == NULL) {
        status = begin_file(recorder, file, record->time, rolled == SP_OK ? err : NULL);
    }
    if (status == SP_OK) {
        status = put_record(recorder, file, record, rolled == SP_OK ? err : NULL);
    }
    return rolled != SP_OK ? rolled : status;
}

sp_status sp_recorder_roll(struct sp_recorder *recorder, struct sp_err *err)
{
    sp_status first = SP_OK;

    for (uint32_t i = 0; i < recorder->file_count; i++) {
        sp_status status = SP_OK;

        if (recorder->files[i].writer == NULL) continue;
        status = finish_file(recorder, &recorder->files[i], first == SP_OK ? err : NULL);
        if (first == SP_OK) first = status;
    }
    return first;
}

sp_status sp_recorder_roll_one(struct sp_recorder *recorder, const sp_name *symbol,
                               enum sp_kind kind, struct sp_err *err)
{
    const struct sp_market_layout *layout = sp_market_layout(kind);

    for (uint32_t i = 0; i < recorder->file_count; i++) {
        struct open_file *file = &recorder->files[i];
        if (file->layout != layout || !sp_name_eq(&file->symbol, symbol)) continue;
        return file->writer != NULL ? finish_file(recorder, file, err) : SP_OK;
    }
    return SP_OK;
}

sp_status sp_recorder_close(struct sp_recorder *recorder, struct sp_err *err)
{
    sp_status status = SP_OK;

    if (recorder == NULL) return SP_OK;
    status = sp_recorder_roll(recorder, err);
    free(recorder);
    return status;
}

struct sp_recorder_stats sp_recorder_stats(const struct sp_recorder *recorder)
{
    return recorder->stats;
}
