/* Between the parts of the exchange's door: requests (api_io.c), what goes wrong on purpose
 * (api_faults.c), events (api_events.c) and the operator's side (control.c).
 */
#ifndef SP_VENUE_API_INTERNAL_H
#define SP_VENUE_API_INTERNAL_H

#include "common/clock.h"
#include "services/venue/api_io.h"
#include "services/venue/faults.h"
#include "services/venue/later.h"
#include "services/venue/streams.h"
#include "services/venue/ws_api.h"

#define SP_API_TOKEN_SIZE 132
#define SP_API_SEEN_MAX   1024 /* orders whose coming is remembered for query_lag */

/* When an order was first told of. */
struct sp_api_seen {
    uint64_t order_no;
    sp_mono at;
};

struct sp_api_socket {
    uint64_t connection;
    bool is_market; /* follows streams; else /ws-api/v3 */
    sp_mono since;
    sp_wall connected;
    bool told;      /* that it will be cut off */
    int64_t second; /* in which it sent so many messages */
    uint32_t messages;
};

struct sp_api {
    struct sp_api_options options;
    struct sp_http_server *server;
    struct sp_timer *timer;
    struct sp_streams *streams;
    struct sp_later *later;
    struct sp_rest rest;
    struct sp_ws_api ws;
    struct sp_json_text body, event, wrapped, held;
    uint32_t held_account;
    uint64_t execution_id; /* of the last report; begins with the clock, so never used twice */
    struct sp_market_view views[SP_SYMBOLS_MAX];

    char token[SP_API_TOKEN_SIZE]; /* ""; the operator's side is not served */
    struct sp_faults faults;
    int64_t clock_offset_ns;
    uint32_t connections_max, connections; /* WebSockets opened in this span of five minutes */
    int64_t connections_begin_ms;
    uint64_t refused_connection; /* there were too many; it is told so next */
    uint32_t messages_max;       /* of a market socket in a second */
    int64_t lifetime_ms;         /* of a WebSocket */
    sp_wall limited_until;       /* by a fault: requests are refused with limited_status */
    int limited_status;
    uint64_t last_seen_no; /* the newest order that was told of */
    struct sp_api_seen seen[SP_API_SEEN_MAX];
    uint32_t socket_count, socket_room;
    struct sp_api_socket *sockets;
};

/* The exchange's clock: the real one, unless it was set wrong. */
static inline sp_wall sp_api_now(const struct sp_api *api)
{
    return (sp_wall){sp_clock_wall().ns + api->clock_offset_ns};
}

/* As the protocol has them. */
void sp_api_reset_limits(struct sp_api *api);

/* ---- api_faults.c ---- */

/* The hooks of the REST face. */
bool sp_api_fault_before(void *ctx, struct sp_rest_call *call, const char *method);
void sp_api_fault_after(void *ctx, struct sp_rest_call *call, const char *method);
bool sp_api_fault_hides(void *ctx, uint64_t order_no);
/* A text of a market stream on its way. */
void sp_api_fault_market(struct sp_api *api, uint64_t connection, const char *text,
                         size_t len_bytes);
/* The event in api->event on its way to who holds the account. */
void sp_api_fault_event(struct sp_api *api, uint32_t account, const char *type);

/* ---- api_events.c ---- */

void sp_api_send(struct sp_api *api, uint64_t connection, const char *text, size_t len_bytes);
void sp_api_send_json(struct sp_api *api, uint64_t connection, const struct sp_json_text *json);
/* To everyone who holds the account. */
void sp_api_tell(struct sp_api *api, uint32_t account, const struct sp_json_text *event);
/* To those whose subscriptions the message at hand has ended. */
void sp_api_tell_ended(struct sp_api *api);
/* A balance was changed from outside. */
void sp_api_report_transfer(struct sp_api *api, const struct sp_venue_transfer *transfer);
/* Listen keys that have run out, and who listens by them. */
void sp_api_expire_keys(struct sp_api *api);
/* Says good-bye to everyone; nobody is cut off. */
void sp_api_say_shutdown(struct sp_api *api);
/* Cuts off "user", "market", "all", or "told": who was said good-bye. False: no such word. */
bool sp_api_cut(struct sp_api *api, const char *which);

/* ---- control.c ---- */

SP_NODISCARD sp_status sp_control_load_token(struct sp_api *api, const char *path,
                                             struct sp_err *err);
bool sp_control_is_path(const struct sp_api *api, const char *path);
void sp_control_handle(struct sp_api *api, const struct sp_http_request *request);

#endif
