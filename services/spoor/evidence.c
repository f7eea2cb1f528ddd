#include "services/spoor/evidence.h"

#include "services/spoor/memory.h"

#include "common/journal/journal_lookup.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_MAX_BYTES 1024
#define BUCKETS        4096

/* The market clock ran from here, at this speed. */
struct anchor {
    sp_wall wall, market;
    sp_ratio speed;
};

/* A record that was asked for. */
struct parsed {
    uint32_t item;
    struct sp_record *record; /* NULL if it cannot be read */
    struct parsed *next;
};

/* The items that mention an id that was asked for. */
struct asked {
    struct sp_evidence_id id;
    struct sp_lookup_numbers items;
    struct asked *next;
};

struct journal {
    struct sp_lookup *lookup; /* NULL if nothing could be read */
    uint32_t base;            /* its first item */
};

struct sp_evidence {
    uint32_t stream_count, item_count;
    struct sp_evidence_stream streams[SP_EVIDENCE_STREAMS_MAX];
    struct journal journals[SP_EVIDENCE_STREAMS_MAX];
    struct parsed *parsed[BUCKETS];
    struct asked *asked[BUCKETS];
    struct sp_evidence_item item; /* that was asked for last */
    size_t anchor_count, anchor_cap;
    struct anchor *anchors;
};

/* Room for one more. */
static void *grown(void *at, size_t count, size_t *cap, size_t size)
{
    if (count < *cap) return at;
    *cap = *cap == 0 ? 256 : *cap * 2;
    return sp_memory(reallocarray(at, *cap, size));
}

static void *zeroed(size_t size)
{
    return sp_memory(calloc(1, size));
}

static void add_anchor(struct sp_evidence *e, const struct sp_feed *feed)
{
    if (feed->anchor_wall.ns == 0 || feed->anchor_market.ns == 0) return;
    e->anchors = grown(e->anchors, e->anchor_count, &e->anchor_cap, sizeof *e->anchors);
    e->anchors[e->anchor_count++] = (struct anchor){.wall = feed->anchor_wall,
                                                    .market = feed->anchor_market,
                                                    .speed = feed->speed};
}

/* The market's time at a moment behind the anchor. */
static sp_wall market_by(const struct anchor *anchor, sp_wall wall)
{
    __int128 passed = (__int128)(wall.ns - anchor->wall.ns) * anchor->speed.e8 / SP_FX_ONE;
    __int128 market = anchor->market.ns + passed;

    return market > 0 && market < INT64_MAX ? (sp_wall){(int64_t)market} : wall;
}

/* The anchors of the market clock, which are few. */
static void add_anchors(struct sp_evidence *e)
{
    uint32_t *items = NULL;
    const enum sp_kind kind = SP_REC_FEED_STARTED;
    uint32_t count = sp_evidence_of_kinds(e, &kind, 1, &items);

    for (uint32_t i = 0; i < count; i++) {
        const struct sp_record *record = sp_evidence_record(e, items[i]);
        if (record != NULL) add_anchor(e, &record->body.feed);
    }
    free(items);
}

static void note_begin(struct sp_evidence_stream *stream, const char *dir, struct sp_lookup *lookup)
{
    struct sp_segment_list list;
    struct sp_index_record oldest;

    sp_status status = sp_segment_list_read(dir, &list, NULL);
    if (status == SP_NO_MEMORY) sp_memory_end();
    if (status != SP_OK) return;
    stream->first_seq = list.first[0];
    sp_segment_list_free(&list);
    if (stream->first_seq > 1 && sp_lookup_count(lookup) > 0 &&
        sp_lookup_record(lookup, 0, &oldest))
        stream->first_time = oldest.time;
}

