/* What a command of the command line does without memory: it says so and ends, with the exit code
 * of SP_NO_MEMORY.
 *
 * For commands that only read, or ask a service: they hold no lock and have written nothing, so
 * there is nothing to undo, and no half of an answer is shown as the whole. Services never call it.
 * One thread.
 */
#ifndef SP_SPOOR_MEMORY_H
#define SP_SPOOR_MEMORY_H

/* Gives back what it is given, unless that is NULL: then the command ends. */
void *sp_memory(void *at);
_Noreturn void sp_memory_end(void);

#endif
