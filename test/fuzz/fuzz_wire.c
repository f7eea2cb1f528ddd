/* Any bytes as a frame: a status, no allocation; what is accepted is valid, and writing and reading
 * it again gives the same record and the same bytes. A frame of one record reads the same both
 * ways; one of several is read to its end, whatever its records are. */
#include "fuzz.h"

#include "proto/wire.h"

#include <string.h>

static struct sp_record again;
static uint8_t frame[SP_WIRE_FRAME_MAX], second[SP_WIRE_FRAME_MAX];

static void check_record(const struct sp_record *record)
{
    size_t frame_len = 0, second_len = 0;
    const struct sp_kind_info *info = sp_kind_info(record->kind);

    FUZZ_CHECK(info != NULL);
    FUZZ_CHECK(sp_validate(sp_schema_of(info->dto), &record->body, NULL) == SP_OK);
    FUZZ_CHECK(record->by_count <= SP_CAUSES_MAX);
    FUZZ_CHECK(sp_ref_is_none(&record->in));

    FUZZ_CHECK(sp_wire_encode(record, frame, sizeof frame, &frame_len, NULL) == SP_OK);
    FUZZ_CHECK(sp_wire_decode(frame, frame_len, &again, NULL) == SP_OK);
    FUZZ_CHECK(sp_name_eq(&record->stream, &again.stream));
    FUZZ_CHECK(fuzz_record_equal(record, &again));
    FUZZ_CHECK(sp_wire_encode(&again, second, sizeof second, &second_len, NULL) == SP_OK);
    FUZZ_CHECK(second_len == frame_len && memcmp(frame, second, frame_len) == 0);
}

/* How many records there are; 0 if the frame is refused. The first one is left in *out. */
static unsigned read_all(const uint8_t *data, size_t size, struct sp_record *out)
{
    static struct sp_record record;
    struct sp_wire_frame records;
    struct sp_err err = {0};
    unsigned count = 0;

    sp_status status = sp_wire_open(data, size, &records, &err);
    if (status != SP_OK) {
        FUZZ_CHECK(err.status == status && err.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(size <= SP_WIRE_FRAME_MAX);
    while (records.at < records.end) {
        const uint8_t *before = records.at;
        memset(&record, 0xa5, sizeof record);
        status = sp_wire_next(&records, &record, NULL);
        FUZZ_CHECK(status != SP_AGAIN && records.at > before && records.at <= records.end);
        /* What the scan lets through is whole. */
        FUZZ_CHECK(status != SP_TRUNCATED && status != SP_TOO_DEEP);
        FUZZ_CHECK((status == SP_OK) == (record.kind != SP_REC_NONE));
        if (status == SP_OK) check_record(&record);
        if (count == 0) *out = record;
        count++;
    }
    FUZZ_CHECK(sp_wire_next(&records, &record, NULL) == SP_AGAIN);
    FUZZ_CHECK(count >= 1 && count <= SP_WIRE_RECORDS_MAX);
    return count;
}

/* In one pass: the same record, or none. */
static void check_plain(const uint8_t *data, size_t size, const struct sp_record *decoded)
{
    static struct sp_record plain;
    const uint8_t *nul = size > 0 ? memchr(data, '\0', size) : NULL;
    sp_name stream;

    if (nul == NULL || !sp_name_set_n(&stream, (const char *)data, (size_t)(nul - data))) return;
    memset(&plain, 0xa5, sizeof plain);
    sp_status status = sp_wire_read_plain(data, size, (size_t)(nul + 1 - data), &plain);
    FUZZ_CHECK(status == SP_OK || status == SP_AGAIN);
    if (status != SP_OK) return;
    FUZZ_CHECK(decoded != NULL && fuzz_record_equal(decoded, &plain));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sp_record record, first;
    struct sp_err err = {0};

    memset(&record, 0xa5, sizeof record);
    fuzz_memory_begin();
    sp_status status = sp_wire_decode(data, size, &record, &err);
    unsigned count = read_all(data, size, &first);
    fuzz_memory_end(0, 0);
    check_plain(data, size, status == SP_OK ? &record : NULL);
    if (status != SP_OK) {
        FUZZ_CHECK(record.kind == SP_REC_NONE);
        FUZZ_CHECK(err.status == status && err.text[0] != '\0');
        FUZZ_CHECK(count != 1 || first.kind == SP_REC_NONE);
        return 0;
    }
    FUZZ_CHECK(count == 1);
    FUZZ_CHECK(sp_name_eq(&record.stream, &first.stream) && fuzz_record_equal(&record, &first));
    check_record(&record);
    return 0;
}
