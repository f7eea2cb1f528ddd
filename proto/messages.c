#include "proto/messages.h"

#include <string.h>

/* clang-format off */
/* Whether a C type may carry a kind; each FIELD line below fails to compile where they disagree. */
#define K(kind, type) type: (int)SP_KIND_##kind,
#define I(tag, TAG, doc)                                                                           \
    sp_##tag##_id: (int)SP_KIND_##TAG##_ID, sp_##tag##_ids: (int)SP_KIND_##TAG##_IDS,
#define KIND_OF(type_) _Generic((type_){0}, SP_SCALAR_KIND_MAP(K) SP_ID_MAP(I) uint8_t: -1)
#define KIND_MATCHES(type_, kind_)                                                                 \
    (KIND_OF(type_) == ((int)SP_KIND_##kind_ > (int)SP_KIND_ENUM_FIRST ? -1 : (int)SP_KIND_##kind_))

#define RETIRED(tag_)
#define DTO_BEGIN(dto)
#define DTO_END(dto)
#define FIELD(tag_, type_, name_, kind_, flags_, doc_)                                             \
    _Static_assert(KIND_MATCHES(type_, kind_), #name_ ": C type and kind disagree");
#include "proto/messages.def"
#undef FIELD
#undef RETIRED
#undef DTO_BEGIN
#undef DTO_END
#undef K
#undef I

/* One function per DTO, because offsetof needs the struct's name inside each FIELD line. */
#define DTO_BEGIN(dto)                                                                             \
    static const struct sp_schema *dto##_schema(void)                                              \
    {                                                                                              \
        typedef struct sp_##dto dto_struct;                                                        \
        static const char dto_name[] = #dto;                                                       \
        static const struct sp_field fields[] = {
#define FIELD(tag_, type_, name_, kind_, flags_, doc_)                                             \
    {.name = #name_, .kind = SP_KIND_##kind_, .tag = (tag_),                                       \
     .offset = (uint16_t)offsetof(dto_struct, name_), .flags = (flags_), .doc = (doc_)},
#define RETIRED(tag_) {.name = "", .kind = SP_KIND_RETIRED, .tag = (tag_)},
#define DTO_END(dto)                                                                               \
        };                                                                                         \
        static const struct sp_schema schema = {                                                   \
            .name = dto_name, .size = sizeof(dto_struct),                                          \
            .field_count = sizeof fields / sizeof *fields, .fields = fields};                      \
        return &schema;                                                                            \
    }
#include "proto/messages.def"
#undef FIELD
#undef RETIRED
#undef DTO_BEGIN
#undef DTO_END

const struct sp_schema *sp_schema_of(enum sp_dto dto)
{
    static const struct sp_schema *(*const schemas[SP_DTO_COUNT])(void) = {
#define FIELD(tag_, type_, name_, kind_, flags_, doc_)
#define RETIRED(tag_)
#define DTO_BEGIN(dto) [SP_DTO_##dto] = dto##_schema,
#define DTO_END(dto)
#include "proto/messages.def"
#undef FIELD
#undef RETIRED
#undef DTO_BEGIN
#undef DTO_END
    };

    SP_ASSERT(dto > SP_DTO_NONE && dto < SP_DTO_COUNT);
    return schemas[dto]();
}
/* clang-format on */

const struct sp_field *sp_schema_field(const struct sp_schema *schema, const char *name)
{
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct sp_field *field = &schema->fields[i];
        if (field->kind != SP_KIND_RETIRED && strcmp(field->name, name) == 0) return field;
    }
    return NULL;
}
