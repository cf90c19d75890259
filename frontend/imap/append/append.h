/* APPEND (RFC 9051, 6.3.12; MULTIAPPEND, BINARY, UTF8, CATENATE) and REPLACE. Both
 * process messages as they arrive and never keep one in memory. */
#ifndef SP_FRONTEND_IMAP_APPEND_APPEND_H
#define SP_FRONTEND_IMAP_APPEND_APPEND_H

#include "frontend/imap/private.h"

enum imap_literal_use {
	IMAP_LITERAL_INLINE, /* a mailbox name and the like: part of the text */
	IMAP_LITERAL_STREAM, /* a message: passed to imap_append_data() */
	IMAP_LITERAL_WAIT,   /* not known yet: imap_input_stream() or imap_input_refuse() will be called */
	IMAP_LITERAL_REFUSE, /* the command has been answered; skip the literal */
};

struct imap_literal {
	uint64_t size;
	bool binary;	  /* ~{...} */
	bool synchronous; /* the client waits for the go-ahead */
};

/* A literal was announced after text, which is everything received since the command
 * began or since the last streamed literal. */
enum imap_literal_use imap_append_literal(struct imap_session *s, struct str text, const struct imap_literal *literal);
/* Bytes of the literal. False: accepts no more for now; the session is resumed later. */
bool imap_append_data(struct imap_session *s, const char *data, size_t len);
/* The literal is complete. */
void imap_append_literal_end(struct imap_session *s);
/* The command is complete: text is what was received after the last streamed literal. */
void imap_append_end(struct imap_session *s, struct str text);
void imap_append_free(struct imap_append **a);

#endif
