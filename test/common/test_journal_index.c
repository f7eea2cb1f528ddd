/* Indexes of segments: every id is found, nothing else is, and damage costs nothing but time. */
#include "common/journal/journal_lookup.h"
#include "segments_fixture.h"

#include <poll.h>
#include <sys/inotify.h>

static char text[FILE_CAP], again[FILE_CAP];

/* Whether the index has this mention, and where it leads. */
static bool has_mention(struct sp_index *index, const struct sp_index_mention *id, unsigned bits,
                        uint64_t seq)
{
    struct sp_index_range range;
    struct sp_index_record record;

    assert_int_equal(sp_index_find(index, id->id, bits, &range), SP_OK);
    for (uint32_t i = 0; i < range.count; i++) {
        struct sp_index_mention mention;
        assert_int_equal(sp_index_mention(index, range.first + i, &mention), SP_OK);
        if (mention.type != id->type || mention.id.lo != id->id.lo || mention.id.hi != id->id.hi)
            continue;
        assert_int_equal(sp_index_record(index, mention.record, &record), SP_OK);
        if (record.seq == seq) return true;
    }
    return false;
}

/* The line that an index names is the one that was read. */
static void check_line(const struct folder *f, struct sp_index *index,
                       const struct sp_record *record, const char *line, size_t len)
{
    char path[SP_SEGMENT_PATH_SIZE];
    struct sp_index_record at;
    uint32_t number = 0;

    assert_int_equal(sp_index_seek(index, record->seq, &number), SP_OK);
    assert_int_equal(sp_index_record(index, number, &at), SP_OK);
    assert_int_equal(at.seq, record->seq);
    assert_int_equal(at.time.ns, record->time.ns);
    assert_int_equal(at.kind, record->kind);
    assert_int_equal(at.len_bytes, len);
    assert_true(sp_line_crc_holds(line, len, at.prev_crc));
    assert_int_equal(sp_segment_path(f->path, sp_index_facts(index).first_seq, path, NULL), SP_OK);
    long size = file_read(path, text, sizeof text);
    assert_true((long)(at.offset + len) < size);
    assert_memory_equal(text + at.offset, line, len);
}

/* All that the records of a segment say is in its index, and the index says no more. */
static void check_segment(const struct folder *f, struct sp_index *index)
{
    static struct sp_record record;
    struct sp_index_facts facts = sp_index_facts(index);
    struct sp_journal_reader *reader = NULL;
    struct sp_index_mention ids[IDS_EACH];
    uint32_t mentions = 0, listed = 0, count = 0;
    uint64_t cursors = 0;

    assert_int_equal(sp_journal_reader_open(f->path, NULL, facts.first_seq, &reader, NULL), SP_OK);
    while (sp_journal_reader_next(reader, &record, NULL, NULL) == SP_OK &&
           record.seq <= facts.last_seq) {
        size_t len = 0;
        const char *line = sp_journal_reader_line(reader, &len);
        if (record.kind == SP_REC_CURSOR) {
            cursors++;
            continue;
        }
        check_line(f, index, &record, line, len);
        uint32_t found = ids_of(&record, ids);
        for (uint32_t i = 0; i < found; i++) {
            assert_true(has_mention(index, &ids[i], 128, record.seq));
            assert_true(has_mention(index, &ids[i], 30, record.seq)); /* six digits */
            assert_true(has_mention(index, &ids[i], 70, record.seq));
        }
        mentions += found;
        listed++;
        assert_int_equal(sp_index_of_kind(index, record.kind, &count), SP_OK);
        bool at_kind = false;
        for (uint32_t i = 0; i < count && !at_kind; i++) {
            uint32_t number = 0;
            struct sp_index_record at;
            assert_int_equal(sp_index_at_kind(index, record.kind, i, &number), SP_OK);
            assert_int_equal(sp_index_record(index, number, &at), SP_OK);
            assert_int_equal(at.kind, record.kind);
            at_kind = at.seq == record.seq;
        }
        assert_true(at_kind);
    }
    sp_journal_reader_close(reader);
    assert_int_equal(facts.id_count, mentions);
    assert_int_equal(facts.record_count, listed);
    assert_int_equal(facts.records, listed + cursors);
}

