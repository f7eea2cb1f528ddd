#include "services/spoor/evidence.h"

#include "common/journal/journal.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 1024

/* An id in a record; sorted by type, id and item. */
struct mention {
    enum sp_id_type type;
    struct sp_id id;
    uint32_t item;
};

struct line {
    struct sp_evidence_item item;
    char *text;
    size_t len_bytes;
    struct sp_record *record; /* parsed on demand */
};

/* The market clock ran from here, at this speed. */
struct anchor {
    sp_wall wall, market;
    sp_ratio speed;
};

struct sp_evidence {
    uint32_t stream_count;
    struct sp_evidence_stream streams[SP_EVIDENCE_STREAMS_MAX];
    uint32_t line_count;
    size_t line_cap;
    struct line *lines;
    size_t mention_count, mention_cap;
    struct mention *mentions;
    uint32_t *by_mention; /* the items of `mentions`, in its order */
    size_t anchor_count, anchor_cap;
    struct anchor *anchors;
};

/* Room for one more; asserts memory: the command line ends without it. */
static void *grown(void *at, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return at;
    *cap = *cap == 0 ? 256 : *cap * 2;
    void *bigger = reallocarray(at, *cap, size);
    SP_ASSERT(bigger != NULL);
    return bigger;
}

static void add_mention(struct sp_evidence *e, enum sp_id_type type, struct sp_id id)
{
    if (id.hi == 0 && id.lo == 0) return;
    e->mentions = grown(e->mentions, e->mention_count, &e->mention_cap, sizeof *e->mentions);
    e->mentions[e->mention_count++] =
        (struct mention){.type = type, .id = id, .item = e->line_count};
}

/* All sp_xxx_ids have this layout. */
struct id_list {
    uint32_t count;
    struct sp_id at[SP_IDS_MAX];
};
_Static_assert(sizeof(struct id_list) == sizeof(sp_trd_ids), "lists of ids are alike");

static void add_mentions(struct sp_evidence *e, const struct sp_record *record)
{
    const struct sp_schema *schema = sp_schema_of(sp_kind_info(record->kind)->dto);

    for (uint32_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        const char *at = (const char *)&record->body + field->offset;
        if (sp_kind_is_id(field->kind)) {
            struct sp_id id;
            memcpy(&id, at, sizeof id);
            add_mention(e, (enum sp_id_type)((int)field->kind - SP_KIND_ID_FIRST - 1), id);
        } else if (sp_kind_is_ids(field->kind)) {
            struct id_list ids;
            memcpy(&ids, at, sizeof ids);
            for (uint32_t n = 0; n < ids.count; n++)
                add_mention(e, (enum sp_id_type)((int)field->kind - SP_KIND_IDS_FIRST - 1),
                            ids.at[n]);
        }
    }
}

static void add_anchor(struct sp_evidence *e, const struct sp_feed *feed)
{
    if (feed->anchor_wall.ns == 0 || feed->anchor_market.ns == 0) return;
    e->anchors = grown(e->anchors, e->anchor_count, &e->anchor_cap, sizeof *e->anchors);
    e->anchors[e->anchor_count++] = (struct anchor){.wall = feed->anchor_wall,
                                                    .market = feed->anchor_market,
                                                    .speed = feed->speed};
}

static void add_line(struct sp_evidence *e, const struct sp_record *record, const char *text,
                     size_t len)
{
    e->lines = grown(e->lines, e->line_count, &e->line_cap, sizeof *e->lines);
    struct line *line = &e->lines[e->line_count];
    *line = (struct line){.item = {.stream = e->stream_count,
                                   .kind = record->kind,
                                   .epoch = record->epoch,
                                   .seq = record->seq,
                                   .time = record->time},
                          .text = strndup(text, len),
                          .len_bytes = len};
    SP_ASSERT(line->text != NULL);
    if (record->kind == SP_REC_FEED_STARTED) add_anchor(e, &record->body.feed);
    if (sp_kind_info(record->kind) != NULL) add_mentions(e, record);
    e->line_count++;
}

static void read_journal(struct sp_evidence *e, struct sp_journal_reader *reader,
                         struct sp_evidence_stream *stream)
{
    static struct sp_record record;
    struct sp_err err = {0};
    sp_status status;
    size_t len = 0;

    while ((status = sp_journal_reader_next(reader, &record, NULL, &err)) == SP_OK) {
        stream->name = record.stream;
        stream->records++;
        if (record.kind == SP_REC_CURSOR) continue;
        const char *text = sp_journal_reader_line(reader, &len);
        add_line(e, &record, text, len);
    }
    if (status != SP_AGAIN)
        snprintf(stream->damage, sizeof stream->damage, "%s",
                 err.text[0] != '\0' ? err.text : sp_status_text(status));
}

