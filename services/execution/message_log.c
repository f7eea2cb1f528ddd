#include "services/execution/message_log.h"

void sp_message_note(struct sp_message_ring *ring, sp_mono now)
{
    ring->at[ring->total++ % SP_MESSAGES_MAX] = now;
}

uint32_t sp_message_count(const struct sp_message_ring *ring, const struct sp_risk_config *risk,
                          sp_mono now)
{
    uint64_t held = ring->total < SP_MESSAGES_MAX ? ring->total : SP_MESSAGES_MAX;
    uint32_t count = 0;

    if (risk->messages_max == 0) return 0;
    while (count < held) { /* newest first */
        uint64_t at = (ring->total - 1 - count) % SP_MESSAGES_MAX;
        if (sp_mono_since(now, ring->at[at]).ns >= risk->messages_window.ns) break;
        count++;
    }
    return count;
}
