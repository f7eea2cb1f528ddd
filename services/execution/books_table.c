/* The tables of orders and trades: what lives, and what goes when a table is full. They are large
 * (an order has 1.7 KB) and an order may be waiting: what is asked after every event looks at what
 * lives only, and of what has ended many go at once, in one pass, so that the next ones find room.
 */
#include "services/execution/books_table.h"

#include <string.h>

/* ---- What lives ---- */

static bool trade_lives(const struct sp_books *books, const struct sp_trade_book *trade)
{
    bool holds = !trade->closed && (trade->opened || trade->bought_qty.e8 > 0);

    return holds || trade->flatten != SP_FLATTEN_STEP_NONE ||
           sp_books_live_orders(books, trade, SP_LEG_ROLE_NONE) > 0;
}

void sp_books_find_live(struct sp_books *books)
{
    books->live_count = 0;
    for (uint32_t i = 0; i < books->order_count; i++) {
        if (sp_order_is_live(books->orders[i].state))
            books->live[books->live_count++] = (uint16_t)i;
    }
    books->live_trade_count = 0;
    for (uint32_t i = 0; i < books->trade_count; i++) {
        if (trade_lives(books, &books->trades[i]))
            books->live_trades[books->live_trade_count++] = (uint16_t)i;
    }
}

/* Late truth may bring something old back to life: they stay in the order of their places. */
static void add_place(uint16_t *places, uint32_t *count, uint16_t place)
{
    uint32_t at = *count;

    for (; at > 0 && places[at - 1] >= place; at--)
        if (places[at - 1] == place) return;
    memmove(places + at + 1, places + at, (*count - at) * sizeof *places);
    places[at] = place;
    ++*count;
}

static void remove_place(uint16_t *places, uint32_t *count, uint16_t place)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < *count; i++) {
        if (places[i] != place) places[kept++] = places[i];
    }
    *count = kept;
}

void sp_books_note_trade(struct sp_books *books, const struct sp_trade_book *trade)
{
    uint16_t place = (uint16_t)(trade - books->trades);

    if (trade_lives(books, trade)) {
        add_place(books->live_trades, &books->live_trade_count, place);
    } else {
        remove_place(books->live_trades, &books->live_trade_count, place);
    }
}

void sp_books_set_state(struct sp_books *books, struct sp_order *order, enum sp_order_state state)
{
    bool lived = sp_order_is_live(order->state), lives = sp_order_is_live(state);
    uint16_t place = (uint16_t)(order - books->orders);

    order->state = state;
    if (lives == lived) return;
    if (lives) {
        add_place(books->live, &books->live_count, place);
    } else {
        remove_place(books->live, &books->live_count, place);
    }
    const struct sp_trade_book *trade = sp_books_trade(books, order->intent.trade_id);
    if (trade != NULL) sp_books_note_trade(books, trade);
}

/* ---- Making room ---- */

/* In need, an ended order of an open trade goes too: a trade whose exits are refused again and
 * again must not fill the table. */
static bool order_may_go(struct sp_books *books, const struct sp_order *order, bool in_need)
{
    const struct sp_trade_book *trade = sp_books_trade(books, order->intent.trade_id);

    return sp_order_is_terminal(order->state) && (in_need || trade == NULL || trade->closed);
}

static bool trade_may_go(const struct sp_books *books, const struct sp_trade_book *trade)
{
    bool is_over = trade->closed || !trade->opened;

    return is_over && sp_books_live_orders(books, trade, SP_LEG_ROLE_NONE) == 0;
}

bool sp_books_has_room(const struct sp_books *books)
{
    uint32_t open = 0;

    for (uint32_t i = 0; i < books->live_trade_count; i++) {
        if (!trade_may_go(books, &books->trades[books->live_trades[i]])) open++;
    }
    return books->live_count + 8 < SP_ORDERS_MAX / 2 && open + 2 < SP_TRADES_MAX / 2;
}

/* False: none of them may go. */
static bool forget_orders(struct sp_books *books, bool in_need)
{
    uint32_t kept = 0, most = in_need ? 1 : SP_ORDERS_MAX / 8;

    for (uint32_t i = 0; i < books->order_count; i++) {
        if (i - kept < most && order_may_go(books, &books->orders[i], in_need)) continue;
        if (kept != i) books->orders[kept] = books->orders[i];
        kept++;
    }
    bool some = kept < books->order_count;
    books->order_count = kept;
    sp_books_find_live(books);
    return some;
}

void sp_books_room_for_order(struct sp_books *books)
{
    if (books->order_count < SP_ORDERS_MAX) return;
    if (forget_orders(books, false) || forget_orders(books, true)) return;
    sp_assert_fail("order table full of live orders: the gate keeps it below half", SP_SITE);
}

static void forget_orders_of(struct sp_books *books, const sp_trd_id *trades, uint32_t count)
{
    uint32_t kept = 0;

    for (uint32_t i = 0; i < books->order_count; i++) {
        bool goes = false;
        for (uint32_t k = 0; k < count && !goes; k++)
            goes = sp_trd_id_eq(trades[k], books->orders[i].intent.trade_id);
        if (goes) continue;
        if (kept != i) books->orders[kept] = books->orders[i];
        kept++;
    }
    books->order_count = kept;
    sp_books_find_live(books);
}

void sp_books_room_for_trade(struct sp_books *books)
{
    sp_trd_id gone[SP_TRADES_MAX / 8];
    uint32_t kept = 0, gone_count = 0;

    if (books->trade_count < SP_TRADES_MAX) return;
    for (uint32_t i = 0; i < books->trade_count; i++) {
        if (gone_count < SP_TRADES_MAX / 8 && trade_may_go(books, &books->trades[i])) {
            gone[gone_count++] = books->trades[i].trade_id;
            continue;
        }
        if (kept != i) books->trades[kept] = books->trades[i];
        kept++;
    }
    if (gone_count == 0)
        sp_assert_fail("trade table full of open trades: the gate keeps it below half", SP_SITE);
    books->trade_count = kept;
    forget_orders_of(books, gone, gone_count);
}
