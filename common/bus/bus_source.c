/* Our connection to one publisher: a SUB for all of its streams and a DEALER to its control socket.
 *
 * Silence is measured from its heartbeats and frames. A connection that looks alive may be dead (a
 * protocol error ends an endpoint for ever, a half-open one delivers nothing), so after two seconds
 * both sockets are made anew; the DEALER alone, if only requests are not answered. If we ourselves
 * were stopped, the time does not count: what was sent meanwhile is still in our queue.
 */
#include "common/bus/bus_internal.h"

#include <stdlib.h>
#include <string.h>

#define OVERSLEPT_NS (4 * BUS_TICK_NS)

static void notice_all(struct bus_source *source, int type)
{
    struct sp_bus *bus = source->bus;

    for (uint32_t i = 0; i < bus->sub_count; i++) {
        struct sp_subscription *sub = bus->subs[i];
        if (sub->source != source) continue;
        struct sp_sub_notice notice = {.stream = sub->options.stream, .epoch = sub->epoch};
        notice.type = type == SP_SUB_SILENT ? SP_SUB_SILENT : SP_SUB_RESTORED;
        sp_bus_sub_notice(sub, &notice);
    }
}

/* The time of the turn will do: it is one clock call for many frames. */
static void note_heard(struct bus_source *source)
{
    source->heard = source->turn;
    if (!source->silent) return;
    source->silent = false;
    notice_all(source, SP_SUB_RESTORED);
}

/* ---- Frames ---- */

static void on_heartbeat(struct bus_source *source, const struct sp_record *record)
{
    struct sp_bus *bus = source->bus;
    const struct sp_heartbeat *beat = &record->body.heartbeat;

    if (beat->epoch < source->epoch) {
        bus->stats.zombies++;
        return;
    }
    note_heard(source);
    source->epoch = beat->epoch;
    source->heartbeat = *beat;
    for (uint32_t i = 0; i < bus->sub_count; i++) {
        struct sp_subscription *sub = bus->subs[i];
        if (sub->source != source) continue;
        if (sub->watch) {
            sub->options.on_record(sub->options.ctx, record);
            continue;
        }
        for (uint32_t m = 0; m < beat->streams.count; m++) {
            const struct sp_mark *mark = &beat->streams.at[m];
            if (sp_name_eq(&mark->stream, &sub->options.stream)) sp_bus_sub_mark(sub, mark);
        }
    }
}

static void find_receivers(const struct bus_source *source, const sp_name *stream,
                           struct bus_receivers *out)
{
    const struct sp_bus *bus = source->bus;
    uint32_t hash = sp_bus_hash(stream);

    out->count = 0;
    for (uint32_t i = 0; i < bus->sub_count; i++) {
        if (bus->sub_hashes[i] != hash) continue;
        struct sp_subscription *sub = bus->subs[i];
        if (sub->source != source || sub->watch) continue;
        if (sp_name_eq(&sub->options.stream, stream)) out->at[out->count++] = sub;
    }
}

static void on_record(struct bus_source *source, const struct bus_receivers *receivers,
                      const uint8_t *bytes, size_t len, const struct sp_record *record)
{
    if (record->kind == SP_REC_HEARTBEAT) {
        on_heartbeat(source, record);
    } else if (record->epoch < source->epoch) {
        source->bus->stats.zombies++; /* superseded, also where its stream is not known yet */
    } else {
        note_heard(source);
        for (uint32_t i = 0; i < receivers->count; i++) {
            sp_bus_sub_live(receivers->at[i], bytes, len, record);
        }
    }
}

/* A frame of any number of records, and of a stream that need not be the last one's. A record that
 * cannot be read is passed over: those behind it show the gap. */
static uint32_t on_any_frame(struct bus_source *source, const uint8_t *bytes, size_t len)
{
    struct sp_bus *bus = source->bus;
    struct bus_latest *latest = &source->latest;
    struct sp_wire_frame frame;
    uint32_t count = 0;

    if (sp_wire_open(bytes, len, &frame, NULL) != SP_OK) {
        bus->stats.decode_errors++;
        return 1;
    }
    if (!sp_name_eq(&frame.stream, &latest->stream) || latest->subs != bus->sub_count) {
        find_receivers(source, &frame.stream, &latest->receivers);
        latest->stream = frame.stream;
        latest->subs = bus->sub_count;
        latest->head_len_bytes = (size_t)(frame.at - bytes);
    }
    /* A callback may add a subscription; the list changes with the next frame. */
    while (frame.at < frame.end) {
        const uint8_t *begin = frame.at;
        sp_status status = sp_wire_next(&frame, &bus->rx, NULL);
        count++;
        if (status == SP_OK) {
            on_record(source, &latest->receivers, begin, (size_t)(frame.at - begin), &bus->rx);
        } else {
            bus->stats.decode_errors++;
        }
    }
    bus->stats.received += count;
    return count;
}

