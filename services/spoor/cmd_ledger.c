/* ledger: is the ledger what the journal says, write it anew, copy it. The execution service is the
 * only process that has the file while it runs: then it makes the copy, and the rest is for a
 * stopped system. */
#include "services/spoor/cli.h"

#include "common/clock.h"
#include "common/journal/journal.h"
#include "common/journal/journal_begin.h"
#include "common/journal/role.h"
#include "common/ledger/ledger_check.h"
#include "common/ledger/ledger_feed.h"
#include "common/ledger/ledger_file.h"
#include "common/planted_bug.h"
#include "proto/decimal.h"
#include "services/spoor/service_client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BACKUP_TIMEOUT_NS (600 * SP_NS_PER_S)

struct job {
    const char *word; /* verify, rebuild or backup */
    const char *file; /* as given, or NULL */
    char dir[SP_PATH_SIZE];
    char path[SP_PATH_SIZE + 16]; /* the ledger's own file */
    const struct sp_config *config;
    const struct sp_world_config *world;
    sp_name stream;
};

/* What the content of a ledger comes from. */
struct source {
    uint64_t first_seq;             /* oldest record that the journal holds */
    char from[SP_LEDGER_PATH_SIZE]; /* the backup that it goes on from; "": it holds all */
};

/* ---- What it can be made from ---- */

/* Of what was seen up to `upto`, 0: of all. SP_NOT_FOUND: the journal's begin is gone and no backup
 * reaches what is left; out->first_seq is set. SP_CORRUPT: the journal is damaged. */
SP_NODISCARD static sp_status find_source(const struct job *job, uint64_t upto, struct source *out,
                                          struct sp_err *err)
{
    struct sp_ledger_place place = {.stream = job->stream, .last_seq = upto};
    char dir[SP_LEDGER_PATH_SIZE];
    struct sp_begin begin = {0};

    *out = (struct source){.first_seq = 1};
    sp_status status = sp_begin_check(job->dir, 0, &begin, err);
    if (status != SP_OK || begin.first_seq == 1) return status;
    if (upto == 0) {
        struct sp_journal_report journal = {0};
        status = sp_journal_verify(job->dir, &job->stream, &journal, err);
        place.last_seq = journal.last_seq;
    }
    if (status == SP_OK && !sp_ledger_backup_dir(&job->config->platform, dir, sizeof dir))
        status = SP_FAIL(err, SP_CONFIG, "ledger.backup_dir is too long");
    if (status != SP_OK) return status;
    out->first_seq = place.first_seq = begin.first_seq;
    place.backup_dir = dir;
    return sp_ledger_file_source(&place, out->from, err);
}

/* What helps against a file that is of no use: looked for, not supposed. */
static const char *advise(const struct job *job, char *out, size_t cap_bytes)
{
    struct source source;
    sp_status status = find_source(job, 0, &source, NULL);

    if (status == SP_CORRUPT)
        return "The journal is damaged itself. See: spoor journal verify execution";
    if (status == SP_OK && source.from[0] == '\0')
        return "It can be written anew from the journal: spoor ledger rebuild";
    if (status == SP_OK)
        snprintf(out, cap_bytes,
                 "It can be made again from the journal and %.300s:\n"
                 "  spoor ledger rebuild",
                 source.from);
    else if (status == SP_NOT_FOUND)
        snprintf(
            out, cap_bytes,
            "Records 1 to %llu were deleted from the journal, and no backup reaches what is\n"
            "  left: it cannot be made again. Put a backup that ends with record %llu or later\n"
            "  into the folder of backups (ledger.backup_dir), then: spoor ledger rebuild",
            (unsigned long long)source.first_seq - 1, (unsigned long long)source.first_seq - 1);
    else
        return NULL;
    return out;
}

