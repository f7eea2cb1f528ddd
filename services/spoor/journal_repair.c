/* journal repair: for a journal that its service refuses as damaged. Shows what would go and asks;
 * nothing is deleted, and the next start records it. */
#include "services/spoor/journal_check.h"

#include "common/journal/journal_repair.h"
#include "common/journal/role.h"
#include "common/ledger/ledger_file.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A ledger that knows of records which went would keep execution from starting. The file first: a
 * log without its file says nothing, a file without its log would look sound. */
static const char *const ledger_files[] = {"ledger.db", "ledger.db-wal", "ledger.db-shm", NULL};

/* What becomes of the ledger, if this is the journal that it is made from. */
struct ledger_fate {
    bool missing, goes;
    struct sp_err why; /* it goes */
    char from
        [SP_LEDGER_PATH_SIZE]; /* what the next start makes it from, besides the journal; or "" */
    char dir[SP_LEDGER_PATH_SIZE]; /* of its backups */
};

/* ---- The ledger ---- */

/* As the configuration says; if only a folder was named, where they lie without one. */
static int find_backups(const struct sp_journal_job *job, const char *dir, struct ledger_fate *fate)
{
    struct sp_config *config = NULL;

    if (job->data != NULL) {
        snprintf(fate->dir, sizeof fate->dir, "%.500s/backup", dir);
        return SP_EXIT_OK;
    }
    int code = sp_cli_config(job->cli, &config);
    if (code != SP_EXIT_OK) return code;
    bool fits = sp_ledger_backup_dir(&config->platform, fate->dir, sizeof fate->dir);
    sp_config_free(config);
    return fits ? SP_EXIT_OK
                : sp_cli_fail(SP_EXIT_CONFIG, "Nothing was changed.",
                              "ledger.backup_dir is too long");
}

/* For an operator who can do something about it. */
static int refuse(const struct sp_repair *repair, const char *dir, const struct ledger_fate *fate)
{
    fflush(stdout);
    fprintf(
        stderr,
        "spoor: the ledger cannot go on from what would stay, nor be made again: %s\n"
        "  Records 1 to %" PRIu64 " are gone, and no backup in %s\n"
        "  ends between record %" PRIu64 " and %" PRIu64
        ". Nothing was changed. Any of these helps:\n"
        "  - put such a backup there (its name ends with its last record) and repair again;\n"
        "  - restore all of %s from a backup;\n"
        "  - begin anew: move that folder away; what is open at the venue shows as differences.\n",
        fate->why.text, repair->first_seq - 1, fate->dir, repair->first_seq - 1,
        repair->next_seq - 1, sp_cli_path(dir));
    return SP_EXIT_DAMAGED;
}

/* A ledger that has seen nothing of what goes stays: with a journal whose begin was deleted nothing
 * else has what is in it. */
static int judge_ledger(const struct sp_journal_job *job, const char *dir,
                        const struct sp_repair *repair, struct ledger_fate *fate)
{
    char path[SP_LEDGER_PATH_SIZE];
    struct sp_err err = {0};
    struct sp_ledger_place place = {.path = path,
                                    .backup_dir = fate->dir,
                                    .stream = repair->stream,
                                    .first_seq = repair->first_seq,
                                    .last_seq = repair->next_seq - 1};

    if (snprintf(path, sizeof path, "%s/ledger.db", dir) >= (int)sizeof path)
        return sp_cli_fail(SP_EXIT_SOFTWARE, "Nothing was changed.", "%.80s... is too long", dir);
    int code = find_backups(job, dir, fate);
    if (code != SP_EXIT_OK) return code;
    sp_status status = sp_ledger_file_look(&place, &fate->why);
    if (status == SP_OK) return SP_EXIT_OK;
    if (status == SP_LOCKED || status == SP_STORAGE || status == SP_NO_MEMORY)
        return sp_cli_fail(sp_status_exit_code(status), "Nothing was changed.", "%s",
                           fate->why.text);
    fate->missing = status == SP_NOT_FOUND;
    fate->goes = true; /* or what is left of it */
    status = sp_ledger_file_source(&place, fate->from, &err);
    if (status == SP_OK) return SP_EXIT_OK;
    if (status == SP_NOT_FOUND) return refuse(repair, dir, fate);
    return sp_cli_fail(sp_status_exit_code(status), "Nothing was changed.", "%s", err.text);
}

/* ---- What a person is told ---- */

static void show_ledger(const struct ledger_fate *fate)
{
    if (fate->missing) return;
    if (!fate->goes)
        printf("  ledger  stays: it has seen nothing of what goes\n");
    else if (fate->from[0] == '\0')
        printf("  ledger  goes there, too; it is written anew from what stays\n");
    else
        printf("  ledger  goes there, too; the next start makes it again from what stays and\n"
               "          %s\n",
               fate->from);
}

static void show(const struct sp_repair *repair, const char *dir)
{
    printf("%s\n\n", repair->why);
    if (repair->begin_missing)
        printf("  lost    records 1 to %" PRIu64
               ": they are not in this folder, and what stays does "
               "not say why\n",
               repair->first_seq - 1);
    printf("  stays   records %" PRIu64 " to %" PRIu64 "\n", repair->first_seq,
           repair->next_seq - 1);
    if (repair->segments == 0) {
        printf("  goes    nothing\n");
        return;
    }
    printf("  goes    everything from record %" PRIu64 " on", repair->next_seq);
    if (repair->lost_last >= repair->next_seq) printf(", at least to %" PRIu64, repair->lost_last);
    printf(": %u segment%s, %" PRIu64 " bytes that can still be read\n", repair->segments,
           repair->segments == 1 ? "" : "s", repair->lost_bytes);
    printf("  into    %s/quarantine\n", sp_cli_path(dir));
}

