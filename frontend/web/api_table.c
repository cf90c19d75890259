/* The table of endpoints. */
#include "frontend/web/api_table.h"

#include "frontend/web/api_member.h"
#include "frontend/web/private.h"
#include "lib/base/check.h"
#include "lib/directory/fields_table.h"

/* ---- Names in a path ---- */

static const struct {
	const char *name, *help;
} api_parameters[] = {
	{"group", "a group of settings (smtp-in), or a group and a domain (smtp-in:example.com)"},
	{"field", "a setting of the group"},
	{"id", "the id of a message in the queue"},
	{"order", "retry, hold, release or delete"},
	{"domain", "a domain that is served here"},
	{"address", "an address of the domain, or its user or alias"},
	{"target", "an address that an alias leads to"},
	{"selector", "the selector of a DKIM key"},
	{"session", "the id of a session"},
	{"credential", "the id or the name"},
	{"remote", "the id of a remote account"},
};

const char *
web_parameter_help(struct str name)
{
	for (size_t i = 0; i < sizeof(api_parameters) / sizeof(api_parameters[0]); i++)
		if (str_eq(str_c(api_parameters[i].name), name))
			return api_parameters[i].help;
	CHECKF(false, "the parameter %.*s is not described", STR_ARG(name));
	return NULL;
}

/* ---- Members ---- */

static const struct web_member api_group[] = {
	M("name", TEXT, WEB_REQUIRED, "the group"),
	M("help", TEXT, WEB_REQUIRED, "what it is about"),
	M("version", TEXT, WEB_REQUIRED, "what the ETag says: another after each change"),
	M("rows", OBJECTS, WEB_REQUIRED,
	  "its settings: value, default, what is allowed, whether it is set; "
	  "with by: only that role may change it, and the caller does not have it"),
	END,
};

static const struct web_member api_groups[] = {
	M_OF("groups", OBJECTS, WEB_REQUIRED, "all groups", api_group),
	END,
};

static const struct web_member api_changes[] = {
	M("version", TEXT, WEB_REQUIRED, "the version now"),
	M("changes", OBJECTS, WEB_REQUIRED, "name, old and new value of each"),
	END,
};

static const struct web_member api_values[] = {
	M("*", VALUE, WEB_NULLABLE, "the value of the setting of that name; null: back to the default"),
	END,
};

/* clang-format off */
#define FILTERS \
	M("sender", TEXT, 0, "only messages of this reverse-path"), \
	M("recipient", TEXT, 0, "only messages to this recipient"), \
	M("domain", TEXT, 0, "only messages to recipients of this domain"), \
	M("destination", TEXT, 0, "only messages that wait for this destination"), \
	M("state", TEXT, 0, "only messages in this state"), \
	M("answer", TEXT, 0, "only messages whose last answer contains this text"), \
	M("limit", COUNT, 0, "the most that are listed: 1 to 1000, else 100")
/* clang-format on */

static const struct web_member api_filters[] = {FILTERS, END};

static const struct web_member api_filters_and_after[] = {
	FILTERS,
	M("after", TEXT, 0, "what the page before said as next"),
	END,
};

static const struct web_member api_minute[] = {
	M("time", TEXT, WEB_REQUIRED, "when it began"),
	M("in", COUNT, WEB_REQUIRED, "messages that were accepted"),
	M("delivered", COUNT, WEB_REQUIRED, "recipients that were delivered to"),
	M("deferred", COUNT, WEB_REQUIRED, "deliveries that failed for now"),
	M("queue", COUNT, 0, "messages in the queue at its end; missing: no broker has said so"),
	END,
};

static const struct web_member api_history[] = {
	M_OF("minutes", OBJECTS, WEB_REQUIRED, "60 of them, the oldest first", api_minute),
	END,
};

#define PAGE \
	M("after", TEXT, 0, "what the page before said as next"), \
		M("limit", COUNT, 0, "the most that are listed: 1 to 500, else 100")

static const struct web_member api_remote_page[] = {
	M("after", TEXT, 0, "what the page before said as next"),
	M("limit", COUNT, 0, "about how many are listed: 1 to 500, else 100"),
	END,
};

