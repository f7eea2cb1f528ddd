/* Quantities as people write them in the configuration: always text, always with a unit, exact.
 *
 * One optional space stands between number and unit. SP_TYPE if the text is no such quantity,
 * SP_RANGE if it does not fit or would need rounding; *out is then untouched. Any thread.
 */
#ifndef SP_COMMON_UNITS_H
#define SP_COMMON_UNITS_H

#include "proto/types.h"

/* "6000 USDT": the asset is A-Z and 0-9. */
SP_NODISCARD sp_status sp_units_amount(const char *text, sp_amt *out, sp_name *asset);
/* "0.3%" = 0.003, "0.8 bps" = 0.00008. */
SP_NODISCARD sp_status sp_units_ratio(const char *text, sp_ratio *out);
/* "60x" = 60; "max" = 0: as fast as the consumers allow. "0x" is no speed (SP_RANGE). */
SP_NODISCARD sp_status sp_units_speed(const char *text, sp_ratio *out);
/* "UTC" or "+05:30": what is east of it is ahead; at most 14 hours to either side. Names of zones
 * are not taken: their offsets change with the season. */
SP_NODISCARD sp_status sp_units_zone(const char *text, sp_dur *out);
/* "50 MiB"; units B KiB MiB GiB TiB. Never negative. */
SP_NODISCARD sp_status sp_units_bytes(const char *text, uint64_t *out);

/* "50 MiB": the largest unit that divides it. Returns buf. */
#define SP_BYTES_TEXT_SIZE 32
const char *sp_units_bytes_format(uint64_t bytes, char buf[SP_BYTES_TEXT_SIZE]);
/* Rounded down to three digits or so, for a person: "511 MiB". */
const char *sp_units_bytes_about(uint64_t bytes, char buf[SP_BYTES_TEXT_SIZE]);

#endif
