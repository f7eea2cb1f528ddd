/* Answering replay requests: a bounded number of frames per turn, against the asker's credit.
 *
 * A session sends what its request allows, then REPLAY_END; the asker asks again from where it
 * stands. So a lost answer needs no repair here. A session of facts keeps its reader for the next
 * request of that asker, unless another asker needs the slot. Answers under way are never cut off
 * for a new asker: with more askers than slots nobody would come to an end. It asks again; one that
 * has died or does not read gives its slot back after KEEP_NS.
 */
#include "common/bus/bus_internal.h"

#include <string.h>

#define FRAMES_PER_TURN 128
#define STALL_NS        SP_NS_PER_MS
#define KEEP_NS         (5 * SP_NS_PER_S)

static void close_session(struct bus_session *session)
{
    sp_journal_reader_close(session->reader);
    *session = (struct bus_session){0};
}

static bool same_peer(const struct sp_peer *a, const struct sp_peer *b)
{
    return a->len_bytes == b->len_bytes && memcmp(a->id, b->id, a->len_bytes) == 0;
}

static bool is_better_slot(const struct bus_session *s, const struct bus_session *best)
{
    if (s->serving != BUS_SERVE_NOTHING) return false;
    if (best == NULL || !s->used) return true;
    return best->used && s->touched.ns < best->touched.ns;
}

/* The asker's session, a free one, or the one that was idle longest; NULL if all are at work. */
static struct bus_session *take_session(struct sp_bus *bus, const struct sp_peer *peer,
                                        const struct bus_out *out)
{
    struct bus_session *best = NULL;

    for (uint32_t i = 0; i < BUS_SESSIONS_MAX; i++) {
        struct bus_session *s = &bus->sessions[i];
        if (s->used && s->out == out && same_peer(&s->peer, peer)) return s;
        if (is_better_slot(s, best)) best = s;
    }
    if (best != NULL) close_session(best);
    return best;
}

/* What follows is the end of the answer. */
static void end_answer(struct bus_session *session, bool gone, uint64_t low_seq)
{
    session->serving = BUS_SERVE_END;
    session->gone = gone;
    session->low_seq = low_seq;
}

static sp_status send_end(struct sp_bus *bus, const struct bus_session *session)
{
    struct sp_record *answer = sp_bus_control(bus, SP_REC_REPLAY_END);

    answer->body.replay_end = (struct sp_replay_end){.request_id = session->request_id,
                                                     .stream = session->out->stream,
                                                     .next_seq = session->next_seq,
                                                     .low_seq = session->low_seq,
                                                     .last_seq = sp_bus_out_last(session->out),
                                                     .gone = session->gone};
    return sp_bus_send_control(bus, &session->peer);
}

/* ---- Rings ---- */

/* Parts carry the request in `by`, so that an answer to an earlier request is not mistaken for it.
 * If the queue is full, a newer snapshot is begun when there is room again. */
static sp_status send_snapshot(struct sp_bus *bus, struct bus_session *session)
{
    struct bus_out *out = session->out;
    uint32_t count = 0;

    session->next_seq = out->ring.last_seq + 1;
    if (out->snapshot != NULL) {
        count = out->snapshot(out->ctx, &out->stream, bus->snapshot, BUS_SNAPSHOT_MAX);
        SP_ASSERT(count <= BUS_SNAPSHOT_MAX);
    }
    for (uint32_t i = 0; i < count; i++) {
        struct sp_record *part = &bus->snapshot[i];
        size_t len = 0;
        part->stream = out->stream;
        part->epoch = bus->options.epoch;
        part->seq = out->ring.last_seq;
        part->by_count = 1;
        part->by[0] = (struct sp_ref){.stream = out->stream,
                                      .epoch = bus->options.epoch,
                                      .seq = session->request_id};
        sp_status status = sp_wire_encode(part, bus->frame, sizeof(bus->frame), &len, NULL);
        if (status != SP_OK) return SP_CORRUPT;
        status = sp_sock_send_to(bus->router, &session->peer, bus->frame, len);
        if (status != SP_OK) return status;
    }
    end_answer(session, false, out->ring.first_seq);
    return SP_OK;
}

