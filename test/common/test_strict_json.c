#include "common/config/strict_json.h"

#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const struct sp_strict_limits limits = {.bytes_max = 64 * 1024, .depth_max = 8};

static struct sp_strict_json *parse(const char *text)
{
    struct sp_strict_json *json = NULL;
    struct sp_strict_fault fault = {0};

    if (sp_strict_json_parse(text, strlen(text), &limits, &json, &fault) != SP_OK) {
        fail_msg("%s: %u:%u %s", text, fault.line, fault.column, fault.text);
    }
    return json;
}

static void test_strict_json_gives_values_and_their_places(void **state)
{
    struct sp_strict_json *json =
        parse("{\n  \"a\": [1, -2,\n 9007199254740992],\n"
              "\t\"b\": {\"c\": \"x\\u20ac\\ud83d\\ude00\\n\"}, \"A\": true,"
              "\n\"\xc3\xa9\": null, \"f\": 1.50e-3}\n");
    const struct sp_strict_node *root = sp_strict_json_root(json), *n;
    const char *text;
    int64_t number = 0;
    bool flag = false;

    (void)state;
    assert_int_equal(sp_strict_count(root), 5);
    n = sp_strict_first(sp_strict_get(root, "a"));
    assert_int_equal(sp_strict_integer(n, &number), SP_OK);
    assert_int_equal(number, 1);
    n = sp_strict_next(sp_strict_next(n));
    assert_int_equal(sp_strict_integer(n, &number), SP_OK);
    assert_int_equal(number, INT64_C(9007199254740992));
    assert_int_equal(sp_strict_line(n), 3);
    assert_int_equal(sp_strict_column(n), 2);
    assert_null(sp_strict_next(n));
    n = sp_strict_get(sp_strict_get(root, "b"), "c");
    assert_int_equal(sp_strict_line(n), 4);
    assert_int_equal(sp_strict_column(n), 8);
    assert_int_equal(sp_strict_string(n, &text), SP_OK);
    assert_string_equal(text, "x\xe2\x82\xac\xf0\x9f\x98\x80\n");
    assert_string_equal(sp_strict_key(n), "c");
    assert_int_equal(sp_strict_bool(sp_strict_get(root, "A"), &flag), SP_OK);
    assert_true(flag);
    assert_int_equal(sp_strict_line(sp_strict_get(root, "\xc3\xa9")), 5);
    assert_int_equal(sp_strict_column(sp_strict_get(root, "f")), 12); /* characters, not bytes */
    assert_string_equal(sp_strict_text(sp_strict_get(root, "f")), "1.50e-3");
    assert_int_equal(sp_strict_kind_of(sp_strict_get(root, "f")), SP_STRICT_FRACTION);
    sp_strict_json_free(json);
}

static void test_strict_json_takes_64_bits_where_they_are_meant(void **state)
{
    static const struct sp_strict_limits wide = {.bytes_max = 64, .depth_max = 1, .wide = true};
    static const struct {
        const char *text;
        int64_t value;
    } fits[] = {{"9007199254740993", INT64_C(9007199254740993)},
                {"-9007199254740993", -INT64_C(9007199254740993)},
                {"9223372036854775807", INT64_MAX},
                {"-9223372036854775807", -INT64_MAX}};
    static const char *const beyond[] = {"9223372036854775808", "-9223372036854775808",
                                         "10000000000000000000", "99999999999999999999999999"};
    struct sp_strict_json *json = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof fits / sizeof *fits; i++) {
        int64_t value = 0;
        assert_int_equal(
            sp_strict_json_parse(fits[i].text, strlen(fits[i].text), &wide, &json, NULL), SP_OK);
        assert_int_equal(sp_strict_integer(sp_strict_json_root(json), &value), SP_OK);
        assert_int_equal(value, fits[i].value);
        assert_string_equal(sp_strict_text(sp_strict_json_root(json)), fits[i].text);
        sp_strict_json_free(json);
    }
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++)
        assert_int_equal(sp_strict_json_parse(beyond[i], strlen(beyond[i]), &wide, &json, NULL),
                         SP_RANGE);
}

static void test_strict_json_getters_refuse_other_kinds_and_cases(void **state)
{
    struct sp_strict_json *json = parse("{\"a\":1.5,\"b\":\"1\",\"c\":[]}");
    const struct sp_strict_node *root = sp_strict_json_root(json);
    const char *text = "kept";
    int64_t number = 42;
    bool flag = true;

    (void)state;
    assert_null(sp_strict_get(root, "B"));
    assert_null(sp_strict_get(NULL, "b"));
    assert_null(sp_strict_get(sp_strict_get(root, "c"), "b"));
    assert_int_equal(sp_strict_integer(sp_strict_get(root, "a"), &number), SP_TYPE);
    assert_int_equal(sp_strict_integer(sp_strict_get(root, "b"), &number), SP_TYPE);
    assert_int_equal(sp_strict_integer(NULL, &number), SP_TYPE);
    assert_int_equal(sp_strict_string(sp_strict_get(root, "a"), &text), SP_TYPE);
    assert_int_equal(sp_strict_bool(sp_strict_get(root, "a"), &flag), SP_TYPE);
    assert_int_equal(number, 42);
    assert_string_equal(text, "kept");
    assert_true(flag);
    assert_null(sp_strict_text(sp_strict_get(root, "c")));
    sp_strict_json_free(json);
}

