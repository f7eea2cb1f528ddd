#include "common/persist/parquet_page.h"

#include "common/persist/thrift.h"
#include "common/zip.h"

#include <stdlib.h>
#include <string.h>

#define PAGE_TYPE_DATA 0
#define ENCODING_PLAIN 0
#define ENCODING_RLE   3

struct sp_parquet_codec {
    struct sp_zip *zip;
    uint32_t crc[8][256];
};

/* Slicing by eight; made from the polynomial, so there is no table to mistype. */
static void make_crc_tables(struct sp_parquet_codec *codec)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (unsigned n = 0; n < 8; n++)
            crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
        codec->crc[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++) {
        for (unsigned k = 1; k < 8; k++) {
            uint32_t before = codec->crc[k - 1][i];
            codec->crc[k][i] = before >> 8 ^ codec->crc[0][before & 0xff];
        }
    }
}

uint32_t sp_parquet_crc32(const struct sp_parquet_codec *codec, const void *bytes, size_t len_bytes)
{
    const uint32_t(*t)[256] = codec->crc;
    const uint8_t *at = bytes;
    uint32_t crc = UINT32_MAX;

    for (; len_bytes >= 8; len_bytes -= 8, at += 8) {
        uint32_t lo;
        uint32_t hi;

        memcpy(&lo, at, 4);
        memcpy(&hi, at + 4, 4);
        lo ^= crc;
        crc = t[7][lo & 0xff] ^ t[6][lo >> 8 & 0xff] ^ t[5][lo >> 16 & 0xff] ^ t[4][lo >> 24] ^
              t[3][hi & 0xff] ^ t[2][hi >> 8 & 0xff] ^ t[1][hi >> 16 & 0xff] ^ t[0][hi >> 24];
    }
    for (; len_bytes > 0; len_bytes--, at++)
        crc = crc >> 8 ^ t[0][(crc ^ *at) & 0xff];
    return ~crc;
}

