/* A venue with a truth of its own, which the code under test never sees except by its messages.
 *
 * One instrument, one account, fees in the quote asset at 0.1 %. Every request is carried out at
 * once; what the venue says about it waits in `said`, so that a test can deliver, lose, repeat and
 * reorder it. A client order id is unique among open orders only: a client that resends fills
 * twice.
 */
#ifndef SP_TEST_SERVICES_FAKE_VENUE_H
#define SP_TEST_SERVICES_FAKE_VENUE_H

#include "proto/record.h"

#define VENUE_ORDERS_MAX 4096
#define VENUE_FILLS_MAX  8192
#define VENUE_SAID_MAX   512

struct venue_order {
    sp_name id, pair;
    uint64_t number;
    uint8_t side, type, tif, state;
    sp_qty qty, filled;
    sp_px px, stop_px;
    sp_name symbol;
};

struct fake_venue {
    sp_px price; /* everything trades at it */
    sp_amt base, quote;
    sp_qty liquidity; /* what the next taking order finds; 0: everything it wants */
    uint32_t parts;   /* a taking order fills in so many pieces */
    bool refuses;     /* every order, until cleared */
    bool fails;       /* answers with a status that says nothing, and does nothing */
    bool empty;       /* nothing to trade against: taking orders expire */
    uint32_t order_count, fill_count, said_count;
    uint64_t report_seq;
    struct venue_order orders[VENUE_ORDERS_MAX];
    struct sp_fill_view fills[VENUE_FILLS_MAX];
    struct sp_record said[VENUE_SAID_MAX];
};

void venue_init(struct fake_venue *v, sp_px price, sp_amt base, sp_amt quote);
/* Carries out VENUE_ORDER, VENUE_CANCEL or VENUE_QUERY. */
void venue_receive(struct fake_venue *v, const struct sp_record *request);
/* The market moves; resting orders that it reaches fill, `part` of them at most (0: whole). */
void venue_move(struct fake_venue *v, sp_px price, sp_qty part);
/* Fills a resting order at a price of the test's choice. */
void venue_fill(struct fake_venue *v, const sp_name *id, sp_px px, sp_qty qty);
/* Ends a resting order on the venue's own account. */
void venue_cancel(struct fake_venue *v, const sp_name *id);
/* The newest order with that id, or NULL. */
struct venue_order *venue_find(struct fake_venue *v, const sp_name *id);
/* How many orders ever had that id. */
uint32_t venue_count(const struct fake_venue *v, const sp_name *id);
/* Takes message `at` out of what was said. */
struct sp_record venue_take(struct fake_venue *v, uint32_t at);

#endif