static int explain(const struct job *job, sp_status status, const struct sp_err *err)
{
    char text[640];
    const char *hint = NULL;

    if (status == SP_LOCKED)
        hint = "The execution service has it. Stop it first: spoor down";
    else if (status == SP_GONE || status == SP_CORRUPT || status == SP_VERSION)
        hint = advise(job, text, sizeof text);
    return sp_cli_fail(sp_status_exit_code(status), hint, "ledger %s: %s", job->word, err->text);
}

static int find_missing(const struct job *job, const char *path)
{
    char text[640];

    if (access(path, F_OK) == 0) return SP_EXIT_OK;
    return sp_cli_fail(SP_EXIT_NOT_RUNNING,
                       strcmp(path, job->path) == 0 ? advise(job, text, sizeof text) : NULL,
                       "there is no %s", path);
}

static void remove_with_wal(const char *path, bool itself)
{
    char beside[SP_PATH_SIZE + 96];

    snprintf(beside, sizeof beside, "%s-wal", path);
    unlink(beside);
    snprintf(beside, sizeof beside, "%s-shm", path);
    unlink(beside);
    if (itself) unlink(path);
}

/* A file that is begun with what the journal does not hold any more. */
SP_NODISCARD static sp_status begin_file(const struct job *job, const struct source *source,
                                         const char *path, struct sp_ledger_rows **out,
                                         struct sp_err *err)
{
    sp_status status = SP_OK;

    if (source->from[0] != '\0') status = sp_ledger_file_copy(source->from, path, err);
    if (status == SP_OK) status = sp_ledger_rows_open(path, &job->stream, job->world, out, err);
    return status;
}

/* ---- verify ---- */

/* Prints the table; whether all agree. */
static bool print_sums(const struct sp_ledger_sums *sums)
{
    bool all = true;

    printf("%-8s %22s %22s %22s %22s %22s\n", "asset", "journal", "links", "dust", "fees", "venue");
    for (uint32_t i = 0; i < sums->count; i++) {
        const struct sp_ledger_asset *asset = &sums->at[i];
        char text[5][SP_E8_TEXT_SIZE];
        bool agrees = sp_ledger_asset_agrees(asset);
        printf("%-8s %22s %22s %22s %22s %22s%s\n", asset->asset.s,
               sp_e8_format(asset->journal, text[0]), sp_e8_format(asset->links, text[1]),
               sp_e8_format(asset->dust, text[2]), sp_e8_format(asset->fees, text[3]),
               sp_e8_format(asset->venue, text[4]), agrees ? "" : "  DIFFERS");
        all = all && agrees;
    }
    return all;
}

/* The hash of what the journal up to `upto` gives, in a file that exists for this only. */
SP_NODISCARD static sp_status hash_of_journal(const struct job *job, const struct source *source,
                                              uint64_t upto, char out[SP_LEDGER_HASH_SIZE],
                                              struct sp_err *err)
{
    struct sp_ledger_rows *fresh = NULL;
    char path[SP_PATH_SIZE + 48] = ":memory:";
    bool is_file = source->from[0] != '\0';

    if (is_file) snprintf(path, sizeof path, "%s.verify.%d", job->path, (int)getpid());
    sp_status status = begin_file(job, source, path, &fresh, err);
    if (status == SP_OK && upto > 0)
        status = sp_ledger_fold(fresh, job->dir, &job->stream, upto, err);
    if (status == SP_OK) status = sp_ledger_hash(fresh, out, err);
    sp_ledger_rows_close(fresh);
    if (is_file) remove_with_wal(path, true);
    return status;
}

/* All that can be said where nothing else has what was deleted from the journal. */
static int say_uncompared(const struct job *job, const char *path, const struct source *source,
                          const struct sp_ledger_rows *rows)
{
    printf("%s up to sequence %llu\n\nchain    %s  whole\n", path,
           (unsigned long long)sp_ledger_rows_cursor(rows), sp_ledger_rows_chain(rows));
    printf("journal  records 1 to %llu were deleted, no other backup has them: not compared\n",
           (unsigned long long)source->first_seq - 1);
    return strcmp(job->word, "backup") == 0 ? SP_EXIT_OK : sp_status_exit_code(SP_GONE);
}

