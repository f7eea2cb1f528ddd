/* Who syncs a journal's file, and what that has made durable: its owner when somebody waits for it,
 * else a helper thread now and then. Only one of them at once, because the kernel tells a failure
 * of one descriptor only once; whoever is told poisons the journal for both. Internal to journal.c.
 */
#ifndef SP_COMMON_JOURNAL_SYNCER_H
#define SP_COMMON_JOURNAL_SYNCER_H

#include "common/journal/file.h"

#include <pthread.h>
#include <stdatomic.h>

struct sp_syncer {
    const struct sp_file_port *port;
    int64_t every_ns; /* of the helper; negative: there is none */
    pthread_t helper;
    bool has_helper;
    /* Under the lock: who may sync or change fd. */
    pthread_mutex_t lock;
    pthread_cond_t turn; /* syncing has ended */
    pthread_cond_t bell; /* stopping; a sync that woke the helper would delay what it is for */
    bool syncing, stopping;
    int fd; /* -1: none; written to by the owner */
    /* Any thread. The owner stores written_seq after the write. */
    _Atomic uint64_t written_seq, durable_seq, syncs;
    _Atomic int64_t sync_ns_max;
    _Atomic bool poisoned;
};

/* The syncer is zeroed. */
void sp_syncer_init(struct sp_syncer *syncer, const struct sp_file_port *port, int64_t every_ns);
/* Starts the helper, if there is one. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_syncer_start(struct sp_syncer *syncer, struct sp_err *err);
void sp_syncer_stop(struct sp_syncer *syncer);
/* Closes the file. Stopped, or never started. */
void sp_syncer_destroy(struct sp_syncer *syncer);

/* Everything written so far is durable, or false, with errno or 0, and the journal is poisoned.
 * Nothing to do if all records are durable; sp_syncer_sync_bytes syncs what is no record, too. */
SP_NODISCARD bool sp_syncer_sync(struct sp_syncer *syncer);
SP_NODISCARD bool sp_syncer_sync_bytes(struct sp_syncer *syncer);
/* The file to sync from now on, ours to close; the one before is closed. */
void sp_syncer_set_fd(struct sp_syncer *syncer, int fd);

#endif
