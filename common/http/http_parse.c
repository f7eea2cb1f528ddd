/* Requests out of bytes. The only module that knows http_parser. */
#include "common/http/http_internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <http_parser.h>

struct http_parse {
    http_parser parser;
    size_t body_bytes_max;
    int bad_status;
    bool complete, midway;
    bool in_value; /* the last header piece was a value */
    /* Target and headers, one after the other, each with its NUL. */
    char head[HTTP_HEAD_BYTES_MAX];
    size_t head_bytes;
    char *path, *query;
    uint32_t header_count;
    struct sp_http_header headers[SP_HTTP_HEADERS_MAX];
    char *body;
    size_t body_bytes, body_room;
};

static int refuse(struct http_parse *parse, int status)
{
    parse->bad_status = status;
    return -1; /* stops the parser */
}

/* Appends to the text that is being collected, keeping it terminated. */
static bool collect(struct http_parse *parse, const char *at, size_t len_bytes)
{
    if (parse->head_bytes + len_bytes + 1 > sizeof parse->head) return false;
    memcpy(parse->head + parse->head_bytes, at, len_bytes);
    parse->head_bytes += len_bytes;
    parse->head[parse->head_bytes] = '\0';
    return true;
}

static bool begin_text(struct http_parse *parse, char **out)
{
    if (parse->head_bytes + 2 > sizeof parse->head) return false;
    *out = parse->head + parse->head_bytes;
    **out = '\0';
    return true;
}

static int on_begin(http_parser *parser)
{
    struct http_parse *parse = parser->data;

    parse->midway = true;
    parse->complete = false;
    parse->in_value = true; /* so that the first name opens a header */
    parse->head_bytes = 0;
    parse->head[0] = '\0';
    parse->path = parse->head;
    parse->query = NULL;
    parse->header_count = 0;
    parse->body_bytes = 0;
    return 0;
}

static int on_target(http_parser *parser, const char *at, size_t len_bytes)
{
    struct http_parse *parse = parser->data;

    return collect(parse, at, len_bytes) ? 0 : refuse(parse, 414);
}

static int on_name(http_parser *parser, const char *at, size_t len_bytes)
{
    struct http_parse *parse = parser->data;

    if (parse->in_value) {
        char *name = NULL;
        if (parse->header_count == SP_HTTP_HEADERS_MAX) return refuse(parse, 431);
        parse->head_bytes++; /* past the NUL of what came before */
        if (!begin_text(parse, &name)) return refuse(parse, 431);
        parse->headers[parse->header_count++] = (struct sp_http_header){name, ""};
        parse->in_value = false;
    }
    return collect(parse, at, len_bytes) ? 0 : refuse(parse, 431);
}

static int on_value(http_parser *parser, const char *at, size_t len_bytes)
{
    struct http_parse *parse = parser->data;

    if (!parse->in_value) {
        char *value = NULL;
        parse->head_bytes++;
        if (!begin_text(parse, &value)) return refuse(parse, 431);
        parse->headers[parse->header_count - 1].value = value;
        parse->in_value = true;
    }
    if (memchr(at, '\0', len_bytes) != NULL)
        return refuse(parse, 400); /* a value would end there */
    return collect(parse, at, len_bytes) ? 0 : refuse(parse, 431);
}

static int on_headers(http_parser *parser)
{
    struct http_parse *parse = parser->data;

    if (parser->content_length != UINT64_MAX && parser->content_length > parse->body_bytes_max) {
        return refuse(parse, 413);
    }
    parse->query = strchr(parse->path, '?');
    if (parse->query != NULL) *parse->query++ = '\0';
    return 0;
}

static int on_body(http_parser *parser, const char *at, size_t len_bytes)
{
    struct http_parse *parse = parser->data;

    if (len_bytes > parse->body_bytes_max - parse->body_bytes) return refuse(parse, 413);
    size_t need = parse->body_bytes + len_bytes + 1;
    if (need > parse->body_room) {
        char *body = realloc(parse->body, need);
        if (body == NULL) return refuse(parse, 503);
        parse->body = body;
        parse->body_room = need;
    }
    memcpy(parse->body + parse->body_bytes, at, len_bytes);
    parse->body_bytes += len_bytes;
    parse->body[parse->body_bytes] = '\0';
    return 0;
}

static int on_complete(http_parser *parser)
{
    struct http_parse *parse = parser->data;

    parse->complete = true;
    parse->midway = false;
    http_parser_pause(parser, 1); /* the next request waits until this one is answered */
    return 0;
}

static const http_parser_settings settings = {
    .on_message_begin = on_begin,
    .on_url = on_target,
    .on_header_field = on_name,
    .on_header_value = on_value,
    .on_headers_complete = on_headers,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

struct http_parse *sp_http_parse_open(size_t body_bytes_max)
{
    struct http_parse *parse = calloc(1, sizeof *parse);

    if (parse == NULL) return NULL;
    parse->body_bytes_max = body_bytes_max;
    http_parser_init(&parse->parser, HTTP_REQUEST);
    parse->parser.data = parse;
    return parse;
}

void sp_http_parse_close(struct http_parse *parse)
{
    if (parse == NULL) return;
    free(parse->body);
    free(parse);
}

enum http_parsed sp_http_parse_feed(struct http_parse *parse, const char *bytes, size_t len_bytes,
                                    size_t *used)
{
    if (parse->complete) {
        parse->complete = false;
        http_parser_pause(&parse->parser, 0);
    }
    *used = http_parser_execute(&parse->parser, &settings, bytes, len_bytes);
    if (parse->complete) return HTTP_PARSE_REQUEST;
    if (HTTP_PARSER_ERRNO(&parse->parser) == HPE_OK) return HTTP_PARSE_MORE;
    if (parse->bad_status == 0) parse->bad_status = 400;
    return HTTP_PARSE_BAD;
}

void sp_http_parse_request(struct http_parse *parse, struct sp_http_request *out)
{
    static const enum sp_http_method methods[] = {[HTTP_GET] = SP_HTTP_GET,
                                                  [HTTP_POST] = SP_HTTP_POST,
                                                  [HTTP_PUT] = SP_HTTP_PUT,
                                                  [HTTP_DELETE] = SP_HTTP_DELETE};
    unsigned method = parse->parser.method;
    bool ours =
        method == HTTP_GET || method == HTTP_POST || method == HTTP_PUT || method == HTTP_DELETE;

    out->method = ours ? methods[method] : SP_HTTP_OTHER;
    out->path = parse->path;
    out->query = parse->query != NULL ? parse->query : "";
    out->body = parse->body_bytes > 0 ? parse->body : "";
    out->body_bytes = parse->body_bytes;
    out->header_count = parse->header_count;
    out->headers = parse->headers;
}

bool sp_http_parse_wants_socket(const struct http_parse *parse)
{
    return parse->parser.upgrade != 0;
}

bool sp_http_parse_keeps_alive(const struct http_parse *parse)
{
    return http_should_keep_alive(&parse->parser) != 0;
}

int sp_http_parse_bad_status(const struct http_parse *parse)
{
    return parse->bad_status;
}

bool sp_http_parse_is_midway(const struct http_parse *parse)
{
    return parse->midway;
}
