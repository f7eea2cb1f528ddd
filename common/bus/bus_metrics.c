/* The bus in numbers. Which streams and consumers there are shows at run time, so the lines are
 * printed here and not kept in the registry of metrics, which is filled at start. */
#include "common/bus/bus_internal.h"

#include <stddef.h>
#include <stdio.h>

struct counter {
    const char *name, *help;
    size_t offset;
};

#define COUNTER(field, text)                                                                       \
    {                                                                                              \
        .name = "spoor_bus_" #field "_total", .help = text,                                        \
        .offset = offsetof(struct sp_bus_stats, field)                                             \
    }
static const struct counter counters[] = {
    COUNTER(published, "records published"),
    COUNTER(received, "records received live"),
    COUNTER(frames_published, "frames published"),
    COUNTER(frames_received, "frames received live"),
    COUNTER(publish_drops, "frames that could not be sent"),
    COUNTER(duplicates, "records seen again and passed over"),
    COUNTER(gaps, "records or marks that came too early: replayed"),
    COUNTER(replayed_files, "records replayed from the publisher's files"),
    COUNTER(replayed_socket, "records replayed by the publisher's control socket"),
    COUNTER(ring_gone, "losses told to a consumer: nobody holds the records any more"),
    COUNTER(rewinds, "power cuts that took back records already consumed"),
    COUNTER(silences, "publishers silent for two seconds and more"),
    COUNTER(reconnects, "sockets made anew"),
    COUNTER(zombies, "records and answers of a superseded publisher: dropped"),
    COUNTER(held_drops, "live records dropped during a replay: replayed later"),
    COUNTER(decode_errors, "frames and records that could not be read"),
    COUNTER(requests, "replays asked of us"),
    COUNTER(requests_refused, "replays refused, because all slots were at work"),
    COUNTER(requests_dropped, "replays given up, because the asker did not read"),
    COUNTER(reports_refused, "reports of more consumers than the table holds"),
};
#undef COUNTER

typedef void line_fn(void *ctx, const char *line);

static void print_head(const char *name, const char *type, const char *help, line_fn *fn, void *ctx)
{
    char line[SP_TEXT_SIZE];

    snprintf(line, sizeof(line), "# HELP %s %s", name, help);
    fn(ctx, line);
    snprintf(line, sizeof(line), "# TYPE %s %s", name, type);
    fn(ctx, line);
}

static void print_counters(const struct sp_bus *bus, line_fn *fn, void *ctx)
{
    struct sp_bus_stats stats = sp_bus_stats(bus);

    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
        const struct counter *c = &counters[i];
        const uint64_t *value = (const uint64_t *)(const void *)((const char *)&stats + c->offset);
        char line[SP_TEXT_SIZE];
        print_head(c->name, "counter", c->help, fn, ctx);
        snprintf(line, sizeof(line), "%s %" PRIu64, c->name, *value);
        fn(ctx, line);
    }
}

uint64_t sp_bus_sub_lag(const struct sp_subscription *sub)
{
    if (!sp_bus_sub_is_behind(sub)) return 0;
    /* A newer epoch may have begun below us; how far is known when its records are. */
    return sub->known_seq >= sub->next ? sub->known_seq + 1 - sub->next : 1;
}

static void print_subscriptions(const struct sp_bus *bus, line_fn *fn, void *ctx)
{
    static const char name[] = "spoor_bus_lag_records";

    print_head(name, "gauge", "records announced and not consumed here", fn, ctx);
    for (uint32_t i = 0; i < bus->sub_count; i++) {
        const struct sp_subscription *sub = bus->subs[i];
        char line[SP_TEXT_SIZE];
        if (sub->watch) continue;
        snprintf(line, sizeof(line), "%s{stream=\"%s\",consumer=\"%s\"} %" PRIu64, name,
                 sub->options.stream.s, bus->options.service.s, sp_bus_sub_lag(sub));
        fn(ctx, line);
    }
}

/* Published and not reported as consumed by the slowest paced consumer of the stream. */
static uint64_t reported_lag(const struct sp_bus *bus, const struct bus_out *out)
{
    uint64_t last = sp_bus_out_last(out), lag = 0;

    for (uint32_t i = 0; i < bus->consumer_count; i++) {
        const struct bus_consumer *c = &bus->consumers[i];
        if (!sp_name_eq(&c->stream, &out->stream)) continue;
        uint64_t seen = c->epoch == bus->options.epoch ? c->seq : 0;
        if (last > seen && last - seen > lag) lag = last - seen;
    }
    return lag;
}

