#include "common/market/book_sync.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void set(struct sp_book *book, enum sp_side side, int64_t px, int64_t qty)
{
    sp_book_set(book, side, (struct sp_level){{px}, {qty}});
}

static void test_book_keeps_both_sides_in_order_of_the_touch(void **state)
{
    struct sp_book book = {0};
    struct sp_level best = {0};

    (void)state;
    assert_int_equal(sp_book_init(&book, 64, NULL), SP_OK);
    assert_false(sp_book_best(&book, SP_SIDE_BUY, &best));
    for (int64_t i = 0; i < 40; i++) {
        int64_t px = 1000 + i * 7 % 40; /* every price once, out of order */
        set(&book, SP_SIDE_BUY, px, px);
        set(&book, SP_SIDE_SELL, px + 100, px);
    }
    assert_int_equal(sp_book_count(&book, SP_SIDE_BUY), 40);
    for (uint32_t i = 0; i < 40; i++) {
        assert_int_equal(sp_book_at(&book, SP_SIDE_BUY, i).px.e8, 1039 - i);
        assert_int_equal(sp_book_at(&book, SP_SIDE_SELL, i).px.e8, 1100 + i);
    }
    set(&book, SP_SIDE_BUY, 1039, 0);
    set(&book, SP_SIDE_BUY, 1000, 0);
    set(&book, SP_SIDE_BUY, 1020, 5);
    set(&book, SP_SIDE_BUY, 1, 0); /* not there: normal */
    assert_int_equal(sp_book_count(&book, SP_SIDE_BUY), 38);
    assert_true(sp_book_best(&book, SP_SIDE_BUY, &best));
    assert_int_equal(best.px.e8, 1038);
    assert_int_equal(sp_book_qty_at(&book, SP_SIDE_BUY, (sp_px){1020}).e8, 5);
    assert_int_equal(sp_book_qty_at(&book, SP_SIDE_BUY, (sp_px){1039}).e8, 0);
    assert_false(sp_book_is_crossed(&book));
    set(&book, SP_SIDE_BUY, 1100, 1);
    assert_true(sp_book_is_crossed(&book));
    sp_book_fini(&book);
    sp_book_fini(&book);
}

static void test_book_when_full_forgets_the_farthest_level(void **state)
{
    struct sp_book book = {0};

    (void)state;
    assert_int_equal(sp_book_init(&book, 3, NULL), SP_OK);
    for (int64_t px = 10; px <= 13; px++)
        set(&book, SP_SIDE_SELL, px, 1);
    assert_int_equal(book.forgotten, 1);
    assert_int_equal(sp_book_at(&book, SP_SIDE_SELL, 2).px.e8, 12);
    set(&book, SP_SIDE_SELL, 9, 1);
    assert_int_equal(book.forgotten, 2);
    assert_int_equal(sp_book_at(&book, SP_SIDE_SELL, 0).px.e8, 9);
    assert_int_equal(sp_book_at(&book, SP_SIDE_SELL, 2).px.e8, 11);
    sp_book_fini(&book);
}

static void test_book_walk_sums_levels_from_the_touch(void **state)
{
    struct sp_book book = {0};
    sp_qty filled = {0};
    sp_amt value = {0};

    (void)state;
    assert_int_equal(sp_book_init(&book, 8, NULL), SP_OK);
    set(&book, SP_SIDE_SELL, 100 * SP_FX_ONE, 2 * SP_FX_ONE);
    set(&book, SP_SIDE_SELL, 101 * SP_FX_ONE, 3 * SP_FX_ONE);
    assert_true(sp_book_walk(&book, SP_SIDE_BUY, (sp_qty){4 * SP_FX_ONE}, &filled, &value));
    assert_int_equal(filled.e8, 4 * SP_FX_ONE);
    assert_int_equal(value.e8, 402 * SP_FX_ONE);
    assert_true(sp_book_walk(&book, SP_SIDE_BUY, (sp_qty){9 * SP_FX_ONE}, &filled, &value));
    assert_int_equal(filled.e8, 5 * SP_FX_ONE);
    assert_true(sp_book_walk(&book, SP_SIDE_SELL, (sp_qty){1}, &filled, &value));
    assert_int_equal(filled.e8, 0);
    sp_book_fini(&book);
}

static struct sp_book_delta change(uint64_t first, uint64_t last, int64_t bid_px, int64_t bid_qty)
{
    struct sp_book_delta delta = {.first_update_id = first, .last_update_id = last};

    delta.bids.count = 1;
    delta.bids.at[0] = (struct sp_level){{bid_px}, {bid_qty}};
    return delta;
}

static struct sp_book_snapshot snapshot(uint64_t last, int64_t bid_px, int64_t ask_px)
{
    struct sp_book_snapshot snap = {.last_update_id = last};