static bool is_of_latest(const struct bus_source *source, const uint8_t *bytes, size_t len)
{
    const struct bus_latest *latest = &source->latest;

    return latest->head_len_bytes > 0 && latest->head_len_bytes <= len &&
           latest->subs == source->bus->sub_count &&
           memcmp(bytes, latest->stream.s, latest->head_len_bytes) == 0;
}

/* Returns how many records it had. Most frames are of the stream that the last one was of, and have
 * one record. */
static uint32_t on_frame(struct bus_source *source, const uint8_t *bytes, size_t len)
{
    struct sp_bus *bus = source->bus;
    size_t head_len = source->latest.head_len_bytes;

    bus->stats.frames_received++;
    if (!is_of_latest(source, bytes, len)) return on_any_frame(source, bytes, len);
    if (sp_wire_read_plain(bytes, len, head_len, &bus->rx) != SP_OK) {
        return on_any_frame(source, bytes, len);
    }
    bus->rx.stream = source->latest.stream;
    on_record(source, &source->latest.receivers, bytes + head_len, len - head_len, &bus->rx);
    bus->stats.received++;
    return 1;
}

static void on_sub_readable(void *ctx)
{
    struct bus_source *source = ctx;
    const uint8_t *frame = NULL;
    size_t len = 0;

    for (uint32_t taken = 0; taken < BUS_TURN_RECORDS;) {
        if (sp_sock_receive(source->sub, NULL, &frame, &len) != SP_OK) return;
        if (taken == 0) source->turn = sp_clock_mono();
        taken += on_frame(source, frame, len);
    }
}

static uint32_t on_answer(struct bus_source *source, const uint8_t *bytes, size_t len)
{
    struct sp_bus *bus = source->bus;
    struct sp_record *record = &bus->rx;
    struct sp_wire_frame frame;
    struct bus_receivers receivers;
    uint32_t count = 0;

    if (sp_wire_open(bytes, len, &frame, NULL) != SP_OK) {
        bus->stats.decode_errors++;
        return 1;
    }
    find_receivers(source, &frame.stream, &receivers);
    while (frame.at < frame.end) {
        sp_status status = sp_wire_next(&frame, record, NULL);
        count++;
        if (status != SP_OK) {
            bus->stats.decode_errors++;
            continue;
        }
        bool is_end = record->kind == SP_REC_REPLAY_END;
        const struct sp_replay_end *end = &record->body.replay_end;
        if (is_end) find_receivers(source, &end->stream, &receivers);
        for (uint32_t i = 0; i < receivers.count; i++) {
            if (is_end) {
                sp_bus_catchup_end(receivers.at[i], record->epoch, end);
            } else {
                sp_bus_catchup_record(receivers.at[i], record);
            }
        }
    }
    return count;
}

static void on_dealer_readable(void *ctx)
{
    struct bus_source *source = ctx;
    const uint8_t *frame = NULL;
    size_t len = 0;

    for (uint32_t taken = 0; taken < BUS_TURN_RECORDS;) {
        if (sp_sock_receive(source->dealer, NULL, &frame, &len) != SP_OK) return;
        if (taken == 0) source->answered = sp_clock_mono();
        taken += on_answer(source, frame, len);
    }
}

/* ---- Sockets ---- */

static void close_dealer(struct bus_source *source)
{
    if (source->dealer != NULL) sp_loop_remove_sock(source->bus->loop, source->dealer);
    sp_sock_close(source->dealer);
    source->dealer = NULL;
}

static void close_sockets(struct bus_source *source)
{
    if (source->sub != NULL) sp_loop_remove_sock(source->bus->loop, source->sub);
    sp_sock_close(source->sub);
    source->sub = NULL;
    close_dealer(source);
}

