/* The grammar of RFC 8259, checked to the letter, and where each value stands: a token a value, in
 * the order of the text. Knows nothing of what the values mean. Any thread.
 */
#ifndef SP_COMMON_JSON_SCAN_H
#define SP_COMMON_JSON_SCAN_H

#include "common/config/strict_json.h"

#define SP_JSON_NO_TOKEN    UINT32_MAX
#define SP_JSON_INTEGER_MAX (INT64_C(1) << 53)

struct sp_json_token {
    uint8_t kind;        /* enum sp_strict_kind */
    uint8_t value_bytes; /* of a number */
    uint32_t line;
    uint32_t at;           /* offset of the value, or of its key if it has one */
    uint32_t value_at;     /* offset of the value itself */
    uint32_t next;         /* index of the next value of the same parent */
    uint32_t member_count; /* of a list or object; the first one is the next token */
};

struct sp_json_scan {
    const char *text; /* NUL-terminated */
    size_t len_bytes;
    uint32_t depth_max;
    bool wide; /* integers of 64 bits */
    struct sp_strict_fault *fault;
    struct sp_json_token *tokens; /* malloc'ed; the caller frees it, also after a failure */
    uint32_t count;
    /* While scanning: */
    size_t at;
    uint32_t line, depth, capacity;
};

/* Scans scan->text, of which the first five fields are set, the others zero. SP_INVALID, SP_RANGE,
 * SP_TOO_DEEP, SP_TOO_LONG for more values than sp_strict_json_values_max, SP_NO_MEMORY, with
 * *fault filled. Never holds memory for more tokens than that. */
SP_NODISCARD sp_status sp_json_scan(struct sp_json_scan *scan);
/* The column of a byte, counted in characters from 1. */
uint32_t sp_json_column(const char *text, size_t at);
/* Fills *fault (which may be NULL) without a place, and returns `status`. */
sp_status sp_json_fault_set(struct sp_strict_fault *fault, sp_status status, const char *fmt, ...)
    SP_PRINTF(3, 4);

#endif
