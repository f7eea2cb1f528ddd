/* Somebody else at a publisher's socket file: says a few bytes to whoever connects, or speaks the
 * handshake of ZMTP 3.0 and then nothing more. */
#ifndef SP_TEST_IMPOSTOR_H
#define SP_TEST_IMPOSTOR_H

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "bus_fixture.h"

#define IMPOSTOR_PEERS_MAX 8

struct impostor {
    struct sockaddr_un address;
    int listener;
    uint32_t count, left; /* peers; those that closed the connection */
    int peers[IMPOSTOR_PEERS_MAX];
    uint64_t heard; /* bytes */
    uint8_t speech[128];
    size_t speech_len;
};

static inline void impostor_open(struct impostor *it, const struct fixture *f, const char *name)
{
    *it = (struct impostor){.address = {.sun_family = AF_UNIX}};
    mkdir(f->run, 0700);
    int len =
        snprintf(it->address.sun_path, sizeof(it->address.sun_path), "%.80s/%s", f->run, name);
    assert_true(len < (int)sizeof(it->address.sun_path));
    it->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert_true(it->listener >= 0);
    assert_int_equal(bind(it->listener, (const struct sockaddr *)&it->address, sizeof(it->address)),
                     0);
    assert_int_equal(listen(it->listener, IMPOSTOR_PEERS_MAX), 0);
}

static inline void impostor_say(struct impostor *it, const void *bytes, size_t len)
{
    assert_true(it->speech_len + len <= sizeof(it->speech));
    memcpy(it->speech + it->speech_len, bytes, len);
    it->speech_len += len;
}

/* Signature, version 3.0, a security mechanism. */
static inline void impostor_greet(struct impostor *it, const char *mechanism)
{
    static const uint8_t signature[12] = {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 0};
    uint8_t rest[52] = {0};

    memcpy(rest, mechanism, strlen(mechanism));
    impostor_say(it, signature, sizeof(signature));
    impostor_say(it, rest, sizeof(rest));
}

/* A protocol error: a mechanism that nobody has. */
static inline void impostor_say_nonsense(struct impostor *it)
{
    impostor_greet(it, "NONSENSE");
}

/* Greeting and READY: from then on the connection is good and nothing comes. */
static inline void impostor_say_hello(struct impostor *it, const char *socket_type)
{
    static const uint8_t name[] = "\5READY\13Socket-Type";
    uint8_t type_len = (uint8_t)strlen(socket_type);
    uint8_t head[2] = {4, (uint8_t)(sizeof(name) - 1 + 4 + type_len)};
    uint8_t value_len[4] = {0, 0, 0, type_len};

    impostor_greet(it, "NULL");
    impostor_say(it, head, sizeof(head));
    impostor_say(it, name, sizeof(name) - 1);
    impostor_say(it, value_len, sizeof(value_len));
    impostor_say(it, socket_type, type_len);
}

static inline void impostor_turn(struct impostor *it)
{
    char bytes[512];
    int fd;

    while (it->count < IMPOSTOR_PEERS_MAX &&
           (fd = accept4(it->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        assert_int_equal(send(fd, it->speech, it->speech_len, MSG_NOSIGNAL), it->speech_len);
        it->peers[it->count++] = fd;
    }
    for (uint32_t i = 0; i < it->count; i++) {
        if (it->peers[i] < 0) continue;
        ssize_t n = recv(it->peers[i], bytes, sizeof(bytes), 0);
        if (n > 0) it->heard += (uint64_t)n;
        if (n > 0 || (n < 0 && errno == EAGAIN)) continue;
        close(it->peers[i]);
        it->peers[i] = -1;
        it->left++;
    }
}

/* Its place is free again; connections that stand stay. */
static inline void impostor_step_aside(struct impostor *it)
{
    if (it->listener < 0) return;
    close(it->listener);
    unlink(it->address.sun_path);
    it->listener = -1;
}

static inline void impostor_close(struct impostor *it)
{
    impostor_step_aside(it);
    for (uint32_t i = 0; i < it->count; i++) {
        if (it->peers[i] >= 0) close(it->peers[i]);
    }
}

#endif
