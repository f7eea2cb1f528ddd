#include "common/log.h"

#include "common/clock.h"
#include "proto/decimal.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_SIZE 1024

static const char *const level_names[] = {"DEBUG", "INFO", "WARN", "ERROR"};

/* The one mutable global of the code base: a process has one log. Set before threads start. */
static struct {
    char who[64];
    enum sp_log_level level;
    atomic_uint_fast64_t dropped;
} sink = {.who = "spoor", .level = SP_LOG_INFO};

void sp_log_init(const char *who, enum sp_log_level level)
{
    snprintf(sink.who, sizeof sink.who, "%s", who);
    sink.level = level;
}

bool sp_log_level_parse(const char *text, enum sp_log_level *out)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};

    for (int i = 0; i < 4; i++) {
        if (strcmp(names[i], text) == 0) {
            *out = (enum sp_log_level)i;
            return true;
        }
    }
    return false;
}

/* One write per line, so that lines of several threads do not mix. Control characters would let a
 * value forge a line: they become spaces. */
static void put_line(char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)line[i] < 0x20) line[i] = ' ';
    }
    line[len] = '\n';
    if (write(STDERR_FILENO, line, len + 1) < 0) atomic_fetch_add(&sink.dropped, 1);
}

static size_t put_head(char *line, enum sp_log_level level, const char *event)
{
    char now[SP_WALL_TEXT_SIZE];

    sp_wall_format(sp_clock_wall(), now);
    int n =
        snprintf(line, LINE_SIZE - 1, "%.23sZ %s %s %s", now, level_names[level], sink.who, event);
    return n < LINE_SIZE - 1 ? (size_t)n : LINE_SIZE - 2;
}

void sp_log(enum sp_log_level level, const char *event, const char *fmt, ...)
{
    char line[LINE_SIZE];
    va_list ap;

    if (level < sink.level) return;
    size_t len = put_head(line, level, event);
    if (fmt[0] != '\0') line[len++] = ' ';
    va_start(ap, fmt);
    int n = vsnprintf(line + len, LINE_SIZE - 1 - len, fmt, ap);
    va_end(ap);
    if (n > 0) len += (size_t)n < LINE_SIZE - 1 - len ? (size_t)n : LINE_SIZE - 2 - len;
    put_line(line, len);
}

void sp_log_err(enum sp_log_level level, const char *event, const struct sp_err *err)
{
    sp_log(level, event, "status=%s text=\"%s\" site=%s errno=%d", sp_status_name(err->status),
           err->text, err->site != NULL ? err->site : "?", err->os_errno);
}

uint64_t sp_log_dropped(void)
{
    return atomic_load(&sink.dropped);
}
