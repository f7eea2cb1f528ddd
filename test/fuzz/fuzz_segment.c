/* Any bytes beside or in place of a sealed segment: as its index, or as its compressed form.
 *
 * The first byte says how: bit 0 stamps the right checksums, so that what is behind them is
 * reached; bit 1 makes it the compressed form, else it is the index; bit 2 says that the rest is
 * changes to the sound file, three bytes each: an offset and what is put there. What holds of any
 * bytes:
 *
 *   an index answers every question with a status, and no answer is a line that is not there
 *   what verifies of a compressed segment is read to its end
 */
#include "fuzz.h"

#include "../common/folder.h"
#include "common/journal/journal.h"
#include "common/journal/journal_index_layout.h"
#include "common/journal/journal_keeper.h"
#include "common/journal/journal_lookup.h"
#include "common/journal/segment_zip.h"

#define REPAIR    1
#define ZIPPED    2
#define CHANGES   4
#define RECORDS   40
#define SOUND_MAX ((size_t)256 * 1024)
#define FILE_MAX  ((size_t)64 * 1024)
/* Reader and verification: the buffer of a batch each, of which one is above 1 MiB, and two blocks
 * and the library's context for what is compressed; lookup: an index built in memory. */
#define MEMORY_BYTES ((size_t)6 * 1024 * 1024)
#define SEGMENT      "00000000000000000001.jsonl"
#define FACTS_CRC_AT 36 /* behind "spoorseg" */

static struct {
    uint8_t bytes[SOUND_MAX];
    size_t len_bytes;
} plain, index_file, zipped;

static void get(const char *name, uint8_t *bytes, size_t *len_bytes)
{
    long len = fuzz_file_get(name, bytes, SOUND_MAX);

    FUZZ_CHECK(len > 0 && (size_t)len < SOUND_MAX);
    *len_bytes = (size_t)len;
}

static void write_journal(void)
{
    static struct sp_record record;
    struct sp_journal *journal = NULL;
    struct sp_journal_options options = {.dir = fuzz_folder(),
                                         .stream = sp_name_of("execution"),
                                         .installation = "testbench",
                                         .epoch = 7,
                                         .sync_every = {-1},
                                         .start_time = {INT64_C(1795374000123456789)},
                                         .build = "0.0.0",
                                         .boot_id = sp_name_of("boot"),
                                         .port = fuzz_port()};

    FUZZ_CHECK(sp_journal_open(&options, &journal, NULL) == SP_OK);
    for (uint64_t seq = 2; seq <= RECORDS; seq++) {
        record = (struct sp_record){.stream = options.stream,
                                    .epoch = 7,
                                    .seq = seq,
                                    .time = {INT64_C(1795374000123456789) + (int64_t)seq},
                                    .kind = SP_REC_SCHEDULED_TICK};
        record.body.scheduled_tick.scheduled_id.raw = (struct sp_id){seq * 77, seq * 99991};
        record.body.scheduled_tick.schedule_name = sp_name_of("s");
        record.body.scheduled_tick.event = sp_name_of("E");
        record.body.scheduled_tick.timestamp = record.time;
        FUZZ_CHECK(sp_journal_append(journal, &record, 1, NULL) == SP_OK);
    }
    FUZZ_CHECK(sp_journal_seal(journal, NULL) == SP_OK);
    sp_journal_close(journal);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    struct sp_index *built = NULL;
    struct sp_segment_zip_facts facts = {.first_seq = 1};
    char from[FUZZ_PATH_SIZE], to[FUZZ_PATH_SIZE];

    (void)argc;
    (void)argv;
    write_journal();
    FUZZ_CHECK(sp_index_build(fuzz_folder(), 1, false, &built, NULL) == SP_OK);
    FUZZ_CHECK(sp_index_save(built, fuzz_folder(), fuzz_port(), NULL) == SP_OK);
    facts.plain_bytes = sp_index_facts(built).segment_bytes;
    facts.seal_crc = sp_index_facts(built).seal_crc;
    sp_index_close(built);
    snprintf(from, sizeof from, "%s/" SEGMENT, fuzz_folder());
    snprintf(to, sizeof to, "%s/" SEGMENT ".zst", fuzz_folder());
    FUZZ_CHECK(sp_segment_zip_make(from, &facts, to, fuzz_port(), NULL) == SP_OK);
    get(SEGMENT, plain.bytes, &plain.len_bytes);
    get("00000000000000000001.idx", index_file.bytes, &index_file.len_bytes);
    get(SEGMENT ".zst", zipped.bytes, &zipped.len_bytes);
    return 0;
}

static void stamp_index(uint8_t *bytes, size_t len_bytes)
{
    struct sp_index_head head;

    if (len_bytes < sizeof head) return;
    memcpy(&head, bytes, sizeof head);
    if (head.fan_bits > SP_INDEX_FAN_BITS) return;
    uint64_t body = sp_index_body_bytes(&head), pages = sp_index_page_count(&head);
    if (body + pages * 4 != len_bytes) return;
    for (uint64_t i = 0; i < pages; i++) {
        uint64_t from = sizeof head + i * SP_INDEX_PAGE_BYTES;
        uint64_t left = body - from;
        size_t len = left < SP_INDEX_PAGE_BYTES ? (size_t)left : SP_INDEX_PAGE_BYTES;
        uint32_t crc = sp_crc32c(0, bytes + from, len);
        memcpy(bytes + body + i * 4, &crc, sizeof crc);
    }
    head.pages_crc = sp_crc32c(0, bytes + body, (size_t)pages * 4);
    head.crc = sp_crc32c(0, &head, offsetof(struct sp_index_head, crc));
    memcpy(bytes, &head, sizeof head);
}

