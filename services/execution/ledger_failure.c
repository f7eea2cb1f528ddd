#include "services/execution/ledger_failure.h"

bool sp_ledger_may_pass(sp_status status)
{
    return status == SP_STORAGE || status == SP_LOCKED || status == SP_NO_MEMORY;
}

enum sp_ledger_next sp_ledger_after(const struct sp_ledger_failure *failure)
{
    if (failure->of_journal || failure->sync_refused) return SP_LEDGER_END;
    if (sp_ledger_may_pass(failure->status)) return SP_LEDGER_RETRY;
    if (failure->status != SP_CORRUPT) return SP_LEDGER_END;
    return failure->replaced < SP_LEDGER_REPLACED_MAX ? SP_LEDGER_REPLACE : SP_LEDGER_END;
}
