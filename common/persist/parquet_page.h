/* One data page: header and compressed bytes. The only module that knows zstd and CRC-32.
 * One thread per codec.
 */
#ifndef SP_COMMON_PERSIST_PARQUET_PAGE_H
#define SP_COMMON_PERSIST_PARQUET_PAGE_H

#include "common/persist/parquet.h"

#define SP_PARQUET_PAGE_HEADER_MAX 64

struct sp_parquet_codec; /* compression and decompression contexts, owns heap */

SP_NODISCARD sp_status sp_parquet_codec_open(struct sp_parquet_codec **out, struct sp_err *err);
void sp_parquet_codec_close(struct sp_parquet_codec *codec);

/* Room for a whole page made of `plain_bytes`. */
size_t sp_parquet_page_bound(size_t plain_bytes);

struct sp_parquet_buffer {
    uint8_t *data;
    size_t cap_bytes;
};

struct sp_parquet_page {
    const uint8_t *plain;
    size_t plain_bytes;
    int64_t rows;
};

/* Writes header and compressed bytes. *header_bytes is the header's part of *len_bytes. The buffer
 * must be sp_parquet_page_bound large. */
SP_NODISCARD sp_status sp_parquet_page_encode(struct sp_parquet_codec *codec,
                                              const struct sp_parquet_page *page, uint8_t *buf,
                                              size_t *len_bytes, size_t *header_bytes);

/* Checks header, lengths and CRC of the page that fills `buf`, and decompresses it into `plain` of
 * cap_bytes, which bounds what it may claim; *page then says what it holds. SP_CORRUPT. */
SP_NODISCARD sp_status sp_parquet_page_decode(struct sp_parquet_codec *codec, const uint8_t *buf,
                                              size_t len_bytes, struct sp_parquet_buffer plain,
                                              struct sp_parquet_page *page, struct sp_err *err);

/* CRC-32 as in zlib and gzip, which is what Parquet asks for. */
uint32_t sp_parquet_crc32(const struct sp_parquet_codec *codec, const void *bytes,
                          size_t len_bytes);

#endif
