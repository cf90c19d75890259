/* All replies of the server, in one table: code, enhanced status (RFC 3463, 5248),
 * text. "{}" in a text is replaced by an argument. */
#ifndef SP_FRONTEND_SMTP_REPLIES_H
#define SP_FRONTEND_SMTP_REPLIES_H

#include <event2/buffer.h>
#include <stdbool.h>

#include "lib/base/str.h"

/* How a reply affects the client: */
#define COUNTS_BAD_COMMAND   1u /* counts towards max_bad_commands */
#define COUNTS_BAD_RECIPIENT 2u /* counts towards max_bad_recipients */
#define IS_REFUSAL	     4u /* a refusal of substance: logged */

/* clang-format off */
/*	R(name, code, enhanced, flags, text) */
#define SMTP_REPLIES(R)                                                                                         \
	R(GREETING, 220, "", 0, "{}")                                                                           \
	R(OK, 250, "2.0.0", 0, "Ok")                                                                            \
	R(RESET, 250, "2.0.0", 0, "Transaction reset")                                                          \
	R(SENDER_OK, 250, "2.1.0", 0, "Sender ok")                                                              \
	R(PRIORITY_CHANGED, 250, "2.3.6", 0, "{} is the priority granted, not the one requested; sender ok")    \
	R(RECIPIENT_OK, 250, "2.1.5", 0, "Recipient ok")                                                        \
	R(CHUNK_OK, 250, "2.0.0", 0, "{} octets received")                                                      \
	R(QUEUED, 250, "2.0.0", 0, "Ok: queued as {}")                                                          \
	R(SEND_DATA, 354, "", 0, "End data with <CR><LF>.<CR><LF>")                                             \
	R(GOODBYE, 221, "2.0.0", 0, "{} closing connection")                                                    \
	R(TLS_READY, 220, "2.0.0", 0, "Ready to start TLS")                                                     \
	R(AUTHENTICATED, 235, "2.7.0", 0, "Authentication succeeded")                                           \
	R(VERIFIED, 250, "2.1.5", 0, "<{}>")                                                                    \
	R(NOT_VERIFIED, 252, "2.0.0", 0, "Cannot verify, but will accept a message and attempt delivery") \
	/* the command's form */                                                                                \
	R(UNKNOWN_COMMAND, 500, "5.5.1", COUNTS_BAD_COMMAND, "Command not recognised")                          \
	R(LINE_TOO_LONG, 500, "5.5.2", COUNTS_BAD_COMMAND, "Line too long")                                     \
	R(BARE_LINE_END, 500, "5.5.2", COUNTS_BAD_COMMAND, "Lines must end with CRLF, without other CR, LF or NUL") \
	R(SYNTAX, 501, "5.5.4", COUNTS_BAD_COMMAND, "Syntax: {}")                                               \
	R(BAD_PARAMETER, 501, "5.5.4", COUNTS_BAD_COMMAND, "Bad or repeated parameter {}")                      \
	R(UNKNOWN_PARAMETER, 555, "5.5.4", COUNTS_BAD_COMMAND, "Parameter {} not recognised")                   \
	R(NOT_IMPLEMENTED, 502, "5.5.1", COUNTS_BAD_COMMAND, "Command not implemented")                         \
	R(DISABLED_COMMAND, 502, "5.5.1", 0, "Command disabled")                                                \
	R(BAD_SEQUENCE, 503, "5.5.1", COUNTS_BAD_COMMAND, "Bad sequence of commands: {}")                       \
	R(NO_VALID_RECIPIENTS, 554, "5.5.1", 0, "No valid recipients")                                          \
	/* authentication */                                                                                    \
	R(AUTH_REQUIRED, 530, "5.7.0", IS_REFUSAL, "Authentication required")                                   \
	R(TLS_REQUIRED, 538, "5.7.11", COUNTS_BAD_COMMAND, "Encryption required: send STARTTLS first")          \
	R(UNKNOWN_MECHANISM, 504, "5.5.4", COUNTS_BAD_COMMAND, "Authentication mechanism not offered")          \
	R(AUTH_FAILED, 535, "5.7.8", COUNTS_BAD_COMMAND, "Authentication failed")                               \
	R(AUTH_DISABLED, 525, "5.7.13", COUNTS_BAD_COMMAND, "Account disabled")                                 \
	R(AUTH_MALFORMED, 501, "5.5.2", COUNTS_BAD_COMMAND, "Malformed authentication response")                \
	R(AUTH_CANCELLED, 501, "5.7.0", COUNTS_BAD_COMMAND, "Authentication cancelled")                         \
	R(AUTH_TRY_LATER, 454, "4.7.0", IS_REFUSAL, "Authentication temporarily unavailable")                       \
	/* senders */                                                                                           \
	R(BAD_SENDER, 501, "5.1.7", IS_REFUSAL, "Malformed sender address")                                     \
	R(SENDER_NEEDS_UTF8, 553, "5.6.7", IS_REFUSAL, "Address with non-ASCII characters without SMTPUTF8")    \
	R(SENDER_NOT_YOURS, 550, "5.7.1", IS_REFUSAL, "Sender address does not belong to {}")                   \
	R(TOO_BIG, 552, "5.3.4", IS_REFUSAL, "Message larger than {} octets")                                   \
	R(MESSAGE_LIMIT, 450, "4.7.1", IS_REFUSAL, "Too many messages, try again in {} seconds")                \
	R(TOO_MANY_MESSAGES, 421, "4.7.0", IS_REFUSAL, "Too many messages in this session")                     \
	/* recipients */                                                                                        \
	R(BAD_RECIPIENT, 501, "5.1.3", COUNTS_BAD_RECIPIENT | IS_REFUSAL, "Malformed recipient address")        \
	R(RECIPIENT_NEEDS_UTF8, 553, "5.6.7", COUNTS_BAD_RECIPIENT | IS_REFUSAL,                                \
	  "Address with non-ASCII characters without SMTPUTF8")                                                 \
	R(UNKNOWN_USER, 550, "5.1.1", COUNTS_BAD_RECIPIENT | IS_REFUSAL, "<{}>: no such user here")             \
	R(USER_DISABLED, 550, "5.2.1", COUNTS_BAD_RECIPIENT | IS_REFUSAL, "<{}>: mailbox disabled")             \
	R(DOMAIN_DISABLED, 450, "4.2.1", COUNTS_BAD_RECIPIENT | IS_REFUSAL, "<{}>: domain temporarily disabled")    \
	R(RELAY_DENIED, 550, "5.7.1", COUNTS_BAD_RECIPIENT | IS_REFUSAL, "<{}>: relaying denied")               \
	R(LOCAL_AUTH_REQUIRED, 530, "5.7.0", COUNTS_BAD_RECIPIENT | IS_REFUSAL,                                 \
	  "Authentication required to send from a domain of this server")                                       \
	R(MAILBOX_FULL, 452, "4.2.2", IS_REFUSAL, "<{}>: mailbox full, try again later")                        \
	R(OVER_QUOTA, 552, "5.2.2", IS_REFUSAL, "<{}>: no room in the mailbox")                                 \
	R(RECIPIENT_LIMIT, 450, "4.7.1", IS_REFUSAL, "Too many recipients, try again in {} seconds")            \
	R(TOO_MANY_RECIPIENTS, 452, "4.5.3", IS_REFUSAL, "Too many recipients")                                 \
	/* messages */                                                                                          \
	R(TOO_MANY_HOPS, 554, "5.4.6", IS_REFUSAL, "Too many hops: the message seems to loop")                  \
	R(FROM_NOT_YOURS, 550, "5.7.1", IS_REFUSAL, "The From address does not belong to {}")                   \
	R(SPF_FAIL, 550, "5.7.23", IS_REFUSAL, "SPF: {}")                                                       \
	R(DMARC_REJECT, 550, "5.7.1", IS_REFUSAL,                                                               \
	  "{} asks by DMARC (p=reject) to refuse mail in its name that neither SPF nor DKIM proves")            \
	R(MILTER_REJECT, 550, "5.7.1", IS_REFUSAL, "Message refused")                                           \
	R(MILTER_TEMPFAIL, 451, "4.7.1", IS_REFUSAL, "Service unavailable, try again later")                    \
	R(SPAM_REJECT, 550, "5.7.1", IS_REFUSAL, "{}")                                                          \
	R(SPAM_TEMPFAIL, 451, "4.7.1", IS_REFUSAL, "{}")                                                        \
	R(VIRUS, 550, "5.7.1", IS_REFUSAL, "Virus found: {}")                                                   \
	R(NO_MAILBOX_HAS_ROOM, 452, "4.2.2", IS_REFUSAL, "No room for the message in the mailbox, try again later") \
	R(NO_MAILBOX_WILL_HAVE_ROOM, 552, "5.2.2", IS_REFUSAL, "No room for the message in the mailbox")        \
	R(STORE_UNAVAILABLE, 451, "4.3.0", IS_REFUSAL, "Temporary failure, try again later")                    \
	R(STORE_FULL, 452, "4.3.1", IS_REFUSAL, "Not enough storage, try again later")                          \
	/* the end */                                                                                           \
	R(TOO_MANY_CONNECTIONS, 421, "4.3.2", IS_REFUSAL, "Too many connections, try again later")              \
	R(TOO_MANY_BAD_COMMANDS, 421, "4.7.0", IS_REFUSAL, "Too many bad commands, closing connection")         \
	R(TOO_MANY_BAD_RECIPIENTS, 421, "4.7.0", IS_REFUSAL, "Too many bad recipients, closing connection")     \
	R(TIMED_OUT, 421, "4.4.2", 0, "Timeout, closing connection")                                            \
	R(SHUTTING_DOWN, 421, "4.3.2", 0, "Service shutting down, try again later")                             \
	R(ACCOUNT_GONE, 421, "4.7.0", IS_REFUSAL, "The account is disabled, closing connection")                 \
	R(NOT_SMTP, 421, "4.7.0", IS_REFUSAL, "This is not a web server, closing connection")

enum smtp_reply_name {
#define SMTP_REPLY_NAME(name, ...) REPLY_##name,
	SMTP_REPLIES(SMTP_REPLY_NAME)
#undef SMTP_REPLY_NAME
	SMTP_REPLY_COUNT
};

struct smtp_reply {
	unsigned code;
	const char *enhanced; /* empty: none */
	unsigned flags;
	const char *text;
};

const struct smtp_reply *smtp_reply_get(enum smtp_reply_name name);
/* Appends the reply to out, as one line with its CRLF. Characters in the argument
 * that could break the line (control characters) become '?'; a long argument is cut,
 * so that the line has at most 512 octets. */
void smtp_reply_write(enum smtp_reply_name name, struct str argument, struct evbuffer *out);

#endif
