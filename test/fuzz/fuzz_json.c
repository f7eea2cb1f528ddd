/* Any bytes as a journal line: a status, no allocation; the quick reader of envelopes agrees with
 * the full one; what is accepted is valid, and goes through line, body and frame unchanged. */
#include "fuzz.h"

#include "proto/json.h"
#include "proto/wire.h"

#include <string.h>

static const sp_name stream = {"fuzz"};

static void check_frame(const struct sp_record *record)
{
    static struct sp_record again;
    static uint8_t frame[SP_WIRE_FRAME_MAX];
    size_t len = 0;

    sp_status status = sp_wire_encode(record, frame, sizeof frame, &len, NULL);
    if (status == SP_FULL) return;
    FUZZ_CHECK(status == SP_OK);
    FUZZ_CHECK(sp_wire_decode(frame, len, &again, NULL) == SP_OK);
    again.in = record->in; /* does not travel */
    FUZZ_CHECK(fuzz_record_equal(record, &again));
}

static void check_line(const struct sp_record *record, const struct sp_line_meta *meta)
{
    static struct sp_record again;
    static char line[2][SP_JSON_LINE_MAX];
    struct sp_line_meta meta_again = {0};
    size_t len[2] = {0};

    sp_status status = sp_json_encode_line(record, meta, line[0], SP_JSON_LINE_MAX, &len[0]);
    FUZZ_CHECK(status == SP_OK);
    status = sp_json_decode_line(line[0], len[0], &stream, &again, &meta_again, NULL);
    FUZZ_CHECK(status == SP_OK);
    FUZZ_CHECK(fuzz_record_equal(record, &again));
    FUZZ_CHECK(meta->crc == meta_again.crc && meta->durable_seq == meta_again.durable_seq &&
               meta->batch_left == meta_again.batch_left);
    status = sp_json_encode_line(&again, &meta_again, line[1], SP_JSON_LINE_MAX, &len[1]);
    FUZZ_CHECK(status == SP_OK);
    FUZZ_CHECK(len[0] == len[1] && memcmp(line[0], line[1], len[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sp_record record, envelope;
    struct sp_line_meta meta = {0}, ours = {0};
    struct sp_err err = {0};
    const char *text = (const char *)data, *body = NULL;
    size_t body_len = 0;

    memset(&record, 0xa5, sizeof record);
    fuzz_memory_begin();
    sp_status status = sp_json_decode_line(text, size, &stream, &record, &meta, &err);
    sp_status quick =
        sp_json_decode_envelope(text, size, &stream, &envelope, &ours, &body, &body_len, NULL);
    fuzz_memory_end(0, 0);
    if (quick == SP_OK) FUZZ_CHECK(body >= text && body + body_len <= text + size);
    if (status != SP_OK) {
        FUZZ_CHECK(record.kind == SP_REC_NONE);
        FUZZ_CHECK(err.status == status && err.text[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(quick == SP_OK);
    FUZZ_CHECK(envelope.kind == record.kind && envelope.seq == record.seq);
    FUZZ_CHECK(envelope.by_count == record.by_count && ours.crc == meta.crc);
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record.kind)->dto);
    FUZZ_CHECK(sp_validate(schema, &record.body, NULL) == SP_OK);
    check_line(&record, &meta);
    check_frame(&record);
    return 0;
}
