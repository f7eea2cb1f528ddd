/* The bus of one service: its two sockets, its heartbeats, and the pump that carries on what one
 * turn could not finish. docs/bus.md has the format, the rules and the failure matrix.
 */
#include "common/bus/bus_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#define REQUESTS_PER_TURN 64

void sp_bus_wake(struct sp_bus *bus)
{
    uint64_t one = 1;

    /* It cannot fill: the pump reads it before it works. */
    SP_IGNORE(write(bus->pump_fd, &one, sizeof(one)) != (ssize_t)sizeof(one));
}

/* FNV-1a. */
uint32_t sp_bus_hash(const sp_name *stream)
{
    size_t len = strnlen(stream->s, sizeof stream->s);
    uint64_t hash = len;

    for (size_t at = 0; at < len; at += sizeof(uint64_t)) {
        uint64_t part = 0;
        memcpy(&part, stream->s + at, len - at < sizeof part ? len - at : sizeof part);
        hash = (hash ^ part) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 32;
    }
    return (uint32_t)hash;
}

static void on_pump(void *ctx)
{
    struct sp_bus *bus = ctx;
    uint64_t count = 0;

    SP_IGNORE(read(bus->pump_fd, &count, sizeof(count)) < 0);
    bool more = sp_bus_serve_pump(bus);
    for (uint32_t i = 0; i < bus->sub_count; i++) {
        more = sp_bus_sub_pump(bus->subs[i]) || more;
    }
    if (more) sp_bus_wake(bus);
}

static void on_tick(void *ctx)
{
    struct sp_bus *bus = ctx;
    sp_mono now = sp_clock_mono();
    sp_dur slept = sp_mono_since(now, bus->last_tick);

    bus->last_tick = now;
    sp_bus_serve_tick(bus, now);
    for (uint32_t i = 0; i < bus->source_count; i++) {
        sp_bus_source_tick(bus->sources[i], now, slept);
    }
    for (uint32_t i = 0; i < bus->sub_count; i++) {
        sp_bus_sub_tick(bus->subs[i], now);
    }
}

/* ---- Heartbeats ---- */

sp_status sp_bus_hb_stream(const sp_name *service, sp_name *out, struct sp_err *err)
{
    char text[SP_NAME_SIZE + 4];

    snprintf(text, sizeof(text), "hb.%s", service->s);
    if (sp_name_is_empty(service) || !sp_name_set(out, text)) {
        return SP_FAIL(err, SP_INVALID, "service name \"%s\": 1 to %d characters are allowed",
                       service->s, SP_NAME_SIZE - 4);
    }
    return SP_OK;
}

static void send_beat(struct sp_bus *bus)
{
    struct sp_record *record = &bus->control;
    struct sp_heartbeat *beat = &record->body.heartbeat;
    size_t len = 0;

    sp_bus_flush(bus); /* else the marks promise what is not on its way yet */
    bus->hb_frames++;
    record->stream = bus->hb_stream;
    record->seq = bus->hb_frames;
    beat->service = bus->options.service;
    beat->epoch = bus->options.epoch;
    beat->count = bus->beats;
    beat->phase = (uint8_t)bus->phase;
    beat->market_time = bus->market;
    beat->sent = sp_clock_mono();
    if (sp_wire_encode(record, bus->frame, sizeof(bus->frame), &len, NULL) == SP_OK &&
        sp_sock_send(bus->pub, bus->frame, len) == SP_OK) {
        return;
    }
    bus->stats.publish_drops++;
}

/* Marks of the streams that have changed; every tenth time of all. Always at least one frame. */
static void on_beat(void *ctx)
{
    struct sp_bus *bus = ctx;
    bool full = bus->beats % BUS_BEATS_FULL == 0;
    sp_marks *marks = &sp_bus_control(bus, SP_REC_HEARTBEAT)->body.heartbeat.streams;
    uint32_t frames = 0;

    bus->beats++;
    for (uint32_t i = 0; i < bus->out_count; i++) {
        struct bus_out *out = bus->outs[i];
        uint64_t last = sp_bus_out_last(out);
        uint64_t durable = sp_bus_out_durable(out);
        bool changed = last != out->announced_seq || durable != out->announced_durable;
        if (!full && out->announced && !changed) continue;
        out->announced = true;
        out->announced_seq = last;
        out->announced_durable = durable;
        marks->at[marks->count++] = (struct sp_mark){.stream = out->stream,
                                                     .epoch = bus->options.epoch,
                                                     .seq = last,
                                                     .durable_seq = durable};
        if (marks->count < SP_MARKS_MAX) continue;
        send_beat(bus);
        frames++;
        marks->count = 0;
    }
    if (marks->count > 0 || frames == 0) send_beat(bus);
}

