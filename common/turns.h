/* Lock-step: the services of an operation act one after the other, in turns that marketdata gives,
 * and all of their clocks are the market's. So a run depends on nothing but its configuration and
 * its market: not on how fast a message travels, nor on which of two comes first.
 *
 * A service holds whatever comes in until its turn. Once everything is there that the turn names,
 * it gets it in a fixed order: begin; facts, by the name of their stream; market data, by the name
 * of theirs; then messages as they came and come, until settle says that none is to come any more.
 * The answer tells marketdata how far its own stream is, and whoever has to see that gets the next
 * turn (services/marketdata/conductor.h). docs/lock_step.md has the protocol. One thread: the
 * loop's.
 */
#ifndef SP_COMMON_TURNS_H
#define SP_COMMON_TURNS_H

#include "common/shell.h"

struct sp_turns;

struct sp_turns_options {
    struct sp_service *service;
    struct sp_shell *shell; /* NULL: it has none */
    /* What else has to be there, such as a connection; asked again after sp_turns_go_on. NULL:
     * nothing. */
    bool (*can_begin)(void *ctx);
    void (*begin)(void *ctx); /* NULL: nothing */
    /* Asked when nothing is held: true ends the turn; false: a message is to come. NULL: true. */
    bool (*settle)(void *ctx);
    void *ctx;
};

/* *out is NULL, and everything below does nothing or acts at once, unless the feed of the
 * operation's world is in lock-step. SP_NO_MEMORY, SP_FULL. */
SP_NODISCARD sp_status sp_turns_open(const struct sp_turns_options *options, struct sp_turns **out,
                                     struct sp_err *err);
void sp_turns_close(struct sp_turns *turns);
/* sp_bus_subscribe, but that records wait for the turn; notices do not. */
SP_NODISCARD sp_status sp_turns_subscribe(struct sp_turns *turns, struct sp_service *service,
                                          const struct sp_sub_options *options,
                                          struct sp_subscription **out, struct sp_err *err);
/* A message that came by itself: given to fn in the turn. Without turns: at once. */
void sp_turns_hold(struct sp_turns *turns, sp_sub_record_fn *fn, void *ctx,
                   const struct sp_record *message);
/* The service is to end, and no turn will come for what it still has to do: messages are given at
 * once from now on. */
void sp_turns_release(struct sp_turns *turns);
/* Whether things happen in turns only: not without turns, and not after a release. */
bool sp_turns_hold_back(const struct sp_turns *turns);
/* What can_begin or settle asks for has changed. */
void sp_turns_go_on(struct sp_turns *turns);
/* Takes a TURN off the control socket; false: it is another request. */
bool sp_turns_take(struct sp_turns *turns, const struct sp_peer *peer,
                   const struct sp_record *request);
/* Market data has come in, held or not. */
bool sp_turns_has_market(const struct sp_turns *turns);

#endif
