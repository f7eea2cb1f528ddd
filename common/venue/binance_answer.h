/* What Binance Spot says: answers and events as the records that venue.h promises. Pure: no clock,
 * no socket. Allocates while it reads. Any thread.
 *
 * Numbers stay exact: prices, quantities and amounts are strings on the wire and scaled integers
 * here; ids and times are integers. A text that is not what the protocol promises gives no records
 * at all, never some of them.
 */
#ifndef SP_COMMON_VENUE_BINANCE_ANSWER_H
#define SP_COMMON_VENUE_BINANCE_ANSWER_H

#include "proto/record.h"

#define SP_BINANCE_ANSWER_BYTES_MAX (4u << 20)

/* What an answer proves about the request. Whatever is not on the list of certain refusals is of
 * unknown outcome. */
enum sp_binance_outcome {
    SP_BINANCE_ACCEPTED,  /* 2xx, in the shape that was promised */
    SP_BINANCE_REFUSED,   /* for certain not executed */
    SP_BINANCE_UNKNOWN,   /* 5xx, -1000, -1001, -1006, -1007, -1008, a duplicate id, and the rest */
    SP_BINANCE_NOT_FOUND, /* -2013, -2011 of a cancel: no proof by itself */
    SP_BINANCE_LIMITED,   /* 429: wait for Retry-After */
    SP_BINANCE_BANNED,    /* 418: send nothing until Retry-After */
    SP_BINANCE_OUTCOMES
};

const char *sp_binance_outcome_name(enum sp_binance_outcome outcome);

struct sp_binance_error {
    int64_t code; /* 0: the body held none */
    sp_text message;
};
/* Reads {"code":..,"msg":..}; a body without it gives code 0. Never fails. */
void sp_binance_error(const char *body, size_t len_bytes, struct sp_binance_error *out);
/* Of an HTTP status and the error in its body. */
enum sp_binance_outcome sp_binance_classify(int http_status, const struct sp_binance_error *error);

/* Every reader: SP_INVALID, SP_TYPE, SP_RANGE, SP_MISSING, SP_TOO_LONG, SP_NO_MEMORY if the text is
 * not the promised answer; nothing was emitted then. */

/* The answer to an order: the venue's number, and with a pair (a list of two orders) that of the
 * stop leg. SP_INVALID too if it is about another client order id. */
SP_NODISCARD sp_status sp_binance_read_accepted(const char *body, size_t len_bytes,
                                                const struct sp_venue_order *order,
                                                uint64_t *venue_order_id,
                                                uint64_t *pair_venue_order_id, struct sp_err *err);

struct sp_binance_sink {
    void *ctx;
    void (*fn)(void *ctx, const struct sp_record *record); /* kind and body are set */
};
/* One order or a list of them: ORDER_VIEW each, with that request id. */
SP_NODISCARD sp_status sp_binance_read_orders(const char *body, size_t len_bytes,
                                              uint64_t request_id,
                                              const struct sp_binance_sink *sink,
                                              struct sp_err *err);
/* Executions: FILL_VIEW each. The venue tells them without our order id: it is left empty. */
SP_NODISCARD sp_status sp_binance_read_trades(const char *body, size_t len_bytes,
                                              uint64_t request_id,
                                              const struct sp_binance_sink *sink,
                                              struct sp_err *err);
/* The account: BALANCE_VIEW of each asset that is not zero, and its rights. */
struct sp_binance_rights {
    bool can_trade, can_withdraw;
};
SP_NODISCARD sp_status sp_binance_read_account(const char *body, size_t len_bytes,
                                               uint64_t request_id,
                                               const struct sp_binance_sink *sink,
                                               struct sp_binance_rights *rights,
                                               struct sp_err *err);
/* The rights of the key itself: /sapi/v1/account/apiRestrictions. */
SP_NODISCARD sp_status sp_binance_read_key_rights(const char *body, size_t len_bytes,
                                                  struct sp_binance_rights *rights,
                                                  struct sp_err *err);
SP_NODISCARD sp_status sp_binance_read_time(const char *body, size_t len_bytes, int64_t *server_ms,
                                            struct sp_err *err);

/* What came over the WebSocket API. */
enum sp_binance_push {
    SP_BINANCE_PUSH_ANSWER,   /* to our request `id`: `status`, `error` */
    SP_BINANCE_PUSH_REPORT,   /* an executionReport: `report` */
    SP_BINANCE_PUSH_SHUTDOWN, /* serverShutdown: the connection will end */
    SP_BINANCE_PUSH_ENDED,    /* eventStreamTerminated: nothing more will come */
    SP_BINANCE_PUSH_OTHER     /* balances and the rest */
};
struct sp_binance_pushed {
    enum sp_binance_push what;
    int64_t id, status;
    struct sp_binance_error error;
    struct sp_venue_report report; /* without report_seq */
};
SP_NODISCARD sp_status sp_binance_read_push(const char *text, size_t len_bytes,
                                            struct sp_binance_pushed *out, struct sp_err *err);

#endif
