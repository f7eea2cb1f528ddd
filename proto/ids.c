/* The hash takes the bytes
 *
 *   type (1) | installation | 00 | stream | 00 | epoch (4, big-endian) | seq (8) | n (4)
 *
 * which no two different sources share, because names hold no NUL. Bytes are gathered into
 * little-endian words of eight (the last one padded with zeros, and followed by the byte count),
 * and each word is absorbed by two independent lanes of a 64-bit multiply-xorshift mixer. 16 bits
 * of one lane and all of the other go into the id: two ids of the same millisecond collide with
 * probability 2^-80. This is not a cryptographic hash: ids tell our own things apart, they guard
 * nothing. Changing any of it changes every id, so the test pins some.
 */
#include "proto/ids.h"

#include <string.h>

#define ID_DIGITS       26
#define PREFIX_LEN      4
#define SHORT_DIGITS    6
#define NS_PER_MS       1000000
#define LANE_A_START    UINT64_C(0x9e3779b97f4a7c15)
#define LANE_B_START    UINT64_C(0xc2b2ae3d27d4eb4f)
#define LANE_B_MULTIPLY UINT64_C(0x165667b19e3779f9)

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

static const char *const prefixes[SP_ID_TYPE_COUNT] = {
#define I(tag, TAG, doc) [SP_ID_##TAG] = #tag "_",
    SP_ID_MAP(I)
#undef I
};

struct hash {
    uint64_t a;
    uint64_t b;
    uint64_t word;
    uint64_t bytes;
};

/* The finaliser of splitmix64: a bijection in which every input bit moves every output bit. */
static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static void absorb(struct hash *hash, uint64_t word)
{
    hash->a = mix(hash->a ^ word) + LANE_A_START;
    hash->b = mix(hash->b + word * LANE_B_MULTIPLY) ^ LANE_B_START;
}

static void take_byte(struct hash *hash, uint8_t byte)
{
    hash->word |= (uint64_t)byte << (8 * (hash->bytes % 8));
    hash->bytes++;
    if (hash->bytes % 8 == 0) {
        absorb(hash, hash->word);
        hash->word = 0;
    }
}

static void take_text(struct hash *hash, const char *text)
{
    for (; *text != '\0'; text++)
        take_byte(hash, (uint8_t)*text);
    take_byte(hash, 0);
}

static void take_uint(struct hash *hash, uint64_t value, unsigned width_bytes)
{
    for (unsigned i = width_bytes; i > 0; i--)
        take_byte(hash, (uint8_t)(value >> (8 * (i - 1))));
}

struct sp_id sp_id_mint(enum sp_id_type type, const struct sp_id_source *source)
{
    struct hash hash = {.a = LANE_A_START, .b = LANE_B_START};

    SP_ASSERT((unsigned)type < SP_ID_TYPE_COUNT);
    SP_ASSERT(source->time.ns >= 0);
    take_byte(&hash, (uint8_t)type);
    take_text(&hash, source->installation);
    take_text(&hash, source->stream);
    take_uint(&hash, source->epoch, 4);
    take_uint(&hash, source->seq, 8);
    take_uint(&hash, source->n, 4);
    absorb(&hash, hash.word);
    absorb(&hash, hash.bytes);

    uint64_t ms = (uint64_t)(source->time.ns / NS_PER_MS);
    struct sp_id id = {.hi = ms << 16 | hash.a >> 48, .lo = hash.b};
    SP_ASSERT(id.hi != 0 || id.lo != 0);
    return id;
}

const char *sp_id_prefix(enum sp_id_type type)
{
    SP_ASSERT((unsigned)type < SP_ID_TYPE_COUNT);
    return prefixes[type];
}

static bool is_none(struct sp_id id)
{
    return id.hi == 0 && id.lo == 0;
}

/* Digits are five bits each, most significant first; the first one holds only three. */
static void put_digits(struct sp_id id, char *out)
{
    unsigned __int128 bits = (unsigned __int128)id.hi << 64 | id.lo;

    for (unsigned i = ID_DIGITS; i > 0; i--) {
        out[i - 1] = alphabet[(unsigned)bits & 31];
        bits >>= 5;
    }
}

const char *sp_id_format(enum sp_id_type type, struct sp_id id, char buf[SP_ID_TEXT_SIZE])
{
    buf[0] = '\0';
    if (is_none(id)) return buf;
    memcpy(buf, sp_id_prefix(type), PREFIX_LEN);
    put_digits(id, buf + PREFIX_LEN);
    buf[PREFIX_LEN + ID_DIGITS] = '\0';
    return buf;
}

const char *sp_id_short(enum sp_id_type type, struct sp_id id, char buf[SP_ID_SHORT_SIZE])
{
    char digits[ID_DIGITS];

    buf[0] = '\0';
    if (is_none(id)) return buf;
    put_digits(id, digits);
    memcpy(buf, sp_id_prefix(type), PREFIX_LEN);
    memcpy(buf + PREFIX_LEN, digits + ID_DIGITS - SHORT_DIGITS, SHORT_DIGITS);
    buf[PREFIX_LEN + SHORT_DIGITS] = '\0';
    return buf;
}

const char *sp_id_digits(struct sp_id id, char buf[SP_ID_TEXT_SIZE])
{
    put_digits(id, buf);
    buf[ID_DIGITS] = '\0';
    return buf;
}

bool sp_id_parse(enum sp_id_type type, const char *text, size_t len_bytes, struct sp_id *out)
{
    unsigned __int128 bits = 0;

    if (len_bytes != PREFIX_LEN + ID_DIGITS) return false;
    if (memcmp(text, sp_id_prefix(type), PREFIX_LEN) != 0) return false;
    for (size_t i = PREFIX_LEN; i < len_bytes; i++) {
        const char *digit = memchr(alphabet, text[i], sizeof alphabet - 1);
        if (digit == NULL) return false;
        if (i == PREFIX_LEN && digit - alphabet > 7) return false;
        bits = bits << 5 | (unsigned)(digit - alphabet);
    }
    struct sp_id id = {.hi = (uint64_t)(bits >> 64), .lo = (uint64_t)bits};
    if (is_none(id)) return false;
    *out = id;
    return true;
}

bool sp_id_type_of(const char *text, enum sp_id_type *out)
{
    for (unsigned i = 0; i < SP_ID_TYPE_COUNT; i++) {
        if (strncmp(text, prefixes[i], PREFIX_LEN) == 0) {
            *out = (enum sp_id_type)i;
            return true;
        }
    }
    return false;
}

const char *sp_id_installation_code(const char *installation, char buf[5])
{
    uint32_t hash = 2166136261u; /* FNV-1a */

    for (const char *p = installation; *p != '\0'; p++) {
        hash = (hash ^ (uint8_t)*p) * 16777619u;
    }
    for (int i = 0; i < 4; i++) {
        buf[i] = alphabet[(hash >> (5 * i)) & 31];
    }
    buf[4] = '\0';
    return buf;
}
