/* The settings of a process, kept up to date.
 *
 * A reading (HGETALL) applies one hash; when no reading is in progress and
 * something has changed, a new snapshot takes effect. Readings are started
 *  - in a round, over all known hashes and, if the round scans, over those that
 *    SCAN finds: at the start (more than once, because tracking does not say when
 *    it is first up, and changes until then are not reported), when notices may
 *    have been lost, and periodically (the poll that backs up the notices);
 *  - for single hashes, a moment after a notice says that they changed. */
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/settings/hashes.h"

/* SCAN iterates over the whole keyspace, so only some rounds of the poll use it. */
enum { DEBOUNCE_MS = 20, POLL_MS = 30000, RETRY_MS = 500, FIRST_RETRY_MS = 50, POLLS_PER_SCAN = 20 };
#define KEY_PREFIX "settings:"
#define SCAN_COUNT "2000"

struct watcher {
	void (*on_change)(void *arg, const struct settings *s);
	void *arg;
	struct watcher *next;
};

/* A command in progress. It outlives the settings_live if that is freed. */
struct call {
	struct settings_live *l; /* borrowed; NULL: freed meanwhile */
	struct settings_hash *h; /* borrowed; for a reading */
	struct call *prev, *next;
};

struct settings_live {
	struct redis *redis;		       /* borrowed */
	const struct settings *current;	       /* owner of a reference */
	struct settings_hash *hashes;	       /* owner */
	struct watcher *watchers;	       /* owner */
	struct watcher *told_next;	       /* borrowed: the next to be called about a change; NULL: none */
	struct call *calls;		       /* owner */
	struct event *debounce, *poll, *retry; /* owner */
	unsigned readings;		       /* in progress */
	bool scanning;
	bool round_open;   /* a round is in progress ... */
	bool round_failed; /* ... and Redis did not answer all of it */
	bool round_wanted; /* another one, with a scan, follows */
	bool changed;	   /* a text in force changed since the snapshot was built */
	bool is_read;	   /* a round was completed */
	bool report_errors;
	bool poll_scans; /* the next poll scans */
	unsigned polls;	 /* set up so far */
};

static void live_settle(struct settings_live *l);

static struct call *
live_call_new(struct settings_live *l, struct settings_hash *h)
{
	struct call *call = mem_new(struct call);
	call->l = l;
	call->h = h;
	DL_APPEND(l->calls, call);
	return call;
}

/* Returns NULL if the settings_live is gone. */
static struct settings_live *
live_call_end(struct call *call)
{
	struct settings_live *l = call->l;
	if (l != NULL)
		DL_DELETE(l->calls, call);
	mem_free(call);
	return l;
}

static struct str
live_errors_key(void)
{
	return str_c(redis_key_pattern(KEY_SETTINGS_ERRORS));
}

static bool
is_wrong_type(const struct err *err)
{
	return err->code == ERR_INVALID && strstr(err->text, "WRONGTYPE") != NULL;
}

/* ---- settings:errors ---- */
static void
live_report(void *arg, const char *name, const char *text)
{
	struct settings_live *l = arg;
	const struct str pair[] = {str_c(name), str_c(text)};
	if (!l->report_errors)
		return;
	if (text != NULL)
		redis_call_key(l->redis, NULL, NULL, "HSET", live_errors_key(), 2, pair);
	else
		redis_call_key(l->redis, NULL, NULL, "HDEL", live_errors_key(), 1, pair);
}

static struct settings_finding *
find_finding(const struct settings_live *l, const char *name)
{
	for (struct settings_hash *h = l->hashes; h != NULL; h = h->hh.next) {
		struct settings_finding *finding;
		HASH_FIND_STR(h->findings, name, finding);
		if (finding != NULL)
			return finding;
	}
	return NULL;
}

/* Removes what an earlier process left behind, and adds what is missing. */
static void
on_errors_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct settings_live *l = live_call_end(arg);
	if (l == NULL)
		return;
	if (err != NULL && is_wrong_type(err)) {
		/* Not a hash; the key is ours alone. */
		redis_call_key(l->redis, NULL, NULL, "DEL", live_errors_key(), 0, NULL);
	} else if (err != NULL) {
		return;
	}
	for (size_t i = 0; reply != NULL && i + 1 < reply->elements; i += 2) {
		struct str name = redis_str(reply->element[i]);
		if (name.p != NULL && find_finding(l, name.p) == NULL)
			redis_call_key(l->redis, NULL, NULL, "HDEL", live_errors_key(), 1, &name);
	}
	for (struct settings_hash *h = l->hashes; h != NULL; h = h->hh.next)
		for (struct settings_finding *f = h->findings; f != NULL; f = f->hh.next)
			if (!str_eq(redis_field(reply, f->name), str_c(f->text)))
				live_report(l, f->name, f->text);
}

static void
reconcile_errors(struct settings_live *l)
{
	if (l->report_errors)
		redis_call_key(l->redis, on_errors_read, live_call_new(l, NULL), "HGETALL", live_errors_key(), 0, NULL);
}

