#include "world.h"

#include "calls.h"
#include "common/notify.h"
#include "common/service.h"
#include "database.h"
#include "faults.h"
#include "files.h"
#include "live.h"
#include "memory.h"
#include "services/execution/execution_io.h"
#include "services/health/health_io.h"
#include "services/marketdata/marketdata_io.h"
#include "services/reconciliation/reconciliation_io.h"
#include "services/strategy/strategy_io.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WALL_START   INT64_C(1793620800000000000) /* 2026-11-02T12:00:00Z */
#define SPAWN_NS     (2 * SIM_MS)
#define CONFIG_SIZE  8192
#define FEED_SIZE    600
#define TWINS_MAX    8
#define UNHURRIED_NS (14 * SIM_S) /* a service that is asked to stop ends after 15 s, done or not */

static struct {
    struct sim_world_options options;
    struct sp_config *config;
    struct sp_supervisor core;
    struct sp_supervisor_actions actions;
    struct sim_proc *procs[SP_SUPERVISED_MAX];
    struct sim_proc *twins[TWINS_MAX];
    bool supervised; /* the supervisor lives */
    bool stopping,   /* for good */
        resting;     /* for a while */
    struct {
        uint32_t pid;
        bool whole;
        int64_t at;
    } told[SP_SUPERVISED_MAX]; /* to stop, each process once */
    uint32_t incarnation;      /* of the supervisor: timers of earlier ones are void */
    int64_t tick_at;
} w;

/* ---- Configuration ---- */

static const char platform_text[] =
    "{ \"installation\": \"sim\","
    " \"paths\": { \"data\": \"/sim/data\", \"run\": \"/sim/run\", \"logs\": \"/sim/log\" },"
    " \"log\": { \"level\": \"%s\" }, \"journal\": { \"snapshot_every\": \"5s\","
    "  \"segment\": \"%u KiB\" },"
    " \"bus\": { \"transport\": \"ipc\", \"queue_max\": 10000, \"message_max\": \"1 MiB\" },"
    " \"http\": { \"listen\": \"127.0.0.1:8787\" } }\n";

static const char operation_text[] =
    "{ \"operation\": \"sim\", \"worlds\": { \"practice\": { \"type\": \"paper\","
    " \"feed\": { %s, \"symbols\": [\"BTCUSDT\"], \"record\": false, \"silence\": \"2s\" },"
    " \"instruments\": [ { \"symbol\": \"BTCUSDT\", \"base\": \"BTC\", \"quote\": \"USDT\","
    "  \"tick\": \"0.01\", \"step\": \"0.00001\", \"min_qty\": \"0.00001\","
    "  \"min_value\": \"5\" } ],"
    " \"venue\": { \"name\": \"paper\", \"balances\": { \"USDT\": \"30000\", \"BTC\": \"0\" },"
    "  \"fees\": { \"maker\": \"0.02%%\", \"taker\": \"0.05%%\" } } } },"
    " \"strategy_links\": [%s],"
    " \"risk\": { \"order_value_max\": \"6000 USDT\", \"position_value_max\": \"%u USDT\","
    "  \"open_orders_max\": 4, \"price_collar\": \"1%%\", \"daily_loss_max\": \"300 USDT\","
    "  \"drawdown_max\": \"5%%\", \"data_age_max\": \"2s\" },"
    " \"breaker\": { \"close_on_disconnect\": false, \"resume\": \"automatic\" },"
    " \"reconciliation\": { \"correct_items_max\": 5, \"correct_value_max\": \"500 USDT\" },"
    " \"schedules\": [ { \"name\": \"reconcile\", \"event\": \"RECONCILIATION_TICK\","
    "  \"every\": \"5m\", \"missed\": \"run_once\" } ], \"topology\": \"one_machine\" }\n";

static const char link_text[] =
    " { \"id\": \"%s\", \"active\": true, \"blueprint\": \"strategies/%s.json\","
    " \"world\": \"practice\", \"capital\": \"10000 USDT\", \"on_stop\": \"flatten\" }";

