/* Our streams. A ring keeps the encoded records, so a replay sends the very bytes the PUB has sent.
 *
 * What a callback publishes in one stream is gathered and leaves as one frame when the callback
 * returns: what a message costs the library and the kernel is many times what a record costs. No
 * record waits for another that is not there yet. A record is encoded where it stays until it is
 * sent: in the ring's arena, or in the batch of a stream of facts. When the arena begins anew, the
 * gathered ones leave first.
 */
#include "common/bus/bus_internal.h"

#include <stdlib.h>
#include <string.h>

#define RECORD_BYTES_MEAN                                                                          \
    256 /* what a ring's arena allows per record; larger ones shorten the ring */

struct bus_out *sp_bus_find_out(struct sp_bus *bus, const sp_name *stream)
{
    if (bus->out_last < bus->out_count) {
        struct bus_out *last = bus->outs[bus->out_last];
        if (memcmp(last->head, stream->s, last->head_len_bytes) == 0) return last;
    }
    uint32_t hash = sp_bus_hash(stream);
    for (uint32_t i = 0; i < bus->out_count; i++) {
        if (bus->out_hashes[i] != hash || !sp_name_eq(&bus->outs[i]->stream, stream)) continue;
        bus->out_last = i;
        return bus->outs[i];
    }
    return NULL;
}

uint64_t sp_bus_out_last(const struct bus_out *out)
{
    return out->journal != NULL ? sp_journal_next_seq(out->journal) - 1 : out->ring.last_seq;
}

uint64_t sp_bus_out_durable(const struct bus_out *out)
{
    return out->journal != NULL ? sp_journal_durable_seq(out->journal) : 0;
}

void sp_bus_out_close(struct bus_out *out)
{
    free(out->ring.slots);
    free(out->ring.arena);
    free(out->batch.own);
    free(out);
}

static sp_status add_out(struct sp_bus *bus, const sp_name *stream, struct bus_out **out,
                         struct sp_err *err)
{
    SP_ASSERT(!sp_name_is_empty(stream));
    if (sp_bus_find_out(bus, stream) != NULL) {
        return SP_FAIL(err, SP_EXISTS, "stream %s is already published here", stream->s);
    }
    if (bus->out_count == BUS_STREAMS_MAX) {
        return SP_FAIL(err, SP_FULL, "a service publishes at most %d streams", BUS_STREAMS_MAX);
    }
    struct bus_out *made = calloc(1, sizeof(*made));
    if (made == NULL) return SP_FAIL(err, SP_NO_MEMORY, "stream %s", stream->s);
    made->stream = *stream;
    made->head_len_bytes = sp_wire_encode_stream(stream, made->head);
    *out = made;
    return SP_OK;
}

static void keep_out(struct sp_bus *bus, struct bus_out *out)
{
    bus->out_hashes[bus->out_count] = sp_bus_hash(&out->stream);
    bus->outs[bus->out_count++] = out;
}

sp_status sp_bus_add_facts(struct sp_bus *bus, struct sp_journal *journal, const sp_name *stream,
                           struct sp_err *err)
{
    struct bus_out *out = NULL;
    sp_status status = add_out(bus, stream, &out, err);

    SP_ASSERT(journal != NULL);
    if (status != SP_OK) return status;
    out->batch.own = malloc(SP_WIRE_FRAME_MAX);
    if (out->batch.own == NULL) {
        sp_bus_out_close(out);
        return SP_FAIL(err, SP_NO_MEMORY, "stream %s", stream->s);
    }
    out->journal = journal;
    keep_out(bus, out);
    return SP_OK;
}

