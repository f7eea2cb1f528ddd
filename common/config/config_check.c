#include "common/config/config_check.h"

#include "common/config/config_tables.h"
#include "common/config/config_value.h"
#include "common/config/units.h"
#include "common/storage.h"
#include "proto/decimal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SOCKET_PATH_MAX 107 /* sun_path without its NUL */

/* The line of a value by its keys ("worlds", "practice", NULL); of the last one that is there. */
static struct sp_problem_place place(const char *file, const struct sp_strict_node *node,
                                     const char *const keys[])
{
    for (size_t i = 0; keys[i] != NULL; i++) {
        const struct sp_strict_node *inner = sp_strict_get(node, keys[i]);
        if (inner == NULL) break;
        node = inner;
    }
    return (struct sp_problem_place){file, node == NULL ? 0 : sp_strict_line(node)};
}
#define KEYS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const struct sp_strict_node *element(const struct sp_strict_node *list, uint32_t index)
{
    const struct sp_strict_node *n = sp_strict_first(list);

    while (n != NULL && index-- > 0)
        n = sp_strict_next(n);
    return n;
}

/* ---- Worlds ---- */

static void check_lock_step(const struct sp_strict_node *feed, const struct sp_world_config *world,
                            const char *shown, struct sp_problems *problems)
{
    if (!world->feed.lock_step || world->feed.speed.e8 == 0) return;
    sp_problems_error(problems, place(shown, feed, KEYS("lock_step")), "\"speed\": \"max\"",
                      "worlds.%s.feed.lock_step: the market waits for the services, so it has no "
                      "speed of its own",
                      world->id.s);
}

/* Keys of another source. */
static void check_absent(const struct sp_strict_node *feed, const char *sort, const char *shown,
                         const char *const keys[], struct sp_problems *problems)
{
    for (size_t i = 0; keys[i] != NULL; i++) {
        if (sp_strict_get(feed, keys[i]) == NULL) continue;
        sp_problems_error(problems, place(shown, feed, KEYS(keys[i])),
                          "remove it, or set another \"source\"",
                          "feed.%s: a %s has no %s to choose", keys[i], sort, keys[i]);
    }
}

static void check_live(const struct sp_strict_node *feed, const char *shown,
                       struct sp_problems *problems)
{
    const char *const keys[] = {"rest", "stream"};
    const char *const others[] = {"seed", "start", "length", "file", "speed", "lock_step", NULL};

    check_absent(feed, "live market", shown, others, problems);
    for (size_t i = 0; i < SP_COUNT_OF(keys); i++) {
        if (sp_strict_get(feed, keys[i]) != NULL) continue;
        sp_problems_error(problems, place(shown, feed, KEYS("source")),
                          "https://api.binance.com and wss://stream.binance.com:9443 are Binance",
                          "feed: \"%s\" is missing", keys[i]);
    }
}

static void check_feed(const struct sp_config_files *files, const struct sp_world_config *world,
                       struct sp_problems *problems)
{
    const char *const generated[] = {"seed", "start", "length", "rest", "stream", NULL};
    const struct sp_strict_node *feed = sp_strict_get(
        sp_strict_get(sp_strict_get(files->operation, "worlds"), world->id.s), "feed");
    const char *shown = files->operation_shown;

    if (world->feed.source == SP_FEED_BINANCE) return check_live(feed, shown, problems);
    check_lock_step(feed, world, shown, problems);
    if (world->feed.source == SP_FEED_GENERATOR) {
        check_absent(feed, "generator", shown, KEYS("file", "rest", "stream"), problems);
        return;
    }
    check_absent(feed, "recording", shown, generated, problems);
    if (world->feed.file[0] == '\0') {
        sp_problems_error(problems, place(shown, feed, KEYS("source")),
                          "add \"file\": \"../../data/btcusdt.gz\" (a raw combined-stream capture)",
                          "worlds.%s.feed: \"file\" is missing", world->id.s);
    } else if (access(world->feed.file, R_OK) != 0) {
        sp_problems_error(problems, place(shown, feed, KEYS("file")),
                          "paths are relative to the file that names them",
                          "worlds.%s.feed.file: cannot read %s: %s", world->id.s, world->feed.file,
                          strerror(errno));
    }
}

static bool has_balance(const struct sp_world_config *world, const sp_name *asset)
{
    for (uint32_t i = 0; i < world->balance_count; i++) {
        if (sp_name_eq(&world->balances[i].asset, asset)) return true;
    }
    return false;
}

