/* All results of the LDAP server, in one table: codes of RFC 4511, appendix A. */
#ifndef SP_FRONTEND_LDAP_REPLIES_H
#define SP_FRONTEND_LDAP_REPLIES_H

#define IS_BAD_COMMAND 1u /* counts towards max_bad_commands */
#define IS_LOGGED      2u /* a refusal that is logged */

/* clang-format off */
/* R(NAME, code, flags, "text") */
#define LDAP_REPLIES(R) \
	R(SUCCESS, 0, 0, "") \
	R(BUSY_BEFORE_TLS, 1, 0, "operations are in progress: StartTLS must wait for their end") \
	R(MALFORMED, 2, IS_BAD_COMMAND, "malformed request") \
	R(BAD_ENVELOPE, 2, IS_BAD_COMMAND | IS_LOGGED, "malformed message") \
	R(TOO_LARGE, 2, IS_BAD_COMMAND | IS_LOGGED, "the message is too large") \
	R(BAD_VERSION, 2, IS_BAD_COMMAND, "only LDAPv3 is supported") \
	R(BAD_CONTROL, 2, IS_BAD_COMMAND, "malformed or repeated control") \
	R(UNKNOWN_EXTENSION, 2, IS_BAD_COMMAND, "unknown extended operation") \
	R(NO_TLS, 2, IS_BAD_COMMAND, "TLS is not available, or already in use") \
	R(TOO_MANY_BAD, 2, IS_LOGGED, "too many bad requests, goodbye") \
	R(TIME_LIMIT, 3, 0, "the time limit was reached") \
	R(SIZE_LIMIT, 4, 0, "the size limit was reached") \
	R(COMPARE_FALSE, 5, 0, "") \
	R(COMPARE_TRUE, 6, 0, "") \
	R(UNKNOWN_MECHANISM, 7, IS_BAD_COMMAND, "unknown authentication method") \
	R(TOO_COMPLEX, 11, 0, "the filter is too complex") \
	R(BOOK_TOO_LARGE, 11, 0, "the address book is too large for this search: search for an address, or a longer part of a name") \
	R(UNKNOWN_CONTROL, 12, 0, "a critical control is not supported here") \
	R(NEEDS_TLS, 13, IS_BAD_COMMAND | IS_LOGGED, "TLS is required for passwords: use StartTLS or LDAPS") \
	R(SASL_CONTINUES, 14, 0, "") \
	R(NO_SUCH_ATTRIBUTE, 16, 0, "the entry has no such attribute") \
	R(UNKNOWN_ATTRIBUTE, 17, 0, "unknown attribute") \
	R(NO_MATCHING, 18, 0, "the attribute cannot be compared with such a value") \
	R(NO_SUCH_OBJECT, 32, 0, "") \
	R(BAD_DN, 34, IS_BAD_COMMAND, "malformed DN") \
	R(AUTH_FAILED, 49, IS_BAD_COMMAND | IS_LOGGED, "wrong user name or password") \
	R(AUTH_DISABLED, 49, IS_BAD_COMMAND | IS_LOGGED, "the account is disabled") \
	R(AUTH_MALFORMED, 49, IS_BAD_COMMAND, "malformed authentication response") \
	R(NEEDS_LOGIN, 50, 0, "log in first: anonymous clients may only read the root DSE and the schema") \
	R(TOO_MANY_CONNECTIONS, 51, 0, "too many connections, try later") \
	R(UNAVAILABLE, 52, IS_LOGGED, "the directory cannot be reached, try later") \
	R(AUTH_UNAVAILABLE, 52, IS_LOGGED, "login is temporarily unavailable, try later") \
	R(SHUTTING_DOWN, 52, IS_LOGGED, "the server is shutting down, connect again") \
	R(TIMED_OUT, 52, 0, "the session was idle for too long") \
	R(ACCOUNT_GONE, 52, IS_LOGGED, "the account was disabled or deleted") \
	R(EMPTY_PASSWORD, 53, IS_BAD_COMMAND, "an empty password is not accepted") \
	R(READ_ONLY, 53, 0, "the directory is read-only: accounts are changed with Stagepost's own tools") \
	R(NO_PASSWORD_CHANGE, 53, 0, "passwords are not changed by LDAP") \
	R(BAD_COOKIE, 53, 0, "the cookie of the paged search is not valid: begin again") \
	R(CANCELED, 118, 0, "canceled") \
	R(NO_SUCH_OPERATION, 119, 0, "no such operation is in progress")

#define LDAP_REPLY_ENUM(name, code, flags, text) LDAP_##name,
enum ldap_reply_name { LDAP_REPLIES(LDAP_REPLY_ENUM) LDAP_REPLY_COUNT };
#undef LDAP_REPLY_ENUM
/* clang-format on */

struct ldap_reply {
	int code;
	unsigned flags;
	const char *text;
};
const struct ldap_reply *ldap_reply_get(enum ldap_reply_name name);

#endif
