/* What the server needs to know about a message's header, collected as it streams by:
 * how often it was received, who it claims to be from, what is missing.
 *
 * It is fed the stored form (line ends are CRLF only) in pieces of any size, and uses
 * a fixed amount of memory, plus the From: values up to a limit. */
#ifndef SP_FRONTEND_SUBMIT_HEADER_WATCH_H
#define SP_FRONTEND_SUBMIT_HEADER_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

#define HEADER_WATCH_NAME_MAX 16	  /* longer names are not among those we look for */
#define HEADER_WATCH_FROM_MAX (16 * 1024) /* bytes of all From: values */
#define HEADER_WATCH_MBOX_MAX 1024	  /* bytes of the leading lines that are not part of the message */

struct header_watch {
	uint8_t state; /* private */
	uint8_t name_len;
	char name[HEADER_WATCH_NAME_MAX];
	bool keep_from; /* set by the caller at the start: collect From: values */
	bool first_line_known;
	bool no_header; /* the first line is neither a field nor blank */
	/* Mbox lines in front of the header ("From bob@x Mon Nov 30 ..."; RFC 4155), with
	 * their CRLF. Known once first_line_known is set; 0 if no field follows: then it may
	 * be a text that begins with that word. */
	uint32_t mbox_bytes;
	uint32_t line_bytes; /* private: of the current line, before its value */
	bool ended;	     /* the header is over */
	bool in_from;	     /* private: a folded line would continue From:'s value */
	bool in_word;	     /* private: the same for a field whose value is one word */
	bool after_blank;    /* private: a blank follows what has been read of the word */
	bool has_date, has_message_id, has_from;
	bool tls_optional;  /* "TLS-Required: No" (RFC 8689, section 5) */
	bool is_bulk;	    /* "Precedence: bulk", list or junk (RFC 3834, 3.1.8) */
	bool in_precedence; /* private: the word being read is Precedence's */
	bool from_too_long;
	uint32_t received_count;
	struct buf from; /* owner: values of all From: fields, as written, separated by commas */
};

void header_watch_init(struct header_watch *w, bool keep_from);
void header_watch_fini(struct header_watch *w);
void header_watch_feed(struct header_watch *w, struct str piece);
/* The message has ended. */
void header_watch_end(struct header_watch *w);

#endif
