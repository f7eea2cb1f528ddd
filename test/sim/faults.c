#include "faults_internal.h"

#include "calls.h"
#include "hands.h"
#include "live.h"
#include "world.h"

#include <signal.h>
#include <string.h>

#define DRIFT_STEP_NS (100 * SIM_MS)

static const struct {
    const char *name, *text;
    uint32_t mean_s;
} kinds[] = {
#define FAULT(name, text, mean_s) {#name, text, mean_s},
#include "faults.def"
#undef FAULT
};

static struct {
    uint64_t on;
    bool healed;
    uint32_t generation; /* timers of earlier runs are void */
    struct sim_random chance[SIM_FAULT_COUNT];
    uint32_t strength[SIM_FAULT_COUNT]; /* per cent */
    uint64_t fired[SIM_FAULT_COUNT];
    int64_t drift_ns; /* of the wall clock, in each step of it */
    int64_t drift_until, loop_until;
    uint32_t loop_service;
    bool looks;              /* the simulator reads itself */
    uint32_t points_to_live; /* of the process meanwhile */
} f;

const char *sim_fault_name(enum sim_fault fault)
{
    return kinds[fault].name;
}
const char *sim_fault_text(enum sim_fault fault)
{
    return kinds[fault].text;
}
uint64_t sim_faults_on(void)
{
    return f.on;
}
uint64_t sim_fault_fired(enum sim_fault fault)
{
    return f.fired[fault];
}
void sim_fault_count(enum sim_fault fault, int by)
{
    f.fired[fault] += (uint64_t)(int64_t)by;
}
struct sim_random *sim_fault_chance(enum sim_fault fault)
{
    return &f.chance[fault];
}
uint32_t sim_faults_generation(void)
{
    return f.generation;
}
bool sim_faults_healed(void)
{
    return f.healed;
}

bool sim_fault_is_on(enum sim_fault fault)
{
    return !f.healed && !f.looks && (f.on >> fault & 1) != 0;
}

bool sim_fault_strikes(enum sim_fault fault, uint32_t parts)
{
    if (!sim_fault_is_on(fault)) return false;
    if (!sim_random_ppm(&f.chance[fault], parts * f.strength[fault] / 100)) return false;
    f.fired[fault]++;
    return true;
}

uint64_t sim_fault_draw(enum sim_fault fault, uint64_t n)
{
    return sim_random_below(&f.chance[fault], n);
}

int64_t sim_fault_draw_ns(enum sim_fault fault, int64_t least, uint32_t doublings)
{
    int64_t ns = least << sim_fault_draw(fault, doublings);

    return ns + (int64_t)sim_fault_draw(fault, (uint64_t)ns);
}

void sim_faults_look_begin(void)
{
    f.looks = true;
    f.points_to_live = sim_self()->points_to_live;
    sim_self()->points_to_live = 0;
    sim_faults_show_rot(false);
}

void sim_faults_look_end(void)
{
    sim_faults_show_rot(true);
    sim_self()->points_to_live = f.points_to_live;
    f.looks = false;
}

/* ---- Those that come by themselves ---- */

static struct sim_proc *some_proc(enum sim_fault fault)
{
    uint32_t count = sim_world_count();

    return count > 0 ? sim_world_proc((uint32_t)sim_fault_draw(fault, count)) : NULL;
}

static void kill_again(void *ctx)
{
    uint64_t what = (uint64_t)(uintptr_t)ctx; /* service, times left, generation */
    uint32_t service = what & 0xff, left = what >> 8 & 0xff;

    if (f.healed || what >> 16 != f.generation) return;
    struct sim_proc *proc = sim_world_proc(service);
    if (proc != NULL) sim_kill(proc, SIGKILL);
    if (left == 0) return;
    sim_at(sim_now() + sim_fault_draw_ns(SIM_FAULT_KILL_STORM, 100 * SIM_MS, 6), kill_again,
           (void *)(uintptr_t)(what - 0x100));
}

static void step_wall(void)
{
    int64_t ns = sim_fault_draw_ns(SIM_FAULT_WALL_STEP, SIM_MS, 21);

    sim_wall_step(sim_fault_draw(SIM_FAULT_WALL_STEP, 2) == 0 ? ns : -ns);
}
/* Faster or slower than it should by up to 200 ppm, as a bad crystal; now and then 2 %, as a
 * virtual machine that lost its ticks. */