static void start_ring(struct sp_bus *bus, struct bus_session *session,
                       const struct sp_replay_request *request)
{
    const struct bus_ring *ring = &session->out->ring;
    bool other_epoch = request->epoch != 0 && request->epoch != bus->options.epoch;

    session->next_seq = request->first_seq;
    session->serving = request->snapshot ? BUS_SERVE_SNAPSHOT : BUS_SERVE_FRAMES;
    if (request->snapshot) return;
    if (other_epoch || request->first_seq < ring->first_seq) {
        end_answer(session, true, ring->first_seq);
    }
}

static sp_status send_ring_frame(struct sp_bus *bus, struct bus_session *session)
{
    const struct bus_ring *ring = &session->out->ring;
    struct sp_pieces frame;

    if (session->next_seq > ring->last_seq) return SP_AGAIN;
    if (session->next_seq < ring->first_seq) return SP_GONE;
    uint32_t count = sp_bus_ring_records(session->out, session->next_seq, session->credit, &frame);
    sp_status status = sp_sock_send_pieces_to(bus->router, &session->peer, &frame);
    if (status != SP_OK) return status;
    session->next_seq += count;
    session->credit -= count;
    return SP_OK;
}

/* ---- Facts ---- */

static void start_facts(struct bus_session *session, const struct sp_replay_request *request)
{
    struct sp_ref cursor = {.stream = session->out->stream,
                            .epoch = request->epoch,
                            .seq = request->first_seq - 1};
    bool verify = request->epoch != 0;
    struct bus_files files = {.own = session->out->journal};
    struct bus_place place = {0};

    session->serving = BUS_SERVE_FRAMES;
    if (session->reader != NULL && session->next_seq == request->first_seq && !verify) return;
    sp_journal_reader_close(session->reader);
    session->reader = NULL;
    session->pending = false;
    session->next_seq = request->first_seq;
    sp_status status = sp_bus_files_open(&files, &cursor, verify, &place, NULL);
    if (status != SP_OK) {
        end_answer(session, false, 0);
        return;
    }
    session->reader = place.reader;
    if (place.first_seq != 0) session->next_seq = place.first_seq;
    if (!place.gone) return;
    /* What was asked for is no longer held: say where the journal begins, and be asked again. */
    if (sp_journal_reader_next(session->reader, &session->record, NULL, NULL) != SP_OK) return;
    session->pending = true;
    session->next_seq = session->record.seq;
    end_answer(session, true, session->record.seq);
}

/* A record that found the queue full waits in the session. */
static sp_status send_fact(struct sp_bus *bus, struct bus_session *session)
{
    struct sp_record *record = &session->record;
    size_t len = 0;

    if (!session->pending) {
        sp_status read = sp_journal_reader_next(session->reader, record, NULL, NULL);
        if (read == SP_AGAIN) return SP_AGAIN;
        if (read != SP_OK) return SP_CORRUPT;
        if (record->seq < session->next_seq) return SP_OK;
        session->pending = true;
    }
    if (sp_wire_encode(record, bus->frame, sizeof(bus->frame), &len, NULL) != SP_OK) {
        return SP_CORRUPT;
    }
    sp_status status = sp_sock_send_to(bus->router, &session->peer, bus->frame, len);
    if (status != SP_OK) return status;
    session->pending = false;
    session->next_seq = record->seq + 1;
    session->credit--;
    return SP_OK;
}

/* ---- Turns ---- */

static void on_stall_over(void *ctx)
{
    struct sp_bus *bus = ctx;

    sp_timer_cancel(bus->stall_timer);
    bus->stall_timer = NULL;
    sp_bus_wake(bus);
}

static void wait_for_room(struct sp_bus *bus)
{
    if (bus->stall_timer != NULL) return;
    SP_IGNORE(sp_loop_add_timer(bus->loop, (sp_dur){STALL_NS}, (sp_dur){0}, on_stall_over, bus,
                                &bus->stall_timer)); /* else the asker's own timer asks again */
}

