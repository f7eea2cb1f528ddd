#include "services/marketdata/conductor.h"

#include <stdlib.h>
#include <string.h>

#define AGAIN_NS (200 * SP_NS_PER_MS) /* a turn that was not answered, or found no connection */

struct player {
    struct sp_conductor *conductor;
    sp_name name;
    sp_name market; /* the one stream of the market that it reads; empty: all, or none */
    struct sp_client *client;
    uint64_t seen[SP_MARKS_MAX]; /* of each stream, in its newest turn */
    sp_wall turn_at;             /* market time of that */
};

struct sp_conductor {
    struct sp_service *service;
    uint32_t player_count;
    struct player players[SP_INSTANCES_MAX];
    struct player *playing; /* whose turn it is; NULL: nobody's */
    sp_wall time;
    sp_marks marks;
    struct sp_timer *again;
    struct sp_record request; /* of the turn under way */
};

static bool is_strategy(const sp_name *name)
{
    return strncmp(name->s, "strategy.", 9) == 0;
}

static bool reads(const struct player *player, const sp_name *stream)
{
    bool is_market = strncmp(stream->s, "md.", 3) == 0;

    if (sp_name_eq(&player->name, stream)) return false;
    if (sp_name_is(&player->name, "venue")) return is_market;
    if (sp_name_is(&player->name, "reconciliation")) return sp_name_is(stream, "execution");
    if (!is_strategy(&player->name)) return true; /* execution */
    if (is_market) return sp_name_eq(stream, &player->market);
    return sp_name_is(stream, "execution") || sp_name_is(stream, "marketdata");
}

static bool is_due(const struct sp_conductor *c, const struct player *player)
{
    for (uint32_t i = 0; i < c->marks.count; i++) {
        if (reads(player, &c->marks.at[i].stream) && c->marks.at[i].seq != player->seen[i])
            return true;
    }
    return sp_name_is(&player->name, "reconciliation") &&
           c->time.ns - player->turn_at.ns >= SP_NS_PER_S;
}

static void send_turn(struct sp_conductor *c)
{
    SP_IGNORE(sp_client_send(c->playing->client, &c->request, NULL)); /* again after a while */
    sp_timer_arm(c->again, (sp_dur){AGAIN_NS});
}

static void give_next(struct sp_conductor *c)
{
    struct sp_lock_turn *turn = &c->request.body.lock_turn;

    c->playing = NULL;
    for (uint32_t i = 0; i < c->player_count && c->playing == NULL; i++) {
        if (is_due(c, &c->players[i])) c->playing = &c->players[i];
    }
    if (c->playing == NULL) return;
    turn->request_id++;
    turn->market_time = c->time;
    turn->streams = c->marks;
    for (uint32_t i = 0; i < c->marks.count; i++)
        c->playing->seen[i] = c->marks.at[i].seq;
    c->playing->turn_at = c->time;
    send_turn(c);
}

static void on_again(void *ctx)
{
    struct sp_conductor *c = ctx;

    if (c->playing != NULL) send_turn(c);
}

static void on_reply(void *ctx, const struct sp_record *reply)
{
    struct player *player = ctx;
    struct sp_conductor *c = player->conductor;
    const struct sp_lock_turn *done = &reply->body.lock_turn;

    if (reply->kind != SP_REC_TURN_DONE || c->playing != player) return;
    if (done->request_id != c->request.body.lock_turn.request_id) return;
    for (uint32_t i = 0; i < done->streams.count; i++) {
        const struct sp_mark *mark = &done->streams.at[i];
        struct sp_ref last = {mark->stream, mark->epoch, mark->seq};
        sp_conductor_mark(c, &last);
    }
    give_next(c);
}

void sp_conductor_mark(struct sp_conductor *c, const struct sp_ref *last)
{
    uint32_t i = 0;

    while (i < c->marks.count && !sp_name_eq(&c->marks.at[i].stream, &last->stream))
        i++;
    SP_ASSERT(i < SP_MARKS_MAX);
    if (i == c->marks.count) c->marks.count++;
    c->marks.at[i] =
        (struct sp_mark){.stream = last->stream, .epoch = last->epoch, .seq = last->seq};
}

void sp_conductor_step(struct sp_conductor *c, sp_wall time)
{
    SP_ASSERT(c->playing == NULL);
    c->time = time;
    give_next(c);
}

bool sp_conductor_is_busy(const struct sp_conductor *c)
{
    return c->playing != NULL;
}

static sp_status add_player(struct sp_conductor *c, const sp_name *name, struct sp_err *err)
{
    const struct sp_config *config = c->service->config;
    struct player *player = &c->players[c->player_count++];

    player->conductor = c;
    player->name = *name;
    if (is_strategy(name)) {
        const struct sp_link_config *link = sp_config_link(config, name->s + 9);
        player->market = sp_world_stream(sp_config_world(config), link->blueprint.symbol.s);
    }
    return sp_client_open(c->service->loop, config->platform.run_dir, name, on_reply, player,
                          &player->client, err);
}

sp_status sp_conductor_open(struct sp_service *service, struct sp_conductor **out,
                            struct sp_err *err)
{
    const struct sp_config *config = service->config;
    struct sp_instance instances[SP_INSTANCES_MAX];
    uint32_t count = sp_config_instances(config, instances);

    if (count + sp_config_world(config)->feed.symbol_count > SP_MARKS_MAX)
        return SP_FAIL(err, SP_CONFIG, "lock_step: at most %d services and symbols", SP_MARKS_MAX);
    struct sp_conductor *c = calloc(1, sizeof *c);
    if (c == NULL) return SP_FAIL(err, SP_NO_MEMORY, "conductor");
    c->service = service;
    c->request.kind = SP_REC_TURN;
    c->request.body.lock_turn.request_id = (uint64_t)service->role.epoch << 32;
    sp_status status =
        sp_loop_add_timer(service->loop, (sp_dur){AGAIN_NS}, (sp_dur){0}, on_again, c, &c->again);
    for (uint32_t i = 0; i < count && status == SP_OK; i++) {
        if (sp_name_is(&instances[i].name, "marketdata") ||
            sp_name_is(&instances[i].name, "health"))
            continue;
        status = add_player(c, &instances[i].name, err);
    }
    if (status != SP_OK) {
        sp_conductor_close(c);
        return status;
    }
    *out = c;
    return SP_OK;
}

void sp_conductor_close(struct sp_conductor *c)
{
    if (c == NULL) return;
    sp_timer_cancel(c->again);
    for (uint32_t i = 0; i < c->player_count; i++)
        sp_client_close(c->players[i].client);
    free(c);
}
