#include "common/journal/role.h"

#include "folder.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <sys/wait.h>

#include <cmocka.h>

static uint32_t acquire_once(const char *dir)
{
    struct sp_role role = {0};

    assert_int_equal(sp_role_acquire(&role, dir, NULL), SP_OK);
    assert_int_equal(sp_role_check(&role, NULL), SP_OK);
    uint32_t epoch = role.epoch;
    sp_role_release(&role);
    sp_role_release(&role);
    return epoch;
}

static void test_role_raises_the_epoch_each_time(void **state)
{
    struct folder f = folder_make();
    char dir[512];

    (void)state;
    folder_path(&f, "deep/er", dir);
    for (uint32_t i = 1; i <= 20; i++)
        assert_int_equal(acquire_once(dir), i);
    folder_remove(&f);
}

static void test_role_refuses_a_second_holder_and_names_it(void **state)
{
    struct folder f = folder_make();
    struct sp_role role = {0};

    (void)state;
    assert_int_equal(sp_role_acquire(&role, f.path, NULL), SP_OK);
    pid_t pid = fork();
    if (pid == 0) {
        struct sp_role twin = {0};
        struct sp_err err = {0};
        char expected[32];
        sp_status status = sp_role_acquire(&twin, f.path, &err);
        snprintf(expected, sizeof expected, "pid %ld)", (long)getppid());
        _exit(status == SP_LOCKED && strstr(err.text, expected) != NULL ? 0 : 1);
    }
    int rc = -1;
    assert_int_equal(waitpid(pid, &rc, 0), pid);
    assert_int_equal(rc, 0);
    sp_role_release(&role);
    assert_int_equal(acquire_once(f.path), 2);
    folder_remove(&f);
}

/* Damage of every byte of EPOCH: an epoch that was given is never given again. */
static void test_role_never_gives_an_epoch_twice(void **state)
{
    struct folder f = folder_make();
    char path[512], bytes[2048], bad[2048];

    (void)state;
    folder_path(&f, "EPOCH", path);
    for (int i = 0; i < 6; i++)
        acquire_once(f.path);
    long len = file_read(path, bytes, sizeof bytes);
    assert_int_equal(len, 1024);
    for (long i = 0; i < len; i++) {
        memcpy(bad, bytes, sizeof bad);
        bad[i] = (char)(bad[i] ^ 1);
        file_write(path, bad, (size_t)len);
        uint32_t epoch = acquire_once(f.path);
        assert_true(epoch == 7 || epoch == 8);
        assert_true(acquire_once(f.path) > epoch);
    }
    folder_remove(&f);
}

static void test_role_survives_a_torn_raise(void **state)
{
    struct folder f = folder_make();
    char path[512], before[2048], after[2048], torn[2048];

    (void)state;
    folder_path(&f, "EPOCH", path);
    for (int i = 0; i < 5; i++)
        acquire_once(f.path);
    assert_int_equal(file_read(path, before, sizeof before), 1024);
    acquire_once(f.path);
    assert_int_equal(file_read(path, after, sizeof after), 1024);
    for (size_t cut = 0; cut <= 1024; cut++) {
        memcpy(torn, after, cut);
        memcpy(torn + cut, before + cut, 1024 - cut);
        file_write(path, torn, 1024);
        assert_true(acquire_once(f.path) >= 6);
    }
    folder_remove(&f);
}

static void test_role_refuses_a_ruined_epoch_file(void **state)
{
    struct folder f = folder_make();
    struct sp_role role = {0};
    struct sp_err err = {0};
    char path[512];

    (void)state;
    acquire_once(f.path);
    folder_path(&f, "EPOCH", path);
    file_write(path, "", 0);
    assert_int_equal(sp_role_acquire(&role, f.path, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, path));
    assert_int_equal(sp_role_acquire(&role, f.path, &err), SP_CORRUPT); /* and not SP_LOCKED */
    folder_remove(&f);
}

static void test_role_check_sees_a_newer_epoch_and_removed_files(void **state)
{
    struct folder f = folder_make();
    char path[512], older[2048], newer[2048], newest[2048];
    struct sp_role role = {0};

    (void)state;
    folder_path(&f, "EPOCH", path);
    acquire_once(f.path);
    assert_int_equal(file_read(path, older, sizeof older), 1024);
    acquire_once(f.path);
    assert_int_equal(file_read(path, newer, sizeof newer), 1024);
    acquire_once(f.path);
    assert_int_equal(file_read(path, newest, sizeof newest), 1024);
    file_write(path, older, 1024);
    assert_int_equal(sp_role_acquire(&role, f.path, NULL), SP_OK);
    assert_int_equal(role.epoch, 2);
    file_write(path, older, 1024);
    assert_int_equal(sp_role_check(&role, NULL), SP_CORRUPT);
    sp_role_release(&role);

    assert_int_equal(sp_role_acquire(&role, f.path, NULL), SP_OK);
    assert_int_equal(role.epoch, 2);
    file_write(path, newer, 1024);
    assert_int_equal(sp_role_check(&role, NULL), SP_OK);
    sp_role_release(&role);

    file_write(path, older, 1024);
    assert_int_equal(sp_role_acquire(&role, f.path, NULL), SP_OK);
    assert_int_equal(role.epoch, 2);
    file_write(path, newest, 1024);
    assert_int_equal(sp_role_check(&role, NULL), SP_FENCED);
    file_write(path, newer, 1024);
    assert_int_equal(sp_role_check(&role, NULL), SP_OK);
    char lock[512];
    assert_int_equal(unlink(folder_path(&f, "LOCK", lock)), 0);
    assert_int_equal(sp_role_check(&role, NULL), SP_FENCED);
    sp_role_release(&role);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_role_raises_the_epoch_each_time),
        cmocka_unit_test(test_role_refuses_a_second_holder_and_names_it),
        cmocka_unit_test(test_role_never_gives_an_epoch_twice),
        cmocka_unit_test(test_role_survives_a_torn_raise),
        cmocka_unit_test(test_role_refuses_a_ruined_epoch_file),
        cmocka_unit_test(test_role_check_sees_a_newer_epoch_and_removed_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
