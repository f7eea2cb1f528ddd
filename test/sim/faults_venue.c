/* The venue: what becomes of messages to and from it, and answers that are not true. */
#include "faults_internal.h"

#include "common/bus/bus.h"
#include "proto/wire.h"
#include "services/venue/store.h"
#include "truth.h"

#include <string.h>

#define LAG_NS_MAX (1500 * SIM_MS)

static struct {
    int64_t lag_ns, gap_until;
    struct sp_record record, answer;
    /* An answer that is kept back until reports have overtaken it. */
    struct {
        uint32_t pid; /* of the venue; 0: none */
        uint32_t reports;
        struct sp_peer peer;
        struct sp_record record;
    } held;
} v;

/* ---- Messages ---- */

static void from_venue(const struct sim_message *message, struct sim_fate *fate)
{
    if (sp_wire_decode(message->frame, message->len, &v.record, NULL) != SP_OK) return;
    if (v.record.kind == SP_REC_VENUE_REPORT) {
        bool in_gap = sim_now() < v.gap_until && sim_fault_is_on(SIM_FAULT_REPORT_GAP);
        fate->drop = sim_fault_strikes(SIM_FAULT_REPORT_LOST, 20000) || in_gap;
        if (sim_fault_strikes(SIM_FAULT_REPORT_COPY, 50000)) fate->copies = 1;
        fate->overtakes = sim_fault_strikes(SIM_FAULT_REPORT_ORDER, 50000);
    } else if (v.record.kind == SP_REC_VENUE_ANSWER) {
        fate->drop = sim_fault_strikes(SIM_FAULT_ANSWER_LOST, 5000);
        if (sim_fault_strikes(SIM_FAULT_ANSWER_LATE, 5000))
            fate->delay = sim_fault_draw_ns(SIM_FAULT_ANSWER_LATE, 10 * SIM_MS, 9);
    }
}

void sim_faults_venue_message(const struct sim_message *message, struct sim_fate *fate)
{
    if (message->from != NULL && strcmp(message->from->name, "venue") == 0) {
        from_venue(message, fate);
    } else if (strcmp(message->to, "venue") == 0) {
        fate->drop = sim_fault_strikes(SIM_FAULT_REQUEST_LOST, 5000);
    }
}

/* ---- Answers ---- */

sp_status __real_sp_bus_reply(struct sp_bus *bus, const struct sp_peer *peer,
                              const struct sp_record *answer);
sp_status __wrap_sp_bus_reply(struct sp_bus *bus, const struct sp_peer *peer,
                              const struct sp_record *answer);

static void give_held(struct sp_bus *bus)
{
    bool same = v.held.pid == sim_self()->pid;

    v.held.pid = 0;
    if (same) SP_IGNORE(__real_sp_bus_reply(bus, &v.held.peer, &v.held.record)); /* may be gone */
}

/* What was done looks as if nobody knew. */
static void spoil(struct sp_record *answer)
{
    struct sp_venue_answer *body = &answer->body.venue_answer;

    body->ok = false;
    body->status = sp_name_of(sp_status_name(SP_IO));
    body->venue_order_id = body->pair_venue_order_id = 0;
    sp_text_printf(&body->reason, "internal error; whether it was executed is not known");
}

sp_status __wrap_sp_bus_reply(struct sp_bus *bus, const struct sp_peer *peer,
                              const struct sp_record *answer)
{
    const struct sp_venue_answer *body = &answer->body.venue_answer;
    bool is_report = answer->kind == SP_REC_VENUE_REPORT;

    if (strcmp(sim_self()->name, "venue") != 0) return __real_sp_bus_reply(bus, peer, answer);
    if (v.held.pid != 0 && (!is_report || v.held.reports-- == 0)) give_held(bus);
    bool took_order = answer->kind == SP_REC_VENUE_ANSWER && body->ok && body->venue_order_id != 0;
    if (took_order && sim_fault_strikes(SIM_FAULT_ERROR_DONE, 30000)) {
        v.answer = *answer;
        spoil(&v.answer);
        return __real_sp_bus_reply(bus, peer, &v.answer);
    }
    if (took_order && sim_fault_strikes(SIM_FAULT_FILL_FIRST, 100000)) {
        v.held.pid = sim_self()->pid;
        v.held.reports = 1 + (uint32_t)sim_fault_draw(SIM_FAULT_FILL_FIRST, 4);
        v.held.peer = *peer;
        v.held.record = *answer;
        return SP_OK;
    }
    return __real_sp_bus_reply(bus, peer, answer);
}

sp_status __real_sp_exchange_place(struct sp_exchange *x, const struct sp_venue_request *request,
                                   struct sp_venue_changes *changes, struct sp_venue_placed *placed,
                                   struct sp_err *err);
sp_status __wrap_sp_exchange_place(struct sp_exchange *x, const struct sp_venue_request *request,
                                   struct sp_venue_changes *changes, struct sp_venue_placed *placed,
                                   struct sp_err *err);
sp_status __wrap_sp_exchange_place(struct sp_exchange *x, const struct sp_venue_request *request,
                                   struct sp_venue_changes *changes, struct sp_venue_placed *placed,
                                   struct sp_err *err)
{
    if (sim_fault_strikes(SIM_FAULT_ERROR_UNDONE, 30000))
        return SP_FAIL(err, SP_IO, "internal error; whether it was executed is not known");
    return __real_sp_exchange_place(x, request, changes, placed, err);
}

/* The venue's query service is behind its matching engine. */
sp_status __real_sp_venue_store_order(struct sp_venue_store *store, const struct sp_exchange *x,
                                      const sp_name *client_order_id,
                                      struct sp_venue_order_row *out, struct sp_err *err);
sp_status __wrap_sp_venue_store_order(struct sp_venue_store *store, const struct sp_exchange *x,
                                      const sp_name *client_order_id,
                                      struct sp_venue_order_row *out, struct sp_err *err);
sp_status __wrap_sp_venue_store_order(struct sp_venue_store *store, const struct sp_exchange *x,
                                      const sp_name *client_order_id,
                                      struct sp_venue_order_row *out, struct sp_err *err)
{
    uint32_t count = 0;
    const struct sim_truth_order *order = sim_truth_find(client_order_id, &count);

    if (order != NULL && sim_fault_is_on(SIM_FAULT_QUERY_LAG) &&
        sim_now() - order->placed_at < v.lag_ns) {
        sim_fault_count(SIM_FAULT_QUERY_LAG, 1);
        return SP_FAIL(err, SP_NOT_FOUND, "no such order (yet)");
    }
    return __real_sp_venue_store_order(store, x, client_order_id, out, err);
}

void sim_faults_venue_gap(void)
{
    v.gap_until = sim_now() + sim_fault_draw_ns(SIM_FAULT_REPORT_GAP, 100 * SIM_MS, 7);
}

void sim_faults_venue_begin(struct sim_random *seed)
{
    memset(&v, 0, sizeof v);
    v.lag_ns = (int64_t)sim_random_below(seed, LAG_NS_MAX);
}
