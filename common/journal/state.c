/* A snapshot is valid JSON, but is checked as bytes first. Bytes 0..319 are the header, padded with
 * spaces before "d":
 *
 *   {"h":{"fmt":"st1","name":"execution","inst":"7f3c","gen":"00000000000000000042",
 *   "epoch":"0000000007","seq":"00000000000000001234","len":"0000000512","hcrc":"xxxxxxxx",
 *   "dcrc":"xxxxxxxx","prev":"xxxxxxxx"},     "d":            (on one line)
 *
 * then the payload (len bytes) and }\n. dcrc is the CRC-32C of the payload, prev the dcrc of the
 * generation it was made from (zeros for the first), hcrc the CRC-32C of the header with zeros in
 * its place.
 *
 * Saving: write NAME.json.journal, sync, close, read back and verify; link NAME.json to .bak.tmp
 * and rename that to .bak, so that NAME.json is never absent; rename the pending file to NAME.json;
 * sync the directory. Whatever a crash leaves of this is told apart by sp_state_load's table below.
 */
#include "common/journal/state.h"

#include "common/planted_bug.h"
#include "proto/types.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define HEADER_BYTES   320
#define TRAILER_BYTES  2
#define PATH_BYTES     512
#define ASIDE_MAX      1000
#define FORMAT_AT      15 /* offset of the format's number */
#define DATA_KEY_BYTES 4  /* "d": */

enum file_kind { CURRENT, BACKUP, PENDING, FILE_KINDS };

static const char *const suffixes[FILE_KINDS] = {
    [CURRENT] = ".json", [BACKUP] = ".json.bak", [PENDING] = ".json.journal"};

enum condition { ABSENT, VALID, DAMAGED };

/* One of the three files, as found. */
struct snapshot {
    enum condition condition;
    struct sp_state_header header;
    uint32_t dcrc, prev;
    char *text; /* the whole file, NUL behind it; NULL unless VALID */
    size_t len_bytes;
};

static const struct sp_file_port *port_of(const struct sp_state_file *file)
{
    return file->port != NULL ? file->port : sp_file_port_real();
}

static const char *path_of(const struct sp_state_file *file, const char *suffix,
                           char buf[PATH_BYTES])
{
    int len = snprintf(buf, PATH_BYTES, "%s/%s%s", file->dir, file->name, suffix);

    SP_ASSERT(len > 0);
    SP_ASSERT(len < PATH_BYTES);
    return buf;
}

static sp_status check_file(const struct sp_state_file *file, struct sp_err *err)
{
    sp_name name;

    if (!sp_name_set(&name, file->name) || file->name[0] == '\0' ||
        !sp_name_set(&name, file->installation)) {
        return SP_FAIL(err, SP_INVALID, "state: name and installation must be names");
    }
    if (strlen(file->dir) + sizeof "/quarantine/.json.journal.999" + sizeof name > PATH_BYTES) {
        return SP_FAIL(err, SP_TOO_LONG, "path of %zu bytes is too long", strlen(file->dir));
    }
    return SP_OK;
}

static void header_format(const struct sp_state_file *file, const struct snapshot *snapshot,
                          size_t payload_bytes, char out[HEADER_BYTES + 1])
{
    char *hcrc = NULL;
    int len = snprintf(
        out, HEADER_BYTES,
        "{\"h\":{\"fmt\":\"st1\",\"name\":\"%s\",\"inst\":\"%s\",\"gen\":\"%020" PRIu64
        "\",\"epoch\":\"%010" PRIu32 "\",\"seq\":\"%020" PRIu64
        "\",\"len\":\"%010zu\",\"hcrc\":\"00000000\",\"dcrc\":\"%08" PRIx32
        "\",\"prev\":\"%08" PRIx32 "\"},",
        file->name, file->installation, snapshot->header.generation, snapshot->header.epoch,
        snapshot->header.noted_seq, payload_bytes, snapshot->dcrc, snapshot->prev);

    SP_ASSERT(len > 0);
    SP_ASSERT(len <= HEADER_BYTES - DATA_KEY_BYTES);
    memset(out + len, ' ', (size_t)(HEADER_BYTES - len));
    memcpy(out + HEADER_BYTES - DATA_KEY_BYTES, "\"d\":", DATA_KEY_BYTES);
    out[HEADER_BYTES] = '\0';
    hcrc = strstr(out, "\"hcrc\":\"") + strlen("\"hcrc\":\"");
    char digits[9];
    snprintf(digits, sizeof digits, "%08" PRIx32, sp_crc32c(0, out, HEADER_BYTES));
    memcpy(hcrc, digits, 8);
}

