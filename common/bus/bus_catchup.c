/* Replaying what a subscription has missed.
 *
 * Facts: from the publisher's files where they can be read, which needs nobody alive; else, or when
 * they do not hold what was announced, by its control socket. Before the first record of a new
 * epoch the cursor is verified: if its record was taken back by a power cut, the stream is rewound
 * to where the new epoch begins.
 *
 * Market data: from the publisher's ring. What it no longer holds is lost: a notice says what, then
 * a snapshot brings the consumer to the newest sequence. A new epoch is always such a loss, because
 * the old ring died with its process.
 *
 * A request that is not answered is asked again, with back-off, from where we stand by then; frames
 * of the earlier answer that still arrive are judged by their sequence like any other.
 */
#include "common/bus/bus_internal.h"

#define READER_BEHIND_MAX 512 /* beyond this, seeking is cheaper than reading on */

static void go_live(struct sp_subscription *sub)
{
    sub->state = BUS_LIVE;
    sub->request_id = 0;
    sub->attempt = 0;
    sp_bus_wake(sub->bus); /* for what is held */
}

/* ---- The control socket ---- */

static sp_dur back_off(const struct sp_subscription *sub)
{
    uint32_t doublings = sub->attempt < 4 ? sub->attempt : 4;
    int64_t ns = BUS_RETRY_NS << doublings;

    return (sp_dur){ns < BUS_RETRY_NS_MAX ? ns : BUS_RETRY_NS_MAX};
}

static void send_request(struct sp_subscription *sub)
{
    struct sp_bus *bus = sub->bus;
    struct sp_record *record = sp_bus_control(bus, SP_REC_REPLAY_REQUEST);
    bool ask_epoch = !sub->options.facts || (sub->verify && sub->next > 1);
    sp_mono now = sp_clock_mono();
    size_t len = 0;

    record->body.replay_request = (struct sp_replay_request){.request_id = ++bus->request_ids,
                                                             .consumer = bus->options.service,
                                                             .stream = sub->options.stream,
                                                             .first_seq = sub->next,
                                                             .credit = BUS_CREDIT,
                                                             .epoch = ask_epoch ? sub->epoch : 0,
                                                             .snapshot = sub->want_snapshot};
    sub->state = BUS_SOCKET;
    sub->request_id = 0;
    sub->deadline = (sp_mono){now.ns + BUS_TICK_NS};
    if (sub->source->dealer == NULL) return;
    if (sp_wire_encode(record, bus->frame, sizeof(bus->frame), &len, NULL) != SP_OK) return;
    if (sp_sock_send(sub->source->dealer, bus->frame, len) != SP_OK) return;
    sub->request_id = bus->request_ids;
    sub->request_next = sub->next;
    sub->request_snapshot = sub->want_snapshot;
    sub->deadline = (sp_mono){now.ns + back_off(sub).ns};
}

/* Nothing came of it: wait, then try again. */
static void pause_request(struct sp_subscription *sub)
{
    sub->state = BUS_SOCKET;
    sub->request_id = 0;
    sub->deadline = (sp_mono){sp_clock_mono().ns + back_off(sub).ns};
}

void sp_bus_catchup_begin(struct sp_subscription *sub)
{
    bool newer = sub->epoch != 0 && sub->known_epoch > sub->epoch;

    sub->attempt = 0;
    if (!sub->options.facts) {
        sub->want_snapshot = sub->want_snapshot || newer;
        send_request(sub);
        return;
    }
    sub->verify = sub->verify || newer;
    if (!sub->bus->has_data_dir) {
        send_request(sub);
        return;
    }
    sub->state = BUS_FILES;
    sp_bus_wake(sub->bus);
}

void sp_bus_catchup_retry(struct sp_subscription *sub)
{
    sub->attempt++;
    if (!sub->options.facts || !sub->bus->has_data_dir) {
        send_request(sub);
        return;
    }
    sub->state = BUS_FILES;
    sp_bus_wake(sub->bus);
}

/* ---- What both ways of facts share ---- */

static void rewind_to(struct sp_subscription *sub, uint32_t epoch, uint64_t seq)
{
    struct sp_sub_notice notice = {.type = SP_SUB_REWOUND,
                                   .stream = sub->options.stream,
                                   .epoch = epoch,
                                   .seen_epoch = sub->epoch,
                                   .first_seq = seq,
                                   .last_seq = sub->next - 1};

    SP_ASSERT(seq < sub->next);
    SP_ASSERT(epoch > sub->epoch);
    sub->rewound += sub->next - seq;
    sub->epoch_known = 0;
    sub->next = seq;
    sub->epoch = epoch;
    sub->verify = false;
    sub->bus->stats.rewinds++;
    sp_bus_sub_notice(sub, &notice);
}

