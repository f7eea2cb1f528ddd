/* curl's sockets hang in an epoll of their own, which is one descriptor of the service's loop;
 * curl's one timer is a timer of the loop. Whatever either brings ends in `serve`, which lets curl
 * work and then hands out what is complete, so that no callback runs inside of curl.
 *
 * The second attempt: curl repeats a request by itself if a kept connection is closed before the
 * first byte of an answer. It asks CURLOPT_PREREQFUNCTION before each attempt, also that one, and
 * there it is stopped.
 */
#include "common/http/http_client.h"

#include "common/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <curl/curl.h>

#define EVENTS_PER_ROUND 32
#define HEAD_BYTES_MAX   (16u << 10)
#define UNSENT_BYTES_MAX (1u << 20)
#define CONNECT_LIMIT_MS 5000L
#define STREAM_LIMIT_MS  10000L
#define CONNECTIONS_MAX  8L
#define SHARE_BYTES      65536
#define READS_PER_ROUND  16

struct bytes {
    char *at;
    size_t len, room, most;
};

/* One request. */
struct exchange {
    struct sp_http_client *client;
    struct exchange *next;
    CURL *easy;
    struct curl_slist *headers;
    struct bytes body, head;
    char says[CURL_ERROR_SIZE]; /* of a failure, more than its code */
    uint32_t attempts;
    bool second_refused;
    sp_wall asked;
    void *ctx;
    void (*on_answer)(void *ctx, const struct sp_http_answer *answer);
};

struct sp_http_stream {
    struct sp_http_client *client;
    struct sp_http_stream *next;
    CURL *easy;
    curl_socket_t fd; /* CURL_SOCKET_BAD until it is open */
    char says[CURL_ERROR_SIZE];
    bool ended, wants_out;
    struct sp_http_stream_callbacks callbacks;
    struct bytes out;
};

struct sp_http_client {
    struct sp_loop *loop;
    struct sp_timer *timer;
    CURLM *multi;
    int epoll;
    struct exchange *exchanges;
    struct sp_http_stream *streams;
    char *ca; /* PEM; NULL: what the system trusts */
    size_t ca_bytes;
    uint8_t share[SHARE_BYTES];
};

/* ---- Bytes ---- */

static bool append(struct bytes *to, const void *from, size_t len)
{
    if (to->len + len > to->most) return false;
    if (to->len + len + 1 > to->room) {
        size_t room = (to->len + len + 1) * 2;
        char *grown = realloc(to->at, room);
        if (grown == NULL) return false;
        to->at = grown;
        to->room = room;
    }
    memcpy(to->at + to->len, from, len);
    to->len += len;
    to->at[to->len] = '\0';
    return true;
}

/* curl knows the stream schemes by their HTTP names. */
static sp_status url_of(const char *base, const char *path, const char *query, char *out,
                        size_t room)
{
    bool is_plain = false;
    const char *host = sp_http_base_host(base, &is_plain);

    SP_ASSERT(host != NULL);
    int n = snprintf(out, room, "%s%s%s%s%s", is_plain ? "http://" : "https://", host, path,
                     query[0] != '\0' ? "?" : "", query);
    return n > 0 && (size_t)n < room ? SP_OK : SP_TOO_LONG;
}

/* ---- What curl calls ---- */

static void watch(struct sp_http_client *client, curl_socket_t fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data = {.fd = fd}};

    if (epoll_ctl(client->epoll, EPOLL_CTL_MOD, fd, &event) == 0) return;
    SP_IGNORE(epoll_ctl(client->epoll, EPOLL_CTL_ADD, fd, &event) != 0); /* the timer ends it */
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *known)
{
    struct sp_http_client *client = ctx;
    uint32_t events = 0;

    (void)easy;
    (void)known;
    if (what == CURL_POLL_REMOVE) {
        SP_IGNORE(epoll_ctl(client->epoll, EPOLL_CTL_DEL, fd, NULL) != 0); /* it may be closed */
        return 0;
    }
    if (what == CURL_POLL_IN || what == CURL_POLL_INOUT) events |= EPOLLIN;
    if (what == CURL_POLL_OUT || what == CURL_POLL_INOUT) events |= EPOLLOUT;
    watch(client, fd, events);
    return 0;
}

