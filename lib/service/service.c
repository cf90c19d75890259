/* The runtime that every program shares. */
#include "lib/service/service.h"

#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/host_port.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/service/bodies.h"
#include "lib/service/hook.h"
#include "lib/service/lag.h"
#include "lib/service/monitor.h"
#include "lib/service/options.h"
#include "lib/service/pages.h"
#include "lib/service/ready.h"
#include "lib/service/versions.h"

/* Clocks of hosts may differ by an hour. */
enum { FORGET_MS = 2 * 3600 * 1000 };
enum { HEARTBEAT_MS = 1000, HEARTBEAT_LIFE_MS = 10000, FAREWELL_MS = 500 };

REDIS_SCRIPT(service_beat_script, "lib/service/beat.lua");

/* ---- Start ---- */

__attribute__((noreturn)) static void
give_up(const struct service_description *d, const struct err *err)
{
	fprintf(stderr, "%s: %s\n", d->kind, err->text);
	exit(1);
}

static void
service_take_options(struct service *s, int argc, char **argv, const char **id, const char **hostname,
		     const char **port_base)
{
	const struct service_option common[] = {
		{"redis", "STAGEPOST_REDIS", "URL", "redis://127.0.0.1:6379",
		 "Shared store: redis://[[user]:password@]host:port[/db], rediss:// (TLS) or unix:/path.",
		 &s->redis_url},
		{"blobs", "STAGEPOST_BLOBS", "URL", "file:data/blobs", "Store of message bodies: file:/folder.",
		 &s->blobs_url},
		{"hostname", "STAGEPOST_HOSTNAME", "NAME", NULL, "Name of this server in greetings and headers.",
		 hostname},
		{"id", "STAGEPOST_ID", "NAME", NULL, "Name of this process in the cluster.", id},
		{"listen", "STAGEPOST_LISTEN", "ADDRESS", NULL, "Address to listen on; default: all addresses.",
		 &s->listen},
		{"port-base", "STAGEPOST_PORT_BASE", "N", "0", "Added to every standard port.", port_base},
		{"metrics-port", "STAGEPOST_METRICS_PORT", "PORT", NULL,
		 "Port of /metrics, /healthz and /readyz; default: none.", &s->metrics_port},
		{"metrics-listen", "STAGEPOST_METRICS_LISTEN", "ADDRESS", "127.0.0.1",
		 "Address of that port: an internal one; :: covers IPv4 and IPv6.", &s->metrics_listen},
		{"grace", "STAGEPOST_GRACE", "SECONDS", "30", "Longest time between SIGTERM and exit.", &s->grace},
		{"patience", "STAGEPOST_READY_PATIENCE", "SECONDS", "60",
		 "How long a ready process stays ready while the store or the brokers cannot be reached.",
		 &s->patience},
		{0},
	};
	struct err err;
	int result = options_parse(s->description, common, argc, argv, &err);

	if (result < 0)
		give_up(s->description, &err);
	if (result > 0)
		exit(0);
}

static int
number_option(const struct service_description *d, const char *name, const char *text, int most)
{
	uint64_t number;
	struct err err;

	if (text == NULL)
		return 0;
	if (!str_to_u64(str_c(text), &number) || number > (uint64_t)most) {
		err_set(&err, ERR_INVALID, "--%s takes a number up to %d, not '%s'", name, most, text);
		give_up(d, &err);
	}
	return (int)number;
}

static void
raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* ---- The end ---- */

static void
on_grace_over(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;

	(void)fd, (void)what;
	log_warning(NULL, "the grace period is over; unfinished work is abandoned", F_I64("open", s->drainers_left));
	event_base_loopbreak(s->base);
}

static void
service_on_stop_signal(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;
	struct timeval grace = clock_timeval(s->grace_ms);
	struct service_hook *hook;

	(void)fd, (void)what;
	if (s->draining) {
		log_warning(NULL, "second signal: exiting at once");
		event_base_loopbreak(s->base);
		return;
	}
	log_info(NULL, "draining");
	s->draining = true;
	event_add(s->grace_timer, &grace);
	/* One too many, so that the loop below is not cut short. */
	s->drainers_left++;
	LL_FOREACH (s->drain_hooks, hook)
		hook->on_drain(hook->arg);
	service_drained(s);
}

