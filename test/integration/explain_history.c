/* Writes the history of test/services/explain_fixture.h into a directory, or goes on with it:
 *
 *   explain_history DIR [whole|wrong|running]
 *   explain_history DIR more    appends an operator's command to its execution journal */
#include "../services/explain_fixture.h"

#include <stdio.h>
#include <string.h>

static int append(const char *root)
{
    struct history_stream s = {.name = sp_name_of("execution"), .epoch = 2};
    struct sp_record *record;

    snprintf(s.dir, sizeof s.dir, "%s/execution", root);
    history_restart(&s, "18:40:00");
    record = history_add(&s, SP_REC_VENUE_CONNECTED, "18:40:01", NULL);
    record->body.feed = (struct sp_feed){.feed = sp_name_of("paper")};
    sp_text_printf(&record->body.feed.reason, "appended while somebody follows");
    history_put(&s);
    sp_journal_close(s.journal);
    return 0;
}

int main(int argc, char **argv)
{
    static struct history history;
    const char *how = argc > 2 ? argv[2] : "whole";

    if (argc < 2) return 64;
    if (strcmp(how, "more") == 0) return append(argv[1]);
    history_write(&history, argv[1],
                  strcmp(how, "wrong") == 0     ? HISTORY_WRONG_RESULT
                  : strcmp(how, "running") == 0 ? HISTORY_RUNNING
                                                : HISTORY_WHOLE);
    history_close(&history);
    return 0;
}