static void drift(void *ctx)
{
    if (f.healed || (uint32_t)(uintptr_t)ctx != f.generation || sim_now() >= f.drift_until) return;
    sim_wall_step(f.drift_ns);
    sim_at(sim_now() + DRIFT_STEP_NS, drift, ctx);
}

static void begin_drift(void)
{
    int64_t most = DRIFT_STEP_NS / (sim_fault_draw(SIM_FAULT_WALL_DRIFT, 4) == 0 ? 50 : 5000);
    bool lasts = sim_now() < f.drift_until;

    f.drift_ns = (int64_t)sim_fault_draw(SIM_FAULT_WALL_DRIFT, 2 * (uint64_t)most + 1) - most;
    f.drift_until = sim_now() + sim_fault_draw_ns(SIM_FAULT_WALL_DRIFT, SIM_S, 7);
    if (!lasts) drift((void *)(uintptr_t)f.generation);
}

static void loop(void *ctx)
{
    struct sim_proc *proc = sim_world_proc(f.loop_service);

    if (f.healed || (uint32_t)(uintptr_t)ctx != f.generation || sim_now() >= f.loop_until) return;
    if (proc != NULL) sim_kill(proc, SIGKILL);
    sim_at(sim_now() + sim_fault_draw_ns(SIM_FAULT_CRASH_LOOP, 20 * SIM_MS, 5), loop, ctx);
}

static void begin_loop(uint32_t service)
{
    bool lasts = sim_now() < f.loop_until;

    f.loop_service = service;
    f.loop_until = sim_now() + sim_fault_draw_ns(SIM_FAULT_CRASH_LOOP, 5 * SIM_S, 4);
    if (!lasts) loop((void *)(uintptr_t)f.generation);
}

static void strike_proc(enum sim_fault fault, struct sim_proc *proc)
{
    if (proc == NULL) {
        f.fired[fault]--; /* it just does not run */
        return;
    }
    if (fault == SIM_FAULT_KILL) sim_kill(proc, SIGKILL);
    if (fault == SIM_FAULT_KILL_POINT)
        proc->points_to_live = 1 + (uint32_t)sim_fault_draw(fault, 400);
    if (fault == SIM_FAULT_PAUSE)
        proc->paused_until = sim_now() + sim_fault_draw_ns(fault, SIM_MS, 15);
}

static void strike(enum sim_fault fault)
{
    uint32_t service = (uint32_t)sim_fault_draw(fault, sim_world_count());

    f.fired[fault]++;
    switch ((int)fault) {
    case SIM_FAULT_KILL:
    case SIM_FAULT_KILL_POINT:
    case SIM_FAULT_PAUSE: strike_proc(fault, some_proc(fault)); break;
    case SIM_FAULT_KILL_STORM:
        kill_again((void *)(uintptr_t)(service | (1 + sim_fault_draw(fault, 8)) << 8 |
                                       (uint64_t)f.generation << 16));
        break;
    case SIM_FAULT_SUPERVISOR_KILL: sim_world_kill_supervisor(); break;
    case SIM_FAULT_POWER_CUT:
        sim_world_power_cut(&f.chance[fault], sim_fault_draw_ns(fault, 500 * SIM_MS, 4));
        break;
    case SIM_FAULT_OPERATION_STOP: sim_world_rest(sim_fault_draw_ns(fault, 500 * SIM_MS, 4)); break;
    case SIM_FAULT_SERVICE_RESTART: sim_world_restart(service); break;
    case SIM_FAULT_DISK_FULL:
    case SIM_FAULT_DISK_LOW: sim_faults_disk_full(fault); break;
    case SIM_FAULT_WALL_STEP: step_wall(); break;
    case SIM_FAULT_FEED_PAUSE:
        sim_hands_pause_feed(sim_fault_draw_ns(fault, 500 * SIM_MS, 5));
        break;
    case SIM_FAULT_HALT: sim_hands_command(SP_COMMAND_HALT, sim_fault_draw(fault, 3) > 0); break;
    case SIM_FAULT_RESUME:
        sim_hands_command(SP_COMMAND_RESUME, sim_fault_draw(fault, 2) > 0);
        break;
    case SIM_FAULT_FLATTEN:
        sim_hands_command(SP_COMMAND_FLATTEN, sim_fault_draw(fault, 3) > 0);
        break;
    case SIM_FAULT_RECONCILE: sim_hands_command(SP_COMMAND_RECONCILE, true); break;
    case SIM_FAULT_BURST:
    case SIM_FAULT_CROSSED_BOOK:
    case SIM_FAULT_BAD_PRICE:
    case SIM_FAULT_STALE_PRICE: sim_faults_market(fault); break;
    case SIM_FAULT_EXTERNAL_ORDER:
    case SIM_FAULT_EXTERNAL_REST:
    case SIM_FAULT_FILTERS:
    case SIM_FAULT_TRANSFER: sim_faults_account(fault); break;
    case SIM_FAULT_RATE_LIMIT:
    case SIM_FAULT_BAN:
    case SIM_FAULT_MAINTENANCE: sim_faults_venue_refuses(fault); break;
    case SIM_FAULT_REPORT_GAP: sim_faults_venue_gap(); break;
    case SIM_FAULT_BIT_ROT: sim_faults_rot(); break;
    case SIM_FAULT_WALL_DRIFT: begin_drift(); break;
    case SIM_FAULT_CRASH_LOOP: begin_loop(service); break;
    case SIM_FAULT_TWIN:
        sim_world_start_twin(service, sim_fault_draw_ns(fault, 100 * SIM_MS, 7));
        break;
    default: SP_ASSERT(false);
    }
}

