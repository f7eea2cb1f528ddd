#include "services/spoor/chain.h"

#include "proto/ids.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define WIDTH_DEFAULT 80
#define WIDTH_MIN     60
#define WIDTH_MAX     120
#define PREFIX_SIZE   256
#define FOLD_MIN      20 /* columns for text, however deep the tree */

uint32_t sp_chain_columns(const char *text)
{
    uint32_t columns = 0;

    for (; *text != '\0'; text++)
        if (((unsigned char)*text & 0xC0) != 0x80) columns++;
    return columns;
}

struct sp_chain_style sp_chain_style_of(FILE *out)
{
    struct sp_chain_style style = {.width = WIDTH_DEFAULT};
    const char *columns = getenv("COLUMNS"), *no_color = getenv("NO_COLOR");
    struct winsize size = {0};
    bool terminal = isatty(fileno(out)) == 1;

    if (columns != NULL && atoi(columns) > 0) {
        style.width = (uint32_t)atoi(columns);
    } else if (terminal && ioctl(fileno(out), TIOCGWINSZ, &size) == 0 && size.ws_col > 0) {
        style.width = size.ws_col;
    }
    if (style.width < WIDTH_MIN) style.width = WIDTH_MIN;
    if (style.width > WIDTH_MAX) style.width = WIDTH_MAX;
    style.bold = terminal && (no_color == NULL || no_color[0] == '\0');
    return style;
}

/* ---- Lines ---- */

/* A paragraph that is being laid out. */
struct paragraph {
    FILE *out;
    uint32_t width;
    const char *rest; /* what the lines after the first begin with */
    uint32_t hang;    /* and so many spaces */
    uint32_t column;
    uint32_t margin; /* where a line's text begins */
};

static void spaces(FILE *out, uint32_t count)
{
    fprintf(out, "%*s", (int)count, "");
}

static void new_line(struct paragraph *p)
{
    fprintf(p->out, "\n%s", p->rest);
    spaces(p->out, p->hang);
    p->column = p->margin = sp_chain_columns(p->rest) + p->hang;
}

static void put_words(struct paragraph *p, const char *text)
{
    uint32_t limit = p->width > p->margin + FOLD_MIN ? p->width : p->margin + FOLD_MIN;

    while (*text != '\0') {
        char word[PREFIX_SIZE];
        uint32_t blanks = (uint32_t)strspn(text, " ");
        size_t len = strcspn(text + blanks, " ");
        snprintf(word, sizeof word, "%.*s", (int)len, text + blanks);
        uint32_t columns = sp_chain_columns(word);
        if (p->column > p->margin && p->column + blanks + columns > limit) {
            new_line(p);
            blanks = 0;
        }
        spaces(p->out, blanks);
        fputs(word, p->out);
        p->column += blanks + columns;
        text += strspn(text, " ") + len;
    }
}

/* Right-aligned, on this line if there is room. */
static void put_ref(struct paragraph *p, const struct sp_ref *ref)
{
    char text[SP_REF_TEXT_SIZE];

    if (sp_ref_is_none(ref)) return;
    snprintf(text, sizeof text, "%s:%" PRIu64, ref->stream.s, ref->seq);
    uint32_t columns = sp_chain_columns(text);
    if (p->column + 2 + columns > p->width) new_line(p);
    spaces(p->out, p->width > p->column + columns ? p->width - p->column - columns : 2);
    fputs(text, p->out);
}

static void print_details(const struct sp_chain_node *node, const char *prefix,
                          const struct sp_chain_style *style, FILE *out)
{
    uint32_t widest = 0;

    for (uint32_t i = 0; i < node->detail_count; i++) {
        uint32_t columns = sp_chain_columns(node->details[i].label);
        if (columns > widest) widest = columns;
    }
    uint32_t hang = widest > 0 ? widest + 2 : 0;
    for (uint32_t i = 0; i < node->detail_count; i++) {
        const struct sp_chain_detail *detail = &node->details[i];
        struct paragraph p = {.out = out, .width = style->width, .rest = prefix, .hang = hang};
        p.column = p.margin = sp_chain_columns(prefix) + hang;
        fprintf(out, "%s%s", prefix, detail->label);
        spaces(out, hang - sp_chain_columns(detail->label));
        put_words(&p, detail->text);
        fputc('\n', out);
    }
}

/* `first` begins the node's first line, `below` all that belongs to it. */
static void print_node(const struct sp_chain_node *node, const char *first, const char *below,
                       const struct sp_chain_style *style, FILE *out)
{
    char inner[PREFIX_SIZE];
    uint32_t hang = node->lead != NULL ? sp_chain_columns(node->lead) + 2 : 0;

    snprintf(inner, sizeof inner, "%s%s", below,
             node->first != NULL      ? "│  "
             : node->detail_count > 0 ? "   "
                                      : "");
    uint32_t bar = sp_chain_columns(inner) - sp_chain_columns(below);
    struct paragraph p = {.out = out,
                          .width = style->width,
                          .rest = inner,
                          .hang = hang > bar ? hang - bar : 0,
                          .column = sp_chain_columns(first) + hang};
    p.margin = p.column;
    fputs(first, out);
    if (node->lead != NULL) fprintf(out, "%s  ", node->lead);
    put_words(&p, node->text);
    put_ref(&p, &node->ref);
    fputc('\n', out);
    print_details(node, inner, style, out);
    for (const struct sp_chain_node *child = node->first; child != NULL; child = child->next) {
        char child_first[PREFIX_SIZE], child_below[PREFIX_SIZE];
        snprintf(child_first, sizeof child_first, "%s%s", below,
                 child->next != NULL ? "├─ " : "└─ ");
        snprintf(child_below, sizeof child_below, "%s%s", below,
                 child->next != NULL ? "│  " : "   ");
        print_node(child, child_first, child_below, style, out);
    }
}

