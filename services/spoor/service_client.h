/* Asking the services themselves, over their control sockets. One thread.
 */
#ifndef SP_SPOOR_SERVICE_CLIENT_H
#define SP_SPOOR_SERVICE_CLIENT_H

#include "common/bus/bus.h"
#include "common/config/config.h"
#include "proto/record.h"

#define SP_SERVICE_TIMEOUT_NS INT64_C(2000000000)

/* SP_NOT_FOUND: nobody listens. SP_TIMEOUT: it listens and does not answer. *out is untouched
 * unless SP_OK. */
SP_NODISCARD sp_status sp_service_status_ask(const struct sp_config *config, const sp_name *service,
                                             struct sp_service_status *out);
/* Sends an operator's command; *out is the service's reply. Statuses as above. */
SP_NODISCARD sp_status sp_service_command(const struct sp_config *config, const sp_name *service,
                                          const struct sp_operator_command *command, sp_dur timeout,
                                          struct sp_command_reply *out);
/* Asks a service for something that it does and then answers with a reply. Statuses as above. */
SP_NODISCARD sp_status sp_service_query(const struct sp_config *config, const sp_name *service,
                                        const char *what, sp_dur timeout,
                                        struct sp_command_reply *out);
/* Asks a service for each of its streams: `fn` gets BUS_FLOWs, the last without a stream. Statuses
 * as above. */
SP_NODISCARD sp_status sp_service_flows(const struct sp_config *config, const sp_name *service,
                                        sp_client_answer_fn *fn, void *ctx);
/* Asks execution how its limits stand; `fn` gets each LIMIT_VIEW. Statuses as above. */
SP_NODISCARD sp_status sp_service_limits(const struct sp_config *config, sp_client_answer_fn *fn,
                                         void *ctx);
/* Asks it to delete old segments of its journal. */
SP_NODISCARD sp_status sp_service_retain(const struct sp_config *config, const sp_name *service,
                                         const struct sp_retain *request, sp_dur timeout,
                                         struct sp_command_reply *out);
/* "trading  REDUCE ONLY: halted (all): operator" and "next     spoor resume". */
void sp_trading_print(const struct sp_service_status *status);
/* "ALLOWED", "REDUCE ONLY", "STOPPED"; "UNKNOWN" for none. */
const char *sp_trading_word(uint8_t trading);

#endif
