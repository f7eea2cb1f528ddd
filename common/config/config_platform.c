#include "common/config/config_tables.h"

static const struct sp_field path_fields[] = {
    {.key = "data",
     .doc = "journals, snapshots and the ledger; one folder for each service",
     .type = SP_VALUE_PATH,
     .required = true,
     SP_AT(sp_platform, data_dir)},
    {.key = "run",
     .doc = "sockets; its path must be short",
     .type = SP_VALUE_PATH,
     .required = true,
     .example = "\"../../var/demo/run\"",
     SP_AT(sp_platform, run_dir)},
    {.key = "logs",
     .doc = "log files",
     .type = SP_VALUE_PATH,
     .required = true,
     .example = "\"../../var/demo/log\"",
     SP_AT(sp_platform, log_dir)},
};
static const struct sp_table path_table = SP_TABLE(path_fields, "where data lives");

static const char *const log_levels[] = {"debug", "info", "warn", "error", NULL};
static const struct sp_field log_fields[] = {
    {.key = "level",
     .doc = "from which level on lines are written",
     .type = SP_VALUE_WORD,
     .words = log_levels,
     .fallback = "info",
     .example = "\"info\"",
     SP_AT(sp_platform, log_level)},
    {.key = "rotate_at",
     .doc = "size at which a new log file is begun",
     .type = SP_VALUE_BYTES,
     .fallback = "50 MiB",
     .min = "64 KiB",
     .max = "4 GiB",
     SP_AT(sp_platform, log_rotate_bytes)},
    {.key = "keep",
     .doc = "how many old log files are kept",
     .type = SP_VALUE_COUNT,
     .fallback = "10",
     .max = "1000",
     SP_AT(sp_platform, log_keep)},
};
static const struct sp_table log_table = SP_TABLE(log_fields, "the log files");

static const char *const transports[] = {"ipc", NULL};
static const char *const transports_later[] = {"tcp", NULL};
static const struct sp_field bus_fields[] = {
    {.key = "transport",
     .doc = "how services talk",
     .type = SP_VALUE_WORD,
     .words = transports,
     .later = transports_later,
     .fallback = "ipc",
     .offset = SP_NOWHERE},
    {.key = "queue_max",
     .doc = "messages that may wait for a slow peer",
     .type = SP_VALUE_COUNT,
     .fallback = "10000",
     .min = "16",
     .max = "1000000",
     SP_AT(sp_platform, queue_max)},
    {.key = "message_max",
     .doc = "largest message that is taken",
     .type = SP_VALUE_BYTES,
     .fallback = "1 MiB",
     .min = "64 KiB",
     .max = "64 MiB",
     .example = "\"1 MiB\"",
     SP_AT(sp_platform, message_max_bytes)},
};
static const struct sp_table bus_table = SP_TABLE(bus_fields, "the bus between services");

static const struct sp_field disk_fields[] = {
    {.key = "warn_below",
     .doc = "free space that is worth a warning",
     .type = SP_VALUE_BYTES,
     .fallback = "2 GiB",
     .example = "\"2 GiB\"",
     SP_AT(sp_platform, disk_warn_bytes)},
    {.key = "warn_below_part",
     .doc = "the same as a part of the file system; the larger of the two counts",
     .type = SP_VALUE_RATIO,
     .fallback = "20%",
     .min = "0%",
     .max = "100%",
     .example = "\"20%\"",
     SP_AT(sp_platform, disk_warn_part)},
    {.key = "reduce_only_below",
     .doc = "free space below which no position is opened",
     .type = SP_VALUE_BYTES,
     .fallback = "512 MiB",
     .example = "\"512 MiB\"",
     SP_AT(sp_platform, disk_reduce_only_bytes)},
    {.key = "ballast",
     .doc = "kept by each service for its last records on a full disk; \"0 B\": none",
     .type = SP_VALUE_BYTES,
     .fallback = "1 MiB",
     .max = "1 GiB",
     .example = "\"1 MiB\"",
     SP_AT(sp_platform, disk_ballast_bytes)},
};
static const struct sp_table disk_table = SP_TABLE(disk_fields, "the disk reserve");

