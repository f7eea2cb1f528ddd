/* What two books must have in common to be the same. */
#include "common/journal/state.h"
#include "common/journal/state_rows.h"
#include "core_shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool same_want(const struct sp_exit_want *a, const struct sp_exit_want *b)
{
    return a->wanted == b->wanted && a->cause == b->cause &&
           a->threat_ids.count == b->threat_ids.count &&
           memcmp(a->threat_ids.at, b->threat_ids.at, sizeof a->threat_ids.at) == 0 &&
           sp_sch_id_eq(a->scheduled_id, b->scheduled_id) &&
           sp_cmd_id_eq(a->command_id, b->command_id) && sp_ref_eq(&a->by, &b->by);
}

static bool same_trade(const struct sp_trade_book *a, const struct sp_trade_book *b)
{
    return sp_trd_id_eq(a->trade_id, b->trade_id) && sp_pln_id_eq(a->plan_id, b->plan_id) &&
           a->link == b->link && sp_name_eq(&a->symbol, &b->symbol) &&
           a->open_cause == b->open_cause && a->opportunity_ids.count == b->opportunity_ids.count &&
           memcmp(&a->stop_px, &b->stop_px, sizeof a->stop_px + sizeof a->target_px) == 0 &&
           a->legs == b->legs && a->opened == b->opened && a->closed == b->closed &&
           a->protected_once == b->protected_once && a->flatten == b->flatten &&
           a->bought_qty.e8 == b->bought_qty.e8 && a->sold_qty.e8 == b->sold_qty.e8 &&
           a->dust.e8 == b->dust.e8 && a->fee_qty.e8 == b->fee_qty.e8 &&
           a->bought.e8 == b->bought.e8 && a->sold.e8 == b->sold.e8 && a->fees.e8 == b->fees.e8 &&
           a->counted.e8 == b->counted.e8 && a->opened_at.ns == b->opened_at.ns &&
           a->closed_at.ns == b->closed_at.ns && sp_ref_eq(&a->opened_ref, &b->opened_ref) &&
           same_want(&a->exit, &b->exit) && same_want(&a->last_sell, &b->last_sell) &&
           sp_ref_eq(&a->last_ref, &b->last_ref);
}

static bool same_order(const struct sp_order *a, const struct sp_order *b)
{
    return sp_dto_equal(sp_schema_of(SP_DTO_order_intent), &a->intent, &b->intent) &&
           sp_ref_eq(&a->intent_ref, &b->intent_ref) && a->state == b->state &&
           a->filled.e8 == b->filled.e8 && a->venue_order_id == b->venue_order_id &&
           a->replaced == b->replaced && strcmp(a->reason.s, b->reason.s) == 0;
}

/* The parts in use, value by value (padding differs). */
void core_check_same(const struct sp_books *a, const struct sp_books *b)
{
    assert_memory_equal(a, b, offsetof(struct sp_books, orders));
    for (uint32_t i = 0; i < a->order_count; i++)
        assert_true(same_order(&a->orders[i], &b->orders[i]));
    assert_memory_equal(a->live, b->live, a->live_count * sizeof *a->live);
    assert_memory_equal(a->live_trades, b->live_trades,
                        a->live_trade_count * sizeof *a->live_trades);
    for (uint32_t i = 0; i < a->trade_count; i++)
        assert_true(same_trade(&a->trades[i], &b->trades[i]));
    for (uint32_t i = 0; i < a->fill_count; i++) {
        assert_true(sp_dto_equal(sp_schema_of(SP_DTO_fill), &a->fills[i].fill, &b->fills[i].fill));
    }
    assert_memory_equal(a->plans, b->plans, sizeof a->plans);
    assert_memory_equal(a->commands, b->commands, sizeof a->commands);
    assert_memory_equal(a->links, b->links, sizeof a->links);
    assert_memory_equal(a->instruments, b->instruments, sizeof a->instruments);
    assert_memory_equal(&a->venue, &b->venue, sizeof a->venue);
    assert_memory_equal(a->assets, b->assets, sizeof a->assets);
    assert_int_equal(a->scope_count, b->scope_count);
    for (uint32_t i = 0; i < a->scope_count; i++) {
        assert_string_equal(a->scopes[i].scope.s, b->scopes[i].scope.s);
        assert_int_equal(a->scopes[i].halted, b->scopes[i].halted);
        assert_int_equal(a->scopes[i].cause, b->scopes[i].cause);
        assert_string_equal(a->scopes[i].reason.s, b->scopes[i].reason.s);
        assert_true(sp_ref_eq(&a->scopes[i].by, &b->scopes[i].by));
    }
    assert_int_equal(a->flatten_count, b->flatten_count);
    for (uint32_t i = 0; i < a->flatten_count; i++) {
        const struct sp_flatten_book *one = &a->flattens[i], *other = &b->flattens[i];
        assert_true(sp_cmd_id_eq(one->command_id, other->command_id));
        assert_string_equal(one->scope.s, other->scope.s);
        assert_int_equal(one->step, other->step);
        assert_int_equal(one->resumed, other->resumed);
        assert_string_equal(one->blocked.s, other->blocked.s);
        assert_true(sp_ref_eq(&one->by, &other->by));
    }
    assert_int_equal(a->breaker, b->breaker);
    assert_int_equal(a->breaker_threats.count, b->breaker_threats.count);
    assert_string_equal(a->breaker_reason.s, b->breaker_reason.s);
    assert_true(sp_thr_id_eq(a->venue_threat.threat_id, b->venue_threat.threat_id));
    assert_true(sp_ref_eq(&a->venue_threat_ref, &b->venue_threat_ref));
}

void core_check_saved(const struct core_shell *s)
{
    static char text[SP_STATE_BYTES_MAX];
    static struct sp_execution loaded;
    struct sp_rows_writer writer;
    struct sp_rows_reader reader;
    struct sp_err err = {0};

    sp_rows_begin(&writer, text, sizeof text);
    sp_execution_core.save(&s->core, &writer);
    assert_int_equal(sp_rows_end(&writer), SP_OK);
    sp_execution_init(&loaded, &s->config);
    assert_int_equal(sp_rows_open(&reader, text, writer.len_bytes, &err), SP_OK);
    if (sp_execution_core.load(&loaded, &reader, &err) != SP_OK) fail_msg("%s", err.text);
    core_check_same(&s->core.books, &loaded.books);
}