static void check_instrument(const struct sp_config_files *files,
                             const struct sp_world_config *world, uint32_t index,
                             struct sp_problems *problems)
{
    const struct sp_instrument_config *in = &world->instruments[index];
    const struct sp_strict_node *world_node =
        sp_strict_get(sp_strict_get(files->operation, "worlds"), world->id.s);
    const struct sp_strict_node *node = element(sp_strict_get(world_node, "instruments"), index);
    const sp_name *const assets[] = {&in->base, &in->quote};
    const char *const keys[] = {"base", "quote"};

    for (size_t i = 0; i < 2; i++) {
        char hint[120];
        if (has_balance(world, assets[i])) continue;
        snprintf(hint, sizeof hint, "add \"%s\": \"0\" to worlds.%.40s.venue.balances",
                 assets[i]->s, world->id.s);
        sp_problems_error(problems, place(files->operation_shown, node, KEYS(keys[i])), hint,
                          "worlds.%s.instruments: %s has no balance", world->id.s, assets[i]->s);
    }
    if (in->min_qty.e8 % in->step.e8 != 0) {
        sp_problems_error(problems, place(files->operation_shown, node, KEYS("min_qty")), NULL,
                          "worlds.%s.instruments: min_qty of %s is no multiple of its step",
                          world->id.s, in->symbol.s);
    }
}

