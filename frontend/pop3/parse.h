/* Parsers for POP3: command lines, message numbers, and where TOP ends. Pure;
 * independent, for tests and fuzzing. */
#ifndef SP_FRONTEND_POP3_PARSE_H
#define SP_FRONTEND_POP3_PARSE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

#define POP3_ARGS_MAX 3

struct cmd_args {
	unsigned count;		     /* words after the verb; those beyond POP3_ARGS_MAX are only counted */
	struct str v[POP3_ARGS_MAX]; /* borrowed from the line */
	struct str rest;	     /* everything after the verb and one blank, e.g. a password with blanks */
};

/* line: without its line end. False: it contains a CR or NUL, or has no verb. */
bool pop3_parse_line(struct str line, struct str *verb_out, struct cmd_args *args_out);

/* Does the banner already begin with "+OK"? */
bool pop3_banner_has_ok(struct str banner);

/* Does a language range of LANG (RFC 4647 lookup) match ours? "en", "en-GB", "i-default", "*". */
bool pop3_is_our_language(struct str range);

/* The part of a message that TOP sends: the header, the empty line, and n lines of
 * the body. The result does not depend on how the input is split. */
struct pop3_top {
	uint64_t lines_left; /* of the body */
	uint8_t state;	     /* private */
	bool in_body;
	bool done; /* nothing after this is sent */
};
void pop3_top_init(struct pop3_top *t, uint64_t lines);
/* Returns how many bytes of the piece are to be sent. */
size_t pop3_top_feed(struct pop3_top *t, struct str piece);

#endif
