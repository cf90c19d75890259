/* Failed logins, counted in Redis by account and by address, so that every
 * frontend slows the next try down alike. */
#include <stdio.h>

#include "lib/auth/private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { FAIL_KEY_MAX = 420 };

struct throttle {
	struct auth *auth;
	void (*go)(void *arg, const struct err *err);
	void *arg;
	unsigned answers_left;
	uint64_t failures; /* the larger count of both */
	struct err err;
	struct event *timer;
	bool cancelled;
};

int64_t
throttle_delay_ms(uint64_t failures, int64_t first_ms, int64_t longest_ms)
{
	int64_t delay = first_ms;

	if (failures == 0 || first_ms == 0)
		return 0;
	while (--failures != 0 && delay < longest_ms)
		delay *= 2;
	return delay < longest_ms ? delay : longest_ms;
}

static void
account_key(const char *account, char out[FAIL_KEY_MAX])
{
	snprintf(out, FAIL_KEY_MAX, "auth:fail:{account:%s}", account);
}

static void
peer_key(const struct ip *peer, char out[FAIL_KEY_MAX])
{
	char text[IP_TEXT_MAX];
	struct ip net = *peer;

	/* Who has one IPv6 address has a /64 of them. */
	if (net.family == 6)
		memset(net.bytes + 8, 0, 8);
	ip_text(&net, text);
	snprintf(out, FAIL_KEY_MAX, "auth:fail:{address:%s}", text);
}

static void
finish(struct throttle *t)
{
	void (*go)(void *arg, const struct err *err) = t->go;
	void *arg = t->arg;
	struct err err = t->err;

	if (t->timer != NULL)
		event_free(t->timer);
	mem_free(t);
	go(arg, err.code == ERR_NONE ? NULL : &err);
}

static void
on_waited(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	finish(arg);
}

static void
on_count(void *arg, const redisReply *reply, const struct err *err)
{
	struct throttle *t = arg;
	const struct settings_auth *settings;
	uint64_t failures = (uint64_t)redis_i64(reply, 0);
	struct timeval wait;

	if (err != NULL)
		t->err = *err;
	if (failures > t->failures)
		t->failures = failures;
	if (--t->answers_left != 0)
		return;
	if (t->cancelled) {
		mem_free(t);
		return;
	}
	settings = settings_auth(settings_current(t->auth->settings), STR_NONE);
	wait = clock_timeval(throttle_delay_ms(t->failures, settings->failure_delay, settings->failure_delay_longest));
	if (t->err.code != ERR_NONE || (wait.tv_sec == 0 && wait.tv_usec == 0)) {
		finish(t);
		return;
	}
	if (t->auth->on_delayed != NULL)
		t->auth->on_delayed(t->auth->on_delayed_arg);
	t->timer = evtimer_new(t->auth->base, on_waited, t);
	event_add(t->timer, &wait);
}

struct throttle *
throttle_wait(struct auth *a, const char *account, const struct ip *peer, void (*go)(void *arg, const struct err *err),
	      void *arg)
{
	struct throttle *t = mem_new(struct throttle);
	char key[FAIL_KEY_MAX];

	t->auth = a;
	t->go = go;
	t->arg = arg;
	t->answers_left = 2;
	account_key(account, key);
	redis_callf(a->redis, on_count, t, "GET %s", key);
	peer_key(peer, key);
	redis_callf(a->redis, on_count, t, "GET %s", key);
	return t;
}

void
throttle_cancel(struct throttle **tp)
{
	struct throttle *t = *tp;

	if (t == NULL)
		return;
	*tp = NULL;
	t->cancelled = true;
	if (t->answers_left != 0)
		return; /* freed when the answers have come */
	event_free(t->timer);
	mem_free(t);
}

static void
count_failure(struct auth *a, const char *key)
{
	const struct settings_auth *settings = settings_auth(settings_current(a->settings), STR_NONE);

	/* The time limit before the count: one that stayed alone would last for ever. */
	redis_callf(a->redis, NULL, NULL, "SET %s 0 PX %lld NX", key, (long long)settings->failure_window);
	redis_callf(a->redis, NULL, NULL, "INCR %s", key);
	redis_callf(a->redis, NULL, NULL, "PEXPIRE %s %lld", key, (long long)settings->failure_window);
}

void
throttle_failed(struct auth *a, const char *account, const struct ip *peer)
{
	char key[FAIL_KEY_MAX];

	account_key(account, key);
	count_failure(a, key);
	peer_key(peer, key);
	count_failure(a, key);
}

void
throttle_succeeded(struct auth *a, const char *account)
{
	char key[FAIL_KEY_MAX];

	account_key(account, key);
	redis_callf(a->redis, NULL, NULL, "DEL %s", key);
}
