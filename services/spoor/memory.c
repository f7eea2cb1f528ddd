#include "services/spoor/memory.h"

#include "proto/status.h"

#include <stdio.h>
#include <stdlib.h>

void sp_memory_end(void)
{
    fflush(stdout);
    fprintf(stderr, "spoor: %s\n", sp_status_text(SP_NO_MEMORY));
    exit(sp_status_exit_code(SP_NO_MEMORY));
}

void *sp_memory(void *at)
{
    if (at == NULL) sp_memory_end();
    return at;
}
