#include "common/bus/bus_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERS_PER_TURN 256
#define CONNECT_POLL_NS  (5 * SP_NS_PER_MS)
#define REFUSED_NS       (2 * SP_NS_PER_S) /* no connection: then the socket is made anew */

struct sp_client {
    struct sp_loop *loop;
    struct sp_sock *dealer;
    char endpoint[128];
    sp_mono refused; /* since when sending finds no connection; 0: it does */
    sp_sub_record_fn *on_reply;
    void *ctx;
    struct sp_record rx;
    uint8_t frame[SP_WIRE_FRAME_MAX];
};

void sp_bus_endpoint(const char *run_dir, const sp_name *service, const char *suffix, char out[128])
{
    /* What does not fit is still too long for a socket, and refused there. */
    int len = snprintf(out, 128, "ipc://%s/%s.%s", run_dir, service->s, suffix);

    SP_ASSERT(len > 0);
}

/* Control messages travel on no stream. */
static sp_status send_request(struct sp_sock *dealer, struct sp_record *scratch,
                              const struct sp_record *request, uint8_t frame[SP_WIRE_FRAME_MAX],
                              struct sp_err *err)
{
    size_t len = 0;

    *scratch = *request;
    scratch->stream = (sp_name){{0}};
    sp_status status = sp_wire_encode(scratch, frame, SP_WIRE_FRAME_MAX, &len, err);
    if (status != SP_OK) return status;
    status = sp_sock_send(dealer, frame, len);
    if (status == SP_OK) return SP_OK;
    return SP_FAIL(err, status, "%s was not sent: no connection now, or too many are waiting",
                   sp_kind_name(request->kind));
}

static void on_readable(void *ctx)
{
    struct sp_client *client = ctx;
    const uint8_t *frame = NULL;
    size_t len = 0;

    for (int i = 0; i < ANSWERS_PER_TURN; i++) {
        if (sp_sock_receive(client->dealer, NULL, &frame, &len) != SP_OK) return;
        if (sp_wire_decode(frame, len, &client->rx, NULL) != SP_OK) continue;
        client->on_reply(client->ctx, &client->rx);
    }
}

static sp_status connect_client(struct sp_client *client, struct sp_err *err)
{
    struct sp_sock *dealer = NULL;
    sp_status status = sp_sock_connect(SP_SOCK_DEALER, client->endpoint, NULL, &dealer, err);

    if (status != SP_OK) return status;
    status = sp_loop_add_sock(client->loop, dealer, false, on_readable, client);
    if (status != SP_OK) {
        sp_sock_close(dealer);
        return SP_FAIL(err, status, "the loop has too many sockets");
    }
    client->dealer = dealer;
    return SP_OK;
}

/* A protocol error ends an endpoint for ever: the library does not connect again. What looks like
 * that for two seconds gets a new socket, which costs nothing if nobody listens anyway. */
static void renew_if_refused(struct sp_client *client)
{
    struct sp_sock *old = client->dealer;
    sp_mono now = sp_clock_mono();

    if (client->refused.ns == 0) client->refused = now;
    if (sp_mono_since(now, client->refused).ns < REFUSED_NS) return;
    client->refused = now;
    if (connect_client(client, NULL) != SP_OK) return; /* the old one stays */
    sp_loop_remove_sock(client->loop, old);
    sp_sock_close(old);
}

sp_status sp_client_open(struct sp_loop *loop, const char *run_dir, const sp_name *service,
                         sp_sub_record_fn *on_reply, void *ctx, struct sp_client **out,
                         struct sp_err *err)
{
    struct sp_client *client = calloc(1, sizeof(*client));

    SP_ASSERT(on_reply != NULL);
    if (client == NULL) return SP_FAIL(err, SP_NO_MEMORY, "client of %s", service->s);
    client->loop = loop;
    client->on_reply = on_reply;
    client->ctx = ctx;
    sp_bus_endpoint(run_dir, service, "rep", client->endpoint);
    sp_status status = connect_client(client, err);
    if (status != SP_OK) {
        free(client);
        return status;
    }
    *out = client;
    return SP_OK;
}

void sp_client_close(struct sp_client *client)
{
    if (client == NULL) return;
    sp_loop_remove_sock(client->loop, client->dealer);
    sp_sock_close(client->dealer);
    free(client);
}

sp_status sp_client_send(struct sp_client *client, const struct sp_record *request,
                         struct sp_err *err)
{
    sp_status status = send_request(client->dealer, &client->rx, request, client->frame, err);

