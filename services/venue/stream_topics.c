#include "services/venue/stream_topics.h"

#include <stdlib.h>
#include <string.h>

void sp_topics_fini(struct sp_topics *topics)
{
    for (uint32_t i = 0; i < SP_SYMBOLS_MAX; i++) {
        for (struct sp_topic *topic = topics->first[i], *next = NULL; topic != NULL; topic = next) {
            next = topic->next;
            free(topic->at);
            free(topic);
        }
        topics->first[i] = NULL;
    }
}

struct sp_topic *sp_topics_find(const struct sp_topics *topics, uint32_t instrument,
                                enum sp_stream_type type, int64_t arg)
{
    struct sp_topic *topic = topics->first[instrument];

    while (topic != NULL && (topic->stream.type != type || topic->stream.arg != arg))
        topic = topic->next;
    return topic;
}

/* NULL: no memory. */
static struct sp_topic *need_topic(struct sp_topics *topics, const struct sp_stream *stream)
{
    struct sp_topic *topic = sp_topics_find(topics, stream->instrument, stream->type, stream->arg);

    if (topic != NULL) return topic;
    topic = calloc(1, sizeof *topic);
    if (topic == NULL) return NULL;
    topic->stream = *stream;
    topic->next = topics->first[stream->instrument];
    topics->first[stream->instrument] = topic;
    return topic;
}

bool sp_topics_enter(struct sp_topics *topics, const struct sp_follower *follower,
                     const struct sp_stream *stream)
{
    struct sp_topic *topic = need_topic(topics, stream);

    if (topic == NULL) return false;
    if (topic->count == topic->room) {
        uint32_t room = 2 * topic->room + 4;
        struct sp_subscriber *at = realloc(topic->at, room * sizeof *at);
        if (at == NULL) return false;
        topic->at = at;
        topic->room = room;
    }
    struct sp_subscriber *subscriber = &topic->at[topic->count++];
    subscriber->follower = follower;
    memcpy(subscriber->name, stream->name, sizeof stream->name);
    return true;
}

void sp_topics_leave(struct sp_topics *topics, const struct sp_follower *follower,
                     const struct sp_stream *stream)
{
    struct sp_topic *topic = sp_topics_find(topics, stream->instrument, stream->type, stream->arg);

    SP_ASSERT(topic != NULL);
    for (uint32_t i = 0; i < topic->count; i++) {
        const struct sp_subscriber *subscriber = &topic->at[i];
        if (subscriber->follower != follower || strcmp(subscriber->name, stream->name) != 0)
            continue;
        topic->at[i] = topic->at[--topic->count];
        return;
    }
    SP_ASSERT(false);
}