/* The sums, where the journal has all of them; whether they agree. */
SP_NODISCARD static sp_status compare_sums(const struct job *job, const char *path,
                                           const struct source *source, struct sp_ledger_rows *rows,
                                           bool *agree, struct sp_err *err)
{
    unsigned long long cursor = sp_ledger_rows_cursor(rows);
    struct sp_ledger_sums sums;

    *agree = true;
    if (source->from[0] != '\0') {
        printf("%s up to sequence %llu\n\n", path, cursor);
        printf("records 1 to %llu were deleted from the journal; instead of them:\n%s\n",
               (unsigned long long)source->first_seq - 1, source->from);
        return SP_OK;
    }
    sp_status status = sp_ledger_sum(rows, job->world, job->dir, &job->stream, &sums, err);
    if (status != SP_OK) return status;
    printf("%s up to sequence %llu, %llu fills\n\n", path, cursor, (unsigned long long)sums.fills);
    *agree = print_sums(&sums);
    return SP_OK;
}

static int verify_rows(const struct job *job, const char *path, struct sp_ledger_rows *rows)
{
    char held[SP_LEDGER_HASH_SIZE], fresh[SP_LEDGER_HASH_SIZE];
    struct source source;
    struct sp_err err = {0};
    uint64_t cursor = sp_ledger_rows_cursor(rows);
    bool agree = false, is_ours = strcmp(path, job->path) == 0;

    sp_status status = sp_ledger_check(rows, &err);
    if (status == SP_OK) status = sp_ledger_hash(rows, held, &err);
    if (status != SP_OK) return explain(job, status, &err);
    /* A backup is not compared with itself. */
    status = find_source(job, is_ours || cursor == 0 ? cursor : cursor - 1, &source, &err);
    if (status == SP_NOT_FOUND) return say_uncompared(job, path, &source, rows);
    if (status == SP_OK) status = hash_of_journal(job, &source, cursor, fresh, &err);
    if (status == SP_OK) status = compare_sums(job, path, &source, rows, &agree, &err);
    if (status != SP_OK) return explain(job, status, &err);
    bool same = strcmp(held, fresh) == 0;
    printf("\nchain    %s  whole\n", sp_ledger_rows_chain(rows));
    printf("content  %s\njournal  %s  %s\n", held, fresh, same ? "identical" : "DIFFERS");
    fflush(stdout);
    if (agree && same) return SP_EXIT_OK;
    err = (struct sp_err){0};
    SP_IGNORE(SP_FAIL(&err, SP_CORRUPT, "%.80s is not what the journal says", path));
    return explain(job, SP_CORRUPT, &err);
}

/* Our own file as its owner; a copy, which has no log, without touching it. */
SP_NODISCARD static sp_status open_to_verify(const struct job *job, const char *path,
                                             struct sp_ledger_rows **out, struct sp_err *err)
{
    char log[SP_PATH_SIZE + 64];

    snprintf(log, sizeof log, "%s-wal", path);
    if (strcmp(path, job->path) == 0 || access(log, F_OK) == 0)
        return sp_ledger_rows_open(path, &job->stream, job->world, out, err);
    return sp_ledger_rows_open_copy(path, &job->stream, out, err);
}

static int verify(const struct job *job, const char *path)
{
    struct sp_ledger_rows *rows = NULL;
    struct sp_err err = {0};

    int code = find_missing(job, path);
    if (code != SP_EXIT_OK) return code;
    sp_status status = open_to_verify(job, path, &rows, &err);
    if (status != SP_OK) return explain(job, status, &err);
    code = verify_rows(job, path, rows);
    sp_ledger_rows_close(rows);
    return code;
}

