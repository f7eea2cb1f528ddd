/* Listen keys: the older way to user data. A key names an account's stream, lives an hour after it
 * was last extended, and is one per account. Pure but for the randomness of a new one; one thread.
 */
#ifndef SP_VENUE_LISTEN_KEYS_H
#define SP_VENUE_LISTEN_KEYS_H

#include "proto/status.h"
#include "services/venue/exchange.h"

#define SP_LISTEN_KEY_SIZE    65 /* with the NUL */
#define SP_LISTEN_KEY_LIFE_MS INT64_C(3600000)

struct sp_listen_key {
    char text[SP_LISTEN_KEY_SIZE]; /* "": none */
    int64_t until_ms;
};

/* By account. Zeroed at first. */
struct sp_listen_keys {
    struct sp_listen_key at[SP_VENUE_ACCOUNTS_MAX];
};

/* The account's key, extended, or a new one. NULL: there is no randomness. */
const char *sp_listen_keys_start(struct sp_listen_keys *keys, uint32_t account, int64_t now_ms);
/* False: the account has no such key. */
SP_NODISCARD bool sp_listen_keys_extend(struct sp_listen_keys *keys, uint32_t account,
                                        const char *text, int64_t now_ms);
SP_NODISCARD bool sp_listen_keys_stop(struct sp_listen_keys *keys, uint32_t account,
                                      const char *text);
/* Whose it is; -1: nobody's. `text` need not end there. */
int sp_listen_keys_account(const struct sp_listen_keys *keys, const char *text, size_t len_bytes);
/* Removes one that has run out into *out; false if there is none. Call until then. */
SP_NODISCARD bool sp_listen_keys_expire(struct sp_listen_keys *keys, int64_t now_ms,
                                        uint32_t *account, struct sp_listen_key *out);

#endif
