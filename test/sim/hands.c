#include "hands.h"

#include "calls.h"
#include "common/bus/bus.h"
#include "common/clock.h"
#include "kernel.h"
#include "live.h"
#include "memory.h"
#include "proto/ids.h"
#include "world.h"

#include <stdio.h>
#include <string.h>

#define TRIES_MAX  40
#define TIMEOUT_NS (2 * SP_NS_PER_S)

struct request {
    sp_name service;
    struct sp_record record;
    enum sp_kind last;
    bool answered, ok;
};

static struct {
    struct sim_random chance;
    uint32_t busy;
    uint64_t commands;
    bool has_status;
    struct sp_service_status status;
} h;

static void on_answer(void *ctx, const struct sp_record *answer)
{
    struct request *request = ctx;

    if (answer->kind == SP_REC_COMMAND_REPLY) request->ok = answer->body.command_reply.ok;
    if (answer->kind == SP_REC_SERVICE_STATUS) {
        h.has_status = true;
        h.status = answer->body.service_status;
    }
}

static int run_request(struct sim_proc *self)
{
    struct request *request = self->owner;
    const struct sp_record *record = &request->record;
    struct sp_err err = {0};

    for (int i = 0; i < TRIES_MAX && !request->answered; i++) {
        if (record->kind == SP_REC_COMMAND)
            sim_live_command_leaves(&record->body.operator_command, i == 0);
        sp_status status = sp_client_ask("/sim/run", &request->service, record, request->last,
                                         (sp_dur){TIMEOUT_NS}, on_answer, request, &err);
        request->answered = status == SP_OK;
        if (status != SP_OK) sim_block(sim_now() + 250 * SIM_MS);
    }
    if (request->answered && request->ok && record->kind == SP_REC_COMMAND)
        sim_live_command_done(&record->body.operator_command);
    return 0;
}

/* After an adoption: is it true? */
static void compare(void *ctx)
{
    (void)ctx;
    if (h.commands > 0) sim_hands_command(SP_COMMAND_RECONCILE, true);
}

static void on_end(struct sim_proc *proc, int exit_code, int signal)
{
    (void)exit_code;
    (void)signal;
    const struct request *request = proc->owner;
    bool adopts = request->record.kind == SP_REC_COMMAND &&
                  request->record.body.operator_command.command == SP_COMMAND_ADOPT;

    if (adopts) sim_at(sim_now(), compare, NULL);
    h.busy--;
    sim_free(proc->owner);
    proc->owner = NULL;
}

static void start(const struct request *given)
{
    struct request *request = sim_alloc(sizeof *request);

    *request = *given;
    h.busy++;
    sim_spawn("hands", run_request, request, on_end);
}

static void send_command(enum sp_command what, const sp_name *scope, const sp_name *asset,
                         sp_amt amount)
{
    struct request request = {.last = SP_REC_COMMAND_REPLY};
    struct sp_operator_command *body = &request.record.body.operator_command;
    struct sp_id_source source = {.installation = "sim",
                                  .stream = "hands",
                                  .epoch = 1,
                                  .seq = ++h.commands,
                                  .time = {sim_wall_now()}};

    request.service = sp_name_of(what == SP_COMMAND_RECONCILE ? "reconciliation" : "execution");
    request.record.kind = SP_REC_COMMAND;
    *body = (struct sp_operator_command){.command_id = sp_cmd_id_mint(&source),
                                         .command = (uint8_t)what,
                                         .scope = *scope,
                                         .operator_name = sp_name_of("hands"),
                                         .asked = source.time};
    if (asset != NULL) body->asset = *asset;
    body->amount = amount;
    sp_text_printf(&body->reason, "a person's decision");
    start(&request);
}

static void command(enum sp_command what, const sp_name *scope)
{
    send_command(what, scope, NULL, (sp_amt){0});
}

void sim_hands_adopt(const sp_name *asset, sp_amt amount)
{
    sp_name all = sp_name_of("all");

    send_command(SP_COMMAND_ADOPT, &all, asset, amount);
}

static sp_name scope_of(const struct sp_link_config *link)
{
    char text[SP_NAME_SIZE];

    snprintf(text, sizeof text, "strategy.%.24s", link->id.s);
    return sp_name_of(text);
}

void sim_hands_command(enum sp_command what, bool all)
{
    const struct sp_config *config = sim_world_config();
    sp_name scope = sp_name_of("all");

    if (!all) {
        scope = scope_of(&config->links[sim_random_below(&h.chance, config->link_count)]);
    }
    command(what, &scope);
}

static void feed(const char *what)
{
    struct request request = {.last = SP_REC_COMMAND_REPLY, .service = sp_name_of("marketdata")};

    request.record.kind = SP_REC_QUERY;
    request.record.body.query.request_id = ++h.commands;
    request.record.body.query.what = sp_name_of(what);
    request.record.body.query.asker = sp_name_of("hands");
    start(&request);
}

static void resume_feed(void *ctx)
{
    (void)ctx;
    if (h.commands > 0) feed("resume_feed");
}

void sim_hands_pause_feed(int64_t ns)
{
    feed("pause_feed");
    sim_at(sim_now() + ns, resume_feed, NULL);
}

void sim_hands_heal(void)
{
    const struct sp_config *config = sim_world_config();
    sp_name all = sp_name_of("all");

    command(SP_COMMAND_RESUME, &all);
    for (uint32_t i = 0; i < config->link_count; i++) {
        sp_name scope = scope_of(&config->links[i]);
        command(SP_COMMAND_RESUME, &scope);
    }
    feed("resume_feed");
}

uint32_t sim_hands_busy(void)
{
    return h.busy;
}

void sim_hands_ask_status(void)
{
    struct request request = {.last = SP_REC_SERVICE_STATUS, .service = sp_name_of("execution")};

    h.has_status = false;
    request.record.kind = SP_REC_QUERY;
    request.record.body.query.request_id = ++h.commands;
    request.record.body.query.what = sp_name_of("status");
    start(&request);
}

const struct sp_service_status *sim_hands_status(void)
{
    return h.has_status ? &h.status : NULL;
}

void sim_hands_begin(uint64_t seed)
{
    memset(&h, 0, sizeof h);
    sim_random_seed(&h.chance, seed, 3);
}

/* Those that still wait are gone with the kernel; what they asked is their owner's memory. */
void sim_hands_end(void)
{
    h.commands = 0;
}
