/* The execution core: THE order gateway as a decider (common/decider.h).
 *
 * In: plans and threats as facts, ticks, the venue's answers and reports, control messages, timers.
 * Out: records that the books fold, and effects: send, cancel, ask the venue, answer a command.
 * Rules: intent durable before the first byte; one attempt per client order id, ever; no answer is
 * UNKNOWN, never "rejected"; fills applied once, in any order; every open position has either live
 * protection or an exit under way. One thread.
 */
#ifndef SP_EXECUTION_CORE_H
#define SP_EXECUTION_CORE_H

#include "common/decider.h"
#include "services/execution/gate.h"

/* event->id of SP_EVENT_MESSAGE */
enum sp_execution_input {
    SP_XI_VENUE_UP,      /* record: VENUE_ANSWER: the connection's generation (request_id), and for
                            how long "not found" proves nothing (wait; 0: for ever) */
    SP_XI_VENUE_DOWN,    /* record: NULL, or VENUE_ANSWER whose reason says why */
    SP_XI_VENUE_MESSAGE, /* record: answer, view or report */
    SP_XI_SENT,          /* record: the effect's message, which left */
    SP_XI_NOT_SENT,      /* record: the effect's message, of which no byte left */
    SP_XI_COMMAND,       /* record: COMMAND */
    SP_XI_CORRECTION,    /* record: PROPOSE_CORRECTION */
    SP_XI_STOP,          /* the whole operation stops: on_stop policies */
    SP_XI_DISK,          /* record: DISK_SPACE */
    SP_XI_VENUE_WAIT     /* record: VENUE_ANSWER: the venue wants no request for its `wait` */
};

/* event->id of SP_EVENT_TIMER */
enum sp_execution_timer { SP_XT_TICK = 1 }; /* every 50 ms */

/* effect->type */
enum sp_execution_effect {
    SP_XE_SEND,   /* message VENUE_ORDER: exactly one attempt */
    SP_XE_CANCEL, /* message VENUE_CANCEL */
    SP_XE_ASK     /* message VENUE_QUERY: repeatable */
};

/* An order that waits for the venue: derived, per connection. */
struct sp_pending {
    sp_name client_order_id; /* empty: free */
    uint64_t request_id;     /* of the send, cancel or question under way; 0 if none */
    sp_mono since;           /* of the send, or since unknown */
    sp_mono asked;           /* last question */
    uint32_t questions;      /* asked so far */
    uint32_t absent_answers; /* "not found", to questions that were late enough to prove */
    bool is_question;
};

#define SP_PENDING_MAX 64

struct sp_execution {
    struct sp_books books;
    /* Derived: from ticks and the connection; lost at a restart. */
    uint32_t market_count;
    struct sp_market_view markets[SP_SYMBOLS_MAX];
    bool venue_up, caught_up;
    uint32_t venue_generation;
    sp_dur venue_absence; /* what the adapter declares: sp_venue_absence */
    sp_mono venue_down_since;
    sp_mono venue_quiet_until; /* it refuses all requests until then */
    bool venue_waited;         /* it did, and cancels have not gone before new entries yet */
    sp_text venue_says;        /* why it does, or why the connection ended */
    /* The instruments with the filters the venue told last; before, those of the configuration. */
    uint32_t rule_count;
    struct sp_instrument_config rules[SP_SYMBOLS_MAX];
    sp_mono rules_asked;    /* 0: ask */
    uint64_t fills_request; /* question for missed fills under way */
    sp_mono fills_asked;
    uint32_t fills_of;    /* the instrument that is asked about: each has its own numbers */
    uint64_t fills_seen;  /* highest execution in the answer under way */
    uint64_t last_report; /* of this connection; 0: none yet */
    bool reconciled;
    struct sp_ref reconciled_by;
    bool stopping;
    sp_text unclean;         /* why the newest reconciliation was not clean */
    sp_text command_refused; /* why the newest command was not taken; empty if it was */
    struct sp_disk_view disk;
    sp_mono exit_not_before[SP_LINKS_MAX], renew_not_before[SP_LINKS_MAX];
    uint64_t last_request_id;
    struct sp_pending pending[SP_PENDING_MAX];
    struct sp_message_log messages;
    /* Counters for metrics. */
    uint64_t plans_accepted, plans_refused, plans_expired, orders_sent, fills, duplicates;
    sp_dur tick_to_send; /* of the newest entry order */
    struct sp_record scratch;
};

void sp_execution_init(struct sp_execution *x, const struct sp_config *config);
/* sp_core functions; state is a struct sp_execution. */
extern const struct sp_core sp_execution_core;

/* With the filters in force; NULL if it is not traded here. */
const struct sp_instrument_config *sp_execution_rules(const struct sp_execution *x,
                                                      const sp_name *symbol);
void sp_execution_gate_view(struct sp_execution *x, const sp_name *symbol, sp_mono now,
                            sp_wall market_time, struct sp_gate_view *view);
/* Stands for all that an operator's resume could lift or end: halts, breaker, flattens. Another
 * number after any change, the same one after a restart; never 0. */
uint64_t sp_execution_halts(const struct sp_execution *x);
/* Flat and nothing live: a stop of the operation may go on. */
bool sp_execution_is_flat(struct sp_execution *x);
/* "s" + 4 of the installation + 26 of the trade + 3 of the leg. */
sp_name sp_execution_client_order_id(const char *installation, sp_trd_id trade_id, uint32_t leg);

#endif
