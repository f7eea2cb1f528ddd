/* Alerts as facts: when they begin and end, what they name as their cause, and that a restart from
 * any snapshot, its journal's tail and the supervisor's gives the state that folding all of it
 * gives. */
#include "common/journal/state_rows.h"
#include "services/health/health_core.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define S           INT64_C(1000000000)
#define EPOCH       4
#define RECORDS_MAX 4096
#define CHILDREN    4096
#define TEXT_BYTES  (256 * 1024)

static const char *const names[] = {"execution", "reconciliation", "strategy.ema", "health"};

/* A shell in memory. */
static struct sp_health health;
static struct sp_decision decision;
static struct sp_record journal[RECORDS_MAX], supervisor[CHILDREN];
static uint32_t records, children;
static int64_t now;

static void fresh(struct sp_health *h)
{
    memset(h, 0, sizeof *h);
    h->self = sp_name_of("health");
    h->count = h->kept.child_count = sizeof names / sizeof names[0];
    for (uint32_t i = 0; i < h->count; i++)
        h->services[i].name = h->kept.children[i].name = sp_name_of(names[i]);
}

static int set_up(void **state)
{
    (void)state;
    fresh(&health);
    records = children = 0;
    now = 1000 * S;
    return 0;
}

static void event(enum sp_event_type type, const struct sp_record *record)
{
    struct sp_event in = {.type = type, .now = {now}, .record = record};
    struct sp_err err = {0};

    sp_decision_begin(&decision);
    decision.installation = "test";
    decision.stream = sp_name_of("health");
    decision.epoch = EPOCH;
    decision.next_seq = records + 1;
    decision.time.ns = INT64_C(1795370400000000000) + now;
    sp_health_core.decide(&health, &in, &decision);
    for (uint32_t i = 0; i < decision.record_count; i++) {
        if (sp_validate(sp_schema_of(SP_DTO_threat), &decision.records[i].body.threat, &err) !=
            SP_OK)
            fail_msg("%s", err.text);
        assert_true(records < RECORDS_MAX);
        journal[records++] = decision.records[i];
        sp_health_core.apply(&health, &decision.records[i]);
    }
}

static void look(void)
{
    event(SP_EVENT_TIMER, NULL);
}

static void beat(const char *name, enum sp_phase phase)
{
    struct sp_record record = {.kind = SP_REC_HEARTBEAT};

    record.body.heartbeat.service = sp_name_of(name);
    record.body.heartbeat.epoch = 1;
    record.body.heartbeat.phase = (uint8_t)phase;
    event(SP_EVENT_MESSAGE, &record);
}

static void answer(const char *name, enum sp_trading trading, const char *storage)
{
    struct sp_record record = {.kind = SP_REC_SERVICE_STATUS};

    record.body.service_status.service = sp_name_of(name);
    record.body.service_status.epoch = 1;
    record.body.service_status.trading = (uint8_t)trading;
    sp_text_printf(&record.body.service_status.storage, "%s", storage);
    sp_text_printf(&record.body.service_status.reason, "as it says");
    event(SP_EVENT_MESSAGE, &record);
}

static void child(enum sp_kind kind, const char *name)
{
    assert_true(children < CHILDREN);
    struct sp_record *record = &supervisor[children++];
    *record = (struct sp_record){.kind = kind,
                                 .stream = sp_name_of("supervisor"),
                                 .epoch = 9,
                                 .seq = children};
    if (kind != SP_REC_STREAM_STARTED) {
        record->body.child.name = sp_name_of(name);
        record->body.child.restarts = children;
    }
    event(SP_EVENT_RECORD, record);
}

static void all_is_well(void)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        beat(names[i], SP_PHASE_READY);
    answer("execution", SP_TRADING_ALLOWED, "");
}

