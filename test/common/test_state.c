#include "common/journal/state.h"

#include "fault_port.h"
#include "folder.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define TEXT_CAP 2048

/* The bytes of five generations of one state, and of a fourth with another history. */
struct history {
    struct folder folder;
    struct sp_state_file file;
    char text[6][TEXT_CAP];
    size_t len[6];
    char other[TEXT_CAP];
    size_t other_len;
};

static char current_path[512], backup_path[512], pending_path[512];

static void payload(uint64_t generation, char out[64])
{
    snprintf(out, 64, "{\"value\":\"%" PRIu64 "\"}", generation * 1000);
}

static sp_status save(const struct sp_state_file *file, uint64_t generation)
{
    char json[64];
    struct sp_state_header header = {.generation = generation, .epoch = 7, .noted_seq = 12};

    payload(generation, json);
    return sp_state_save(file, &header, json, strlen(json), NULL);
}

static void clear(struct history *h)
{
    char path[512];

    unlink(current_path);
    unlink(backup_path);
    unlink(pending_path);
    folder_remove_path(folder_path(&h->folder, "quarantine", path));
}

static void history_make(struct history *h)
{
    *h = (struct history){.folder = folder_make()};
    h->file =
        (struct sp_state_file){.dir = h->folder.path, .name = "execution", .installation = "bench"};
    folder_path(&h->folder, "execution.json", current_path);
    folder_path(&h->folder, "execution.json.bak", backup_path);
    folder_path(&h->folder, "execution.json.journal", pending_path);
    for (uint64_t g = 1; g <= 5; g++) {
        assert_int_equal(save(&h->file, g), SP_OK);
        h->len[g] = (size_t)file_read(current_path, h->text[g], TEXT_CAP);
    }
    clear(h);
    struct sp_state_header header = {.generation = 3};
    assert_int_equal(sp_state_save(&h->file, &header, "{\"a\":1}", 7, NULL), SP_OK);
    header.generation = 4;
    assert_int_equal(sp_state_save(&h->file, &header, "{\"a\":2}", 7, NULL), SP_OK);
    h->other_len = (size_t)file_read(current_path, h->other, TEXT_CAP);
    clear(h);
}

/* Generation 0: absent; negative: damaged. */
static void put(struct history *h, const char *path, int generation)
{
    int g = abs(generation);

    if (generation == 0) {
        unlink(path);
        return;
    }
    file_write(path, h->text[g], generation > 0 ? h->len[g] : h->len[g] - 1);
}

static void put_all(struct history *h, int current, int pending, int backup)
{
    clear(h);
    put(h, current_path, current);
    put(h, pending_path, pending);
    put(h, backup_path, backup);
}

static void expect(struct history *h, uint64_t expected, enum sp_state_outcome outcome,
                   uint64_t generation)
{
    struct sp_state_header header = {0};
    enum sp_state_outcome got = SP_STATE_NEW;
    char json[64], *text = NULL;

    assert_int_equal(sp_state_load(&h->file, expected, &got, &header, &text, NULL), SP_OK);
    assert_int_equal(got, outcome);
    assert_int_equal(header.generation, generation);
    if (generation > 0) {
        payload(generation, json);
        assert_string_equal(text, json);
        assert_int_equal(header.epoch, 7);
        assert_int_equal(header.noted_seq, 12);
    } else {
        assert_null(text);
    }
    free(text);
}

static void expect_status(struct history *h, uint64_t expected, sp_status status)
{
    struct sp_state_header header = {0};
    enum sp_state_outcome got = SP_STATE_NEW;
    char *text = NULL;
    struct sp_err err = {0};

    assert_int_equal(sp_state_load(&h->file, expected, &got, &header, &text, &err), status);
    assert_null(text);
    assert_int_equal(err.status, status);
}

static bool exists(const char *path)
{
    return access(path, F_OK) == 0;
}

static bool in_quarantine(struct history *h, const char *name)
{
    char path[512], sub[128];

    snprintf(sub, sizeof sub, "quarantine/%s", name);
    return exists(folder_path(&h->folder, sub, path));
}

static void test_state_layout_is_pinned(void **state)
{
    struct history h;
    char expected[TEXT_CAP];

    (void)state;
    history_make(&h);
    snprintf(expected, sizeof expected, "%-316s\"d\":{\"value\":\"2000\"}}\n",
             "{\"h\":{\"fmt\":\"st1\",\"name\":\"execution\",\"inst\":\"bench\","
             "\"gen\":\"00000000000000000002\",\"epoch\":\"0000000007\","
             "\"seq\":\"00000000000000000012\",\"len\":\"0000000016\",\"hcrc\":\"5db64b67\","
             "\"dcrc\":\"c2bce673\",\"prev\":\"f6002da9\"},");
    h.text[2][h.len[2]] = '\0';
    assert_string_equal(h.text[2], expected);
    folder_remove(&h.folder);
}

