#include "watch.h"

#include "health.h"
#include "kernel.h"
#include "live.h"
#include "memory.h"
#include "proto/ids.h"
#include "risk.h"
#include "run.h"
#include "services/execution/execution_core.h"
#include "truth.h"
#include "world.h"

#include <string.h>

#define LOOK_NS (500 * SIM_MS)
/* Answers may be late by ten seconds, questions and answers be lost, and be asked again. */
#define KNOWN_NS   (30 * SIM_S)
#define EXIT_NS    (10 * SIM_S) /* nothing but a cancel and a sale */
#define TRADES_MAX 64
#define SELLABLE   20000 /* 1e-8 of the base asset: twenty of the quote asset or so */
#define NEWEST     64    /* so many orders and executions can be open questions at most */

struct trade {
    sp_trd_id id;
    uint64_t seen; /* in which look */
    int64_t exit_since, idle_since;
};

static struct {
    uint64_t look; /* counts from 2: then all entries are free */
    struct trade trades[TRADES_MAX];
    int64_t talk_since; /* execution and venue run and are connected; SIM_NEVER: are not */
    uint32_t pids[2], generation;
    uint32_t room;
    int64_t *fill_since, *order_since; /* by number of the truth: unknown since; 0: known */
} s;

static bool runs(const struct sim_proc *proc)
{
    return proc != NULL && proc->alive && proc->paused_until <= sim_now();
}

static void watch_talk(void)
{
    const struct sim_proc *procs[] = {sim_world_proc(sim_world_find("execution")),
                                      sim_world_proc(sim_world_find("venue"))};
    const struct sp_execution *core = sim_live_core();

    if (!runs(procs[0]) || !runs(procs[1]) || core == NULL || !core->venue_up) {
        s.talk_since = SIM_NEVER;
        return;
    }
    bool same = s.talk_since != SIM_NEVER && s.pids[0] == procs[0]->pid &&
                s.pids[1] == procs[1]->pid && s.generation == core->venue_generation;
    if (same) return;
    s.talk_since = sim_now();
    s.pids[0] = procs[0]->pid;
    s.pids[1] = procs[1]->pid;
    s.generation = core->venue_generation;
}

/* Whether it is unknown for too long by now. */
static bool is_overdue(int64_t *since, bool known, int64_t limit)
{
    if (known) *since = 0;
    if (!known && *since == 0) *since = sim_now();
    if (known || s.talk_since == SIM_NEVER) return false;
    int64_t from = *since > s.talk_since ? *since : s.talk_since;
    return sim_now() - from > limit;
}

static void look_at_fill(uint32_t i)
{
    const struct sp_venue_fill_row *fill = sim_truth_fill(i);
    const struct sp_world_config *world = sp_config_world(sim_world_config());
    struct sp_books *books = sim_live_books();
    bool ours = sp_books_order(books, &fill->client_order_id) != NULL;
    bool known = !ours || sp_books_has_fill(books, &world->instruments[fill->instrument].symbol,
                                            fill->trade_no);

    if (is_overdue(&s.fill_since[i], known, KNOWN_NS))
        sim_violation("execution %llu is not in the books %d s after the venue kept it",
                      (unsigned long long)fill->trade_no, (int)(KNOWN_NS / SIM_S));
}

static void look_at_order(uint32_t i)
{
    const struct sim_truth_order *truth = sim_truth_order(i);
    const struct sp_order *order = sp_books_order(sim_live_books(), &truth->client_order_id);
    bool known =
        order == NULL || !sp_order_is_terminal(truth->state) || !sp_order_is_live(order->state);

    if (is_overdue(&s.order_since[i], known, KNOWN_NS))
        sim_violation("order %s is still %s in the books %d s after it ended at the venue",
                      truth->client_order_id.s,
                      sp_enum_name(SP_ENUM_ORDER_STATE, (uint8_t)order->state),
                      (int)(KNOWN_NS / SIM_S));
}

/* ---- Trades ---- */

/* Its own, or one whose trade was open in neither this look nor the one before. */
static struct trade *entry_of(sp_trd_id id)
{
    struct trade *free = NULL;

    for (int i = 0; i < TRADES_MAX; i++) {
        if (sp_trd_id_eq(s.trades[i].id, id)) return &s.trades[i];
        if (s.trades[i].seen + 1 < s.look) free = &s.trades[i];
    }
    SP_ASSERT(free != NULL);
    *free = (struct trade){.id = id};
    return free;
}

/* Not dust, and there is somebody to sell to. */
static bool can_be_sold(const struct sp_trade_book *trade)
{
    return sp_trade_position(trade).e8 > SELLABLE && sim_live_price_age() < 2 * SIM_S;
}

static void look_at_trade(const struct sp_trade_book *book)
{
    struct sp_books *books = sim_live_books();
    struct trade *trade = entry_of(book->trade_id);
    char id[SP_ID_TEXT_SIZE];
    bool holds = can_be_sold(book);
    bool idle = sp_books_live_orders(books, book, SP_LEG_ROLE_NONE) == 0;

    trade->seen = s.look;
    sp_id_format(SP_ID_TRD, book->trade_id.raw, id);
    if (is_overdue(&trade->exit_since, !holds || !book->exit.wanted, EXIT_NS))
        sim_violation("trade %s is still open %d s after its exit was asked for", id,
                      (int)(EXIT_NS / SIM_S));
    if (is_overdue(&trade->idle_since, !holds || !idle, KNOWN_NS))
        sim_violation("trade %s has had neither protection nor an exit for %d s", id,
                      (int)(KNOWN_NS / SIM_S));
}

static void look_at_trades(void)
{
    const struct sp_books *books = sim_live_books();

    s.look++;
    for (uint32_t i = 0; i < books->trade_count; i++) {
        if (books->trades[i].opened && !books->trades[i].closed) look_at_trade(&books->trades[i]);
    }
}

/* ---- A run ---- */

static void make_room(uint32_t count)
{
    uint32_t room = s.room;

    if (count <= room) return;
    s.room = count + 256;
    s.fill_since = sim_grow(s.fill_since, s.room * sizeof *s.fill_since);
    s.order_since = sim_grow(s.order_since, s.room * sizeof *s.order_since);
    memset(s.fill_since + room, 0, (s.room - room) * sizeof *s.fill_since);
    memset(s.order_since + room, 0, (s.room - room) * sizeof *s.order_since);
}

static void look(void *ctx)
{
    uint32_t fills = sim_truth_fill_count(), orders = sim_truth_order_count();

    (void)ctx;
    make_room(fills > orders ? fills : orders);
    watch_talk();
    sim_risk_look();
    sim_health_look();
    look_at_trades();
    for (uint32_t i = fills > NEWEST ? fills - NEWEST : 0; i < fills; i++)
        look_at_fill(i);
    for (uint32_t i = orders > NEWEST ? orders - NEWEST : 0; i < orders; i++)
        look_at_order(i);
    sim_at(sim_now() + LOOK_NS, look, NULL);
}

void sim_watch_begin(void)
{
    memset(&s, 0, sizeof s);
    s.talk_since = SIM_NEVER;
    s.look = 1;
    sim_at(sim_now() + LOOK_NS, look, NULL);
}

void sim_watch_end(void)
{
    sim_free(s.fill_since);
    sim_free(s.order_since);
    memset(&s, 0, sizeof s);
}
