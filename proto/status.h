/* Statuses and errors: how every fallible function says what went wrong.
 *
 * A function returns sp_status and, when it fails, fills `err` once, where the failure is seen.
 * The list is append-only: a status is also the wire value of a refusal. Any thread.
 */
#ifndef SP_PROTO_STATUS_H
#define SP_PROTO_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SP_NODISCARD                    __attribute__((warn_unused_result))
#define SP_CLEANUP(fn)                  __attribute__((cleanup(fn)))
#define SP_PRINTF(fmt_index, arg_index) __attribute__((format(printf, fmt_index, arg_index)))

/* Deliberately drops a status; write the reason beside it. gcc rejects a (void) cast here. */
#define SP_IGNORE(call)                                                                            \
    do {                                                                                           \
        if (call) {                                                                                \
        }                                                                                          \
    } while (0)

#define SP_STATUS_MAP(S)                                                                           \
    S(OK, "ok")                                                                                    \
    S(INVALID, "value breaks its schema")                                                          \
    S(CORRUPT, "stored bytes fail their checksum")                                                 \
    S(IO, "operating system refused an operation")                                                 \
    S(TRUNCATED, "input ends too early")                                                           \
    S(TYPE, "value has the wrong type")                                                            \
    S(RANGE, "value is out of range")                                                              \
    S(TOO_LONG, "value is longer than its bound")                                                  \
    S(TOO_DEEP, "value is nested too deeply")                                                      \
    S(MISSING, "required value is missing")                                                        \
    S(UNKNOWN_KIND, "kind or field is not known here")                                             \
    S(VERSION, "protocol or format version is not supported")                                      \
    S(FULL, "a bounded queue or table is full")                                                    \
    S(NOT_FOUND, "no such thing")                                                                  \
    S(EXISTS, "already there")                                                                     \
    S(LOCKED, "another process holds the lock")                                                    \
    S(FENCED, "a newer epoch exists")                                                              \
    S(CONFIG, "configuration is wrong")                                                            \
    S(AGAIN, "nothing to do now, try later")                                                       \
    S(GONE, "no longer retained")                                                                  \
    S(OVERFLOWED, "exact arithmetic does not fit")                                                 \
    S(USAGE, "command line is wrong")                                                              \
    S(TIMEOUT, "no answer in time")                                                                \
    S(UNSUPPORTED, "not supported here")                                                           \
    S(STORAGE, "storage failed; nothing more is acknowledged")                                     \
    S(REFUSED, "refused by a rule")                                                                \
    S(CLOSED, "the other side has gone")                                                           \
    S(NO_MEMORY, "memory is exhausted")                                                            \
    S(PLATFORM, "the platform is not what this needs")                                             \
    S(LIMITED, "too many requests: ask again later")                                               \
    S(AWAY, "out of service for a while")

/* clang-format off */
typedef enum sp_status {
#define S(name, text) SP_##name,
    SP_STATUS_MAP(S)
#undef S
    SP_STATUS_COUNT
} sp_status;
/* clang-format on */

/* What a process tells its supervisor when it ends (sysexits where one fits). The supervisor does
 * not restart 64, 65, 77 and 78: the same start would fail the same way. */
enum sp_exit {
    SP_EXIT_OK = 0,        /* requested stop */
    SP_EXIT_USAGE = 64,    /* wrong arguments */
    SP_EXIT_DAMAGED = 65,  /* acknowledged data is damaged */
    SP_EXIT_SOFTWARE = 70, /* internal error */
    SP_EXIT_STORAGE = 74,  /* a write or sync failed */
    SP_EXIT_LOCKED = 75,   /* another instance holds the lock: retried */
    SP_EXIT_FENCED = 77,   /* superseded by a newer epoch */
    SP_EXIT_CONFIG = 78    /* configuration or environment is wrong */
};

struct sp_err {
    sp_status status;
    int os_errno;
    const char *site; /* static "file:line" of the failure */
    char text[240];
};

/* "INVALID", and a sentence about it. Never NULL. */
const char *sp_status_name(sp_status status);
const char *sp_status_text(sp_status status);
/* False, leaving *out untouched, if no status has this name. */
SP_NODISCARD bool sp_status_parse(const char *name, sp_status *out);
/* The exit code with which a process that fails with `status` ends. */
int sp_status_exit_code(sp_status status);

#define SP_STR_(x)                #x
#define SP_STR(x)                 SP_STR_(x)
#define SP_SITE                   __FILE__ ":" SP_STR(__LINE__)
#define SP_FAIL(err, status, ...) sp_err_set((err), (status), SP_SITE, __VA_ARGS__)

/* Fills *err (which may be NULL) and returns `status`. Records errno as found. Never allocates. */
sp_status sp_err_set(struct sp_err *err, sp_status status, const char *site, const char *fmt, ...)
    SP_PRINTF(4, 5);

/* Our own broken invariants only. Compiled in always: the supervisor restarts what this kills. */
#define SP_ASSERT(expr) ((expr) ? (void)0 : sp_assert_fail(#expr, SP_SITE))
_Noreturn void sp_assert_fail(const char *expr, const char *site);

#endif