static bool is_loopback(const char *url)
{
    const char *host = strstr(url, "://");
    char text[INET_ADDRSTRLEN] = "";
    struct in_addr address;

    if (host == NULL) return false;
    host += 3;
    size_t len = strcspn(host, ":");
    if (len >= sizeof text) return false;
    memcpy(text, host, len);
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* A key of the practice exchange must never meet the real one, nor a paper strategy real money. */
static void check_binance(const struct sp_config_files *files, const struct sp_world_config *world,
                          struct sp_problems *problems)
{
    const struct sp_strict_node *venue = sp_strict_get(
        sp_strict_get(sp_strict_get(files->operation, "worlds"), world->id.s), "venue");
    const char *const keys[] = {"rest", "ws_api"};
    const char *const urls[] = {world->binance.rest, world->binance.ws_api};

    if (urls[0][0] == '\0') return;
    for (size_t i = 0; i < 2; i++) {
        if (world->type != SP_WORLD_PAPER || is_loopback(urls[i])) continue;
        sp_problems_error(problems, place(files->operation_shown, venue, KEYS("binance", keys[i])),
                          "name the practice exchange: an address of 127.0.0.0/8",
                          "worlds.%s.venue.binance.%s: a paper world must not reach %s",
                          world->id.s, keys[i], urls[i]);
    }
}

static void check_world(const struct sp_config_files *files, const struct sp_world_config *world,
                        struct sp_problems *problems)
{
    const struct sp_strict_node *node =
        sp_strict_get(sp_strict_get(files->operation, "worlds"), world->id.s);

    check_feed(files, world, problems);
    check_binance(files, world, problems);
    for (uint32_t i = 0; i < world->instrument_count; i++) {
        check_instrument(files, world, i, problems);
    }
    for (uint32_t i = 0; i < world->feed.symbol_count; i++) {
        const char *symbol = world->feed.symbols[i].s;
        const struct sp_strict_node *name =
            element(sp_strict_get(sp_strict_get(node, "feed"), "symbols"), i);
        struct sp_problem_place at = {files->operation_shown, sp_strict_line(name)};
        if (sp_world_instrument(world, symbol) == NULL) {
            sp_problems_error(problems, at, "describe it in \"instruments\" of the same world",
                              "worlds.%s.feed.symbols: there is no instrument %s", world->id.s,
                              symbol);
        }
        if (strlen("md..") + strlen(world->venue.s) + strlen(symbol) >= SP_NAME_SIZE) {
            sp_problems_error(problems, at, "shorten worlds.*.venue.name",
                              "worlds.%s.feed.symbols: md.%s.%s is too long for a stream name",
                              world->id.s, world->venue.s, symbol);
        }
    }
}

/* ---- Links ---- */

static void find_world(const struct sp_config_files *files, struct sp_config *config,
                       uint32_t index, struct sp_problems *problems)
{
    const struct sp_strict_node *node =
        element(sp_strict_get(files->operation, "strategy_links"), index);
    struct sp_link_config *link = &config->links[index];
    const char *world, *known[SP_WORLDS_MAX], *nearest;
    char hint[240];

    if (sp_strict_string(sp_strict_get(node, "world"), &world) != SP_OK) return;
    for (uint32_t i = 0; i < config->world_count; i++) {
        known[i] = config->worlds[i].id.s;
        link->world = i;
        if (strcmp(known[i], world) == 0) return;
    }
    link->world = 0;
    nearest = sp_config_nearest(world, known, config->world_count);
    snprintf(hint, sizeof hint, nearest != NULL ? "did you mean \"%s\"?" : "there is \"%s\"",
             nearest != NULL ? nearest : known[0]);
    sp_problems_error(problems, place(files->operation_shown, node, KEYS("world")), hint,
                      "strategy_links[%" PRIu32 "].world: there is no world \"%.60s\"", index,
                      world);
}

/* The services of an operation run in one world for now. */
static void check_one_world(const struct sp_config_files *files, const struct sp_config *config,
                            struct sp_problems *problems)
{
    const struct sp_link_config *first = NULL;
    const struct sp_strict_node *links = sp_strict_get(files->operation, "strategy_links");

    for (uint32_t i = 0; i < config->link_count; i++) {
        const struct sp_link_config *link = &config->links[i];
        if (!link->active) continue;
        if (first == NULL) first = link;
        if (link->world == first->world) continue;
        sp_problems_error(problems, place(files->operation_shown, element(links, i), KEYS("world")),
                          "use the same world, or set \"active\": false",
                          "strategy_links[%" PRIu32 "].world: active links in two worlds (%s, %s) "
                          "are not there yet in this version",
                          i, config->worlds[first->world].id.s, config->worlds[link->world].id.s);
    }
    if (first == NULL) {
        sp_problems_warn(problems, place(files->operation_shown, links, KEYS("")),
                         "set \"active\": true in one of them",
                         "strategy_links: none is active, so nothing will trade");
    }
}

/* The balance of the account must carry what the active links may use together. */
static void check_capital(const struct sp_config_files *files, const struct sp_config *config,
                          uint32_t index, struct sp_problems *problems)
{
    const struct sp_link_config *link = &config->links[index];
    const struct sp_world_config *world = &config->worlds[link->world];
    const struct sp_strict_node *node =
        element(sp_strict_get(files->operation, "strategy_links"), index);
    sp_amt sum = {0}, has = {0};
    char sum_text[SP_E8_TEXT_SIZE], has_text[SP_E8_TEXT_SIZE];

    for (uint32_t i = 0; i <= index; i++) {
        const struct sp_link_config *other = &config->links[i];
        if (!other->active || other->world != link->world) continue;
        if (!sp_name_eq(&other->capital_asset, &link->capital_asset)) continue;
        if (!sp_amt_add(sum, other->capital, &sum)) sum.e8 = INT64_MAX;
    }
    for (uint32_t i = 0; i < world->balance_count; i++) {
        if (!sp_name_eq(&world->balances[i].asset, &link->capital_asset)) continue;
        has = world->balances[i].amount;
    }
    if (!link->active || sum.e8 <= has.e8) return;
    sp_problems_error(problems, place(files->operation_shown, node, KEYS("capital")),
                      "lower the capital or raise worlds.*.venue.balances",
                      "strategy_links[%" PRIu32 "].capital: active links use %s %s, world %s "
                      "begins with %s",
                      index, sp_e8_format(sum.e8, sum_text), link->capital_asset.s, world->id.s,
                      sp_e8_format(has.e8, has_text));
}

/* ---- Risk ---- */

/* An amount, where it is written, and what it limits. */
struct amount {
    const struct sp_strict_node *node;
    const char *path, *key; /* "strategy_links[0].risk", "order_value_max" */
    const sp_name *asset;   /* empty: not written */
    const struct sp_instrument_config *instruments;
    uint32_t instrument_count;
};

/* Amounts of limits are in the quote asset of what they speak of. */
static void check_asset(const struct sp_config_files *files, const struct amount *amount,
                        struct sp_problems *problems)
{
    if (amount->asset->s[0] == '\0') return;
    for (uint32_t i = 0; i < amount->instrument_count; i++) {
        const struct sp_instrument_config *instrument = &amount->instruments[i];
        if (sp_name_eq(amount->asset, &instrument->quote)) continue;
        sp_problems_error(problems, place(files->operation_shown, amount->node, KEYS(amount->key)),
                          NULL, "%s.%s: is in %s, but %s is quoted in %s", amount->path,
                          amount->key, amount->asset->s, instrument->symbol.s, instrument->quote.s);
        return;
    }
}

/* Those of one scope; `of` says where they are and of what. */
static void check_scope(const struct sp_config_files *files, const struct sp_risk_config *risk,
                        struct amount of, struct sp_problems *problems)
{
    const struct {
        const char *key;
        const sp_name *asset;
    } amounts[] = {{"order_value_max", &risk->order_value_asset},
                   {"position_value_max", &risk->position_value_asset},
                   {"daily_loss_max", &risk->daily_loss_asset}};

    for (size_t i = 0; i < SP_COUNT_OF(amounts); i++) {
        of.key = amounts[i].key;
        of.asset = amounts[i].asset;
        check_asset(files, &of, problems);
    }
}

static void check_instrument_limits(const struct sp_config_files *files,
                                    const struct sp_world_config *world,
                                    struct sp_problems *problems)
{
    const struct sp_strict_node *worlds = sp_strict_get(files->operation, "worlds");
    const struct sp_strict_node *list =
        sp_strict_get(sp_strict_get(worlds, world->id.s), "instruments");
    char path[SP_NAME_SIZE + 40];

    for (uint32_t i = 0; i < world->instrument_count; i++) {
        snprintf(path, sizeof path, "worlds.%s.instruments[%" PRIu32 "].risk", world->id.s, i);
        struct amount of = {.node = sp_strict_get(element(list, i), "risk"),
                            .path = path,
                            .instruments = &world->instruments[i],
                            .instrument_count = 1};
        check_scope(files, &world->instruments[i].risk, of, problems);
    }
}

static void warn_of_absent_limits(const struct sp_config_files *files,
                                  const struct sp_strict_node *risk, struct sp_problems *problems)
{
    static const char *const limits[] = {"order_value_max", "position_value_max", "open_orders_max",
                                         "price_collar",    "daily_loss_max",     "drawdown_max"};

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        if (sp_strict_get(risk, limits[i]) != NULL) continue;
        sp_problems_warn(problems, place(files->operation_shown, risk, KEYS("")),
                         "that is allowed, but say it on purpose",
                         "risk: no %s, so it is not limited", limits[i]);
    }
}