static const struct web_member api_page[] = {
	PAGE,
	M("query", TEXT, 0, "only names that contain this text"),
	END,
};

static const struct web_member api_domain[] = {
	M("name", TEXT, WEB_REQUIRED, "the domain, as A-labels"),
	M("disabled", BOOL, WEB_REQUIRED, "it accepts no mail and nobody can log in"),
	M("deleting", BOOL, WEB_REQUIRED, "its removal has begun and goes on; if it does not, remove it again"),
	M("catch_all", TEXT, WEB_REQUIRED, "who gets mail for addresses that do not exist; empty: nobody"),
	M("admins", TEXT, WEB_REQUIRED, "users with the role domain_admin, separated by spaces"),
	M("max_users", COUNT, WEB_REQUIRED, "the most users that it may have; 0: no limit"),
	M("users", COUNT, WEB_REQUIRED, "how many users it has"),
	M("aliases", COUNT, WEB_REQUIRED, "how many aliases it has"),
	M("created_ms", COUNT, WEB_REQUIRED, "when it was added, in milliseconds since 1970"),
	M("version", TEXT, WEB_REQUIRED, "what the ETag says: another after each change"),
	END,
};

static const struct web_member api_domains[] = {
	M_OF("domains", OBJECTS, WEB_REQUIRED, "sorted by name", api_domain),
	M("next", TEXT, 0, "the next page's after; missing with the last page"),
	END,
};

static const struct web_member api_domain_new[] = {
	M("name", TEXT, WEB_REQUIRED, "the domain"),
	M("disabled", BOOL, 0, "it accepts no mail and nobody can log in"),
	M("catch_all", TEXT, WEB_NULLABLE, "who gets mail for addresses that do not exist"),
	M("max_users", COUNT, 0, "the most users that it may have; 0: no limit"),
	END,
};

static const struct web_member api_domain_change[] = {
	M("disabled", BOOL, 0, "only by a system_admin"),
	M("catch_all", TEXT, WEB_NULLABLE, "an address; null or empty: nobody"),
	M("max_users", COUNT, 0, "0: no limit; only by a system_admin"),
	M("admins", TEXT, 0, "users of the domain, separated by spaces; only by a system_admin"),
	END,
};

static const struct web_member api_force[] = {
	M_WORDS("force", 0,
		"true: with its users, their mail and its aliases. 202: it continues after the answer; "
		"the domain is \"deleting\" until it is gone",
		"true|false"),
	END,
};

/* What describes a person: the rows of lib/directory/fields_table.h. */
#define PERSON(ident, tag, name, attribute, help)     M(name, TEXT, 0, help),
#define PERSON_NEW(ident, tag, name, attribute, help) M(name, TEXT, WEB_NULLABLE, help),

static const struct web_member api_user[] = {
	M("address", TEXT, WEB_REQUIRED, "the account"),
	M("enabled", BOOL, WEB_REQUIRED, "false: it cannot log in and gets no mail"),
	M("quota", COUNT, WEB_REQUIRED, "in bytes; 0: no limit"),
	M("own_quota", BOOL, WEB_REQUIRED, "false: the quota is the domain's default"),
	M("second_factor", BOOL, WEB_REQUIRED, "whether a login to the page takes a code too"),
	M("roles", TEXT, WEB_REQUIRED, "domain_admin, system_admin, separated by a space; empty: none"),
	M("has_password", BOOL, WEB_REQUIRED, "false: nobody can log in"),
	M("book", BOOL, WEB_REQUIRED, "whether the address book of the domain shows it"),
	DIRECTORY_PERSON_FIELDS(PERSON)
		M("photo", TEXT, 0, "it has a photo: its size and fingerprint, another text for each photo"),
	M("created_ms", COUNT, WEB_REQUIRED, "when it was added, in milliseconds since 1970"),
	M("version", TEXT, WEB_REQUIRED, "what the ETag says: another after each change"),
	M("used_bytes", COUNT, WEB_REQUIRED, "what counts against the quota"),
	M("messages", COUNT, WEB_REQUIRED, "how many messages the mailbox has"),
	END,
};

static const struct web_member api_users[] = {
	M_OF("users", OBJECTS, WEB_REQUIRED, "sorted by address", api_user),
	M("next", TEXT, 0, "the next page's after; missing with the last page"),
	END,
};

