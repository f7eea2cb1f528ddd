/* config/schema holds what the tables say. SPOOR_WRITE_SCHEMAS=1 writes it anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/config/config_schema.h"
#include "common/config/strict_json.h"

static const char *const layers[] = {"platform", "operation", "strategy"};

static void test_schema_files_equal_the_tables(void **state)
{
    static const struct sp_strict_limits limits = {.bytes_max = 1 << 20, .depth_max = 32};
    const char *root = getenv("SPOOR_SOURCE");

    (void)state;
    assert_non_null(root);
    for (size_t i = 0; i < 3; i++) {
        char path[1024], *want = NULL, *have;
        struct sp_strict_fault fault = {0};
        struct sp_strict_json *json = NULL;
        size_t want_bytes = 0, have_bytes;
        FILE *out = open_memstream(&want, &want_bytes), *file;
        assert_int_equal(sp_config_schema_write(layers[i], out), SP_OK);
        fclose(out);
        assert_int_equal(sp_strict_json_parse(want, want_bytes, &limits, &json, &fault), SP_OK);
        sp_strict_json_free(json);
        snprintf(path, sizeof path, "%s/config/schema/%s.json", root, layers[i]);
        if (getenv("SPOOR_WRITE_SCHEMAS") != NULL) {
            file = fopen(path, "w");
            assert_non_null(file);
            fwrite(want, 1, want_bytes, file);
            fclose(file);
        }
        file = fopen(path, "r");
        assert_non_null(file);
        have = calloc(1, want_bytes + 2);
        have_bytes = fread(have, 1, want_bytes + 1, file);
        fclose(file);
        assert_int_equal(have_bytes, want_bytes);
        assert_string_equal(have, want);
        free(have);
        free(want);
    }
}

static void test_schema_of_an_unknown_layer_is_refused(void **state)
{
    (void)state;
    assert_int_equal(sp_config_schema_write("planet", stdout), SP_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schema_files_equal_the_tables),
        cmocka_unit_test(test_schema_of_an_unknown_layer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