/* Facts first_seq..last_seq are no longer held by their publisher. */
static void skip_facts(struct sp_subscription *sub, uint64_t low_seq)
{
    struct sp_sub_notice notice = {.type = SP_SUB_GAP,
                                   .stream = sub->options.stream,
                                   .epoch = sub->epoch,
                                   .seen_epoch = sub->epoch,
                                   .first_seq = sub->next,
                                   .last_seq = low_seq - 1};
    bool fresh = sub->epoch == 0;

    SP_ASSERT(low_seq > sub->next);
    if (!fresh) sub->lost += low_seq - sub->next;
    sub->next = low_seq;
    sub->bus->stats.ring_gone++;
    if (!fresh) sp_bus_sub_notice(sub, &notice);
}

/* A new epoch begins with its STREAM_STARTED; anything else means that our cursor lies behind it.
 * */
static bool needs_verifying(const struct sp_subscription *sub, const struct sp_record *record)
{
    return sub->epoch != 0 && record->epoch > sub->epoch && record->kind != SP_REC_STREAM_STARTED;
}

/* ---- Files ---- */

static void close_reader(struct sp_subscription *sub)
{
    sp_journal_reader_close(sub->reader);
    sub->reader = NULL;
    sub->reader_verified = false;
}

static sp_status open_reader(struct sp_subscription *sub)
{
    struct sp_ref cursor = {.stream = sub->options.stream,
                            .epoch = sub->epoch,
                            .seq = sub->next - 1};
    struct bus_place place = {0};
    char dir[BUS_DIR_SIZE];
    bool verify = sub->verify && sub->epoch != 0;

    if (!sp_bus_files_dir(sub->bus, &sub->options.publisher, dir)) return SP_NOT_FOUND;
    struct bus_files files = {.dir = dir};
    sp_status status = sp_bus_files_open(&files, &cursor, verify, &place, NULL);
    if (status != SP_OK) return status;
    sub->reader = place.reader;
    sub->reader_seq = place.first_seq;
    sub->reader_verified = verify;
    sub->any_first = sub->any_first || place.gone;
    if (place.rewound) rewind_to(sub, place.epoch, place.first_seq);
    return SP_OK;
}

/* The files give no more. */
static void end_files(struct sp_subscription *sub)
{
    if (sp_bus_sub_is_behind(sub)) {
        send_request(sub);
    } else {
        sub->verify = false;
        go_live(sub);
    }
}

static void fail_files(struct sp_subscription *sub)
{
    close_reader(sub);
    sub->bus->stats.decode_errors++;
    sub->verify = true;
    send_request(sub);
}

/* True while the turn may go on. */
static bool take_from_file(struct sp_subscription *sub)
{
    const struct sp_record *record = &sub->bus->from_file;

    sub->reader_seq = record->seq + 1;
    if (record->seq < sub->next) return true;
    if (record->epoch < sub->epoch || (record->seq > sub->next && !sub->any_first)) {
        fail_files(sub);
        return false;
    }
    if (!sub->reader_verified && needs_verifying(sub, record)) {
        close_reader(sub);
        sub->verify = true;
        return false;
    }
    if (record->seq > sub->next) skip_facts(sub, record->seq);
    sub->any_first = false;
    sub->bus->stats.replayed_files++;
    sub->replayed++;
    sp_bus_sub_deliver(sub, record);
    return true;
}

static bool is_reader_usable(const struct sp_subscription *sub)
{
    if (sub->reader == NULL) return false;
    if (sub->verify && !sub->reader_verified) return false;
    return sub->next < sub->reader_seq + READER_BEHIND_MAX;
}

bool sp_bus_catchup_step(struct sp_subscription *sub)
{
    sp_status status = SP_OK;

    if (!is_reader_usable(sub)) {
        close_reader(sub);
        status = open_reader(sub);
    }
    for (int i = 0; i < BUS_TURN_RECORDS && status == SP_OK; i++) {
        status = sp_journal_reader_next(sub->reader, &sub->bus->from_file, NULL, NULL);
        if (status == SP_OK && !take_from_file(sub)) return sub->state == BUS_FILES;
    }
    if (status == SP_OK) return true;
    if (status == SP_AGAIN || status == SP_NOT_FOUND) {
        sub->reader_verified = false;
        end_files(sub);
    } else {
        fail_files(sub);
    }
    return false;
}

/* ---- Answers ---- */

/* Records that a jump to (epoch, seq) passes over, as far as they were announced. */
static uint64_t lost_until(const struct sp_subscription *sub, uint32_t epoch, uint64_t seq)
{
    if (epoch == sub->epoch) return seq + 1 - sub->next;
    return seq + (sub->epoch_known >= sub->next ? sub->epoch_known + 1 - sub->next : 0);
}

