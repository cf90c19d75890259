/* Checks whether this program can work with the store that it finds. */
#include "lib/service/versions.h"

#include <signal.h>

#include "lib/base/log.h"
#include "lib/base/version.h"
#include "lib/redis/keys.h"

/* A text for the operator; NULL: it can. */
static const char *
versions_why_not(int64_t store)
{
	if (store > STAGEPOST_STORE_VERSION)
		return "the store was upgraded: this program is too old for it";
	if (store < STAGEPOST_STORE_LEAST)
		return "the store is too old for this program: upgrade it with an intermediate release first";
	return NULL;
}

static void
versions_refuse(struct service *s, const char *why, int64_t store)
{
	if (s->refused)
		return;
	s->refused = true;
	log_error(NULL, why, F_I64("store_version", store), F_I64("least", STAGEPOST_STORE_LEAST),
		  F_I64("most", STAGEPOST_STORE_VERSION), F_C("version", STAGEPOST_VERSION));
	if (s->store_is_known && !s->draining)
		raise(SIGTERM); /* open sessions end in an orderly way */
	else if (!s->draining)
		event_base_loopbreak(s->base);
}

static void
versions_on_store(void *arg, const redisReply *reply, const struct err *err)
{
	struct service *s = arg;
	int64_t store = redis_i64(reply, STAGEPOST_STORE_VERSION);
	const char *why = err == NULL ? versions_why_not(store) : NULL;

	if (why != NULL)
		versions_refuse(s, why, store);
	else
		s->store_is_known |= err == NULL;
}

void
versions_check(struct service *s)
{
	struct str key = str_c(redis_key_pattern(KEY_CLUSTER_STORE_VERSION));
	char number[16];

	snprintf(number, sizeof(number), "%d", STAGEPOST_STORE_VERSION);
	redis_call_key(s->redis, NULL, NULL, "SET", key, 2, (const struct str[]){str_c(number), STR("NX")});
	redis_call_key(s->redis, versions_on_store, s, "GET", key, 0, NULL);
}

void
versions_add_status(cJSON *status)
{
	cJSON_AddStringToObject(status, "version", STAGEPOST_VERSION);
	cJSON_AddNumberToObject(status, "store_version", STAGEPOST_STORE_VERSION);
	cJSON_AddNumberToObject(status, "bus_version", STAGEPOST_BUS_VERSION);
}
