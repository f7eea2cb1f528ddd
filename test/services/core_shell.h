/* The gateway's core in memory: its journal, its clock, a venue, and a second core that only folds
 * the journal and must always hold the same books.
 *
 * Each event runs as the live shell runs it: decide, append (every record checked), apply, ask
 * `allows`, carry out effects, then what they led to. A kill may fall between any two of these
 * steps; core_restart is what comes after it.
 */
#ifndef SP_TEST_SERVICES_CORE_SHELL_H
#define SP_TEST_SERVICES_CORE_SHELL_H

#include "fake_venue.h"
#include "services/execution/execution_core.h"

#define CORE_RECORDS_MAX 16384
#define CORE_SENDS_MAX   4096
#define MS               INT64_C(1000000)

/* Where the next kill falls: so many steps from now; 0 means never. */
struct core_kill {
    uint32_t steps;
    bool happened;
};

struct core_shell {
    struct sp_config config;
    struct sp_execution core, shadow;
    struct sp_decision decision;
    struct fake_venue venue;
    uint32_t epoch, generation;
    int64_t now;    /* monotonic */
    sp_dur absence; /* as the venue's adapter declares it: 2 s */
    struct core_kill kill;
    bool connected, lose_requests, lose_answers;
    uint32_t record_count, outcome_count, send_count, cancels, asks, withdrawn;
    sp_name sends[CORE_SENDS_MAX]; /* every client order id that ever left */
    struct {
        enum sp_execution_input input;
        struct sp_record message;
    } outcomes[2 * SP_DECISION_EFFECTS_MAX];
    bool dirty;
    uint64_t plans; /* sequence in the strategies' streams */
    struct sp_record records[CORE_RECORDS_MAX];
};

/* Two links, "ema" and "mean", of 10,000 USDT each; BTCUSDT, tick 0.01, step 0.00001. */
void core_config(struct sp_config *config);
struct core_shell *core_new(void);
void core_free(struct core_shell *s);
/* A connected, reconciled gateway at a market of 50,000. */
struct core_shell *core_ready(void);

/* One event and all that follows from it. False if a kill fell into it. */
bool core_event(struct core_shell *s, enum sp_event_type type, uint32_t id,
                const struct sp_record *record);
/* What the venue has said reaches the core, in order. */
void core_deliver(struct core_shell *s);
/* Time passes in steps of 50 ms, each with a timer event and deliveries. */
void core_pass(struct core_shell *s, int64_t ms);
/* Both books hold the same, value by value. */
void core_check_same(const struct sp_books *a, const struct sp_books *b);
/* Saved and loaded, the books are what they were. */
void core_check_saved(const struct core_shell *s);
/* A new process folds the journal. */
void core_restart(struct core_shell *s);
void core_up(struct core_shell *s);
void core_down(struct core_shell *s);
void core_reconciled(struct core_shell *s, bool clean);
/* Market data: quote and trade at this price. The venue's price follows, its orders do not. */
void core_price(struct core_shell *s, int64_t px);
/* The market moves at the venue too, and resting orders fill; `part_e8` of each at most. */
void core_move(struct core_shell *s, int64_t px, int64_t part_e8);

/* An OPEN plan of 0.1 BTC at market with stop 49,000 and target 52,000. */
struct sp_record core_plan(struct core_shell *s, const char *link);
struct sp_record core_close_plan(struct core_shell *s, const char *link, sp_trd_id trade);
void core_feed(struct core_shell *s, const struct sp_record *plan);
/* core_feed(core_plan) and all deliveries; its trade. */
sp_trd_id core_open(struct core_shell *s, const char *link);
struct sp_record core_command(struct core_shell *s, enum sp_command command, const char *scope);
void core_order_command(struct core_shell *s, const struct sp_record *command);

/* Of one kind, in the journal. */
uint32_t core_count(const struct core_shell *s, enum sp_kind kind);
const struct sp_record *core_last(const struct core_shell *s, enum sp_kind kind);
/* The newest order of a role; NULL if there is none. */
struct sp_order *core_order(struct core_shell *s, enum sp_leg_role role);
/* Books equal to the venue's truth: every fill once, position and cash. Else the test fails. */
void core_check_truth(struct core_shell *s);

#endif
