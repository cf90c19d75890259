/* Certificates of the store, which a worker orders (lib/acme/store.h).
 *
 * A notice says that the index has changed. It is read, then each certificate whose
 * entry is new, one after the other, so that thousands of them do not hold up the loop.
 * Every entry is read again now and then, for notices that were lost. */
#include "frontend/core/tls_private.h"

#include <openssl/evp.h>

#include "lib/acme/store.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/op.h"

enum { STORED_EVERY_MS = 60 * 1000, STORED_AGAIN_MS = 1000 };

struct stored_wanted {
	struct str name, entry; /* in the arena */
	struct stored_wanted *next;
};

struct tls_stored {
	struct op op;	 /* holds the answer that is due */
	struct tls *tls; /* borrowed */
	struct event *timer;
	struct arena arena;	      /* of the list */
	struct stored_wanted *wanted; /* still to be read */
	bool reading, again, changed;
};

static void stored_next(struct tls_stored *s);

static void
stored_on_end(struct op *op)
{
	mem_free(OP_OWNER(op, struct tls_stored, op));
}

static void
stored_arm(struct tls_stored *s, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	evtimer_add(s->timer, &tv);
}

static void
stored_end_reading(struct tls_stored *s, int64_t next_ms)
{
	s->reading = false;
	if (s->changed)
		tls_store_note_change(s->tls);
	s->changed = false;
	stored_arm(s, s->again ? 0 : next_ms);
	s->again = false;
}

/* ---- One certificate ---- */

static struct certificate *
stored_find(const struct tls *t, struct str name)
{
	struct certificate *c;

	if (name.len == 0)
		return NULL;
	HASH_FIND(hh, t->stored, name.p, name.len, c);
	return c;
}

static void
stored_load(struct tls_stored *s, struct certificate *c, struct str chain, struct str sealed)
{
	struct err err;
	EVP_PKEY *key = acme_open_key(s->tls->options.keys, "certificate", str_c(c->name), sealed, &err);

	if (key == NULL || certificate_take(c, s->tls, chain, key, &err) != 0)
		certificate_failed(c, &err);
	EVP_PKEY_free(key);
}

static void
stored_take(struct tls_stored *s, struct str name, const redisReply *reply)
{
	struct tls *t = s->tls;
	struct certificate *c = stored_find(t, name);
	struct str entry = redis_str(reply->element[0]);

	if (entry.len == 0) /* removed meanwhile; the next look at the index tells */
		return;
	if (c == NULL) {
		c = certificate_new_stored(name);
		HASH_ADD_KEYPTR(hh, t->stored, c->name, strlen(c->name), c);
	}
	mem_free(c->entry);
	c->entry = str_dup(entry);
	stored_load(s, c, redis_str(reply->element[1]), redis_str(reply->element[2]));
	s->changed = true;
}

static void
stored_on_certificate(void *arg, const redisReply *reply, const struct err *err)
{
	struct tls_stored *s = arg;

	if (!op_back(&s->op))
		return;
	if (err != NULL) {
		stored_end_reading(s, STORED_AGAIN_MS);
		return;
	}
	if (reply->elements == 3)
		stored_take(s, s->wanted->name, reply);
	s->wanted = s->wanted->next;
	stored_next(s);
}

static void
stored_next(struct tls_stored *s)
{
	if (s->wanted == NULL) {
		stored_end_reading(s, STORED_EVERY_MS);
		return;
	}
	op_hold(&s->op);
	acme_read_certificate(s->tls->options.redis, s->wanted->name, stored_on_certificate, s);
}

/* ---- The index ---- */

static void
stored_want(struct tls_stored *s, struct str name, struct str entry)
{
	struct certificate *c = stored_find(s->tls, name);
	struct stored_wanted *w;

	if (c != NULL)
		c->listed = true;
	if (c != NULL && str_eq(str_c(c->entry), entry))
		return;
	w = arena_new(&s->arena, struct stored_wanted);
	*w = (struct stored_wanted){arena_str(&s->arena, name), arena_str(&s->arena, entry), s->wanted};
	s->wanted = w;
}

static void
stored_drop_unlisted(struct tls_stored *s)
{
	struct certificate *c, *next;

	HASH_ITER (hh, s->tls->stored, c, next)
		if (!c->listed) {
			log_info(NULL, "certificate removed", F_C("name", c->name));
			HASH_DEL(s->tls->stored, c);
			certificate_free(&c);
			s->changed = true;
		}
}

static void
stored_on_index(void *arg, const redisReply *reply, const struct err *err)
{
	struct tls_stored *s = arg;
	struct certificate *c, *next;

	if (!op_back(&s->op))
		return;
	if (err != NULL) {
		stored_end_reading(s, STORED_AGAIN_MS);
		return;
	}
	arena_reset(&s->arena);
	s->wanted = NULL;
	HASH_ITER (hh, s->tls->stored, c, next)
		c->listed = false;
	for (size_t i = 0; i + 1 < reply->elements; i += 2)
		stored_want(s, redis_str(reply->element[i]), redis_str(reply->element[i + 1]));
	stored_drop_unlisted(s);
	/* A certificate that is gone must be out of the table of names before anything else runs. */
	if (s->changed)
		tls_store_note_change(s->tls);
	stored_next(s);
}

static void
stored_read(struct tls_stored *s)
{
	if (s->reading) {
		s->again = true;
		return;
	}
	s->reading = true;
	op_hold(&s->op);
	acme_read_index(s->tls->options.redis, stored_on_index, s);
}

static void
stored_on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	stored_read(arg);
}

static void
stored_on_notice(void *arg, struct str key)
{
	(void)key;
	stored_read(arg);
}

static void
stored_on_lost(void *arg)
{
	stored_read(arg);
}

/* ---- Life ---- */

struct tls_stored *
tls_stored_open(struct tls *t, struct event_base *base)
{
	struct tls_stored *s = mem_new(struct tls_stored);

	op_init(&s->op, stored_on_end);
	arena_init(&s->arena);
	s->tls = t;
	s->timer = evtimer_new(base, stored_on_time, s);
	tracking_watch_prefix(t->options.tracking, ACME_WATCH_INDEX, stored_on_notice, stored_on_lost, s);
	stored_arm(s, 0);
	return s;
}

void
tls_stored_close(struct tls_stored **sp)
{
	struct tls_stored *s = *sp;

	*sp = NULL;
	if (s == NULL)
		return;
	event_free(s->timer);
	arena_fini(&s->arena);
	op_cancel(&s->op);
}