static const struct sp_field journal_fields[] = {
    {.key = "snapshot_every",
     .doc =
         "how often a service saves its state, so that it starts faster; also every 50,000 records",
     .type = SP_VALUE_DURATION,
     .fallback = "10 s",
     .min = "100 ms",
     .max = "1 h",
     .example = "\"10 s\"",
     SP_AT(sp_platform, snapshot_every)},
    {.key = "compress_after",
     .doc = "age at which closed journal files are compressed, for zstd to read; \"0 s\": never",
     .type = SP_VALUE_DURATION,
     .fallback = "1 d",
     .max = "3650 d",
     .example = "\"1 d\"",
     SP_AT(sp_platform, journal_compress_after)},
    {.key = "segment",
     .doc = "size at which a new journal file is begun",
     .type = SP_VALUE_BYTES,
     .fallback = "16 MiB",
     .min = "4 KiB",
     .max = "1 GiB",
     .example = "\"16 MiB\"",
     SP_AT(sp_platform, journal_segment_bytes)},
    {.key = "scrub_every",
     .doc = "pause between two readings of all closed journal files in search of damage",
     .type = SP_VALUE_DURATION,
     .fallback = "12 h",
     .min = "1 s",
     .max = "365 d",
     .example = "\"12 h\"",
     SP_AT(sp_platform, scrub_every)},
    {.key = "scrub_rate",
     .doc = "bytes that this reads in a second",
     .type = SP_VALUE_BYTES,
     .fallback = "8 MiB",
     .min = "64 KiB",
     .max = "1 GiB",
     .example = "\"8 MiB\"",
     SP_AT(sp_platform, scrub_bytes_per_second)},
};
static const struct sp_table journal_table = SP_TABLE(journal_fields, "journals and snapshots");

static const struct sp_field ledger_fields[] = {
    {.key = "backup_every",
     .doc = "how often execution copies its ledger and checks the copy; \"0 s\": never",
     .type = SP_VALUE_DURATION,
     .fallback = "1 h",
     .max = "30 d",
     .example = "\"1 h\"",
     SP_AT(sp_platform, ledger_backup_every)},
    {.key = "backup_dir",
     .doc = "where the copies lie; best on another disk; without it DATA/execution/backup",
     .type = SP_VALUE_PATH,
     .example = "\"../../var/backup\"",
     SP_AT(sp_platform, ledger_backup_dir)},
    {.key = "backup_keep",
     .doc = "how many copies are kept; 0: all",
     .type = SP_VALUE_COUNT,
     .fallback = "24",
     .max = "100000",
     SP_AT(sp_platform, ledger_backup_keep)},
};
static const struct sp_table ledger_table = SP_TABLE(ledger_fields, "backups of the ledger");

static const char *const state_kinds[] = {"json", "memory", NULL};
static const char *const journal_kinds[] = {"json-lines", "memory", NULL};
static const char *const data_kinds[] = {"parquet", "none", NULL};
static const struct sp_field persistence_fields[] = {
    {.key = "state",
     .doc = "snapshots of services; in memory nothing survives, which only a backtest may want",
     .type = SP_VALUE_WORD,
     .words = state_kinds,
     .fallback = "json",
     .example = "\"json\"",
     SP_AT(sp_platform, persistence.state)},
    {.key = "journal",
     .doc = "records of services; in memory nothing survives, which only a backtest may want",
     .type = SP_VALUE_WORD,
     .words = journal_kinds,
     .fallback = "json-lines",
     .example = "\"json-lines\"",
     SP_AT(sp_platform, persistence.journal)},
    {.key = "data",
     .doc = "recorded market data; none keeps nothing, whatever a feed is told to record",
     .type = SP_VALUE_WORD,
     .words = data_kinds,
     .fallback = "parquet",
     .example = "\"parquet\"",
     SP_AT(sp_platform, persistence.data)},
};
static const struct sp_table persistence_table =
    SP_TABLE(persistence_fields, "what keeps state, journals and market data");

static const struct sp_field inputs_fields[] = {
    {.key = "dir",
     .doc = "where each service records its inputs for spoor rerun; without it none does",
     .type = SP_VALUE_PATH,
     .example = "\"../../var/inputs\"",
     SP_AT(sp_platform, record_inputs_dir)},
    {.key = "max_size",
     .doc = "size of a service's file at which its recording ends; one older file is kept",
     .type = SP_VALUE_BYTES,
     .fallback = "256 MiB",
     .min = "1 MiB",
     .max = "64 GiB",
     .example = "\"256 MiB\"",
     SP_AT(sp_platform, record_inputs_bytes)},
};
static const struct sp_table inputs_table =
    SP_TABLE(inputs_fields, "recorded inputs, by which a service can be repeated");

