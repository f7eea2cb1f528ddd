/* The tables of a ledger file, and what it says of itself. ledger_rows.h says what is in them. One
 * thread. */
#ifndef SP_COMMON_LEDGER_SCHEMA_H
#define SP_COMMON_LEDGER_SCHEMA_H

#include "common/db.h"

#define SP_LEDGER_VERSION 3 /* PRAGMA user_version; files of the first version have 0 */

/* Of any ledger file, of the first version too. */
struct sp_ledger_seen {
    int64_t version; /* -1: the file does not exist or is empty */
    uint64_t cursor;
};

/* SP_CORRUPT, SP_STORAGE, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_schema_look(struct sp_db *db, struct sp_ledger_seen *out,
                                             struct sp_err *err);
/* The same of a file that is opened and closed for it. Statuses of sp_db_open besides. */
SP_NODISCARD sp_status sp_ledger_schema_peek(const char *path, struct sp_ledger_seen *out,
                                             struct sp_err *err);
/* Whether a file is a ledger of this version: SP_VERSION if of another, SP_CORRUPT if it is none;
 * `path` is for the message. SP_STORAGE, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_ledger_schema_check(struct sp_db *db, const char *path,
                                              struct sp_err *err);
/* Writes the tables and cursor 0 into an empty file. SP_STORAGE, SP_NO_MEMORY, SP_EXISTS. */
SP_NODISCARD sp_status sp_ledger_schema_create(struct sp_db *db, const sp_name *stream,
                                               struct sp_err *err);

#endif
