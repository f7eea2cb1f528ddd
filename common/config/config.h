/* The three layers of configuration as one validated value.
 *
 * DIR/platform.json, DIR/operation.json and the blueprints it names. Everything is checked before
 * anything starts: all errors are listed at once with file, line and hint. Immutable after loading;
 * any thread may read it.
 */
#ifndef SP_COMMON_CONFIG_H
#define SP_COMMON_CONFIG_H

#include "common/log.h"
#include "proto/enums.h"
#include "proto/types.h"

#define SP_PATH_SIZE     512
#define SP_URL_SIZE      128
#define SP_WORLDS_MAX    4
#define SP_LINKS_MAX     16
#define SP_SYMBOLS_MAX   8
#define SP_BALANCES_MAX  16
#define SP_SCHEDULES_MAX 16
#define SP_WORKERS_MAX   32
#define SP_READS_MAX     8
#define SP_PARAMS_MAX    16
#define SP_PROBLEMS_MAX  100
#define SP_ALERTS_MAX    8

/* What the three persistors are (common/persist/persistor_factory.h). */
struct sp_persistence {
    enum sp_state_kind { SP_STATE_KIND_JSON, SP_STATE_KIND_MEMORY } state;
    enum sp_journal_kind { SP_JOURNAL_KIND_JSON_LINES, SP_JOURNAL_KIND_MEMORY } journal;
    enum sp_data_kind { SP_DATA_KIND_PARQUET, SP_DATA_KIND_NONE } data;
};

struct sp_platform {
    sp_name installation;
    char data_dir[SP_PATH_SIZE]; /* absolute, like all paths here */
    char run_dir[SP_PATH_SIZE];
    char log_dir[SP_PATH_SIZE];
    enum sp_log_level log_level;
    uint64_t log_rotate_bytes;
    uint32_t log_keep;
    uint32_t queue_max; /* messages per peer */
    uint64_t message_max_bytes;
    uint64_t disk_warn_bytes, disk_reduce_only_bytes, disk_ballast_bytes;
    sp_ratio disk_warn_part; /* of the file system */
    uint64_t journal_segment_bytes, scrub_bytes_per_second;
    sp_dur scrub_every;
    sp_dur snapshot_every;                /* how often a service saves its state */
    sp_dur journal_compress_after;        /* age of sealed segments; 0 = never */
    sp_dur ledger_backup_every;           /* 0: never */
    char ledger_backup_dir[SP_PATH_SIZE]; /* "": DATA/execution/backup */
    uint32_t ledger_backup_keep;          /* 0: all */
    struct sp_persistence persistence;
    char record_inputs_dir[SP_PATH_SIZE]; /* "": inputs are not recorded */
    uint64_t record_inputs_bytes;         /* of each file */
    char tls_ca_file[SP_PATH_SIZE];       /* "": the certificates that the system trusts */
    char http_host[64];                   /* numeric IPv4 */
    uint16_t http_port;
    uint32_t alert_count;
    struct sp_alert_config {
        enum sp_alert_target { SP_ALERT_LOG } target;
        enum sp_severity from;
    } alerts[SP_ALERTS_MAX];
};

enum sp_world_type { SP_WORLD_NONE, SP_WORLD_BACKTEST, SP_WORLD_PAPER, SP_WORLD_LIVE };
enum sp_feed_source { SP_FEED_NONE, SP_FEED_GENERATOR, SP_FEED_RECORDING, SP_FEED_BINANCE };

/* The limits of one scope: all that is at the venue, one instrument, or one strategy link.
 * Zero = no such limit. */
struct sp_risk_config {
    sp_qty order_qty_max;
    sp_amt order_value_max, position_value_max, daily_loss_max;
    sp_name order_value_asset, position_value_asset, daily_loss_asset; /* as they were written */
    uint32_t open_orders_max;
    uint32_t entries_max; /* within entries_window of market time */
    sp_dur entries_window;
    sp_ratio price_collar, drawdown_max;
    sp_dur data_age_max; /* of the operation: never zero */
    /* Of the operation only. */
    sp_dur day_zone; /* east of UTC */
    uint32_t messages_max;
    sp_dur messages_window;
};

struct sp_instrument_config {
    sp_name symbol, base, quote;
    sp_px tick;
    sp_qty step, min_qty;
    sp_amt min_value; /* minimum notional, quote currency */
    struct sp_risk_config risk;
};

