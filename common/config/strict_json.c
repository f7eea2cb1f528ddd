/* Two passes. The scanner below checks the whole grammar itself, because cJSON is too generous, and
 * notes where each value begins; then cJSON builds the tree and unescapes. Both meet the values in
 * the same order, which gives every tree item its line without a parser of our own for the values.
 */
#include "common/config/strict_json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "common/config/json_scan.h"

struct sp_strict_node {
    const struct sp_strict_json *json;
    const cJSON *item;
};

struct sp_strict_json {
    char *text; /* our copy, for the numbers as written and for columns */
    cJSON *tree;
    struct sp_json_token *tokens;
    struct sp_strict_node *nodes; /* one a token */
    uint32_t count;
};

/* What is allocated for a value besides its text; strings, with a NUL for their quotes, are at most
 * as long as their text. With the text itself and a file's buffer: 16 times the size, and a
 * constant. find_duplicate has an array of pointers, and qsort another. */
#define VALUE_BYTES                                                                                \
    (sizeof(struct sp_json_token) + sizeof(struct sp_strict_node) + sizeof(cJSON) +                \
     2 * sizeof(void *))
_Static_assert(VALUE_BYTES / SP_STRICT_JSON_VALUE_BYTES + 3 <= 16, "a document of short values");
_Static_assert(SP_STRICT_JSON_VALUES *(VALUE_BYTES + 2) + 1024 <= SP_STRICT_JSON_CONSTANT_BYTES,
               "the values that any document may have");

uint32_t sp_strict_json_values_max(size_t len_bytes)
{
    return SP_STRICT_JSON_VALUES + (uint32_t)(len_bytes / SP_STRICT_JSON_VALUE_BYTES);
}

static const struct sp_json_token *token_of(const struct sp_strict_node *node)
{
    return &node->json->tokens[node - node->json->nodes];
}

/* cJSON's items in the scanner's order: each before its members. The depth is already bounded. */
static uint32_t attach(struct sp_strict_json *json, const cJSON *item, uint32_t index)
{
    const struct sp_json_token *token = &json->tokens[index];
    const cJSON *child;

    SP_ASSERT(index < json->count);
    json->nodes[index] = (struct sp_strict_node){.json = json, .item = item};
    /* What follows a number is never needed again: the tree is built. */
    if (token->value_bytes > 0) json->text[token->value_at + token->value_bytes] = '\0';
    index++;
    if (token->kind != SP_STRICT_LIST && token->kind != SP_STRICT_OBJECT) return index;
    cJSON_ArrayForEach(child, item) index = attach(json, child, index);
    return index;
}

static int compare_keys(const void *a, const void *b)
{
    const struct sp_strict_node *const *left = a, *const *right = b;
    int order = strcmp((*left)->item->string, (*right)->item->string);

    return order != 0 ? order : *left < *right ? -1 : *left > *right;
}

/* The first member whose key came before in its object, in file order; *out is NULL if none. */
static sp_status find_duplicate(const struct sp_strict_json *json,
                                const struct sp_strict_node **out)
{
    const struct sp_strict_node **sorted = malloc(json->count * sizeof *sorted);

    *out = NULL;
    if (sorted == NULL) return SP_NO_MEMORY;
    for (uint32_t i = 0; i < json->count; i++) {
        const struct sp_strict_node *n = sp_strict_first(&json->nodes[i]);
        uint32_t count = 0;
        if (json->tokens[i].kind != SP_STRICT_OBJECT) continue;
        for (; n != NULL; n = sp_strict_next(n))
            sorted[count++] = n;
        qsort(sorted, count, sizeof *sorted, compare_keys);
        for (uint32_t k = 1; k < count; k++) {
            if (strcmp(sorted[k]->item->string, sorted[k - 1]->item->string) != 0) continue;
            if (*out == NULL || sorted[k] < *out) *out = sorted[k];
        }
    }
    free(sorted);
    return SP_OK;
}

/* 1e999 and 1e300 are in the grammar; the scanner has seen to the integers. */
static const struct sp_strict_node *find_too_large(const struct sp_strict_json *json)
{
    for (uint32_t i = 0; i < json->count; i++) {
        double value = json->nodes[i].item->valuedouble;
        if (json->tokens[i].kind != SP_STRICT_FRACTION) continue;
        if (value >= -(double)SP_JSON_INTEGER_MAX && value <= (double)SP_JSON_INTEGER_MAX) continue;
        return &json->nodes[i];
    }
    return NULL;
}

