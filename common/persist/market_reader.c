#include "common/persist/market_reader.h"

#include "common/persist/market_rows.h"
#include "common/persist/parquet_reader.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SUFFIX ".parquet"

struct sp_market_reader {
    struct sp_market_range range;
    const struct sp_market_layout *layout;
    const struct sp_file_port *port;
    sp_name stream;
    char dir[PATH_MAX];
    char **files; /* names, in the order of reading */
    size_t file_count, file_cap, file_at;
    struct sp_parquet_reader *open; /* NULL between files */
    /* A row that was read and is not in a record yet. Its texts live until the next one is read. */
    bool has_row, begins_file;
    struct sp_parquet_cell cells[SP_PARQUET_COLUMNS_MAX];
};

/* ---- The files ---- */

static bool is_file_name(const char *name)
{
    size_t len = strlen(name), suffix_len = strlen(SUFFIX);

    return name[0] != '.' && len > suffix_len && strcmp(name + len - suffix_len, SUFFIX) == 0;
}

/* Names are <time of first record>-<n>.parquet: times as text, numbers as numbers. */
static int by_begin(const void *a, const void *b)
{
    const char *x = *(char *const *)a, *y = *(char *const *)b;
    const char *x_number = strrchr(x, '-'), *y_number = strrchr(y, '-');

    if (x_number == NULL || y_number == NULL || x_number - x != y_number - y ||
        memcmp(x, y, (size_t)(x_number - x)) != 0) {
        return strcmp(x, y);
    }
    unsigned long left = strtoul(x_number + 1, NULL, 10), right = strtoul(y_number + 1, NULL, 10);
    return left < right ? -1 : left > right;
}

static bool add_file(struct sp_market_reader *reader, const char *name)
{
    if (reader->file_count == reader->file_cap) {
        size_t cap = reader->file_cap > 0 ? 2 * reader->file_cap : 64;
        char **more = realloc(reader->files, cap * sizeof *more);
        if (more == NULL) return false;
        reader->files = more;
        reader->file_cap = cap;
    }
    char *copy = strdup(name);
    if (copy == NULL) return false;
    reader->files[reader->file_count++] = copy;
    return true;
}

static sp_status list_files(struct sp_market_reader *reader, struct sp_err *err)
{
    DIR *dir = opendir(reader->dir);
    sp_status status = SP_OK;
    struct dirent *entry = NULL;

    if (dir == NULL && errno == ENOENT) return SP_OK;
    if (dir == NULL) return SP_FAIL(err, SP_IO, "%s: cannot read the directory", reader->dir);
    errno = 0;
    while (status == SP_OK && (entry = readdir(dir)) != NULL) {
        if (is_file_name(entry->d_name) && !add_file(reader, entry->d_name)) {
            status = SP_FAIL(err, SP_NO_MEMORY, "no memory for the names of the files");
        }
        errno = 0;
    }
    if (status == SP_OK && errno != 0) {
        status = SP_FAIL(err, SP_IO, "%s: cannot read the directory", reader->dir);
    }
    closedir(dir);
    if (status == SP_OK && reader->file_count > 0) {
        qsort(reader->files, reader->file_count, sizeof *reader->files, by_begin);
    }
    return status;
}

static bool has_our_columns(const struct sp_market_reader *reader)
{
    const struct sp_parquet_footer *footer = sp_parquet_reader_footer(reader->open);

    if (footer->column_count != reader->layout->column_count) return false;
    for (uint32_t i = 0; i < footer->column_count; i++) {
        const struct sp_parquet_column *ours = &reader->layout->columns[i];
        if (footer->columns[i].type != ours->type) return false;
        if (strcmp(footer->columns[i].name, ours->name) != 0) return false;
    }
    return true;
}

static sp_status open_file(struct sp_market_reader *reader, struct sp_err *err)
{
    char path[PATH_MAX];
    const char *name = reader->files[reader->file_at];
    int len = snprintf(path, sizeof path, "%s/%s", reader->dir, name);

    if (len < 0 || (size_t)len >= sizeof path) {
        return SP_FAIL(err, SP_IO, "%s: path is too long", reader->dir);
    }
    sp_status status = sp_parquet_reader_open(path, reader->port, &reader->open, err);
    if (status != SP_OK) return status;
    if (!has_our_columns(reader)) {
        return SP_FAIL(err, SP_UNSUPPORTED, "%s: its columns are not those of a %s", path,
                       reader->layout->name);
    }
    sp_parquet_reader_limit(reader->open, reader->range.from, reader->range.until);
    reader->begins_file = true;
    return SP_OK;
}

