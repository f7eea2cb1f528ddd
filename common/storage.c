#include "common/storage.h"

#include "common/config/units.h"
#include "common/log.h"

#include <errno.h>
#include <string.h>
#include <sys/statvfs.h>

#define SPARE_PART 4 /* a level is left this part of its limit above it */

static int real_read(void *self, const char *dir, struct sp_disk_room *out)
{
    struct statvfs fs;

    (void)self;
    if (statvfs(dir, &fs) != 0) return -1;
    *out = (struct sp_disk_room){.free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize,
                                 .total_bytes = (uint64_t)fs.f_blocks * fs.f_frsize};
    return 0;
}

static const struct sp_disk_port real_port = {.read = real_read};

const struct sp_disk_port *sp_disk_port_real(void)
{
    return &real_port;
}

const char *sp_disk_level_name(enum sp_disk_level level)
{
    static const char *const names[] =
        {[SP_DISK_AMPLE] = "ample", [SP_DISK_LOW] = "low", [SP_DISK_RESERVE] = "reserve"};

    SP_ASSERT((size_t)level < sizeof names / sizeof *names);
    return names[level];
}

uint64_t sp_disk_warn_below(const struct sp_disk_limits *limits, const struct sp_disk_room *space)
{
    unsigned __int128 part = (unsigned __int128)space->total_bytes * (uint64_t)limits->warn_part.e8;
    uint64_t bytes = (uint64_t)(part / SP_FX_ONE);

    return bytes > limits->warn_bytes ? bytes : limits->warn_bytes;
}

static bool is_below(uint64_t free_bytes, uint64_t limit, bool before)
{
    return free_bytes < (before ? limit + limit / SPARE_PART : limit);
}

enum sp_disk_level sp_disk_judge(const struct sp_disk_limits *limits,
                                 const struct sp_disk_room *space, enum sp_disk_level before)
{
    uint64_t warn = sp_disk_warn_below(limits, space);

    if (is_below(space->free_bytes, limits->reserve_bytes, before == SP_DISK_RESERVE))
        return SP_DISK_RESERVE;
    return is_below(space->free_bytes, warn, before != SP_DISK_AMPLE) ? SP_DISK_LOW : SP_DISK_AMPLE;
}

void sp_storage_init(struct sp_storage *storage, const struct sp_storage_options *options)
{
    struct sp_metrics *m = options->metrics;

    *storage = (struct sp_storage){.options = *options};
    if (storage->options.disk == NULL) storage->options.disk = sp_disk_port_real();
    if (m == NULL) return;
    storage->metrics.free =
        sp_metrics_gauge(m, "spoor_disk_free_bytes", "", "free where the data is");
    storage->metrics.level =
        sp_metrics_gauge(m, "spoor_disk_level", "", "0 ample, 1 low, 2 within the reserve");
    storage->metrics.ballast =
        sp_metrics_gauge(m, "spoor_disk_ballast", "", "1 while the ballast is in place");
    storage->metrics.scrub_bytes =
        sp_metrics_gauge(m, "spoor_scrub_bytes", "", "of old journal files read for damage");
    storage->metrics.scrub_passes =
        sp_metrics_gauge(m, "spoor_scrub_passes", "", "times all of them were read");
    storage->metrics.scrub_damaged =
        sp_metrics_gauge(m, "spoor_scrub_damaged", "", "journal files found damaged");
}

static void tell(const struct sp_storage *storage, enum sp_disk_level before)
{
    bool worse = storage->level > before;

    char left[SP_BYTES_TEXT_SIZE];

    sp_log(storage->level == SP_DISK_AMPLE              ? SP_LOG_INFO
           : worse && storage->level == SP_DISK_RESERVE ? SP_LOG_ERROR
                                                        : SP_LOG_WARN,
           "disk_space", "level=%s free=%s dir=\"%s\" next=\"%s\"",
           sp_disk_level_name(storage->level), sp_units_bytes_about(storage->room.free_bytes, left),
           storage->options.dir,
           storage->level == SP_DISK_RESERVE ? "reduce only until space is freed"
           : storage->level == SP_DISK_LOW   ? "free some space soon"
                                             : "none");
}