static void test_journal_index_finds_every_id(void **state)
{
    struct folder f = folder_make();
    struct sp_keeper_done done;

    (void)state;
    segments_write(&f, 1, 4);
    assert_int_equal(keep(&f, &done), SP_OK);
    struct sp_segment_list list = segments_of(&f);
    assert_int_equal(done.indexed, list.count - 1);
    for (size_t i = 0; i < list.count; i++) {
        struct sp_index *index = NULL;
        sp_status status = sp_index_open(f.path, list.first[i], &index, NULL);
        assert_int_equal(status, i + 1 < list.count ? SP_OK : SP_NOT_FOUND);
        if (status == SP_OK) {
            check_segment(&f, index);
            sp_index_close(index);
        }
        /* The same in memory, also of the segment that is still written to. */
        assert_int_equal(sp_index_build(f.path, list.first[i], i + 1 == list.count, &index, NULL),
                         SP_OK);
        check_segment(&f, index);
        sp_index_close(index);
    }
    sp_segment_list_free(&list);
    assert_int_equal(keep(&f, &done), SP_OK);
    assert_int_equal(done.indexed, 0);
    folder_remove(&f);
}

static long index_read(const struct folder *f, uint64_t first_seq, char *out, char path[512])
{
    assert_int_equal(sp_index_path(f->path, first_seq, path, NULL), SP_OK);
    return file_read(path, out, FILE_CAP);
}

/* Asks for everything; whether something did not verify. */
static bool is_refused(const struct folder *f)
{
    struct sp_index *index = NULL;
    sp_status status = sp_index_open(f->path, 1, &index, NULL);
    bool refused = status != SP_OK;

    if (refused) {
        assert_int_equal(status, SP_CORRUPT);
        return true;
    }
    struct sp_index_facts facts = sp_index_facts(index);
    for (uint32_t i = 0; i < facts.id_count && !refused; i++) {
        struct sp_index_mention mention;
        struct sp_index_record record;
        struct sp_index_range range;
        refused = sp_index_mention(index, i, &mention) != SP_OK ||
                  sp_index_find(index, mention.id, 128, &range) != SP_OK ||
                  sp_index_record(index, mention.record, &record) != SP_OK;
    }
    for (uint32_t i = 0; i < facts.kind_count && !refused; i++) {
        struct sp_index_kind kind;
        uint32_t number = 0;
        refused = sp_index_kind(index, i, &kind) != SP_OK;
        for (uint32_t n = 0; n < kind.listed && !refused; n++)
            refused = sp_index_at_kind(index, kind.kind, n, &number) != SP_OK;
    }
    for (uint32_t i = 0; i < facts.record_count && !refused; i++) {
        struct sp_index_record record;
        refused = sp_index_record(index, i, &record) != SP_OK;
    }
    for (uint64_t end = 0; end < 1 << 12 && !refused; end++) {
        struct sp_index_range range;
        refused = sp_index_find(index, (struct sp_id){.lo = end}, 12, &range) != SP_OK;
    }
    sp_index_close(index);
    return refused;
}