sp_status sp_bus_add_ring(struct sp_bus *bus, const sp_name *stream, uint32_t capacity,
                          sp_bus_snapshot_fn *snapshot, void *ctx, struct sp_err *err)
{
    struct bus_out *out = NULL;
    sp_status status = add_out(bus, stream, &out, err);

    SP_ASSERT(capacity > 0);
    if (status != SP_OK) return status;
    struct bus_ring *ring = &out->ring;
    *ring = (struct bus_ring){.capacity = capacity, .first_seq = 1};
    while (ring->slot_mask + 1 < capacity)
        ring->slot_mask = 2 * ring->slot_mask + 1;
    ring->arena_len = (size_t)capacity * RECORD_BYTES_MEAN + 2 * SP_WIRE_FRAME_MAX;
    SP_ASSERT(ring->arena_len <= UINT32_MAX);
    ring->slots = calloc(ring->slot_mask + 1, sizeof(*ring->slots));
    ring->arena = malloc(ring->arena_len);
    if (snapshot != NULL && bus->snapshot == NULL) {
        bus->snapshot = calloc(BUS_SNAPSHOT_MAX, sizeof(*bus->snapshot));
    }
    if (ring->slots == NULL || ring->arena == NULL || (snapshot != NULL && bus->snapshot == NULL)) {
        sp_bus_out_close(out);
        return SP_FAIL(err, SP_NO_MEMORY, "ring of %" PRIu32 " records", capacity);
    }
    out->snapshot = snapshot;
    out->ctx = ctx;
    keep_out(bus, out);
    return SP_OK;
}

static struct bus_slot *slot_of(const struct bus_ring *ring, uint64_t seq)
{
    return &ring->slots[seq & ring->slot_mask];
}

uint32_t sp_bus_ring_records(const struct bus_out *out, uint64_t seq, uint32_t max,
                             struct sp_pieces *frame)
{
    const struct bus_ring *ring = &out->ring;
    const struct bus_slot *first = slot_of(ring, seq);
    size_t room = SP_WIRE_FRAME_MAX - out->head_len_bytes;
    size_t len = 0;
    uint32_t count = 0;

    SP_ASSERT(seq >= ring->first_seq);
    SP_ASSERT(seq <= ring->last_seq);
    if (max > SP_WIRE_RECORDS_MAX) max = SP_WIRE_RECORDS_MAX;
    while (count < max && seq + count <= ring->last_seq) {
        const struct bus_slot *slot = slot_of(ring, seq + count);
        if (slot->at != first->at + len || slot->len > room - len) break;
        len += slot->len;
        count++;
    }
    *frame = (struct sp_pieces){.head = out->head,
                                .head_len_bytes = out->head_len_bytes,
                                .tail = ring->arena + first->at,
                                .tail_len_bytes = len};
    return count;
}

/* Whether the arena's end leaves room for any record. */
static bool ring_has_tail(const struct bus_ring *ring)
{
    return ring->arena_len - ring->at >= SP_WIRE_FRAME_MAX;
}

/* Makes room for any record at ring->at, for one more in all, and returns the place. Records lie in
 * the arena in order, so whatever is in the way is the oldest. */
static uint8_t *ring_make_room(struct bus_ring *ring)
{
    if (!ring_has_tail(ring)) {
        while (ring->first_seq <= ring->last_seq &&
               slot_of(ring, ring->first_seq)->at >= ring->at) {
            ring->first_seq++;
        }
        ring->at = 0;
    }
    while (ring->first_seq <= ring->last_seq) {
        const struct bus_slot *oldest = slot_of(ring, ring->first_seq);
        bool full = ring->last_seq - ring->first_seq + 1 == ring->capacity;
        bool in_the_way = oldest->at < ring->at + SP_WIRE_FRAME_MAX && oldest->at >= ring->at;
        if (!full && !in_the_way) break;
        ring->first_seq++;
    }
    return ring->arena + ring->at;
}

static void ring_keep(struct bus_ring *ring, size_t len)
{
    ring->last_seq++;
    *slot_of(ring, ring->last_seq) =
        (struct bus_slot){.at = (uint32_t)ring->at, .len = (uint32_t)len};
    ring->at += len;
}

/* ---- Sending ---- */

static void send_batch(struct sp_bus *bus, struct bus_out *out)
{
    struct sp_pieces frame = {.head = out->head,
                              .head_len_bytes = out->head_len_bytes,
                              .tail = out->batch.at,
                              .tail_len_bytes = out->batch.len_bytes};

    if (out->batch.count == 0) return;
    bus->stats.frames_published++;
    if (sp_sock_send_pieces(bus->pub, &frame) != SP_OK) bus->stats.publish_drops++;
    out->batch.len_bytes = 0;
    out->batch.count = 0;
}

void sp_bus_flush(struct sp_bus *bus)
{
    for (uint32_t i = 0; i < bus->unsent_count; i++) {
        send_batch(bus, bus->unsent[i]);
        bus->unsent[i]->unsent = false;
    }
    bus->unsent_count = 0;
}

