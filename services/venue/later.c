#include "services/venue/later.h"

#include "common/clock.h"

#include <stdlib.h>
#include <string.h>

struct waiting {
    struct waiting *next;
    int64_t due_ns;
    sp_later_fn *fn;
    void *ctx;
    size_t len_bytes;
    char bytes[];
};

struct sp_later {
    struct sp_loop *loop;
    struct sp_timer *timer; /* for the first; NULL: nothing waits */
    uint32_t count;
    struct waiting *first;
};

sp_status sp_later_open(struct sp_loop *loop, struct sp_later **out, struct sp_err *err)
{
    struct sp_later *later = calloc(1, sizeof *later);

    if (later == NULL) return SP_FAIL(err, SP_NO_MEMORY, "later");
    later->loop = loop;
    *out = later;
    return SP_OK;
}

void sp_later_close(struct sp_later *later)
{
    if (later == NULL) return;
    sp_timer_cancel(later->timer);
    while (later->first != NULL) {
        struct waiting *item = later->first;
        later->first = item->next;
        free(item);
    }
    free(later);
}

static void on_due(void *ctx);

/* For the first that waits. Without memory for a timer it waits for the next addition. */
static void set_timer(struct sp_later *later)
{
    sp_timer_cancel(later->timer);
    later->timer = NULL;
    if (later->first == NULL) return;
    int64_t wait_ns = later->first->due_ns - sp_clock_mono().ns;
    sp_dur after = {wait_ns > 0 ? wait_ns : 1};
    SP_IGNORE(sp_loop_add_timer(later->loop, after, (sp_dur){0}, on_due, later, &later->timer));
}

static void on_due(void *ctx)
{
    struct sp_later *later = ctx;
    int64_t now_ns = sp_clock_mono().ns;

    while (later->first != NULL && later->first->due_ns <= now_ns) {
        struct waiting *item = later->first;
        later->first = item->next;
        later->count--;
        item->fn(item->ctx, item->bytes, item->len_bytes);
        free(item);
    }
    set_timer(later);
}

sp_status sp_later_add(struct sp_later *later, const struct sp_later_item *item)
{
    struct waiting **at = &later->first;

    if (later->count == SP_LATER_MAX) return SP_FULL;
    struct waiting *own = malloc(sizeof *own + item->len_bytes);
    if (own == NULL) return SP_NO_MEMORY;
    *own = (struct waiting){.due_ns = sp_clock_mono().ns + item->after.ns,
                            .fn = item->fn,
                            .ctx = item->ctx,
                            .len_bytes = item->len_bytes};
    if (item->len_bytes > 0) memcpy(own->bytes, item->bytes, item->len_bytes);
    while (*at != NULL && (*at)->due_ns <= own->due_ns)
        at = &(*at)->next;
    own->next = *at;
    *at = own;
    later->count++;
    if (later->first == own) set_timer(later);
    return SP_OK;
}
