/* The places of secrets_table.h: which keys they are, the sealed text in a value, and the
 * context that it is sealed in. For the files secrets*.c only. */
#ifndef SP_ADMIN_SECRETS_PLACE_H
#define SP_ADMIN_SECRETS_PLACE_H

#include "lib/base/buf.h"
#include "lib/redis/keys.h"

enum secrets_form { SECRETS_VALUE, SECRETS_FIELD, SECRETS_JSON, SECRETS_ACCOUNT };

enum { SECRETS_PARTS_MAX = 2, SECRETS_GLOB_MAX = 128 };

/* parts: what stands for the <part>s of the key's pattern. field: of the hash. */
typedef void secrets_context(const struct str parts[SECRETS_PARTS_MAX], struct str field, struct buf *out);

struct secrets_place {
	enum redis_key key;
	enum secrets_form form;
	const char *member;
	secrets_context *context;
	const char *what;
};

extern const struct secrets_place secrets_places[];
extern const unsigned secrets_place_count;

/* Each field of the hash has one. */
bool secrets_place_is_many(const struct secrets_place *p);
/* For SCAN: "user:{*}". */
void secrets_place_glob(const struct secrets_place *p, char out[SECRETS_GLOB_MAX]);
void secrets_place_context(const struct secrets_place *p, struct str key, struct str field, struct buf *out);
/* Appends the sealed text in a value, if there is one. False: the value is damaged. */
bool secrets_place_take(const struct secrets_place *p, struct str value, struct buf *out);
/* No place before has the same values: what is damaged is told here. */
bool secrets_place_is_first(const struct secrets_place *p);
/* Appends the value with another sealed text in it. */
void secrets_place_put(const struct secrets_place *p, struct str value, struct str sealed, struct buf *out);

#endif