static void check_limits(const struct sp_config_files *files, const struct sp_config *config,
                         struct sp_problems *problems)
{
    const struct sp_strict_node *risk = sp_strict_get(files->operation, "risk");
    const struct sp_strict_node *links = sp_strict_get(files->operation, "strategy_links");
    const struct sp_world_config *world = sp_config_world(config);
    struct amount of = {.node = risk,
                        .path = "risk",
                        .instruments = world->instruments,
                        .instrument_count = world->instrument_count};
    char path[48];

    check_scope(files, &config->risk, of, problems);
    warn_of_absent_limits(files, risk, problems);
    of.node = sp_strict_get(files->operation, "reconciliation");
    of.path = "reconciliation";
    of.key = "correct_value_max";
    of.asset = &config->reconciliation.correct_value_asset;
    check_asset(files, &of, problems);
    for (uint32_t i = 0; i < config->world_count; i++)
        check_instrument_limits(files, &config->worlds[i], problems);
    for (uint32_t i = 0; i < config->link_count; i++) {
        snprintf(path, sizeof path, "strategy_links[%" PRIu32 "].risk", i);
        world = &config->worlds[config->links[i].world];
        of = (struct amount){.node = sp_strict_get(element(links, i), "risk"),
                             .path = path,
                             .instruments = world->instruments,
                             .instrument_count = world->instrument_count};
        check_scope(files, &config->links[i].risk, of, problems);
    }
}

void sp_config_check_references(const struct sp_config_files *files, struct sp_config *config,
                                struct sp_problems *problems)
{
    uint32_t errors = problems->errors;

    for (uint32_t i = 0; i < config->world_count; i++) {
        check_world(files, &config->worlds[i], problems);
    }
    for (uint32_t i = 0; i < config->link_count; i++)
        find_world(files, config, i, problems);
    if (problems->errors > errors) return;
    check_one_world(files, config, problems);
    for (uint32_t i = 0; i < config->link_count; i++)
        check_capital(files, config, i, problems);
    check_limits(files, config, problems);
}

