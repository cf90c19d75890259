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

/* api_remote.c: a remote account that is added, what of it can be changed, one as it is
 * told, and several. */
extern const struct web_member web_members_remote_new[], web_members_remote_change[], web_members_remote[],
	web_members_remotes[];

#endif
