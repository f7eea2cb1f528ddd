#include "proto/enums.h"

#include <string.h>

/* clang-format off */
#define NAME(P, name) #name,
#define E(tag, TAG) static const char *const tag##_names[] = {"", SP_VALUES_##TAG(NAME, TAG)};
SP_ENUM_MAP(E)
#undef E
#undef NAME

static const struct {
    const char *const *names;
    uint8_t count;
} enums[SP_ENUM_COUNT] = {
#define E(tag, TAG) [SP_ENUM_##TAG] = {tag##_names, SP_##TAG##_COUNT},
    SP_ENUM_MAP(E)
#undef E
};
/* clang-format on */

const char *sp_enum_name(enum sp_enum which, uint8_t value)
{
    SP_ASSERT((unsigned)which < SP_ENUM_COUNT);
    return value < enums[which].count ? enums[which].names[value] : NULL;
}

bool sp_enum_parse(enum sp_enum which, const char *name, size_t len_bytes, uint8_t *out)
{
    SP_ASSERT((unsigned)which < SP_ENUM_COUNT);
    for (uint8_t i = 0; i < enums[which].count; i++) {
        const char *known = enums[which].names[i];
        if (strlen(known) == len_bytes && memcmp(known, name, len_bytes) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

uint8_t sp_enum_count(enum sp_enum which)
{
    SP_ASSERT((unsigned)which < SP_ENUM_COUNT);
    return enums[which].count;
}
