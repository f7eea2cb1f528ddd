#include "../common/folder.h"
#include "explain_fixture.h"

#include "services/spoor/chain.h"
#include "services/spoor/explain.h"
#include "services/spoor/trade_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define WIDTH    92
#define TEXT_CAP (1 << 16)

static char *said(struct sp_evidence *evidence, enum sp_id_type type, struct sp_id id, bool json)
{
    struct sp_chain_style style = {.width = WIDTH};
    char *text = NULL;
    size_t len = 0;
    struct sp_chain *chain = sp_explain(evidence, (struct sp_evidence_id){type, id});

    assert_non_null(chain);
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    if (json) {
        sp_chain_print_json(chain, out);
    } else {
        sp_chain_print(chain, &style, out);
    }
    fclose(out);
    sp_chain_free(chain);
    return text;
}

static struct sp_evidence *load(const char *root)
{
    struct sp_evidence *evidence = NULL;
    struct sp_err err = {0};

    sp_status status = sp_evidence_load(root, &evidence, &err);
    if (status != SP_OK) fprintf(stderr, "%s\n", err.text);
    assert_int_equal(status, SP_OK);
    return evidence;
}

/* SPOOR_GOLDEN_WRITE=1 writes them anew. */
static void compare(const char *name, const char *text)
{
    static char golden[TEXT_CAP];
    char path[512];

    snprintf(path, sizeof path, "%s/test/golden/why_%s.txt", getenv("SPOOR_SOURCE"), name);
    if (getenv("SPOOR_GOLDEN_WRITE") != NULL) file_write(path, text, strlen(text));
    long len = file_read(path, golden, sizeof golden - 1);
    assert_true(len >= 0);
    golden[len] = '\0';
    assert_string_equal(text, golden);
}

static void test_explain_is_pinned(void **state)
{
    struct folder f = folder_make();
    struct history h;

    (void)state;
    history_write(&h, f.path, HISTORY_WHOLE);
    struct sp_evidence *evidence = load(f.path);
    const struct {
        const char *name;
        enum sp_id_type type;
        struct sp_id id;
    } cases[] = {
        {"trade_target", SP_ID_TRD, h.trade[0].raw},
        {"trade_refused", SP_ID_TRD, h.trade[1].raw},
        {"trade_flattened", SP_ID_TRD, h.trade[2].raw},
        {"opportunity_rejected", SP_ID_OPP, h.opp[1].raw},
        {"threat", SP_ID_THR, h.threat.raw},
        {"order_stop", SP_ID_ORD, h.stop.raw},
        {"command_flatten", SP_ID_CMD, h.flatten.raw},
        {"reconciliation", SP_ID_REC, h.second_pass.raw},
        {"schedule", SP_ID_SCH, h.schedule.raw},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = said(evidence, cases[i].type, cases[i].id, false);
        compare(cases[i].name, text);
        free(text);
    }
    char *json = said(evidence, SP_ID_TRD, h.trade[0].raw, true);
    compare("trade_target_json", json);
    free(json);
    sp_evidence_free(evidence);
    folder_remove(&f);
}

/* An accepted opportunity and a plan lead to their trade. */
static void test_explain_follows_to_the_trade(void **state)
{
    struct folder f = folder_make();
    struct history h;

    (void)state;
    history_write(&h, f.path, HISTORY_WHOLE);
    struct sp_evidence *evidence = load(f.path);
    char *plan = said(evidence, SP_ID_PLN, h.plan[0].raw, false);
    char *opportunity = said(evidence, SP_ID_OPP, h.opp[0].raw, false);
    assert_non_null(strstr(plan, "+26.48642016 USDT net"));
    assert_non_null(strstr(opportunity, "+26.48642016 USDT net"));
    free(plan);
    free(opportunity);
    sp_evidence_free(evidence);
    folder_remove(&f);
}

static void test_explain_says_when_a_result_does_not_add_up(void **state)
{
    struct folder f = folder_make();
    struct history h;

    (void)state;
    history_write(&h, f.path, HISTORY_WRONG_RESULT);
    struct sp_evidence *evidence = load(f.path);
    char *text = said(evidence, SP_ID_TRD, h.trade[0].raw, false);
    compare("trade_wrong_result", text);
    assert_non_null(strstr(text, "DOES NOT ADD UP"));
    free(text);
    struct sp_chain *chain =
        sp_explain(evidence, (struct sp_evidence_id){SP_ID_TRD, h.trade[0].raw});
    assert_true(chain->contradicts);
    sp_chain_free(chain);
    chain = sp_explain(evidence, (struct sp_evidence_id){SP_ID_TRD, h.trade[2].raw});
    assert_false(chain->contradicts);
    sp_chain_free(chain);
    sp_evidence_free(evidence);
    folder_remove(&f);
}

