/* The practice exchange behind its REST face, in one process: requests are signed and handled as if
 * they had come over HTTP, and what they change is stored and told as user data.
 */
#ifndef SP_TEST_REST_RIG_H
#define SP_TEST_REST_RIG_H

#include "services/venue/rest.h"

#include "../common/folder.h"

#define ONE SP_FX_ONE

struct rest_rig {
    struct folder folder;
    char path[512];
    struct sp_world_config world;
    struct sp_exchange *x;
    struct sp_venue_store *store;
    struct sp_venue_changes *changes;
    struct sp_market_view *views;
    struct sp_rest *rest;
    struct sp_rest_call call;
    struct sp_json_text body, event;
    struct sp_err err;
    int64_t time; /* of the market */
    sp_wall now;  /* the real clock */
    const char *key, *secret;
};
extern struct rest_rig *rig;

int rest_rig_setup(void **state);
int rest_rig_teardown(void **state);
/* The process is gone and comes back over the same file. */
void rest_rig_restart(void);
/* One level on each side of an instrument, then a trade if `last` is not 0; whole prices. What our
 * orders do about it is in rig->changes and stored. */
void rest_rig_market(uint32_t instrument, int64_t bid, int64_t ask, int64_t qty_e8, int64_t last);
/* A signed request: parameters without time and signature; the answer's status. The text of the
 * answer is at rig->body.text. */
int rest_rig_ask(enum sp_http_method method, const char *path, const char *fmt, ...)
    SP_PRINTF(3, 4);
/* Fails unless the answer's status is `status`, and its text holds `piece`. */
void rest_rig_expect(int status, const char *piece);
void rest_rig_expect_not(const char *piece);
/* The user-data event of change `i`. */
const char *rest_rig_event(uint32_t i);

#endif
