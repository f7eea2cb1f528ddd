/* What a connection to the venue measures of itself, on the endpoint of the service that holds it;
 * docs/venue.md lists it. An adapter counts what it has: the native one knows no weight and no
 * clock. Nothing is counted before sp_venue_metrics_init. One thread: the loop's.
 */
#ifndef SP_COMMON_VENUE_METRICS_H
#define SP_COMMON_VENUE_METRICS_H

#include "common/metrics.h"

/* clang-format off */
/* A(name, label of a request) */
#define SP_VENUE_ASK_MAP(A)                                                                        \
    A(ORDER,       "order")                                                                        \
    A(CANCEL,      "cancel")                                                                       \
    A(ORDER_QUERY, "order_query")                                                                  \
    A(OPEN_ORDERS, "open_orders")                                                                  \
    A(ALL_ORDERS,  "all_orders")                                                                   \
    A(TRADES,      "trades")                                                                       \
    A(ACCOUNT,     "account")                                                                      \
    A(TIME,        "time")                                                                         \
    A(OTHER,       "other")
/* E(name, label of an error) */
#define SP_VENUE_ERROR_MAP(E)                                                                      \
    E(NOT_SENT,  "not_sent")                                                                       \
    E(NO_ANSWER, "no_answer")                                                                      \
    E(REFUSED,   "refused")                                                                        \
    E(NOT_FOUND, "not_found")                                                                      \
    E(LIMITED,   "limited")                                                                        \
    E(BANNED,    "banned")                                                                         \
    E(UNKNOWN,   "unknown")
/* clang-format on */

enum sp_venue_ask {
#define A(name, label) SP_VENUE_ASK_##name,
    SP_VENUE_ASK_MAP(A)
#undef A
        SP_VENUE_ASKS
};

enum sp_venue_error {
#define E(name, label) SP_VENUE_ERROR_##name,
    SP_VENUE_ERROR_MAP(E)
#undef E
        SP_VENUE_ERRORS
};

struct sp_venue_metrics {
    struct sp_metric *requests[SP_VENUE_ASKS], *errors[SP_VENUE_ERRORS];
    struct sp_metric *held_back, *latency, *connections, *is_up, *wait, *silence;
    /* NULL: the adapter does not have them. */
    struct sp_metric *weight_used, *weight_counted, *weight_share, *weight_limit, *clock_offset,
        *clock_error, *back_offs, *messages, *renewals;
};

/* `over_a_network`: with what only the adapter of an exchange over HTTP has. */
void sp_venue_metrics_init(struct sp_venue_metrics *metrics, struct sp_metrics *registry,
                           bool over_a_network);
/* A request left. */
void sp_venue_metrics_asked(struct sp_venue_metrics *metrics, enum sp_venue_ask kind);
/* One did not get what it asked for. */
void sp_venue_metrics_failed(struct sp_venue_metrics *metrics, enum sp_venue_error error);
/* For members of struct sp_venue_metrics: nothing if it is NULL. */
void sp_venue_metrics_count(struct sp_metric *metric);
void sp_venue_metrics_set(struct sp_metric *metric, int64_t value);
/* From the request to its answer; negative (the wall clock was set) is passed over. */
void sp_venue_metrics_took(struct sp_venue_metrics *metrics, sp_dur time);

#endif