/* ---- The control socket ---- */

struct sp_record *sp_bus_control(struct sp_bus *bus, enum sp_kind kind)
{
    memset(&bus->control, 0, sizeof(bus->control));
    bus->control.epoch = bus->options.epoch;
    bus->control.time = sp_clock_wall();
    bus->control.kind = kind;
    return &bus->control;
}

sp_status sp_bus_send_control(struct sp_bus *bus, const struct sp_peer *peer)
{
    size_t len = 0;
    sp_status status = sp_wire_encode(&bus->control, bus->frame, sizeof(bus->frame), &len, NULL);

    if (status != SP_OK) return status;
    return sp_sock_send_to(bus->router, peer, bus->frame, len);
}

sp_status sp_bus_reply(struct sp_bus *bus, const struct sp_peer *peer,
                       const struct sp_record *answer)
{
    bus->control = *answer;
    bus->control.stream = (sp_name){{0}};
    bus->control.epoch = bus->options.epoch;
    return sp_bus_send_control(bus, peer);
}

static void on_request(struct sp_bus *bus, const struct sp_peer *peer)
{
    const struct sp_record *record = &bus->rx;

    if (record->kind == SP_REC_REPLAY_REQUEST) {
        sp_bus_serve_request(bus, peer, &record->body.replay_request);
    } else if (record->kind == SP_REC_CONSUMED) {
        sp_bus_on_consumed(bus, &record->body.consumed);
    } else if (bus->on_request != NULL) {
        bus->on_request(bus->on_request_ctx, peer, record);
    }
}

static void on_router_readable(void *ctx)
{
    struct sp_bus *bus = ctx;
    struct sp_peer peer = {0};
    const uint8_t *frame = NULL;
    size_t len = 0;

    for (int i = 0; i < REQUESTS_PER_TURN; i++) {
        if (sp_sock_receive(bus->router, &peer, &frame, &len) != SP_OK) return;
        if (sp_wire_decode(frame, len, &bus->rx, NULL) != SP_OK) {
            bus->stats.decode_errors++;
            continue;
        }
        on_request(bus, &peer);
    }
}

/* ---- Life ---- */

/* Whoever may write in the directory can listen in, inject and replace sockets. */
static sp_status check_run_dir(const char *dir, struct sp_err *err)
{
    struct stat st;

    if (mkdir(dir, 0700) != 0 && errno != EEXIST) {
        return SP_FAIL(err, SP_IO, "run directory %s cannot be made", dir);
    }
    if (stat(dir, &st) != 0 || !S_ISDIR(st.st_mode)) {
        return SP_FAIL(err, SP_IO, "run directory %s is not a directory", dir);
    }
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return SP_FAIL(err, SP_CONFIG, "run directory %s may be written by others: chmod 700 it",
                       dir);
    }
    return SP_OK;
}

static sp_status copy_options(struct sp_bus *bus, const struct sp_bus_options *options,
                              struct sp_err *err)
{
    bus->options = *options;
    bus->has_data_dir = options->data_dir != NULL;
    int run = snprintf(bus->run_dir, sizeof(bus->run_dir), "%s", options->run_dir);
    int data = snprintf(bus->data_dir, sizeof(bus->data_dir), "%s",
                        bus->has_data_dir ? options->data_dir : "");
    if (run >= (int)sizeof(bus->run_dir) || data >= (int)sizeof(bus->data_dir)) {
        return SP_FAIL(err, SP_TOO_LONG, "run or data directory: at most %d bytes",
                       BUS_DIR_SIZE - 1);
    }
    bus->options.run_dir = bus->run_dir;
    bus->options.data_dir = bus->has_data_dir ? bus->data_dir : NULL;
    return sp_bus_hb_stream(&options->service, &bus->hb_stream, err);
}

