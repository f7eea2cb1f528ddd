/* The limits before every order: of the operation (all that is at the venue), of an instrument and
 * of a strategy link. The same words mean the same in each; docs/limits.md.
 *
 * A limit of zero would forbid everything, and a zero in struct sp_risk_config means no limit: so a
 * written limit is above zero. */
#include "common/config/config_tables.h"

/* What may be limited in every scope. */
#define SCOPE_LIMITS                                                                               \
    {.key = "order_qty_max",                                                                       \
     .doc = "largest quantity of one order, in the base asset",                                    \
     .type = SP_VALUE_NUMBER,                                                                      \
     .above_zero = true,                                                                           \
     .example = "\"0.5\"",                                                                         \
     SP_AT(sp_risk_config, order_qty_max)},                                                        \
        {.key = "order_value_max",                                                                 \
         .doc = "largest value of one order",                                                      \
         .type = SP_VALUE_AMOUNT,                                                                  \
         .above_zero = true,                                                                       \
         .asset_offset = offsetof(struct sp_risk_config, order_value_asset),                       \
         SP_AT(sp_risk_config, order_value_max)},                                                  \
        {.key = "position_value_max",                                                              \
         .doc = "most that all positions and entries together may have cost",                      \
         .type = SP_VALUE_AMOUNT,                                                                  \
         .above_zero = true,                                                                       \
         .asset_offset = offsetof(struct sp_risk_config, position_value_asset),                    \
         SP_AT(sp_risk_config, position_value_max)},                                               \
        {.key = "open_orders_max",                                                                 \
         .doc = "most orders open at the same time",                                               \
         .type = SP_VALUE_COUNT,                                                                   \
         .min = "1",                                                                               \
         .max = "1000",                                                                            \
         .example = "4",                                                                           \
         SP_AT(sp_risk_config, open_orders_max)},                                                  \
        {.key = "entries_max",                                                                     \
         .doc = "most entries within entries_window; then the strategy is halted until a resume",  \
         .type = SP_VALUE_COUNT,                                                                   \
         .min = "1",                                                                               \
         .max = "100000",                                                                          \
         .example = "10",                                                                          \
         SP_AT(sp_risk_config, entries_max)},                                                      \
        {.key = "entries_window",                                                                  \
         .doc = "market time in which entries_max counts",                                         \
         .type = SP_VALUE_DURATION,                                                                \
         .fallback = "1m",                                                                         \
         .min = "1s",                                                                              \
         .max = "7d",                                                                              \
         .example = "\"1m\"",                                                                      \
         SP_AT(sp_risk_config, entries_window)},                                                   \
        {.key = "messages_max",                                                                    \
         .doc = "most orders and cancels to the venue within messages_window; entries may use "    \
                "four fifths",                                                                     \
         .type = SP_VALUE_COUNT,                                                                   \
         .min = "5",                                                                               \
         .max = "1000",                                                                            \
         .example = "50",                                                                          \
         SP_AT(sp_risk_config, messages_max)},                                                     \
        {.key = "messages_window",                                                                 \
         .doc = "real time in which messages_max counts",                                          \
         .type = SP_VALUE_DURATION,                                                                \
         .fallback = "10s",                                                                        \
         .min = "100ms",                                                                           \
         .max = "10m",                                                                             \
         .example = "\"10s\"",                                                                     \
         SP_AT(sp_risk_config, messages_window)},                                                  \
        {.key = "price_collar",                                                                    \
         .doc = "furthest an order's price may be from the market",                                \
         .type = SP_VALUE_RATIO,                                                                   \
         .above_zero = true,                                                                       \
         .max = "100%",                                                                            \
         .example = "\"1%\"",                                                                      \
         SP_AT(sp_risk_config, price_collar)},                                                     \
        {.key = "daily_loss_max",                                                                  \
         .doc = "realised loss of a day (day_zone) after which nothing is opened",                 \
         .type = SP_VALUE_AMOUNT,                                                                  \
         .above_zero = true,                                                                       \
         .example = "\"300 USDT\"",                                                                \
         .asset_offset = offsetof(struct sp_risk_config, daily_loss_asset),                        \
         SP_AT(sp_risk_config, daily_loss_max)},                                                   \
    {                                                                                              \
        .key = "drawdown_max", .doc = "realised loss from the peak after which nothing is opened", \
        .type = SP_VALUE_RATIO, .above_zero = true, .max = "100%", .example = "\"5%\"",            \
        SP_AT(sp_risk_config, drawdown_max)                                                        \
    }

/* `is_required` is a word of the field, or nothing. */
#define DATA_AGE(is_required)                                                                      \
    {                                                                                              \
        .key = "data_age_max", .doc = "oldest market data on which a position is opened",          \
        .type = SP_VALUE_DURATION, .required = is_required, .min = "1ms", .max = "1h",             \
        .example = "\"2s\"", SP_AT(sp_risk_config, data_age_max)                                   \
    }

static const struct sp_field scope_fields[] = {SCOPE_LIMITS, DATA_AGE(false)};
const struct sp_table sp_scope_risk_table =
    SP_TABLE(scope_fields, "limits of this scope, beside those of the operation");

static const struct sp_field risk_fields[] = {
    SCOPE_LIMITS,
    DATA_AGE(true),
    {.key = "day_zone",
     .doc = "where the day of daily_loss_max begins at midnight: its offset from UTC",
     .type = SP_VALUE_ZONE,
     .fallback = "UTC",
     .example = "\"+01:00\"",
     SP_AT(sp_risk_config, day_zone)},
};
const struct sp_table sp_risk_table = SP_TABLE(risk_fields, "limits before every order");
