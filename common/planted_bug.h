/* Bugs that are planted on purpose, so that the proofs are shown to find them.
 *
 * SP_BUG(name) stands beside the line that keeps a promise, and breaks it. In every product build
 * it is a constant false, of which nothing is left. A build with -DSP_PLANTED_BUGS asks at run time
 * which bug is on, so that one build serves all of them; planted_bugs.def lists them with who
 * catches each. Only the planted libraries of test/planted and a build with the option planted_bugs
 * are such. docs/decisions/0006 says why.
 */
#ifndef SP_COMMON_PLANTED_BUG_H
#define SP_COMMON_PLANTED_BUG_H

#include <stdbool.h>

/* clang-format off */
enum sp_bug {
    SP_BUG_NONE,
#define PLANTED_BUG(name, wrong, catcher, evidence) SP_BUG_##name,
#include "common/planted_bugs.def"
#undef PLANTED_BUG
    SP_BUG_COUNT
};
/* clang-format on */

#ifdef SP_PLANTED_BUGS
#define SP_BUG(name) sp_bug_is(SP_BUG_##name)
/* Any thread. The first call reads the environment, unless a bug was chosen before. */
bool sp_bug_is(enum sp_bug bug);
/* Chooses the one bug that is on, "" for none, in place of the environment's SPOOR_PLANTED_BUG. A
 * name that is not in the table ends the process with code 99: a test must not pass by a slip. */
void sp_bug_plant(const char *name);
#else
#define SP_BUG(name) (SP_BUG_##name == SP_BUG_NONE)
#endif

#endif
