/* The payload of a snapshot: lists of rows, each row a DTO by its table.
 *
 *   {"version":1,"book_order":[{...},{...}],"fill":[{...}]}
 *
 * Rows of one DTO stand together, in the order they were added; the DTO's name is the key of their
 * list. No allocation. One thread.
 */
#ifndef SP_COMMON_STATE_ROWS_H
#define SP_COMMON_STATE_ROWS_H

#include "proto/messages.h"

#define SP_STATE_ROWS_VERSION 1

struct sp_rows_writer {
    char *text;
    size_t cap_bytes, len_bytes;
    enum sp_dto dto; /* of the list that is open; none at the beginning */
    bool full;       /* a row found no room: what is there is no snapshot */
    bool seen[SP_DTO_COUNT];
};

/* `text` is the caller's. */
void sp_rows_begin(struct sp_rows_writer *writer, char *text, size_t cap_bytes);
/* Adds a row. Asserts that the rows of a DTO stand together. */
void sp_rows_add(struct sp_rows_writer *writer, enum sp_dto dto, const void *row);
/* Ends the object; writer->len_bytes is its length. SP_FULL if it did not fit. */
SP_NODISCARD sp_status sp_rows_end(struct sp_rows_writer *writer);

struct sp_rows_reader {
    const char *text;
    size_t len_bytes, at;
    enum sp_dto dto; /* of the list we are in */
};

/* SP_VERSION for a payload of another version, SP_INVALID for no payload. */
SP_NODISCARD sp_status sp_rows_open(struct sp_rows_reader *reader, const char *text,
                                    size_t len_bytes, struct sp_err *err);
/* The next row into *row, and of which DTO it is. SP_OK; SP_AGAIN at the end; SP_UNKNOWN_KIND for a
 * list that is not known here; else the statuses of sp_json_decode_body. */
SP_NODISCARD sp_status sp_rows_next(struct sp_rows_reader *reader, enum sp_dto *dto,
                                    union sp_body *row, struct sp_err *err);

/* Reads a payload back and writes each of its rows again: SP_CORRUPT if that does not give the same
 * bytes; the statuses of sp_rows_next. */
SP_NODISCARD sp_status sp_rows_verify(const char *text, size_t len_bytes, struct sp_err *err);

/* Takes rows of one DTO. False: it does not fit. */
struct sp_row_taker {
    enum sp_dto dto;
    bool (*take)(void *ctx, const union sp_body *row);
};
/* Gives every row to the taker of its DTO, up to the end. The first row there must be, alone of its
 * DTO, is that of takers[0]. SP_INVALID: it is missing or repeated, a row has no taker or did not
 * fit; else the statuses of sp_rows_next. */
SP_NODISCARD sp_status sp_rows_take(struct sp_rows_reader *reader,
                                    const struct sp_row_taker *takers, size_t count, void *ctx,
                                    struct sp_err *err);

/* For the sum over all that a state takes from the configuration: what was saved under another one
 * does not fit. */
uint32_t sp_rows_crc_name(uint32_t crc, const sp_name *name);

/* DTOs are flat: a reference is three fields. */
#define SP_ROW_PUT_REF(row, name, ref)                                                             \
    ((row)->name##_stream = (ref).stream, (row)->name##_epoch = (ref).epoch,                       \
     (row)->name##_seq = (ref).seq)
#define SP_ROW_REF(row, name)                                                                      \
    ((struct sp_ref){(row)->name##_stream, (row)->name##_epoch, (row)->name##_seq})

#endif
