/* libwebsockets does the parsing and the time limits; this module only hands out finished pages.
 * Each answer sends a copy taken under the mutex, so the publisher never waits for a client.
 */
#include "services/health/http.h"

#include "common/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <libwebsockets.h>

#define HEADER_BYTES_MAX 8192
#define CHUNK_BYTES      16384
#define LIMIT_S          2
#define STALE_NS         (3 * SP_NS_PER_S)

static const struct {
    const char *path, *type;
} routes[SP_HTTP_ROUTE_COUNT] = {
    [SP_HTTP_HEALTHZ] = {"/healthz", "text/plain; charset=utf-8"},
    [SP_HTTP_READYZ] = {"/readyz", "text/plain; charset=utf-8"},
    [SP_HTTP_METRICS] = {"/metrics", "text/plain; version=0.0.4; charset=utf-8"},
    [SP_HTTP_HEALTH] = {"/health", "application/json"},
};

struct page {
    int status;
    char *text;
    size_t len_bytes;
    sp_mono published;
};

struct sp_http {
    struct lws_context *context;
    pthread_t thread;
    bool has_thread;
    atomic_bool stop;
    uint32_t connections; /* of the server's thread */
    pthread_mutex_t mutex;
    struct page pages[SP_HTTP_ROUTE_COUNT];
};

/* What one request is being answered with. */
struct answer {
    bool counted;
    unsigned char *body; /* behind LWS_PRE bytes that the library writes into */
    size_t len_bytes, sent_bytes;
};

/* ---- One answer ---- */

static bool take_text(struct answer *answer, const char *text, size_t len_bytes)
{
    free(answer->body);
    answer->sent_bytes = 0;
    answer->len_bytes = len_bytes;
    answer->body = malloc(LWS_PRE + len_bytes + 1);
    if (answer->body == NULL) return false;
    memcpy(answer->body + LWS_PRE, text, len_bytes);
    return true;
}

/* The HTTP status, or 0 if memory is exhausted. */
static int take_page(struct sp_http *http, const char *path, struct answer *answer,
                     const char **type)
{
    static const char stuck[] = "stuck: the service does not renew its pages\n";
    static const char unknown[] = "no such page: /healthz /readyz /metrics /health\n";
    int status = 404;
    bool taken = false;

    *type = routes[SP_HTTP_HEALTHZ].type;
    for (size_t i = 0; i < SP_HTTP_ROUTE_COUNT; i++) {
        if (strcmp(path, routes[i].path) != 0) continue;
        pthread_mutex_lock(&http->mutex);
        const struct page *page = &http->pages[i];
        bool fresh =
            page->text != NULL && sp_mono_since(sp_clock_mono(), page->published).ns < STALE_NS;
        status = fresh ? page->status : 503;
        taken = fresh ? take_text(answer, page->text, page->len_bytes)
                      : take_text(answer, stuck, sizeof stuck - 1);
        pthread_mutex_unlock(&http->mutex);
        if (fresh) *type = routes[i].type;
        return taken ? status : 0;
    }
    return take_text(answer, unknown, sizeof unknown - 1) ? status : 0;
}

static int send_headers(struct lws *wsi, int status, const char *type, size_t len_bytes)
{
    unsigned char buf[LWS_PRE + 1024];
    unsigned char *p = buf + LWS_PRE, *end = buf + sizeof buf - 1;

    if (lws_add_http_common_headers(wsi, (unsigned)status, type, (lws_filepos_t)len_bytes, &p,
                                    end)) {
        return 1;
    }
    if (status == 405 && lws_add_http_header_by_name(wsi, (const unsigned char *)"allow:",
                                                     (const unsigned char *)"GET", 3, &p, end)) {
        return 1;
    }
    if (lws_finalize_write_http_header(wsi, buf + LWS_PRE, &p, end)) return 1;
    lws_callback_on_writable(wsi);
    return 0;
}

static int on_request(struct sp_http *http, struct lws *wsi, struct answer *answer,
                      const char *path)
{
    static const char only_get[] = "only GET\n";
    const char *type = routes[SP_HTTP_HEALTHZ].type;
    int status = 405;

    if (lws_hdr_total_length(wsi, WSI_TOKEN_GET_URI) > 0) {
        status = take_page(http, path, answer, &type);
    } else if (!take_text(answer, only_get, sizeof only_get - 1)) {
        status = 0;
    }
    if (status == 0) return -1;
    return send_headers(wsi, status, type, answer->len_bytes);
}

static int on_writable(struct lws *wsi, struct answer *answer)
{
    if (answer->body == NULL) return 0;
    size_t left = answer->len_bytes - answer->sent_bytes;
    size_t now = left < CHUNK_BYTES ? left : CHUNK_BYTES;
    bool last = now == left;

    /* The library may write in front of what it is given: that part has been sent already. */
    int n = lws_write(wsi, answer->body + LWS_PRE + answer->sent_bytes, now,
                      last ? LWS_WRITE_HTTP_FINAL : LWS_WRITE_HTTP);
    if (n < 0) return -1;
    answer->sent_bytes += now;
    if (!last) {
        lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, LIMIT_S);
        lws_callback_on_writable(wsi);
        return 0;
    }
    free(answer->body);
    answer->body = NULL;
    return lws_http_transaction_completed(wsi) ? -1 : 0;
}

