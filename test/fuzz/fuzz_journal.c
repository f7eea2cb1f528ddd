/* Any bytes as the segments of a journal: reading, verifying and recovering give a status.
 *
 * The first byte says how: bit 0 stamps the right checksum on every line, so that what is behind
 * the checksums is reached; bit 1 says that a snapshot has noted record 3. The rest are lines; each
 * SEGMENT line begins a file. What holds of any bytes:
 *
 *   what verifies is read to its end, and when recovered verifies again, without a torn tail
 *   a refused recovery changes nothing; after a successful one a second is successful as well,
 *   as long as there is room for sequences
 *
 * Recovery judges lines and leaves their bodies to the reader, so bytes whose checksums hold around
 * a body that is wrong are recovered, and read and verified as damage before and after.
 */
#include "fuzz.h"

#include "common/journal/journal.h"
#include "common/journal/journal_segment.h"

#include <stdio.h>
#include <string.h>

#define REPAIR       1
#define NOTED        2
#define NOTED_SEQ    3
#define INPUT_MAX    ((size_t)1024 * 1024)
#define SEGMENTS_MAX 8
#define EPOCH        1000000
/* The buffer of one batch for each cursor and for the writer, and the structs around them. */
#define MEMORY_BYTES ((size_t)5 * 1024 * 1024)

static struct {
    uint32_t count;
    struct segment {
        uint64_t first_seq;
        const char *text;
        size_t len_bytes;
    } at[SEGMENTS_MAX];
} segments;

static void segment_name(uint64_t first_seq, char out[64])
{
    snprintf(out, 64, "%020" PRIu64 ".jsonl", first_seq);
}

/* Stamps and splits in place. */
static void split(char *text, size_t len_bytes, bool repair)
{
    char *end = text + len_bytes;
    uint32_t crc = 0;

    segments.count = 0;
    for (char *line = text; line < end;) {
        char *newline = memchr(line, '\n', (size_t)(end - line));
        size_t len = (size_t)((newline != NULL ? newline : end) - line);
        struct sp_line parsed = {0};
        sp_line_parse(line, len, &parsed);
        bool head = parsed.type == SP_LINE_HEAD;
        if (repair && head && parsed.head.prev_crc != crc && len > 20) {
            char digits[9];
            snprintf(digits, sizeof digits, "%08" PRIx32, crc);
            memcpy(line + len - 11, digits, 8);
        }
        if (repair && len > SP_LINE_CRC_PREFIX) crc = sp_line_stamp(line, len, crc);
        if (segments.count == 0 || (head && segments.count < SEGMENTS_MAX)) {
            segments.at[segments.count++] =
                (struct segment){head ? parsed.head.first_seq : 1, line, 0};
        }
        size_t with_newline = len + (newline != NULL ? 1 : 0);
        segments.at[segments.count - 1].len_bytes += with_newline;
        line += with_newline;
    }
}

static void put_segments(void)
{
    for (uint32_t i = 0; i < segments.count; i++) {
        char name[64];
        segment_name(segments.at[i].first_seq, name);
        fuzz_file_put(name, segments.at[i].text, segments.at[i].len_bytes);
    }
}

/* Two parts may have had the same name: then the last one is there. */
static void check_unchanged(void)
{
    static char now[INPUT_MAX];

    for (uint32_t i = 0; i < segments.count; i++) {
        const struct segment *segment = &segments.at[i];
        bool again = false;
        char name[64];
        for (uint32_t k = i + 1; k < segments.count; k++)
            again = again || segments.at[k].first_seq == segment->first_seq;
        if (again) continue;
        segment_name(segment->first_seq, name);
        long len = fuzz_file_get(name, now, sizeof now);
        FUZZ_CHECK(len == (long)segment->len_bytes);
        FUZZ_CHECK(memcmp(now, segment->text, segment->len_bytes) == 0);
    }
}

