/* What is done with the ledger while something fails: a start of the service on each state of its
 * file, and the commands. Each is run in the folder of one journal, which none of them changes.
 */
#ifndef SP_TEST_FAULTS_LEDGER_SCENES_H
#define SP_TEST_FAULTS_LEDGER_SCENES_H

#include "proto/status.h"

#include <stdbool.h>

/* One run of a scene. */
struct scene_run {
    struct sp_err err;
    uint64_t reported; /* transactions up to here were said to be written */
    bool lost_sync;    /* and the file said that it knows */
    bool was_replaced; /* the file */
    bool tried_again;  /* after a failure that may pass, as the service does */
    bool first_failed; /* the first attempt did */
    const char *wrong; /* what it saw itself that must not be; or NULL */
};

struct scene {
    const char *name;
    /* Things fail here: SP_OK, or the status, with a text. */
    sp_status (*act)(struct scene_run *run);
    /* Nothing fails here: NULL if all is as it must be after `status`. */
    const char *(*check)(struct scene_run *run, sp_status status);
    bool only_calls; /* its allocations fail elsewhere */
};

extern const struct scene ledger_scenes[];
extern const size_t ledger_scene_count;

/* Makes the journal and what each scene finds. Ends the process if that fails. */
void ledger_scenes_make(void);
void ledger_scenes_free(void);
/* What the scene finds is there, and nothing else. */
void ledger_scene_begin(const struct scene *scene);

#endif
