/* The line between a supervisor and its child: text datagrams on an inherited SEQPACKET socket,
 * whose number is in SPOOR_NOTIFY_FD. End of file means that the other side is gone.
 *
 *   child -> supervisor   READY=1 EPOCH=7
 *                         PROGRESS=12345            every 250 ms, if the loop made rounds
 *                         PHASE=RECONCILE
 *                         STATUS=free text
 *                         STOPPING=1
 *   supervisor -> child   STOP=operation | STOP=service
 *
 * No libzmq here: the supervisor links this. One thread.
 */
#ifndef SP_COMMON_NOTIFY_H
#define SP_COMMON_NOTIFY_H

#include "proto/status.h"

#define SP_NOTIFY_FD_ENV   "SPOOR_NOTIFY_FD"
#define SP_NOTIFY_TEXT_MAX 256

/* The inherited descriptor, made non-blocking and close-on-exec; -1 if we were started by hand. */
int sp_notify_inherited(void);
/* Never blocks; a full socket drops the message (the next one says more). */
void sp_notify_send(int fd, const char *fmt, ...) SP_PRINTF(2, 3);
/* SP_OK with a NUL-terminated text; SP_AGAIN if there is none; SP_CLOSED if the peer is gone. */
SP_NODISCARD sp_status sp_notify_receive(int fd, char text[SP_NOTIFY_TEXT_MAX]);

#endif
