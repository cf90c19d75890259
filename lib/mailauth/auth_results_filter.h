/* Takes out of a message the Authentication-Results fields that claim to come from us (RFC
 * 8601, 5): whoever reads ours must not be deceived by those of a sender. Works on a stream in
 * pieces of any size; everything else passes unchanged. At most one field is held back. */
#ifndef SP_MAILAUTH_AUTH_RESULTS_FILTER_H
#define SP_MAILAUTH_AUTH_RESULTS_FILTER_H

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum auth_results_filter_state {
	FILTER_LINE_START,
	FILTER_NAME,  /* what is held may become the name of such a field */
	FILTER_PASS,  /* the rest of this line passes */
	FILTER_FIELD, /* within such a field, which is held */
	FILTER_FIELD_LINE_START,
	FILTER_DROP, /* within one that is ours and too long to be held */
	FILTER_DROP_LINE_START,
	FILTER_CR, /* a CR at the start of a line, which is held */
	FILTER_BODY,
};

struct auth_results_filter {
	struct str authserv_id; /* borrowed */
	enum auth_results_filter_state state;
	struct buf held;  /* owner */
	unsigned removed; /* fields so far */
};

void auth_results_filter_init(struct auth_results_filter *f, struct str authserv_id);
void auth_results_filter_fini(struct auth_results_filter *f);
/* Appends to out what passes. */
void auth_results_filter_feed(struct auth_results_filter *f, struct str piece, struct buf *out);
/* At the end of the message: what is held back. */
void auth_results_filter_end(struct auth_results_filter *f, struct buf *out);

#endif
