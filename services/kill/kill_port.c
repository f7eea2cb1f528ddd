#include "services/kill/kill_port.h"

#include "common/crypto.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define URL_BYTES    1024
#define CALL_TIMEOUT 5000
#define RECV_WINDOW  "5000"
#define NS_PER_MS    1000000

static int64_t now_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / NS_PER_MS;
}

/* Adds time and signature; false if it does not fit. */
static bool sign(const struct sp_kill_venue *venue, const char *query, char *out, size_t out_bytes)
{
    uint8_t mac[SP_SHA256_BYTES];
    char hex[2 * SP_SHA256_BYTES + 1];

    int n = snprintf(out, out_bytes, "%s%srecvWindow=" RECV_WINDOW "&timestamp=%lld", query,
                     query[0] != '\0' ? "&" : "", (long long)(now_ms() + venue->offset_ms));
    if (n < 0 || (size_t)n >= out_bytes) return false;
    struct sp_bytes piece = {out, (size_t)n};
    if (!sp_hmac_sha256(venue->key.secret, strlen(venue->key.secret), &piece, 1, mac)) return false;
    sp_hex(mac, sizeof mac, hex);
    int m = snprintf(out + n, out_bytes - (size_t)n, "&signature=%s", hex);
    return m > 0 && (size_t)m < out_bytes - (size_t)n;
}

static void port_call(void *ctx, const struct sp_kill_request *request, struct sp_call_answer *out)
{
    const struct sp_kill_venue *venue = ctx;
    char query[URL_BYTES], url[2 * URL_BYTES], header[SP_KILL_KEY_MAX + 32];
    bool ready = true;

    snprintf(query, sizeof query, "%s", request->query);
    if (request->is_signed) ready = sign(venue, request->query, query, sizeof query);
    snprintf(url, sizeof url, "%s%s%s%s", venue->url, request->path, query[0] != '\0' ? "?" : "",
             query);
    snprintf(header, sizeof header, "X-MBX-APIKEY: %s", venue->key.api_key);
    *out = (struct sp_call_answer){.outcome = SP_CALL_NOT_SENT, .error = "cannot be signed"};
    if (ready) {
        sp_http_call(&(struct sp_http_request_line){.method = request->method,
                                                    .url = url,
                                                    .header = header,
                                                    .ca_file = venue->ca_file,
                                                    .timeout_ms = CALL_TIMEOUT},
                     out);
    }
    explicit_bzero(header, sizeof header);
}

static void port_wait(void *ctx, uint32_t ms)
{
    struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * NS_PER_MS};

    (void)ctx;
    while (nanosleep(&ts, &ts) != 0)
        continue; /* a signal */
}

static void port_say(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
    fflush(stdout);
}

static void port_mint(void *ctx, sp_name *out)
{
    struct sp_kill_venue *venue = ctx;
    char text[SP_NAME_SIZE];

    snprintf(text, sizeof text, "kill-%llx-%x-%u", (unsigned long long)now_ms(), (unsigned)getpid(),
             ++venue->minted);
    SP_IGNORE(!sp_name_set(out, text)); /* it always is one */
}

/* How far the venue's clock is ahead, if it says so. */
static void ask_time(struct sp_kill_venue *venue)
{
    struct sp_call_answer answer;
    int64_t before = now_ms();
    long long server = 0;

    port_call(venue, &(struct sp_kill_request){"GET", "/api/v3/time", "", false}, &answer);
    int64_t after = now_ms();
    if (answer.outcome == SP_CALL_ANSWERED && answer.status == 200 && answer.body != NULL &&
        sscanf(answer.body, "{\"serverTime\":%lld", &server) == 1)
        venue->offset_ms = server - (before + after) / 2;
    free(answer.body);
}

struct sp_kill_port sp_kill_venue_open(struct sp_kill_venue *venue)
{
    ask_time(venue);
    return (struct sp_kill_port){.ctx = venue,
                                 .call = port_call,
                                 .wait = port_wait,
                                 .say = port_say,
                                 .mint = port_mint};
}