static void arrange(enum sim_fault fault);

static void on_time(void *ctx)
{
    uint64_t what = (uint64_t)(uintptr_t)ctx;

    if (f.healed || what >> 8 != f.generation) return;
    strike((enum sim_fault)(what & 0xff));
    arrange((enum sim_fault)(what & 0xff));
}

static void arrange(enum sim_fault fault)
{
    int64_t mean = (int64_t)kinds[fault].mean_s * SIM_S * 100 / f.strength[fault];

    sim_at(sim_now() + sim_random_wait(&f.chance[fault], mean), on_time,
           (void *)(uintptr_t)((uint64_t)f.generation << 8 | fault));
}

/* ---- Messages ---- */

void sim_faults_message(const struct sim_message *message, struct sim_fate *fate)
{
    sim_live_message(message);
    if (message->published) sim_faults_market_message(message);
    if (f.healed) return;
    if (message->published) {
        fate->drop = sim_fault_strikes(SIM_FAULT_PUBLISH_DROP, 2000);
        if (sim_fault_strikes(SIM_FAULT_PUBLISH_COPY, 1000)) fate->copies = 1;
    } else {
        sim_faults_venue_message(message, fate);
    }
    if (sim_fault_strikes(SIM_FAULT_MESSAGE_DELAY, 1000))
        fate->delay += sim_fault_draw_ns(SIM_FAULT_MESSAGE_DELAY, SIM_MS, 8);
}

/* ---- A run ---- */

void sim_faults_begin(uint64_t seed, uint64_t off)
{
    static const uint32_t strengths[] = {30, 100, 100, 300};
    struct sim_random r;
    uint32_t generation = f.generation + 1;

    memset(&f, 0, sizeof f);
    f.generation = generation;
    sim_random_seed(&r, seed, 2);
    bool half = sim_random_below(&r, 2) == 0;
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        sim_random_seed(&f.chance[i], seed, 100 + i);
        f.strength[i] = strengths[sim_random_below(&r, 4)];
        bool is_off = half && sim_random_below(&r, 2) == 0;
        if (!is_off && (off >> i & 1) == 0) f.on |= UINT64_C(1) << i;
    }
    sim_faults_venue_begin(&r);
    sim_faults_limits_begin();
    sim_faults_account_begin();
    sim_faults_market_begin();
    sim_faults_disk_begin();
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if (kinds[i].mean_s > 0 && sim_fault_is_on((enum sim_fault)i)) arrange((enum sim_fault)i);
    }
}

void sim_faults_heal(void)
{
    f.healed = true;
    sim_faults_disk_heal();
    sim_faults_account_heal();
    for (uint32_t i = 0; i < sim_world_count(); i++) {
        struct sim_proc *proc = sim_world_proc(i);
        if (proc == NULL) continue;
        proc->paused_until = 0;
        proc->points_to_live = 0;
    }
}
