#include "common/consumers.h"

#include "common/journal/journal.h"
#include "common/journal/state.h"
#include "common/journal/state_rows.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_strategy(const sp_name *name)
{
    return strncmp(name->s, "strategy.", 9) == 0;
}

bool sp_consumes(const sp_name *service, const sp_name *stream)
{
    if (sp_name_is(service, "execution")) {
        return sp_name_is(stream, "marketdata") || sp_name_is(stream, "reconciliation") ||
               is_strategy(stream);
    }
    if (is_strategy(service)) {
        return sp_name_is(stream, "execution") || sp_name_is(stream, "marketdata");
    }
    if (sp_name_is(service, "health")) return sp_name_is(stream, "supervisor");
    return sp_name_is(service, "reconciliation") && sp_name_is(stream, "execution");
}

/* ---- One consumer ---- */

struct places {
    uint64_t noted;  /* the journal's record that the snapshot includes; 0: no sound one */
    uint64_t cursor; /* of the stream, in the snapshot; 0: none */
    uint64_t place;  /* up to which its books hold the stream; 0: none */
};

static void take_row(struct places *places, const sp_name *stream, enum sp_dto dto,
                     const union sp_body *row)
{
    if (dto == SP_DTO_snapshot_cursor && sp_name_eq(&row->snapshot_cursor.stream, stream))
        places->cursor = row->snapshot_cursor.seq;
    if (dto == SP_DTO_strategy_place && sp_name_eq(&row->strategy_place.stream, stream))
        places->place = row->strategy_place.seq;
    if (dto == SP_DTO_health_state && sp_name_eq(&row->health_state.place_stream, stream))
        places->place = row->health_state.place_seq;
}

static struct places read_snapshot(const struct sp_state_file *file, bool before,
                                   const sp_name *stream)
{
    struct sp_state_header header = {0};
    struct sp_rows_reader reader;
    struct places places = {0};
    enum sp_dto dto = SP_DTO_NONE;
    char *json = NULL;

    if (sp_state_peek(file, before, &header, &json, NULL) != SP_OK) return places;
    union sp_body *row = malloc(sizeof *row);
    sp_status status = row != NULL ? sp_rows_open(&reader, json, strlen(json), NULL) : SP_NO_MEMORY;
    while (status == SP_OK) {
        status = sp_rows_next(&reader, &dto, row, NULL);
        if (status == SP_OK) take_row(&places, stream, dto, row);
    }
    if (status == SP_AGAIN) places.noted = header.noted_seq;
    free(row);
    free(json);
    return status == SP_AGAIN ? places : (struct places){0};
}

/* The newest place in "in" of a record that a power cut cannot take back, from `from_seq` on; 0 if
 * there is none. */
static uint64_t read_cursor(const char *dir, const sp_name *consumer, const sp_name *stream,
                            uint64_t from_seq)
{
    struct sp_journal_reader *reader = NULL;
    struct sp_record *record = malloc(sizeof *record);
    struct sp_line_meta meta;
    uint64_t known = 0, next_at = 0, next = 0;

    if (record == NULL) return 0;
    sp_status status = sp_journal_reader_open(dir, consumer, from_seq, &reader, NULL);
    while (status == SP_OK) {
        status = sp_journal_reader_next(reader, record, &meta, NULL);
        if (status != SP_OK) break;
        if (next_at <= meta.durable_seq) known = next;
        if (sp_name_eq(&record->in.stream, stream)) {
            next_at = record->seq;
            next = record->in.seq;
        }
    }
    sp_journal_reader_close(reader);
    free(record);
    return known;
}

/* Its own record is kept too: by it a subscription sees that the stream was not rewound. 1: all
 * are needed. */
static uint64_t need_of(const struct sp_config *config, const sp_name *consumer,
                        const sp_name *stream)
{
    char dir[SP_PATH_SIZE];
    struct sp_state_file file = {.dir = dir,
                                 .name = consumer->s,
                                 .installation = config->platform.installation.s};

    sp_config_instance_dir(config, consumer->s, dir);
    struct places older = read_snapshot(&file, true, stream);
    struct places newer = read_snapshot(&file, false, stream);
    uint64_t need = read_cursor(dir, consumer, stream, newer.noted > 0 ? newer.noted : 0);
    if (need == 0) need = newer.cursor;
    if (need == 0) return 1;
    if (!is_strategy(consumer) && !sp_name_is(consumer, "health")) return need;
    /* They fold the facts themselves, from where a snapshot has them. */
    if (older.place == 0 || newer.place == 0) return 1;
    if (older.place < need) need = older.place;
    return newer.place < need ? newer.place : need;
}

/* ---- All of them ---- */

static void consider(const struct sp_config *config, const sp_name *consumer, const sp_name *stream,
                     struct sp_need *lowest)
{
    if (!sp_consumes(consumer, stream)) return;
    uint64_t need = need_of(config, consumer, stream);
    if (need >= lowest->seq) return;
    lowest->seq = need;
    lowest->who = *consumer;
}

sp_status sp_consumers_need(const struct sp_config *config, const sp_name *stream,
                            struct sp_need *out, struct sp_err *err)
{
    struct sp_instance instances[SP_INSTANCES_MAX];
    struct sp_need lowest = {.seq = UINT64_MAX};
    uint32_t count = sp_config_instances(config, instances);
    DIR *folder = opendir(config->platform.data_dir);

    if (folder == NULL) {
        return SP_FAIL(err, SP_IO, "cannot read %s: %s", config->platform.data_dir,
                       strerror(errno));
    }
    for (uint32_t i = 0; i < count; i++)
        consider(config, &instances[i].name, stream, &lowest);
    /* Also who is not configured now: a strategy that rests would find its facts gone. */
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        sp_name name = {{0}};
        if (entry->d_name[0] == '.' || !sp_name_set(&name, entry->d_name)) continue;
        consider(config, &name, stream, &lowest);
    }
    closedir(folder);
    *out = lowest;
    return SP_OK;
}
