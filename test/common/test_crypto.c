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
    uint8_t bytes[3] = {0};
    char text[9];

    (void)state;
    assert_true(sp_hex_parse("0aFf10", 6, bytes, 3));
    assert_memory_equal(bytes, "\x0a\xff\x10", 3);
    assert_false(sp_hex_parse("0aFf1", 5, bytes, 3));
    assert_false(sp_hex_parse("0aFf1g", 6, bytes, 3));
    sp_base64("fooba", 5, text, sizeof text); /* RFC 4648 */
    assert_string_equal(text, "Zm9vYmE=");
    assert_true(sp_digest_eq("abc", "abc", 3));
    assert_false(sp_digest_eq("abc", "abd", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_crypto_digests_are_those_of_the_standards),
        cmocka_unit_test(test_crypto_hmac_joins_its_pieces),
        cmocka_unit_test(test_crypto_hex_and_base64),
    };
    return cmocka_run_group_tests_name("crypto", tests, NULL, NULL);
}
