/* Requests over a WebSocket: the REST face by method names, and who wants user data. Pure but for
 * the store behind `rest`; one thread.
 */
#ifndef SP_VENUE_WS_API_H
#define SP_VENUE_WS_API_H

#include "services/venue/rest.h"

#define SP_WS_API_HOLDERS_MAX 1000

/* A connection that is told about its account: by a subscription, or by a listen key in its path.
 */
struct sp_ws_holder {
    uint64_t connection;
    uint32_t account;
    uint32_t subscription;               /* its number on this connection */
    bool by_session;                     /* it ends with that */
    bool combined;                       /* by a listen key: events are wrapped with its name */
    char listen_key[SP_LISTEN_KEY_SIZE]; /* "": by a subscription */
};

/* A connection on which somebody has logged on. */
struct sp_ws_session {
    uint64_t connection;
    const struct sp_rest_key *key;
    sp_wall since;
};

struct sp_ws_api {
    struct sp_rest *rest;
    struct sp_json_text result;
    uint32_t holder_count;
    struct sp_ws_holder holders[SP_WS_API_HOLDERS_MAX];
    uint32_t session_count;
    struct sp_ws_session sessions[SP_WS_API_HOLDERS_MAX];
    uint32_t ended_count; /* by the message at hand: they are still to be told */
    struct sp_ws_holder ended[SP_VENUE_ACCOUNTS_MAX];
};

/* Answers one message of a connection; `call` as for sp_rest_handle, its body is the whole answer.
 */
void sp_ws_api_handle(struct sp_ws_api *api, uint64_t connection, const char *text,
                      size_t len_bytes, struct sp_rest_call *call);
/* The connection has ended. */
void sp_ws_api_leave(struct sp_ws_api *api, uint64_t connection);
/* A connection that follows streams named a listen key, which may be none. `name` need not end
 * there. */
void sp_ws_api_listen(struct sp_ws_api *api, uint64_t connection, const char *name,
                      size_t len_bytes, bool combined);
/* Whether it is told still: a listen key may have been closed. */
bool sp_ws_api_holds(const struct sp_ws_api *api, const struct sp_ws_holder *holder);
/* The key has run out. */
void sp_ws_api_unlisten(struct sp_ws_api *api, const char *listen_key);
/* An event as that holder gets it. */
void sp_ws_api_wrap(struct sp_json_text *out, const struct sp_ws_holder *holder,
                    const struct sp_json_text *event);

#endif
