#include "common/persist/parquet_reader.h"

#include "common/persist/parquet_page.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MAGIC_BYTES 4
#define TAIL_BYTES  8
#define FOOTER_MAX  ((size_t)64 * 1024 * 1024)
#define SCRUB_BYTES ((size_t)64 * 1024)

struct column_page {
    uint8_t *data; /* decompressed */
    size_t cap_bytes;
    size_t len_bytes;
    size_t at;
};

struct sp_parquet_reader {
    const struct sp_file_port *port;
    struct sp_parquet_codec *codec;
    int fd;
    int64_t len_bytes;
    int64_t body_bytes; /* where the footer starts */
    uint32_t group;     /* the next to load */
    int64_t row;        /* within the loaded group */
    int64_t rows;       /* of the loaded group */
    bool is_limited;    /* to groups that hold something of [from, until) */
    sp_wall from, until;
    struct sp_parquet_footer footer;
    struct column_page pages[SP_PARQUET_COLUMNS_MAX];
    uint8_t *packed; /* one compressed page */
    size_t packed_cap;
    char path[PATH_MAX];
};

static sp_status read_at(const struct sp_parquet_reader *r, void *buf, size_t len_bytes,
                         int64_t offset, struct sp_err *err)
{
    size_t got = 0;

    while (got < len_bytes) {
        ssize_t n = r->port->pread(r->port->self, r->fd, (uint8_t *)buf + got, len_bytes - got,
                                   (off_t)(offset + (int64_t)got));

        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return SP_FAIL(err, SP_IO, "%s: cannot read", r->path);
        if (n == 0) return SP_FAIL(err, SP_TRUNCATED, "%s: ends too early", r->path);
        got += (size_t)n;
    }
    return SP_OK;
}

