#include "limit_keys.h"

#include "common/config/config_tables.h"

#include <string.h>

static const struct sp_table *table_of(bool of_operation)
{
    return of_operation ? &sp_risk_table : &sp_scope_risk_table;
}

static bool is_limit(const char *key)
{
    static const char window[] = "_window";
    size_t len = strlen(key), tail = sizeof window - 1;

    if (strcmp(key, "day_zone") == 0) return false;
    return len <= tail || strcmp(key + len - tail, window) != 0;
}

size_t limit_keys_count(bool of_operation)
{
    const struct sp_table *table = table_of(of_operation);
    size_t count = 0;

    for (size_t i = 0; i < table->count; i++)
        count += is_limit(table->fields[i].key);
    return count;
}

bool limit_keys_have(bool of_operation, const char *key)
{
    const struct sp_table *table = table_of(of_operation);

    for (size_t i = 0; i < table->count; i++) {
        if (strcmp(table->fields[i].key, key) == 0) return true;
    }
    return false;
}