/* The value of a key as a number; values are digits in quotes. */
static bool header_number(const char *header, const char *key, int base, uint64_t *out)
{
    const char *at = strstr(header, key);
    char *end = NULL;

    if (at == NULL) return false;
    errno = 0;
    *out = strtoull(at + strlen(key), &end, base);
    return errno == 0 && *end == '"';
}

static void header_name(const char *header, const char *key, sp_name *out)
{
    const char *at = strstr(header, key);

    *out = (sp_name){{0}};
    if (at == NULL) return;
    at += strlen(key);
    if (!sp_name_set_n(out, at, strcspn(at, "\""))) *out = (sp_name){{0}};
}

/* Fills the snapshot from snapshot->text. The header is right if writing it again gives the same
 * bytes: one rule for every field, its width and its place. */
static bool parse(const struct sp_state_file *file, struct snapshot *snapshot, bool *foreign)
{
    char header[HEADER_BYTES + 1], again[HEADER_BYTES + 1];
    uint64_t epoch = 0, len = 0, dcrc = 0, prev = 0;
    sp_name name, installation;

    if (snapshot->len_bytes < HEADER_BYTES + TRAILER_BYTES) return false;
    memcpy(header, snapshot->text, HEADER_BYTES);
    header[HEADER_BYTES] = '\0';
    header_name(header, "\"name\":\"", &name);
    header_name(header, "\"inst\":\"", &installation);
    if (!header_number(header, "\"gen\":\"", 10, &snapshot->header.generation) ||
        !header_number(header, "\"epoch\":\"", 10, &epoch) || epoch > UINT32_MAX ||
        !header_number(header, "\"seq\":\"", 10, &snapshot->header.noted_seq) ||
        !header_number(header, "\"len\":\"", 10, &len) ||
        !header_number(header, "\"dcrc\":\"", 16, &dcrc) ||
        !header_number(header, "\"prev\":\"", 16, &prev)) {
        return false;
    }
    snapshot->header.epoch = (uint32_t)epoch;
    snapshot->dcrc = (uint32_t)dcrc;
    snapshot->prev = (uint32_t)prev;
    if (len != snapshot->len_bytes - HEADER_BYTES - TRAILER_BYTES) return false;
    struct sp_state_file said = {.name = name.s, .installation = installation.s};
    header_format(&said, snapshot, len, again);
    if (memcmp(header, again, HEADER_BYTES) != 0) return false;
    const char *payload = snapshot->text + HEADER_BYTES;
    bool holds = sp_crc32c(0, payload, len) == snapshot->dcrc;
    if (!holds && !SP_BUG(promote_unverified)) return false;
    if (memcmp(payload + len, "}\n", TRAILER_BYTES) != 0) return false;
    *foreign = !sp_name_is(&name, file->name) || !sp_name_is(&installation, file->installation);
    return true;
}

static sp_status read_file(const struct sp_file_port *port, const char *path,
                           struct snapshot *snapshot, struct sp_err *err)
{
    size_t cap = HEADER_BYTES + SP_STATE_BYTES_MAX + TRAILER_BYTES + 1;
    int fd = port->open(port->self, path, O_RDONLY | O_NOFOLLOW, 0);

