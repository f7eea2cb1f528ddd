#include "common/zip.h"

#include <stdlib.h>

#include <zstd.h>

#define LEVEL 3 /* on pages of a mix of all kinds 14 % smaller than 1, for 5 % more time */

struct sp_zip {
    ZSTD_CCtx *compress;
    ZSTD_DCtx *decompress;
};

sp_status sp_zip_open(struct sp_zip **out, struct sp_err *err)
{
    struct sp_zip *zip = calloc(1, sizeof *zip);

    if (zip != NULL) {
        zip->compress = ZSTD_createCCtx();
        zip->decompress = ZSTD_createDCtx();
    }
    if (zip == NULL || zip->compress == NULL || zip->decompress == NULL) {
        sp_zip_close(zip);
        return SP_FAIL(err, SP_NO_MEMORY, "no memory for compression");
    }
    *out = zip;
    return SP_OK;
}

void sp_zip_close(struct sp_zip *zip)
{
    if (zip == NULL) return;
    ZSTD_freeCCtx(zip->compress);
    ZSTD_freeDCtx(zip->decompress);
    free(zip);
}

size_t sp_zip_bound(size_t plain_bytes)
{
    return ZSTD_compressBound(plain_bytes);
}

sp_status sp_zip_pack(struct sp_zip *zip, const void *plain, size_t len_bytes, void *buf,
                      size_t *frame_bytes)
{
    size_t bytes = ZSTD_compressCCtx(zip->compress, buf, ZSTD_compressBound(len_bytes), plain,
                                     len_bytes, LEVEL);

    if (ZSTD_isError(bytes)) return SP_NO_MEMORY; /* the room is always enough */
    *frame_bytes = bytes;
    return SP_OK;
}

sp_status sp_zip_unpack(struct sp_zip *zip, const void *frame, size_t frame_bytes, void *plain,
                        size_t cap_bytes, size_t *len_bytes)
{
    size_t bytes = ZSTD_decompressDCtx(zip->decompress, plain, cap_bytes, frame, frame_bytes);

    if (ZSTD_isError(bytes)) return SP_CORRUPT;
    *len_bytes = bytes;
    return SP_OK;
}
