/* spoor-kill against a venue that loses answers, refuses, or is silent: whatever it does, the end
 * is flat or says so, and no id is ever sent twice. */
#include "services/kill/kill_core.h"

#include "proto/decimal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ONE      SP_FX_ONE
#define IDS_MAX  64
#define LINE_MAX 512

/* What happens to the next request of a kind. */
enum fault { NONE, LOSE_REQUEST, LOSE_ANSWER, SERVER_ERROR, REFUSE, BANNED, GARBAGE };

struct venue {
    int64_t free_e8, locked_e8;
    uint32_t open;
    enum fault faults[8]; /* of POST order, in order */
    uint32_t fault_at;
    enum fault always; /* of every question, */
    uint32_t after;    /* once so many were answered */
    uint32_t sales, cancels, waits, questions, id_count;
    uint64_t waited_ms;
    char ids[IDS_MAX][SP_NAME_SIZE];
    bool arrived[IDS_MAX];
    char last[LINE_MAX];
};
static struct venue v;

static void answer(struct sp_call_answer *out, int status, const char *fmt, ...) SP_PRINTF(3, 4);
static void answer(struct sp_call_answer *out, int status, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    *out = (struct sp_call_answer){.outcome = SP_CALL_ANSWERED, .status = status};
    out->body = strdup(text);
    assert_non_null(out->body);
    out->body_bytes = strlen(text);
}

static void no_answer(struct sp_call_answer *out, enum sp_call_outcome outcome)
{
    *out = (struct sp_call_answer){.outcome = outcome, .error = "no answer in time"};
}

static bool apply_fault(enum fault fault, struct sp_call_answer *out)
{
    if (fault == LOSE_REQUEST || fault == LOSE_ANSWER) no_answer(out, SP_CALL_UNKNOWN);
    if (fault == SERVER_ERROR) answer(out, 503, "{\"code\":-1007,\"msg\":\"Timeout\"}");
    if (fault == REFUSE) answer(out, 400, "{\"code\":-2010,\"msg\":\"Refused\"}");
    if (fault == GARBAGE) answer(out, 200, "<html>maintenance</html>");
    if (fault == BANNED) {
        answer(out, 418, "{\"code\":-1003,\"msg\":\"Banned\"}");
        out->retry_after = 7;
    }
    return fault != NONE;
}

static const char *value_of(const char *query, const char *key, char out[SP_NAME_SIZE])
{
    const char *at = strstr(query, key);

    assert_non_null(at);
    size_t len = strcspn(at + strlen(key), "&");
    assert_true(len < SP_NAME_SIZE);
    memcpy(out, at + strlen(key), len);
    out[len] = '\0';
    return out;
}

static void on_sale(const char *query, struct sp_call_answer *out)
{
    char qty[SP_NAME_SIZE];
    int64_t e8 = 0;
    enum fault fault = v.faults[v.fault_at];

    if (v.fault_at < 7) v.fault_at++;
    assert_true(v.id_count < IDS_MAX);
    value_of(query, "newClientOrderId=", v.ids[v.id_count]);
    for (uint32_t i = 0; i < v.id_count; i++)
        assert_string_not_equal(v.ids[i], v.ids[v.id_count]);
    value_of(query, "quantity=", qty);
    assert_int_equal(sp_e8_parse(qty, strlen(qty), &e8), SP_OK);
    assert_int_equal(e8 % 1000, 0); /* the step */
    bool takes = fault == NONE || fault == LOSE_ANSWER || fault == SERVER_ERROR;
    assert_true(e8 <= v.free_e8);
    if (takes) {
        v.free_e8 -= e8;
        v.arrived[v.id_count] = true;
        v.sales++;
    }
    v.id_count++;
    if (!apply_fault(fault, out)) answer(out, 200, "{\"status\":\"FILLED\"}");
}

static void on_order_question(const char *query, struct sp_call_answer *out)
{
    char id[SP_NAME_SIZE];

    value_of(query, "origClientOrderId=", id);
    for (uint32_t i = 0; i < v.id_count; i++) {
        if (strcmp(v.ids[i], id) != 0 || !v.arrived[i]) continue;
        answer(out, 200, "{\"status\":\"FILLED\"}");
        return;
    }
    answer(out, 400, "{\"code\":-2013,\"msg\":\"Order does not exist.\"}");
}