static const char blueprint_text[] =
    "{ \"blueprint\": \"%s\", \"version\": \"1.0.0\","
    " \"trigger\": { \"symbol\": \"BTCUSDT\", \"bar\": \"1s\", \"warm_up_bars\": %u },"
    " \"context\": [ { \"id\": \"ema_fast\", \"worker\": \"ema\", \"params\": { \"period\": %u } },"
    "  { \"id\": \"ema_slow\", \"worker\": \"ema\", \"params\": { \"period\": %u } } ],"
    " \"opportunity\": [ { \"id\": \"cross\", \"worker\": \"momentum_cross\","
    "  \"reads\": { \"fast\": \"ema_fast\", \"slow\": \"ema_slow\" },"
    "  \"params\": { \"min_gap\": \"%s\" } } ],"
    " \"threat\": [ { \"id\": \"volatility\", \"worker\": \"volatility_spike\","
    "  \"params\": { \"window_bars\": 30, \"limit\": \"%s\", \"severity\": \"HIGH\" } } ],"
    " \"qualification\": [ { \"id\": \"qualify\", \"worker\": \"block_on_threat\","
    "  \"params\": { \"block_from\": \"HIGH\" } } ],"
    " \"planning\": [ { \"id\": \"entry\", \"worker\": \"entry_market\" },"
    "  { \"id\": \"exit\", \"worker\": \"exit_percent\","
    "   \"params\": { \"stop\": \"%s\", \"target\": \"%s\" } },"
    "  { \"id\": \"size\", \"worker\": \"size_fixed_fraction\", \"params\": { \"risk\": \"%s\" } },"
    "  { \"id\": \"route\", \"worker\": \"route\","
    "   \"params\": { \"time_in_force\": \"IOC\", \"valid\": \"2s\" } } ],"
    " \"wiring\": \"by_category\" }\n";

static void put_text(const char *path, char *text, int len)
{
    SP_ASSERT(len > 0);
    SP_ASSERT(len < CONFIG_SIZE);
    sim_files_put(path, text, (size_t)len);
}

/* The slower ones trade less. */
static void write_blueprint(const char *id, uint32_t slower)
{
    static char text[CONFIG_SIZE];
    char path[80];
    bool n = w.options.nervous;

    snprintf(path, sizeof path, "/sim/etc/strategies/%s.json", id);
    put_text(path, text,
             snprintf(text, sizeof text, blueprint_text, id, n ? 8 : 60, n ? 2 + slower : 20,
                      n ? 5 + 4 * slower : 60, n ? "0.01 bps" : "0.8 bps", n ? "12 bps" : "2.5 bps",
                      n ? "0.03%" : "0.3%", n ? "0.03%" : "0.6%", n ? "0.015%" : "0.15%"));
}

/* What marketdata plays. A recording is a real file: its library opens it past the simulation. */
static void write_feed(char *out, size_t size)
{
    static const char generator[] =
        "\"source\": \"generator\", \"seed\": %llu, \"start\": \"2026-01-05T18:00:00Z\"";
    const struct sim_world_options *o = &w.options;
    int len = o->recording != NULL
                  ? snprintf(out, size, "\"source\": \"recording\", \"file\": \"%s\"", o->recording)
                  : snprintf(out, size, generator, (unsigned long long)o->market_seed);

    if (o->lock_step_s == 0) {
        len += snprintf(out + len, size - (size_t)len, ", \"speed\": \"%u.%ux\"",
                        o->speed_tenths / 10, o->speed_tenths % 10);
    } else {
        len += snprintf(out + len, size - (size_t)len, ", \"speed\": \"max\", \"lock_step\": true");
        if (o->recording == NULL)
            len += snprintf(out + len, size - (size_t)len, ", \"length\": \"%us\"", o->lock_step_s);
    }
    SP_ASSERT((size_t)len < size);
}

static void write_config(void)
{
    static const char *const ids[] = {"ema", "mean", "slow"};
    static char text[CONFIG_SIZE], links[CONFIG_SIZE / 4];
    const struct sim_world_options *o = &w.options;
    char feed[FEED_SIZE];
    size_t len = 0;

    write_feed(feed, sizeof feed);
    links[0] = '\0';
    for (uint32_t i = 0; i < o->links; i++) {
        if (i > 0) links[len++] = ',';
        len += (size_t)snprintf(links + len, sizeof links - len, link_text, ids[i], ids[i]);
        write_blueprint(ids[i], i);
    }
    put_text("/sim/etc/platform.json", text,
             snprintf(text, sizeof text, platform_text, o->verbose ? "info" : "error",
                      8u << o->market_seed % 6));
    put_text("/sim/etc/operation.json", text,
             snprintf(text, sizeof text, operation_text, feed, links,
                      o->market_seed % 2 == 0 ? 16000U : 11000U)); /* three, or two */
}

const struct sp_config *sim_world_config(void)
{
    return w.config;
}

/* ---- Processes ---- */

static const struct {
    const char *program;
    const struct sp_service_spec *spec;
} specs[] = {{"spoor-marketdata", &sp_marketdata_spec},
             {"spoor-execution", &sp_execution_spec},
             {"spoor-health", &sp_health_spec},
             {"spoor-reconciliation", &sp_reconciliation_spec},
             {"spoor-strategy", &sp_strategy_spec}};

