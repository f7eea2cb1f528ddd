/* trades: all trades in a table, as text, JSON or CSV. */
#include "services/spoor/chain.h"
#include "services/spoor/describe.h"
#include "services/spoor/evidence_open.h"
#include "services/spoor/memory.h"
#include "services/spoor/trade_case.h"

#include <stdlib.h>
#include <string.h>

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct trades {
    const char *data;
    enum format format;
    const char *strategy;
    uint32_t count;
    struct sp_trade_case *at;
};

static int parse(const struct sp_cli *cli, struct trades *trades)
{
    trades->format = cli->json ? FORMAT_JSON : FORMAT_TABLE;
    trades->strategy = cli->strategy;
    for (int i = 1; i < cli->argc; i++) {
        if (sp_cli_option(cli, &i, "--data", &trades->data)) {
            if (trades->data == NULL) return sp_cli_usage(NULL, "--data wants a directory");
        } else if (strcmp(cli->argv[i], "--csv") == 0) {
            trades->format = FORMAT_CSV;
        } else {
            return sp_cli_usage("See: spoor trades --help", "trades does not know \"%s\"",
                                cli->argv[i]);
        }
    }
    return SP_EXIT_OK;
}

/* Trades in the order in which they opened; the rest of their records comes with them. */
static void gather(struct trades *trades, struct sp_evidence *evidence)
{
    const enum sp_kind kind = SP_REC_TRADE_OPENED;
    uint32_t *items = NULL;
    uint32_t count = sp_evidence_of_kinds(evidence, &kind, 1, &items);

    for (uint32_t i = 0; i < count; i++) {
        const struct sp_record *record = sp_evidence_record(evidence, items[i]);
        if (record == NULL) continue;
        const struct sp_trade_opened *opened = &record->body.trade_opened;
        if (trades->strategy != NULL && !sp_name_is(&opened->strategy_link_id, trades->strategy))
            continue;
        struct sp_trade_case *at = sp_memory(realloc(trades->at, (trades->count + 1) * sizeof *at));
        trades->at = at;
        if (sp_trade_case_gather(evidence, opened->trade_id, &at[trades->count])) trades->count++;
    }
    free(items);
}

/* Amount per unit; zero if there is none or it does not fit. */
static sp_px average(sp_amt amount, sp_qty qty)
{
    __int128 px = qty.e8 == 0 ? 0 : ((__int128)amount.e8 * SP_FX_ONE + qty.e8 / 2) / qty.e8;

    return px <= INT64_MAX ? (sp_px){(int64_t)px} : (sp_px){0};
}

/* ---- Table ---- */

struct row {
    char id[SP_ID_SHORT_SIZE], opened[SP_SAY_SIZE], closed[SP_SAY_SIZE], qty[SP_SAY_SIZE],
        bought[SP_SAY_SIZE], sold[SP_SAY_SIZE], by[SP_SAY_SIZE], net[SP_SAY_SIZE];
};

static void fill_row(const struct sp_trade_case *c, struct row *row)
{
    const struct sp_trade_sums *sums = &c->sums;
    char what[512];

    *row = (struct row){.closed = "-", .sold = "-", .by = "open", .net = "-"};
    sp_trd_id_short(c->trade_id, row->id);
    sp_wall_clock(c->opened->time, 0, row->opened);
    sp_say_places(sums->bought_qty.e8, 5, row->qty);
    sp_e8_pretty(average(sums->bought, sums->bought_qty).e8, 2, row->bought);
    if (sums->sold_qty.e8 > 0) sp_e8_pretty(average(sums->sold, sums->sold_qty).e8, 2, row->sold);
    if (c->closed == NULL) return;
    sp_wall_clock(c->closed->body.trade_closed.closed, 0, row->closed);
    sp_say_enum(SP_ENUM_CLOSE_CAUSE, c->closed->body.trade_closed.cause, row->by);
    if (sp_trade_case_adds_up(c, what)) {
        sp_say_signed(sums->net.e8, row->net);
    } else {
        snprintf(row->net, sizeof row->net, "DOES NOT ADD UP");
    }
}

static void print_row(const struct row *row, bool many, const struct sp_trade_case *c)
{
    if (many) printf("%-10s  ", c != NULL ? c->link.s : "strategy");
    printf("%-10s  %8s  %8s  %10s  %11s  %11s  %-9s  %15s\n", row->id, row->opened, row->closed,
           row->qty, row->bought, row->sold, row->by, row->net);
}

/* One sum per quote asset: amounts of different assets do not add up. */
static void print_sums(const struct trades *trades, bool many)
{
    for (uint32_t i = 0; i < trades->count; i++) {
        const sp_name *quote = &trades->at[i].sums.quote;
        sp_amt sum = {0};
        uint32_t closed = 0;
        bool first = true, fits = true;
        for (uint32_t n = 0; n < trades->count; n++) {
            const struct sp_trade_case *c = &trades->at[n];
            if (!sp_name_eq(&c->sums.quote, quote)) continue;
            if (n < i) first = false;
            if (c->closed == NULL) continue;
            fits = fits && sp_amt_add(sum, c->sums.net, &sum);
            closed++;
        }
        if (!first) continue;
        char text[64], total[SP_SAY_SIZE];
        snprintf(text, sizeof text, "sum of %u closed%s%s", closed, quote->s[0] != '\0' ? ", " : "",
                 quote->s);
        printf("%-*s  %15s\n", many ? 93 : 81, text,
               fits ? sp_say_signed(sum.e8, total) : "does not fit");
    }
}

