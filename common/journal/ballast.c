/* Not sparse and not of zeros: a file system that compresses would give it no space. Nothing in it
 * is ever read, so it is neither named nor synced with care; a torn one is made again. */
#include "common/journal/ballast.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK_BYTES 4096

void sp_ballast_init(struct sp_ballast *ballast, const struct sp_file_port *port, const char *dir,
                     uint64_t bytes)
{
    *ballast = (struct sp_ballast){.port = port, .bytes = bytes};
    int len = snprintf(ballast->path, sizeof ballast->path, "%s/ballast", dir);
    if (len < 0 || (size_t)len >= sizeof ballast->path) ballast->bytes = 0;
}

static bool make_room(void *room)
{
    return sp_ballast_give_up(room);
}

struct sp_file_port sp_ballast_port(struct sp_ballast *ballast)
{
    struct sp_file_port port = *ballast->port;

    port.make_room = make_room;
    port.room = ballast;
    return port;
}

static bool is_whole(const struct sp_ballast *ballast)
{
    struct stat st;

    return stat(ballast->path, &st) == 0 && (uint64_t)st.st_size == ballast->bytes;
}

static sp_status write_noise(const struct sp_ballast *ballast, int fd, struct sp_err *err)
{
    uint64_t chunk[CHUNK_BYTES / sizeof(uint64_t)], left = ballast->bytes,
                                                    noise = 88172645463325252u;
    sp_status status = SP_OK;

    while (left > 0 && status == SP_OK) {
        size_t len = left < sizeof chunk ? (size_t)left : sizeof chunk;
        for (size_t i = 0; i < sizeof chunk / sizeof *chunk; i++) {
            noise ^= noise << 13;
            noise ^= noise >> 7;
            noise ^= noise << 17;
            chunk[i] = noise;
        }
        status = sp_file_write_all(ballast->port, fd, chunk, len, err);
        left -= len;
    }
    return status;
}

sp_status sp_ballast_make(struct sp_ballast *ballast, struct sp_err *err)
{
    const struct sp_file_port *port = ballast->port;

    if (ballast->held || ballast->bytes == 0) return SP_OK;
    if (is_whole(ballast)) {
        ballast->held = true;
        return SP_OK;
    }
    int fd = port->open(port->self, ballast->path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return SP_FAIL(err, SP_STORAGE, "cannot create %s: %s", ballast->path, strerror(errno));
    sp_status status = write_noise(ballast, fd, err);
    /* Space that is only promised may turn out not to be there: the sync takes it. */
    if (status == SP_OK && port->sync(port->self, fd) != 0)
        status = SP_FAIL(err, SP_STORAGE, "cannot sync %s: %s", ballast->path, strerror(errno));
    port->close(port->self, fd);
    if (status != SP_OK) {
        port->unlink(port->self, ballast->path);
        return status;
    }
    ballast->held = true;
    return SP_OK;
}

bool sp_ballast_give_up(struct sp_ballast *ballast)
{
    if (!ballast->held) return false;
    ballast->held = false;
    ballast->given_up++;
    return ballast->port->unlink(ballast->port->self, ballast->path) == 0;
}
