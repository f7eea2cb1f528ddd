/* Records as msgpack frames: what travels on sockets.
 *
 *   frame = stream name, NUL, msgpack array [version, epoch, sequence, time, kind, by, body]
 *   by    = array of [stream, epoch, sequence];  body = array of field values in tag order
 *
 * Fixed-point values and times are integers (1e-8, ns); ids are 16-byte bin; names and texts are
 * str; lists are arrays. A missing tail of body means empty fields (older writer), a longer body is
 * accepted and its tail ignored (newer writer): tables only grow. Every frame is scanned for depth,
 * count and length bounds before it is decoded. No allocation. Any thread.
 */
#ifndef SP_PROTO_WIRE_H
#define SP_PROTO_WIRE_H

#include "proto/record.h"

#define SP_WIRE_VERSION    1
#define SP_WIRE_FRAME_MAX  ((size_t)16 * 1024)
#define SP_WIRE_DEPTH_MAX  8
#define SP_WIRE_TOKENS_MAX 4096

/* Writes one frame. SP_FULL if it does not fit cap_bytes; *len_bytes is then untouched. The record
 * is not validated: writers validate where records are made; a kind, count or text that breaks its
 * type is an assertion. */
SP_NODISCARD sp_status sp_wire_encode(const struct sp_record *record, uint8_t *buf,
                                      size_t cap_bytes, size_t *len_bytes, struct sp_err *err);
/* Reads one frame, all of it, and validates the body. out->in is always none: cursors do not
 * travel. Only sizeof(DTO) bytes of out->body are written. On failure out->kind is SP_REC_NONE,
 * out->body must not be read, and err says which field is wrong:
 *   SP_TRUNCATED     ends too early, or claims more elements or bytes than there are
 *   SP_TYPE          not the msgpack type of its field, or one that never travels (map, float, ext)
 *   SP_RANGE         a number out of the range of its field
 *   SP_TOO_LONG      frame, text, list or number of values above its bound
 *   SP_TOO_DEEP      more than SP_WIRE_DEPTH_MAX arrays within each other
 *   SP_VERSION       another protocol version
 *   SP_UNKNOWN_KIND  a newer writer; stream, epoch, seq and time of *out are set all the same
 *   SP_MISSING       a required field is empty
 *   SP_INVALID       a value breaks its rule (sp_validate), or bytes follow the frame */
SP_NODISCARD sp_status sp_wire_decode(const uint8_t *buf, size_t len_bytes, struct sp_record *out,
                                      struct sp_err *err);

#endif
