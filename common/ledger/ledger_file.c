#include "common/ledger/ledger_file.h"

#include "common/ledger/ledger_check.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ASIDE_MAX  9 /* files of a kind that are kept; the last is then overwritten */
#define COPY_BYTES 65536
#define LOG_SUFFIX "-wal"

/* What cannot be looked at is not taken for absent: a log would be left behind. */
SP_NODISCARD static sp_status look_for(const char *path, const char *suffix, bool *is_there,
                                       struct sp_err *err)
{
    char whole[SP_LEDGER_PATH_SIZE + 32];

    snprintf(whole, sizeof whole, "%s%s", path, suffix);
    *is_there = access(whole, F_OK) == 0;
    if (*is_there || errno == ENOENT) return SP_OK;
    return SP_FAIL(err, SP_STORAGE, "cannot look at %.80s: %s", whole, strerror(errno));
}

SP_NODISCARD static sp_status move(const char *from, const char *to, const char *suffix,
                                   struct sp_err *err)
{
    char old[SP_LEDGER_PATH_SIZE + 32], new[SP_LEDGER_PATH_SIZE + 32];
    bool is_there = false;

    sp_status status = look_for(from, suffix, &is_there, err);
    if (status != SP_OK || !is_there) return status;
    snprintf(old, sizeof old, "%s%s", from, suffix);
    snprintf(new, sizeof new, "%s%s", to, suffix);
    if (rename(old, new) != 0) return SP_FAIL(err, SP_STORAGE, "cannot rename %.80s", old);
    return sp_ledger_sync_dir(from, err);
}

static void name_aside(const char *path, const char *word, int number,
                       char out[SP_LEDGER_PATH_SIZE])
{
    snprintf(out, SP_LEDGER_PATH_SIZE, "%.480s.%s.%d", path, word, number);
}

/* The log goes first, and its name is on disk before the file's: a log that is left behind would be
 * taken for that of the file that comes next. */
SP_NODISCARD static sp_status put_aside(const char *path, const char *word,
                                        char aside[SP_LEDGER_PATH_SIZE], struct sp_err *err)
{
    char shm[SP_LEDGER_PATH_SIZE + 8];
    bool is_taken = true;
    sp_status status = SP_OK;

    for (int number = 1; number <= ASIDE_MAX && is_taken && status == SP_OK; number++) {
        name_aside(path, word, number, aside);
        status = look_for(aside, "", &is_taken, err);
    }
    if (status == SP_OK) status = move(path, aside, LOG_SUFFIX, err);
    if (status == SP_OK) status = move(path, aside, "", err);
    if (status != SP_OK) aside[0] = '\0';
    snprintf(shm, sizeof shm, "%s-shm", path);
    unlink(shm); /* of another program that had the file; ours have none */
    return status;
}

/* A log that was put aside and whose file was not: the end came in between. What is there lacks its
 * newest part, and would look sound without it. */
SP_NODISCARD static sp_status check_interrupted(const char *path, bool is_there, struct sp_err *err)
{
    char aside[SP_LEDGER_PATH_SIZE];
    bool has_file = false, has_log = false;
    sp_status status = SP_OK;

    for (int number = 1; number <= ASIDE_MAX && status == SP_OK && is_there; number++) {
        name_aside(path, "damaged", number, aside);
        status = look_for(aside, "", &has_file, err);
        if (status == SP_OK) status = look_for(aside, LOG_SUFFIX, &has_log, err);
        if (status == SP_OK && has_log && !has_file)
            status = SP_FAIL(err, SP_CORRUPT, "%.100s was to be put aside", path);
    }
    return status;
}

/* ---- Backups ---- */

SP_NODISCARD static bool copy_bytes(int from, int to)
{
    char *buf = malloc(COPY_BYTES);
    ssize_t got = 0;
    bool whole = buf != NULL;

    while (whole && (got = read(from, buf, COPY_BYTES)) > 0)
        whole = write(to, buf, (size_t)got) == got;
    free(buf);
    return whole && got == 0 && fsync(to) == 0;
}

