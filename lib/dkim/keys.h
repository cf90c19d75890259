/* The keys of domains, in Redis: domain:{<name>}:dkim, a hash of selector to
 * key (key.h). Active keys are read through a cache that notices keep current,
 * with an expiry of 60 s as a fallback. */
#ifndef SP_DKIM_KEYS_H
#define SP_DKIM_KEYS_H

#include "lib/base/err.h"
#include "lib/dkim/key.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"

struct dkim_keys;

/* t NULL: nothing is cached. Otherwise the loop must not run again between
 * dkim_keys_free() and tracking_free(). */
struct dkim_keys *dkim_keys_new(struct redis *r, struct tracking *t);
/* No callback of dkim_keys_get() may be outstanding, unless the loop does not
 * run any more. */
void dkim_keys_free(struct dkim_keys **k);

/* The active keys of a domain, one per algorithm. Shared, reference-counted. */
struct dkim_key_set {
	unsigned references;
	unsigned count;
	struct dkim_key keys[DKIM_ALGORITHMS];
};
struct dkim_key_set *dkim_key_set_ref(struct dkim_key_set *set);
void dkim_key_set_unref(struct dkim_key_set **set);

/* set: borrowed for the call, count 0: the domain does not sign. NULL: err. */
typedef void dkim_on_keys(void *arg, struct dkim_key_set *set, const struct err *err);
/* Always calls back once; from within the call if it is cached. */
void dkim_keys_get(struct dkim_keys *k, struct str domain, dkim_on_keys *cb, void *arg);
/* True if it is known for certain that the domain does not sign. */
bool dkim_keys_has_none(struct dkim_keys *k, struct str domain);

/* ---- For the tool; the domain must exist (ERR_NOT_FOUND) ---- */
typedef void dkim_on_done(void *arg, const struct err *err);
/* Adds a key under its selector (ERR_EXISTS if that is taken). An active key
 * retires the previous one. */
void dkim_keys_add(struct dkim_keys *k, struct str domain, const struct dkim_key *key, dkim_on_done *cb, void *arg);
void dkim_keys_activate(struct dkim_keys *k, struct str domain, struct str selector, dkim_on_done *cb, void *arg);
void dkim_keys_delete(struct dkim_keys *k, struct str domain, struct str selector, dkim_on_done *cb, void *arg);
/* The keys that can be read, by age; borrowed for the call. */
typedef void dkim_on_list(void *arg, const struct dkim_key *keys, unsigned count, const struct err *err);
void dkim_keys_list(struct dkim_keys *k, struct str domain, dkim_on_list *cb, void *arg);

#endif
