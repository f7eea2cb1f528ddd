/* What is done while something fails: the paths by which a service keeps what it was told. */
#ifndef SP_TEST_SCENARIOS_H
#define SP_TEST_SCENARIOS_H

#include "proto/status.h"

/* One run of a scenario, in an empty folder. */
struct scenario_run {
    char dir[200];
    /* What was acknowledged while it ran: 0 = nothing. */
    uint64_t acked_seq, acked_gen;
    uint64_t trim_seq;    /* records below may be deleted; 0 = none */
    const char *instance; /* the journal is in this folder of dir; NULL: in dir */
    char wrong[200];      /* what act itself saw that must not be; "" if nothing */
};

struct scenario {
    const char *name;
    /* Nothing fails here; what it leaves is there when `act` begins. May be NULL. */
    void (*prepare)(struct scenario_run *run);
    /* Things fail here. The status of the first call that gave one but SP_OK. */
    sp_status (*act)(struct scenario_run *run, struct sp_err *err);
    /* Names of calls whose failure may be nothing to it, because it tries again or only goes
     * slower; "*" for all. Any other that hits must give a status. */
    const char *tolerates;
    /* What a person does after a failure, with nothing failing. May be NULL. */
    sp_status (*again)(struct scenario_run *run, struct sp_err *err);
};

extern const struct scenario journal_scenarios[], state_scenarios[], shell_scenarios[],
    cli_scenarios[], why_scenarios[];
extern const size_t journal_scenario_count, state_scenario_count, shell_scenario_count,
    cli_scenario_count, why_scenario_count;

/* Where the journal is. */
void scenario_journal_dir(const struct scenario_run *run, char out[256]);
/* A journal of several segments and two epochs; one that is damaged before its end. */
void scenario_make_journal(struct scenario_run *run);
void scenario_make_zipped(struct scenario_run *run); /* indexed and compressed */
void scenario_make_damaged(struct scenario_run *run);

/* Whether all that was acknowledged is there for a start after the run; *why says what is not. */
bool scenario_kept(const struct scenario_run *run, char why[256]);

#endif
