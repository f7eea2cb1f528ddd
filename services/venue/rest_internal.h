/* Between rest.c, which checks, and the handlers. */
#ifndef SP_VENUE_REST_INTERNAL_H
#define SP_VENUE_REST_INTERNAL_H

#include "services/venue/rest.h"

/* Codes of the protocol. */
enum {
    REST_UNKNOWN = -1000,
    REST_DISCONNECTED = -1001,
    REST_TOO_MANY_REQUESTS = -1003,
    REST_UNEXPECTED = -1006,
    REST_TIMEOUT = -1007,
    REST_OVERLOADED = -1008,
    REST_FILTER = -1013,
    REST_TOO_MANY_ORDERS = -1015,
    REST_BAD_TIME = -1021,
    REST_BAD_SIGNATURE = -1022,
    REST_ILLEGAL_CHARS = -1100,
    REST_TOO_MANY_PARAMS = -1101,
    REST_MISSING = -1102,
    REST_NOT_READ = -1106,
    REST_PRECISION = -1111,
    REST_BAD_TIF = -1115,
    REST_BAD_TYPE = -1116,
    REST_BAD_SIDE = -1117,
    REST_BAD_INTERVAL = -1120,
    REST_BAD_SYMBOL = -1121,
    REST_NO_LISTEN_KEY = -1125,
    REST_BAD_RESTRICTION = -1145,
    REST_ORDER_REFUSED = -2010,
    REST_CANCEL_REFUSED = -2011,
    REST_NO_SUCH_ORDER = -2013,
    REST_BAD_KEY = -2015,
    REST_REPLACED_IN_PART = -2021,
    REST_NOT_REPLACED = -2022,
    REST_IDS_DISAGREE = -2039,
    REST_NOT_ED25519 = -4056
};

typedef void sp_rest_fn(struct sp_rest_call *call);

/* Makes ready for an answer. */
void sp_rest_begin(struct sp_rest *rest, struct sp_rest_call *call);
/* Key, signature and time of the parameters; false after an error. */
SP_NODISCARD bool sp_rest_check_signed(struct sp_rest_call *call, const char *api_key);
/* The key alone, or the session's if none was sent; NULL after an error. */
const struct sp_rest_key *sp_rest_check_key(struct sp_rest_call *call, const char *api_key);

/* Makes the answer an error. Only the first one counts. */
void sp_rest_fail(struct sp_rest_call *call, int http, int code, const char *fmt, ...)
    SP_PRINTF(4, 5);
/* Takes back what was answered: the answer is this error now. */
void sp_rest_answer_instead(struct sp_rest_call *call, int http, int code, const char *text);
/* Refuses because of a limit, with the time after which it may be tried again. */
void sp_rest_fail_limit(struct sp_rest_call *call, int http, int64_t wait_ms, const char *fmt, ...)
    SP_PRINTF(4, 5);
void sp_rest_add_header(struct sp_rest_call *call, const char *name, int64_t value);

/* rest_limits.c */
void sp_rest_init_limits(struct sp_rest *rest);
/* As they are announced, without ban; what was used stays used. */
void sp_rest_reset_limits(struct sp_rest *rest);
void sp_rest_turn_windows(struct sp_rest *rest, sp_wall now);
/* Both false after an error. */
SP_NODISCARD bool sp_rest_take_weight(struct sp_rest_call *call, uint32_t weight);
SP_NODISCARD bool sp_rest_may_order(struct sp_rest_call *call, uint32_t orders);
void sp_rest_count_orders(struct sp_rest_call *call, uint32_t orders);
void sp_rest_refuse_banned(struct sp_rest_call *call, int64_t until_ms);

/* Whether the method may be carried out, for those that are no routes. */
SP_NODISCARD bool sp_rest_may_begin(struct sp_rest_call *call, const char *method);
/* Carries out a method without key, signature or limit: for the operator. False: there is none. */
SP_NODISCARD bool sp_rest_handle_trusted(struct sp_rest *rest, const char *method,
                                         struct sp_rest_call *call);
/* The parameter, or NULL after the error "mandatory". */
const char *sp_rest_need(struct sp_rest_call *call, const char *name);
/* False after an error: not a decimal, or too many places. *out is 0 if it was not sent. */
SP_NODISCARD bool sp_rest_decimal(struct sp_rest_call *call, const char *name, int64_t *out_e8);
/* A whole number; `fallback` if it was not sent. False after an error. */
SP_NODISCARD bool sp_rest_number(struct sp_rest_call *call, const char *name, int64_t fallback,
                                 int64_t *out);
/* A time in ms, as which `fallback` counts if it was not sent; later ones than can be told are the
 * last that can. False after an error. */
SP_NODISCARD bool sp_rest_time_of(struct sp_rest_call *call, const char *name, sp_wall fallback,
                                  sp_wall *out);
/* The instrument of "symbol", or -1 after an error. */
int sp_rest_instrument(struct sp_rest_call *call);
/* -1 if it is not traded here. */
int sp_rest_symbol(const struct sp_rest_call *call, const char *symbol);

/* rest_market.c */
sp_rest_fn sp_rest_ping, sp_rest_time, sp_rest_exchange_info, sp_rest_depth, sp_rest_trades,
    sp_rest_agg_trades, sp_rest_klines, sp_rest_avg_price, sp_rest_ticker_day, sp_rest_ticker_price,
    sp_rest_ticker_book;
/* rest_orders.c */
sp_rest_fn sp_rest_place, sp_rest_place_test, sp_rest_cancel, sp_rest_cancel_all, sp_rest_replace;
/* rest_queries.c */
sp_rest_fn sp_rest_order, sp_rest_open_orders, sp_rest_all_orders;
/* rest_lists.c */
sp_rest_fn sp_rest_place_oco, sp_rest_place_oco_old, sp_rest_list, sp_rest_cancel_list,
    sp_rest_open_lists, sp_rest_all_lists;
/* rest_listen.c */
sp_rest_fn sp_rest_listen, sp_rest_listen_extend, sp_rest_listen_stop;
/* rest_account.c */
sp_rest_fn sp_rest_account, sp_rest_my_trades, sp_rest_order_limits, sp_rest_commission;

#endif
