#include "ledger_scenes.h"

#include "faults.h"

#include "../common/folder.h"
#include "../services/ledger_journal.h"
#include "common/ledger/ledger_check.h"
#include "common/ledger/ledger_feed.h"
#include "services/spoor/cli.h"
#include "services/spoor/service_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_MAX 8192
#define GARBAGE    "no database at all, whatever its name may say; but not an empty file, either"

enum { NEW, UNCLEAN, DAMAGED, RESTORED, VERIFY, REBUILD, BACKUP };

static struct {
    struct folder folder;
    struct ledger_journal journal;
    struct sp_config *config;                              /* of the commands */
    char data[300], path[320], backup_dir[320], copy[320]; /* in the folder */
    char printed[OUTPUT_MAX], expected[OUTPUT_MAX], complaint[OUTPUT_MAX];
    const struct scene *expected_of;
} bench;

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    printf("FAILED: without a fault: %s\n", err->text);
    exit(1);
}

/* ---- Files ---- */

static void copy_file(const char *from, const char *to)
{
    static char buf[1 << 20];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");

    if (in == NULL || out == NULL) abort();
    size_t len = fread(buf, 1, sizeof buf, in);
    if (len == sizeof buf || fwrite(buf, 1, len, out) != len) abort();
    fclose(in);
    fclose(out);
}

static void write_text(const char *path, const char *text)
{
    FILE *out = fopen(path, "wb");

    if (out == NULL || fputs(text, out) < 0) abort();
    fclose(out);
}

/* What was put away under a word, from there to where it belongs, or the other way. */
static void put_away(const char *word, const char *suffix)
{
    char from[400], to[400];

    snprintf(from, sizeof from, "%s%s", bench.path, suffix);
    snprintf(to, sizeof to, "%.250s/%s%s", bench.folder.path, word, suffix);
    copy_file(from, to);
}

static void bring(const char *word, const char *suffix)
{
    char from[400], to[400];

    snprintf(from, sizeof from, "%.250s/%s%s", bench.folder.path, word, suffix);
    snprintf(to, sizeof to, "%s%s", bench.path, suffix);
    copy_file(from, to);
}

/* All of the ledger and its backups. */
static void remove_ledgers(void)
{
    DIR *dir = opendir(bench.journal.dir);
    char path[700];

    if (dir == NULL) abort();
    for (struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (strncmp(entry->d_name, "ledger", 6) != 0) continue;
        snprintf(path, sizeof path, "%s/%s", bench.journal.dir, entry->d_name);
        if (unlink(path) != 0) abort();
    }
    closedir(dir);
    folder_remove_path(bench.backup_dir);
    unlink(bench.copy);
}

/* ---- A start of the service ---- */

static struct sp_ledger_place place_of(bool begin_is_gone)
{
    struct sp_ledger_place place = ledger_journal_place(&bench.journal, bench.path);

    place.backup_dir = bench.backup_dir;
    if (begin_is_gone) place.first_seq = 2;
    return place;
}

/* One opening of the file and all that is written to it. */
static sp_status attempt(const struct sp_ledger_place *place, struct scene_run *run)
{
    const uint64_t ends[] = {bench.journal.middle, bench.journal.last};
    struct sp_ledger_finding finding = {0};
    struct sp_ledger_rows *rows = NULL;
    struct sp_ledger_feed *feed = NULL;

    sp_status status = sp_ledger_file_open(place, false, &rows, &finding, &run->err);
    if (finding.aside[0] != '\0') run->was_replaced = true;
    if (status == SP_OK)
        status =
            sp_ledger_feed_open(rows, bench.journal.dir, &bench.journal.stream, &feed, &run->err);
    for (size_t i = 0; i < 2 && status == SP_OK; i++) {
        while (status == SP_OK) {
            status = sp_ledger_feed_write(feed, ends[i], &run->err);
            run->reported = sp_ledger_rows_cursor(rows);
        }
        if (status == SP_AGAIN) status = SP_OK;
    }
    run->lost_sync = rows != NULL && sp_db_sync_failed(sp_ledger_rows_db(rows));
    sp_ledger_feed_close(feed);
    sp_ledger_rows_close(rows);
    return status;
}

static bool may_pass(sp_status status)
{
    return status == SP_STORAGE || status == SP_NO_MEMORY || status == SP_LOCKED;
}

