#include "common/turns.h"

#include "common/planted_bug.h"

#include <stdlib.h>
#include <string.h>

#define LANES_MAX 32

/* A record that waits, or a message. */
struct held {
    struct held *next;
    sp_sub_record_fn *fn;
    void *ctx;
    struct sp_record record;
};

struct queue {
    struct held *first, **end;
};

/* A subscription. */
struct lane {
    struct sp_turns *turns;
    bool facts;
    struct sp_ref last; /* that came in */
    sp_sub_record_fn *fn;
    void *ctx;
    struct queue queue;
};

struct sp_turns {
    struct sp_turns_options options;
    uint32_t lane_count;
    struct lane *lanes[LANES_MAX]; /* in the order in which they are given */
    struct queue messages;
    bool is_due, has_begun, is_giving, is_released;
    uint64_t done_id; /* the newest turn that is over */
    struct sp_peer peer;
    struct sp_lock_turn turn;
    struct sp_record answer;
};

/* ---- What waits ---- */

static void put(struct queue *queue, sp_sub_record_fn *fn, void *ctx,
                const struct sp_record *record)
{
    size_t body = sp_schema_of(sp_kind_info(record->kind)->dto)->size;
    struct held *held = calloc(1, sizeof *held);

    SP_ASSERT(held != NULL); /* a run for tests: who has no memory repeats nothing */
    held->fn = fn;
    held->ctx = ctx;
    memcpy(&held->record, record, offsetof(struct sp_record, body) + body);
    if (queue->first == NULL) queue->end = &queue->first;
    *queue->end = held;
    queue->end = &held->next;
}

static struct held *take(struct queue *queue)
{
    struct held *held = queue->first;

    if (held != NULL) queue->first = held->next;
    return held;
}

/* Also what comes in meanwhile. */
static void give(struct queue *queue)
{
    for (struct held *held = take(queue); held != NULL; held = take(queue)) {
        held->fn(held->ctx, &held->record);
        free(held);
    }
}

static void drop(struct queue *queue)
{
    for (struct held *held = take(queue); held != NULL; held = take(queue))
        free(held);
}

/* ---- The turn ---- */

static const struct lane *lane_of(const struct sp_turns *turns, const sp_name *stream)
{
    for (uint32_t i = 0; i < turns->lane_count; i++) {
        if (sp_name_eq(&turns->lanes[i]->last.stream, stream)) return turns->lanes[i];
    }
    return NULL;
}

/* Everything is there that others did before this turn. */
static bool is_complete(const struct sp_turns *turns)
{
    for (uint32_t i = 0; i < turns->turn.streams.count; i++) {
        const struct sp_mark *mark = &turns->turn.streams.at[i];
        const struct lane *lane = lane_of(turns, &mark->stream);
        if (lane != NULL && (lane->last.epoch != mark->epoch || lane->last.seq < mark->seq))
            return SP_BUG(turn_too_early);
    }
    return turns->options.can_begin == NULL || turns->options.can_begin(turns->options.ctx);
}

static void begin(struct sp_turns *turns)
{
    turns->has_begun = true;
    if (turns->options.shell != NULL)
        sp_shell_set_market(turns->options.shell, turns->turn.market_time);
    if (turns->options.begin != NULL) turns->options.begin(turns->options.ctx);
    for (uint32_t i = 0; i < turns->lane_count; i++)
        give(&turns->lanes[i]->queue);
}

static void answer(struct sp_turns *turns, uint64_t request_id)
{
    const struct sp_service *service = turns->options.service;
    struct sp_lock_turn *body = &turns->answer.body.lock_turn;

    memset(&turns->answer, 0, sizeof turns->answer);
    turns->answer.kind = SP_REC_TURN_DONE;
    body->request_id = request_id;
    if (service->journal != NULL) {
        body->streams.count = 1;
        body->streams.at[0] = (struct sp_mark){.stream = service->stream,
                                               .epoch = service->role.epoch,
                                               .seq = sp_journal_next_seq(service->journal) - 1};
    }
    sp_bus_flush(service->bus);
    SP_IGNORE(sp_bus_reply(service->bus, &turns->peer, &turns->answer)); /* it asks again */
}

