/* DTOs of plain numbers are written and read in straight lines of code: the walk of the table says
 * which bytes are right, and the validator which values. */
#include "proto/decimal.h"
#include "proto/form.h"
#include "proto/wire.h"
#include "proto/wire_plain.h"

#include "filler.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Around every length of a number, and around what a field may be. */
static const uint64_t edges[] = {0,
                                 1,
                                 2,
                                 3,
                                 4,
                                 0x7f,
                                 0x80,
                                 0xff,
                                 0x100,
                                 0xffff,
                                 0x10000,
                                 UINT32_MAX,
                                 UINT64_C(1) << 32,
                                 SP_WALL_NS_MAX,
                                 SP_WALL_NS_MAX + UINT64_C(1),
                                 INT64_MAX,
                                 UINT64_C(1) << 63,
                                 UINT64_MAX};
#define EDGES (sizeof edges / sizeof *edges)

static bool is_plain(enum sp_dto dto, const void *body)
{
    uint8_t bytes[64 * SP_WIRE_PLAIN_BYTES_MAX];

    return sp_schema_of(dto)->field_count <= 64 && sp_wire_plain_put(dto, body, bytes) != NULL;
}

/* Sets a field to the number, cut to the field's width. */
static void set(const struct sp_field *field, void *body, uint64_t value)
{
    uint32_t half = (uint32_t)value;
    char *at = (char *)body + field->offset;

    switch ((int)sp_form_of(field)) {
    case SP_FORM_ENUM: *(uint8_t *)at = (uint8_t)value; break;
    case SP_FORM_U32: memcpy(at, &half, sizeof half); break;
    default: memcpy(at, &value, sizeof value); break;
    }
}

/* Where there is no room for the longest numbers, the table is walked: the bytes must not differ.
 * Read from memory that ends with them. */
static void check(const struct sp_record *record, const struct sp_schema *schema)
{
    static uint8_t roomy[SP_WIRE_FRAME_MAX];
    static struct sp_record back;
    size_t len = 0, tight_len = 0;

    assert_int_equal(sp_wire_encode(record, roomy, sizeof roomy, &len, NULL), SP_OK);
    uint8_t *tight = malloc(len);
    assert_non_null(tight);
    assert_int_equal(sp_wire_encode(record, tight, len, &tight_len, NULL), SP_OK);
    assert_int_equal(tight_len, len);
    assert_memory_equal(tight, roomy, len);

    sp_status valid = sp_validate(schema, &record->body, NULL);
    sp_status status = sp_wire_decode(tight, len, &back, NULL);
    free(tight);
    assert_int_equal(status == SP_OK, valid == SP_OK);
    if (status == SP_OK) assert_true(sp_dto_equal(schema, &back.body, &record->body));
}

static void test_wire_plain_writes_and_reads_what_the_table_does(void **state)
{
    static struct sp_record record;
    unsigned plain = 0;

    (void)state;
    for (int i = 1; i < SP_DTO_COUNT; i++) {
        const struct sp_schema *schema = sp_schema_of((enum sp_dto)i);
        sp_filler_record(sp_filler_kind_of((enum sp_dto)i), 1, &record);
        union sp_body filled = record.body;
        if (!is_plain((enum sp_dto)i, &filled)) continue;
        plain++;
        for (unsigned f = 0; f < schema->field_count; f++) {
            for (unsigned e = 0; e < EDGES; e++) {
                record.body = filled;
                set(&schema->fields[f], &record.body, edges[e]);
                check(&record, schema);
            }
        }
    }
    assert_true(plain >= 3);
}

/* What a market sends must not be sent the long way. */
static void test_wire_plain_are_the_records_of_a_market(void **state)
{
    static const enum sp_kind kinds[] = {SP_REC_TRADE, SP_REC_QUOTE, SP_REC_BAR};
    static struct sp_record record;

    (void)state;
    for (unsigned i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        sp_filler_record(kinds[i], 1, &record);
        assert_true(is_plain(sp_kind_info(kinds[i])->dto, &record.body));
    }
    sp_filler_record(SP_REC_ORDER_INTENT, 1, &record);
    assert_false(is_plain(sp_kind_info(SP_REC_ORDER_INTENT)->dto, &record.body));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wire_plain_writes_and_reads_what_the_table_does),
        cmocka_unit_test(test_wire_plain_are_the_records_of_a_market),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
