#include "common/venue/binance_keys.h"

#include "common/crypto.h"

#include <fcntl.h>
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

static sp_status read_file(const char *path, struct sp_binance_keys *keys, struct sp_err *err)
{
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY);

    if (fd < 0) return SP_FAIL(err, SP_CONFIG, "key file %.90s cannot be opened", path);
    sp_status status = SP_OK;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = SP_FAIL(err, SP_CONFIG, "key file %.90s is no regular file", path);
    } else if (info.st_uid != geteuid()) {
        status = SP_FAIL(err, SP_CONFIG, "key file %.60s belongs to another user", path);
    } else if ((info.st_mode & 07777) != 0400) {
        status = SP_FAIL(err, SP_CONFIG, "key file %.60s has mode %04o; chmod 0400", path,
                         (unsigned)info.st_mode & 07777u);
    } else {
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
    if (status == SP_OK) status = read_file(path, keys, err);
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
