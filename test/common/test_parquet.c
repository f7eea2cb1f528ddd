#include "common/persist/parquet_page.h"
#include "common/persist/parquet_reader.h"
#include "common/persist/parquet_writer.h"
#include "common/persist/thrift.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define COLUMNS 7

static const struct sp_parquet_column columns[COLUMNS] = {
    {"time", SP_PARQUET_TIME}, {"id", SP_PARQUET_U64},    {"px", SP_PARQUET_E8},
    {"side", SP_PARQUET_TEXT}, {"more", SP_PARQUET_BOOL}, {"count", SP_PARQUET_U32},
    {"delta", SP_PARQUET_I64},
};

static char folder[64];
static char path[PATH_MAX];
static char tmp_path[PATH_MAX];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/spoor-parquet-XXXXXX");
    if (mkdtemp(folder) == NULL) return -1;
    snprintf(path, sizeof path, "%s/a.parquet", folder);
    snprintf(tmp_path, sizeof tmp_path, "%s/a.parquet.tmp", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    unlink(tmp_path);
    return rmdir(folder); /* fails, and so does the test, if anything else was left there */
}

/* The n-th row, from n alone. */
static void make_row(uint64_t n, struct sp_parquet_cell cells[COLUMNS])
{
    static const char *const sides[] = {"BUY", "SELL", "", "h\xc3\xa9llo"};
    const char *side = sides[n % 4];

    cells[0].number = INT64_C(1700000000000000000) + (int64_t)(n * n % 1000003) * 1000;
    cells[1].number = (int64_t)(UINT64_MAX - n * 7);
    cells[2].number = (int64_t)(n * 123456789 % 1000000007) - 500000000;
    cells[3] = (struct sp_parquet_cell){.text = side, .len_bytes = (uint32_t)strlen(side)};
    cells[4].number = n % 3 == 0;
    cells[5].number = (int64_t)(UINT32_MAX - n);
    cells[6].number = n % 2 ? -(int64_t)n : INT64_MAX - (int64_t)n;
}

static struct sp_parquet_writer *open_writer(uint32_t group_rows, const struct sp_file_port *port)
{
    struct sp_parquet_writer_options options = {path, columns, COLUMNS, group_rows, port};
    struct sp_parquet_writer *writer = NULL;
    struct sp_err err = {0};

    if (sp_parquet_writer_open(&options, &writer, &err) != SP_OK) fail_msg("%s", err.text);
    return writer;
}

static sp_status write_rows(struct sp_parquet_writer *writer, uint64_t rows)
{
    struct sp_parquet_cell cells[COLUMNS] = {0};
    sp_status status = SP_OK;

    for (uint64_t n = 0; n < rows && status == SP_OK; n++) {
        make_row(n, cells);
        status = sp_parquet_writer_append(writer, cells, NULL);
    }
    return status;
}

static void write_file(uint64_t rows, uint32_t group_rows)
{
    struct sp_parquet_writer *writer = open_writer(group_rows, NULL);
    struct sp_parquet_summary summary = {0};
    struct sp_err err = {0};
    struct stat st;

    assert_int_equal(write_rows(writer, rows), SP_OK);
    assert_int_equal(sp_parquet_writer_rows(writer), rows);
    if (sp_parquet_writer_finish(writer, &summary, &err) != SP_OK) fail_msg("%s", err.text);
    assert_int_equal(summary.rows, rows);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(summary.len_bytes, st.st_size);
    assert_int_equal(access(tmp_path, F_OK), -1);
}

static void check_rows(uint64_t rows)
{
    struct sp_parquet_reader *reader = NULL;
    struct sp_parquet_cell expected[COLUMNS] = {0};
    struct sp_parquet_cell cells[SP_PARQUET_COLUMNS_MAX];
    struct sp_err err = {0};
    bool is_end = false;
    uint64_t n = 0;

    if (sp_parquet_reader_open(path, NULL, &reader, &err) != SP_OK) fail_msg("%s", err.text);
    for (;; n++) {
        if (sp_parquet_reader_next(reader, cells, &is_end, &err) != SP_OK) fail_msg("%s", err.text);
        if (is_end) break;
        make_row(n, expected);
        for (unsigned i = 0; i < COLUMNS; i++) {
            if (i == 3) continue;
            assert_true(cells[i].number == expected[i].number);
        }
        assert_int_equal(cells[3].len_bytes, expected[3].len_bytes);
        assert_memory_equal(cells[3].text, expected[3].text, expected[3].len_bytes);
    }
    assert_int_equal(n, rows);
    sp_parquet_reader_close(reader);
}