static void test_state_load_follows_its_table(void **state)
{
    struct history h;

    (void)state;
    history_make(&h);
    expect(&h, 0, SP_STATE_NEW, 0);
    put_all(&h, 3, 0, 2);
    expect(&h, 3, SP_STATE_LOADED, 3);
    put_all(&h, 3, 3, 2); /* stale */
    expect(&h, 3, SP_STATE_LOADED, 3);
    assert_false(exists(pending_path));
    put_all(&h, 3, 1, 2);
    expect(&h, 3, SP_STATE_LOADED, 3);
    assert_false(exists(pending_path));

    put_all(&h, 3, 4, 2);
    expect(&h, 3, SP_STATE_PROMOTED, 4);
    expect(&h, 4, SP_STATE_LOADED, 4);
    unlink(current_path);
    expect(&h, 3, SP_STATE_DEGRADED, 3); /* promotion made 3 the backup */

    put_all(&h, 3, 5, 2); /* another generation */
    expect(&h, 3, SP_STATE_LOADED, 3);
    assert_true(in_quarantine(&h, "execution.json.journal.1"));
    put_all(&h, 3, 0, 2); /* a broken chain */
    file_write(pending_path, h.other, h.other_len);
    expect(&h, 3, SP_STATE_LOADED, 3);
    assert_true(in_quarantine(&h, "execution.json.journal.1"));
    put_all(&h, 3, -4, 2); /* torn */
    expect(&h, 3, SP_STATE_LOADED, 3);
    assert_true(in_quarantine(&h, "execution.json.journal.1"));
    assert_false(exists(pending_path));
    folder_remove(&h.folder);
}

static void test_state_load_without_a_current_generation(void **state)
{
    struct history h;

    (void)state;
    history_make(&h);
    for (int current = -3; current <= 0; current += 3) {
        put_all(&h, current, 3, 2);
        expect(&h, 3, SP_STATE_PROMOTED, 3);
        expect(&h, 3, SP_STATE_LOADED, 3);
        assert_int_equal(in_quarantine(&h, "execution.json.1"), current != 0);
        for (int pending = -4; pending <= 4; pending += 4) {
            put_all(&h, current, pending, 2); /* 4 does not follow 2 */
            expect(&h, 2, SP_STATE_DEGRADED, 2);
            assert_false(exists(current_path));
            assert_false(exists(pending_path));
            assert_true(exists(backup_path));
            assert_int_equal(save(&h.file, 2), SP_INVALID);
            assert_int_equal(save(&h.file, 4), SP_OK);
            expect(&h, 4, SP_STATE_LOADED, 4);
        }
    }
    put_all(&h, 0, 1, 0); /* the first save, before its rename */
    expect(&h, 0, SP_STATE_PROMOTED, 1);
    put_all(&h, 0, -1, 0); /* the first save, torn */
    expect(&h, 0, SP_STATE_NEW, 0);
    assert_true(in_quarantine(&h, "execution.json.journal.1"));
    folder_remove(&h.folder);
}

static void test_state_load_refuses_what_was_acknowledged_and_is_gone(void **state)
{
    struct history h;

    (void)state;
    history_make(&h);
    expect_status(&h, 1, SP_CORRUPT);
    put_all(&h, 3, 0, 2);
    expect_status(&h, 4, SP_CORRUPT);
    put_all(&h, -3, 0, 2);
    expect_status(&h, 3, SP_CORRUPT);
    assert_true(exists(current_path)); /* refusing changes nothing */
    put_all(&h, -3, -4, -2);
    expect_status(&h, 0, SP_CORRUPT);
    put_all(&h, -3, 0, 0);
    expect_status(&h, 0, SP_CORRUPT);
    put_all(&h, 0, 5, 0);
    expect_status(&h, 0, SP_CORRUPT);
    put_all(&h, 0, 0, -1);
    expect_status(&h, 0, SP_CORRUPT);
    assert_true(exists(backup_path));
    folder_remove(&h.folder);
}

static void test_state_refuses_foreign_and_newer_files(void **state)
{
    struct history h;
    char newer[TEXT_CAP];

    (void)state;
    history_make(&h);
    put_all(&h, 3, 0, 2);
    h.file.installation = "elsewhere";
    expect_status(&h, 0, SP_INVALID);
    assert_int_equal(save(&h.file, 4), SP_INVALID);
    h.file.installation = "bench";
    memcpy(newer, h.text[3], h.len[3]);
    newer[15] = '2';
    file_write(current_path, newer, h.len[3]);
    expect_status(&h, 0, SP_VERSION);
    folder_remove(&h.folder);
}