static int on_timeout(CURLM *multi, long wait_ms, void *ctx)
{
    struct sp_http_client *client = ctx;

    (void)multi;
    if (wait_ms >= 0) sp_timer_arm(client->timer, (sp_dur){wait_ms * SP_NS_PER_MS});
    return 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;

    return append(&exchange->body, bytes, size * count) ? size * count : 0;
}

static size_t on_head(char *bytes, size_t size, size_t count, void *ctx)
{
    struct exchange *exchange = ctx;

    return append(&exchange->head, bytes, size * count) ? size * count : 0;
}

static int on_attempt(void *ctx, char *from, char *to, int from_port, int to_port)
{
    struct exchange *exchange = ctx;

    (void)from;
    (void)to;
    (void)from_port;
    (void)to_port;
    if (exchange->attempts > 0) {
        exchange->second_refused = true;
        return CURL_PREREQFUNC_ABORT;
    }
    exchange->attempts++;
    return CURL_PREREQFUNC_OK;
}

/* ---- Requests ---- */

static void free_exchange(struct exchange *exchange)
{
    for (struct exchange **at = &exchange->client->exchanges; *at != NULL; at = &(*at)->next) {
        if (*at != exchange) continue;
        *at = exchange->next;
        break;
    }
    if (exchange->easy != NULL) {
        SP_IGNORE(curl_multi_remove_handle(exchange->client->multi, exchange->easy) != CURLM_OK);
        curl_easy_cleanup(exchange->easy);
    }
    curl_slist_free_all(exchange->headers);
    free(exchange->body.at);
    free(exchange->head.at);
    free(exchange);
}

static bool set_common(struct sp_http_client *client, CURL *easy, const char *base, const char *url)
{
    struct curl_blob ca = {.data = client->ca, .len = client->ca_bytes, .flags = CURL_BLOB_NOCOPY};
    CURLcode bad = CURLE_OK;

    if (client->ca != NULL) {
        bad |= curl_easy_setopt(easy, CURLOPT_CAINFO_BLOB, &ca);
        bad |= curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);
    }

    bad |= curl_easy_setopt(easy, CURLOPT_URL, url);
    bad |= curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR,
                            sp_http_base_is_loopback(base) ? "http,https" : "https");
    bad |= curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_PROXY, "");
    bad |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L);
    bad |= curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L);
    bad |= curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    bad |= curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_LIMIT_MS);
    bad |= curl_easy_setopt(easy, CURLOPT_TCP_NODELAY, 1L);
    return bad == CURLE_OK;
}

static bool set_request(struct exchange *exchange, const struct sp_http_ask *ask)
{
    CURL *easy = exchange->easy;
    CURLcode bad = CURLE_OK;

    bad |= curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    bad |= curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)(ask->limit.ns / SP_NS_PER_MS));
    bad |= curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)exchange);
    bad |= curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, exchange->says);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    bad |= curl_easy_setopt(easy, CURLOPT_WRITEDATA, exchange);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_head);
    bad |= curl_easy_setopt(easy, CURLOPT_HEADERDATA, exchange);
    bad |= curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_attempt);
    bad |= curl_easy_setopt(easy, CURLOPT_PREREQDATA, exchange);
    if (strcmp(ask->verb, "POST") == 0)
        bad |= curl_easy_setopt(easy, CURLOPT_COPYPOSTFIELDS, ask->params);
    else
        bad |= curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, ask->verb);
    if (ask->header != NULL) {
        exchange->headers = curl_slist_append(NULL, ask->header);
        if (exchange->headers == NULL) return false;
        bad |= curl_easy_setopt(easy, CURLOPT_HTTPHEADER, exchange->headers);
    }
    return bad == CURLE_OK;
}

sp_status sp_http_client_ask(struct sp_http_client *client, const struct sp_http_ask *ask,
                             struct sp_err *err)
{
    char url[2048];
    bool is_post = strcmp(ask->verb, "POST") == 0;
    sp_status status = sp_http_base_check(ask->base, err);