static void test_journal_index_ignores_damage_and_is_made_again(void **state)
{
    struct folder f = folder_make();
    struct sp_keeper_done done;
    char path[512];

    (void)state;
    segments_write(&f, 1, 2);
    assert_int_equal(keep(&f, &done), SP_OK);
    long len = index_read(&f, 1, text, path);
    assert_true(len > 5000);
    assert_false(is_refused(&f));
    for (long at = 0; at < len; at += 61) {
        memcpy(again, text, (size_t)len);
        again[at] = (char)(again[at] ^ (1 << at % 8));
        file_write(path, again, (size_t)len);
        if (!is_refused(&f)) fail_msg("byte %ld was changed, and it was not seen", at);
        if (at % 1000 < 61) {
            assert_int_equal(keep(&f, &done), SP_OK);
            assert_int_equal(done.indexed, 1);
            assert_int_equal(index_read(&f, 1, again, path), len);
            assert_memory_equal(again, text, (size_t)len);
        }
    }
    for (long keep_bytes = 0; keep_bytes < len; keep_bytes += 97) {
        file_write(path, text, (size_t)keep_bytes);
        assert_true(is_refused(&f));
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(keep(&f, &done), SP_OK);
    assert_int_equal(index_read(&f, 1, again, path), len);
    assert_memory_equal(again, text, (size_t)len);
    folder_remove(&f);
}

/* An index of the same name that was made of another segment. */
static void test_journal_index_of_another_segment_is_made_again(void **state)
{
    struct folder f = folder_make(), other = folder_make();
    struct sp_keeper_done done;
    char path[512], other_path[512];

    (void)state;
    segments_write(&f, 1, 2);
    segments_write(&other, 2, 2);
    assert_int_equal(keep(&f, NULL), SP_OK);
    assert_int_equal(keep(&other, NULL), SP_OK);
    long len = index_read(&f, 1, text, path);
    long other_len = index_read(&other, 1, again, other_path);
    assert_true(other_len > 0);
    file_write(path, again, (size_t)other_len);
    assert_int_equal(keep(&f, &done), SP_OK);
    assert_int_equal(done.indexed, 1);
    assert_int_equal(index_read(&f, 1, again, path), len);
    assert_memory_equal(again, text, (size_t)len);
    folder_remove(&f);
    folder_remove(&other);
}

/* Damage in a segment: what is before it is indexed in memory, nothing is written. */
static void test_journal_index_is_not_made_of_a_damaged_segment(void **state)
{
    struct folder f = folder_make();
    struct sp_index *index = NULL;
    struct sp_keeper_done done;
    struct sp_err err = {0};
    char path[512];

    (void)state;
    segments_write(&f, 1, 3);
    long len = file_read(folder_path(&f, FIRST_SEGMENT, path), text, sizeof text);
    text[len / 2] ^= 1;
    file_write(path, text, (size_t)len);
    assert_int_equal(keep(&f, &done), SP_CORRUPT);
    assert_int_equal(done.indexed, 1); /* the other one */
    assert_int_equal(done.failed, 1);
    assert_int_equal(sp_index_open(f.path, 1, &index, NULL), SP_NOT_FOUND);
    assert_int_equal(sp_index_build(f.path, 1, false, &index, &err), SP_CORRUPT);
    assert_non_null(strstr(err.text, FIRST_SEGMENT));
    struct sp_index_facts facts = sp_index_facts(index);
    assert_true(facts.record_count > 0);
    assert_true(facts.segment_bytes <= (uint64_t)len / 2);
    sp_index_close(index);
    folder_remove(&f);
}

/* The thread makes it while the journal goes on. */
static void test_journal_index_is_made_beside_the_writer(void **state)
{
    struct folder f = folder_make();
    struct sp_journal_options options = options_for(&f, 1);
    struct sp_journal *journal = NULL;
    struct pollfd watch = {.fd = inotify_init1(IN_CLOEXEC), .events = POLLIN};
    char path[512];

    (void)state;
    options.segment_bytes = 2000;
    options.sync_every = (sp_dur){0};
    assert_true(inotify_add_watch(watch.fd, f.path, IN_MOVED_TO) >= 0);
    assert_int_equal(sp_journal_open(&options, &journal, NULL), SP_OK);
    while (sp_journal_stats(journal).segments < 3)
        assert_int_equal(append_batch(journal, 1, 4, NULL), SP_OK);
    assert_int_equal(sp_index_path(f.path, 1, path, NULL), SP_OK);
    while (access(path, F_OK) != 0) {
        char notices[4096];
        assert_int_equal(poll(&watch, 1, 10000), 1);
        assert_true(read(watch.fd, notices, sizeof notices) > 0);
    }
    close(watch.fd);
    sp_journal_close(journal);
    folder_remove(&f);
}

/* Records of the wanted times; the fixture's times are their sequences. */
static bool wanted_times(const void *ctx, sp_wall earliest, sp_wall latest)
{
    const int64_t *time = ctx;

    return earliest.ns <= *time && latest.ns >= *time;
}

static void test_journal_index_leaves_out_other_times(void **state)
{
    struct folder f = folder_make();
    struct sp_keeper_done done;
    struct sp_lookup *lookup = NULL;
    struct sp_lookup_numbers all = {0}, some = {0};

    (void)state;
    segments_write(&f, 1, 4);
    assert_int_equal(keep(&f, &done), SP_OK);
    assert_int_equal(sp_lookup_open(f.path, &lookup, NULL), SP_OK);
    assert_int_equal(sp_lookup_kind(lookup, SP_REC_FILL, &all), SP_OK);
    struct sp_segment_list list = segments_of(&f);
    for (uint32_t i = 0; i < all.count; i++) {
        struct sp_index_record record;
        bool found = false;
        assert_true(sp_lookup_record(lookup, all.at[i], &record));
        some.count = 0;
        assert_int_equal(
            sp_lookup_kind_in(lookup, SP_REC_FILL, wanted_times, &record.time.ns, &some), SP_OK);
        for (uint32_t n = 0; n < some.count; n++)
            found = found || some.at[n] == all.at[i];
        assert_true(found);
        assert_true(some.count < all.count); /* those of its segment only */
    }
    assert_true(all.count > list.count);
    int64_t never = 1;
    some.count = 0;
    assert_int_equal(sp_lookup_kind_in(lookup, SP_REC_FILL, wanted_times, &never, &some), SP_OK);
    assert_int_equal(some.count, 0);
    sp_segment_list_free(&list);
    free(some.at);
    free(all.at);
    sp_lookup_close(lookup);
    folder_remove(&f);
}

/* Who reads the end of a segment looks at a little of it first: a long line is no damage. */
static void test_journal_index_finds_a_seal_behind_a_long_line(void **state)
{
    struct folder f = folder_make();
    struct sp_segment_list list;
    uint32_t longest = 0;

    (void)state;
    segments_write_of(&f, 1, 40, 3000);
    list = segments_of(&f);
    for (uint32_t i = 0; i + 1 < list.count; i++) {
        struct sp_segment_cursor cursor = {0};
        struct sp_batch batch;
        struct sp_line seal = {0};
        assert_int_equal(sp_segment_open(&cursor, f.path, list.first[i], NULL), SP_OK);
        assert_int_equal(sp_segment_read_seal(&cursor, &seal, NULL), SP_OK);
        assert_int_equal(seal.seal.last_seq + 1, list.first[i + 1]);
        while (sp_segment_next(&cursor, &batch, NULL) == SP_OK) {
            uint32_t len = (uint32_t)batch.line[batch.count - 1].len_bytes;
            if (len > longest) longest = len;
        }
        sp_segment_close(&cursor);
    }
    assert_true(longest > 1024);
    sp_segment_list_free(&list);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_journal_index_finds_every_id),
        cmocka_unit_test(test_journal_index_ignores_damage_and_is_made_again),
        cmocka_unit_test(test_journal_index_of_another_segment_is_made_again),
        cmocka_unit_test(test_journal_index_is_not_made_of_a_damaged_segment),
        cmocka_unit_test(test_journal_index_is_made_beside_the_writer),
        cmocka_unit_test(test_journal_index_leaves_out_other_times),
        cmocka_unit_test(test_journal_index_finds_a_seal_behind_a_long_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