static void read_dir(struct sp_evidence *e, const char *data_dir, const char *name)
{
    struct sp_lookup *lookup = NULL;
    struct sp_err err = {0};
    char path[PATH_MAX_BYTES];

    if (e->stream_count == SP_EVIDENCE_STREAMS_MAX) return;
    int n = snprintf(path, sizeof path, "%s/%s", data_dir, name);
    if (n < 0 || (size_t)n >= sizeof path) return;
    sp_status status = sp_lookup_open(path, &lookup, &err);
    if (status == SP_NOT_FOUND) return; /* not a journal */
    if (status == SP_NO_MEMORY) sp_memory_end();
    struct sp_evidence_stream *stream = &e->streams[e->stream_count];
    *stream = (struct sp_evidence_stream){0};
    e->journals[e->stream_count] = (struct journal){lookup, e->item_count};
    if (lookup != NULL) stream->name = sp_lookup_stream(lookup);
    if (sp_name_is_empty(&stream->name) && !sp_name_set(&stream->name, name))
        stream->name = sp_name_of("unnamed");
    if (lookup != NULL) {
        stream->records = sp_lookup_records(lookup);
        note_begin(stream, path, lookup);
        e->item_count += sp_lookup_count(lookup);
    }
    snprintf(stream->damage, sizeof stream->damage, "%s",
             status != SP_OK ? err.text : sp_lookup_damage(lookup));
    e->stream_count++;
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
    struct sp_evidence *e = zeroed(sizeof *e);
    for (int i = 0; i < count; i++) {
        read_dir(e, data_dir, names[i]->d_name);
        free(names[i]);
    }
    free(names);
    if (e->stream_count == 0) {
        sp_evidence_free(e);
        return SP_FAIL(err, SP_NOT_FOUND, "%s holds no journal", data_dir);
    }
    add_anchors(e);
    *out = e;
    return SP_OK;
}