    if (status != SP_OK) return status;
    if (url_of(ask->base, ask->path, is_post ? "" : ask->params, url, sizeof url) != SP_OK)
        return SP_FAIL(err, SP_TOO_LONG, "request to %.60s", ask->path);
    struct exchange *exchange = calloc(1, sizeof *exchange);
    if (exchange == NULL) return SP_FAIL(err, SP_NO_MEMORY, "request");
    exchange->client = client;
    exchange->ctx = ask->ctx;
    exchange->on_answer = ask->on_answer;
    exchange->body.most = SP_HTTP_ANSWER_BYTES_MAX;
    exchange->head.most = HEAD_BYTES_MAX;
    exchange->asked = sp_clock_wall();
    exchange->easy = curl_easy_init();
    bool fine = exchange->easy != NULL && set_common(client, exchange->easy, ask->base, url) &&
                set_request(exchange, ask) &&
                curl_multi_add_handle(client->multi, exchange->easy) == CURLM_OK;
    if (!fine) {
        free_exchange(exchange);
        return SP_FAIL(err, SP_NO_MEMORY, "request");
    }
    exchange->next = client->exchanges;
    client->exchanges = exchange;
    return SP_OK;
}

int64_t sp_http_answer_number(const struct sp_http_answer *answer, const char *name)
{
    size_t len = strlen(name);

    for (const char *line = answer->head; line != NULL && *line != '\0';) {
        if (strncasecmp(line, name, len) == 0 && line[len] == ':') {
            char *end = NULL;
            long long value = strtoll(line + len + 1, &end, 10);
            return end != line + len + 1 && value >= 0 ? value : -1;
        }
        line = strchr(line, '\n');
        if (line != NULL) line++;
    }
    return -1;
}

static const char *meaning(CURLcode result, const char *says)
{
    return says[0] != '\0' ? says : curl_easy_strerror(result);
}

static void finish_exchange(struct exchange *exchange, CURLcode result)
{
    long status = 0;
    struct sp_http_answer answer = {.sent = exchange->attempts > 0,
                                    .failure = "",
                                    .body = exchange->body.at != NULL ? exchange->body.at : "",
                                    .body_bytes = exchange->body.len,
                                    .head = exchange->head.at != NULL ? exchange->head.at : "",
                                    .asked = exchange->asked,
                                    .answered = sp_clock_wall()};

    SP_IGNORE(curl_easy_getinfo(exchange->easy, CURLINFO_RESPONSE_CODE, &status) != CURLE_OK);
    if (result == CURLE_OK) {
        answer.status = (int)status;
    } else {
        answer.failure = exchange->second_refused ? "the kept connection was closed; not sent again"
                                                  : meaning(result, exchange->says);
    }
    exchange->on_answer(exchange->ctx, &answer);
    free_exchange(exchange);
}

/* ---- Streams ---- */

/* The callback may close the stream: the reason does not end with it. */
static void end_stream(struct sp_http_stream *stream, const char *says)
{
    char reason[CURL_ERROR_SIZE];

    if (stream->ended) return;
    snprintf(reason, sizeof reason, "%s", says);
    stream->ended = true;
    if (stream->fd != CURL_SOCKET_BAD)
        SP_IGNORE(epoll_ctl(stream->client->epoll, EPOLL_CTL_DEL, stream->fd, NULL) != 0);
    stream->callbacks.on_end(stream->callbacks.ctx, reason);
}

static struct sp_http_stream *stream_of(struct sp_http_client *client, curl_socket_t fd)
{
    struct sp_http_stream *stream = client->streams;

    while (stream != NULL && (stream->ended || stream->fd != fd))
        stream = stream->next;
    return stream;
}

/* False: it has ended, or was closed by a callback. */
static bool flush(struct sp_http_stream *stream)
{
    size_t sent = 0, done = 0;
    CURLcode result = CURLE_OK;

    while (done < stream->out.len && result == CURLE_OK) {
        result = curl_easy_send(stream->easy, stream->out.at + done, stream->out.len - done, &sent);
        if (result == CURLE_OK) done += sent;
    }
    if (result != CURLE_OK && result != CURLE_AGAIN) {
        end_stream(stream, curl_easy_strerror(result));
        return false;
    }
    if (done > 0) memmove(stream->out.at, stream->out.at + done, stream->out.len - done);
    stream->out.len -= done;
    bool wants_out = stream->out.len > 0;
    if (wants_out != stream->wants_out) {
        stream->wants_out = wants_out;
        watch(stream->client, stream->fd, EPOLLIN | (wants_out ? EPOLLOUT : 0U));
    }
    return true;
}