/* Passes some seconds, with everything well but for what `without` names. */
static void pass(int seconds, const char *without)
{
    for (int i = 0; i < seconds; i++) {
        now += S;
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++)
            if (strcmp(names[k], without) != 0) beat(names[k], SP_PHASE_READY);
        if (strcmp(without, "execution") != 0) answer("execution", SP_TRADING_ALLOWED, "");
        look();
    }
}

static const struct sp_record *expect(uint32_t at, enum sp_kind kind, const char *type)
{
    assert_true(at < records);
    assert_int_equal(journal[at].kind, kind);
    assert_string_equal(journal[at].body.threat.threat_type.s, type);
    return &journal[at];
}

/* ---- Each alert ---- */

static void test_health_alerts_wait_for_three_seconds_of_silence(void **state)
{
    (void)state;
    look(); /* a start: nobody was heard yet */
    now += 2 * S;
    look();
    assert_int_equal(records, 0);
    pass(3, "strategy.ema");
    const struct sp_record *alert = expect(0, SP_REC_THREAT_DETECTED, "SERVICE_NOT_READY");
    assert_int_equal(records, 1);
    assert_string_equal(alert->body.threat.strategy_link_id.s, "ema");
    assert_string_equal(sp_health_alert_service(&alert->body.threat).s, "strategy.ema");
    assert_non_null(strstr(alert->body.threat.rule.s, "never heard"));
    pass(5, "strategy.ema"); /* it is said once */
    assert_int_equal(records, 1);
    pass(1, "");
    const struct sp_record *over = expect(1, SP_REC_THREAT_ENDED, "SERVICE_NOT_READY");
    assert_memory_equal(&over->body.threat.threat_id, &alert->body.threat.threat_id,
                        sizeof over->body.threat.threat_id);
    assert_int_equal(over->by_count, 1);
    assert_int_equal(over->by[0].seq, 1);
    assert_true(over->body.threat.ended.ns > over->body.threat.began.ns);
    assert_int_equal(health.kept.alert_count, 0);
}

static void test_health_alerts_name_the_death_behind_them(void **state)
{
    (void)state;
    pass(4, "");
    child(SP_REC_CHILD_EXITED, "execution");
    pass(6, "execution");
    const struct sp_record *alert = expect(0, SP_REC_THREAT_DETECTED, "SERVICE_NOT_READY");
    assert_int_equal(alert->by_count, 1);
    assert_string_equal(alert->by[0].stream.s, "supervisor");
    assert_int_equal(alert->by[0].seq, 1);
    expect(1, SP_REC_THREAT_DETECTED, "TRADING_STOPPED");
    child(SP_REC_CHILD_GIVEN_UP, "execution");
    look();
    alert = expect(2, SP_REC_THREAT_DETECTED, "SERVICE_GIVEN_UP");
    assert_int_equal(alert->body.threat.severity, SP_SEVERITY_CRITICAL);
    assert_int_equal(alert->by[0].seq, 2);
    child(SP_REC_CHILD_STARTED, "execution");
    look();
    expect(3, SP_REC_THREAT_ENDED, "SERVICE_GIVEN_UP");
    pass(1, "");
    assert_int_equal(records, 6);
    assert_int_equal(health.kept.alert_count, 0);
}

static void test_health_alerts_are_silent_of_what_was_asked_for(void **state)
{
    (void)state;
    pass(4, "");
    child(SP_REC_CHILD_STOPPED, "strategy.ema");
    pass(10, "strategy.ema");
    assert_int_equal(records, 0);
    child(SP_REC_CHILD_STARTED, "strategy.ema");
    pass(10, "strategy.ema");
    expect(0, SP_REC_THREAT_DETECTED, "SERVICE_NOT_READY");
    child(SP_REC_CHILD_STOPPED, "strategy.ema");
    pass(1, "strategy.ema");
    expect(1, SP_REC_THREAT_ENDED, "SERVICE_NOT_READY");
}

