#include "common/planted_bug.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UNREAD       (-1)
#define EXIT_UNKNOWN 99

static const char *const names[SP_BUG_COUNT] = {
    [SP_BUG_NONE] = "",
#define PLANTED_BUG(name, wrong, catcher, evidence) [SP_BUG_##name] = #name,
#include "common/planted_bugs.def"
#undef PLANTED_BUG
};

static _Atomic int planted = UNREAD;

void sp_bug_plant(const char *name)
{
    for (int bug = SP_BUG_NONE; bug < SP_BUG_COUNT; bug++) {
        if (strcmp(name, names[bug]) != 0) continue;
        atomic_store(&planted, bug);
        return;
    }
    fprintf(stderr, "no bug is called %s\n", name);
    _exit(EXIT_UNKNOWN);
}

bool sp_bug_is(enum sp_bug bug)
{
    if (atomic_load(&planted) == UNREAD) {
        const char *name = getenv("SPOOR_PLANTED_BUG");
        sp_bug_plant(name != NULL ? name : "");
    }
    return atomic_load(&planted) == (int)bug;
}
