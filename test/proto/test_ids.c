#include "proto/ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sp_id_source source_of(uint64_t seq)
{
    return (struct sp_id_source){.installation = "demo",
                                 .stream = "strategy.ema",
                                 .epoch = 3,
                                 .seq = seq,
                                 .n = 0,
                                 .time = {1795370400123456789}};
}

/* Ids are stored: another hash or byte order would change every id of every replay. */
static void test_ids_minted_values_are_pinned(void **state)
{
    struct sp_id_source source = source_of(118);
    char buf[SP_ID_TEXT_SIZE];
    char brief[SP_ID_SHORT_SIZE];
    sp_trd_id trade = sp_trd_id_mint(&source);
    sp_opp_id opp = sp_opp_id_mint(&source);

    (void)state;
    assert_string_equal(sp_trd_id_text(trade, buf), "trd_01m826mebv4nhrw00cjf0vsfqq");
    assert_string_equal(sp_trd_id_short(trade, brief), "trd_0vsfqq");
    assert_string_equal(sp_opp_id_text(opp, buf), "opp_01m826mebvf8g43tjaq6djf6gs");
}

/* It is in the ids of orders that rest at the venue: another code would make strangers of them. */
static void test_ids_installation_code_is_pinned(void **state)
{
    char buf[5];

    (void)state;
    assert_string_equal(sp_id_installation_code("demo", buf), "p9dt");
    assert_string_not_equal(sp_id_installation_code("demp", buf), "p9dt");
}

static void test_ids_every_part_of_the_source_matters(void **state)
{
    struct sp_id_source base = source_of(118);
    struct sp_id_source others[8];
    struct sp_id id = sp_id_mint(SP_ID_TRD, &base);

    (void)state;
    for (size_t i = 0; i < 8; i++)
        others[i] = base;
    others[0].installation = "demp";
    others[1].stream = "strategy.emb";
    others[2].epoch++;
    others[3].seq++;
    others[4].n++;
    others[5].installation = "demostrategy";
    others[5].stream = ".ema";
    others[6].installation = "";
    others[7].time.ns += 1000000;
    for (size_t i = 0; i < 8; i++) {
        struct sp_id other = sp_id_mint(SP_ID_TRD, &others[i]);
        assert_true(other.lo != id.lo || (i == 7 && other.hi > id.hi));
    }
    struct sp_id again = sp_id_mint(SP_ID_TRD, &base);
    assert_true(again.hi == id.hi && again.lo == id.lo);
    assert_true(sp_id_mint(SP_ID_ORD, &base).lo != id.lo);
}

static void test_ids_text_round_trips_and_sorts_by_time(void **state)
{
    char before[SP_ID_TEXT_SIZE] = "";
    char buf[SP_ID_TEXT_SIZE];

    (void)state;
    for (uint64_t i = 1; i < 1000; i++) {
        struct sp_id_source source = source_of(i);
        struct sp_id back = {0, 0};
        source.time.ns = (int64_t)(i * i * 1000003) * 1000;
        struct sp_id id = sp_id_mint(SP_ID_ORD, &source);
        sp_id_format(SP_ID_ORD, id, buf);
        assert_int_equal(strlen(buf), 30);
        assert_true(sp_id_parse(SP_ID_ORD, buf, 30, &back));
        assert_true(back.hi == id.hi && back.lo == id.lo);
        assert_true(strcmp(before, buf) < 0);
        memcpy(before, buf, sizeof before);
    }
}

static void test_ids_short_form_is_the_end_of_the_whole(void **state)
{
    struct sp_id_source source = source_of(7);
    struct sp_id id = sp_id_mint(SP_ID_PLN, &source);
    char whole[SP_ID_TEXT_SIZE];
    char brief[SP_ID_SHORT_SIZE];
    char digits[SP_ID_TEXT_SIZE];

    (void)state;
    sp_id_format(SP_ID_PLN, id, whole);
    sp_id_short(SP_ID_PLN, id, brief);
    assert_memory_equal(brief, "pln_", 4);
    assert_string_equal(brief + 4, whole + 24);
    assert_string_equal(sp_id_digits(id, digits), whole + 4);
    assert_string_equal(sp_id_short(SP_ID_PLN, (struct sp_id){0, 0}, brief), "");
    assert_string_equal(sp_id_format(SP_ID_PLN, (struct sp_id){0, 0}, whole), "");
}

static void test_ids_parse_refuses_any_other_text(void **state)
{
    static const char *const wrong[] = {
        "",
        "trd_",
        "trd_00000000000000000000000000", /* none */
        "trd_0000000000000000000000000",  /* too short */
        "trd_000000000000000000000000011",
        "opp_00000000000000000000000001",
        "trd_0000000000000000000000000i",
        "trd_0000000000000000000000000A",
        "trd_80000000000000000000000000", /* 131 bits */
        "TRD_00000000000000000000000001",
    };
    struct sp_id id = {1, 2};

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(sp_id_parse(SP_ID_TRD, wrong[i], strlen(wrong[i]), &id));
    }
    assert_true(id.hi == 1 && id.lo == 2);
    assert_true(sp_id_parse(SP_ID_TRD, "trd_7zzzzzzzzzzzzzzzzzzzzzzzzz", 30, &id));
    assert_true(id.hi == UINT64_MAX && id.lo == UINT64_MAX);
}

static void test_ids_prefix_tells_the_type(void **state)
{
    enum sp_id_type type = SP_ID_TYPE_COUNT;

    (void)state;
    for (unsigned i = 0; i < SP_ID_TYPE_COUNT; i++) {
        assert_true(sp_id_type_of(sp_id_prefix((enum sp_id_type)i), &type));
        assert_int_equal(type, i);
    }
    assert_false(sp_id_type_of("xyz_", &type));
    assert_false(sp_id_type_of("", &type));
}

/* 20,000 ids of one millisecond: the hash must keep their last 64 bits apart, and their short
 * forms (30 bits: about 0.2 clashes are expected, each bit set about half of the time). */
static void test_ids_bits_are_well_mixed(void **state)
{
    enum { COUNT = 20000 };
    unsigned ones[80] = {0};

    (void)state;
    for (uint64_t i = 0; i < COUNT; i++) {
        struct sp_id_source source = source_of(i);
        struct sp_id id = sp_id_mint(SP_ID_TRD, &source);
        for (unsigned bit = 0; bit < 64; bit++)
            ones[bit] += (unsigned)(id.lo >> bit & 1);
        for (unsigned bit = 0; bit < 16; bit++)
            ones[64 + bit] += (unsigned)(id.hi >> bit & 1);
    }
    for (unsigned bit = 0; bit < 80; bit++) {
        assert_in_range(ones[bit], COUNT / 2 - 500, COUNT / 2 + 500); /* 7 sigma */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ids_minted_values_are_pinned),
        cmocka_unit_test(test_ids_installation_code_is_pinned),
        cmocka_unit_test(test_ids_every_part_of_the_source_matters),
        cmocka_unit_test(test_ids_text_round_trips_and_sorts_by_time),
        cmocka_unit_test(test_ids_short_form_is_the_end_of_the_whole),
        cmocka_unit_test(test_ids_parse_refuses_any_other_text),
        cmocka_unit_test(test_ids_prefix_tells_the_type),
        cmocka_unit_test(test_ids_bits_are_well_mixed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
