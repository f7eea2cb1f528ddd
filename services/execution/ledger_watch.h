/* What the execution service knows of its ledger: opening it, telling its thread how far the
 * journal is, its metrics, and what people are told. The loop's thread. */
#ifndef SP_EXECUTION_LEDGER_WATCH_H
#define SP_EXECUTION_LEDGER_WATCH_H

#include "common/service.h"
#include "services/execution/ledger.h"

#define SP_BACKUP_ASKERS_MAX 4

struct sp_backup_asker {
    struct sp_peer peer;
    uint64_t request_id, number; /* of sp_ledger_ask_backup; 0: none */
};

struct sp_ledger_watch {
    struct sp_service *service;
    struct sp_ledger *ledger; /* NULL before it is opened */
    sp_text why;              /* what is wrong with it; empty if nothing */
    bool failed;              /* it is not written at present */
    uint32_t replaced;
    uint64_t due; /* the thread has not heard of records up to this one; 0: of all */
    struct sp_metric *lag, *failed_now, *replaced_total, *backup_time, *backup_failed;
    struct sp_backup_asker askers[SP_BACKUP_ASKERS_MAX];
    sp_status backup_status;
    sp_text backup_why; /* there is no new backup; empty if nothing */
    sp_wall backup_taken;
};

/* Registers the metrics. */
void sp_ledger_watch_init(struct sp_ledger_watch *watch, struct sp_service *service);
/* Statuses of sp_ledger_open. */
SP_NODISCARD sp_status sp_ledger_watch_open(struct sp_ledger_watch *watch, struct sp_err *err);
/* Syncs the journal, so that the ledger takes all of it, and closes. */
void sp_ledger_watch_close(struct sp_ledger_watch *watch);
/* A record was applied; the thread hears of it at the next flush: it must not compete with an order
 * on its way out. */
void sp_ledger_watch_applied(struct sp_ledger_watch *watch, uint64_t seq);
void sp_ledger_watch_flush(struct sp_ledger_watch *watch);
/* The question "backup" on the control socket: answered by a COMMAND_REPLY whose text is the
 * backup's path, once it is made and checked; or why not. */
void sp_ledger_watch_ask_backup(struct sp_ledger_watch *watch, const struct sp_peer *peer,
                                uint64_t request_id);
/* Metrics, answers, and a log line for what is new. */
void sp_ledger_watch_tick(struct sp_ledger_watch *watch);
/* While trading is allowed, what is wrong with the ledger is the reason that people see. */
void sp_ledger_watch_status(const struct sp_ledger_watch *watch, struct sp_service_status *status);

#endif