static sp_status fault_at(struct sp_strict_fault *fault, sp_status status,
                          const struct sp_strict_node *node, const char *text)
{
    sp_json_fault_set(fault, status, "%s", text);
    if (fault == NULL) return status;
    fault->line = sp_strict_line(node);
    fault->column = sp_strict_column(node);
    return status;
}

static sp_status build(struct sp_strict_json *json, size_t len_bytes, struct sp_strict_fault *fault)
{
    const struct sp_strict_node *bad;
    char text[100];
    uint32_t used;

    json->tree = cJSON_ParseWithLength(json->text, len_bytes);
    json->nodes = calloc(json->count, sizeof *json->nodes);
    if (json->tree == NULL || json->nodes == NULL) goto no_memory;
    used = attach(json, json->tree, 0);
    SP_ASSERT(used == json->count);
    if (find_duplicate(json, &bad) != SP_OK) goto no_memory;
    if (bad != NULL) {
        snprintf(text, sizeof text, "the key \"%.60s\" is here twice", bad->item->string);
        return fault_at(fault, SP_INVALID, bad, text);
    }
    bad = find_too_large(json);
    if (bad == NULL) return SP_OK;
    return fault_at(fault, SP_RANGE, bad, "this number is beyond 2^53: write it as text");
no_memory:
    return sp_json_fault_set(fault, SP_NO_MEMORY, "memory is exhausted");
}

sp_status sp_strict_json_parse(const char *text, size_t len_bytes,
                               const struct sp_strict_limits *limits, struct sp_strict_json **out,
                               struct sp_strict_fault *fault)
{
    struct sp_json_scan scan = {.len_bytes = len_bytes,
                                .depth_max = limits->depth_max,
                                .wide = limits->wide,
                                .fault = fault};
    struct sp_strict_json *json;
    sp_status status;

    SP_ASSERT(limits->depth_max >= 1);
    SP_ASSERT(limits->depth_max <= SP_STRICT_JSON_DEPTH_MAX);
    SP_ASSERT(limits->bytes_max < UINT32_MAX / 4);
    if (len_bytes > limits->bytes_max) {
        return sp_json_fault_set(fault, SP_TOO_LONG, "is larger than %zu bytes", limits->bytes_max);
    }
    json = calloc(1, sizeof *json);
    if (json != NULL) json->text = malloc(len_bytes + 1);
    if (json == NULL || json->text == NULL) {
        sp_strict_json_free(json);
        return sp_json_fault_set(fault, SP_NO_MEMORY, "memory is exhausted");
    }
    memcpy(json->text, text, len_bytes);
    json->text[len_bytes] = '\0';
    scan.text = json->text;
    status = sp_json_scan(&scan);
    json->tokens = scan.tokens;
    json->count = scan.count;
    if (status == SP_OK) status = build(json, len_bytes, fault);
    if (status != SP_OK) {
        sp_strict_json_free(json);
        return status;
    }
    *out = json;
    return SP_OK;
}

