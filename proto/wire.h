/* Records as msgpack frames: what travels on sockets.
 *
 *   frame  = stream name, NUL, one or more records
 *   record = msgpack array [version, epoch, sequence, time, kind, by, body]
 *   by     = array of [stream, epoch, sequence];  body = array of field values in tag order
 *
 * Fixed-point values and times are integers (1e-8, ns); ids are 16-byte bin; names and texts are
 * str; lists are arrays. A missing tail of body means empty fields (older writer), a longer body is
 * accepted and its tail ignored (newer writer): tables only grow. Every frame is scanned for depth,
 * count and length bounds, all its records, before any is decoded. No allocation. Any thread.
 */
#ifndef SP_PROTO_WIRE_H
#define SP_PROTO_WIRE_H

#include "proto/record.h"

#define SP_WIRE_VERSION    1
#define SP_WIRE_FRAME_MAX  ((size_t)16 * 1024)
#define SP_WIRE_DEPTH_MAX  8
#define SP_WIRE_TOKENS_MAX 4096 /* of one record */

#define SP_WIRE_RECORDS_MAX 512 /* of one frame */

/* ---- Writing ---- */

/* Writes a frame of one record. SP_FULL if it does not fit cap_bytes; *len_bytes is then untouched.
 * The record is not validated: writers validate where records are made; a kind, count or text that
 * breaks its type is an assertion. */
SP_NODISCARD sp_status sp_wire_encode(const struct sp_record *record, uint8_t *buf,
                                      size_t cap_bytes, size_t *len_bytes, struct sp_err *err);
/* The two parts of a frame, for those who put several records in one: how a frame of this stream
 * begins (returns its bytes), and one record of it. A whole frame has at most SP_WIRE_FRAME_MAX
 * bytes and SP_WIRE_RECORDS_MAX records. */
size_t sp_wire_encode_stream(const sp_name *stream, uint8_t buf[SP_NAME_SIZE]);
SP_NODISCARD sp_status sp_wire_encode_record(const struct sp_record *record, uint8_t *buf,
                                             size_t cap_bytes, size_t *len_bytes,
                                             struct sp_err *err);

/* ---- Reading ---- */

/* A frame being read. Between two calls [at, end) are its records not read yet, whole ones: bytes
 * that were scanned may be kept and read later as a frame of their own. */
struct sp_wire_frame {
    sp_name stream;
    const uint8_t *at, *end;
};

/* Scans a frame, all of it, and stands before its first record. Nothing is written on failure:
 *   SP_TRUNCATED     ends too early, has no record, or claims more elements or bytes than there are
 *   SP_TYPE          holds a value that never travels (map, float, ext)
 *   SP_TOO_LONG      frame, name, number of records or number of values above its bound
 *   SP_TOO_DEEP      more than SP_WIRE_DEPTH_MAX arrays within each other
 *   SP_INVALID       the stream is no name */
SP_NODISCARD sp_status sp_wire_open(const uint8_t *buf, size_t len_bytes, struct sp_wire_frame *out,
                                    struct sp_err *err);
/* Reads the next record and validates its body; whatever comes of it, the frame then stands behind
 * that record. SP_AGAIN: there is none. out->in is always none: cursors do not travel. Only the
 * causes that are there and sizeof(DTO) bytes of out->body are written. On failure out->kind is
 * SP_REC_NONE, out->body must not be read, and err says which field is wrong:
 *   SP_TYPE          not the msgpack type of its field
 *   SP_RANGE         a number out of the range of its field
 *   SP_TOO_LONG      a text or list above its bound
 *   SP_VERSION       another protocol version
 *   SP_UNKNOWN_KIND  a newer writer; stream, epoch, seq and time of *out are set all the same
 *   SP_MISSING       a required field is empty
 *   SP_INVALID       a value breaks its rule (sp_validate) */
SP_NODISCARD sp_status sp_wire_next(struct sp_wire_frame *frame, struct sp_record *out,
                                    struct sp_err *err);
/* The usual frame in one pass, when the caller knows how it begins: head_len_bytes are its stream's
 * name. SP_OK only if one record follows, nothing else, and sp_wire_open and sp_wire_next would
 * give just that; whatever is not so plain is SP_AGAIN, and the frame wants to be opened. Writes
 * what sp_wire_next does, but not out->stream. */
SP_NODISCARD sp_status sp_wire_read_plain(const uint8_t *buf, size_t len_bytes,
                                          size_t head_len_bytes, struct sp_record *out);
/* Both, for a frame of exactly one record. SP_INVALID if there are more. */
SP_NODISCARD sp_status sp_wire_decode(const uint8_t *buf, size_t len_bytes, struct sp_record *out,
                                      struct sp_err *err);

#endif
