/* A writer process is killed again and again at random moments, while this process tails its
 * journal. Whatever was acknowledged is there, once, in order, in whole batches. */
#include "journal_fixture.h"

#include "common/journal/role.h"

#include <signal.h>
#include <sys/wait.h>

#define KILLS 100

static _Noreturn void writer_run(const struct folder *f, uint64_t noted_seq, int pipe_fd)
{
    struct sp_role role = {0};
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};

    if (sp_role_acquire(&role, f->path, &err) != SP_OK) _exit(2);
    struct sp_journal_options options = options_for(f, role.epoch);
    options.port = NULL;
    options.segment_bytes = 16384;
    options.blanks_bytes = 8192;
    options.noted_seq = noted_seq;
    options.sync_every = (sp_dur){3000000};
    sp_status status = sp_journal_open(&options, &journal, &err);
    srandom((unsigned)role.epoch);
    while (status == SP_OK) {
        status = append_batch(journal, role.epoch, 1 + (uint32_t)random() % 32, &err);
        if (status == SP_OK && random() % 4 == 0) status = sp_journal_sync(journal, &err);
        if (status == SP_OK && random() % 8 == 0) status = sp_journal_prepare(journal, &err);
        uint64_t durable_seq = sp_journal_durable_seq(journal);
        if (write(pipe_fd, &durable_seq, sizeof durable_seq) < 0) break;
    }
    fprintf(stderr, "%s\n", err.text);
    _exit(3);
}

/* Reads what is there. Every batch is whole: the last record read has none to come. */
static void tail(struct sp_journal_reader *reader, uint64_t *expected)
{
    static struct sp_record record;
    struct sp_line_meta meta = {0};
    struct sp_err err = {0};
    sp_status status;

    while ((status = sp_journal_reader_next(reader, &record, &meta, &err)) == SP_OK) {
        assert_int_equal(record.seq, *expected);
        assert_true(record_is_right(&record));
        (*expected)++;
    }
    if (status != SP_AGAIN) fprintf(stderr, "%s\n", err.text);
    assert_int_equal(status, SP_AGAIN);
    assert_int_equal(meta.batch_left, 0);
}

static void test_journal_kill_loses_nothing_that_was_acknowledged(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_reader *reader = NULL;
    struct sp_journal_report report;
    uint64_t acknowledged = 0, expected = 1, durable_seq = 0;

    (void)state;
    srandom(20261122);
    for (int i = 0; i < KILLS; i++) {
        int fds[2], status = 0;
        assert_int_equal(pipe(fds), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            close(fds[0]);
            writer_run(&f, acknowledged, fds[1]);
        }
        close(fds[1]);
        /* Wait until it lives, then let it run for a moment. */
        if (read(fds[0], &durable_seq, sizeof durable_seq) == (ssize_t)sizeof durable_seq) {
            acknowledged = durable_seq;
        }
        if (reader == NULL) {
            assert_int_equal(sp_journal_reader_open(f.path, NULL, 1, &reader, NULL), SP_OK);
        }
        if (i % 2 == 0) tail(reader, &expected);
        usleep((useconds_t)(random() % 8000));
        tail(reader, &expected);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        while (read(fds[0], &durable_seq, sizeof durable_seq) == (ssize_t)sizeof durable_seq) {
            acknowledged = durable_seq;
        }
        close(fds[0]);
        tail(reader, &expected);
        assert_true(expected > acknowledged);
    }
    sp_journal_reader_close(reader);
    assert_int_equal(sp_journal_verify(f.path, NULL, &report, NULL), SP_OK);
    assert_int_equal(report.epochs, KILLS);
    assert_int_equal(report.last_seq + 1, expected);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_kill_loses_nothing_that_was_acknowledged),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