static sp_status read_all(int fd, char *buf, size_t cap_bytes, size_t *len_bytes)
{
    size_t done = 0;

    while (done < cap_bytes) {
        ssize_t n = read(fd, buf + done, cap_bytes - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return SP_IO;
        if (n == 0) break;
        done += (size_t)n;
    }
    *len_bytes = done;
    return SP_OK;
}

sp_status sp_strict_json_load(const char *path, const struct sp_strict_limits *limits,
                              struct sp_strict_json **out, struct sp_strict_fault *fault)
{
    /* Non-blocking, so that a pipe of that name cannot hold us. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    size_t len_bytes = 0;
    sp_status status;
    char *buf;

    if (fd < 0) {
        status = errno == ENOENT || errno == ENOTDIR ? SP_NOT_FOUND : SP_IO;
        return sp_json_fault_set(fault, status, "cannot be opened: %s", strerror(errno));
    }
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return sp_json_fault_set(fault, SP_IO, "is not a regular file");
    }
    if (st.st_size > (off_t)limits->bytes_max) {
        close(fd);
        return sp_json_fault_set(fault, SP_TOO_LONG, "is larger than %zu bytes", limits->bytes_max);
    }
    buf = malloc((size_t)st.st_size + 1);
    if (buf == NULL) {
        close(fd);
        return sp_json_fault_set(fault, SP_NO_MEMORY, "memory is exhausted");
    }
    status = read_all(fd, buf, (size_t)st.st_size + 1, &len_bytes);
    if (status != SP_OK) {
        sp_json_fault_set(fault, status, "cannot be read: %s", strerror(errno));
    } else if (len_bytes > (size_t)st.st_size) {
        status = sp_json_fault_set(fault, SP_IO, "grew while it was read: try again");
    }
    if (status == SP_OK) status = sp_strict_json_parse(buf, len_bytes, limits, out, fault);
    free(buf);
    close(fd);
    return status;
}

void sp_strict_json_free(struct sp_strict_json *json)
{
    if (json == NULL) return;
    cJSON_Delete(json->tree);
    free(json->nodes);
    free(json->tokens);
    free(json->text);
    free(json);
}

const struct sp_strict_node *sp_strict_json_root(const struct sp_strict_json *json)
{
    return &json->nodes[0];
}

enum sp_strict_kind sp_strict_kind_of(const struct sp_strict_node *node)
{
    return (enum sp_strict_kind)token_of(node)->kind;
}

const char *sp_strict_kind_name(enum sp_strict_kind kind)
{
    static const char *const names[] = {"null",   "true or false", "a whole number", "a fraction",
                                        "a text", "a list",        "an object"};

    return names[kind];
}

uint32_t sp_strict_line(const struct sp_strict_node *node)
{
    return token_of(node)->line;
}

uint32_t sp_strict_column(const struct sp_strict_node *node)
{
    return sp_json_column(node->json->text, token_of(node)->at);
}

const char *sp_strict_key(const struct sp_strict_node *node)
{
    return node->item->string;
}

const struct sp_strict_node *sp_strict_get(const struct sp_strict_node *object, const char *key)
{
    const struct sp_strict_node *n = sp_strict_first(object);

    if (n == NULL || token_of(object)->kind != SP_STRICT_OBJECT) return NULL;
    while (n != NULL && strcmp(n->item->string, key) != 0)
        n = sp_strict_next(n);
    return n;
}

const struct sp_strict_node *sp_strict_first(const struct sp_strict_node *node)
{
    return node == NULL || token_of(node)->member_count == 0 ? NULL : node + 1;
}

const struct sp_strict_node *sp_strict_next(const struct sp_strict_node *node)
{
    uint32_t next = node == NULL ? SP_JSON_NO_TOKEN : token_of(node)->next;

    return next == SP_JSON_NO_TOKEN ? NULL : &node->json->nodes[next];
}

uint32_t sp_strict_count(const struct sp_strict_node *node)
{
    return node == NULL ? 0 : token_of(node)->member_count;
}

sp_status sp_strict_string(const struct sp_strict_node *node, const char **out)
{
    if (node == NULL || token_of(node)->kind != SP_STRICT_STRING) return SP_TYPE;
    *out = node->item->valuestring;
    return SP_OK;
}

sp_status sp_strict_integer(const struct sp_strict_node *node, int64_t *out)
{
    if (node == NULL || token_of(node)->kind != SP_STRICT_INTEGER) return SP_TYPE;
    *out = strtoll(sp_strict_text(node), NULL, 10); /* it fits: the scanner saw to it */
    return SP_OK;
}

sp_status sp_strict_bool(const struct sp_strict_node *node, bool *out)
{
    if (node == NULL || token_of(node)->kind != SP_STRICT_BOOL) return SP_TYPE;
    *out = cJSON_IsTrue(node->item);
    return SP_OK;
}

const char *sp_strict_text(const struct sp_strict_node *node)
{
    if (node == NULL) return NULL;
    switch (sp_strict_kind_of(node)) {
    case SP_STRICT_STRING: return node->item->valuestring;
    case SP_STRICT_INTEGER:
    case SP_STRICT_FRACTION: return node->json->text + token_of(node)->value_at;
    case SP_STRICT_BOOL: return cJSON_IsTrue(node->item) ? "true" : "false";
    case SP_STRICT_NULL: return "null";
    case SP_STRICT_LIST:
    case SP_STRICT_OBJECT: break;
    }
    return NULL;
}
