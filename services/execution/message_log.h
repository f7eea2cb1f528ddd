/* When orders and cancels were sent: of all, of each instrument and of each strategy link. What
 * messages_max counts, in real time. It begins empty with the process, as the connection does whose
 * use it bounds. Pure; one thread.
 */
#ifndef SP_EXECUTION_MESSAGE_LOG_H
#define SP_EXECUTION_MESSAGE_LOG_H

#include "common/config/config.h"

#define SP_MESSAGES_MAX 1000 /* the most that messages_max may be */

struct sp_message_ring {
    uint64_t total; /* ever */
    sp_mono at[SP_MESSAGES_MAX];
};

/* Instruments and links in the order of the configuration. */
struct sp_message_log {
    struct sp_message_ring all, instruments[SP_SYMBOLS_MAX], links[SP_LINKS_MAX];
};

void sp_message_note(struct sp_message_ring *ring, sp_mono now);
/* How many there were within messages_window of these limits; 0 if they have no messages_max. */
uint32_t sp_message_count(const struct sp_message_ring *ring, const struct sp_risk_config *risk,
                          sp_mono now);

#endif
