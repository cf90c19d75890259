/* Shared by the files about settings. Private to lib/admin. */
#ifndef SP_ADMIN_SETTINGS_PRIVATE_H
#define SP_ADMIN_SETTINGS_PRIVATE_H

#include "lib/admin/private.h"
#include "lib/settings/settings.h"

struct setting_name {
	struct str group;
	struct str domain; /* empty: global */
	struct str field;
	const struct settings_row *row;
};
/* Borrows text. */
int setting_name_parse(struct str text, struct setting_name *out, struct err *err);
/* The hash that contains it: that of its domain, if it has one. */
struct str setting_name_key(struct arena *arena, const struct setting_name *name);

/* The value as an operator would write it: a duration without a unit gets one. */
struct str setting_with_unit(struct arena *arena, const struct settings_row *row, struct str text);

/* ---- The keys of all hashes of settings ---- */
struct setting_keys {
	struct str *list; /* in the call's arena; sorted, each once */
	size_t count;
};
typedef void setting_on_keys(struct admin_call *call, const struct setting_keys *keys, const struct err *err);
void setting_keys_read(struct admin_call *call, setting_on_keys *cb);
/* The part after "settings:<group>" in a key of the group: "" or ":<domain>". STR_NONE
 * for other keys. */
struct str setting_key_suffix(struct str key, const char *group);

#endif
