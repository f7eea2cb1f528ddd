/* Cancels and sells everything of some symbols at the venue, from what the venue alone says.
 *
 *   cancel all -> what is still open? -> what is held? -> sell it at market -> again, until nothing
 *   is open and nothing is left that the venue would take
 *
 * It knows no books: what was sold is seen in the next balance, and an order of unknown outcome is
 * asked for until the venue has answered. On spot nothing can be sold that is not held, so a second
 * sale never opens a position. A question that fails is asked again and never read as "nothing".
 * One thread. */
#ifndef SP_KILL_CORE_H
#define SP_KILL_CORE_H

#include "common/http/http_call.h"
#include "proto/types.h"

struct sp_kill_request {
    const char *method, *path; /* "GET", "/api/v3/account" */
    const char *query;         /* "symbol=BTCUSDT"; the port adds time and signature */
    bool is_signed;
};

struct sp_kill_port {
    void *ctx;
    /* The answer's body is free()d by the core. */
    void (*call)(void *ctx, const struct sp_kill_request *request, struct sp_call_answer *out);
    void (*wait)(void *ctx, uint32_t ms);
    void (*say)(void *ctx, const char *line); /* progress, for a person */
    /* A client order id that was never used: "kill-18f3-4". */
    void (*mint)(void *ctx, sp_name *out);
};

#define SP_KILL_ROUNDS 40

struct sp_kill_symbol {
    sp_name symbol;
    sp_qty keep; /* of the base asset: what is not this system's */
};

/* True: flat. False: the last line said what is left, or what the venue answers. */
SP_NODISCARD bool sp_kill_symbol_run(const struct sp_kill_port *port,
                                     const struct sp_kill_symbol *symbol);

#endif
