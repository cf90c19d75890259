/* SPF's macros (RFC 7208, 7). */
#ifndef SP_MAILAUTH_SPF_MACRO_H
#define SP_MAILAUTH_SPF_MACRO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/ip.h"
#include "lib/base/str.h"

/* What the letters stand for; all borrowed. */
struct spf_macro_values {
	struct str local;	/* %{l}: local part of the sender */
	struct str sender_host; /* %{o}: domain of the sender */
	struct str domain;	/* %{d}: domain whose record is evaluated */
	struct str helo;	/* %{h} */
	struct str client_name; /* %{p}: validated name of the client, or "unknown" */
	struct str receiver;	/* %{r}: our own name */
	struct ip client;	/* %{i}, %{c}, %{v} */
	int64_t now_ms;		/* %{t}: unix */
};

enum spf_macro_place {
	SPF_MACRO_IN_RECORD,
	SPF_MACRO_IN_EXPLANATION, /* may also have spaces, and the letters c, r and t */
};

/* True if the text has no other bytes than are allowed in this place, and every '%' begins a macro. */
bool spf_macro_is_valid(struct str text, enum spf_macro_place place);
/* True for a domain-spec: valid, and with a macro or a top-level domain at its end. */
bool spf_macro_is_domain(struct str text);
/* True if %{p} occurs: client_name must then be known before the text is expanded. */
bool spf_macro_uses_client_name(struct str text);
/* Appends the text with its macros replaced. The text must be valid. */
void spf_macro_expand(struct str text, const struct spf_macro_values *values, struct buf *out);

#endif
