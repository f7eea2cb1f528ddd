/* Between the parts of the Binance adapter: the connection's life (binance.c), its user data
 * (binance_user.c) and the requests that pass while it is up (binance_jobs.c).
 */
#ifndef SP_COMMON_VENUE_BINANCE_INTERNAL_H
#define SP_COMMON_VENUE_BINANCE_INTERNAL_H

#include "common/http/socket_client.h"
#include "common/venue/binance.h"
#include "common/venue/binance_answer.h"
#include "common/venue/binance_keys.h"
#include "common/venue/binance_pace.h"
#include "common/venue/binance_request.h"
#include "common/venue/venue_base.h"

#define BINANCE_KNOWN_MAX    1024 /* venue order ids whose client ids are remembered */
#define BINANCE_ABSENT_MAX   64
#define BINANCE_EXPECTED_MAX 32
#define BINANCE_ASKED_MAX    64
#define BINANCE_TOLD_MAX     256

enum binance_step { BINANCE_WAITING, BINANCE_CLOCK, BINANCE_RIGHTS, BINANCE_STREAM, BINANCE_UP };

struct binance_job;

/* A question of the connection itself: an answer to an earlier life is passed over. */
struct binance_asked {
    struct binance *venue;
    uint32_t life;
};

struct binance {
    struct sp_venue base;
    struct sp_loop *loop;
    struct sp_binance_options options;
    sp_text down_reason; /* why it was not reached last, for a person; "": it is up */
    const struct sp_binance_config *config;
    struct sp_http_client *http;
    struct sp_binance_keys *keys;
    struct sp_timer *timer;
    enum binance_step step;
    uint32_t attempt;      /* of connections, for the back-off */
    uint32_t life;         /* counts steps back to WAITING: what was asked before is passed over */
    sp_mono resume, since; /* end of WAITING; begin of the step */
    bool time_asked, rights_known;
    sp_mono time_asked_at, heard; /* the newest answer */
    struct sp_binance_clock clock;
    struct sp_binance_pace pace;
    /* User data. */
    struct binance_user {
        struct binance *venue;
        struct sp_socket_client *socket; /* NULL: none */
        int64_t subscribe_id;
        bool subscribed;
        sp_mono opened, pinged, since; /* since: subscribed */
    } users[2];
    uint32_t user_now; /* the other one is about to take its place */
    uint32_t renew_attempt;
    sp_mono renew_not_before;
    int64_t subscribe_id;
    uint64_t report_seq;
    uint32_t told_next;
    struct binance_told {
        uint32_t by; /* 1 + index of the user data; 0: free */
        uint8_t state;
        uint64_t venue_order_id, venue_trade_id;
        sp_qty filled_qty;
        sp_wall venue_time;
        sp_name symbol;
    } told[BINANCE_TOLD_MAX]; /* a ring: more than two streams can be apart */
    struct binance_job *jobs;
    uint32_t asked_next;
    struct binance_asked asked[BINANCE_ASKED_MAX]; /* a ring: more than can be under way */
    /* Rings, the oldest makes room. */
    uint32_t known_next, absent_next, expected_next;
    struct {
        uint64_t venue_order_id; /* numbered per symbol */
        sp_name symbol, client_order_id;
    } known[BINANCE_KNOWN_MAX];
    struct {
        sp_name client_order_id; /* empty: free */
        sp_mono since;
    } absent[BINANCE_ABSENT_MAX];
    struct {
        sp_name client_order_id; /* empty: free */
        sp_mono until;           /* 0: not accepted yet */
    } expected[BINANCE_EXPECTED_MAX];
};

/* ---- binance.c ---- */

/* Ends the connection: on_down, if it was up, and the next attempt after the back-off. */
void sp_binance_down(struct binance *venue, const char *reason);
/* Stamps, signs and sends one call. SP_AGAIN: no share of the weight is left, or the venue makes us
 * wait; SP_TOO_LONG, SP_NO_MEMORY, SP_UNSUPPORTED. Nothing was sent then. */
SP_NODISCARD sp_status sp_binance_ask(
    struct binance *venue, struct sp_binance_call *call, bool urgent, void *ctx,
    void (*on_answer)(void *ctx, const struct sp_http_answer *answer), struct sp_err *err);
/* What every answer tells about limits; its outcome and error. */
enum sp_binance_outcome sp_binance_heard(struct binance *venue, const struct sp_http_answer *answer,
                                         struct sp_binance_error *error);

/* Requests pass from now on. */
void sp_binance_up(struct binance *venue);

/* ---- binance_user.c ---- */

/* Subscribes; up, or down, when that is answered. */
void sp_binance_user_begin(struct binance *venue);
void sp_binance_user_close(struct binance *venue);
/* On every tick while up. */
void sp_binance_user_watch(struct binance *venue, sp_mono now);
/* The last byte of it; 0: none. */
sp_mono sp_binance_user_heard(struct binance *venue);

/* ---- binance_jobs.c ---- */

sp_status sp_binance_send(struct sp_venue *base, const struct sp_record *request,
                          struct sp_err *err);
/* Their answers, if they come, are passed over. */
void sp_binance_forget_jobs(struct binance *venue);
/* Once none of them can be answered any more. */
void sp_binance_free_jobs(struct binance *venue);
void sp_binance_know(struct binance *venue, const sp_name *symbol, uint64_t venue_order_id,
                     const sp_name *client_id);
/* The stream told of that order. */
void sp_binance_told(struct binance *venue, const sp_name *client_order_id);
/* Whether the stream failed to tell of an accepted order in time. */
bool sp_binance_is_untold(const struct binance *venue, sp_mono now);

#endif
