/* SQLite, as we use it: one connection per file, EXCLUSIVE, WAL; the only module that knows it.
 *
 * One connection is not a matter of taste: every SQLite from 3.7.0 to 3.51.2 can corrupt a WAL
 * database when two connections commit and checkpoint at the same instant, and Debian 12 ships one
 * of them. Others read a copy, or ask the owner. A connection belongs to one thread at a time.
 */
#ifndef SP_COMMON_DB_H
#define SP_COMMON_DB_H

#include "proto/ids.h"

struct sp_db;
struct sp_stmt;

enum sp_db_sync {
    SP_DB_SYNC_LAZY, /* synchronous=NORMAL: a power cut may take the newest commits back */
    SP_DB_SYNC_FULL  /* a commit is on disk when it returns */
};

/* Opens or creates `path` and runs `schema` (CREATE ... IF NOT EXISTS). SP_CORRUPT if the file is
 * damaged (quick_check), SP_LOCKED if another process has it, SP_STORAGE for the rest. */
SP_NODISCARD sp_status sp_db_open(const char *path, enum sp_db_sync sync, const char *schema,
                                  struct sp_db **out, struct sp_err *err);
/* Finalises the statements made from it. NULL is accepted. */
void sp_db_close(struct sp_db *db);
/* Writes a copy to `path`, in full or not at all, and syncs it. SP_EXISTS: `path` is there and
 * stays as it is. SP_STORAGE. */
SP_NODISCARD sp_status sp_db_backup(struct sp_db *db, const char *path, struct sp_err *err);
/* Runs statements without rows or parameters. SP_STORAGE, SP_CORRUPT, SP_EXISTS (constraint). */
SP_NODISCARD sp_status sp_db_execute(struct sp_db *db, const char *sql, struct sp_err *err);
/* BEGIN IMMEDIATE, COMMIT; rollback is safe to call in any state. */
SP_NODISCARD sp_status sp_db_begin(struct sp_db *db, struct sp_err *err);
SP_NODISCARD sp_status sp_db_commit(struct sp_db *db, struct sp_err *err);
void sp_db_rollback(struct sp_db *db);

/* Kept by the connection, freed with it. */
SP_NODISCARD sp_status sp_db_prepare(struct sp_db *db, const char *sql, struct sp_stmt **out,
                                     struct sp_err *err);
/* Parameters count from 1. Texts are copied. */
void sp_stmt_int(struct sp_stmt *stmt, int at, int64_t value);
void sp_stmt_text(struct sp_stmt *stmt, int at, const char *text);
void sp_stmt_id(struct sp_stmt *stmt, int at, enum sp_id_type type, struct sp_id id);
/* Runs a statement that gives no rows, and resets it. */
SP_NODISCARD sp_status sp_stmt_run(struct sp_stmt *stmt, struct sp_err *err);
/* The next row: SP_OK; SP_NOT_FOUND after the last, which also resets it. */
SP_NODISCARD sp_status sp_stmt_next(struct sp_stmt *stmt, struct sp_err *err);
/* Ends reading before the last row. */
void sp_stmt_reset(struct sp_stmt *stmt);
/* Columns count from 0; texts are valid until the next call on the statement, never NULL. */
int64_t sp_stmt_column_int(struct sp_stmt *stmt, int column);
const char *sp_stmt_column_text(struct sp_stmt *stmt, int column);

#endif
