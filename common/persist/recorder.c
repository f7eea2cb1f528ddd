#include "common/persist/recorder.h"

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

/* clang-format off */
#define PLACE {"time", SP_PARQUET_TIME}, {"epoch", SP_PARQUET_U32}, {"seq", SP_PARQUET_U64}
static const struct sp_parquet_column trade_columns[] = {
    PLACE, {"trade_id", SP_PARQUET_U64}, {"px", SP_PARQUET_E8}, {"qty", SP_PARQUET_E8},
    {"taker_side", SP_PARQUET_TEXT}, {"received_ns", SP_PARQUET_I64}};
static const struct sp_parquet_column quote_columns[] = {
    PLACE, {"update_id", SP_PARQUET_U64}, {"bid_px", SP_PARQUET_E8}, {"bid_qty", SP_PARQUET_E8},
    {"ask_px", SP_PARQUET_E8}, {"ask_qty", SP_PARQUET_E8}, {"received_ns", SP_PARQUET_I64}};
static const struct sp_parquet_column bar_columns[] = {
    PLACE, {"interval_ns", SP_PARQUET_I64}, {"opened", SP_PARQUET_TIME}, {"open", SP_PARQUET_E8},
    {"high", SP_PARQUET_E8}, {"low", SP_PARQUET_E8}, {"close", SP_PARQUET_E8},
    {"volume", SP_PARQUET_E8}, {"trade_count", SP_PARQUET_U32}, {"received_ns", SP_PARQUET_I64}};
static const struct sp_parquet_column book_delta_columns[] = {
    PLACE, {"first_update_id", SP_PARQUET_U64}, {"last_update_id", SP_PARQUET_U64},
    {"more", SP_PARQUET_BOOL}, {"side", SP_PARQUET_TEXT}, {"px", SP_PARQUET_E8},
    {"qty", SP_PARQUET_E8}, {"received_ns", SP_PARQUET_I64}};
static const struct sp_parquet_column book_snapshot_columns[] = {
    PLACE, {"last_update_id", SP_PARQUET_U64}, {"part", SP_PARQUET_U32},
    {"more", SP_PARQUET_BOOL}, {"side", SP_PARQUET_TEXT}, {"px", SP_PARQUET_E8},
    {"qty", SP_PARQUET_E8}, {"received_ns", SP_PARQUET_I64}};
#undef PLACE
/* clang-format on */

#define LAYOUT(name)                                                                               \
    {                                                                                              \
#name, name##_columns, sizeof name##_columns / sizeof name##_columns[0]                    \
    }
enum layout { LAYOUT_TRADE, LAYOUT_QUOTE, LAYOUT_BAR, LAYOUT_DELTA, LAYOUT_SNAPSHOT, LAYOUT_NONE };
static const struct {
    const char *name;
    const struct sp_parquet_column *columns;
    uint32_t column_count;
} layouts[] = {
    [LAYOUT_TRADE] = LAYOUT(trade),
    [LAYOUT_QUOTE] = LAYOUT(quote),
    [LAYOUT_BAR] = LAYOUT(bar),
    [LAYOUT_DELTA] = LAYOUT(book_delta),
    [LAYOUT_SNAPSHOT] = LAYOUT(book_snapshot),
};

struct open_file {
    sp_name symbol;
    enum layout layout;
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

/* The row being filled. */
struct row {
    struct sp_parquet_cell cells[SP_PARQUET_COLUMNS_MAX];
    uint32_t count;
};

static void put_number(struct row *row, int64_t number)
{
    row->cells[row->count++] = (struct sp_parquet_cell){.number = number};
}

static void put_side(struct row *row, uint8_t side)
{
    const char *name = sp_enum_name(SP_ENUM_SIDE, side);

    if (name == NULL) name = "";
    row->cells[row->count++] =
        (struct sp_parquet_cell){.text = name, .len_bytes = (uint32_t)strlen(name)};
}

static enum layout layout_of(enum sp_kind kind)
{
    if (kind == SP_REC_TRADE) return LAYOUT_TRADE;
    if (kind == SP_REC_QUOTE) return LAYOUT_QUOTE;
    if (kind == SP_REC_BAR) return LAYOUT_BAR;
    if (kind == SP_REC_BOOK_DELTA) return LAYOUT_DELTA;
    if (kind == SP_REC_BOOK_SNAPSHOT) return LAYOUT_SNAPSHOT;
    return LAYOUT_NONE;
}

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
    int got = snprintf(dir, sizeof dir, "%s/%s/%s", recorder->root, file->symbol.s,
                       layouts[file->layout].name);
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
                                                .columns = layouts[file->layout].columns,
                                                .column_count = layouts[file->layout].column_count,
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
                                   enum layout layout)
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