void sp_bus_flows(const struct sp_bus *bus, sp_bus_flow_fn *fn, void *ctx)
{
    for (uint32_t i = 0; i < bus->sub_count; i++) {
        const struct sp_subscription *sub = bus->subs[i];
        if (sub->watch) continue;
        struct sp_bus_flow flow = {.stream = sub->options.stream,
                                   .publisher = sub->options.publisher,
                                   .applied = sub->applied,
                                   .lost = sub->lost,
                                   .rewound = sub->rewound,
                                   .replayed = sub->replayed,
                                   .gaps = sub->gaps,
                                   .dropped = sub->dropped,
                                   .lag = sp_bus_sub_lag(sub)};
        fn(ctx, &flow);
    }
    for (uint32_t i = 0; i < bus->out_count; i++) {
        struct sp_bus_flow flow = {.stream = bus->outs[i]->stream,
                                   .published = sp_bus_out_last(bus->outs[i]),
                                   .lag = reported_lag(bus, bus->outs[i])};
        fn(ctx, &flow);
    }
}

static const struct flow_counter {
    const char *name, *help;
    size_t offset;
} flow_counters[] = {
    {"spoor_bus_stream_applied_total", "records given to the consumer",
     offsetof(struct sp_bus_flow, applied)},
    {"spoor_bus_stream_lost_total", "records told to it as lost",
     offsetof(struct sp_bus_flow, lost)},
    {"spoor_bus_stream_rewound_total", "records applied that a power cut took back",
     offsetof(struct sp_bus_flow, rewound)},
    {"spoor_bus_stream_replayed_total", "of the applied: replayed",
     offsetof(struct sp_bus_flow, replayed)},
    {"spoor_bus_stream_gaps_total", "records or marks that came too early",
     offsetof(struct sp_bus_flow, gaps)},
    {"spoor_bus_stream_dropped_total", "live records passed over",
     offsetof(struct sp_bus_flow, dropped)},
};

struct flow_lines {
    const struct sp_bus *bus;
    const struct flow_counter *counter;
    line_fn *fn;
    void *ctx;
};

static void print_flow(void *ctx, const struct sp_bus_flow *flow)
{
    const struct flow_lines *to = ctx;
    char line[SP_TEXT_SIZE];

    if (sp_name_is_empty(&flow->publisher)) return;
    const char *at = (const char *)flow + to->counter->offset;
    snprintf(line, sizeof(line), "%s{stream=\"%s\",consumer=\"%s\"} %" PRIu64, to->counter->name,
             flow->stream.s, to->bus->options.service.s, *(const uint64_t *)(const void *)at);
    to->fn(to->ctx, line);
}

static void print_flows(const struct sp_bus *bus, line_fn *fn, void *ctx)
{
    for (size_t i = 0; i < sizeof(flow_counters) / sizeof(flow_counters[0]); i++) {
        struct flow_lines to = {bus, &flow_counters[i], fn, ctx};
        print_head(flow_counters[i].name, "counter", flow_counters[i].help, fn, ctx);
        sp_bus_flows(bus, print_flow, &to);
    }
}

/* What paced consumers have told us, as publisher. */
static void print_consumers(const struct sp_bus *bus, line_fn *fn, void *ctx)
{
    static const char name[] = "spoor_bus_reported_lag_records";

    print_head(name, "gauge", "records published and not reported as consumed", fn, ctx);
    for (uint32_t i = 0; i < bus->consumer_count; i++) {
        const struct bus_consumer *c = &bus->consumers[i];
        uint64_t last = 0;
        char line[SP_TEXT_SIZE];
        for (uint32_t n = 0; n < bus->out_count; n++) {
            if (sp_name_eq(&bus->outs[n]->stream, &c->stream)) last = sp_bus_out_last(bus->outs[n]);
        }
        uint64_t seen = c->epoch == bus->options.epoch ? c->seq : 0;
        snprintf(line, sizeof(line), "%s{stream=\"%s\",consumer=\"%s\"} %" PRIu64, name,
                 c->stream.s, c->consumer.s, last > seen ? last - seen : 0);
        fn(ctx, line);
    }
}

static void print_sources(const struct sp_bus *bus, line_fn *fn, void *ctx)
{
    static const char name[] = "spoor_bus_publisher_silent";

    print_head(name, "gauge", "1 if nothing was heard of it for two seconds", fn, ctx);
    for (uint32_t i = 0; i < bus->source_count; i++) {
        const struct bus_source *source = bus->sources[i];
        char line[SP_TEXT_SIZE];
        snprintf(line, sizeof(line), "%s{publisher=\"%s\"} %d", name, source->publisher.s,
                 source->silent);
        fn(ctx, line);
    }
}

void sp_bus_print_metrics(const struct sp_bus *bus, line_fn *fn, void *ctx)
{
    print_counters(bus, fn, ctx);
    print_subscriptions(bus, fn, ctx);
    print_flows(bus, fn, ctx);
    print_consumers(bus, fn, ctx);
    print_sources(bus, fn, ctx);
}
