/* Compressed segments: reading any part of one without the rest, and making one.
 *
 * segment_zip.c opens with the format. One thread per reader. Any bytes are safe to read: what does
 * not hold is refused, and no more memory is used than for two blocks and a table that is smaller
 * than the file.
 */
#ifndef SP_COMMON_SEGMENT_ZIP_H
#define SP_COMMON_SEGMENT_ZIP_H

#include "common/journal/file.h"

#define SP_SEGMENT_ZIP_SUFFIX ".jsonl.zst"

struct sp_segment_zip;

/* What it says of its segment. */
struct sp_segment_zip_facts {
    uint64_t first_seq, plain_bytes;
    uint32_t seal_crc; /* the c of its last line */
};

/* Takes the open file fd on success. SP_CORRUPT, SP_IO, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_segment_zip_open(int fd, struct sp_segment_zip **out, struct sp_err *err);
void sp_segment_zip_close(struct sp_segment_zip *zip);
struct sp_segment_zip_facts sp_segment_zip_facts(const struct sp_segment_zip *zip);
/* Like pread(2) on what is compressed: fewer bytes at the end, or before damage; -1 and errno,
 * EBADMSG for damage. */
ssize_t sp_segment_zip_read(struct sp_segment_zip *zip, void *buf, size_t len_bytes,
                            uint64_t offset);

/* Compresses the file at `plain`, which does not change any more, into a file at `path`; syncs it;
 * reads it back and compares every byte. Does not sync the directory. SP_STORAGE, SP_IO;
 * SP_CORRUPT: it did not read back the same; SP_NO_MEMORY. Then there may be a file at `path`. */
SP_NODISCARD sp_status sp_segment_zip_make(const char *plain,
                                           const struct sp_segment_zip_facts *facts,
                                           const char *path, const struct sp_file_port *port,
                                           struct sp_err *err);

#endif
