#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/crypto.h"

static void test_crypto_digests_are_those_of_the_standards(void **state)
{
    uint8_t sha1[SP_SHA1_BYTES], sha256[SP_SHA256_BYTES];
    char text[2 * SP_SHA256_BYTES + 1];

    (void)state;
    assert_true(sp_sha1("abc", 3, sha1)); /* FIPS 180 */
    sp_hex(sha1, sizeof sha1, text);
    assert_string_equal(text, "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_true(sp_sha256("abc", 3, sha256));
    sp_hex(sha256, sizeof sha256, text);
    assert_string_equal(text, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

/* Computed with two other programs. */
static void test_crypto_hmac_joins_its_pieces(void **state)
{
    static const char query[] = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC";
    static const char body[] = "quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559";
    static const char key[] = "spoor-example-secret";
    struct sp_bytes pieces[] = {{query, sizeof query - 1}, {body, sizeof body - 1}};
    uint8_t mac[SP_SHA256_BYTES];
    char text[2 * SP_SHA256_BYTES + 1], joined[256];

    (void)state;
    assert_true(sp_hmac_sha256(key, sizeof key - 1, pieces, 2, mac));
    sp_hex(mac, sizeof mac, text);
    assert_string_equal(text, "fa06afeb01e348c739d503a9b4958d5d08f9a3c58308ae8e6a2b060336d923ff");
    snprintf(joined, sizeof joined, "%s&%s", query, body);
    pieces[0] = (struct sp_bytes){joined, strlen(joined)};
    assert_true(sp_hmac_sha256(key, sizeof key - 1, pieces, 1, mac));
    sp_hex(mac, sizeof mac, text);
    assert_string_equal(text, "4ee99d2df11c88b8a9ad333bda3a731027ebcf270367916935a09b02000d0ec3");
}

static void test_crypto_hex_and_base64(void **state)
{
    uint8_t bytes[5] = {0};
    char text[9];

    (void)state;
    assert_true(sp_hex_parse("0aFf10", 6, bytes, 3));
    assert_memory_equal(bytes, "\x0a\xff\x10", 3);
    assert_false(sp_hex_parse("0aFf1", 5, bytes, 3));
    assert_false(sp_hex_parse("0aFf1g", 6, bytes, 3));
    sp_base64("fooba", 5, text, sizeof text); /* RFC 4648 */
    assert_string_equal(text, "Zm9vYmE=");
    assert_true(sp_base64_parse("Zm9vYmE=", bytes, 5));
    assert_memory_equal(bytes, "fooba", 5);
    assert_true(sp_base64_parse("Zm9v", bytes, 3));
    static const char *const wrong[] = {
        "Zm9vYmF=", "Zm9vYm==", "Zm9vYmFy", "Zm9vYm-=", "Zm9vYmE", "Zm9v\nmE=", "Zm9vYmE= ", ""};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(sp_base64_parse(wrong[i], bytes, 5));
    assert_true(sp_digest_eq("abc", "abc", 3));
    assert_false(sp_digest_eq("abc", "abd", 3));
}

/* The second test vector of RFC 8032. */
static void test_crypto_ed25519_is_that_of_the_standard(void **state)
{
    static const char key_text[] =
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
    static const char signature_text[] =
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";
    uint8_t key[SP_ED25519_KEY_BYTES], signature[SP_ED25519_SIGNATURE_BYTES];
    struct sp_bytes text = {"\x72", 1}, other = {"\x73", 1}, none = {"", 0};

    (void)state;
    assert_true(sp_hex_parse(key_text, strlen(key_text), key, sizeof key));
    assert_true(sp_hex_parse(signature_text, strlen(signature_text), signature, sizeof signature));
    assert_true(sp_ed25519_verify(key, &text, signature));
    assert_false(sp_ed25519_verify(key, &other, signature));
    assert_false(sp_ed25519_verify(key, &none, signature));
    for (size_t i = 0; i < sizeof signature; i++) {
        signature[i] ^= 1;
        assert_false(sp_ed25519_verify(key, &text, signature));
        signature[i] ^= 1;
    }
    key[0] ^= 1;
    assert_false(sp_ed25519_verify(key, &text, signature));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_digests_are_those_of_the_standards),
        cmocka_unit_test(test_crypto_hmac_joins_its_pieces),
        cmocka_unit_test(test_crypto_hex_and_base64),
        cmocka_unit_test(test_crypto_ed25519_is_that_of_the_standard),
    };
    return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