/* ---- backup ---- */

/* Of the file that nobody has, into the folder of backups. */
SP_NODISCARD static sp_status make_backup(const struct job *job, const char *dir,
                                          struct sp_ledger_backup *made, struct sp_err *err)
{
    struct sp_ledger_rows *rows = NULL;
    struct sp_db_copy *copy = NULL;
    char part[SP_LEDGER_PATH_SIZE];
    bool done = false;

    sp_status status = sp_ledger_rows_open(job->path, &job->stream, job->world, &rows, err);
    if (status == SP_OK) status = sp_ledger_backup_begin(dir, part, err);
    if (status == SP_OK) status = sp_db_copy_begin(sp_ledger_rows_db(rows), part, &copy, err);
    if (status == SP_OK) status = sp_db_copy_step(copy, -1, &done, err);
    sp_status ended = sp_db_copy_end(copy, status == SP_OK ? err : NULL);
    if (status == SP_OK) status = ended;
    sp_ledger_rows_close(rows);
    if (status == SP_OK)
        status = sp_ledger_backup_end(dir, &job->stream, sp_clock_wall(),
                                      job->config->platform.ledger_backup_keep, made, err);
    return status;
}

/* By the execution service, if it runs. SP_NOT_FOUND: it does not. */
SP_NODISCARD static sp_status ask_for_backup(const struct job *job, const char *dir,
                                             struct sp_ledger_backup *made, struct sp_err *err)
{
    struct sp_command_reply reply = {0};
    sp_dur timeout = {BACKUP_TIMEOUT_NS};

    sp_status status = sp_service_query(job->config, &job->stream, "backup", timeout, &reply);
    if (status == SP_TIMEOUT)
        return SP_FAIL(err, SP_TIMEOUT, "execution has the ledger and does not answer");
    if (status != SP_OK) return status;
    if (!reply.ok) return SP_FAIL(err, SP_STORAGE, "execution says: %s", reply.text.s);
    if (snprintf(made->path, sizeof made->path, "%s/%s", dir, reply.text.s) >=
        (int)sizeof made->path)
        return SP_FAIL(err, SP_STORAGE, "%.80s is too long", dir);
    return SP_OK;
}

/* A backup is a file that nobody writes: it is copied as often as one likes. */
SP_NODISCARD static sp_status copy_to_file(const struct job *job, const char *from,
                                           struct sp_err *err)
{
    struct sp_db *db = NULL;

    sp_status status = sp_db_open_copy(from, &db, err);
    if (status == SP_OK) status = sp_db_backup(db, job->file, err);
    sp_db_close(db);
    return status;
}

static int backup(const struct job *job)
{
    struct sp_ledger_backup made = {.cursor = 0};
    struct sp_err err = {0};
    char dir[SP_LEDGER_PATH_SIZE];

    int code = find_missing(job, job->path);
    if (code != SP_EXIT_OK) return code;
    sp_status status = SP_EXISTS;
    if (job->file == NULL || access(job->file, F_OK) != 0) {
        status = sp_ledger_backup_dir(&job->config->platform, dir, sizeof dir)
                     ? ask_for_backup(job, dir, &made, &err)
                     : SP_FAIL(&err, SP_CONFIG, "ledger.backup_dir is too long");
        if (status == SP_NOT_FOUND) status = make_backup(job, dir, &made, &err);
        if (status == SP_OK && job->file != NULL) status = copy_to_file(job, made.path, &err);
    }
    if (status == SP_EXISTS)
        return sp_cli_fail(SP_EXIT_USAGE, "Give another name; a backup is never overwritten.",
                           "%s is there already", job->file);
    if (status != SP_OK) return explain(job, status, &err);
    return verify(job, job->file != NULL ? job->file : made.path);
}

/* ---- rebuild ---- */

