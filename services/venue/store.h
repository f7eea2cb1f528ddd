/* The practice exchange's file: its truth, which survives ours.
 *
 * SQLite, one transaction per request or market event, committed before anybody hears of it. A
 * kill of the process loses nothing that was answered; a power cut may take back the newest commits
 * (synchronous=NORMAL: this is practice money). One thread.
 */
#ifndef SP_VENUE_STORE_H
#define SP_VENUE_STORE_H

#include "services/venue/exchange.h"

struct sp_venue_store;

SP_NODISCARD sp_status sp_venue_store_open(const char *path, struct sp_venue_store **out,
                                           struct sp_err *err);
void sp_venue_store_close(struct sp_venue_store *store);
/* Fills an initialised exchange with what the file holds; a new file is given the exchange's
 * configured balances. */
SP_NODISCARD sp_status sp_venue_store_load(struct sp_venue_store *store, struct sp_exchange *x,
                                           struct sp_err *err);
/* Writes the rows of the changes, the balances and the counters in one transaction. */
SP_NODISCARD sp_status sp_venue_store_save(struct sp_venue_store *store,
                                           const struct sp_exchange *x,
                                           const struct sp_venue_changes *changes,
                                           struct sp_err *err);
/* The newest order of account 0 with that client order id, open or ended. SP_NOT_FOUND. */
SP_NODISCARD sp_status sp_venue_store_order(struct sp_venue_store *store,
                                            const struct sp_exchange *x,
                                            const sp_name *client_order_id,
                                            struct sp_venue_order_row *out, struct sp_err *err);
SP_NODISCARD sp_status sp_venue_store_order_no(struct sp_venue_store *store,
                                               const struct sp_exchange *x, uint64_t order_no,
                                               struct sp_venue_order_row *out, struct sp_err *err);

/* The newest order of that account and instrument with that client order id: an id whose order has
 * ended may be another instrument's by now. SP_NOT_FOUND. */
struct sp_venue_order_key {
    uint32_t account, instrument;
    sp_name client_order_id;
};
SP_NODISCARD sp_status sp_venue_store_find_order(struct sp_venue_store *store,
                                                 const struct sp_exchange *x,
                                                 const struct sp_venue_order_key *key,
                                                 struct sp_venue_order_row *out,
                                                 struct sp_err *err);

/* Rows of one account and instrument by number and time, both bounds included; of more than `max`
 * the newest, or the oldest if so asked. fn is called for each, oldest first. */
struct sp_venue_order_query {
    uint32_t account, instrument, max;
    uint64_t from_no;
    sp_wall from, until; /* created */
    bool from_oldest;
};
struct sp_venue_fill_query {
    uint32_t account, instrument, max;
    uint64_t order_no; /* 0: of all orders */
    uint64_t from_no;
    sp_wall from, until;
    bool from_oldest;
};
typedef void sp_venue_order_fn(void *ctx, const struct sp_venue_order_row *row);
typedef void sp_venue_fill_fn(void *ctx, const struct sp_venue_fill_row *row);
SP_NODISCARD sp_status sp_venue_store_find_orders(struct sp_venue_store *store,
                                                  const struct sp_exchange *x,
                                                  const struct sp_venue_order_query *query,
                                                  sp_venue_order_fn *fn, void *ctx,
                                                  struct sp_err *err);
SP_NODISCARD sp_status sp_venue_store_find_fills(struct sp_venue_store *store,
                                                 const struct sp_exchange *x,
                                                 const struct sp_venue_fill_query *query,
                                                 sp_venue_fill_fn *fn, void *ctx,
                                                 struct sp_err *err);
/* Rows with a number above `after`, in order; fn is called for at most `max`. */
struct sp_venue_span {
    uint64_t after;
    uint32_t max;
    bool all_accounts; /* else of account 0 */
};
SP_NODISCARD sp_status sp_venue_store_fills(struct sp_venue_store *store,
                                            const struct sp_exchange *x,
                                            const struct sp_venue_span *span, sp_venue_fill_fn *fn,
                                            void *ctx, struct sp_err *err);
SP_NODISCARD sp_status sp_venue_store_orders(struct sp_venue_store *store,
                                             const struct sp_exchange *x,
                                             const struct sp_venue_span *span,
                                             sp_venue_order_fn *fn, void *ctx, struct sp_err *err);
/* The legs of lists of an account, by the list's number: those with `list_no`, or if it is 0 those
 * named `list_client_id`, or if that is empty those with a number of at least `from_no`. */
struct sp_venue_list_query {
    uint32_t account, max;
    uint64_t list_no, from_no;
    sp_name list_client_id;
    sp_wall from, until; /* created */
};
SP_NODISCARD sp_status sp_venue_store_lists(struct sp_venue_store *store,
                                            const struct sp_exchange *x,
                                            const struct sp_venue_list_query *query,
                                            sp_venue_order_fn *fn, void *ctx, struct sp_err *err);

/* A balance was changed from outside: kept with the balances in one transaction. */
struct sp_venue_transfer {
    uint64_t transfer_no; /* given by the file */
    uint32_t account;
    sp_name asset;
    sp_amt amount;
    sp_wall time;
};
typedef void sp_venue_transfer_fn(void *ctx, const struct sp_venue_transfer *row);
SP_NODISCARD sp_status sp_venue_store_transfer(struct sp_venue_store *store,
                                               const struct sp_exchange *x,
                                               const struct sp_venue_transfer *row,
                                               struct sp_err *err);
/* All of them, in order. */
SP_NODISCARD sp_status sp_venue_store_transfers(struct sp_venue_store *store,
                                                sp_venue_transfer_fn *fn, void *ctx,
                                                struct sp_err *err);

#endif
