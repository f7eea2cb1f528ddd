/* Plain numbers, which are most of what travels: not negative, in one byte, or in 0xcc to 0xcf and
 * 1, 2, 4 or 8 bytes. What is written and read here, the packer and the reader write and read the
 * same, only slower. Internal to proto. Any thread.
 */
#ifndef SP_PROTO_WIRE_PLAIN_H
#define SP_PROTO_WIRE_PLAIN_H

#include "proto/messages.h"

#include <endian.h>
#include <string.h>

#define SP_WIRE_PLAIN_BYTES_MAX 9

/* Writes the fields of a DTO all of which are plain numbers, now; there must be room for
 * SP_WIRE_PLAIN_BYTES_MAX bytes each. Returns what is behind them; NULL if it is another DTO: what
 * was written is to be overwritten then. */
uint8_t *sp_wire_plain_put(enum sp_dto dto, const void *body, uint8_t *at);

/* Reads as many fields as the DTO has. Returns what is behind them; NULL, with anything in *body,
 * if one of them is no plain number or may break a rule of its field. */
const uint8_t *sp_wire_plain_take(enum sp_dto dto, const uint8_t *at, const uint8_t *end,
                                  void *body);

/* Writes at most SP_WIRE_PLAIN_BYTES_MAX bytes; returns what is behind the number. */
static inline uint8_t *sp_wire_put_plain(uint8_t *at, uint64_t value)
{
    if (value < 0x80) {
        *at = (uint8_t)value;
        return at + 1;
    }
    if (value > UINT32_MAX) {
        uint64_t bytes = htobe64(value);
        *at = 0xcf;
        memcpy(at + 1, &bytes, sizeof bytes);
        return at + 1 + sizeof bytes;
    }
    unsigned row = value > UINT16_MAX ? 2 : value > UINT8_MAX ? 1 : 0;
    unsigned width = 1U << row;
    uint32_t bytes = htobe32((uint32_t)value << (32 - 8 * width));
    *at = (uint8_t)(0xcc + row);
    memcpy(at + 1, &bytes, sizeof bytes);
    return at + 1 + width;
}

/* How many bytes the number at `at` has; 0: something else, or too near to the end. */
static inline size_t sp_wire_plain_len(const uint8_t *at, const uint8_t *end)
{
    if (end - at < SP_WIRE_PLAIN_BYTES_MAX) return 0;
    if (*at < 0x80) return 1;
    if (*at == 0xcf) return 9; /* branches are foretold, a computed length is waited for */
    unsigned row = *at - 0xccU;
    return row < 3 ? 1 + ((size_t)1 << row) : 0;
}

/* Reads a plain number of at most `max`; false if it is something else, and nothing is read. */
static inline bool sp_wire_take_plain(const uint8_t **at, const uint8_t *end, uint64_t max,
                                      uint64_t *out)
{
    size_t len = sp_wire_plain_len(*at, end);
    uint64_t value = 0;

    if (len == 0) return false;
    value = **at;
    if (len > 1) {
        memcpy(&value, *at + 1, sizeof value);
        value = be64toh(value);
        if (len < SP_WIRE_PLAIN_BYTES_MAX) value >>= 72 - 8 * len;
    }
    if (value > max) return false;
    *at += len;
    *out = value;
    return true;
}

#endif
