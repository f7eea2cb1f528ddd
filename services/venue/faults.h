/* What shall go wrong at the practice exchange: rules that an operator has set, and which of them
 * applies now. Chance comes from each rule's own seed, so that a run can be had again. Pure; one
 * thread.
 */
#ifndef SP_VENUE_FAULTS_H
#define SP_VENUE_FAULTS_H

#include "proto/types.h"

#define SP_FAULTS_MAX     64
#define SP_FAULT_ON_BYTES 40

/* Where in the life of a request or an event a rule is asked. At most one rule applies at each. */
enum sp_fault_place {
    SP_FAULT_AT_GATE,  /* before the request is carried out; it is then not carried out */
    SP_FAULT_AT_WAIT,  /* how long the request waits before it is carried out */
    SP_FAULT_AT_REPLY, /* after it was carried out */
    SP_FAULT_AT_ORDER, /* in what order reply and events go out */
    SP_FAULT_AT_QUERY, /* whether an order can be seen already */
    SP_FAULT_AT_EVENT  /* an event of the account or of a market stream goes out */
};

/* F(name, text, place, on which requests or events if nothing else is said) */
/* clang-format off */
#define SP_FAULT_MAP(F)                                                                            \
    F(DROP_REQUEST,    "drop_request",    GATE,  "order.place")                                    \
    F(ERROR_REFUSED,   "error_refused",   GATE,  "order.place")                                    \
    F(TIMEOUT_REFUSED, "timeout_refused", GATE,  "order.place")                                    \
    F(RATE_LIMIT,      "rate_limit",      GATE,  "*")                                              \
    F(BAN,             "ban",             GATE,  "*")                                              \
    F(MAINTENANCE,     "maintenance",     GATE,  "*")                                              \
    F(DELAY,           "delay",           WAIT,  "order.place")                                    \
    F(DROP_REPLY,      "drop_reply",      REPLY, "order.place")                                    \
    F(NO_REPLY,        "no_reply",        REPLY, "order.place")                                    \
    F(TIMEOUT,         "timeout",         REPLY, "order.place")                                    \
    F(ERROR_EXECUTED,  "error_executed",  REPLY, "order.place")                                    \
    F(LATE_REPLY,      "late_reply",      REPLY, "order.place")                                    \
    F(EVENTS_FIRST,    "events_first",    ORDER, "order.place")                                    \
    F(QUERY_LAG,       "query_lag",       QUERY, "order.status")                                   \
    F(DUPLICATE_EVENT, "duplicate_event", EVENT, "executionReport")                                \
    F(LATE_EVENT,      "late_event",      EVENT, "executionReport")                                \
    F(REORDER_EVENT,   "reorder_event",   EVENT, "executionReport")                                \
    F(LOSE_EVENT,      "lose_event",      EVENT, "executionReport")                                \
    F(DROP_STREAM,     "drop_stream",     EVENT, "executionReport")

enum sp_fault_kind {
#define F(name, text, place, on) SP_FAULT_##name,
    SP_FAULT_MAP(F)
#undef F
    SP_FAULT_KINDS
};
/* clang-format on */

struct sp_fault {
    uint64_t id; /* from 1 */
    enum sp_fault_kind kind;
    char on[SP_FAULT_ON_BYTES]; /* a method ("order.place"), an event, or "*" */
    uint32_t count;             /* how often at most; 0: until cleared */
    int64_t chance_e8;          /* 1e8: always */
    uint64_t seed;
    int64_t ms; /* how long, where the kind has a time */
    int status; /* HTTP's, where the kind answers an error; 0: the kind's own */
    uint32_t hits;
    uint64_t random;
};

struct sp_faults {
    uint64_t last_id;
    uint32_t count;
    struct sp_fault at[SP_FAULTS_MAX]; /* oldest first */
};

/* SP_FAULT_KINDS if there is none of that name. */
enum sp_fault_kind sp_fault_kind_of(const char *text);
const char *sp_fault_name(enum sp_fault_kind kind);

/* Takes a rule: kind, on ("": the kind's own), count, chance, seed, ms and status are the caller's.
 * Returns its id; 0: too many, nothing was added. */
uint64_t sp_faults_add(struct sp_faults *faults, const struct sp_fault *fault);
/* All of them: 0. False: there is none of that id. */
bool sp_faults_clear(struct sp_faults *faults, uint64_t id);
/* The oldest rule of that place for that request or event whose chance comes up, with a hit
 * counted, as a copy; false: all goes well. Used-up rules stay in the list, for their hits. */
bool sp_faults_draw(struct sp_faults *faults, enum sp_fault_place place, const char *what,
                    struct sp_fault *out);
/* Whether any rule of that place may still apply. */
bool sp_faults_any(const struct sp_faults *faults, enum sp_fault_place place);

#endif
