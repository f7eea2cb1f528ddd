#include "services/venue/faults.h"

#include <stdio.h>
#include <string.h>

/* clang-format off */
static const struct {
    const char *text, *on;
    enum sp_fault_place place;
} kinds[SP_FAULT_KINDS] = {
#define F(name, text_, place_, on_) [SP_FAULT_##name] = {text_, on_, SP_FAULT_AT_##place_},
    SP_FAULT_MAP(F)
#undef F
};
/* clang-format on */

enum sp_fault_kind sp_fault_kind_of(const char *text)
{
    for (enum sp_fault_kind kind = 0; kind < SP_FAULT_KINDS; kind++) {
        if (strcmp(kinds[kind].text, text) == 0) return kind;
    }
    return SP_FAULT_KINDS;
}

const char *sp_fault_name(enum sp_fault_kind kind)
{
    SP_ASSERT(kind < SP_FAULT_KINDS);
    return kinds[kind].text;
}

uint64_t sp_faults_add(struct sp_faults *faults, const struct sp_fault *fault)
{
    SP_ASSERT(fault->kind < SP_FAULT_KINDS);
    if (faults->count == SP_FAULTS_MAX) return 0;
    struct sp_fault *to = &faults->at[faults->count++];
    *to = *fault;
    to->id = ++faults->last_id;
    to->hits = 0;
    to->random = (fault->seed + 1) * UINT64_C(0x9e3779b97f4a7c15) | 1; /* never zero */
    if (to->on[0] == '\0') snprintf(to->on, sizeof to->on, "%s", kinds[to->kind].on);
    return to->id;
}

bool sp_faults_clear(struct sp_faults *faults, uint64_t id)
{
    if (id == 0) {
        faults->count = 0;
        return true;
    }
    for (uint32_t i = 0; i < faults->count; i++) {
        if (faults->at[i].id != id) continue;
        memmove(&faults->at[i], &faults->at[i + 1], (faults->count - i - 1) * sizeof *faults->at);
        faults->count--;
        return true;
    }
    return false;
}

/* xorshift64*: the next value of a rule's own sequence, below 1e8. */
static int64_t draw_e8(struct sp_fault *fault)
{
    fault->random ^= fault->random >> 12;
    fault->random ^= fault->random << 25;
    fault->random ^= fault->random >> 27;
    return (int64_t)((fault->random * UINT64_C(0x2545f4914f6cdd1d) >> 33) % SP_FX_ONE);
}

static bool is_used_up(const struct sp_fault *fault)
{
    return fault->count > 0 && fault->hits >= fault->count;
}

bool sp_faults_draw(struct sp_faults *faults, enum sp_fault_place place, const char *what,
                    struct sp_fault *out)
{
    for (uint32_t i = 0; i < faults->count; i++) {
        struct sp_fault *fault = &faults->at[i];
        bool is_meant = kinds[fault->kind].place == place && !is_used_up(fault) &&
                        (strcmp(fault->on, "*") == 0 || strcmp(fault->on, what) == 0);
        if (!is_meant) continue;
        if (fault->chance_e8 < SP_FX_ONE && draw_e8(fault) >= fault->chance_e8) continue;
        fault->hits++;
        *out = *fault;
        return true;
    }
    return false;
}

bool sp_faults_any(const struct sp_faults *faults, enum sp_fault_place place)
{
    for (uint32_t i = 0; i < faults->count; i++) {
        const struct sp_fault *fault = &faults->at[i];
        if (kinds[fault->kind].place == place && !is_used_up(fault)) return true;
    }
    return false;
}
