#include "common/persist/data_persistor.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

struct data_ops {
    sp_status (*write)(struct sp_data_persistor *persistor, const struct sp_record *record,
                       struct sp_err *err);
    sp_status (*publish)(struct sp_data_persistor *persistor, struct sp_err *err);
    sp_status (*read)(struct sp_data_persistor *persistor, const struct sp_market_range *range,
                      struct sp_market_reader **out, struct sp_err *err);
    struct sp_recorder_stats (*stats)(const struct sp_data_persistor *persistor);
    sp_status (*close)(struct sp_data_persistor *persistor, struct sp_err *err);
};

struct sp_data_persistor {
    const struct data_ops *ops;
    struct sp_recorder *recorder;   /* parquet */
    struct sp_recorder_stats stats; /* none: rows_lost counts all */
    /* parquet: where the files are */
    char data_dir[PATH_MAX];
    sp_name world;
    const struct sp_file_port *port;
};

static sp_status make(const struct data_ops *ops, struct sp_data_persistor **out,
                      struct sp_err *err)
{
    struct sp_data_persistor *persistor = calloc(1, sizeof *persistor);

    if (persistor == NULL) return SP_FAIL(err, SP_NO_MEMORY, "no memory to record market data");
    persistor->ops = ops;
    *out = persistor;
    return SP_OK;
}

/* ---- parquet ---- */

static sp_status parquet_write(struct sp_data_persistor *persistor, const struct sp_record *record,
                               struct sp_err *err)
{
    return sp_recorder_append(persistor->recorder, record, err);
}

static sp_status parquet_publish(struct sp_data_persistor *persistor, struct sp_err *err)
{
    return sp_recorder_roll(persistor->recorder, err);
}

static sp_status parquet_read(struct sp_data_persistor *persistor,
                              const struct sp_market_range *range, struct sp_market_reader **out,
                              struct sp_err *err)
{
    sp_status status = sp_recorder_roll_one(persistor->recorder, &range->symbol, range->kind, err);

    if (status != SP_OK) return status;
    return sp_market_reader_open(persistor->data_dir, &persistor->world, range, persistor->port,
                                 out, err);
}

static struct sp_recorder_stats parquet_stats(const struct sp_data_persistor *persistor)
{
    return sp_recorder_stats(persistor->recorder);
}

static sp_status parquet_close(struct sp_data_persistor *persistor, struct sp_err *err)
{
    return sp_recorder_close(persistor->recorder, err);
}

sp_status sp_data_persistor_parquet(const struct sp_recorder_options *options,
                                    struct sp_data_persistor **out, struct sp_err *err)
{
    static const struct data_ops ops = {.write = parquet_write,
                                        .publish = parquet_publish,
                                        .read = parquet_read,
                                        .stats = parquet_stats,
                                        .close = parquet_close};
    struct sp_data_persistor *persistor = NULL;
    sp_status status = make(&ops, &persistor, err);

    if (status == SP_OK) status = sp_recorder_open(options, &persistor->recorder, err);
    if (status != SP_OK) {
        free(persistor);
        return status;
    }
    snprintf(persistor->data_dir, sizeof persistor->data_dir, "%s", options->data_dir);
    persistor->world = options->world;
    persistor->port = options->port;
    *out = persistor;
    return SP_OK;
}

/* ---- none ---- */

static sp_status none_write(struct sp_data_persistor *persistor, const struct sp_record *record,
                            struct sp_err *err)
{
    (void)record;
    (void)err;
    persistor->stats.rows_lost++;
    return SP_OK;
}

static sp_status none_publish(struct sp_data_persistor *persistor, struct sp_err *err)
{
    (void)persistor;
    (void)err;
    return SP_OK;
}

static sp_status none_read(struct sp_data_persistor *persistor, const struct sp_market_range *range,
                           struct sp_market_reader **out, struct sp_err *err)
{
    sp_name world = sp_name_of("none");

    (void)persistor;
    return sp_market_reader_open(NULL, &world, range, NULL, out, err);
}

static struct sp_recorder_stats none_stats(const struct sp_data_persistor *persistor)
{
    return persistor->stats;
}

sp_status sp_data_persistor_none(struct sp_data_persistor **out, struct sp_err *err)
{
    static const struct data_ops ops = {.write = none_write,
                                        .publish = none_publish,
                                        .read = none_read,
                                        .stats = none_stats,
                                        .close = none_publish};

    return make(&ops, out, err);
}

/* ---- Any ---- */

sp_status sp_data_persistor_write(struct sp_data_persistor *persistor,
                                  const struct sp_record *record, struct sp_err *err)
{
    return persistor->ops->write(persistor, record, err);
}

sp_status sp_data_persistor_publish(struct sp_data_persistor *persistor, struct sp_err *err)
{
    return persistor->ops->publish(persistor, err);
}

sp_status sp_data_persistor_read(struct sp_data_persistor *persistor,
                                 const struct sp_market_range *range, struct sp_market_reader **out,
                                 struct sp_err *err)
{
    return persistor->ops->read(persistor, range, out, err);
}

struct sp_recorder_stats sp_data_persistor_stats(const struct sp_data_persistor *persistor)
{
    return persistor->ops->stats(persistor);
}

sp_status sp_data_persistor_close(struct sp_data_persistor *persistor, struct sp_err *err)
{
    if (persistor == NULL) return SP_OK;
    sp_status status = persistor->ops->close(persistor, err);
    free(persistor);
    return status;
}