/* A pending file that ends in zeros behind its first bytes, at whatever byte. */
static void test_state_torn_pending_is_never_taken_for_another_version(void **state)
{
    struct history h;
    char torn[TEXT_CAP];

    (void)state;
    history_make(&h);
    for (size_t cut = 0; cut < 64; cut++) {
        put_all(&h, 2, 0, 1);
        memset(torn, 0, sizeof torn);
        memcpy(torn, h.text[3], cut);
        file_write(pending_path, torn, h.len[3]);
        expect(&h, 2, SP_STATE_LOADED, 2);
    }
    folder_remove(&h.folder);
}

/* Whatever byte is hit, what is loaded is what was saved. */
static void test_state_flipped_byte_never_gives_wrong_data(void **state)
{
    struct history h;
    char bad[TEXT_CAP];

    (void)state;
    history_make(&h);
    for (size_t i = 0; i < h.len[3]; i++) {
        for (int bit = 0; bit < 8; bit += 3) {
            enum sp_state_outcome outcome = SP_STATE_NEW;
            struct sp_state_header header = {0};
            char *text = NULL, json[64];
            put_all(&h, 3, 0, 2);
            memcpy(bad, h.text[3], h.len[3]);
            bad[i] = (char)(bad[i] ^ 1 << bit);
            file_write(current_path, bad, h.len[3]);
            sp_status status = sp_state_load(&h.file, 2, &outcome, &header, &text, NULL);
            if (status == SP_OK) {
                assert_int_equal(outcome, SP_STATE_DEGRADED);
                payload(2, json);
                assert_string_equal(text, json);
            } else {
                assert_int_equal(status, SP_VERSION);
            }
            free(text);
        }
    }
    folder_remove(&h.folder);
}

/* Every call of a save fails, once or from there on, which is also what a kill leaves: what was
 * acknowledged is there, and nothing else than the old or the new generation is. */
static void sweep_save(bool forever, bool half, int error)
{
    struct history h;

    history_make(&h);
    for (int at = 1;; at++) {
        struct fault fault = {.at = at,
                              .forever = forever,
                              .half = half,
                              .quick = true,
                              .error = error};
        struct sp_file_port port = fault_port(&fault);
        struct sp_state_file faulty = h.file;
        struct sp_state_header header = {0};
        enum sp_state_outcome outcome = SP_STATE_NEW;
        char *text = NULL, json[64];
        faulty.port = &port;
        put_all(&h, 3, 0, 2);
        sp_status status = save(&faulty, 4);
        if (fault.failed == 0) {
            assert_int_equal(status, SP_OK);
            assert_true(at > 10);
            break;
        }
        assert_int_equal(sp_state_load(&h.file, 3, &outcome, &header, &text, NULL), SP_OK);
        assert_true(outcome == SP_STATE_LOADED || outcome == SP_STATE_PROMOTED);
        assert_true(header.generation == 3 || header.generation == 4);
        if (status == SP_OK) assert_int_equal(header.generation, 4);
        payload(header.generation, json);
        assert_string_equal(text, json);
        free(text);
        expect(&h, header.generation, SP_STATE_LOADED, header.generation); /* idempotent */
        assert_int_equal(save(&h.file, header.generation + 1), SP_OK);
    }
    folder_remove(&h.folder);
}

static void test_state_save_survives_every_failure(void **state)
{
    (void)state;
    sweep_save(false, false, EIO);
    sweep_save(true, false, EIO);
    sweep_save(false, true, ENOSPC);
    sweep_save(true, true, ENOSPC);
}

static void test_state_save_tells_full_from_broken(void **state)
{
    struct history h;

    (void)state;
    history_make(&h);
    put_all(&h, 3, 0, 2);
    struct fault full = {.only = FAULT_WRITE, .at = 1, .error = ENOSPC, .half = true};
    struct sp_file_port port = fault_port(&full);
    h.file.port = &port;
    assert_int_equal(save(&h.file, 4), SP_FULL);
    assert_false(exists(pending_path));
    struct fault broken = {.only = FAULT_SYNC, .at = 1, .error = EIO};
    port = fault_port(&broken);
    assert_int_equal(save(&h.file, 4), SP_STORAGE);
    struct fault dir = {.only = FAULT_SYNC_DIR, .at = 1, .error = EIO};
    port = fault_port(&dir);
    assert_int_equal(save(&h.file, 4), SP_STORAGE);
    folder_remove(&h.folder);
}

