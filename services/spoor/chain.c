#include "services/spoor/chain.h"

#include "services/spoor/memory.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t size)
{
    return sp_memory(calloc(1, size));
}

static char *SP_PRINTF(1, 0) text_of(const char *fmt, va_list ap)
{
    char *text = NULL;
    int n = vasprintf(&text, fmt, ap);

    return sp_memory(n >= 0 ? text : NULL);
}

static char *copy(const char *text)
{
    return sp_memory(strdup(text));
}

static void free_nodes(struct sp_chain_node *node)
{
    while (node != NULL) {
        struct sp_chain_node *next = node->next;
        free_nodes(node->first);
        for (uint32_t i = 0; i < node->detail_count; i++) {
            free(node->details[i].label);
            free(node->details[i].text);
        }
        free(node->details);
        free(node->lead);
        free(node->text);
        free(node);
        node = next;
    }
}

struct sp_chain *sp_chain_new(const char *id)
{
    struct sp_chain *chain = zeroed(sizeof *chain);

    chain->id = copy(id);
    return chain;
}

void sp_chain_free(struct sp_chain *chain)
{
    if (chain == NULL) return;
    while (chain->first != NULL) {
        struct sp_chain_section *section = chain->first;
        chain->first = section->next;
        free_nodes(section->first);
        free(section->title);
        free(section->text);
        free(section);
    }
    free(chain->id);
    free(chain->headline);
    free(chain->footer);
    free(chain);
}

void sp_chain_headline(struct sp_chain *chain, const char *fmt, ...)
{
    va_list ap;

    free(chain->headline);
    va_start(ap, fmt);
    chain->headline = text_of(fmt, ap);
    va_end(ap);
}

void sp_chain_footer(struct sp_chain *chain, const char *fmt, ...)
{
    va_list ap;

    free(chain->footer);
    va_start(ap, fmt);
    chain->footer = text_of(fmt, ap);
    va_end(ap);
}

struct sp_chain_section *sp_chain_section(struct sp_chain *chain, const char *title)
{
    struct sp_chain_section *section = zeroed(sizeof *section);

    section->title = copy(title);
    if (chain->last != NULL) {
        chain->last->next = section;
    } else {
        chain->first = section;
    }
    chain->last = section;
    return section;
}

void sp_chain_say(struct sp_chain *chain, const char *title, const char *fmt, ...)
{
    struct sp_chain_section *section = sp_chain_section(chain, title);
    va_list ap;

    va_start(ap, fmt);
    section->text = text_of(fmt, ap);
    va_end(ap);
}

struct sp_chain_node *sp_chain_node(struct sp_chain_section *section, struct sp_chain_node *parent,
                                    const struct sp_record *record, const char *fmt, ...)
{
    struct sp_chain_node *node = zeroed(sizeof *node);
    struct sp_chain_node **first = parent != NULL ? &parent->first : &section->first;
    struct sp_chain_node **last = parent != NULL ? &parent->last : &section->last;
    va_list ap;

    if (record != NULL) node->ref = sp_record_ref(record);
    va_start(ap, fmt);
    node->text = text_of(fmt, ap);
    va_end(ap);
    if (*last != NULL) {
        (*last)->next = node;
    } else {
        *first = node;
    }
    *last = node;
    return node;
}

void sp_chain_lead(struct sp_chain_node *node, const char *fmt, ...)
{
    va_list ap;

    free(node->lead);
    va_start(ap, fmt);
    node->lead = text_of(fmt, ap);
    va_end(ap);
}

void sp_chain_detail(struct sp_chain_node *node, const char *label, const char *fmt, ...)
{
    size_t bytes = (node->detail_count + 1) * sizeof *node->details;
    struct sp_chain_detail *details = sp_memory(realloc(node->details, bytes));
    va_list ap;

    node->details = details;
    va_start(ap, fmt);
    details[node->detail_count++] =
        (struct sp_chain_detail){.label = copy(label), .text = text_of(fmt, ap)};
    va_end(ap);
}
