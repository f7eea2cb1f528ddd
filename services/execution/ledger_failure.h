/* What the ledger's thread does when its file or the journal fails: a decision, nothing else. */
#ifndef SP_EXECUTION_LEDGER_FAILURE_H
#define SP_EXECUTION_LEDGER_FAILURE_H

#include "proto/status.h"

#define SP_LEDGER_REPLACED_MAX 3

enum sp_ledger_next {
    SP_LEDGER_RETRY,   /* close the file, open it again later: what it says then is on the disk */
    SP_LEDGER_REPLACE, /* put the file aside, write it anew from the journal */
    SP_LEDGER_END      /* write nothing more before the next start */
};

struct sp_ledger_failure {
    sp_status status;
    bool of_journal;   /* it could not be read; the file is as it was */
    bool sync_refused; /* by the disk: what the file says is what was asked for, not what is kept */
    uint32_t replaced; /* files put aside so far */
};

/* Whether waiting may cure it: storage, a lock, memory. */
bool sp_ledger_may_pass(sp_status status);
enum sp_ledger_next sp_ledger_after(const struct sp_ledger_failure *failure);

#endif
