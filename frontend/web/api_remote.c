/* What the API takes and tells of remote accounts. */
#include "frontend/web/api_member.h"

/* What of a remote account can be changed. */
#define REMOTE_FIELDS \
	M("port", COUNT, 0, "its port; else the usual one"), \
		M_WORDS("tls", 0, "else implicit", "implicit|starttls|none"), \
		M_WORDS("certificate", 0, "any: the server's certificate is not verified; else verify", "verify|any"), \
		M("keep", TEXT, 0, \
		  "what becomes of a message there once it is here: keep, delete, or days as 7d; else keep"), \
		M("into", TEXT, 0, "the folder here; empty: INBOX or, with mirror, the top level"), \
		M("interval", TEXT, 0, "how often, as 5m, at least 1m; empty: as the server's settings say"), \
		M("enabled", BOOL, 0, "whether mail is retrieved")
#define REMOTE_SECRETS \
	M("password", TEXT, WEB_SECRET, "of the user there"), \
		M("refresh_token", TEXT, WEB_SECRET, "of OAuth2, instead of a password"), \
		M("client_secret", TEXT, WEB_SECRET, "of the OAuth2 client")
#define REMOTE_MAILBOX(oauth_flags) \
	M_WORDS("protocol", WEB_REQUIRED, "by which it is read", "pop3|imap"), \
		M("host", TEXT, WEB_REQUIRED, "the name or address of the server"), \
		M("user", TEXT, WEB_REQUIRED, "the name that logs in there"), \
		M_WORDS("auth", oauth_flags, "else password", "password|oauth2"), \
		M("folders", TEXTS, oauth_flags, "of IMAP; none: INBOX"), \
		M("mirror", BOOL, oauth_flags, "of IMAP: all folders, each into one of its name")

const struct web_member web_members_remote_new[] = {
	REMOTE_MAILBOX(0),
	REMOTE_FIELDS,
	REMOTE_SECRETS,
	M("token_url", TEXT, 0, "of OAuth2: the https URL of the token endpoint"),
	M("client_id", TEXT, 0, "of OAuth2"),
	M("scope", TEXT, 0, "of OAuth2"),
	M("try", BOOL, 0, "false: it is added without a trial; else a worker logs in first, for at most 45 seconds"),
	END,
};

const struct web_member web_members_remote_change[] = {REMOTE_FIELDS, REMOTE_SECRETS, END};

const struct web_member web_members_remote[] = {
	M("id", TEXT, WEB_REQUIRED, "its id"),
	M("address", TEXT, WEB_REQUIRED, "the account here"),
	REMOTE_MAILBOX(WEB_REQUIRED),
	REMOTE_FIELDS,
	M("once", BOOL, WEB_REQUIRED, "a move: until all is here, then it rests"),
	M_WORDS("state", WEB_REQUIRED, "waiting: after trouble; done: a move",
		"new|trying|idle|running|waiting|done|disabled"),
	M("messages", COUNT, WEB_REQUIRED, "that were retrieved"),
	M("bytes", COUNT, WEB_REQUIRED, "of them"),
	M("total_messages", COUNT, WEB_REQUIRED, "those, and what is still to come; after a trial: what is there"),
	M("total_bytes", COUNT, WEB_REQUIRED, "of them"),
	M("stuck", COUNT, WEB_REQUIRED, "messages that the remote does not give; tried once a day"),
	M("failures", COUNT, WEB_REQUIRED, "tries that failed since the last good one"),
	M("last_ok", TEXT, 0, "when it last went well"),
	M("last_try", TEXT, 0, "when it was last tried"),
	M("last_error", TEXT, 0, "what was wrong then, in the remote server's words"),
	M("next", TEXT, 0, "when it is due"),
	END,
};

const struct web_member web_members_remotes[] = {
	M_OF("remote_accounts", OBJECTS, WEB_REQUIRED, "oldest first", web_members_remote),
	END,
};

const struct web_member web_members_remotes_page[] = {
	M_OF("remote_accounts", OBJECTS, WEB_REQUIRED, "in no order; one may come in two pages", web_members_remote),
	M("next", TEXT, 0, "the next page's after; missing with the last page"),
	END,
};
