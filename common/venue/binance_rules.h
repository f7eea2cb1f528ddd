/* What is asked of the market streams, and the venue's rules of an instrument (exchangeInfo)
 * against ours. Pure; allocates while it reads. Any thread.
 */
#ifndef SP_COMMON_VENUE_BINANCE_RULES_H
#define SP_COMMON_VENUE_BINANCE_RULES_H

#include "common/market/instrument.h"

/* SP_OK: the venue trades it by the same assets, tick and step, and its least quantity and value
 * are not above ours. SP_REFUSED: it does not, and err says which rule. SP_MISSING, SP_INVALID,
 * SP_TYPE, SP_RANGE, SP_NO_MEMORY: the text is not the answer that was promised. */
SP_NODISCARD sp_status sp_binance_check_rules(const char *body, size_t len_bytes,
                                              const struct sp_instrument *instrument,
                                              struct sp_err *err);

/* The combined stream of trades, best prices and changes of the book of up to eight. */
#define SP_STREAM_PATH_SIZE 1024
void sp_binance_stream_path(const struct sp_instrument *instruments, uint32_t count,
                            char path[SP_STREAM_PATH_SIZE]);

#endif
