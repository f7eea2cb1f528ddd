/* Digests and their texts. The only module that knows OpenSSL. Any thread.
 */
#ifndef SP_COMMON_CRYPTO_H
#define SP_COMMON_CRYPTO_H

#include "proto/status.h"

#define SP_SHA1_BYTES              20
#define SP_SHA256_BYTES            32
#define SP_ED25519_KEY_BYTES       32
#define SP_ED25519_SIGNATURE_BYTES 64

/* False only if the library cannot (no memory, or its policy forbids the digest). SHA-1 is for the
 * WebSocket handshake, which is no matter of trust. */
SP_NODISCARD bool sp_sha1(const void *bytes, size_t len_bytes, uint8_t out[SP_SHA1_BYTES]);
SP_NODISCARD bool sp_sha256(const void *bytes, size_t len_bytes, uint8_t out[SP_SHA256_BYTES]);
/* HMAC-SHA256 (RFC 2104) over one piece of bytes after the other, as if they were one. */
struct sp_bytes {
    const void *at;
    size_t len_bytes;
};
SP_NODISCARD bool sp_hmac_sha256(const void *key, size_t key_bytes, const struct sp_bytes *pieces,
                                 uint32_t piece_count, uint8_t out[SP_SHA256_BYTES]);
/* Whether a signature (RFC 8032) is of these bytes by the holder of that public key. */
SP_NODISCARD bool sp_ed25519_verify(const uint8_t key[SP_ED25519_KEY_BYTES],
                                    const struct sp_bytes *text,
                                    const uint8_t signature[SP_ED25519_SIGNATURE_BYTES]);
/* Bytes that nobody can guess. False: there are none. */
SP_NODISCARD bool sp_random_bytes(void *out, size_t len_bytes);
/* Whether two digests are the same, in a time that does not tell where they differ. */
bool sp_digest_eq(const void *a, const void *b, size_t len_bytes);

/* Lower case, with a NUL: 2 * len_bytes + 1 characters. */
void sp_hex(const void *bytes, size_t len_bytes, char *out);
/* Either case. False if the text is not exactly len_bytes bytes in hex. */
SP_NODISCARD bool sp_hex_parse(const char *text, size_t text_bytes, void *out, size_t len_bytes);
/* RFC 4648 with padding and a NUL: 4 * ceil(len_bytes / 3) + 1 characters, which `room` has. */
void sp_base64(const void *bytes, size_t len_bytes, char *out, size_t room);
/* False if the text is not exactly len_bytes bytes, at most SP_BASE64_PARSE_MAX, in that form. */
#define SP_BASE64_PARSE_MAX 96
SP_NODISCARD bool sp_base64_parse(const char *text, void *out, size_t len_bytes);

#endif
