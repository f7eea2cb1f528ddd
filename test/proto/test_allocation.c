/* Linked with malloc, calloc and realloc wrapped: the codecs allocate nothing, whatever they
 * read. */
#include "filler.h"

#include "proto/json.h"
#include "proto/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* The linker's names for a wrapped function are reserved, so ours are labels. */
void *sp_real_malloc(size_t size) __asm__("__real_malloc");
void *sp_real_calloc(size_t count, size_t size) __asm__("__real_calloc");
void *sp_real_realloc(void *old, size_t size) __asm__("__real_realloc");
void *sp_wrap_malloc(size_t size) __asm__("__wrap_malloc");
void *sp_wrap_calloc(size_t count, size_t size) __asm__("__wrap_calloc");
void *sp_wrap_realloc(void *old, size_t size) __asm__("__wrap_realloc");

static unsigned calls;

void *sp_wrap_malloc(size_t size)
{
    calls++;
    return sp_real_malloc(size);
}

void *sp_wrap_calloc(size_t count, size_t size)
{
    calls++;
    return sp_real_calloc(count, size);
}

void *sp_wrap_realloc(void *old, size_t size)
{
    calls++;
    return sp_real_realloc(old, size);
}

static void test_allocation_codecs_make_none(void **state)
{
    static struct sp_record record;
    static uint8_t frame[SP_WIRE_FRAME_MAX];
    static char line[SP_JSON_LINE_MAX];
    static const uint8_t greedy[] = {'m', 0, 0xdd, 0x10, 0, 0, 0};
    struct sp_line_meta meta = {0};
    struct sp_err err;
    bool ok = true;

    (void)state;
    calls = 0;
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        size_t len = 0;
        sp_filler_record(sp_filler_kind_of((enum sp_dto)dto), 1, &record);
        ok = ok && sp_wire_encode(&record, frame, sizeof frame, &len, &err) == SP_OK;
        ok = ok && sp_wire_decode(frame, len, &record, &err) == SP_OK;
        ok = ok && sp_json_encode_line(&record, &meta, line, sizeof line, &len) == SP_OK;
        ok = ok && sp_json_decode_line(line, len, &record.stream, &record, &meta, &err) == SP_OK;
    }
    ok = ok && sp_wire_decode(greedy, sizeof greedy, &record, &err) == SP_TRUNCATED;
    unsigned made = calls;
    assert_true(ok);
    assert_int_equal(made, 0);

    /* The counter counts. */
    void *volatile block = malloc(1);
    free(block);
    assert_true(calls > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_allocation_codecs_make_none)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
