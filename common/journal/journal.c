/* A journal is a directory of segments, 00000000000000000001.jsonl and so on, named by the sequence
 * of their first record. A segment is lines of JSON, each ended by a newline:
 *
 *   {"c":"xxxxxxxx","segment":{"format":1,...,"first_seq":1,"prev":"xxxxxxxx"}}   first line
 *   {"c":"xxxxxxxx","s":1,"e":7,"w":0,"m":0,"t":...,"k":...,"by":[],"in":"","b":{}}   records
 *   {"c":"xxxxxxxx","seal":{"epoch":7,"count":1000,"last_seq":1000}}              last line
 *
 * c  CRC-32C of the bytes behind the first 16 ({"c":"xxxxxxxx",) up to the newline, seeded with the
 *    c of the line before; the SEGMENT line's seed is its own "prev", the last c of the segment
 *    before it
 * s  sequence, without a gap; only records have one, SEGMENT and SEAL lines do not count
 * e  epoch, never going back        w  highest sequence known durable when the line was written
 * m  records still to come in this batch; a batch is one write and counts as a whole or not at all
 *
 * A SEAL is written when all records before it are durable, and the next segment is begun when the
 * SEAL is: so only the last segment can be torn. docs/journal.md has the rules of recovery.
 */
#include "common/journal/journal.h"

#include "common/clock.h"
#include "common/decider.h"
#include "common/journal/journal_keeper.h"
#include "common/journal/journal_ops.h"
#include "common/journal/journal_syncer.h"
#include "common/journal/journal_writer.h"
#include "common/journal/retention.h"
#include "common/planted_bug.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEGMENT_BYTES_DEFAULT (UINT64_C(16) * 1024 * 1024)
#define SYNC_EVERY_DEFAULT_NS (500 * SP_NS_PER_MS)
#define BUF_BYTES             (SP_BATCH_RECORDS_MAX * (SP_JSON_LINE_MAX + 1))
#define REWRITE_BYTES         4096
#define STARTED_MAX           3 /* records that the first batch of an epoch may have */
#define BLANKS_BYTES_DEFAULT  (UINT64_C(256) * 1024)

_Static_assert(SP_BATCH_RECORDS_MAX == SP_DECISION_RECORDS_MAX, "a decision is one batch");
_Static_assert(BLANKS_BYTES_DEFAULT <= BUF_BYTES, "blanks are written from the buffer");

struct sp_journal {
    struct sp_journal_base base;
    /* The owner's thread. */
    const struct sp_file_port *port;
    char dir[SP_SEGMENT_PATH_SIZE];
    struct sp_segment_head head; /* of the segment that is being written */
    char *buf;                   /* BUF_BYTES */
    uint64_t first_seq, next_seq;
    uint32_t epoch, crc;
    uint64_t segment_bytes, segment_bytes_max;
    uint64_t blank_end;    /* the file's length if blanks are behind segment_bytes; else less */
    uint64_t blanks_bytes; /* to write ahead, of which a quarter is few */
    bool sealed, blanks_refused;
    struct sp_keeper *keeper; /* NULL without a helper */
    struct sp_syncer syncer;
    sp_dur compress_after;
    /* Read by any thread. */
    _Atomic uint64_t records, bytes, segments;
};

static sp_status poison(struct sp_journal *journal, struct sp_err *err, const char *what)
{
    int saved_errno = errno;

    atomic_store(&journal->syncer.poisoned, true);
    errno = saved_errno;
    return SP_FAIL(err, SP_STORAGE, "journal %s: %s: %s", journal->dir, what,
                   saved_errno != 0 ? strerror(saved_errno) : "failed before");
}

static sp_status check_poison(const struct sp_journal *journal, struct sp_err *err)
{
    if (!atomic_load(&journal->syncer.poisoned)) return SP_OK;
    return SP_FAIL(err, SP_STORAGE, "journal %s failed before; nothing more is acknowledged",
                   journal->dir);
}

static sp_status start_helpers(struct sp_journal *journal, struct sp_err *err)
{
    struct sp_keeper_options keeper = {.dir = journal->dir,
                                       .port = journal->port,
                                       .compress_after = journal->compress_after};

    if (journal->syncer.every_ns < 0) return SP_OK;
    sp_status status = sp_syncer_start(&journal->syncer, err);
    return status == SP_OK ? sp_keeper_start(&keeper, &journal->keeper, err) : status;
}

