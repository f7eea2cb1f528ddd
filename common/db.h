/* SQLite, as we use it: one connection per file, EXCLUSIVE, WAL; the only module that knows it.
 *
 * One connection is not a matter of taste: every SQLite from 3.7.0 to 3.51.2 (but 3.44.6 and
 * 3.50.7) can corrupt a WAL database when two connections commit and checkpoint at the same
 * instant, and Debian 12 ships one of them. With such a library a file is opened only if the
 * library confirms EXCLUSIVE. Others read a copy, or ask the owner. Every setting is read back and
 * compared. A connection belongs to one thread at a time.
 *
 * After a failure other than a broken rule the write-ahead log is left in place when the connection
 * closes, so that the next opening knows (sp_db_was_unclean) that the file wants a full check.
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
 * damaged (quick_check) or no database, SP_LOCKED if another process has it, SP_VERSION if the
 * library is one of those above and does not confirm EXCLUSIVE, SP_NO_MEMORY, SP_STORAGE for the
 * rest, a setting that was not taken included. */
SP_NODISCARD sp_status sp_db_open(const char *path, enum sp_db_sync sync, const char *schema,
                                  struct sp_db **out, struct sp_err *err);
/* A file that nobody writes (a backup), to read only; nothing is created beside it. Statuses as
 * above. */
SP_NODISCARD sp_status sp_db_open_copy(const char *path, struct sp_db **out, struct sp_err *err);
/* Finalises the statements made from it. NULL is accepted. */
void sp_db_close(struct sp_db *db);
/* Closing leaves the write-ahead log where it is, if there is one: what was found in the file, or
 * could not be looked at, wants a full check at the next opening, too. */
void sp_db_keep_log(struct sp_db *db);
/* The file was not closed in order the last time: it had a write-ahead log. */
bool sp_db_was_unclean(const struct sp_db *db);
/* The disk refused to sync the file: what was written since cannot be trusted, nor what a later
 * sync says. */
bool sp_db_sync_failed(const struct sp_db *db);
/* Whether two connections to a file are safe with the library of that number. */
bool sp_db_version_is_safe(int number);
/* What SQLite may take of memory in this process, from now on. */
void sp_db_limit_heap(int64_t bytes);

/* Writes a copy to `path`, in full or not at all, and syncs it. SP_EXISTS: `path` is there and
 * stays as it is. SP_STORAGE. */
SP_NODISCARD sp_status sp_db_backup(struct sp_db *db, const char *path, struct sp_err *err);
/* The same in pieces, between which `db` may be written: the copy is of the end of the last piece.
 * It goes to `path`, which is overwritten, and is synced when the end returns SP_OK; the directory
 * is not. SP_STORAGE, SP_NO_MEMORY. */
struct sp_db_copy;
SP_NODISCARD sp_status sp_db_copy_begin(struct sp_db *db, const char *path, struct sp_db_copy **out,
                                        struct sp_err *err);
/* Up to `pages` pages; *done says that there are no more. */
SP_NODISCARD sp_status sp_db_copy_step(struct sp_db_copy *copy, int pages, bool *done,
                                       struct sp_err *err);
/* Frees it. Before done: gives it up, and the file is of no use. NULL is accepted. */
SP_NODISCARD sp_status sp_db_copy_end(struct sp_db_copy *copy, struct sp_err *err);

/* Runs statements without rows or parameters. SP_STORAGE, SP_CORRUPT, SP_NO_MEMORY, SP_EXISTS
 * (constraint). */
SP_NODISCARD sp_status sp_db_execute(struct sp_db *db, const char *sql, struct sp_err *err);
/* BEGIN IMMEDIATE, COMMIT; rollback is safe to call in any state. */
SP_NODISCARD sp_status sp_db_begin(struct sp_db *db, struct sp_err *err);
SP_NODISCARD sp_status sp_db_commit(struct sp_db *db, struct sp_err *err);
void sp_db_rollback(struct sp_db *db);

/* Kept by the connection, freed with it. */
SP_NODISCARD sp_status sp_db_prepare(struct sp_db *db, const char *sql, struct sp_stmt **out,
                                     struct sp_err *err);
/* For a question that is asked once: frees it, if it is the one prepared last. NULL is accepted. */
void sp_stmt_drop(struct sp_stmt *stmt);
/* Parameters count from 1. Texts are copied; if that fails the next run or next says so. */
void sp_stmt_int(struct sp_stmt *stmt, int at, int64_t value);
void sp_stmt_text(struct sp_stmt *stmt, int at, const char *text);
void sp_stmt_id(struct sp_stmt *stmt, int at, enum sp_id_type type, struct sp_id id);
/* Runs a statement that gives no rows, and resets it. */
SP_NODISCARD sp_status sp_stmt_run(struct sp_stmt *stmt, struct sp_err *err);
/* The next row: SP_OK; SP_NOT_FOUND after the last, which also resets it. */
SP_NODISCARD sp_status sp_stmt_next(struct sp_stmt *stmt, struct sp_err *err);
/* Ends reading before the last row. */
void sp_stmt_reset(struct sp_stmt *stmt);
/* Columns count from 0; texts are valid until the next call on the statement, never NULL: "" where
 * memory does not suffice, which sp_stmt_failed then tells. */
int sp_stmt_columns(struct sp_stmt *stmt);
int64_t sp_stmt_column_int(struct sp_stmt *stmt, int column);
const char *sp_stmt_column_text(struct sp_stmt *stmt, int column);
bool sp_stmt_failed(const struct sp_stmt *stmt);

#endif
