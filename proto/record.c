#include "proto/record.h"

#include <stdio.h>
#include <string.h>

static const struct sp_kind_info kinds[SP_KIND_NUMBER_MAX + 1] = {
#define ROOT   false
#define CAUSED true
#define KIND(name_, number_, dto_, writer_, durability_, cause_)                                   \
    [number_] = {.name = #name_,                                                                   \
                 .dto = SP_DTO_##dto_,                                                             \
                 .writer = (writer_),                                                              \
                 .durability = SP_DURABLE_##durability_,                                           \
                 .needs_cause = (cause_)},
#include "proto/kinds.def"
#undef KIND
#undef ROOT
#undef CAUSED
};

const struct sp_kind_info *sp_kind_info(uint32_t kind)
{
    return kind <= SP_KIND_NUMBER_MAX && kinds[kind].name != NULL ? &kinds[kind] : NULL;
}

const char *sp_kind_name(uint32_t kind)
{
    const struct sp_kind_info *info = sp_kind_info(kind);

    return info != NULL ? info->name : "?";
}

/* Journals are scanned by the million: the lengths sort out nearly all names. */
static const uint8_t name_lens[SP_KIND_NUMBER_MAX + 1] = {
#define KIND(name_, number_, dto_, writer_, durability_, cause_) [number_] = sizeof(#name_) - 1,
#include "proto/kinds.def"
#undef KIND
};

bool sp_kind_parse(const char *name, size_t len_bytes, enum sp_kind *out)
{
    if (len_bytes == 0) return false;
    for (unsigned i = 1; i <= SP_KIND_NUMBER_MAX; i++) {
        if (name_lens[i] != len_bytes) continue;
        if (memcmp(kinds[i].name, name, len_bytes) == 0) {
            *out = (enum sp_kind)i;
            return true;
        }
    }
    return false;
}

const char *sp_ref_format(const struct sp_ref *ref, char buf[SP_REF_TEXT_SIZE])
{
    buf[0] = '\0';
    if (!sp_ref_is_none(ref)) {
        snprintf(buf, SP_REF_TEXT_SIZE, "%s/%" PRIu32 ":%" PRIu64, ref->stream.s, ref->epoch,
                 ref->seq);
    }
    return buf;
}

/* Digits without sign or leading zero, up to max. */
static bool parse_uint(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;

    if (len == 0 || len > 20 || (len > 1 && text[0] == '0')) return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9') return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (value > (max - digit) / 10) return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool sp_ref_parse(const char *text, size_t len_bytes, struct sp_ref *out)
{
    struct sp_ref ref = {0};
    uint64_t epoch = 0;
    const char *slash = memchr(text, '/', len_bytes);

    if (slash == NULL) return false;
    size_t rest = len_bytes - (size_t)(slash - text) - 1;
    const char *colon = memchr(slash + 1, ':', rest);
    if (colon == NULL) return false;
    size_t epoch_len = (size_t)(colon - slash) - 1;
    if (!sp_name_set_n(&ref.stream, text, (size_t)(slash - text))) return false;
    if (sp_name_is_empty(&ref.stream)) return false;
    if (!parse_uint(slash + 1, epoch_len, UINT32_MAX, &epoch)) return false;
    if (!parse_uint(colon + 1, rest - epoch_len - 1, UINT64_MAX, &ref.seq)) return false;
    ref.epoch = (uint32_t)epoch;
    *out = ref;
    return true;
}

bool sp_ref_eq(const struct sp_ref *a, const struct sp_ref *b)
{
    return a->seq == b->seq && a->epoch == b->epoch && sp_name_eq(&a->stream, &b->stream);
}

struct sp_ref sp_record_ref(const struct sp_record *record)
{
    return (struct sp_ref){.stream = record->stream, .epoch = record->epoch, .seq = record->seq};
}

void sp_record_add_cause(struct sp_record *record, const struct sp_ref *cause)
{
    if (sp_ref_is_none(cause) || record->by_count == SP_CAUSES_MAX) return;
    for (uint32_t i = 0; i < record->by_count; i++) {
        if (sp_ref_eq(&record->by[i], cause)) return;
    }
    record->by[record->by_count++] = *cause;
}
