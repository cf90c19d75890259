/* Members of bodies and answers, for the tables of the API. */
#ifndef SP_FRONTEND_WEB_API_MEMBER_H
#define SP_FRONTEND_WEB_API_MEMBER_H

#include "frontend/web/api_table.h"

#define M(name, type, flags, help) \
	{ \
		name, WEB_##type, flags, help, NULL, NULL \
	}
#define M_WORDS(name, flags, help, words) \
	{ \
		name, WEB_TEXT, flags, help, words, NULL \
	}
#define M_OF(name, type, flags, help, inner) \
	{ \
		name, WEB_##type, flags, help, NULL, inner \
	}
#define END \
	{ \
		.name = NULL \
	}

/* api_account.c: a login and a session, one's own account, its second factor, its tokens and
 * app passwords. */
extern const struct web_member web_members_login[], web_members_me[], web_members_account[], web_members_own_password[],
	web_members_totp[], web_members_code[], web_members_recovery[], web_members_password[], web_members_sessions[],
	web_members_new_app_password[], web_members_new_token[], web_members_credential_added[],
	web_members_app_passwords[], web_members_tokens[];
/* api_remote.c: a remote account that is added, what of it can be changed, one as it is
 * told, and several. */
extern const struct web_member web_members_remote_new[], web_members_remote_change[], web_members_remote[],
	web_members_remotes[], web_members_remotes_page[];

#endif
