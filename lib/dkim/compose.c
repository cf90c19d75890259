#include "lib/dkim/compose.h"

#include <string.h>

#include "lib/dkim/canon.h"

#define FOLD_AT 72 /* column at which a field is folded */

enum oversign { AS_THEY_ARE, IF_THERE, ALWAYS };

/* ALWAYS: one more than there are; IF_THERE: the same, if there is one. */
static const struct {
	const char *name;
	enum oversign oversign;
} signed_fields[] = {
	{"from", ALWAYS},
	{"reply-to", ALWAYS},
	{"subject", ALWAYS},
	{"to", ALWAYS},
	{"cc", ALWAYS},
	{"date", IF_THERE},
	{"message-id", IF_THERE},
	{"sender", IF_THERE},
	{"mime-version", IF_THERE},
	{"content-type", IF_THERE},
	{"content-transfer-encoding", IF_THERE},
	{"in-reply-to", IF_THERE},
	{"references", IF_THERE},
	{"resent-date", AS_THEY_ARE},
	{"resent-from", AS_THEY_ARE},
	{"resent-sender", AS_THEY_ARE},
	{"resent-to", AS_THEY_ARE},
	{"resent-cc", AS_THEY_ARE},
	{"resent-message-id", AS_THEY_ARE},
	{"list-id", AS_THEY_ARE},
	{"list-help", AS_THEY_ARE},
	{"list-unsubscribe", AS_THEY_ARE},
	{"list-unsubscribe-post", AS_THEY_ARE},
	{"list-subscribe", AS_THEY_ARE},
	{"list-post", AS_THEY_ARE},
	{"list-owner", AS_THEY_ARE},
	{"list-archive", AS_THEY_ARE},
	{"tls-required", AS_THEY_ARE},
	{"tls-report-domain", AS_THEY_ARE},
	{"tls-report-submitter", AS_THEY_ARE},
	{NULL, AS_THEY_ARE},
};

/* Adds a word to a tag's list, folding before the line would be too long. */
static void
compose_add_word(struct buf *out, size_t *line_start, const char *word, bool first)
{
	if (!first)
		buf_add_byte(out, ':');
	if (out->len - *line_start + strlen(word) > FOLD_AT) {
		buf_add_c(out, "\r\n\t");
		*line_start = out->len;
	}
	buf_add_c(out, word);
}

void
dkim_compose_names(const struct dkim_fields *fields, struct buf *names, struct buf *canonical)
{
	size_t line_start = 0;
	bool first = true;

	for (unsigned n = 0; signed_fields[n].name != NULL; n++) {
		unsigned found = 0;

		for (unsigned i = fields->count; i-- > 0;) {
			if (!dkim_field_is(&fields->items[i], signed_fields[n].name))
				continue;
			compose_add_word(names, &line_start, signed_fields[n].name, first);
			dkim_canon_field(fields->items[i].text, canonical);
			first = false;
			found++;
		}
		if (signed_fields[n].oversign == ALWAYS || (signed_fields[n].oversign == IF_THERE && found > 0)) {
			compose_add_word(names, &line_start, signed_fields[n].name, first);
			first = false;
		}
	}
}

void
dkim_compose_base64(struct buf *out, struct str base64)
{
	while (base64.len > 0) {
		struct str part = str_first(base64, FOLD_AT);

		buf_add_c(out, "\r\n\t");
		buf_add_str(out, part);
		base64 = str_from(base64, part.len);
	}
	buf_add_c(out, "\r\n");
}
