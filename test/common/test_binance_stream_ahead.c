#include "common/venue/binance_stream_ahead.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void test_binance_stream_ahead_keeps_the_order_across_its_end(void **state)
{
    static char text[1000];
    struct sp_stream_ahead ahead = {0};
    uint32_t kept = 0, given = 0;
    size_t len = 0;

    (void)state;
    assert_null(sp_stream_ahead_first(&ahead, &len));
    for (uint32_t round = 0; round < 5000; round++) { /* five times its size */
        for (int i = 0; i < 2 && kept < given + 300; i++) {
            memset(text, 'a' + (int)(kept % 26), sizeof text);
            sp_stream_ahead_keep(&ahead, text, 500 + kept % 500);
            kept++;
        }
        const char *first = sp_stream_ahead_first(&ahead, &len);
        assert_non_null(first);
        assert_int_equal(len, 500 + given % 500);
        assert_int_equal(first[0], 'a' + (int)(given % 26));
        assert_int_equal(first[len - 1], 'a' + (int)(given % 26));
        sp_stream_ahead_drop(&ahead);
        given++;
    }
    while (sp_stream_ahead_first(&ahead, &len) != NULL) {
        sp_stream_ahead_drop(&ahead);
        given++;
    }
    assert_int_equal(given, kept);
    assert_null(ahead.bytes);
    sp_stream_ahead_drop(&ahead);
}

static void test_binance_stream_ahead_is_bounded(void **state)
{
    static char text[SP_STREAM_AHEAD_BYTES + 1];
    struct sp_stream_ahead ahead = {0};
    size_t len = 0;
    uint32_t count = 0;

    (void)state;
    sp_stream_ahead_keep(&ahead, text, sizeof text);
    assert_null(sp_stream_ahead_first(&ahead, &len));
    for (uint32_t i = 0; i < 2000; i++)
        sp_stream_ahead_keep(&ahead, text, 1020); /* and 4 bytes each */
    for (; sp_stream_ahead_first(&ahead, &len) != NULL; count++)
        sp_stream_ahead_drop(&ahead);
    assert_int_equal(count, SP_STREAM_AHEAD_BYTES / 1024);
    sp_stream_ahead_keep(&ahead, "x", 1);
    assert_non_null(sp_stream_ahead_first(&ahead, &len));
    assert_int_equal(len, 1);
    sp_stream_ahead_clear(&ahead);
    assert_null(sp_stream_ahead_first(&ahead, &len));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binance_stream_ahead_keeps_the_order_across_its_end),
        cmocka_unit_test(test_binance_stream_ahead_is_bounded),
    };

    return cmocka_run_group_tests_name("binance_stream_ahead", tests, NULL, NULL);
}