/* Reads what is there: also what TLS has decrypted already. */
static void read_stream(struct sp_http_client *client, curl_socket_t fd)
{
    struct sp_http_stream *stream = NULL;

    for (uint32_t i = 0; (stream = stream_of(client, fd)) != NULL; i++) {
        size_t n = 0;
        CURLcode result = curl_easy_recv(stream->easy, client->share, SHARE_BYTES, &n);
        if (result == CURLE_AGAIN) return;
        if (result != CURLE_OK || n == 0) {
            end_stream(stream, result == CURLE_OK ? "closed by the other side"
                                                  : curl_easy_strerror(result));
            return;
        }
        stream->callbacks.on_bytes(stream->callbacks.ctx, client->share, n);
        /* A flood must not starve the rest; what TLS holds back comes with the next round. */
        if (i >= READS_PER_ROUND && n < SHARE_BYTES) return;
    }
}

static void stream_connected(struct sp_http_stream *stream, CURLcode result)
{
    if (result == CURLE_OK) {
        result = curl_easy_getinfo(stream->easy, CURLINFO_ACTIVESOCKET, &stream->fd);
        if (result == CURLE_OK && stream->fd == CURL_SOCKET_BAD) result = CURLE_COULDNT_CONNECT;
    }
    if (result != CURLE_OK) {
        end_stream(stream, meaning(result, stream->says));
        return;
    }
    watch(stream->client, stream->fd, EPOLLIN);
    stream->callbacks.on_open(stream->callbacks.ctx);
}

sp_status sp_http_stream_open(struct sp_http_client *client, const char *base,
                              const struct sp_http_stream_callbacks *callbacks,
                              struct sp_http_stream **out, struct sp_err *err)
{
    char url[SP_HTTP_BASE_SIZE + 16];
    sp_status status = sp_http_base_check(base, err);

    if (status != SP_OK) return status;
    if (url_of(base, "/", "", url, sizeof url) != SP_OK) return SP_FAIL(err, SP_TOO_LONG, "URL");
    struct sp_http_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) return SP_FAIL(err, SP_NO_MEMORY, "stream");
    stream->client = client;
    stream->callbacks = *callbacks;
    stream->fd = CURL_SOCKET_BAD;
    stream->out.most = UNSENT_BYTES_MAX;
    stream->next = client->streams;
    client->streams = stream;
    stream->easy = curl_easy_init();
    bool fine = stream->easy != NULL && set_common(client, stream->easy, base, url) &&
                curl_easy_setopt(stream->easy, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK &&
                curl_easy_setopt(stream->easy, CURLOPT_ERRORBUFFER, stream->says) == CURLE_OK &&
                curl_easy_setopt(stream->easy, CURLOPT_TIMEOUT_MS, STREAM_LIMIT_MS) == CURLE_OK &&
                /* HTTP/2 must not be agreed on: what follows is an HTTP/1.1 upgrade. */
                curl_easy_setopt(stream->easy, CURLOPT_SSL_ENABLE_ALPN, 0L) == CURLE_OK &&
                curl_multi_add_handle(client->multi, stream->easy) == CURLM_OK;
    if (!fine) {
        sp_http_stream_close(stream);
        return SP_FAIL(err, SP_NO_MEMORY, "stream");
    }
    *out = stream;
    return SP_OK;
}

bool sp_http_stream_send(struct sp_http_stream *stream, const uint8_t *bytes, size_t len_bytes)
{
    if (stream->ended || stream->fd == CURL_SOCKET_BAD) return false;
    if (!append(&stream->out, bytes, len_bytes)) return false;
    /* What fails here is seen by the reader, outside of the caller. */
    if (!stream->wants_out) {
        stream->wants_out = true;
        watch(stream->client, stream->fd, EPOLLIN | EPOLLOUT);
    }
    return true;
}

void sp_http_stream_close(struct sp_http_stream *stream)
{
    if (stream == NULL) return;
    for (struct sp_http_stream **at = &stream->client->streams; *at != NULL; at = &(*at)->next) {
        if (*at != stream) continue;
        *at = stream->next;
        break;
    }
    if (stream->fd != CURL_SOCKET_BAD && !stream->ended)
        SP_IGNORE(epoll_ctl(stream->client->epoll, EPOLL_CTL_DEL, stream->fd, NULL) != 0);
    if (stream->easy != NULL) {
        SP_IGNORE(curl_multi_remove_handle(stream->client->multi, stream->easy) != CURLM_OK);
        curl_easy_cleanup(stream->easy);
    }
    free(stream->out.at);
    free(stream);
}

