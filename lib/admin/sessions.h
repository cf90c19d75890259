/* Sessions of the administration page.
 *
 * A session is a key of the store, named by the hash of its token: whoever reads the
 * store cannot log in with what he finds. It carries a mark of its account's record that
 * changes with the password, the roles and the second factor: so a change ends all
 * sessions of the account, on all frontends, with nobody to tell them. An index by
 * account serves those who list them. */
#ifndef SP_ADMIN_SESSIONS_H
#define SP_ADMIN_SESSIONS_H

#include "lib/admin/admin.h"
#include "lib/base/arena.h"
#include "lib/directory/directory.h"

#define SESSION_HASH_MAX   65 /* 32 bytes in hexadecimal, with the NUL */
#define SESSION_IDLE_MS	   (30 * 60 * 1000)
#define SESSION_LONGEST_MS (12 * 60 * 60 * 1000)

struct admin_session {
	char id[SESSION_HASH_MAX]; /* the hash of its token */
	int64_t created_ms;
	char csrf[SESSION_HASH_MAX];
	char mark[SESSION_HASH_MAX];
	struct str from;  /* the client's IP address; borrowed, like the next two */
	struct str agent; /* what its browser calls itself */
	struct str address;
};

/* The mark of the account as it is now. */
void admin_session_mark(const struct directory_user *user, char out[SESSION_HASH_MAX]);
/* Its key in the store. */
struct str admin_session_key(struct arena *arena, struct str id);
/* The content of that key; borrows from text. False: malformed, or older than SESSION_LONGEST_MS. */
bool admin_session_parse(struct str text, struct admin_session *out);
/* How long it lasts if nobody uses it. */
int64_t admin_session_left_ms(const struct admin_session *s);

/* Stores a new one. Of more than 50 in an account the oldest ends. */
struct admin_call *admin_session_store(struct admin *a, const struct admin_session *s, admin_on_done *cb, void *arg);
/* [{"id", "created_ms", "last_used_ms", "from", "agent"}, ...], oldest first. */
struct admin_call *admin_session_list(struct admin *a, struct str address, admin_on_result *cb, void *arg);
/* Ends the session with this id, of this account; ERR_NOT_FOUND. */
struct admin_call *admin_session_end(struct admin *a, struct str address, struct str id, admin_on_done *cb, void *arg);
/* Ends all of the account but the one with the id `kept` (may be empty): {"ended",
 * "failed"}, how many have, and how many may still be valid. An error: none has. */
struct admin_call *admin_sessions_end(struct admin *a, struct str address, struct str kept, admin_on_result *cb,
				      void *arg);

#endif
