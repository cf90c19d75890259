/* Failed logins, counted in Redis by account and by address, so that every
 * frontend delays the next attempt in the same way. */
#include <stdio.h>

#include "lib/auth/private.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

enum { THROTTLE_KEY_MAX = 420 };

REDIS_SCRIPT(throttle_fail, "lib/auth/fail.lua");

struct throttle {
	struct auth *auth;
	void (*go)(void *arg, const struct err *err);
	void *arg;
	unsigned answers_left;
	uint64_t failures; /* the larger of both counts */
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

static struct str
throttle_account_key(const char *account, char out[THROTTLE_KEY_MAX])
{
	return redis_key_print(out, THROTTLE_KEY_MAX, KEY_AUTH_FAIL_ACCOUNT, str_c(account));
}

static struct str
throttle_peer_key(const struct ip *peer, char out[THROTTLE_KEY_MAX])
{
	char text[IP_TEXT_MAX];
	struct ip client = ip_client(peer);

	ip_text(&client, text);
	return redis_key_print(out, THROTTLE_KEY_MAX, KEY_AUTH_FAIL_ADDRESS, str_c(text));
}

static void
throttle_finish(struct throttle *t)
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
throttle_on_waited(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	throttle_finish(arg);
}

static void
throttle_on_count(void *arg, const redisReply *reply, const struct err *err)
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
		throttle_finish(t);
		return;
	}
	if (t->auth->on_delayed != NULL)
		t->auth->on_delayed(t->auth->on_delayed_arg);
	t->timer = evtimer_new(t->auth->base, throttle_on_waited, t);
	event_add(t->timer, &wait);
}

struct throttle *
throttle_wait(struct auth *a, const char *account, const struct ip *peer, void (*go)(void *arg, const struct err *err),
	      void *arg)
{
	struct throttle *t = mem_new(struct throttle);
	char key[THROTTLE_KEY_MAX];

	t->auth = a;
	t->go = go;
	t->arg = arg;
	t->answers_left = 2;
	redis_call_key(a->redis, throttle_on_count, t, "GET", throttle_account_key(account, key), 0, NULL);
	redis_call_key(a->redis, throttle_on_count, t, "GET", throttle_peer_key(peer, key), 0, NULL);
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
throttle_count(struct auth *a, struct str key)
{
	int64_t window_ms = settings_auth(settings_current(a->settings), STR_NONE)->failure_window;
	char text[24];
	struct str arg;

	snprintf(text, sizeof(text), "%lld", (long long)window_ms);
	arg = str_c(text);
	redis_eval(a->redis, NULL, NULL, &throttle_fail, 1, &key, 1, &arg);
}

void
throttle_failed(struct auth *a, const char *account, const struct ip *peer)
{
	char key[THROTTLE_KEY_MAX];

	throttle_count(a, throttle_account_key(account, key));
	throttle_count(a, throttle_peer_key(peer, key));
}

void
throttle_succeeded(struct auth *a, const char *account)
{
	char key[THROTTLE_KEY_MAX];

	redis_call_key(a->redis, NULL, NULL, "DEL", throttle_account_key(account, key), 0, NULL);
}
