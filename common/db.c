#include "common/db.h"

#include "common/planted_bug.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATEMENTS_MAX 64
#define COPY_PAGES     256

struct sp_stmt {
    struct sp_db *db;
    sqlite3_stmt *handle;
    bool failed; /* memory did not suffice for a value */
};

struct sp_db {
    sqlite3 *handle;
    char path[512];
    bool unclean, sync_failed;
    uint32_t count;
    struct sp_stmt statements[STATEMENTS_MAX];
};

/* What broke may be anything but the statement: the log stays, and tells the next opening. */
static void leave_log(struct sp_db *db, int extended)
{
    if (extended == SQLITE_IOERR_FSYNC || extended == SQLITE_IOERR_DIR_FSYNC)
        db->sync_failed = true;
    sqlite3_db_config(db->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
}

SP_NODISCARD static sp_status fail(struct sp_db *db, struct sp_err *err, const char *what)
{
    int extended = sqlite3_extended_errcode(db->handle), code = extended & 0xff;
    sp_status status = SP_STORAGE;

    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) status = SP_CORRUPT;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) status = SP_LOCKED;
    if (code == SQLITE_CONSTRAINT) status = SP_EXISTS;
    if (code == SQLITE_NOMEM || extended == SQLITE_IOERR_NOMEM) status = SP_NO_MEMORY;
    if (code == SQLITE_CORRUPT || code == SQLITE_IOERR || code == SQLITE_FULL)
        leave_log(db, extended);
    return SP_FAIL(err, status, "%s: %.60s: %s", db->path, what, sqlite3_errmsg(db->handle));
}

sp_status sp_db_execute(struct sp_db *db, const char *sql, struct sp_err *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK) return SP_OK;
    return fail(db, err, sql);
}

/* ---- Opening ---- */

/* quick_check reports damage as rows, not as an error. */
SP_NODISCARD static sp_status check(struct sp_db *db, struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status = sp_db_prepare(db, "PRAGMA quick_check(1)", &stmt, err);
    if (status == SP_OK) status = sp_stmt_next(stmt, err);
    if (status == SP_OK && strcmp(sp_stmt_column_text(stmt, 0), "ok") != 0) {
        leave_log(db, 0);
        status = SP_FAIL(err, SP_CORRUPT, "%s: %.120s", db->path, sp_stmt_column_text(stmt, 0));
    }
    sp_stmt_drop(stmt);
    return status;
}

struct setting {
    const char *name, *value, *held; /* as it is given, and as it reads back */
};

/* In this order: the lock before the first access, the layout before the log. */
static const struct setting settings[] = {
    {"locking_mode", "EXCLUSIVE", "exclusive"},
    {"page_size", "4096", "4096"},
    {"auto_vacuum", "NONE", "0"},
    {"journal_mode", "WAL", "wal"},
    {"foreign_keys", "ON", "1"},
    {"busy_timeout", "0", "0"},
    {"wal_autocheckpoint", "1000", "1000"},
    {"journal_size_limit", "67108864", "67108864"},
    {"temp_store", "MEMORY", "2"},
    {"mmap_size", "0", "0"},
    {"cell_size_check", "ON", "1"},
    {"trusted_schema", "OFF", "0"},
    {"recursive_triggers", "ON", "1"}, /* REPLACE deletes, and triggers are to see it */
    {"secure_delete", "OFF", "0"},
};

SP_NODISCARD static sp_status set(struct sp_db *db, const struct setting *setting,
                                  struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;
    char sql[96];

    snprintf(sql, sizeof sql, "PRAGMA %s=%s", setting->name, setting->value);
    sp_status status = sp_db_execute(db, sql, err);
    if (status != SP_OK) return status;
    snprintf(sql, sizeof sql, "PRAGMA %s", setting->name);
    status = sp_db_prepare(db, sql, &stmt, err);
    if (status == SP_OK) status = sp_stmt_next(stmt, err);
    const char *held = status == SP_OK ? sp_stmt_column_text(stmt, 0) : setting->held;
    if (status == SP_NOT_FOUND) status = SP_OK; /* compiled out, as mmap may be */
    if (status == SP_OK && strcmp(held, setting->held) != 0)
        status = SP_FAIL(err, SP_STORAGE, "%s: %s is %.20s, not %s", db->path, setting->name, held,
                         setting->held);
    sp_stmt_drop(stmt);
    return status;
}

