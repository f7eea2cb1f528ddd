#include "services/spoor/status_table.h"

#include "common/clock.h"
#include "proto/json.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#define ROW_BYTES  2048
#define CELL_BYTES 32

/* "0.42 s", "3m12s", "2h05m", "4d03h". */
static const char *age(sp_dur d, char buf[CELL_BYTES])
{
    long long s = (long long)(d.ns / SP_NS_PER_S);

    if (s < 60) {
        snprintf(buf, CELL_BYTES, "%lld.%lld s", s, (long long)(d.ns % SP_NS_PER_S) / 100000000);
    } else if (s < 3600) {
        snprintf(buf, CELL_BYTES, "%lldm%02llds", s / 60, s % 60);
    } else if (s < 86400) {
        snprintf(buf, CELL_BYTES, "%lldh%02lldm", s / 3600, s % 3600 / 60);
    } else {
        snprintf(buf, CELL_BYTES, "%lldd%02lldh", s / 86400, s % 86400 / 3600);
    }
    return buf;
}

static const char *number(uint32_t n, char buf[CELL_BYTES])
{
    snprintf(buf, CELL_BYTES, "%u", n);
    return n != 0 ? buf : "-";
}

static const char *last_end(const struct sp_child_status *row, char buf[CELL_BYTES])
{
    if (!row->has_ended) return "-";
    if (row->signal != 0) {
        const char *name = sigabbrev_np((int)row->signal);
        snprintf(buf, CELL_BYTES, "SIG%s", name != NULL ? name : "?");
    } else {
        snprintf(buf, CELL_BYTES, "exit %u", row->exit_code);
    }
    return buf;
}

void sp_status_table_print(const struct sp_supervisor_answer *answer)
{
    char pid[CELL_BYTES], epoch[CELL_BYTES], up[CELL_BYTES], end[CELL_BYTES];

    printf("%-16s %-9s %-10s %7s %6s %8s %8s  %-9s %s\n", "service", "state", "phase", "pid",
           "epoch", "up", "restarts", "last end", "says");
    for (uint32_t i = 0; i < answer->count; i++) {
        const struct sp_child_status *row = &answer->rows[i];
        printf("%-16s %-9s %-10s %7s %6s %8s %8u  %-9s %s\n", row->name.s, row->state.s,
               row->phase.s[0] != '\0' ? row->phase.s : "-", number(row->pid, pid),
               number(row->epoch, epoch), row->pid != 0 ? age(row->uptime, up) : "-", row->restarts,
               last_end(row, end), row->text.s);
    }
}

void sp_status_table_json(const struct sp_supervisor_answer *answer, sp_status_more_fn *more,
                          void *ctx)
{
    char row[ROW_BYTES];

    for (uint32_t i = 0; i < answer->count; i++) {
        size_t len = 0;
        sp_status status = sp_json_encode_body(sp_schema_of(SP_DTO_child_status), &answer->rows[i],
                                               row, sizeof row, &len);
        SP_ASSERT(status == SP_OK);
        SP_ASSERT(len > 1);
        printf("%s%.*s", i > 0 ? "," : "", (int)len - 1, row);
        if (more != NULL) more(ctx, &answer->rows[i]);
        printf("}");
    }
}
