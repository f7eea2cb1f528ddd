/* A market source that reads a raw capture of Binance Spot streams.
 *
 * The file, plain or gzip, holds one line per message: `<recv_ns> <json>`, where json is a payload
 * that common/market/binance_feed reads. One file is one instrument.
 *
 * Market time is the venue's (T of trades, E of book changes). Quotes and REST answers carry none
 * and get the time of the message before them; so does whatever claims to be earlier than it. The
 * receive stamp only stands in for messages before the first venue time: the clock of a capturing
 * host may be seconds off in either direction.
 * A line that cannot be read yields one FEED_ERROR event with its number, and reading goes on.
 */
#ifndef SP_MARKET_RECORDING_H
#define SP_MARKET_RECORDING_H

#include "common/market/source.h"

#define SP_RECORDING_LINE_MAX ((size_t)1 << 20)

/* Opens `path` for `instrument` (copied). SP_NOT_FOUND, SP_IO, SP_NO_MEMORY, SP_INVALID. The caller
 * owns *out and closes it. */
SP_NODISCARD sp_status sp_recording_open(const char *path, const struct sp_instrument *instrument,
                                         struct sp_source *out, struct sp_err *err);

#endif
