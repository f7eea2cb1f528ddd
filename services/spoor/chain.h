/* An explanation as a value: sections of trees of causes, and how it is shown.
 *
 * A section has a title and either a sentence or trees. A node says one thing: when (`lead`), what
 * (`text`), where it is recorded (`ref`), and with which particulars (`details`); its children are
 * what it led to. Everything is owned by the chain. Without memory the command ends
 * (memory.h). One thread.
 */
#ifndef SP_SPOOR_CHAIN_H
#define SP_SPOOR_CHAIN_H

#include "proto/record.h"

#include <stdio.h>

struct sp_chain_detail {
    char *label; /* "entry"; "" for none */
    char *text;
};

struct sp_chain_node {
    struct sp_chain_node *first, *last, *next; /* children, and the next sibling */
    char *lead;                                /* "18:22:07.000", "+0.31 ms", or NULL */
    char *text;
    struct sp_ref ref; /* none if it is not a record's */
    struct sp_chain_detail *details;
    uint32_t detail_count;
};

struct sp_chain_section {
    struct sp_chain_section *next;
    char *title;
    char *text; /* beside the title; NULL if there are trees */
    struct sp_chain_node *first, *last;
};

struct sp_chain {
    char *id;       /* whole text of what was asked for */
    char *headline; /* after the id's short form */
    struct sp_chain_section *first, *last;
    char *footer;
    bool contradicts; /* the records do not add up: said in a section of its own */
};

struct sp_chain *sp_chain_new(const char *id);
void sp_chain_free(struct sp_chain *chain);

void sp_chain_headline(struct sp_chain *chain, const char *fmt, ...) SP_PRINTF(2, 3);
void sp_chain_footer(struct sp_chain *chain, const char *fmt, ...) SP_PRINTF(2, 3);
/* A section for trees. */
struct sp_chain_section *sp_chain_section(struct sp_chain *chain, const char *title);
/* A section that is one sentence. */
void sp_chain_say(struct sp_chain *chain, const char *title, const char *fmt, ...) SP_PRINTF(3, 4);
/* A node below `parent`, or a root of the section if that is NULL. `record` (may be NULL) is where
 * it is recorded. */
struct sp_chain_node *sp_chain_node(struct sp_chain_section *section, struct sp_chain_node *parent,
                                    const struct sp_record *record, const char *fmt, ...)
    SP_PRINTF(4, 5);
void sp_chain_lead(struct sp_chain_node *node, const char *fmt, ...) SP_PRINTF(2, 3);
void sp_chain_detail(struct sp_chain_node *node, const char *label, const char *fmt, ...)
    SP_PRINTF(3, 4);

struct sp_chain_style {
    uint32_t width; /* columns */
    bool bold;      /* titles, on a terminal */
};

/* chain_print.c */
void sp_chain_print(const struct sp_chain *chain, const struct sp_chain_style *style, FILE *out);
/* One line: {"id","headline","sections":[{"title","text","nodes":[{"at","text","record","details",
 * "children"}]}],"adds_up"}. */
void sp_chain_print_json(const struct sp_chain *chain, FILE *out);
/* Text as a JSON string, quotes included. */
void sp_chain_json_text(const char *text, FILE *out);
/* The terminal's width and whether to be bold: COLUMNS, the terminal, else 80; NO_COLOR. */
struct sp_chain_style sp_chain_style_of(FILE *out);
/* Columns of UTF-8 text without wide characters. */
uint32_t sp_chain_columns(const char *text);

#endif