static void call(void *ctx, const struct sp_kill_request *request, struct sp_call_answer *out)
{
    char free_qty[SP_E8_TEXT_SIZE], locked[SP_E8_TEXT_SIZE];
    bool is_order = strcmp(request->path, "/api/v3/order") == 0;

    (void)ctx;
    if (strcmp(request->method, "POST") == 0) {
        assert_true(is_order && request->is_signed);
        on_sale(request->query, out);
        return;
    }
    v.questions++;
    if (v.questions > v.after && apply_fault(v.always, out)) return;
    if (strcmp(request->method, "DELETE") == 0) {
        v.cancels++;
        if (v.open == 0) {
            answer(out, 400, "{\"code\":-2011,\"msg\":\"Unknown order sent.\"}");
            return;
        }
        v.open = 0;
        v.free_e8 += v.locked_e8;
        v.locked_e8 = 0;
        answer(out, 200, "[{}]");
    } else if (is_order) {
        on_order_question(request->query, out);
    } else if (strcmp(request->path, "/api/v3/exchangeInfo") == 0) {
        answer(out, 200,
               "{\"symbols\":[{\"baseAsset\":\"BTC\",\"filters\":[{\"filterType\":\"LOT_SIZE\","
               "\"minQty\":\"0.00001\",\"stepSize\":\"0.00001\"},{\"filterType\":\"NOTIONAL\","
               "\"minNotional\":\"5\"}]}]}");
    } else if (strcmp(request->path, "/api/v3/openOrders") == 0) {
        answer(out, 200, "%s", v.open > 0 ? "[{},{}]" : "[]");
    } else if (strcmp(request->path, "/api/v3/ticker/price") == 0) {
        answer(out, 200, "{\"price\":\"50000\"}");
    } else {
        assert_string_equal(request->path, "/api/v3/account");
        answer(out, 200,
               "{\"balances\":[{\"asset\":\"USDT\",\"free\":\"1\",\"locked\":\"0\"},"
               "{\"asset\":\"BTC\",\"free\":\"%s\",\"locked\":\"%s\"}]}",
               sp_e8_format(v.free_e8, free_qty), sp_e8_format(v.locked_e8, locked));
    }
}

static void wait_ms(void *ctx, uint32_t ms)
{
    (void)ctx;
    v.waits++;
    v.waited_ms += ms;
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    snprintf(v.last, sizeof v.last, "%s", line);
}

static void mint(void *ctx, sp_name *out)
{
    static unsigned n;
    char text[SP_NAME_SIZE];

    (void)ctx;
    snprintf(text, sizeof text, "kill-%u", ++n);
    assert_true(sp_name_set(out, text));
}

static bool run(int64_t keep_e8)
{
    const struct sp_kill_port port = {.call = call, .wait = wait_ms, .say = say, .mint = mint};
    const struct sp_kill_symbol symbol = {sp_name_of("BTCUSDT"), {keep_e8}};

    return sp_kill_symbol_run(&port, &symbol);
}

static int setup(void **state)
{
    (void)state;
    v = (struct venue){.free_e8 = ONE / 2, .locked_e8 = ONE / 4, .open = 2};
    return 0;
}

static void test_kill_cancels_then_sells_all(void **state)
{
    (void)state;
    assert_true(run(0));
    assert_int_equal(v.open, 0);
    assert_int_equal(v.free_e8, 0);
    assert_int_equal(v.sales, 1);
}

static void test_kill_keeps_what_it_is_told_to(void **state)
{
    (void)state;
    assert_true(run(ONE / 10));
    assert_int_equal(v.free_e8, ONE / 10);
    v.open = 0;
    assert_true(run(ONE));
    assert_int_equal(v.free_e8, ONE / 10);
}

static void test_kill_leaves_what_the_venue_would_not_take(void **state)
{
    (void)state;
    v.free_e8 = 9999; /* 0.00009999 BTC: below 5 USDT */
    v.locked_e8 = 0;
    assert_true(run(0));
    assert_int_equal(v.id_count, 0);
    assert_non_null(strstr(v.last, "0.00009999 BTC"));
}

/* Whatever one sale meets, nothing stays; and nothing is sent twice (on_sale asserts it). */
static void test_kill_survives_every_fault_of_a_sale(void **state)
{
    (void)state;
    for (int first = NONE; first <= GARBAGE; first++) {
        for (int second = NONE; second <= GARBAGE; second++) {
            setup(NULL);
            v.faults[0] = (enum fault)first;
            v.faults[1] = (enum fault)second;
            if (!run(0)) fail_msg("faults %d, %d: %s", first, second, v.last);
            assert_int_equal(v.free_e8, 0);
            assert_int_equal(v.locked_e8, 0);
        }
    }
}

/* No answer is not an empty answer: it ends NOT flat, though the venue holds nothing. */
static void test_kill_silence_is_not_flat(void **state)
{
    static const enum fault silences[] = {LOSE_REQUEST, SERVER_ERROR, BANNED, GARBAGE};

    (void)state;
    for (size_t i = 0; i < sizeof silences / sizeof *silences; i++) {
        for (uint32_t after = 0; after < 4; after++) { /* cancel, filters, open orders, account */
            v = (struct venue){.always = silences[i], .after = after};
            if (run(0)) fail_msg("silence %zu after %u answers: %s", i, after, v.last);
            assert_null(strstr(v.last, "flat:"));
            if (silences[i] == BANNED) assert_true(v.waited_ms >= 7000 * 7);
        }
    }
}

#define T(name) cmocka_unit_test_setup(test_kill_##name, setup)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(cancels_then_sells_all),
        T(keeps_what_it_is_told_to),
        T(leaves_what_the_venue_would_not_take),
        T(survives_every_fault_of_a_sale),
        T(silence_is_not_flat),
    };

    return cmocka_run_group_tests_name("kill", tests, NULL, NULL);
}