    snapshot->condition = ABSENT;
    if (fd < 0 && errno == ENOENT) return SP_OK;
    if (fd < 0) return SP_FAIL(err, SP_IO, "cannot open %s: %s", path, strerror(errno));
    struct stat st;
    if (fstat(fd, &st) == 0 && (uint64_t)st.st_size < cap) cap = (size_t)st.st_size + 1;
    snapshot->text = malloc(cap + 1);
    ssize_t n = snapshot->text != NULL ? 1 : 0;
    while (n > 0 && snapshot->len_bytes < cap) {
        do {
            n = port->pread(port->self, fd, snapshot->text + snapshot->len_bytes,
                            cap - snapshot->len_bytes, (off_t)snapshot->len_bytes);
        } while (n < 0 && errno == EINTR);
        if (n > 0) snapshot->len_bytes += (size_t)n;
    }
    int saved_errno = errno;
    port->close(port->self, fd);
    if (snapshot->text == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to read %s", path);
    if (n < 0) return SP_FAIL(err, SP_IO, "cannot read %s: %s", path, strerror(saved_errno));
    snapshot->text[snapshot->len_bytes] = '\0';
    snapshot->condition = DAMAGED;
    return SP_OK;
}

static void forget(struct snapshot *snapshot)
{
    free(snapshot->text);
    *snapshot = (struct snapshot){0};
}

/* Only a whole number counts: a write that was torn within it is damage, not a newer version, and
 * must not keep the service from the generation before. */
static bool is_other_format(const char *text)
{
    static const char begin[] = "{\"h\":{\"fmt\":\"st";

    if (memcmp(text, begin, FORMAT_AT) != 0) return false;
    size_t digits = strspn(text + FORMAT_AT, "0123456789");
    if (digits == 0 || text[FORMAT_AT + digits] != '"') return false;
    return digits != 1 || text[FORMAT_AT] != '1';
}

static sp_status classify(const struct sp_state_file *file, enum file_kind kind,
                          struct snapshot *out, struct sp_err *err)
{
    char path[PATH_BYTES];
    struct snapshot found = {0};
    bool foreign = false;
    sp_status status = read_file(port_of(file), path_of(file, suffixes[kind], path), &found, err);

    if (status == SP_OK && found.condition == DAMAGED && found.len_bytes >= HEADER_BYTES) {
        if (is_other_format(found.text)) {
            status = SP_FAIL(err, SP_VERSION, "%s: format is not known here", path);
        } else if (parse(file, &found, &foreign)) {
            found.condition = VALID;
        }
    }
    if (status == SP_OK && foreign) {
        status = SP_FAIL(err, SP_INVALID, "%s belongs to another installation or service", path);
    }
    if (status != SP_OK) {
        forget(&found);
        return status;
    }
    if (found.condition != VALID) {
        free(found.text);
        found = (struct snapshot){.condition = found.condition};
    }
    *out = found;
    return SP_OK;
}

static sp_status classify_all(const struct sp_state_file *file, struct snapshot all[FILE_KINDS],
                              struct sp_err *err)
{
    for (int i = 0; i < FILE_KINDS; i++)
        all[i] = (struct snapshot){0};
    for (int i = 0; i < FILE_KINDS; i++) {
        sp_status status = classify(file, (enum file_kind)i, &all[i], err);
        if (status != SP_OK) return status;
    }
    return SP_OK;
}

static void forget_all(struct snapshot all[FILE_KINDS])
{
    for (int i = 0; i < FILE_KINDS; i++)
        forget(&all[i]);
}

static sp_status sync_dir(const struct sp_state_file *file, const char *dir, struct sp_err *err)
{
    const struct sp_file_port *port = port_of(file);

    if (port->sync_dir(port->self, dir) == 0) return SP_OK;
    return SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", dir, strerror(errno));
}

/* Moves a file to quarantine/ under the first free number. */
static sp_status put_aside(const struct sp_state_file *file, enum file_kind kind,
                           struct sp_err *err)
{
    const struct sp_file_port *port = port_of(file);
    char path[PATH_BYTES], dir[PATH_BYTES], aside[PATH_BYTES * 2];
    int rc = -1;

