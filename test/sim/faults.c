#include "faults.h"

#include "calls.h"
#include "files.h"
#include "hands.h"
#include "live.h"
#include "proto/wire.h"
#include "services/venue/store.h"
#include "truth.h"
#include "world.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#define PER_MILLION 1000000
#define FULL_ROOM   65536 /* bytes that may still fit on a full disk */
#define LAG_NS_MAX  (1500 * SIM_MS)

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
    int64_t full_until, lag_ns;
    int64_t room; /* bytes left while the disk is full */
    struct sp_record record;
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

static bool is_on(enum sim_fault fault)
{
    return !f.healed && (f.on >> fault & 1) != 0;
}

/* Whether it strikes now, by parts in a million of an average seed. */
static bool strikes(enum sim_fault fault, uint32_t parts)
{
    if (!is_on(fault)) return false;
    if (!sim_random_ppm(&f.chance[fault], parts * f.strength[fault] / 100)) return false;
    f.fired[fault]++;
    return true;
}

static uint64_t draw(enum sim_fault fault, uint64_t n)
{
    return sim_random_below(&f.chance[fault], n);
}

/* Between `least` and 2^doublings times that, each order of magnitude as likely. */
static int64_t draw_ns(enum sim_fault fault, int64_t least, uint32_t doublings)
{
    int64_t ns = least << draw(fault, doublings);

    return ns + (int64_t)draw(fault, (uint64_t)ns);
}

/* ---- Those that come by themselves ---- */

static struct sim_proc *some_proc(enum sim_fault fault)
{
    uint32_t count = sim_world_count();

    return count > 0 ? sim_world_proc((uint32_t)draw(fault, count)) : NULL;
}

static void kill_again(void *ctx)
{
    uint64_t what = (uint64_t)(uintptr_t)ctx; /* service, times left, generation */
    uint32_t service = what & 0xff, left = what >> 8 & 0xff;

    if (f.healed || what >> 16 != f.generation) return;
    struct sim_proc *proc = sim_world_proc(service);
    if (proc != NULL) sim_kill(proc, SIGKILL);
    if (left == 0) return;
    sim_at(sim_now() + draw_ns(SIM_FAULT_KILL_STORM, 100 * SIM_MS, 6), kill_again,
           (void *)(uintptr_t)(what - 0x100));
}

static void end_full(void *ctx)
{
    if ((uint32_t)(uintptr_t)ctx == f.generation) sim_files_set_free(UINT64_C(50) << 30);
}

static void fill_disk(enum sim_fault fault)
{
    int64_t ns = draw_ns(fault, 200 * SIM_MS, 7);

    if (fault == SIM_FAULT_DISK_FULL) {
        f.full_until = sim_now() + ns;
        f.room = (int64_t)draw(fault, FULL_ROOM);
    }
    sim_files_set_free(fault == SIM_FAULT_DISK_FULL ? 0 : UINT64_C(300) << 20);
    sim_at(sim_now() + ns, end_full, (void *)(uintptr_t)f.generation);
}

static void step_wall(void)
{
    int64_t ns = draw_ns(SIM_FAULT_WALL_STEP, SIM_MS, 21);

    sim_wall_step(draw(SIM_FAULT_WALL_STEP, 2) == 0 ? ns : -ns);
}

static void strike_proc(enum sim_fault fault, struct sim_proc *proc)
{
    if (proc == NULL) {
        f.fired[fault]--; /* it just does not run */
        return;
    }
    if (fault == SIM_FAULT_KILL) sim_kill(proc, SIGKILL);
    if (fault == SIM_FAULT_KILL_POINT) proc->points_to_live = 1 + (uint32_t)draw(fault, 400);
    if (fault == SIM_FAULT_PAUSE) proc->paused_until = sim_now() + draw_ns(fault, SIM_MS, 15);
}