static void read_dir(struct sp_evidence *e, const char *data_dir, const char *name)
{
    struct sp_journal_reader *reader = NULL;
    struct sp_err err = {0};
    char path[PATH_MAX_BYTES];

    if (e->stream_count == SP_EVIDENCE_STREAMS_MAX) return;
    int n = snprintf(path, sizeof path, "%s/%s", data_dir, name);
    if (n < 0 || (size_t)n >= sizeof path) return;
    struct sp_evidence_stream *stream = &e->streams[e->stream_count];
    *stream = (struct sp_evidence_stream){0};
    sp_status status = sp_journal_reader_open(path, NULL, 0, &reader, &err);
    if (status == SP_NOT_FOUND) return; /* not a journal */
    if (!sp_name_set(&stream->name, name)) stream->name = sp_name_of("unnamed");
    if (status == SP_OK) {
        read_journal(e, reader, stream);
        sp_journal_reader_close(reader);
    } else {
        snprintf(stream->damage, sizeof stream->damage, "%s", err.text);
    }
    e->stream_count++;
}

static int compare_id(enum sp_id_type a_type, struct sp_id a, enum sp_id_type b_type,
                      struct sp_id b)
{
    if (a_type != b_type) return a_type < b_type ? -1 : 1;
    if (a.hi != b.hi) return a.hi < b.hi ? -1 : 1;
    if (a.lo != b.lo) return a.lo < b.lo ? -1 : 1;
    return 0;
}

static int compare_mentions(const void *a_, const void *b_)
{
    const struct mention *a = a_, *b = b_;
    int order = compare_id(a->type, a->id, b->type, b->id);

    if (order != 0) return order;
    return a->item < b->item ? -1 : a->item > b->item;
}

/* Sorts, and drops what a record says twice. */
static void index_mentions(struct sp_evidence *e)
{
    size_t kept = 0;

    if (e->mention_count > 0)
        qsort(e->mentions, e->mention_count, sizeof *e->mentions, compare_mentions);
    for (size_t i = 0; i < e->mention_count; i++) {
        if (kept > 0 && compare_mentions(&e->mentions[kept - 1], &e->mentions[i]) == 0) continue;
        e->mentions[kept++] = e->mentions[i];
    }
    e->mention_count = kept;
    e->by_mention = calloc(kept + 1, sizeof *e->by_mention);
    SP_ASSERT(e->by_mention != NULL);
    for (size_t i = 0; i < kept; i++)
        e->by_mention[i] = e->mentions[i].item;
}

