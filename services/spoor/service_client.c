#include "services/spoor/service_client.h"

#include "common/clock.h"

#include <stdio.h>

#define FLOWS_TIMEOUT_NS (SP_NS_PER_S / 2) /* `spoor status` asks all, one after the other */

struct answer {
    enum sp_kind kind;
    bool came;
    union sp_body body;
};

static void on_answer(void *ctx, const struct sp_record *record)
{
    struct answer *answer = ctx;

    if (record->kind != answer->kind) return;
    answer->body = record->body;
    answer->came = true;
}

static sp_status ask(const struct sp_config *config, const sp_name *service,
                     const struct sp_record *request, sp_dur timeout, struct answer *answer)
{
    return sp_client_ask(config->platform.run_dir, service, request, answer->kind, timeout,
                         on_answer, answer, NULL);
}

/* One request at a time, so that none can want for memory. */
static struct sp_record *request_of(enum sp_kind kind)
{
    static struct sp_record request;

    request = (struct sp_record){.kind = kind, .time = sp_clock_wall()};
    return &request;
}

static struct answer *answer_of(enum sp_kind kind)
{
    static struct answer answer;

    answer = (struct answer){.kind = kind};
    return &answer;
}

sp_status sp_service_status_ask(const struct sp_config *config, const sp_name *service,
                                struct sp_service_status *out)
{
    struct sp_record *request = request_of(SP_REC_QUERY);
    struct answer *answer = answer_of(SP_REC_SERVICE_STATUS);

    request->body.query = (struct sp_query){.request_id = 1,
                                            .what = sp_name_of("status"),
                                            .asker = sp_name_of("spoor")};
    sp_status status = ask(config, service, request, (sp_dur){SP_SERVICE_TIMEOUT_NS}, answer);
    if (status == SP_OK) *out = answer->body.service_status;
    return status;
}

/* Sends the request and waits for its COMMAND_REPLY. */
static sp_status ask_for_reply(const struct sp_config *config, const sp_name *service,
                               struct sp_record *request, sp_dur timeout,
                               struct sp_command_reply *out)
{
    struct answer *answer = answer_of(SP_REC_COMMAND_REPLY);
    sp_status status = ask(config, service, request, timeout, answer);
    if (status == SP_OK) *out = answer->body.command_reply;
    return status;
}

sp_status sp_service_command(const struct sp_config *config, const sp_name *service,
                             const struct sp_operator_command *command, sp_dur timeout,
                             struct sp_command_reply *out)
{
    struct sp_record *request = request_of(SP_REC_COMMAND);

    request->body.operator_command = *command;
    return ask_for_reply(config, service, request, timeout, out);
}

sp_status sp_service_query(const struct sp_config *config, const sp_name *service, const char *what,
                           sp_dur timeout, struct sp_command_reply *out)
{
    struct sp_record *request = request_of(SP_REC_QUERY);

    request->body.query =
        (struct sp_query){.request_id = 1, .what = sp_name_of(what), .asker = sp_name_of("spoor")};
    return ask_for_reply(config, service, request, timeout, out);
}

sp_status sp_service_limits(const struct sp_config *config, sp_client_answer_fn *fn, void *ctx)
{
    struct sp_record *request = request_of(SP_REC_QUERY);
    sp_name execution = sp_name_of("execution");

    request->body.query = (struct sp_query){.request_id = 1,
                                            .what = sp_name_of("limits"),
                                            .asker = sp_name_of("spoor")};
    sp_status status =
        sp_client_ask(config->platform.run_dir, &execution, request, SP_REC_COMMAND_REPLY,
                      (sp_dur){SP_SERVICE_TIMEOUT_NS}, fn, ctx, NULL);
    return status;
}

sp_status sp_service_flows(const struct sp_config *config, const sp_name *service,
                           sp_client_answer_fn *fn, void *ctx)
{
    struct sp_record *request = request_of(SP_REC_QUERY);

    request->body.query =
        (struct sp_query){.request_id = 1, .what = sp_name_of("bus"), .asker = sp_name_of("spoor")};
    return sp_client_ask(config->platform.run_dir, service, request, SP_REC_BUS_FLOW,
                         (sp_dur){FLOWS_TIMEOUT_NS}, fn, ctx, NULL);
}

sp_status sp_service_retain(const struct sp_config *config, const sp_name *service,
                            const struct sp_retain *retain, sp_dur timeout,
                            struct sp_command_reply *out)
{
    struct sp_record *request = request_of(SP_REC_RETAIN);

    request->body.retain = *retain;
    return ask_for_reply(config, service, request, timeout, out);
}

const char *sp_trading_word(uint8_t trading)
{
    if (trading == SP_TRADING_ALLOWED) return "ALLOWED";
    if (trading == SP_TRADING_REDUCE_ONLY) return "REDUCE ONLY";
    return trading == SP_TRADING_STOPPED ? "STOPPED" : "UNKNOWN";
}

void sp_trading_print(const struct sp_service_status *status)
{
    printf("trading  %s%s%s\n", sp_trading_word(status->trading),
           status->reason.s[0] != '\0' ? ": " : "", status->reason.s);
    if (status->next_step.s[0] != '\0') printf("next     %s\n", status->next_step.s);
    if (status->flatten.s[0] != '\0') printf("flatten  %s\n", status->flatten.s);
    if (status->storage.s[0] != '\0') printf("storage  %s\n", status->storage.s);
}
