/* The limits that the configuration knows, apart from their windows and zones. In a source of its
 * own: the tables of the configuration and those of the messages both call a row a field. */
#ifndef SP_TEST_SERVICES_LIMIT_KEYS_H
#define SP_TEST_SERVICES_LIMIT_KEYS_H

#include <stdbool.h>
#include <stddef.h>

/* Of the operation, or of an instrument and of a strategy link. */
size_t limit_keys_count(bool of_operation);
bool limit_keys_have(bool of_operation, const char *key);

#endif
