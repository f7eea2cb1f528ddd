/* Any bytes as one file of a configuration, between sound ones: loading gives a configuration or
 * problems, never both.
 *
 * The first byte says which file: 0 platform, 1 operation, 2 the blueprint (of the byte modulo 3).
 * The others are those of config/demo in SPOOR_SOURCE. The bytes are also read as plain strict
 * JSON, and every value that comes of it is looked at.
 */
#include "fuzz.h"

#include "../common/folder.h"
#include "common/config/config.h"
#include "common/config/strict_json.h"

#define FILES    3
#define FILE_MAX ((size_t)64 * 1024)
/* The configuration itself, of one size whatever is in it, and what its reader needs beside it. */
#define RESULT_BYTES (sizeof(struct sp_config) + (size_t)16 * 1024)

static const char *const names[FILES] = {"platform.json", "operation.json",
                                         "strategies/ema_cross.json"};
static char sound[FILES][FILE_MAX];
static size_t sound_len[FILES];

static void put_all(void)
{
    char path[FUZZ_PATH_SIZE];

    snprintf(path, sizeof path, "%s/strategies", fuzz_folder());
    FUZZ_CHECK(mkdir(path, 0700) == 0);
    for (size_t i = 0; i < FILES; i++)
        fuzz_file_put(names[i], sound[i], sound_len[i]);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *source = getenv("SPOOR_SOURCE");

    (void)argc;
    (void)argv;
    if (source == NULL) {
        fprintf(stderr, "SPOOR_SOURCE is not set: the sound configuration is not found\n");
        exit(64);
    }
    for (size_t i = 0; i < FILES; i++) {
        char path[FUZZ_PATH_SIZE];
        snprintf(path, sizeof path, "%s/config/demo/%s", source, names[i]);
        long len = file_read(path, sound[i], FILE_MAX);
        FUZZ_CHECK(len > 0 && (size_t)len < FILE_MAX);
        sound_len[i] = (size_t)len;
    }
    put_all();
    return 0;
}

/* Depth is bounded by the parser. */
static uint32_t walk(const struct sp_strict_node *node)
{
    uint32_t count = 1, members = 0;
    int64_t number = 0;

    FUZZ_CHECK(sp_strict_line(node) > 0 && sp_strict_column(node) > 0);
    if (sp_strict_kind_of(node) == SP_STRICT_INTEGER)
        FUZZ_CHECK(sp_strict_integer(node, &number) == SP_OK);
    const struct sp_strict_node *member = sp_strict_first(node);
    for (; member != NULL; member = sp_strict_next(member)) {
        members++;
        if (sp_strict_kind_of(node) == SP_STRICT_OBJECT)
            FUZZ_CHECK(sp_strict_get(node, sp_strict_key(member)) == member);
        count += walk(member);
    }
    FUZZ_CHECK(members == sp_strict_count(node));
    return count;
}

static void parse(const char *text, size_t len_bytes)
{
    struct sp_strict_limits limits = {.bytes_max = FILE_MAX, .depth_max = 16};
    struct sp_strict_json *json = NULL;
    struct sp_strict_fault fault = {0};

    sp_status status = sp_strict_json_parse(text, len_bytes, &limits, &json, &fault);
    FUZZ_CHECK((status == SP_OK) == (json != NULL));
    if (status == SP_OK) {
        FUZZ_CHECK(walk(sp_strict_json_root(json)) <= len_bytes);
    } else {
        FUZZ_CHECK(fault.text[0] != '\0');
    }
    sp_strict_json_free(json);
}

static size_t input_bytes(size_t which, size_t len)
{
    size_t sum = len;

    for (size_t i = 0; i < FILES; i++)
        sum += i == which ? 0 : sound_len[i];
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sp_problems problems;
    struct sp_config *config = NULL;

    if (size < 1) return 0;
    const char *text = (const char *)data + 1;
    size_t len = size - 1, which = data[0] % FILES;
    fuzz_memory_begin();
    parse(text, len);
    fuzz_memory_end(len, SP_STRICT_JSON_CONSTANT_BYTES);

    fuzz_file_put(names[which], text, len);
    fuzz_memory_begin();
    sp_status status = sp_config_load(fuzz_folder(), &config, &problems);
    if (status == SP_OK) {
        FUZZ_CHECK(config != NULL && problems.errors == 0);
    } else {
        FUZZ_CHECK(status == SP_CONFIG);
        FUZZ_CHECK(config == NULL && problems.errors > 0);
    }
    sp_config_free(config);
    fuzz_memory_end(input_bytes(which, len), RESULT_BYTES + FILES * SP_STRICT_JSON_CONSTANT_BYTES);
    fuzz_file_put(names[which], sound[which], sound_len[which]);
    return 0;
}
