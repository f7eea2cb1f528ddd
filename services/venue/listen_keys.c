#include "services/venue/listen_keys.h"

#include "common/crypto.h"

#include <string.h>

static struct sp_listen_key *key_of(struct sp_listen_keys *keys, uint32_t account, const char *text)
{
    struct sp_listen_key *key = &keys->at[account];

    SP_ASSERT(account < SP_VENUE_ACCOUNTS_MAX);
    return key->text[0] != '\0' && strcmp(key->text, text) == 0 ? key : NULL;
}

const char *sp_listen_keys_start(struct sp_listen_keys *keys, uint32_t account, int64_t now_ms)
{
    struct sp_listen_key *key = &keys->at[account];
    uint8_t random[(SP_LISTEN_KEY_SIZE - 1) / 2];

    SP_ASSERT(account < SP_VENUE_ACCOUNTS_MAX);
    if (key->text[0] == '\0') {
        if (!sp_random_bytes(random, sizeof random)) return NULL;
        sp_hex(random, sizeof random, key->text);
    }
    key->until_ms = now_ms + SP_LISTEN_KEY_LIFE_MS;
    return key->text;
}

bool sp_listen_keys_extend(struct sp_listen_keys *keys, uint32_t account, const char *text,
                           int64_t now_ms)
{
    struct sp_listen_key *key = key_of(keys, account, text);

    if (key != NULL) key->until_ms = now_ms + SP_LISTEN_KEY_LIFE_MS;
    return key != NULL;
}

bool sp_listen_keys_stop(struct sp_listen_keys *keys, uint32_t account, const char *text)
{
    struct sp_listen_key *key = key_of(keys, account, text);

    if (key != NULL) *key = (struct sp_listen_key){0};
    return key != NULL;
}

int sp_listen_keys_account(const struct sp_listen_keys *keys, const char *text, size_t len_bytes)
{
    if (len_bytes != SP_LISTEN_KEY_SIZE - 1) return -1;
    for (int i = 0; i < SP_VENUE_ACCOUNTS_MAX; i++)
        if (memcmp(keys->at[i].text, text, len_bytes) == 0) return i;
    return -1;
}

bool sp_listen_keys_expire(struct sp_listen_keys *keys, int64_t now_ms, uint32_t *account,
                           struct sp_listen_key *out)
{
    for (uint32_t i = 0; i < SP_VENUE_ACCOUNTS_MAX; i++) {
        if (keys->at[i].text[0] == '\0' || keys->at[i].until_ms > now_ms) continue;
        *account = i;
        *out = keys->at[i];
        keys->at[i] = (struct sp_listen_key){0};
        return true;
    }
    return false;
}