    path_of(file, suffixes[kind], path);
    snprintf(dir, sizeof dir, "%s/quarantine", file->dir);
    sp_status status = sp_file_make_dirs(port, dir, err);
    if (status != SP_OK) return status;
    for (int i = 1; i < ASIDE_MAX && rc != 0; i++) {
        snprintf(aside, sizeof aside, "%s/%s%s.%d", dir, file->name, suffixes[kind], i);
        rc = port->link(port->self, path, aside);
        if (rc != 0 && errno != EEXIST) break;
    }
    if (rc != 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot move %s to quarantine: %s", path, strerror(errno));
    }
    status = sync_dir(file, dir, err);
    if (status != SP_OK) return status;
    if (port->unlink(port->self, path) != 0) {
        return SP_FAIL(err, SP_STORAGE, "cannot remove %s: %s", path, strerror(errno));
    }
    return sync_dir(file, file->dir, err);
}

static sp_status storage_error(const char *what, const char *path, struct sp_err *err)
{
    bool full = errno == ENOSPC || errno == EDQUOT;

    return SP_FAIL(err, full ? SP_FULL : SP_STORAGE, "cannot %s %s: %s", what, path,
                   strerror(errno));
}

/* Makes the pending file current, and the current one, if it is sound, the backup. */
static sp_status promote(const struct sp_state_file *file, bool keep_current, struct sp_err *err)
{
    const struct sp_file_port *port = port_of(file);
    char current[PATH_BYTES], backup[PATH_BYTES], tmp[PATH_BYTES], pending[PATH_BYTES];

    path_of(file, suffixes[CURRENT], current);
    path_of(file, suffixes[BACKUP], backup);
    path_of(file, suffixes[PENDING], pending);
    path_of(file, ".json.bak.tmp", tmp);
    if (keep_current) {
        if (port->unlink(port->self, tmp) != 0 && errno != ENOENT) {
            return storage_error("remove", tmp, err);
        }
        if (port->link(port->self, current, tmp) != 0) return storage_error("link", tmp, err);
        if (port->rename(port->self, tmp, backup) != 0) {
            return storage_error("rename", backup, err);
        }
        /* If both names were the same file already, rename did nothing and left ours. */
        if (port->unlink(port->self, tmp) != 0 && errno != ENOENT) {
            return storage_error("remove", tmp, err);
        }
    }
    if (port->rename(port->self, pending, current) != 0) {
        return storage_error("rename", current, err);
    }
    return SP_BUG(state_no_dir_sync) ? SP_OK : sync_dir(file, file->dir, err);
}

/* Steps 2 to 4 of saving. */
static sp_status write_pending(const struct sp_state_file *file, const char *header,
                               const char *json, size_t len_bytes, struct sp_err *err)
{
    static const int flags = O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW;
    const struct sp_file_port *port = port_of(file);
    char path[PATH_BYTES];

    path_of(file, suffixes[PENDING], path);
    int fd = port->open(port->self, path, flags, 0600);
    if (fd < 0 && errno == EEXIST && port->unlink(port->self, path) == 0) {
        fd = port->open(port->self, path, flags, 0600); /* left by a save that failed */
    }
    if (fd < 0) return storage_error("create", path, err);
    sp_status status = sp_file_write_all(port, fd, header, HEADER_BYTES, err);
    if (status == SP_OK) status = sp_file_write_all(port, fd, json, len_bytes, err);
    if (status == SP_OK) status = sp_file_write_all(port, fd, "}\n", TRAILER_BYTES, err);
    if (status != SP_OK) status = storage_error("write", path, err);
    if (status == SP_OK && !SP_BUG(state_no_sync) && port->sync(port->self, fd) != 0) {
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", path, strerror(errno));
    }
    if (port->close(port->self, fd) != 0 && status == SP_OK) {
        status = SP_FAIL(err, SP_STORAGE, "cannot close %s: %s", path, strerror(errno));
    }
    return status;
}

static sp_status verify_pending(const struct sp_state_file *file, const struct snapshot *written,
                                struct sp_err *err)
{
    struct snapshot back = {0};
    sp_status status = classify(file, PENDING, &back, err);
    bool same = status == SP_OK && back.condition == VALID && back.dcrc == written->dcrc &&
                back.prev == written->prev && back.header.generation == written->header.generation;

    forget(&back);
    if (same) return SP_OK;
    return SP_FAIL(err, SP_STORAGE, "state %s does not read back as written", file->name);
}

/* What the new generation is made from; puts a damaged current file aside, so that it does not
 * become the backup. */
static sp_status check_follows(const struct sp_state_file *file, struct snapshot all[FILE_KINDS],
                               struct snapshot *written, struct sp_err *err)
{
    const struct snapshot *current = &all[CURRENT], *backup = &all[BACKUP];
    uint64_t generation = written->header.generation;
    bool follows = current->condition == VALID  ? generation == current->header.generation + 1
                   : backup->condition == VALID ? generation > backup->header.generation
                                                : generation > 0;

