#include "services/supervisor/supervisor_io.h"

#include "common/clock.h"

#include <string.h>
#include <unistd.h>

static void describe_self(const struct sp_supervisor_io *io, struct sp_child_status *out)
{
    *out = (struct sp_child_status){
        .name = io->self,
        .state = sp_name_of(io->core.stopping ? "STOPPING" : "RUNNING"),
        .pid = (uint32_t)getpid(),
        .epoch = io->role.epoch,
        .uptime = sp_mono_since(sp_clock_mono(), io->started_at),
    };
    sp_text_printf(&out->text, "%s", io->operation.s);
    if (io->journal == NULL)
        sp_text_printf(&out->text, "its journal failed; events are only logged");
}

static void reply(struct sp_supervisor_io *io, uint32_t client, bool ok, sp_status status,
                  const sp_text *text)
{
    struct sp_command_reply answer = {.ok = ok, .text = *text};

    if (!ok) answer.status = sp_name_of(sp_status_name(status));
    sp_control_send(&io->control, client, SP_DTO_command_reply, &answer);
}

static void reply_and_end(struct sp_supervisor_io *io, uint32_t client, bool ok, sp_status status,
                          const sp_text *text)
{
    reply(io, client, ok, status, text);
    sp_control_end(&io->control, client);
}

static void answer_status(struct sp_supervisor_io *io, uint32_t client)
{
    struct sp_child_status row;

    reply(io, client, true, SP_OK, &(sp_text){0});
    describe_self(io, &row);
    sp_control_send(&io->control, client, SP_DTO_child_status, &row);
    for (uint32_t i = 0; i < io->core.count; i++) {
        sp_supervisor_describe(&io->core, i, sp_clock_mono(), &row);
        sp_control_send(&io->control, client, SP_DTO_child_status, &row);
    }
    sp_control_end(&io->control, client);
}

/* Answers a client whose command has come to its end; leaves the others waiting. */
static void settle_client(struct sp_supervisor_io *io, uint32_t index)
{
    const struct sp_control_client *client = &io->control.clients[index];
    sp_text text = {0};

    if (client->fd < 0 || client->wait == SP_CONTROL_IDLE || client->wait == SP_CONTROL_AWAIT_DOWN)
        return;
    const struct sp_supervised *child = &io->core.at[client->child];
    double seconds = (double)sp_mono_since(sp_clock_mono(), client->asked_at).ns / 1e9;
    bool down = child->state == SP_SUPERVISED_STOPPED || child->state == SP_SUPERVISED_GIVEN_UP ||
                child->state == SP_SUPERVISED_OPEN;
    if (client->wait == SP_CONTROL_AWAIT_STOPPED) {
        if (child->state != SP_SUPERVISED_STOPPED) return;
        sp_text_printf(&text, "%s: stopped after %.2f s", child->spec.instance.name.s, seconds);
        reply_and_end(io, index, true, SP_OK, &text);
    } else if (child->state == SP_SUPERVISED_READY) {
        sp_text_printf(&text, "%s: ready after %.2f s as %u, epoch %u -> %u",
                       child->spec.instance.name.s, seconds, child->pid, client->epoch_before,
                       child->epoch);
        reply_and_end(io, index, true, SP_OK, &text);
    } else if (down) {
        sp_text_printf(&text, "%s: %s; %.100s", child->spec.instance.name.s,
                       sp_supervised_state_name(child->state), child->text.s);
        reply_and_end(io, index, false, SP_REFUSED, &text);
    }
}

void sp_supervisor_settle_clients(struct sp_supervisor_io *io)
{
    for (uint32_t i = 0; i < SP_CONTROL_CLIENTS_MAX; i++) {
        settle_client(io, i);
    }
}

static void command_child(struct sp_supervisor_io *io, uint32_t index,
                          enum sp_supervised_event event,
                          const struct sp_supervisor_request *request)
{
    struct sp_control_client *client = &io->control.clients[index];
    uint32_t child = sp_supervisor_find(&io->core, request->name.s);
    sp_text text = {0};

    if (child == io->core.count) {
        sp_text_printf(&text, "there is no service \"%s\" here", request->name.s);
        reply_and_end(io, index, false, SP_NOT_FOUND, &text);
        return;
    }
    if (io->core.stopping && event != SP_SUPERVISED_ON_STOP) {
        sp_text_printf(&text, "everything is being stopped");
        reply_and_end(io, index, false, SP_REFUSED, &text);
        return;
    }
    client->child = child;
    client->asked_at = sp_clock_mono();
    client->epoch_before = io->core.at[child].epoch;
    client->wait =
        event == SP_SUPERVISED_ON_STOP ? SP_CONTROL_AWAIT_STOPPED : SP_CONTROL_AWAIT_READY;
    sp_log(SP_LOG_INFO, "command", "what=%s child=%s", request->command.s, request->name.s);
    sp_supervisor_event(&io->core, child, event, sp_clock_mono(), &io->actions);
}

static void command(struct sp_supervisor_io *io, uint32_t index,
                    const struct sp_supervisor_request *request)
{
    const char *what = request->command.s;
    sp_text text = {0};

    if (strcmp(what, "status") == 0) {
        answer_status(io, index);
    } else if (strcmp(what, "ping") == 0) {
        sp_text_printf(&text, "%s", io->self.s);
        reply_and_end(io, index, true, SP_OK, &text);
    } else if (strcmp(what, "start") == 0) {
        command_child(io, index, SP_SUPERVISED_ON_START, request);
    } else if (strcmp(what, "stop") == 0) {
        command_child(io, index, SP_SUPERVISED_ON_STOP, request);
    } else if (strcmp(what, "restart") == 0) {
        command_child(io, index, SP_SUPERVISED_ON_RESTART, request);
    } else if (strcmp(what, "down") == 0) {
        io->control.clients[index].wait = SP_CONTROL_AWAIT_DOWN;
        sp_log(SP_LOG_INFO, "command", "what=down");
        sp_supervisor_stop_all(&io->core, true, sp_clock_mono(), &io->actions);
    } else {
        sp_text_printf(&text, "there is no command \"%s\": ping status start stop restart down",
                       what);
        reply_and_end(io, index, false, SP_USAGE, &text);
    }
}

void sp_supervisor_read_client(struct sp_supervisor_io *io, uint32_t index)
{
    struct sp_supervisor_request request = {0};
    struct sp_err err = {0};
    sp_text text = {0};
    sp_status status = sp_control_read(&io->control, index, &request, &err);

    if (status == SP_OK) command(io, index, &request);
    if (status != SP_INVALID) return;
    sp_text_printf(&text, "%s", err.text);
    reply_and_end(io, index, false, SP_INVALID, &text);
}

void sp_supervisor_answer_down(struct sp_supervisor_io *io)
{
    sp_text text = {0};

    sp_text_printf(&text, "everything is stopped");
    for (uint32_t i = 0; i < SP_CONTROL_CLIENTS_MAX; i++) {
        const struct sp_control_client *client = &io->control.clients[i];
        if (client->fd >= 0 && client->wait == SP_CONTROL_AWAIT_DOWN)
            reply_and_end(io, i, true, SP_OK, &text);
    }
}