/* How many records there are from `first_seq`, and the highest W among them. */
static sp_status read_from(uint64_t first_seq, size_t lines_max, uint64_t *records, uint64_t *w)
{
    static struct sp_record record;
    struct sp_journal_reader *reader = NULL;
    struct sp_line_meta meta;
    uint64_t seq = 0;

    *records = *w = 0;
    sp_status status = sp_journal_reader_open(fuzz_folder(), NULL, first_seq, &reader, NULL);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, &record, &meta, NULL);
        if (status != SP_OK) break;
        FUZZ_CHECK(record.seq >= first_seq && (seq == 0 || record.seq == seq + 1));
        FUZZ_CHECK(++*records <= lines_max);
        seq = record.seq;
        if (meta.durable_seq > *w) *w = meta.durable_seq;
    }
    sp_journal_reader_close(reader);
    return status;
}

static sp_status open_as(const sp_name *stream, uint32_t epoch, uint64_t noted_seq)
{
    struct sp_journal *journal = NULL;
    struct sp_journal_options options = {.dir = fuzz_folder(),
                                         .stream = *stream,
                                         .installation = "testbench",
                                         .world = "paper",
                                         .epoch = epoch,
                                         .noted_seq = noted_seq,
                                         .sync_every = {-1},
                                         .start_time = {INT64_C(1795374000123456789)},
                                         .build = "0.0.0",
                                         .boot_id = sp_name_of("boot"),
                                         .port = fuzz_port()};

    sp_status status = sp_journal_open(&options, &journal, NULL);
    FUZZ_CHECK((status == SP_OK) == (journal != NULL));
    sp_journal_close(journal);
    return status;
}

static void check_recovered(size_t lines_max, const struct sp_journal_report *before)
{
    struct sp_journal_report after;
    sp_name stream = sp_name_of("execution");
    uint64_t records = 0, w = 0;

    FUZZ_CHECK(sp_journal_verify(fuzz_folder(), &stream, &after, NULL) == SP_OK);
    FUZZ_CHECK(!after.torn_tail);
    FUZZ_CHECK(after.last_seq > before->last_seq);
    FUZZ_CHECK(read_from(0, lines_max + 2, &records, &w) == SP_AGAIN);
    FUZZ_CHECK(records == after.records);
    FUZZ_CHECK(w >= before->last_seq);
}

static void recover(size_t lines_max, sp_status verified, const struct sp_journal_report *before,
                    uint64_t noted_seq)
{
    struct sp_journal_report after = {0};
    sp_name stream = sp_name_of("execution");
    sp_status status = open_as(&stream, EPOCH, noted_seq);

    if (status != SP_OK) {
        check_unchanged();
        return;
    }
    if (verified == SP_OK) check_recovered(lines_max, before);
    /* The first writer may have used up the room for sequences. */
    SP_IGNORE(sp_journal_verify(fuzz_folder(), &stream, &after, NULL));
    if (after.last_seq >= SP_SEGMENT_SEQ_ROOM_BELOW) return;
    FUZZ_CHECK(open_as(&stream, EPOCH + 1, noted_seq) == SP_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[INPUT_MAX];
    struct sp_journal_report report;
    uint64_t records = 0, w = 0, ignored = 0;
    size_t lines_max = 1;

    if (size < 2 || size > INPUT_MAX) return 0;
    memcpy(text, data + 1, size - 1);
    for (size_t i = 1; i < size; i++)
        lines_max += data[i] == '\n' ? 1 : 0;
    split(text, size - 1, (data[0] & REPAIR) != 0);
    fuzz_folder_clear();
    put_segments();

    fuzz_memory_begin();
    sp_status verified = sp_journal_verify(fuzz_folder(), NULL, &report, NULL);
    sp_status status = read_from(0, lines_max, &records, &w);
    if (verified == SP_OK) FUZZ_CHECK(status == SP_AGAIN || report.records == 0);
    if (verified == SP_OK) FUZZ_CHECK(records == report.records);
    SP_IGNORE(read_from(report.last_seq / 2 + 1, lines_max, &ignored, &w));
    recover(lines_max, verified, &report, (data[0] & NOTED) != 0 ? NOTED_SEQ : 0);
    fuzz_memory_end(size, MEMORY_BYTES);
    return 0;
}
