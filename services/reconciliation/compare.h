/* One cut through our books and the venue's truth, and how the two differ. Pure; one thread.
 *
 * A cut is compared only if it is whole: every list complete, our books at one version, nothing in
 * flight. The caller sees to that: what is missing from a list that was not read whole is not
 * missing.
 */
#ifndef SP_RECONCILIATION_COMPARE_H
#define SP_RECONCILIATION_COMPARE_H

#include "common/config/config.h"
#include "proto/record.h"

#define SP_CUT_ORDERS_MAX   1024
#define SP_CUT_FILLS_MAX    4096
#define SP_CUT_BALANCES_MAX 32
#define SP_CUT_ASKED_MAX    64
/* The gateway shows its newest executions, this many at most of each instrument. */
#define SP_CUT_OUR_FILLS_MAX 512
/* Executions may be booked out of order within this many numbers. */
#define SP_CUT_FILLS_MARGIN 100
#define SP_DIFFS_MAX        24

/* What one side holds. Ours: live orders. The venue's: open orders. */
struct sp_holdings {
    uint32_t order_count, fill_count, balance_count;
    struct sp_order_view orders[SP_CUT_ORDERS_MAX];
    struct sp_fill_view fills[SP_CUT_FILLS_MAX];
    struct sp_balance_view balances[SP_CUT_BALANCES_MAX];
};

struct sp_cut {
    struct sp_books_header header;
    struct sp_holdings ours, venues;
    /* Per instrument of the world, which numbers its executions: those above this are compared. */
    uint64_t fills_after[SP_SYMBOLS_MAX];
    /* Orders that live in our books and are not open at the venue, as the venue tells when asked
     * for each one; state NONE: it does not know the order. */
    uint32_t asked_count;
    struct sp_order_view asked[SP_CUT_ASKED_MAX];
};

struct sp_diff {
    enum sp_difference item;
    sp_name symbol, asset, client_order_id;
    uint64_t venue_trade_id;
    sp_text ours, venues, evidence;
    bool correctable; /* by the gateway, with `correction` (its first eight fields and the fill) */
    sp_amt value;     /* what the correction moves, quote currency */
    struct sp_correction correction;
};

struct sp_diffs {
    uint32_t found; /* all of them; those beyond SP_DIFFS_MAX are counted, not listed */
    uint32_t count;
    uint32_t strangers;     /* executions that are not ours: they show in the balances */
    sp_name stranger_order; /* of the newest of them */
    struct sp_diff at[SP_DIFFS_MAX];
};

/* Number below the oldest execution of ours in an instrument that can be compared; 0 if all of ours
 * in it are in view. */
uint64_t sp_cut_fills_after(const struct sp_holdings *ours, const sp_name *symbol);
/* Lists our live orders that are not among the venue's open ones into cut->asked, to be asked for.
 * Returns how many there are: more than SP_CUT_ASKED_MAX are not listed. */
uint32_t sp_cut_list_absent(struct sp_cut *cut);
/* Compares executions, orders and balances. `installation` tells our orders from strangers'. What a
 * stranger traded on the account is no difference of its own: it is one of the balances, until an
 * operator adopts them. The order of the list depends on the cut alone. */
void sp_compare(const struct sp_world_config *world, const char *installation,
                const struct sp_cut *cut, struct sp_diffs *out);
/* Whether an item of `list` is about the same thing and says the same. */
bool sp_diffs_has(const struct sp_diffs *list, const struct sp_diff *diff);
bool sp_diffs_equal(const struct sp_diffs *a, const struct sp_diffs *b);
/* Whether an item of `list` is about the same thing, whatever it says. */
bool sp_diffs_concerns(const struct sp_diffs *list, const struct sp_diff *diff);
/* Instruments of which we hold something, worth an order, with no live order to sell it: a bit per
 * instrument of the world. *positions: how many are held. */
uint32_t sp_cut_unprotected(const struct sp_world_config *world, const struct sp_cut *cut,
                            uint32_t *positions);

#endif
