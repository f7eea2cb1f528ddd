/* Allocations and system calls that fail on purpose: the nth, once or from there on.
 *
 * Linked with --wrap for every name of faults_wrapped in meson.build, so that each call that our
 * own code makes is counted, whichever library it is in; what other libraries call among themselves
 * is not. Also knows which allocations of ours were not given back. Any thread.
 */
#ifndef SP_TEST_FAULTS_H
#define SP_TEST_FAULTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum fault_kind { FAULT_ALLOCATION, FAULT_CALL, FAULT_KINDS };

struct fault_plan {
    enum fault_kind kind;
    uint64_t at; /* the first that fails, from 1; 0 = none */
    bool forever;
    int error; /* of calls; allocations have ENOMEM */
};

/* Counts from here, and fails as planned, until faults_end. */
void faults_begin(const struct fault_plan *plan);
void faults_end(void);
uint64_t faults_counted(void);
/* How many failed since the begin, and the name of the last that did. */
uint64_t faults_failed(void);
const char *faults_last(void);
/* Allocations held now. */
size_t faults_held(void);

#endif
