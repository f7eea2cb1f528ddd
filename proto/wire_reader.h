/* What scanning (wire_scan.c) and reading (wire_read.c, wire_frame.c) of frames share. Internal to
 * proto. */
#ifndef SP_PROTO_WIRE_READER_H
#define SP_PROTO_WIRE_READER_H

#include "proto/wire.h"

#include <endian.h>
#include <string.h>

/* `dto` and `field` are what is being read, for the error. */
struct sp_wire_reader {
    const uint8_t *at;
    const uint8_t *end;
    const char *dto;
    const char *field;
    struct sp_err *err;
    bool unscanned; /* nothing may be passed over that was not bounded by a scan */
};

#define SP_WIRE_FAIL(reader, status, fmt, ...)                                                     \
    SP_FAIL((reader)->err, (status), "%s.%s: " fmt, (reader)->dto, (reader)->field, __VA_ARGS__)

/* Passes over one value and all it holds. Bounds depth, values, counts and lengths; on failure the
 * reader may stand anywhere. SP_TRUNCATED, SP_TYPE, SP_TOO_LONG, SP_TOO_DEEP. */
SP_NODISCARD sp_status sp_wire_skip(struct sp_wire_reader *reader);

/* Reads one record; what is written, and every status, is sp_wire_next's. On failure the reader may
 * stand anywhere. SP_AGAIN: something would have to be passed over, and the reader is unscanned. */
SP_NODISCARD sp_status sp_wire_get_record(struct sp_wire_reader *reader, struct sp_record *out);

static inline size_t sp_wire_left(const struct sp_wire_reader *reader)
{
    return (size_t)(reader->end - reader->at);
}

#endif
