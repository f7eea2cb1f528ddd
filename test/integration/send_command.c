/* Orders execution to do something, under a request id of one's choice, and prints its answer:
 *
 *   send_command RUN_DIR HALT|RESUME NUMBER     the same number is the same command id
 */
#include "common/bus/bus.h"
#include "common/clock.h"
#include "proto/ids.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_answer(void *ctx, const struct sp_record *answer)
{
    bool *ok = ctx;

    *ok = answer->body.command_reply.ok;
    printf("%s %s\n", *ok ? "ok" : "refused", answer->body.command_reply.text.s);
}

int main(int argc, char **argv)
{
    struct sp_record request = {.kind = SP_REC_COMMAND};
    struct sp_operator_command *command = &request.body.operator_command;
    sp_name service = sp_name_of("execution");
    struct sp_err err = {0};
    bool ok = false;

    if (argc != 4) return SP_EXIT_USAGE;
    struct sp_id_source source = {.installation = "send_command",
                                  .stream = "send_command",
                                  .epoch = 1,
                                  .seq = strtoull(argv[3], NULL, 10),
                                  .time = {INT64_C(1767225600000000000)}};
    request.time = sp_clock_wall();
    command->command_id.raw = sp_id_mint(SP_ID_CMD, &source);
    command->command = strcmp(argv[2], "HALT") == 0 ? SP_COMMAND_HALT : SP_COMMAND_RESUME;
    command->scope = sp_name_of("all");
    command->operator_name = sp_name_of("tester");
    command->asked = request.time;
    sp_text_printf(&command->reason, "number %s", argv[3]);
    sp_status status = sp_client_ask(argv[1], &service, &request, SP_REC_COMMAND_REPLY,
                                     (sp_dur){5 * SP_NS_PER_S}, on_answer, &ok, &err);
    if (status != SP_OK) fprintf(stderr, "send_command: %s\n", err.text);
    return status == SP_OK && ok ? 0 : 1;
}
