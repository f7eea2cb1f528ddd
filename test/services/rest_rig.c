#include "rest_rig.h"

#include "common/clock.h"
#include "services/venue/user_data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct rest_rig *rig;

static const char keys[] = "{\"keys\": [{\"api_key\": \"key\", \"secret\": \"secret\"}]}";

static void write_keys(char path[512])
{
    folder_path(&rig->folder, "keys.json", path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(keys, 1, sizeof keys - 1, file), sizeof keys - 1);
    fclose(file);
    assert_int_equal(chmod(path, 0400), 0);
}

static void open_all(void)
{
    char path[512];

    rig->x = calloc(1, sizeof *rig->x);
    assert_non_null(rig->x);
    assert_int_equal(sp_exchange_init(rig->x, &rig->world, &rig->err), SP_OK);
    if (sp_venue_store_open(rig->path, &rig->store, &rig->err) != SP_OK ||
        sp_venue_store_load(rig->store, rig->x, &rig->err) != SP_OK) {
        fail_msg("%s", rig->err.text);
    }
    rig->rest = calloc(1, sizeof *rig->rest);
    assert_non_null(rig->rest);
    sp_rest_init(rig->rest, rig->x, rig->store, rig->views);
    folder_path(&rig->folder, "keys.json", path);
    if (sp_rest_load_keys(rig->rest, path, &rig->err) != SP_OK) fail_msg("%s", rig->err.text);
}

static void close_all(void)
{
    sp_venue_store_close(rig->store);
    sp_exchange_fini(rig->x);
    free(rig->x);
    free(rig->rest);
}

static void set_instrument(struct sp_instrument_config *config, const char *base)
{
    char symbol[SP_NAME_SIZE];

    snprintf(symbol, sizeof symbol, "%sUSDT", base);
    *config = (struct sp_instrument_config){.symbol = sp_name_of(symbol),
                                            .base = sp_name_of(base),
                                            .quote = sp_name_of("USDT"),
                                            .tick = {ONE / 100},
                                            .step = {ONE / 100000},
                                            .min_qty = {ONE / 100000},
                                            .min_value = {5 * ONE}};
}

int rest_rig_setup(void **state)
{
    static const char *const assets[] = {"USDT", "BTC", "ETH"};
    char path[512];

    (void)state;
    rig = calloc(1, sizeof *rig);
    if (rig == NULL) return -1;
    rig->folder = folder_make();
    folder_path(&rig->folder, "venue.db", rig->path);
    write_keys(path);
    rig->changes = calloc(1, sizeof *rig->changes);
    rig->views = calloc(SP_SYMBOLS_MAX, sizeof *rig->views);
    for (uint32_t i = 0; i < SP_SYMBOLS_MAX; i++)
        sp_market_view_init(&rig->views[i]);
    rig->key = "key";
    rig->secret = "secret";
    rig->now = (sp_wall){INT64_C(1700000000) * SP_NS_PER_S};
    rig->world = (struct sp_world_config){.venue = sp_name_of("paper"),
                                          .instrument_count = 2,
                                          .balance_count = 3,
                                          .fee_maker = {ONE / 2000},
                                          .fee_taker = {ONE / 1000}};
    set_instrument(&rig->world.instruments[0], "BTC");
    set_instrument(&rig->world.instruments[1], "ETH");
    for (uint32_t i = 0; i < 3; i++) {
        rig->world.balances[i] =
            (struct sp_balance_config){.asset = sp_name_of(assets[i]),
                                       .amount = {i == 0 ? 100000 * ONE : 10 * ONE}};
    }
    open_all();
    return 0;
}

int rest_rig_teardown(void **state)
{
    (void)state;
    close_all();
    sp_json_text_free(&rig->body);
    sp_json_text_free(&rig->event);
    folder_remove(&rig->folder);
    free(rig->changes);
    free(rig->views);
    free(rig);
    return 0;
}

void rest_rig_restart(void)
{
    close_all();
    open_all();
}

static void keep(void)
{
    if (sp_venue_store_save(rig->store, rig->x, rig->changes, &rig->err) != SP_OK) {
        fail_msg("%s", rig->err.text);
    }
}

void rest_rig_market(uint32_t instrument, int64_t bid, int64_t ask, int64_t qty_e8, int64_t last)
{
    struct sp_market_event event = {.time = {++rig->time}, .kind = SP_REC_QUOTE};

    event.body.quote = (struct sp_quote){.bid_px = {bid * ONE},
                                         .bid_qty = {qty_e8},
                                         .ask_px = {ask * ONE},
                                         .ask_qty = {qty_e8}};
    sp_exchange_market(rig->x, instrument, &event, rig->changes);
    keep();
    if (last == 0) return;
    event = (struct sp_market_event){.time = {++rig->time}, .kind = SP_REC_TRADE};
    event.body.trade =
        (struct sp_trade){.px = {last * ONE}, .qty = {qty_e8}, .taker_side = SP_SIDE_BUY};
    sp_exchange_market(rig->x, instrument, &event, rig->changes);
    keep();
}

int rest_rig_ask(enum sp_http_method method, const char *path, const char *fmt, ...)
{
    char query[2048], full[128], signature[2 * SP_SHA256_BYTES + 1];
    uint8_t digest[SP_SHA256_BYTES];
    struct sp_http_header header = {"X-MBX-APIKEY", rig->key};
    va_list args;

    va_start(args, fmt);
    int len = vsnprintf(query, sizeof query - 128, fmt, args);
    va_end(args);
    len += snprintf(query + len, sizeof query - (size_t)len, "%stimestamp=%lld", len > 0 ? "&" : "",
                    (long long)(rig->now.ns / SP_NS_PER_MS));
    struct sp_bytes payload = {query, (size_t)len};
    assert_true(sp_hmac_sha256(rig->secret, strlen(rig->secret), &payload, 1, digest));
    sp_hex(digest, sizeof digest, signature);
    snprintf(query + len, sizeof query - (size_t)len, "&signature=%s", signature);
    snprintf(full, sizeof full, "/api/v3/%s", path);
    struct sp_http_request request = {.method = method,
                                      .path = full,
                                      .query = query,
                                      .body = "",
                                      .header_count = 1,
                                      .headers = &header};
    rig->call = (struct sp_rest_call){.now = rig->now, .body = &rig->body, .changes = rig->changes};
    sp_rest_handle(rig->rest, &request, &rig->call);
    keep();
    return rig->call.status;
}

void rest_rig_expect(int status, const char *piece)
{
    if (rig->call.status != status || strstr(rig->body.text, piece) == NULL) {
        fail_msg("expected %d and %s; it is %d: %s", status, piece, rig->call.status,
                 rig->body.text);
    }
}

void rest_rig_expect_not(const char *piece)
{
    if (strstr(rig->body.text, piece) != NULL) fail_msg("%s is in %s", piece, rig->body.text);
}

const char *rest_rig_event(uint32_t i)
{
    assert_in_range(i, 0, rig->changes->count - 1);
    sp_user_data_report(&rig->event, rig->x, &rig->changes->at[i], i + 1, rig->now);
    return rig->event.text;
}