    snap.bids.count = snap.asks.count = 1;
    snap.bids.at[0] = (struct sp_level){{bid_px}, {1}};
    snap.asks.at[0] = (struct sp_level){{ask_px}, {1}};
    return snap;
}

static enum sp_sync_result feed(struct sp_book_sync *sync, uint64_t first, uint64_t last,
                                int64_t bid_px)
{
    struct sp_book_delta delta = change(first, last, bid_px, 1);
    return sp_book_sync_delta(sync, &delta);
}

static enum sp_sync_result load(struct sp_book_sync *sync, uint64_t last)
{
    struct sp_book_snapshot snap = snapshot(last, 50, 100);
    return sp_book_sync_snapshot(sync, &snap);
}

static void start(struct sp_book_sync *sync)
{
    memset(sync, 0, sizeof *sync);
    assert_int_equal(sp_book_sync_init(sync, 16, 4, NULL), SP_OK);
}

static void test_book_sync_drops_old_changes_and_applies_the_rest(void **state)
{
    struct sp_book_sync sync;

    (void)state;
    start(&sync);
    assert_int_equal(feed(&sync, 1, 5, 10), SP_SYNC_KEPT);
    assert_int_equal(feed(&sync, 6, 9, 60), SP_SYNC_KEPT);
    assert_int_equal(feed(&sync, 10, 12, 61), SP_SYNC_KEPT);
    assert_false(sp_book_sync_is_right(&sync));
    assert_int_equal(load(&sync, 7), SP_SYNC_LOADED);
    assert_true(sp_book_sync_is_right(&sync));
    assert_int_equal(sync.old, 1);
    assert_int_equal(sync.applied, 2);
    assert_int_equal(sync.book.last_update_id, 12);
    assert_int_equal(sp_book_qty_at(&sync.book, SP_SIDE_BUY, (sp_px){10}).e8, 0);
    assert_int_equal(sp_book_at(&sync.book, SP_SIDE_BUY, 0).px.e8, 61);
    assert_int_equal(feed(&sync, 13, 13, 62), SP_SYNC_APPLIED);
    assert_int_equal(feed(&sync, 12, 13, 62), SP_SYNC_OLD);
    sp_book_sync_fini(&sync);
    sp_book_sync_fini(&sync);
}

static void test_book_sync_boundaries_of_the_first_change(void **state)
{
    struct sp_book_sync sync;

    (void)state;
    start(&sync);
    /* U == last + 1 fits; U == last + 2 is a hole. */
    assert_int_equal(feed(&sync, 8, 9, 60), SP_SYNC_KEPT);
    assert_int_equal(load(&sync, 6), SP_SYNC_STALE);
    assert_int_equal(sync.state, SP_SYNC_BUFFERING);
    assert_int_equal(load(&sync, 7), SP_SYNC_LOADED);
    assert_int_equal(sync.applied, 1);
    sp_book_sync_reset(&sync);
    /* u == last is old; u == last + 1 is the first. */
    assert_int_equal(feed(&sync, 8, 9, 60), SP_SYNC_KEPT);
    assert_int_equal(load(&sync, 9), SP_SYNC_LOADED);
    assert_int_equal(sync.applied, 1);
    assert_int_equal(feed(&sync, 9, 10, 60), SP_SYNC_APPLIED);
    sp_book_sync_fini(&sync);
}

static void test_book_sync_a_missing_change_needs_a_new_snapshot(void **state)
{
    struct sp_book_sync sync;

    (void)state;
    start(&sync);
    assert_int_equal(load(&sync, 7), SP_SYNC_LOADED);
    assert_int_equal(feed(&sync, 9, 9, 60), SP_SYNC_GAP);
    assert_false(sp_book_sync_is_right(&sync));
    assert_int_equal(sync.gaps, 1);
    assert_int_equal(sp_book_count(&sync.book, SP_SIDE_BUY), 0);
    assert_int_equal(feed(&sync, 10, 11, 61), SP_SYNC_KEPT);
    assert_int_equal(load(&sync, 8), SP_SYNC_LOADED);
    assert_int_equal(sync.book.last_update_id, 11);
    sp_book_sync_fini(&sync);
}

static void test_book_sync_a_hole_among_the_kept_changes_is_seen(void **state)
{
    struct sp_book_sync sync;

    (void)state;
    start(&sync);
    assert_int_equal(feed(&sync, 8, 9, 60), SP_SYNC_KEPT);
    assert_int_equal(feed(&sync, 11, 12, 60), SP_SYNC_KEPT);
    assert_int_equal(load(&sync, 8), SP_SYNC_GAP);
    assert_false(sp_book_sync_is_right(&sync));
    sp_book_sync_fini(&sync);
}

