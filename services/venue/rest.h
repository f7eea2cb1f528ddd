/* The exchange's REST face: Binance Spot's /api/v3, as its unmodified clients speak it. A request
 * becomes parameters, a route, checks of key, signature and time, and one handler that reads or
 * changes the exchange; the answer is JSON. Pure but for the store it is given; one thread.
 *
 * What is not there is not claimed: exchangeInfo lists the order types that are. Times of orders
 * and trades are the market's, which in a recording lies in the past; serverTime and the window of
 * a signed request are the real clock's.
 */
#ifndef SP_VENUE_REST_H
#define SP_VENUE_REST_H

#include "common/http/http_server.h"
#include "services/venue/json_text.h"
#include "services/venue/market_view.h"
#include "services/venue/rest_params.h"
#include "services/venue/store.h"

#define SP_REST_KEYS_MAX      8
#define SP_REST_KEY_SIZE      80
#define SP_REST_HEADERS_MAX   4
#define SP_REST_WEIGHT_MAX    6000 /* a minute */
#define SP_REST_ORDERS_10S    100
#define SP_REST_ORDERS_DAY    160000
#define SP_REST_CLIENT_ID_MAX 36

struct sp_rest_key {
    char key[SP_REST_KEY_SIZE], secret[SP_REST_KEY_SIZE];
};

/* Requests of one aligned span of time. */
struct sp_rest_window {
    int64_t span_ms, begin_ms;
    uint32_t used, max;
};

struct sp_rest {
    struct sp_exchange *exchange;
    struct sp_venue_store *store;
    struct sp_market_view *views; /* by instrument */
    uint32_t key_count;
    struct sp_rest_key keys[SP_REST_KEYS_MAX];
    struct sp_rest_window weight, orders_10s, orders_day;
    struct sp_rest_params params; /* of the request at hand */
    struct sp_venue_changes all;  /* of one that cancels many orders; scratch */
};

/* One request and what becomes of it. */
struct sp_rest_call {
    struct sp_rest *rest;
    const struct sp_rest_params *params;
    sp_wall now; /* the real clock's */
    int status;  /* HTTP's */
    bool failed; /* body is an error */
    struct sp_json_text *body;
    struct sp_venue_changes *changes; /* to be stored before the answer is sent */
    uint32_t header_count;
    struct sp_http_header headers[SP_REST_HEADERS_MAX];
    char header_text[SP_REST_HEADERS_MAX][24];
};

void sp_rest_init(struct sp_rest *rest, struct sp_exchange *exchange, struct sp_venue_store *store,
                  struct sp_market_view *views);
/* Reads {"keys": [{"api_key": "...", "secret": "..."}]}, a file that only its owner may read.
 * SP_CONFIG: err says what is wrong with it and what to do. */
SP_NODISCARD sp_status sp_rest_load_keys(struct sp_rest *rest, const char *path,
                                         struct sp_err *err);

/* The same for a method of the WebSocket protocol; the parameters are in rest->params already. */
void sp_rest_handle_method(struct sp_rest *rest, const char *method, struct sp_rest_call *call);

/* Answers a request at the real time `now`; `body` and `changes` are the caller's and are
 * overwritten. */
void sp_rest_handle(struct sp_rest *rest, const struct sp_http_request *request,
                    struct sp_rest_call *call);

#endif
