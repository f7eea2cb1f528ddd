/* Any bytes as a frame: a status, no allocation; what is accepted is valid, and writing and reading
 * it again gives the same record and the same bytes. */
#include "fuzz.h"

#include "proto/wire.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sp_record record, again;
    static uint8_t frame[SP_WIRE_FRAME_MAX], second[SP_WIRE_FRAME_MAX];
    size_t frame_len = 0, second_len = 0;
    struct sp_err err = {0};

    memset(&record, 0xa5, sizeof record);
    fuzz_memory_begin();
    sp_status status = sp_wire_decode(data, size, &record, &err);
    fuzz_memory_end(0, 0);
    if (status != SP_OK) {
        FUZZ_CHECK(record.kind == SP_REC_NONE);
        FUZZ_CHECK(err.status == status && err.text[0] != '\0');
        return 0;
    }
    const struct sp_kind_info *info = sp_kind_info(record.kind);
    FUZZ_CHECK(info != NULL);
    FUZZ_CHECK(sp_validate(sp_schema_of(info->dto), &record.body, NULL) == SP_OK);
    FUZZ_CHECK(record.by_count <= SP_CAUSES_MAX);
    FUZZ_CHECK(sp_ref_is_none(&record.in));

    FUZZ_CHECK(sp_wire_encode(&record, frame, sizeof frame, &frame_len, NULL) == SP_OK);
    FUZZ_CHECK(sp_wire_decode(frame, frame_len, &again, NULL) == SP_OK);
    FUZZ_CHECK(sp_name_eq(&record.stream, &again.stream));
    FUZZ_CHECK(fuzz_record_equal(&record, &again));
    FUZZ_CHECK(sp_wire_encode(&again, second, sizeof second, &second_len, NULL) == SP_OK);
    FUZZ_CHECK(second_len == frame_len && memcmp(frame, second, frame_len) == 0);
    return 0;
}