void sp_evidence_free(struct sp_evidence *e)
{
    if (e == NULL) return;
    for (uint32_t i = 0; i < e->stream_count; i++)
        sp_lookup_close(e->journals[i].lookup);
    for (uint32_t i = 0; i < BUCKETS; i++) {
        for (struct parsed *at = e->parsed[i], *next; at != NULL; at = next) {
            next = at->next;
            free(at->record);
            free(at);
        }
        for (struct asked *at = e->asked[i], *next; at != NULL; at = next) {
            next = at->next;
            free(at->items.at);
            free(at);
        }
    }
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

/* What could not be read may be there: no answer without it. */
static void check_memory(const struct sp_evidence *e, uint32_t stream)
{
    if (sp_lookup_is_short(e->journals[stream].lookup)) sp_memory_end();
}

/* The journal that an item is in. */
static uint32_t stream_of(const struct sp_evidence *e, uint32_t item)
{
    uint32_t i = e->stream_count - 1;

    SP_ASSERT(item < e->item_count);
    while (e->journals[i].base > item || e->journals[i].lookup == NULL)
        i--;
    return i;
}

const struct sp_evidence_item *sp_evidence_item(struct sp_evidence *e, uint32_t item)
{
    uint32_t stream = stream_of(e, item);
    struct sp_index_record record = {0};

    e->item = (struct sp_evidence_item){.stream = stream};
    if (sp_lookup_record(e->journals[stream].lookup, item - e->journals[stream].base, &record))
        e->item = (struct sp_evidence_item){stream, record.kind, record.seq, record.time};
    check_memory(e, stream);
    return &e->item;
}

/* What has become damaged since it was loaded, or was not looked at then. */
static void note_damage(struct sp_evidence *e, uint32_t stream)
{
    check_memory(e, stream);
    snprintf(e->streams[stream].damage, sizeof e->streams[stream].damage, "%s",
             sp_lookup_damage(e->journals[stream].lookup));
}

static struct sp_record *parse_item(struct sp_evidence *e, uint32_t item)
{
    uint32_t stream = stream_of(e, item);
    struct sp_line_meta meta;
    size_t len = 0;

    const char *line =
        sp_lookup_line(e->journals[stream].lookup, item - e->journals[stream].base, &len);
    if (line == NULL) {
        note_damage(e, stream);
        return NULL;
    }
    struct sp_record *record = zeroed(sizeof *record);
    if (sp_json_decode_line(line, len, &e->streams[stream].name, record, &meta, NULL) == SP_OK)
        return record;
    free(record);
    return NULL;
}

const struct sp_record *sp_evidence_record(struct sp_evidence *e, uint32_t item)
{
    struct parsed **bucket = &e->parsed[item % BUCKETS];

    for (struct parsed *at = *bucket; at != NULL; at = at->next)
        if (at->item == item) return at->record;
    struct parsed *added = zeroed(sizeof *added);
    *added = (struct parsed){item, parse_item(e, item), *bucket};
    *bucket = added;
    return added->record;
}

const struct sp_record *sp_evidence_at(struct sp_evidence *e, const struct sp_ref *ref)
{
    for (uint32_t i = 0; i < e->stream_count; i++) {
        struct journal *journal = &e->journals[i];
        if (journal->lookup == NULL || !sp_name_eq(&e->streams[i].name, &ref->stream)) continue;
        uint32_t number = sp_lookup_seek(journal->lookup, ref->seq);
        check_memory(e, i);
        if (number == sp_lookup_count(journal->lookup)) return NULL;
        const struct sp_record *record = sp_evidence_record(e, journal->base + number);
        if (record == NULL || record->seq != ref->seq) return NULL;
        return ref->epoch == 0 || record->epoch == ref->epoch ? record : NULL;
    }
    return NULL;
}

/* ---- Ids ---- */

static void find_in_all(struct sp_evidence *e, struct sp_id id, unsigned bits,
                        struct sp_lookup_mentions *out)
{
    for (uint32_t i = 0; i < e->stream_count; i++) {
        uint32_t before = out->count;
        if (e->journals[i].lookup == NULL) continue;
        sp_status status = sp_lookup_find(e->journals[i].lookup, id, bits, out);
        if (status == SP_NO_MEMORY) sp_memory_end();
        check_memory(e, i);
        for (uint32_t n = before; n < out->count; n++)
            out->at[n].record += e->journals[i].base;
    }
}

static bool same_id(const struct sp_index_mention *a, enum sp_id_type type, struct sp_id id)
{
    return a->type == type && a->id.hi == id.hi && a->id.lo == id.lo;
}

const uint32_t *sp_evidence_of_id(struct sp_evidence *e, enum sp_id_type type, struct sp_id id,
                                  uint32_t *count)
{
    struct asked **bucket = &e->asked[id.lo % BUCKETS];
    struct sp_lookup_mentions mentions = {0};

    for (struct asked *at = *bucket; at != NULL; at = at->next) {
        if (at->id.type != type || at->id.id.hi != id.hi || at->id.id.lo != id.lo) continue;
        *count = at->items.count;
        return at->items.at;
    }
    find_in_all(e, id, 128, &mentions);
    struct asked *asked = zeroed(sizeof *asked);
    *asked = (struct asked){.id = {.type = type, .id = id}, .next = *bucket};
    *bucket = asked;
    asked->items.at = zeroed((mentions.count + 1) * sizeof *asked->items.at);
    for (uint32_t i = 0; i < mentions.count; i++)
        if (same_id(&mentions.at[i], type, id))
            asked->items.at[asked->items.count++] = mentions.at[i].record;
    free(mentions.at);
    *count = asked->items.count;
    return asked->items.at;
}

static int compare_mentions(const void *a_, const void *b_)
{
    const struct sp_index_mention *a = a_, *b = b_;

    if (a->type != b->type) return a->type < b->type ? -1 : 1;
    if (a->id.hi != b->id.hi) return a->id.hi < b->id.hi ? -1 : 1;
    return a->id.lo < b->id.lo ? -1 : a->id.lo > b->id.lo;
}

/* The id whose last digits these are, with zeros before them, and how many bits that says. */
static bool last_bits(const char *digits, struct sp_id *id, unsigned *bits)
{
    char text[SP_ID_TEXT_SIZE] = "trd_00000000000000000000000000";
    size_t len = strlen(digits), room = strlen(text) - 4;

    if (len > room) return false;
    memcpy(text + 4 + room - len, digits, len);
    *bits = len * 5 > 128 ? 128 : (unsigned)len * 5;
    *id = (struct sp_id){0};
    /* All zeros are no id, but may be the end of one. */
    return sp_id_parse(SP_ID_TRD, text, strlen(text), id) || strspn(digits, "0") == len;
}

uint32_t sp_evidence_find_ids(struct sp_evidence *e, enum sp_id_type type, const char *digits,
                              struct sp_evidence_id *out, uint32_t max)
{
    struct sp_lookup_mentions mentions = {0};
    struct sp_id id = {0};
    unsigned bits = 0;
    uint32_t found = 0;

    if (!last_bits(digits, &id, &bits)) return 0;
    if (bits > 0) {
        find_in_all(e, id, bits, &mentions);
    } else { /* any: those that end with 0, and those that end with 1 */
        find_in_all(e, id, 1, &mentions);
        find_in_all(e, (struct sp_id){.lo = 1}, 1, &mentions);
    }
    if (mentions.count > 0)
        qsort(mentions.at, mentions.count, sizeof *mentions.at, compare_mentions);
    for (uint32_t i = 0; i < mentions.count; i++) {
        const struct sp_index_mention *m = &mentions.at[i];
        if (type != SP_ID_TYPE_COUNT && m->type != type) continue;
        if (i > 0 && compare_mentions(&m[-1], m) == 0) continue;
        if (found < max) out[found] = (struct sp_evidence_id){.type = m->type, .id = m->id};
        found++;
    }
    free(mentions.at);
    return found;
}

bool sp_evidence_with_text(struct sp_evidence *e, struct sp_evidence_id id, const char *text,
                           uint32_t *item)
{
    uint32_t count = 0;
    const uint32_t *items = sp_evidence_of_id(e, id.type, id.id, &count);

    for (uint32_t i = 0; i < count; i++) {
        uint32_t stream = stream_of(e, items[i]);
        size_t len = 0;
        const char *line =
            sp_lookup_line(e->journals[stream].lookup, items[i] - e->journals[stream].base, &len);
        check_memory(e, stream);
        if (line == NULL || memmem(line, len, text, strlen(text)) == NULL) continue;
        *item = items[i];
        return true;
    }
    return false;
}

/* ---- Kinds ---- */

static int compare_items(const void *a_, const void *b_)
{
    uint32_t a = *(const uint32_t *)a_, b = *(const uint32_t *)b_;

    return (a > b) - (a < b);
}

/* What a segment is asked for. */
struct wanted {
    const struct sp_evidence *evidence;
    struct sp_evidence_span span;
};

static bool overlap(sp_wall first, sp_wall last, struct sp_evidence_span span)
{
    return first.ns <= span.to.ns && last.ns >= span.from.ns;
}

/* The market clock may run from each anchor on, forwards or not at all. */
static bool may_hold(const void *ctx, sp_wall earliest, sp_wall latest)
{
    const struct wanted *wanted = ctx;

    if (overlap(earliest, latest, wanted->span)) return true;
    for (size_t i = 0; i < wanted->evidence->anchor_count; i++) {
        const struct anchor *anchor = &wanted->evidence->anchors[i];
        sp_wall first = anchor->wall.ns > earliest.ns ? anchor->wall : earliest;
        if (first.ns > latest.ns) continue;
        if (overlap(market_by(anchor, first), market_by(anchor, latest), wanted->span)) return true;
    }
    return false;
}

uint32_t sp_evidence_of_kinds_in(struct sp_evidence *e, const enum sp_kind *kinds, uint32_t count,
                                 struct sp_evidence_span span, uint32_t **out)
{
    struct wanted wanted = {e, span};
    struct sp_lookup_numbers all = {0};

    for (uint32_t i = 0; i < e->stream_count; i++) {
        uint32_t before = all.count;
        if (e->journals[i].lookup == NULL) continue;
        for (uint32_t k = 0; k < count; k++) {
            sp_status status =
                sp_lookup_kind_in(e->journals[i].lookup, kinds[k], may_hold, &wanted, &all);
            if (status == SP_NO_MEMORY) sp_memory_end();
            check_memory(e, i);
        }
        for (uint32_t n = before; n < all.count; n++)
            all.at[n] += e->journals[i].base;
    }
    if (all.count > 0) qsort(all.at, all.count, sizeof *all.at, compare_items);
    *out = all.at;
    return all.count;
}

uint32_t sp_evidence_of_kinds(struct sp_evidence *e, const enum sp_kind *kinds, uint32_t count,
                              uint32_t **out)
{
    struct sp_evidence_span ever = {{INT64_MIN}, {INT64_MAX}};

    return sp_evidence_of_kinds_in(e, kinds, count, ever, out);
}

bool sp_evidence_newest(struct sp_evidence *e, enum sp_kind kind, uint32_t *item)
{
    int64_t newest_ns = 0;
    bool found = false;

    for (uint32_t i = 0; i < e->stream_count; i++) {
        uint32_t number = 0;
        if (e->journals[i].lookup == NULL) continue;
        bool has = sp_lookup_newest(e->journals[i].lookup, kind, &number);
        check_memory(e, i);
        if (!has) continue;
        /* Later in the same stream always wins: clocks may repeat, sequences do not. */
        int64_t time_ns = sp_evidence_item(e, e->journals[i].base + number)->time.ns;
        if (found && newest_ns > time_ns) continue;
        *item = e->journals[i].base + number;
        newest_ns = time_ns;
        found = true;
    }
    return found;
}

sp_wall sp_evidence_market_time(const struct sp_evidence *e, sp_wall wall)
{
    const struct anchor *anchor = NULL;

    for (size_t i = 0; i < e->anchor_count; i++) {
        if (e->anchors[i].wall.ns <= wall.ns) anchor = &e->anchors[i];
    }
    return anchor != NULL ? market_by(anchor, wall) : wall;
}
