/* SQLite on the simulated disks: a VFS over files.h, and memory of the process that runs.
 *
 * Only what one connection in EXCLUSIVE mode needs: no locks between connections, no shared memory.
 */
#ifndef SP_TEST_SIM_DATABASE_H
#define SP_TEST_SIM_DATABASE_H

/* Once per program, before anything opens a database. Becomes the default. */
void sim_database_begin(void);

#endif
