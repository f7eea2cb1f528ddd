/* A subscription. It stands at (epoch, next): everything below `next` was delivered.
 *
 *   record of an older epoch         a superseded publisher: dropped, counted
 *   seq < next                       already delivered: dropped, counted
 *   seq == next                      delivered
 *   seq > next, or a newer epoch     held; what is between is replayed (bus_catchup.c)
 *
 * While a replay runs, live records wait in a bounded buffer; when that is full they are dropped,
 * and the gap shows again when the replay is over. So the buffer saves work and decides nothing.
 */
#include "common/bus/bus_internal.h"
#include "common/planted_bug.h"

#include <stdlib.h>
#include <string.h>

#define PACED_RECORDS 1024
#define TOLD_AGAIN_NS SP_NS_PER_S
#define POLL_EVERY_NS (100 * SP_NS_PER_MS)

/* ---- Held records ---- */

static bool is_holding(const struct sp_subscription *sub)
{
    return sub->hold_head < sub->hold_tail;
}

static void hold_push(struct sp_subscription *sub, const uint8_t *bytes, size_t len)
{
    uint32_t len32 = (uint32_t)len;
    size_t need = sizeof(len32) + len;

    if (BUS_HOLD_BYTES - sub->hold_tail < need && sub->hold_head > BUS_HOLD_BYTES / 2) {
        memmove(sub->hold, sub->hold + sub->hold_head, sub->hold_tail - sub->hold_head);
        sub->hold_tail -= sub->hold_head;
        sub->hold_head = 0;
    }
    if (BUS_HOLD_BYTES - sub->hold_tail < need) {
        sub->bus->stats.held_drops++;
        sub->dropped++;
        return;
    }
    memcpy(sub->hold + sub->hold_tail, &len32, sizeof(len32));
    memcpy(sub->hold + sub->hold_tail + sizeof(len32), bytes, len);
    sub->hold_tail += need;
}

static const uint8_t *hold_first(const struct sp_subscription *sub, size_t *len)
{
    uint32_t len32 = 0;

    memcpy(&len32, sub->hold + sub->hold_head, sizeof(len32));
    *len = len32;
    return sub->hold + sub->hold_head + sizeof(len32);
}

static void hold_pop(struct sp_subscription *sub, size_t len)
{
    sub->hold_head += sizeof(uint32_t) + len;
    SP_ASSERT(sub->hold_head <= sub->hold_tail);
    if (sub->hold_head < sub->hold_tail) return;
    sub->hold_head = 0;
    sub->hold_tail = 0;
}

/* ---- Pacing ---- */

static void tell_consumed(struct sp_subscription *sub, sp_mono now)
{
    struct sp_bus *bus = sub->bus;
    struct sp_record *record = sp_bus_control(bus, SP_REC_CONSUMED);
    size_t len = 0;

    record->body.consumed = (struct sp_consumed){.consumer = bus->options.service,
                                                 .stream = sub->options.stream,
                                                 .epoch = sub->epoch,
                                                 .seq = sub->next - 1};
    if (sub->source->dealer == NULL) return;
    if (sp_wire_encode(record, bus->frame, sizeof(bus->frame), &len, NULL) != SP_OK) return;
    if (sp_sock_send(sub->source->dealer, bus->frame, len) != SP_OK) return; /* the timer will */
    sub->told_epoch = sub->epoch;
    sub->told_seq = sub->next - 1;
    sub->told_at = now;
}

/* Also told again each second: a report may be lost with its connection. */
void sp_bus_sub_pace(struct sp_subscription *sub, sp_mono now)
{
    if (!sub->options.paced || sub->epoch == 0) return;
    bool changed = sub->told_epoch != sub->epoch || sub->told_seq != sub->next - 1;
    if (changed || sp_mono_since(now, sub->told_at).ns >= TOLD_AGAIN_NS) tell_consumed(sub, now);
}

bool sp_bus_sub_awaits(const struct sp_subscription *sub, sp_mono now)
{
    if (sub->watch) return false;
    if (sub->state == BUS_SOCKET) return true;
    return sub->options.paced && sub->epoch != 0 &&
           sp_mono_since(now, sub->told_at).ns >= 2 * TOLD_AGAIN_NS;
}

static void on_pace(void *ctx)
{
    struct sp_bus *bus = ctx;
    sp_mono now = sp_clock_mono();

    for (uint32_t i = 0; i < bus->sub_count; i++) {
        sp_bus_sub_pace(bus->subs[i], now);
    }
}

/* ---- Order ---- */

void sp_bus_sub_notice(const struct sp_subscription *sub, const struct sp_sub_notice *notice)
{
    if (sub->options.on_notice != NULL) sub->options.on_notice(sub->options.ctx, notice);
}

