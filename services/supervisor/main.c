/* spoor-supervisor: starts an operation in order, watches it, restarts what dies, stops it in
 * reverse. Also process 1 of a container. */
#include "services/supervisor/supervisor_io.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

static void print_help(void)
{
    printf(
        "Usage: spoor-supervisor [OPTIONS]\n"
        "Starts the services of an operation in order, watches them, restarts what dies within a\n"
        "budget, stops them in reverse. Runs in the foreground; `spoor up` starts it detached.\n"
        "\n"
        "  --config DIR       configuration; else SPOOR_CONFIG, else config/demo\n"
        "  --only PATTERN     only these services, e.g. execution or 'strategy.*': one container\n"
        "                     per service; logs also to standard output\n"
        "  --policy K=V,...   restart policy: budget, window, stable_after, backoff_min,\n"
        "                     backoff_max, cooldown_min, cooldown_max, opens_max, opens_window,\n"
        "                     lock_retry, stuck_after, end_timeout\n"
        "  --foreground       the default, accepted for clarity\n");
}

int main(int argc, char **argv)
{
    static const struct option long_options[] = {
        {"config", required_argument, NULL, 'C'}, {"only", required_argument, NULL, 'o'},
        {"policy", required_argument, NULL, 'p'}, {"foreground", no_argument, NULL, 'f'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    const char *env = getenv("SPOOR_CONFIG");
    struct sp_supervisor_options options = {
        .config_dir = env != NULL && env[0] != '\0' ? env : "config/demo",
        .policy = sp_supervisor_policy_default(),
    };
    struct sp_err err = {0};

    for (int c; (c = getopt_long(argc, argv, "C:", long_options, NULL)) != -1;) {
        if (c == 'C') options.config_dir = optarg;
        if (c == 'o') options.only = optarg;
        if (c == 'h') {
            print_help();
            return 0;
        }
        if (c == 'p' && sp_supervisor_policy_parse(optarg, &options.policy, &err) != SP_OK) {
            fprintf(stderr, "spoor-supervisor: %s\n", err.text);
            return SP_EXIT_USAGE;
        }
        if (c == '?') return SP_EXIT_USAGE;
    }
    if (optind < argc) {
        fprintf(stderr, "spoor-supervisor: unexpected argument \"%s\"; see --help\n", argv[optind]);
        return SP_EXIT_USAGE;
    }
    return sp_supervisor_run(&options);
}