/* The ballast is only asked back where the file system has twice its size to spare beside the
 * reserve. */
static void tend_ballast(struct sp_storage *storage)
{
    struct sp_ballast *ballast = storage->options.ballast;
    struct sp_err err = {0};

    if (ballast->given_up != storage->given_up) {
        storage->given_up = ballast->given_up;
        sp_log(SP_LOG_ERROR, "ballast_given_up",
               "dir=\"%s\" next=\"the disk was full: reduce only until there is space again\"",
               storage->options.dir);
    }
    if (ballast->held || ballast->bytes == 0) return;
    if (storage->level == SP_DISK_RESERVE || storage->room.free_bytes < 2 * ballast->bytes) return;
    if (sp_ballast_make(ballast, &err) != SP_OK) sp_log_err(SP_LOG_WARN, "no_ballast", &err);
}

/* Damage is news once; nothing is repaired and nothing is stopped by it. */
static void ask_scrub(struct sp_storage *storage)
{
    uint32_t before = storage->scrubbed.damaged;

    storage->scrubbed = sp_scrub_report(storage->scrub);
    if (storage->scrubbed.damaged > before)
        sp_log(SP_LOG_ERROR, "journal_damaged",
               "segments=%u why=\"%s\" next=\"restore it from a backup while the service is down; "
               "trading goes on\"",
               storage->scrubbed.damaged, storage->scrubbed.why.s);
    if (storage->metrics.free == NULL) return;
    sp_metric_set(storage->metrics.scrub_bytes, (int64_t)storage->scrubbed.bytes);
    sp_metric_set(storage->metrics.scrub_passes, storage->scrubbed.passes);
    sp_metric_set(storage->metrics.scrub_damaged, storage->scrubbed.damaged);
}

void sp_storage_check(struct sp_storage *storage)
{
    const struct sp_disk_port *disk = storage->options.disk;
    const struct sp_ballast *ballast = storage->options.ballast;
    enum sp_disk_level before = storage->level;
    struct sp_disk_room space;

    storage->checks++;
    if (storage->scrub != NULL) ask_scrub(storage);
    if (disk->read(disk->self, storage->options.dir, &space) == 0) {
        storage->room = space;
        storage->level = sp_disk_judge(&storage->options.limits, &space, before);
    }
    if (ballast != NULL) {
        tend_ballast(storage);
        bool missing = ballast->bytes > 0 && !ballast->held && ballast->given_up > 0;
        if (missing) storage->level = SP_DISK_RESERVE;
    }
    if (storage->level != before) tell(storage, before);
    if (storage->metrics.free == NULL) return;
    sp_metric_set(storage->metrics.free, (int64_t)storage->room.free_bytes);
    sp_metric_set(storage->metrics.level, (int64_t)storage->level);
    sp_metric_set(storage->metrics.ballast, ballast != NULL && ballast->held);
}

void sp_storage_poll(struct sp_storage *storage)
{
    const struct sp_ballast *ballast = storage->options.ballast;

    if (ballast != NULL && ballast->given_up != storage->given_up) sp_storage_check(storage);
}

void sp_storage_say(const struct sp_storage *storage, sp_text *out)
{
    const struct sp_disk_limits *limits = &storage->options.limits;
    char left[SP_BYTES_TEXT_SIZE], limit[SP_BYTES_TEXT_SIZE];

    *out = (sp_text){{0}};
    if (storage->scrubbed.damaged > 0 && storage->level != SP_DISK_RESERVE) {
        sp_text_printf(out, "journal damaged: %s", storage->scrubbed.why.s);
        return;
    }
    sp_units_bytes_about(storage->room.free_bytes, left);
    if (storage->level == SP_DISK_RESERVE) {
        sp_text_printf(out, "disk reserve: %s free, %s are kept", left,
                       sp_units_bytes_about(limits->reserve_bytes, limit));
    } else if (storage->level == SP_DISK_LOW) {
        sp_text_printf(out, "disk space is low: %s free, warning below %s", left,
                       sp_units_bytes_about(sp_disk_warn_below(limits, &storage->room), limit));
    }
}
