/* Allocations and system calls that fail on purpose: the nth, once or from there on.
 *
 * Linked with --wrap for every name of faults_wrapped in meson.build, so that each call that our
 * own code makes is counted, whichever library it is in; what other libraries call among themselves
 * is not, unless it is asked for here (sqlite_calls.h). Also knows which allocations of ours were
 * not given back. Any thread.
 */
#ifndef SP_TEST_FAULTS_H
#define SP_TEST_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum fault_kind { FAULT_ALLOCATION, FAULT_CALL, FAULT_KINDS };

struct fault_plan {
    enum fault_kind kind;
    uint64_t at; /* the first that fails, from 1; 0 = none */
    bool forever;
    bool half; /* of calls only writes are counted, and they write a half */
    int error; /* of calls; allocations have ENOMEM */
};

/* Counts from here, and fails as planned, until faults_end. */
void faults_begin(const struct fault_plan *plan);
void faults_end(void);
/* What is done between these is not counted and does not fail; the second takes what the first
 * gave. */
bool faults_pause(void);
void faults_go_on(bool was_on);
/* Another's call is about to be made: whether it fails, then errno is set; for writes, how many
 * bytes of `len` are written, -1 for an error. */
bool faults_call_fails(const char *name);
ssize_t faults_write_at_most(const char *name, size_t len);
/* From the next begin on: where the n-th comes from, as a hash of the last `depth` functions that
 * lead to it, is noted in place[n]. NULL ends it. */
void faults_note_places(uint64_t *place, uint64_t cap, int depth);
uint64_t faults_counted(void);
/* How many failed since the begin, and the name of the last that did. */
uint64_t faults_failed(void);
const char *faults_last(void);
/* Allocations held now. */
size_t faults_held(void);

#endif
