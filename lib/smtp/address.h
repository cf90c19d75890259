/* Mail addresses in SMTP (RFC 5321, 4.1.2; RFC 6531 with UTF-8). */
#ifndef SP_SMTP_ADDRESS_H
#define SP_SMTP_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* RFC 5321, 4.5.3.1 */
#define SMTP_LOCAL_PART_MAX 64
#define SMTP_DOMAIN_MAX	    255
#define SMTP_PATH_MAX	    256
#define SMTP_ADDRESS_MAX    (SMTP_LOCAL_PART_MAX * 2 + 2 + 1 + SMTP_DOMAIN_MAX + 1) /* with quotes and NUL */

enum smtp_path_kind {
	SMTP_PATH_NULL,	     /* <> */
	SMTP_PATH_MAILBOX,   /* <local@domain> or <local@[literal]> */
	SMTP_PATH_POSTMASTER /* <postmaster> without a domain */
};

enum smtp_path_error {
	SMTP_PATH_OK,
	SMTP_PATH_SYNTAX,
	SMTP_PATH_TOO_LONG,
	SMTP_PATH_NEEDS_UTF8, /* 8-bit without SMTPUTF8 */
	SMTP_PATH_BAD_DOMAIN, /* not a domain name, or IDNA refuses it */
};

/* local: unquoted if possible, else in its shortest quoted form. domain: lower
 * case, U-labels converted to A-labels; an address literal keeps its brackets.
 * address = local@domain. All in the arena. */
struct smtp_path {
	enum smtp_path_kind kind;
	struct str local;
	struct str domain;
	struct str address; /* empty for <>; "postmaster" for the short form */
	bool is_utf8;	    /* the local part has 8-bit bytes */
};

/* Parses a path at the start of text: "<...>"; a source route is dropped (RFC
 * 5321, appendix C). rest_out: the text after the '>'. */
enum smtp_path_error smtp_path_parse(struct str text, bool allow_utf8, struct arena *arena, struct smtp_path *path_out,
				     struct str *rest_out);
/* An address without <>, as used by the tool and in alias targets. */
enum smtp_path_error smtp_address_parse(struct str text, bool allow_utf8, struct arena *arena,
					struct smtp_path *path_out);
/* A domain name: lower case, A-labels; false if it is not one. */
bool smtp_domain_normalise(struct str text, struct arena *arena, struct str *domain_out);

/* RFC 3461 xtext. */
bool smtp_xtext_is_valid(struct str text);
bool smtp_xtext_decode(struct str text, struct arena *arena, struct str *out);
struct str smtp_xtext_encode(struct str text, struct arena *arena);

#endif
