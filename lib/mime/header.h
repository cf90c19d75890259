/* Header fields (RFC 5322, 2.2) and the values of MIME fields (RFC 2045, 2183,
 * 2231). Accepts any input: malformed fields are interpreted as well as
 * possible. */
#ifndef SP_MIME_HEADER_H
#define SP_MIME_HEADER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

struct mime_field {
	struct str name;  /* as written */
	struct str value; /* raw: folded, without the last line end */
};

/* The next field of a header block; false at its end (a blank line or the end
 * of text). Lines that are not fields are skipped. Advances *rest. */
bool mime_next_field(struct str *rest, struct mime_field *field_out);
/* The first field of that name; false if there is none. */
bool mime_find_field(struct str header, const char *name, struct str *value_out);

/* Unfolds a value (RFC 5322, 2.2.3), replaces NULs and stray line ends with
 * spaces, and trims it. In the arena. */
struct str mime_unfold(struct str raw, struct arena *arena);

struct mime_param {
	struct str name;  /* lower case */
	struct str value; /* quotes removed; RFC 2231 sections joined and decoded to UTF-8 */
	bool extended;	  /* it had the form of RFC 2231 */
};

#define MIME_PARAMS_MAX 64

/* "text/plain; charset=utf-8" or "attachment; filename=x". */
struct mime_value {
	struct str main;	   /* lower case: "text", or the whole token of a disposition */
	struct str sub;		   /* lower case; empty if there is no '/' */
	struct mime_param *params; /* arena */
	unsigned param_count;
};
void mime_parse_value(struct str raw, struct arena *arena, struct mime_value *out);
/* STR_NONE if it is missing. */
struct str mime_param_find(const struct mime_value *v, const char *name);

/* RFC 5322 date-time, obsolete forms and common mistakes included. False: not a
 * readable date. zone_minutes_out: east of UTC. */
bool mime_parse_date(struct str raw, int64_t *unix_seconds_out, int *zone_minutes_out);

/* The next <msg-id> of a field (with its brackets); false at the end. */
bool mime_next_msg_id(struct str *rest, struct str *id_out);

/* Skips white space and (nested) comments at the start of *s. */
void mime_skip_cfws(struct str *s);

#endif
