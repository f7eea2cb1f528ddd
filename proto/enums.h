/* Every enumeration that travels or is stored. Zero is "none"; values are append-only, because the
 * number is on the wire and the name is in the journal. Any thread.
 */
#ifndef SP_PROTO_ENUMS_H
#define SP_PROTO_ENUMS_H

#include "proto/status.h"

#define SP_VALUES_SIDE(V, P)      V(P, BUY) V(P, SELL)
#define SP_VALUES_LIQUIDITY(V, P) V(P, MAKER) V(P, TAKER)
#define SP_VALUES_ORDER_TYPE(V, P)                                                                 \
    V(P, MARKET)                                                                                   \
    V(P, LIMIT)                                                                                    \
    V(P, STOP_LOSS)                                                                                \
    V(P, LIMIT_MAKER)                                                                              \
    V(P, STOP_LOSS_LIMIT)                                                                          \
    V(P, TAKE_PROFIT)                                                                              \
    V(P, TAKE_PROFIT_LIMIT)
#define SP_VALUES_TIF(V, P) V(P, GTC) V(P, IOC) V(P, FOK)
/* What an order is for: its leg within a trade. */
#define SP_VALUES_LEG_ROLE(V, P) V(P, ENTRY) V(P, TARGET) V(P, STOP) V(P, EXIT)
#define SP_VALUES_ORDER_STATE(V, P)                                                                \
    V(P, NEW)                                                                                      \
    V(P, INTENT_DURABLE)                                                                           \
    V(P, SENT)                                                                                     \
    V(P, OPEN)                                                                                     \
    V(P, PARTIALLY_FILLED)                                                                         \
    V(P, PENDING_CANCEL)                                                                           \
    V(P, UNKNOWN)                                                                                  \
    V(P, FILLED)                                                                                   \
    V(P, CANCELED)                                                                                 \
    V(P, EXPIRED)                                                                                  \
    V(P, REJECTED)                                                                                 \
    V(P, ABSENT_PROVEN)                                                                            \
    V(P, SUPPRESSED)
#define SP_VALUES_PLAN_ACTION(V, P) V(P, OPEN) V(P, CLOSE)
#define SP_VALUES_OPEN_CAUSE(V, P)  V(P, OPPORTUNITY) V(P, SCHEDULE) V(P, OPERATOR) V(P, EXTERNAL)
#define SP_VALUES_CLOSE_CAUSE(V, P)                                                                \
    V(P, TARGET)                                                                                   \
    V(P, STOP)                                                                                     \
    V(P, TRAILING)                                                                                 \
    V(P, SIGNAL)                                                                                   \
    V(P, TIME)                                                                                     \
    V(P, THREAT)                                                                                   \
    V(P, SCHEDULE)                                                                                 \
    V(P, OPERATOR)                                                                                 \
    V(P, RECONCILIATION)                                                                           \
    V(P, EXTERNAL)
#define SP_VALUES_VERDICT(V, P) V(P, ACCEPTED) V(P, REJECTED)
#define SP_VALUES_REJECT_CAUSE(V, P)                                                               \
    V(P, THREAT)                                                                                   \
    V(P, POSITION_OPEN)                                                                            \
    V(P, COOLDOWN)                                                                                 \
    V(P, LIMIT)                                                                                    \
    V(P, GATE)                                                                                     \
    V(P, EXPIRED)
#define SP_VALUES_SEVERITY(V, P) V(P, LOW) V(P, MEDIUM) V(P, HIGH) V(P, CRITICAL)
#define SP_VALUES_TRADING(V, P)  V(P, ALLOWED) V(P, REDUCE_ONLY) V(P, STOPPED)
#define SP_VALUES_BREAKER(V, P)  V(P, CLOSED) V(P, OPEN) V(P, HALF_OPEN)
#define SP_VALUES_HALT_CAUSE(V, P)                                                                 \
    V(P, THREAT)                                                                                   \
    V(P, OPERATOR)                                                                                 \
    V(P, RECONCILIATION)                                                                           \
    V(P, LIMIT)                                                                                    \
    V(P, STORAGE)                                                                                  \
    V(P, STOP)
