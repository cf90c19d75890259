#include "lib/dkim/keys.h"

#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

REDIS_SCRIPT(dkim_change, "lib/dkim/change.lua");

#define CACHE_MS       60000
#define CACHE_MAX      100000 /* domains */
#define DOMAIN_MAX     256
#define KEYS_OF_DOMAIN 100 /* more are ignored */

struct entry {
	char domain[DOMAIN_MAX];
	struct dkim_key_set *set; /* owner of a reference */
	int64_t read_ms;	  /* monotonic */
	UT_hash_handle hh;
};

struct dkim_keys {
	struct redis *redis; /* borrowed */
	bool caching;
	struct entry *entries; /* owner, in the order in which they were read */
	uint64_t notices;      /* received; an answer requested before a notice is not cached */
};

/* ---- Sets ---- */
struct dkim_key_set *
dkim_key_set_ref(struct dkim_key_set *set)
{
	set->references++;
	return set;
}

void
dkim_key_set_unref(struct dkim_key_set **set)
{
	struct dkim_key_set *s = *set;

	*set = NULL;
	if (s == NULL || --s->references > 0)
		return;
	for (unsigned i = 0; i < s->count; i++)
		dkim_key_fini(&s->keys[i]);
	mem_free(s);
}

/* ---- Cache ---- */
static void
entry_free(struct dkim_keys *k, struct entry *e)
{
	HASH_DEL(k->entries, e);
	dkim_key_set_unref(&e->set);
	mem_free(e);
}

static struct entry *
keys_find(struct dkim_keys *k, const char *domain)
{
	struct entry *e;

	HASH_FIND_STR(k->entries, domain, e);
	if (e != NULL && clock_monotonic_ms() - e->read_ms > CACHE_MS) {
		entry_free(k, e);
		e = NULL;
	}
	return e;
}

static void
forget_all(void *arg)
{
	struct dkim_keys *k = arg;
	struct entry *e, *tmp;

	k->notices++;
	HASH_ITER (hh, k->entries, e, tmp)
		entry_free(k, e);
}

static void
on_key(void *arg, struct str key)
{
	struct dkim_keys *k = arg;
	ptrdiff_t open = str_index(key, '{'), close = str_rindex(key, '}');
	char domain[DOMAIN_MAX];
	struct entry *e;

	k->notices++;
	if (open < 0 || close <= open || !str_eq(str_from(key, (size_t)close + 1), STR(":dkim")) ||
	    !str_copy(str_of(key.p + open + 1, (size_t)(close - open - 1)), domain, sizeof(domain)))
		return;
	HASH_FIND_STR(k->entries, domain, e);
	if (e != NULL)
		entry_free(k, e);
}

static void
keys_keep(struct dkim_keys *k, const char *domain, struct dkim_key_set *set)
{
	struct entry *e = keys_find(k, domain);

	if (e != NULL)
		entry_free(k, e);
	if (HASH_COUNT(k->entries) >= CACHE_MAX)
		entry_free(k, k->entries);
	e = mem_new(struct entry);
	str_copy(str_c(domain), e->domain, sizeof(e->domain));
	e->set = dkim_key_set_ref(set);
	e->read_ms = clock_monotonic_ms();
	HASH_ADD_STR(k->entries, domain, e);
}

struct dkim_keys *
dkim_keys_new(struct redis *r, struct tracking *t)
{
	struct dkim_keys *k = mem_new(struct dkim_keys);

	k->redis = r;
	k->caching = t != NULL;
	if (t != NULL)
		tracking_watch_prefix(t, "domain:", on_key, forget_all, k);
	return k;
}

void
dkim_keys_free(struct dkim_keys **k)
{
	if (*k == NULL)
		return;
	forget_all(*k);
	mem_free(*k);
	*k = NULL;
}

/* ---- Reading ---- */
static int
by_age(const void *a, const void *b)
{
	const struct dkim_key *x = a, *y = b;

	return (x->created_ms > y->created_ms) - (x->created_ms < y->created_ms);
}

/* Reads all valid keys of a reply; returns their number. */
static unsigned
read_keys(const redisReply *reply, const char *domain, struct dkim_key keys[KEYS_OF_DOMAIN])
{
	unsigned count = 0;
	struct err err;

	for (size_t i = 0; i + 1 < reply->elements && count < KEYS_OF_DOMAIN; i += 2) {
		if (dkim_key_read(redis_str(reply->element[i]), redis_str(reply->element[i + 1]), &keys[count], &err) ==
		    0)
			count++;
		else
			log_error(NULL, "DKIM key not in use", F_C("domain", domain), F_ERR(&err));
	}
	qsort(keys, count, sizeof(*keys), by_age);
	return count;
}

struct reading {
	struct dkim_keys *keys; /* borrowed */
	char domain[DOMAIN_MAX];
	uint64_t notices; /* at the time of the request */
	dkim_on_keys *cb;
	dkim_on_list *list_cb;
	dkim_on_done *done_cb;
	void *arg;
};