void
service_drained(struct service *s)
{
	CHECK(s->draining && s->drainers_left != 0);
	if (--s->drainers_left == 0)
		event_base_loopbreak(s->base);
}

/* ---- Heartbeat ---- */

static char *
status_json(struct service *s)
{
	cJSON *o = cJSON_CreateObject();
	char *text;

	cJSON_AddBoolToObject(o, "draining", s->draining);
	cJSON_AddNumberToObject(o, "loop_lag_longest_ms", (double)lag_longest_ms(s->lag));
	versions_add_status(o);
	bodies_add_status(s, o);
	if (s->on_status != NULL)
		s->on_status(s->on_status_arg, o);
	text = cJSON_PrintUnformatted(o);
	cJSON_Delete(o);
	return text;
}

static struct str
service_number(struct arena *arena, int64_t number)
{
	return str_c(arena_printf(arena, "%lld", (long long)number));
}

/* cluster:proc:<id>: expires by itself after the process has died. */
static void
service_beat(struct service *s)
{
	struct str procs = str_c(redis_key_pattern(KEY_CLUSTER_PROCS)), key, now;
	uint64_t version = settings_version(settings_current(s->settings));
	char host[256] = "", *status = status_json(s);
	struct arena arena;

	gethostname(host, sizeof(host) - 1);
	arena_init(&arena);
	key = redis_key(&arena, KEY_CLUSTER_PROC, str_c(s->id));
	now = service_number(&arena, clock_unix_ms());
	const struct str args[] = {
		service_number(&arena, HEARTBEAT_LIFE_MS),
		STR("kind"),
		str_c(s->description->kind),
		STR("id"),
		str_c(s->id),
		STR("pid"),
		service_number(&arena, getpid()),
		STR("host"),
		str_c(host),
		STR("started_ms"),
		service_number(&arena, s->started_ms),
		STR("heartbeat_ms"),
		now,
		STR("settings_version"),
		str_c(arena_printf(&arena, "%016llx", (unsigned long long)version)),
		STR("status"),
		str_c(status),
	};
	redis_eval(s->redis, NULL, NULL, &service_beat_script, 1, &key, sizeof(args) / sizeof(args[0]), args);
	redis_call_key(s->redis, NULL, NULL, "ZADD", procs, 2, (const struct str[]){now, str_c(s->id)});
	/* Processes that died without a farewell are removed from the list by the others. */
	redis_call_key(s->redis, NULL, NULL, "ZREMRANGEBYSCORE", procs, 2,
		       (const struct str[]){STR("-inf"), service_number(&arena, clock_unix_ms() - FORGET_MS)});
	arena_fini(&arena);
	free(status);
}

static void
on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	struct service *s = arg;
	struct timeval again = clock_timeval(HEARTBEAT_MS);

	(void)fd, (void)what;
	event_add(s->heartbeat, &again);
	service_why_not_ready(s); /* records since when there is trouble, even if nobody asks */
	if (!redis_is_connected(s->redis))
		return;
	versions_check(s);
	service_beat(s);
}

static void
on_redis_state(void *arg, bool connected)
{
	struct service *s = arg;

	if (!connected)
		return;
	versions_check(s);
	service_beat(s);
}

/* ---- Public ---- */

