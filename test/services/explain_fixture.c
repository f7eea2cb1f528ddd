#include "explain_fixture.h"

#include "proto/decimal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define KEPT_MAX 256

static struct sp_record draft;
static struct sp_record kept[KEPT_MAX];
static uint32_t kept_count;

static sp_wall at(const char *clock)
{
    char text[64];
    sp_wall wall = {0};

    /* A whole time stands for itself: the wall clock of the supervisor. */
    snprintf(text, sizeof text, strlen(clock) > 15 ? "%s" : "2026-01-05T%sZ", clock);
    sp_status status = sp_wall_parse(text, strlen(text), &wall);
    SP_ASSERT(status == SP_OK);
    return wall;
}

static void open_stream(struct history_stream *s, const char *time)
{
    struct sp_err err = {0};
    struct sp_journal_options options = {.dir = s->dir,
                                         .stream = s->name,
                                         .installation = "test",
                                         .world = "practice",
                                         .epoch = s->epoch,
                                         .sync_every = {-1},
                                         .start_time = at(time),
                                         .build = "test",
                                         .boot_id = sp_name_of("boot")};

    sp_status status = sp_journal_open(&options, &s->journal, &err);
    if (status != SP_OK) fprintf(stderr, "%s\n", err.text);
    SP_ASSERT(status == SP_OK);
}

static void begin(struct history *h, struct history_stream *s, const char *name, const char *time)
{
    s->name = sp_name_of(name);
    s->epoch = 1;
    snprintf(s->dir, sizeof s->dir, "%s/%s", h->root, name);
    SP_ASSERT(mkdir(s->dir, 0700) == 0);
    open_stream(s, time);
}

void history_restart(struct history_stream *s, const char *time)
{
    sp_journal_close(s->journal); /* NULL is accepted: somebody else's */
    s->epoch++;
    open_stream(s, time);
}

struct sp_record *history_add(struct history_stream *s, enum sp_kind kind, const char *time,
                              const struct sp_record *cause)
{
    draft = (struct sp_record){.stream = s->name,
                               .epoch = s->epoch,
                               .seq = sp_journal_next_seq(s->journal),
                               .time = at(time),
                               .kind = kind};
    if (cause != NULL) {
        struct sp_ref ref = sp_record_ref(cause);
        sp_record_add_cause(&draft, &ref);
    }
    return &draft;
}

const struct sp_record *history_put(struct history_stream *s)
{
    struct sp_err err = {0};

    SP_ASSERT(kept_count < KEPT_MAX);
    sp_status status = sp_journal_append(s->journal, &draft, 1, &err);
    if (status != SP_OK) fprintf(stderr, "%s\n", err.text);
    SP_ASSERT(status == SP_OK);
    kept[kept_count] = draft;
    return &kept[kept_count++];
}

/* Ids that look alike in every run; n tells them apart. */
static struct sp_id mint(enum sp_id_type type, const char *time, uint32_t n)
{
    struct sp_id_source source = {.installation = "test",
                                  .stream = "fixture",
                                  .epoch = 1,
                                  .seq = 1,
                                  .n = n,
                                  .time = at(time)};

    return sp_id_mint(type, &source);
}

static void mint_all(struct history *h)
{
    static const char *const times[] = {"18:22:07", "18:28:40", "18:31:00", "18:34:00"};
    static const char *const trades[] = {"18:22:07", "18:31:00", "18:34:00"};

    for (uint32_t i = 0; i < 4; i++)
        h->opp[i].raw = mint(SP_ID_OPP, times[i], i);
    for (uint32_t i = 0; i < 3; i++) {
        h->trade[i].raw = mint(SP_ID_TRD, trades[i], i);
        h->plan[i].raw = mint(SP_ID_PLN, trades[i], i);
    }
    h->threat.raw = mint(SP_ID_THR, "18:28:31", 0);
    h->entry.raw = mint(SP_ID_ORD, "18:22:07", 0);
    h->target.raw = mint(SP_ID_ORD, "18:22:07", 1);
    h->stop.raw = mint(SP_ID_ORD, "18:22:07", 2);
    h->second_entry.raw = mint(SP_ID_ORD, "18:34:00", 3);
    h->exit.raw = mint(SP_ID_ORD, "18:36:00", 4);
    h->flatten.raw = mint(SP_ID_CMD, "18:36:00", 0);
    h->resume.raw = mint(SP_ID_CMD, "18:38:00", 1);
    h->first_pass.raw = mint(SP_ID_REC, "18:00:01", 0);
    h->second_pass.raw = mint(SP_ID_REC, "18:24:19", 1);
    h->schedule.raw = mint(SP_ID_SCH, "18:30:00", 0);
}

void history_write(struct history *h, const char *root, enum history_part part)
{
    *h = (struct history){.part = part};
    kept_count = 0;
    snprintf(h->root, sizeof h->root, "%s", root);
    mint_all(h);
    begin(h, &h->strategy, "strategy.ema", "18:00:00");
    begin(h, &h->execution, "execution", "18:00:00");
    begin(h, &h->supervisor, "supervisor", "2026-11-22T10:00:00Z");
    begin(h, &h->marketdata, "marketdata", "18:00:00");
    begin(h, &h->reconciliation, "reconciliation", "18:00:00");
    history_first_trade(h);
    /* From here on the strategy's lines say that these are durable. */
    sp_status status = sp_journal_sync(h->strategy.journal, NULL);
    SP_ASSERT(status == SP_OK);
    history_threat_and_rejection(h);
    history_refused_plan(h);
    history_flattened_trade(h);
    if (part != HISTORY_RUNNING) history_close(h);
}

void history_close(struct history *h)
{
    struct history_stream *const all[] = {&h->strategy, &h->execution, &h->supervisor,
                                          &h->marketdata, &h->reconciliation};

    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        sp_journal_close(all[i]->journal);
        all[i]->journal = NULL;
    }
}