sp_status sp_ledger_file_copy(const char *from, const char *path, struct sp_err *err)
{
    char part[SP_LEDGER_PATH_SIZE + 16];

    snprintf(part, sizeof part, "%s.part", path);
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool copied = in >= 0 && out >= 0 && copy_bytes(in, out) && rename(part, path) == 0;
    if (in >= 0) close(in);
    if (out >= 0) close(out);
    if (!copied) {
        unlink(part);
        return SP_FAIL(err, SP_STORAGE, "cannot copy %.80s to %.80s", from, path);
    }
    return sp_ledger_sync_dir(path, err);
}

sp_status sp_ledger_file_source(const struct sp_ledger_place *place, char from[SP_LEDGER_PATH_SIZE],
                                struct sp_err *err)
{
    struct sp_ledger_backup found = {.cursor = 0};
    const char *dir = place->backup_dir != NULL ? place->backup_dir : "";

    from[0] = '\0';
    if (place->first_seq <= 1) return SP_OK;
    sp_status status =
        sp_ledger_backup_find(dir, &place->stream, place->first_seq, place->last_seq, &found, err);
    if (status == SP_OK) memcpy(from, found.path, sizeof found.path);
    return status;
}

/* ---- Opening ---- */

static bool may_be_later(sp_status status)
{
    return status == SP_LOCKED || status == SP_STORAGE || status == SP_NO_MEMORY;
}

/* A witness is believed if it is sound. */
SP_NODISCARD static sp_status check_journal(const struct sp_ledger_place *place,
                                            struct sp_ledger_rows *rows, bool *lost,
                                            struct sp_err *err)
{
    uint64_t seen = sp_ledger_rows_cursor(rows);

    if (seen <= place->last_seq) return SP_OK;
    sp_status status = sp_ledger_check(rows, err);
    if (status != SP_OK) return status;
    *lost = true;
    return SP_FAIL(err, SP_CORRUPT,
                   "the journal ends at sequence %" PRIu64 ", but the ledger has seen %" PRIu64
                   ": restore the journal, or move the whole folder away to begin anew",
                   place->last_seq, seen);
}

/* The file as it is. *lost: the journal is at fault. */
SP_NODISCARD static sp_status open_sound(const struct sp_ledger_place *place, bool *lost,
                                         struct sp_ledger_rows **out,
                                         struct sp_ledger_finding *finding, struct sp_err *err)
{
    struct sp_ledger_rows *rows = NULL;

    sp_status status = sp_ledger_rows_open(place->path, &place->stream, place->world, &rows, err);
    if (status == SP_OK) {
        finding->checked = sp_db_was_unclean(sp_ledger_rows_db(rows));
        if (finding->checked) status = sp_ledger_check(rows, err);
    }
    if (status == SP_OK) status = check_journal(place, rows, lost, err);
    if (status == SP_OK && sp_ledger_rows_cursor(rows) + 1 < place->first_seq)
        status =
            SP_FAIL(err, SP_GONE, "the journal begins at %" PRIu64 ", the ledger ends at %" PRIu64,
                    place->first_seq, sp_ledger_rows_cursor(rows));
    if (status != SP_OK) {
        /* What was not closed in order, and was not found sound, is checked again. */
        if (finding->checked) sp_db_keep_log(sp_ledger_rows_db(rows));
        sp_ledger_rows_close(rows);
        return status;
    }
    *out = rows;
    return SP_OK;
}

/* An older file that is sound is a witness, too. */
SP_NODISCARD static sp_status check_older(const struct sp_ledger_place *place, bool *lost,
                                          struct sp_err *err)
{
    struct sp_ledger_seen seen = {0};

    sp_status status = sp_ledger_schema_peek(place->path, &seen, err);
    if (status != SP_OK || seen.cursor <= place->last_seq) return status;
    *lost = true;
    return SP_FAIL(err, SP_CORRUPT,
                   "the journal ends at sequence %" PRIu64 ", but the ledger has seen %" PRIu64
                   ": restore the journal, or move the whole folder away to begin anew",
                   place->last_seq, seen.cursor);
}

