/* A compressed segment, 00000000000000000042.jsonl.zst, is a zstd file in the seekable format: any
 * zstd reads all of it, and we read a part. Numbers are little-endian.
 *
 *   blocks  a zstd frame for every 131072 bytes of the segment, the last one for what is left
 *   facts   a skippable frame: 0x184D2A50, 40 (32 bits each); "spoorseg"; format 1, bytes of a
 *           block (131072); first sequence, bytes of the segment (64 bits each); c of the SEAL
 *           line, CRC-32C of the 36 bytes before (32 each)
 *   table   a skippable frame: 0x184D2A5E, its bytes (32 bits each); for every block the bytes of
 *           its frame and the bytes that are in it (32 each); then the number of blocks (32), a
 *           zero byte, 0x8F92EAB1 (32): the file's end
 *
 * What a block says needs no checksum here: the lines in it have theirs.
 */
#include "common/journal/segment_zip.h"

#include "common/planted_bug.h"
#include "common/zip.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_BYTES    131072
#define FORMAT         1
#define MAGIC_FACTS    0x184D2A50u
#define MAGIC_TABLE    0x184D2A5Eu
#define MAGIC_SEEKABLE 0x8F92EAB1u
#define FACTS_BYTES    48 /* with the eight of a skippable frame's head */
#define ENTRY_BYTES    8
#define FRAME_HEAD     8
#define FOOT_BYTES     9
#define NO_BLOCK       UINT32_MAX
#define BLOCKS_MAX     (UINT32_C(1) << 24) /* 2 TiB */

struct sp_segment_zip {
    int fd;
    struct sp_segment_zip_facts facts;
    uint32_t block_count, block; /* which one is in `plain`; NO_BLOCK */
    uint64_t *begin;             /* of each block's frame; one more for the end */
    struct sp_zip *zip;
    char *frame, *plain;
    size_t plain_len;
};