static sp_status connect_one(struct bus_source *source, bool is_sub, struct sp_err *err)
{
    struct sp_bus *bus = source->bus;
    struct sp_sock_options options = {.queue_max = bus->options.queue_max,
                                      .message_max_bytes = bus->options.message_max_bytes};
    char endpoint[128];

    sp_bus_endpoint(bus->run_dir, &source->publisher, is_sub ? "pub" : "rep", endpoint);
    struct sp_sock **out = is_sub ? &source->sub : &source->dealer;
    sp_status status =
        sp_sock_connect(is_sub ? SP_SOCK_SUB : SP_SOCK_DEALER, endpoint, &options, out, err);
    if (status != SP_OK) return status;
    status = sp_loop_add_sock(bus->loop, *out, false, is_sub ? on_sub_readable : on_dealer_readable,
                              source);
    if (status != SP_OK) return SP_FAIL(err, status, "the loop has too many sockets");
    return SP_OK;
}

static sp_status open_sockets(struct bus_source *source, struct sp_err *err)
{
    struct sp_bus *bus = source->bus;

    sp_status status = connect_one(source, true, err);
    if (status == SP_OK) status = connect_one(source, false, err);
    if (status == SP_OK) status = sp_sock_subscribe(source->sub, &source->hb_stream, err);
    for (uint32_t i = 0; i < bus->sub_count && status == SP_OK; i++) {
        const struct sp_subscription *sub = bus->subs[i];
        if (sub->source != source || sub->watch) continue;
        status = sp_sock_subscribe(source->sub, &sub->options.stream, err);
    }
    source->renewed = sp_clock_mono();
    source->answered = source->renewed;
    if (status != SP_OK) close_sockets(source);
    return status;
}

sp_status sp_bus_source_get(struct sp_bus *bus, const sp_name *publisher, struct bus_source **out,
                            struct sp_err *err)
{
    for (uint32_t i = 0; i < bus->source_count; i++) {
        if (!sp_name_eq(&bus->sources[i]->publisher, publisher)) continue;
        *out = bus->sources[i];
        return SP_OK;
    }
    if (bus->source_count == BUS_SOURCES_MAX) {
        return SP_FAIL(err, SP_FULL, "a service listens to at most %d others", BUS_SOURCES_MAX);
    }
    struct bus_source *source = calloc(1, sizeof(*source));
    if (source == NULL) return SP_FAIL(err, SP_NO_MEMORY, "source %s", publisher->s);
    *source = (struct bus_source){.bus = bus, .publisher = *publisher};
    sp_status status = sp_bus_hb_stream(publisher, &source->hb_stream, err);
    if (status == SP_OK) status = open_sockets(source, err);
    if (status != SP_OK) {
        free(source);
        return status;
    }
    source->heard = source->renewed;
    bus->sources[bus->source_count++] = source;
    *out = source;
    return SP_OK;
}

void sp_bus_source_close(struct bus_source *source)
{
    close_sockets(source);
    free(source);
}

/* Somebody waits for the control socket. */
static bool is_awaited(const struct bus_source *source, sp_mono now)
{
    const struct sp_bus *bus = source->bus;

    for (uint32_t i = 0; i < bus->sub_count; i++) {
        if (bus->subs[i]->source == source && sp_bus_sub_awaits(bus->subs[i], now)) return true;
    }
    return false;
}

/* The publisher is alive, but the connection to its control socket may be dead. */
static void watch_dealer(struct bus_source *source, sp_mono now)
{
    if (!is_awaited(source, now)) source->answered = now;
    if (sp_mono_since(now, source->answered).ns < BUS_SILENT_NS) return;
    source->bus->stats.reconnects++;
    source->answered = now;
    close_dealer(source);
    /* Out of descriptors, say: two seconds later we try again. */
    SP_IGNORE(connect_one(source, false, NULL));
}

static void forgive(sp_mono *since, sp_mono now, sp_dur slept)
{
    if (slept.ns > OVERSLEPT_NS) since->ns += slept.ns - BUS_TICK_NS;
    if (since->ns > now.ns) *since = now;
}

void sp_bus_source_tick(struct bus_source *source, sp_mono now, sp_dur slept)
{
    forgive(&source->heard, now, slept);
    forgive(&source->answered, now, slept);
    if (sp_mono_since(now, source->heard).ns < BUS_SILENT_NS) {
        watch_dealer(source, now);
        return;
    }
    if (!source->silent) {
        source->silent = true;
        source->bus->stats.silences++;
        notice_all(source, SP_SUB_SILENT);
    }
    if (sp_mono_since(now, source->renewed).ns < BUS_SILENT_NS) return;
    source->bus->stats.reconnects++;
    close_sockets(source);
    /* Out of descriptors, say: the next tick tries again. */
    SP_IGNORE(open_sockets(source, NULL));
}
