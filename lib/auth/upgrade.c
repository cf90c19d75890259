/* Replaces hashes of passwords that came from other systems by our own. */
#include "lib/auth/private.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

REDIS_SCRIPT(auth_upgrade, "lib/auth/upgrade.lua");

enum { UPGRADE_KEY_MAX = AUTH_ADDRESS_MAX + 16, UPGRADE_ID_CHARACTERS = 12, UPGRADE_SCHEME_MAX = 16 };

/* What the log says; owned by the question. */
struct upgrade_note {
	char address[AUTH_ADDRESS_MAX];
	char scheme[UPGRADE_SCHEME_MAX];
};

/* Sessions of the page know the password by its id, or by its hash if the record is of an older
 * version: then one that begins now would end at once. */
bool
upgrade_is_due(const struct directory_user *user, bool begins_session)
{
	return user->password[0] == '{' && (!begins_session || user->password_id[0] != '\0');
}

void
upgrade_make(struct upgrade *u, struct str password)
{
	if (auth_make_argon2id(password, u->password, NULL) != 0 ||
	    auth_make_scram_sha256(password, u->scram_sha256, NULL) != 0)
		u->password[0] = '\0';
}

static void
upgrade_on_stored(void *arg, const redisReply *reply, const struct err *err)
{
	struct upgrade_note *n = arg;

	if (err != NULL)
		log_info(NULL, "a password's hash stays that of another system: the store does not answer",
			 F_C("account", n->address), F_C("scheme", n->scheme), F_ERR(err));
	else if (redis_i64(reply, 0) == 1)
		log_info(NULL, "a password's hash of another system was replaced by ours", F_C("account", n->address),
			 F_C("scheme", n->scheme));
	mem_free(n);
}

void
upgrade_store(struct auth *a, const char *address, const char *old, const struct upgrade *u)
{
	struct upgrade_note *n = mem_new(struct upgrade_note);
	char user[UPGRADE_KEY_MAX], sessions[UPGRADE_KEY_MAX], id[UPGRADE_ID_CHARACTERS + 1];
	struct str account = str_c(address), text = str_c(old);
	const struct str keys[] = {redis_key_print(user, sizeof(user), KEY_USER, account),
				   redis_key_print(sessions, sizeof(sessions), KEY_WEB_SESSIONS, account)};

	str_copy(account, n->address, sizeof(n->address));
	str_copy(str_first(text, (size_t)(str_index(text, '}') + 1)), n->scheme, sizeof(n->scheme));
	credential_random(id, UPGRADE_ID_CHARACTERS);
	redis_eval(a->redis, upgrade_on_stored, n, &auth_upgrade, 2, keys, 4,
		   (const struct str[]){text, str_c(u->password), str_c(u->scram_sha256), str_c(id)});
}
