/* The directory as a whole: its lifetime, and the notices that keep its cache current. */
#include "lib/directory/private.h"

/* A record takes some 500 bytes with its key. */
enum { CACHE_RECORDS = 32768, CACHE_AGE_MS = 60000 };

static void
tell_watches(struct directory *d, struct str address)
{
	for (struct user_watch *w = d->watches, *next; w != NULL; w = next) {
		next = w->next;
		w->on_user_changed(w->arg, address);
	}
}

/* The name within the braces of "user:{name}". */
static struct str
name_in_key(struct str key)
{
	ptrdiff_t open = str_index(key, '{');
	if (open < 0 || key.p[key.len - 1] != '}')
		return STR_NONE;
	return str_of(key.p + open + 1, key.len - (size_t)open - 2);
}

static void
on_user_key(void *arg, struct str key)
{
	directory_forget_key(arg, key);
	struct str address = name_in_key(key);
	if (address.len > 0)
		tell_watches(arg, address);
}

static void
on_alias_key(void *arg, struct str key)
{
	directory_forget_key(arg, key);
}

static void
on_domain_key(void *arg, struct str key)
{
	directory_forget_key(arg, key);
	if (name_in_key(key).len == 0)
		return; /* its set of users or aliases */
	/* The set of domains has no watched prefix, but it changes together with
	 * this key. Disabling a domain disables its users. */
	directory_forget_key(arg, str_c(redis_key_pattern(KEY_DOMAINS)));
	tell_watches(arg, STR_NONE);
}

static void
directory_on_notices_lost(void *arg)
{
	directory_forget_all(arg);
	tell_watches(arg, STR_NONE);
}

struct directory *
directory_new(struct event_base *base, struct redis *r, struct tracking *tracking, struct settings_live *settings)
{
	struct directory *d = mem_new(struct directory);
	d->base = base;
	d->redis = r;
	d->tracking = tracking;
	d->settings = settings;
	cache_init(&d->cache, CACHE_RECORDS, CACHE_AGE_MS);
	if (tracking != NULL) {
		tracking_watch_prefix(tracking, "user:", on_user_key, directory_on_notices_lost, d);
		tracking_watch_prefix(tracking, "alias:", on_alias_key, NULL, d);
		tracking_watch_prefix(tracking, "domain:", on_domain_key, NULL, d);
	}
	return d;
}

void
directory_free(struct directory **dp)
{
	struct directory *d = *dp;
	*dp = NULL;
	if (d == NULL)
		return;
	fetches_fini(d);
	requests_fini(d);
	expansions_fini(d);
	orders_fini(d);
	comparisons_cancel(d, NULL);
	cache_clear(&d->cache);
	for (struct user_watch *w = d->watches, *next; w != NULL; w = next) {
		next = w->next;
		mem_free(w);
	}
	mem_free(d);
}

void
directory_set_hostname(struct directory *d, struct str hostname)
{
	if (!directory_canonical_domain(hostname, d->hostname))
		d->hostname[0] = '\0';
}

void
directory_cancel(struct directory *d, const void *arg)
{
	requests_cancel(d, arg);
	expansions_cancel(d, arg);
	orders_cancel(d, arg);
	comparisons_cancel(d, arg);
}

void
directory_watch_users(struct directory *d, void (*on_user_changed)(void *arg, struct str address), void *arg)
{
	struct user_watch *w = mem_new(struct user_watch);
	w->on_user_changed = on_user_changed;
	w->arg = arg;
	LL_APPEND(d->watches, w);
}
