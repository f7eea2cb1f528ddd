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

/* What a user changes. */
static void change(struct sp_config *config, unsigned how)
{
    struct sp_world_config *world = &config->worlds[0];
    struct sp_link_config first = config->links[0];

    switch (how) {
    case 0: config->links[1].capital.e8 += 7; break;
    case 1: world->balances[1].amount.e8 -= 3; break;
    case 2: config->link_count--; break;
    case 3: config->links[0] = config->links[--config->link_count]; break;
    case 4: /* one more, before the others */
        memmove(&config->links[1], &config->links[0], config->link_count * sizeof first);
        config->links[0].id = sp_name_of("new");
        config->links[0].capital.e8 = 5000;
        config->link_count++;
        break;
    case 5: /* in another order */
        config->links[0] = config->links[1];
        config->links[1] = first;
        break;
    case 6:
        world->balances[world->balance_count++] =
            (struct sp_balance_config){.asset = sp_name_of("EUR"), .amount = {9}};
        break;
    case 7: world->balance_count = 0; break;
    default: config->links[0].id = sp_name_of("renamed"); break;
    }
}
#define CHANGES 9

/* Assets by name: without a balance in the configuration they come in the order of their moves. */
static void check_assets(const struct sp_books *a, const struct sp_books *b)
{
    assert_int_equal(a->asset_count, b->asset_count);
    for (uint32_t i = 0; i < a->asset_count; i++) {
        uint32_t at = 0;
        while (at < b->asset_count && !sp_name_eq(&a->assets[i].asset, &b->assets[at].asset))
            at++;
        assert_true(at < b->asset_count);
        assert_int_equal(a->assets[i].amount.e8, b->assets[at].amount.e8);
    }
}

static void test_book_rows_of_another_configuration_give_what_folding_under_it_gives(void **state)
{
    static struct sp_books before, folded;
    struct core_shell *s = history();

    (void)state;
    /* At the end an operator says how much of one asset there is. */
    struct sp_record *last = &s->records[s->record_count];
    *last = s->records[s->record_count - 1];
    last->seq++;
    last->kind = SP_REC_BALANCE_ADOPTED;
    last->body.balance_adopted =
        (struct sp_balance_adopted){.asset = s->config.worlds[0].balances[1].asset, .after = {77}};
    s->record_count++;
    for (unsigned how = 0; how < CHANGES; how++) {
        struct sp_config *other = malloc(sizeof *other);
        assert_non_null(other);
        *other = s->config;
        change(other, how);
        sp_books_init(&folded, other);
        for (uint32_t i = 0; i < s->record_count; i++)
            sp_books_apply(&folded, &s->records[i]);
        sp_books_init(&before, &s->config);
        for (uint32_t prefix = 0; prefix <= s->record_count; prefix++) {
            if (prefix > 0) sp_books_apply(&before, &s->records[prefix - 1]);
            size_t bytes = save(&before);
            assert_int_equal(load(bytes, other), SP_OK);
            for (uint32_t i = prefix; i < s->record_count; i++)
                sp_books_apply(&loaded, &s->records[i]);
            check_assets(&folded, &loaded);
            memcpy(loaded.assets, folded.assets, sizeof loaded.assets);
            core_check_same(&folded, &loaded);
        }
        free(other);
    }
    core_free(s);
}

static void test_book_rows_that_no_configuration_can_adapt_are_refused(void **state)
{
    struct core_shell *s = history();
    struct sp_config other = s->config;
    size_t bytes = save(&s->core.books);

    (void)state;
    assert_int_equal(load(bytes, &other), SP_OK);
    other.worlds[0].id = sp_name_of("elsewhere");
    assert_int_equal(load(bytes, &other), SP_INVALID);
    other = s->config;
    other.worlds[0].instruments[0].quote = sp_name_of("EUR");
    assert_int_equal(load(bytes, &other), SP_INVALID);
    core_free(s);
    s = core_ready();
    core_open(s, "ema"); /* and it stays open */
    bytes = save(&s->core.books);
    other = s->config;
    other.worlds[0].instruments[0].symbol = sp_name_of("ETHUSDT");
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
        cmocka_unit_test(test_book_rows_of_another_configuration_give_what_folding_under_it_gives),
        cmocka_unit_test(test_book_rows_that_no_configuration_can_adapt_are_refused),
        cmocka_unit_test(test_book_rows_that_are_not_whole_are_refused),
        cmocka_unit_test(test_book_rows_know_when_they_do_not_fit),
    };

    return cmocka_run_group_tests_name("book_rows", tests, NULL, NULL);
}