static sp_status put_row(struct sp_recorder *recorder, struct open_file *file,
                         const struct row *row, struct sp_err *err)
{
    sp_status status = SP_OK;

    SP_ASSERT(row->count == layouts[file->layout].column_count);
    status = sp_parquet_writer_append(file->writer, row->cells, err);
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

static void put_trade(struct row *row, const struct sp_trade *trade)
{
    put_number(row, (int64_t)trade->trade_id);
    put_number(row, trade->px.e8);
    put_number(row, trade->qty.e8);
    put_side(row, trade->taker_side);
    put_number(row, trade->received.ns);
}

static void put_quote(struct row *row, const struct sp_quote *quote)
{
    put_number(row, (int64_t)quote->update_id);
    put_number(row, quote->bid_px.e8);
    put_number(row, quote->bid_qty.e8);
    put_number(row, quote->ask_px.e8);
    put_number(row, quote->ask_qty.e8);
    put_number(row, quote->received.ns);
}

static void put_bar(struct row *row, const struct sp_bar *bar)
{
    put_number(row, bar->interval.ns);
    put_number(row, bar->opened.ns);
    put_number(row, bar->open.e8);
    put_number(row, bar->high.e8);
    put_number(row, bar->low.e8);
    put_number(row, bar->close.e8);
    put_number(row, bar->volume.e8);
    put_number(row, bar->trade_count);
    put_number(row, bar->received.ns);
}

static bool levels_fit(const sp_levels *levels)
{
    for (uint32_t i = 0; i < levels->count; i++) {
        if (!sp_parquet_fits(SP_PARQUET_E8, levels->at[i].px.e8)) return false;
        if (!sp_parquet_fits(SP_PARQUET_E8, levels->at[i].qty.e8)) return false;
    }
    return true;
}

/* `row` holds the columns before the level. */
static sp_status put_levels(struct sp_recorder *recorder, struct open_file *file,
                            const struct row *row, const struct sp_record *record,
                            struct sp_err *err)
{
    bool is_delta = record->kind == SP_REC_BOOK_DELTA;
    const struct sp_book_delta *delta = &record->body.book_delta;
    const struct sp_book_snapshot *snapshot = &record->body.book_snapshot;
    const sp_levels *sides[2] = {is_delta ? &delta->bids : &snapshot->bids,
                                 is_delta ? &delta->asks : &snapshot->asks};
    sp_mono received = is_delta ? delta->received : snapshot->received;
    uint32_t total = sides[0]->count + sides[1]->count;
    sp_status status = SP_OK;

    if (!levels_fit(sides[0]) || !levels_fit(sides[1])) {
        recorder->stats.out_of_range++;
        return SP_FAIL(err, SP_RANGE, "a level of %s/%u:%llu is out of range", record->stream.s,
                       record->epoch, (unsigned long long)record->seq);
    }
    for (uint32_t i = 0; i < (total > 0 ? total : 1) && status == SP_OK; i++) {
        bool is_ask = i >= sides[0]->count;
        const struct sp_level *level = NULL;
        struct row full = *row;

        if (total > 0) level = &sides[is_ask]->at[is_ask ? i - sides[0]->count : i];
        put_side(&full, level == NULL ? SP_SIDE_NONE : is_ask ? SP_SIDE_SELL : SP_SIDE_BUY);
        put_number(&full, level == NULL ? 0 : level->px.e8);
        put_number(&full, level == NULL ? 0 : level->qty.e8);
        put_number(&full, received.ns);
        status = put_row(recorder, file, &full, err);
    }
    return status;
}

static sp_status put_record(struct sp_recorder *recorder, struct open_file *file,
                            const struct sp_record *record, struct sp_err *err)
{
    struct row row = {.count = 0};

    put_number(&row, record->time.ns);
    put_number(&row, record->epoch);
    put_number(&row, (int64_t)record->seq);
    if (file->layout == LAYOUT_TRADE) put_trade(&row, &record->body.trade);
    if (file->layout == LAYOUT_QUOTE) put_quote(&row, &record->body.quote);
    if (file->layout == LAYOUT_BAR) put_bar(&row, &record->body.bar);
    if (file->layout == LAYOUT_DELTA) {
        put_number(&row, (int64_t)record->body.book_delta.first_update_id);
        put_number(&row, (int64_t)record->body.book_delta.last_update_id);
        put_number(&row, record->body.book_delta.more);
        return put_levels(recorder, file, &row, record, err);
    }
    if (file->layout == LAYOUT_SNAPSHOT) {
        put_number(&row, (int64_t)record->body.book_snapshot.last_update_id);
        put_number(&row, record->body.book_snapshot.part);
        put_number(&row, record->body.book_snapshot.more);
        return put_levels(recorder, file, &row, record, err);
    }
    return put_row(recorder, file, &row, err);
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
    enum layout layout = layout_of(record->kind);
    sp_status rolled = SP_OK;
    sp_status status = SP_OK;
    struct open_file *file;
    sp_name symbol;

    if (layout == LAYOUT_NONE) return SP_OK;
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
