#include "ledger_journal.h"

#include "common/ledger/ledger_check.h"
#include "common/ledger/ledger_feed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRADES 2

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    printf("FAILED: without a fault: %s\n", err->text);
    exit(1);
}

void ledger_journal_make(struct ledger_journal *out, const char *dir)
{
    struct sp_err err = {0};

    *out = (struct ledger_journal){.dir = dir,
                                   .core = core_ready(),
                                   .stream = sp_name_of("execution")};
    struct sp_journal_options options = {.dir = dir,
                                         .stream = out->stream,
                                         .installation = "testbench",
                                         .world = "paper",
                                         .epoch = 1,
                                         .sync_every = {-1},
                                         .start_time = {INT64_C(1795374000000000000)},
                                         .build = "0.0.0",
                                         .boot_id = sp_name_of("boot")};
    for (int i = 0; i < TRADES; i++) {
        core_price(out->core, 50000);
        core_open(out->core, i % 2 == 0 ? "ema" : "mean");
        core_move(out->core, i % 3 == 0 ? 52000 : 48900, 0);
    }
    must(sp_journal_open(&options, &out->journal, &err), &err);
    for (uint32_t i = 1; i < out->core->record_count;) {
        static struct sp_record batch[8];
        uint32_t count = 0;
        do {
            batch[count] = out->core->records[i++];
            batch[count].seq = sp_journal_next_seq(out->journal) + count;
            count++;
        } while (count < 8 && i < out->core->record_count &&
                 batch[count - 1].kind != SP_REC_LEDGER_STATE_CHANGED);
        must(sp_journal_append(out->journal, batch, count, &err), &err);
        if (i * 2 < out->core->record_count) out->middle = sp_journal_next_seq(out->journal) - 1;
    }
    out->last = sp_journal_next_seq(out->journal) - 1;
    must(sp_journal_sync(out->journal, &err), &err);
    SP_ASSERT(out->last < LEDGER_JOURNAL_SEQS_MAX);
}

void ledger_journal_free(struct ledger_journal *journal)
{
    sp_journal_close(journal->journal);
    core_free(journal->core);
}

struct sp_ledger_place ledger_journal_place(const struct ledger_journal *journal, const char *path)
{
    return (struct sp_ledger_place){.path = path,
                                    .stream = journal->stream,
                                    .world = journal->core->core.books.world,
                                    .first_seq = 1,
                                    .last_seq = journal->last};
}

static const char *expected(struct ledger_journal *journal, uint64_t cursor, struct sp_err *err)
{
    struct sp_ledger_rows *rows = NULL;
    char *hash = journal->hash[cursor];

    if (hash[0] != '\0') return hash;
    sp_status status = sp_ledger_rows_open(":memory:", &journal->stream,
                                           journal->core->core.books.world, &rows, err);
    if (status == SP_OK && cursor > 0)
        status = sp_ledger_fold(rows, journal->dir, &journal->stream, cursor, err);
    if (status == SP_OK) status = sp_ledger_hash(rows, hash, err);
    sp_ledger_rows_close(rows);
    must(status, err);
    return hash;
}

const char *ledger_journal_look(struct ledger_journal *journal, struct sp_ledger_rows *rows,
                                struct sp_err *err)
{
    char hash[SP_LEDGER_HASH_SIZE] = "";

    if (sp_ledger_check(rows, err) != SP_OK) return "not whole";
    if (sp_ledger_hash(rows, hash, err) != SP_OK) return "not read";
    return strcmp(hash, expected(journal, sp_ledger_rows_cursor(rows), err)) == 0
               ? NULL
               : "not what the journal gives";
}

const char *ledger_journal_next_start(struct ledger_journal *journal,
                                      const struct sp_ledger_place *place, uint64_t reported,
                                      struct sp_err *err)
{
    struct sp_ledger_finding finding = {0};
    struct sp_ledger_rows *rows = NULL;

    if (sp_ledger_file_open(place, false, &rows, &finding, err) != SP_OK)
        return "the next start is refused";
    const char *wrong = finding.aside[0] != '\0' ? "the file was damaged" : NULL;
    if (wrong != NULL) *err = finding.why;
    if (wrong == NULL && sp_ledger_rows_cursor(rows) < reported)
        wrong = "a transaction that was reported is not there";
    if (wrong == NULL) wrong = ledger_journal_look(journal, rows, err);
    if (wrong != NULL || sp_ledger_rows_cursor(rows) == journal->last) {
        sp_ledger_rows_close(rows);
        return wrong;
    }
    if (sp_ledger_fold(rows, journal->dir, &journal->stream, 0, err) != SP_OK)
        wrong = "it cannot catch up";
    if (wrong == NULL && sp_ledger_rows_cursor(rows) != journal->last)
        wrong = "it did not catch up";
    if (wrong == NULL) wrong = ledger_journal_look(journal, rows, err);
    sp_ledger_rows_close(rows);
    return wrong;
}