static const struct sp_field http_fields[] = {
    {.key = "listen",
     .doc = "numeric IPv4 address and port of the health page",
     .type = SP_VALUE_LISTEN,
     .fallback = "127.0.0.1:8787",
     .port_offset = offsetof(struct sp_platform, http_port),
     SP_AT(sp_platform, http_host)},
};
static const struct sp_table http_table = SP_TABLE(http_fields, "the health page");

static const struct sp_field tls_fields[] = {
    {.key = "ca_file",
     .doc = "certificates (PEM) that are trusted instead of the system's: a proxy's, a test's",
     .type = SP_VALUE_PATH,
     .example = "\"venue_ca.pem\"",
     SP_AT(sp_platform, tls_ca_file)},
};
static const struct sp_table tls_table = SP_TABLE(tls_fields, "connections to a venue");

static const char *const alert_targets[] = {"log", NULL};
static const char *const alert_targets_later[] = {"mail", "webhook", "telegram", NULL};
static const char *const severities[] = {"LOW", "MEDIUM", "HIGH", "CRITICAL", NULL};
static const struct sp_field alert_fields[] = {
    {.key = "to",
     .doc = "who is told",
     .type = SP_VALUE_WORD,
     .required = true,
     .words = alert_targets,
     .later = alert_targets_later,
     .example = "\"log\"",
     SP_AT(sp_alert_config, target)},
    {.key = "from",
     .doc = "the lowest severity that is told",
     .type = SP_VALUE_WORD,
     .required = true,
     .words = severities,
     .word_base = SP_SEVERITY_LOW,
     .example = "\"HIGH\"",
     SP_AT(sp_alert_config, from)},
};
static const struct sp_table alert_table = SP_TABLE(alert_fields, "one alert");
static const struct sp_rows alert_rows = {.element_bytes = sizeof(struct sp_alert_config),
                                          .count_offset = offsetof(struct sp_platform, alert_count),
                                          .id_offset = SP_NOWHERE,
                                          .line_offset = SP_NOWHERE,
                                          .stamp_offset = SP_NOWHERE,
                                          .capacity = SP_ALERTS_MAX,
                                          .table = &alert_table};

static const struct sp_field platform_fields[] = {
    {.key = "installation",
     .doc = "the name of this installation; never change it while trades are open",
     .type = SP_VALUE_ID,
     .required = true,
     .example = "\"demo\"",
     SP_AT(sp_platform, installation)},
    {.key = "paths",
     .doc = "where data lives; relative to this file",
     .type = SP_VALUE_OBJECT,
     .required = true,
     .table = &path_table},
    {.key = "log", .doc = "the log files", .type = SP_VALUE_OBJECT, .table = &log_table},
    {.key = "bus", .doc = "the bus between services", .type = SP_VALUE_OBJECT, .table = &bus_table},
    {.key = "disk", .doc = "the disk reserve", .type = SP_VALUE_OBJECT, .table = &disk_table},
    {.key = "journal",
     .doc = "journals and snapshots",
     .type = SP_VALUE_OBJECT,
     .table = &journal_table},
    {.key = "ledger",
     .doc = "backups of the ledger",
     .type = SP_VALUE_OBJECT,
     .table = &ledger_table},
    {.key = "persistence",
     .doc = "what keeps state, journals and market data",
     .type = SP_VALUE_OBJECT,
     .table = &persistence_table},
    {.key = "record_inputs",
     .doc = "recorded inputs, by which a service can be repeated",
     .type = SP_VALUE_OBJECT,
     .table = &inputs_table},
    {.key = "tls", .doc = "connections to a venue", .type = SP_VALUE_OBJECT, .table = &tls_table},
    {.key = "http", .doc = "the health page", .type = SP_VALUE_OBJECT, .table = &http_table},
    {.key = "alerts",
     .doc = "who is told about what",
     .type = SP_VALUE_ROWS,
     .rows = &alert_rows,
     SP_AT(sp_platform, alerts)},
};
const struct sp_table sp_platform_table =
    SP_TABLE(platform_fields, "paths, log, bus, disk, health page and alerts of one installation");
