/* Watches one metric of a running service: asks its control socket every 20 ms and prints each new
 * value with the monotonic time it was seen at, until it is told to end (SIGTERM).
 * bench-watch RUN_DIR SERVICE METRIC
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/bus/bus.h"
#include "common/clock.h"

#define ASK_EVERY_NS (20 * SP_NS_PER_MS)

struct watch {
    const char *metric;
    double value;
    bool found;
};

static void on_answer(void *ctx, const struct sp_record *answer)
{
    struct watch *watch = ctx;
    const char *line = answer->body.metrics_text.line.s;
    size_t len = strlen(watch->metric);
    const char *space = strrchr(line, ' ');

    if (strncmp(line, watch->metric, len) != 0 || space == NULL) return;
    if (line[len] != ' ' && line[len] != '{') return;
    watch->value = strtod(space + 1, NULL);
    watch->found = true;
}

int main(int argc, char **argv)
{
    struct sp_record request = {.kind = SP_REC_QUERY};
    struct watch watch = {0};
    double told = -1;
    sp_name service;

    if (argc != 4 || !sp_name_set(&service, argv[2])) return 64;
    watch.metric = argv[3];
    request.body.query =
        (struct sp_query){.what = sp_name_of("metrics"), .asker = sp_name_of("bench")};
    for (uint64_t id = 1;; id++) {
        struct timespec pause = {.tv_nsec = ASK_EVERY_NS};
        request.time = sp_clock_wall();
        request.body.query.request_id = id;
        watch.found = false;
        sp_status status = sp_client_ask(argv[1], &service, &request, SP_REC_METRICS_TEXT,
                                         (sp_dur){SP_NS_PER_S}, on_answer, &watch, NULL);
        if (status == SP_OK && watch.found && (watch.value > told || watch.value < told)) {
            told = watch.value;
            printf("%" PRId64 " %.0f\n", sp_clock_mono().ns, told);
            fflush(stdout);
        }
        nanosleep(&pause, NULL);
    }
}
