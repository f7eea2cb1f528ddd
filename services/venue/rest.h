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
#include "services/venue/listen_keys.h"
#include "services/venue/market_view.h"
#include "services/venue/rest_params.h"
#include "services/venue/store.h"

#define SP_REST_KEYS_MAX      8
#define SP_REST_KEY_SIZE      80
#define SP_REST_HEADERS_MAX   6
#define SP_REST_WEIGHT_MAX    6000   /* a minute */
#define SP_REST_RAW_MAX       300000 /* requests in 5 minutes */
#define SP_REST_ORDERS_10S    100
#define SP_REST_ORDERS_DAY    160000
#define SP_REST_CLIENT_ID_MAX 36

/* Signs by HMAC-SHA256 with its secret, or by Ed25519: then its public key is known here. */
struct sp_rest_key {
    char key[SP_REST_KEY_SIZE], secret[SP_REST_KEY_SIZE];
    bool is_ed25519;
    uint8_t public_key[SP_ED25519_KEY_BYTES];
    uint32_t account;
};

/* Requests of one aligned span of time. */
struct sp_rest_window {
    int64_t span_ms, begin_ms;
    uint32_t used, max;
};

/* Weight and requests are of the address they come from, of which there is one; orders are of the
 * account. */
struct sp_rest_limits {
    struct sp_rest_window weight, raw;
    struct sp_rest_window orders_10s[SP_VENUE_ACCOUNTS_MAX], orders_day[SP_VENUE_ACCOUNTS_MAX];
    uint32_t refusals; /* in this span of `weight` */
    uint32_t bans;
    int64_t banned_until_ms;
};

struct sp_rest_call;

/* Who may decide that something goes wrong. NULL: nobody does. */
struct sp_rest_hooks {
    void *ctx;
    /* Before a method is carried out. False: it is not, and the call says what becomes of it. */
    bool (*before)(void *ctx, struct sp_rest_call *call, const char *method);
    /* After it was carried out without error, before its answer is wrapped or sent. */
    void (*after)(void *ctx, struct sp_rest_call *call, const char *method);
    /* Whether a query does not see that order yet. */
    bool (*hides)(void *ctx, uint64_t order_no);
};

struct sp_rest {
    struct sp_exchange *exchange;
    struct sp_venue_store *store;
    struct sp_market_view *views; /* by instrument */
    uint32_t key_count;
    struct sp_rest_key keys[SP_REST_KEYS_MAX];
    struct sp_rest_limits limits;
    struct sp_listen_keys listen_keys;
    struct sp_rest_params params; /* of the request at hand */
    struct sp_venue_changes all;  /* of one that cancels many orders; scratch */
    struct sp_rest_hooks hooks;
};

/* What becomes of the answer. */
enum sp_rest_fate {
    SP_REST_ANSWER, /* it is sent */
    SP_REST_LATE,   /* it is sent after fate_ms */
    SP_REST_SILENT, /* it is not sent */
    SP_REST_DROP,   /* the connection is cut instead */
    SP_REST_WAIT    /* nothing was done: the request is handled anew after fate_ms */
};

/* One request and what becomes of it. */
struct sp_rest_call {
    struct sp_rest *rest;
    const struct sp_rest_params *params;
    sp_wall now;      /* the real clock's */
    uint32_t account; /* of the key; 0 if none was needed */
    int status;       /* HTTP's */
    bool failed;      /* body is an error: */
    int code;
    char message[512];
    struct sp_json_text *body;
    struct sp_venue_changes *changes;  /* to be stored before the answer is sent */
    bool is_socket;                    /* set by the caller: it came over a WebSocket */
    sp_wall connected;                 /* likewise: since when that is there */
    const struct sp_rest_key *session; /* likewise: who logged on there; NULL: nobody */
    bool has_waited;                   /* set by the caller: no hook is asked before it */
    enum sp_rest_fate fate;
    int64_t fate_ms;
    bool events_first;   /* what it changed is told before it is answered */
    int64_t retry_at_ms; /* of a limit: when it may be tried again */
    uint32_t header_count;
    struct sp_http_header headers[SP_REST_HEADERS_MAX];
    char header_text[SP_REST_HEADERS_MAX][24];
};

void sp_rest_init(struct sp_rest *rest, struct sp_exchange *exchange, struct sp_venue_store *store,
                  struct sp_market_view *views);
/* Reads {"keys": [{"api_key": "...", "secret": "..."}]}, a file that only its owner may read; in
 * place of the secret "public_key", the base64 line of an Ed25519 key's PEM file. A key
 * may name an "account" of its own, and what it begins with: "balances": {"USDT": "1000"}; else it
 * is the operation's. New accounts are stored. SP_CONFIG: err says what is wrong and what to do. */
SP_NODISCARD sp_status sp_rest_load_keys(struct sp_rest *rest, const char *path,
                                         struct sp_err *err);

/* The same for a method of the WebSocket protocol; the parameters are in rest->params already. */
void sp_rest_handle_method(struct sp_rest *rest, const char *method, struct sp_rest_call *call);

/* What happened to orders, for the limits. */
void sp_rest_note_changes(struct sp_rest *rest, const struct sp_venue_changes *changes);

/* Answers a request at the real time `now`; `body` and `changes` are the caller's and are
 * overwritten. */
void sp_rest_handle(struct sp_rest *rest, const struct sp_http_request *request,
                    struct sp_rest_call *call);

#endif
