/* The DTOs: one C struct each, made from its table, and the table itself.
 *
 * `struct sp_trade`, `sp_schema_of(SP_DTO_TRADE)`. All-zero bytes are the empty DTO; every value in
 * it is owned by the struct (no pointers), so a DTO is copied by assignment. Any thread.
 */
#ifndef SP_PROTO_MESSAGES_H
#define SP_PROTO_MESSAGES_H

#include "proto/schema.h"

/* clang-format off */
#define DTO_BEGIN(dto) struct sp_##dto {
#define FIELD(tag_, type_, name_, kind_, flags_, doc_) type_ name_;
#define RETIRED(tag_)
#define DTO_END(dto) };
#include "proto/messages.def"
#undef DTO_BEGIN
#undef DTO_END

/* SP_DTO_trade and so on: the DTO's own name, so that tables can paste it. */
enum sp_dto {
    SP_DTO_NONE,
#undef FIELD
#define FIELD(tag_, type_, name_, kind_, flags_, doc_)
#define DTO_BEGIN(dto) SP_DTO_##dto,
#define DTO_END(dto)
#include "proto/messages.def"
#undef DTO_BEGIN
#undef DTO_END
    SP_DTO_COUNT
};

/* Room for any DTO. */
union sp_body {
#define DTO_BEGIN(dto) struct sp_##dto dto;
#define DTO_END(dto)
#include "proto/messages.def"
#undef DTO_BEGIN
#undef DTO_END
};
#undef FIELD
#undef RETIRED
/* clang-format on */

/* The table of a DTO. Asserts that `dto` is one. */
const struct sp_schema *sp_schema_of(enum sp_dto dto);
/* The field called `name`, or NULL. */
const struct sp_field *sp_schema_field(const struct sp_schema *schema, const char *name);

/* Checks every value against its kind and flags; quantities and times must not be negative whatever
 * the flags, names of facts must differ. On failure err names the DTO, field and rule, e.g.
 * "order_intent.qty: must be > 0, is -5". SP_MISSING (required, empty), SP_RANGE (a number,
 * enumeration or count out of range), SP_INVALID (text that is not of its kind, empty list
 * item). */
SP_NODISCARD sp_status sp_validate(const struct sp_schema *schema, const void *dto,
                                   struct sp_err *err);
/* Whether the field holds its empty value. */
bool sp_field_is_empty(const struct sp_field *field, const void *dto);
/* Whether two DTOs hold the same values (padding and unused list slots apart). */
bool sp_dto_equal(const struct sp_schema *schema, const void *a, const void *b);

#endif