    if (!follows) {
        return SP_FAIL(err, SP_INVALID, "state %s: generation %" PRIu64 " does not follow",
                       file->name, generation);
    }
    written->prev = current->condition == VALID  ? current->dcrc
                    : backup->condition == VALID ? backup->dcrc
                                                 : 0;
    return current->condition == DAMAGED ? put_aside(file, CURRENT, err) : SP_OK;
}

sp_status sp_state_save(const struct sp_state_file *file, const struct sp_state_header *header,
                        const char *json, size_t len_bytes, struct sp_err *err)
{
    struct snapshot all[FILE_KINDS];
    struct snapshot written = {.header = *header, .dcrc = sp_crc32c(0, json, len_bytes)};
    char text[HEADER_BYTES + 1], pending[PATH_BYTES];
    sp_status status = check_file(file, err);

    if (status != SP_OK) return status;
    if (len_bytes > SP_STATE_BYTES_MAX) {
        return SP_FAIL(err, SP_TOO_LONG, "state %s: %zu bytes", file->name, len_bytes);
    }
    if (len_bytes == 0 || memchr(json, '\0', len_bytes) != NULL) {
        return SP_FAIL(err, SP_INVALID, "state %s: payload is no JSON text", file->name);
    }
    status = classify_all(file, all, err);
    if (status == SP_OK) status = check_follows(file, all, &written, err);
    bool keep_current = all[CURRENT].condition == VALID;
    forget_all(all);
    if (status != SP_OK) return status;
    header_format(file, &written, len_bytes, text);
    status = write_pending(file, text, json, len_bytes, err);
    if (status == SP_OK) status = verify_pending(file, &written, err);
    if (status == SP_OK) return promote(file, keep_current, err);

    const struct sp_file_port *port = port_of(file);
    /* A leftover is harmless: it does not verify, or load or save finds it stale. */
    SP_IGNORE(port->unlink(port->self, path_of(file, suffixes[PENDING], pending)) != 0);
    return status;
}

/* What load does with what it found. */
struct plan {
    enum sp_state_outcome outcome;
    enum file_kind use;
    bool promote, keep_current, unlink_pending;
    bool aside[FILE_KINDS];
};

/* The table. SP_CORRUPT if nothing may be used. */
static sp_status decide(const struct snapshot all[FILE_KINDS], struct plan *plan)
{
    const struct snapshot *current = &all[CURRENT], *backup = &all[BACKUP];
    const struct snapshot *pending = &all[PENDING];
    uint32_t chain = current->condition == VALID  ? current->dcrc
                     : backup->condition == VALID ? backup->dcrc
                                                  : 0;
    bool continues = pending->condition == VALID && pending->prev == chain;

    *plan = (struct plan){.aside = {[PENDING] = pending->condition == DAMAGED}};
    if (current->condition == VALID) {
        uint64_t generation = current->header.generation;
        plan->outcome = SP_STATE_LOADED;
        plan->use = CURRENT;
        plan->keep_current = true;
        plan->promote = continues && pending->header.generation == generation + 1;
        plan->unlink_pending =
            pending->condition == VALID && pending->header.generation <= generation;
    } else {
        plan->aside[CURRENT] = current->condition == DAMAGED;
        plan->outcome = SP_STATE_DEGRADED;
        plan->use = BACKUP;
        plan->promote = continues && backup->condition == VALID &&
                        pending->header.generation > backup->header.generation;
        if (current->condition == ABSENT && backup->condition == ABSENT) {
            /* Nothing was ever current: a first save that a crash hit before its rename. */
            plan->promote = continues && pending->header.generation == 1;
            if (pending->condition != VALID) plan->outcome = SP_STATE_NEW;
        }
    }
    if (plan->promote) {
        plan->outcome = SP_STATE_PROMOTED;
        plan->use = PENDING;
    } else if (pending->condition == VALID && !plan->unlink_pending) {
        plan->aside[PENDING] = true;
    }
    if (plan->outcome == SP_STATE_NEW) return SP_OK;
    return all[plan->use].condition == VALID ? SP_OK : SP_CORRUPT;
}

/* Makes durable what was read: its writer may have died before its sync, or after one that failed,
 * which loses pages that reading still shows. The same bytes in the same place, so that a crash in
 * the middle harms nothing. */
static sp_status write_again(const struct sp_state_file *file, enum file_kind kind,
                             const struct snapshot *snapshot, struct sp_err *err)
{
    const struct sp_file_port *port = port_of(file);
    char path[PATH_BYTES];

    path_of(file, suffixes[kind], path);
    int fd = port->open(port->self, path, O_WRONLY | O_NOFOLLOW, 0);
    if (fd < 0) return storage_error("open", path, err);
    sp_status status = sp_file_write_all(port, fd, snapshot->text, snapshot->len_bytes, err);
    if (status == SP_OK && port->sync(port->self, fd) != 0) {
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", path, strerror(errno));
    }
    port->close(port->self, fd);
    return status;
}

/* What is there may be named but not synced: its writer died, and this is a new process on the same
 * page cache. What is given to the caller is durable. */
static sp_status carry_out(const struct sp_state_file *file, const struct plan *plan,
                           const struct snapshot all[FILE_KINDS], struct sp_err *err)
{
    const struct sp_file_port *port = port_of(file);
    char path[PATH_BYTES];

    for (int i = 0; i < FILE_KINDS; i++) {
        sp_status status = plan->aside[i] ? put_aside(file, (enum file_kind)i, err) : SP_OK;
        if (status != SP_OK) return status;
    }
    if (plan->unlink_pending &&
        port->unlink(port->self, path_of(file, suffixes[PENDING], path)) != 0) {
        return storage_error("remove", path, err);
    }
    if (plan->outcome == SP_STATE_NEW) return SP_OK;
    if (!plan->promote) return sync_dir(file, file->dir, err);
    sp_status status = write_again(file, PENDING, &all[PENDING], err);
    return status == SP_OK ? promote(file, plan->keep_current, err) : status;
}

/* What the plan would load; 0 for nothing. */
static uint64_t generation_of(const struct plan *plan, const struct snapshot all[FILE_KINDS])
{
    return plan->outcome == SP_STATE_NEW ? 0 : all[plan->use].header.generation;
}

static sp_status choose(const struct sp_state_file *file, const struct snapshot all[FILE_KINDS],
                        uint64_t generation_expected, struct plan *plan, struct sp_err *err)
{
    if (decide(all, plan) != SP_OK) {
        return SP_FAIL(err, SP_CORRUPT,
                       "state %s/%s: no file is sound; restore one, or move all away to rebuild",
                       file->dir, file->name);
    }
    if (generation_of(plan, all) < generation_expected) {
        return SP_FAIL(err, SP_CORRUPT,
                       "state %s/%s: generation %" PRIu64
                       " was written, the newest here is %" PRIu64
                       "; restore it, or move all files away to rebuild",
                       file->dir, file->name, generation_expected, generation_of(plan, all));
    }
    return SP_OK;
}

static char *take_payload(struct snapshot *snapshot)
{
    char *text = snapshot->text;

    snapshot->len_bytes -= HEADER_BYTES + TRAILER_BYTES;
    memmove(text, text + HEADER_BYTES, snapshot->len_bytes);
    text[snapshot->len_bytes] = '\0';
    snapshot->text = NULL;
    return text;
}

sp_status sp_state_load(const struct sp_state_file *file, uint64_t generation_expected,
                        enum sp_state_outcome *outcome, struct sp_state_header *header, char **json,
                        struct sp_err *err)
{
    struct snapshot all[FILE_KINDS] = {0};
    struct plan plan = {0};
    sp_status status = check_file(file, err);

