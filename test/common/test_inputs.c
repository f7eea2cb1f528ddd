/* Recorded inputs: what is written is read back, bounds and disks end a recording and nothing else,
 * and a reader knows damage from an unfinished end. */
#include "common/record_inputs.h"

#include "common/fault_port.h"
#include "common/folder.h"
#include "common/journal/state_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void save(const void *state, struct sp_rows_writer *out)
{
    const struct sp_consumed *row = state;

    sp_rows_add(out, SP_DTO_consumed, row);
}

static const struct sp_core core = {.save = save};
static const struct sp_consumed state = {.stream = {"a"}, .epoch = 1, .seq = 7};

struct fixture {
    struct folder folder;
    char path[512];
    struct sp_input_recorder *recorder;
    struct sp_inputs *inputs;
    struct sp_input input;
    struct sp_record record;
};

static int setup(void **out)
{
    struct fixture *f = calloc(1, sizeof *f);

    f->folder = folder_make();
    folder_path(&f->folder, "x.inputs", f->path);
    *out = f;
    return 0;
}

static int teardown(void **out)
{
    struct fixture *f = *out;

    sp_input_recorder_close(f->recorder);
    sp_inputs_close(f->inputs);
    folder_remove(&f->folder);
    free(f);
    return 0;
}

static sp_status begin(struct fixture *f, uint32_t epoch, uint64_t max_bytes,
                       const struct sp_file_port *port)
{
    struct sp_input_recorder_options options = {.path = f->path,
                                                .max_bytes = max_bytes,
                                                .port = port,
                                                .core = &core,
                                                .core_state = &state,
                                                .run = {.stream = sp_name_of("tester"),
                                                        .installation = sp_name_of("test"),
                                                        .build = sp_name_of("0"),
                                                        .config_crc = 0xabcdef01,
                                                        .epoch = epoch,
                                                        .next_seq = 12,
                                                        .at = {5}}};

    return sp_input_recorder_open(&options, &f->recorder, NULL);
}

/* A message that may not travel: a required field is empty. */
static void put(struct fixture *f, uint64_t number)
{
    struct sp_event event = {.type = SP_EVENT_MESSAGE,
                             .now = {-3},
                             .wall = {INT64_C(1800000000123456789)},
                             .market = {1},
                             .id = 9,
                             .record = &f->record};

    f->record.kind = SP_REC_FEED_POSITION;
    f->record.body.feed.messages = number;
    sp_input_recorder_put(f->recorder, SP_INPUT_EVENT, &event, 12 + number);
}

static void end(struct fixture *f)
{
    sp_input_recorder_close(f->recorder);
    f->recorder = NULL;
}

static void look(struct fixture *f)
{
    sp_inputs_close(f->inputs);
    assert_int_equal(sp_inputs_open(f->path, &f->inputs, NULL), SP_OK);
}

static sp_status next(struct fixture *f)
{
    return sp_inputs_next(f->inputs, &f->input, NULL);
}

/* Takes a RUN, its STATE and so many inputs. */
static void take(struct fixture *f, uint32_t epoch, uint64_t count)
{
    assert_int_equal(next(f), SP_OK);
    assert_int_equal(f->input.what, SP_INPUT_RUN);
    assert_int_equal(f->input.run.epoch, epoch);
    assert_int_equal(next(f), SP_OK);
    assert_int_equal(f->input.what, SP_INPUT_STATE);
    for (uint64_t n = 1; n <= count; n++) {
        assert_int_equal(next(f), SP_OK);
        assert_int_equal(f->input.what, SP_INPUT_EVENT);
        assert_int_equal(f->input.n, n);
    }
}

static void test_inputs_are_read_back(void **out)
{
    struct fixture *f = *out;
    struct sp_event bare = {.type = SP_EVENT_TIMER, .id = 1};

    assert_int_equal(begin(f, 3, 1 << 20, sp_file_port_real()), SP_OK);
    put(f, 1);
    sp_input_recorder_put(f->recorder, SP_INPUT_NOTE, &bare, 13);
    bare.record = &f->record;
    f->record.stream = sp_name_of("tester");
    sp_input_recorder_put(f->recorder, SP_INPUT_OWN, &bare, 13);
    end(f);
    look(f);
    assert_int_equal(next(f), SP_OK);
    assert_int_equal(f->input.run.config_crc, 0xabcdef01);
    assert_int_equal(f->input.run.next_seq, 12);
    assert_string_equal(f->input.run.stream.s, "tester");
    assert_int_equal(next(f), SP_OK);
    assert_int_equal(f->input.state_bytes, strlen("{\"version\":1,\"consumed\":[{\"stream\":\"a\","
                                                  "\"epoch\":1,\"seq\":7}]}"));
    assert_int_equal(next(f), SP_OK);
    assert_int_equal(f->input.event.now.ns, -3);
    assert_int_equal(f->input.event.wall.ns, INT64_C(1800000000123456789));
    assert_int_equal(f->input.event.market.ns, 1);
    assert_int_equal(f->input.event.id, 9);
    assert_int_equal(f->input.next_seq, 13);
    assert_ptr_equal(f->input.event.record, &f->input.record);
    assert_int_equal(f->input.record.body.feed.messages, 1);
    assert_int_equal(next(f), SP_OK);
    assert_int_equal(f->input.what, SP_INPUT_NOTE);
    assert_null(f->input.event.record);
    assert_int_equal(next(f), SP_OK);
    assert_int_equal(f->input.what, SP_INPUT_OWN);
    assert_string_equal(f->input.record.stream.s, "tester");
    assert_int_equal(next(f), SP_OK);
    assert_int_equal(f->input.what, SP_INPUT_END);
    assert_string_equal(f->input.why.s, "stopped");
    assert_int_equal(next(f), SP_AGAIN);
}

