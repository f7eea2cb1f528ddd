/* The key that this program signs with, and nobody else's. Never printed; gone from memory at the
 * end. One thread. */
#ifndef SP_KILL_KEY_H
#define SP_KILL_KEY_H

#include "proto/status.h"

#define SP_KILL_KEY_MAX 256

struct sp_kill_key {
    char api_key[SP_KILL_KEY_MAX];
    char secret[SP_KILL_KEY_MAX];
};

/* Reads {"api_key": "..", "secret": ".."} from a regular file of this user that nobody else may
 * read. SP_REFUSED for its owner or mode, SP_IO, SP_INVALID; *err says what to do. */
SP_NODISCARD sp_status sp_kill_key_load(const char *path, struct sp_kill_key *out,
                                        struct sp_err *err);
void sp_kill_key_wipe(struct sp_kill_key *key);

#endif