static sp_status send_frames(struct sp_bus *bus, struct bus_session *session)
{
    bool facts = session->out->journal != NULL;
    sp_status status = SP_OK;

    for (int i = 0; i < FRAMES_PER_TURN && session->credit > 0 && status == SP_OK; i++) {
        status = facts ? send_fact(bus, session) : send_ring_frame(bus, session);
    }
    if (status == SP_OK && session->credit > 0) return SP_OK;
    if (status == SP_OK || status == SP_AGAIN || status == SP_GONE) {
        end_answer(session, status == SP_GONE, facts ? 0 : session->out->ring.first_seq);
        return SP_OK;
    }
    return status;
}

/* True if the session can go on at once. */
static bool step(struct sp_bus *bus, struct bus_session *session)
{
    sp_status status = SP_OK;

    switch (session->serving) {
    case BUS_SERVE_NOTHING: return false;
    case BUS_SERVE_SNAPSHOT: status = send_snapshot(bus, session); break;
    case BUS_SERVE_FRAMES: status = send_frames(bus, session); break;
    case BUS_SERVE_END:
        status = send_end(bus, session);
        if (status == SP_OK) session->serving = BUS_SERVE_NOTHING;
        break;
    }
    if (status == SP_FULL) {
        wait_for_room(bus);
    } else if (status != SP_OK) {
        close_session(session);
    }
    return status == SP_OK && session->serving != BUS_SERVE_NOTHING;
}

bool sp_bus_serve_pump(struct sp_bus *bus)
{
    bool more = false;

    for (uint32_t i = 0; i < BUS_SESSIONS_MAX; i++) {
        more = step(bus, &bus->sessions[i]) || more;
    }
    return more;
}

/* Who joins many streams asks for all of them at once, and control comes before the pump: without
 * this all but the first would be refused and ask again only after their back-off. */
static void end_short_answers(struct sp_bus *bus)
{
    for (uint32_t i = 0; i < BUS_SESSIONS_MAX; i++) {
        struct bus_session *session = &bus->sessions[i];
        while (session->serving == BUS_SERVE_SNAPSHOT || session->serving == BUS_SERVE_END) {
            if (!step(bus, session)) break;
        }
    }
}

void sp_bus_serve_request(struct sp_bus *bus, const struct sp_peer *peer,
                          const struct sp_replay_request *request)
{
    struct bus_out *out = sp_bus_find_out(bus, &request->stream);

    if (out == NULL) return; /* not ours, or not yet: the asker asks again */
    struct bus_session *session = take_session(bus, peer, out);
    if (session == NULL) {
        end_short_answers(bus);
        session = take_session(bus, peer, out);
    }
    if (session == NULL) {
        bus->stats.requests_refused++;
        return;
    }
    bus->stats.requests++;
    session->used = true;
    session->peer = *peer;
    session->out = out;
    session->request_id = request->request_id;
    session->touched = sp_clock_mono();
    session->credit = request->credit != 0 ? request->credit : BUS_CREDIT;
    if (session->credit > BUS_CREDIT_MAX) session->credit = BUS_CREDIT_MAX;
    session->gone = false;
    session->low_seq = 0;
    if (out->journal != NULL) {
        start_facts(session, request);
    } else {
        start_ring(bus, session, request);
    }
    sp_bus_wake(bus);
}

void sp_bus_serve_tick(struct sp_bus *bus, sp_mono now)
{
    for (uint32_t i = 0; i < BUS_SESSIONS_MAX; i++) {
        struct bus_session *session = &bus->sessions[i];
        if (session->used && sp_mono_since(now, session->touched).ns > KEEP_NS) {
            if (session->serving != BUS_SERVE_NOTHING) bus->stats.requests_dropped++;
            close_session(session);
        }
    }
}

void sp_bus_serve_close(struct sp_bus *bus)
{
    for (uint32_t i = 0; i < BUS_SESSIONS_MAX; i++) {
        close_session(&bus->sessions[i]);
    }
}