#define USER_FIELDS \
	M("enabled", BOOL, 0, "false: it cannot log in and gets no mail"), \
		M("quota", TEXT, WEB_NULLABLE, \
		  "bytes, or with K, M, G, T: \"2G\"; \"0\": no limit; null: the domain's default"), \
		M("roles", TEXT, WEB_NULLABLE, \
		  "domain_admin, system_admin, separated by a space; nobody gives more than he has"), \
		M("book", BOOL, 0, "whether the address book of the domain shows it"), \
		DIRECTORY_PERSON_FIELDS(PERSON_NEW)

static const struct web_member api_user_new[] = {
	M("address", TEXT, WEB_REQUIRED, "an address of the domain"),
	M("password", TEXT, WEB_SECRET, "1 to 1023 bytes; missing: nobody can log in"),
	USER_FIELDS END,
};

static const struct web_member api_user_change[] = {USER_FIELDS END};

static const struct web_member api_photo[] = {
	M("photo", TEXT, WEB_REQUIRED, "a JPEG in base64: up to 100 KiB, and 4096 by 4096 pixels"),
	END,
};

static const struct web_member api_user_password[] = {
	M("password", TEXT, WEB_REQUIRED | WEB_SECRET, "1 to 1023 bytes"),
	END,
};

static const struct web_member api_alias[] = {
	M("address", TEXT, WEB_REQUIRED, "the alias"),
	M("targets", TEXTS, WEB_REQUIRED, "who gets its mail"),
	END,
};

static const struct web_member api_aliases[] = {
	M_OF("aliases", OBJECTS, WEB_REQUIRED, "sorted by address", api_alias),
	M("next", TEXT, 0, "the next page's after; missing with the last page"),
	END,
};

static const struct web_member api_location[] = {
	M("location", TEXT, WEB_REQUIRED, "where it is; also in the field Location"),
	END,
};

static const struct web_member api_key[] = {
	M("selector", TEXT, WEB_REQUIRED, "its name"),
	M("algorithm", TEXT, WEB_REQUIRED, "rsa or ed25519"),
	M("state", TEXT, WEB_REQUIRED, "whether it signs"),
	M("created_ms", COUNT, WEB_REQUIRED, "when it was made, in milliseconds since 1970"),
	M("name", TEXT, WEB_REQUIRED, "the name of the record to publish"),
	M("record", TEXT, WEB_REQUIRED, "the TXT record to publish"),
	M("zone_line", TEXT, WEB_REQUIRED, "the same as a line of a zone file"),
	END,
};

static const struct web_member api_keys[] = {
	M_OF("keys", OBJECTS, WEB_REQUIRED, "the public halves; the private ones are never answered", api_key),
	END,
};

static const struct web_member api_key_new[] = {
	M("selector", TEXT, 0, "its name; missing: made from the date"),
	M_WORDS("algorithm", 0, "missing: rsa", "rsa|ed25519"),
	M("active", BOOL, 0,
	  "false: it waits until it is activated, once its record is published; missing: it signs "
	  "from now on"),
	END,
};

static const struct web_member api_check[] = {
	M_WORDS("check", 0, "true: DNS is asked, and each record says whether it is right", "true|false"),
	END,
};

static const struct web_member api_records[] = {
	M("domain", TEXT, WEB_REQUIRED, "the domain"),
	M("records", OBJECTS, WEB_REQUIRED,
	  "kind, name, type, value, zone_line and note of each; checked also state, "
	  "found and problem"),
	M("notes", TEXTS, WEB_REQUIRED, "what else is to be known"),
	M("good", BOOL, 0, "checked: all are right"),
	END,
};

static const struct web_member api_group_name[] = {
	M("name", TEXT, WEB_REQUIRED, "the group"),
	END,
};

static const struct web_member api_group_names[] = {
	M_OF("groups", OBJECTS, WEB_REQUIRED, "those with settings that a domain can override", api_group_name),
	END,
};

