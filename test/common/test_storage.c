/* Disk reserve and ballast: levels at their boundaries, and what a full disk still takes. */
#include "common/storage.h"

#include "fault_port.h"
#include "journal_fixture.h"

#define MIB (UINT64_C(1) << 20)

struct fake_disk {
    struct sp_disk_room room;
    bool broken;
};

static int fake_read(void *self, const char *dir, struct sp_disk_room *out)
{
    const struct fake_disk *disk = self;

    (void)dir;
    if (disk->broken) return -1;
    *out = disk->room;
    return 0;
}

static const struct sp_disk_limits limits = {
    .warn_bytes = 2048 * MIB, .reserve_bytes = 512 * MIB, .warn_part = {SP_FX_ONE / 5}};

static enum sp_disk_level judge(uint64_t free_bytes, enum sp_disk_level before)
{
    struct sp_disk_room room = {.free_bytes = free_bytes, .total_bytes = 1000 * MIB};

    return sp_disk_judge(&limits, &room, before);
}

static void test_storage_levels_at_their_boundaries(void **state)
{
    struct sp_disk_room large = {.free_bytes = 19999 * MIB, .total_bytes = 100000 * MIB};

    (void)state;
    assert_int_equal(judge(2048 * MIB, SP_DISK_AMPLE), SP_DISK_AMPLE);
    assert_int_equal(judge(2048 * MIB - 1, SP_DISK_AMPLE), SP_DISK_LOW);
    assert_int_equal(judge(512 * MIB, SP_DISK_LOW), SP_DISK_LOW);
    assert_int_equal(judge(512 * MIB - 1, SP_DISK_AMPLE), SP_DISK_RESERVE);
    assert_int_equal(judge(0, SP_DISK_AMPLE), SP_DISK_RESERVE);
    /* Left a quarter above. */
    assert_int_equal(judge(640 * MIB - 1, SP_DISK_RESERVE), SP_DISK_RESERVE);
    assert_int_equal(judge(640 * MIB, SP_DISK_RESERVE), SP_DISK_LOW);
    assert_int_equal(judge(2560 * MIB - 1, SP_DISK_LOW), SP_DISK_LOW);
    assert_int_equal(judge(2560 * MIB, SP_DISK_LOW), SP_DISK_AMPLE);
    assert_int_equal(judge(2560 * MIB, SP_DISK_RESERVE), SP_DISK_AMPLE);
    /* A part of a large file system is more than the fixed number. */
    assert_int_equal(sp_disk_warn_below(&limits, &large), 20000 * MIB);
    assert_int_equal(sp_disk_judge(&limits, &large, SP_DISK_AMPLE), SP_DISK_LOW);
    large.total_bytes = UINT64_MAX;
    assert_int_equal(sp_disk_warn_below(&limits, &large), UINT64_MAX / 5);
}

static void test_storage_says_what_is_wrong_and_keeps_quiet_otherwise(void **state)
{
    struct fake_disk disk = {.room = {.free_bytes = 4096 * MIB, .total_bytes = 4096 * MIB}};
    struct sp_disk_port port = {.self = &disk, .read = fake_read};
    struct sp_storage_options options = {.dir = "nowhere", .disk = &port, .limits = limits};
    struct sp_storage storage;
    sp_text text;

    (void)state;
    sp_storage_init(&storage, &options);
    sp_storage_check(&storage);
    sp_storage_say(&storage, &text);
    assert_string_equal(text.s, "");
    disk.room.free_bytes = 1000 * MIB;
    sp_storage_check(&storage);
    sp_storage_say(&storage, &text);
    assert_string_equal(text.s, "disk space is low: 1000 MiB free, warning below 2048 MiB");
    disk.room.free_bytes = 3 * MIB;
    sp_storage_check(&storage);
    disk.room.free_bytes = 4096 * MIB;
    disk.broken = true; /* no answer is not good news */
    sp_storage_check(&storage);
    sp_storage_say(&storage, &text);
    assert_string_equal(text.s, "disk reserve: 3072 KiB free, 512 MiB are kept");
    disk.broken = false;
    sp_storage_check(&storage);
    assert_int_equal(storage.level, SP_DISK_AMPLE);
    assert_int_equal(storage.checks, 5);
}

static bool exists(const struct sp_ballast *ballast, uint64_t bytes)
{
    struct stat st;

    return stat(ballast->path, &st) == 0 && (uint64_t)st.st_size == bytes;
}

/* The write that meets a full disk is not the one that fails: it takes the ballast. The next one
 * fails as ever. */
static void test_storage_ballast_lets_the_last_records_be_written(void **state)
{
    struct folder f = folder_make();
    struct fault fault = {.only = FAULT_WRITE, .error = ENOSPC, .quick = true};
    struct sp_file_port below = fault_port(&fault);
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_ballast ballast;
    uint64_t last = 0;

    (void)state;
    sp_ballast_init(&ballast, &below, f.path, 10000);
    assert_int_equal(sp_ballast_make(&ballast, NULL), SP_OK);
    assert_true(ballast.held && exists(&ballast, 10000));
    struct sp_file_port port = sp_ballast_port(&ballast);
    options.port = &port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    fault.at = fault.calls + 1;
    assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
    assert_int_equal(fault.failed, 1);
    assert_false(ballast.held);
    assert_int_equal(ballast.given_up, 1);
    assert_false(exists(&ballast, 10000));
    assert_int_equal(sp_journal_sync(journal, NULL), SP_OK);
    fault.at = fault.calls + 1;
    assert_int_equal(append_batch(journal, 1, 2, NULL), SP_STORAGE);
    assert_int_equal(sp_journal_health(journal), SP_STORAGE);
    sp_journal_close(journal);
    assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
    assert_int_equal(last, 3);
    folder_remove(&f);
}