/* What cJSON takes, and every other fault, with its exact place and words. */
static void test_strict_json_faults_name_place_and_expectation(void **state)
{
    static const struct {
        const char *text;
        sp_status status;
        uint32_t line, column;
        const char *words;
    } cases[] = {
        {"", SP_INVALID, 1, 1, "expected a value, found the end of the file"},
        {"{\"a\":1} x", SP_INVALID, 1, 9, "expected the end of the file, found 'x'"},
        {"{\"a\":1}\n{}", SP_INVALID, 2, 1, "expected the end of the file, found '{'"},
        {"{\"a\":1,\n \"b\":2,\n \"a\":3}", SP_INVALID, 3, 2, "the key \"a\" is here twice"},
        {"[01]", SP_INVALID, 1, 2, "a number does not begin with 0"},
        {"[-01]", SP_INVALID, 1, 2, "a number does not begin with 0"},
        {"[1.]", SP_INVALID, 1, 4, "expected a digit after the point, found ']'"},
        {"[.5]", SP_INVALID, 1, 2, "expected a value, found '.'"},
        {"[+1]", SP_INVALID, 1, 2, "expected a value, found '+'"},
        {"[1e]", SP_INVALID, 1, 4, "expected a digit in the exponent, found ']'"},
        {"[-]", SP_INVALID, 1, 3, "expected a digit, found ']'"},
        {"[NaN]", SP_INVALID, 1, 2, "expected a value, found 'N'"},
        {"[1e999]", SP_RANGE, 1, 2, "this number is beyond 2^53: write it as text"},
        {"[9007199254740993]", SP_RANGE, 1, 2,
         "this number is beyond 2^53 and would lose digits: write it as text"},
        {"[-9007199254740993]", SP_RANGE, 1, 2,
         "this number is beyond 2^53 and would lose digits: write it as text"},
        {"[0.00000000000000000000000000000000000000000001]", SP_RANGE, 1, 2,
         "this number has too many digits: write it as text"},
        {"{\n \"a\": 1\n \"b\": 2 }", SP_INVALID, 3, 2,
         "expected ',' or '}' after this value, found '\"'"},
        {"[1 2]", SP_INVALID, 1, 4, "expected ',' or ']' after this value, found '2'"},
        {"[1,]", SP_INVALID, 1, 4, "expected another value after ',', found ']'"},
        {"{\"a\":1,}", SP_INVALID, 1, 8, "expected another value after ',', found '}'"},
        {"{a:1}", SP_INVALID, 1, 2, "expected a key in double quotes, found 'a'"},
        {"{\"a\" 1}", SP_INVALID, 1, 6, "expected ':' after the key, found '1'"},
        {"{\"a\":'x'}", SP_INVALID, 1, 6,
         "expected a value, found ': text stands in double quotes"},
        {"// hi\n{}", SP_INVALID, 1, 1,
         "expected a value, found '/': JSON has no comments (use \"note\")"},
        {"[\"abc\n\"]", SP_INVALID, 1, 2, "this text has no closing '\"' on its line"},
        {"[\"a\tb\"]", SP_INVALID, 1, 4, "control characters in text are written \\uXXXX"},
        {"[\"\\x\"]", SP_INVALID, 1, 3,
         "expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\uXXXX after '\\'"},
        {"[\"\\u0000\"]", SP_INVALID, 1, 3, "\\u0000 is not allowed in text"},
        {"[\"\\ud800x\"]", SP_INVALID, 1, 3, "this \\uXXXX is half a character"},
        {"[\"\xff\"]", SP_INVALID, 1, 3, "this text is not valid UTF-8"},
        {"[\"\xc0\x80\"]", SP_INVALID, 1, 3, "this text is not valid UTF-8"},
        {"[\"\xe0\x80\x80\"]", SP_INVALID, 1, 3, "this text is not valid UTF-8"},
        {"[\"\xed\xa0\x80\"]", SP_INVALID, 1, 3, "this text is not valid UTF-8"},
        {"[\"\xf4\x90\x80\x80\"]", SP_INVALID, 1, 3, "this text is not valid UTF-8"},
        {"\xef\xbb\xbf{}", SP_INVALID, 1, 1,
         "the file begins with a byte-order mark: save it without"},
        {"[[[[[[[[[1]]]]]]]]]", SP_TOO_DEEP, 1, 9, "values are nested too deeply here"},
        {"[tru]", SP_INVALID, 1, 2, "expected a value, found 't'"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sp_strict_json *json = NULL;
        struct sp_strict_fault fault = {0};
        sp_status status =
            sp_strict_json_parse(cases[i].text, strlen(cases[i].text), &limits, &json, &fault);
        assert_string_equal(fault.text, cases[i].words);
        assert_int_equal(status, cases[i].status);
        assert_int_equal(fault.line, cases[i].line);
        assert_int_equal(fault.column, cases[i].column);
        assert_null(json);
    }
}

/* As many values as are allowed, then one more: the place of that one is named. */
static void test_strict_json_bounds_values_by_bytes(void **state)
{
    static const struct sp_strict_limits wide = {.bytes_max = 8000, .depth_max = 2};
    static char text[4000];
    struct sp_strict_json *json = NULL;
    struct sp_strict_fault fault = {0};
    uint32_t most = sp_strict_json_values_max(sizeof text); /* the list is one of them */

    (void)state;
    assert_int_equal(most, 500);
    memset(text, ' ', sizeof text);
    text[0] = '[';
    text[sizeof text - 1] = ']';
    for (uint32_t i = 0; i + 1 < most; i++)
        memcpy(text + 1 + 2 * i, i + 2 < most ? "1," : "1 ", 2);
    assert_int_equal(sp_strict_json_parse(text, sizeof text, &wide, &json, &fault), SP_OK);
    assert_int_equal(sp_strict_count(sp_strict_json_root(json)), most - 1);
    sp_strict_json_free(json);
    memcpy(text + 2 * most - 2, ",2", 2);
    json = NULL;
    assert_int_equal(sp_strict_json_parse(text, sizeof text, &wide, &json, &fault), SP_TOO_LONG);
    assert_null(json);
    assert_string_equal(fault.text,
                        "here begins value 501 of a document of 4000 bytes, which may have 500: "
                        "100, and one more for each 10 bytes; leave values out or shorten the "
                        "lists");
    assert_int_equal(fault.line, 1);
    assert_int_equal(fault.column, 2 * most);
}

static void test_strict_json_refuses_every_truncation(void **state)
{
    static const char text[] = "{\"a\":[1,2.5,\"x\\u00e9\"],\"b\":{\"c\":true,\"d\":null}}";

    (void)state;
    for (size_t n = 0; n < sizeof text - 1; n++) {
        struct sp_strict_json *json = NULL;
        struct sp_strict_fault fault = {0};
        assert_int_equal(sp_strict_json_parse(text, n, &limits, &json, &fault), SP_INVALID);
        assert_int_equal(fault.line, 1);
        assert_true(fault.text[0] != '\0');
    }
}

/* A byte of each kind at each place: nothing that we take may surprise cJSON or end the process. */
static void test_strict_json_survives_every_changed_byte(void **state)
{
    static const char text[] = "{\"a\":[1,-2.5e3,\"x\\u00e9\\\\\"],\"bb\":{\"c\":true}}";
    static const char bytes[] = "\"\\{}[]:,0-.eEut \n\t\x01\x80\xc3\xff'/";
    unsigned taken = 0;

    (void)state;
    for (size_t i = 0; i < sizeof text - 1; i++) {
        for (size_t k = 0; k < sizeof bytes; k++) {
            char changed[sizeof text];
            struct sp_strict_json *json = NULL;
            memcpy(changed, text, sizeof text);
            changed[i] = bytes[k];
            if (sp_strict_json_parse(changed, sizeof text - 1, &limits, &json, NULL) == SP_OK) {
                taken++;
            }
            sp_strict_json_free(json);
        }
    }
    assert_true(taken > 20);
    assert_true(taken < 600);
}

static void test_strict_json_load_bounds_and_names_the_file_fault(void **state)
{
    static const struct sp_strict_limits small = {.bytes_max = 8, .depth_max = 2};
    struct folder f = folder_make();
    struct sp_strict_json *json = NULL;
    struct sp_strict_fault fault = {0};
    char path[512];

    (void)state;
    folder_path(&f, "a.json", path);
    assert_int_equal(sp_strict_json_load(path, &small, &json, &fault), SP_NOT_FOUND);
    assert_string_equal(fault.text, "cannot be opened: No such file or directory");
    assert_int_equal(fault.line, 0);
    file_write(path, "{\"a\":12}", 8);
    assert_int_equal(sp_strict_json_load(path, &small, &json, &fault), SP_OK);
    sp_strict_json_free(json);
    file_write(path, "{\"a\":123}", 9);
    assert_int_equal(sp_strict_json_load(path, &small, &json, &fault), SP_TOO_LONG);
    assert_string_equal(fault.text, "is larger than 8 bytes");
    assert_int_equal(sp_strict_json_load(f.path, &small, &json, &fault), SP_IO);
    assert_string_equal(fault.text, "is not a regular file");
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_strict_json_gives_values_and_their_places),
        cmocka_unit_test(test_strict_json_takes_64_bits_where_they_are_meant),
        cmocka_unit_test(test_strict_json_getters_refuse_other_kinds_and_cases),
        cmocka_unit_test(test_strict_json_faults_name_place_and_expectation),
        cmocka_unit_test(test_strict_json_bounds_values_by_bytes),
        cmocka_unit_test(test_strict_json_refuses_every_truncation),
        cmocka_unit_test(test_strict_json_survives_every_changed_byte),
        cmocka_unit_test(test_strict_json_load_bounds_and_names_the_file_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