static void test_health_alerts_tell_of_storage_by_kind(void **state)
{
    (void)state;
    all_is_well();
    answer("execution", SP_TRADING_ALLOWED, "disk space is low: 900 MiB free");
    look();
    expect(0, SP_REC_THREAT_DETECTED, "STORAGE");
    answer("execution", SP_TRADING_ALLOWED, "disk space is low: 800 MiB free");
    look();
    assert_int_equal(records, 1);
    answer("execution", SP_TRADING_ALLOWED, "disk reserve: 90 MiB free");
    look();
    expect(1, SP_REC_THREAT_ENDED, "STORAGE");
    expect(2, SP_REC_THREAT_DETECTED, "STORAGE");
    answer("execution", SP_TRADING_ALLOWED, "journal damaged: 00001.jsonl, byte 7");
    look();
    assert_non_null(
        strstr(expect(4, SP_REC_THREAT_DETECTED, "STORAGE")->body.threat.rule.s, "00001.jsonl"));
    pass(4, "execution"); /* dead, it takes nothing back */
    assert_int_equal(journal[records - 1].kind, SP_REC_THREAT_DETECTED);
    pass(1, "");
    assert_int_equal(health.kept.alert_count, 0);
}

static void test_health_alerts_tell_of_trading(void **state)
{
    (void)state;
    pass(4, "");
    for (int i = 0; i < 4; i++) {
        now += S;
        all_is_well();
        answer("execution", SP_TRADING_REDUCE_ONLY, "");
        look();
    }
    const struct sp_record *alert = expect(0, SP_REC_THREAT_DETECTED, "TRADING_REDUCE_ONLY");
    assert_string_equal(alert->body.threat.rule.s, "as it says");
    assert_int_equal(records, 1);
    answer("execution", SP_TRADING_STOPPED, "");
    look();
    expect(1, SP_REC_THREAT_ENDED, "TRADING_REDUCE_ONLY");
    expect(2, SP_REC_THREAT_DETECTED, "TRADING_STOPPED");
    pass(1, "");
    expect(3, SP_REC_THREAT_ENDED, "TRADING_STOPPED");
    assert_int_equal(health.kept.alert_count, 0);
}

/* ---- Restarts ---- */

static size_t save(const struct sp_health *h, char text[TEXT_BYTES])
{
    struct sp_rows_writer writer;

    sp_rows_begin(&writer, text, TEXT_BYTES);
    sp_health_core.save(h, &writer);
    assert_int_equal(sp_rows_end(&writer), SP_OK);
    return writer.len_bytes;
}

static void load(struct sp_health *h, const char *text, size_t len_bytes)
{
    struct sp_rows_reader reader;
    struct sp_err err = {0};

    fresh(h);
    if (sp_rows_open(&reader, text, len_bytes, &err) != SP_OK) fail_msg("%s", err.text);
    if (sp_health_core.load(h, &reader, &err) != SP_OK) fail_msg("%s", err.text);
}

/* What a start does behind the snapshot: the tail of its own journal, and of the supervisor's. */
static void fold_tails(struct sp_health *h, uint32_t from_record)
{
    for (uint32_t i = from_record; i < records; i++)
        sp_health_core.apply(h, &journal[i]);
    for (uint32_t i = (uint32_t)h->kept.place.seq; i < children; i++)
        sp_health_child(h, &supervisor[i]);
}

static uint32_t random_below(uint32_t bound)
{
    static uint64_t seed = 1;

    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(seed >> 33) % bound;
}

static void random_step(void)
{
    static const enum sp_kind kinds[] = {SP_REC_CHILD_STARTED,  SP_REC_CHILD_READY,
                                         SP_REC_CHILD_EXITED,   SP_REC_CHILD_BACKOFF,
                                         SP_REC_CHILD_GIVEN_UP, SP_REC_CHILD_STOPPED};
    static const char *const says[] = {"", "", "disk space is low: x", "journal damaged: y"};
    const char *name = names[random_below(sizeof names / sizeof names[0])];

    now += (int64_t)random_below(1500) * (S / 1000);
    switch (random_below(6)) {
    case 0: beat(name, random_below(4) > 0 ? SP_PHASE_READY : SP_PHASE_REPLAY); break;
    case 1: all_is_well(); break;
    case 2: answer(name, (enum sp_trading)(1 + random_below(3)), says[random_below(4)]); break;
    case 3: child(kinds[random_below(6)], name); break;
    case 4:
        if (random_below(20) == 0) child(SP_REC_STREAM_STARTED, "");
        break;
    default: look(); break;
    }
}

