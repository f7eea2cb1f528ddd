/* Strings and numbers of JSON text, for json_read.c. Internal to proto. Any thread.
 *
 * JSON as RFC 8259 has it and nothing more: no needless zeros, no raw control characters. On
 * failure *out is untouched and err names dto.field. Each returns, besides what it says:
 *   SP_TRUNCATED  the text ends too early
 *   SP_TYPE       another type of value
 *   SP_INVALID    no JSON, or text that its field may not hold
 */
#ifndef SP_PROTO_JSON_TOKEN_H
#define SP_PROTO_JSON_TOKEN_H

#include "proto/types.h"

/* The largest integer that every JSON reader keeps exactly: 2^53 - 1. */
#define SP_JSON_EXACT_MAX ((UINT64_C(1) << 53) - 1)

/* A string's bytes: in the text itself, or in the reader's scratch if it held escapes; there they
 * last until the next string is read. */
struct sp_json_span {
    const char *at;
    size_t len;
};

/* `dto` and `field` are what is being read, for the error. */
struct sp_json_reader {
    const char *begin;
    const char *at;
    const char *end;
    const char *dto;
    const char *field;
    struct sp_err *err;
    char scratch[SP_TEXT_SIZE + 4];
};

#define SP_JSON_FAILS(reader, status, fmt, ...)                                                    \
    SP_FAIL((reader)->err, (status), "%s.%s: " fmt, (reader)->dto, (reader)->field, __VA_ARGS__)

sp_status sp_json_cut_short(const struct sp_json_reader *reader);
/* SP_INVALID at this byte, or SP_TRUNCATED at the end. */
sp_status sp_json_unexpected(const struct sp_json_reader *reader, const char *wanted);
/* Whether the next character, after spaces, is c; takes it if so. */
SP_NODISCARD bool sp_json_take(struct sp_json_reader *reader, char c);
/* Takes the character that begins a value of the wanted type. */
SP_NODISCARD sp_status sp_json_begin(struct sp_json_reader *reader, char c, const char *wanted);
/* Turns the status of a text parser into an error that shows the text. */
SP_NODISCARD sp_status sp_json_parsed(const struct sp_json_reader *reader, sp_status status,
                                      const struct sp_json_span *span, const char *wanted);

/* SP_TOO_LONG: has escapes and does not fit an sp_text. Not checked for UTF-8. */
SP_NODISCARD sp_status sp_json_string(struct sp_json_reader *reader, struct sp_json_span *out);
/* Integers as numbers up to 2^53 - 1, or of any size in a string. SP_RANGE: does not fit. */
SP_NODISCARD sp_status sp_json_uint(struct sp_json_reader *reader, uint64_t max, uint64_t *out);
SP_NODISCARD sp_status sp_json_int(struct sp_json_reader *reader, int64_t *out);
SP_NODISCARD sp_status sp_json_bool(struct sp_json_reader *reader, bool *out);
/* SP_TOO_LONG: does not fit. */
SP_NODISCARD sp_status sp_json_name(struct sp_json_reader *reader, sp_name *out);
SP_NODISCARD sp_status sp_json_text(struct sp_json_reader *reader, sp_text *out);

#endif
