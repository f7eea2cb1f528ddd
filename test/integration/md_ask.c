/* Asks spoor-marketdata one question and prints the answer: md_ask RUN_DIR WHAT */
#include "common/bus/bus.h"
#include "common/clock.h"

#include <stdio.h>

static void on_answer(void *ctx, const struct sp_record *answer)
{
    bool *ok = ctx;

    *ok = answer->body.command_reply.ok;
    printf("%s\n", answer->body.command_reply.text.s);
}

int main(int argc, char **argv)
{
    struct sp_record request = {.kind = SP_REC_QUERY};
    struct sp_err err = {0};
    sp_name service = sp_name_of("marketdata");
    bool ok = false;

    if (argc != 3) return 64;
    request.time = sp_clock_wall();
    request.body.query = (struct sp_query){.request_id = 1,
                                           .what = sp_name_of(argv[2]),
                                           .asker = sp_name_of("md_ask")};
    sp_status status = sp_client_ask(argv[1], &service, &request, SP_REC_COMMAND_REPLY,
                                     (sp_dur){5 * SP_NS_PER_S}, on_answer, &ok, &err);
    if (status != SP_OK) fprintf(stderr, "md_ask: %s\n", err.text);
    return status == SP_OK && ok ? 0 : 1;
}
