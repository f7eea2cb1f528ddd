/* Books through a snapshot: what comes back is what went in, at every point of a history, and goes
 * on as if nothing had happened. */
#include "common/journal/state.h"
#include "common/journal/state_rows.h"
#include "core_shell.h"
#include "services/execution/book_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char text[SP_STATE_BYTES_MAX];
static struct sp_books loaded;

static size_t save(const struct sp_books *books)
{
    struct sp_rows_writer writer;

    sp_rows_begin(&writer, text, sizeof text);
    sp_books_save(books, &writer);
    assert_int_equal(sp_rows_end(&writer), SP_OK);
    return writer.len_bytes;
}

static sp_status load(size_t len_bytes, const struct sp_config *config)
{
    struct sp_rows_reader reader;
    struct sp_err err = {0};

    sp_books_init(&loaded, config);
    sp_status status = sp_rows_open(&reader, text, len_bytes, &err);
    if (status == SP_OK) status = sp_books_load(&loaded, &reader, &err);
    return status;
}

/* Trades on both links, one closed at its target, one by its stop in two parts, a halt, a lost
 * connection, a restart. */
static struct core_shell *history(void)
{
    struct core_shell *s = core_ready();

    core_open(s, "ema");
    core_open(s, "mean");
    core_move(s, 52000, SP_FX_ONE);
    core_pass(s, 1000);
    core_price(s, 50000);
    core_open(s, "ema");
    core_move(s, 48900, 4000000);
    core_pass(s, 500);
    struct sp_record halt = core_command(s, SP_COMMAND_HALT, "strategy.ema");
    core_order_command(s, &halt);
    core_down(s);
    core_pass(s, 3000);
    core_restart(s);
    core_price(s, 48000);
    core_up(s);
    core_reconciled(s, true);
    core_open(s, "mean");
    struct sp_record flatten = core_command(s, SP_COMMAND_FLATTEN, "all");
    core_order_command(s, &flatten);
    core_pass(s, 1000);
    return s;
}

static void test_book_rows_snapshot_and_tail_equal_the_full_fold_at_every_prefix(void **state)
{
    static struct sp_books folded;
    struct core_shell *s = history();
    size_t bytes = 0;

    (void)state;
    assert_true(core_count(s, SP_REC_TRADE_CLOSED) >= 2);
    assert_true(core_count(s, SP_REC_TRADING_HALTED) >= 1);
    assert_true(core_count(s, SP_REC_THREAT_DETECTED) >= 1);
    sp_books_init(&folded, &s->config);
    for (uint32_t prefix = 0; prefix <= s->record_count; prefix++) {
        if (prefix > 0) sp_books_apply(&folded, &s->records[prefix - 1]);
        bytes = save(&folded);
        assert_int_equal(load(bytes, &s->config), SP_OK);
        core_check_same(&folded, &loaded);
        for (uint32_t i = prefix; i < s->record_count; i++)
            sp_books_apply(&loaded, &s->records[i]);
        core_check_same(&s->core.books, &loaded);
    }
    print_message("%u records, %zu bytes\n", s->record_count, bytes);
    core_free(s);
}

static void test_book_rows_of_another_configuration_are_refused(void **state)
{
    struct core_shell *s = history();
    size_t bytes = save(&s->core.books);
    struct sp_config other = s->config;

    (void)state;
    assert_int_equal(load(bytes, &other), SP_OK);
    other.links[1].capital.e8 += 1;
    assert_int_equal(load(bytes, &other), SP_INVALID);
    other = s->config;
    other.worlds[0].balances[0].amount.e8 -= 1;
    assert_int_equal(load(bytes, &other), SP_INVALID);
    other = s->config;
    other.link_count--;
    assert_int_equal(load(bytes, &other), SP_INVALID);
    core_free(s);
}

/* Replaces the first `from` by `to`, of the same length. */
static void plant(const char *from, const char *to, size_t bytes)
{
    char *at = memmem(text, bytes, from, strlen(from));

    assert_non_null(at);
    assert_int_equal(strlen(from), strlen(to));
    memcpy(at, to, strlen(to));
}

static void test_book_rows_that_are_not_whole_are_refused(void **state)
{
    static const struct {
        const char *from, *to;
        sp_status status;
    } faults[] = {
        {"{\"version\":1", "{\"version\":2", SP_VERSION},
        {"\"book_order\":", "\"book_ordex\":", SP_UNKNOWN_KIND},
        {"\"book_order\":", "\"book_trade\":", SP_UNKNOWN_KIND},
        {"\"book_exit\":[{", "\"book_exit\":[[", SP_INVALID},
        {"\"fill_total\":", "\"plan_total\":", SP_INVALID},
        {"\"book_state\":", "\"book_scope\":", SP_UNKNOWN_KIND},
    };
    struct core_shell *s = history();

    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        size_t bytes = save(&s->core.books);
        plant(faults[i].from, faults[i].to, bytes);
        assert_int_equal(load(bytes, &s->config), faults[i].status);
    }
    for (size_t cut = 1; cut < 400; cut++) {
        size_t bytes = save(&s->core.books);
        assert_int_not_equal(load(bytes - cut, &s->config), SP_OK);
    }
    core_free(s);
}

/* Full tables of books as they are in practice. */
static void test_book_rows_know_when_they_do_not_fit(void **state)
{
    struct core_shell *s = history();
    struct sp_rows_writer writer;

    (void)state;
    size_t bytes = save(&s->core.books);
    for (size_t room = 64; room < bytes; room += 97) {
        sp_rows_begin(&writer, text, room);
        sp_books_save(&s->core.books, &writer);
        assert_int_equal(sp_rows_end(&writer), SP_FULL);
        assert_true(writer.len_bytes <= room);
    }
    core_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_book_rows_snapshot_and_tail_equal_the_full_fold_at_every_prefix),
        cmocka_unit_test(test_book_rows_of_another_configuration_are_refused),
        cmocka_unit_test(test_book_rows_that_are_not_whole_are_refused),
        cmocka_unit_test(test_book_rows_know_when_they_do_not_fit),
    };

    return cmocka_run_group_tests_name("book_rows", tests, NULL, NULL);
}