static void carry_out(void);
static void arrange_tick(void);

static int run_service(struct sim_proc *self)
{
    uint32_t i = sim_world_find(self->name);
    const struct sp_service_spec *spec = NULL;
    char program[SP_NAME_SIZE], config[] = "/sim/etc", c[] = "-C", instance[] = "--instance";
    char *argv[] = {program, c, config, instance, self->name, NULL};

    snprintf(program, sizeof program, "%s", w.core.at[i].spec.instance.program.s);
    for (size_t n = 0; n < sizeof specs / sizeof *specs; n++) {
        if (strcmp(specs[n].program, program) == 0) spec = specs[n].spec;
    }
    if (strcmp(program, "spoor-venue") == 0) spec = sim_faults_venue_spec();
    SP_ASSERT(spec != NULL);
    if (self->owner == NULL)
        snprintf(self->notify_text, sizeof self->notify_text, "%d", sim_fd_make(SIM_FD_NOTIFY));
    return sp_service_main(5, argv, spec);
}

static void check_stop(uint32_t i, const struct sim_proc *proc)
{
    bool in_time =
        w.told[i].pid == proc->pid && w.told[i].whole && sim_now() - w.told[i].at < UNHURRIED_NS;

    if (in_time && strcmp(proc->name, "execution") == 0) sim_live_stopped();
}

static void on_end(struct sim_proc *proc, int exit_code, int signal)
{
    struct sp_supervisor_end end = {.exit_code = (uint32_t)exit_code, .signal = (uint32_t)signal};

    for (uint32_t i = 0; i < w.core.count; i++) {
        if (w.procs[i] != proc) continue;
        w.procs[i] = NULL;
        if (exit_code == 0 && signal == 0) check_stop(i, proc);
        if (w.options.verbose) {
            fprintf(stderr, "%12.6f %s ended: code %d signal %d\n", (double)sim_now() / 1e9,
                    proc->name, exit_code, signal);
        }
        if (!w.supervised) return;
        sp_supervisor_exited(&w.core, i, end, (sp_mono){sim_now()}, &w.actions);
        carry_out();
    }
}

static void on_notified(struct sim_proc *proc, const char *text)
{
    for (uint32_t i = 0; i < w.core.count; i++) {
        if (w.procs[i] != proc || !w.supervised) continue;
        sp_supervisor_notified(&w.core, i, text, (sp_mono){sim_now()}, &w.actions);
        carry_out();
    }
}

static void on_logged(struct sim_proc *proc, const char *line, size_t len)
{
    if (!w.options.verbose) return;
    fprintf(stderr, "%12.6f %s/%u %.*s", (double)sim_now() / 1e9, proc->name, proc->pid, (int)len,
            line);
}

/* ---- The supervisor ---- */

struct order {
    enum sp_supervisor_do what;
    uint32_t child, incarnation;
    struct sim_proc *proc;
};

static void do_order(void *ctx)
{
    struct order *order = ctx;
    struct sim_proc *proc = w.procs[order->child];

    if (order->what == SP_SUPERVISOR_SPAWN && order->incarnation == w.incarnation && w.supervised &&
        proc == NULL) {
        proc = sim_spawn(w.core.at[order->child].spec.instance.name.s, run_service, NULL, on_end);
        w.procs[order->child] = proc;
        sp_supervisor_spawned(&w.core, order->child, proc->pid, &w.actions);
        carry_out();
    } else if (order->what == SP_SUPERVISOR_KILL && proc != NULL && proc == order->proc) {
        sim_kill(proc, SIGKILL);
    }
    sim_free(order);
}

static void give_order(enum sp_supervisor_do what, uint32_t child, int64_t after)
{
    struct order *order = sim_alloc(sizeof *order);

    *order = (struct order){.what = what,
                            .child = child,
                            .incarnation = w.incarnation,
                            .proc = w.procs[child]};
    sim_at(sim_now() + after, do_order, order);
}

static void tell_to_stop(uint32_t i, struct sim_proc *proc)
{
    if (w.told[i].pid != proc->pid) {
        w.told[i].pid = proc->pid;
        w.told[i].whole = w.core.whole;
        w.told[i].at = sim_now();
    }
    sim_notify_tell(proc, w.core.whole ? "STOP=operation" : "STOP=service");
}