/* ---- A new snapshot ---- */
static void
log_new_warnings(const struct settings *before, const struct settings *now)
{
	unsigned bits = settings_warning_bits(now) & ~settings_warning_bits(before);
	for (unsigned i = 0; bits >> i != 0; i++)
		if (bits & 1u << i)
			log_warning(NULL, "dangerous setting in force", F_C("setting", settings_warning_name(i)),
				    F_C("reason", settings_warning_text(i)));
}

static void
put_in_force(struct settings_live *l, bool is_first)
{
	const struct settings *before = l->current, *now = settings_hashes_build(&l->hashes);
	l->changed = false;
	if (!is_first && settings_version(now) == settings_version(before)) {
		settings_unref(&now);
		return;
	}
	l->current = now;
	char version[20];
	snprintf(version, sizeof(version), "%016llx", (unsigned long long)settings_version(now));
	log_info(NULL, is_first ? "settings read" : "settings changed", F_C("version", version));
	log_new_warnings(before, now);
	for (struct watcher *w = l->watchers; w != NULL; w = l->told_next) {
		l->told_next = w->next;
		w->on_change(w->arg, now);
	}
	settings_unref(&before);
}

/* ---- Reading ---- */
static void read_hash(struct settings_live *l, struct settings_hash *h);

static void
on_hash_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct settings_hash *h = ((struct call *)arg)->h;
	struct settings_live *l = live_call_end(arg);
	if (l == NULL)
		return;
	l->readings--;
	h->reading = false;
	if (reply != NULL)
		l->changed |= settings_hash_apply(h, reply, live_report, l);
	else if (is_wrong_type(err))
		settings_hash_apply_wrong_type(h, live_report, l);
	else
		l->round_failed = true;

	if (h->again && reply != NULL)
		read_hash(l, h);
	else if (h->is_empty && (h->domain != NULL || h->group == NULL))
		settings_hash_remove(&l->hashes, h);
	live_settle(l);
}

static void
read_hash(struct settings_live *l, struct settings_hash *h)
{
	char key[sizeof(KEY_PREFIX) + 2 * SETTINGS_DOMAIN_MAX];
	h->dirty = false;
	/* The pending answer may be older than the reported change. */
	h->again = h->reading;
	if (h->reading)
		return;
	h->reading = true;
	l->readings++;
	/* Of a group or, as its name has the domain, of a domain's overrides. */
	redis_call_key(l->redis, on_hash_read, live_call_new(l, h), "HGETALL",
		       redis_key_print(key, sizeof(key), KEY_SETTINGS, str_c(h->name)), 0, NULL);
}

/* The name after "settings:"; false if the key is not a settings hash. */
static bool
name_of_key(struct str key, struct str *name_out)
{
	if (!str_starts(key, STR(KEY_PREFIX)) || str_eq(key, live_errors_key()))
		return false;
	*name_out = str_from(key, sizeof(KEY_PREFIX) - 1);
	/* A NUL in a name would not survive as a C string; no group has one. */
	return name_out->len <= 2 * SETTINGS_DOMAIN_MAX && str_index(*name_out, '\0') < 0;
}

static redis_on_reply on_scanned;

/* A scan of all keys concerns no single key. */
static void
live_scan(struct settings_live *l, struct str cursor)
{
	redis_call(l->redis, on_scanned, live_call_new(l, NULL), 6,
		   (const struct str[]){STR("SCAN"), cursor, STR("MATCH"), STR(KEY_PREFIX "*"), STR("COUNT"),
					STR(SCAN_COUNT)});
}

static void
on_scanned(void *arg, const redisReply *reply, const struct err *err)
{
	struct settings_live *l = live_call_end(arg);
	if (l == NULL)
		return;
	if (err != NULL || reply->elements != 2) {
		l->scanning = false;
		l->round_failed = true;
		live_settle(l);
		return;
	}
	const redisReply *keys = reply->element[1];
	for (size_t i = 0; i < keys->elements; i++) {
		struct str name;
		if (name_of_key(redis_str(keys->element[i]), &name) && settings_hash_find(l->hashes, name) == NULL)
			read_hash(l, settings_hash_get(&l->hashes, name));
	}
	struct str cursor = redis_str(reply->element[0]);
	if (str_eq(cursor, STR("0"))) {
		l->scanning = false;
		live_settle(l);
		return;
	}
	live_scan(l, cursor);
}

static void
start_round(struct settings_live *l, bool with_scan)
{
	if (l->round_open) {
		l->round_wanted |= with_scan;
		return;
	}
	l->round_open = true;
	l->round_failed = false;
	for (struct settings_hash *h = l->hashes; h != NULL; h = h->hh.next)
		read_hash(l, h);
	if (with_scan) {
		l->scanning = true;
		live_scan(l, STR("0"));
	}
}

static void
retry_soon(struct settings_live *l)
{
	/* At the start the connection may just not be up yet, and everybody waits for us. */
	struct timeval delay = clock_timeval(l->is_read ? RETRY_MS : FIRST_RETRY_MS);
	if (!event_pending(l->retry, EV_TIMEOUT, NULL))
		event_add(l->retry, &delay);
}

