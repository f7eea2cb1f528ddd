#include "services/supervisor/tally_file.h"

#include "common/clock.h"
#include "common/journal/state_rows.h"
#include "common/log.h"
#include "services/supervisor/supervisor_tally.h"

#include <stdlib.h>
#include <string.h>

/* Per service a row and at most two full lists of marks, of some 100 bytes each. */
#define TEXT_BYTES_MAX ((size_t)SP_SUPERVISED_MAX * (2 * SP_SUPERVISOR_DEATHS_MAX + 8) * 128)

_Static_assert(TEXT_BYTES_MAX <= SP_STATE_BYTES_MAX, "a tally fits into a snapshot file");

static int no_sync(void *self, int fd)
{
    (void)self;
    (void)fd;
    return 0;
}

static int no_sync_dir(void *self, const char *path)
{
    (void)self;
    (void)path;
    return 0;
}

static sp_status load_rows(const char *json, struct sp_supervisor *core, struct sp_err *err)
{
    struct sp_rows_reader reader;
    sp_name boot_id = sp_clock_boot_id();
    sp_status status = sp_rows_open(&reader, json, strlen(json), err);

    if (status != SP_OK) return status;
    return sp_supervisor_tally_load(core, &boot_id, sp_clock_mono(), &reader, err);
}

void sp_tally_file_open(struct sp_tally_file *tally, const char *dir, const char *installation,
                        uint32_t epoch, struct sp_supervisor *core)
{
    enum sp_state_outcome outcome = SP_STATE_NEW;
    struct sp_state_header header = {0};
    struct sp_err err = {0};
    char *json = NULL;

    *tally = (struct sp_tally_file){.port = *sp_file_port_real(), .epoch = epoch};
    tally->port.sync = no_sync;
    tally->port.sync_dir = no_sync_dir;
    tally->file = (struct sp_state_file){.dir = dir,
                                         .name = "tally",
                                         .installation = installation,
                                         .port = &tally->port};
    sp_status status = sp_state_load(&tally->file, 0, &outcome, &header, &json, &err);
    tally->generation = sp_state_next_generation(status, outcome, &header);
    if (status == SP_OK && json != NULL) status = load_rows(json, core, &err);
    free(json);
    if (status != SP_OK) sp_log_err(SP_LOG_WARN, "tally_not_read", &err);
}

static sp_status save_rows(struct sp_tally_file *tally, const struct sp_supervisor *core,
                           char *text, struct sp_err *err)
{
    struct sp_rows_writer writer;
    struct sp_state_header header = {.generation = tally->generation, .epoch = tally->epoch};
    sp_name boot_id = sp_clock_boot_id();

    sp_rows_begin(&writer, text, TEXT_BYTES_MAX);
    sp_supervisor_tally_save(core, &boot_id, &writer);
    if (sp_rows_end(&writer) != SP_OK) return SP_FAIL(err, SP_TOO_LONG, "tally is too long");
    return sp_state_save(&tally->file, &header, text, writer.len_bytes, err);
}

void sp_tally_file_save(struct sp_tally_file *tally, const struct sp_supervisor *core)
{
    struct sp_err err = {0};
    char *text = NULL;

    if (tally->generation == 0) return;
    text = malloc(TEXT_BYTES_MAX);
    sp_status status = text != NULL ? save_rows(tally, core, text, &err)
                                    : SP_FAIL(&err, SP_NO_MEMORY, "no memory for the tally");
    free(text);
    if (status == SP_OK) {
        tally->generation++;
        return;
    }
    /* A full disk may have room again; what was not written is in the next one. */
    sp_log_err(SP_LOG_WARN, "tally_not_written", &err);
    if (status != SP_FULL && status != SP_NO_MEMORY) tally->generation = 0;
}