static void test_explain_reads_while_others_write(void **state)
{
    struct folder f = folder_make();
    struct history h;

    (void)state;
    history_write(&h, f.path, HISTORY_RUNNING);
    struct sp_evidence *evidence = load(f.path);
    char *text = said(evidence, SP_ID_TRD, h.trade[2].raw, false);
    compare("trade_open", text);
    free(text);
    sp_evidence_free(evidence);
    history_close(&h);
    folder_remove(&f);
}

/* The first segment of a stream. */
static void cut(const struct history_stream *s, off_t by)
{
    char path[1024];
    struct stat st;

    snprintf(path, sizeof path, "%s/00000000000000000001.jsonl", s->dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - by), 0);
}

static void test_explain_tolerates_a_torn_tail(void **state)
{
    struct folder f = folder_make();
    struct history h;

    (void)state;
    history_write(&h, f.path, HISTORY_WHOLE);
    cut(&h.execution, 7); /* into TRADING_RESUMED, the last */
    struct sp_evidence *evidence = load(f.path);
    for (uint32_t i = 0; i < sp_evidence_streams(evidence); i++)
        assert_string_equal(sp_evidence_stream(evidence, i)->damage, "");
    char *text = said(evidence, SP_ID_TRD, h.trade[0].raw, false);
    compare("trade_target", text);
    free(text);
    sp_evidence_free(evidence);
    folder_remove(&f);
}

/* Damage in the middle is named; what is before it still explains. */
static void test_explain_names_damage(void **state)
{
    struct folder f = folder_make();
    struct history h;
    char path[1024], bytes[8];
    uint32_t damaged = 0;

    (void)state;
    history_write(&h, f.path, HISTORY_WHOLE);
    snprintf(path, sizeof path, "%s/00000000000000000001.jsonl", h.strategy.dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, bytes, 1, 1500), 1);
    bytes[0] = bytes[0] == 'x' ? 'y' : 'x';
    assert_int_equal(pwrite(fd, bytes, 1, 1500), 1);
    close(fd);
    struct sp_evidence *evidence = load(f.path);
    for (uint32_t i = 0; i < sp_evidence_streams(evidence); i++)
        if (sp_evidence_stream(evidence, i)->damage[0] != '\0') damaged++;
    assert_int_equal(damaged, 1);
    char *text = said(evidence, SP_ID_TRD, h.trade[0].raw, false);
    assert_non_null(strstr(text, "+26.48642016 USDT net"));
    assert_non_null(strstr(text, "plan is not in the journals"));
    free(text);
    sp_evidence_free(evidence);
    folder_remove(&f);
}

static void test_explain_finds_ids_by_their_end(void **state)
{
    struct folder f = folder_make();
    struct history h;
    struct sp_evidence_id found[8];
    char digits[SP_ID_TEXT_SIZE];

    (void)state;
    history_write(&h, f.path, HISTORY_WHOLE);
    struct sp_evidence *evidence = load(f.path);
    sp_id_digits(h.trade[2].raw, digits);
    assert_int_equal(sp_evidence_find_ids(evidence, SP_ID_TRD, digits + 20, found, 8), 1);
    assert_true(sp_trd_id_eq((sp_trd_id){found[0].id}, h.trade[2]));
    assert_int_equal(sp_evidence_find_ids(evidence, SP_ID_OPP, digits + 20, found, 8), 0);
    assert_int_equal(sp_evidence_find_ids(evidence, SP_ID_TYPE_COUNT, digits + 20, found, 8), 1);
    /* An empty end fits all: every id is a candidate, and once only. */
    assert_int_equal(sp_evidence_find_ids(evidence, SP_ID_TRD, "", found, 2), 3);
    assert_int_equal(sp_evidence_find_ids(evidence, SP_ID_ORD, "", found, 2), 5);
    assert_null(sp_explain(evidence, (struct sp_evidence_id){SP_ID_TRD, {1, 2}}));
    sp_evidence_free(evidence);
    folder_remove(&f);
}

static void test_explain_maps_the_wall_clock_to_the_market(void **state)
{
    struct folder f = folder_make();
    struct history h;

    (void)state;
    history_write(&h, f.path, HISTORY_WHOLE);
    struct sp_evidence *evidence = load(f.path);
    sp_wall wall = {INT64_C(1795341600000000000) + INT64_C(24) * 1000000000};
    sp_wall market = sp_evidence_market_time(evidence, wall);
    /* 24 s at 60x. */
    assert_int_equal(market.ns % (INT64_C(86400) * 1000000000),
                     (INT64_C(18) * 3600 + 24 * 60) * 1000000000);
    sp_evidence_free(evidence);
    folder_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain_is_pinned),
        cmocka_unit_test(test_explain_follows_to_the_trade),
        cmocka_unit_test(test_explain_says_when_a_result_does_not_add_up),
        cmocka_unit_test(test_explain_reads_while_others_write),
        cmocka_unit_test(test_explain_tolerates_a_torn_tail),
        cmocka_unit_test(test_explain_names_damage),
        cmocka_unit_test(test_explain_finds_ids_by_their_end),
        cmocka_unit_test(test_explain_maps_the_wall_clock_to_the_market),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
