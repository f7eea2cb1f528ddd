/* The demo configuration in a temporary folder, one thing of it changed at a time. */
#ifndef SP_TEST_CONFIG_FIXTURE_H
#define SP_TEST_CONFIG_FIXTURE_H

#include "common/config/config.h"

#include "folder.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define FILE_MAX 8192

enum which { PLATFORM, OPERATION, STRATEGY, WHICH_COUNT };
static const char *const names[] = {"platform.json", "operation.json", "strategies/ema_cross.json"};

struct fixture {
    struct folder folder;
    char text[WHICH_COUNT][FILE_MAX];
    struct sp_problems problems;
    struct sp_config *config;
};

static inline int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    char path[512];

    f->folder = folder_make();
    if (chdir(f->folder.path) != 0) return -1;
    if (mkdir("a", 0700) != 0 || mkdir("a/demo", 0700) != 0) return -1;
    if (mkdir("a/demo/strategies", 0700) != 0) return -1;
    for (size_t i = 0; i < WHICH_COUNT; i++) {
        snprintf(path, sizeof path, "%s/config/demo/%s", getenv("SPOOR_SOURCE"), names[i]);
        if (file_read(path, f->text[i], FILE_MAX - 1) <= 0) return -1;
    }
    *state = f;
    return 0;
}

static inline int teardown(void **state)
{
    struct fixture *f = *state;

    sp_config_free(f->config);
    if (chdir("/") != 0) return -1;
    folder_remove(&f->folder);
    free(f);
    return 0;
}

/* Writes a file with the first `from` replaced by `to` (NULL: as it is). */
static inline void put(const struct fixture *f, enum which which, const char *from, const char *to)
{
    char path[600], buf[2 * FILE_MAX];
    const char *text = f->text[which], *at = from == NULL ? text : strstr(text, from);

    assert_non_null(at);
    snprintf(buf, sizeof buf, "%.*s%s%s", (int)(at - text), text, to == NULL ? "" : to,
             at + (from == NULL ? 0 : strlen(from)));
    snprintf(path, sizeof path, "a/demo/%s", names[which]);
    file_write(path, buf, strlen(buf));
}

static inline sp_status load(struct fixture *f, sp_blueprint_check_fn *check)
{
    sp_config_free(f->config);
    f->config = NULL;
    return sp_config_read("a/demo", check, &f->config, &f->problems);
}

static inline void put_all(const struct fixture *f)
{
    for (unsigned i = 0; i < WHICH_COUNT; i++)
        put(f, (enum which)i, NULL, NULL);
}

struct fault {
    enum which which;
    const char *from, *to;
    uint32_t line;
    const char *text, *hint;
};

static inline void expect_fault(struct fixture *f, const struct fault *c)
{
    char shown[600];
    const struct sp_problem *p = &f->problems.at[0];

    put_all(f);
    put(f, c->which, c->from, c->to);
    assert_int_equal(load(f, NULL), SP_CONFIG);
    assert_null(f->config);
    snprintf(shown, sizeof shown, "a/demo/%s", names[c->which]);
    assert_string_equal(p->text, c->text);
    assert_string_equal(p->hint, c->hint);
    assert_string_equal(p->file, shown);
    assert_int_equal(p->line, c->line);
    assert_int_equal(f->problems.errors, 1);
}

static inline void expect_faults(struct fixture *f, const struct fault *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect_fault(f, &cases[i]);
}
#define EXPECT(f, cases) expect_faults((f), (cases), sizeof(cases) / sizeof *(cases))

#endif