static int is_dir_name(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

sp_status sp_evidence_load(const char *data_dir, struct sp_evidence **out, struct sp_err *err)
{
    struct dirent **names = NULL;
    int count = scandir(data_dir, &names, is_dir_name, alphasort);

    if (count < 0) {
        sp_status status = errno == ENOENT || errno == ENOTDIR ? SP_NOT_FOUND : SP_IO;
        return SP_FAIL(err, status, "%s: %s", data_dir, strerror(errno));
    }
    struct sp_evidence *e = calloc(1, sizeof *e);
    SP_ASSERT(e != NULL);
    for (int i = 0; i < count; i++) {
        read_dir(e, data_dir, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (e->stream_count == 0) {
        sp_evidence_free(e);
        return SP_FAIL(err, SP_NOT_FOUND, "%s holds no journal", data_dir);
    }
    index_mentions(e);
    *out = e;
    return SP_OK;
}

void sp_evidence_free(struct sp_evidence *e)
{
    if (e == NULL) return;
    for (uint32_t i = 0; i < e->line_count; i++) {
        free(e->lines[i].text);
        free(e->lines[i].record);
    }
    free(e->lines);
    free(e->mentions);
    free(e->by_mention);
    free(e->anchors);
    free(e);
}

uint32_t sp_evidence_streams(const struct sp_evidence *e)
{
    return e->stream_count;
}

const struct sp_evidence_stream *sp_evidence_stream(const struct sp_evidence *e, uint32_t index)
{
    SP_ASSERT(index < e->stream_count);
    return &e->streams[index];
}

uint32_t sp_evidence_count(const struct sp_evidence *e)
{
    return e->line_count;
}

const struct sp_evidence_item *sp_evidence_item(const struct sp_evidence *e, uint32_t item)
{
    SP_ASSERT(item < e->line_count);
    return &e->lines[item].item;
}

const struct sp_record *sp_evidence_record(struct sp_evidence *e, uint32_t item)
{
    struct sp_line_meta meta;

    SP_ASSERT(item < e->line_count);
    struct line *line = &e->lines[item];
    if (line->record != NULL) return line->record;
    line->record = calloc(1, sizeof *line->record);
    SP_ASSERT(line->record != NULL);
    sp_status status =
        sp_json_decode_line(line->text, line->len_bytes, &e->streams[line->item.stream].name,
                            line->record, &meta, NULL);
    if (status == SP_OK) return line->record;
    free(line->record);
    line->record = NULL;
    return NULL;
}

const struct sp_record *sp_evidence_at(struct sp_evidence *e, const struct sp_ref *ref)
{
    /* Within a stream the sequence ascends. */
    uint32_t low = 0, high = e->line_count;

    while (low < high) {
        uint32_t mid = low + (high - low) / 2;
        const struct sp_evidence_item *item = &e->lines[mid].item;
        int order = strcmp(e->streams[item->stream].name.s, ref->stream.s);
        if (order < 0 || (order == 0 && item->seq < ref->seq)) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    if (low == e->line_count) return NULL;
    const struct sp_evidence_item *item = &e->lines[low].item;
    bool same = item->seq == ref->seq && (ref->epoch == 0 || item->epoch == ref->epoch) &&
                sp_name_eq(&e->streams[item->stream].name, &ref->stream);
    return same ? sp_evidence_record(e, low) : NULL;
}

/* First mention that is not below. */
static size_t lower_bound(const struct sp_evidence *e, enum sp_id_type type, struct sp_id id)
{
    size_t low = 0, high = e->mention_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (compare_id(e->mentions[mid].type, e->mentions[mid].id, type, id) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

const uint32_t *sp_evidence_of_id(const struct sp_evidence *e, enum sp_id_type type,
                                  struct sp_id id, uint32_t *count)
{
    size_t first = lower_bound(e, type, id), end = first;

    while (end < e->mention_count &&
           compare_id(e->mentions[end].type, e->mentions[end].id, type, id) == 0)
        end++;
    *count = (uint32_t)(end - first);
    return e->by_mention + first;
}

uint32_t sp_evidence_find_ids(const struct sp_evidence *e, enum sp_id_type type, const char *digits,
                              struct sp_evidence_id *out, uint32_t max)
{
    size_t want = strlen(digits);
    uint32_t found = 0;

    for (size_t i = 0; i < e->mention_count; i++) {
        const struct mention *m = &e->mentions[i];
        char text[SP_ID_TEXT_SIZE];
        if (type != SP_ID_TYPE_COUNT && m->type != type) continue;
        if (i > 0 && compare_id(m[-1].type, m[-1].id, m->type, m->id) == 0) continue;
        size_t len = strlen(sp_id_digits(m->id, text));
        if (want > len || strcmp(text + len - want, digits) != 0) continue;
        if (found < max) out[found] = (struct sp_evidence_id){.type = m->type, .id = m->id};
        found++;
    }
    return found;
}

bool sp_evidence_newest(const struct sp_evidence *e, enum sp_kind kind, uint32_t *item)
{
    bool found = false;

    for (uint32_t i = 0; i < e->line_count; i++) {
        const struct sp_evidence_item *at = &e->lines[i].item;
        if (at->kind != kind) continue;
        /* Later in the same stream always wins: clocks may repeat, sequences do not. */
        if (found && e->lines[*item].item.stream != at->stream &&
            e->lines[*item].item.time.ns > at->time.ns)
            continue;
        *item = i;
        found = true;
    }
    return found;
}

bool sp_evidence_with_text(const struct sp_evidence *e, const char *text, uint32_t *item)
{
    for (uint32_t i = 0; i < e->line_count; i++) {
        if (strstr(e->lines[i].text, text) == NULL) continue;
        *item = i;
        return true;
    }
    return false;
}

sp_wall sp_evidence_market_time(const struct sp_evidence *e, sp_wall wall)
{
    const struct anchor *anchor = NULL;

    for (size_t i = 0; i < e->anchor_count; i++) {
        if (e->anchors[i].wall.ns <= wall.ns) anchor = &e->anchors[i];
    }
    if (anchor == NULL) return wall;
    __int128 passed = (__int128)(wall.ns - anchor->wall.ns) * anchor->speed.e8 / SP_FX_ONE;
    __int128 market = anchor->market.ns + passed;
    return market > 0 && market < INT64_MAX ? (sp_wall){(int64_t)market} : wall;
}
