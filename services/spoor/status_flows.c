#include "services/spoor/status_flows.h"

#include "services/spoor/service_client.h"

#include <stdio.h>

#define COLUMNS "%-16s %7s %12s %8s %8s %8s %8s %8s %8s\n"
#define NUMBERS                                                                                    \
    "%-16s %7u %12" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64 " %8" PRIu64        \
    " %8" PRIu64 "\n"

static void on_flow(void *ctx, const struct sp_record *answer)
{
    struct sp_status_flows *flows = ctx;

    if (answer->kind != SP_REC_BUS_FLOW || sp_name_is_empty(&answer->body.bus_flow.stream)) return;
    if (flows->count == SP_STATUS_FLOWS_MAX) return;
    flows->at[flows->count++] = answer->body.bus_flow;
}

void sp_status_flows_ask(const struct sp_config *config, const sp_name *service,
                         struct sp_status_flows *out)
{
    out->count = 0;
    out->answered = sp_service_flows(config, service, on_flow, out) == SP_OK;
}

void sp_status_flows_head(void)
{
    printf("\n" COLUMNS, "bus", "streams", "applied", "lag", "lost", "rewound", "replayed", "gaps",
           "dropped");
}

void sp_status_flows_print(const sp_name *service, const struct sp_status_flows *flows)
{
    struct sp_bus_flow sum = {0};
    uint32_t streams = 0;

    if (!flows->answered) {
        printf("%-16s does not answer\n", service->s);
        return;
    }
    for (uint32_t i = 0; i < flows->count; i++) {
        const struct sp_bus_flow *flow = &flows->at[i];
        if (sp_name_is_empty(&flow->publisher)) continue;
        streams++;
        sum.applied += flow->applied;
        sum.lag += flow->lag;
        sum.lost += flow->lost;
        sum.rewound += flow->rewound;
        sum.replayed += flow->replayed;
        sum.gaps += flow->gaps;
        sum.dropped += flow->dropped;
    }
    if (streams == 0) return;
    printf(NUMBERS, service->s, streams, sum.applied, sum.lag, sum.lost, sum.rewound, sum.replayed,
           sum.gaps, sum.dropped);
}

static void print_json(const struct sp_bus_flow *flow)
{
    printf("{\"stream\":\"%s\",", flow->stream.s);
    if (sp_name_is_empty(&flow->publisher)) {
        printf("\"published\":%" PRIu64 ",\"lag\":%" PRIu64 "}", flow->published, flow->lag);
        return;
    }
    printf("\"publisher\":\"%s\",\"applied\":%" PRIu64 ",\"lag\":%" PRIu64 ",\"lost\":%" PRIu64
           ",\"rewound\":%" PRIu64 ",\"replayed\":%" PRIu64 ",\"gaps\":%" PRIu64
           ",\"dropped\":%" PRIu64 "}",
           flow->publisher.s, flow->applied, flow->lag, flow->lost, flow->rewound, flow->replayed,
           flow->gaps, flow->dropped);
}

void sp_status_flows_json(const struct sp_status_flows *flows)
{
    if (!flows->answered) {
        printf("null");
        return;
    }
    printf("[");
    for (uint32_t i = 0; i < flows->count; i++) {
        if (i > 0) printf(",");
        print_json(&flows->at[i]);
    }
    printf("]");
}
