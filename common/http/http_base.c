#include "common/http/http_base.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CA_BYTES_MAX (4u << 20)

static const char *const schemes[] = {"http://", "https://", "ws://", "wss://"};

const char *sp_http_base_host(const char *base, bool *is_plain)
{
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++) {
        size_t len = strlen(schemes[i]);
        if (strncmp(base, schemes[i], len) != 0) continue;
        *is_plain = i % 2 == 0;
        return base + len;
    }
    return NULL;
}

bool sp_http_base_is_loopback(const char *base)
{
    bool is_plain = false;
    const char *host = sp_http_base_host(base, &is_plain);
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    if (host == NULL) return false;
    size_t len = strcspn(host, ":/");
    if (len == 0 || len >= sizeof text) return false;
    memcpy(text, host, len);
    text[len] = '\0';
    return inet_pton(AF_INET, text, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

sp_status sp_http_base_check(const char *base, struct sp_err *err)
{
    static const char host_bytes[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
    bool is_plain = false;
    const char *host = sp_http_base_host(base, &is_plain);

    if (host == NULL) return SP_FAIL(err, SP_CONFIG, "%.80s: expected https:// or wss://", base);
    if (strlen(base) >= SP_HTTP_BASE_SIZE) return SP_FAIL(err, SP_CONFIG, "the URL is too long");
    const char *rest = host + strspn(host, host_bytes);
    bool has_port = *rest == ':' && rest[1] != '\0';
    if (has_port) rest += 1 + strspn(rest + 1, "0123456789");
    if (rest == host || *rest != '\0')
        return SP_FAIL(err, SP_CONFIG, "%.80s: expected scheme, host and perhaps a port", base);
    if (is_plain && !sp_http_base_is_loopback(base))
        return SP_FAIL(err, SP_CONFIG, "%.80s: without TLS only to 127.0.0.1", base);
    return SP_OK;
}

static sp_status read_whole(FILE *file, char **out, size_t *len_bytes)
{
    char *text = malloc(CA_BYTES_MAX + 1);

    if (text == NULL) return SP_NO_MEMORY;
    *len_bytes = fread(text, 1, CA_BYTES_MAX + 1, file);
    if (ferror(file) || *len_bytes > CA_BYTES_MAX) {
        free(text);
        return SP_IO;
    }
    text[*len_bytes] = '\0';
    *out = text;
    return SP_OK;
}

sp_status sp_http_ca_read(const char *path, char **out, size_t *len_bytes, struct sp_err *err)
{
    char *text = NULL;

    *out = NULL;
    if (path[0] == '\0') return SP_OK;
    FILE *file = fopen(path, "rbe");
    if (file == NULL) return SP_FAIL(err, SP_CONFIG, "tls.ca_file %s: %s", path, strerror(errno));
    sp_status status = read_whole(file, &text, len_bytes);
    SP_IGNORE(fclose(file) != 0); /* it was only read */
    if (status != SP_OK) return SP_FAIL(err, SP_CONFIG, "tls.ca_file %s cannot be read", path);
    if (strstr(text, "-----BEGIN CERTIFICATE-----") == NULL) {
        free(text);
        return SP_FAIL(err, SP_CONFIG, "tls.ca_file %s holds no certificate (PEM)", path);
    }
    *out = text;
    return SP_OK;
}