/* The journal could not be read: nobody tries again. */
static bool is_status(sp_status status)
{
    return status == SP_OK || status == SP_IO || may_pass(status);
}

static sp_status start(struct scene_run *run, bool begin_is_gone)
{
    struct sp_ledger_place place = place_of(begin_is_gone);
    sp_status status = attempt(&place, run);

    run->first_failed = status != SP_OK;
    if (!is_status(status)) run->wrong = "not a status for this";
    if (!may_pass(status) || run->lost_sync) return status;
    run->tried_again = true;
    status = attempt(&place, run);
    if (!is_status(status)) run->wrong = "not a status for this";
    return status;
}

static sp_status act_start(struct scene_run *run)
{
    return start(run, false);
}

static sp_status act_start_without_begin(struct scene_run *run)
{
    return start(run, true);
}

static const char *check_start(struct scene_run *run, sp_status status)
{
    struct sp_ledger_place place = place_of(false);

    (void)status;
    /* SQLite says of a read that failed that the file is damaged; it is written anew then. */
    if (run->was_replaced && strcmp(faults_last(), "sqlite pread") != 0)
        return "a sound file was put aside";
    return ledger_journal_next_start(&bench.journal, &place, run->reported, &run->err);
}

static bool is_garbage(const char *suffix)
{
    char path[400], text[200] = "";

    snprintf(path, sizeof path, "%s%s", bench.path, suffix);
    return file_read(path, text, sizeof text) > 0 && strncmp(text, GARBAGE, 20) == 0;
}

/* The evidence of what was damaged stays; if it still lies there, the next start puts it aside. */
static const char *check_damaged(struct scene_run *run, bool begin_is_gone)
{
    struct sp_ledger_place place = place_of(begin_is_gone);
    struct sp_ledger_finding finding = {0};
    struct sp_ledger_rows *rows = NULL;

    if (!is_garbage("") && !is_garbage(".damaged.1")) return "what was damaged is gone";
    if (is_garbage("") || access(bench.path, F_OK) != 0) {
        if (run->reported > 0) return "a transaction was reported of a damaged file";
        if (sp_ledger_file_open(&place, false, &rows, &finding, &run->err) != SP_OK)
            return "the next start is refused";
        sp_ledger_rows_close(rows);
        if (is_garbage("")) return "the next start takes what is damaged";
    }
    return ledger_journal_next_start(&bench.journal, &place, run->reported, &run->err);
}

static const char *check_anew(struct scene_run *run, sp_status status)
{
    (void)status;
    return check_damaged(run, false);
}

static const char *check_restored(struct scene_run *run, sp_status status)
{
    struct sp_ledger_backup found = {.cursor = 0};

    (void)status;
    if (sp_ledger_backup_find(bench.backup_dir, &bench.journal.stream, 2, bench.journal.last,
                              &found, &run->err) != SP_OK)
        return "the backup is gone";
    return check_damaged(run, true);
}

/* ---- Commands ---- */

extern int real_cli_config(const struct sp_cli *cli,
                           struct sp_config **out) __asm__("__real_sp_cli_config");
extern void real_config_free(struct sp_config *config) __asm__("__real_sp_config_free");
int wrap_cli_config(const struct sp_cli *cli,
                    struct sp_config **out) __asm__("__wrap_sp_cli_config");
void wrap_config_free(struct sp_config *config) __asm__("__wrap_sp_config_free");
extern const struct sp_world_config *real_config_world(const struct sp_config *config) __asm__(
    "__real_sp_config_world");
const struct sp_world_config *wrap_config_world(const struct sp_config *config) __asm__(
    "__wrap_sp_config_world");
sp_status wrap_service_query(const struct sp_config *config, const sp_name *instance,
                             const char *what, sp_dur timeout,
                             struct sp_command_reply *out) __asm__("__wrap_sp_service_query");

/* Reading the configuration is another's affair: it is read once, and stays. */
int wrap_cli_config(const struct sp_cli *cli, struct sp_config **out)
{
    bool was_on = faults_pause();

    if (bench.config == NULL) {
        if (real_cli_config(cli, &bench.config) != SP_EXIT_OK) abort();
        struct sp_platform *platform = &bench.config->platform;
        snprintf(platform->data_dir, sizeof platform->data_dir, "%s", bench.data);
        platform->ledger_backup_dir[0] = '\0';
    }
    *out = bench.config;
    faults_go_on(was_on);
    return SP_EXIT_OK;
}

