/* Reads commands from the input: lines and literals (RFC 9051, 4.3; RFC 7888). */
#ifndef SP_FRONTEND_IMAP_SESSION_INPUT_H
#define SP_FRONTEND_IMAP_SESSION_INPUT_H

#include "frontend/imap/private.h"

#define IMAP_LINE_MAX		  (64 * 1024)
#define IMAP_LITERAL_BEFORE_LOGIN (32 * 1024)	/* an ID of 30 values of 1024 bytes (RFC 2971, 3.3) */
#define IMAP_LITERALS_BYTES	  (1024 * 1024) /* all literals of one command, except APPEND's messages */
#define IMAP_LITERALS_MAX	  1000

/* One step. False: more bytes are needed first. */
bool imap_take_input(struct imap_session *s);
void imap_input_free(struct imap_input **in);
/* The literal that was announced (imap_append_literal() returned WAIT) may now come,
 * and is streamed to imap_append_data(). */
void imap_input_stream(struct imap_session *s);
/* Discards the rest of the command; the caller sends the tagged reply, before or
 * after this call. */
void imap_input_refuse(struct imap_session *s);

#endif
