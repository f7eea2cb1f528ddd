/* Frames: scanned whole (wire_scan.c), then read record by record (wire_read.c); the usual one in a
 * single pass.
 */
#include "proto/wire_reader.h"

/* The stream name up to its NUL. */
static sp_status get_stream(struct sp_wire_reader *reader, sp_name *out)
{
    size_t max = sp_wire_left(reader) < SP_NAME_SIZE ? sp_wire_left(reader) : SP_NAME_SIZE;
    const uint8_t *nul = max > 0 ? memchr(reader->at, '\0', max) : NULL;

    reader->field = "stream";
    if (nul == NULL && max == SP_NAME_SIZE)
        return SP_WIRE_FAIL(reader, SP_TOO_LONG, "%s", "does not end");
    if (nul == NULL) return SP_WIRE_FAIL(reader, SP_TRUNCATED, "%s", "frame ends too early");
    if (!sp_name_set_n(out, (const char *)reader->at, (size_t)(nul - reader->at))) {
        return SP_WIRE_FAIL(reader, SP_INVALID, "%s", "may hold only A-Z a-z 0-9 . _ -");
    }
    reader->at = nul + 1;
    return SP_OK;
}

static struct sp_wire_reader reader_of(const uint8_t *at, const uint8_t *end, struct sp_err *err)
{
    return (
        struct sp_wire_reader){.at = at, .end = end, .dto = "frame", .field = "frame", .err = err};
}

/* No bytes at all may be at NULL. */
static const uint8_t *end_of(const uint8_t *buf, size_t len_bytes)
{
    return len_bytes > 0 ? buf + len_bytes : buf;
}

/* The size and the stream; the reader then stands before the first record. */
static sp_status begin(struct sp_wire_reader *reader, sp_name *stream)
{
    if (sp_wire_left(reader) > SP_WIRE_FRAME_MAX) {
        return SP_WIRE_FAIL(reader, SP_TOO_LONG, "%zu bytes, at most %zu", sp_wire_left(reader),
                            SP_WIRE_FRAME_MAX);
    }
    sp_status status = get_stream(reader, stream);
    reader->field = "frame";
    return status;
}

sp_status sp_wire_open(const uint8_t *buf, size_t len_bytes, struct sp_wire_frame *out,
                       struct sp_err *err)
{
    struct sp_wire_reader reader = reader_of(buf, end_of(buf, len_bytes), err);
    sp_name stream;

    sp_status status = begin(&reader, &stream);
    if (status != SP_OK) return status;
    const uint8_t *first = reader.at;
    for (unsigned records = 0; records == 0 || sp_wire_left(&reader) > 0; records++) {
        if (records == SP_WIRE_RECORDS_MAX) {
            return SP_WIRE_FAIL(&reader, SP_TOO_LONG, "more than %d records", SP_WIRE_RECORDS_MAX);
        }
        status = sp_wire_skip(&reader);
        if (status != SP_OK) return status;
    }
    *out = (struct sp_wire_frame){.stream = stream, .at = first, .end = reader.end};
    return SP_OK;
}

sp_status sp_wire_next(struct sp_wire_frame *frame, struct sp_record *out, struct sp_err *err)
{
    struct sp_wire_reader reader = reader_of(frame->at, frame->end, err);

    if (frame->at == frame->end) return SP_AGAIN;
    out->stream = frame->stream;
    sp_status status = sp_wire_get_record(&reader, out);
    if (status != SP_OK) {
        reader = reader_of(frame->at, frame->end, NULL);
        if (sp_wire_skip(&reader) != SP_OK) reader.at = reader.end; /* it was not scanned */
    }
    frame->at = reader.at;
    return status;
}

/* Reading bounds every value it takes, so a scan before it would only find the same once more. What
 * reading passes over it does not look into: that needs the scan. */
sp_status sp_wire_read_plain(const uint8_t *buf, size_t len_bytes, size_t head_len_bytes,
                             struct sp_record *out)
{
    SP_ASSERT(head_len_bytes <= len_bytes);
    if (len_bytes > SP_WIRE_FRAME_MAX) return SP_AGAIN;
    struct sp_wire_reader reader = reader_of(buf + head_len_bytes, end_of(buf, len_bytes), NULL);
    reader.unscanned = true;
    return sp_wire_get_record(&reader, out) == SP_OK && reader.at == reader.end ? SP_OK : SP_AGAIN;
}

sp_status sp_wire_decode(const uint8_t *buf, size_t len_bytes, struct sp_record *out,
                         struct sp_err *err)
{
    struct sp_wire_reader reader = reader_of(buf, end_of(buf, len_bytes), err);

    memset(out, 0, offsetof(struct sp_record, body));
    sp_status status = begin(&reader, &out->stream);
    if (status != SP_OK) return status;
    const uint8_t *first = reader.at;
    status = sp_wire_skip(&reader);
    if (status != SP_OK) return status;
    if (sp_wire_left(&reader) > 0) {
        return SP_WIRE_FAIL(&reader, SP_INVALID, "%zu bytes after its end", sp_wire_left(&reader));
    }
    reader.at = first;
    return sp_wire_get_record(&reader, out);
}
