/* The original recipient: ORCPT of RCPT (RFC 3461, 4.2) and Original-Recipient
 * of a report, with the forms of RFC 6533, section 3 for the type utf-8. */
#ifndef SP_SMTP_ORCPT_H
#define SP_SMTP_ORCPT_H

#include <stdbool.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

struct smtp_orcpt {
	struct str type;    /* "rfc822", "utf-8", ...; borrowed from the text */
	struct str address; /* decoded; in the arena. For utf-8: well-formed UTF-8 */
};

/* text: "type;address" as in the parameter. False: malformed. */
bool smtp_orcpt_parse(struct str text, struct arena *arena, struct smtp_orcpt *out);
/* The parameter for an address given by the sender, in ASCII: rfc822 in xtext,
 * or utf-8 if it has 8-bit bytes. */
struct str smtp_orcpt_make(struct str address, struct arena *arena);
/* The same value in ASCII, whatever its form. False: not a valid value. */
bool smtp_orcpt_to_ascii(struct str text, struct arena *arena, struct str *out);
/* utf-8-addr-xtext: everything but printable ASCII, and '+', '=' and '\', as \x{...}. */
struct str smtp_utf8_xtext_encode(struct str address, struct arena *arena);

#endif
