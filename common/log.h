/* The log: one line is one event with a stable name and key=value pairs. Services only; cores and
 * libraries return statuses instead. Never a secret. Any thread.
 *
 *   2026-11-22T18:00:00.123Z INFO execution venue_connected generation=2 next="reconcile"
 */
#ifndef SP_COMMON_LOG_H
#define SP_COMMON_LOG_H

#include "proto/status.h"

enum sp_log_level { SP_LOG_DEBUG, SP_LOG_INFO, SP_LOG_WARN, SP_LOG_ERROR };

/* Sets the process-wide sink: who speaks and from which level on. Standard error, non-blocking:
 * lines that a full pipe would block are dropped and counted. */
void sp_log_init(const char *who, enum sp_log_level level);
SP_NODISCARD bool sp_log_level_parse(const char *text, enum sp_log_level *out);

/* `event` is a snake_case name; fmt gives the key=value pairs, "" for none. */
void sp_log(enum sp_log_level level, const char *event, const char *fmt, ...) SP_PRINTF(3, 4);
/* Adds status, text, site and errno of an error. */
void sp_log_err(enum sp_log_level level, const char *event, const struct sp_err *err);
uint64_t sp_log_dropped(void);

#endif
