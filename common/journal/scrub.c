#include "common/journal/scrub.h"

#include "common/clock.h"
#include "common/journal/journal_segment.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#define NICE 15

struct sp_scrub {
    struct sp_scrub_options options;
    char dir[SP_SEGMENT_PATH_SIZE];
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t turn;
    bool stopping;                 /* under lock */
    struct sp_scrub_report report; /* under lock */
};

sp_status sp_scrub_segment(const char *dir, uint64_t first_seq, uint64_t *bytes, struct sp_err *err)
{
    struct sp_segment_cursor cursor = {0};
    struct sp_batch batch;
    sp_status status = sp_segment_open(&cursor, dir, first_seq, err);

    if (status != SP_OK) return status;
    do {
        status = sp_segment_next(&cursor, &batch, err);
    } while (status == SP_OK);
    *bytes = cursor.at;
    if (status == SP_CLOSED) status = SP_OK;
    if (status == SP_AGAIN) status = sp_segment_damaged(&cursor, "ends without a seal", err);
    if (status == SP_CORRUPT && cursor.why != NULL)
        status = sp_segment_damaged(&cursor, cursor.why, err);
    sp_segment_close(&cursor);
    return status;
}

/* Waits, unless it is to stop. The lock is held. */
static void pause_for(struct sp_scrub *scrub, int64_t ns)
{
    int64_t end_ns = sp_clock_mono().ns + ns;
    struct timespec until = {.tv_sec = end_ns / SP_NS_PER_S, .tv_nsec = end_ns % SP_NS_PER_S};
    int rc = 0;

    while (!scrub->stopping && rc == 0)
        rc = pthread_cond_timedwait(&scrub->turn, &scrub->lock, &until);
}

/* The lock is held before and after, not while it reads. */
static void look_at(struct sp_scrub *scrub, uint64_t first_seq, struct sp_scrub_report *pass)
{
    uint64_t rate = scrub->options.bytes_per_second, bytes = 0;
    struct sp_err err = {0};

    pthread_mutex_unlock(&scrub->lock);
    sp_status status = sp_scrub_segment(scrub->dir, first_seq, &bytes, &err);
    pthread_mutex_lock(&scrub->lock);
    if (status == SP_NOT_FOUND) return;
    scrub->report.segments++;
    scrub->report.bytes += bytes;
    if (status != SP_OK && pass->damaged++ == 0) {
        pass->first_damaged = first_seq;
        sp_text_printf(&pass->why, "%s", err.text);
    }
    if (pass->damaged > scrub->report.damaged) { /* news is not kept until the pass ends */
        scrub->report.damaged = pass->damaged;
        scrub->report.first_damaged = pass->first_damaged;
        scrub->report.why = pass->why;
    }
    if (rate > 0) pause_for(scrub, (int64_t)((unsigned __int128)bytes * SP_NS_PER_S / rate));
}

static void *scrub_run(void *arg)
{
    struct sp_scrub *scrub = arg;

    SP_IGNORE(setpriority(PRIO_PROCESS, 0, NICE) != 0); /* of this thread; not needed */
    pthread_mutex_lock(&scrub->lock);
    while (!scrub->stopping) {
        struct sp_scrub_report pass = {0};
        struct sp_segment_list list = {0};
        bool listed = sp_segment_list_read(scrub->dir, &list, NULL) == SP_OK;
        for (size_t i = 0; listed && i + 1 < list.count && !scrub->stopping; i++)
            look_at(scrub, list.first[i], &pass);
        if (listed) sp_segment_list_free(&list);
        if (scrub->stopping) break;
        scrub->report.passes++;
        scrub->report.damaged = pass.damaged;
        scrub->report.first_damaged = pass.first_damaged;
        scrub->report.why = pass.why;
        pause_for(scrub, scrub->options.every.ns);
    }
    pthread_mutex_unlock(&scrub->lock);
    return NULL;
}

sp_status sp_scrub_start(const struct sp_scrub_options *options, struct sp_scrub **out,
                         struct sp_err *err)
{
    struct sp_scrub *scrub = calloc(1, sizeof *scrub);
    pthread_condattr_t monotonic;
    sigset_t all, before;

    if (scrub == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory for the scrub");
    scrub->options = *options;
    snprintf(scrub->dir, sizeof scrub->dir, "%s", options->dir);
    pthread_mutex_init(&scrub->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&scrub->turn, &monotonic);
    pthread_condattr_destroy(&monotonic);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&scrub->thread, NULL, scrub_run, scrub);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (rc != 0) {
        pthread_cond_destroy(&scrub->turn);
        pthread_mutex_destroy(&scrub->lock);
        free(scrub);
        return SP_FAIL(err, SP_NO_MEMORY, "no thread for the scrub");
    }
    *out = scrub;
    return SP_OK;
}

void sp_scrub_stop(struct sp_scrub *scrub)
{
    if (scrub == NULL) return;
    pthread_mutex_lock(&scrub->lock);
    scrub->stopping = true;
    pthread_cond_signal(&scrub->turn);
    pthread_mutex_unlock(&scrub->lock);
    pthread_join(scrub->thread, NULL);
    pthread_cond_destroy(&scrub->turn);
    pthread_mutex_destroy(&scrub->lock);
    free(scrub);
}

struct sp_scrub_report sp_scrub_report(struct sp_scrub *scrub)
{
    pthread_mutex_lock(&scrub->lock);
    struct sp_scrub_report report = scrub->report;
    pthread_mutex_unlock(&scrub->lock);
    return report;
}
