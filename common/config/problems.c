#include "common/config/config.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void add(struct sp_problems *problems, const struct sp_problem *problem)
{
    for (uint32_t i = 0; i < problems->count; i++) {
        const struct sp_problem *other = &problems->at[i];
        if (other->line != problem->line || strcmp(other->file, problem->file) != 0) continue;
        if (strcmp(other->text, problem->text) == 0) return;
    }
    if (!problem->is_warning) problems->errors++;
    if (problems->count == SP_PROBLEMS_MAX) {
        problems->dropped++;
        return;
    }
    problems->at[problems->count++] = *problem;
}

static void fill(struct sp_problem *problem, struct sp_problem_place place, const char *hint,
                 bool is_warning)
{
    *problem = (struct sp_problem){.line = place.line, .is_warning = is_warning};
    snprintf(problem->file, sizeof problem->file, "%s", place.file);
    snprintf(problem->hint, sizeof problem->hint, "%s", hint == NULL ? "" : hint);
}

void sp_problems_error(struct sp_problems *problems, struct sp_problem_place place,
                       const char *hint, const char *fmt, ...)
{
    struct sp_problem problem;
    va_list args;

    fill(&problem, place, hint, false);
    va_start(args, fmt);
    vsnprintf(problem.text, sizeof problem.text, fmt, args);
    va_end(args);
    add(problems, &problem);
}

void sp_problems_warn(struct sp_problems *problems, struct sp_problem_place place, const char *hint,
                      const char *fmt, ...)
{
    struct sp_problem problem;
    va_list args;

    fill(&problem, place, hint, true);
    va_start(args, fmt);
    vsnprintf(problem.text, sizeof problem.text, fmt, args);
    va_end(args);
    add(problems, &problem);
}

/* Where the file of a problem came up first. */
static uint32_t file_rank(const struct sp_problems *problems, uint32_t index)
{
    uint32_t i = 0;

    while (strcmp(problems->at[i].file, problems->at[index].file) != 0)
        i++;
    return i;
}

void sp_problems_sort(struct sp_problems *problems)
{
    uint32_t rank[SP_PROBLEMS_MAX];

    for (uint32_t i = 0; i < problems->count; i++)
        rank[i] = file_rank(problems, i);
    /* Insertion sort: stable, and there are at most a hundred. */
    for (uint32_t i = 1; i < problems->count; i++) {
        struct sp_problem moving = problems->at[i];
        uint32_t moving_rank = rank[i], k = i;
        for (; k > 0; k--) {
            if (rank[k - 1] < moving_rank) break;
            if (rank[k - 1] == moving_rank && problems->at[k - 1].line <= moving.line) break;
            problems->at[k] = problems->at[k - 1];
            rank[k] = rank[k - 1];
        }
        problems->at[k] = moving;
        rank[k] = moving_rank;
    }
}

void sp_problems_print(const struct sp_problems *problems, int fd)
{
    for (uint32_t i = 0; i < problems->count; i++) {
        const struct sp_problem *p = &problems->at[i];
        char place[16] = "";
        if (p->line != 0) snprintf(place, sizeof place, ":%" PRIu32, p->line);
        dprintf(fd, "%s%s: %s%s\n", p->file, place, p->is_warning ? "warning: " : "", p->text);
        if (p->hint[0] != '\0') dprintf(fd, "    %s\n", p->hint);
    }
    if (problems->dropped > 0) {
        dprintf(fd, "and %" PRIu32 " more; correct these first\n", problems->dropped);
    }
}
