/* What execution still does when its journal has failed: it asks the venue to cancel the entries
 * that work there, once, and waits a moment for the answers. Best effort: nothing of it can be
 * kept, the next start learns it from the venue. Stops and targets stay: they protect what is open.
 * No order is sent. The loop's thread. */
#ifndef SP_EXECUTION_LAST_WORDS_H
#define SP_EXECUTION_LAST_WORDS_H

#include "common/venue/venue.h"
#include "services/execution/execution_core.h"

struct sp_last_words {
    bool began;
    uint64_t first_request, last_request; /* of the cancels; none if last is less */
    uint32_t asked, answered;
};

/* Sends the cancels at its first call. True when every one was answered, or none could be sent. */
bool sp_last_words_go_on(struct sp_last_words *words, struct sp_venue *venue,
                         const struct sp_books *books);
/* A message of the venue meanwhile. */
void sp_last_words_hear(struct sp_last_words *words, const struct sp_record *message);

#endif
