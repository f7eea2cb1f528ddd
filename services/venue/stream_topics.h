/* What an event of the market streams goes to: for each kind of an instrument's events those who
 * follow it. An event that nobody follows costs a look here, one that a thousand follow a thousand
 * sends, however many follow other things. Pure; one thread.
 */
#ifndef SP_VENUE_STREAM_TOPICS_H
#define SP_VENUE_STREAM_TOPICS_H

#include "common/config/config.h"

#define SP_STREAM_NAME_SIZE 48

enum sp_stream_type {
    SP_STREAM_TRADE,
    SP_STREAM_AGG_TRADE,
    SP_STREAM_BOOK_TICKER,
    SP_STREAM_DEPTH,
    SP_STREAM_PARTIAL_DEPTH, /* arg: levels */
    SP_STREAM_KLINE,         /* arg: interval in ms */
    SP_STREAM_MINI_TICKER,
    SP_STREAM_TICKER,
    SP_STREAM_AVG_PRICE
};

struct sp_stream {
    enum sp_stream_type type;
    uint32_t instrument;
    int64_t arg;
    char name[SP_STREAM_NAME_SIZE];
};

struct sp_follower {
    uint64_t connection;
    bool combined;
    uint32_t count, room;
    struct sp_stream *at;
};

/* Who follows one kind of an instrument's events, under which name. */
struct sp_topic {
    struct sp_topic *next; /* of the same instrument; they stay until the end */
    struct sp_stream stream;
    uint32_t count, room;
    struct sp_subscriber {
        const struct sp_follower *follower;
        char name[SP_STREAM_NAME_SIZE];
    } * at;
};

/* Zeroed at first. */
struct sp_topics {
    struct sp_topic *first[SP_SYMBOLS_MAX];
};

void sp_topics_fini(struct sp_topics *topics);
/* NULL: nobody has ever followed it. */
struct sp_topic *sp_topics_find(const struct sp_topics *topics, uint32_t instrument,
                                enum sp_stream_type type, int64_t arg);
/* The follower stays where it is until it has left. False: no memory. */
SP_NODISCARD bool sp_topics_enter(struct sp_topics *topics, const struct sp_follower *follower,
                                  const struct sp_stream *stream);
/* Asserts that it had entered. */
void sp_topics_leave(struct sp_topics *topics, const struct sp_follower *follower,
                     const struct sp_stream *stream);

#endif