/* What no statement of ours comes near; no second file, no code from elsewhere, no way to write
 * the file's own structure by SQL. */
SP_NODISCARD static sp_status restrict_it(struct sp_db *db, struct sp_err *err)
{
    static const struct {
        int id, most;
    } limits[] = {
        {SQLITE_LIMIT_LENGTH, 1000000},     {SQLITE_LIMIT_SQL_LENGTH, 100000},
        {SQLITE_LIMIT_COLUMN, 100},         {SQLITE_LIMIT_EXPR_DEPTH, 10},
        {SQLITE_LIMIT_COMPOUND_SELECT, 3},  {SQLITE_LIMIT_VDBE_OP, 25000},
        {SQLITE_LIMIT_FUNCTION_ARG, 8},     {SQLITE_LIMIT_ATTACHED, 0},
        {SQLITE_LIMIT_VARIABLE_NUMBER, 32}, {SQLITE_LIMIT_TRIGGER_DEPTH, 10},
        {SQLITE_LIMIT_WORKER_THREADS, 0},   {SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 50},
    };
    static const struct {
        int verb, value;
    } rules[] = {{SQLITE_DBCONFIG_DEFENSIVE, 1},
                 {SQLITE_DBCONFIG_ENABLE_LOAD_EXTENSION, 0},
                 {SQLITE_DBCONFIG_ENABLE_TRIGGER, 1},
                 {SQLITE_DBCONFIG_DQS_DML, 0},
                 {SQLITE_DBCONFIG_DQS_DDL, 0}};

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        sqlite3_limit(db->handle, limits[i].id, limits[i].most);
        if (sqlite3_limit(db->handle, limits[i].id, -1) != limits[i].most)
            return SP_FAIL(err, SP_STORAGE, "%s: limit %d is not taken", db->path, limits[i].id);
    }
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++) {
        int held = -1;
        sqlite3_db_config(db->handle, rules[i].verb, rules[i].value, &held);
        if (held != rules[i].value)
            return SP_FAIL(err, SP_STORAGE, "%s: rule %d is not taken", db->path, rules[i].verb);
    }
    return SP_OK;
}

bool sp_db_version_is_safe(int number)
{
    if (number >= 3044006 && number < 3045000) return true;
    if (number >= 3050007 && number < 3051000) return true;
    return number >= 3051003 || number < 3007000;
}

void sp_db_limit_heap(int64_t bytes)
{
    sqlite3_hard_heap_limit64(bytes);
}

/* A file in memory has no log, and nobody else can have it. */
static bool applies(const struct sp_db *db, const struct setting *setting)
{
    bool of_a_file =
        setting->name == settings[0].name || strcmp(setting->name, "journal_mode") == 0;

    return !of_a_file || strcmp(db->path, ":memory:") != 0;
}

SP_NODISCARD static sp_status configure(struct sp_db *db, enum sp_db_sync sync, struct sp_err *err)
{
    const struct setting off = {"synchronous", "OFF", "0"};
    const struct setting lazy = {"synchronous", "NORMAL", "1"}, full = {"synchronous", "FULL", "2"};

    sp_status status = restrict_it(db, err);
    for (size_t i = 0; i < sizeof settings / sizeof *settings && status == SP_OK; i++) {
        if (applies(db, &settings[i])) status = set(db, &settings[i], err);
        if (status == SP_STORAGE && i == 0 && !sp_db_version_is_safe(sqlite3_libversion_number()))
            return SP_FAIL(err, SP_VERSION,
                           "%.60s: SQLite %s may be used with one connection only,"
                           " and does not confirm it",
                           db->path, sqlite3_libversion());
    }
    const struct setting *synced = sync == SP_DB_SYNC_FULL ? &full : &lazy;
    if (status == SP_OK) status = set(db, SP_BUG(ledger_sync_off) ? &off : synced, err);
    return status;
}

