/* A venue that refuses requests for a while, and a look at whether that is respected.
 *
 * Stands in front of the venue's service. Who was told to wait may not ask before: it is watched in
 * the asking process itself, where it is certain that it has heard.
 */
#include "faults_internal.h"

#include "common/bus/bus.h"
#include "common/service.h"
#include "risk.h"
#include "run.h"
#include "services/venue/venue_io.h"

#include <string.h>

#define CLIENTS_MAX 64

/* A connection of one process to the venue. */
struct client {
    uint32_t pid;
    struct sp_client *client;
    sp_sub_record_fn *on_reply;
    void *ctx;
    int64_t quiet_until;
    bool speaks; /* an answer or report is being taken in */
};

static struct {
    enum sim_fault fault; /* that lasts */
    int64_t until;
    struct sp_service_spec spec;
    struct sp_record answer;
    uint32_t next;
    struct client clients[CLIENTS_MAX]; /* a ring: of the dead nothing comes any more */
} l;

/* ---- In front of the venue ---- */

static uint64_t request_id(const struct sp_record *request)
{
    if (request->kind == SP_REC_VENUE_ORDER) return request->body.venue_order.request_id;
    if (request->kind == SP_REC_VENUE_CANCEL) return request->body.venue_cancel.request_id;
    return request->body.venue_query.request_id;
}

static void on_request(void *ctx, const struct sp_peer *peer, const struct sp_record *request)
{
    struct sp_service *service = ctx;
    struct sp_venue_answer *body = &l.answer.body.venue_answer;
    bool away = l.fault == SIM_FAULT_MAINTENANCE;

    if (sim_faults_healed() || sim_now() >= l.until) {
        sp_venue_spec.on_request(ctx, peer, request);
        return;
    }
    memset(&l.answer, 0, sizeof l.answer);
    l.answer.kind = SP_REC_VENUE_ANSWER;
    l.answer.time = sp_clock_wall();
    body->request_id = request_id(request);
    body->status = sp_name_of(sp_status_name(away ? SP_AWAY : SP_LIMITED));
    if (!away) body->wait.ns = l.until - sim_now();
    sp_text_printf(&body->reason, "%s",
                   away                       ? "maintenance"
                   : l.fault == SIM_FAULT_BAN ? "banned: too many requests in spite of refusals"
                                              : "too many requests");
    SP_IGNORE(sp_bus_reply(service->bus, peer, &l.answer)); /* it has gone */
}

const struct sp_service_spec *sim_faults_venue_spec(void)
{
    l.spec = sp_venue_spec;
    l.spec.on_request = on_request;
    return &l.spec;
}

void sim_faults_venue_refuses(enum sim_fault fault)
{
    int64_t least = fault == SIM_FAULT_RATE_LIMIT ? 100 * SIM_MS : 2 * SIM_S;

    if (sim_now() < l.until) return; /* one refusal is enough */
    l.fault = fault;
    l.until = sim_now() + sim_fault_draw_ns(fault, least, 6);
}

/* ---- In the process that asks ---- */

static void on_reply(void *ctx, const struct sp_record *answer)
{
    struct client *client = ctx;
    const struct sp_venue_answer *body = &answer->body.venue_answer;

    if (answer->kind == SP_REC_VENUE_ANSWER && !body->ok && body->wait.ns > 0)
        client->quiet_until = sim_now() + body->wait.ns;
    if (answer->kind == SP_REC_VENUE_INSTRUMENT) sim_risk_hears(&answer->body.venue_instrument);
    client->speaks = true;
    client->on_reply(client->ctx, answer);
    client->speaks = false;
}

bool sim_faults_venue_speaks(void)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        if (l.clients[i].speaks && l.clients[i].pid == sim_self()->pid) return true;
    }
    return false;
}

/* A process that connects anew must still wait. */
static int64_t quiet_until(uint32_t pid)
{
    int64_t until = 0;

    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        if (l.clients[i].pid == pid && l.clients[i].quiet_until > until)
            until = l.clients[i].quiet_until;
    }
    return until;
}

sp_status __real_sp_client_open(struct sp_loop *loop, const char *run_dir, const sp_name *service,
                                sp_sub_record_fn *on_reply, void *ctx, struct sp_client **out,
                                struct sp_err *err);
sp_status __wrap_sp_client_open(struct sp_loop *loop, const char *run_dir, const sp_name *service,
                                sp_sub_record_fn *fn, void *ctx, struct sp_client **out,
                                struct sp_err *err);
sp_status __wrap_sp_client_open(struct sp_loop *loop, const char *run_dir, const sp_name *service,
                                sp_sub_record_fn *fn, void *ctx, struct sp_client **out,
                                struct sp_err *err)
{
    struct client *client = &l.clients[l.next % CLIENTS_MAX];

    if (!sp_name_is(service, "venue"))
        return __real_sp_client_open(loop, run_dir, service, fn, ctx, out, err);
    l.next++;
    *client = (struct client){.pid = sim_self()->pid,
                              .on_reply = fn,
                              .ctx = ctx,
                              .quiet_until = quiet_until(sim_self()->pid)};
    sp_status status = __real_sp_client_open(loop, run_dir, service, on_reply, client, out, err);
    if (status == SP_OK) client->client = *out;
    return status;
}

sp_status __real_sp_client_send(struct sp_client *client, const struct sp_record *request,
                                struct sp_err *err);
sp_status __wrap_sp_client_send(struct sp_client *client, const struct sp_record *request,
                                struct sp_err *err);
sp_status __wrap_sp_client_send(struct sp_client *client, const struct sp_record *request,
                                struct sp_err *err)
{
    for (uint32_t i = 0; i < CLIENTS_MAX; i++) {
        const struct client *known = &l.clients[i];
        if (known->client != client || known->pid != sim_self()->pid) continue;
        if (sim_now() < known->quiet_until)
            sim_violation("%s sends the venue a %s, and was told to wait", sim_self()->name,
                          sp_kind_name(request->kind));
    }
    return __real_sp_client_send(client, request, err);
}

void sim_faults_limits_begin(void)
{
    memset(&l, 0, sizeof l);
}
