/* The small cores through a snapshot: after random records, valid but in no sensible order, what is
 * saved at any point and the records behind it give the rows that folding all of them gives. (Books
 * and strategies have tests of their own.) */
#include "../proto/filler.h"
#include "common/journal/state_rows.h"
#include "services/marketdata/marketdata_core.h"
#include "services/reconciliation/reconciliation_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RECORDS    60
#define HISTORIES  40
#define TEXT_BYTES 65536

struct subject {
    const struct sp_core *core;
    void *(*fresh)(void); /* the same memory each time */
    uint32_t kind_count;
    const enum sp_kind *kinds;
    void (*bend)(struct sp_record *record, uint64_t seed); /* may be NULL */
};

static char saved[RECORDS + 1][TEXT_BYTES];
static size_t saved_bytes[RECORDS + 1];
static struct sp_record records[RECORDS];

static size_t save(const struct sp_core *core, const void *state, char text[TEXT_BYTES])
{
    struct sp_rows_writer writer;

    sp_rows_begin(&writer, text, TEXT_BYTES);
    core->save(state, &writer);
    assert_int_equal(sp_rows_end(&writer), SP_OK);
    return writer.len_bytes;
}

static sp_status load(const struct sp_core *core, void *state, const char *text, size_t len_bytes)
{
    struct sp_rows_reader reader;
    struct sp_err err = {0};
    sp_status status = sp_rows_open(&reader, text, len_bytes, &err);

    return status == SP_OK ? core->load(state, &reader, &err) : status;
}

static void make_records(const struct subject *subject, uint64_t seed)
{
    for (uint32_t i = 0; i < RECORDS; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        enum sp_kind kind = subject->kinds[(seed >> 33) % subject->kind_count];
        sp_filler_record(kind, seed >> 20, &records[i]);
        records[i].seq = i + 1;
        if (subject->bend != NULL) subject->bend(&records[i], seed);
    }
}

static void check_subject(const struct subject *subject)
{
    static char text[TEXT_BYTES];
    uint32_t different = 0;

    for (uint64_t seed = 1; seed <= HISTORIES; seed++) {
        make_records(subject, seed);
        void *state = subject->fresh();
        saved_bytes[0] = save(subject->core, state, saved[0]);
        for (uint32_t i = 0; i < RECORDS; i++) {
            subject->core->apply(state, &records[i]);
            saved_bytes[i + 1] = save(subject->core, state, saved[i + 1]);
            different += saved_bytes[i + 1] != saved_bytes[i];
        }
        for (uint32_t at = 0; at <= RECORDS; at++) {
            state = subject->fresh();
            assert_int_equal(load(subject->core, state, saved[at], saved_bytes[at]), SP_OK);
            assert_int_equal(save(subject->core, state, text), saved_bytes[at]);
            assert_memory_equal(text, saved[at], saved_bytes[at]);
            for (uint32_t i = at; i < RECORDS; i++)
                subject->core->apply(state, &records[i]);
            assert_int_equal(save(subject->core, state, text), saved_bytes[RECORDS]);
            assert_memory_equal(text, saved[RECORDS], saved_bytes[RECORDS]);
        }
        for (size_t cut = 1; cut < saved_bytes[RECORDS] - 16; cut++) {
            state = subject->fresh();
            size_t len_bytes = saved_bytes[RECORDS] - cut;
            assert_int_not_equal(load(subject->core, state, saved[RECORDS], len_bytes), SP_OK);
        }
    }
    assert_true(different > 10 * HISTORIES);
    print_message("state of %zu bytes, rows of %zu\n", subject->core->state_bytes,
                  saved_bytes[RECORDS]);
}

/* ---- Marketdata ---- */

static void *fresh_marketdata(void)
{
    static struct sp_marketdata md;
    struct sp_md_options options = {.speed = {SP_FX_ONE}, .symbol_count = 1};

    options.symbols[0] = sp_name_of("BTCUSDT");
    options.streams[0] = sp_name_of("md.paper.BTCUSDT");
    sp_marketdata_fini(&md);
    assert_int_equal(sp_marketdata_init(&md, &options, NULL), SP_OK);
    return &md;
}

static void test_core_rows_of_marketdata_at_every_point(void **state)
{
    static const enum sp_kind kinds[] = {
        SP_REC_FEED_STARTED, SP_REC_FEED_POSITION,   SP_REC_FEED_PAUSED,  SP_REC_FEED_RESUMED,
        SP_REC_FEED_ENDED,   SP_REC_THREAT_DETECTED, SP_REC_THREAT_ENDED, SP_REC_DATA_GAP,
        SP_REC_FEED_ERROR,   SP_REC_CURSOR};
    const struct subject subject = {.core = &sp_marketdata_core,
                                    .fresh = fresh_marketdata,
                                    .kind_count = sizeof kinds / sizeof kinds[0],
                                    .kinds = kinds};

    (void)state;
    check_subject(&subject);
    sp_marketdata_fini(fresh_marketdata());
}

/* ---- Reconciliation ---- */

static const char *const schedule_names[] = {"fast", "slow", "foreign"};
static struct sp_config config;

static void *fresh_reconciler(void)
{
    static struct sp_reconciler reconciler;

    config.world_count = 1;
    config.schedule_count = 2;
    for (uint32_t i = 0; i < 2; i++)
        config.schedules[i] =
            (struct sp_schedule_config){.name = sp_name_of(schedule_names[i]),
                                        .event = sp_name_of("RECONCILIATION_TICK")};
    sp_reconciler_init(&reconciler, &config);
    return &reconciler;
}

static void bend_tick(struct sp_record *record, uint64_t seed)
{
    if (record->kind == SP_REC_SCHEDULED_TICK)
        record->body.scheduled_tick.schedule_name = sp_name_of(schedule_names[(seed >> 50) % 3]);
}

static void test_core_rows_of_reconciliation_at_every_point(void **state)
{
    static const enum sp_kind kinds[] = {SP_REC_RECONCILIATION_RESULT, SP_REC_SCHEDULED_TICK,
                                         SP_REC_DISCREPANCY, SP_REC_CURSOR};
    const struct subject subject = {.core = &sp_reconciliation_core,
                                    .fresh = fresh_reconciler,
                                    .kind_count = sizeof kinds / sizeof kinds[0],
                                    .kinds = kinds,
                                    .bend = bend_tick};

    (void)state;
    check_subject(&subject);
}

static void test_core_rows_of_other_schedules_keep_those_that_are_left(void **state)
{
    struct sp_reconciler *r = fresh_reconciler();

    (void)state;
    r->passes = 0;
    r->ticked[0].ns = 5;
    r->ticked[1].ns = 6;
    size_t len_bytes = save(&sp_reconciliation_core, r, saved[0]);
    config.schedules[1].name = sp_name_of("renamed");
    sp_reconciler_init(r, &config);
    assert_int_equal(load(&sp_reconciliation_core, r, saved[0], len_bytes), SP_OK);
    assert_int_equal(r->ticked[0].ns, 5);
    assert_int_equal(r->ticked[1].ns, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_core_rows_of_marketdata_at_every_point),
        cmocka_unit_test(test_core_rows_of_reconciliation_at_every_point),
        cmocka_unit_test(test_core_rows_of_other_schedules_keep_those_that_are_left),
    };

    return cmocka_run_group_tests_name("core_rows", tests, NULL, NULL);
}