#define SP_VALUES_TRIGGER(V, P) V(P, START) V(P, PERIODIC) V(P, RECONNECT) V(P, OPERATOR)
#define SP_VALUES_DIFFERENCE(V, P)                                                                 \
    V(P, FILL_MISSING)                                                                             \
    V(P, FILL_UNKNOWN)                                                                             \
    V(P, ORDER_STATE)                                                                              \
    V(P, ORDER_MISSING)                                                                            \
    V(P, ORDER_ORPHAN)                                                                             \
    V(P, ORDER_EXTERNAL)                                                                           \
    V(P, BALANCE)                                                                                  \
    V(P, PROTECTION_MISSING)
#define SP_VALUES_ITEM_RESULT(V, P) V(P, CORRECTED) V(P, UNRESOLVED)
#define SP_VALUES_PHASE(V, P)                                                                      \
    V(P, LOAD)                                                                                     \
    V(P, WIRE)                                                                                     \
    V(P, CONNECT)                                                                                  \
    V(P, RECONCILE)                                                                                \
    V(P, REPLAY)                                                                                   \
    V(P, READY)                                                                                    \
    V(P, STOPPING)
/* Of a trade: STARTED to FLAT; of all: STARTED, VERIFYING, BLOCKED, DONE, FAILED. */
#define SP_VALUES_FLATTEN_STEP(V, P)                                                               \
    V(P, STARTED)                                                                                  \
    V(P, CANCELS_SENT)                                                                             \
    V(P, CANCELS_CONFIRMED)                                                                        \
    V(P, MEASURED)                                                                                 \
    V(P, REDUCING)                                                                                 \
    V(P, FLAT)                                                                                     \
    V(P, VERIFYING)                                                                                \
    V(P, BLOCKED)                                                                                  \
    V(P, DONE)                                                                                     \
    V(P, FAILED)
#define SP_VALUES_COMMAND(V, P) V(P, HALT) V(P, RESUME) V(P, FLATTEN) V(P, RECONCILE) V(P, ADOPT)

#define SP_ENUM_MAP(E)                                                                             \
    E(side, SIDE)                                                                                  \
    E(liquidity, LIQUIDITY)                                                                        \
    E(order_type, ORDER_TYPE)                                                                      \
    E(tif, TIF)                                                                                    \
    E(leg_role, LEG_ROLE)                                                                          \
    E(order_state, ORDER_STATE)                                                                    \
    E(plan_action, PLAN_ACTION)                                                                    \
    E(open_cause, OPEN_CAUSE)                                                                      \
    E(close_cause, CLOSE_CAUSE)                                                                    \
    E(verdict, VERDICT)                                                                            \
    E(reject_cause, REJECT_CAUSE)                                                                  \
    E(severity, SEVERITY)                                                                          \
    E(trading, TRADING)                                                                            \
    E(breaker, BREAKER)                                                                            \
    E(halt_cause, HALT_CAUSE)                                                                      \
    E(trigger, TRIGGER)                                                                            \
    E(difference, DIFFERENCE)                                                                      \
    E(item_result, ITEM_RESULT)                                                                    \
    E(phase, PHASE)                                                                                \
    E(command, COMMAND)                                                                            \
    E(flatten_step, FLATTEN_STEP)

/* clang-format off */
#define SP_ENUMERATOR(P, name) SP_##P##_##name,
#define SP_DEFINE_ENUM(tag, TAG)                                                                   \
    enum sp_##tag { SP_##TAG##_NONE, SP_VALUES_##TAG(SP_ENUMERATOR, TAG) SP_##TAG##_COUNT };
SP_ENUM_MAP(SP_DEFINE_ENUM)
#undef SP_DEFINE_ENUM
#undef SP_ENUMERATOR

enum sp_enum {
#define E(tag, TAG) SP_ENUM_##TAG,
    SP_ENUM_MAP(E)
#undef E
    SP_ENUM_COUNT
};
/* clang-format on */

/* "BUY"; "" for none; NULL for a number that is not a value of this enumeration. */
const char *sp_enum_name(enum sp_enum which, uint8_t value);
/* False, leaving *out untouched, if no value has this name. "" is none. */
SP_NODISCARD bool sp_enum_parse(enum sp_enum which, const char *name, size_t len_bytes,
                                uint8_t *out);
/* How many values there are, none included. */
uint8_t sp_enum_count(enum sp_enum which);

#endif
