/* Any bytes as the three files of a snapshot: loading gives a status.
 *
 * The first byte says how: bit 0 puts the right checksums and lengths into the files, so that what
 * is behind them is reached. The rest is current, backup and pending, parted by lines "%%"; a part
 * that is empty is a file that is not there. A second load gives what the first gave, and after a
 * load the next generation can be saved and loaded.
 */
#include "fuzz.h"

#include "common/journal/state.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPAIR       1
#define PARTS        3
#define HEADER_BYTES 320
#define INPUT_MAX    ((size_t)1024 * 1024)
#define MEMORY_BYTES ((size_t)64 * 1024)
#define SAVED        "{\"saved\":1}"

static const char *const names[PARTS] = {"execution.json", "execution.json.bak",
                                         "execution.json.journal"};

static void set(char *text, const char *key, const char *value)
{
    size_t len = strlen(value), key_len = strlen(key);
    char *at = memmem(text, HEADER_BYTES, key, key_len);

    if (at == NULL || at + key_len + len > text + HEADER_BYTES) return;
    memcpy(at + key_len, value, len);
}

static void repair(char *text, size_t len_bytes)
{
    char value[32];

    if (len_bytes < HEADER_BYTES + 2) return;
    size_t payload = len_bytes - HEADER_BYTES - 2;
    snprintf(value, sizeof value, "%010zu", payload);
    set(text, "\"len\":\"", value);
    snprintf(value, sizeof value, "%08" PRIx32, sp_crc32c(0, text + HEADER_BYTES, payload));
    set(text, "\"dcrc\":\"", value);
    set(text, "\"hcrc\":\"", "00000000");
    snprintf(value, sizeof value, "%08" PRIx32, sp_crc32c(0, text, HEADER_BYTES));
    set(text, "\"hcrc\":\"", value);
}

static void put_parts(char *text, size_t len_bytes, bool repaired)
{
    static const char mark[] = {'%', '%', '\n'};
    char *end = text + len_bytes;

    for (int i = 0; i < PARTS && text < end; i++) {
        char *stop = memmem(text, (size_t)(end - text), mark, sizeof mark);
        if (stop == NULL || i == PARTS - 1) stop = end;
        size_t len = (size_t)(stop - text);
        if (repaired) repair(text, len);
        if (len > 0) fuzz_file_put(names[i], text, len);
        text = stop < end ? stop + sizeof mark : end;
    }
}

static void check_save(const struct sp_state_file *file, struct sp_state_header header)
{
    enum sp_state_outcome outcome;
    char *json = NULL;

    if (header.generation == UINT64_MAX) return;
    header.generation++;
    FUZZ_CHECK(sp_state_save(file, &header, SAVED, strlen(SAVED), NULL) == SP_OK);
    FUZZ_CHECK(sp_state_load(file, header.generation, &outcome, &header, &json, NULL) == SP_OK);
    FUZZ_CHECK(outcome == SP_STATE_LOADED && strcmp(json, SAVED) == 0);
    free(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[INPUT_MAX];
    struct sp_state_file file = {.dir = fuzz_folder(),
                                 .name = "execution",
                                 .installation = "testbench",
                                 .port = fuzz_port()};
    struct sp_state_header header = {0}, again = {0};
    enum sp_state_outcome outcome = SP_STATE_NEW, outcome_again = SP_STATE_NEW;
    char *json = NULL, *json_again = NULL;

    if (size < 1 || size > INPUT_MAX) return 0;
    memcpy(text, data + 1, size - 1);
    fuzz_folder_clear();
    put_parts(text, size - 1, (data[0] & REPAIR) != 0);

    fuzz_memory_begin();
    sp_status status = sp_state_load(&file, 0, &outcome, &header, &json, NULL);
    fuzz_memory_end(size, MEMORY_BYTES);
    if (status != SP_OK) {
        FUZZ_CHECK(json == NULL);
        return 0;
    }
    FUZZ_CHECK((outcome == SP_STATE_NEW) == (json == NULL));
    status = sp_state_load(&file, 0, &outcome_again, &again, &json_again, NULL);
    FUZZ_CHECK(status == SP_OK);
    FUZZ_CHECK((json == NULL) == (json_again == NULL));
    if (json != NULL) {
        FUZZ_CHECK(strcmp(json, json_again) == 0);
        FUZZ_CHECK(header.generation == again.generation && header.epoch == again.epoch &&
                   header.noted_seq == again.noted_seq);
    }
    free(json);
    free(json_again);
    if (outcome != SP_STATE_DEGRADED) check_save(&file, again);
    return 0;
}