void sp_config_check_link(const struct sp_config_files *files, const struct sp_config *config,
                          uint32_t link_index, struct sp_problems *problems)
{
    const struct sp_link_config *link = &config->links[link_index];
    const struct sp_world_config *world = &config->worlds[link->world];
    const struct sp_instrument_config *in = sp_world_instrument(world, link->blueprint.symbol.s);
    const struct sp_strict_node *node =
        element(sp_strict_get(files->operation, "strategy_links"), link_index);
    bool is_followed = false;

    for (uint32_t i = 0; i < world->feed.symbol_count; i++) {
        if (sp_name_eq(&world->feed.symbols[i], &link->blueprint.symbol)) is_followed = true;
    }
    if (!is_followed || in == NULL) {
        sp_problems_error(problems, place(files->operation_shown, node, KEYS("blueprint")),
                          "add it to the feed and the instruments of that world",
                          "strategy_links[%" PRIu32 "]: %s trades %s, which world %s does not "
                          "follow",
                          link_index, link->blueprint.file_shown, link->blueprint.symbol.s,
                          world->id.s);
        return;
    }
    if (sp_name_eq(&in->quote, &link->capital_asset)) return;
    sp_problems_error(problems, place(files->operation_shown, node, KEYS("capital")), NULL,
                      "strategy_links[%" PRIu32 "].capital: is in %s, but %s is paid with %s",
                      link_index, link->capital_asset.s, in->symbol.s, in->quote.s);
}

/* ---- Storage and clock ---- */

/* The path itself, or the closest folder above it that is there. */
static void find_existing(const char *path, char out[SP_PATH_SIZE], struct stat *st)
{
    snprintf(out, SP_PATH_SIZE, "%s", path);
    while (stat(out, st) != 0 && strcmp(out, "/") != 0) {
        char *slash = strrchr(out, '/');
        if (slash == NULL) break;
        slash[slash == out] = '\0';
    }
}

static void check_folder(const char *path, struct sp_problem_place at, const char *key,
                         struct sp_problems *problems)
{
    char existing[SP_PATH_SIZE];
    struct stat st = {0};

    find_existing(path, existing, &st);
    if (!S_ISDIR(st.st_mode)) {
        sp_problems_error(problems, at, "choose another path", "paths.%s: %s is not a folder", key,
                          existing);
    } else if (access(existing, W_OK | X_OK) != 0) {
        sp_problems_error(problems, at, "choose another path or change its owner",
                          "paths.%s: cannot write in %s: %s", key, existing, strerror(errno));
    } else if (strcmp(existing, path) == 0 && (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        char hint[SP_PATH_SIZE + 16];
        snprintf(hint, sizeof hint, "chmod 700 %s", path);
        sp_problems_error(problems, at, hint, "paths.%s: others may write in %s", key, existing);
    }
}

static void check_socket_paths(const struct sp_config_files *files, const struct sp_config *config,
                               struct sp_problems *problems)
{
    struct sp_instance instances[SP_INSTANCES_MAX];
    uint32_t count = sp_config_instances(config, instances);
    size_t longest = strlen("supervisor");

    for (uint32_t i = 0; i < count; i++) {
        size_t len_bytes = strlen(instances[i].name.s);
        if (len_bytes > longest) longest = len_bytes;
    }
    longest += strlen(config->platform.run_dir) + strlen("/") + strlen(".pub");
    if (longest <= SOCKET_PATH_MAX) return;
    sp_problems_error(problems, place(files->platform_shown, files->platform, KEYS("paths", "run")),
                      "choose a shorter path, for example \"/run/spoor\"",
                      "paths.run: socket paths in %s would have %zu characters, %d fit",
                      config->platform.run_dir, longest, SOCKET_PATH_MAX);
}

/* Too little space refuses a first start. Where there are books already, positions may be open:
 * then it is a warning, since a service that comes back can still reduce them. */
static void check_space(const struct sp_config_files *files, const struct sp_config *config,
                        struct sp_problems *problems)
{
    const struct sp_platform *platform = &config->platform;
    char existing[SP_PATH_SIZE], want[SP_BYTES_TEXT_SIZE], have[SP_BYTES_TEXT_SIZE];
    struct stat st;
    struct sp_disk_room room;
    char books[SP_PATH_SIZE];