/* TERM is a kill here: the stop was asked by the socket before, and not in time. */
static void carry_out(void)
{
    for (uint32_t i = 0; i < w.actions.count; i++) {
        const struct sp_supervisor_action *action = &w.actions.at[i];
        struct sim_proc *proc = w.procs[action->child];
        if (action->what == SP_SUPERVISOR_SPAWN) {
            give_order(SP_SUPERVISOR_SPAWN, action->child, SPAWN_NS);
        } else if (action->what == SP_SUPERVISOR_STOP && proc != NULL) {
            tell_to_stop(action->child, proc);
        } else if (action->what == SP_SUPERVISOR_TERM || action->what == SP_SUPERVISOR_KILL) {
            give_order(SP_SUPERVISOR_KILL, action->child, SIM_MS);
        }
    }
    w.actions.count = 0;
    arrange_tick();
}

static void on_tick(void *ctx)
{
    if ((uint32_t)(uintptr_t)ctx != w.incarnation || !w.supervised) return;
    if (sim_now() < w.tick_at) return; /* an earlier arrangement */
    w.tick_at = SIM_NEVER;
    sp_supervisor_tick(&w.core, (sp_mono){sim_now()}, &w.actions);
    carry_out();
}

static void arrange_tick(void)
{
    int64_t at = sp_supervisor_next(&w.core, (sp_mono){sim_now()}).ns;

    if (at >= w.tick_at) return;
    w.tick_at = at <= sim_now() ? sim_now() + SIM_MS : at;
    sim_at(w.tick_at, on_tick, (void *)(uintptr_t)w.incarnation);
}

static void start_supervisor(void)
{
    struct sp_supervisor_policy policy = sp_supervisor_policy_default();
    struct sp_instance instances[SP_INSTANCES_MAX];
    uint32_t count = sp_config_instances(w.config, instances);

    /* Somebody looks at what the supervisor has given up, in phase B at the latest. */
    policy.budget = 20;
    policy.backoff_max = (sp_dur){2 * SIM_S};
    policy.cooldown_min = (sp_dur){20 * SIM_S};
    w.incarnation++;
    w.tick_at = SIM_NEVER;
    sp_supervisor_init(&w.core, &policy, w.options.market_seed + w.incarnation);
    for (uint32_t i = 0; i < count; i++) {
        struct sp_supervised_spec spec = {.instance = instances[i],
                                          .start_timeout = {30 * SIM_S},
                                          .stop_timeout = {20 * SIM_S}};
        if (w.options.health || !sp_name_is(&instances[i].name, "health"))
            sp_supervisor_add(&w.core, &spec);
    }
    w.supervised = true;
    w.resting = false;
    w.actions.count = 0;
    sp_supervisor_start_all(&w.core, (sp_mono){sim_now()}, &w.actions);
    carry_out();
}

/* What an earlier supervisor left is ended first, as the real one does. */
static void start_again(void *ctx)
{
    (void)ctx;
    if (w.supervised || w.stopping) return;
    for (uint32_t i = 0; i < w.core.count; i++) {
        if (w.procs[i] != NULL) sim_kill(w.procs[i], SIGKILL);
    }
    start_supervisor();
}

void sim_world_kill_supervisor(void)
{
    if (!w.supervised || w.stopping) return;
    w.supervised = false;
    for (uint32_t i = 0; i < w.core.count; i++) {
        if (w.procs[i] != NULL) sim_notify_tell(w.procs[i], NULL);
    }
    sim_at(sim_now() + SIM_S + (int64_t)sim_random_below(sim_chance(), 3 * SIM_S), start_again,
           NULL);
}

/* ---- A stop in order ---- */

struct rest {
    uint32_t incarnation;
    int64_t dark_ns;
};

/* Somebody else may have ended the supervisor meanwhile, who starts it again as well. */
static void wait_for_rest(void *ctx)
{
    struct rest *rest = ctx;
    bool mine = w.supervised && !w.stopping && rest->incarnation == w.incarnation;

    if (mine && !sim_world_is_down()) {
        sim_at(sim_now() + 200 * SIM_MS, wait_for_rest, rest);
        return;
    }
    if (mine) {
        w.supervised = false;
        sim_at(sim_now() + rest->dark_ns, start_again, NULL);
    }
    sim_free(rest);
}

void sim_world_rest(int64_t dark_ns)
{
    if (!w.supervised || w.stopping || w.resting) return;
    struct rest *rest = sim_alloc(sizeof *rest);
    *rest = (struct rest){.incarnation = w.incarnation, .dark_ns = dark_ns};
    w.resting = true;
    sp_supervisor_stop_all(&w.core, true, (sp_mono){sim_now()}, &w.actions);
    carry_out();
    wait_for_rest(rest);
}

