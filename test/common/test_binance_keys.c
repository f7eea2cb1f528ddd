#include "common/venue/binance_keys.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static int make_folder(void **state)
{
    static char folder[32];

    snprintf(folder, sizeof folder, "/tmp/spoor-keys-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    snprintf(path, sizeof path, "%s/key.json", folder);
    *state = folder;
    return 0;
}

static int remove_folder(void **state)
{
    unlink(path);
    return rmdir(*state);
}

static void put_file(const char *text, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, mode), 0);
}

static const char good[] =
    "{\"api_key\": \"spoor-example-key\",\n \"secret\": \"spoor-example-secret\"}\n";

/* The exchange's own worked example, computed with two other programs. */
static void test_binance_keys_sign_as_the_exchange_does(void **state)
{
    static const char text[] = "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1"
                               "&price=0.1&recvWindow=5000&timestamp=1499827319559";
    struct sp_binance_keys *keys = NULL;
    char hex[SP_BINANCE_SIGNATURE_SIZE];

    (void)state;
    put_file(good, 0400);
    assert_int_equal(sp_binance_keys_open(path, &keys, NULL), SP_OK);
    assert_string_equal(sp_binance_keys_api_key(keys), "spoor-example-key");
    assert_int_equal(sp_binance_keys_sign(keys, text, strlen(text), hex, NULL), SP_OK);
    assert_string_equal(hex, "4ee99d2df11c88b8a9ad333bda3a731027ebcf270367916935a09b02000d0ec3");
    sp_binance_keys_close(keys);
    put_file(
        "{\"keys\": [{\"api_key\": \"spoor-example-key\", \"secret\": \"spoor-example-secret\"}]}",
        0400);
    assert_int_equal(sp_binance_keys_open(path, &keys, NULL), SP_OK);
    sp_binance_keys_close(keys);
}

static void test_binance_keys_laxer_modes_are_refused(void **state)
{
    static const mode_t modes[] = {0600, 0440, 0404, 0444, 0640, 0644, 0500, 0700, 04400};
    struct sp_binance_keys *keys = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        struct sp_err err = {0};
        put_file(good, modes[i]);
        assert_int_equal(sp_binance_keys_open(path, &keys, &err), SP_CONFIG);
        assert_non_null(strstr(err.text, "chmod 0400"));
        assert_null(keys);
    }
}

static void test_binance_keys_what_is_no_key_file_is_refused(void **state)
{
    static const char *const texts[] = {
        "", "{}", "{\"api_key\": \"spoor-example-key\"}",
        "{\"api_key\": \"short\", \"secret\": \"spoor-example-secret\"}",
        "{\"api_key\": \"spoor-example-key\", \"secret\": \"spoor-example"};
    struct sp_binance_keys *keys = NULL;
    char other[80];

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct sp_err err = {0};
        put_file(texts[i], 0400);
        assert_int_equal(sp_binance_keys_open(path, &keys, &err), SP_CONFIG);
        assert_null(strstr(err.text, "spoor-example")); /* the text tells no part of a secret */
    }
    put_file(good, 0400);
    snprintf(other, sizeof other, "%s.link", path);
    assert_int_equal(symlink(path, other), 0);
    assert_int_equal(sp_binance_keys_open(other, &keys, NULL), SP_CONFIG);
    assert_int_equal(unlink(other), 0);
    assert_int_equal(sp_binance_keys_open(other, &keys, NULL), SP_CONFIG);
}

/* As systemd holds it ready: root's, or readable by the group that stands for an access list. */
static void test_binance_keys_come_from_the_service_manager(void **state)
{
    struct sp_binance_keys *keys = NULL;
    struct sp_err err = {0};
    char credential[80];

    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
    assert_int_equal(sp_binance_keys_open("", &keys, &err), SP_CONFIG);
    assert_non_null(strstr(err.text, "LoadCredential="));
    snprintf(credential, sizeof credential, "%s/" SP_BINANCE_CREDENTIAL, (const char *)*state);
    assert_int_equal(setenv("CREDENTIALS_DIRECTORY", *state, 1), 0);
    assert_int_equal(sp_binance_keys_open("", &keys, &err), SP_CONFIG);
    assert_non_null(strstr(err.text, "venue_key.json"));
    static const mode_t modes[] = {0400, 0440, 0600, 0444, 0640};
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        put_file(good, modes[i]);
        assert_int_equal(rename(path, credential), 0);
        assert_int_equal(sp_binance_keys_open("", &keys, NULL), i < 2 ? SP_OK : SP_CONFIG);
        if (i < 2) assert_string_equal(sp_binance_keys_api_key(keys), "spoor-example-key");
        sp_binance_keys_close(keys);
        keys = NULL;
        assert_int_equal(sp_binance_keys_open(credential, &keys, NULL),
                         i == 0 ? SP_OK : SP_CONFIG); /* named, it is a file like any other */
        sp_binance_keys_close(keys);
        keys = NULL;
    }
    assert_int_equal(unlink(credential), 0);
    assert_int_equal(unsetenv("CREDENTIALS_DIRECTORY"), 0);
}

/* What the kernel says about the page: in no core file, in no child. */
static void test_binance_keys_page_is_kept_out_of_cores(void **state)
{
    struct sp_binance_keys *keys = NULL;
    char line[512], flags[512] = "";
    unsigned long from = 0, to = 0, at = 0;

    (void)state;
    put_file(good, 0400);
    assert_int_equal(sp_binance_keys_open(path, &keys, NULL), SP_OK);
    FILE *maps = fopen("/proc/self/smaps", "re");
    assert_non_null(maps);
    bool ours = false;
    while (fgets(line, sizeof line, maps) != NULL) {
        if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
            at = (unsigned long)(const void *)sp_binance_keys_api_key(keys);
            ours = at >= from && at < to;
        }
        if (ours && strncmp(line, "VmFlags:", 8) == 0) memcpy(flags, line, sizeof flags);
    }
    fclose(maps);
    sp_binance_keys_close(keys);
    if (flags[0] == '\0') skip(); /* a kernel that tells no flags */
    assert_non_null(strstr(flags, " dd"));
    assert_non_null(strstr(flags, " wf"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_binance_keys_sign_as_the_exchange_does, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_binance_keys_laxer_modes_are_refused, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(test_binance_keys_come_from_the_service_manager,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_binance_keys_what_is_no_key_file_is_refused,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_binance_keys_page_is_kept_out_of_cores, make_folder,
                                        remove_folder),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