/* Asked of the file system that SQLite uses, which counts a log of no bytes as none. */
static bool has_log(const char *path)
{
    sqlite3_vfs *files = sqlite3_vfs_find(NULL);
    char log[520];
    int there = 0;

    if (files == NULL) return false;
    snprintf(log, sizeof log, "%s-wal", path);
    return files->xAccess(files, log, SQLITE_ACCESS_EXISTS, &there) != SQLITE_OK || there != 0;
}

SP_NODISCARD static sp_status make(const char *path, struct sp_db **out, struct sp_err *err)
{
    struct sp_db *db = calloc(1, sizeof *db);

    if (db == NULL) return SP_FAIL(err, SP_NO_MEMORY, "database handle");
    if ((size_t)snprintf(db->path, sizeof db->path, "%s", path) >= sizeof db->path) {
        free(db);
        return SP_FAIL(err, SP_STORAGE, "%.80s... is too long", path);
    }
    *out = db;
    return SP_OK;
}

sp_status sp_db_open(const char *path, enum sp_db_sync sync, const char *schema, struct sp_db **out,
                     struct sp_err *err)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    struct sp_db *db = NULL;

    sp_status status = make(path, &db, err);
    if (status != SP_OK) return status;
    sqlite3_initialize();
    db->unclean = has_log(path);
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK) {
        status = fail(db, err, "cannot open");
    }
    if (status == SP_OK) status = configure(db, sync, err);
    if (status == SP_OK) status = check(db, err);
    if (status == SP_OK) status = sp_db_execute(db, schema, err);
    if (status != SP_OK) {
        sp_db_close(db);
        return status;
    }
    *out = db;
    return SP_OK;
}

/* "file:PATH?immutable=1", where the path may hold what means something in a URI. */
SP_NODISCARD static bool format_uri(const char *path, char *out, size_t cap_bytes)
{
    size_t len = (size_t)snprintf(out, cap_bytes, "file:");

    for (; *path != '\0' && len + 4 < cap_bytes; path++) {
        bool special = *path == '%' || *path == '?' || *path == '#';
        len += (size_t)snprintf(out + len, cap_bytes - len, special ? "%%%02x" : "%c",
                                (unsigned char)*path);
    }
    len += (size_t)snprintf(out + len, cap_bytes - len, "?immutable=1");
    return *path == '\0' && len < cap_bytes;
}

sp_status sp_db_open_copy(const char *path, struct sp_db **out, struct sp_err *err)
{
    char uri[1600];
    struct sp_db *db = NULL;

    sp_status status = make(path, &db, err);
    if (status != SP_OK) return status;
    if (!format_uri(path, uri, sizeof uri) ||
        sqlite3_open_v2(uri, &db->handle,
                        SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX,
                        NULL) != SQLITE_OK) {
        status = fail(db, err, "cannot open");
    }
    if (status == SP_OK) status = restrict_it(db, err);
    if (status == SP_OK)
        status = sp_db_execute(db,
                               "PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;"
                               "PRAGMA temp_store=MEMORY; PRAGMA mmap_size=0",
                               err);
    if (status == SP_OK) status = check(db, err);
    if (status != SP_OK) {
        sp_db_close(db);
        return status;
    }
    *out = db;
    return SP_OK;
}

void sp_db_close(struct sp_db *db)
{
    if (db == NULL) return;
    for (uint32_t i = 0; i < db->count; i++)
        sqlite3_finalize(db->statements[i].handle);
    sqlite3_close(db->handle);
    free(db);
}

void sp_db_keep_log(struct sp_db *db)
{
    leave_log(db, 0);
}

bool sp_db_was_unclean(const struct sp_db *db)
{
    return db->unclean;
}

bool sp_db_sync_failed(const struct sp_db *db)
{
    return db->sync_failed;
}

/* ---- Copies ---- */

struct sp_db_copy {
    sqlite3 *to;
    sqlite3_backup *backup;
    bool done;
    char path[512];
};

SP_NODISCARD static sp_status fail_copy(const struct sp_db_copy *copy, int rc, struct sp_err *err)
{
    return SP_FAIL(err, (rc & 0xff) == SQLITE_NOMEM ? SP_NO_MEMORY : SP_STORAGE,
                   "cannot copy to %s: %s", copy->path, sqlite3_errstr(rc));
}

