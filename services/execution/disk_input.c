/* The disk reserve: below it nothing new is begun, so that what runs can be written to its end. The
 * halt is journalled like an operator's, under a scope of its own that no operator can lift; it
 * ends by itself. */
#include "common/config/units.h"
#include "common/planted_bug.h"
#include "services/execution/execution_internal.h"

static bool is_halted_otherwise(const struct sp_books *books)
{
    for (uint32_t i = 0; i < books->scope_count; i++) {
        const struct sp_scope_book *scope = &books->scopes[i];
        if (scope->halted && scope->cause != SP_HALT_CAUSE_STORAGE) return true;
    }
    return books->breaker != SP_BREAKER_CLOSED;
}

static struct sp_trading_state *disk_record(struct sp_turn *turn, enum sp_kind kind,
                                            const struct sp_ref *cause)
{
    struct sp_record *record = sp_decision_add(turn->decision, kind, cause);
    struct sp_trading_state *body = &record->body.trading_state;

    body->scope = sp_name_of("disk");
    body->cause = SP_HALT_CAUSE_STORAGE;
    return body;
}

void sp_x_disk(struct sp_turn *turn)
{
    const struct sp_disk_space *told = &turn->event->record->body.disk_space;
    const struct sp_scope_book *halt = sp_books_disk_halt(&turn->x->books);
    char left[SP_BYTES_TEXT_SIZE], kept[SP_BYTES_TEXT_SIZE];

    turn->x->disk.free_bytes = told->free_bytes;
    turn->x->disk.reserve_bytes = told->reserve_bytes;
    if (told->reserved == (halt != NULL) || SP_BUG(disk_reserve_ignored)) return;
    sp_units_bytes_about(told->free_bytes, left);
    sp_units_bytes_about(told->reserve_bytes, kept);
    if (told->reserved) {
        struct sp_trading_state *body = disk_record(turn, SP_REC_TRADING_HALTED, NULL);
        body->trading = SP_TRADING_REDUCE_ONLY;
        sp_text_printf(&body->reason, "disk reserve: %s free, %s are kept", left, kept);
        sp_text_printf(&body->next_step, "free some disk space; trading then resumes by itself");
        return;
    }
    struct sp_trading_state *body = disk_record(turn, SP_REC_TRADING_RESUMED, &halt->by);
    body->trading =
        is_halted_otherwise(&turn->x->books) ? SP_TRADING_REDUCE_ONLY : SP_TRADING_ALLOWED;
    sp_text_printf(&body->reason, "disk space is back: %s free", left);
}
