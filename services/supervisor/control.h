/* The control socket of the supervisor: RUN/<supervisor>.sock, a unix stream, mode 0600.
 *
 * One connection carries one command. The client writes one line, a supervisor_request as JSON; the
 * answer is one line, a command_reply, then for status one child_status per line, and the end of
 * the file. Waiting commands (start, stop, restart, down) are answered when they are done, each for
 * itself: none waits for another service's. Bounded, never blocks. One thread.
 */
#ifndef SP_SUPERVISOR_CONTROL_H
#define SP_SUPERVISOR_CONTROL_H

#include "proto/messages.h"

#define SP_CONTROL_CLIENTS_MAX 16
#define SP_CONTROL_LINE_MAX    512

enum sp_control_wait {
    SP_CONTROL_IDLE, /* the request has not come yet */
    SP_CONTROL_AWAIT_READY,
    SP_CONTROL_AWAIT_STOPPED,
    SP_CONTROL_AWAIT_DOWN
};

struct sp_control_client {
    int fd; /* -1: free */
    enum sp_control_wait wait;
    uint32_t child;
    uint32_t epoch_before;
    sp_mono asked_at;
    size_t len_bytes;
    char line[SP_CONTROL_LINE_MAX];
};

struct sp_control {
    int listen_fd;
    char path[108];
    struct sp_control_client clients[SP_CONTROL_CLIENTS_MAX];
};

/* Removes what a dead supervisor left (the role's lock makes it ours), binds, listens. SP_INVALID
 * if the path is too long, SP_IO. */
SP_NODISCARD sp_status sp_control_open(struct sp_control *control, const char *path,
                                       struct sp_err *err);
/* Closes everything and removes the socket. */
void sp_control_close(struct sp_control *control);
/* Takes one waiting connection; its index, or -1 if there is none or no room. */
int sp_control_accept(struct sp_control *control);
/* Reads. SP_OK: *out is the request. SP_AGAIN: not whole yet. SP_CLOSED: the client has gone (its
 * slot is free). SP_INVALID: not a request; err says why. */
SP_NODISCARD sp_status sp_control_read(struct sp_control *control, uint32_t client,
                                       struct sp_supervisor_request *out, struct sp_err *err);
/* Sends one line; a client that does not take it loses the rest. */
void sp_control_send(struct sp_control *control, uint32_t client, enum sp_dto dto,
                     const void *body);
/* Ends the answer. */
void sp_control_end(struct sp_control *control, uint32_t client);

#endif
