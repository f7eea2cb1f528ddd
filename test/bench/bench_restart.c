/* How long execution takes to have its books again: from the whole journal, and from a snapshot and
 * the longest tail there can be. Tables are full, as after months of trading.
 *
 * Prints what it measured; judges nothing. Runs in the folder it is started in.
 * bench-restart [RECORDS]
 */
#include "../common/folder.h"
#include "../services/core_shell.h"
#include "common/clock.h"
#include "common/journal/journal.h"
#include "common/journal/state.h"
#include "common/journal/state_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORDS_DEFAULT 1000000
#define TAIL            50000 /* a snapshot is taken at the latest after so many */
#define CYCLE           12    /* records of one trade */

static struct sp_config config;
static struct sp_execution core;
static struct sp_record batch[CYCLE];
static char text[SP_STATE_BYTES_MAX];
static char dir[512];

static double ms_since(sp_mono begin)
{
    return (double)(sp_clock_mono().ns - begin.ns) / 1e6;
}

static void must(sp_status status, const struct sp_err *err)
{
    if (status == SP_OK) return;
    fprintf(stderr, "%s\n", err->text);
    exit(74);
}

/* ---- A journal of many trades ---- */

static struct sp_record *begin(uint32_t at, enum sp_kind kind, uint64_t trade)
{
    struct sp_record *record = &batch[at];

    memset(record, 0, sizeof *record);
    record->stream = sp_name_of("execution");
    record->epoch = 1;
    record->time = (sp_wall){INT64_C(1795374000000000000) + (int64_t)trade * SP_NS_PER_S};
    record->kind = kind;
    sp_record_add_cause(record, &(struct sp_ref){sp_name_of("strategy.ema"), 3, trade + 1});
    return record;
}

static sp_name order_name(uint64_t trade, uint32_t leg)
{
    char name[SP_NAME_SIZE];

    snprintf(name, sizeof name, "stest%026" PRIu64 "%03u", trade, leg);
    return sp_name_of(name);
}

/* Intent, sent, ack, fill: 4 records. */
static void order(uint32_t at, uint64_t trade, uint32_t leg)
{
    bool buys = leg == 1;
    sp_ord_id order_id = {{trade + 1, leg}};
    sp_trd_id trade_id = {{trade + 1, 7}};
    sp_name name = order_name(trade, leg);

    begin(at, SP_REC_ORDER_INTENT, trade)->body.order_intent =
        (struct sp_order_intent){.order_id = order_id,
                                 .client_order_id = name,
                                 .plan_id = {{trade + 1, 8}},
                                 .trade_id = trade_id,
                                 .strategy_link_id = sp_name_of("ema"),
                                 .symbol = sp_name_of("BTCUSDT"),
                                 .role = buys ? SP_LEG_ROLE_ENTRY : SP_LEG_ROLE_EXIT,
                                 .leg = leg,
                                 .side = buys ? SP_SIDE_BUY : SP_SIDE_SELL,
                                 .type = SP_ORDER_TYPE_MARKET,
                                 .tif = SP_TIF_IOC,
                                 .qty = {10000000},
                                 .open_cause = SP_OPEN_CAUSE_OPPORTUNITY,
                                 .opportunity_ids = {.count = 1, .at = {{{trade + 1, 9}}}}};
    for (uint32_t i = 1; i <= 2; i++) {
        begin(at + i, i == 1 ? SP_REC_ORDER_SENT : SP_REC_ORDER_ACK, trade)->body.order_event =
            (struct sp_order_event){.order_id = order_id,
                                    .client_order_id = name,
                                    .trade_id = trade_id,
                                    .strategy_link_id = sp_name_of("ema"),
                                    .venue_order_id = i == 1 ? 0 : 2 * trade + leg};
    }
    begin(at + 3, SP_REC_FILL, trade)->body.fill =
        (struct sp_fill){.order_id = order_id,
                         .client_order_id = name,
                         .trade_id = trade_id,
                         .strategy_link_id = sp_name_of("ema"),
                         .venue = sp_name_of("paper"),
                         .symbol = sp_name_of("BTCUSDT"),
                         .venue_trade_id = 2 * trade + leg,
                         .side = buys ? SP_SIDE_BUY : SP_SIDE_SELL,
                         .px = {50000 * SP_FX_ONE},
                         .qty = {10000000},
                         .fee = {5 * SP_FX_ONE / 10000000},
                         .fee_asset = sp_name_of("USDT"),
                         .liquidity = SP_LIQUIDITY_TAKER,
                         .venue_time = {INT64_C(1795374000000000000)}};
}

static void trade_batch(uint64_t trade)
{
    sp_trd_id trade_id = {{trade + 1, 7}};
    struct sp_plan_answer *answer = &begin(0, SP_REC_PLAN_ACCEPTED, trade)->body.plan_answer;

    answer->plan_id = (sp_pln_id){{trade + 1, 8}};
    answer->action = SP_PLAN_ACTION_OPEN;
    answer->strategy_link_id = sp_name_of("ema");
    answer->trade_id = trade_id;
    order(1, trade, 1);
    begin(5, SP_REC_TRADE_OPENED, trade)->body.trade_opened =
        (struct sp_trade_opened){.trade_id = trade_id,
                                 .strategy_link_id = sp_name_of("ema"),
                                 .symbol = sp_name_of("BTCUSDT"),
                                 .side = SP_SIDE_BUY,
                                 .cause = SP_OPEN_CAUSE_OPPORTUNITY,
                                 .px = {50000 * SP_FX_ONE},
                                 .qty = {10000000}};
    order(6, trade, 2);
    struct sp_trade_closed *closed = &begin(10, SP_REC_TRADE_CLOSED, trade)->body.trade_closed;
    closed->trade_id = trade_id;
    closed->strategy_link_id = sp_name_of("ema");
    closed->symbol = sp_name_of("BTCUSDT");
    closed->cause = SP_CLOSE_CAUSE_STOP;
    closed->closure_reason = sp_name_of("stop");
    closed->opened = closed->closed = batch[0].time;
    closed->qty = (sp_qty){10000000};
    closed->realised_pnl.e8 = -2 * (5 * SP_FX_ONE / 10000000);
    begin(11, SP_REC_CURSOR, trade)->body.cursor.inputs = 1;
    batch[11].in = (struct sp_ref){sp_name_of("strategy.ema"), 3, trade + 1};
}

