/* The keys of domains, in Redis: domain:{<name>}:dkim, a hash of selector to
 * key (key.h). Reading what signs goes through a cache that notices keep true,
 * with 60 s behind them. */
#ifndef SP_DKIM_KEYS_H
#define SP_DKIM_KEYS_H

#include "lib/base/err.h"
#include "lib/dkim/key.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"

struct dkim_keys;

/* t NULL: nothing is cached. With one: after dkim_keys_free() the loop must
 * not turn again before tracking_free(). */
struct dkim_keys *dkim_keys_new(struct redis *r, struct tracking *t);
/* No callback of dkim_keys_get() may be outstanding, unless the loop does not
 * turn any more. */
void dkim_keys_free(struct dkim_keys **k);

/* The active keys of a domain, one an algorithm. Shared: counted. */
struct dkim_key_set {
	unsigned references;
	unsigned count;
	struct dkim_key keys[DKIM_ALGORITHMS];
};
struct dkim_key_set *dkim_key_set_ref(struct dkim_key_set *set);
void dkim_key_set_unref(struct dkim_key_set **set);

/* set: borrowed for the call, count 0: the domain does not sign. NULL: err. */
typedef void dkim_on_keys(void *arg, struct dkim_key_set *set, const struct err *err);
/* Always called back, once; from within the call when it is cached. */
void dkim_keys_get(struct dkim_keys *k, struct str domain, dkim_on_keys *cb, void *arg);
/* Is it known, and true, that the domain does not sign? */
bool dkim_keys_has_none(struct dkim_keys *k, struct str domain);

/* ---- For the tool; the domain must exist (ERR_NOT_FOUND) ---- */
typedef void dkim_on_done(void *arg, const struct err *err);
/* A new key under its selector (ERR_EXISTS when that is taken). An active one
 * retires the one that was. */
void dkim_keys_add(struct dkim_keys *k, struct str domain, const struct dkim_key *key, dkim_on_done *cb, void *arg);
void dkim_keys_activate(struct dkim_keys *k, struct str domain, struct str selector, dkim_on_done *cb, void *arg);
void dkim_keys_delete(struct dkim_keys *k, struct str domain, struct str selector, dkim_on_done *cb, void *arg);
/* Keys that can be read, by age; borrowed for the call. */
typedef void dkim_on_list(void *arg, const struct dkim_key *keys, unsigned count, const struct err *err);
void dkim_keys_list(struct dkim_keys *k, struct str domain, dkim_on_list *cb, void *arg);

#endif
