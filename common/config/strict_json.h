/* JSON read strictly, every value with its line and column: for configuration and snapshots.
 *
 * The only module that knows cJSON. What cJSON takes and we refuse: bytes after the value, a key
 * twice, leading zeros and other number forms outside RFC 8259, numbers not finite or beyond 2^53,
 * raw control characters, escaped NULs, invalid UTF-8, a byte-order mark, input above a size or
 * depth, and more values than its bytes can be meant for (below). Keys are case-sensitive. A
 * document is immutable after parsing: any thread may read it.
 */
#ifndef SP_COMMON_STRICT_JSON_H
#define SP_COMMON_STRICT_JSON_H

#include "proto/status.h"

/* The largest depth that may be asked for; the parser recurses this deep. */
#define SP_STRICT_JSON_DEPTH_MAX 64

enum sp_strict_kind {
    SP_STRICT_NULL,
    SP_STRICT_BOOL,
    SP_STRICT_INTEGER,  /* no point and no exponent; |value| <= 2^53, or < 2^63 if wide */
    SP_STRICT_FRACTION, /* any other number: only its text is given, never a double */
    SP_STRICT_STRING,
    SP_STRICT_LIST,
    SP_STRICT_OBJECT
};

/* A value takes up to 120 bytes of memory besides its text, and the shortest is two bytes of input
 * ("1,"). So a document has at most this many values and one more for each so many bytes: what
 * people write has one in 14 even without any space. All that is allocated for a document is then
 * at most 16 times its size and a constant. */
#define SP_STRICT_JSON_VALUES         100u
#define SP_STRICT_JSON_VALUE_BYTES    10u
#define SP_STRICT_JSON_CONSTANT_BYTES ((size_t)16 * 1024)

struct sp_strict_json;
struct sp_strict_node; /* a value; lives as long as its document */

struct sp_strict_limits {
    size_t bytes_max;
    uint32_t depth_max; /* lists and objects within each other; 1..SP_STRICT_JSON_DEPTH_MAX */
    bool wide;          /* integers up to 2^63 - 1, as protocols have that mean 64 bits */
};

struct sp_strict_fault {
    uint32_t line, column; /* from 1; 0 if the whole file is meant */
    char text[240];        /* "expected ',' or '}' after this value, found ']'" */
};

/* How many values (the document, each member of a list or object) a document may have. */
uint32_t sp_strict_json_values_max(size_t len_bytes);

/* Parses a copy of the text. SP_INVALID for wrong syntax or a duplicate key, SP_RANGE for a number,
 * SP_TOO_LONG (bytes or values), SP_TOO_DEEP, SP_NO_MEMORY; *fault (which may be NULL) is then
 * filled. */
SP_NODISCARD sp_status sp_strict_json_parse(const char *text, size_t len_bytes,
                                            const struct sp_strict_limits *limits,
                                            struct sp_strict_json **out,
                                            struct sp_strict_fault *fault);
/* Reads and parses a regular file. Also SP_NOT_FOUND, SP_IO (also if it grows meanwhile). */
SP_NODISCARD sp_status sp_strict_json_load(const char *path, const struct sp_strict_limits *limits,
                                           struct sp_strict_json **out,
                                           struct sp_strict_fault *fault);
void sp_strict_json_free(struct sp_strict_json *json);

const struct sp_strict_node *sp_strict_json_root(const struct sp_strict_json *json);
enum sp_strict_kind sp_strict_kind_of(const struct sp_strict_node *node);
/* "a whole number", for messages. */
const char *sp_strict_kind_name(enum sp_strict_kind kind);
/* Where the value begins; of an object's member, where its key begins. */
uint32_t sp_strict_line(const struct sp_strict_node *node);
uint32_t sp_strict_column(const struct sp_strict_node *node);
/* Of an object's member; NULL for others. */
const char *sp_strict_key(const struct sp_strict_node *node);
/* The member of that exact name. NULL if there is none or `object` is NULL or no object. */
const struct sp_strict_node *sp_strict_get(const struct sp_strict_node *object, const char *key);
/* The members of a list or object, in file order. NULL after the last, for other kinds and NULL. */
const struct sp_strict_node *sp_strict_first(const struct sp_strict_node *node);
const struct sp_strict_node *sp_strict_next(const struct sp_strict_node *node);
uint32_t sp_strict_count(const struct sp_strict_node *node);

/* The value; SP_TYPE, leaving *out untouched, if the node (or NULL) is of another kind. */
SP_NODISCARD sp_status sp_strict_string(const struct sp_strict_node *node, const char **out);
SP_NODISCARD sp_status sp_strict_integer(const struct sp_strict_node *node, int64_t *out);
SP_NODISCARD sp_status sp_strict_bool(const struct sp_strict_node *node, bool *out);
/* What a string holds, or a number, true, false or null as written. NULL for lists, objects
 * and NULL. */
const char *sp_strict_text(const struct sp_strict_node *node);

#endif
