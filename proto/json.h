/* Records as JSON text: the journal's lines and what people read.
 *
 * Fixed-point values are decimal strings, times are RFC 3339 strings, durations carry a unit, ids
 * are their whole text, enumerations their names, lists arrays (levels [["px","qty"],...], facts
 * one object, marks objects); nanoseconds since boot are strings, other integers are numbers up to
 * 2^53 - 1 and strings above. Empty fields are left out. The journal line around a body is:
 *
 *   {"c":"9f3a12bc","s":42,"e":7,"w":40,"m":0,"t":"...","k":"ORDER_INTENT",
 *    "by":["strategy.ema/3:118"],"in":"strategy.ema/3:118","b":{...}}
 *                                     (on one line; "by" and "in" only if present)
 *
 * No allocation. Any thread.
 */
#ifndef SP_PROTO_JSON_H
#define SP_PROTO_JSON_H

#include "proto/record.h"

#define SP_JSON_LINE_MAX ((size_t)32 * 1024)

/* What only the journal knows of a record. */
struct sp_line_meta {
    uint32_t crc;         /* CRC-32C, over what journal.h says */
    uint64_t durable_seq; /* "w" */
    uint32_t batch_left;  /* "m": records still to come in this batch */
};

/* {"px":"61837.63",...}. SP_FULL if it does not fit; *len_bytes is then untouched. No NUL. */
SP_NODISCARD sp_status sp_json_encode_body(const struct sp_schema *schema, const void *dto,
                                           char *buf, size_t cap_bytes, size_t *len_bytes);
/* Reads an object written by the above, or by hand: fields in any order, spaces between values,
 * empty values spelt out. Validates. *out is initialised but undefined on failure, and err says
 * which field is wrong:
 *   SP_TRUNCATED     the text ends too early
 *   SP_TYPE          not the JSON type, or not the text form, of its field
 *   SP_RANGE         a number out of the range of its field
 *   SP_TOO_LONG      text or list above its bound
 *   SP_UNKNOWN_KIND  no such field
 *   SP_MISSING       a required field is empty
 *   SP_INVALID       not JSON, a field twice, something after the object, or a value that breaks
 *                    its rule (sp_validate) */
SP_NODISCARD sp_status sp_json_decode_body(const struct sp_schema *schema, const char *text,
                                           size_t len_bytes, void *out, struct sp_err *err);
/* The same without the checks of sp_validate (SP_MISSING, and rules): for bodies of our own that
 * were never to travel. */
SP_NODISCARD sp_status sp_json_parse_body(const struct sp_schema *schema, const char *text,
                                          size_t len_bytes, void *out, struct sp_err *err);

/* Writes a journal line without its newline. The crc field is written as given in meta->crc: the
 * journal computes it over the bytes that follow SP_LINE_CRC_PREFIX. */
SP_NODISCARD sp_status sp_json_encode_line(const struct sp_record *record,
                                           const struct sp_line_meta *meta, char *buf,
                                           size_t cap_bytes, size_t *len_bytes);
/* The bytes {"c":"xxxxxxxx", come first; the checksum covers all bytes after this prefix. */
#define SP_LINE_CRC_PREFIX ((size_t)16)

/* Reads a line. The stream name is not in the line: the caller gives it. Does not check the CRC.
 * The envelope has exactly the form above; statuses are those of the body. On failure out->kind is
 * SP_REC_NONE and out->body must not be read; with SP_UNKNOWN_KIND (also: a newer writer) the rest
 * of the envelope is set all the same. */
SP_NODISCARD sp_status sp_json_decode_line(const char *text, size_t len_bytes,
                                           const sp_name *stream, struct sp_record *out,
                                           struct sp_line_meta *meta, struct sp_err *err);
/* Reads only the envelope: much faster for scans; out->body is left alone and *body, *body_len show
 * where the body's text is. */
SP_NODISCARD sp_status sp_json_decode_envelope(const char *text, size_t len_bytes,
                                               const sp_name *stream, struct sp_record *out,
                                               struct sp_line_meta *meta, const char **body,
                                               size_t *body_len_bytes, struct sp_err *err);

/* One value as text for a person or a JSON string, without quotes. Lists are not values. Returns
 * buf. */
#define SP_VALUE_TEXT_SIZE (SP_TEXT_SIZE + 8)
const char *sp_value_text(const struct sp_field *field, const void *dto,
                          char buf[SP_VALUE_TEXT_SIZE]);

#endif
