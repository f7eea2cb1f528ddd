/* The scan before anything is decoded: whether bytes are msgpack values within the bounds. Nothing
 * is read here but what says how much follows, so it costs little beside the reading.
 */
#include "proto/wire_plain.h"
#include "proto/wire_reader.h"

/* How a value begins, by its first byte: the bytes before what it holds, and whether it holds bytes
 * or values. No entry: maps, floats and extensions, which never travel, and the one unused byte. */
enum holds { NOTHING, BYTES, VALUES };

static const struct {
    uint8_t head_bytes;
    uint8_t holds;
} values[256] = {
    [0x00 ... 0x7f] = {1, NOTHING}, /* numbers */
    [0x90 ... 0x9f] = {1, VALUES},
    [0xa0 ... 0xbf] = {1, BYTES},
    [0xc0] = {1, NOTHING}, /* nil */
    [0xc2 ... 0xc3] = {1, NOTHING},
    [0xc4] = {2, BYTES},
    [0xc5] = {3, BYTES},
    [0xc6] = {5, BYTES},
    [0xcc] = {2, NOTHING},
    [0xcd] = {3, NOTHING},
    [0xce] = {5, NOTHING},
    [0xcf] = {9, NOTHING},
    [0xd0] = {2, NOTHING},
    [0xd1] = {3, NOTHING},
    [0xd2] = {5, NOTHING},
    [0xd3] = {9, NOTHING},
    [0xd9] = {2, BYTES},
    [0xda] = {3, BYTES},
    [0xdb] = {5, BYTES},
    [0xdc] = {3, VALUES},
    [0xdd] = {5, VALUES},
    [0xe0 ... 0xff] = {1, NOTHING}, /* negative numbers */
};

/* Bytes or values that follow a head, which is all there. */
static uint64_t held(const uint8_t *head, unsigned head_bytes)
{
    uint64_t count = 0;

    if (*head < 0xa0) return *head & 15U;
    if (*head < 0xc0) return *head & 31U;
    for (unsigned i = 1; i < head_bytes; i++)
        count = count << 8 | head[i];
    return count;
}

static sp_status cut_short(const struct sp_wire_reader *reader)
{
    return SP_WIRE_FAIL(reader, SP_TRUNCATED, "%s", "frame ends too early");
}

/* One value, not what an array holds: *inner is how many values that are. */
static inline sp_status skip_one(struct sp_wire_reader *reader, uint64_t *inner)
{
    const uint8_t *head = reader->at;

    if (sp_wire_left(reader) == 0) return cut_short(reader);
    unsigned head_bytes = values[*head].head_bytes;
    if (head_bytes == 0) {
        return SP_WIRE_FAIL(reader, SP_TYPE, "byte %02x begins nothing that may travel", *head);
    }
    if (head_bytes > sp_wire_left(reader)) return cut_short(reader);
    reader->at += head_bytes;
    *inner = 0;
    if (values[*head].holds == NOTHING) return SP_OK;
    uint64_t count = head_bytes == 1 && *head < 0xa0 ? *head & 15U : held(head, head_bytes);
    if (count > sp_wire_left(reader)) return cut_short(reader); /* a value is a byte at least */
    if (values[*head].holds == VALUES) *inner = count;
    if (values[*head].holds == BYTES) reader->at += count;
    return SP_OK;
}

sp_status sp_wire_skip(struct sp_wire_reader *reader)
{
    uint64_t above[SP_WIRE_DEPTH_MAX]; /* values still to come at each depth, and here */
    uint64_t waiting = 1, inner = 0;
    unsigned depth = 0, passed = 0;

    while (waiting > 0) {
        size_t plain = sp_wire_plain_len(reader->at, reader->end);
        if (++passed > SP_WIRE_TOKENS_MAX) {
            return SP_WIRE_FAIL(reader, SP_TOO_LONG, "more than %d values", SP_WIRE_TOKENS_MAX);
        }
        waiting--;
        reader->at += plain;
        if (plain == 0) {
            sp_status status = skip_one(reader, &inner);
            if (status != SP_OK) return status;
            if (inner > 0 && depth == SP_WIRE_DEPTH_MAX) {
                return SP_WIRE_FAIL(reader, SP_TOO_DEEP, "more than %d levels", SP_WIRE_DEPTH_MAX);
            }
            if (inner > 0) {
                above[depth++] = waiting;
                waiting = inner;
            }
        }
        while (waiting == 0 && depth > 0)
            waiting = above[--depth];
    }
    return SP_OK;
}