/* ---- The loop ---- */

static void hand_out(struct sp_http_client *client)
{
    int left = 0;
    CURLMsg *message = NULL;

    while ((message = curl_multi_info_read(client->multi, &left)) != NULL) {
        CURL *easy = message->easy_handle;
        CURLcode result = message->data.result;
        struct exchange *exchange = client->exchanges;
        struct sp_http_stream *stream = client->streams;
        if (message->msg != CURLMSG_DONE) continue;
        while (exchange != NULL && exchange->easy != easy)
            exchange = exchange->next;
        while (stream != NULL && stream->easy != easy)
            stream = stream->next;
        if (exchange != NULL) finish_exchange(exchange, result);
        if (stream != NULL) stream_connected(stream, result);
    }
}

static void serve(struct sp_http_client *client, curl_socket_t fd, int events)
{
    int running = 0;

    SP_IGNORE(curl_multi_socket_action(client->multi, fd, events, &running) != CURLM_OK);
    hand_out(client);
}

static void on_timer(void *ctx)
{
    serve(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static void on_ready(void *ctx)
{
    struct sp_http_client *client = ctx;
    struct epoll_event events[EVENTS_PER_ROUND];
    int count = epoll_wait(client->epoll, events, EVENTS_PER_ROUND, 0);

    for (int i = 0; i < count; i++) {
        curl_socket_t fd = events[i].data.fd;
        struct sp_http_stream *stream = stream_of(client, fd);
        if (stream != NULL) {
            if ((events[i].events & EPOLLOUT) && !flush(stream)) continue;
            read_stream(client, fd);
            continue;
        }
        int what = (events[i].events & EPOLLIN ? CURL_CSELECT_IN : 0) |
                   (events[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0) |
                   (events[i].events & (EPOLLERR | EPOLLHUP) ? CURL_CSELECT_ERR : 0);
        serve(client, fd, what);
    }
}

static sp_status set_up(struct sp_http_client *client, struct sp_err *err)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return SP_FAIL(err, SP_PLATFORM, "libcurl cannot start");
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    client->multi = curl_multi_init();
    if (client->epoll < 0 || client->multi == NULL)
        return SP_FAIL(err, SP_NO_MEMORY, "HTTP client");
    sp_status status = sp_loop_add_timer(client->loop, (sp_dur){SP_NS_PER_S}, (sp_dur){0}, on_timer,
                                         client, &client->timer);
    if (status == SP_OK) status = sp_loop_add_fd(client->loop, client->epoll, on_ready, client);
    if (status != SP_OK) return SP_FAIL(err, status, "event loop: no room for the HTTP client");
    CURLMcode bad = CURLM_OK;
    bad |= curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, CONNECTIONS_MAX);
    bad |= curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return bad == CURLM_OK ? SP_OK : SP_FAIL(err, SP_PLATFORM, "libcurl lacks an option");
}

sp_status sp_http_client_open(struct sp_loop *loop, const char *ca_file,
                              struct sp_http_client **out, struct sp_err *err)
{
    struct sp_http_client *client = calloc(1, sizeof *client);

    if (client == NULL) return SP_FAIL(err, SP_NO_MEMORY, "HTTP client");
    client->loop = loop;
    client->epoll = -1;
    sp_status status = sp_http_ca_read(ca_file, &client->ca, &client->ca_bytes, err);
    if (status == SP_OK) status = set_up(client, err);
    if (status != SP_OK) {
        sp_http_client_close(client);
        return status;
    }
    *out = client;
    return SP_OK;
}

void sp_http_client_close(struct sp_http_client *client)
{
    if (client == NULL) return;
    while (client->exchanges != NULL)
        free_exchange(client->exchanges);
    while (client->streams != NULL)
        sp_http_stream_close(client->streams);
    if (client->multi != NULL) SP_IGNORE(curl_multi_cleanup(client->multi) != CURLM_OK);
    sp_timer_cancel(client->timer);
    if (client->epoll >= 0) {
        sp_loop_remove_fd(client->loop, client->epoll);
        close(client->epoll);
    }
    free(client->ca);
    free(client);
}