static void test_parquet_rows_come_back_as_written(void **state)
{
    static const uint64_t counts[] = {0, 1, 7, 8, 9, 99, 100, 101, 1000};

    (void)state;
    for (unsigned i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        write_file(counts[i], 100);
        check_rows(counts[i]);
    }
    write_file(70000, 0);
    check_rows(70000);
}

static void test_parquet_summary_gives_the_range_of_time(void **state)
{
    struct sp_parquet_summary summary = {0};
    int64_t min = INT64_MAX;
    int64_t max = INT64_MIN;

    (void)state;
    write_file(1000, 64);
    for (uint64_t n = 0; n < 1000; n++) {
        struct sp_parquet_cell cells[COLUMNS] = {0};
        make_row(n, cells);
        if (cells[0].number < min) min = cells[0].number;
        if (cells[0].number > max) max = cells[0].number;
    }
    assert_int_equal(sp_parquet_verify(path, NULL, &summary, NULL), SP_OK);
    assert_true(summary.min_time.ns == min);
    assert_true(summary.max_time.ns == max);
}

static void test_parquet_values_out_of_range_are_refused_and_not_written(void **state)
{
    static const struct {
        unsigned column;
        int64_t bad;
    } cases[] = {
        {2, INT64_C(1000000000000000000)},
        {2, INT64_C(-1000000000000000000)},
        {4, 2},
        {5, -1},
        {5, INT64_C(1) << 32},
    };
    struct sp_parquet_writer *writer = open_writer(100, NULL);
    struct sp_parquet_cell cells[COLUMNS] = {0};

    (void)state;
    for (unsigned i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        make_row(0, cells);
        cells[cases[i].column].number = cases[i].bad;
        assert_int_equal(sp_parquet_writer_append(writer, cells, NULL), SP_RANGE);
    }
    make_row(0, cells);
    cells[3].len_bytes = SP_PARQUET_TEXT_MAX + 1;
    assert_int_equal(sp_parquet_writer_append(writer, cells, NULL), SP_TOO_LONG);
    assert_int_equal(sp_parquet_writer_rows(writer), 0);
    assert_int_equal(write_rows(writer, 3), SP_OK);
    assert_int_equal(sp_parquet_writer_finish(writer, NULL, NULL), SP_OK);
    check_rows(3);
}

static void test_parquet_long_texts_end_a_row_group_early(void **state)
{
    struct sp_parquet_writer *writer = open_writer(64, NULL);
    struct sp_parquet_reader *reader = NULL;
    struct sp_parquet_cell cells[COLUMNS] = {0};
    static char text[SP_PARQUET_TEXT_MAX];

    (void)state;
    memset(text, 'x', sizeof text);
    for (uint64_t n = 0; n < 64; n++) {
        make_row(n, cells);
        cells[3] = (struct sp_parquet_cell){.text = text, .len_bytes = sizeof text};
        assert_int_equal(sp_parquet_writer_append(writer, cells, NULL), SP_OK);
    }
    assert_int_equal(sp_parquet_writer_finish(writer, NULL, NULL), SP_OK);
    assert_int_equal(sp_parquet_reader_open(path, NULL, &reader, NULL), SP_OK);
    assert_true(sp_parquet_reader_footer(reader)->group_count > 1);
    assert_int_equal(sp_parquet_reader_footer(reader)->rows, 64);
    sp_parquet_reader_close(reader);
}

static void overwrite(const uint8_t *bytes, size_t len_bytes)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, len_bytes, file), len_bytes);
    assert_int_equal(fclose(file), 0);
}

static size_t load(uint8_t *bytes, size_t cap_bytes)
{
    FILE *file = fopen(path, "rb");
    size_t len;

    assert_non_null(file);
    len = fread(bytes, 1, cap_bytes, file);
    assert_true(len < cap_bytes);
    fclose(file);
    return len;
}

static void test_parquet_every_flipped_byte_is_caught(void **state)
{
    static uint8_t bytes[8192];
    size_t len;

    (void)state;
    write_file(20, 10);
    len = load(bytes, sizeof bytes);
    for (size_t i = 0; i < len; i++) {
        struct sp_err err = {0};

        bytes[i] ^= (uint8_t)(1u << i % 8);
        overwrite(bytes, len);
        if (sp_parquet_verify(path, NULL, NULL, &err) == SP_OK) fail_msg("byte %zu of %zu", i, len);
        assert_non_null(strstr(err.text, path));
        bytes[i] ^= (uint8_t)(1u << i % 8);
    }
    overwrite(bytes, len);
    assert_int_equal(sp_parquet_verify(path, NULL, NULL, NULL), SP_OK);
}

