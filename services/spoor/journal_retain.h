/* spoor journal retain: asks a running service to delete old segments of its journal. */
#ifndef SP_SPOOR_JOURNAL_RETAIN_H
#define SP_SPOOR_JOURNAL_RETAIN_H

#include "services/spoor/cli.h"

/* cli->argv[1] is "retain". Returns the exit code. */
int sp_journal_retain(const struct sp_cli *cli);

#endif