/* A snapshot brings us to (epoch, seq): says what was lost on the way, if anything. */
static void jump_to(struct sp_subscription *sub, uint32_t epoch, uint64_t seq)
{
    struct sp_sub_notice notice = {.type = SP_SUB_GAP,
                                   .stream = sub->options.stream,
                                   .epoch = epoch,
                                   .seen_epoch = sub->epoch,
                                   .first_seq = sub->next,
                                   .last_seq = seq};
    bool fresh = sub->epoch == 0;

    if (epoch == sub->epoch && seq + 1 <= sub->next) return;
    if (!fresh) sub->lost += lost_until(sub, epoch, seq);
    if (epoch != sub->epoch) sub->epoch_known = 0;
    sub->epoch = epoch;
    sub->next = seq + 1;
    if (fresh) return;
    sub->bus->stats.ring_gone++;
    sp_bus_sub_notice(sub, &notice);
}

static bool is_snapshot_part(const struct sp_record *record)
{
    return record->kind == SP_REC_BOOK_SNAPSHOT && record->by_count == 1 &&
           sp_name_eq(&record->by[0].stream, &record->stream);
}

/* An answer of a superseded publisher that still runs. Records of facts may be old, ends and rings
 * may not. */
static bool is_superseded(const struct sp_subscription *sub, uint32_t epoch)
{
    if (epoch >= sub->epoch && epoch >= sub->source->epoch) return false;
    sub->bus->stats.zombies++;
    return true;
}

static void take_replayed_facts(struct sp_subscription *sub, const struct sp_record *record)
{
    /* Epochs never fall along a journal: a newer one before our cursor has replaced it. */
    bool rewound = sub->epoch != 0 && record->epoch > sub->epoch && record->seq < sub->next;

    if (rewound) rewind_to(sub, record->epoch, record->seq);
    if (record->seq < sub->next) {
        sub->bus->stats.duplicates++;
        sub->dropped++;
        return;
    }
    if (record->epoch < sub->epoch || (record->seq > sub->next && !sub->any_first)) return;
    if (!sub->verify && needs_verifying(sub, record)) {
        sub->verify = true;
        send_request(sub);
        return;
    }
    if (record->seq > sub->next) skip_facts(sub, record->seq);
    sub->any_first = false;
    sub->bus->stats.replayed_socket++;
    sub->replayed++;
    sp_bus_sub_deliver(sub, record);
}

void sp_bus_catchup_record(struct sp_subscription *sub, struct sp_record *record)
{
    if (sub->state != BUS_SOCKET || sub->request_id == 0) return;
    sub->deadline = (sp_mono){sp_clock_mono().ns + back_off(sub).ns};
    if (sub->options.facts) {
        take_replayed_facts(sub, record);
    } else if (is_superseded(sub, record->epoch)) {
        return;
    } else if (is_snapshot_part(record)) {
        if (!sub->request_snapshot || record->by[0].seq != sub->request_id) return;
        jump_to(sub, record->epoch, record->seq);
        record->by_count = 0;
        sub->options.on_record(sub->options.ctx, record);
    } else if (record->seq == sub->next && (sub->epoch == 0 || sub->epoch == record->epoch)) {
        sub->bus->stats.replayed_socket++;
        sub->replayed++;
        sp_bus_sub_deliver(sub, record);
    }
}

static void end_facts(struct sp_subscription *sub, const struct sp_replay_end *end)
{
    bool progressed = sub->next != sub->request_next;

    sub->verify = false;
    if (end->gone && end->low_seq > sub->next) {
        skip_facts(sub, end->low_seq);
        send_request(sub);
    } else if (end->next_seq > end->last_seq) {
        go_live(sub);
    } else if (progressed) {
        send_request(sub);
    } else {
        pause_request(sub);
    }
}

static void end_ring(struct sp_subscription *sub, uint32_t epoch, const struct sp_replay_end *end)
{
    bool progressed = sub->next != sub->request_next;

    if (sub->request_snapshot) {
        jump_to(sub, epoch, end->next_seq - 1);
        sub->want_snapshot = false;
        go_live(sub);
        return;
    }
    if (!end->gone && sub->epoch == 0) sub->epoch = epoch;
    if (!end->gone && end->next_seq > end->last_seq) {
        go_live(sub);
        return;
    }
    /* No longer held, or held but not readable here: only a snapshot helps. */
    if (end->gone || !progressed) sub->want_snapshot = true;
    send_request(sub);
}

void sp_bus_catchup_end(struct sp_subscription *sub, uint32_t epoch,
                        const struct sp_replay_end *end)
{
    if (sub->state != BUS_SOCKET || sub->request_id == 0) return;
    if (end->request_id != sub->request_id || is_superseded(sub, epoch)) return;
    if (sub->next != sub->request_next) sub->attempt = 0;
    if (sub->options.facts) {
        end_facts(sub, end);
    } else if (end->next_seq > 0) {
        end_ring(sub, epoch, end);
    }
}
