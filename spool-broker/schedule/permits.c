#include "spool-broker/schedule/permits.h"

#include <stdio.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "spool-broker/broker.h"
#include "spool-broker/schedule/schedule.h"

REDIS_SCRIPT(permits_share, "spool-broker/schedule/permits.lua");

enum {
	VALID_MS = 10000,  /* in the store; longer than a live broker is ever silent */
	MARGIN_MS = 2000,  /* in this process it ends earlier */
	WISHES_MAX = 1000, /* sent in one turn of the loop */
	ANSWER_MAX_MS = 60000,
};

struct wish {
	struct broker *broker; /* borrowed */
	int64_t asked_ms;      /* monotonic */
	char site[SITE_NAME_MAX];
};

static int64_t
permits_element(const redisReply *reply, size_t i, int64_t most)
{
	int64_t value = reply->type == REDIS_REPLY_ARRAY && i < reply->elements ? redis_i64(reply->element[i], 0) : 0;
	return value < 0 ? 0 : value > most ? most : value;
}

static void
permits_on_answer(void *arg, const redisReply *reply, const struct err *err)
{
	struct wish *w = arg;
	struct broker *b = w->broker;
	struct permit permit = {.valid_ms = 0};

	if (!op_back(&b->op)) {
		mem_free(w);
		return;
	}
	if (err != NULL)
		log_info(NULL, "no permits", F_C("site", w->site), F_ERR(err));
	else {
		int64_t left_ms = VALID_MS - MARGIN_MS - (clock_monotonic_ms() - w->asked_ms);
		permit = (struct permit){.quota = (unsigned)permits_element(reply, 0, UINT32_MAX),
					 .tokens = (unsigned)permits_element(reply, 1, UINT32_MAX),
					 .wait_ms = permits_element(reply, 2, ANSWER_MAX_MS),
					 .valid_ms = left_ms > 0 ? left_ms : 0};
	}
	b->ops->permit(b->schedules[STAGEPOST__JOB_KIND__REMOTE], str_c(w->site), &permit, clock_unix_ms());
	broker_wake(b);
	mem_free(w);
}

static struct str
permits_number(char out[24], uint64_t value)
{
	int len = snprintf(out, 24, "%llu", (unsigned long long)value);
	return str_of(out, (size_t)len);
}

static void
permits_send_wish(struct broker *b, const struct permit_wish *wish)
{
	struct wish *w = mem_new(struct wish);
	char key[SITE_NAME_MAX + 32], texts[6][24];
	struct str keys[1], args[7];
	const uint64_t numbers[6] = {wish->active,   wish->wanted, wish->limits.at_once_all, wish->limits.per_minute,
				     wish->returned, VALID_MS};

	w->broker = b;
	w->asked_ms = clock_monotonic_ms();
	str_copy(str_c(wish->site), w->site, sizeof(w->site));
	keys[0] = redis_key_print(key, sizeof(key), KEY_SPOOL_PERMITS, str_c(wish->site));
	args[0] = str_c(b->config.id);
	for (unsigned i = 0; i < 6; i++)
		args[i + 1] = permits_number(texts[i], numbers[i]);
	op_hold(&b->op);
	redis_eval(b->config.redis, permits_on_answer, w, &permits_share, 1, keys, 7, args);
}

void
permits_ask(struct broker *b)
{
	struct schedule *s = b->schedules[STAGEPOST__JOB_KIND__REMOTE];
	struct permit_wish wish;

	for (unsigned i = 0; i < WISHES_MAX && b->ops->next_wish(s, clock_unix_ms(), &wish); i++)
		permits_send_wish(b, &wish);
}