static void test_parquet_a_flipped_byte_in_a_page_is_caught_while_reading(void **state)
{
    static uint8_t bytes[8192];
    struct sp_parquet_reader *reader = NULL;
    struct sp_parquet_cell cells[SP_PARQUET_COLUMNS_MAX];
    struct sp_err err = {0};
    bool is_end = false;
    size_t len;

    (void)state;
    write_file(20, 10);
    len = load(bytes, sizeof bytes);
    bytes[60] ^= 4;
    overwrite(bytes, len);
    assert_int_equal(sp_parquet_reader_open(path, NULL, &reader, NULL), SP_OK);
    assert_int_equal(sp_parquet_reader_next(reader, cells, &is_end, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, "column time: page of"));
    sp_parquet_reader_close(reader);
}

static void test_parquet_every_truncation_is_caught(void **state)
{
    static uint8_t bytes[8192];
    size_t len;

    (void)state;
    write_file(20, 10);
    len = load(bytes, sizeof bytes);
    for (size_t i = 0; i < len; i++) {
        overwrite(bytes, i);
        if (sp_parquet_verify(path, NULL, NULL, NULL) == SP_OK) fail_msg("%zu of %zu", i, len);
    }
}

static void test_parquet_a_missing_file_and_a_foreign_file_say_so(void **state)
{
    struct sp_parquet_reader *reader = NULL;
    static const uint8_t text[] = "this is not a Parquet file at all";

    (void)state;
    unlink(path);
    assert_int_equal(sp_parquet_reader_open(path, NULL, &reader, NULL), SP_NOT_FOUND);
    overwrite(text, sizeof text);
    assert_int_equal(sp_parquet_reader_open(path, NULL, &reader, NULL), SP_TRUNCATED);
}

/* A port that fails the n-th call of the write side, from 1. */
static struct {
    unsigned calls;
    unsigned fail_at;
    int error;
} fault;

static bool is_due(void)
{
    errno = fault.error;
    return ++fault.calls == fault.fail_at;
}
static ssize_t faulty_write(void *self, int fd, const void *buf, size_t len_bytes)
{
    return is_due() ? -1 : sp_file_port_real()->write(self, fd, buf, len_bytes);
}
static int faulty_sync(void *self, int fd)
{
    return is_due() ? -1 : sp_file_port_real()->sync(self, fd);
}
static int faulty_close(void *self, int fd)
{
    int rc = sp_file_port_real()->close(self, fd);
    return is_due() ? -1 : rc;
}
static int faulty_rename(void *self, const char *from, const char *to)
{
    return is_due() ? -1 : sp_file_port_real()->rename(self, from, to);
}
static ssize_t faulty_pread(void *self, int fd, void *buf, size_t len_bytes, off_t offset)
{
    return is_due() ? -1 : sp_file_port_real()->pread(self, fd, buf, len_bytes, offset);
}

static void test_parquet_any_failed_step_leaves_the_old_file_and_no_tmp(void **state)
{
    struct sp_file_port port = *sp_file_port_real();
    unsigned failures = 0;

    (void)state;
    port.write = faulty_write;
    port.sync = faulty_sync;
    port.close = faulty_close;
    port.rename = faulty_rename;
    port.pread = faulty_pread;
    write_file(5, 10);
    for (unsigned at = 2;; at++) {
        struct sp_parquet_writer *writer;
        struct sp_err err = {0};
        sp_status status;

        fault.calls = 0;
        fault.fail_at = at;
        fault.error = ENOSPC;
        writer = open_writer(10, &port);
        status = write_rows(writer, 25);
        if (status != SP_OK) assert_int_equal(write_rows(writer, 1), SP_STORAGE);
        status = sp_parquet_writer_finish(writer, NULL, &err);
        assert_int_equal(access(tmp_path, F_OK), -1);
        if (fault.calls < at) {
            assert_int_equal(status, SP_OK);
            check_rows(25);
            break;
        }
        if (status == SP_OK) { /* the close of a reader, which can lose nothing */
            write_file(5, 10);
            continue;
        }
        failures++;
        assert_true(err.text[0] != '\0');
        check_rows(5);
    }
    assert_true(failures > 30);
}

static void test_parquet_a_full_disk_is_an_error_not_a_file(void **state)
{
    struct rlimit before;
    struct rlimit small = {.rlim_cur = 4096, .rlim_max = 0};
    struct sp_parquet_writer *writer;
    struct sp_err err = {0};
    sp_status status;

    (void)state;
    write_file(5, 10);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    small.rlim_max = before.rlim_max;
    writer = open_writer(1000, NULL);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    SP_IGNORE(write_rows(writer, 5000)); /* may fail already here */
    status = sp_parquet_writer_finish(writer, NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, SP_STORAGE);
    assert_int_equal(access(tmp_path, F_OK), -1);
    check_rows(5);
}