void
service_init(struct service *s, const struct service_description *description, int argc, char **argv)
{
	const char *id = NULL, *hostname = NULL, *port_base = NULL;
	char host[200] = "";
	struct err err;
	int metrics_port;

	*s = (struct service){.description = description, .started_ms = clock_unix_ms()};
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN); /* code that has files to reload handles it */
	service_take_options(s, argc, argv, &id, &hostname, &port_base);
	raise_file_limit();
	gethostname(host, sizeof(host) - 1);
	if (hostname != NULL && !host_name_is_valid(str_c(hostname))) {
		err_set(&err, ERR_INVALID, "--hostname takes a host name, not '%s'", hostname);
		give_up(description, &err);
	}
	str_copy(str_c(hostname != NULL ? hostname : host), s->hostname, sizeof(s->hostname));
	if (id != NULL)
		str_copy(str_c(id), s->id, sizeof(s->id));
	else
		snprintf(s->id, sizeof(s->id), "%s-%s-%d", description->kind, host, (int)getpid());
	log_init(s->id);
	crashpoint_init();
	s->port_base = number_option(description, "port-base", port_base, 60000);
	s->grace_ms = (int64_t)number_option(description, "grace", s->grace, 86400) * 1000;
	s->patience_ms = (int64_t)number_option(description, "patience", s->patience, 86400) * 1000;
	metrics_port = number_option(description, "metrics-port", s->metrics_port, 65535);
	evthread_use_pthreads();
	s->base = event_base_new();
	CHECK(s->base != NULL);
	s->redis = redis_new(s->base, s->redis_url, &err);
	s->tracking = s->redis != NULL ? tracking_new(s->base, s->redis_url, &err) : NULL;
	if (s->tracking == NULL)
		give_up(description, &err);
	s->settings = settings_live_new(s->base, s->redis, s->tracking, description->reports_settings_errors);
	s->blobs = blob_store_open(s->base, s->blobs_url, &err);
	if (s->blobs == NULL)
		give_up(description, &err);
	if (metrics_port != 0)
		s->monitor = monitor_new(s->base, s->metrics_listen, metrics_port, service_pages, s, &err);
	if (metrics_port != 0 && s->monitor == NULL)
		give_up(description, &err);
	bodies_watch(s);
	s->lag = lag_new(s->base);
	redis_watch_state(s->redis, on_redis_state, s);
	s->term = evsignal_new(s->base, SIGTERM, service_on_stop_signal, s);
	s->interrupt = evsignal_new(s->base, SIGINT, service_on_stop_signal, s);
	s->grace_timer = evtimer_new(s->base, on_grace_over, s);
	s->heartbeat = evtimer_new(s->base, on_heartbeat, s);
	event_add(s->term, NULL);
	event_add(s->interrupt, NULL);
}

static void
free_hooks(struct service_hook *list)
{
	struct service_hook *hook, *next;

	LL_FOREACH_SAFE (list, hook, next)
		mem_free(hook);
}

static void
on_farewell(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply, (void)err;
	event_base_loopbreak(arg);
}

/* A process that ends in an orderly way removes its heartbeat. */
static void
say_farewell(struct service *s)
{
	struct str id = str_c(s->id);
	char key[sizeof(s->id) + 16];
	struct timeval most = clock_timeval(FAREWELL_MS);

	if (!redis_is_connected(s->redis))
		return;
	redis_call_key(s->redis, NULL, NULL, "DEL", redis_key_print(key, sizeof(key), KEY_CLUSTER_PROC, str_c(s->id)),
		       0, NULL);
	redis_call_key(s->redis, on_farewell, s->base, "ZREM", str_c(redis_key_pattern(KEY_CLUSTER_PROCS)), 1, &id);
	event_base_loopexit(s->base, &most);
	event_base_dispatch(s->base);
}

int
service_run(struct service *s)
{
	on_heartbeat(-1, 0, s);
	log_info(NULL, "started", F_C("kind", s->description->kind), F_I64("pid", getpid()));
	event_base_dispatch(s->base);
	event_del(s->heartbeat);
	event_del(s->grace_timer);
	say_farewell(s);
	log_info(NULL, "ended");
	return s->refused ? 1 : 0;
}

void
service_fini(struct service *s)
{
	monitor_free(&s->monitor);
	blob_store_close(&s->blobs);
	settings_live_free(&s->settings);
	tracking_free(&s->tracking);
	redis_free(&s->redis);
	event_free(s->term);
	event_free(s->interrupt);
	event_free(s->grace_timer);
	event_free(s->heartbeat);
	lag_free(&s->lag);
	event_base_free(s->base);
	free_hooks(s->drain_hooks);
	free_hooks(s->ready_hooks);
}

void
service_on_drain(struct service *s, void (*on_drain)(void *arg), void *arg)
{
	struct service_hook *hook = mem_new(struct service_hook);

	hook->on_drain = on_drain;
	hook->arg = arg;
	LL_APPEND(s->drain_hooks, hook);
	s->drainers_left++;
}

void
service_on_status(struct service *s, void (*on_status)(void *arg, cJSON *status), void *arg)
{
	s->on_status = on_status;
	s->on_status_arg = arg;
}
