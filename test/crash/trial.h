/* What is tried: a service's life with a journal and a state, and its start after a crash. The code
 * under test is the production code; only the file port is ours. */
#ifndef SP_TEST_CRASH_TRIAL_H
#define SP_TEST_CRASH_TRIAL_H

#include "recorder.h"

#include "common/journal/journal.h"
#include "common/snapshot.h"

#define TRIAL_SEQS         512
#define TRIAL_GENS         64
#define TRIAL_LIVES        4
#define TRIAL_PAYLOAD_SIZE 1464

struct trial {
    uint64_t seed; /* decides sizes and the order of what is done */
    uint64_t random;
    uint8_t epoch[TRIAL_SEQS];   /* of the record that was issued; 0 = none */
    bool is_started[TRIAL_SEQS]; /* STREAM_STARTED; the others are cursors */
    bool ends_batch[TRIAL_SEQS];
    struct disk_bounds bounds; /* at the end */
    /* Journal sequence that a generation includes, by the life that saved it. */
    uint64_t noted[TRIAL_GENS][TRIAL_LIVES + 1];
    char why[256]; /* what is wrong with the life itself; "" if nothing */
};

/* What a start found. */
struct trial_start {
    uint64_t gen;
    uint32_t gen_epoch; /* of who saved it */
    enum sp_state_outcome outcome;
    uint64_t kept;     /* journal records of the life before */
    uint64_t next_seq; /* behind those that this start added */
    uint64_t digest;   /* of all lines below next_seq */
    uint64_t digest_upto, digest_until;
    uint32_t role_epoch;
    uint32_t late_tail; /* the epoch that cut off a tail which is recorded from there on */
    sp_status refused;
    char why[256]; /* what is wrong; "" if nothing */
};

struct trial_given {
    const char *root;
    const struct sp_file_port *port;
    uint32_t epoch;
    struct disk_bounds bounds;
    bool note_acked;    /* a ledger says what was acknowledged, besides the state */
    uint64_t noted_seq; /* another witness; 0 = none */
    bool keep;          /* look after the segments' indexes too */
    bool marks;         /* a recorder listens */
};

uint64_t trial_random(struct trial *trial, uint64_t below);
/* The payload of a generation, of the returned length: a matter of seed, number and epoch only. */
size_t trial_payload(const struct trial *trial, uint64_t gen, uint32_t epoch,
                     char out[TRIAL_PAYLOAD_SIZE]);
struct sp_journal_options trial_journal_options(const char *dir, uint32_t epoch,
                                                const struct sp_file_port *port);
/* Lives in `root` through the recording port, several times over: loads, opens, appends, syncs,
 * rotates, seals, saves; and ends in order, without a word, killed within any operation, or because
 * a sync fails. False with trial->why if something is refused or lost that no machine crash
 * excuses, or if anything is acknowledged after a failed sync. */
SP_NODISCARD bool trial_live(struct trial *trial, const char *root);
/* Starts in what a crash left. False with out->why if a promise is broken. digest_until: lines
 * below this are in digest_upto (0 = none). */
bool trial_start(const struct trial *trial, const struct trial_given *given,
                 struct trial_start *out);
/* Starts twice and saves once more: the second start must find what the first did. */
bool trial_check(const struct trial *trial, const struct trial_given *given,
                 struct trial_start *out);

/* ---- Snapshots of a fold (trial_fold.c) ---- */

/* What a core might make of a journal's records: all of them and their order are in it. */
struct trial_fold {
    uint32_t records, sum;
};
void trial_fold_add(struct trial_fold *fold, uint64_t seq, uint32_t epoch);
/* Of the records that were issued as 1 to `seq`. */
struct trial_fold trial_fold_upto(const struct trial *trial, uint64_t seq);
bool trial_fold_eq(const struct trial_fold *a, const struct trial_fold *b);

/* The production snapshots (common/snapshot.h) of a fold, in the folder of the state. */
struct trial_snapshots {
    char dir[300];
    struct trial_fold *fold;
    struct sp_state_persistor *state;
    struct sp_snapshots *snapshots;
};
/* `fold` is the caller's; set to nothing. partial: the journal's beginning was deleted.
 * SP_NO_MEMORY. */
SP_NODISCARD sp_status trial_snapshots_open(const char *dir, const struct sp_file_port *port,
                                            bool partial, struct trial_fold *fold,
                                            struct trial_snapshots *out, struct sp_err *err);
/* Takes one of *fold, which stands at `at`, and waits if one is saved. */
void trial_snapshots_tick(struct trial_snapshots *snapshots, const struct sp_ref *at,
                          uint64_t durable_seq);
void trial_snapshots_close(struct trial_snapshots *snapshots);

/* What was loaded, beside the journal that was recovered. */
struct trial_restored {
    bool is_loaded;
    struct sp_snapshot_base base;
    struct trial_fold fold;
    uint64_t first_seq, last_seq; /* of the journal; last: of what lives wrote */
};
/* Into *fold and restored->base. */
void trial_snapshots_load(struct trial_snapshots *snapshots, struct trial_restored *restored);
/* False with `why` if the snapshot is ahead of the journal or of another history, or if records
 * that a start needs are deleted. */
bool trial_restored_fits(const struct trial *trial, const struct trial_restored *restored,
                         char why[256]);

#endif