static void test_book_sync_a_full_buffer_starts_again(void **state)
{
    struct sp_book_sync sync;

    (void)state;
    start(&sync);
    for (uint64_t i = 1; i <= 4; i++)
        assert_int_equal(feed(&sync, i, i, 60), SP_SYNC_KEPT);
    assert_int_equal(feed(&sync, 5, 5, 60), SP_SYNC_OVERFLOW);
    assert_int_equal(feed(&sync, 6, 6, 60), SP_SYNC_KEPT);
    assert_int_equal(load(&sync, 5), SP_SYNC_LOADED);
    sp_book_sync_fini(&sync);
}

static void test_book_sync_parts_of_a_change_are_one_change(void **state)
{
    struct sp_book_sync sync;
    struct sp_book_delta delta = change(8, 9, 60, 1);

    (void)state;
    start(&sync);
    assert_int_equal(load(&sync, 7), SP_SYNC_LOADED);
    delta.more = true;
    assert_int_equal(sp_book_sync_delta(&sync, &delta), SP_SYNC_PART);
    assert_false(sp_book_sync_is_right(&sync));
    assert_int_equal(feed(&sync, 8, 9, 61), SP_SYNC_APPLIED);
    assert_int_equal(sync.applied, 1);
    assert_true(sp_book_sync_is_right(&sync));
    /* Another change instead of the second part: a gap. */
    delta = change(10, 11, 62, 1);
    delta.more = true;
    assert_int_equal(sp_book_sync_delta(&sync, &delta), SP_SYNC_PART);
    assert_int_equal(feed(&sync, 12, 12, 63), SP_SYNC_GAP);
    sp_book_sync_fini(&sync);
}

static void test_book_sync_snapshots_in_parts_and_while_synced(void **state)
{
    struct sp_book_sync sync;
    struct sp_book_snapshot snap = snapshot(20, 55, 90);

    (void)state;
    start(&sync);
    assert_int_equal(load(&sync, 10), SP_SYNC_LOADED);
    snap.more = true;
    assert_int_equal(sp_book_sync_snapshot(&sync, &snap), SP_SYNC_PART);
    assert_int_equal(feed(&sync, 21, 21, 58), SP_SYNC_KEPT);
    snap = snapshot(20, 54, 91);
    snap.part = 1;
    assert_int_equal(sp_book_sync_snapshot(&sync, &snap), SP_SYNC_LOADED);
    assert_int_equal(sp_book_count(&sync.book, SP_SIDE_BUY), 3);
    assert_int_equal(sync.book.last_update_id, 21);
    /* A snapshot from before is ignored, with all of its parts. */
    snap = snapshot(19, 1, 200);
    snap.more = true;
    assert_int_equal(sp_book_sync_snapshot(&sync, &snap), SP_SYNC_OLD);
    snap.part = 1;
    snap.more = false;
    assert_int_equal(sp_book_sync_snapshot(&sync, &snap), SP_SYNC_OLD);
    assert_true(sp_book_sync_is_right(&sync));
    /* A part that is out of turn. */
    snap = snapshot(30, 1, 200);
    snap.more = true;
    assert_int_equal(sp_book_sync_snapshot(&sync, &snap), SP_SYNC_PART);
    snap.part = 2;
    assert_int_equal(sp_book_sync_snapshot(&sync, &snap), SP_SYNC_GAP);
    assert_false(sp_book_sync_is_right(&sync));
    sp_book_sync_fini(&sync);
}

static void test_book_sync_a_crossed_book_is_not_right(void **state)
{
    struct sp_book_sync sync;

    (void)state;
    start(&sync);
    assert_int_equal(load(&sync, 10), SP_SYNC_LOADED);
    assert_int_equal(feed(&sync, 11, 11, 100), SP_SYNC_CROSSED);
    assert_false(sp_book_sync_is_right(&sync));
    sp_book_sync_fini(&sync);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_book_keeps_both_sides_in_order_of_the_touch),
        cmocka_unit_test(test_book_when_full_forgets_the_farthest_level),
        cmocka_unit_test(test_book_walk_sums_levels_from_the_touch),
        cmocka_unit_test(test_book_sync_drops_old_changes_and_applies_the_rest),
        cmocka_unit_test(test_book_sync_boundaries_of_the_first_change),
        cmocka_unit_test(test_book_sync_a_missing_change_needs_a_new_snapshot),
        cmocka_unit_test(test_book_sync_a_hole_among_the_kept_changes_is_seen),
        cmocka_unit_test(test_book_sync_a_full_buffer_starts_again),
        cmocka_unit_test(test_book_sync_parts_of_a_change_are_one_change),
        cmocka_unit_test(test_book_sync_snapshots_in_parts_and_while_synced),
        cmocka_unit_test(test_book_sync_a_crossed_book_is_not_right),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
