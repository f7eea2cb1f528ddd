/* Compression, by zstd. What is compressed at once is one frame, which any zstd reads. One thread
 * per zip.
 */
#ifndef SP_COMMON_ZIP_H
#define SP_COMMON_ZIP_H

#include "proto/status.h"

struct sp_zip;

/* SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_zip_open(struct sp_zip **out, struct sp_err *err);
void sp_zip_close(struct sp_zip *zip);

/* The most that so many bytes become. */
size_t sp_zip_bound(size_t plain_bytes);
/* Writes a frame into buf, which has room for sp_zip_bound(len_bytes). SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_zip_pack(struct sp_zip *zip, const void *plain, size_t len_bytes,
                                   void *buf, size_t *frame_bytes);
/* Writes what is in a frame, at most cap_bytes, of which *len_bytes are used. Any bytes are safe.
 * SP_CORRUPT: not one whole frame, or more than fits. */
SP_NODISCARD sp_status sp_zip_unpack(struct sp_zip *zip, const void *frame, size_t frame_bytes,
                                     void *plain, size_t cap_bytes, size_t *len_bytes);

#endif
