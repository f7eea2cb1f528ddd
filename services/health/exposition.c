#include "services/health/exposition.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sp_page_line(struct sp_page *page, const char *fmt, ...)
{
    size_t left = page->size_bytes - page->len_bytes;
    va_list args;

    SP_ASSERT(page->len_bytes < page->size_bytes);
    va_start(args, fmt);
    int n = vsnprintf(page->text + page->len_bytes, left, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n + 1 >= left) {
        page->text[page->len_bytes] = '\0';
        page->is_cut = true;
        return;
    }
    page->len_bytes += (size_t)n;
    page->text[page->len_bytes++] = '\n';
    page->text[page->len_bytes] = '\0';
}

static const char *next_line(const char *line)
{
    const char *end = strchr(line, '\n');

    return end != NULL ? end + 1 : line + strlen(line);
}

static int line_len(const char *line)
{
    return (int)strcspn(line, "\n");
}

/* A family begins with its HELP line. Returns the name behind it, or NULL. */
static const char *family_name(const char *line, int *len)
{
    static const char help[] = "# HELP ";

    if (strncmp(line, help, sizeof help - 1) != 0) return NULL;
    line += sizeof help - 1;
    *len = (int)strcspn(line, " \n");
    return *len > 0 ? line : NULL;
}

static const char *find_family(const char *text, const char *name, int name_len)
{
    for (const char *line = text; *line != '\0'; line = next_line(line)) {
        int len = 0;
        const char *found = family_name(line, &len);
        if (found != NULL && len == name_len && memcmp(found, name, (size_t)len) == 0) return line;
    }
    return NULL;
}

/* name{a="b"} 1, name{} 1 or name 1: the service goes first. */
static void sample(struct sp_page *page, const char *line, const char *service)
{
    int name = (int)strcspn(line, "{ \n"), whole = line_len(line);

    if (name == 0 || name == whole) return;
    if (line[name] == ' ') {
        sp_page_line(page, "%.*s{service=\"%s\"}%.*s", name, line, service, whole - name,
                     line + name);
        return;
    }
    const char *comma = line[name + 1] == '}' ? "" : ",";
    sp_page_line(page, "%.*s{service=\"%s\"%s%.*s", name, line, service, comma, whole - name - 1,
                 line + name + 1);
}

static void samples(struct sp_page *page, const char *help_line, const char *service)
{
    int len = 0;

    for (const char *line = next_line(help_line); *line != '\0'; line = next_line(line)) {
        if (family_name(line, &len) != NULL) return;
        if (line[0] != '#') sample(page, line, service);
    }
}

static bool was_before(const struct sp_exposition_source *sources, uint32_t count, const char *name,
                       int len)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sources[i].text != NULL && find_family(sources[i].text, name, len) != NULL) return true;
    }
    return false;
}

static void family(struct sp_page *page, const struct sp_exposition_source *sources, uint32_t count,
                   const char *help_line)
{
    const char *type_line = next_line(help_line);
    int len = 0;
    const char *name = family_name(help_line, &len);

    sp_page_line(page, "%.*s", line_len(help_line), help_line);
    if (strncmp(type_line, "# TYPE ", 7) == 0) {
        sp_page_line(page, "%.*s", line_len(type_line), type_line);
    }
    for (uint32_t i = 0; i < count; i++) {
        const char *found =
            sources[i].text != NULL ? find_family(sources[i].text, name, len) : NULL;
        if (found != NULL) samples(page, found, sources[i].service);
    }
}

void sp_exposition_merge(struct sp_page *page, const struct sp_exposition_source *sources,
                         uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        if (sources[i].text == NULL) continue;
        for (const char *line = sources[i].text; *line != '\0'; line = next_line(line)) {
            int len = 0;
            const char *name = family_name(line, &len);
            if (name == NULL || was_before(sources, i, name, len)) continue;
            family(page, &sources[i], count - i, line);
        }
    }
}

uint64_t sp_exposition_sum(const char *text, const char *name)
{
    size_t len = strlen(name);
    uint64_t sum = 0;

    for (const char *line = text; *line != '\0'; line = next_line(line)) {
        if (strncmp(line, name, len) != 0 || (line[len] != ' ' && line[len] != '{')) continue;
        const char *value = line + line_len(line);
        while (value > line && value[-1] != ' ')
            value--;
        sum += strtoull(value, NULL, 10);
    }
    return sum;
}