/* ---- Twins ---- */

static void on_twin_end(struct sim_proc *proc, int exit_code, int signal)
{
    for (uint32_t i = 0; i < TWINS_MAX; i++) {
        if (w.twins[i] == proc) w.twins[i] = NULL;
    }
    if (w.options.verbose) {
        fprintf(stderr, "%12.6f twin of %s ended: code %d signal %d\n", (double)sim_now() / 1e9,
                proc->name, exit_code, signal);
    }
}

static void end_twins(void)
{
    for (uint32_t i = 0; i < TWINS_MAX; i++) {
        if (w.twins[i] != NULL) sim_kill(w.twins[i], SIGKILL);
    }
}

/* The same process: numbers are never used again. */
static void end_twin(void *ctx)
{
    for (uint32_t i = 0; i < TWINS_MAX; i++) {
        struct sim_proc *twin = w.twins[i];
        if (twin != NULL && twin->pid == (uint32_t)(uintptr_t)ctx) sim_kill(twin, SIGKILL);
    }
}

/* Started from a shell: it has no supervisor, and nobody starts it again. */
void sim_world_start_twin(uint32_t service, int64_t for_ns)
{
    uint32_t i = 0;

    while (i < TWINS_MAX && w.twins[i] != NULL)
        i++;
    if (i == TWINS_MAX) return;
    w.twins[i] = sim_spawn(sim_world_name(service), run_service, &w, on_twin_end);
    sim_at(sim_now() + for_ns, end_twin, (void *)(uintptr_t)w.twins[i]->pid);
}

void sim_world_power_cut(struct sim_random *chance, int64_t dark_ns)
{
    w.supervised = false;
    for (uint32_t i = 0; i < w.core.count; i++) {
        if (w.procs[i] != NULL) sim_kill(w.procs[i], SIGKILL);
    }
    end_twins();
    sim_files_power_cut(chance);
    sim_new_boot();
    sim_at(sim_now() + dark_ns, start_again, NULL);
}

/* ---- From outside ---- */

void sim_world_begin(const struct sim_world_options *options)
{
    static struct sp_problems problems;

    memset(&w, 0, sizeof w);
    w.options = *options;
    sim_calls_begin(WALL_START, on_notified, on_logged);
    write_config();
    if (sp_config_load("/sim/etc", &w.config, &problems) != SP_OK) {
        sp_problems_print(&problems, STDERR_FILENO);
        SP_ASSERT(false);
    }
}

void sim_world_end(void)
{
    sp_config_free(w.config);
    w.config = NULL;
}

void sim_world_start(void)
{
    start_supervisor();
}

void sim_world_stop(void)
{
    w.stopping = true;
    if (!w.supervised) return;
    sp_supervisor_stop_all(&w.core, true, (sp_mono){sim_now()}, &w.actions);
    carry_out();
}

void sim_world_heal(void)
{
    end_twins();
    if (!w.supervised || w.resting) return; /* it comes back by itself */
    for (uint32_t i = 0; i < w.core.count; i++) {
        enum sp_supervised_state state = w.core.at[i].state;
        if (state != SP_SUPERVISED_OPEN && state != SP_SUPERVISED_GIVEN_UP &&
            state != SP_SUPERVISED_BACKOFF)
            continue;
        sp_supervisor_event(&w.core, i, SP_SUPERVISED_ON_START, (sp_mono){sim_now()}, &w.actions);
        carry_out();
    }
}

bool sim_world_is_down(void)
{
    for (uint32_t i = 0; i < w.core.count; i++) {
        if (w.procs[i] != NULL) return false;
    }
    return true;
}

bool sim_world_is_ready(void)
{
    for (uint32_t i = 0; i < w.core.count; i++) {
        if (w.core.at[i].state != SP_SUPERVISED_READY) return false;
    }
    return w.supervised;
}

uint32_t sim_world_count(void)
{
    return w.core.count;
}

struct sim_proc *sim_world_proc(uint32_t service)
{
    return w.procs[service];
}

const char *sim_world_name(uint32_t service)
{
    return w.core.at[service].spec.instance.name.s;
}

const struct sp_supervised *sim_world_child(uint32_t service)
{
    return &w.core.at[service];
}

uint32_t sim_world_find(const char *name)
{
    return sp_supervisor_find(&w.core, name);
}

void sim_world_restart(uint32_t service)
{
    if (!w.supervised || w.stopping || w.resting) return;
    sp_supervisor_event(&w.core, service, SP_SUPERVISED_ON_RESTART, (sp_mono){sim_now()},
                        &w.actions);
    carry_out();
}
