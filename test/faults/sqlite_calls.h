/* SQLite's own system calls and allocations among those that fail on purpose (faults.h), by the
 * seams that the library has for that: the calls of its file system for Unix are replaced in its
 * table, its allocations are ours. Its file system stays the one that the product uses. Calls of
 * that table that our use of the library never makes are named in sqlite_calls.c. fdatasync, which
 * is not in the table, is replaced in the whole process. One thread at a time.
 */
#ifndef SP_TEST_FAULTS_SQLITE_CALLS_H
#define SP_TEST_FAULTS_SQLITE_CALLS_H

/* Before the library is used. Ends the process if the library has a call that is not known here. */
void sqlite_calls_install(void);

#endif
