/* Any bytes as a capture, plain or gzip: it is read to its end, in order of time and in valid
 * events, whatever is in it; and a seek into its middle gives events from there on. */
#include "fuzz.h"

#include "common/market/recording.h"

#include <stdio.h>

/* zlib's tables and the two buffers of the reader. */
#define MEMORY_BYTES ((size_t)4 * 1024 * 1024)
/* gzip packs a thousand lines into a byte at best: the time limit is meant for fewer. */
#define GZIP_BYTES_MAX  512
#define EVENTS_PER_BYTE 4096

static sp_wall read_all(struct sp_source *source, sp_wall from, size_t events_max)
{
    static struct sp_market_event event;
    sp_wall last = from;
    sp_status status;

    for (size_t events = 0;; events++) {
        FUZZ_CHECK(events <= events_max);
        status = sp_source_next(source, &event, NULL);
        if (status != SP_OK) break;
        FUZZ_CHECK(event.time.ns >= last.ns);
        const struct sp_schema *schema = sp_schema_of(sp_kind_info(event.kind)->dto);
        FUZZ_CHECK(sp_validate(schema, &event.body, NULL) == SP_OK);
        last = event.time;
    }
    FUZZ_CHECK(status == SP_CLOSED || status == SP_IO || status == SP_CORRUPT);
    return last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char path[FUZZ_PATH_SIZE];
    struct sp_instrument instrument = {.symbol = sp_name_of("BTCUSDT"),
                                       .base = sp_name_of("BTC"),
                                       .quote = sp_name_of("USDT"),
                                       .tick = {1000000},
                                       .step = {1000},
                                       .min_qty = {1000}};
    struct sp_source source = {0};

    if (size > GZIP_BYTES_MAX && data[0] == 0x1f && data[1] == 0x8b) return 0;
    fuzz_file_put("capture", data, size);
    snprintf(path, sizeof path, "%s/capture", fuzz_folder());
    fuzz_memory_begin();
    if (sp_recording_open(path, &instrument, &source, NULL) == SP_OK) {
        sp_wall last = read_all(&source, (sp_wall){INT64_MIN}, (size + 1) * EVENTS_PER_BYTE);
        sp_wall middle = {last.ns / 2};
        if (sp_source_seek(&source, middle, NULL) == SP_OK) {
            read_all(&source, middle, (size + 1) * EVENTS_PER_BYTE);
        }
        sp_source_close(&source);
    }
    fuzz_memory_end(size, MEMORY_BYTES);
    return 0;
}
