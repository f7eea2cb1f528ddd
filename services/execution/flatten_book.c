#include "services/execution/flatten_book.h"

#include "services/execution/books_table.h"

#include <stdio.h>
#include <string.h>

struct sp_flatten_book *sp_flatten_of_scope(struct sp_books *books, const sp_name *scope)
{
    for (uint32_t i = 0; i < books->flatten_count; i++) {
        if (sp_name_eq(&books->flattens[i].scope, scope)) return &books->flattens[i];
    }
    return NULL;
}

static bool covers(const struct sp_books *books, const struct sp_flatten_book *flatten,
                   const struct sp_trade_book *trade)
{
    return sp_books_scope_covers(&flatten->scope, &books->links[trade->link].id);
}

struct sp_flatten_book *sp_flatten_of_trade(struct sp_books *books,
                                            const struct sp_trade_book *trade)
{
    if (trade->flatten == SP_FLATTEN_STEP_NONE) return NULL;
    for (uint32_t i = 0; i < books->flatten_count; i++) {
        if (covers(books, &books->flattens[i], trade)) return &books->flattens[i];
    }
    return NULL;
}

bool sp_flatten_is_over(const struct sp_books *books, const struct sp_trade_book *trade)
{
    if (trade->closed) return true;
    return !trade->opened && sp_books_live_orders(books, trade, SP_LEG_ROLE_NONE) == 0;
}

uint32_t sp_flatten_trades(struct sp_books *books, const struct sp_flatten_book *flatten,
                           uint32_t *flat)
{
    uint32_t count = 0;

    *flat = 0;
    for (uint32_t i = 0; i < books->trade_count; i++) {
        const struct sp_trade_book *trade = &books->trades[i];
        if (trade->flatten == SP_FLATTEN_STEP_NONE || !covers(books, flatten, trade)) continue;
        count++;
        if (trade->flatten == SP_FLATTEN_STEP_FLAT && sp_flatten_is_over(books, trade)) (*flat)++;
    }
    return count;
}

void sp_flatten_say(struct sp_books *books, sp_text *out)
{
    uint32_t flat = 0;

    *out = (sp_text){{0}};
    if (books->flatten_count == 0) return;
    const struct sp_flatten_book *first = &books->flattens[0];
    uint32_t trades = sp_flatten_trades(books, first, &flat);
    char more[32] = "";
    if (books->flatten_count > 1)
        snprintf(more, sizeof more, "; %u more", books->flatten_count - 1);
    const char *now = first->blocked.s;
    if (now[0] == '\0' && first->step == SP_FLATTEN_STEP_VERIFYING) now = "asking the venue";
    sp_text_printf(out, "%s: %u of %u trades flat%s%s%s", first->scope.s, flat, trades,
                   now[0] != '\0' ? ", " : "", now, more);
}

/* ---- Folding ---- */

static void end(struct sp_books *books, struct sp_flatten_book *flatten)
{
    struct sp_flatten_book ended = *flatten;
    uint32_t at = (uint32_t)(flatten - books->flattens);

    books->flatten_count--;
    memmove(flatten, flatten + 1, (books->flatten_count - at) * sizeof *flatten);
    books->flattens[books->flatten_count] = (struct sp_flatten_book){0};
    for (uint32_t i = 0; i < books->trade_count; i++) {
        struct sp_trade_book *trade = &books->trades[i];
        if (!covers(books, &ended, trade)) continue;
        if (sp_flatten_of_trade(books, trade) == NULL) trade->flatten = SP_FLATTEN_STEP_NONE;
        sp_books_note_trade(books, trade);
    }
}

void sp_flatten_begin(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_operator_command *command = &record->body.operator_command;
    struct sp_flatten_book *flatten = sp_flatten_of_scope(books, &command->scope);

    if (flatten == NULL && books->flatten_count < SP_FLATTENS_MAX)
        flatten = &books->flattens[books->flatten_count++];
    if (flatten == NULL) return; /* scopes are links or all, and each has its place */
    *flatten = (struct sp_flatten_book){.command_id = command->command_id,
                                        .scope = command->scope,
                                        .by = sp_record_ref(record)};
    for (uint32_t i = 0; i < books->trade_count; i++) {
        struct sp_trade_book *trade = &books->trades[i];
        if (!covers(books, flatten, trade) || sp_flatten_is_over(books, trade)) continue;
        trade->flatten = SP_FLATTEN_STEP_STARTED;
        sp_books_note_trade(books, trade);
    }
}

void sp_flatten_fold(struct sp_books *books, const struct sp_record *record)
{
    const struct sp_flatten *body = &record->body.flatten;
    struct sp_flatten_book *flatten = sp_flatten_of_scope(books, &body->scope);

    if (flatten == NULL || !sp_cmd_id_eq(flatten->command_id, body->command_id)) return;
    if (body->step == SP_FLATTEN_STEP_DONE || body->step == SP_FLATTEN_STEP_FAILED) {
        end(books, flatten);
        return;
    }
    flatten->by = sp_record_ref(record);
    if (body->step == SP_FLATTEN_STEP_BLOCKED) {
        flatten->blocked = body->reason;
        return;
    }
    flatten->blocked = (sp_text){{0}};
    struct sp_trade_book *trade = sp_books_trade(books, body->trade_id);
    if (trade == NULL) {
        flatten->step = body->step;
        return;
    }
    trade->flatten = body->step;
    sp_books_note_trade(books, trade);
    /* What was verified is not true any more when a trade moves again. */
    flatten->step = SP_FLATTEN_STEP_STARTED;
}

void sp_flatten_resumed(struct sp_books *books, const sp_name *scope)
{
    for (uint32_t i = 0; i < books->flatten_count; i++) {
        struct sp_flatten_book *flatten = &books->flattens[i];
        if (sp_name_is(scope, "all") || sp_name_eq(scope, &flatten->scope)) flatten->resumed = true;
    }
}