static uint32_t get32(const uint8_t *at)
{
    uint32_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static uint64_t get64(const uint8_t *at)
{
    uint64_t value;

    memcpy(&value, at, sizeof value);
    return value;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

static uint8_t *put64(uint8_t *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
    return at + sizeof value;
}

/* Everything that is there, up to len_bytes; -1 and errno. */
static ssize_t read_at(int fd, void *buf, size_t len_bytes, uint64_t offset)
{
    char *at = buf;
    size_t got = 0;

    while (got < len_bytes) {
        ssize_t n = pread(fd, at + got, len_bytes - got, (off_t)(offset + got));
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        got += (size_t)n;
    }
    return (ssize_t)got;
}

/* ---- Opening ---- */

/* How long the block is that is in a frame. */
static size_t block_len(const struct sp_segment_zip_facts *facts, uint32_t block)
{
    uint64_t left = facts->plain_bytes - (uint64_t)block * BLOCK_BYTES;

    return left < BLOCK_BYTES ? (size_t)left : BLOCK_BYTES;
}

static bool parse_facts(const uint8_t *at, struct sp_segment_zip_facts *out)
{
    if (get32(at) != MAGIC_FACTS || get32(at + 4) != FACTS_BYTES - FRAME_HEAD) return false;
    if (memcmp(at + 8, "spoorseg", 8) != 0) return false;
    if (get32(at + 16) != FORMAT || get32(at + 20) != BLOCK_BYTES) return false;
    if (get32(at + 44) != sp_crc32c(0, at + 8, 36)) return false;
    *out = (struct sp_segment_zip_facts){.first_seq = get64(at + 24),
                                         .plain_bytes = get64(at + 32),
                                         .seal_crc = get32(at + 40)};
    return true;
}

/* The table as it lies before the foot, with the facts before it; both end at table_end. */
static bool parse_table(struct sp_segment_zip *zip, const uint8_t *text, uint64_t file_bytes)
{
    const uint8_t *table = text + FACTS_BYTES;
    uint32_t count = zip->block_count;
    uint64_t tail_bytes = FACTS_BYTES + FRAME_HEAD + (uint64_t)count * ENTRY_BYTES + FOOT_BYTES;
    uint64_t at = 0;

    if (get32(table) != MAGIC_TABLE) return false;
    if (get32(table + 4) != (uint64_t)count * ENTRY_BYTES + FOOT_BYTES) return false;
    if (!parse_facts(text, &zip->facts)) return false;
    if (zip->facts.plain_bytes == 0 || zip->facts.plain_bytes > (uint64_t)count * BLOCK_BYTES ||
        zip->facts.plain_bytes <= (uint64_t)(count - 1) * BLOCK_BYTES)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *entry = table + FRAME_HEAD + (size_t)i * ENTRY_BYTES;
        if (get32(entry) > sp_zip_bound(BLOCK_BYTES)) return false;
        if (get32(entry + 4) != block_len(&zip->facts, i)) return false;
        zip->begin[i] = at;
        at += get32(entry);
    }
    zip->begin[count] = at;
    return at + tail_bytes == file_bytes;
}

static sp_status damaged(struct sp_err *err)
{
    return SP_FAIL(err, SP_CORRUPT, "a compressed segment is damaged or of another format");
}

static sp_status read_table(struct sp_segment_zip *zip, struct sp_err *err)
{
    struct stat st;
    uint8_t foot[FOOT_BYTES];

    if (fstat(zip->fd, &st) != 0)
        return SP_FAIL(err, SP_IO, "cannot read a compressed segment: %s", strerror(errno));
    uint64_t size = (uint64_t)st.st_size;
    if (size < FACTS_BYTES + FRAME_HEAD + ENTRY_BYTES + FOOT_BYTES) return damaged(err);
    if (read_at(zip->fd, foot, sizeof foot, size - sizeof foot) != (ssize_t)sizeof foot)
        return damaged(err);
    zip->block_count = get32(foot);
    if (foot[4] != 0 || get32(foot + 5) != MAGIC_SEEKABLE) return damaged(err);
    if (zip->block_count == 0 || zip->block_count > BLOCKS_MAX) return damaged(err);
    size_t tail = FACTS_BYTES + FRAME_HEAD + (size_t)zip->block_count * ENTRY_BYTES + FOOT_BYTES;
    if (tail > size) return damaged(err);
    uint8_t *text = malloc(tail);
    zip->begin = calloc((size_t)zip->block_count + 1, sizeof *zip->begin);
    sp_status status = SP_OK;
    if (text == NULL || zip->begin == NULL) {
        status = SP_FAIL(err, SP_NO_MEMORY, "no memory to read a compressed segment");
    } else if (read_at(zip->fd, text, tail, size - tail) != (ssize_t)tail ||
               !parse_table(zip, text, size)) {
        status = damaged(err);
    }
    free(text);
    return status;
}

sp_status sp_segment_zip_open(int fd, struct sp_segment_zip **out, struct sp_err *err)
{
    struct sp_segment_zip *zip = calloc(1, sizeof *zip);

    if (zip == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read a compressed segment");
    zip->fd = fd;
    zip->block = NO_BLOCK;
    sp_status status = read_table(zip, err);
    if (status == SP_OK) status = sp_zip_open(&zip->zip, err);
    if (status == SP_OK) {
        zip->frame = malloc(sp_zip_bound(BLOCK_BYTES));
        zip->plain = malloc(BLOCK_BYTES);
        if (zip->frame == NULL || zip->plain == NULL)
            status = SP_FAIL(err, SP_NO_MEMORY, "no memory to read a compressed segment");
    }
    if (status != SP_OK) {
        zip->fd = -1; /* still the caller's */
        sp_segment_zip_close(zip);
        return status;
    }
    *out = zip;
    return SP_OK;
}

void sp_segment_zip_close(struct sp_segment_zip *zip)
{
    if (zip == NULL) return;
    if (zip->fd >= 0) close(zip->fd);
    sp_zip_close(zip->zip);
    free(zip->begin);
    free(zip->frame);
    free(zip->plain);
    free(zip);
}

struct sp_segment_zip_facts sp_segment_zip_facts(const struct sp_segment_zip *zip)
{
    return zip->facts;
}

/* ---- Reading ---- */

static bool load_block(struct sp_segment_zip *zip, uint32_t block)
{
    size_t bytes = (size_t)(zip->begin[block + 1] - zip->begin[block]), len = 0;

    if (zip->block == block) return true;
    zip->block = NO_BLOCK;
    ssize_t n = read_at(zip->fd, zip->frame, bytes, zip->begin[block]);
    if (n < 0) return false;
    if (n != (ssize_t)bytes ||
        sp_zip_unpack(zip->zip, zip->frame, bytes, zip->plain, BLOCK_BYTES, &len) != SP_OK ||
        len != block_len(&zip->facts, block)) {
        errno = EBADMSG;
        return false;
    }
    zip->block = block;
    zip->plain_len = len;
    return true;
}

ssize_t sp_segment_zip_read(struct sp_segment_zip *zip, void *buf, size_t len_bytes,
                            uint64_t offset)
{
    char *at = buf;
    size_t got = 0;

    while (got < len_bytes && offset + got < zip->facts.plain_bytes) {
        size_t in_block = (size_t)((offset + got) % BLOCK_BYTES);
        if (!load_block(zip, (uint32_t)((offset + got) / BLOCK_BYTES)))
            return got > 0 ? (ssize_t)got : -1;
        size_t have = zip->plain_len - in_block, want = len_bytes - got;
        if (have > want) have = want;
        memcpy(at + got, zip->plain + in_block, have);
        got += have;
    }
    return (ssize_t)got;
}

/* ---- Making ---- */

struct maker {
    const struct sp_file_port *port;
    struct sp_segment_zip_facts facts;
    int plain, fd;
    struct sp_zip *zip;
    char *block, *frame;
    uint8_t *tail; /* facts and table */
    uint32_t block_count;
};

static sp_status write_blocks(struct maker *m, struct sp_err *err)
{
    uint8_t *entry = m->tail + FACTS_BYTES + FRAME_HEAD;

    for (uint32_t i = 0; i < m->block_count; i++) {
        size_t len = block_len(&m->facts, i), bytes = 0;
        if (read_at(m->plain, m->block, len, (uint64_t)i * BLOCK_BYTES) != (ssize_t)len)
            return SP_FAIL(err, SP_IO, "cannot read a segment to compress it");
        if (sp_zip_pack(m->zip, m->block, len, m->frame, &bytes) != SP_OK)
            return SP_FAIL(err, SP_NO_MEMORY, "no memory to compress a segment");
        sp_status status = sp_file_write_all(m->port, m->fd, m->frame, bytes, err);
        if (status != SP_OK) return status;
        entry = put32(entry, (uint32_t)bytes);
        entry = put32(entry, (uint32_t)len);
    }
    return SP_OK;
}

static sp_status write_tail(struct maker *m, struct sp_err *err)
{
    uint8_t *at = m->tail;
    size_t table_bytes = (size_t)m->block_count * ENTRY_BYTES + FOOT_BYTES;

    at = put32(at, MAGIC_FACTS);
    at = put32(at, FACTS_BYTES - FRAME_HEAD);
    memcpy(at, "spoorseg", 8);
    at = put32(at + 8, FORMAT);
    at = put32(at, BLOCK_BYTES);
    at = put64(at, m->facts.first_seq);
    at = put64(at, m->facts.plain_bytes);
    at = put32(at, m->facts.seal_crc);
    at = put32(at, sp_crc32c(0, m->tail + 8, 36));
    at = put32(at, MAGIC_TABLE);
    at = put32(at, (uint32_t)table_bytes);
    at += (size_t)m->block_count * ENTRY_BYTES;
    at = put32(at, m->block_count);
    *at++ = 0;
    put32(at, MAGIC_SEEKABLE);
    return sp_file_write_all(m->port, m->fd, m->tail, FACTS_BYTES + FRAME_HEAD + table_bytes, err);
}

/* What was written says what the segment says, byte for byte. */
static sp_status compare(struct maker *m, const char *path, struct sp_err *err)
{
    struct sp_segment_zip *made = NULL;
    sp_status status = SP_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0) return SP_FAIL(err, SP_IO, "cannot read %s: %s", path, strerror(errno));
    status = sp_segment_zip_open(fd, &made, err);
    if (status != SP_OK) {
        close(fd);
        return status;
    }
    for (uint32_t i = 0; i < m->block_count && status == SP_OK; i++) {
        size_t len = block_len(&m->facts, i);
        uint64_t at = (uint64_t)i * BLOCK_BYTES;
        if (read_at(m->plain, m->block, len, at) != (ssize_t)len ||
            sp_segment_zip_read(made, m->frame, len, at) != (ssize_t)len ||
            memcmp(m->block, m->frame, len) != 0)
            status = SP_FAIL(err, SP_CORRUPT, "%s did not read back as it was written", path);
    }
    sp_segment_zip_close(made);
    return status;
}

static sp_status allocate(struct maker *m, struct sp_err *err)
{
    uint64_t blocks = (m->facts.plain_bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;

    if (blocks == 0 || blocks > BLOCKS_MAX)
        return SP_FAIL(err, SP_TOO_LONG, "a segment of %" PRIu64 " bytes is not compressed",
                       m->facts.plain_bytes);
    m->block_count = (uint32_t)blocks;
    m->block = malloc(BLOCK_BYTES);
    m->frame = malloc(sp_zip_bound(BLOCK_BYTES));
    m->tail = calloc(1, FACTS_BYTES + FRAME_HEAD + (size_t)blocks * ENTRY_BYTES + FOOT_BYTES);
    if (m->block == NULL || m->frame == NULL || m->tail == NULL)
        return SP_FAIL(err, SP_NO_MEMORY, "no memory to compress a segment");
    return sp_zip_open(&m->zip, err);
}

static sp_status make(struct maker *m, const char *path, struct sp_err *err)
{
    sp_status status = allocate(m, err);

    if (status != SP_OK) return status;
    m->fd = m->port->open(m->port->self, path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (m->fd < 0) return SP_FAIL(err, SP_STORAGE, "cannot create %s: %s", path, strerror(errno));
    status = write_blocks(m, err);
    if (status == SP_OK) status = write_tail(m, err);
    if (status == SP_OK && !SP_BUG(zip_no_sync) && m->port->sync(m->port->self, m->fd) != 0)
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", path, strerror(errno));
    m->port->close(m->port->self, m->fd);
    return status == SP_OK ? compare(m, path, err) : status;
}

sp_status sp_segment_zip_make(const char *plain, const struct sp_segment_zip_facts *facts,
                              const char *path, const struct sp_file_port *port, struct sp_err *err)
{
    struct maker m = {.port = port, .facts = *facts, .fd = -1};

    m.plain = open(plain, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (m.plain < 0)
        return SP_FAIL(err, errno == ENOENT ? SP_NOT_FOUND : SP_IO, "cannot read %s: %s", plain,
                       strerror(errno));
    sp_status status = make(&m, path, err);
    close(m.plain);
    sp_zip_close(m.zip);
    free(m.block);
    free(m.frame);
    free(m.tail);
    return status;
}
