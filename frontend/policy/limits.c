#include "frontend/policy/limits.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/directory/directory.h"
#include "lib/redis/keys.h"
#include "lib/service/metrics.h"

REDIS_SCRIPT(limits_take_one, "frontend/policy/limits.lua");

enum { LIMITS_MINUTE_MS = 60 * 1000, LIMITS_HOUR_MS = 60 * LIMITS_MINUTE_MS };

/* Lives until the store has answered. */
struct limits_ask {
	limits_on_judged *on_judged; /* NULL: cancelled */
	void *arg;
};

/* The number that fits into the period; 0: no limit. */
static int64_t
limits_number(const struct settings *settings, const struct limits_client *c, enum limits_of what, int64_t *period_out)
{
	const struct settings_smtp_in *s;

	if (c->account != NULL) {
		s = settings_smtp_in(settings, directory_domain_of(str_c(c->account)));
		*period_out = LIMITS_HOUR_MS;
		return what == LIMITS_MESSAGES ? s->account_messages_per_hour : s->account_recipients_per_hour;
	}
	s = settings_smtp_in(settings, STR_NONE);
	*period_out = LIMITS_MINUTE_MS;
	/* A proxy on this host would be taken for one client. */
	if (ip_is_loopback(c->ip) || ip_blocks_have(&s->relay_whitelist, c->ip))
		return 0;
	return what == LIMITS_MESSAGES ? s->address_messages_per_minute : s->address_recipients_per_minute;
}

static struct str
limits_key(const struct limits_client *c, enum limits_of what, struct arena *arena)
{
	const char *name = what == LIMITS_MESSAGES ? "messages" : "recipients";
	struct ip client = ip_client(c->ip);
	char text[IP_TEXT_MAX];

	if (c->account != NULL)
		return redis_key(arena, KEY_LIMIT_ACCOUNT, str_c(c->account), str_c(name));
	ip_text(&client, text);
	return redis_key(arena, KEY_LIMIT_ADDRESS, str_c(text), str_c(name));
}

static void
limits_on_answer(void *arg, const redisReply *reply, const struct err *err)
{
	struct limits_ask *a = arg;
	int64_t wait_ms = err == NULL ? redis_i64(reply, 0) : 0;

	if (wait_ms > 0)
		metrics_add(M_SMTP_LIMITED, 1);
	if (a->on_judged != NULL)
		a->on_judged(a->arg, wait_ms);
	mem_free(a);
}

struct limits_ask *
limits_take(struct redis *r, const struct settings *settings, const struct limits_client *client, enum limits_of what,
	    limits_on_judged *on_judged, void *arg)
{
	int64_t period_ms, number = limits_number(settings, client, what, &period_ms);
	char texts[2][24];
	struct limits_ask *a;
	struct arena arena;
	struct str key;

	if (number == 0)
		return NULL;
	a = mem_new(struct limits_ask);
	a->on_judged = on_judged;
	a->arg = arg;
	snprintf(texts[0], sizeof(texts[0]), "%" PRId64, number);
	snprintf(texts[1], sizeof(texts[1]), "%" PRId64, period_ms);
	arena_init(&arena);
	key = limits_key(client, what, &arena);
	redis_eval(r, limits_on_answer, a, &limits_take_one, 1, &key, 2,
		   (const struct str[]){str_c(texts[0]), str_c(texts[1])});
	arena_fini(&arena);
	return a;
}

void
limits_cancel(struct limits_ask **ask)
{
	if (*ask == NULL)
		return;
	(*ask)->on_judged = NULL;
	*ask = NULL;
}