static void
end_round(struct settings_live *l)
{
	l->round_open = false;
	if (l->round_failed) {
		retry_soon(l);
		return;
	}
	if (!l->is_read) {
		l->is_read = true;
		put_in_force(l, true);
	}
	reconcile_errors(l);
	if (l->round_wanted) {
		l->round_wanted = false;
		start_round(l, true);
	}
}

/* After each answer: is there anything to do now? */
static void
live_settle(struct settings_live *l)
{
	if (l->readings > 0)
		return;
	/* A scan may take long; a known change does not wait for it. */
	if (l->changed && l->is_read)
		put_in_force(l, false);
	if (l->round_open && !l->scanning)
		end_round(l);
	else if (l->round_failed && !l->round_open)
		retry_soon(l);
}

/* ---- What starts a reading ---- */
static void
on_debounced(evutil_socket_t fd, short what, void *arg)
{
	struct settings_live *l = arg;
	(void)fd;
	(void)what;
	for (struct settings_hash *h = l->hashes; h != NULL; h = h->hh.next)
		if (h->dirty)
			read_hash(l, h);
}

static void
on_key_changed(void *arg, struct str key)
{
	struct settings_live *l = arg;
	struct str name;
	if (!name_of_key(key, &name))
		return;
	settings_hash_get(&l->hashes, name)->dirty = true;
	/* Further notices do not postpone it: a steady stream must not starve us. */
	if (!event_pending(l->debounce, EV_TIMEOUT, NULL)) {
		struct timeval delay = clock_timeval(DEBOUNCE_MS);
		event_add(l->debounce, &delay);
	}
}

static void
live_on_notices_lost(void *arg)
{
	start_round(arg, true);
}

static void
poll_later(struct settings_live *l)
{
	struct timeval delay = clock_timeval(POLL_MS);
	l->poll_scans = ++l->polls % POLLS_PER_SCAN == 0;
	event_add(l->poll, &delay);
}

static void
on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct settings_live *l = arg;
	(void)fd;
	(void)what;
	start_round(l, l->poll_scans);
	poll_later(l);
}

static void
on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start_round(arg, true);
}

/* ---- Life ---- */
struct settings_live *
settings_live_new(struct event_base *base, struct redis *r, struct tracking *t, bool report_errors)
{
	struct settings_live *l = mem_new(struct settings_live);
	l->redis = r;
	l->report_errors = report_errors;
	l->current = settings_ref(settings_defaults());
	for (unsigned i = 0; i < GROUP_COUNT; i++)
		settings_hash_get(&l->hashes, str_c(settings_groups[i].name));
	l->debounce = evtimer_new(base, on_debounced, l);
	l->retry = evtimer_new(base, on_retry, l);
	l->poll = evtimer_new(base, on_poll, l);
	CHECK(l->debounce != NULL && l->retry != NULL && l->poll != NULL);
	poll_later(l);
	if (t != NULL)
		tracking_watch_prefix(t, KEY_PREFIX, on_key_changed, live_on_notices_lost, l);
	start_round(l, true);
	return l;
}

void
settings_live_free(struct settings_live **live)
{
	struct settings_live *l = *live;
	*live = NULL;
	if (l == NULL)
		return;
	for (struct call *call = l->calls, *next; call != NULL; call = next) {
		next = call->next;
		call->l = NULL;
	}
	for (struct settings_hash *h = l->hashes, *next; h != NULL; h = next) {
		next = h->hh.next;
		settings_hash_remove(&l->hashes, h);
	}
	for (struct watcher *w = l->watchers, *next; w != NULL; w = next) {
		next = w->next;
		mem_free(w);
	}
	event_free(l->debounce);
	event_free(l->retry);
	event_free(l->poll);
	settings_unref(&l->current);
	mem_free(l);
}

void
settings_live_watch(struct settings_live *l, void (*on_change)(void *arg, const struct settings *s), void *arg)
{
	struct watcher *w = mem_new(struct watcher);
	w->on_change = on_change;
	w->arg = arg;
	LL_APPEND(l->watchers, w);
}

void
settings_live_unwatch(struct settings_live *l, void (*on_change)(void *arg, const struct settings *s), void *arg)
{
	struct watcher *w, *next;

	LL_FOREACH_SAFE (l->watchers, w, next) {
		if (w->on_change != on_change || w->arg != arg)
			continue;
		if (l->told_next == w)
			l->told_next = w->next;
		LL_DELETE(l->watchers, w);
		mem_free(w);
	}
}

bool
settings_live_is_read(const struct settings_live *l)
{
	return l->is_read;
}

const struct settings *
settings_current(const struct settings_live *l)
{
	return l->current;
}

void
settings_live_errors(const struct settings_live *l, settings_on_finding *on_error, void *arg)
{
	for (struct settings_hash *h = l->hashes; h != NULL; h = h->hh.next)
		for (struct settings_finding *f = h->findings; f != NULL; f = f->hh.next)
			on_error(arg, f->name, f->text);
}