SP_NODISCARD static sp_status sync_fd_of(const char *path, int (*sync)(int), struct sp_err *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool synced = fd >= 0 && sync(fd) == 0;

    if (fd >= 0) close(fd);
    return synced ? SP_OK : SP_FAIL(err, SP_STORAGE, "cannot sync %.80s", path);
}

/* The old file and the new one. */
struct rebuilt {
    char path[SP_PATH_SIZE + 24]; /* of the new one */
    char old[SP_LEDGER_HASH_SIZE], then[SP_LEDGER_HASH_SIZE], now[SP_LEDGER_HASH_SIZE];
    uint64_t old_cursor, cursor; /* 0: the old one cannot be compared */
};

static bool is_of_no_use(sp_status status)
{
    return status == SP_CORRUPT || status == SP_INVALID;
}

/* What the old file held: its cursor and the hash; cursor 0 if it cannot be read, or there is none.
 * Closing it ends its write-ahead log. */
SP_NODISCARD static sp_status look_at_old(const struct job *job, struct rebuilt *to,
                                          struct sp_err *err)
{
    struct sp_ledger_rows *rows = NULL;
    struct sp_ledger_seen seen = {0};

    snprintf(to->old, sizeof to->old, "none");
    sp_status status = sp_ledger_schema_peek(job->path, &seen, err);
    if (status == SP_OK && seen.version != SP_LEDGER_VERSION) {
        if (seen.version >= 0) snprintf(to->old, sizeof to->old, "another version");
        return SP_OK;
    }
    if (status == SP_OK)
        status = sp_ledger_rows_open(job->path, &job->stream, job->world, &rows, err);
    if (status == SP_OK) status = sp_ledger_hash(rows, to->old, err);
    sp_ledger_rows_close(rows);
    if (status == SP_OK) to->old_cursor = seen.cursor;
    if (!is_of_no_use(status)) return status;
    snprintf(to->old, sizeof to->old, "damaged");
    return SP_OK;
}

/* For the comparison the new one has to begin no later than the old one ended. */
SP_NODISCARD static sp_status find_source_of_new(const struct job *job, struct rebuilt *to,
                                                 struct source *out, struct sp_err *err)
{
    sp_status status = SP_NOT_FOUND;

    if (to->old_cursor > 0) status = find_source(job, to->old_cursor, out, err);
    if (status != SP_NOT_FOUND) return status;
    to->old_cursor = 0;
    status = find_source(job, 0, out, err);
    if (status != SP_NOT_FOUND) return status;
    return SP_FAIL(err, SP_GONE, "records 1 to %llu were deleted from the journal",
                   (unsigned long long)out->first_seq - 1);
}

/* Into a new file: first what the old one had seen, for the comparison, then the rest. */
SP_NODISCARD static sp_status write_new(const struct job *job, struct rebuilt *to,
                                        struct sp_err *err)
{
    struct sp_ledger_rows *rows = NULL;
    struct source source;

    remove_with_wal(to->path, true);
    sp_status status = find_source_of_new(job, to, &source, err);
    if (status == SP_OK) status = begin_file(job, &source, to->path, &rows, err);
    if (status == SP_OK && to->old_cursor > 0)
        status = sp_ledger_fold(rows, job->dir, &job->stream, to->old_cursor, err);
    if (status == SP_OK) status = sp_ledger_hash(rows, to->then, err);
    if (status == SP_OK) status = sp_ledger_fold(rows, job->dir, &job->stream, 0, err);
    if (status == SP_OK) status = sp_ledger_hash(rows, to->now, err);
    if (status == SP_OK) status = sp_ledger_check(rows, err);
    if (status == SP_OK) to->cursor = sp_ledger_rows_cursor(rows);
    /* Closing would do it, too, and not say that it failed; the file goes without its log. */
    if (status == SP_OK && !SP_BUG(ledger_log_forgotten))
        status = sp_db_execute(sp_ledger_rows_db(rows), "PRAGMA wal_checkpoint(TRUNCATE)", err);
    sp_ledger_rows_close(rows);
    if (status == SP_OK) status = sync_fd_of(to->path, fsync, err);
    if (status == SP_OK && source.from[0] != '\0') printf("begins with %s\n", source.from);
    return status;
}