static void show_lost(const struct sp_repair *repair)
{
    if (repair->lost_lines == 0) return;
    printf("\n  %" PRIu64 " records of it can still be read, which proves nothing about them:\n",
           repair->lost_lines);
    for (unsigned i = 0; i <= SP_KIND_NUMBER_MAX; i++)
        if (repair->lost_kinds[i] > 0)
            printf("    %-24s %9" PRIu64 "\n", i == SP_REC_NONE ? "unknown" : sp_kind_name(i),
                   repair->lost_kinds[i]);
}

static void say_begin(const struct sp_repair *repair, const sp_name *name)
{
    printf("\nIt begins with record %" PRIu64 " from now on.\n\n", repair->first_seq);
    printf("Now:\n");
    printf("  spoor start %-12s it needs a snapshot that stands for what is lost, and refuses "
           "without; it says so\n"
           "                           (JOURNAL_TRIMMED, limited_by repair)\n",
           name->s);
}

static void say_next(const struct sp_repair *repair, const sp_name *name, const char *kept_in)
{
    bool is_execution = sp_name_is(&repair->stream, "execution");

    printf("\nCut off at record %" PRIu64 ". What went is in %s.\n\n", repair->next_seq, kept_in);
    printf("Now:\n");
    printf("  spoor start %-12s it goes on with record %" PRIu64 " and says so "
           "(JOURNAL_TRUNCATED)\n",
           name->s, repair->next_seq);
    if (repair->first_seq > 1)
        printf("                           it needs a snapshot that ends between record %" PRIu64
               " and %" PRIu64 ", and refuses without\n",
               repair->first_seq - 1, repair->next_seq - 1);
    if (is_execution)
        printf(
            "  spoor why last reconciliation\n"
            "                           orders and fills that went are found at the venue: look at "
            "every\n"
            "                           difference before spoor resume\n");
}

/* "yes" by option, or the journal's name typed at a terminal. */
static bool is_agreed(const struct sp_journal_job *job, const sp_name *name)
{
    char answer[SP_NAME_SIZE + 2] = "";

    if (job->yes) return true;
    if (!isatty(STDIN_FILENO)) return false;
    printf("\nType the journal's name to go on: ");
    fflush(stdout);
    if (fgets(answer, sizeof answer, stdin) == NULL) return false;
    answer[strcspn(answer, "\n")] = '\0';
    return sp_name_is(name, answer);
}

static int repair_held(const struct sp_journal_job *job, const char *dir, const sp_name *name)
{
    static struct sp_repair repair;
    struct ledger_fate fate = {.goes = false};
    struct sp_err err = {0};
    sp_text kept_in = {0};
    sp_status status = sp_repair_look(dir, &repair, &err);

    if (status == SP_OK) {
        printf("%s: nothing to repair\n", name->s);
        return SP_EXIT_OK;
    }
    if (status == SP_GONE)
        return sp_cli_fail(SP_EXIT_DAMAGED,
                           "Nothing was changed. Restore the folder from a backup.", "%s",
                           err.text);
    if (status != SP_CORRUPT)
        return sp_cli_fail(sp_status_exit_code(status), "Nothing was changed.", "%s", err.text);
    show(&repair, dir);
    if (repair.segments > 0 && sp_name_is(&repair.stream, "execution")) {
        int code = judge_ledger(job, dir, &repair, &fate);
        if (code != SP_EXIT_OK) return code;
        show_ledger(&fate);
    }
    show_lost(&repair);
    if (!is_agreed(job, name)) {
        fflush(stdout);
        return sp_cli_fail(SP_EXIT_DAMAGED, "With --yes it is.", "nothing was changed");
    }
    repair.also = fate.goes ? ledger_files : NULL;
    status = sp_repair_do(dir, &repair, sp_file_port_real(), &kept_in, &err);
    if (status != SP_OK)
        return sp_cli_fail(sp_status_exit_code(status),
                           "Nothing is lost; what was moved is in quarantine. Try again.",
                           "repair: %s", err.text);
    if (repair.segments == 0) {
        say_begin(&repair, name);
    } else {
        say_next(&repair, name, kept_in.s);
    }
    return SP_EXIT_OK;
}

int sp_journal_repair(struct sp_journal_job *job, const char *dir, const sp_name *name)
{
    struct sp_role role = {.lock_fd = -1, .epoch_fd = -1};
    struct sp_err err = {0};

    if (job->json) return sp_cli_usage(NULL, "repair is for people: it has no --json");
    sp_status status = sp_role_acquire(&role, dir, &err);
    if (status != SP_OK)
        return sp_cli_fail(sp_status_exit_code(status),
                           status == SP_LOCKED ? "Its service has it. Stop it first: spoor down"
                                               : NULL,
                           "%s", err.text);
    int code = repair_held(job, dir, name);
    sp_role_release(&role);
    return code;
}
