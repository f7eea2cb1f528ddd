#include "journal_fixture.h"

#include "fault_port.h"

static void test_journal_faults_failed_sync_poisons(void **state)
{
    struct folder f = folder_make();
    struct fault fault = {.only = FAULT_DATASYNC, .at = 2, .error = EIO, .quick = true};
    struct sp_file_port port = fault_port(&fault);
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};

    (void)state;
    options.port = &port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
    assert_int_equal(sp_journal_sync(journal, &err), SP_STORAGE);
    assert_int_equal(err.os_errno, EIO);
    assert_int_equal(sp_journal_durable_seq(journal), 1);
    assert_int_equal(sp_journal_health(journal), SP_STORAGE);
    /* The disk works again, but nobody knows what it lost: nothing is acknowledged any more. */
    assert_int_equal(sp_journal_sync(journal, NULL), SP_STORAGE);
    assert_int_equal(append_batch(journal, 1, 1, NULL), SP_STORAGE);
    assert_int_equal(sp_journal_seal(journal, NULL), SP_STORAGE);
    assert_int_equal(sp_journal_durable_seq(journal), 1);
    assert_int_equal(fault.calls, 2);
    sp_journal_close(journal);
    assert_int_equal(fault.calls, 2);
    folder_remove(&f);
}

static void test_journal_faults_helper_poisons_too(void **state)
{
    struct folder f = folder_make();
    struct fault fault = {.only = FAULT_DATASYNC, .at = 2, .error = EIO, .quick = true};
    struct sp_file_port port = fault_port(&fault);
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;

    (void)state;
    options.port = &port;
    options.sync_every = (sp_dur){1000000};
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
    for (int i = 0; sp_journal_health(journal) == SP_OK; i++) {
        assert_true(i < 5000);
        usleep(1000);
    }
    assert_int_equal(append_batch(journal, 1, 2, NULL), SP_STORAGE);
    assert_int_equal(sp_journal_durable_seq(journal), 1);
    sp_journal_close(journal);
    folder_remove(&f);
}

static void test_journal_faults_full_disk_poisons_and_recovers(void **state)
{
    struct folder f = folder_make();
    struct fault fault = {.only = FAULT_WRITE, .at = 3, .half = false, .error = ENOSPC};
    struct sp_file_port port = fault_port(&fault);
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};
    uint64_t last = 0;

    (void)state;
    options.port = &port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    fault.half = true; /* half of the batch reaches the file */
    fault.forever = true;
    assert_int_equal(append_batch(journal, 1, 5, &err), SP_STORAGE);
    assert_int_equal(err.os_errno, ENOSPC);
    assert_int_equal(sp_journal_next_seq(journal), 2);
    assert_int_equal(append_batch(journal, 1, 5, NULL), SP_STORAGE);
    sp_journal_close(journal);
    assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
    assert_int_equal(last, 1);
    options = options_for(&f, 2);
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(sp_journal_next_seq(journal), 4);
    sp_journal_close(journal);
    folder_remove(&f);
}

/* A SEAL says that all before it is durable, so it is not written before it is. */
static void test_journal_faults_nothing_is_sealed_unsynced(void **state)
{
    struct folder f = folder_make();
    struct fault fault = {.only = FAULT_DATASYNC, .at = 2, .error = EIO};
    struct sp_file_port port = fault_port(&fault);
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    char path[512], text[4096] = {0};

    (void)state;
    options.port = &port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
    assert_int_equal(sp_journal_seal(journal, NULL), SP_STORAGE);
    sp_journal_close(journal);
    assert_true(file_read(folder_path(&f, FIRST_SEGMENT, path), text, sizeof text - 1) > 0);
    assert_null(strstr(text, "\"seal\""));
    folder_remove(&f);
}