static void test_inputs_of_a_kill_are_a_prefix(void **out)
{
    struct fixture *f = *out;
    static char text[1 << 16];

    assert_int_equal(begin(f, 1, 1 << 20, sp_file_port_real()), SP_OK);
    put(f, 1);
    put(f, 2);
    long len = file_read(f->path, text, sizeof text);
    end(f);
    file_write(f->path, text, (size_t)len - 10); /* killed in the midst of a write */
    look(f);
    take(f, 1, 1);
    assert_int_equal(next(f), SP_AGAIN);
    assert_int_equal(begin(f, 2, 1 << 20, sp_file_port_real()), SP_OK);
    put(f, 1);
    end(f);
    look(f);
    take(f, 1, 1);
    take(f, 2, 1);
    look(f);
    assert_int_equal(sp_inputs_seek(f->inputs, 2, NULL), SP_OK);
    take(f, 2, 1);
    look(f);
    assert_int_equal(sp_inputs_seek(f->inputs, 3, NULL), SP_NOT_FOUND);
}

/* Whatever byte is changed, what was read before it is right, and the line is named. */
static void test_inputs_damage_is_found(void **out)
{
    struct fixture *f = *out;
    static char text[1 << 16];
    struct sp_err err = {0};

    assert_int_equal(begin(f, 1, 1 << 20, sp_file_port_real()), SP_OK);
    put(f, 1);
    put(f, 2);
    end(f);
    long len = file_read(f->path, text, sizeof text);
    for (long i = 0; i < len; i++) {
        text[i] ^= 1;
        file_write(f->path, text, (size_t)len);
        text[i] ^= 1;
        look(f);
        sp_status status = SP_OK;
        uint32_t lines = 0;
        for (; status == SP_OK; lines++)
            status = sp_inputs_next(f->inputs, &f->input, &err);
        /* Only the last line may look unfinished: when its newline is gone. */
        assert_true(status == SP_CORRUPT || (status == SP_AGAIN && i == len - 1));
        if (status == SP_CORRUPT) assert_non_null(strstr(err.text, "line"));
    }
}

static void test_inputs_end_at_the_bound(void **out)
{
    struct fixture *f = *out;
    char before[520];
    uint64_t n = 0, max_bytes = 2 * SP_INPUT_LINE_SIZE + 2000;
    struct stat info;

    assert_int_equal(begin(f, 1, 1000, sp_file_port_real()), SP_FULL);
    assert_int_equal(begin(f, 1, max_bytes, sp_file_port_real()), SP_OK);
    while (sp_input_recorder_bytes(f->recorder) > 0)
        put(f, ++n);
    put(f, ++n);
    end(f);
    assert_int_equal(stat(f->path, &info), 0);
    assert_true((uint64_t)info.st_size <= max_bytes);
    look(f);
    take(f, 1, n - 2);
    assert_int_equal(next(f), SP_OK);
    assert_string_equal(f->input.why.s, "the file has reached its bound");
    /* The next run begins a new file, and this one is kept beside it. */
    assert_int_equal(begin(f, 2, max_bytes, sp_file_port_real()), SP_OK);
    end(f);
    look(f);
    take(f, 2, 0);
    snprintf(before, sizeof before, "%s.1", f->path);
    assert_int_equal(stat(before, &info), 0);
}

/* Each call on the disk fails, once or from then on, a write also in its midst: what is left is
 * readable, and the recorder never fails its caller. */
static void test_inputs_any_disk_failure_ends_the_recording(void **out)
{
    struct fixture *f = *out;

    for (int at = 1; at < 40; at++) {
        struct fault fault = {.at = at, .forever = at % 2 == 0, .half = true, .error = ENOSPC};
        struct sp_file_port port = fault_port(&fault);
        unlink(f->path);
        if (begin(f, 1, 1 << 20, &port) == SP_OK) {
            for (uint64_t n = 1; n <= 5; n++)
                put(f, n);
            end(f);
        }
        f->recorder = NULL;
        if (access(f->path, F_OK) != 0) continue;
        look(f);
        sp_status status = SP_OK;
        while (status == SP_OK)
            status = next(f);
        assert_int_equal(status, SP_AGAIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_inputs_are_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inputs_of_a_kill_are_a_prefix, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inputs_damage_is_found, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inputs_end_at_the_bound, setup, teardown),
        cmocka_unit_test_setup_teardown(test_inputs_any_disk_failure_ends_the_recording, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