/* A disk that says it wrote and wrote something else. */
static ssize_t lying_write(void *self, int fd, const void *buf, size_t len)
{
    char bad[TEXT_CAP];

    (void)self;
    assert_true(len <= sizeof bad);
    memcpy(bad, buf, len);
    bad[len / 2] ^= 1;
    return write(fd, bad, len);
}

static void test_state_save_reads_back_what_it_wrote(void **state)
{
    struct history h;
    struct sp_file_port port = *sp_file_port_real();

    (void)state;
    history_make(&h);
    put_all(&h, 3, 0, 2);
    port.write = lying_write;
    struct sp_state_file faulty = h.file;
    faulty.port = &port;
    assert_int_equal(save(&faulty, 4), SP_STORAGE);
    expect(&h, 3, SP_STATE_LOADED, 3);
    folder_remove(&h.folder);
}

static void test_state_save_never_makes_a_damaged_file_the_backup(void **state)
{
    struct history h;

    (void)state;
    history_make(&h);
    put_all(&h, -3, 0, 2);
    assert_int_equal(save(&h.file, 4), SP_OK);
    assert_true(in_quarantine(&h, "execution.json.1"));
    unlink(current_path);
    expect(&h, 2, SP_STATE_DEGRADED, 2);
    folder_remove(&h.folder);
}

/* The same for load, which promotes and quarantines. */
static void test_state_load_survives_every_failure(void **state)
{
    static const int cases[][4] = {{3, 4, 2, 4},  {0, 3, 2, 3},   {-3, 3, 2, 3},
                                   {3, -4, 2, 3}, {-3, -4, 2, 2}, {3, 1, 2, 3}};
    struct history h;

    (void)state;
    history_make(&h);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int at = 1;; at++) {
            struct fault fault = {.at = at, .forever = true, .quick = true, .error = EIO};
            struct sp_file_port port = fault_port(&fault);
            struct sp_state_file faulty = h.file;
            struct sp_state_header header = {0};
            enum sp_state_outcome outcome = SP_STATE_NEW;
            char *text = NULL, json[64];
            uint64_t generation = (uint64_t)cases[i][3];
            faulty.port = &port;
            put_all(&h, cases[i][0], cases[i][1], cases[i][2]);
            SP_IGNORE(sp_state_load(&faulty, 2, &outcome, &header, &text, NULL));
            free(text);
            text = NULL;
            assert_int_equal(sp_state_load(&h.file, 2, &outcome, &header, &text, NULL), SP_OK);
            assert_int_equal(header.generation, generation);
            payload(generation, json);
            assert_string_equal(text, json);
            free(text);
            if (fault.failed == 0) break;
        }
    }
    folder_remove(&h.folder);
}

static void test_state_save_refuses_bad_arguments(void **state)
{
    struct history h;
    struct sp_state_header header = {.generation = 1};
    char *big = calloc(1, SP_STATE_BYTES_MAX + 1);

    (void)state;
    history_make(&h);
    assert_int_equal(sp_state_save(&h.file, &header, big, SP_STATE_BYTES_MAX + 1, NULL),
                     SP_TOO_LONG);
    assert_int_equal(sp_state_save(&h.file, &header, "{\0}", 3, NULL), SP_INVALID);
    assert_int_equal(sp_state_save(&h.file, &header, "", 0, NULL), SP_INVALID);
    memset(big, ' ', SP_STATE_BYTES_MAX);
    assert_int_equal(sp_state_save(&h.file, &header, big, SP_STATE_BYTES_MAX, NULL), SP_OK);
    assert_int_equal(save(&h.file, 3), SP_INVALID);
    assert_int_equal(save(&h.file, 1), SP_INVALID);
    h.file.name = "../evil";
    assert_int_equal(save(&h.file, 2), SP_INVALID);
    free(big);
    folder_remove(&h.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_state_layout_is_pinned),
        cmocka_unit_test(test_state_load_follows_its_table),
        cmocka_unit_test(test_state_load_without_a_current_generation),
        cmocka_unit_test(test_state_load_refuses_what_was_acknowledged_and_is_gone),
        cmocka_unit_test(test_state_refuses_foreign_and_newer_files),
        cmocka_unit_test(test_state_torn_pending_is_never_taken_for_another_version),
        cmocka_unit_test(test_state_flipped_byte_never_gives_wrong_data),
        cmocka_unit_test(test_state_save_survives_every_failure),
        cmocka_unit_test(test_state_save_tells_full_from_broken),
        cmocka_unit_test(test_state_load_survives_every_failure),
        cmocka_unit_test(test_state_save_reads_back_what_it_wrote),
        cmocka_unit_test(test_state_save_never_makes_a_damaged_file_the_backup),
        cmocka_unit_test(test_state_save_refuses_bad_arguments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
