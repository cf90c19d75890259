/* May the tool use the store? Checked as the programs do (lib/service/versions.c),
 * but the tool does not write a version if there is none. */
#include "ctl/ctl.h"

#include "lib/base/version.h"

int
ctl_check_store(struct ctl *ctl, struct err *err)
{
	redisReply *reply = ctl_redis(ctl, err, "GET", "cluster:store-version", NULL);
	int64_t store = redis_i64(reply, STAGEPOST_STORE_VERSION);

	if (reply == NULL)
		return -1;
	freeReplyObject(reply);
	if (store >= STAGEPOST_STORE_LEAST && store <= STAGEPOST_STORE_VERSION)
		return 0;
	return err_set(err, ERR_DENIED, "the store is of version %lld, and stagepost %s works with %d to %d",
		       (long long)store, STAGEPOST_VERSION, STAGEPOST_STORE_LEAST, STAGEPOST_STORE_VERSION);
}
