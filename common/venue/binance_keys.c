#include "common/venue/binance_keys.h"

#include "common/crypto.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGE_BYTES 8192

/* All of it lies in the page: also the file's text while it is read. */
struct sp_binance_keys {
    char api_key[SP_BINANCE_KEY_SIZE];
    char secret[SP_BINANCE_KEY_SIZE];
    char file[4096];
};
_Static_assert(sizeof(struct sp_binance_keys) <= PAGE_BYTES, "one mapping holds it");

/* The value of "key" in the text, copied within the page. No parser that copies to the heap may see
 * it; keys and secrets have no escapes. */
static bool find_text(const char *text, const char *key, char out[SP_BINANCE_KEY_SIZE])
{
    const char *at = strstr(text, key);

    if (at == NULL) return false;
    at += strlen(key);
    at += strspn(at, " \t\r\n");
    if (*at++ != ':') return false;
    at += strspn(at, " \t\r\n");
    if (*at++ != '"') return false;
    size_t len = strcspn(at, "\"\\\n");
    if (at[len] != '"' || len < 8 || len >= SP_BINANCE_KEY_SIZE) return false;
    memcpy(out, at, len);
    out[len] = '\0';
    return true;
}

/* A file of one's own is the owner's alone. A credential, which the service manager holds ready in
 * a folder of this service, may be root's, and readable by the group that stands for the list of
 * who may. */
static sp_status check_owner(const char *path, const struct stat *info, bool credential,
                             struct sp_err *err)
{
    bool ours = info->st_uid == geteuid() || (credential && info->st_uid == 0);
    unsigned mode = info->st_mode & 07777U;

    if (!S_ISREG(info->st_mode))
        return SP_FAIL(err, SP_CONFIG, "key file %.90s is no regular file", path);
    if (!ours) return SP_FAIL(err, SP_CONFIG, "key file %.60s belongs to another user", path);
    if (mode != 0400 && !(credential && mode == 0440))
        return SP_FAIL(err, SP_CONFIG, "key file %.60s has mode %04o; chmod 0400", path, mode);
    return SP_OK;
}

static sp_status read_file(const char *path, bool credential, struct sp_binance_keys *keys,
                           struct sp_err *err)
{
    struct stat info = {0};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

    if (fd < 0) return SP_FAIL(err, SP_CONFIG, "key file %.90s cannot be opened", path);
    if (fstat(fd, &info) != 0) info.st_mode = 0; /* no regular file */
    sp_status status = check_owner(path, &info, credential, err);
    if (status == SP_OK) {
        ssize_t n = read(fd, keys->file, sizeof keys->file - 1);
        bool whole = n > 0 && (size_t)n < sizeof keys->file - 1;
        if (whole) keys->file[n] = '\0';
        whole = whole && find_text(keys->file, "\"api_key\"", keys->api_key) &&
                find_text(keys->file, "\"secret\"", keys->secret);
        if (!whole)
            status = SP_FAIL(err, SP_CONFIG, "key file %.60s: expected api_key and secret", path);
    }
    explicit_bzero(keys->file, sizeof keys->file);
    close(fd);
    return status;
}

/* The file, or the credential of the service manager if none is configured. */
static sp_status read_keys(const char *path, struct sp_binance_keys *keys, struct sp_err *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    char credential[512];

    if (path[0] != '\0') return read_file(path, false, keys, err);
    if (folder == NULL || folder[0] != '/')
        return SP_FAIL(err, SP_CONFIG, "no key: set venue.binance.key, or LoadCredential=%s",
                       SP_BINANCE_CREDENTIAL);
    int n = snprintf(credential, sizeof credential, "%s/" SP_BINANCE_CREDENTIAL, folder);
    if (n < 0 || (size_t)n >= sizeof credential)
        return SP_FAIL(err, SP_CONFIG, "CREDENTIALS_DIRECTORY is too long");
    return read_file(credential, true, keys, err);
}

sp_status sp_binance_keys_open(const char *path, struct sp_binance_keys **out, struct sp_err *err)
{
    struct sp_binance_keys *keys =
        mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (keys == MAP_FAILED) return SP_FAIL(err, SP_NO_MEMORY, "the page of the keys");
    sp_status status = SP_OK;
    if (madvise(keys, PAGE_BYTES, MADV_DONTDUMP) != 0 ||
        madvise(keys, PAGE_BYTES, MADV_WIPEONFORK) != 0) {
        status = SP_FAIL(err, SP_PLATFORM, "keys cannot be kept out of core files");
    }
    /* Without the right to lock memory a swap file could hold it: no reason to stop. */
    SP_IGNORE(mlock(keys, PAGE_BYTES) != 0);
    if (status == SP_OK) status = read_keys(path, keys, err);
    if (status != SP_OK) {
        sp_binance_keys_close(keys);
        return status;
    }
    *out = keys;
    return SP_OK;
}

void sp_binance_keys_close(struct sp_binance_keys *keys)
{
    if (keys == NULL) return;
    explicit_bzero(keys, PAGE_BYTES);
    munmap(keys, PAGE_BYTES);
}

const char *sp_binance_keys_api_key(const struct sp_binance_keys *keys)
{
    return keys->api_key;
}

sp_status sp_binance_keys_sign(const struct sp_binance_keys *keys, const char *text,
                               size_t len_bytes, char hex[SP_BINANCE_SIGNATURE_SIZE],
                               struct sp_err *err)
{
    uint8_t digest[SP_SHA256_BYTES];
    struct sp_bytes piece = {.at = text, .len_bytes = len_bytes};

    if (!sp_hmac_sha256(keys->secret, strlen(keys->secret), &piece, 1, digest))
        return SP_FAIL(err, SP_UNSUPPORTED, "HMAC-SHA256");
    sp_hex(digest, sizeof digest, hex);
    return SP_OK;
}