void sp_bus_sub_deliver(struct sp_subscription *sub, const struct sp_record *record)
{
    SP_ASSERT(record->seq >= sub->next);
    SP_ASSERT(record->epoch >= sub->epoch);
    if (record->epoch != sub->epoch) sub->epoch_known = 0;
    sub->epoch = record->epoch;
    sub->next = record->seq + 1;
    sub->applied++;
    sub->options.on_record(sub->options.ctx, record);
    if (sub->options.paced && sub->next - 1 - sub->told_seq >= PACED_RECORDS) {
        tell_consumed(sub, sp_clock_mono());
    }
}

static void note_known(struct sp_subscription *sub, uint32_t epoch, uint64_t seq)
{
    if (epoch == sub->epoch && seq > sub->epoch_known) sub->epoch_known = seq;
    if (epoch < sub->known_epoch) return;
    if (epoch == sub->known_epoch && seq <= sub->known_seq) return;
    sub->known_epoch = epoch;
    sub->known_seq = seq;
}

bool sp_bus_sub_is_behind(const struct sp_subscription *sub)
{
    if (sub->known_epoch != sub->epoch) return sub->known_epoch > sub->epoch;
    return sub->known_seq >= sub->next;
}

static void count_gap(struct sp_subscription *sub)
{
    sub->bus->stats.gaps++;
    sub->gaps++;
}

/* False: it cannot be taken now, a replay has begun. */
static bool take_live(struct sp_subscription *sub, const struct sp_record *record)
{
    if (record->epoch < sub->epoch) {
        sub->bus->stats.zombies++;
        sub->dropped++;
        return true;
    }
    if (record->epoch == sub->epoch && record->seq < sub->next) {
        sub->bus->stats.duplicates++;
        sub->dropped++;
        return true;
    }
    bool follows = record->seq == sub->next || SP_BUG(gap_ignored);
    if (record->epoch == sub->epoch && follows) {
        sp_bus_sub_deliver(sub, record);
        return true;
    }
    if (record->epoch == sub->epoch) count_gap(sub);
    sp_bus_catchup_begin(sub);
    return false;
}

void sp_bus_sub_live(struct sp_subscription *sub, const uint8_t *bytes, size_t len_bytes,
                     const struct sp_record *record)
{
    note_known(sub, record->epoch, record->seq);
    if (sub->state == BUS_LIVE && !is_holding(sub) && take_live(sub, record)) return;
    hold_push(sub, bytes, len_bytes);
}

void sp_bus_sub_mark(struct sp_subscription *sub, const struct sp_mark *mark)
{
    note_known(sub, mark->epoch, mark->seq);
    if (sub->state != BUS_LIVE || is_holding(sub) || !sp_bus_sub_is_behind(sub)) return;
    if (sub->known_epoch == sub->epoch) count_gap(sub);
    sp_bus_catchup_begin(sub);
}

/* Gives out what was held, as far as it follows. */
static bool drain_hold(struct sp_subscription *sub)
{
    struct sp_record *record = &sub->bus->rx;

    for (int i = 0; i < BUS_TURN_RECORDS && is_holding(sub); i++) {
        size_t len = 0;
        const uint8_t *bytes = hold_first(sub, &len);
        struct sp_wire_frame frame = {.stream = sub->options.stream,
                                      .at = bytes,
                                      .end = bytes + len};
        sp_status status = sp_wire_next(&frame, record, NULL);
        SP_ASSERT(status == SP_OK); /* it was read before it was held */
        if (!take_live(sub, record)) return sub->state == BUS_FILES;
        hold_pop(sub, len);
    }
    return is_holding(sub);
}

bool sp_bus_sub_pump(struct sp_subscription *sub)
{
    if (sub->watch) return false;
    if (sub->state == BUS_FILES) return sp_bus_catchup_step(sub);
    return sub->state == BUS_LIVE && is_holding(sub) && drain_hold(sub);
}

void sp_bus_sub_tick(struct sp_subscription *sub, sp_mono now)
{
    if (sub->watch) return;
    if (sub->state == BUS_SOCKET && now.ns >= sub->deadline.ns) sp_bus_catchup_retry(sub);
    if (sub->state != BUS_LIVE || !sub->options.facts || !sub->bus->has_data_dir) return;
    /* A silent publisher may have written what it could not send any more. */
    if (sp_mono_since(now, sub->source->heard).ns < BUS_POLL_NS || now.ns < sub->poll_at.ns) return;
    sub->poll_at = (sp_mono){now.ns + POLL_EVERY_NS};
    sp_bus_catchup_begin(sub);
}

/* ---- Life ---- */

void sp_bus_sub_close(struct sp_subscription *sub)
{
    sp_journal_reader_close(sub->reader);
    free(sub->hold);
    free(sub);
}

