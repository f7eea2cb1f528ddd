#include "common/persist/parquet_writer.h"

#include "common/persist/parquet_page.h"
#include "common/persist/parquet_reader.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GROUP_ROWS_DEFAULT 65536u
#define TEXT_PAGE_BYTES    ((size_t)1024 * 1024)
#define TAIL_BYTES         8 /* footer length and magic */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "pages hold little-endian values");

struct page_buffer {
    uint8_t *data;
    size_t len_bytes; /* of whole bytes: a BOOL column counts in rows */
    size_t cap_bytes;
    int64_t min;
    int64_t max;
};

struct sp_parquet_writer {
    const struct sp_file_port *port;
    struct sp_parquet_codec *codec;
    int fd;
    uint32_t group_rows;
    uint32_t group_cap;
    uint32_t rows_in_group;
    uint32_t body_crc32c;
    int64_t len_bytes;
    bool is_poisoned;
    struct sp_parquet_footer footer;
    struct page_buffer pages[SP_PARQUET_COLUMNS_MAX];
    uint8_t *out; /* one compressed page */
    char path[PATH_MAX];
    char tmp_path[PATH_MAX];
};

static sp_status write_bytes(struct sp_parquet_writer *w, const void *bytes, size_t len_bytes,
                             struct sp_err *err)
{
    sp_status status = sp_file_write_all(w->port, w->fd, bytes, len_bytes, err);

    if (status != SP_OK) {
        w->is_poisoned = true;
        return status;
    }
    w->body_crc32c = sp_crc32c(w->body_crc32c, bytes, len_bytes);
    w->len_bytes += (int64_t)len_bytes;
    return SP_OK;
}

static sp_status check_options(const struct sp_parquet_writer_options *options, struct sp_err *err)
{
    size_t len = strlen(options->path);

    if (len < 9 || strcmp(options->path + len - 8, ".parquet") != 0 || len + 5 > PATH_MAX) {
        return SP_FAIL(err, SP_INVALID, "%s: path must end in .parquet", options->path);
    }
    if (options->column_count < 1 || options->column_count > SP_PARQUET_COLUMNS_MAX ||
        options->group_rows > SP_PARQUET_GROUP_ROWS_MAX) {
        return SP_FAIL(err, SP_INVALID, "%s: %u columns, %u rows a group", options->path,
                       options->column_count, options->group_rows);
    }
    for (uint32_t i = 0; i < options->column_count; i++) {
        const struct sp_parquet_column *column = &options->columns[i];

        if (column->name[0] == '\0' || column->type >= SP_PARQUET_TYPE_COUNT) {
            return SP_FAIL(err, SP_INVALID, "%s: column %u has no name or type", options->path, i);
        }
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(column->name, options->columns[k].name) == 0) {
                return SP_FAIL(err, SP_INVALID, "%s: two columns are called %s", options->path,
                               column->name);
            }
        }
    }
    return SP_OK;
}

static size_t page_room(const struct sp_parquet_writer *w, enum sp_parquet_type type)
{
    size_t by_rows = (size_t)w->group_rows * 32;

    if (type == SP_PARQUET_BOOL) return (w->group_rows + 7) / 8;
    if (type != SP_PARQUET_TEXT) return w->group_rows * sp_parquet_width(type);
    return (by_rows < TEXT_PAGE_BYTES ? by_rows : TEXT_PAGE_BYTES) + 4 + SP_PARQUET_TEXT_MAX;
}