/* Opens, appends, syncs, rotates. The highest sequence that was acknowledged as durable. */
static uint64_t run_script(const struct folder *f, const struct sp_file_port *port, sp_status *out)
{
    struct sp_journal_options options = options_for(f, 1);
    struct sp_journal *journal = NULL;
    uint64_t acknowledged = 0;
    struct sp_err err = {0};

    options.port = port;
    options.blanks_bytes = 1200; /* more are written each second time */
    sp_status status = sp_journal_open(&options, &journal, &err);
    for (uint32_t i = 0; status == SP_OK && i < 6; i++) {
        acknowledged = sp_journal_durable_seq(journal);
        status = append_batch(journal, 1, 1 + i, &err);
        if (status == SP_OK && (i % 2 == 0 || i == 5)) status = sp_journal_sync(journal, &err);
        if (status == SP_OK && i != 3) status = sp_journal_prepare(journal, &err);
        if (status == SP_OK && i == 2) status = sp_journal_seal(journal, &err);
    }
    if (journal != NULL) {
        acknowledged = sp_journal_durable_seq(journal);
        assert_int_equal(sp_journal_health(journal), status);
    }
    if (status != SP_OK) assert_int_equal(err.status, status);
    sp_journal_close(journal);
    *out = status;
    return acknowledged;
}

static void sweep(struct fault kind)
{
    for (int at = 1;; at++) {
        struct folder f = folder_make();
        struct fault fault = kind;
        fault.at = at;
        struct sp_file_port port = fault_port(&fault);
        struct sp_journal_options options = options_for(&f, 2);
        struct sp_journal *journal = NULL;
        sp_status status = SP_OK;
        uint64_t last = 0, acknowledged = run_script(&f, &port, &status);
        /* What is closed was synced before, so a close that fails loses nothing. */
        if (fault.failed > 0 && fault.failed_in != FAULT_CLOSE) assert_true(status != SP_OK);
        options.noted_seq = acknowledged;
        assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
        sp_journal_close(journal);
        assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
        assert_true(last > acknowledged);
        folder_remove(&f);
        if (fault.failed == 0) {
            assert_int_equal(status, SP_OK);
            assert_true(at > 15);
            break;
        }
    }
}

static void test_journal_faults_every_call_may_fail(void **state)
{
    (void)state;
    sweep((struct fault){.quick = true, .error = EIO, .only = FAULT_ANY});
    sweep((struct fault){.quick = true, .error = EIO, .forever = true});
    sweep((struct fault){.quick = true, .error = ENOSPC, .forever = true, .half = true});
}

static void test_journal_faults_signals_and_short_writes_are_nothing(void **state)
{
    (void)state;
    for (int at = 1;; at++) {
        struct folder f = folder_make();
        struct fault fault = {.only = FAULT_WRITE, .at = at, .error = EINTR, .quick = true};
        struct sp_file_port port = fault_port(&fault);
        sp_status status = SP_OK;
        uint64_t last = 0;
        fault.half = at % 2 == 0; /* every write is short, and none fails */
        if (fault.half) fault.at = 0;
        SP_IGNORE(run_script(&f, &port, &status) == 0);
        assert_int_equal(status, SP_OK);
        assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
        assert_int_equal(last, 22);
        folder_remove(&f);
        if (!fault.half && fault.failed == 0) break;
    }
}

/* A disk without room for what is to be written ahead is asked once a segment; all else goes on. */
static void test_journal_faults_no_room_ahead_is_nothing(void **state)
{
    struct folder f = folder_make();
    struct fault fault = {.only = FAULT_WRITE, .error = ENOSPC, .quick = true};
    struct sp_file_port port = fault_port(&fault);
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    uint64_t last = 0;

    (void)state;
    options.port = &port;
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    for (int segment = 0; segment < 2; segment++) {
        assert_true(sp_journal_is_short(journal));
        fault.at = fault.calls + 1;
        for (int i = 0; i < 3; i++) {
            assert_int_equal(sp_journal_prepare(journal, NULL), SP_OK);
            assert_false(sp_journal_is_short(journal));
            assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
        }
        assert_int_equal(fault.failed, segment + 1);
        assert_int_equal(sp_journal_seal(journal, NULL), SP_OK);
        assert_int_equal(append_batch(journal, 1, 2, NULL), SP_OK);
    }
    sp_journal_close(journal);
    assert_int_equal(read_all(f.path, 1, &last, NULL), SP_AGAIN);
    assert_int_equal(last, 17);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_faults_failed_sync_poisons),
        cmocka_unit_test(test_journal_faults_helper_poisons_too),
        cmocka_unit_test(test_journal_faults_full_disk_poisons_and_recovers),
        cmocka_unit_test(test_journal_faults_nothing_is_sealed_unsynced),
        cmocka_unit_test(test_journal_faults_every_call_may_fail),
        cmocka_unit_test(test_journal_faults_signals_and_short_writes_are_nothing),
        cmocka_unit_test(test_journal_faults_no_room_ahead_is_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
