/* The API key of a venue: the only module that holds a secret. It signs; the secret itself never
 * leaves it. One thread.
 *
 * The secret comes from a file that only its owner may read (mode 0400), or from a credential of
 * the service manager, and lies in one page that is locked, left out of core files and child
 * processes, and wiped at close. The file: {"api_key": "..", "secret": ".."}, or that as the first
 * of a list "keys".
 */
#ifndef SP_COMMON_VENUE_BINANCE_KEYS_H
#define SP_COMMON_VENUE_BINANCE_KEYS_H

#include "proto/status.h"

#define SP_BINANCE_KEY_SIZE       129
#define SP_BINANCE_SIGNATURE_SIZE 65
#define SP_BINANCE_CREDENTIAL     "venue_key.json" /* in $CREDENTIALS_DIRECTORY */

struct sp_binance_keys;

/* Path "": the credential, which may also be root's and of mode 0440, as a service manager writes
 * it into a folder that only the service may enter. SP_CONFIG if the file is missing, no regular
 * file of ours, readable by anybody else, writable, or not of that shape: the text names the file
 * and what to do, never what it holds. */
SP_NODISCARD sp_status sp_binance_keys_open(const char *path, struct sp_binance_keys **out,
                                            struct sp_err *err);
/* Wipes it. NULL is accepted. */
void sp_binance_keys_close(struct sp_binance_keys *keys);
/* The key's public half, which goes into a header; it is not to be logged either. */
const char *sp_binance_keys_api_key(const struct sp_binance_keys *keys);
/* HMAC-SHA256 of the text as 64 hex characters. SP_UNSUPPORTED if the library cannot. */
SP_NODISCARD sp_status sp_binance_keys_sign(const struct sp_binance_keys *keys, const char *text,
                                            size_t len_bytes, char hex[SP_BINANCE_SIGNATURE_SIZE],
                                            struct sp_err *err);

#endif