static sp_status add_sub(struct sp_bus *bus, const struct sp_sub_options *options,
                         struct sp_subscription **out, struct sp_err *err)
{
    struct bus_source *source = NULL;

    SP_ASSERT(options->on_record != NULL);
    if (bus->sub_count == BUS_SUBS_MAX) {
        return SP_FAIL(err, SP_FULL, "a service has at most %d subscriptions", BUS_SUBS_MAX);
    }
    sp_status status = sp_bus_source_get(bus, &options->publisher, &source, err);
    if (status != SP_OK) return status;
    struct sp_subscription *sub = calloc(1, sizeof(*sub));
    if (sub == NULL) return SP_FAIL(err, SP_NO_MEMORY, "subscription %s", options->stream.s);
    *sub = (struct sp_subscription){.bus = bus, .source = source, .options = *options, .next = 1};
    bus->sub_hashes[bus->sub_count] = sp_bus_hash(&options->stream);
    bus->subs[bus->sub_count++] = sub;
    *out = sub;
    return SP_OK;
}

static void drop_sub(struct sp_bus *bus, struct sp_subscription *sub)
{
    SP_ASSERT(bus->subs[bus->sub_count - 1] == sub);
    bus->sub_count--;
    sp_bus_sub_close(sub);
}

sp_status sp_bus_subscribe(struct sp_bus *bus, const struct sp_sub_options *options,
                           struct sp_subscription **out, struct sp_err *err)
{
    struct sp_subscription *sub = NULL;
    sp_dur pace = {BUS_PACE_NS};

    SP_ASSERT(!sp_name_is_empty(&options->stream));
    if (options->facts && bus->options.may_read != NULL &&
        !bus->options.may_read(&bus->options.service, &options->stream)) {
        return SP_FAIL(err, SP_INVALID,
                       "%s is not known to read %s, whose old records would be deleted",
                       bus->options.service.s, options->stream.s);
    }
    sp_status status = add_sub(bus, options, &sub, err);
    if (status != SP_OK) return status;
    sub->epoch = options->cursor.epoch;
    /* What is older has been superseded: it is no sign of life. */
    if (sub->epoch > sub->source->epoch) sub->source->epoch = sub->epoch;
    sub->next = options->cursor.seq + 1;
    sub->any_first = options->facts && options->cursor.seq == 0;
    sub->verify = options->facts;
    sub->want_snapshot = !options->facts && sp_ref_is_none(&options->cursor) && !options->paced;
    sub->hold = malloc(BUS_HOLD_BYTES);
    if (sub->hold == NULL) status = SP_FAIL(err, SP_NO_MEMORY, "held frames");
    if (status == SP_OK && sub->source->sub != NULL) {
        status = sp_sock_subscribe(sub->source->sub, &options->stream, err);
    }
    if (status == SP_OK && options->paced && bus->pace_timer == NULL) {
        status = sp_loop_add_timer(bus->loop, pace, pace, on_pace, bus, &bus->pace_timer);
    }
    if (status != SP_OK) {
        drop_sub(bus, sub);
        return status;
    }
    sp_bus_catchup_begin(sub);
    if (out != NULL) *out = sub;
    return SP_OK;
}

sp_status sp_bus_watch(struct sp_bus *bus, const sp_name *service, sp_sub_record_fn *on_record,
                       sp_sub_notice_fn *on_notice, void *ctx, struct sp_err *err)
{
    struct sp_sub_options options = {.publisher = *service,
                                     .on_record = on_record,
                                     .on_notice = on_notice,
                                     .ctx = ctx};
    struct sp_subscription *sub = NULL;

    sp_status status = sp_bus_hb_stream(service, &options.stream, err);
    if (status == SP_OK) status = add_sub(bus, &options, &sub, err);
    if (status != SP_OK) return status;
    sub->watch = true;
    sub->state = BUS_LIVE;
    return SP_OK;
}

bool sp_subscription_caught_up(const struct sp_subscription *sub)
{
    return sub->state == BUS_LIVE && !is_holding(sub) && !sp_bus_sub_is_behind(sub);
}

struct sp_ref sp_subscription_cursor(const struct sp_subscription *sub)
{
    if (sub->epoch == 0) return (struct sp_ref){0};
    return (
        struct sp_ref){.stream = sub->options.stream, .epoch = sub->epoch, .seq = sub->next - 1};
}

struct sp_heartbeat sp_subscription_heartbeat(const struct sp_subscription *sub)
{
    return sub->source->heartbeat;
}

const char *sp_sub_notice_name(const struct sp_sub_notice *notice)
{
    static const char *const names[] = {[SP_SUB_GAP] = "gap",
                                        [SP_SUB_REWOUND] = "rewound",
                                        [SP_SUB_SILENT] = "silent",
                                        [SP_SUB_RESTORED] = "restored"};

    return names[notice->type];
}
