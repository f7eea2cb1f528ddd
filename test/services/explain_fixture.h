/* A small history written with the real journal: a trade that survives a crash of execution, a
 * rejected opportunity, a refused plan, a trade that an operator flattens, a correction. Ids and
 * times are fixed, so that explanations can be compared byte for byte. */
#ifndef SP_TEST_EXPLAIN_FIXTURE_H
#define SP_TEST_EXPLAIN_FIXTURE_H

#include "common/journal/journal.h"
#include "proto/ids.h"

enum history_part {
    HISTORY_WHOLE,
    HISTORY_WRONG_RESULT, /* TRADE_CLOSED of the first trade says one unit more than its fills */
    HISTORY_RUNNING       /* ends before the operator's trade is closed; journals stay open */
};

/* One service's journal while the history is written. */
struct history_stream {
    char dir[512];
    sp_name name;
    struct sp_journal *journal;
    uint32_t epoch;
};

struct history {
    char root[256];
    struct history_stream strategy, execution, supervisor, marketdata, reconciliation;
    /* What the history is about: indices are the order of appearance. */
    sp_opp_id opp[4];
    sp_thr_id threat;
    sp_trd_id trade[3]; /* closed by target, refused, flattened */
    sp_pln_id plan[3];
    sp_ord_id entry, target, stop, second_entry, exit;
    sp_cmd_id flatten, resume;
    sp_rec_id first_pass, second_pass;
    sp_sch_id schedule;
    enum history_part part;
};

/* Writes the history into the empty directory `root`. */
void history_write(struct history *h, const char *root, enum history_part part);
/* Closes what HISTORY_RUNNING left open. */
void history_close(struct history *h);

/* explain_acts.c: the parts of the story, in order. Each goes on where the last ended. */
struct sp_record *history_add(struct history_stream *s, enum sp_kind kind, const char *time,
                              const struct sp_record *cause);
/* Appends the record last added; returns a copy that stays valid. */
const struct sp_record *history_put(struct history_stream *s);
void history_restart(struct history_stream *s, const char *time);
void history_first_trade(struct history *h);
void history_threat_and_rejection(struct history *h);
void history_refused_plan(struct history *h);
void history_flattened_trade(struct history *h);

#endif