SP_NODISCARD static sp_status replace(const struct sp_ledger_place *place, sp_status found,
                                      struct sp_ledger_rows **out,
                                      struct sp_ledger_finding *finding, struct sp_err *err)
{
    const char *word = found == SP_VERSION ? "old" : "damaged";
    struct sp_err why = {0};
    bool lost = false;
    sp_status status = SP_OK;

    if (place->first_seq > 1) {
        /* Nothing is moved before it is known what comes instead. */
        char probe[SP_LEDGER_PATH_SIZE];
        snprintf(probe, sizeof probe, "%.490s.restored", place->path);
        status = sp_ledger_file_source(place, finding->backup, &why);
        if (status == SP_NOT_FOUND)
            return SP_FAIL(err, SP_CORRUPT, "%.100s; the journal's begin is gone: %.60s",
                           finding->why.text, why.text);
        if (status != SP_OK && err != NULL) *err = why;
        if (status == SP_OK) status = sp_ledger_file_copy(finding->backup, probe, err);
        if (status == SP_OK) status = put_aside(place->path, word, finding->aside, err);
        if (status == SP_OK && rename(probe, place->path) != 0)
            status = SP_FAIL(err, SP_STORAGE, "cannot rename %.80s", probe);
        if (status == SP_OK) status = sp_ledger_sync_dir(place->path, err);
    } else {
        status = put_aside(place->path, word, finding->aside, err);
    }
    if (status != SP_OK) return status;
    status = open_sound(place, &lost, out, finding, &why);
    /* It was written or checked just now: this is the disk, which may be better later. */
    if (status == SP_CORRUPT && !lost)
        return SP_FAIL(err, SP_STORAGE, "what took its place: %.120s", why.text);
    if (status != SP_OK && err != NULL) *err = why;
    return status;
}

sp_status sp_ledger_file_open(const struct sp_ledger_place *place, bool damaged,
                              struct sp_ledger_rows **out, struct sp_ledger_finding *finding,
                              struct sp_err *err)
{
    bool lost = false, is_there = false;

    *finding = (struct sp_ledger_finding){0};
    sp_status status = look_for(place->path, "", &is_there, &finding->why);
    if (status == SP_OK && damaged)
        status =
            SP_FAIL(&finding->why, SP_CORRUPT, "%.100s failed while it was written", place->path);
    if (status == SP_OK) status = check_interrupted(place->path, is_there, &finding->why);
    if (status == SP_OK && !is_there && place->first_seq > 1)
        status = SP_FAIL(&finding->why, SP_GONE,
                         "the journal begins at %" PRIu64 ", and there is no %.60s",
                         place->first_seq, place->path);
    if (status == SP_OK) {
        status = open_sound(place, &lost, out, finding, &finding->why);
        if (status == SP_OK) return SP_OK;
    }
    if (status == SP_VERSION) {
        sp_status older = check_older(place, &lost, err);
        if (lost || may_be_later(older)) return older;
    }
    if (lost || may_be_later(status)) {
        if (err != NULL) *err = finding->why;
        return status;
    }
    return replace(place, status, out, finding, err);
}

sp_status sp_ledger_file_look(const struct sp_ledger_place *place, struct sp_err *err)
{
    struct sp_ledger_finding finding = {0};
    struct sp_ledger_rows *rows = NULL;
    bool lost = false, is_there = false;

    sp_status status = look_for(place->path, "", &is_there, err);
    if (status == SP_OK && !is_there)
        return SP_FAIL(err, SP_NOT_FOUND, "there is no %.100s", place->path);
    if (status == SP_OK) status = check_interrupted(place->path, is_there, err);
    if (status != SP_OK) return status;
    status = open_sound(place, &lost, &rows, &finding, err);
    if (status == SP_OK) sp_ledger_rows_close(rows);
    return status;
}
