/* Each message is its length (4 bytes, of this machine) and its text. When the end is reached, what
 * is left is moved to the front. */
#include "common/venue/binance_stream_ahead.h"

#include <stdlib.h>
#include <string.h>

void sp_stream_ahead_keep(struct sp_stream_ahead *ahead, const char *text, size_t len_bytes)
{
    uint32_t len = (uint32_t)len_bytes;

    if (len_bytes > SP_STREAM_AHEAD_BYTES) return;
    if (ahead->bytes == NULL) ahead->bytes = malloc(SP_STREAM_AHEAD_BYTES);
    if (ahead->bytes == NULL) return;
    if (ahead->end + sizeof len + len > SP_STREAM_AHEAD_BYTES && ahead->begin > 0) {
        ahead->end -= ahead->begin;
        memmove(ahead->bytes, ahead->bytes + ahead->begin, ahead->end);
        ahead->begin = 0;
    }
    if (ahead->end + sizeof len + len > SP_STREAM_AHEAD_BYTES) return;
    memcpy(ahead->bytes + ahead->end, &len, sizeof len);
    memcpy(ahead->bytes + ahead->end + sizeof len, text, len);
    ahead->end += sizeof len + len;
}

const char *sp_stream_ahead_first(const struct sp_stream_ahead *ahead, size_t *len_bytes)
{
    uint32_t len = 0;

    if (ahead->begin == ahead->end) return NULL;
    memcpy(&len, ahead->bytes + ahead->begin, sizeof len);
    *len_bytes = len;
    return ahead->bytes + ahead->begin + sizeof len;
}

void sp_stream_ahead_drop(struct sp_stream_ahead *ahead)
{
    size_t len = 0;

    if (sp_stream_ahead_first(ahead, &len) == NULL) return;
    ahead->begin += sizeof(uint32_t) + len;
    if (ahead->begin == ahead->end) sp_stream_ahead_clear(ahead);
}

void sp_stream_ahead_clear(struct sp_stream_ahead *ahead)
{
    free(ahead->bytes);
    *ahead = (struct sp_stream_ahead){0};
}
