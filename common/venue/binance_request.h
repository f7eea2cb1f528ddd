/* What is asked of Binance Spot: our request DTOs as method, path and parameters. Pure: no clock,
 * no key, no socket. Any thread.
 *
 * The text of the parameters is built once, in one order, and is what is signed and sent: the same
 * bytes. All values are numbers, protocol words or names ([A-Za-z0-9._-]), so nothing in it needs
 * percent-encoding; what would is refused.
 */
#ifndef SP_COMMON_VENUE_BINANCE_REQUEST_H
#define SP_COMMON_VENUE_BINANCE_REQUEST_H

#include "proto/messages.h"

#define SP_BINANCE_PARAMS_SIZE 1024
/* How late a request may be; more would lengthen the time in which a lost order can arrive. */
#define SP_BINANCE_RECV_WINDOW_MS  5000
#define SP_BINANCE_TRADES_PER_PAGE 1000

enum sp_binance_method { SP_BINANCE_GET, SP_BINANCE_POST, SP_BINANCE_DELETE };

struct sp_binance_call {
    enum sp_binance_method method;
    const char *path; /* "/api/v3/order"; constant */
    bool is_signed;   /* key, timestamp and signature belong to it */
    uint32_t weight;  /* of the request weight; what a failed request costs */
    size_t len_bytes;
    char params[SP_BINANCE_PARAMS_SIZE]; /* "symbol=BTCUSDT&side=BUY"; "" for none */
};

/* One order, or with a pair the one-cancels-other list of both legs. SP_UNSUPPORTED for a type that
 * Binance Spot does not have, or a pair that is no sale of target above and stop below; SP_INVALID
 * for an order without what its type needs. */
SP_NODISCARD sp_status sp_binance_order(const struct sp_venue_order *order,
                                        struct sp_binance_call *out, struct sp_err *err);
SP_NODISCARD sp_status sp_binance_cancel(const struct sp_venue_cancel *cancel,
                                         struct sp_binance_call *out, struct sp_err *err);
/* One order by our id. */
SP_NODISCARD sp_status sp_binance_order_query(const sp_name *symbol, const sp_name *client_order_id,
                                              struct sp_binance_call *out, struct sp_err *err);
/* Of one instrument, or with NULL of all. */
SP_NODISCARD sp_status sp_binance_open_orders(const sp_name *symbol, struct sp_binance_call *out,
                                              struct sp_err *err);
/* Orders from that number of the venue on, oldest first: at most a thousand. */
SP_NODISCARD sp_status sp_binance_all_orders(const sp_name *symbol, uint64_t from_venue_order_id,
                                             struct sp_binance_call *out, struct sp_err *err);
/* Executions numbered above `after`, oldest first: at most SP_BINANCE_TRADES_PER_PAGE. */
SP_NODISCARD sp_status sp_binance_trades(const sp_name *symbol, uint64_t after,
                                         struct sp_binance_call *out, struct sp_err *err);
void sp_binance_account(struct sp_binance_call *out);
void sp_binance_key_rights(struct sp_binance_call *out);
void sp_binance_server_time(struct sp_binance_call *out);
/* The book of one instrument, 1000 levels a side. */
SP_NODISCARD sp_status sp_binance_depth(const sp_name *symbol, struct sp_binance_call *out,
                                        struct sp_err *err);

/* Adds the receive window and the time (server's, in ms) to a signed call. SP_TOO_LONG. */
SP_NODISCARD sp_status sp_binance_stamp(struct sp_binance_call *call, int64_t server_ms,
                                        struct sp_err *err);
/* Adds the signature, 64 hex characters, last. SP_TOO_LONG. */
SP_NODISCARD sp_status sp_binance_add_signature(struct sp_binance_call *call, const char *hex,
                                                struct sp_err *err);

#endif
