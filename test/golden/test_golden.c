/* Pins, for every DTO, the bytes of its wire frame and the text of its journal line.
 *
 *   test-golden FILE          compares; a change of a pinned line fails
 *   test-golden FILE --write  writes the file anew
 *
 * A new DTO or a new field is added by --write; then the difference of the file must show only
 * added lines and longer bodies. A reused or renumbered tag, another integer form, name or escape
 * shows as a changed byte. Each DTO also states its tags and kinds, because a reader of old
 * journals needs them to mean the same for ever.
 */
#include "../proto/filler.h"
#include "proto/json.h"
#include "proto/wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEED 20261122

static void print_tags(FILE *out, const struct sp_schema *schema)
{
    fprintf(out, "dto %s\n tags", schema->name);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        fprintf(out, " %u:%s", field->tag, field->name);
    }
    fputc('\n', out);
}

static bool print_dto(FILE *out, enum sp_dto dto)
{
    static struct sp_record record;
    static uint8_t frame[SP_WIRE_FRAME_MAX];
    static char line[SP_JSON_LINE_MAX];
    size_t frame_len = 0;
    size_t line_len = 0;
    struct sp_line_meta meta = {.crc = 0x9f3a12bc, .durable_seq = 40, .batch_left = 1};
    struct sp_err err = {0};

    sp_filler_record(sp_filler_kind_of(dto), SEED, &record);
    print_tags(out, sp_schema_of(dto));
    if (sp_wire_encode(&record, frame, sizeof frame, &frame_len, &err) != SP_OK) return false;
    fprintf(out, " wire ");
    for (size_t i = 0; i < frame_len; i++)
        fprintf(out, "%02x", frame[i]);
    record.in = (struct sp_ref){sp_name_of("strategy.ema"), 3, 118};
    if (sp_json_encode_line(&record, &meta, line, sizeof line, &line_len) != SP_OK) return false;
    fprintf(out, "\n json %.*s\n", (int)line_len, line);
    return true;
}

static bool print_all(FILE *out)
{
    for (uint32_t kind = 1; kind <= SP_KIND_NUMBER_MAX; kind++) {
        const struct sp_kind_info *info = sp_kind_info(kind);
        if (info == NULL) continue;
        fprintf(out, "kind %u %s %s\n", kind, info->name, sp_schema_of(info->dto)->name);
    }
    for (unsigned dto = 1; dto < SP_DTO_COUNT; dto++) {
        if (!print_dto(out, (enum sp_dto)dto)) return false;
    }
    return true;
}

/* Both texts line by line; says where they part. */
static int compare(const char *now, FILE *pinned)
{
    static char want[64 * 1024];
    unsigned number = 0;

    while (fgets(want, sizeof want, pinned) != NULL) {
        size_t len = strlen(want);
        number++;
        if (strncmp(now, want, len) != 0) {
            int shown = (int)strcspn(now, "\n");
            fprintf(stderr, "line %u changed\n pinned: %s now:    %.*s\n", number, want, shown,
                    now);
            return 1;
        }
        now += len;
    }
    if (*now == '\0' && number > 0) return 0;
    fprintf(stderr, "more than is pinned, after line %u: use --write\n", number);
    return 1;
}

int main(int argc, char **argv)
{
    char *text = NULL;
    size_t size = 0;
    bool write = argc == 3 && strcmp(argv[2], "--write") == 0;

    if (argc != 2 && !write) {
        fprintf(stderr, "usage: test-golden FILE [--write]\n");
        return 64;
    }
    FILE *out = write ? fopen(argv[1], "w") : open_memstream(&text, &size);
    if (out == NULL || !print_all(out) || fclose(out) != 0) {
        fprintf(stderr, "cannot print\n");
        return 1;
    }
    if (write) return 0;
    FILE *pinned = fopen(argv[1], "r");
    if (pinned == NULL) {
        perror(argv[1]);
        return 1;
    }
    int result = compare(text, pinned);
    fclose(pinned);
    free(text);
    return result;
}
