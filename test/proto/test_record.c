#include "proto/record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_record_every_dto_row_stands_at_its_tag(void **state)
{
    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        const struct sp_schema *schema = sp_schema_of((enum sp_dto)dto);
        for (unsigned i = 0; i < schema->field_count; i++) {
            assert_int_equal(schema->fields[i].tag, i + 1);
        }
    }
}

static void test_record_ref_text_round_trips(void **state)
{
    char buf[SP_REF_TEXT_SIZE];
    struct sp_ref ref = {.stream = sp_name_of("strategy.ema"), .epoch = 3, .seq = 118};
    struct sp_ref back = {0};

    (void)state;
    assert_string_equal(sp_ref_format(&ref, buf), "strategy.ema/3:118");
    assert_true(sp_ref_parse(buf, 18, &back));
    assert_true(sp_ref_eq(&ref, &back));
    assert_false(sp_ref_parse("strategy.ema/03:118", 19, &back));
    assert_false(sp_ref_parse("/3:118", 6, &back));
    assert_false(sp_ref_parse("a/4294967296:1", 14, &back));
}

static void test_record_causes_are_kept_once_and_bounded(void **state)
{
    struct sp_record record = {0};

    (void)state;
    for (uint64_t i = 0; i < 2 * SP_CAUSES_MAX; i++) {
        struct sp_ref cause = {.stream = sp_name_of("a"), .epoch = 1, .seq = i / 2};
        sp_record_add_cause(&record, &cause);
    }
    assert_int_equal(record.by_count, SP_CAUSES_MAX);
    assert_int_equal(record.by[7].seq, 7);
}

static void test_record_kinds_have_names_and_dtos(void **state)
{
    enum sp_kind kind = SP_REC_NONE;

    (void)state;
    assert_true(sp_kind_parse("ORDER_INTENT", 12, &kind));
    assert_int_equal(kind, SP_REC_ORDER_INTENT);
    assert_int_equal(sp_kind_info(kind)->dto, SP_DTO_order_intent);
    assert_int_equal(sp_kind_info(kind)->durability, SP_DURABLE_SYNC);
    assert_null(sp_kind_info(99));
    assert_null(sp_kind_info(UINT32_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_record_every_dto_row_stands_at_its_tag),
        cmocka_unit_test(test_record_ref_text_round_trips),
        cmocka_unit_test(test_record_causes_are_kept_once_and_bounded),
        cmocka_unit_test(test_record_kinds_have_names_and_dtos),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
