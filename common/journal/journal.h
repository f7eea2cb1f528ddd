/* The journal (IJournalPersistor): one record, three uses - durability, delivery, explanation.
 *
 * In this form, which sp_journal_open gives (another one: common/persist/memory_journal.h): a
 * directory of segments, one writer (the holder of the role's lock), any number of readers.
 * journal.c opens with the file format. A record is durable once sp_journal_sync has returned OK at
 * or after its append; appended records survive the death of the process. After a failed write or
 * sync the journal is poisoned: every later call returns SP_STORAGE and the process must end with
 * exit code 74. One thread, except that the journal runs its own sync helper.
 */
#ifndef SP_COMMON_JOURNAL_H
#define SP_COMMON_JOURNAL_H

#include "common/journal/file.h"
#include "proto/json.h"

struct sp_journal;

struct sp_journal_options {
    const char *dir;                 /* the service's own directory; segments live in it */
    sp_name stream;                  /* "execution", "strategy.ema" */
    const char *installation;        /* a name; foreign journals are refused */
    const char *world;               /* a name; "" or NULL if none */
    uint32_t epoch;                  /* from sp_role_acquire: above all in the journal */
    uint64_t segment_bytes;          /* rotate above this; 0 = 16 MiB */
    sp_dur sync_every;               /* lazy sync by the helper thread; 0 = 500 ms; <0 = never */
    sp_dur compress_after;           /* age at which sealed segments are; 0 = never */
    uint64_t blanks_bytes;           /* written ahead by sp_journal_prepare; 0 = 256 KiB */
    uint64_t noted_seq;              /* highest sequence a snapshot or ledger says was synced: W */
    const struct sp_file_port *port; /* NULL = the real one */
    /* What the first record says, for runs that must repeat byte for byte: */
    sp_wall start_time; /* 0 = now */
    const char *build;  /* NULL = this build */
    sp_name boot_id;    /* empty = the kernel's */
};

/* Opens or creates the journal, recovers it (drops an unfinished batch, moves a torn tail to
 * DIR/quarantine and records JOURNAL_TRUNCATED), appends STREAM_STARTED for this epoch and syncs.
 * SP_CORRUPT (exit 65): acknowledged data is damaged; err names file, offset and repair command.
 * SP_STORAGE: the disk refused. SP_INVALID: the directory belongs to another installation or
 * stream. */
SP_NODISCARD sp_status sp_journal_open(const struct sp_journal_options *options,
                                       struct sp_journal **out, struct sp_err *err);
/* Seals nothing, stops the helper, syncs what is left, closes. NULL is accepted. */
void sp_journal_close(struct sp_journal *journal);
/* Syncs, writes the SEAL line, syncs. The next append or open starts a new segment. For an orderly
 * stop; not needed for correctness. SP_STORAGE. */
SP_NODISCARD sp_status sp_journal_seal(struct sp_journal *journal, struct sp_err *err);

/* Appends 1..SP_DECISION_RECORDS_MAX records as one batch: all of them are there after a crash or
 * none. Each record must have seq = next_seq, next_seq + 1, ..., our stream and epoch, valid
 * bodies, a kind that is kept, and causes where its kind demands them (asserted: they are our own).
 * One write(2). Rotates first if the segment is full. SP_STORAGE. */
SP_NODISCARD sp_status sp_journal_append(struct sp_journal *journal,
                                         const struct sp_record *records, uint32_t count,
                                         struct sp_err *err);
/* Returns when everything appended so far is durable (fdatasync). */
SP_NODISCARD sp_status sp_journal_sync(struct sp_journal *journal, struct sp_err *err);
/* For a writer whose syncs somebody waits for, while nobody does: whether few of the bytes are left
 * that were written ahead of the records, and writing more, synced, which takes about as long as
 * two syncs. A sync of records that take their place takes a third less. Also syncs what was
 * appended; does nothing if there are enough, or no room on the disk. SP_STORAGE. */
bool sp_journal_is_short(const struct sp_journal *journal);
SP_NODISCARD sp_status sp_journal_prepare(struct sp_journal *journal, struct sp_err *err);