static void strike(enum sim_fault fault)
{
    uint32_t service = (uint32_t)draw(fault, sim_world_count());

    f.fired[fault]++;
    switch ((int)fault) {
    case SIM_FAULT_KILL:
    case SIM_FAULT_KILL_POINT:
    case SIM_FAULT_PAUSE: strike_proc(fault, some_proc(fault)); break;
    case SIM_FAULT_KILL_STORM:
        kill_again((void *)(uintptr_t)(service | (1 + draw(fault, 8)) << 8 |
                                       (uint64_t)f.generation << 16));
        break;
    case SIM_FAULT_SUPERVISOR_KILL: sim_world_kill_supervisor(); break;
    case SIM_FAULT_POWER_CUT:
        sim_world_power_cut(&f.chance[fault], draw_ns(fault, 500 * SIM_MS, 4));
        break;
    case SIM_FAULT_SERVICE_RESTART: sim_world_restart(service); break;
    case SIM_FAULT_DISK_FULL:
    case SIM_FAULT_DISK_LOW: fill_disk(fault); break;
    case SIM_FAULT_WALL_STEP: step_wall(); break;
    case SIM_FAULT_FEED_PAUSE: sim_hands_pause_feed(draw_ns(fault, 500 * SIM_MS, 5)); break;
    case SIM_FAULT_HALT: sim_hands_command(SP_COMMAND_HALT, draw(fault, 3) > 0); break;
    case SIM_FAULT_RESUME: sim_hands_command(SP_COMMAND_RESUME, draw(fault, 2) > 0); break;
    case SIM_FAULT_FLATTEN: sim_hands_command(SP_COMMAND_FLATTEN, draw(fault, 3) > 0); break;
    case SIM_FAULT_RECONCILE: sim_hands_command(SP_COMMAND_RECONCILE, true); break;
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

/* ---- The disk ---- */

static int full_disk(enum sim_disk_op op, const char *path, size_t len)
{
    if (f.healed || sim_now() >= f.full_until) return 0;
    if (op == SIM_DISK_REMOVE && strstr(path, "ballast") != NULL) f.room += 1 << 20;
    if (op != SIM_DISK_WRITE) return 0;
    if ((int64_t)len > f.room) return ENOSPC;
    f.room -= (int64_t)len;
    return 0;
}

static int disk_fault(enum sim_disk_op op, const char *path, size_t len)
{
    int code = full_disk(op, path, len);

    if (code != 0) return code;
    if (op == SIM_DISK_WRITE && strikes(SIM_FAULT_DISK_WRITE_ERROR, 30)) return EIO;
    if (op == SIM_DISK_SYNC && strikes(SIM_FAULT_DISK_SYNC_ERROR, 100)) return EIO;
    if (op == SIM_DISK_WRITE && strikes(SIM_FAULT_DISK_SHORT_WRITE, 2000)) return SIM_DISK_SHORT;
    return 0;
}

int64_t sim_faults_sync_delay(void)
{
    if (strikes(SIM_FAULT_DISK_SLOW, 5000)) return draw_ns(SIM_FAULT_DISK_SLOW, 2 * SIM_MS, 10);
    return 80 * SIM_US + sim_random_wait(sim_chance(), 120 * SIM_US);
}

/* ---- Messages ---- */

static void venue_message(const struct sim_message *message, struct sim_fate *fate)
{
    if (sp_wire_decode(message->frame, message->len, &f.record, NULL) != SP_OK) return;
    if (f.record.kind == SP_REC_VENUE_REPORT) {
        fate->drop = strikes(SIM_FAULT_REPORT_LOST, 20000);
        if (strikes(SIM_FAULT_REPORT_COPY, 50000)) fate->copies = 1;
        fate->overtakes = strikes(SIM_FAULT_REPORT_ORDER, 50000);
    } else if (f.record.kind == SP_REC_VENUE_ANSWER) {
        fate->drop = strikes(SIM_FAULT_ANSWER_LOST, 5000);
        if (strikes(SIM_FAULT_ANSWER_LATE, 5000))
            fate->delay = draw_ns(SIM_FAULT_ANSWER_LATE, 10 * SIM_MS, 9);
    }
}

void sim_faults_message(const struct sim_message *message, struct sim_fate *fate)
{
    const char *from = message->from != NULL ? message->from->name : "";

    sim_live_message(message);
    if (f.healed) return;
    if (message->published) {
        fate->drop = strikes(SIM_FAULT_PUBLISH_DROP, 2000);
        if (strikes(SIM_FAULT_PUBLISH_COPY, 1000)) fate->copies = 1;
    } else if (strcmp(from, "venue") == 0) {
        venue_message(message, fate);
    } else if (strcmp(message->to, "venue") == 0) {
        fate->drop = strikes(SIM_FAULT_REQUEST_LOST, 5000);
    }
    if (strikes(SIM_FAULT_MESSAGE_DELAY, 1000))
        fate->delay += draw_ns(SIM_FAULT_MESSAGE_DELAY, SIM_MS, 8);
}

/* The venue's query service is behind its matching engine. */
sp_status __real_sp_venue_store_order(struct sp_venue_store *store, const struct sp_exchange *x,
                                      const sp_name *client_order_id,
                                      struct sp_venue_order_row *out, struct sp_err *err);
sp_status __wrap_sp_venue_store_order(struct sp_venue_store *store, const struct sp_exchange *x,
                                      const sp_name *client_order_id,
                                      struct sp_venue_order_row *out, struct sp_err *err);
sp_status __wrap_sp_venue_store_order(struct sp_venue_store *store, const struct sp_exchange *x,
                                      const sp_name *client_order_id,
                                      struct sp_venue_order_row *out, struct sp_err *err)
{
    uint32_t count = 0;
    const struct sim_truth_order *order = sim_truth_find(client_order_id, &count);

    if (order != NULL && is_on(SIM_FAULT_QUERY_LAG) && sim_now() - order->placed_at < f.lag_ns) {
        f.fired[SIM_FAULT_QUERY_LAG]++;
        return SP_FAIL(err, SP_NOT_FOUND, "no such order (yet)");
    }
    return __real_sp_venue_store_order(store, x, client_order_id, out, err);
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
    f.lag_ns = (int64_t)sim_random_below(&r, LAG_NS_MAX);
    sim_files_on_fault(disk_fault, sim_faults_sync_delay);
    for (uint32_t i = 0; i < SIM_FAULT_COUNT; i++) {
        if (kinds[i].mean_s > 0 && is_on((enum sim_fault)i)) arrange((enum sim_fault)i);
    }
}

void sim_faults_heal(void)
{
    f.healed = true;
    sim_files_set_free(UINT64_C(50) << 30);
    for (uint32_t i = 0; i < sim_world_count(); i++) {
        struct sim_proc *proc = sim_world_proc(i);
        if (proc == NULL) continue;
        proc->paused_until = 0;
        proc->points_to_live = 0;
    }
}
