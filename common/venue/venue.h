/* IAPIConnector: the venue boundary. One connection of one service; every call is answered later,
 * by callbacks on the loop's thread. A lost connection, a timeout or a dead venue is never an
 * answer: the caller hears `on_down`, and what was sent before is of unknown outcome.
 *
 * Adapters: native.c speaks msgpack DTOs (venue_order, venue_cancel, venue_query; answers
 * venue_answer, order_view, fill_view, balance_view; pushed venue_report) to spoor-venue over ipc;
 * binance.c speaks Binance Spot. The world's configuration says which.
 */
#ifndef SP_COMMON_VENUE_VENUE_H
#define SP_COMMON_VENUE_VENUE_H

#include "common/bus/loop.h"
#include "common/config/config.h"
#include "common/metrics.h"
#include "proto/record.h"

struct sp_venue;

struct sp_venue_callbacks {
    void *ctx;
    /* Connected, subscribed to reports, pinged: `generation` counts connections of this process. */
    void (*on_up)(void *ctx, uint32_t generation);
    void (*on_down)(void *ctx, const char *reason);
    /* The venue wants no requests for so long; sp_venue_send is SP_AGAIN until then. */
    void (*on_wait)(void *ctx, sp_dur wait, const char *reason);
    /* Every answer frame and report: ORDER_VIEW, FILL_VIEW, BALANCE_VIEW, VENUE_INSTRUMENT,
     * VENUE_ANSWER (ends the request), VENUE_REPORT. In the order the venue sent them. A
     * VENUE_ANSWER with `reports` that answers no request of the caller: so many were sent, and the
     * last of them did not come. */
    void (*on_message)(void *ctx, const struct sp_record *message);
    /* The venue, or a rule about its key, refuses us for good: the service ends with `err`. */
    void (*on_refused)(void *ctx, const struct sp_err *err);
};

/* By the adapter of the configured world. `service` names the asker at the venue. Does not wait for
 * the connection. SP_CONFIG, SP_NO_MEMORY, SP_FULL (the loop). */
SP_NODISCARD sp_status sp_venue_open(struct sp_loop *loop, const struct sp_config *config,
                                     const sp_name *service, bool reports,
                                     const struct sp_venue_callbacks *callbacks,
                                     struct sp_venue **out, struct sp_err *err);
SP_NODISCARD sp_status sp_venue_open_native(struct sp_loop *loop, const char *run_dir,
                                            const sp_name *service, bool reports,
                                            const struct sp_venue_callbacks *callbacks,
                                            struct sp_venue **out, struct sp_err *err);
/* Counts from now on, among the service's metrics, which outlive the connection. */
void sp_venue_measure(struct sp_venue *venue, struct sp_metrics *registry);
void sp_venue_close(struct sp_venue *venue);
bool sp_venue_is_up(const struct sp_venue *venue);
uint32_t sp_venue_generation(const struct sp_venue *venue);
/* What the adapter declares of its venue: for so long, from when an order may have left or from
 * when the connection came up, "not found" says nothing about it. It may be on its way, be worked
 * on, or not yet be where questions look. Above zero; never changes. */
sp_dur sp_venue_absence(const struct sp_venue *venue);
/* Sends VENUE_ORDER, VENUE_CANCEL or VENUE_QUERY once. SP_CLOSED (not connected) and SP_AGAIN (the
 * venue asked us to wait): no byte was written. SP_OK: it left; the outcome is open until an answer
 * with its request_id comes. */
SP_NODISCARD sp_status sp_venue_send(struct sp_venue *venue, const struct sp_record *request,
                                     struct sp_err *err);
/* Request ids of a range of their own: callers may count from 1 themselves. */
uint64_t sp_venue_next_request(struct sp_venue *venue);

#endif