/* Half of the batch was written before the disk was full: the rest follows it. */
static void test_storage_ballast_after_a_short_write_completes_it(void **state)
{
    struct folder f = folder_make();
    struct fault fault = {.only = FAULT_WRITE, .error = EDQUOT, .quick = true, .half = true};
    struct sp_file_port below = fault_port(&fault);
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_ballast ballast;
    uint64_t last = 0;

    (void)state;
    sp_ballast_init(&ballast, sp_file_port_real(), f.path, 5000);
    assert_int_equal(sp_ballast_make(&ballast, NULL), SP_OK);
    ballast.port = &below;
    struct sp_file_port port = sp_ballast_port(&ballast);
    options.port = &port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    fault.half = false; /* what fails writes nothing */
    fault.at = fault.calls + 1;
    assert_int_equal(append_batch(journal, 1, 3, NULL), SP_OK);
    assert_int_equal(ballast.given_up, 1);
    sp_journal_close(journal);
    assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
    assert_int_equal(last, 4);
    folder_remove(&f);
}

static void test_storage_other_errors_leave_the_ballast_alone(void **state)
{
    struct folder f = folder_make();
    struct fault fault = {.only = FAULT_WRITE, .error = EIO};
    struct sp_file_port below = fault_port(&fault);
    struct sp_ballast ballast;

    (void)state;
    sp_ballast_init(&ballast, &below, f.path, 5000);
    assert_int_equal(sp_ballast_make(&ballast, NULL), SP_OK);
    struct sp_file_port port = sp_ballast_port(&ballast);
    fault.at = fault.calls + 1;
    assert_int_equal(sp_file_write_all(&port, 1, "x", 1, NULL), SP_STORAGE);
    assert_true(ballast.held && exists(&ballast, 5000));
    folder_remove(&f);
}

/* The ballast is made at the start, found again by the next life, and made anew with the space. */
static void test_storage_reserve_lasts_until_the_ballast_is_back(void **state)
{
    struct folder f = folder_make();
    struct fake_disk disk = {.room = {.free_bytes = 4096 * MIB, .total_bytes = 4096 * MIB}};
    struct sp_disk_port disk_port = {.self = &disk, .read = fake_read};
    struct fault fault = {.only = FAULT_WRITE, .error = ENOSPC, .forever = true};
    struct sp_file_port below = fault_port(&fault);
    struct sp_ballast ballast;
    struct sp_storage storage;
    struct sp_storage_options options = {.dir = f.path,
                                         .disk = &disk_port,
                                         .limits = limits,
                                         .ballast = &ballast};

    (void)state;
    sp_ballast_init(&ballast, &below, f.path, 5000);
    sp_storage_init(&storage, &options);
    sp_storage_check(&storage);
    assert_true(ballast.held && exists(&ballast, 5000));
    int writes = fault.calls;
    sp_ballast_init(&ballast, &below, f.path, 5000);
    sp_storage_init(&storage, &options);
    sp_storage_check(&storage);
    assert_true(ballast.held);
    assert_int_equal(fault.calls, writes);

    assert_true(sp_ballast_give_up(&ballast)); /* whatever statvfs says */
    assert_false(sp_ballast_give_up(&ballast));
    fault.at = 1;
    sp_storage_poll(&storage);
    assert_int_equal(storage.level, SP_DISK_RESERVE);
    uint64_t checks = storage.checks;
    sp_storage_poll(&storage);
    assert_int_equal(storage.checks, checks);
    assert_false(exists(&ballast, 5000)); /* nothing is left of one that could not be made */
    fault.at = 0;
    sp_storage_check(&storage);
    assert_true(ballast.held && exists(&ballast, 5000));
    assert_int_equal(storage.level, SP_DISK_AMPLE);

    disk.room.free_bytes = 600 * MIB;
    sp_storage_check(&storage);
    disk.room.free_bytes = 500 * MIB;
    sp_storage_check(&storage);
    assert_true(sp_ballast_give_up(&ballast));
    sp_storage_check(&storage);
    assert_false(ballast.held); /* the reserve is for records */
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_storage_levels_at_their_boundaries),
        cmocka_unit_test(test_storage_says_what_is_wrong_and_keeps_quiet_otherwise),
        cmocka_unit_test(test_storage_ballast_lets_the_last_records_be_written),
        cmocka_unit_test(test_storage_ballast_after_a_short_write_completes_it),
        cmocka_unit_test(test_storage_other_errors_leave_the_ballast_alone),
        cmocka_unit_test(test_storage_reserve_lasts_until_the_ballast_is_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