static sp_status file_sync(struct sp_journal *journal, struct sp_err *err)
{
    sp_status status = check_poison(journal, err);

    if (status != SP_OK) return status;
    return sp_syncer_sync(&journal->syncer) ? SP_OK : poison(journal, err, "cannot sync");
}

/* Writes bytes that belong to no record, or to one that is not counted yet. */
static sp_status write_out(struct sp_journal *journal, const char *text, size_t len_bytes,
                           struct sp_err *err)
{
    sp_status status = sp_file_write_all(journal->port, journal->syncer.fd, text, len_bytes, err);
    if (status != SP_OK) return poison(journal, err, "cannot write");
    journal->segment_bytes += len_bytes;
    atomic_fetch_add(&journal->bytes, len_bytes);
    return SP_OK;
}

/* Writes the SEGMENT line into a file of another name, syncs, renames, syncs the directory: a
 * segment that can be seen has a sound first line. */
static sp_status begin_segment(struct sp_journal *journal, struct sp_err *err)
{
    const struct sp_file_port *port = journal->port;
    char path[SP_SEGMENT_PATH_SIZE], tmp[SP_SEGMENT_PATH_SIZE + 16], line[SP_SEGMENT_LINE_MAX];
    sp_status status = sp_segment_path(journal->dir, journal->next_seq, path, err);

    if (status != SP_OK) return status;
    journal->head.format = SP_SEGMENT_FORMAT;
    journal->head.epoch = journal->epoch;
    journal->head.first_seq = journal->next_seq;
    journal->head.prev_crc = journal->crc;
    size_t len = sp_segment_head_line(&journal->head, line, &journal->crc);
    snprintf(tmp, sizeof tmp, "%s/segment.tmp", journal->dir);
    int fd = port->open(port->self, tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0) return poison(journal, err, "cannot create a segment");
    sp_syncer_set_fd(&journal->syncer, fd);
    journal->segment_bytes = 0;
    journal->blank_end = 0;
    journal->sealed = journal->blanks_refused = false;
    status = write_out(journal, line, len, err);
    if (status != SP_OK) return status;
    if (!SP_BUG(segment_named_unsynced) && port->sync(port->self, fd) != 0) {
        return poison(journal, err, "cannot sync a new segment");
    }
    if (port->rename(port->self, tmp, path) != 0 ||
        (!SP_BUG(segment_no_dir_sync) && port->sync_dir(port->self, journal->dir) != 0)) {
        return poison(journal, err, "cannot name a new segment");
    }
    atomic_fetch_add(&journal->segments, 1);
    if (journal->keeper != NULL) sp_keeper_wake(journal->keeper);
    return SP_OK;
}

/* Opens the segment that recovery left, and makes durable what is seen of it, before anything is
 * built on it: its writer may have died between a write, or its rename, and the sync of that. What
 * may never have reached the disk is written again, because a sync that failed loses pages. */
static sp_status continue_segment(struct sp_journal *journal, const struct sp_recovered *from,
                                  struct sp_err *err)
{
    const struct sp_file_port *port = journal->port;
    char path[SP_SEGMENT_PATH_SIZE], buf[REWRITE_BYTES];
    uint64_t at = from->unsynced_at;
    sp_status status = sp_segment_path(journal->dir, from->segment_first_seq, path, err);