    if (platform->disk_warn_bytes < platform->disk_reduce_only_bytes) {
        sp_problems_error(
            problems, place(files->platform_shown, files->platform, KEYS("disk", "warn_below")),
            "warn earlier than you reduce", "disk.warn_below: is less than disk.reduce_only_below");
    }
    find_existing(platform->data_dir, existing, &st);
    if (sp_disk_port_real()->read(NULL, existing, &room) != 0) return; /* check_folder said why */
    struct sp_disk_limits limits = {.warn_bytes = platform->disk_warn_bytes,
                                    .warn_part = platform->disk_warn_part};
    uint64_t warn_below = sp_disk_warn_below(&limits, &room);
    sp_config_instance_dir(config, "execution", books);
    if (room.free_bytes < platform->disk_reduce_only_bytes && access(books, F_OK) != 0) {
        sp_problems_error(
            problems,
            place(files->platform_shown, files->platform, KEYS("disk", "reduce_only_below")),
            "free some space, or lower disk.reduce_only_below", "disk: %s free in %s, less than %s",
            sp_units_bytes_about(room.free_bytes, have), existing,
            sp_units_bytes_format(platform->disk_reduce_only_bytes, want));
    } else if (room.free_bytes < warn_below) {
        sp_problems_warn(problems,
                         place(files->platform_shown, files->platform, KEYS("disk", "warn_below")),
                         "free some space soon", "disk: %s free in %s, less than %s",
                         sp_units_bytes_about(room.free_bytes, have), existing,
                         sp_units_bytes_about(warn_below, want));
    }
}

/* ---- Persistors ---- */

static void refuse_memory(const struct sp_config_files *files, const char *key, const char *instead,
                          const struct sp_world_config *world, struct sp_problems *problems)
{
    char hint[64];

    snprintf(hint, sizeof hint, "\"%s\"; \"memory\" is for backtests", instead);
    sp_problems_error(problems,
                      place(files->platform_shown, files->platform, KEYS("persistence", key)), hint,
                      "persistence.%s: in memory nothing survives a process, and world %s must not "
                      "lose its orders",
                      key, world->id.s);
}

void sp_config_check_persistence(const struct sp_config_files *files,
                                 const struct sp_config *config, struct sp_problems *problems)
{
    const struct sp_persistence *p = &config->platform.persistence;
    const struct sp_world_config *world = sp_config_world(config);

    if (world->type == SP_WORLD_PAPER || world->type == SP_WORLD_LIVE) {
        if (p->state == SP_STATE_KIND_MEMORY)
            refuse_memory(files, "state", "json", world, problems);
        if (p->journal == SP_JOURNAL_KIND_MEMORY)
            refuse_memory(files, "journal", "json-lines", world, problems);
    } else if (p->journal == SP_JOURNAL_KIND_MEMORY && p->state != SP_STATE_KIND_MEMORY) {
        sp_problems_error(
            problems, place(files->platform_shown, files->platform, KEYS("persistence", "state")),
            "\"memory\", or \"journal\": \"json-lines\"",
            "persistence.state: a snapshot would outlive the journal that it stands on");
    }
    if (p->data == SP_DATA_KIND_NONE && world->feed.record) {
        sp_problems_warn(problems,
                         place(files->platform_shown, files->platform, KEYS("persistence", "data")),
                         "\"parquet\", or remove \"record\" from the feed",
                         "persistence.data: none, so nothing of world %s is recorded", world->id.s);
    }
}

void sp_config_check_storage(const struct sp_config_files *files, const struct sp_config *config,
                             struct sp_problems *problems)
{
    const struct sp_platform *p = &config->platform;
    const struct {
        const char *key, *path;
    } folders[] = {{"data", p->data_dir}, {"run", p->run_dir}, {"logs", p->log_dir}};

    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) {
        check_folder(folders[i].path,
                     place(files->platform_shown, files->platform, KEYS("paths", folders[i].key)),
                     folders[i].key, problems);
    }
    check_socket_paths(files, config, problems);
    check_space(files, config, problems);
    if (strncmp(p->http_host, "127.", 4) != 0) {
        sp_problems_warn(problems,
                         place(files->platform_shown, files->platform, KEYS("http", "listen")),
                         "listen on 127.0.0.1 unless a firewall or container stands before it",
                         "http.listen: whoever reaches %s can read the health page", p->http_host);
    }
}

void sp_config_check_clock(sp_wall now, struct sp_problems *problems, const char *file_shown)
{
    static const int64_t earliest_ns = INT64_C(1735689600000000000); /* 2025-01-01 */
    char text[SP_WALL_TEXT_SIZE];

    if (now.ns >= earliest_ns && now.ns <= SP_WALL_NS_MAX) return;
    sp_problems_error(problems, (struct sp_problem_place){file_shown, 0},
                      "set the clock of this machine (timedatectl set-ntp true)",
                      "the clock says %.19s, which cannot be", sp_wall_format(now, text));
}
