/* Exact decimal and time text: the same on disk and on the screen. Any thread.
 */
#ifndef SP_PROTO_DECIMAL_H
#define SP_PROTO_DECIMAL_H

#include "proto/types.h"

#define SP_E8_TEXT_SIZE   24
#define SP_WALL_TEXT_SIZE 40
#define SP_DUR_TEXT_SIZE  32

/* "-1.5" -> -150000000. Optional minus, digits without a needless leading zero, optional point and
 * 1..8 digits (more only if they are zeros). SP_TYPE if it is not a decimal, SP_RANGE if it does
 * not fit (more than 8 decimals too: nothing is rounded); *out is untouched. */
SP_NODISCARD sp_status sp_e8_parse(const char *text, size_t len_bytes, int64_t *out_e8);
/* Shortest exact text: no trailing zeros, no point if whole. Returns buf. */
const char *sp_e8_format(int64_t e8, char buf[SP_E8_TEXT_SIZE]);
/* With exactly `places` decimals (0..8; rounds half away from zero) and thousands commas. */
const char *sp_e8_pretty(int64_t e8, unsigned places, char buf[SP_WALL_TEXT_SIZE]);

/* The last nanosecond of 2261: the latest time that may be parsed or travel. */
#define SP_WALL_NS_MAX INT64_C(9214646399999999999)

/* "2026-11-22T18:00:00.123456789Z", always nine decimals. Formats every value; parse takes the
 * years 1970 to 2261, up to nine decimals or none, and only Z. SP_TYPE if it is not such a text,
 * SP_RANGE if it names no moment in those years; *out is untouched. */
const char *sp_wall_format(sp_wall t, char buf[SP_WALL_TEXT_SIZE]);
SP_NODISCARD sp_status sp_wall_parse(const char *text, size_t len_bytes, sp_wall *out);
/* "18:00:00.123" (UTC), with `places` decimals (0, 3, 6 or 9). Returns buf. */
const char *sp_wall_clock(sp_wall t, unsigned places, char buf[SP_WALL_TEXT_SIZE]);

/* Exact text with the largest unit that divides it: "500ms", "5m", "1s", "0s"; units ns us ms s m
 * h d. Parse accepts one whole or decimal number and one unit, with an optional space. SP_TYPE if
 * it is not such a text, SP_RANGE if it is no whole number of ns that fits; *out is untouched. */
const char *sp_dur_format(sp_dur d, char buf[SP_DUR_TEXT_SIZE]);
SP_NODISCARD sp_status sp_dur_parse(const char *text, size_t len_bytes, sp_dur *out);

#endif
