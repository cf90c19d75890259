/* SPF records (RFC 7208, 4.5, 4.6, 5, 6): what they say, without evaluating it. */
#ifndef SP_MAILAUTH_SPF_RECORD_H
#define SP_MAILAUTH_SPF_RECORD_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/ip.h"
#include "lib/mailauth/result.h"

#define SPF_RECORD_MAX 16384 /* bytes; a longer record is an error. Real ones have less than 2,000. */

enum spf_kind { SPF_ALL, SPF_INCLUDE, SPF_A, SPF_MX, SPF_PTR, SPF_IP4, SPF_IP6, SPF_EXISTS, SPF_KINDS };

/* A mechanism. */
struct spf_term {
	enum spf_kind kind;
	enum spf_result result;	   /* if it matches: pass, fail, softfail or neutral, by its qualifier */
	struct str text;	   /* as written */
	struct str domain;	   /* with macros; empty: the domain of the record */
	uint8_t prefix4, prefix6;  /* bits: of "a" and "mx", and of "ip4" and "ip6" */
	uint8_t address_bytes[16]; /* "ip4": the first 4; "ip6" */
};

struct spf_record {
	const struct spf_term *terms;
	unsigned count;
	struct str redirect;	/* domain with macros; empty: none */
	struct str explanation; /* of exp=, the same */
};

/* True if it is a record of this version: the others in a domain's TXT records are not looked at. */
bool spf_record_is(struct str text);
/* Everything in it is checked, and points into text or the arena. ERR_INVALID: it is malformed. */
int spf_record_parse(struct str text, struct arena *arena, struct spf_record *record_out, struct err *err);

#endif