void sp_turns_go_on(struct sp_turns *turns)
{
    if (turns == NULL || !turns->is_due || turns->is_giving) return;
    if (!turns->has_begun && !is_complete(turns)) return;
    turns->is_giving = true;
    if (!turns->has_begun) begin(turns);
    bool done = false;
    do {
        give(&turns->messages);
        done = turns->options.settle == NULL || turns->options.settle(turns->options.ctx) ||
               SP_BUG(turn_over_too_early);
    } while (turns->messages.first != NULL);
    turns->is_giving = false;
    if (!done) return;
    turns->is_due = false;
    turns->done_id = turns->turn.request_id;
    answer(turns, turns->done_id);
}

bool sp_turns_take(struct sp_turns *turns, const struct sp_peer *peer,
                   const struct sp_record *request)
{
    if (turns == NULL || request->kind != SP_REC_TURN) return false;
    const struct sp_lock_turn *turn = &request->body.lock_turn;
    turns->peer = *peer;
    if (turns->is_due) return true; /* a repetition */
    if (turn->request_id == turns->done_id) {
        answer(turns, turns->done_id);
        return true;
    }
    turns->turn = *turn;
    turns->is_due = true;
    turns->has_begun = false;
    sp_turns_go_on(turns);
    return true;
}

/* ---- What comes in ---- */

static void on_record(void *ctx, const struct sp_record *record)
{
    struct lane *lane = ctx;

    lane->last = sp_record_ref(record);
    put(&lane->queue, lane->fn, lane->ctx, record);
    sp_turns_go_on(lane->turns);
}

void sp_turns_hold(struct sp_turns *turns, sp_sub_record_fn *fn, void *ctx,
                   const struct sp_record *message)
{
    if (!sp_turns_hold_back(turns)) {
        fn(ctx, message);
        return;
    }
    put(&turns->messages, fn, ctx, message);
    sp_turns_go_on(turns);
}

bool sp_turns_hold_back(const struct sp_turns *turns)
{
    return turns != NULL && !turns->is_released;
}

void sp_turns_release(struct sp_turns *turns)
{
    if (turns == NULL || turns->is_released) return;
    turns->is_released = true;
    give(&turns->messages);
}

bool sp_turns_has_market(const struct sp_turns *turns)
{
    for (uint32_t i = 0; turns != NULL && i < turns->lane_count; i++) {
        if (!turns->lanes[i]->facts && turns->lanes[i]->last.seq > 0) return true;
    }
    return false;
}

/* ---- Life ---- */

sp_status sp_turns_open(const struct sp_turns_options *options, struct sp_turns **out,
                        struct sp_err *err)
{
    *out = NULL;
    if (!sp_config_world(options->service->config)->feed.lock_step) return SP_OK;
    struct sp_turns *turns = calloc(1, sizeof *turns);
    if (turns == NULL) return SP_FAIL(err, SP_NO_MEMORY, "turns");
    turns->options = *options;
    *out = turns;
    return SP_OK;
}

void sp_turns_close(struct sp_turns *turns)
{
    if (turns == NULL) return;
    for (uint32_t i = 0; i < turns->lane_count; i++) {
        drop(&turns->lanes[i]->queue);
        free(turns->lanes[i]);
    }
    drop(&turns->messages);
    free(turns);
}

static bool is_before(const struct lane *a, const struct lane *b)
{
    if (a->facts != b->facts) return a->facts;
    return strcmp(a->last.stream.s, b->last.stream.s) < 0;
}

sp_status sp_turns_subscribe(struct sp_turns *turns, struct sp_service *service,
                             const struct sp_sub_options *options, struct sp_subscription **out,
                             struct sp_err *err)
{
    struct sp_sub_options held = *options;

    if (turns == NULL) return sp_bus_subscribe(service->bus, options, out, err);
    if (turns->lane_count == LANES_MAX) return SP_FAIL(err, SP_FULL, "too many streams for turns");
    struct lane *lane = calloc(1, sizeof *lane);
    if (lane == NULL) return SP_FAIL(err, SP_NO_MEMORY, "turns");
    *lane = (struct lane){.turns = turns,
                          .facts = options->facts,
                          .last = options->cursor,
                          .fn = options->on_record,
                          .ctx = options->ctx};
    lane->last.stream = options->stream;
    uint32_t at = turns->lane_count++;
    for (; at > 0 && is_before(lane, turns->lanes[at - 1]); at--)
        turns->lanes[at] = turns->lanes[at - 1];
    turns->lanes[at] = lane;
    held.on_record = on_record;
    held.ctx = lane;
    return sp_bus_subscribe(service->bus, &held, out, err);
}
