/* The life of an order as a [state][event] table.
 *
 *   NEW -> INTENT_DURABLE -> SENT -> OPEN -> PARTIALLY_FILLED -> FILLED | CANCELED | EXPIRED
 *   SENT -> REJECTED, SENT -> UNKNOWN -> any of these | ABSENT_PROVEN; PENDING_CANCEL beside OPEN
 *
 * Fills may come before the acknowledgement, after the cancel, and after absence was "proven": late
 * truth wins. Pure; any thread.
 */
#ifndef SP_EXECUTION_ORDER_LIFE_H
#define SP_EXECUTION_ORDER_LIFE_H

#include "proto/enums.h"

enum sp_order_event_type {
    SP_OE_INTENT,     /* the intent is durable */
    SP_OE_SENT,       /* its one attempt left */
    SP_OE_SUPPRESSED, /* no byte left: withdrawn after the sync, or no connection */
    SP_OE_ACK,        /* the venue has it */
    SP_OE_REJECT,     /* the venue refused it */
    SP_OE_FILL,       /* executed in part */
    SP_OE_FILL_LAST,  /* executed in full */
    SP_OE_CANCEL_REQ, /* our cancel is durable */
    SP_OE_CANCELED,
    SP_OE_EXPIRED,
    SP_OE_UNKNOWN, /* no answer: timeout, disconnect, our own crash */
    SP_OE_ABSENT,  /* proven never to have arrived */
    SP_OE_COUNT
};

enum sp_order_effect {
    SP_OX_IMPOSSIBLE, /* must not happen: an incident, the state stays */
    SP_OX_STEP,       /* the ordinary next state */
    SP_OX_SAME,       /* known already: nothing changes */
    SP_OX_LATE        /* truth that came late: it wins */
};

struct sp_order_step {
    enum sp_order_effect effect;
    enum sp_order_state next; /* the state itself unless effect is STEP or LATE */
};

/* Asserts that both are in range. */
struct sp_order_step sp_order_step(enum sp_order_state state, enum sp_order_event_type event);

/* Nothing more is expected of the venue. */
bool sp_order_is_terminal(enum sp_order_state state);
/* The venue may hold it: counts in every limit at its worst. */
bool sp_order_is_live(enum sp_order_state state);
/* Left or may have left, and the venue has not answered yet. */
bool sp_order_is_in_flight(enum sp_order_state state);

#endif