static void test_health_alerts_restart_from_any_snapshot(void **state)
{
    static char end[TEXT_BYTES], text[TEXT_BYTES];
    static struct sp_health again;
    enum { SNAPSHOTS = 60, STEPS = 25 };
    static char *snapshots[SNAPSHOTS];
    static size_t lengths[SNAPSHOTS];
    static uint32_t at[SNAPSHOTS];

    (void)state;
    for (uint32_t i = 0; i < SNAPSHOTS; i++) {
        lengths[i] = save(&health, text);
        snapshots[i] = malloc(lengths[i]);
        memcpy(snapshots[i], text, lengths[i]);
        at[i] = records;
        for (uint32_t n = 0; n < STEPS; n++)
            random_step();
    }
    assert_true(records > 100);
    assert_true(health.kept.raised > 50);
    assert_true(health.kept.ended > 50);
    size_t len_bytes = save(&health, end);
    for (uint32_t i = 0; i < SNAPSHOTS; i++) {
        load(&again, snapshots[i], lengths[i]);
        assert_int_equal(save(&again, text), lengths[i]);
        assert_memory_equal(text, snapshots[i], lengths[i]);
        fold_tails(&again, at[i]);
        assert_int_equal(save(&again, text), len_bytes);
        assert_memory_equal(text, end, len_bytes);
        free(snapshots[i]);
    }
    fresh(&again); /* and without any */
    fold_tails(&again, 0);
    assert_int_equal(save(&again, text), len_bytes);
    assert_memory_equal(text, end, len_bytes);
}

static void test_health_alerts_outlive_a_restart_and_end_after_it(void **state)
{
    static char text[TEXT_BYTES];

    (void)state;
    pass(4, "");
    answer("execution", SP_TRADING_ALLOWED, "disk reserve: x");
    pass(0, "");
    look();
    pass(6, "strategy.ema");
    answer("execution", SP_TRADING_ALLOWED, "disk reserve: x");
    look();
    uint32_t before = records;
    assert_int_equal(health.kept.alert_count, 2);
    size_t len_bytes = save(&health, text);
    load(&health, text, len_bytes);
    for (int i = 0; i < 3; i++) { /* nobody was heard yet: nothing begins or ends */
        look();
        now += S / 2;
    }
    assert_int_equal(records, before);
    pass(1, "");
    assert_int_equal(health.kept.alert_count, 0);
    assert_int_equal(records, before + 2);
}

static void test_health_alerts_end_with_what_is_no_longer_configured(void **state)
{
    static char text[TEXT_BYTES];

    (void)state;
    pass(6, "strategy.ema");
    assert_int_equal(health.kept.alert_count, 1);
    size_t len_bytes = save(&health, text);
    load(&health, text, len_bytes);
    health.services[2].name = health.kept.children[2].name = sp_name_of("strategy.rsi");
    pass(1, "strategy.rsi");
    assert_int_equal(health.kept.alert_count, 0);
}

#define TEST(name) cmocka_unit_test_setup(test_health_alerts_##name, set_up)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wait_for_three_seconds_of_silence),
        TEST(name_the_death_behind_them),
        TEST(are_silent_of_what_was_asked_for),
        TEST(tell_of_storage_by_kind),
        TEST(tell_of_trading),
        TEST(restart_from_any_snapshot),
        TEST(outlive_a_restart_and_end_after_it),
        TEST(end_with_what_is_no_longer_configured),
    };

    return cmocka_run_group_tests_name("health_alerts", tests, NULL, NULL);
}