static void on_callback_over(void *ctx)
{
    sp_bus_flush(ctx);
}

void sp_bus_drop_unsent(struct sp_bus *bus)
{
    sp_loop_cancel_deferred(bus->loop, on_callback_over, bus);
    bus->unsent_count = 0;
}

/* Where the next record is encoded: behind those that wait, where it stays until it is sent. */
static uint8_t *next_place(struct sp_bus *bus, struct bus_out *out)
{
    struct bus_batch *batch = &out->batch;
    bool is_ring = out->journal == NULL;

    if (batch->count == SP_WIRE_RECORDS_MAX || (is_ring && !ring_has_tail(&out->ring))) {
        send_batch(bus, out);
    }
    uint8_t *place = is_ring ? ring_make_room(&out->ring) : batch->own + batch->len_bytes;
    if (batch->count == 0) batch->at = place;
    SP_ASSERT(batch->at + batch->len_bytes == place);
    return place;
}

static sp_status encode(struct sp_bus *bus, struct bus_out *out, const struct sp_record *record,
                        size_t *len, struct sp_err *err)
{
    size_t room = SP_WIRE_FRAME_MAX - out->head_len_bytes;
    uint8_t *place = next_place(bus, out);

    sp_status status = sp_wire_encode_record(record, place, room - out->batch.len_bytes, len, err);
    if (status != SP_FULL || out->batch.count == 0) return status;
    send_batch(bus, out); /* it does not fit behind them */
    return sp_wire_encode_record(record, next_place(bus, out), room, len, err);
}

sp_status sp_bus_publish(struct sp_bus *bus, struct sp_record *record, struct sp_err *err)
{
    struct bus_out *out = sp_bus_find_out(bus, &record->stream);
    size_t len = 0;

    SP_ASSERT(out != NULL);
    if (out->journal == NULL) {
        record->seq = out->ring.last_seq + 1;
        record->epoch = bus->options.epoch;
    }
    SP_ASSERT(record->epoch == bus->options.epoch);
    sp_status status = encode(bus, out, record, &len, err);
    if (status != SP_OK) return status;
    bus->stats.published++;
    if (out->journal == NULL) ring_keep(&out->ring, len);
    out->batch.len_bytes += len;
    out->batch.count++;
    if (out->unsent) return SP_OK;
    if (bus->unsent_count == 0 && !sp_loop_defer(bus->loop, on_callback_over, bus)) {
        send_batch(bus, out); /* no callback whose end could be waited for */
        return SP_OK;
    }
    out->unsent = true;
    bus->unsent[bus->unsent_count++] = out;
    return SP_OK;
}

/* ---- Pacing ---- */

void sp_bus_on_consumed(struct sp_bus *bus, const struct sp_consumed *consumed)
{
    struct bus_consumer *found = NULL;

    for (uint32_t i = 0; i < bus->consumer_count && found == NULL; i++) {
        struct bus_consumer *c = &bus->consumers[i];
        if (sp_name_eq(&c->consumer, &consumed->consumer) &&
            sp_name_eq(&c->stream, &consumed->stream)) {
            found = c;
        }
    }
    if (found == NULL) {
        if (sp_bus_find_out(bus, &consumed->stream) == NULL) return;
        if (bus->consumer_count == BUS_CONSUMERS_MAX) {
            bus->stats.reports_refused++;
            return;
        }
        found = &bus->consumers[bus->consumer_count++];
    }
    *found = (struct bus_consumer){.consumer = consumed->consumer,
                                   .stream = consumed->stream,
                                   .epoch = consumed->epoch,
                                   .seq = consumed->seq};
}

uint64_t sp_bus_consumed(const struct sp_bus *bus, const sp_name *stream, const sp_name *consumers,
                         uint32_t count)
{
    uint64_t lowest = UINT64_MAX;

    for (uint32_t n = 0; n < count; n++) {
        uint64_t seq = 0;
        for (uint32_t i = 0; i < bus->consumer_count; i++) {
            const struct bus_consumer *c = &bus->consumers[i];
            if (c->epoch == bus->options.epoch && sp_name_eq(&c->consumer, &consumers[n]) &&
                sp_name_eq(&c->stream, stream)) {
                seq = c->seq;
            }
        }
        if (seq < lowest) lowest = seq;
    }
    return count > 0 ? lowest : 0;
}