sp_status sp_parquet_codec_open(struct sp_parquet_codec **out, struct sp_err *err)
{
    struct sp_parquet_codec *codec = calloc(1, sizeof *codec);

    if (codec == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for compression");
    sp_status status = sp_zip_open(&codec->zip, err);
    if (status != SP_OK) {
        free(codec);
        return status;
    }
    make_crc_tables(codec);
    *out = codec;
    return SP_OK;
}

void sp_parquet_codec_close(struct sp_parquet_codec *codec)
{
    if (codec == NULL) return;
    sp_zip_close(codec->zip);
    free(codec);
}

size_t sp_parquet_page_bound(size_t plain_bytes)
{
    return SP_PARQUET_PAGE_HEADER_MAX + sp_zip_bound(plain_bytes);
}

static size_t encode_header(const struct sp_parquet_page *page, size_t compressed_bytes,
                            uint32_t crc, uint8_t *buf)
{
    struct sp_thrift_writer w = {.data = buf, .cap_bytes = SP_PARQUET_PAGE_HEADER_MAX};

    sp_thrift_begin_struct(&w, 0);
    sp_thrift_write_i32(&w, 1, PAGE_TYPE_DATA);
    sp_thrift_write_i32(&w, 2, (int32_t)page->plain_bytes);
    sp_thrift_write_i32(&w, 3, (int32_t)compressed_bytes);
    sp_thrift_write_i32(&w, 4, (int32_t)crc);
    sp_thrift_begin_struct(&w, 5);
    sp_thrift_write_i32(&w, 1, (int32_t)page->rows);
    sp_thrift_write_i32(&w, 2, ENCODING_PLAIN);
    sp_thrift_write_i32(&w, 3, ENCODING_RLE); /* of levels, which REQUIRED columns do not have */
    sp_thrift_write_i32(&w, 4, ENCODING_RLE);
    sp_thrift_end_struct(&w);
    sp_thrift_end_struct(&w);
    SP_ASSERT(!w.failed);
    return w.len_bytes;
}

sp_status sp_parquet_page_encode(struct sp_parquet_codec *codec, const struct sp_parquet_page *page,
                                 uint8_t *buf, size_t *len_bytes, size_t *header_bytes)
{
    uint8_t *body = buf + SP_PARQUET_PAGE_HEADER_MAX;
    size_t body_bytes = 0;

    SP_ASSERT(page->plain_bytes > 0 && page->plain_bytes <= SP_PARQUET_PAGE_BYTES_MAX);
    sp_status status = sp_zip_pack(codec->zip, page->plain, page->plain_bytes, body, &body_bytes);
    if (status != SP_OK) return status;
    *header_bytes = encode_header(page, body_bytes, sp_parquet_crc32(codec, body, body_bytes), buf);
    memmove(buf + *header_bytes, body, body_bytes);
    *len_bytes = *header_bytes + body_bytes;
    return SP_OK;
}

struct header {
    int64_t type;
    int64_t plain_bytes;
    int64_t compressed_bytes;
    int64_t crc;
    int64_t rows;
    int64_t encoding;
};

static void decode_data_header(struct sp_thrift_reader *r, struct header *header)
{
    enum sp_thrift_type type = SP_THRIFT_STOP;
    int16_t id = 0;

    sp_thrift_enter_struct(r);
    while (sp_thrift_next(r, &id, &type)) {
        if (id == 1)
            header->rows = sp_thrift_read_int(r, type);
        else if (id == 2)
            header->encoding = sp_thrift_read_int(r, type);
        else
            sp_thrift_skip(r, type);
    }
}

static struct header decode_header(struct sp_thrift_reader *r)
{
    struct header header = {-1, -1, -1, INT64_MIN, -1, -1};
    enum sp_thrift_type type = SP_THRIFT_STOP;
    int16_t id = 0;

    sp_thrift_enter_struct(r);
    while (sp_thrift_next(r, &id, &type)) {
        switch (id) {
        case 1: header.type = sp_thrift_read_int(r, type); break;
        case 2: header.plain_bytes = sp_thrift_read_int(r, type); break;
        case 3: header.compressed_bytes = sp_thrift_read_int(r, type); break;
        case 4: header.crc = sp_thrift_read_int(r, type); break;
        case 5:
            if (type == SP_THRIFT_STRUCT)
                decode_data_header(r, &header);
            else
                r->failed = true;
            break;
        default: sp_thrift_skip(r, type);
        }
    }
    return header;
}

sp_status sp_parquet_page_decode(struct sp_parquet_codec *codec, const uint8_t *buf,
                                 size_t len_bytes, struct sp_parquet_buffer plain,
                                 struct sp_parquet_page *page, struct sp_err *err)
{
    struct sp_thrift_reader r = {.data = buf, .len_bytes = len_bytes};
    struct header header = decode_header(&r);
    const uint8_t *body = buf + r.at;
    size_t body_bytes = len_bytes - r.at;
    size_t got = 0;

    if (r.failed || header.type != PAGE_TYPE_DATA || header.encoding != ENCODING_PLAIN) {
        return SP_FAIL(err, SP_CORRUPT, "page header is damaged");
    }
    if (header.compressed_bytes != (int64_t)body_bytes || header.rows < 1 ||
        header.plain_bytes < 1 || (uint64_t)header.plain_bytes > plain.cap_bytes) {
        return SP_FAIL(err, SP_CORRUPT, "page header's lengths do not fit the page");
    }
    if (header.crc != (int32_t)sp_parquet_crc32(codec, body, body_bytes)) {
        return SP_FAIL(err, SP_CORRUPT, "page of %zu bytes fails its checksum", body_bytes);
    }
    if (sp_zip_unpack(codec->zip, body, body_bytes, plain.data, plain.cap_bytes, &got) != SP_OK ||
        got != (size_t)header.plain_bytes) {
        return SP_FAIL(err, SP_CORRUPT, "page does not decompress to %lld bytes",
                       (long long)header.plain_bytes);
    }
    *page = (struct sp_parquet_page){.plain = plain.data, .plain_bytes = got, .rows = header.rows};
    return SP_OK;
}