static void stamp_zip(uint8_t *bytes, size_t len_bytes)
{
    uint8_t *at = memmem(bytes, len_bytes, "spoorseg", 8);

    if (at == NULL || (size_t)(bytes + len_bytes - at) < FACTS_CRC_AT + 4) return;
    uint32_t crc = sp_crc32c(0, at, FACTS_CRC_AT);
    memcpy(at + FACTS_CRC_AT, &crc, sizeof crc);
}

static size_t make_file(uint8_t how, const uint8_t *data, size_t size, uint8_t out[FILE_MAX])
{
    const uint8_t *sound = (how & ZIPPED) != 0 ? zipped.bytes : index_file.bytes;
    size_t len = (how & ZIPPED) != 0 ? zipped.len_bytes : index_file.len_bytes;

    if ((how & CHANGES) != 0) {
        FUZZ_CHECK(len <= FILE_MAX);
        memcpy(out, sound, len);
        for (size_t i = 0; i + 3 <= size; i += 3)
            out[(data[i] * 256u + data[i + 1]) % len] = data[i + 2];
    } else {
        len = size < FILE_MAX ? size : FILE_MAX;
        if (len > 0) memcpy(out, data, len);
    }
    if ((how & REPAIR) != 0 && (how & ZIPPED) != 0) stamp_zip(out, len);
    if ((how & REPAIR) != 0 && (how & ZIPPED) == 0) stamp_index(out, len);
    return len;
}

static void ask(struct sp_index *index)
{
    struct sp_index_facts facts = sp_index_facts(index);
    struct sp_index_record record;
    struct sp_index_mention mention;
    struct sp_index_range range;
    uint32_t number = 0;

    for (uint32_t i = 0; i < facts.record_count; i++) {
        sp_status status = sp_index_record(index, i, &record);
        FUZZ_CHECK(status == SP_OK || status == SP_CORRUPT);
    }
    for (uint32_t i = 0; i < facts.id_count; i++) {
        sp_status status = sp_index_mention(index, i, &mention);
        if (status == SP_OK) status = sp_index_find(index, mention.id, 20, &range);
        if (status != SP_OK) continue;
        FUZZ_CHECK((uint64_t)range.first + range.count <= facts.id_count);
    }
    for (uint64_t seq = 0; seq <= RECORDS + 1; seq++) {
        if (sp_index_seek(index, seq, &number) == SP_OK) FUZZ_CHECK(number <= facts.record_count);
    }
}

static void read_lookup(void)
{
    struct sp_lookup_numbers numbers = {0};
    struct sp_lookup *lookup = NULL;
    size_t len = 0;

    if (sp_lookup_open(fuzz_folder(), &lookup, NULL) != SP_OK) return;
    FUZZ_CHECK(sp_lookup_kind(lookup, SP_REC_SCHEDULED_TICK, &numbers) == SP_OK);
    for (uint32_t i = 0; i < numbers.count; i++) {
        const char *line = sp_lookup_line(lookup, numbers.at[i], &len);
        if (line == NULL) continue;
        FUZZ_CHECK(memmem(plain.bytes, plain.len_bytes, line, len) != NULL);
    }
    free(numbers.at);
    sp_lookup_close(lookup);
}

static void read_index(void)
{
    struct sp_index *index = NULL;

    if (sp_index_open(fuzz_folder(), 1, &index, NULL) == SP_OK) {
        sp_status status = sp_index_check(index);
        FUZZ_CHECK(status == SP_OK || status == SP_CORRUPT);
        ask(index);
        sp_index_close(index);
    }
    read_lookup();
}

static void read_zip(void)
{
    static struct sp_record record;
    struct sp_journal_report report;
    struct sp_journal_reader *reader = NULL;
    uint64_t records = 0;

    sp_status verified = sp_journal_verify(fuzz_folder(), NULL, &report, NULL);
    sp_status status = sp_journal_reader_open(fuzz_folder(), NULL, 0, &reader, NULL);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, &record, NULL, NULL);
        if (status == SP_OK) FUZZ_CHECK(++records <= RECORDS * 100);
    }
    sp_journal_reader_close(reader);
    if (verified == SP_OK) FUZZ_CHECK(records == report.records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[FILE_MAX];

    if (size < 1) return 0;
    size_t len = make_file(data[0], data + 1, size - 1, file);
    bool is_zip = (data[0] & ZIPPED) != 0;
    fuzz_folder_clear();
    fuzz_file_put(is_zip ? SEGMENT ".zst" : "00000000000000000001.idx", file, len);
    if (!is_zip) fuzz_file_put(SEGMENT, plain.bytes, plain.len_bytes);
    fuzz_memory_begin();
    if (is_zip) {
        read_zip();
    } else {
        read_index();
    }
    fuzz_memory_end(len, MEMORY_BYTES);
    return 0;
}
