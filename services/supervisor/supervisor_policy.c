#include "services/supervisor/supervisor_policy.h"

#include "proto/decimal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000)
#define S  INT64_C(1000000000)

#define COUNT_MAX 60 /* below the tables of supervisor_core.h */

static const struct {
    const char *key;
    size_t offset;
    bool is_count;
} keys[] = {
    {"budget", offsetof(struct sp_supervisor_policy, budget), true},
    {"window", offsetof(struct sp_supervisor_policy, window), false},
    {"stable_after", offsetof(struct sp_supervisor_policy, stable_after), false},
    {"backoff_min", offsetof(struct sp_supervisor_policy, backoff_min), false},
    {"backoff_max", offsetof(struct sp_supervisor_policy, backoff_max), false},
    {"cooldown_min", offsetof(struct sp_supervisor_policy, cooldown_min), false},
    {"cooldown_max", offsetof(struct sp_supervisor_policy, cooldown_max), false},
    {"opens_max", offsetof(struct sp_supervisor_policy, opens_max), true},
    {"opens_window", offsetof(struct sp_supervisor_policy, opens_window), false},
    {"lock_retry", offsetof(struct sp_supervisor_policy, lock_retry), false},
    {"stuck_after", offsetof(struct sp_supervisor_policy, stuck_after), false},
    {"end_timeout", offsetof(struct sp_supervisor_policy, end_timeout), false},
};

struct sp_supervisor_policy sp_supervisor_policy_default(void)
{
    return (struct sp_supervisor_policy){
        .budget = 5,
        .window = {60 * S},
        .stable_after = {30 * S},
        .backoff_min = {100 * MS},
        .backoff_max = {10 * S},
        .cooldown_min = {60 * S},
        .cooldown_max = {900 * S},
        .opens_max = 3,
        .opens_window = {3600 * S},
        .lock_retry = {250 * MS},
        .stuck_after = {5 * S},
        .end_timeout = {2 * S},
    };
}

static sp_status parse_value(const char *text, size_t len, bool is_count, void *out)
{
    if (!is_count) {
        sp_dur value = {0};
        if (sp_dur_parse(text, len, &value) != SP_OK || value.ns <= 0) return SP_USAGE;
        memcpy(out, &value, sizeof value);
        return SP_OK;
    }
    char *end = NULL;
    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    if (errno != 0 || end != text + len || value < 1 || value > COUNT_MAX) return SP_USAGE;
    uint32_t count = (uint32_t)value;
    memcpy(out, &count, sizeof count);
    return SP_OK;
}

static sp_status parse_item(const char *item, size_t len, struct sp_supervisor_policy *policy,
                            struct sp_err *err)
{
    const char *equals = memchr(item, '=', len);
    size_t key_len = equals != NULL ? (size_t)(equals - item) : len;

    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        if (strlen(keys[i].key) != key_len || strncmp(keys[i].key, item, key_len) != 0) continue;
        if (equals != NULL && parse_value(equals + 1, len - key_len - 1, keys[i].is_count,
                                          (char *)policy + keys[i].offset) == SP_OK)
            return SP_OK;
        return SP_FAIL(err, SP_USAGE, "policy %s wants a %s, not \"%.*s\"", keys[i].key,
                       keys[i].is_count ? "count of 1 to 60" : "duration such as 5s", (int)len,
                       item);
    }
    return SP_FAIL(err, SP_USAGE,
                   "there is no policy \"%.*s\"; there are budget window stable_after backoff_min "
                   "backoff_max cooldown_min cooldown_max opens_max opens_window lock_retry "
                   "stuck_after end_timeout",
                   (int)key_len, item);
}

sp_status sp_supervisor_policy_parse(const char *text, struct sp_supervisor_policy *policy,
                                     struct sp_err *err)
{
    while (*text != '\0') {
        size_t len = strcspn(text, ",");
        sp_status status = parse_item(text, len, policy, err);
        if (status != SP_OK) return status;
        text += len + (text[len] == ',');
    }
    return SP_OK;
}

sp_dur sp_supervisor_doubled(sp_dur first, uint32_t n, sp_dur most)
{
    int64_t ns = first.ns;

    for (uint32_t i = 1; i < n && ns < most.ns; i++) {
        ns *= 2;
    }
    return (sp_dur){ns < most.ns ? ns : most.ns};
}

/* splitmix64: the jitter must differ between services and runs, no more. */
static uint64_t next_random(uint64_t *random)
{
    uint64_t z = *random += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

sp_dur sp_supervisor_backoff(const struct sp_supervisor_policy *policy, uint32_t n,
                             uint64_t *random)
{
    sp_dur delay = sp_supervisor_doubled(policy->backoff_min, n, policy->backoff_max);
    int64_t permille = 800 + (int64_t)(next_random(random) % 401);

    return (sp_dur){delay.ns / 1000 * permille};
}
