/* Values and records in words: what `why`, `trades` and `journal` print. Any thread.
 */
#ifndef SP_SPOOR_DESCRIBE_H
#define SP_SPOOR_DESCRIBE_H

#include "proto/decimal.h"
#include "proto/ids.h"
#include "proto/record.h"

#define SP_SAY_SIZE  SP_WALL_TEXT_SIZE
#define SP_LINE_SIZE 1024

/* "62,148.36": exact, with two decimals or as many as it needs. Returns buf. */
const char *sp_say_e8(int64_t e8, char buf[SP_SAY_SIZE]);
/* Exact, with at least `places` decimals. */
const char *sp_say_places(int64_t e8, unsigned places, char buf[SP_SAY_SIZE]);
/* Decimals that show the value exactly. */
unsigned sp_say_places_of(int64_t e8);
/* "+26.48642016": eight decimals and a sign. */
const char *sp_say_signed(int64_t e8, char buf[SP_SAY_SIZE]);
/* "0.31 ms", "0.31 s", "2 min 05 s", "3 h 10 min". */
const char *sp_say_dur(sp_dur d, char buf[SP_SAY_SIZE]);
/* "target" for TARGET: a value's name in lower case, "_" as a blank. */
const char *sp_say_enum(enum sp_enum which, uint8_t value, char buf[SP_SAY_SIZE]);
/* "BUY 0.08055 market", "SELL 0.08055 limit 62,521.25", "SELL 0.08055 stop 61,961.91". */
const char *sp_say_order(const struct sp_order_intent *intent, char buf[SP_LINE_SIZE]);
/* Facts as "data age 3ms, order value 5,006.05". */
const char *sp_say_facts(const sp_facts *facts, char buf[SP_LINE_SIZE]);

/* One line about any record, without its kind and time. */
const char *sp_describe(const struct sp_record *record, char buf[SP_LINE_SIZE]);
/* The strategy link a record is about; "" if it is about none. */
sp_name sp_record_link(const struct sp_record *record);

#endif
