/* Commands out of bytes: lines and literals (RFC 9051, 4.3; RFC 7888). */
#ifndef SP_FRONTEND_IMAP_SESSION_INPUT_H
#define SP_FRONTEND_IMAP_SESSION_INPUT_H

#include "frontend/imap/private.h"

#define IMAP_LINE_MAX		  (64 * 1024)
#define IMAP_LITERAL_BEFORE_LOGIN (32 * 1024)	/* an ID of 30 values of 1024 bytes (RFC 2971, 3.3) */
#define IMAP_LITERALS_BYTES	  (1024 * 1024) /* of all of one command, APPEND's messages apart */
#define IMAP_LITERALS_MAX	  1000

/* One step. False: more bytes must come first. */
bool imap_take_input(struct imap_session *s);
void imap_input_free(struct imap_input **in);
/* The literal that was announced (imap_append_literal() said WAIT) may come, and
 * streams to imap_append_data(). */
void imap_input_stream(struct imap_session *s);
/* What is left of the command is thrown away; the tagged reply was or will be
 * given by the caller. */
void imap_input_refuse(struct imap_session *s);

#endif