    if (status == SP_OK) client->refused = (sp_mono){0};
    if (status == SP_FULL) renew_if_refused(client);
    return status;
}

/* ---- One question, on its own connection ---- */

static const void *field_of(const struct sp_record *record, const char *name, size_t size)
{
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);
    const struct sp_field *field = sp_schema_field(schema, name);

    if (field == NULL || field->offset + size > schema->size) return NULL;
    return (const uint8_t *)&record->body + field->offset;
}

static uint64_t request_id_of(const struct sp_record *record)
{
    const void *at = field_of(record, "request_id", sizeof(uint64_t));
    uint64_t id = 0;

    if (at != NULL) memcpy(&id, at, sizeof(id));
    return id;
}

static bool has_more(const struct sp_record *record)
{
    const void *at = field_of(record, "more", sizeof(bool));
    bool more = false;

    if (at != NULL) memcpy(&more, at, sizeof(more));
    return more;
}

struct question {
    struct sp_client *client; /* its socket and buffers; no loop */
    const struct sp_record *request;
    enum sp_kind last;
    sp_mono deadline;
    sp_client_answer_fn *fn;
    void *ctx;
};

static sp_dur time_left(const struct question *q, int64_t at_most_ns)
{
    int64_t left = q->deadline.ns - sp_clock_mono().ns;

    if (left < 0) left = 0;
    return (sp_dur){left < at_most_ns ? left : at_most_ns};
}

static sp_status put(const struct question *q, struct sp_err *err)
{
    struct sp_client *client = q->client;
    sp_status status;

    do {
        struct sp_poll_item item = {.sock = client->dealer};
        status = send_request(client->dealer, &client->rx, q->request, client->frame, err);
        if (status != SP_FULL) return status;
        SP_IGNORE(sp_sock_poll(&item, 1, time_left(q, CONNECT_POLL_NS), NULL)); /* only waits */
    } while (time_left(q, 1).ns > 0);
    return SP_FAIL(err, SP_TIMEOUT, "no connection in time");
}

static sp_status collect(const struct question *q, struct sp_err *err)
{
    struct sp_client *client = q->client;
    uint64_t id = request_id_of(q->request);
    const uint8_t *frame = NULL;
    size_t len = 0;

    while (time_left(q, 1).ns > 0) {
        sp_status status = sp_sock_receive(client->dealer, NULL, &frame, &len);
        if (status == SP_OK && sp_wire_decode(frame, len, &client->rx, NULL) == SP_OK) {
            uint64_t got = request_id_of(&client->rx);
            if (id != 0 && got != 0 && got != id) continue;
            q->fn(q->ctx, &client->rx);
            if (client->rx.kind == q->last && !has_more(&client->rx)) return SP_OK;
        } else if (status == SP_AGAIN) {
            struct sp_poll_item item = {.sock = client->dealer};
            status = sp_sock_poll(&item, 1, time_left(q, SP_NS_PER_S), err);
            if (status != SP_OK) return status;
        }
    }
    return SP_FAIL(err, SP_TIMEOUT, "no answer in time");
}

sp_status sp_client_ask(const char *run_dir, const sp_name *service,
                        const struct sp_record *request, enum sp_kind last, sp_dur timeout,
                        sp_client_answer_fn *fn, void *ctx, struct sp_err *err)
{
    char endpoint[128];
    struct question q = {.request = request,
                         .last = last,
                         .deadline = {sp_clock_mono().ns + timeout.ns},
                         .fn = fn,
                         .ctx = ctx};

    sp_bus_endpoint(run_dir, service, "rep", endpoint);
    if (strlen(endpoint) < sizeof(endpoint) - 1 && !sp_sock_is_listened(endpoint)) {
        return SP_FAIL(err, SP_NOT_FOUND, "%s is not running (nobody listens at %s)", service->s,
                       endpoint);
    }
    q.client = calloc(1, sizeof(*q.client));
    if (q.client == NULL) return SP_FAIL(err, SP_NO_MEMORY, "client of %s", service->s);
    sp_status status = sp_sock_connect(SP_SOCK_DEALER, endpoint, NULL, &q.client->dealer, err);
    if (status == SP_OK) status = put(&q, err);
    if (status == SP_OK) status = collect(&q, err);
    sp_sock_close(q.client->dealer);
    free(q.client);
    return status;
}
