#include "services/execution/last_words.h"

#include "common/log.h"

static bool is_working_entry(const struct sp_order *order)
{
    return order->intent.role == SP_LEG_ROLE_ENTRY && sp_order_is_live(order->state);
}

static void begin(struct sp_last_words *words, struct sp_venue *venue, const struct sp_books *books)
{
    uint32_t left = 0;

    words->began = true;
    words->first_request = sp_venue_next_request(venue);
    words->last_request = words->first_request;
    for (uint32_t i = 0; i < books->order_count; i++) {
        const struct sp_order *order = &books->orders[i];
        struct sp_record cancel = {.kind = SP_REC_VENUE_CANCEL};
        if (!is_working_entry(order)) continue;
        words->last_request = sp_venue_next_request(venue);
        cancel.body.venue_cancel =
            (struct sp_venue_cancel){.request_id = words->last_request,
                                     .client_order_id = order->intent.client_order_id,
                                     .symbol = order->intent.symbol};
        if (sp_venue_send(venue, &cancel, NULL) == SP_OK) {
            words->asked++;
            sp_log(SP_LOG_WARN, "entry_cancel_asked", "client_order_id=%s kept=no",
                   order->intent.client_order_id.s);
        } else {
            left++;
        }
    }
    sp_log(SP_LOG_ERROR, "storage_failed",
           "entries_to_cancel=%u not_asked=%u exits=stay next=\"ending; the next start asks the "
           "venue what became of them\"",
           words->asked, left);
}

bool sp_last_words_go_on(struct sp_last_words *words, struct sp_venue *venue,
                         const struct sp_books *books)
{
    if (!words->began) begin(words, venue, books);
    return words->answered >= words->asked;
}

void sp_last_words_hear(struct sp_last_words *words, const struct sp_record *message)
{
    const struct sp_venue_answer *answer = &message->body.venue_answer;

    if (message->kind != SP_REC_VENUE_ANSWER || !words->began) return;
    if (answer->request_id <= words->first_request || answer->request_id > words->last_request)
        return;
    words->answered++;
    sp_log(SP_LOG_WARN, "entry_cancel_answered", "ok=%d reason=\"%s\"", answer->ok,
           answer->reason.s);
}
