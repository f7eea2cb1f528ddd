#include "proto/messages.h"

#include "filler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static union sp_body body;

static void expect_of(enum sp_dto dto, sp_status want, const char *text)
{
    struct sp_err err = {0};
    sp_status status = sp_validate(sp_schema_of(dto), &body, &err);

    assert_string_equal(err.text, text);
    assert_int_equal(status, want);
    assert_int_equal(sp_validate(sp_schema_of(dto), &body, NULL), want);
}

static void test_validate_what_the_filler_makes_is_valid(void **state)
{
    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        for (uint64_t seed = 0; seed < 20; seed++) {
            sp_filler_fill(sp_schema_of((enum sp_dto)dto), seed, &body);
            expect_of((enum sp_dto)dto, SP_OK, "");
        }
    }
}

/* Every REQUIRED field of every DTO is missed when it is empty, and no other one. */
static void test_validate_required_fields_are_missed(void **state)
{
    static union sp_body full;

    (void)state;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        const struct sp_schema *schema = sp_schema_of((enum sp_dto)dto);
        sp_filler_fill(schema, 5, &full);
        for (size_t i = 0; i < schema->field_count; i++) {
            const struct sp_field *field = &schema->fields[i];
            size_t end = i + 1 < schema->field_count ? field[1].offset : schema->size;
            struct sp_err err = {0};
            body = full;
            memset((char *)&body + field->offset, 0, end - field->offset);
            assert_true(sp_field_is_empty(field, &body));
            assert_false(sp_field_is_empty(field, &full));
            assert_false(sp_dto_equal(schema, &body, &full));
            bool required = (field->flags & SP_F_REQUIRED) != 0;
            assert_int_equal(sp_validate(schema, &body, &err), required ? SP_MISSING : SP_OK);
            if (required) assert_non_null(strstr(err.text, field->name));
        }
    }
}

static void test_validate_numbers_keep_their_range(void **state)
{
    (void)state;
    sp_filler_fill(sp_schema_of(SP_DTO_order_intent), 1, &body);
    body.order_intent.qty.e8 = -5 * SP_FX_ONE;
    expect_of(SP_DTO_order_intent, SP_RANGE, "order_intent.qty: must be > 0, is -5");
    sp_filler_fill(sp_schema_of(SP_DTO_quote), 1, &body);
    body.quote.bid_qty.e8 = -1;
    expect_of(SP_DTO_quote, SP_RANGE, "quote.bid_qty: must be >= 0, is -0.00000001");
    sp_filler_fill(sp_schema_of(SP_DTO_bar), 1, &body);
    body.bar.opened.ns = -1;
    expect_of(SP_DTO_bar, SP_RANGE, "bar.opened: must be >= 0, is -1");
    body.bar.opened.ns = INT64_MAX;
    expect_of(SP_DTO_bar, SP_RANGE, "bar.opened: must be before the year 2262");
}

static void test_validate_enums_and_bools_keep_their_values(void **state)
{
    const uint8_t two = 2;

    (void)state;
    sp_filler_fill(sp_schema_of(SP_DTO_trade), 1, &body);
    body.trade.taker_side = SP_SIDE_COUNT;
    expect_of(SP_DTO_trade, SP_RANGE, "trade.taker_side: 3 is not one of its values");
    sp_filler_fill(sp_schema_of(SP_DTO_book_delta), 1, &body);
    memcpy(&body.book_delta.more, &two, 1);
    expect_of(SP_DTO_book_delta, SP_RANGE, "book_delta.more: 2 is neither true nor false");
}

static void test_validate_texts_end_and_hold_what_they_may(void **state)
{
    (void)state;
    sp_filler_fill(sp_schema_of(SP_DTO_command_reply), 1, &body);
    memset(body.command_reply.status.s, 'x', SP_NAME_SIZE);
    expect_of(SP_DTO_command_reply, SP_INVALID, "command_reply.status: name does not end");
    memcpy(body.command_reply.status.s, "a b", 4);
    expect_of(SP_DTO_command_reply, SP_INVALID,
              "command_reply.status: name may hold only A-Z a-z 0-9 . _ -");
    sp_filler_fill(sp_schema_of(SP_DTO_command_reply), 1, &body);
    memset(body.command_reply.text.s, 'x', SP_TEXT_SIZE);
    expect_of(SP_DTO_command_reply, SP_INVALID, "command_reply.text: text does not end");
    memcpy(body.command_reply.text.s, "\xff", 2);
    expect_of(SP_DTO_command_reply, SP_INVALID, "command_reply.text: must be UTF-8");
}

