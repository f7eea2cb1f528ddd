#include "services/execution/venue_turn.h"

void sp_venue_turn_begins(struct sp_venue_turn *turn)
{
    *turn = (struct sp_venue_turn){0};
}

static void ask(struct sp_venue_turn *turn, struct sp_venue *venue)
{
    struct sp_record ping = {.kind = SP_REC_VENUE_QUERY};

    turn->asked = true;
    turn->sent = false;
    ping.body.venue_query.request_id = sp_venue_next_request(venue);
    ping.body.venue_query.what = sp_name_of("ping");
    if (sp_venue_send(venue, &ping, NULL) == SP_OK)
        turn->question = ping.body.venue_query.request_id;
}

bool sp_venue_turn_settles(struct sp_venue_turn *turn, struct sp_venue *venue,
                           void (*tick)(void *ctx), void *ctx)
{
    if (turn->question != 0) return false;
    if (turn->asked && !turn->sent && !turn->ticked) {
        turn->ticked = true;
        tick(ctx);
    }
    if (turn->asked && !turn->sent) return true;
    ask(turn, venue);
    return turn->question == 0; /* the connection is lost: nothing more comes over it */
}

bool sp_venue_turn_takes(struct sp_venue_turn *turn, const struct sp_record *message)
{
    if (turn->question == 0 || message->kind != SP_REC_VENUE_ANSWER) return false;
    if (message->body.venue_answer.request_id != turn->question) return false;
    turn->question = 0;
    return true;
}
