/* JSON text that is written from front to back: commas come by themselves. Memory grows as needed;
 * if it runs out the text is empty and `failed` says so. One thread.
 */
#ifndef SP_VENUE_JSON_TEXT_H
#define SP_VENUE_JSON_TEXT_H

#include "proto/types.h"

struct sp_json_text {
    char *text; /* heap, NUL-terminated; NULL before the first byte */
    size_t len_bytes, room_bytes;
    bool failed;
};

void sp_json_text_free(struct sp_json_text *json);
/* Empties it and keeps the memory. */
void sp_json_text_clear(struct sp_json_text *json);

/* '{' or '[', then members or elements, then sp_jtext_end with '}' or ']'. */
void sp_jtext_begin(struct sp_json_text *json, char bracket);
void sp_jtext_end(struct sp_json_text *json, char bracket);
/* Of the member whose value comes next. */
void sp_jtext_key(struct sp_json_text *json, const char *key);
void sp_jtext_string(struct sp_json_text *json, const char *value);
void sp_jtext_int(struct sp_json_text *json, int64_t value);
void sp_jtext_bool(struct sp_json_text *json, bool value);
/* A decimal with eight places, as a string: how the protocol writes prices and amounts. */
void sp_jtext_e8(struct sp_json_text *json, int64_t e8);
/* Text that is JSON already. */
void sp_jtext_raw(struct sp_json_text *json, const char *raw);

/* Key and value at once. */
void sp_jtext_put_string(struct sp_json_text *json, const char *key, const char *value);
void sp_jtext_put_int(struct sp_json_text *json, const char *key, int64_t value);
void sp_jtext_put_bool(struct sp_json_text *json, const char *key, bool value);
void sp_jtext_put_e8(struct sp_json_text *json, const char *key, int64_t e8);
/* A time in milliseconds since 1970. */
void sp_jtext_put_ms(struct sp_json_text *json, const char *key, sp_wall time);

#endif