static void test_parquet_bytes_changed_between_write_and_verify_are_caught(void **state)
{
    struct sp_parquet_writer *writer = open_writer(10, NULL);
    struct sp_err err = {0};
    int fd;

    (void)state;
    unlink(path);
    assert_int_equal(write_rows(writer, 25), SP_OK);
    fd = open(tmp_path, O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "?", 1, 100), 1);
    close(fd);
    assert_int_equal(sp_parquet_writer_finish(writer, NULL, &err), SP_CORRUPT);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(access(tmp_path, F_OK), -1);
}

static void test_parquet_a_second_writer_is_refused(void **state)
{
    struct sp_parquet_writer_options options = {path, columns, COLUMNS, 10, NULL};
    struct sp_parquet_writer *writer = open_writer(10, NULL);
    struct sp_parquet_writer *second = NULL;

    (void)state;
    assert_int_equal(sp_parquet_writer_open(&options, &second, NULL), SP_EXISTS);
    sp_parquet_writer_abandon(writer);
    assert_int_equal(access(tmp_path, F_OK), -1);
}

static void test_parquet_wrong_columns_and_paths_are_refused(void **state)
{
    struct sp_parquet_column twice[2] = {{"a", SP_PARQUET_I64}, {"a", SP_PARQUET_I64}};
    struct sp_parquet_column nameless[1] = {{"", SP_PARQUET_I64}};
    struct sp_parquet_writer_options options = {path, twice, 2, 10, NULL};
    struct sp_parquet_writer *writer = NULL;

    (void)state;
    assert_int_equal(sp_parquet_writer_open(&options, &writer, NULL), SP_INVALID);
    options.columns = nameless;
    options.column_count = 1;
    assert_int_equal(sp_parquet_writer_open(&options, &writer, NULL), SP_INVALID);
    options.columns = columns;
    options.column_count = 0;
    assert_int_equal(sp_parquet_writer_open(&options, &writer, NULL), SP_INVALID);
    options.column_count = COLUMNS;
    options.path = "/tmp/a.csv";
    assert_int_equal(sp_parquet_writer_open(&options, &writer, NULL), SP_INVALID);
}

static void test_parquet_crc32_has_the_published_check_value(void **state)
{
    struct sp_parquet_codec *codec = NULL;

    (void)state;
    assert_int_equal(sp_parquet_codec_open(&codec, NULL), SP_OK);
    assert_int_equal(sp_parquet_crc32(codec, "123456789", 9), 0xcbf43926);
    assert_int_equal(sp_parquet_crc32(codec, "", 0), 0);
    sp_parquet_codec_close(codec);
}

/* Hostile thrift: whatever the bytes, reading ends and stays inside. */
static void test_parquet_thrift_of_any_bytes_ends(void **state)
{
    uint64_t x = 88172645463325252u;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        uint8_t bytes[64];
        struct sp_parquet_footer footer;
        size_t len = round % sizeof bytes;

        for (size_t i = 0; i < len; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            bytes[i] = (uint8_t)x;
        }
        if (len > 0 && round % 2) bytes[0] = 0x15; /* a plausible start */
        assert_int_not_equal(sp_parquet_footer_decode(bytes, len, 4, &footer, NULL), SP_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parquet_rows_come_back_as_written),
        cmocka_unit_test(test_parquet_summary_gives_the_range_of_time),
        cmocka_unit_test(test_parquet_values_out_of_range_are_refused_and_not_written),
        cmocka_unit_test(test_parquet_long_texts_end_a_row_group_early),
        cmocka_unit_test(test_parquet_every_flipped_byte_is_caught),
        cmocka_unit_test(test_parquet_a_flipped_byte_in_a_page_is_caught_while_reading),
        cmocka_unit_test(test_parquet_every_truncation_is_caught),
        cmocka_unit_test(test_parquet_a_missing_file_and_a_foreign_file_say_so),
        cmocka_unit_test(test_parquet_any_failed_step_leaves_the_old_file_and_no_tmp),
        cmocka_unit_test(test_parquet_a_full_disk_is_an_error_not_a_file),
        cmocka_unit_test(test_parquet_bytes_changed_between_write_and_verify_are_caught),
        cmocka_unit_test(test_parquet_a_second_writer_is_refused),
        cmocka_unit_test(test_parquet_wrong_columns_and_paths_are_refused),
        cmocka_unit_test(test_parquet_crc32_has_the_published_check_value),
        cmocka_unit_test(test_parquet_thrift_of_any_bytes_ends),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