static const struct web_member api_live[] = {
	M("topics", TEXT, 0, "events, queue, status and settings, separated by commas; none: all of them"),
	M("event", TEXT, 0, "only events of this kind: accepted, delivered, ..."),
	M("text", TEXT, 0, "only events whose JSON contains this text"),
	M("since", COUNT, 0, "begin with the events of so many seconds ago, at most a day"),
	M("after", TEXT, 0, "go on behind the event of this id, as Last-Event-ID does"),
	END,
};

static const struct web_member api_certificate[] = {
	M("name", TEXT, WEB_REQUIRED, "the host name that it is ordered for"),
	M_WORDS("state", WEB_REQUIRED, "elsewhere: the name does not lead here",
		"valid|ordering|failed|elsewhere|expired|requested"),
	M("issuer", TEXT, 0, "the directory of the authority that has issued it"),
	M("issued", TEXT, 0, "when"),
	M("ends", TEXT, 0, "when it expires"),
	M("days_left", VALUE, 0, "until then, in days; negative: it has expired"),
	M("problem", TEXT, 0, "why the last order failed"),
	M("tries", COUNT, 0, "how often it has failed since the last success"),
	M("next_try", TEXT, 0, "when it is ordered again"),
	M("renewal_requested", BOOL, 0, "an operator wants a new one"),
	END,
};

static const struct web_member api_certificates[] = {
	M_OF("certificates", OBJECTS, WEB_REQUIRED, "sorted by name", api_certificate),
	END,
};

/* ---- The endpoints ---- */

/* All cells must be filled in: a row that says nothing of rights does not compile. */
#define ROW(method, pattern, role, reach, status, flags, handle, summary, query, body, answer) \
	{ \
		HTTP_##method, pattern, WEB_##role, WEB_REACH_##reach, status, flags, handle, summary, query, body, \
			answer \
	}
#define NONE NULL