static sp_status bind_sockets(struct sp_bus *bus, struct sp_err *err)
{
    struct sp_sock_options options = {.queue_max = bus->options.queue_max,
                                      .message_max_bytes = bus->options.message_max_bytes};
    char endpoint[128];

    sp_bus_endpoint(bus->run_dir, &bus->options.service, "pub", endpoint);
    sp_status status = sp_sock_bind(SP_SOCK_PUB, endpoint, &options, &bus->pub, err);
    if (status != SP_OK) return status;
    sp_bus_endpoint(bus->run_dir, &bus->options.service, "rep", endpoint);
    return sp_sock_bind(SP_SOCK_ROUTER, endpoint, &options, &bus->router, err);
}

static sp_status join_loop(struct sp_bus *bus, struct sp_err *err)
{
    struct sp_loop *loop = bus->loop;
    sp_dur beat = {BUS_BEAT_NS};
    sp_dur tick = {BUS_TICK_NS};

    bus->pump_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (bus->pump_fd < 0) return SP_FAIL(err, SP_IO, "eventfd");
    sp_status status = sp_loop_add_sock(loop, bus->router, true, on_router_readable, bus);
    if (status == SP_OK) status = sp_loop_add_fd(loop, bus->pump_fd, on_pump, bus);
    if (status == SP_OK) {
        status = sp_loop_add_timer(loop, (sp_dur){0}, beat, on_beat, bus, &bus->beat_timer);
    }
    if (status == SP_OK) {
        status = sp_loop_add_timer(loop, tick, tick, on_tick, bus, &bus->tick_timer);
    }
    if (status != SP_OK) return SP_FAIL(err, status, "the loop has no room for the bus");
    return SP_OK;
}

sp_status sp_bus_open(struct sp_loop *loop, const struct sp_bus_options *options,
                      struct sp_bus **out, struct sp_err *err)
{
    struct sp_bus *bus = calloc(1, sizeof(*bus));

    SP_ASSERT(options->epoch > 0);
    if (bus == NULL) return SP_FAIL(err, SP_NO_MEMORY, "bus");
    bus->loop = loop;
    bus->pump_fd = -1;
    bus->last_tick = sp_clock_mono();
    sp_status status = copy_options(bus, options, err);
    if (status == SP_OK) status = check_run_dir(bus->run_dir, err);
    if (status == SP_OK) status = bind_sockets(bus, err);
    if (status == SP_OK) status = join_loop(bus, err);
    if (status != SP_OK) {
        sp_bus_close(bus);
        return status;
    }
    *out = bus;
    return SP_OK;
}

void sp_bus_close(struct sp_bus *bus)
{
    if (bus == NULL) return;
    if (bus->pub != NULL) sp_bus_flush(bus);
    sp_bus_drop_unsent(bus);
    sp_bus_serve_close(bus);
    for (uint32_t i = 0; i < bus->sub_count; i++) {
        sp_bus_sub_close(bus->subs[i]);
    }
    for (uint32_t i = 0; i < bus->source_count; i++) {
        sp_bus_source_close(bus->sources[i]);
    }
    for (uint32_t i = 0; i < bus->out_count; i++) {
        sp_bus_out_close(bus->outs[i]);
    }
    sp_timer_cancel(bus->beat_timer);
    sp_timer_cancel(bus->tick_timer);
    sp_timer_cancel(bus->pace_timer);
    sp_timer_cancel(bus->stall_timer);
    if (bus->pump_fd >= 0) {
        sp_loop_remove_fd(bus->loop, bus->pump_fd);
        close(bus->pump_fd);
    }
    if (bus->router != NULL) sp_loop_remove_sock(bus->loop, bus->router);
    sp_sock_close(bus->router);
    sp_sock_close(bus->pub);
    free(bus->snapshot);
    free(bus);
}

void sp_bus_on_request(struct sp_bus *bus, sp_bus_request_fn *fn, void *ctx)
{
    bus->on_request = fn;
    bus->on_request_ctx = ctx;
}

void sp_bus_set_phase(struct sp_bus *bus, enum sp_phase phase)
{
    bus->phase = phase;
}

void sp_bus_set_market_time(struct sp_bus *bus, sp_wall market)
{
    bus->market = market;
}

struct sp_bus_stats sp_bus_stats(const struct sp_bus *bus)
{
    struct sp_bus_stats stats = bus->stats;

    stats.lag_max = 0;
    for (uint32_t i = 0; i < bus->sub_count; i++) {
        const struct sp_subscription *sub = bus->subs[i];
        if (sub->watch || !sub->options.facts) continue;
        uint64_t lag = sp_bus_sub_lag(sub);
        if (lag > stats.lag_max) stats.lag_max = lag;
    }
    return stats;
}
