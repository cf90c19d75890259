/* Writes a snapshot into a running Redis: one RESTORE per key, some hundred in flight. */
#include <stdio.h>

#include "ctl/restore.h"
#include "lib/base/clock.h"

enum { ON_THE_WAY = 200 };

struct redis_writing {
	struct ctl *ctl;
	unsigned database;
	uint64_t keys;
	struct buf payload;
	struct backup_onward onward;
	struct ctl_wait wait; /* for those in flight */
	unsigned due;
};

int
restore_redis_prepare(struct ctl *ctl, bool replace, struct err *err)
{
	redisReply *reply = ctl_redis(ctl, err, "DBSIZE", NULL);
	int64_t keys = redis_i64(reply, 0);

	if (reply == NULL)
		return -1;
	freeReplyObject(reply);
	if (keys == 0)
		return 0;
	if (!replace)
		return err_set(err, ERR_EXISTS, "Redis is not empty: it has %lld keys; --replace removes them",
			       (long long)keys);
	/* A process that uses the store has a key that expires. */
	reply = ctl_redis(ctl, err, "EVAL",
			  "for _, id in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do "
			  "if redis.call('EXISTS', 'cluster:proc:' .. id) == 1 then return id end end return ''",
			  "1", "cluster:procs", NULL);
	if (reply == NULL)
		return -1;
	if (redis_str(reply).len != 0) {
		err_set(err, ERR_DENIED, "the process %.*s uses this store: stop the cluster first",
			STR_ARG(redis_str(reply)));
		freeReplyObject(reply);
		return -1;
	}
	freeReplyObject(reply);
	reply = ctl_redis(ctl, err, "FLUSHDB", NULL);
	freeReplyObject(reply);
	return reply != NULL ? 0 : -1;
}

static void
redis_on_restored(void *arg, const redisReply *reply, const struct err *err)
{
	struct redis_writing *w = arg;

	(void)reply;
	if (err != NULL && w->wait.err.code == ERR_NONE)
		w->wait.err = *err;
	if (--w->due == 0)
		w->wait.done = true;
}

static int
redis_wait_for_all(struct redis_writing *w, struct err *err)
{
	if (w->due == 0)
		return 0;
	if (ctl_wait(w->ctl, &w->wait) == 0) {
		w->wait = CTL_WAIT;
		return 0;
	}
	*err = w->wait.err;
	err_prefix(err, "writing to Redis: ");
	return -1;
}

static int
redis_on_entry(void *arg, const struct rdb_entry *entry, struct err *err)
{
	struct redis_writing *w = arg;
	char ms[24];
	struct str words[] = {STR("RESTORE"), entry->key, STR_NONE, STR_NONE, STR("ABSTTL")};
	struct rdb_entry e = *entry;
	bool wanted;

	if (restore_entry(&w->onward, w->database, &e, &wanted, err) != 0)
		return -1;
	if (!wanted || (e.expires_ms != 0 && e.expires_ms <= clock_unix_ms()))
		return 0;
	rdb_dump(&e, &w->payload);
	words[2] = str_of(ms, (size_t)snprintf(ms, sizeof(ms), "%lld", (long long)e.expires_ms));
	words[3] = buf_str(&w->payload);
	w->keys++;
	w->due++;
	redis_call(w->ctl->redis, redis_on_restored, w, 5, words);
	return w->due >= ON_THE_WAY ? redis_wait_for_all(w, err) : 0;
}

int
restore_redis_write(struct ctl *ctl, const char *rdb_path, unsigned database, uint64_t *keys_out, struct err *err)
{
	struct redis_writing w = {.ctl = ctl, .database = database, .wait = CTL_WAIT};
	int result = rdb_read(rdb_path, redis_on_entry, &w, err);
	struct err last = {.code = ERR_NONE};

	/* Outstanding answers write to w. */
	if (redis_wait_for_all(&w, &last) != 0 && result == 0) {
		*err = last;
		result = -1;
	}
	buf_fini(&w.payload);
	backup_onward_fini(&w.onward);
	*keys_out = w.keys;
	return result;
}
