/* Ballast: space that is kept so that the last records before an end still fit on a full disk.
 *
 * DIR/ballast is a file of real bytes, made at the start. The first write that meets a full disk
 * gives it up and is tried again; so what has to be said now (halts, cancels, the venue's answers)
 * can be written while nothing new is begun. It is made again when there is space. One thread:
 * the journal's owner.
 */
#ifndef SP_COMMON_BALLAST_H
#define SP_COMMON_BALLAST_H

#include "common/journal/file.h"

#define SP_BALLAST_PATH_SIZE 544

struct sp_ballast {
    const struct sp_file_port *port; /* the one below: NULL while there is no ballast at all */
    char path[SP_BALLAST_PATH_SIZE];
    uint64_t bytes; /* 0: none is wanted */
    bool held;
    uint32_t given_up; /* times */
};

/* Touches no file. `port` is kept, not copied. `dir` of more than 500 bytes: no ballast. */
void sp_ballast_init(struct sp_ballast *ballast, const struct sp_file_port *port, const char *dir,
                     uint64_t bytes);
/* *port_below, whose writes give up the ballast when they meet a full disk. The result refers to
 * the ballast, which must outlive it. */
struct sp_file_port sp_ballast_port(struct sp_ballast *ballast);
/* Makes the file unless it is there and whole. SP_STORAGE: there is no space for it, nothing is
 * left of it. */
SP_NODISCARD sp_status sp_ballast_make(struct sp_ballast *ballast, struct sp_err *err);
/* Gives it up. False if there was none. */
bool sp_ballast_give_up(struct sp_ballast *ballast);

#endif
