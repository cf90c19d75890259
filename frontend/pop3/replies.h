/* All replies of the POP3 server, in one table. Numbers are written as %llu. */
#ifndef SP_FRONTEND_POP3_REPLIES_H
#define SP_FRONTEND_POP3_REPLIES_H

#include <stdint.h>

#define POP3_REPLY_MAX 512 /* octets, with CRLF (RFC 2449, section 4) */

#define IS_BAD_COMMAND 1u /* counts towards max_bad_commands */
#define IS_LOGGED      2u /* a refusal that is logged */

/* clang-format off */
/* R(NAME, flags, "text"): codes in brackets come from RFC 2449, 3206 and 6856. */
#define POP3_REPLIES(R)                                                                            \
	R(OK, 0, "+OK")                                                                            \
	R(OK_BYE, 0, "+OK bye")                                                                    \
	R(OK_USER, 0, "+OK send the password")                                                     \
	R(OK_OPENED, 0, "+OK %llu messages (%llu octets)")                                         \
	R(OK_STLS, 0, "+OK begin TLS")                                                             \
	R(OK_CAPA, 0, "+OK capabilities follow")                                                   \
	R(OK_SASL, 0, "+OK mechanisms follow")                                                     \
	R(OK_UTF8, 0, "+OK UTF-8 enabled")                                                         \
	R(OK_LANG, 0, "+OK en responses will be in English")                                       \
	R(OK_LANGS, 0, "+OK languages follow")                                                     \
	R(OK_STAT, 0, "+OK %llu %llu")                                                             \
	R(OK_LIST, 0, "+OK %llu messages (%llu octets)")                                           \
	R(OK_UIDL, 0, "+OK unique ids follow")                                                     \
	R(OK_OCTETS, 0, "+OK %llu octets")                                                         \
	R(OK_TOP, 0, "+OK top of message follows")                                                 \
	R(OK_DELETED, 0, "+OK message %llu deleted")                                               \
	R(OK_REMOVED, 0, "+OK bye, %llu messages removed")                                         \
	R(UNKNOWN_COMMAND, IS_BAD_COMMAND, "-ERR unknown command")                                 \
	R(BAD_LINE, IS_BAD_COMMAND, "-ERR a command line must not contain CR or NUL")              \
	R(LINE_TOO_LONG, IS_BAD_COMMAND, "-ERR line too long")                                     \
	R(NOT_NOW, IS_BAD_COMMAND, "-ERR command not allowed in this state")                       \
	R(BAD_ARGUMENTS, IS_BAD_COMMAND, "-ERR wrong number or form of arguments")                 \
	R(NO_SUCH_MESSAGE, 0, "-ERR no such message, there are %llu")                              \
	R(IS_DELETED, 0, "-ERR message %llu is deleted")                                           \
	R(NO_SUCH_LANGUAGE, 0, "-ERR that language is not available")                              \
	R(UNKNOWN_MECHANISM, IS_BAD_COMMAND, "-ERR unknown authentication mechanism")              \
	R(NO_TLS, IS_BAD_COMMAND, "-ERR TLS is not available, or already in use")                  \
	R(NEEDS_TLS, IS_BAD_COMMAND | IS_LOGGED, "-ERR [AUTH] TLS is required for passwords, send STLS first") \
	R(AUTH_FAILED, IS_BAD_COMMAND | IS_LOGGED, "-ERR [AUTH] wrong user name or password")      \
	R(AUTH_DISABLED, IS_BAD_COMMAND | IS_LOGGED, "-ERR [AUTH] the account is disabled")        \
	R(AUTH_MALFORMED, IS_BAD_COMMAND, "-ERR malformed authentication response")                \
	R(AUTH_CANCELLED, IS_BAD_COMMAND, "-ERR authentication cancelled")                         \
	R(AUTH_UNAVAILABLE, IS_LOGGED, "-ERR [SYS/TEMP] login is temporarily unavailable, try later")   \
	R(IN_USE, IS_LOGGED, "-ERR [IN-USE] the maildrop is in use by another session")            \
	R(LOGIN_DELAY, IS_LOGGED, "-ERR [LOGIN-DELAY] the last login was less than %llu seconds ago") \
	R(UNAVAILABLE, IS_LOGGED, "-ERR [SYS/TEMP] the mail store cannot be reached, try later")   \
	R(UNREADABLE, IS_LOGGED, "-ERR [SYS/PERM] the message cannot be read")                     \
	R(NOT_REMOVED, IS_LOGGED, "-ERR [SYS/TEMP] the mail store cannot be reached, deleted messages not removed") \
	R(LOCK_LOST, IS_LOGGED, "-ERR [SYS/TEMP] the maildrop lock was lost, nothing was removed") \
	R(TOO_MANY_BAD, IS_LOGGED, "-ERR too many bad commands, goodbye")                          \
	R(TOO_MANY_CONNECTIONS, 0, "-ERR [SYS/TEMP] too many connections, try later")              \
	R(SHUTTING_DOWN, 0, "-ERR [SYS/TEMP] the server is shutting down, connect again")

#define POP3_REPLY_ENUM(name, flags, text) POP3_##name,
enum pop3_reply_name { POP3_REPLIES(POP3_REPLY_ENUM) POP3_REPLY_COUNT };
#undef POP3_REPLY_ENUM

struct pop3_reply {
	unsigned flags;
	const char *text;
};
const struct pop3_reply *pop3_reply_get(enum pop3_reply_name name);

#endif
