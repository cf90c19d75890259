/* What the API takes and tells of a login, and of one's own account. */
#include "frontend/web/api_member.h"

const struct web_member web_members_login[] = {
	M("address", TEXT, WEB_REQUIRED, "the account"),
	M("password", TEXT, WEB_REQUIRED | WEB_SECRET, "its password"),
	M("code", TEXT, WEB_SECRET, "of an account with a second factor: its code, or a recovery code"),
	END,
};

const struct web_member web_members_me[] = {
	M("address", TEXT, WEB_REQUIRED, "the account"),
	M_WORDS("role", WEB_REQUIRED, "what it may do", "user|domain_admin|system_admin"),
	M("token", TEXT, 0, "what X-Stagepost-Token must say in changes by this session"),
	END,
};

const struct web_member web_members_account[] = {
	M("address", TEXT, WEB_REQUIRED, "the account"),
	M_WORDS("role", WEB_REQUIRED, "what it may do", "user|domain_admin|system_admin"),
	M("display_name", TEXT, WEB_REQUIRED, "its name"),
	M("photo", TEXT, 0, "it has a photo: its size and fingerprint, another text for each photo"),
	M("quota", COUNT, WEB_REQUIRED, "bytes that it may have; 0: no limit"),
	M("used_bytes", COUNT, WEB_REQUIRED, "bytes that it has"),
	M("messages", COUNT, WEB_REQUIRED, "its messages"),
	M("second_factor", BOOL, WEB_REQUIRED, "whether a login takes a code too"),
	M("second_factor_possible", BOOL, WEB_REQUIRED, "whether the server has a key to seal its secret with"),
	END,
};

const struct web_member web_members_own_password[] = {
	M("password", TEXT, WEB_REQUIRED | WEB_SECRET, "the account's password, once more"),
	END,
};

const struct web_member web_members_totp[] = {
	M("secret", TEXT, WEB_REQUIRED, "for an authenticator app, in base32"),
	M("uri", TEXT, WEB_REQUIRED, "the same as otpauth://"),
	M("qr", TEXTS, WEB_REQUIRED, "its QR code: a text a row, 1 is dark"),
	END,
};

const struct web_member web_members_code[] = {
	M("code", TEXT, WEB_REQUIRED | WEB_SECRET, "what the app shows"),
	END,
};

const struct web_member web_members_recovery[] = {
	M("recovery_codes", TEXTS, WEB_REQUIRED, "each valid for one login without the app; shown only here"),
	M("address", TEXT, 0, "by a session, which has ended: the members of a new login"),
	M("role", TEXT, 0, "what it may do"),
	M("token", TEXT, 0, "what X-Stagepost-Token must say"),
	END,
};

const struct web_member web_members_password[] = {
	M("old", TEXT, WEB_REQUIRED | WEB_SECRET, "the password until now"),
	M("new", TEXT, WEB_REQUIRED | WEB_SECRET, "the password from now on"),
	END,
};

static const struct web_member api_session[] = {
	M("id", TEXT, WEB_REQUIRED, "its id"),
	M("created_ms", COUNT, WEB_REQUIRED, "when it began"),
	M("last_used_ms", COUNT, WEB_REQUIRED, "when it was last used"),
	M("from", TEXT, WEB_REQUIRED, "the IP address of the login"),
	M("agent", TEXT, WEB_REQUIRED, "what the browser calls itself"),
	M("current", BOOL, WEB_REQUIRED, "whether it is the one that asks"),
	END,
};

const struct web_member web_members_sessions[] = {
	M_OF("sessions", OBJECTS, WEB_REQUIRED, "the account's sessions, oldest first", api_session),
	END,
};

const struct web_member web_members_new_app_password[] = {
	M("name", TEXT, WEB_REQUIRED, "what it is for; no two have the same"),
	M("expires_ms", COUNT, 0, "when it ends; else never"),
	END,
};

const struct web_member web_members_new_token[] = {
	M("name", TEXT, WEB_REQUIRED, "what it is for; no two have the same"),
	M_WORDS("role", 0, "what it may do, at most what its account may; else user", "user|domain_admin|system_admin"),
	M("expires_ms", COUNT, 0, "when it ends; else never"),
	END,
};

/* clang-format off */
#define CREDENTIAL \
	M("id", TEXT, WEB_REQUIRED, "its id"), \
	M("name", TEXT, WEB_REQUIRED, "its name"), \
	M("role", TEXT, 0, "of a token: what it may do, at most what its account may"), \
	M("created_ms", COUNT, WEB_REQUIRED, "when it was made"), \
	M("expires_ms", COUNT, 0, "when it ends"), \
	M("last_used_ms", COUNT, 0, "when it was last used; may be a minute old")
/* clang-format on */

static const struct web_member api_credential[] = {CREDENTIAL, END};

const struct web_member web_members_credential_added[] = {
	CREDENTIAL,
	M("secret", TEXT, WEB_REQUIRED, "shown only here"),
	END,
};

const struct web_member web_members_app_passwords[] = {
	M_OF("app_passwords", OBJECTS, WEB_REQUIRED, "the account's app passwords", api_credential),
	END,
};

const struct web_member web_members_tokens[] = {
	M_OF("tokens", OBJECTS, WEB_REQUIRED, "the account's tokens", api_credential),
	END,
};
