#include "services/execution/order_life.h"

#define STEP(state)                                                                                \
    {                                                                                              \
        SP_OX_STEP, SP_ORDER_STATE_##state                                                         \
    }
#define LATE(state)                                                                                \
    {                                                                                              \
        SP_OX_LATE, SP_ORDER_STATE_##state                                                         \
    }
#define SAME(state)                                                                                \
    {                                                                                              \
        SP_OX_SAME, SP_ORDER_STATE_##state                                                         \
    }
#define NEVER(state)                                                                               \
    {                                                                                              \
        SP_OX_IMPOSSIBLE, SP_ORDER_STATE_##state                                                   \
    }

/* clang-format off */
static const struct sp_order_step table[SP_ORDER_STATE_COUNT][SP_OE_COUNT] = {
    [SP_ORDER_STATE_NONE] = {
        [SP_OE_INTENT] = NEVER(NONE), [SP_OE_SENT] = NEVER(NONE),
        [SP_OE_SUPPRESSED] = NEVER(NONE), [SP_OE_ACK] = NEVER(NONE),
        [SP_OE_REJECT] = NEVER(NONE), [SP_OE_FILL] = NEVER(NONE),
        [SP_OE_FILL_LAST] = NEVER(NONE), [SP_OE_CANCEL_REQ] = NEVER(NONE),
        [SP_OE_CANCELED] = NEVER(NONE), [SP_OE_EXPIRED] = NEVER(NONE),
        [SP_OE_UNKNOWN] = NEVER(NONE), [SP_OE_ABSENT] = NEVER(NONE)},
    [SP_ORDER_STATE_NEW] = {
        [SP_OE_INTENT] = STEP(INTENT_DURABLE), [SP_OE_SENT] = NEVER(NEW),
        [SP_OE_SUPPRESSED] = NEVER(NEW), [SP_OE_ACK] = NEVER(NEW),
        [SP_OE_REJECT] = NEVER(NEW), [SP_OE_FILL] = NEVER(NEW),
        [SP_OE_FILL_LAST] = NEVER(NEW), [SP_OE_CANCEL_REQ] = NEVER(NEW),
        [SP_OE_CANCELED] = NEVER(NEW), [SP_OE_EXPIRED] = NEVER(NEW),
        [SP_OE_UNKNOWN] = NEVER(NEW), [SP_OE_ABSENT] = NEVER(NEW)},
    /* SENT is written after the send: a crash in between leaves this state, and any answer of the
     * venue may come to it. */
    [SP_ORDER_STATE_INTENT_DURABLE] = {
        [SP_OE_INTENT] = NEVER(INTENT_DURABLE), [SP_OE_SENT] = STEP(SENT),
        [SP_OE_SUPPRESSED] = STEP(SUPPRESSED), [SP_OE_ACK] = STEP(OPEN),
        [SP_OE_REJECT] = STEP(REJECTED), [SP_OE_FILL] = STEP(PARTIALLY_FILLED),
        [SP_OE_FILL_LAST] = STEP(FILLED), [SP_OE_CANCEL_REQ] = NEVER(INTENT_DURABLE),
        [SP_OE_CANCELED] = STEP(CANCELED), [SP_OE_EXPIRED] = STEP(EXPIRED),
        [SP_OE_UNKNOWN] = STEP(UNKNOWN), [SP_OE_ABSENT] = NEVER(INTENT_DURABLE)},
    [SP_ORDER_STATE_SENT] = {
        [SP_OE_INTENT] = NEVER(SENT), [SP_OE_SENT] = SAME(SENT),
        [SP_OE_SUPPRESSED] = NEVER(SENT), [SP_OE_ACK] = STEP(OPEN),
        [SP_OE_REJECT] = STEP(REJECTED), [SP_OE_FILL] = STEP(PARTIALLY_FILLED),
        [SP_OE_FILL_LAST] = STEP(FILLED), [SP_OE_CANCEL_REQ] = STEP(PENDING_CANCEL),
        [SP_OE_CANCELED] = STEP(CANCELED), [SP_OE_EXPIRED] = STEP(EXPIRED),
        [SP_OE_UNKNOWN] = STEP(UNKNOWN), [SP_OE_ABSENT] = NEVER(SENT)},
    [SP_ORDER_STATE_OPEN] = {
        [SP_OE_INTENT] = NEVER(OPEN), [SP_OE_SENT] = SAME(OPEN),
        [SP_OE_SUPPRESSED] = NEVER(OPEN), [SP_OE_ACK] = SAME(OPEN),
        [SP_OE_REJECT] = NEVER(OPEN), [SP_OE_FILL] = STEP(PARTIALLY_FILLED),
        [SP_OE_FILL_LAST] = STEP(FILLED), [SP_OE_CANCEL_REQ] = STEP(PENDING_CANCEL),
        [SP_OE_CANCELED] = STEP(CANCELED), [SP_OE_EXPIRED] = STEP(EXPIRED),
        [SP_OE_UNKNOWN] = STEP(UNKNOWN), [SP_OE_ABSENT] = NEVER(OPEN)},
    [SP_ORDER_STATE_PARTIALLY_FILLED] = {
        [SP_OE_INTENT] = NEVER(PARTIALLY_FILLED), [SP_OE_SENT] = SAME(PARTIALLY_FILLED),
        [SP_OE_SUPPRESSED] = NEVER(PARTIALLY_FILLED), [SP_OE_ACK] = SAME(PARTIALLY_FILLED),
        [SP_OE_REJECT] = NEVER(PARTIALLY_FILLED), [SP_OE_FILL] = STEP(PARTIALLY_FILLED),
        [SP_OE_FILL_LAST] = STEP(FILLED), [SP_OE_CANCEL_REQ] = STEP(PENDING_CANCEL),
        [SP_OE_CANCELED] = STEP(CANCELED), [SP_OE_EXPIRED] = STEP(EXPIRED),
        [SP_OE_UNKNOWN] = STEP(UNKNOWN), [SP_OE_ABSENT] = NEVER(PARTIALLY_FILLED)},
    /* A cancel that is not confirmed cancels nothing: the order is still tracked and may fill. */
    [SP_ORDER_STATE_PENDING_CANCEL] = {
        [SP_OE_INTENT] = NEVER(PENDING_CANCEL), [SP_OE_SENT] = SAME(PENDING_CANCEL),
        [SP_OE_SUPPRESSED] = NEVER(PENDING_CANCEL), [SP_OE_ACK] = SAME(PENDING_CANCEL),
        [SP_OE_REJECT] = STEP(REJECTED), [SP_OE_FILL] = SAME(PENDING_CANCEL),
        [SP_OE_FILL_LAST] = STEP(FILLED), [SP_OE_CANCEL_REQ] = SAME(PENDING_CANCEL),
        [SP_OE_CANCELED] = STEP(CANCELED), [SP_OE_EXPIRED] = STEP(EXPIRED),
        [SP_OE_UNKNOWN] = STEP(UNKNOWN), [SP_OE_ABSENT] = NEVER(PENDING_CANCEL)},
    [SP_ORDER_STATE_UNKNOWN] = {
        [SP_OE_INTENT] = NEVER(UNKNOWN), [SP_OE_SENT] = SAME(UNKNOWN),
        [SP_OE_SUPPRESSED] = NEVER(UNKNOWN), [SP_OE_ACK] = STEP(OPEN),
        [SP_OE_REJECT] = STEP(REJECTED), [SP_OE_FILL] = STEP(PARTIALLY_FILLED),
        [SP_OE_FILL_LAST] = STEP(FILLED), [SP_OE_CANCEL_REQ] = SAME(UNKNOWN),
        [SP_OE_CANCELED] = STEP(CANCELED), [SP_OE_EXPIRED] = STEP(EXPIRED),
        [SP_OE_UNKNOWN] = SAME(UNKNOWN), [SP_OE_ABSENT] = STEP(ABSENT_PROVEN)},
    [SP_ORDER_STATE_FILLED] = {
        [SP_OE_INTENT] = NEVER(FILLED), [SP_OE_SENT] = SAME(FILLED),
        [SP_OE_SUPPRESSED] = NEVER(FILLED), [SP_OE_ACK] = SAME(FILLED),
        [SP_OE_REJECT] = NEVER(FILLED), [SP_OE_FILL] = NEVER(FILLED),
        [SP_OE_FILL_LAST] = NEVER(FILLED), [SP_OE_CANCEL_REQ] = SAME(FILLED),
        [SP_OE_CANCELED] = NEVER(FILLED), [SP_OE_EXPIRED] = NEVER(FILLED),
        [SP_OE_UNKNOWN] = SAME(FILLED), [SP_OE_ABSENT] = NEVER(FILLED)},
    [SP_ORDER_STATE_CANCELED] = {
        [SP_OE_INTENT] = NEVER(CANCELED), [SP_OE_SENT] = SAME(CANCELED),
        [SP_OE_SUPPRESSED] = NEVER(CANCELED), [SP_OE_ACK] = SAME(CANCELED),
        [SP_OE_REJECT] = NEVER(CANCELED), [SP_OE_FILL] = LATE(CANCELED),
        [SP_OE_FILL_LAST] = LATE(FILLED), [SP_OE_CANCEL_REQ] = SAME(CANCELED),
        [SP_OE_CANCELED] = SAME(CANCELED), [SP_OE_EXPIRED] = SAME(CANCELED),
        [SP_OE_UNKNOWN] = SAME(CANCELED), [SP_OE_ABSENT] = NEVER(CANCELED)},
    [SP_ORDER_STATE_EXPIRED] = {
        [SP_OE_INTENT] = NEVER(EXPIRED), [SP_OE_SENT] = SAME(EXPIRED),
        [SP_OE_SUPPRESSED] = NEVER(EXPIRED), [SP_OE_ACK] = SAME(EXPIRED),
        [SP_OE_REJECT] = NEVER(EXPIRED), [SP_OE_FILL] = LATE(EXPIRED),
        [SP_OE_FILL_LAST] = LATE(FILLED), [SP_OE_CANCEL_REQ] = SAME(EXPIRED),
        [SP_OE_CANCELED] = SAME(EXPIRED), [SP_OE_EXPIRED] = SAME(EXPIRED),
        [SP_OE_UNKNOWN] = SAME(EXPIRED), [SP_OE_ABSENT] = NEVER(EXPIRED)},
    [SP_ORDER_STATE_REJECTED] = {
        [SP_OE_INTENT] = NEVER(REJECTED), [SP_OE_SENT] = SAME(REJECTED),
        [SP_OE_SUPPRESSED] = NEVER(REJECTED), [SP_OE_ACK] = LATE(OPEN),
        [SP_OE_REJECT] = SAME(REJECTED), [SP_OE_FILL] = LATE(PARTIALLY_FILLED),
        [SP_OE_FILL_LAST] = LATE(FILLED), [SP_OE_CANCEL_REQ] = SAME(REJECTED),
        [SP_OE_CANCELED] = SAME(REJECTED), [SP_OE_EXPIRED] = SAME(REJECTED),
        [SP_OE_UNKNOWN] = SAME(REJECTED), [SP_OE_ABSENT] = NEVER(REJECTED)},
    [SP_ORDER_STATE_ABSENT_PROVEN] = {
        [SP_OE_INTENT] = NEVER(ABSENT_PROVEN), [SP_OE_SENT] = SAME(ABSENT_PROVEN),
        [SP_OE_SUPPRESSED] = NEVER(ABSENT_PROVEN), [SP_OE_ACK] = LATE(OPEN),
        [SP_OE_REJECT] = LATE(REJECTED), [SP_OE_FILL] = LATE(PARTIALLY_FILLED),
        [SP_OE_FILL_LAST] = LATE(FILLED), [SP_OE_CANCEL_REQ] = SAME(ABSENT_PROVEN),
        [SP_OE_CANCELED] = LATE(CANCELED), [SP_OE_EXPIRED] = LATE(EXPIRED),
        [SP_OE_UNKNOWN] = SAME(ABSENT_PROVEN), [SP_OE_ABSENT] = SAME(ABSENT_PROVEN)},
    /* No byte left us, so nothing can come of it. */
    [SP_ORDER_STATE_SUPPRESSED] = {
        [SP_OE_INTENT] = NEVER(SUPPRESSED), [SP_OE_SENT] = NEVER(SUPPRESSED),
        [SP_OE_SUPPRESSED] = SAME(SUPPRESSED), [SP_OE_ACK] = NEVER(SUPPRESSED),
        [SP_OE_REJECT] = NEVER(SUPPRESSED), [SP_OE_FILL] = NEVER(SUPPRESSED),
        [SP_OE_FILL_LAST] = NEVER(SUPPRESSED), [SP_OE_CANCEL_REQ] = SAME(SUPPRESSED),
        [SP_OE_CANCELED] = NEVER(SUPPRESSED), [SP_OE_EXPIRED] = NEVER(SUPPRESSED),
        [SP_OE_UNKNOWN] = SAME(SUPPRESSED), [SP_OE_ABSENT] = SAME(SUPPRESSED)},
};
/* clang-format on */

struct sp_order_step sp_order_step(enum sp_order_state state, enum sp_order_event_type event)
{
    SP_ASSERT((unsigned)state < SP_ORDER_STATE_COUNT);
    SP_ASSERT((unsigned)event < SP_OE_COUNT);
    return table[state][event];
}

bool sp_order_is_terminal(enum sp_order_state state)
{
    return state >= SP_ORDER_STATE_FILLED;
}

bool sp_order_is_live(enum sp_order_state state)
{
    return state >= SP_ORDER_STATE_INTENT_DURABLE && state <= SP_ORDER_STATE_UNKNOWN;
}

bool sp_order_is_in_flight(enum sp_order_state state)
{
    return state == SP_ORDER_STATE_INTENT_DURABLE || state == SP_ORDER_STATE_SENT ||
           state == SP_ORDER_STATE_UNKNOWN;
}

_Static_assert(SP_ORDER_STATE_UNKNOWN + 1 == SP_ORDER_STATE_FILLED, "terminal states come last");