void wrap_config_free(struct sp_config *config)
{
    (void)config;
}

const struct sp_world_config *wrap_config_world(const struct sp_config *config)
{
    /* The core's own begins while there is none yet. */
    return bench.journal.core != NULL ? bench.journal.core->core.books.world
                                      : real_config_world(config);
}

sp_status wrap_service_query(const struct sp_config *config, const sp_name *instance,
                             const char *what, sp_dur timeout, struct sp_command_reply *out)
{
    (void)config;
    (void)instance;
    (void)what;
    (void)timeout;
    (void)out;
    return SP_NOT_FOUND; /* nobody runs */
}

static FILE *memory(char *buf)
{
    FILE *file = fmemopen(buf, OUTPUT_MAX, "w");

    if (file == NULL) abort();
    memset(buf, 0, OUTPUT_MAX);
    return file;
}

/* Streams are the C library's, whose own calls do not fail here. */
static sp_status command(struct scene_run *run, char *word, char *file)
{
    const char *source = getenv("SPOOR_SOURCE");
    char config[300];
    struct sp_cli cli = {.program = "spoor",
                         .config_dir = config,
                         .argc = file != NULL ? 3 : 2,
                         .argv = {(char[]){"ledger"}, word, file}};
    FILE *outer[] = {stdout, stderr};

    snprintf(config, sizeof config, "%s/config/demo", source != NULL ? source : ".");
    stdout = memory(bench.printed);
    stderr = memory(bench.complaint);
    int code = sp_cmd_ledger(&cli);
    fclose(stdout);
    fclose(stderr);
    stdout = outer[0];
    stderr = outer[1];
    if (code == SP_EXIT_OK) return SP_OK;
    snprintf(run->err.text, sizeof run->err.text, "%.*s", (int)strcspn(bench.complaint, "\n"),
             bench.complaint);
    return SP_IO;
}

static void hold(const struct scene *scene)
{
    if (bench.expected_of == scene) return;
    memcpy(bench.expected, bench.printed, sizeof bench.expected);
    bench.expected_of = scene;
}

static sp_status act_verify(struct scene_run *run)
{
    return command(run, (char[]){"verify"}, NULL);
}

static sp_status act_rebuild(struct scene_run *run)
{
    return command(run, (char[]){"rebuild"}, NULL);
}

static sp_status act_backup(struct scene_run *run)
{
    return command(run, (char[]){"backup"}, bench.copy);
}

/* It says what it says when nothing fails, or that something did; and the file is what it was. */
static const char *check_verify(struct scene_run *run, sp_status status)
{
    struct sp_ledger_place place = place_of(false);

    if (status == SP_OK) hold(&ledger_scenes[VERIFY]);
    if (status == SP_OK && strcmp(bench.printed, bench.expected) != 0)
        return "exit code 0, and it prints something else";
    return ledger_journal_next_start(&bench.journal, &place, bench.journal.last, &run->err);
}

/* The new one, or the old one and a second try makes the new one. */
static const char *check_rebuild(struct scene_run *run, sp_status status)
{
    struct sp_ledger_place place = place_of(false);
    char path[400];

    if (status != SP_OK) status = act_rebuild(run);
    if (status != SP_OK) return "it does not work afterwards";
    snprintf(path, sizeof path, "%s.new", bench.path);
    if (access(path, F_OK) == 0) return "something is left beside it";
    return ledger_journal_next_start(&bench.journal, &place, bench.journal.last, &run->err);
}

/* What has the name of a backup is one; the one that was there is still there. */
static const char *check_backup(struct scene_run *run, sp_status status)
{
    struct sp_ledger_place place = place_of(false);
    struct sp_ledger_backup all[8];
    uint64_t cursor = 0;
    bool has_old = false, has_new = false;

    uint32_t count = sp_ledger_backup_list(bench.backup_dir, all, 8);
    for (uint32_t i = 0; i < count; i++) {
        if (sp_ledger_backup_check(all[i].path, &place.stream, &cursor, &run->err) != SP_OK)
            return "a backup is not sound";
        if (cursor != all[i].cursor) return "a backup is not what its name says";
        has_old = has_old || cursor == bench.journal.middle;
        has_new = has_new || cursor == bench.journal.last;
    }
    if (!has_old) return "the older backup is gone";
    if (status == SP_OK && !has_new) return "exit code 0, and there is no backup";
    if (access(bench.copy, F_OK) == 0 || status == SP_OK) {
        if (sp_ledger_backup_check(bench.copy, &place.stream, &cursor, &run->err) != SP_OK)
            return "the copy is not sound";
        if (cursor != bench.journal.last) return "the copy is not of now";
    }
    return ledger_journal_next_start(&bench.journal, &place, bench.journal.last, &run->err);
}