sp_status sp_db_copy_begin(struct sp_db *db, const char *path, struct sp_db_copy **out,
                           struct sp_err *err)
{
    struct sp_db_copy *copy = calloc(1, sizeof *copy);

    if (copy == NULL) return SP_FAIL(err, SP_NO_MEMORY, "copy");
    if ((size_t)snprintf(copy->path, sizeof copy->path, "%s", path) >= sizeof copy->path) {
        free(copy);
        return SP_FAIL(err, SP_STORAGE, "%.80s... is too long", path);
    }
    unlink(path); /* of a copy that was cut short */
    int rc = sqlite3_open_v2(path, &copy->to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    /* It is synced as a whole at its end, and of no use before. */
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(copy->to, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF", NULL, NULL,
                          NULL);
    if (rc == SQLITE_OK) {
        copy->backup = sqlite3_backup_init(copy->to, "main", db->handle, "main");
        if (copy->backup == NULL) rc = sqlite3_extended_errcode(copy->to);
    }
    if (rc != SQLITE_OK) {
        sp_status status = fail_copy(copy, rc, err);
        SP_IGNORE(sp_db_copy_end(copy, NULL)); /* told above */
        return status;
    }
    *out = copy;
    return SP_OK;
}

sp_status sp_db_copy_step(struct sp_db_copy *copy, int pages, bool *done, struct sp_err *err)
{
    int rc = sqlite3_backup_step(copy->backup, pages);

    if (rc != SQLITE_OK && rc != SQLITE_DONE) return fail_copy(copy, rc, err);
    copy->done = rc == SQLITE_DONE;
    *done = copy->done;
    return SP_OK;
}

SP_NODISCARD static sp_status sync_path(const char *path, int flags, struct sp_err *err)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) close(fd);
    return synced ? SP_OK : SP_FAIL(err, SP_STORAGE, "cannot sync %s", path);
}

sp_status sp_db_copy_end(struct sp_db_copy *copy, struct sp_err *err)
{
    sp_status status = SP_OK;

    if (copy == NULL) return SP_OK;
    int rc = sqlite3_backup_finish(copy->backup); /* NULL is accepted */
    int closed = sqlite3_close(copy->to);
    if (rc == SQLITE_OK) rc = closed;
    if (copy->done && rc != SQLITE_OK) status = fail_copy(copy, rc, err);
    if (copy->done && status == SP_OK) status = sync_path(copy->path, 0, err);
    free(copy);
    return status;
}

SP_NODISCARD static sp_status copy_whole(struct sp_db *db, const char *path, struct sp_err *err)
{
    struct sp_db_copy *copy = NULL;
    bool done = false;

    sp_status status = sp_db_copy_begin(db, path, &copy, err);
    while (status == SP_OK && !done)
        status = sp_db_copy_step(copy, COPY_PAGES, &done, err);
    sp_status ended = sp_db_copy_end(copy, status == SP_OK ? err : NULL);
    return status != SP_OK ? status : ended;
}

sp_status sp_db_backup(struct sp_db *db, const char *path, struct sp_err *err)
{
    char part[1024], dir[1024];

    if ((size_t)snprintf(part, sizeof part, "%s.part", path) >= sizeof part)
        return SP_FAIL(err, SP_STORAGE, "%.80s... is too long", path);
    if (access(path, F_OK) == 0) return SP_FAIL(err, SP_EXISTS, "%s is there already", path);
    snprintf(dir, sizeof dir, "%s", path);
    char *slash = strrchr(dir, '/');
    snprintf(slash != NULL ? slash + 1 : dir, 2, slash != NULL ? "" : ".");
    sp_status status = copy_whole(db, part, err);
    /* link, unlike rename, refuses a name that is taken. */
    if (status == SP_OK && link(part, path) != 0)
        status = SP_FAIL(err, errno == EEXIST ? SP_EXISTS : SP_STORAGE, "cannot name %s", path);
    unlink(part);
    if (status == SP_OK) status = sync_path(dir, O_DIRECTORY, err);
    return status;
}

/* ---- Statements ---- */

