/* Our streams. A ring keeps the encoded frames, so a replay sends the very bytes the PUB has sent.
 * */
#include "common/bus/bus_internal.h"

#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MEAN                                                                           \
    256 /* what a ring's arena allows per frame; larger ones shorten the ring */

struct bus_out *sp_bus_find_out(struct sp_bus *bus, const sp_name *stream)
{
    if (bus->out_last < bus->out_count && sp_name_eq(&bus->outs[bus->out_last]->stream, stream)) {
        return bus->outs[bus->out_last];
    }
    for (uint32_t i = 0; i < bus->out_count; i++) {
        if (!sp_name_eq(&bus->outs[i]->stream, stream)) continue;
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
    *out = made;
    return SP_OK;
}

sp_status sp_bus_add_facts(struct sp_bus *bus, struct sp_journal *journal, const sp_name *stream,
                           struct sp_err *err)
{
    struct bus_out *out = NULL;
    sp_status status = add_out(bus, stream, &out, err);

    SP_ASSERT(journal != NULL);
    if (status != SP_OK) return status;
    out->journal = journal;
    bus->outs[bus->out_count++] = out;
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
    ring->arena_len = (size_t)capacity * FRAME_BYTES_MEAN + SP_WIRE_FRAME_MAX;
    ring->slots = calloc(capacity, sizeof(*ring->slots));
    ring->arena = malloc(ring->arena_len);
    if (snapshot != NULL && bus->snapshot == NULL) {
        bus->snapshot = calloc(BUS_SNAPSHOT_MAX, sizeof(*bus->snapshot));
    }
    if (ring->slots == NULL || ring->arena == NULL || (snapshot != NULL && bus->snapshot == NULL)) {
        sp_bus_out_close(out);
        return SP_FAIL(err, SP_NO_MEMORY, "ring of %" PRIu32 " frames", capacity);
    }
    out->snapshot = snapshot;
    out->ctx = ctx;
    bus->outs[bus->out_count++] = out;
    return SP_OK;
}

static struct bus_slot *slot_of(const struct bus_ring *ring, uint64_t seq)
{
    return &ring->slots[seq % ring->capacity];
}

const uint8_t *sp_bus_ring_frame(const struct bus_ring *ring, uint64_t seq, size_t *len_bytes)
{
    SP_ASSERT(seq >= ring->first_seq);
    SP_ASSERT(seq <= ring->last_seq);
    const struct bus_slot *slot = slot_of(ring, seq);
    *len_bytes = slot->len;
    return ring->arena + slot->at;
}

/* Frames lie in the arena in order, so whatever is in the way of the next one is the oldest. */
static void ring_push(struct bus_ring *ring, const uint8_t *frame, size_t len)
{
    size_t at = ring->at;

    if (ring->arena_len - at < len) {
        while (ring->first_seq <= ring->last_seq && slot_of(ring, ring->first_seq)->at >= at)
            ring->first_seq++;
        at = 0;
    }
    while (ring->first_seq <= ring->last_seq) {
        const struct bus_slot *oldest = slot_of(ring, ring->first_seq);
        bool full = ring->last_seq - ring->first_seq + 1 == ring->capacity;
        if (!full && (oldest->at >= at + len || oldest->at + oldest->len <= at)) break;
        ring->first_seq++;
    }
    memcpy(ring->arena + at, frame, len);
    ring->last_seq++;
    *slot_of(ring, ring->last_seq) = (struct bus_slot){.at = at, .len = len};
    ring->at = at + len;
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
    sp_status status = sp_wire_encode(record, bus->frame, sizeof(bus->frame), &len, err);
    if (status != SP_OK) return status;
    if (out->journal == NULL) ring_push(&out->ring, bus->frame, len);
    bus->stats.published++;
    if (sp_sock_send(bus->pub, bus->frame, len) != SP_OK) bus->stats.publish_drops++;
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
