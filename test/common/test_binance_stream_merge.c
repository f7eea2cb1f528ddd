#include "common/venue/binance_stream_merge.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct sp_feed_message message; /* large */

static enum sp_stream_verdict trade(struct sp_stream_merge *merge, uint32_t from, uint64_t id)
{
    message.type = SP_FEED_TRADE;
    message.trade.trade_id = id;
    return sp_stream_merge_take(merge, from, 0, &message);
}

static enum sp_stream_verdict quote(struct sp_stream_merge *merge, uint32_t from, uint64_t id)
{
    message.type = SP_FEED_QUOTE;
    message.quote.update_id = id;
    return sp_stream_merge_take(merge, from, 0, &message);
}

static enum sp_stream_verdict delta(struct sp_stream_merge *merge, uint32_t from, uint64_t first,
                                    uint64_t last)
{
    message.type = SP_FEED_DELTA;
    message.first_update_id = first;
    message.last_update_id = last;
    return sp_stream_merge_take(merge, from, 0, &message);
}

static void test_stream_merge_alone_passes_what_is_newer(void **state)
{
    struct sp_stream_merge merge = {0};

    (void)state;
    sp_stream_merge_up(&merge, 0);
    assert_int_equal(trade(&merge, 0, 100), SP_STREAM_PASS);
    assert_int_equal(trade(&merge, 0, 100), SP_STREAM_REPEATED);
    assert_int_equal(trade(&merge, 0, 99), SP_STREAM_REPEATED);
    assert_int_equal(trade(&merge, 0, 103), SP_STREAM_PASS); /* the hole is for who follows */
    assert_int_equal(delta(&merge, 0, 5, 9), SP_STREAM_PASS);
    assert_int_equal(delta(&merge, 0, 8, 9), SP_STREAM_REPEATED);
    assert_int_equal(delta(&merge, 0, 20, 22), SP_STREAM_PASS);
    assert_int_equal(quote(&merge, 0, 7), SP_STREAM_PASS);
    assert_int_equal(quote(&merge, 0, 7), SP_STREAM_REPEATED);
    assert_int_equal(quote(&merge, 0, 0), SP_STREAM_PASS); /* without a number */
}

static void test_stream_merge_two_make_one_sequence(void **state)
{
    struct sp_stream_merge merge = {0};

    (void)state;
    sp_stream_merge_up(&merge, 0);
    assert_int_equal(trade(&merge, 0, 100), SP_STREAM_PASS);
    assert_int_equal(delta(&merge, 0, 1, 10), SP_STREAM_PASS);
    assert_false(sp_stream_merge_is_replaced(&merge, 1));
    sp_stream_merge_up(&merge, 1);
    assert_int_equal(trade(&merge, 1, 102), SP_STREAM_AHEAD);
    assert_int_equal(delta(&merge, 1, 12, 14), SP_STREAM_AHEAD);
    assert_int_equal(delta(&merge, 1, 9, 12), SP_STREAM_PASS); /* windows may be cut elsewhere */
    assert_false(sp_stream_merge_is_replaced(&merge, 1));
    assert_int_equal(trade(&merge, 0, 101), SP_STREAM_PASS);
    assert_false(sp_stream_merge_is_replaced(&merge, 1)); /* 102 is still to come from the old */
    assert_int_equal(trade(&merge, 0, 102), SP_STREAM_PASS);
    assert_int_equal(delta(&merge, 0, 11, 14), SP_STREAM_PASS);
    assert_true(sp_stream_merge_is_replaced(&merge, 1));
    sp_stream_merge_down(&merge, 0);
    assert_int_equal(trade(&merge, 1, 103), SP_STREAM_PASS);
    assert_int_equal(trade(&merge, 1, 102), SP_STREAM_REPEATED);
}

static void test_stream_merge_the_old_one_ends_too_early(void **state)
{
    struct sp_stream_merge merge = {0};

    (void)state;
    sp_stream_merge_up(&merge, 0);
    assert_int_equal(trade(&merge, 0, 100), SP_STREAM_PASS);
    sp_stream_merge_up(&merge, 1);
    assert_int_equal(trade(&merge, 1, 105), SP_STREAM_AHEAD);
    sp_stream_merge_down(&merge, 0);
    assert_int_equal(trade(&merge, 1, 106), SP_STREAM_PASS); /* 101 to 105 show as missing */
}

static void test_stream_merge_begins_anew_after_a_loss(void **state)
{
    struct sp_stream_merge merge = {0};

    (void)state;
    sp_stream_merge_up(&merge, 0);
    assert_int_equal(trade(&merge, 0, 100), SP_STREAM_PASS);
    assert_int_equal(delta(&merge, 0, 50, 60), SP_STREAM_PASS);
    sp_stream_merge_down(&merge, 0);
    sp_stream_merge_up(&merge, 0);
    assert_int_equal(trade(&merge, 0, 3), SP_STREAM_PASS);
    assert_int_equal(delta(&merge, 0, 1, 2), SP_STREAM_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_merge_alone_passes_what_is_newer),
        cmocka_unit_test(test_stream_merge_two_make_one_sequence),
        cmocka_unit_test(test_stream_merge_the_old_one_ends_too_early),
        cmocka_unit_test(test_stream_merge_begins_anew_after_a_loss),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