sp_status sp_db_begin(struct sp_db *db, struct sp_err *err)
{
    return sp_db_execute(db, "BEGIN IMMEDIATE", err);
}

sp_status sp_db_commit(struct sp_db *db, struct sp_err *err)
{
    return sp_db_execute(db, "COMMIT", err);
}

void sp_db_rollback(struct sp_db *db)
{
    if (sqlite3_get_autocommit(db->handle) == 0) {
        sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    }
}

sp_status sp_db_prepare(struct sp_db *db, const char *sql, struct sp_stmt **out, struct sp_err *err)
{
    SP_ASSERT(db->count < STATEMENTS_MAX);
    struct sp_stmt *stmt = &db->statements[db->count];

    if (sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt->handle, NULL) !=
        SQLITE_OK) {
        return fail(db, err, sql);
    }
    stmt->db = db;
    stmt->failed = false;
    db->count++;
    *out = stmt;
    return SP_OK;
}

void sp_stmt_drop(struct sp_stmt *stmt)
{
    if (stmt == NULL) return;
    if (stmt != &stmt->db->statements[stmt->db->count - 1]) {
        sp_stmt_reset(stmt);
        return;
    }
    sqlite3_finalize(stmt->handle);
    stmt->db->count--;
}

static void must_bind(struct sp_stmt *stmt, int rc)
{
    if (rc == SQLITE_NOMEM) stmt->failed = true;
    SP_ASSERT(rc == SQLITE_OK || rc == SQLITE_NOMEM); /* a wrong position is our own mistake */
}

/* A value that is missing is not written as NULL. */
SP_NODISCARD static int step(struct sp_stmt *stmt)
{
    return stmt->failed ? SQLITE_NOMEM : sqlite3_step(stmt->handle);
}

SP_NODISCARD static sp_status fail_step(struct sp_stmt *stmt, struct sp_err *err)
{
    if (stmt->failed) return SP_FAIL(err, SP_NO_MEMORY, "%s: a value", stmt->db->path);
    return fail(stmt->db, err, sqlite3_sql(stmt->handle));
}

void sp_stmt_int(struct sp_stmt *stmt, int at, int64_t value)
{
    must_bind(stmt, sqlite3_bind_int64(stmt->handle, at, value));
}

void sp_stmt_text(struct sp_stmt *stmt, int at, const char *text)
{
    must_bind(stmt, sqlite3_bind_text(stmt->handle, at, text, -1, SQLITE_TRANSIENT));
}

void sp_stmt_id(struct sp_stmt *stmt, int at, enum sp_id_type type, struct sp_id id)
{
    char text[SP_ID_TEXT_SIZE];

    sp_stmt_text(stmt, at, sp_id_format(type, id, text));
}

sp_status sp_stmt_run(struct sp_stmt *stmt, struct sp_err *err)
{
    int rc = step(stmt);
    sp_status status = rc == SQLITE_DONE ? SP_OK : fail_step(stmt, err);

    sp_stmt_reset(stmt);
    return status;
}

sp_status sp_stmt_next(struct sp_stmt *stmt, struct sp_err *err)
{
    int rc = step(stmt);

    if (rc == SQLITE_ROW) return SP_OK;
    sp_status status = rc == SQLITE_DONE ? SP_NOT_FOUND : fail_step(stmt, err);
    sp_stmt_reset(stmt);
    return status;
}

void sp_stmt_reset(struct sp_stmt *stmt)
{
    sqlite3_reset(stmt->handle);
    sqlite3_clear_bindings(stmt->handle);
    stmt->failed = false;
}

int sp_stmt_columns(struct sp_stmt *stmt)
{
    return sqlite3_column_count(stmt->handle);
}

int64_t sp_stmt_column_int(struct sp_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

const char *sp_stmt_column_text(struct sp_stmt *stmt, int column)
{
    bool null = sqlite3_column_type(stmt->handle, column) == SQLITE_NULL;
    const unsigned char *text = sqlite3_column_text(stmt->handle, column);

    if (text == NULL && !null) stmt->failed = true;
    return text != NULL ? (const char *)text : "";
}

bool sp_stmt_failed(const struct sp_stmt *stmt)
{
    return stmt->failed;
}