struct sp_feed_config {
    enum sp_feed_source source;
    uint32_t symbol_count;
    sp_name symbols[SP_SYMBOLS_MAX];
    uint64_t seed;           /* generator */
    sp_wall start;           /* generator: market time of its begin */
    sp_dur length;           /* generator: market time until FEED_ENDED; 0 = for ever */
    char file[SP_PATH_SIZE]; /* recording: raw combined-stream capture, .gz or plain */
    char rest[SP_URL_SIZE];  /* binance: where the rules and books are asked for */
    char stream[SP_URL_SIZE];
    sp_ratio speed; /* market seconds per second; 0 = as fast as consumers allow */
    bool lock_step; /* services act in turns, on the market's clock (common/turns.h) */
    bool record;    /* write Parquet */
    sp_dur silence; /* no message for this long (real time): CONNECTION_LOST */
};

struct sp_balance_config {
    sp_name asset;
    sp_amt amount;
};

/* Orders by the protocol of Binance Spot. */
struct sp_binance_config {
    char rest[SP_URL_SIZE]; /* "": orders go to spoor-venue by its native protocol */
    char ws_api[SP_URL_SIZE];
    char key[SP_PATH_SIZE];
    sp_dur absence; /* for how long "not found" proves nothing about an order */
    sp_dur renew;   /* age at which a connection for user data is replaced */
};

struct sp_world_config {
    sp_name id;
    enum sp_world_type type;
    struct sp_feed_config feed;
    uint32_t instrument_count;
    struct sp_instrument_config instruments[SP_SYMBOLS_MAX];
    sp_name venue; /* "paper" */
    uint32_t balance_count;
    struct sp_balance_config balances[SP_BALANCES_MAX];
    sp_ratio fee_maker, fee_taker;
    char api_host[64]; /* numeric IPv4; "": the practice exchange serves no HTTP */
    uint16_t api_port;
    char api_keys[SP_PATH_SIZE]; /* file of the keys that may trade over HTTP */
    /* File of the token for faults and for the truth; "": neither is served. */
    char api_control[SP_PATH_SIZE];
    struct sp_binance_config binance;
};

/* One worker instance of a blueprint. */
enum sp_category {
    SP_CATEGORY_CONTEXT,
    SP_CATEGORY_OPPORTUNITY,
    SP_CATEGORY_THREAT,
    SP_CATEGORY_QUALIFICATION,
    SP_CATEGORY_PLANNING,
    SP_CATEGORY_COUNT
};
struct sp_read_config {
    sp_name alias;    /* the name the plugin knows: "fast" */
    sp_name producer; /* worker instance: "ema_fast" */
};
struct sp_param_config {
    sp_name key;
    char text[64]; /* as written: "0.8 bps", "20", "HIGH" */
    uint32_t line;
};
struct sp_worker_config {
    enum sp_category category;
    sp_name id;
    sp_name plugin; /* "momentum_cross" */
    uint32_t line;
    uint32_t read_count;
    struct sp_read_config reads[SP_READS_MAX];
    uint32_t param_count;
    struct sp_param_config params[SP_PARAMS_MAX];
};
struct sp_blueprint {
    sp_name name, version;
    char file[SP_PATH_SIZE];
    char file_shown[SP_PATH_SIZE]; /* as a person wrote it, for explanations */
    sp_name symbol;                /* trigger */
    sp_dur bar;
    uint32_t warm_up_bars;
    uint32_t worker_count; /* in the order of categories, then of the file */
    struct sp_worker_config workers[SP_WORKERS_MAX];
};

enum sp_on_stop { SP_ON_STOP_KEEP, SP_ON_STOP_CANCEL_ENTRIES, SP_ON_STOP_FLATTEN };

struct sp_link_config {
    sp_name id;
    bool active;
    uint32_t world; /* index into worlds */
    sp_amt capital;
    sp_name capital_asset;
    enum sp_on_stop on_stop;
    struct sp_risk_config risk;
    struct sp_blueprint blueprint;
};

struct sp_breaker_config {
    bool close_on_disconnect;
    bool resume_automatic;
};
struct sp_reconciliation_config {
    uint32_t correct_items_max;
    sp_amt correct_value_max;
    sp_name correct_value_asset; /* as it was written */
};
struct sp_schedule_config {
    sp_name name, event;
    sp_dur every; /* market time */
    bool run_once_if_missed;
};