/* Reads this journal from `first_seq` on (0: from the oldest record held), while it is written;
 * close the reader first. Any thread. The statuses of sp_journal_reader_open. */
struct sp_journal_reader;
SP_NODISCARD sp_status sp_journal_read(const struct sp_journal *journal, uint64_t first_seq,
                                       struct sp_journal_reader **out, struct sp_err *err);

/* Deletes the whole segments before `first_kept`, after the JOURNAL_TRIMMED that says so was
 * appended and synced (asserted: everything is durable). The statuses of sp_retention_delete; after
 * SP_STORAGE some may be left, and the next open goes on. Nothing is poisoned by it. */
SP_NODISCARD sp_status sp_journal_delete_before(struct sp_journal *journal, uint64_t first_kept,
                                                struct sp_err *err);

uint64_t sp_journal_next_seq(const struct sp_journal *journal);
uint64_t sp_journal_first_seq(const struct sp_journal *journal); /* oldest record still held */
uint64_t sp_journal_durable_seq(const struct sp_journal *journal);
/* SP_OK, or SP_STORAGE once poisoned (also by the helper thread): polled by the shell. */
sp_status sp_journal_health(const struct sp_journal *journal);
struct sp_journal_stats {
    uint64_t records, bytes, syncs, segments;
    int64_t sync_ns_max;
    uint32_t indexed, compressed, keep_failed; /* sealed segments; see journal_keeper.h */
};
struct sp_journal_stats sp_journal_stats(const struct sp_journal *journal);
/* Between the two the journal's own threads neither rename nor remove segments: for who removes
 * whole old ones (sp_keeper_remove). Held for a few system calls only. Any thread. */
void sp_journal_hold_segments(struct sp_journal *journal);
void sp_journal_release_segments(struct sp_journal *journal);

/* ---- Reading: by the owner at start, by replay, by the command line; of a dead writer too ---- */

/* Opens a stream's directory at `first_seq` (0 = the oldest held; a sequence that is no longer held
 * gives SP_GONE; one that is not there yet is waited for). Works while the writer appends.
 * stream may be NULL: then it is taken from the files. From the oldest record on, or before, also
 * SP_CORRUPT if older segments have vanished. SP_NOT_FOUND if there is no journal, SP_INVALID if it
 * is another stream's, SP_CORRUPT, SP_VERSION, SP_IO, SP_NO_MEMORY. */
SP_NODISCARD sp_status sp_journal_reader_open(const char *dir, const sp_name *stream,
                                              uint64_t first_seq, struct sp_journal_reader **out,
                                              struct sp_err *err);
void sp_journal_reader_close(struct sp_journal_reader *reader);
/* The next record of a complete batch. SP_OK; SP_AGAIN at the end, which may be an unfinished batch
 * or a torn tail (call again later: a live tail); SP_CORRUPT on damage to what was acknowledged;
 * SP_GONE if the segment that comes next was deleted meanwhile; SP_IO. SEGMENT and SEAL lines are
 * checked and passed over. *out is overwritten in full on SP_OK. meta may be NULL. */
SP_NODISCARD sp_status sp_journal_reader_next(struct sp_journal_reader *reader,
                                              struct sp_record *out, struct sp_line_meta *meta,
                                              struct sp_err *err);
/* The line the last record came from: valid until the next call. */
const char *sp_journal_reader_line(const struct sp_journal_reader *reader, size_t *len_bytes);

/* ---- Checking ---- */

struct sp_journal_report {
    uint64_t first_seq, last_seq, records, batches, bytes;
    uint32_t segments, sealed, epochs;
    bool torn_tail; /* unfinished last line or batch: normal after a kill */
};
/* Reads everything: sequence, chain, CRCs, seals, bodies. SP_OK, or SP_CORRUPT with where and what;
 * the other statuses of sp_journal_reader_open. *report says how far it came in either case. */
SP_NODISCARD sp_status sp_journal_verify(const char *dir, const sp_name *stream,
                                         struct sp_journal_report *report, struct sp_err *err);

#endif