    if (status != SP_OK) return status;
    int fd = port->open(port->self, path, O_RDWR | O_NOFOLLOW, 0);
    if (fd < 0) return poison(journal, err, "cannot open the last segment");
    sp_syncer_set_fd(&journal->syncer, fd);
    while (at < from->segment_bytes && !SP_BUG(no_second_write)) {
        uint64_t left = from->segment_bytes - at;
        ssize_t n =
            port->pread(port->self, fd, buf, left < sizeof buf ? left : sizeof buf, (off_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0 || lseek(fd, (off_t)at, SEEK_SET) < 0) {
            return poison(journal, err, "cannot read the last segment");
        }
        status = sp_file_write_all(port, fd, buf, (size_t)n, err);
        if (status != SP_OK) return poison(journal, err, "cannot write");
        at += (uint64_t)n;
    }
    if (lseek(fd, (off_t)from->segment_bytes, SEEK_SET) < 0) {
        return poison(journal, err, "cannot seek in the last segment");
    }
    journal->head.first_seq = from->segment_first_seq;
    journal->segment_bytes = from->segment_bytes;
    journal->sealed = from->sealed;
    if (SP_BUG(no_sync_of_the_seen)) return SP_OK;
    if (port->sync(port->self, fd) != 0) return poison(journal, err, "cannot sync");
    if (port->sync_dir(port->self, journal->dir) != 0) {
        return poison(journal, err, "cannot sync the directory");
    }
    return SP_OK;
}

/* ---- Blanks ----
 *
 * A sync behind an append has to make the file's new length durable as well, and the blocks that
 * were found for it: with ext4 a commit of the file system's own journal. One of bytes that are
 * there already, and only change, has nothing of that to do, and takes two thirds of the time. */

static bool file_is_short(const struct sp_journal *journal)
{
    if (journal->sealed || journal->blanks_refused) return false;
    if (atomic_load(&journal->syncer.poisoned)) return false;
    return journal->blank_end < journal->segment_bytes + journal->blanks_bytes / 4;
}

/* Writes them from the end of the file on. SP_OK also if the disk has no room for all. */
static sp_status write_blanks(struct sp_journal *journal, struct sp_err *err)
{
    const struct sp_file_port *port = journal->port;
    uint64_t end = journal->segment_bytes + journal->blanks_bytes, at = journal->blank_end;
    int fd = journal->syncer.fd;

    if (at < journal->segment_bytes) at = journal->segment_bytes;
    if (lseek(fd, (off_t)at, SEEK_SET) < 0) return poison(journal, err, "cannot seek");
    memset(journal->buf, SP_SEGMENT_BLANK, journal->blanks_bytes);
    while (at < end) {
        ssize_t n = port->write(port->self, fd, journal->buf, (size_t)(end - at));
        if (n < 0 && errno == EINTR) continue;
        journal->blanks_refused = n < 0 && (errno == ENOSPC || errno == EDQUOT);
        if (journal->blanks_refused) break;
        if (n <= 0) return poison(journal, err, "cannot write ahead");
        at += (uint64_t)n;
    }
    journal->blank_end = at;
    if (SP_BUG(behind_the_blanks)) return SP_OK;
    if (lseek(fd, (off_t)journal->segment_bytes, SEEK_SET) < 0)
        return poison(journal, err, "cannot seek");
    return SP_OK;
}

static sp_status file_prepare(struct sp_journal *journal, struct sp_err *err)
{
    sp_status status = check_poison(journal, err);

    if (status != SP_OK || !file_is_short(journal)) return status;
    status = write_blanks(journal, err);
    if (status != SP_OK) return status;
    if (!sp_syncer_sync_bytes(&journal->syncer)) return poison(journal, err, "cannot sync ahead");
    return SP_OK;
}

/* Nothing is behind a SEAL. Everything is durable, so nobody else syncs. */
static sp_status cut_blanks(struct sp_journal *journal, struct sp_err *err)
{
    const struct sp_file_port *port = journal->port;
    int fd = journal->syncer.fd;

    if (journal->blank_end <= journal->segment_bytes || SP_BUG(seal_before_blanks)) return SP_OK;
    if (port->truncate(port->self, fd, (off_t)journal->segment_bytes) != 0 ||
        port->sync(port->self, fd) != 0) {
        return poison(journal, err, "cannot cut off what was written ahead");
    }
    journal->blank_end = 0;
    return SP_OK;
}

static sp_status file_seal(struct sp_journal *journal, struct sp_err *err)
{
    char line[SP_SEGMENT_LINE_MAX];
    struct sp_segment_seal seal = {.epoch = journal->epoch,
                                   .count = journal->next_seq - journal->head.first_seq,
                                   .last_seq = journal->next_seq - 1};
    sp_status status = SP_BUG(seal_before_sync) ? SP_OK : file_sync(journal, err);

    if (status != SP_OK || journal->sealed) return status;
    SP_ASSERT(seal.count > 0);
    status = cut_blanks(journal, err);
    if (status != SP_OK) return status;
    size_t len = sp_segment_seal_line(&seal, journal->crc, line, &journal->crc);
    status = write_out(journal, line, len, err);
    if (status != SP_OK) return status;
    journal->sealed = true;
    if (!sp_syncer_sync_bytes(&journal->syncer)) return poison(journal, err, "cannot sync a seal");
    return SP_OK;
}

/* Rotates before the batch, so that the CRCs of its lines follow the right line. */
static sp_status make_room(struct sp_journal *journal, struct sp_err *err)
{
    if (!journal->sealed && journal->segment_bytes < journal->segment_bytes_max) return SP_OK;
    if (!journal->sealed) {
        sp_status status = file_seal(journal, err);
        if (status != SP_OK) return status;
    }
    return begin_segment(journal, err);
}

static sp_status file_append(struct sp_journal *journal, const struct sp_record *records,
                             uint32_t count, struct sp_err *err)
{
    size_t used = 0;
    sp_status status = check_poison(journal, err);

    SP_ASSERT(count > 0);
    SP_ASSERT(count <= SP_BATCH_RECORDS_MAX);
    if (status == SP_OK) status = make_room(journal, err);
    if (status != SP_OK) return status;

    uint32_t crc = journal->crc;
    struct sp_line_meta meta = {.durable_seq = atomic_load(&journal->syncer.durable_seq)};
    for (uint32_t i = 0; i < count; i++) {
        size_t len = 0;
        sp_journal_check_ours(&records[i], &journal->head.stream, journal->epoch,
                              journal->next_seq + i, i + 1 == count);
        meta.batch_left = SP_BUG(skip_batch_marker) ? 0 : count - 1 - i;
        status =
            sp_json_encode_line(&records[i], &meta, journal->buf + used, SP_JSON_LINE_MAX, &len);
        SP_ASSERT(status == SP_OK);
        crc = sp_line_stamp(journal->buf + used, len, crc);
        used += len;
        journal->buf[used++] = '\n';
    }
    SP_ASSERT(used <= BUF_BYTES);
    status = write_out(journal, journal->buf, used, err);
    if (status != SP_OK) return status;
    journal->crc = crc;
    journal->next_seq += count;
    atomic_fetch_add(&journal->records, count);
    atomic_store(&journal->syncer.written_seq, journal->next_seq - 1);
    return SP_OK;
}

sp_status sp_journal_delete_before(struct sp_journal *journal, uint64_t first_kept,
                                   struct sp_err *err)
{
    SP_ASSERT(atomic_load(&journal->syncer.durable_seq) == journal->next_seq - 1);
    if (journal->keeper != NULL) sp_keeper_hold(journal->keeper);
    sp_status status = sp_retention_delete(journal->dir, first_kept, journal->port, err);
    if (journal->keeper != NULL) sp_keeper_release(journal->keeper);
    if (status == SP_OK && first_kept > journal->first_seq) journal->first_seq = first_kept;
    return status;
}

static sp_status append_started(struct sp_journal *journal,
                                const struct sp_journal_options *options,
                                const struct sp_recovered *from, struct sp_err *err)
{
    struct sp_record *records = calloc(STARTED_MAX, sizeof *records);
    uint32_t count = 1;

    if (records == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the journal");
    records[0].kind = SP_REC_STREAM_STARTED;
    records[0].body.stream_started = (struct sp_stream_started){
        .first_seq = journal->next_seq,
        .boot_id = sp_name_is_empty(&options->boot_id) ? sp_clock_boot_id() : options->boot_id,
        .build = journal->head.build,
        .world = journal->head.world};
    if (from->torn_bytes > 0) {
        records[count].kind = SP_REC_JOURNAL_TRUNCATED;
        records[count++].body.journal_truncated =
            (struct sp_journal_truncated){.first_seq = from->next_seq,
                                          .bytes = from->torn_bytes,
                                          .kept_in = from->torn_kept_in};
    }
    if (from->begin_accepted) {
        records[count].kind = SP_REC_JOURNAL_TRIMMED;
        records[count++].body.journal_trimmed =
            (struct sp_journal_trimmed){.first_seq = from->first_seq,
                                        .limited_by = sp_name_of("repair")};
    }
    for (uint32_t i = 0; i < count; i++) {
        records[i].stream = options->stream;
        records[i].epoch = options->epoch;
        records[i].seq = journal->next_seq + i;
        records[i].time = options->start_time.ns != 0 ? options->start_time : sp_clock_wall();
    }
    sp_status status = file_append(journal, records, count, err);
    free(records);
    return status == SP_OK ? file_sync(journal, err) : status;
}

static sp_status set_names(struct sp_journal *journal, const struct sp_journal_options *options,
                           struct sp_err *err)
{
    const char *world = options->world != NULL ? options->world : "";
    const char *build = options->build != NULL ? options->build : SPOOR_BUILD;

    journal->head.stream = options->stream;
    if (sp_name_is_empty(&options->stream) || options->installation[0] == '\0' ||
        !sp_name_set(&journal->head.installation, options->installation) ||
        !sp_name_set(&journal->head.world, world) || !sp_name_set(&journal->head.build, build)) {
        return SP_FAIL(err, SP_INVALID,
                       "journal %s: stream, installation, world and build must be names",
                       options->dir);
    }
    return SP_OK;
}

static struct sp_journal *allocate(const struct sp_journal_options *options)
{
    struct sp_journal *journal = calloc(1, sizeof *journal);

    if (journal == NULL) return NULL;
    journal->buf = malloc(BUF_BYTES);
    if (journal->buf == NULL) {
        free(journal);
        return NULL;
    }
    journal->port = options->port;
    journal->epoch = options->epoch;
    journal->segment_bytes_max =
        options->segment_bytes != 0 ? options->segment_bytes : SEGMENT_BYTES_DEFAULT;
    journal->compress_after = options->compress_after;
    journal->blanks_bytes =
        options->blanks_bytes != 0 ? options->blanks_bytes : BLANKS_BYTES_DEFAULT;
    SP_ASSERT(journal->blanks_bytes <= BUF_BYTES);
    snprintf(journal->dir, sizeof journal->dir, "%s", options->dir);
    sp_syncer_init(&journal->syncer, options->port,
                   options->sync_every.ns != 0 ? options->sync_every.ns : SYNC_EVERY_DEFAULT_NS);
    return journal;
}

/* Files that a writer before us was making when it died; nobody reads them. */
static sp_status remove_unfinished(const struct sp_journal *journal, struct sp_err *err)
{
    static const char *const names[] = {"segment.tmp", "index.tmp", "zip.tmp"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[SP_SEGMENT_PATH_SIZE + 16];
        snprintf(path, sizeof path, "%s/%s", journal->dir, names[i]);
        if (access(path, F_OK) != 0 && errno == ENOENT) continue;
        if (journal->port->unlink(journal->port->self, path) == 0 || errno == ENOENT) continue;
        return SP_FAIL(err, SP_STORAGE, "cannot remove %s: %s", path, strerror(errno));
    }
    return SP_OK;
}

static sp_status open_recovered(struct sp_journal *journal,
                                const struct sp_journal_options *options, struct sp_err *err)
{
    struct sp_recovered from = {0};
    sp_status status = set_names(journal, options, err);

    if (status == SP_OK) status = sp_file_make_dirs(options->port, options->dir, err);
    if (status == SP_OK) status = sp_journal_recover(options, &from, err);
    if (status == SP_OK) status = remove_unfinished(journal, err);
    if (status != SP_OK) return status;
    journal->first_seq = from.first_seq;
    journal->next_seq = from.next_seq;
    if (SP_BUG(sequence_reused) && from.next_seq > 1) journal->next_seq--;
    journal->crc = from.crc;
    atomic_store(&journal->syncer.written_seq, from.next_seq - 1);
    atomic_store(&journal->syncer.durable_seq, from.durable_seq);
    atomic_store(&journal->segments, from.segments);
    if (from.segment_first_seq != 0) status = continue_segment(journal, &from, err);
    /* What was recovered is durable before anything is added, and the first new record says so in
     * its "w": from then on a bad line among the old ones is damage, not a torn tail. */
    if (status == SP_OK) atomic_store(&journal->syncer.durable_seq, from.next_seq - 1);
    if (status == SP_OK && (from.segment_first_seq == 0 || from.sealed)) {
        status = begin_segment(journal, err);
    }
    /* A trim whose writer died before all of its files were deleted. */
    if (status == SP_OK && from.trim.first_kept > from.first_seq && !from.trim.by_repair)
        status = sp_journal_delete_before(journal, from.trim.first_kept, err);
    if (status == SP_OK) status = append_started(journal, options, &from, err);
    if (status == SP_OK) status = start_helpers(journal, err);
    return status;
}

static void file_close(struct sp_journal *journal)
{
    sp_keeper_stop(journal->keeper);
    sp_syncer_stop(&journal->syncer);
    /* Nobody is left to be told; what was acknowledged is durable already. */
    SP_IGNORE(file_sync(journal, NULL));
    sp_syncer_destroy(&journal->syncer);
    free(journal->buf);
    free(journal);
}

static uint64_t file_next_seq(const struct sp_journal *journal)
{
    return journal->next_seq;
}
static uint64_t file_first_seq(const struct sp_journal *journal)
{
    return journal->first_seq;
}
static uint64_t file_durable_seq(const struct sp_journal *journal)
{
    return atomic_load(&journal->syncer.durable_seq);
}

static sp_status file_health(const struct sp_journal *journal)
{
    return atomic_load(&journal->syncer.poisoned) ? SP_STORAGE : SP_OK;
}

static struct sp_journal_stats file_stats(const struct sp_journal *journal)
{
    struct sp_keeper_done kept = {0};

    if (journal->keeper != NULL) kept = sp_keeper_done(journal->keeper);
    return (struct sp_journal_stats){.records = atomic_load(&journal->records),
                                     .bytes = atomic_load(&journal->bytes),
                                     .syncs = atomic_load(&journal->syncer.syncs),
                                     .segments = atomic_load(&journal->segments),
                                     .sync_ns_max = atomic_load(&journal->syncer.sync_ns_max),
                                     .indexed = kept.indexed,
                                     .compressed = kept.compressed,
                                     .keep_failed = kept.failed};
}

static void file_hold(struct sp_journal *journal)
{
    if (journal->keeper != NULL) sp_keeper_hold(journal->keeper);
}

static void file_release(struct sp_journal *journal)
{
    if (journal->keeper != NULL) sp_keeper_release(journal->keeper);
}

static sp_status file_read(const struct sp_journal *journal, uint64_t first_seq,
                           struct sp_journal_reader **out, struct sp_err *err)
{
    return sp_journal_reader_open(journal->dir, &journal->head.stream, first_seq, out, err);
}

static const struct sp_journal_ops file_ops = {.append = file_append,
                                               .sync = file_sync,
                                               .is_short = file_is_short,
                                               .prepare = file_prepare,
                                               .seal = file_seal,
                                               .read = file_read,
                                               .next_seq = file_next_seq,
                                               .first_seq = file_first_seq,
                                               .durable_seq = file_durable_seq,
                                               .health = file_health,
                                               .stats = file_stats,
                                               .hold_segments = file_hold,
                                               .release_segments = file_release,
                                               .close = file_close};

sp_status sp_journal_open(const struct sp_journal_options *options, struct sp_journal **out,
                          struct sp_err *err)
{
    struct sp_journal_options given = *options;
    char path[SP_SEGMENT_PATH_SIZE];

    SP_ASSERT(options->epoch > 0);
    SP_ASSERT(options->installation != NULL);
    if (given.port == NULL) given.port = sp_file_port_real();
    sp_status status = sp_segment_path(given.dir, 0, path, err);
    if (status != SP_OK) return status;
    struct sp_journal *journal = allocate(&given);
    if (journal == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the journal");
    journal->base.ops = &file_ops;
    status = open_recovered(journal, &given, err);
    if (status != SP_OK) {
        atomic_store(&journal->syncer.poisoned, true);
        file_close(journal);
        return status;
    }
    *out = journal;
    return SP_OK;
}