/* clang-format off */
const struct web_endpoint web_endpoints[] = {
	/* method, pattern, least role, reach, status, flags, handler,
	 *	summary, query, body, answer */
	ROW(POST, "session", ANYBODY, ROLE, 200, 0, web_login,
		"Log in: the answer sets a session's cookie", NONE, web_members_login, web_members_me),
	ROW(GET, "session", USER, OWN, 200, 0, web_whoami,
		"Who am I", NONE, NONE, web_members_me),
	ROW(DELETE, "session", USER, OWN, 200, 0, web_logout,
		"Log out", NONE, NONE, NONE),
	ROW(GET, "account", USER, OWN, 200, 0, web_account_show,
		"One's own account", NONE, NONE, web_members_account),
	ROW(PUT, "account/password", USER, OWN, 200, WEB_NOT_BY_TOKEN, web_account_password,
		"Change one's password: ends all other sessions", NONE, web_members_password, web_members_me),
	ROW(GET, "account/sessions", USER, OWN, 200, 0, web_account_sessions,
		"One's sessions of the page", NONE, NONE, web_members_sessions),
	ROW(DELETE, "account/sessions", USER, OWN, 200, WEB_NOT_BY_TOKEN, web_account_sessions_end,
		"End all sessions but the one that asks", NONE, NONE, NONE),
	ROW(DELETE, "account/sessions/{session}", USER, OWN, 200, WEB_NOT_BY_TOKEN, web_account_session_end,
		"End a session", NONE, NONE, NONE),
	ROW(POST, "account/totp", USER, OWN, 200, WEB_NOT_BY_TOKEN, web_totp_begin,
		"Begin a second factor: shows its secret", NONE, web_members_own_password, web_members_totp),
	ROW(POST, "account/totp/confirm", USER, OWN, 200, WEB_NOT_BY_TOKEN, web_totp_confirm,
		"Confirm it by a first code: ends all other sessions", NONE, web_members_code, web_members_recovery),
	ROW(POST, "account/totp/disable", USER, OWN, 200, WEB_NOT_BY_TOKEN, web_totp_disable,
		"Remove the second factor", NONE, web_members_own_password, NONE),
	ROW(GET, "account/app-passwords", USER, OWN, 200, 0, web_account_credentials,
		"One's passwords for mail clients", NONE, NONE, web_members_app_passwords),
	ROW(POST, "account/app-passwords", USER, OWN, 201, WEB_NOT_BY_TOKEN, web_account_credential_add,
		"Make a password for a mail client", NONE, web_members_new_app_password, web_members_credential_added),
	ROW(DELETE, "account/app-passwords/{credential}", USER, OWN, 200, WEB_NOT_BY_TOKEN, web_account_credential_delete,
		"Delete it: no server accepts it any more", NONE, NONE, NONE),
	ROW(GET, "account/tokens", USER, OWN, 200, 0, web_account_credentials,
		"One's tokens for this API", NONE, NONE, web_members_tokens),
	ROW(POST, "account/tokens", USER, OWN, 201, WEB_NOT_BY_TOKEN, web_account_credential_add,
		"Make a token", NONE, web_members_new_token, web_members_credential_added),
	ROW(DELETE, "account/tokens/{credential}", USER, OWN, 200, WEB_NOT_BY_TOKEN, web_account_credential_delete,
		"Delete a token: no server accepts it any more", NONE, NONE, NONE),
	ROW(GET, "account/remote-accounts", USER, OWN, 200, 0, web_remote_list,
		"One's own remote accounts, from which mail is retrieved", NONE, NONE, web_members_remotes),
	ROW(POST, "account/remote-accounts", USER, OWN, 201, 0, web_remote_add,
		"Retrieve mail from a remote account", NONE, web_members_remote_new, web_members_remote),
	ROW(GET, "account/remote-accounts/{remote}", USER, OWN, 200, 0, web_remote_show,
		"A remote account", NONE, NONE, web_members_remote),
	ROW(PATCH, "account/remote-accounts/{remote}", USER, OWN, 204, 0, web_remote_set,
		"Change a remote account", NONE, web_members_remote_change, NONE),
	ROW(POST, "account/remote-accounts/{remote}/now", USER, OWN, 204, 0, web_remote_now,
		"Retrieve from it now", NONE, NONE, NONE),
	ROW(DELETE, "account/remote-accounts/{remote}", USER, OWN, 204, 0, web_remote_delete,
		"Forget a remote account; the mail that is here stays", NONE, NONE, NONE),
	ROW(GET, "remote-accounts", SYSTEM_ADMIN, ROLE, 200, 0, web_remote_list_all,
		"A page of the remote accounts of all users", api_remote_page, NONE, web_members_remotes_page),
	ROW(GET, "settings", SYSTEM_ADMIN, ROLE, 200, 0, web_settings_list,
		"All groups of settings", NONE, NONE, api_groups),
	ROW(GET, "settings/{group}", SYSTEM_ADMIN, ROLE, 200, WEB_VERSIONED, web_settings_get,
		"One group of settings, or a domain's overrides", NONE, NONE, api_group),
	ROW(PUT, "settings/{group}", SYSTEM_ADMIN, ROLE, 200, WEB_VERSIONED, web_settings_put,
		"Change settings: all are checked, then stored in one step", NONE, api_values, api_changes),
	ROW(DELETE, "settings/{group}/{field}", SYSTEM_ADMIN, ROLE, 200, WEB_VERSIONED, web_settings_unset,
		"Back to the default", NONE, NONE, api_changes),
	ROW(GET, "status", SYSTEM_ADMIN, ROLE, 200, 0, web_status,
		"Processes, queue, store and warnings", NONE, NONE, NONE),
	ROW(GET, "certificates", SYSTEM_ADMIN, ROLE, 200, 0, web_certificates,
		"Certificates that the cluster orders; GET status has those that each frontend uses", NONE, NONE, api_certificates),
	ROW(GET, "queue", SYSTEM_ADMIN, ROLE, 200, 0, web_queue_list,
		"A page of the messages in the queue", api_filters_and_after, NONE, NONE),
	ROW(GET, "queue/summary", SYSTEM_ADMIN, ROLE, 200, 0, web_queue_summary,
		"The destinations that messages wait for", api_filters, NONE, NONE),
	ROW(GET, "queue/{id}", SYSTEM_ADMIN, ROLE, 200, 0, web_queue_show,
		"A message with its trace", NONE, NONE, NONE),
	ROW(POST, "queue/{id}/{order}", SYSTEM_ADMIN, ROLE, 200, 0, web_queue_order,
		"An order to a message", NONE, NONE, NONE),
	ROW(GET, "history", SYSTEM_ADMIN, ROLE, 200, 0, web_history,
		"The last hour in figures, minute by minute", NONE, NONE, api_history),
	ROW(GET, "openapi.json", ANYBODY, ROLE, 200, 0, web_openapi,
		"This description", NONE, NONE, NONE),

	ROW(GET, "domains", DOMAIN_ADMIN, OWN, 200, 0, web_domain_list,
		"A page of the domains; a domain_admin sees his own", api_page, NONE, api_domains),
	ROW(POST, "domains", SYSTEM_ADMIN, ROLE, 201, 0, web_domain_add,
		"Add a domain", NONE, api_domain_new, api_location),
	ROW(GET, "domains/{domain}", DOMAIN_ADMIN, DOMAIN, 200, WEB_VERSIONED, web_domain_show,
		"A domain", NONE, NONE, api_domain),
	ROW(PATCH, "domains/{domain}", DOMAIN_ADMIN, DOMAIN, 204, WEB_VERSIONED, web_domain_set,
		"Change a domain; a domain_admin its catch_all alone", NONE, api_domain_change, NONE),
	ROW(DELETE, "domains/{domain}", SYSTEM_ADMIN, ROLE, 204, 0, web_domain_remove,
		"Remove a domain", api_force, NONE, NONE),

	ROW(GET, "domains/{domain}/remote-accounts", DOMAIN_ADMIN, DOMAIN, 200, 0, web_remote_list_domain,
		"A page of the remote accounts of its users", api_remote_page, NONE, web_members_remotes_page),

	ROW(GET, "domains/{domain}/users", DOMAIN_ADMIN, DOMAIN, 200, 0, web_user_list,
		"A page of its users", api_page, NONE, api_users),
	ROW(POST, "domains/{domain}/users", DOMAIN_ADMIN, DOMAIN, 201, 0, web_user_add,
		"Add a user", NONE, api_user_new, api_location),
	ROW(GET, "domains/{domain}/users/{address}", USER, ACCOUNT, 200, WEB_VERSIONED, web_user_show,
		"A user, with quota and usage", NONE, NONE, api_user),
	ROW(PATCH, "domains/{domain}/users/{address}", DOMAIN_ADMIN, DOMAIN, 204, WEB_VERSIONED, web_user_set,
		"Change a user", NONE, api_user_change, NONE),
	ROW(DELETE, "domains/{domain}/users/{address}", DOMAIN_ADMIN, DOMAIN, 204, 0, web_user_remove,
		"Remove a user with all his mail", NONE, NONE, NONE),
	ROW(PUT, "domains/{domain}/users/{address}/password", DOMAIN_ADMIN, DOMAIN, 204, 0, web_user_passwd,
		"Give a user another password: his sessions end", NONE, api_user_password, NONE),
	ROW(GET, "domains/{domain}/users/{address}/photo", USER, ACCOUNT, 200, 0, web_photo_show,
		"The photo of a user, as the address book shows it; 404: there is none", NONE, NONE, api_photo),
	ROW(PUT, "domains/{domain}/users/{address}/photo", USER, ACCOUNT, 204, 0, web_photo_put,
		"Give a user a photo", NONE, api_photo, NONE),
	ROW(DELETE, "domains/{domain}/users/{address}/photo", USER, ACCOUNT, 204, 0, web_photo_remove,
		"Remove the photo of a user", NONE, NONE, NONE),
	ROW(GET, "domains/{domain}/users/{address}/remote-accounts", USER, ACCOUNT, 200, 0, web_remote_list,
		"A user's remote accounts, from which mail is retrieved", NONE, NONE, web_members_remotes),
	ROW(POST, "domains/{domain}/users/{address}/remote-accounts", USER, ACCOUNT, 201, 0, web_remote_add,
		"Retrieve mail from a remote account for a user", NONE, web_members_remote_new, web_members_remote),
	ROW(GET, "domains/{domain}/users/{address}/remote-accounts/{remote}", USER, ACCOUNT, 200, 0, web_remote_show,
		"A remote account", NONE, NONE, web_members_remote),
	ROW(PATCH, "domains/{domain}/users/{address}/remote-accounts/{remote}", USER, ACCOUNT, 204, 0, web_remote_set,
		"Change a remote account", NONE, web_members_remote_change, NONE),
	ROW(POST, "domains/{domain}/users/{address}/remote-accounts/{remote}/now", USER, ACCOUNT, 204, 0, web_remote_now,
		"Retrieve from it now", NONE, NONE, NONE),
	ROW(DELETE, "domains/{domain}/users/{address}/remote-accounts/{remote}", USER, ACCOUNT, 204, 0, web_remote_delete,
		"Forget a remote account; the mail that is here stays", NONE, NONE, NONE),

	ROW(GET, "domains/{domain}/aliases", DOMAIN_ADMIN, DOMAIN, 200, 0, web_alias_list,
		"A page of its aliases", api_page, NONE, api_aliases),
	ROW(POST, "domains/{domain}/aliases", DOMAIN_ADMIN, DOMAIN, 201, 0, web_alias_add,
		"Add an alias, or more targets to one", NONE, api_alias, api_location),
	ROW(GET, "domains/{domain}/aliases/{address}", DOMAIN_ADMIN, DOMAIN, 200, 0, web_alias_show,
		"An alias", NONE, NONE, api_alias),
	ROW(DELETE, "domains/{domain}/aliases/{address}", DOMAIN_ADMIN, DOMAIN, 204, 0, web_alias_remove,
		"Remove an alias", NONE, NONE, NONE),
	ROW(PUT, "domains/{domain}/aliases/{address}/targets/{target}", DOMAIN_ADMIN, DOMAIN, 204, 0, web_target_add,
		"Add a target", NONE, NONE, NONE),
	ROW(DELETE, "domains/{domain}/aliases/{address}/targets/{target}", DOMAIN_ADMIN, DOMAIN, 204, 0,
		web_target_remove, "Remove a target, and the alias with the last one", NONE, NONE, NONE),

	ROW(GET, "domains/{domain}/dkim", DOMAIN_ADMIN, DOMAIN, 200, 0, web_dkim_list,
		"Its DKIM keys, with the records to publish", NONE, NONE, api_keys),
	ROW(POST, "domains/{domain}/dkim", DOMAIN_ADMIN, DOMAIN, 201, 0, web_dkim_make,
		"Make a DKIM key", NONE, api_key_new, api_location),
	ROW(POST, "domains/{domain}/dkim/{selector}/activate", DOMAIN_ADMIN, DOMAIN, 204, 0, web_dkim_activate,
		"Sign by this key from now on", NONE, NONE, NONE),
	ROW(DELETE, "domains/{domain}/dkim/{selector}", DOMAIN_ADMIN, DOMAIN, 204, 0, web_dkim_remove,
		"Remove a DKIM key", NONE, NONE, NONE),
	ROW(GET, "domains/{domain}/dns", DOMAIN_ADMIN, DOMAIN, 200, 0, web_dns_records,
		"The DNS records to publish", api_check, NONE, api_records),

	ROW(GET, "domains/{domain}/settings", DOMAIN_ADMIN, DOMAIN, 200, 0, web_domain_settings_list,
		"The groups of settings that a domain can override", NONE, NONE, api_group_names),
	ROW(GET, "domains/{domain}/settings/{group}", DOMAIN_ADMIN, DOMAIN, 200, WEB_VERSIONED, web_settings_get,
		"Its overrides of a group of settings", NONE, NONE, api_group),
	ROW(PUT, "domains/{domain}/settings/{group}", DOMAIN_ADMIN, DOMAIN, 200, WEB_VERSIONED, web_settings_put,
		"Change overrides: all are checked, then stored in one step", NONE, api_values, api_changes),
	ROW(DELETE, "domains/{domain}/settings/{group}/{field}", DOMAIN_ADMIN, DOMAIN, 200, WEB_VERSIONED,
		web_settings_unset, "Back to the group's value", NONE, NONE, api_changes),
	ROW(GET, "live", SYSTEM_ADMIN, ROLE, 200, 0, web_live,
		"What happens, as it happens: a stream of server-sent events, or, with Upgrade, a WebSocket", api_live, NONE, NONE),
	{.pattern = NULL},
};