    if (status == SP_OK) status = classify_all(file, all, err);
    if (status == SP_OK) status = choose(file, all, generation_expected, &plan, err);
    if (status == SP_OK) status = carry_out(file, &plan, all, err);
    if (status != SP_OK) {
        forget_all(all);
        return status;
    }
    *outcome = plan.outcome;
    *header = (struct sp_state_header){0};
    *json = NULL;
    if (plan.outcome != SP_STATE_NEW) {
        *header = all[plan.use].header;
        *json = take_payload(&all[plan.use]);
    }
    forget_all(all);
    return SP_OK;
}

uint64_t sp_state_next_generation(sp_status loaded, enum sp_state_outcome outcome,
                                  const struct sp_state_header *header)
{
    if (loaded == SP_CORRUPT) return 1; /* no file is sound: save puts them aside */
    if (loaded != SP_OK) return 0;
    if (outcome == SP_STATE_DEGRADED) return header->generation + 2; /* one was lost */
    return header->generation + 1;
}

sp_status sp_state_peek(const struct sp_state_file *file, bool before,
                        struct sp_state_header *header, char **json, struct sp_err *err)
{
    struct snapshot found = {0};
    sp_status status = check_file(file, err);

    if (status == SP_OK) status = classify(file, before ? BACKUP : CURRENT, &found, err);
    if (status != SP_OK) return status;
    if (found.condition != VALID) {
        status = found.condition == ABSENT ? SP_NOT_FOUND : SP_CORRUPT;
        return SP_FAIL(err, status, "state %s/%s%s: not there, or damaged", file->dir, file->name,
                       suffixes[before ? BACKUP : CURRENT]);
    }
    *header = found.header;
    *json = take_payload(&found);
    forget(&found);
    return SP_OK;
}