/* ---- The rows ---- */

/* The next row of the span, if there is one. */
static sp_status fetch(struct sp_market_reader *reader, struct sp_err *err)
{
    reader->has_row = false;
    reader->begins_file = false;
    while (!reader->has_row) {
        bool is_end = false;

        if (reader->open == NULL) {
            if (reader->file_at == reader->file_count) return SP_OK;
            sp_status status = open_file(reader, err);
            if (status != SP_OK) return status;
        }
        sp_status status = sp_parquet_reader_next(reader->open, reader->cells, &is_end, err);
        if (status != SP_OK) return status;
        if (is_end) {
            sp_parquet_reader_close(reader->open);
            reader->open = NULL;
            reader->file_at++;
            continue;
        }
        int64_t time = reader->cells[0].number;
        reader->has_row = time >= reader->range.from.ns && time < reader->range.until.ns;
    }
    return SP_OK;
}

/* The other rows of a record that has several: they stand together in one file. */
static sp_status add_rows(struct sp_market_reader *reader, struct sp_record *record,
                          struct sp_err *err)
{
    sp_status status = SP_OK;

    while (status == SP_OK) {
        status = fetch(reader, err);
        if (status != SP_OK || !reader->has_row || reader->begins_file) return status;
        status = sp_market_record_add(record, reader->cells, err);
    }
    return status == SP_AGAIN ? SP_OK : status;
}

/* ---- Public ---- */

static sp_status prepare(struct sp_market_reader *reader, const char *data_dir,
                         const sp_name *world, struct sp_err *err)
{
    const char *symbol = reader->range.symbol.s;

    if (reader->layout == NULL) {
        return SP_FAIL(err, SP_INVALID, "kind %d is no market data that is recorded",
                       (int)reader->range.kind);
    }
    int len = snprintf(reader->stream.s, sizeof reader->stream.s, "md.%s.%s", world->s, symbol);
    if (symbol[0] == '\0' || symbol[0] == '.' || strchr(symbol, '/') != NULL || len < 0 ||
        (size_t)len >= sizeof reader->stream.s) {
        return SP_FAIL(err, SP_INVALID, "'%s' is no symbol of world '%s'", symbol, world->s);
    }
    if (data_dir == NULL) return SP_OK;
    len = snprintf(reader->dir, sizeof reader->dir, "%s/market/%s/%s/%s", data_dir, world->s,
                   symbol, reader->layout->name);
    if (len < 0 || (size_t)len >= sizeof reader->dir) {
        return SP_FAIL(err, SP_INVALID, "%s: path is too long", data_dir);
    }
    return list_files(reader, err);
}

sp_status sp_market_reader_open(const char *data_dir, const sp_name *world,
                                const struct sp_market_range *range,
                                const struct sp_file_port *port, struct sp_market_reader **out,
                                struct sp_err *err)
{
    struct sp_market_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read market data");
    reader->range = *range;
    reader->layout = sp_market_layout(range->kind);
    reader->port = port;
    sp_status status = prepare(reader, data_dir, world, err);
    if (status != SP_OK) {
        sp_market_reader_close(reader);
        return status;
    }
    *out = reader;
    return SP_OK;
}

sp_status sp_market_reader_next(struct sp_market_reader *reader, struct sp_record *record,
                                bool *is_end, struct sp_err *err)
{
    sp_status status = reader->has_row ? SP_OK : fetch(reader, err);

    if (status != SP_OK) return status;
    if (!reader->has_row) {
        *is_end = true;
        return SP_OK;
    }
    memset(record, 0, sizeof *record);
    record->stream = reader->stream;
    record->kind = reader->range.kind;
    status = sp_market_record_begin(record, reader->cells, err);
    reader->has_row = false;
    if (status == SP_OK && reader->layout->by_level) status = add_rows(reader, record, err);
    if (status == SP_OK) *is_end = false;
    return status;
}

void sp_market_reader_close(struct sp_market_reader *reader)
{
    if (reader == NULL) return;
    sp_parquet_reader_close(reader->open);
    for (size_t i = 0; i < reader->file_count; i++)
        free(reader->files[i]);
    free(reader->files);
    free(reader);
}
