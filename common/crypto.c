#include "common/crypto.h"

#include <limits.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

static bool digest(const EVP_MD *type, const void *bytes, size_t len_bytes, uint8_t *out)
{
    return EVP_Digest(bytes, len_bytes, out, NULL, type, NULL) == 1;
}

bool sp_sha1(const void *bytes, size_t len_bytes, uint8_t out[SP_SHA1_BYTES])
{
    return digest(EVP_sha1(), bytes, len_bytes, out);
}

bool sp_sha256(const void *bytes, size_t len_bytes, uint8_t out[SP_SHA256_BYTES])
{
    return digest(EVP_sha256(), bytes, len_bytes, out);
}

bool sp_hmac_sha256(const void *key, size_t key_bytes, const struct sp_bytes *pieces,
                    uint32_t piece_count, uint8_t out[SP_SHA256_BYTES])
{
    char name[] = "SHA256";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *ctx = mac != NULL ? EVP_MAC_CTX_new(mac) : NULL;
    size_t len_bytes = 0;

    bool ok = ctx != NULL && EVP_MAC_init(ctx, key, key_bytes, params) == 1;
    for (uint32_t i = 0; i < piece_count && ok; i++) {
        ok = EVP_MAC_update(ctx, pieces[i].at, pieces[i].len_bytes) == 1;
    }
    ok = ok && EVP_MAC_final(ctx, out, &len_bytes, SP_SHA256_BYTES) == 1;
    EVP_MAC_CTX_free(ctx);
    EVP_MAC_free(mac);
    return ok && len_bytes == SP_SHA256_BYTES;
}

bool sp_ed25519_verify(const uint8_t key[SP_ED25519_KEY_BYTES], const struct sp_bytes *text,
                       const uint8_t signature[SP_ED25519_SIGNATURE_BYTES])
{
    EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, key, SP_ED25519_KEY_BYTES);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    bool ok =
        pkey != NULL && ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
        EVP_DigestVerify(ctx, signature, SP_ED25519_SIGNATURE_BYTES, text->at, text->len_bytes) ==
            1;
    EVP_MD_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    return ok;
}

bool sp_random_bytes(void *out, size_t len_bytes)
{
    return len_bytes <= INT_MAX && RAND_bytes(out, (int)len_bytes) == 1;
}

bool sp_digest_eq(const void *a, const void *b, size_t len_bytes)
{
    return CRYPTO_memcmp(a, b, len_bytes) == 0;
}

void sp_hex(const void *bytes, size_t len_bytes, char *out)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *at = bytes;

    for (size_t i = 0; i < len_bytes; i++) {
        *out++ = digits[at[i] >> 4];
        *out++ = digits[at[i] & 15];
    }
    *out = '\0';
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

bool sp_hex_parse(const char *text, size_t text_bytes, void *out, size_t len_bytes)
{
    uint8_t *at = out;

    if (text_bytes != 2 * len_bytes) return false;
    for (size_t i = 0; i < len_bytes; i++) {
        int high = digit_of(text[2 * i]), low = digit_of(text[2 * i + 1]);
        if (high < 0 || low < 0) return false;
        at[i] = (uint8_t)(high << 4 | low);
    }
    return true;
}

void sp_base64(const void *bytes, size_t len_bytes, char *out, size_t room)
{
    SP_ASSERT(len_bytes < INT_MAX / 2 && 4 * ((len_bytes + 2) / 3) + 1 <= room);
    EVP_EncodeBlock((unsigned char *)out, bytes, (int)len_bytes);
}

bool sp_base64_parse(const char *text, void *out, size_t len_bytes)
{
    size_t text_bytes = (len_bytes + 2) / 3 * 4, padding = (3 - len_bytes % 3) % 3;
    uint8_t bytes[SP_BASE64_PARSE_MAX + 3];
    char again[(SP_BASE64_PARSE_MAX + 2) / 3 * 4 + 1];

    SP_ASSERT(len_bytes <= SP_BASE64_PARSE_MAX);
    if (strlen(text) != text_bytes) return false;
    int n = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)text_bytes);
    if (n < 0 || (size_t)n != len_bytes + padding) return false;
    sp_base64(bytes, len_bytes, again, sizeof again); /* the library takes more than one form */
    if (strcmp(again, text) != 0) return false;
    memcpy(out, bytes, len_bytes);
    return true;
}