struct sp_config {
    char dir[SP_PATH_SIZE]; /* absolute */
    struct sp_platform platform;
    sp_name operation;
    uint32_t world_count;
    struct sp_world_config worlds[SP_WORLDS_MAX];
    uint32_t link_count;
    struct sp_link_config links[SP_LINKS_MAX];
    struct sp_risk_config risk;
    struct sp_breaker_config breaker;
    struct sp_reconciliation_config reconciliation;
    uint32_t schedule_count;
    struct sp_schedule_config schedules[SP_SCHEDULES_MAX];
    uint32_t file_count, worker_count; /* for "config checked: 3 files, 9 workers" */
};

struct sp_problem {
    char file[SP_PATH_SIZE]; /* as shown to a person */
    uint32_t line;           /* 0 if the whole file */
    bool is_warning;
    char text[240]; /* what is wrong */
    char hint[240]; /* what to do */
};
struct sp_problems {
    uint32_t count, dropped;
    uint32_t errors; /* warnings apart */
    bool is_partial; /* the operation has errors itself: what refers to it was not checked */
    struct sp_problem at[SP_PROBLEMS_MAX];
};

/* `file` is copied; line 0 means the whole file. */
struct sp_problem_place {
    const char *file;
    uint32_t line;
};
/* Adds an error or a warning (`hint` may be NULL). The same text at one place is added once. */
void sp_problems_error(struct sp_problems *problems, struct sp_problem_place place,
                       const char *hint, const char *fmt, ...) SP_PRINTF(4, 5);
void sp_problems_warn(struct sp_problems *problems, struct sp_problem_place place, const char *hint,
                      const char *fmt, ...) SP_PRINTF(4, 5);
/* By file, in the order in which the files came up, then by line. */
void sp_problems_sort(struct sp_problems *problems);

/* Loads and checks everything: schema, references, dependencies, event chain, capabilities, storage
 * and clock. SP_CONFIG if there is any error (see problems); *out (malloc'ed) is NULL then. */
SP_NODISCARD sp_status sp_config_load(const char *dir, struct sp_config **out,
                                      struct sp_problems *problems);
/* The same with the caller's check of a blueprint's workers; NULL: none. sp_config_load is this and
 * sp_workers_validate, in a library of its own because workers depend on this one. */
typedef void sp_blueprint_check_fn(const struct sp_blueprint *blueprint,
                                   struct sp_problems *problems);
SP_NODISCARD sp_status sp_config_read(const char *dir, sp_blueprint_check_fn *check,
                                      struct sp_config **out, struct sp_problems *problems);
void sp_config_free(struct sp_config *config);
/* "FILE:LINE: text\n    hint\n" of each problem; a warning's text begins with "warning: ". */
void sp_problems_print(const struct sp_problems *problems, int fd);

/* The service instances of an operation in start order: marketdata, venue, execution,
 * reconciliation, strategy.ID of each active link, health. */
#define SP_INSTANCES_MAX (SP_LINKS_MAX + 5)
struct sp_instance {
    sp_name name;    /* "strategy.ema" */
    sp_name program; /* "spoor-strategy" */
    uint32_t after_count;
    sp_name after[SP_INSTANCES_MAX]; /* must be ready first */
};
uint32_t sp_config_instances(const struct sp_config *config,
                             struct sp_instance instances[SP_INSTANCES_MAX]);
const struct sp_link_config *sp_config_link(const struct sp_config *config, const char *id);
const struct sp_world_config *sp_config_world_of(const struct sp_config *config,
                                                 const struct sp_link_config *link);
/* The one world that the services of this operation run in (first form: exactly one). */
const struct sp_world_config *sp_config_world(const struct sp_config *config);
const struct sp_instrument_config *sp_world_instrument(const struct sp_world_config *world,
                                                       const char *symbol);
/* "md.paper.BTCUSDT": the market-data stream of an instrument. */
sp_name sp_world_stream(const struct sp_world_config *world, const char *symbol);
/* DATA/<instance>: where an instance keeps its lock, epoch, journal and snapshots. */
void sp_config_instance_dir(const struct sp_config *config, const char *instance,
                            char out[SP_PATH_SIZE]);

#endif
