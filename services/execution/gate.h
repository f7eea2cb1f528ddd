/* The gate: what every order passes before its intent is written, in the last process before the
 * venue. Limits count orders in flight and of unknown outcome at their worst. Missing or stale
 * prices, and arithmetic that does not fit, close it. Pure; one thread.
 *
 * Reconciliation, halts, disk reserve, breaker, venue connection, data age, instrument filters,
 * capital, and the limits of limits.h: of the venue, the instrument and the strategy. Not here: the
 * venue's clock, which the adapter of a venue with a clock minds.
 */
#ifndef SP_EXECUTION_GATE_H
#define SP_EXECUTION_GATE_H

#include "services/execution/books.h"
#include "services/execution/message_log.h"

/* The newest prices of an instrument: derived from ticks, lost at a restart. */
struct sp_market_view {
    sp_name symbol;
    sp_px bid, ask, last;
    sp_mono received;       /* of the newest tick, 0 if there was none */
    sp_mono quoted, traded; /* of the newest quote (bid, ask) and trade (last) */
};

/* What the gate knows beside the books. */
struct sp_gate_view {
    struct sp_books *books;
    const struct sp_instrument_config
        *rules; /* the plan's instrument, its filters as in force; NULL: as configured */
    const struct sp_market_view *market;  /* of the plan's instrument, NULL if none */
    const struct sp_market_view *markets; /* of all */
    uint32_t market_count;
    const struct sp_message_log *messages; /* that were sent */
    sp_mono now;
    sp_wall market_time;
    bool venue_waits;          /* it refuses all requests for a while */
    const sp_text *venue_says; /* why, and why it is not connected; NULL: not known */
    bool venue_up;
    bool reconciled; /* cleanly, in this epoch and venue connection */
    struct sp_disk_view {
        uint64_t free_bytes, reserve_bytes;
    } disk; /* as it was asked last */
};

/* Why a plan is refused: names of check and limit, values as decimal text. */
struct sp_refusal {
    const char *gate;
    sp_name limit, value;
    sp_text reason;
    bool latches; /* the strategy fires too often: it is halted until somebody resumes it */
};

/* Checks a risk-increasing plan. True: *facts lists what was read, for the intent. False: *refusal
 * says why. */
SP_NODISCARD bool sp_gate_open_plan(const struct sp_gate_view *view, const struct sp_plan *plan,
                                    sp_facts *facts, struct sp_refusal *refusal);

/* What is possible now for a link (NULL: for all), with reason and next step for a person. */
enum sp_trading sp_gate_trading(const struct sp_gate_view *view, const sp_name *link,
                                sp_text *reason, sp_text *next_step);

/* The touch a market order of this side would meet: ask or bid, else the last trade; each only
 * while it is younger than data_age_max. Zero if there is none. */
sp_px sp_gate_touch(const struct sp_gate_view *view, enum sp_side side);
/* The price at which a limit counts a market order: the touch, moved by the collar; the order's own
 * price if it has one. False if there is no usable price. */
SP_NODISCARD bool sp_gate_worst_price(const struct sp_gate_view *view, enum sp_side side,
                                      sp_px limit_px, sp_px *out);

/* The newest prices of an instrument, NULL if there are none. */
const struct sp_market_view *sp_gate_market(const struct sp_gate_view *view, const sp_name *symbol);
/* Of messages_max, what entries may use: all but a fifth, which is kept for what reduces. */
uint32_t sp_gate_messages_of_entries(const struct sp_risk_config *risk);

#endif
