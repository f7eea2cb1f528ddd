/* Segments: the files of a journal, their lines and the rule by which a tail is torn or damaged.
 *
 * Internal to the journal's own files (journal*.c); journal.c opens with the format. One thread per
 * cursor. The same cursor serves recovery, readers and verification, so that there is one judge.
 */
#ifndef SP_COMMON_JOURNAL_SEGMENT_H
#define SP_COMMON_JOURNAL_SEGMENT_H

#include "common/journal/segment_file.h"
#include "proto/json.h"

#define SP_SEGMENT_FORMAT    1
#define SP_SEGMENT_LINE_MAX  512
#define SP_BATCH_RECORDS_MAX 32
/* A line's sequence is a plain JSON number. */
#define SP_SEGMENT_SEQ_MAX ((UINT64_C(1) << 53) - 1)
/* No writer comes this far in a lifetime; one that went on from above here might write what no
 * reader takes, so it is refused. */
#define SP_SEGMENT_SEQ_ROOM_BELOW (SP_SEGMENT_SEQ_MAX / 2)

/* What the SEGMENT line says. */
struct sp_segment_head {
    uint32_t format; /* of another than ours, only prev_crc is read besides */
    sp_name installation, stream, world, build;
    uint32_t epoch;     /* of the writer that created the file */
    uint64_t first_seq; /* of the first record in it */
    uint32_t prev_crc;  /* of the last line of the segment before; 0 for the first */
};

/* What the SEAL line says. */
struct sp_segment_seal {
    uint32_t epoch;
    uint64_t count; /* records in the segment */
    uint64_t last_seq;
};

enum sp_line_type { SP_LINE_BAD, SP_LINE_HEAD, SP_LINE_SEAL, SP_LINE_RECORD };

/* A line's outermost facts. Only the members of its type are set. */
struct sp_line {
    enum sp_line_type type;
    uint32_t crc; /* as stored */
    struct sp_segment_head head;
    struct sp_segment_seal seal;
    uint64_t seq, durable_seq;
    uint32_t epoch, batch_left;
};

/* Both return the length of the line with its newline, and the CRC that is in it. */
size_t sp_segment_head_line(const struct sp_segment_head *head, char buf[SP_SEGMENT_LINE_MAX],
                            uint32_t *crc);
size_t sp_segment_seal_line(const struct sp_segment_seal *seal, uint32_t prev_crc,
                            char buf[SP_SEGMENT_LINE_MAX], uint32_t *crc);
/* Writes the CRC of a line, which follows its prefix, into the prefix. Returns it. */
uint32_t sp_line_stamp(char *text, size_t len_bytes, uint32_t prev_crc);
/* Reads the first fields of a line without its newline. Checks no CRC. */
void sp_line_parse(const char *text, size_t len_bytes, struct sp_line *out);
/* The CRC that a line which verified says. */
uint32_t sp_line_crc(const char *text);
bool sp_line_crc_holds(const char *text, size_t len_bytes, uint32_t prev_crc);

/* "DIR/00000000000000000042.jsonl". SP_TOO_LONG. */
SP_NODISCARD sp_status sp_segment_path(const char *dir, uint64_t first_seq,
                                       char out[SP_SEGMENT_PATH_SIZE], struct sp_err *err);
/* The same with another suffix of at most eight characters. */
SP_NODISCARD sp_status sp_segment_path_as(const char *dir, uint64_t first_seq, const char *suffix,
                                          char out[SP_SEGMENT_PATH_SIZE], struct sp_err *err);

/* First sequences of a directory's segments, as they were written or compressed, ascending. */
struct sp_segment_list {
    uint64_t *first;
    size_t count;
};
/* SP_NOT_FOUND if there is no such directory or no segment in it; SP_IO; SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_segment_list_read(const char *dir, struct sp_segment_list *out,
                                            struct sp_err *err);
void sp_segment_list_free(struct sp_segment_list *list);
/* Whether there is a segment that starts there. SP_IO, SP_TOO_LONG: that cannot be found out. */
SP_NODISCARD sp_status sp_segment_look(const char *dir, uint64_t first_seq, bool *is_there,
                                       struct sp_err *err);
/* Likewise; if that cannot be found out, there is. */
bool sp_segment_exists(const char *dir, uint64_t first_seq);

/* Walks one segment, batch by batch, while it may still be growing. */
struct sp_segment_cursor {
    struct sp_segment_file file;
    char path[SP_SEGMENT_PATH_SIZE];
    struct sp_segment_head head;
    uint64_t at;          /* offset of the next batch */
    uint64_t next_seq;    /* sequence of its first record */
    uint32_t crc;         /* of the line before it */
    uint32_t epoch;       /* of the record before it, or of the segment */
    uint64_t durable_seq; /* W: the highest sequence that a verified line says is durable */
    bool sealed;          /* the SEAL line was passed */
    uint64_t seal_at;     /* where it begins */
    const char *why;      /* after SP_CORRUPT: what is wrong with the batch at `at` */
    char *buf;            /* SEGMENT_BUF_BYTES */
    uint64_t buf_at;      /* offset of buf[0] */
    size_t buf_len;
    bool at_end; /* the last read came to the end: the next ones begin small */
};

/* Lines of one batch. The text stays in the cursor's buffer until its next call. */
struct sp_batch {
    uint32_t count;
    struct sp_batch_line {
        const char *text;
        size_t len_bytes;
    } line[SP_BATCH_RECORDS_MAX];
};

/* Opens the segment that starts at first_seq, and checks its SEGMENT line. cursor must be zeroed or
 * closed. SP_NOT_FOUND, SP_CORRUPT, SP_VERSION, SP_IO, SP_NO_MEMORY, SP_TOO_LONG. */
SP_NODISCARD sp_status sp_segment_open(struct sp_segment_cursor *cursor, const char *dir,
                                       uint64_t first_seq, struct sp_err *err);
void sp_segment_close(struct sp_segment_cursor *cursor);
/* SP_OK: a complete, verified batch; the cursor stands behind it. SP_AGAIN: the file ends here, or
 * in the middle of a batch; it ends where blanks begin. SP_CLOSED: sealed. SP_CORRUPT: the batch
 * does not verify; cursor->why says what, and sp_segment_judge what it means. SP_IO with err
 * filled. */
SP_NODISCARD sp_status sp_segment_next(struct sp_segment_cursor *cursor, struct sp_batch *out,
                                       struct sp_err *err);
/* Of the batch that does not verify or is not whole: SP_OK if it is torn (its first sequence is
 * above W, which also counts noted_seq and every line behind it that verifies), SP_CORRUPT with
 * file, offset and repair command if it had been acknowledged. SP_IO. */
SP_NODISCARD sp_status sp_segment_judge(struct sp_segment_cursor *cursor, uint64_t noted_seq,
                                        struct sp_err *err);
/* Moves a fresh cursor near `seq`, at or before it, by bisection: what it jumps over is not
 * verified. Leaves it at the start if there is nothing to find. SP_IO. */
SP_NODISCARD sp_status sp_segment_seek(struct sp_segment_cursor *cursor, uint64_t seq,
                                       struct sp_err *err);
/* Reads and checks the SEAL line at the end of a whole segment, but not what is before it.
 * SP_CORRUPT, SP_IO. */
SP_NODISCARD sp_status sp_segment_read_seal(struct sp_segment_cursor *cursor, struct sp_line *out,
                                            struct sp_err *err);
/* Fills err with file, offset, reason and repair command. Returns SP_CORRUPT. */
sp_status sp_segment_damaged(const struct sp_segment_cursor *cursor, const char *why,
                             struct sp_err *err);

#endif