static struct dkim_key_set *
active_set(struct dkim_key *keys, unsigned count)
{
	struct dkim_key_set *set = mem_new(struct dkim_key_set);
	bool has[DKIM_ALGORITHMS] = {false};

	set->references = 1;
	for (unsigned i = count; i-- > 0;) {
		if (keys[i].state == DKIM_ACTIVE && !has[keys[i].algorithm]) {
			has[keys[i].algorithm] = true;
			set->keys[set->count++] = keys[i];
		} else {
			dkim_key_fini(&keys[i]);
		}
	}
	return set;
}

static void
keys_on_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct reading *q = arg;
	struct dkim_key keys[KEYS_OF_DOMAIN];
	struct dkim_key_set *set;
	unsigned count;

	if (err != NULL) {
		q->cb(q->arg, NULL, err);
		mem_free(q);
		return;
	}
	count = read_keys(reply, q->domain, keys);
	set = active_set(keys, count);
	if (q->keys->caching && q->notices == q->keys->notices)
		keys_keep(q->keys, q->domain, set);
	q->cb(q->arg, set, NULL);
	dkim_key_set_unref(&set);
	mem_free(q);
}

static struct reading *
reading_new(struct dkim_keys *k, struct str domain, void *arg)
{
	struct reading *q = mem_new(struct reading);

	q->keys = k;
	str_copy(domain, q->domain, sizeof(q->domain));
	q->notices = k->notices;
	q->arg = arg;
	return q;
}

static void
keys_ask(struct dkim_keys *k, redis_on_reply *cb, struct reading *q)
{
	char key[DOMAIN_MAX + 24];

	redis_call_key(k->redis, cb, q, "HGETALL", redis_key_print(key, sizeof(key), KEY_DOMAIN_DKIM, str_c(q->domain)),
		       0, NULL);
}

void
dkim_keys_get(struct dkim_keys *k, struct str domain, dkim_on_keys *cb, void *arg)
{
	struct reading *q = reading_new(k, domain, arg);
	struct entry *e = keys_find(k, q->domain);
	struct dkim_key_set *set;

	q->cb = cb;
	if (e == NULL) {
		keys_ask(k, keys_on_read, q);
		return;
	}
	set = dkim_key_set_ref(e->set);
	cb(arg, set, NULL);
	dkim_key_set_unref(&set);
	mem_free(q);
}

bool
dkim_keys_has_none(struct dkim_keys *k, struct str domain)
{
	char name[DOMAIN_MAX];
	struct entry *e;

	str_copy(domain, name, sizeof(name));
	e = keys_find(k, name);
	return e != NULL && e->set->count == 0;
}

/* ---- Changing and listing ---- */
static void
on_changed(void *arg, const redisReply *reply, const struct err *err)
{
	struct reading *q = arg;

	(void)reply;
	q->done_cb(q->arg, err);
	mem_free(q);
}

static void
keys_change(struct dkim_keys *k, struct str domain, const struct str *args, size_t count, dkim_on_done *cb, void *arg)
{
	struct reading *q = reading_new(k, domain, arg);
	char record[DOMAIN_MAX + 16], keys[DOMAIN_MAX + 24];

	q->done_cb = cb;
	redis_eval(k->redis, on_changed, q, &dkim_change, 2,
		   (const struct str[]){
			   redis_key_print(record, sizeof(record), KEY_DOMAIN, str_c(q->domain)),
			   redis_key_print(keys, sizeof(keys), KEY_DOMAIN_DKIM, str_c(q->domain)),
		   },
		   count, args);
}

void
dkim_keys_add(struct dkim_keys *k, struct str domain, const struct dkim_key *key, dkim_on_done *cb, void *arg)
{
	struct buf text = BUF_EMPTY;

	dkim_key_write(key, &text);
	keys_change(k, domain, (const struct str[]){STR("add"), str_c(key->selector), buf_str(&text)}, 3, cb, arg);
	OPENSSL_cleanse(text.data, text.len);
	buf_fini(&text);
}

void
dkim_keys_activate(struct dkim_keys *k, struct str domain, struct str selector, dkim_on_done *cb, void *arg)
{
	keys_change(k, domain, (const struct str[]){STR("activate"), selector}, 2, cb, arg);
}

void
dkim_keys_delete(struct dkim_keys *k, struct str domain, struct str selector, dkim_on_done *cb, void *arg)
{
	keys_change(k, domain, (const struct str[]){STR("delete"), selector}, 2, cb, arg);
}

static void
keys_on_list(void *arg, const redisReply *reply, const struct err *err)
{
	struct reading *q = arg;
	struct dkim_key keys[KEYS_OF_DOMAIN];
	unsigned count;

	if (err != NULL) {
		q->list_cb(q->arg, NULL, 0, err);
		mem_free(q);
		return;
	}
	count = read_keys(reply, q->domain, keys);
	q->list_cb(q->arg, keys, count, NULL);
	for (unsigned i = 0; i < count; i++)
		dkim_key_fini(&keys[i]);
	mem_free(q);
}

void
dkim_keys_list(struct dkim_keys *k, struct str domain, dkim_on_list *cb, void *arg)
{
	struct reading *q = reading_new(k, domain, arg);

	q->list_cb = cb;
	keys_ask(k, keys_on_list, q);
}