static sp_status grow(uint8_t **data, size_t *cap_bytes, size_t need_bytes, struct sp_err *err)
{
    uint8_t *more;

    if (need_bytes <= *cap_bytes) return SP_OK;
    more = realloc(*data, need_bytes);
    if (more == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for a page");
    *data = more;
    *cap_bytes = need_bytes;
    return SP_OK;
}

static sp_status read_footer(struct sp_parquet_reader *r, struct sp_err *err)
{
    uint8_t tail[TAIL_BYTES];
    uint8_t head[MAGIC_BYTES];
    uint32_t len = 0;
    uint8_t *buf;
    sp_status status;

    if (r->len_bytes < MAGIC_BYTES + TAIL_BYTES) {
        return SP_FAIL(err, SP_TRUNCATED, "%s: %lld bytes are no Parquet file", r->path,
                       (long long)r->len_bytes);
    }
    status = read_at(r, head, sizeof head, 0, err);
    if (status == SP_OK) status = read_at(r, tail, sizeof tail, r->len_bytes - TAIL_BYTES, err);
    if (status != SP_OK) return status;
    if (memcmp(tail + 4, SP_PARQUET_MAGIC, MAGIC_BYTES) != 0) {
        return SP_FAIL(err, SP_TRUNCATED, "%s: no Parquet footer at the end", r->path);
    }
    memcpy(&len, tail, sizeof len);
    if (memcmp(head, SP_PARQUET_MAGIC, MAGIC_BYTES) != 0 || len > FOOTER_MAX ||
        len > r->len_bytes - MAGIC_BYTES - TAIL_BYTES) {
        return SP_FAIL(err, SP_CORRUPT, "%s: start or footer length is damaged", r->path);
    }
    buf = malloc(len > 0 ? len : 1);
    if (buf == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the footer");
    r->body_bytes = r->len_bytes - TAIL_BYTES - (int64_t)len;
    status = read_at(r, buf, len, r->body_bytes, err);
    if (status == SP_OK) {
        struct sp_err why = {0};

        status = sp_parquet_footer_decode(buf, len, r->body_bytes, &r->footer, &why);
        if (status != SP_OK) sp_err_set(err, status, why.site, "%s: %s", r->path, why.text);
    }
    free(buf);
    return status;
}

sp_status sp_parquet_reader_open(const char *path, const struct sp_file_port *port,
                                 struct sp_parquet_reader **out, struct sp_err *err)
{
    struct sp_parquet_reader *r = calloc(1, sizeof *r);
    struct stat st;
    sp_status status;

    if (r == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for a Parquet reader");
    r->port = port != NULL ? port : sp_file_port_real();
    snprintf(r->path, sizeof r->path, "%s", path);
    r->fd = r->port->open(r->port->self, path, O_RDONLY | O_CLOEXEC, 0);
    if (r->fd < 0) {
        status = SP_FAIL(err, errno == ENOENT ? SP_NOT_FOUND : SP_IO, "%s: cannot open", path);
        free(r);
        return status;
    }
    if (fstat(r->fd, &st) != 0) {
        status = SP_FAIL(err, SP_IO, "%s: cannot stat", path);
    } else {
        r->len_bytes = st.st_size;
        status = read_footer(r, err);
    }
    if (status == SP_OK) status = sp_parquet_codec_open(&r->codec, err);
    if (status != SP_OK) {
        sp_parquet_reader_close(r);
        return status;
    }
    *out = r;
    return SP_OK;
}

void sp_parquet_reader_close(struct sp_parquet_reader *r)
{
    if (r == NULL) return;
    r->port->close(r->port->self, r->fd); /* only read from: nothing can be lost */
    for (uint32_t i = 0; i < SP_PARQUET_COLUMNS_MAX; i++)
        free(r->pages[i].data);
    sp_parquet_footer_fini(&r->footer);
    sp_parquet_codec_close(r->codec);
    free(r->packed);
    free(r);
}

const struct sp_parquet_footer *sp_parquet_reader_footer(const struct sp_parquet_reader *r)
{
    return &r->footer;
}

/* The first TIME column; column_count: there is none. */
static uint32_t time_column(const struct sp_parquet_reader *r)
{
    uint32_t column = 0;

    while (column < r->footer.column_count && r->footer.columns[column].type != SP_PARQUET_TIME) {
        column++;
    }
    return column;
}

struct sp_parquet_summary sp_parquet_reader_summary(const struct sp_parquet_reader *r)
{
    struct sp_parquet_summary summary = {.rows = (uint64_t)r->footer.rows,
                                         .len_bytes = (uint64_t)r->len_bytes};
    uint32_t column = time_column(r);

    for (uint32_t g = 0; g < r->footer.group_count && column < r->footer.column_count; g++) {
        const struct sp_parquet_chunk *chunk = &r->footer.groups[g].chunks[column];

        if (g == 0 || chunk->min < summary.min_time.ns) summary.min_time.ns = chunk->min;
        if (g == 0 || chunk->max > summary.max_time.ns) summary.max_time.ns = chunk->max;
    }
    return summary;
}

/* How long a page of `rows` values must be; 0 if only walking it tells. */
static size_t exact_bytes(enum sp_parquet_type type, int64_t rows)
{
    if (type == SP_PARQUET_BOOL) return ((size_t)rows + 7) / 8;
    return (size_t)rows * sp_parquet_width(type);
}

static sp_status load_page(struct sp_parquet_reader *r, const struct sp_parquet_group *group,
                           uint32_t index, struct sp_err *err)
{
    const struct sp_parquet_chunk *chunk = &group->chunks[index];
    struct column_page *page = &r->pages[index];
    struct sp_parquet_page found = {0};
    struct sp_parquet_buffer plain;
    struct sp_err why = {0};
    size_t packed_bytes = (size_t)chunk->compressed_bytes;
    size_t exact = exact_bytes(r->footer.columns[index].type, group->rows);
    sp_status status = grow(&r->packed, &r->packed_cap, packed_bytes, err);

    if (status == SP_OK) {
        status = grow(&page->data, &page->cap_bytes, (size_t)chunk->plain_bytes, err);
    }
    if (status == SP_OK) status = read_at(r, r->packed, packed_bytes, chunk->offset, err);
    if (status != SP_OK) return status;
    plain = (struct sp_parquet_buffer){page->data, page->cap_bytes};
    status = sp_parquet_page_decode(r->codec, r->packed, packed_bytes, plain, &found, &why);
    if (status != SP_OK) {
        return sp_err_set(err, status, why.site, "%s: column %s: %s", r->path,
                          r->footer.columns[index].name, why.text);
    }
    if (found.rows != group->rows || (exact > 0 && found.plain_bytes != exact)) {
        return SP_FAIL(err, SP_CORRUPT, "%s: page of column %s has %zu bytes for %lld rows",
                       r->path, r->footer.columns[index].name, found.plain_bytes,
                       (long long)group->rows);
    }
    page->len_bytes = found.plain_bytes;
    page->at = 0;
    return SP_OK;
}

static sp_status load_group(struct sp_parquet_reader *r, struct sp_err *err)
{
    const struct sp_parquet_group *group = &r->footer.groups[r->group];

    for (uint32_t i = 0; i < r->footer.column_count; i++) {
        sp_status status = load_page(r, group, i, err);

        if (status != SP_OK) return status;
    }
    r->group++;
    r->row = 0;
    r->rows = group->rows;
    return SP_OK;
}

static sp_status take_text(struct sp_parquet_reader *r, uint32_t index,
                           struct sp_parquet_cell *cell, struct sp_err *err)
{
    struct column_page *page = &r->pages[index];
    size_t left = page->len_bytes - page->at;
    uint32_t len = 0;

    if (left >= 4) memcpy(&len, page->data + page->at, sizeof len);
    if (left < 4 || len > left - 4 || len > SP_PARQUET_TEXT_MAX ||
        (r->row == r->rows - 1 && len != left - 4)) {
        return SP_FAIL(err, SP_CORRUPT, "%s: text in column %s does not fit its page", r->path,
                       r->footer.columns[index].name);
    }
    cell->text = (const char *)page->data + page->at + 4;
    cell->len_bytes = len;
    page->at += 4 + (size_t)len;
    return SP_OK;
}

static void take_number(struct sp_parquet_reader *r, uint32_t index, struct sp_parquet_cell *cell)
{
    const struct column_page *page = &r->pages[index];
    enum sp_parquet_type type = r->footer.columns[index].type;
    size_t width = sp_parquet_width(type);

    if (type == SP_PARQUET_BOOL) {
        cell->number = page->data[r->row / 8] >> r->row % 8 & 1;
    } else {
        cell->number = 0;
        memcpy(&cell->number, page->data + (size_t)r->row * width, width);
    }
}

void sp_parquet_reader_limit(struct sp_parquet_reader *r, sp_wall from, sp_wall until)
{
    r->is_limited = time_column(r) < r->footer.column_count;
    r->from = from;
    r->until = until;
}

static void pass_over_groups(struct sp_parquet_reader *r)
{
    uint32_t column = time_column(r);

    for (; r->group < r->footer.group_count; r->group++) {
        const struct sp_parquet_chunk *times = &r->footer.groups[r->group].chunks[column];
        if (times->max >= r->from.ns && times->min < r->until.ns) return;
    }
}

sp_status sp_parquet_reader_next(struct sp_parquet_reader *r, struct sp_parquet_cell *cells,
                                 bool *is_end, struct sp_err *err)
{
    if (r->row == r->rows) {
        sp_status status;

        if (r->is_limited) pass_over_groups(r);
        if (r->group == r->footer.group_count) {
            *is_end = true;
            return SP_OK;
        }
        status = load_group(r, err);
        if (status != SP_OK) return status;
    }
    for (uint32_t i = 0; i < r->footer.column_count; i++) {
        cells[i] = (struct sp_parquet_cell){0};
        if (r->footer.columns[i].type == SP_PARQUET_TEXT) {
            sp_status status = take_text(r, i, &cells[i], err);

            if (status != SP_OK) return status;
        } else {
            take_number(r, i, &cells[i]);
        }
    }
    r->row++;
    *is_end = false;
    return SP_OK;
}

static sp_status check_body(struct sp_parquet_reader *r, struct sp_err *err)
{
    uint32_t crc = 0;
    sp_status status = grow(&r->packed, &r->packed_cap, SCRUB_BYTES, err);

    for (int64_t at = 0; at < r->body_bytes && status == SP_OK;) {
        int64_t left = r->body_bytes - at;
        size_t len = left < (int64_t)SCRUB_BYTES ? (size_t)left : SCRUB_BYTES;

        status = read_at(r, r->packed, len, at, err);
        if (status == SP_OK) crc = sp_crc32c(crc, r->packed, len);
        at += (int64_t)len;
    }
    if (status == SP_OK && crc != r->footer.body_crc32c) {
        return SP_FAIL(err, SP_CORRUPT, "%s: data fails the checksum of the file", r->path);
    }
    return status;
}

/* Reads the rows of one group and compares the ranges with those of the footer. */
static sp_status check_group(struct sp_parquet_reader *r, uint32_t index, struct sp_err *err)
{
    const struct sp_parquet_group *group = &r->footer.groups[index];
    struct sp_parquet_cell cells[SP_PARQUET_COLUMNS_MAX];
    int64_t min[SP_PARQUET_COLUMNS_MAX] = {0};
    int64_t max[SP_PARQUET_COLUMNS_MAX] = {0};
    bool is_end = false;

    for (int64_t row = 0; row < group->rows; row++) {
        sp_status status = sp_parquet_reader_next(r, cells, &is_end, err);

        if (status != SP_OK) return status;
        SP_ASSERT(!is_end);
        for (uint32_t i = 0; i < r->footer.column_count; i++) {
            if (row == 0 || cells[i].number < min[i]) min[i] = cells[i].number;
            if (row == 0 || cells[i].number > max[i]) max[i] = cells[i].number;
        }
    }
    for (uint32_t i = 0; i < r->footer.column_count; i++) {
        if (sp_parquet_is_ordered(r->footer.columns[i].type) &&
            (min[i] != group->chunks[i].min || max[i] != group->chunks[i].max)) {
            return SP_FAIL(err, SP_CORRUPT, "%s: column %s is not in the range of its footer",
                           r->path, r->footer.columns[i].name);
        }
    }
    return SP_OK;
}

sp_status sp_parquet_verify(const char *path, const struct sp_file_port *port,
                            struct sp_parquet_summary *summary, struct sp_err *err)
{
    struct sp_parquet_reader *r = NULL;
    sp_status status = sp_parquet_reader_open(path, port, &r, err);

    if (status != SP_OK) return status;
    status = check_body(r, err);
    for (uint32_t g = 0; g < r->footer.group_count && status == SP_OK; g++) {
        status = check_group(r, g, err);
    }
    if (status == SP_OK && summary != NULL) *summary = sp_parquet_reader_summary(r);
    sp_parquet_reader_close(r);
    return status;
}
