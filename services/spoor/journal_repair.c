/* journal repair: for a journal that its service refuses as damaged. Shows what would go and asks;
 * nothing is deleted, and the next start records it. */
#include "services/spoor/journal_check.h"

#include "common/journal/journal_repair.h"
#include "common/journal/role.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A ledger that knows of records which went would keep execution from starting; it is written anew
 * from what stays. Its log first: without it the file is only older. */
static const char *const ledger_files[] = {"ledger.db-wal", "ledger.db-shm", "ledger.db", NULL};

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
    printf("  into    %s/quarantine", sp_cli_path(dir));
    printf("%s\n", sp_name_is(&repair->stream, "execution")
                       ? ", and the ledger, which is written anew from what stays"
                       : "");
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
    if (!is_agreed(job, name)) {
        fflush(stdout);
        return sp_cli_fail(SP_EXIT_DAMAGED, "With --yes it is.", "nothing was changed");
    }
    repair.also = ledger_files;
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
