/* The event loop of a service: sockets, descriptors, timers and the stop signals, on one thread.
 *
 * Every callback runs on the loop's thread and must not block; it takes a bounded share of the work
 * that waits (a few hundred messages) and is called again in the next round. Sources are served in
 * the order they were added, once per round, so none starves; those added with `first` are served
 * until nothing waits, before any other: control before data. Callbacks may add and remove sources
 * and timers, also their own.
 */
#ifndef SP_COMMON_LOOP_H
#define SP_COMMON_LOOP_H

#include "common/bus/sock.h"

struct sp_loop;
struct sp_timer;

typedef void sp_loop_fn(void *ctx);

/* Blocks SIGTERM, SIGINT, SIGHUP, SIGPIPE for the process and takes the first two by signalfd: call
 * it before any thread is started. The other two are ignored that way. SP_IO, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_loop_open(struct sp_loop **out, struct sp_err *err);
/* Frees what is left of sources and timers; closes none of their sockets. NULL is accepted. */
void sp_loop_close(struct sp_loop *loop);

/* Calls fn while the socket has messages (fn takes some, not necessarily all). SP_FULL beyond
 * SP_POLL_MAX - 1 sources, here and below. */
SP_NODISCARD sp_status sp_loop_add_sock(struct sp_loop *loop, struct sp_sock *sock, bool first,
                                        sp_loop_fn *fn, void *ctx);
/* Before the socket is closed. What is not there is ignored. */
void sp_loop_remove_sock(struct sp_loop *loop, struct sp_sock *sock);
SP_NODISCARD sp_status sp_loop_add_fd(struct sp_loop *loop, int fd, sp_loop_fn *fn, void *ctx);
void sp_loop_remove_fd(struct sp_loop *loop, int fd);

/* Calls fn after `first`, then every `every` (0: once). Lost ticks are not made up for. `out` may
 * be NULL; else the timer is valid until it is cancelled or the loop closes, also after it has
 * fired once. SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_loop_add_timer(struct sp_loop *loop, sp_dur first, sp_dur every,
                                         sp_loop_fn *fn, void *ctx, struct sp_timer **out);
/* Fires once, `after` from now, whatever was arranged before. Of a timer that was added with an
 * `every` of 0. */
void sp_timer_arm(struct sp_timer *timer, sp_dur after);
/* Exactly once per timer. NULL is accepted. */
void sp_timer_cancel(struct sp_timer *timer);
/* Calls fn once, however often it was asked for, as soon as the callback that runs now returns:
 * what it has gathered goes on together. False: no callback runs, or SP_LOOP_DEFERRED_MAX wait
 * already; the caller acts at once. */
#define SP_LOOP_DEFERRED_MAX 16
SP_NODISCARD bool sp_loop_defer(struct sp_loop *loop, sp_loop_fn *fn, void *ctx);
/* What is not there is ignored. */
void sp_loop_cancel_deferred(struct sp_loop *loop, sp_loop_fn *fn, void *ctx);
/* Called in each round after all sources had their turn, before the loop waits: for sources that
 * are driven by computation. A true answer means "call again soon": the loop does not sleep. */
typedef bool sp_loop_idle_fn(void *ctx);
void sp_loop_set_idle(struct sp_loop *loop, sp_loop_idle_fn *fn, void *ctx);

/* Runs until sp_loop_stop or a stop signal; may be called again, for an orderly stop. SP_IO. */
SP_NODISCARD sp_status sp_loop_run(struct sp_loop *loop, struct sp_err *err);
/* One round, waiting at most `wait` for something to do. */
SP_NODISCARD sp_status sp_loop_turn(struct sp_loop *loop, sp_dur wait, struct sp_err *err);
void sp_loop_stop(struct sp_loop *loop);
/* The signal that asked to stop (for the exit log), 0 if none. */
int sp_loop_signal(const struct sp_loop *loop);
/* Rounds so far: progress for the watchdog. */
uint64_t sp_loop_rounds(const struct sp_loop *loop);

#endif
