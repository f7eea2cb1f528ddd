/* spoor-kill: cancels and sells everything at the venue. A small program of its own: it needs no
 * bus, no ledger, no disk and none of our services, only the venue and a key of its own. */
#include "services/kill/kill_args.h"
#include "services/kill/kill_port.h"

#include <stdio.h>
#include <sys/prctl.h>

#define EXIT_FLAT     0
#define EXIT_NOT_FLAT 70
#define EXIT_KEY      78

int main(int argc, char **argv)
{
    static struct sp_kill_args args;
    static struct sp_kill_venue venue;
    struct sp_err err = {0};
    uint32_t flat = 0;

    int code = sp_kill_args_parse(&args, argc, argv);
    if (code != 0 || args.help) return code;
    prctl(PR_SET_DUMPABLE, 0); /* no core file holds the key */
    venue.url = args.url;
    venue.ca_file = args.ca_file;
    if (sp_kill_key_load(args.key_file, &venue.key, &err) != SP_OK) {
        fprintf(stderr, "spoor-kill: %s\n", err.text);
        return EXIT_KEY;
    }
    if (!sp_kill_args_confirmed(&args)) {
        fprintf(stderr, "spoor-kill: nothing was done\n");
        return SP_KILL_EXIT_USAGE;
    }
    const struct sp_kill_port port = sp_kill_venue_open(&venue);
    for (uint32_t i = 0; i < args.symbol_count; i++)
        flat += sp_kill_symbol_run(&port, &args.symbols[i]);
    sp_kill_key_wipe(&venue.key);
    if (flat == args.symbol_count) return EXIT_FLAT;
    printf("NOT FLAT: %u of %u symbols\n", args.symbol_count - flat, args.symbol_count);
    return EXIT_NOT_FLAT;
}