static void print_title(const char *title, const struct sp_chain_style *style, FILE *out)
{
    fprintf(out, style->bold ? "\033[1m%s\033[0m" : "%s", title);
}

static void print_sentence(const char *title, const char *text, uint32_t hang,
                           const struct sp_chain_style *style, FILE *out)
{
    struct paragraph p = {.out = out, .width = style->width, .rest = "", .hang = hang};

    p.column = p.margin = hang;
    print_title(title, style, out);
    spaces(out, hang - sp_chain_columns(title));
    put_words(&p, text);
    fputc('\n', out);
}

static uint32_t hang_of(const struct sp_chain_section *section)
{
    uint32_t widest = 0;

    /* Sentences that follow each other stand in one column. */
    for (; section != NULL && section->text != NULL; section = section->next) {
        uint32_t columns = sp_chain_columns(section->title);
        if (columns > widest) widest = columns;
    }
    return widest + 2;
}

/* "trd_7k2mqd" for the whole id's text. */
static const char *short_id(const char *id, char buf[SP_NAME_SIZE])
{
    enum sp_id_type type = SP_ID_OPP;
    struct sp_id parsed;

    snprintf(buf, SP_NAME_SIZE, "%s", id);
    if (sp_id_type_of(id, &type) && sp_id_parse(type, id, strlen(id), &parsed))
        sp_id_short(type, parsed, buf);
    return buf;
}

void sp_chain_print(const struct sp_chain *chain, const struct sp_chain_style *style, FILE *out)
{
    char id[SP_NAME_SIZE];
    bool in_sentences = false;
    uint32_t hang = 0;

    print_title(short_id(chain->id, id), style, out);
    struct paragraph head = {.out = out, .width = style->width, .rest = "", .hang = 2};
    head.column = head.margin = sp_chain_columns(id) + 2;
    fputs("  ", out);
    put_words(&head, chain->headline != NULL ? chain->headline : "");
    fputs("\n\n", out);
    for (const struct sp_chain_section *s = chain->first; s != NULL; s = s->next) {
        if (s->text != NULL) {
            if (!in_sentences) {
                hang = hang_of(s);
                if (s != chain->first) fputc('\n', out);
            }
            in_sentences = true;
            print_sentence(s->title, s->text, hang, style, out);
            continue;
        }
        if (in_sentences) fputc('\n', out);
        in_sentences = false;
        print_title(s->title, style, out);
        fputc('\n', out);
        for (const struct sp_chain_node *node = s->first; node != NULL; node = node->next)
            print_node(node, "", "", style, out);
    }
    if (chain->footer != NULL) print_sentence("", chain->footer, 0, style, out);
}

/* ---- JSON ---- */

void sp_chain_json_text(const char *text, FILE *out)
{
    fputc('"', out);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p == '"' || *p == '\\') {
            fprintf(out, "\\%c", *p);
        } else if (*p < 0x20) {
            fprintf(out, "\\u%04x", *p);
        } else {
            fputc(*p, out);
        }
    }
    fputc('"', out);
}

static void json_member(const char *key, const char *text, FILE *out)
{
    fprintf(out, "\"%s\":", key);
    sp_chain_json_text(text, out);
}

static void json_nodes(const struct sp_chain_node *node, FILE *out)
{
    char ref[SP_REF_TEXT_SIZE];

    fputc('[', out);
    for (; node != NULL; node = node->next) {
        fputc('{', out);
        if (node->lead != NULL) {
            json_member("at", node->lead, out);
            fputc(',', out);
        }
        json_member("text", node->text, out);
        if (!sp_ref_is_none(&node->ref)) {
            fputc(',', out);
            json_member("record", sp_ref_format(&node->ref, ref), out);
        }
        if (node->detail_count > 0) fputs(",\"details\":[", out);
        for (uint32_t i = 0; i < node->detail_count; i++) {
            fputs(i > 0 ? ",{" : "{", out);
            json_member("label", node->details[i].label, out);
            fputc(',', out);
            json_member("text", node->details[i].text, out);
            fputc('}', out);
        }
        if (node->detail_count > 0) fputc(']', out);
        if (node->first != NULL) {
            fputs(",\"children\":", out);
            json_nodes(node->first, out);
        }
        fputs(node->next != NULL ? "}," : "}", out);
    }
    fputc(']', out);
}

void sp_chain_print_json(const struct sp_chain *chain, FILE *out)
{
    fputc('{', out);
    json_member("id", chain->id, out);
    fputc(',', out);
    json_member("headline", chain->headline != NULL ? chain->headline : "", out);
    fprintf(out, ",\"adds_up\":%s,\"sections\":[", chain->contradicts ? "false" : "true");
    for (const struct sp_chain_section *s = chain->first; s != NULL; s = s->next) {
        fputc('{', out);
        json_member("title", s->title, out);
        fputc(',', out);
        if (s->text != NULL) {
            json_member("text", s->text, out);
        } else {
            fputs("\"nodes\":", out);
            json_nodes(s->first, out);
        }
        fputs(s->next != NULL ? "}," : "}", out);
    }
    fputs("]}\n", out);
}
