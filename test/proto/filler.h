/* Fills any DTO with valid values that are easy to get wrong on the way: large integers, signs,
 * text that needs escapes, full ids, several list items. The same seed gives the same values, for
 * ever: the golden file depends on it.
 */
#ifndef SP_TEST_FILLER_H
#define SP_TEST_FILLER_H

#include "proto/record.h"

void sp_filler_fill(const struct sp_schema *schema, uint64_t seed, void *dto);
/* A whole record of `kind`, with causes and a consumed input. */
void sp_filler_record(enum sp_kind kind, uint64_t seed, struct sp_record *out);
/* A kind that carries `dto`, or SP_REC_NONE. */
enum sp_kind sp_filler_kind_of(enum sp_dto dto);

#endif