static struct sp_journal *open_journal(uint32_t epoch)
{
    struct sp_journal *journal = NULL;
    struct sp_err err = {0};
    struct sp_journal_options options = {.dir = dir,
                                         .stream = sp_name_of("execution"),
                                         .installation = "bench",
                                         .epoch = epoch,
                                         .sync_every = {-1}};

    must(sp_journal_open(&options, &journal, &err), &err);
    return journal;
}

static void write_journal(uint64_t records)
{
    struct sp_journal *journal = open_journal(1);
    struct sp_err err = {0};

    for (uint64_t trade = 0; sp_journal_next_seq(journal) <= records; trade++) {
        trade_batch(trade);
        for (uint32_t i = 0; i < CYCLE; i++)
            batch[i].seq = sp_journal_next_seq(journal) + i;
        must(sp_journal_append(journal, batch, CYCLE, &err), &err);
    }
    must(sp_journal_sync(journal, &err), &err);
    sp_journal_close(journal);
}

/* ---- What is measured ---- */

/* Folds from `first` up to and with `last` (0: the end). */
static uint64_t fold(uint64_t first, uint64_t last)
{
    struct sp_journal_reader *reader = NULL;
    static struct sp_record record;
    struct sp_err err = {0};
    uint64_t count = 0;

    must(sp_journal_reader_open(dir, NULL, first, &reader, &err), &err);
    while ((last == 0 || first + count <= last) &&
           sp_journal_reader_next(reader, &record, NULL, &err) == SP_OK) {
        sp_execution_core.apply(&core, &record);
        count++;
    }
    sp_journal_reader_close(reader);
    return count;
}

static void take(uint64_t seq)
{
    static struct sp_execution copy;
    struct sp_state_file file = {.dir = dir, .name = "execution", .installation = "bench"};
    struct sp_state_header header = {.generation = 1, .epoch = 1, .noted_seq = seq};
    struct sp_rows_writer writer;
    struct sp_err err = {0};

    memcpy(&copy, &core, sizeof core);
    sp_mono start = sp_clock_mono();
    memcpy(&copy, &core, sizeof core);
    printf("copy        %8.1f ms  %zu bytes, in the loop\n", ms_since(start), sizeof core);
    start = sp_clock_mono();
    sp_rows_begin(&writer, text, sizeof text);
    sp_execution_core.save(&copy, &writer);
    sp_status status = sp_rows_end(&writer);
    printf("encode      %8.1f ms  %zu bytes%s, beside it\n", ms_since(start), writer.len_bytes,
           status == SP_OK ? "" : ": DOES NOT FIT");
    if (status != SP_OK) exit(1);
    start = sp_clock_mono();
    must(sp_state_save(&file, &header, text, writer.len_bytes, &err), &err);
    printf("save        %8.1f ms  written, synced and read back\n", ms_since(start));
}

static void restore(void)
{
    struct sp_state_file file = {.dir = dir, .name = "execution", .installation = "bench"};
    enum sp_state_outcome outcome = SP_STATE_NEW;
    struct sp_state_header header = {0};
    struct sp_rows_reader reader;
    char *json = NULL;
    struct sp_err err = {0};
    sp_mono start = sp_clock_mono();

    sp_execution_init(&core, &config);
    must(sp_state_load(&file, 0, &outcome, &header, &json, &err), &err);
    must(sp_rows_open(&reader, json, strlen(json), &err), &err);
    must(sp_execution_core.load(&core, &reader, &err), &err);
    free(json);
    printf("load        %8.1f ms  the snapshot\n", ms_since(start));
    sp_mono tail = sp_clock_mono();
    uint64_t count = fold(header.noted_seq + 1, 0);
    printf("tail        %8.1f ms  %" PRIu64 " records\n", ms_since(tail), count);
    printf("together    %8.1f ms\n", ms_since(start));
}

int main(int argc, char **argv)
{
    uint64_t records = argc > 1 ? strtoull(argv[1], NULL, 10) : RECORDS_DEFAULT;
    char here[400];

    if (records <= TAIL || getcwd(here, sizeof here) == NULL) return 64;
    snprintf(dir, sizeof dir, "%s/bench-restart-XXXXXX", here);
    if (mkdtemp(dir) == NULL) return 73;
    core_config(&config);
    write_journal(records);

    sp_mono start = sp_clock_mono();
    struct sp_journal *journal = open_journal(2);
    uint64_t last = sp_journal_next_seq(journal) - 1;
    printf("open        %8.1f ms  the journal of %" PRIu64 " records\n", ms_since(start), last);
    sp_journal_close(journal);
    sp_execution_init(&core, &config);
    start = sp_clock_mono();
    uint64_t count = fold(1, 0);
    printf("fold        %8.1f ms  %" PRIu64 " records: a start without a snapshot\n",
           ms_since(start), count);
    uint64_t version = core.books.version;

    sp_execution_init(&core, &config);
    fold(1, last - TAIL);
    take(last - TAIL);
    restore();
    if (core.books.version != version) return 1;
    folder_remove_path(dir);
    return 0;
}