static int on_event(struct lws *wsi, enum lws_callback_reasons reason, void *user, void *in,
                    size_t len)
{
    struct sp_http *http = lws_context_user(lws_get_context(wsi));
    struct answer *answer = user;

    (void)len;
    /* The library has over a hundred reasons; these are ours. */
    if (reason == LWS_CALLBACK_FILTER_NETWORK_CONNECTION) {
        return http->connections >= SP_HTTP_CONNECTIONS_MAX;
    }
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED) http->connections++;
    if (reason == LWS_CALLBACK_CLOSED_HTTP && http->connections > 0) http->connections--;
    if (reason == LWS_CALLBACK_HTTP) return on_request(http, wsi, answer, in);
    if (reason == LWS_CALLBACK_HTTP_WRITEABLE && answer != NULL) return on_writable(wsi, answer);
    bool over = reason == LWS_CALLBACK_CLOSED_HTTP || reason == LWS_CALLBACK_HTTP_DROP_PROTOCOL;
    if (over && answer != NULL) {
        free(answer->body);
        answer->body = NULL;
    }
    return 0;
}

/* ---- Life ---- */

static const struct lws_protocols protocols[] = {
    {.name = "http", .callback = on_event, .per_session_data_size = sizeof(struct answer)},
    {.name = NULL},
};

static void *serve(void *ctx)
{
    struct sp_http *http = ctx;

    while (!atomic_load(&http->stop)) {
        if (lws_service(http->context, 0) < 0) break;
    }
    return NULL;
}

/* Binds and lets go again: the library does not tell why it cannot. */
static sp_status check_address(const char *host, uint16_t port, struct sp_err *err)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1;

    if (inet_pton(AF_INET, host, &address.sin_addr) != 1 ||
        ntohl(address.sin_addr.s_addr) >> 24 != 127) {
        return SP_FAIL(err, SP_CONFIG, "http.listen: %s is no loopback address; use 127.0.0.1:%u",
                       host, port);
    }
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return SP_FAIL(err, SP_IO, "socket: %s", strerror(errno));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    const struct sockaddr *at = (const struct sockaddr *)&address;
    int failed = bind(fd, at, sizeof address) != 0 || listen(fd, 1) != 0 ? errno : 0;
    close(fd);
    if (failed == 0) return SP_OK;
    return SP_FAIL(err, SP_CONFIG,
                   "port %u of %s cannot be used (%s); set another http.listen in platform.json",
                   port, host, strerror(failed));
}

sp_status sp_http_open(const char *host, uint16_t port, struct sp_http **out, struct sp_err *err)
{
    sp_status status = check_address(host, port, err);

    if (status != SP_OK) return status;
    struct sp_http *http = calloc(1, sizeof *http);
    if (http == NULL) return SP_FAIL(err, SP_NO_MEMORY, "http");
    pthread_mutex_init(&http->mutex, NULL);
    struct lws_context_creation_info info = {
        .port = port,
        .iface = host,
        .protocols = protocols,
        .user = http,
        .options = LWS_SERVER_OPTION_DISABLE_IPV6 | LWS_SERVER_OPTION_FAIL_UPON_UNABLE_TO_BIND |
                   LWS_SERVER_OPTION_DISABLE_OS_CA_CERTS,
        .server_string = "spoor",
        .max_http_header_data = HEADER_BYTES_MAX,
        .max_http_header_pool = SP_HTTP_CONNECTIONS_MAX,
        .timeout_secs = LIMIT_S,
        .timeout_secs_ah_idle = LIMIT_S,
        .keepalive_timeout = LIMIT_S,
        .fd_limit_per_thread = SP_HTTP_CONNECTIONS_MAX + 16,
        .pt_serv_buf_size = CHUNK_BYTES,
    };
    lws_set_log_level(0, NULL);
    http->context = lws_create_context(&info);
    if (http->context == NULL) {
        sp_http_close(http);
        return SP_FAIL(err, SP_CONFIG,
                       "no server on %s:%u; set another http.listen in platform.json", host, port);
    }
    if (pthread_create(&http->thread, NULL, serve, http) != 0) {
        sp_http_close(http);
        return SP_FAIL(err, SP_NO_MEMORY, "http thread");
    }
    http->has_thread = true;
    *out = http;
    return SP_OK;
}

sp_status sp_http_publish(struct sp_http *http, enum sp_http_route route, int status,
                          const char *text, size_t len_bytes)
{
    char *copy = malloc(len_bytes + 1);

    SP_ASSERT((unsigned)route < SP_HTTP_ROUTE_COUNT);
    if (copy == NULL) return SP_NO_MEMORY;
    memcpy(copy, text, len_bytes);
    pthread_mutex_lock(&http->mutex);
    char *old = http->pages[route].text;
    http->pages[route] = (struct page){status, copy, len_bytes, sp_clock_mono()};
    pthread_mutex_unlock(&http->mutex);
    free(old);
    return SP_OK;
}

void sp_http_close(struct sp_http *http)
{
    if (http == NULL) return;
    atomic_store(&http->stop, true);
    if (http->has_thread) {
        lws_cancel_service(http->context);
        pthread_join(http->thread, NULL);
    }
    if (http->context != NULL) lws_context_destroy(http->context);
    for (size_t i = 0; i < SP_HTTP_ROUTE_COUNT; i++) {
        free(http->pages[i].text);
    }
    pthread_mutex_destroy(&http->mutex);
    free(http);
}
