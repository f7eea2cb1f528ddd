/* A segment's bytes, as it was written or compressed. For reading; one thread.
 */
#ifndef SP_COMMON_SEGMENT_FILE_H
#define SP_COMMON_SEGMENT_FILE_H

#include "common/journal/segment_zip.h"

#define SP_SEGMENT_PATH_SIZE 512
/* What a writer may write ahead, behind its lines (docs/journal.md): a byte that no line holds. */
#define SP_SEGMENT_BLANK '\t'

struct sp_segment_file {
    bool is_open;
    int fd;
    struct sp_segment_zip *zip; /* NULL: as it was written */
};

/* Opens the segment that starts at first_seq, as it was written if both are there; file must be
 * zeroed or closed. Writes the path of what was opened, for messages, also on failure.
 * SP_NOT_FOUND, SP_CORRUPT, SP_IO, SP_NO_MEMORY, SP_TOO_LONG. */
SP_NODISCARD sp_status sp_segment_file_open(struct sp_segment_file *file, const char *dir,
                                            uint64_t first_seq, char path[SP_SEGMENT_PATH_SIZE],
                                            struct sp_err *err);
void sp_segment_file_close(struct sp_segment_file *file);
/* Like pread(2), of the segment's own bytes: fewer only at the end, or before damage; -1 and errno,
 * EBADMSG if what is compressed is damaged. */
ssize_t sp_segment_file_read(struct sp_segment_file *file, void *buf, size_t len_bytes,
                             uint64_t offset);
/* How many bytes there are now, with the blanks; it may grow. -1 and errno. */
int64_t sp_segment_file_size(const struct sp_segment_file *file);
/* Where the blanks at the end begin, which is the size if there are none; `from` if nothing else is
 * behind that. -1 and errno. */
int64_t sp_segment_file_end(struct sp_segment_file *file, uint64_t from);
/* The length of a text without the blanks at its end. */
size_t sp_segment_unblanked(const char *text, size_t len_bytes);

#endif