/* ---- All of them ---- */

const struct scene ledger_scenes[] = {
    [NEW] = {"start-new", act_start, check_start, true}, /* ledger_faults */
    [UNCLEAN] = {"start-unclean", act_start, check_start, false},
    [DAMAGED] = {"start-damaged", act_start, check_anew, false},
    [RESTORED] = {"start-restored", act_start_without_begin, check_restored, false},
    [VERIFY] = {"verify", act_verify, check_verify, false},
    [REBUILD] = {"rebuild", act_rebuild, check_rebuild, false},
    [BACKUP] = {"backup", act_backup, check_backup, false},
};
const size_t ledger_scene_count = sizeof ledger_scenes / sizeof ledger_scenes[0];

static void write_upto(struct sp_ledger_rows *rows, uint64_t upto)
{
    struct sp_err err = {0};

    must(sp_ledger_fold(rows, bench.journal.dir, &bench.journal.stream, upto, &err), &err);
}

/* The whole file, one that is changed, one of half the journal that was not closed, and a backup
 * of that half. */
static void make_files(void)
{
    const struct sp_world_config *world = bench.journal.core->core.books.world;
    struct sp_ledger_rows *rows = NULL;
    struct sp_err err = {0};

    must(sp_ledger_rows_open(bench.path, &bench.journal.stream, world, &rows, &err), &err);
    write_upto(rows, bench.journal.middle);
    put_away("unclean", "");
    put_away("unclean", "-wal");
    sp_ledger_rows_close(rows);
    put_away("half", "");
    must(sp_ledger_rows_open(bench.path, &bench.journal.stream, world, &rows, &err), &err);
    write_upto(rows, bench.journal.last);
    sp_ledger_rows_close(rows);
    put_away("whole", "");
    must(sp_ledger_rows_open(bench.path, &bench.journal.stream, world, &rows, &err), &err);
    must(sp_db_execute(sp_ledger_rows_db(rows), "UPDATE links SET cash = cash + 1", &err), &err);
    sp_ledger_rows_close(rows);
    put_away("changed", "");
}

void ledger_scenes_make(void)
{
    static char dir[320];

    bench.folder = folder_make();
    snprintf(bench.data, sizeof bench.data, "%.250s/data", bench.folder.path);
    snprintf(dir, sizeof dir, "%s/execution", bench.data);
    snprintf(bench.path, sizeof bench.path, "%.300s/ledger.db", dir);
    snprintf(bench.backup_dir, sizeof bench.backup_dir, "%.300s/backup", dir);
    snprintf(bench.copy, sizeof bench.copy, "%.300s/copy.db", bench.data);
    if (mkdir(bench.data, 0700) != 0 || mkdir(dir, 0700) != 0) abort();
    ledger_journal_make(&bench.journal, dir);
    make_files();
}

void ledger_scenes_free(void)
{
    real_config_free(bench.config);
    ledger_journal_free(&bench.journal);
    folder_remove(&bench.folder);
}

static void bring_backup(void)
{
    char from[400], to[400];

    if (mkdir(bench.backup_dir, 0700) != 0) abort();
    snprintf(from, sizeof from, "%.250s/half", bench.folder.path);
    snprintf(to, sizeof to, "%s/ledger-20260101T000000Z-%llu.db", bench.backup_dir,
             (unsigned long long)bench.journal.middle);
    copy_file(from, to);
}

void ledger_scene_begin(const struct scene *scene)
{
    ptrdiff_t which = scene - ledger_scenes;

    remove_ledgers();
    if (which == UNCLEAN) {
        bring("unclean", "");
        bring("unclean", "-wal");
    }
    if (which == DAMAGED || which == RESTORED) write_text(bench.path, GARBAGE);
    if (which == VERIFY || which == BACKUP) bring("whole", "");
    if (which == REBUILD) bring("changed", "");
    if (which == RESTORED || which == BACKUP) bring_backup();
}