static int rebuild_locked(const struct job *job)
{
    struct rebuilt to = {.cursor = 0};
    struct sp_err err = {0};

    snprintf(to.path, sizeof to.path, "%s.new", job->path);
    /* The ledger never notes what a power cut may take from the journal. */
    sp_status status = sync_fd_of(job->dir, syncfs, &err);
    if (status == SP_OK) status = look_at_old(job, &to, &err);
    if (status == SP_OK) status = write_new(job, &to, &err);
    if (status != SP_OK) {
        remove_with_wal(to.path, true);
        return explain(job, status, &err);
    }
    remove_with_wal(job->path, false); /* a log left by a kill is not the new file's */
    status = sync_fd_of(job->dir, fsync, &err);
    if (status != SP_OK) return explain(job, status, &err);
    if (rename(to.path, job->path) != 0)
        return sp_cli_fail(SP_EXIT_SOFTWARE, NULL, "cannot rename %s: %s", to.path,
                           strerror(errno));
    status = sync_fd_of(job->dir, fsync, &err);
    if (status != SP_OK) return explain(job, status, &err);
    printf("before  %s", to.old);
    if (to.old_cursor > 0)
        printf("  up to sequence %llu; the journal gives %s, %s", (unsigned long long)to.old_cursor,
               to.then, strcmp(to.old, to.then) == 0 ? "identical" : "DIFFERENT");
    printf("\nafter   %s  up to sequence %llu\n", to.now, (unsigned long long)to.cursor);
    return SP_EXIT_OK;
}

/* Under the role's lock, so that execution does not start meanwhile. */
static int rebuild(const struct job *job)
{
    struct sp_role role = {.lock_fd = -1, .epoch_fd = -1};
    struct sp_err err = {0};

    if (job->file != NULL)
        return sp_cli_usage(NULL, "rebuild takes no file: it writes %s", job->path);
    if (access(job->dir, F_OK) != 0)
        return sp_cli_fail(SP_EXIT_NOT_RUNNING, "Nothing ran with this configuration yet: spoor up",
                           "there is no journal in %s", job->dir);
    sp_status status = sp_role_acquire(&role, job->dir, &err);
    if (status != SP_OK) return explain(job, status, &err);
    int code = rebuild_locked(job);
    sp_role_release(&role);
    return code;
}

int sp_cmd_ledger(const struct sp_cli *cli)
{
    struct job job = {.word = cli->argc > 1 ? cli->argv[1] : "", .stream = sp_name_of("execution")};
    struct sp_config *config = NULL;

    if (cli->argc < 2 || cli->argc > 3 || (cli->argc == 3 && cli->argv[2][0] == '-'))
        return sp_cli_usage("See: spoor ledger --help", "ledger wants verify, rebuild or backup");
    job.file = cli->argc == 3 ? cli->argv[2] : NULL;
    int code = sp_cli_config(cli, &config);
    if (code != SP_EXIT_OK) return code;
    job.config = config;
    job.world = sp_config_world(config);
    sp_config_instance_dir(config, "execution", job.dir);
    snprintf(job.path, sizeof job.path, "%s/ledger.db", job.dir);
    if (strcmp(job.word, "verify") == 0) {
        code = verify(&job, job.file != NULL ? job.file : job.path);
    } else if (strcmp(job.word, "rebuild") == 0) {
        code = rebuild(&job);
    } else if (strcmp(job.word, "backup") == 0) {
        code = backup(&job);
    } else {
        code = sp_cli_usage("See: spoor ledger --help", "ledger does not know \"%s\"", job.word);
    }
    sp_config_free(config);
    return code;
}
