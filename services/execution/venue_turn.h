/* A turn in lock-step (common/turns.h), towards the venue: over when everything that the venue had
 * to say is in. A question is asked, whose answer comes behind all that was sent before it, and
 * again after each request that leaves meanwhile; then the timer has its turn. One thread: the
 * loop's.
 */
#ifndef SP_EXECUTION_VENUE_TURN_H
#define SP_EXECUTION_VENUE_TURN_H

#include "common/venue/venue.h"

struct sp_venue_turn {
    bool asked, ticked; /* since it began: the venue; the timer */
    bool sent;          /* something left for the venue since it was asked */
    uint64_t question;  /* that the venue has not answered; 0: none */
};

void sp_venue_turn_begins(struct sp_venue_turn *turn);
/* Whether the turn is over; it may ask, or give the timer its turn, which may set `sent`. */
bool sp_venue_turn_settles(struct sp_venue_turn *turn, struct sp_venue *venue,
                           void (*tick)(void *ctx), void *ctx);
/* Takes the answer to its own question; false: it is another message. */
bool sp_venue_turn_takes(struct sp_venue_turn *turn, const struct sp_record *message);

#endif
