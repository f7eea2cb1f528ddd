#include "common/retain.h"

#include "common/config/units.h"
#include "common/journal/journal_segment.h"
#include "common/journal/retention.h"

static void lower(struct sp_need *need, uint64_t seq, const char *who)
{
    if (seq >= need->seq) return;
    *need = (struct sp_need){.seq = seq, .who = sp_name_of(who)};
}

sp_status sp_retain_decide(const struct sp_retain_input *input, struct sp_journal_trimmed *out,
                           struct sp_err *err)
{
    const struct sp_retain *request = input->request;
    struct sp_retention_ask ask = {request->before_seq, request->before_time};
    struct sp_retention_plan plan = {0};
    struct sp_need need = {0};

    sp_status status = sp_consumers_need(input->config, &input->stream, &need, err);
    if (status != SP_OK) return status;
    /* The snapshot's own record stays: by it a start sees that snapshot and journal belong
     * together. */
    lower(&need, input->snapshot_seq > 0 ? input->snapshot_seq : 1, "snapshot");
    if (input->own.seq > 0) lower(&need, input->own.seq, input->own.who.s);
    status = sp_retention_plan(input->dir, &ask, need.seq, &plan, err);
    if (status != SP_OK) return status;
    *out = (struct sp_journal_trimmed){.first_seq = plan.first_kept,
                                       .segments = plan.segments,
                                       .bytes = plan.bytes,
                                       .before_seq = request->before_seq,
                                       .before_time = request->before_time,
                                       .command_id = request->command_id,
                                       .operator_name = request->operator_name};
    out->limited_by = plan.is_newest  ? sp_name_of("newest_segment")
                      : plan.is_asked ? sp_name_of("asked")
                                      : need.who;
    return SP_OK;
}

void sp_retain_say(const struct sp_journal_trimmed *trimmed, sp_text *out)
{
    char bytes[SP_BYTES_TEXT_SIZE];

    if (trimmed->segments == 0) {
        sp_text_printf(out, "nothing deleted; kept from %" PRIu64 " on, limited by %s",
                       trimmed->first_seq, trimmed->limited_by.s);
        return;
    }
    sp_text_printf(out, "deleted %u segment%s, %s; kept from %" PRIu64 " on, limited by %s",
                   trimmed->segments, trimmed->segments == 1 ? "" : "s",
                   sp_units_bytes_about(trimmed->bytes, bytes), trimmed->first_seq,
                   trimmed->limited_by.s);
}

static bool begins_later(const struct sp_config *config, const char *instance)
{
    char dir[SP_PATH_SIZE];
    struct sp_segment_list list;

    sp_config_instance_dir(config, instance, dir);
    if (sp_segment_list_read(dir, &list, NULL) != SP_OK) return false;
    bool later = list.first[0] > 1;
    sp_segment_list_free(&list);
    return later;
}

bool sp_retain_has_trimmed(const struct sp_config *config, uint64_t own_first_seq)
{
    struct sp_instance instances[SP_INSTANCES_MAX];

    if (own_first_seq > 1) return true;
    uint32_t count = sp_config_instances(config, instances);
    for (uint32_t i = 0; i < count; i++) {
        if (begins_later(config, instances[i].name.s)) return true;
    }
    return false;
}
