#include "services/marketdata/record_thread.h"

#include "common/clock.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_BYTES  ((size_t)16 * 1024 * 1024)
#define HEADER_BYTES offsetof(struct sp_record, body)
#define RECORD_MOST  (sizeof(uint32_t) + sizeof(struct sp_record))

/* A ring of bytes: u32 length and the record without the unused end of its body, never wrapped: a
 * length of zero says that the next one is at the beginning. */
struct sp_record_thread {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t filled;
    struct sp_data_persistor *data; /* the thread's, after it has started */
    uint8_t *bytes;
    size_t head; /* next to be taken */
    size_t tail; /* next to be put */
    size_t used;
    bool ending;
    struct sp_record_thread_stats stats;
    struct sp_record record; /* the thread's */
};

static size_t record_bytes(const struct sp_record *record)
{
    return HEADER_BYTES + sp_schema_of(sp_kind_info((uint32_t)record->kind)->dto)->size;
}

/* Takes the first record; called with the lock, when there is one. */
static void take(struct sp_record_thread *t)
{
    uint32_t len = 0;

    memcpy(&len, t->bytes + t->head, sizeof len);
    if (len == 0) {
        t->used -= QUEUE_BYTES - t->head;
        t->head = 0;
        memcpy(&len, t->bytes, sizeof len);
    }
    SP_ASSERT(len <= sizeof t->record);
    memcpy(&t->record, t->bytes + t->head + sizeof len, len);
    t->head += sizeof len + len;
    t->used -= sizeof len + len;
}

static void note(struct sp_record_thread *t, sp_status status, const struct sp_err *err, sp_mono at)
{
    int64_t took = sp_mono_since(sp_clock_mono(), at).ns;

    if (took > t->stats.append_ns_max) t->stats.append_ns_max = took;
    t->stats.recorder = sp_data_persistor_stats(t->data);
    if (status == SP_OK) return;
    t->stats.failures++;
    t->stats.last = *err;
}

static void *run(void *ctx)
{
    struct sp_record_thread *t = ctx;

    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (t->used == 0 && !t->ending)
            pthread_cond_wait(&t->filled, &t->lock);
        if (t->used == 0) break;
        take(t);
        pthread_mutex_unlock(&t->lock);
        struct sp_err err = {0};
        sp_mono at = sp_clock_mono();
        sp_status status = sp_data_persistor_write(t->data, &t->record, &err);
        pthread_mutex_lock(&t->lock);
        note(t, status, &err, at);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

sp_status sp_record_thread_open(struct sp_data_persistor *data, struct sp_record_thread **out,
                                struct sp_err *err)
{
    struct sp_record_thread *t = calloc(1, sizeof *t);

    if (t == NULL) return SP_FAIL(err, SP_NO_MEMORY, "recording");
    t->bytes = malloc(QUEUE_BYTES);
    if (t->bytes == NULL) {
        free(t);
        return SP_FAIL(err, SP_NO_MEMORY, "recording queue");
    }
    t->data = data;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->filled, NULL);
    if (pthread_create(&t->thread, NULL, run, t) != 0) {
        pthread_mutex_destroy(&t->lock);
        pthread_cond_destroy(&t->filled);
        free(t->bytes);
        free(t);
        return SP_FAIL(err, SP_IO, "recording thread");
    }
    *out = t;
    return SP_OK;
}

bool sp_record_thread_has_room(struct sp_record_thread *t)
{
    pthread_mutex_lock(&t->lock);
    bool has_room = QUEUE_BYTES - t->used > 100 * RECORD_MOST;
    pthread_mutex_unlock(&t->lock);
    return has_room;
}

void sp_record_thread_put(struct sp_record_thread *t, const struct sp_record *record)
{
    uint32_t len = (uint32_t)record_bytes(record);
    size_t need = sizeof len + len;

    pthread_mutex_lock(&t->lock);
    size_t skip = QUEUE_BYTES - t->tail >= need + sizeof len ? 0 : QUEUE_BYTES - t->tail;
    if (t->used + skip + need + sizeof len > QUEUE_BYTES) {
        t->stats.dropped++;
        pthread_mutex_unlock(&t->lock);
        return;
    }
    if (skip > 0) {
        uint32_t none = 0;
        memcpy(t->bytes + t->tail, &none, sizeof none);
        t->used += skip;
        t->tail = 0;
    }
    memcpy(t->bytes + t->tail, &len, sizeof len);
    memcpy(t->bytes + t->tail + sizeof len, record, len);
    t->tail += need;
    t->used += need;
    pthread_cond_signal(&t->filled);
    pthread_mutex_unlock(&t->lock);
}

struct sp_record_thread_stats sp_record_thread_stats(struct sp_record_thread *t)
{
    pthread_mutex_lock(&t->lock);
    struct sp_record_thread_stats stats = t->stats;
    stats.queued_bytes = t->used;
    pthread_mutex_unlock(&t->lock);
    return stats;
}

sp_status sp_record_thread_close(struct sp_record_thread *t, struct sp_err *err)
{
    if (t == NULL) return SP_OK;
    pthread_mutex_lock(&t->lock);
    t->ending = true;
    pthread_cond_signal(&t->filled);
    pthread_mutex_unlock(&t->lock);
    pthread_join(t->thread, NULL);
    sp_status status = sp_data_persistor_close(t->data, err);
    pthread_cond_destroy(&t->filled);
    pthread_mutex_destroy(&t->lock);
    free(t->bytes);
    free(t);
    return status;
}
