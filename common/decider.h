/* The decider form: decide(state, event) -> records + effects; apply(state, record).
 *
 * A core is pure: no clock, socket, file or log. Time, randomness and messages come in as the
 * event; facts go out as records, wishes as effects. Authoritative state changes only in apply, so
 * that folding the journal rebuilds it. The shell (common/shell.h live; the simulator and the
 * backtest elsewhere) runs:
 *
 *   event -> decide -> append the batch -> sync if a record is SYNC -> apply each record
 *         -> ask `allows` again -> carry out effects
 *
 * One thread owns a core.
 */
#ifndef SP_COMMON_DECIDER_H
#define SP_COMMON_DECIDER_H

#include "proto/ids.h"
#include "proto/record.h"

struct sp_rows_writer; /* common/journal/state_rows.h */
struct sp_rows_reader;

#define SP_DECISION_RECORDS_MAX 32
#define SP_DECISION_EFFECTS_MAX 16

enum sp_event_type {
    SP_EVENT_RECORD, /* a fact of another stream; consumed once, in order; moves its cursor */
    SP_EVENT_TICK,   /* a market-data record; volatile */
    SP_EVENT_TIMER,  /* a timer the core asked for, or a regular one; `id` says which */
    SP_EVENT_MESSAGE /* a control message or an answer of the venue; `id` is the core's own tag */
};

struct sp_event {
    enum sp_event_type type;
    sp_mono now;
    sp_wall wall;
    sp_wall market; /* market clock; 0 if not known yet */
    uint32_t id;
    const struct sp_record *record; /* NULL for timers */
};

/* A wish: carried out by the shell's io after the records of the decision are as durable as their
 * kinds demand. `type` is the core's own enumeration; `message` is what goes out, if anything. */
struct sp_effect {
    uint32_t type;
    uint32_t id;
    sp_dur delay; /* for timers */
    struct sp_record message;
};

/* What one event leads to. Filled by decide through the functions below; owned by the shell and
 * reused for each event. */
struct sp_decision {
    /* Given by the shell before decide. */
    const char *installation;
    sp_name stream;
    uint32_t epoch;
    uint64_t next_seq; /* sequence the first record will get */
    sp_wall time;      /* time of the records: market clock if known, else wall clock */
    /* Filled by decide. */
    uint32_t record_count;
    uint32_t effect_count;
    uint32_t minted; /* ids minted in this decision */
    struct sp_record records[SP_DECISION_RECORDS_MAX];
    struct sp_effect effects[SP_DECISION_EFFECTS_MAX];
};

struct sp_core {
    /* Asserts our own invariants; bad input becomes records or is ignored, never a crash. */
    void (*decide)(void *state, const struct sp_event *event, struct sp_decision *decision);
    void (*apply)(void *state, const struct sp_record *record);
    /* Asked for each effect after the sync: false withdraws it, and the core is told by `withdrawn`
     * (which may be NULL if allows is). */
    bool (*allows)(const void *state, const struct sp_effect *effect);
    void (*withdrawn)(void *state, const struct sp_effect *effect, struct sp_decision *decision);
    /* For starts from a snapshot (common/snapshot.h); all three or none. `save` writes what apply
     * folded as rows; it works on a copy of the state, in another thread. `load` reads them to
     * their end into a state to which nothing was applied; if it fails, the caller puts the state
     * back. */
    void (*save)(const void *state, struct sp_rows_writer *out);
    sp_status (*load)(void *state, struct sp_rows_reader *in, struct sp_err *err);
    /* Of the state, or of the beginning that save and load keep to; what it points to they leave
     * alone. */
    size_t state_bytes;
};

void sp_decision_begin(struct sp_decision *decision);
/* A new record of `kind` with its sequence, epoch, stream and time set, body zeroed, and the cause
 * if given. Returns a pointer into the decision. Asserts that there is room: decide must bound what
 * it does per event. */
struct sp_record *sp_decision_add(struct sp_decision *decision, enum sp_kind kind,
                                  const struct sp_ref *cause);
/* A new effect, zeroed, with its type set. */
struct sp_effect *sp_decision_effect(struct sp_decision *decision, uint32_t type);
/* Where the record that is added next will stand: for ids, and as the cause of a later one. */
struct sp_ref sp_decision_next_ref(const struct sp_decision *decision);
/* A new id, deterministic from where the next record will stand and how many were minted before. */
struct sp_id sp_decision_mint(struct sp_decision *decision, enum sp_id_type type);

#endif
