/* The fields of the configuration tables, and their simple values: text in, one fixed type out.
 * Any thread.
 */
#ifndef SP_COMMON_CONFIG_VALUE_H
#define SP_COMMON_CONFIG_VALUE_H

#include "common/config/config.h"
#include "common/config/strict_json.h"

#define SP_NOWHERE SIZE_MAX /* an offset: checked, but not stored */

enum sp_value_type {
    SP_VALUE_COUNT,    /* whole number -> uint32_t */
    SP_VALUE_BIG,      /* whole number -> uint64_t */
    SP_VALUE_FLAG,     /* true or false -> bool */
    SP_VALUE_NAME,     /* -> sp_name */
    SP_VALUE_ID,       /* a name without points, at most 24 characters -> sp_name */
    SP_VALUE_WORD,     /* one of `words` -> uint32_t: its index + word_base */
    SP_VALUE_EITHER,   /* one of two `words` -> bool: is it the first? */
    SP_VALUE_PATH,     /* -> char[SP_PATH_SIZE], absolute; relative to the file that names it */
    SP_VALUE_AMOUNT,   /* "6000 USDT" -> sp_amt, the asset to asset_offset (0: none) */
    SP_VALUE_NUMBER,   /* "0.01", exact decimal text -> int64_t in 1e-8 */
    SP_VALUE_RATIO,    /* "0.3%" -> sp_ratio */
    SP_VALUE_SPEED,    /* "60x" -> sp_ratio */
    SP_VALUE_DURATION, /* "500ms" -> sp_dur */
    SP_VALUE_BYTES,    /* "50 MiB" -> uint64_t */
    SP_VALUE_TIME,     /* "2026-01-05T18:00:00Z" -> sp_wall */
    SP_VALUE_ZONE,     /* "UTC" or "+01:00" -> sp_dur east of it */
    SP_VALUE_LISTEN,   /* "127.0.0.1:8787" -> char[64]; the port to port_offset as uint16_t */
    SP_VALUE_URL,      /* "https://host:443", nothing behind it -> char[SP_URL_SIZE] */
    SP_VALUE_SCALAR,   /* text, number, true or false, as written -> char[64] */
    SP_VALUE_OBJECT,   /* `table`, stored relative to offset */
    SP_VALUE_ROWS,     /* `rows` */
    SP_VALUE_NAMES,    /* list of different names -> sp_name[capacity], count to count_offset */
    SP_VALUE_TYPE_COUNT
};

struct sp_table;

/* A list of objects, or an object whose keys are names, stored as an array. */
struct sp_rows {
    bool is_map;
    size_t element_bytes, count_offset;
    size_t id_offset;    /* sp_name: the key of a map, a list: its unique id, or SP_NOWHERE */
    size_t line_offset;  /* uint32_t, or SP_NOWHERE */
    size_t stamp_offset; /* uint32_t that gets `stamp`, or SP_NOWHERE */
    uint32_t stamp, least, capacity;
    const struct sp_table *table; /* of an element that is an object, else NULL: */
    const struct sp_field *value; /* of an element that is one value */
};

struct sp_field {
    const char *key;
    const char *doc; /* a few words: what it means */
    enum sp_value_type type;
    bool required;
    bool above_zero; /* zero and less are out of bounds */
    uint32_t word_base, capacity;
    size_t offset, asset_offset, port_offset, count_offset;
    const char *fallback;     /* as it would be written; NULL: all zero bytes */
    const char *min, *max;    /* likewise; NULL: no bound */
    const char *example;      /* NULL: the one of its type */
    const char *const *words; /* NULL-terminated; no other text is taken */
    const char *const *later; /* words that are designed but not there yet; may be NULL */
    const struct sp_table *table;
    const struct sp_rows *rows;
};

struct sp_table {
    const struct sp_field *fields;
    size_t count;
    const char *doc;
};

/* "an amount with its asset", and an example as it is written in JSON. */
const char *sp_value_type_doc(enum sp_value_type type);
const char *sp_value_type_example(enum sp_value_type type);
/* As which kind of JSON value it is written; a map is an object all the same. */
enum sp_strict_kind sp_value_type_kind(enum sp_value_type type);

/* The value of a simple type. */
struct sp_scalar {
    int64_t number;
    sp_name name; /* a name, an amount's asset */
    char text[SP_PATH_SIZE];
};
/* Parses the text of a simple value; a path is relative to `dir`. SP_TYPE if it is not written like
 * one, SP_RANGE if it does not fit its type. Bounds are not looked at. */
SP_NODISCARD sp_status sp_value_parse(const struct sp_field *field, const char *dir,
                                      const char *text, struct sp_scalar *out);
void sp_value_store(const struct sp_field *field, const struct sp_scalar *value, void *base);
/* Is `word` in the NULL-terminated list (which may be NULL)? *index is then its place. */
bool sp_value_has_word(const char *const *words, const char *word, size_t *index);

/* BASE/PATH, or PATH if it is absolute, without "." and ".." where the text tells.
 * False, leaving out untouched, if it does not fit. `base` may be "" for relative results. */
SP_NODISCARD bool sp_config_join(const char *base, const char *path, char out[SP_PATH_SIZE]);
/* The candidate closest to `word` if it is close enough to be a slip of the finger, else NULL. */
const char *sp_config_nearest(const char *word, const char *const *candidates, size_t count);

#endif
