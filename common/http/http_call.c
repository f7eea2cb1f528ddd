#include "common/http/http_call.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t take(char *bytes, size_t size, size_t count, void *ctx)
{
    struct sp_call_answer *answer = ctx;
    size_t more = size * count;

    if (answer->body_bytes + more > SP_CALL_BODY_MAX) return 0;
    char *body = realloc(answer->body, answer->body_bytes + more + 1);
    if (body == NULL) return 0;
    memcpy(body + answer->body_bytes, bytes, more);
    answer->body = body;
    answer->body_bytes += more;
    body[answer->body_bytes] = '\0';
    return more;
}

/* Whether the server cannot have seen the request. */
static bool did_not_leave(CURLcode code)
{
    return code == CURLE_COULDNT_RESOLVE_HOST || code == CURLE_COULDNT_CONNECT ||
           code == CURLE_SSL_CONNECT_ERROR || code == CURLE_PEER_FAILED_VERIFICATION ||
           code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL ||
           code == CURLE_SSL_CACERT_BADFILE;
}

static void read_answer(CURL *handle, CURLcode code, struct sp_call_answer *out)
{
    long status = 0;
    curl_off_t retry_after = 0;

    if (code == CURLE_OK) code = curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK) {
        out->outcome = did_not_leave(code) ? SP_CALL_NOT_SENT : SP_CALL_UNKNOWN;
        if (out->error[0] == '\0')
            snprintf(out->error, sizeof out->error, "%s", curl_easy_strerror(code));
        return;
    }
    SP_IGNORE(curl_easy_getinfo(handle, CURLINFO_RETRY_AFTER, &retry_after) != CURLE_OK);
    out->outcome = SP_CALL_ANSWERED;
    out->status = (int)status;
    out->retry_after = retry_after > 0 && retry_after < 86400 ? (uint32_t)retry_after : 0;
}

void sp_http_call(const struct sp_http_request_line *request, struct sp_call_answer *out)
{
    char error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    CURL *handle = curl_easy_init();

    *out = (struct sp_call_answer){.outcome = SP_CALL_NOT_SENT, .error = "out of memory"};
    if (handle == NULL) return;
    if (request->header != NULL) headers = curl_slist_append(NULL, request->header);
    if (request->header == NULL || headers != NULL) {
        out->error[0] = '\0';
        bool set =
            curl_easy_setopt(handle, CURLOPT_URL, request->url) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)request->timeout_ms) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
            (request->ca_file == NULL ||
             (curl_easy_setopt(handle, CURLOPT_CAINFO, request->ca_file) == CURLE_OK &&
              curl_easy_setopt(handle, CURLOPT_CAPATH, NULL) == CURLE_OK)) &&
            /* A reused connection that has died makes libcurl send once more. */
            curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
            curl_easy_setopt(handle, CURLOPT_WRITEDATA, out) == CURLE_OK;
        CURLcode code = set ? curl_easy_perform(handle) : CURLE_UNSUPPORTED_PROTOCOL;
        snprintf(out->error, sizeof out->error, "%.150s", error);
        read_answer(handle, code, out);
    }
    curl_slist_free_all(headers);
    curl_easy_cleanup(handle);
}