static bool has_many_links(const struct trades *trades)
{
    for (uint32_t i = 1; i < trades->count; i++)
        if (!sp_name_eq(&trades->at[i].link, &trades->at[0].link)) return true;
    return false;
}

static void print_table(const struct trades *trades)
{
    bool many = has_many_links(trades);
    struct row row = {.id = "trade",
                      .opened = "opened",
                      .closed = "closed",
                      .qty = "size",
                      .bought = "bought at",
                      .sold = "sold at",
                      .by = "closed by",
                      .net = "net"};

    if (trades->count == 0) {
        printf("No trades yet.\nWhy not: spoor why last rejected\n");
        return;
    }
    print_row(&row, many, NULL);
    for (uint32_t i = 0; i < trades->count; i++) {
        fill_row(&trades->at[i], &row);
        print_row(&row, many, &trades->at[i]);
    }
    print_sums(trades, many);
}

/* ---- For programs ---- */

/* The columns of both formats: times in full, amounts exact. */
static void print_values(const struct sp_trade_case *c, bool json)
{
    const struct sp_trade_sums *s = &c->sums;
    const struct sp_trade_closed *closed = c->closed ? &c->closed->body.trade_closed : NULL;
    char id[SP_ID_TEXT_SIZE], opened[SP_WALL_TEXT_SIZE],
        ended[SP_WALL_TEXT_SIZE] = "", qty[SP_E8_TEXT_SIZE], bought[SP_E8_TEXT_SIZE],
        sold[SP_E8_TEXT_SIZE], fees[SP_E8_TEXT_SIZE], net[SP_E8_TEXT_SIZE], what[512];
    const char *const names[] = {
        "trade_id", "strategy_link_id", "symbol", "opened", "closed", "closed_by",
        "qty",      "bought",           "sold",   "fees",   "net",    "asset",
        "adds_up"};

    if (closed != NULL) sp_wall_format(closed->closed, ended);
    const char *const values[] = {sp_trd_id_text(c->trade_id, id),
                                  c->link.s,
                                  c->symbol.s,
                                  sp_wall_format(c->opened->time, opened),
                                  ended,
                                  closed != NULL ? sp_enum_name(SP_ENUM_CLOSE_CAUSE, closed->cause)
                                                 : "",
                                  sp_e8_format(s->bought_qty.e8, qty),
                                  sp_e8_format(s->bought.e8, bought),
                                  sp_e8_format(s->sold.e8, sold),
                                  sp_e8_format(s->fees.e8, fees),
                                  closed != NULL ? sp_e8_format(s->net.e8, net) : "",
                                  s->quote.s,
                                  sp_trade_case_adds_up(c, what) ? "true" : "false"};
    size_t count = sizeof values / sizeof values[0];

    for (size_t i = 0; i < count; i++) {
        const char *separator = i + 1 < count ? "," : "";
        if (json && i + 1 == count) {
            printf("\"%s\":%s", names[i], values[i]);
        } else if (json) {
            printf("\"%s\":\"%s\"%s", names[i], values[i], separator);
        } else {
            printf("%s%s", values[i], separator);
        }
    }
}

static void print_json(const struct trades *trades)
{
    printf("[");
    for (uint32_t i = 0; i < trades->count; i++) {
        printf("%s{", i > 0 ? "," : "");
        print_values(&trades->at[i], true);
        printf("}");
    }
    printf("]\n");
}

static void print_csv(const struct trades *trades)
{
    printf("trade_id,strategy_link_id,symbol,opened,closed,closed_by,qty,bought,sold,fees,net,"
           "asset,adds_up\n");
    for (uint32_t i = 0; i < trades->count; i++) {
        print_values(&trades->at[i], false);
        printf("\n");
    }
}

int sp_cmd_trades(const struct sp_cli *cli)
{
    static void (*const print[])(const struct trades *) =
        {[FORMAT_TABLE] = print_table, [FORMAT_JSON] = print_json, [FORMAT_CSV] = print_csv};
    struct trades trades = {0};
    struct sp_evidence *evidence = NULL;
    char data_dir[SP_PATH_SIZE], what[512];

    int code = parse(cli, &trades);
    if (code == SP_EXIT_OK) code = sp_cli_data_dir(cli, trades.data, data_dir);
    if (code == SP_EXIT_OK) code = sp_cli_evidence(data_dir, &evidence);
    if (code != SP_EXIT_OK) return code;
    gather(&trades, evidence);
    print[trades.format](&trades);
    bool partial = sp_cli_deleted(evidence, what, sizeof what)[0] != '\0';
    if (partial)
        SP_IGNORE(sp_cli_fail(0, "The sum is of what is left.", "%s", what)); /* a warning */
    for (uint32_t i = 0; i < trades.count; i++) {
        char id[SP_ID_SHORT_SIZE];
        /* One that was opened in what was deleted cannot add up. */
        bool begins_here = !partial || trades.at[i].opened != NULL;
        if (begins_here && !sp_trade_case_adds_up(&trades.at[i], what))
            code = sp_cli_fail(SP_EXIT_DAMAGED, what, "the records of %s do not add up",
                               sp_trd_id_short(trades.at[i].trade_id, id));
        sp_trade_case_fini(&trades.at[i]);
    }
    free(trades.at);
    sp_evidence_free(evidence);
    return code;
}
