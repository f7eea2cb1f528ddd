#include "common/journal/file.h"

#include "folder.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_file_crc32c_matches_known_values(void **state)
{
    uint8_t zeros[32] = {0};
    uint8_t ones[32];

    (void)state;
    memset(ones, 0xff, sizeof ones);
    assert_int_equal(sp_crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(sp_crc32c(0, zeros, 32), 0x8a9136aa); /* RFC 3720, B.4 */
    assert_int_equal(sp_crc32c(0, ones, 32), 0x62a8ab43);
    assert_int_equal(sp_crc32c(7, "", 0), 7);
}

static void test_file_crc32c_continues_and_agrees_with_the_table(void **state)
{
    uint8_t bytes[300];

    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t len = 0; len < sizeof bytes; len++) {
        uint32_t whole = sp_crc32c(0, bytes, len);
        assert_int_equal(whole, sp_crc32c_portable(0, bytes, len));
        assert_int_equal(whole,
                         sp_crc32c(sp_crc32c(0, bytes, len / 3), bytes + len / 3, len - len / 3));
    }
}

/* A disk that takes three bytes at a time and is interrupted every second time. */
struct slow {
    char got[64];
    size_t len;
    int calls;
    int fail_at;
};

static ssize_t slow_write(void *self, int fd, const void *buf, size_t len)
{
    struct slow *slow = self;

    (void)fd;
    slow->calls++;
    if (slow->calls == slow->fail_at) {
        errno = ENOSPC;
        return -1;
    }
    if (slow->calls % 2 == 0) {
        errno = EINTR;
        return -1;
    }
    size_t n = len < 3 ? len : 3;
    memcpy(slow->got + slow->len, buf, n);
    slow->len += n;
    return (ssize_t)n;
}

static void test_file_write_all_survives_short_writes_and_signals(void **state)
{
    struct slow slow = {0};
    struct sp_file_port port = *sp_file_port_real();

    (void)state;
    port.self = &slow;
    port.write = slow_write;
    assert_int_equal(sp_file_write_all(&port, 1, "hello, journal", 14, NULL), SP_OK);
    assert_int_equal(slow.len, 14);
    assert_memory_equal(slow.got, "hello, journal", 14);
}

static void test_file_write_all_reports_a_full_disk(void **state)
{
    struct slow slow = {.fail_at = 3};
    struct sp_file_port port = *sp_file_port_real();
    struct sp_err err = {0};

    (void)state;
    port.self = &slow;
    port.write = slow_write;
    assert_int_equal(sp_file_write_all(&port, 1, "hello, journal", 14, &err), SP_STORAGE);
    assert_int_equal(err.os_errno, ENOSPC);
}

static void test_file_make_dirs_makes_all_and_accepts_what_is_there(void **state)
{
    struct folder f = folder_make();
    char path[512], sub[512];
    struct stat st;

    (void)state;
    folder_path(&f, "a/b//c/", path);
    assert_int_equal(sp_file_make_dirs(sp_file_port_real(), path, NULL), SP_OK);
    assert_int_equal(sp_file_make_dirs(sp_file_port_real(), path, NULL), SP_OK);
    assert_int_equal(stat(folder_path(&f, "a/b/c", sub), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    file_write(folder_path(&f, "a/x", sub), "x", 1);
    assert_int_equal(sp_file_make_dirs(sp_file_port_real(), sub, NULL), SP_STORAGE);
    assert_int_equal(sp_file_make_dirs(sp_file_port_real(), folder_path(&f, "a/x/y", sub), NULL),
                     SP_STORAGE);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_crc32c_matches_known_values),
        cmocka_unit_test(test_file_crc32c_continues_and_agrees_with_the_table),
        cmocka_unit_test(test_file_write_all_survives_short_writes_and_signals),
        cmocka_unit_test(test_file_write_all_reports_a_full_disk),
        cmocka_unit_test(test_file_make_dirs_makes_all_and_accepts_what_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