static sp_status allocate(struct sp_parquet_writer *w, struct sp_err *err)
{
    size_t most = 0;

    for (uint32_t i = 0; i < w->footer.column_count; i++) {
        struct page_buffer *page = &w->pages[i];

        page->cap_bytes = page_room(w, w->footer.columns[i].type);
        page->data = calloc(1, page->cap_bytes);
        if (page->data == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for a row group");
        if (page->cap_bytes > most) most = page->cap_bytes;
    }
    w->out = malloc(sp_parquet_page_bound(most));
    if (w->out == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for a page");
    return sp_parquet_codec_open(&w->codec, err);
}

/* Frees everything; the file is the caller's business. */
static void release(struct sp_parquet_writer *w)
{
    for (uint32_t i = 0; i < w->footer.column_count; i++)
        free(w->pages[i].data);
    sp_parquet_footer_fini(&w->footer);
    sp_parquet_codec_close(w->codec);
    free(w->out);
    free(w);
}

sp_status sp_parquet_writer_open(const struct sp_parquet_writer_options *options,
                                 struct sp_parquet_writer **out, struct sp_err *err)
{
    sp_status status = check_options(options, err);
    struct sp_parquet_writer *w;

    if (status != SP_OK) return status;
    w = calloc(1, sizeof *w);
    if (w == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for a Parquet writer");
    w->port = options->port != NULL ? options->port : sp_file_port_real();
    w->group_rows = options->group_rows > 0 ? options->group_rows : GROUP_ROWS_DEFAULT;
    w->footer.column_count = options->column_count;
    memcpy(w->footer.columns, options->columns, options->column_count * sizeof *options->columns);
    snprintf(w->path, sizeof w->path, "%s", options->path);
    snprintf(w->tmp_path, sizeof w->tmp_path, "%.*s.tmp", PATH_MAX - 5, options->path);
    status = allocate(w, err);
    if (status != SP_OK) {
        release(w);
        return status;
    }
    w->fd =
        w->port->open(w->port->self, w->tmp_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (w->fd < 0) {
        status = SP_FAIL(err, errno == EEXIST ? SP_EXISTS : SP_STORAGE, "%s: cannot create",
                         w->tmp_path);
        release(w);
        return status;
    }
    status = write_bytes(w, SP_PARQUET_MAGIC, strlen(SP_PARQUET_MAGIC), err);
    if (status != SP_OK) {
        sp_parquet_writer_abandon(w);
        return status;
    }
    *out = w;
    return SP_OK;
}

static sp_status check_cell(const struct sp_parquet_column *column,
                            const struct sp_parquet_cell *cell, struct sp_err *err)
{
    if (column->type == SP_PARQUET_TEXT && cell->len_bytes > SP_PARQUET_TEXT_MAX) {
        return SP_FAIL(err, SP_TOO_LONG, "%s: text of %u bytes", column->name, cell->len_bytes);
    }
    if (!sp_parquet_fits(column->type, cell->number)) {
        return SP_FAIL(err, SP_RANGE, "%s: %lld is out of range", column->name,
                       (long long)cell->number);
    }
    return SP_OK;
}

static void put_cell(struct sp_parquet_writer *w, uint32_t index,
                     const struct sp_parquet_cell *cell)
{
    struct page_buffer *page = &w->pages[index];
    enum sp_parquet_type type = w->footer.columns[index].type;
    size_t width = sp_parquet_width(type);

    if (type == SP_PARQUET_BOOL) {
        uint8_t *byte = &page->data[w->rows_in_group / 8];

        if (w->rows_in_group % 8 == 0) *byte = 0;
        *byte = (uint8_t)(*byte | (unsigned)cell->number << w->rows_in_group % 8);
        page->len_bytes = w->rows_in_group / 8 + 1;
    } else if (type == SP_PARQUET_TEXT) {
        memcpy(page->data + page->len_bytes, &cell->len_bytes, 4);
        if (cell->len_bytes > 0) {
            memcpy(page->data + page->len_bytes + 4, cell->text, cell->len_bytes);
        }
        page->len_bytes += 4 + cell->len_bytes;
    } else {
        memcpy(page->data + page->len_bytes, &cell->number, width);
        page->len_bytes += width;
        if (w->rows_in_group == 0 || cell->number < page->min) page->min = cell->number;
        if (w->rows_in_group == 0 || cell->number > page->max) page->max = cell->number;
    }
    SP_ASSERT(page->len_bytes <= page->cap_bytes);
}

static sp_status add_group(struct sp_parquet_writer *w, struct sp_err *err)
{
    struct sp_parquet_footer *footer = &w->footer;
    struct sp_parquet_chunk *chunks;

    if (footer->group_count == w->group_cap) {
        uint32_t cap = w->group_cap == 0 ? 16 : w->group_cap * 2;
        struct sp_parquet_group *groups = realloc(footer->groups, cap * sizeof *groups);

        if (groups == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for a row group");
        footer->groups = groups;
        w->group_cap = cap;
    }
    chunks = calloc(footer->column_count, sizeof *chunks);
    if (chunks == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for a row group");
    footer->groups[footer->group_count++] =
        (struct sp_parquet_group){.rows = w->rows_in_group, .chunks = chunks};
    return SP_OK;
}

static sp_status write_chunk(struct sp_parquet_writer *w, uint32_t index, struct sp_err *err)
{
    struct page_buffer *buffer = &w->pages[index];
    struct sp_parquet_page page = {buffer->data, buffer->len_bytes, w->rows_in_group};
    struct sp_parquet_chunk *chunk = &w->footer.groups[w->footer.group_count - 1].chunks[index];
    size_t len_bytes = 0;
    size_t header_bytes = 0;
    sp_status status = sp_parquet_page_encode(w->codec, &page, w->out, &len_bytes, &header_bytes);

    if (status != SP_OK) return SP_FAIL(err, status, "%s: cannot compress", w->tmp_path);
    *chunk = (struct sp_parquet_chunk){.offset = w->len_bytes,
                                       .compressed_bytes = (int64_t)len_bytes,
                                       .plain_bytes = (int64_t)(buffer->len_bytes + header_bytes),
                                       .min = buffer->min,
                                       .max = buffer->max};
    return write_bytes(w, w->out, len_bytes, err);
}

static sp_status flush_group(struct sp_parquet_writer *w, struct sp_err *err)
{
    sp_status status = SP_OK;

    if (w->rows_in_group == 0) return SP_OK;
    status = add_group(w, err);
    for (uint32_t i = 0; i < w->footer.column_count && status == SP_OK; i++) {
        status = write_chunk(w, i, err);
    }
    if (status != SP_OK) {
        w->is_poisoned = true;
        return status;
    }
    w->footer.rows += w->rows_in_group;
    w->rows_in_group = 0;
    for (uint32_t i = 0; i < w->footer.column_count; i++)
        w->pages[i].len_bytes = 0;
    return SP_OK;
}

/* Whether the row fits what the current group has left: only texts can fill it early. */
static bool has_room(const struct sp_parquet_writer *w, const struct sp_parquet_cell *cells)
{
    if (w->rows_in_group == w->group_rows) return false;
    for (uint32_t i = 0; i < w->footer.column_count; i++) {
        const struct page_buffer *page = &w->pages[i];

        if (w->footer.columns[i].type == SP_PARQUET_TEXT &&
            page->cap_bytes - page->len_bytes < 4 + (size_t)cells[i].len_bytes) {
            return false;
        }
    }
    return true;
}

sp_status sp_parquet_writer_append(struct sp_parquet_writer *w, const struct sp_parquet_cell *cells,
                                   struct sp_err *err)
{
    sp_status status = SP_OK;

    if (w->is_poisoned) return SP_FAIL(err, SP_STORAGE, "%s: an earlier write failed", w->tmp_path);
    for (uint32_t i = 0; i < w->footer.column_count && status == SP_OK; i++) {
        status = check_cell(&w->footer.columns[i], &cells[i], err);
    }
    if (status != SP_OK) return status;
    if (!has_room(w, cells)) {
        if (w->footer.group_count + 1 >= SP_PARQUET_GROUPS_MAX) {
            return SP_FAIL(err, SP_FULL, "%s: no more row groups", w->tmp_path);
        }
        status = flush_group(w, err);
        if (status != SP_OK) return status;
    }
    for (uint32_t i = 0; i < w->footer.column_count; i++)
        put_cell(w, i, &cells[i]);
    w->rows_in_group++;
    return SP_OK;
}

uint64_t sp_parquet_writer_rows(const struct sp_parquet_writer *w)
{
    return (uint64_t)w->footer.rows + w->rows_in_group;
}

static sp_status write_footer(struct sp_parquet_writer *w, struct sp_err *err)
{
    size_t cap = sp_parquet_footer_bound(w->footer.column_count, w->footer.group_count);
    uint8_t *buf = malloc(cap + TAIL_BYTES);
    size_t len = 0;
    uint32_t len32;
    sp_status status;

    if (buf == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the footer");
    w->footer.body_crc32c = w->body_crc32c;
    status = sp_parquet_footer_encode(&w->footer, buf, cap, &len, err);
    SP_ASSERT(status == SP_OK);
    len32 = (uint32_t)len;
    memcpy(buf + len, &len32, sizeof len32);
    memcpy(buf + len + sizeof len32, SP_PARQUET_MAGIC, strlen(SP_PARQUET_MAGIC));
    status = write_bytes(w, buf, len + TAIL_BYTES, err);
    free(buf);
    return status;
}

/* Everything up to the rename: the .tmp is complete, durable and reads back as written. */
static sp_status complete_tmp(struct sp_parquet_writer *w, struct sp_parquet_summary *summary,
                              struct sp_err *err)
{
    sp_status status = w->is_poisoned
                           ? SP_FAIL(err, SP_STORAGE, "%s: an earlier write failed", w->tmp_path)
                           : flush_group(w, err);

    if (status == SP_OK) status = write_footer(w, err);
    if (status == SP_OK && w->port->sync(w->port->self, w->fd) != 0) {
        status = SP_FAIL(err, SP_STORAGE, "%s: cannot sync", w->tmp_path);
    }
    if (w->port->close(w->port->self, w->fd) != 0 && status == SP_OK) {
        status = SP_FAIL(err, SP_STORAGE, "%s: cannot close", w->tmp_path);
    }
    w->fd = -1;
    if (status == SP_OK) status = sp_parquet_verify(w->tmp_path, w->port, summary, err);
    if (status == SP_OK && (summary->rows != (uint64_t)w->footer.rows ||
                            summary->len_bytes != (uint64_t)w->len_bytes)) {
        status = SP_FAIL(err, SP_CORRUPT, "%s: %llu rows read back of %lld", w->tmp_path,
                         (unsigned long long)summary->rows, (long long)w->footer.rows);
    }
    return status;
}

static sp_status sync_parent(const struct sp_parquet_writer *w, struct sp_err *err)
{
    char dir[PATH_MAX];
    char *slash;

    snprintf(dir, sizeof dir, "%s", w->path);
    slash = strrchr(dir, '/');
    if (slash == NULL)
        snprintf(dir, sizeof dir, ".");
    else
        slash[slash == dir ? 1 : 0] = '\0';
    if (w->port->sync_dir(w->port->self, dir) != 0) {
        return SP_FAIL(err, SP_STORAGE, "%s: cannot sync the directory", dir);
    }
    return SP_OK;
}

sp_status sp_parquet_writer_finish(struct sp_parquet_writer *w, struct sp_parquet_summary *summary,
                                   struct sp_err *err)
{
    struct sp_parquet_summary seen = {0};
    sp_status status = complete_tmp(w, &seen, err);

    if (status == SP_OK && w->port->rename(w->port->self, w->tmp_path, w->path) != 0) {
        status = SP_FAIL(err, SP_STORAGE, "%s: cannot rename into place", w->tmp_path);
    }
    if (status != SP_OK) {
        sp_parquet_writer_abandon(w);
        return status;
    }
    status = sync_parent(w, err);
    release(w);
    if (status == SP_OK && summary != NULL) *summary = seen;
    return status;
}

void sp_parquet_writer_abandon(struct sp_parquet_writer *w)
{
    if (w == NULL) return;
    /* Nothing depends on the file any more; the sweep finds what cannot be removed now. */
    if (w->fd >= 0) w->port->close(w->port->self, w->fd);
    w->port->unlink(w->port->self, w->tmp_path);
    release(w);
}
