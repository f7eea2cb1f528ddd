/* The parameters of a REST request: of the query, of a form body, or of both; the query wins. And
 * the bytes that its signature is over: query and body as received, one after the other without
 * anything between, less the signature itself. Pure; any thread.
 */
#ifndef SP_VENUE_REST_PARAMS_H
#define SP_VENUE_REST_PARAMS_H

#include "common/crypto.h"

#define SP_REST_PARAMS_MAX 64
#define SP_REST_BYTES_MAX  16384 /* query and body together */

struct sp_rest_param {
    const char *name, *value; /* decoded */
};

struct sp_rest_params {
    uint32_t count;
    struct sp_rest_param at[SP_REST_PARAMS_MAX];
    const char *signature; /* NULL: none */
    char text[SP_REST_BYTES_MAX + SP_REST_PARAMS_MAX];
    size_t text_bytes;
    char payload[SP_REST_BYTES_MAX]; /* what was signed */
    size_t payload_bytes;
};

/* SP_TOO_LONG: too many bytes or parameters. SP_INVALID: wrong percent-encoding, or a NUL. */
SP_NODISCARD sp_status sp_rest_params_parse(const char *query, const char *body, size_t body_bytes,
                                            struct sp_rest_params *out);
/* The same of a JSON object's members, whose signature is over name=value pairs in the order of
 * their names, not encoded; numbers and truth values count as they were written. SP_TOO_LONG,
 * SP_INVALID (no object, or a member that is a list or an object). NULL and null are empty. */
struct sp_strict_node;
SP_NODISCARD sp_status sp_rest_params_from_json(const struct sp_strict_node *object,
                                                struct sp_rest_params *out);
/* The value; NULL if it was not sent. */
const char *sp_rest_param(const struct sp_rest_params *params, const char *name);

#endif
