/* The hold: while backup:hold exists in Redis, a process that drops the last
 * reference to a body leaves the body and puts its id into backup:held
 * (lib/blob/refs.c). So everything that a snapshot refers to exists until it is
 * copied.
 *
 * The hold expires a minute after a backup has died. If it expires during a backup,
 * as when Redis is away, bodies may be gone; the copy names them. */
#include <string.h>

#include "ctl/backup.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/blob/blob.h"
#include "lib/redis/keys.h"

#define HOLD_MS "60000"
enum { RENEW_MS = 10000 };

static int64_t hold_renewed_ms; /* monotonic */

/* True: it is ours now. */
static bool
hold_set(struct ctl *ctl, const char *id, struct err *err)
{
	redisReply *set = ctl_redis(ctl, err, "SET", redis_key_pattern(KEY_BACKUP_HOLD), id, "NX", "PX", HOLD_MS, NULL),
		   *has, *renewed = NULL;
	bool ours = set != NULL && set->type != REDIS_REPLY_NIL;

	if (set == NULL)
		return false;
	freeReplyObject(set);
	if (ours)
		return true;
	has = ctl_redis(ctl, err, "GET", redis_key_pattern(KEY_BACKUP_HOLD), NULL);
	ours = has != NULL && str_eq(redis_str(has), str_c(id));
	if (has != NULL && !ours)
		err_set(err, ERR_EXISTS, "another backup of this cluster is running, or died less than a minute ago");
	freeReplyObject(has);
	if (ours)
		renewed = ctl_redis(ctl, err, "PEXPIRE", redis_key_pattern(KEY_BACKUP_HOLD), HOLD_MS, NULL);
	ours = renewed != NULL && redis_i64(renewed, 0) == 1;
	freeReplyObject(renewed);
	return ours;
}

int
backup_hold_take(struct ctl *ctl, const char *id, struct err *err)
{
	/* A hold of our own that ended between two calls is taken again at the second try. */
	if (!hold_set(ctl, id, err) && (err->code == ERR_EXISTS || !hold_set(ctl, id, err)))
		return -1;
	hold_renewed_ms = clock_monotonic_ms();
	return 0;
}

int
backup_hold_renew(struct ctl *ctl, const char *id, struct err *err)
{
	if (clock_monotonic_ms() - hold_renewed_ms < RENEW_MS)
		return 0;
	*err = (struct err){.code = ERR_NONE};
	if (backup_hold_take(ctl, id, err) == 0)
		return 0;
	if (err->code == ERR_EXISTS)
		return -1;
	/* Redis is away, so nobody can drop a reference. */
	hold_renewed_ms = clock_monotonic_ms();
	log_warning(NULL, "the hold was not renewed", F_ERR(err));
	return 0;
}

void
backup_hold_end(struct ctl *ctl, const char *id)
{
	redisReply *has = ctl_redis(ctl, NULL, "GET", redis_key_pattern(KEY_BACKUP_HOLD), NULL);

	if (has != NULL && str_eq(redis_str(has), str_c(id)))
		freeReplyObject(ctl_redis(ctl, NULL, "DEL", redis_key_pattern(KEY_BACKUP_HOLD), NULL));
	freeReplyObject(has);
}

int
backup_hold_drain(struct ctl *ctl, struct err *err)
{
	struct blob_store *blobs = ctl_blobs(ctl, err);

	if (blobs == NULL)
		return -1;
	for (;;) {
		redisReply *held = ctl_redis(ctl, err, "LPOP", redis_key_pattern(KEY_BACKUP_HELD), "500", NULL);
		bool more = held != NULL && held->type == REDIS_REPLY_ARRAY;
		if (held == NULL)
			return -1;
		for (size_t i = 0; more && i < held->elements; i++) {
			struct blob_id id;
			if (blob_id_parse(redis_str(held->element[i]), &id))
				blob_release(blobs, &id);
		}
		freeReplyObject(held);
		if (!more)
			return 0;
	}
}
