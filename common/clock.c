#include "common/clock.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);

    SP_ASSERT(rc == 0);
    return (int64_t)ts.tv_sec * SP_NS_PER_S + ts.tv_nsec;
}

sp_wall sp_clock_wall(void)
{
    return (sp_wall){now_ns(CLOCK_REALTIME)};
}
sp_mono sp_clock_mono(void)
{
    return (sp_mono){now_ns(CLOCK_MONOTONIC)};
}

sp_name sp_clock_boot_id(void)
{
    char buf[37] = {0};
    sp_name name = {{0}};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);

    if (fd < 0) return name;
    ssize_t n = read(fd, buf, 36);
    close(fd);
    if (n != 36 || !sp_name_set(&name, buf)) return (sp_name){{0}};
    return name;
}
