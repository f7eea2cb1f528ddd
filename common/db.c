#include "common/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATEMENTS_MAX 64

struct sp_stmt {
    struct sp_db *db;
    sqlite3_stmt *handle;
};

struct sp_db {
    sqlite3 *handle;
    char path[512];
    uint32_t count;
    struct sp_stmt statements[STATEMENTS_MAX];
};

SP_NODISCARD static sp_status fail(const struct sp_db *db, struct sp_err *err, const char *what)
{
    int code = sqlite3_extended_errcode(db->handle) & 0xff;
    sp_status status = SP_STORAGE;

    if (code == SQLITE_CORRUPT || code == SQLITE_NOTADB) status = SP_CORRUPT;
    if (code == SQLITE_BUSY || code == SQLITE_LOCKED) status = SP_LOCKED;
    if (code == SQLITE_CONSTRAINT) status = SP_EXISTS;
    return SP_FAIL(err, status, "%s: %.60s: %s", db->path, what, sqlite3_errmsg(db->handle));
}

sp_status sp_db_execute(struct sp_db *db, const char *sql, struct sp_err *err)
{
    if (sqlite3_exec(db->handle, sql, NULL, NULL, NULL) == SQLITE_OK) return SP_OK;
    return fail(db, err, sql);
}

/* quick_check reports damage as rows, not as an error. */
SP_NODISCARD static sp_status check(struct sp_db *db, struct sp_err *err)
{
    struct sp_stmt *stmt = NULL;

    sp_status status = sp_db_prepare(db, "PRAGMA quick_check(1)", &stmt, err);
    if (status == SP_OK) status = sp_stmt_next(stmt, err);
    if (status != SP_OK) return status;
    if (strcmp(sp_stmt_column_text(stmt, 0), "ok") != 0) {
        status = SP_FAIL(err, SP_CORRUPT, "%s: %.120s", db->path, sp_stmt_column_text(stmt, 0));
    }
    sp_stmt_reset(stmt);
    return status;
}

sp_status sp_db_open(const char *path, enum sp_db_sync sync, const char *schema, struct sp_db **out,
                     struct sp_err *err)
{
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    struct sp_db *db = calloc(1, sizeof *db);
    sp_status status = SP_OK;

    if (db == NULL) return SP_FAIL(err, SP_NO_MEMORY, "database handle");
    snprintf(db->path, sizeof db->path, "%s", path);
    if (sqlite3_open_v2(path, &db->handle, flags, NULL) != SQLITE_OK) {
        status = fail(db, err, "cannot open");
    }
    if (status == SP_OK) {
        status = sp_db_execute(db,
                               "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL;"
                               "PRAGMA foreign_keys=ON; PRAGMA trusted_schema=OFF;"
                               "PRAGMA cell_size_check=ON; PRAGMA temp_store=MEMORY;"
                               "PRAGMA mmap_size=0;",
                               err);
    }
    if (status == SP_OK) {
        status = sp_db_execute(
            db, sync == SP_DB_SYNC_FULL ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL",
            err);
    }
    if (status == SP_OK) status = check(db, err);
    if (status == SP_OK) status = sp_db_execute(db, schema, err);
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

SP_NODISCARD static sp_status copy_pages(struct sp_db *db, const char *path, struct sp_err *err)
{
    sqlite3 *to = NULL;
    int rc = sqlite3_open_v2(path, &to, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

    if (rc == SQLITE_OK) {
        sqlite3_backup *backup = sqlite3_backup_init(to, "main", db->handle, "main");
        if (backup != NULL) {
            sqlite3_backup_step(backup, -1);
            sqlite3_backup_finish(backup);
        }
        rc = sqlite3_errcode(to);
    }
    sp_status status = SP_OK;
    if (rc != SQLITE_OK && rc != SQLITE_DONE)
        status = SP_FAIL(err, SP_STORAGE, "cannot copy to %s: %s", path, sqlite3_errmsg(to));
    if (sqlite3_close(to) != SQLITE_OK && status == SP_OK)
        status = SP_FAIL(err, SP_STORAGE, "cannot close %s", path);
    return status;
}

SP_NODISCARD static sp_status sync_path(const char *path, int flags, struct sp_err *err)
{
    int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    bool synced = fd >= 0 && fsync(fd) == 0;

    if (fd >= 0) close(fd);
    return synced ? SP_OK : SP_FAIL(err, SP_STORAGE, "cannot sync %s", path);
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
    unlink(part); /* of a copy that was cut short */
    sp_status status = copy_pages(db, part, err);
    if (status == SP_OK) status = sync_path(part, 0, err);
    /* link, unlike rename, refuses a name that is taken. */
    if (status == SP_OK && link(part, path) != 0)
        status = SP_FAIL(err, errno == EEXIST ? SP_EXISTS : SP_STORAGE, "cannot name %s", path);
    unlink(part);
    if (status == SP_OK) status = sync_path(dir, O_DIRECTORY, err);
    return status;
}

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
    db->count++;
    *out = stmt;
    return SP_OK;
}

static void must_bind(int rc)
{
    SP_ASSERT(rc == SQLITE_OK); /* a wrong position is our own mistake */
}

void sp_stmt_int(struct sp_stmt *stmt, int at, int64_t value)
{
    must_bind(sqlite3_bind_int64(stmt->handle, at, value));
}

void sp_stmt_text(struct sp_stmt *stmt, int at, const char *text)
{
    must_bind(sqlite3_bind_text(stmt->handle, at, text, -1, SQLITE_TRANSIENT));
}

void sp_stmt_id(struct sp_stmt *stmt, int at, enum sp_id_type type, struct sp_id id)
{
    char text[SP_ID_TEXT_SIZE];

    sp_stmt_text(stmt, at, sp_id_format(type, id, text));
}

sp_status sp_stmt_run(struct sp_stmt *stmt, struct sp_err *err)
{
    int rc = sqlite3_step(stmt->handle);
    sp_status status = rc == SQLITE_DONE ? SP_OK : fail(stmt->db, err, sqlite3_sql(stmt->handle));

    sp_stmt_reset(stmt);
    return status;
}

sp_status sp_stmt_next(struct sp_stmt *stmt, struct sp_err *err)
{
    int rc = sqlite3_step(stmt->handle);

    if (rc == SQLITE_ROW) return SP_OK;
    sp_status status =
        rc == SQLITE_DONE ? SP_NOT_FOUND : fail(stmt->db, err, sqlite3_sql(stmt->handle));
    sp_stmt_reset(stmt);
    return status;
}

void sp_stmt_reset(struct sp_stmt *stmt)
{
    sqlite3_reset(stmt->handle);
    sqlite3_clear_bindings(stmt->handle);
}

int64_t sp_stmt_column_int(struct sp_stmt *stmt, int column)
{
    return sqlite3_column_int64(stmt->handle, column);
}

const char *sp_stmt_column_text(struct sp_stmt *stmt, int column)
{
    const unsigned char *text = sqlite3_column_text(stmt->handle, column);

    return text != NULL ? (const char *)text : "";
}
