/* Replies of SMTP servers (RFC 5321, 4.2), read from pieces of any size.
 *
 * Lenient where that is safe (a bare LF ends a line, a line may be longer than
 * 512 bytes, a reply longer than anybody reads), strict where it is not: all
 * lines of one reply must have the same code, and lines and bytes are
 * limited. */
#ifndef SP_WORKER_REMOTE_REPLY_H
#define SP_WORKER_REMOTE_REPLY_H

#include <stdbool.h>
#include <stddef.h>

#include "delivery-worker/jobs/job.h"
#include "lib/base/buf.h"
#include "lib/base/str.h"

#define SMTP_REPLY_LINE_MAX  4096
#define SMTP_REPLY_LINES_MAX 10000
#define SMTP_REPLY_TEXT_MAX  16384 /* what is kept of the text; the rest is skipped */

struct smtp_reply {
	int code; /* 200..599 */
	unsigned lines;
	struct buf text; /* the lines' text without codes, each ended by '\n'; owner */
};

enum smtp_reply_state {
	SMTP_REPLY_MORE, /* all of the input was used, the reply is not complete */
	SMTP_REPLY_DONE,
	SMTP_REPLY_BAD, /* not SMTP, or over the limits */
};

struct smtp_reply_parser {
	struct smtp_reply reply;
	struct buf line; /* the part of the current line that has arrived; owner */
	bool fresh;	 /* the next line starts a reply */
};

void smtp_reply_init(struct smtp_reply_parser *p);
void smtp_reply_fini(struct smtp_reply_parser *p);

/* Takes input up to the end of one reply, which is then in p->reply until the next call. Returns the bytes used. */
size_t smtp_reply_parse(struct smtp_reply_parser *p, struct str input, enum smtp_reply_state *state_out);

/* The enhanced status code (RFC 3463) at the start of the reply's text if it
 * is one and of the code's class; else "<class>.0.0". */
void smtp_reply_enhanced(const struct smtp_reply *reply, char out[ENHANCED_CODE_MAX]);
/* "550 5.1.1 no such user; see http://...": all lines as one. */
struct str smtp_reply_words(const struct smtp_reply *reply, struct arena *arena);

/* What an EHLO reply offers. */
struct smtp_caps {
	bool esmtp; /* EHLO was understood */
	bool pipelining, size, eight_bit, smtputf8, starttls, dsn, requiretls, chunking, mt_priority;
	unsigned auth;	   /* SASL_... (delivery-worker/net/login.h) */
	uint64_t max_size; /* bytes; 0: no limit known */
};
void smtp_caps_read(const struct smtp_reply *reply, struct smtp_caps *caps_out);

#endif