static void test_validate_lists_are_bounded_and_whole(void **state)
{
    (void)state;
    sp_filler_fill(sp_schema_of(SP_DTO_book_delta), 1, &body);
    body.book_delta.bids.count = SP_LEVELS_MAX + 1;
    expect_of(SP_DTO_book_delta, SP_RANGE, "book_delta.bids: at most 64 items, has 65");
    body.book_delta.bids.count = 1;
    body.book_delta.bids.at[0].px.e8 = 0;
    expect_of(SP_DTO_book_delta, SP_RANGE, "book_delta.bids: price 0 must be > 0, is 0");
    sp_filler_fill(sp_schema_of(SP_DTO_heartbeat), 1, &body);
    body.heartbeat.streams.count = SP_MARKS_MAX + 1;
    expect_of(SP_DTO_heartbeat, SP_RANGE, "heartbeat.streams: at most 16 items, has 17");
    body.heartbeat.streams.count = 1;
    body.heartbeat.streams.at[0].stream.s[0] = '\0';
    expect_of(SP_DTO_heartbeat, SP_INVALID, "heartbeat.streams: stream 0 is empty");
    sp_filler_fill(sp_schema_of(SP_DTO_trade_opened), 1, &body);
    body.trade_opened.opportunity_ids.count = UINT32_MAX;
    expect_of(SP_DTO_trade_opened, SP_RANGE,
              "trade_opened.opportunity_ids: at most 4 items, has 4294967295");
    body.trade_opened.opportunity_ids.count = 1;
    body.trade_opened.opportunity_ids.at[0].raw = (struct sp_id){0, 0};
    expect_of(SP_DTO_trade_opened, SP_INVALID, "trade_opened.opportunity_ids: id 0 is empty");
    sp_filler_fill(sp_schema_of(SP_DTO_service_status), 1, &body);
    body.service_status.values.count = 2;
    body.service_status.values.at[1] = body.service_status.values.at[0];
    assert_int_equal(sp_validate(sp_schema_of(SP_DTO_service_status), &body, NULL), SP_INVALID);
}

static void test_validate_equality_ignores_what_is_unused(void **state)
{
    static union sp_body other;
    const struct sp_schema *schema = sp_schema_of(SP_DTO_book_delta);

    (void)state;
    sp_filler_fill(schema, 1, &body);
    memset(&other, 0xa5, sizeof other);
    other.book_delta.first_update_id = body.book_delta.first_update_id;
    other.book_delta.last_update_id = body.book_delta.last_update_id;
    other.book_delta.more = body.book_delta.more;
    other.book_delta.received = body.book_delta.received;
    other.book_delta.bids.count = body.book_delta.bids.count;
    other.book_delta.asks.count = body.book_delta.asks.count;
    for (uint32_t i = 0; i < body.book_delta.bids.count; i++) {
        other.book_delta.bids.at[i] = body.book_delta.bids.at[i];
    }
    for (uint32_t i = 0; i < body.book_delta.asks.count; i++) {
        other.book_delta.asks.at[i] = body.book_delta.asks.at[i];
    }
    assert_true(sp_dto_equal(schema, &body, &other));
    other.book_delta.asks.at[0].qty.e8++;
    assert_false(sp_dto_equal(schema, &body, &other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validate_what_the_filler_makes_is_valid),
        cmocka_unit_test(test_validate_required_fields_are_missed),
        cmocka_unit_test(test_validate_numbers_keep_their_range),
        cmocka_unit_test(test_validate_enums_and_bools_keep_their_values),
        cmocka_unit_test(test_validate_texts_end_and_hold_what_they_may),
        cmocka_unit_test(test_validate_lists_are_bounded_and_whole),
        cmocka_unit_test(test_validate_equality_ignores_what_is_unused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
