/* Header fields (RFC 5322, 2.2) and the values of MIME fields (RFC 2045, 2183,
 * 2231). Reads whatever comes: what does not parse gives the best reading. */
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
 * of text). Lines that are no field are passed over. *rest moves on. */
bool mime_next_field(struct str *rest, struct mime_field *field_out);
/* The first field of that name; false when there is none. */
bool mime_find_field(struct str header, const char *name, struct str *value_out);

/* Line ends of folding removed (RFC 5322, 2.2.3), NULs and stray line ends
 * turned into spaces, trimmed. In the arena. */
struct str mime_unfold(struct str raw, struct arena *arena);

struct mime_param {
	struct str name;  /* lower case */
	struct str value; /* quotes removed; RFC 2231 parts joined and decoded to UTF-8 */
	bool extended;	  /* it came in RFC 2231's form */
};

#define MIME_PARAMS_MAX 64

/* "text/plain; charset=utf-8" or "attachment; filename=x". */
struct mime_value {
	struct str main;	   /* lower case: "text", or the whole token of a disposition */
	struct str sub;		   /* lower case; empty when there is no '/' */
	struct mime_param *params; /* arena */
	unsigned param_count;
};
void mime_parse_value(struct str raw, struct arena *arena, struct mime_value *out);
/* STR_NONE when it is missing. */
struct str mime_param_find(const struct mime_value *v, const char *name);

/* RFC 5322 date-time, obsolete forms and common mistakes included. False: no
 * date can be read. zone_minutes_out: east of UTC. */
bool mime_parse_date(struct str raw, int64_t *unix_seconds_out, int *zone_minutes_out);

/* The next <msg-id> of a field (with its brackets); false at the end. */
bool mime_next_msg_id(struct str *rest, struct str *id_out);

/* Skips white space and (nested) comments at the start of *s. */
void mime_skip_cfws(struct str *s);

#endif
