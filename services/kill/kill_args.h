/* What spoor-kill is told to do. One thread. */
#ifndef SP_KILL_ARGS_H
#define SP_KILL_ARGS_H

#include "services/kill/kill_core.h"

#define SP_KILL_SYMBOLS_MAX 32
#define SP_KILL_EXIT_USAGE  64

struct sp_kill_args {
    const char *url, *key_file, *ca_file; /* ca_file: NULL = none */
    bool yes;                             /* do not ask */
    bool help;                            /* was printed: nothing else is wanted */
    uint32_t symbol_count;
    struct sp_kill_symbol symbols[SP_KILL_SYMBOLS_MAX];
};

/* 0, or SP_KILL_EXIT_USAGE after saying what is wrong. Points into argv. */
int sp_kill_args_parse(struct sp_kill_args *args, int argc, char **argv);
/* Shows what would be done and asks, unless --yes. */
bool sp_kill_args_confirmed(const struct sp_kill_args *args);

#endif
