/* The spool's state in Redis: leases and reading. (Writing is in batch.c.) */
#include "lib/spool/spool.h"

#include <stdio.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/spool/id.h"
#include "lib/spool/keys.h"

REDIS_SCRIPT(spool_acquire, "lib/spool/acquire.lua");
REDIS_SCRIPT(spool_renew, "lib/spool/renew.lua");
REDIS_SCRIPT(spool_release, "lib/spool/release.lua");
REDIS_SCRIPT(spool_find_script, "lib/spool/find.lua");
REDIS_SCRIPT(spool_page, "lib/spool/page.lua");

enum { NUMBER_MAX = 24 };

static struct str
spool_number(int64_t number, char out[NUMBER_MAX])
{
	return str_of(out, (size_t)snprintf(out, NUMBER_MAX, "%lld", (long long)number));
}

struct str
spool_key(enum redis_key key, unsigned shard, char out[SPOOL_KEY_MAX])
{
	char number[NUMBER_MAX];

	return redis_key_print(out, SPOOL_KEY_MAX, key, spool_number(shard, number));
}

struct str
spool_done_key(unsigned shard, int64_t unix_ms, char out[SPOOL_KEY_MAX])
{
	char number[NUMBER_MAX], hour[NUMBER_MAX];

	return redis_key_print(out, SPOOL_KEY_MAX, KEY_SPOOL_DONE, spool_number(shard, number),
			       spool_number(unix_ms / 3600000, hour));
}

/* ---- The number of shards ---- */
struct count_call {
	spool_on_count *cb;
	void *arg;
};

static struct count_call *
count_call_new(spool_on_count *cb, void *arg)
{
	struct count_call *c = mem_new(struct count_call);
	c->cb = cb;
	c->arg = arg;
	return c;
}

static void
on_shard_count(void *arg, const redisReply *reply, const struct err *err)
{
	struct count_call *c = arg;
	struct err bad;
	int64_t count = err == NULL ? redis_i64(reply, 0) : 0;

	if (err == NULL && reply->type == REDIS_REPLY_NIL) {
		err_set(&bad, ERR_NOT_FOUND, "%s is not set", redis_key_pattern(KEY_CLUSTER_SHARD_COUNT));
		err = &bad;
	} else if (err == NULL && (count < 1 || count > SPOOL_SHARDS_MAX)) {
		err_set(&bad, ERR_CORRUPT, "%s is not 1 to %d", redis_key_pattern(KEY_CLUSTER_SHARD_COUNT),
			SPOOL_SHARDS_MAX);
		err = &bad;
	}
	c->cb(c->arg, count, err);
	mem_free(c);
}

void
spool_init_shard_count(struct redis *r, unsigned wanted, spool_on_count *cb, void *arg)
{
	char number[NUMBER_MAX];

	redis_call_key(r, NULL, NULL, "SET", str_c(redis_key_pattern(KEY_CLUSTER_SHARD_COUNT)), 2,
		       (const struct str[]){spool_number(wanted, number), STR("NX")});
	spool_read_shard_count(r, cb, arg);
}

void
spool_read_shard_count(struct redis *r, spool_on_count *cb, void *arg)
{
	redis_call_key(r, on_shard_count, count_call_new(cb, arg), "GET",
		       str_c(redis_key_pattern(KEY_CLUSTER_SHARD_COUNT)), 0, NULL);
}

/* ---- Leases ---- */
struct lease_call {
	unsigned shard;
	spool_on_lease *on_lease;
	spool_on_done *on_done;
	void *arg;
};

static struct lease_call *
lease_call_new(unsigned shard, spool_on_lease *on_lease, spool_on_done *on_done, void *arg)
{
	struct lease_call *c = mem_new(struct lease_call);
	*c = (struct lease_call){.shard = shard, .on_lease = on_lease, .on_done = on_done, .arg = arg};
	return c;
}

static void
on_acquired(void *arg, const redisReply *reply, const struct err *err)
{
	struct lease_call *c = arg;
	struct spool_lease lease = {.shard = c->shard};
	struct err bad;

	if (err == NULL && !str_copy(redis_str(reply), lease.value, sizeof(lease.value))) {
		err_set(&bad, ERR_CORRUPT, "a lease of %zu bytes", redis_str(reply).len);
		err = &bad;
	}
	c->on_lease(c->arg, err == NULL ? &lease : NULL, err);
	mem_free(c);
}

void
spool_lease_acquire(struct redis *r, unsigned shard, const char *broker, int64_t ttl_ms, bool take_own,
		    spool_on_lease *cb, void *arg)
{
	char lease[SPOOL_KEY_MAX], fence[SPOOL_KEY_MAX], ttl[NUMBER_MAX];
	struct str keys[2], args[3];

	CHECKF(str_index(str_c(broker), ' ') < 0 && strlen(broker) < SPOOL_LEASE_MAX - 30, "broker id %s", broker);
	keys[0] = spool_key(KEY_SPOOL_LEASE, shard, lease);
	keys[1] = spool_key(KEY_SPOOL_FENCE, shard, fence);
	args[0] = str_c(broker);
	args[1] = spool_number(ttl_ms, ttl);
	args[2] = take_own ? STR("1") : STR("0");
	redis_eval(r, on_acquired, lease_call_new(shard, cb, NULL, arg), &spool_acquire, 2, keys, 3, args);
}

static void
on_lease_done(void *arg, const redisReply *reply, const struct err *err)
{
	struct lease_call *c = arg;

	(void)reply;
	if (c->on_done != NULL)
		c->on_done(c->arg, err);
	mem_free(c);
}

void
spool_lease_renew(struct redis *r, const struct spool_lease *lease, int64_t ttl_ms, spool_on_done *cb, void *arg)
{
	char key[SPOOL_KEY_MAX], fence[SPOOL_KEY_MAX], ttl[NUMBER_MAX];
	struct str keys[2], args[3], value = str_c(lease->value);
	ptrdiff_t space = str_rindex(value, ' ');

	CHECKF(space > 0, "lease %s", lease->value);
	keys[0] = spool_key(KEY_SPOOL_LEASE, lease->shard, key);
	keys[1] = spool_key(KEY_SPOOL_FENCE, lease->shard, fence);
	args[0] = value;
	args[1] = str_from(value, (size_t)space + 1);
	args[2] = spool_number(ttl_ms, ttl);
	redis_eval(r, on_lease_done, lease_call_new(lease->shard, NULL, cb, arg), &spool_renew, 2, keys, 3, args);
}

void
spool_lease_release(struct redis *r, const struct spool_lease *lease, spool_on_done *cb, void *arg)
{
	char key[SPOOL_KEY_MAX];
	struct str keys[1], args[1] = {str_c(lease->value)};

	keys[0] = spool_key(KEY_SPOOL_LEASE, lease->shard, key);
	redis_eval(r, on_lease_done, lease_call_new(lease->shard, NULL, cb, arg), &spool_release, 1, keys, 1, args);
}

/* ---- Reading ---- */
struct find_call {
	char id[SPOOL_ID_MAX];
	spool_on_entry *cb;
	void *arg;
};

static void
on_found(void *arg, const redisReply *reply, const struct err *err)
{
	struct find_call *c = arg;
	struct spool_entry entry = {.id = str_c(c->id)};
	struct err bad;

	if (err == NULL && reply->type == REDIS_REPLY_ARRAY && reply->elements == 3) {
		entry.envelope = redis_str(reply->element[0]);
		entry.state = redis_str(reply->element[1]);
		entry.trace = redis_str(reply->element[2]);
	}
	if (err == NULL && entry.envelope.len == 0 && entry.trace.len == 0) {
		err_set(&bad, ERR_NOT_FOUND, "no message %s", c->id);
		err = &bad;
	}
	c->cb(c->arg, err == NULL ? &entry : NULL, err);
	mem_free(c);
}

void
spool_find(struct redis *r, struct str id, spool_on_entry *cb, void *arg)
{
	struct find_call *c = mem_new(struct find_call);
	char env[SPOOL_KEY_MAX], state[SPOOL_KEY_MAX], done[SPOOL_KEY_MAX];
	struct str keys[3], args[1] = {id};
	unsigned shard;
	int64_t unix_ms;

	CHECKF(spool_id_parse(id, &shard, &unix_ms), "id %.*s", STR_ARG(id));
	keys[0] = spool_key(KEY_SPOOL_ENVELOPES, shard, env);
	keys[1] = spool_key(KEY_SPOOL_STATES, shard, state);
	keys[2] = spool_done_key(shard, unix_ms, done);
	str_copy(id, c->id, sizeof(c->id));
	c->cb = cb;
	c->arg = arg;
	redis_eval(r, on_found, c, &spool_find_script, 3, keys, 1, args);
}

struct page_call {
	spool_on_page *cb;
	void *arg;
};

static void
spool_on_page_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct page_call *c = arg;
	struct spool_entry *entries = NULL;
	size_t count = 0;
	uint64_t next = 0;
	struct err bad;

	if (err == NULL && (reply->type != REDIS_REPLY_ARRAY || reply->elements % 3 != 1 ||
			    !str_to_u64(redis_str(reply->element[0]), &next))) {
		err_set(&bad, ERR_CORRUPT, "a page of the spool has the wrong form");
		err = &bad;
	}
	if (err == NULL) {
		count = reply->elements / 3;
		entries = mem_alloc(count * sizeof(*entries));
		for (size_t i = 0; i < count; i++) {
			entries[i] = (struct spool_entry){.id = redis_str(reply->element[1 + i * 3]),
							  .envelope = redis_str(reply->element[2 + i * 3]),
							  .state = redis_str(reply->element[3 + i * 3])};
		}
	}
	c->cb(c->arg, entries, count, next, err);
	mem_free(entries);
	mem_free(c);
}

void
spool_read_page(struct redis *r, unsigned shard, uint64_t cursor, unsigned count, spool_on_page *cb, void *arg)
{
	struct page_call *c = mem_new(struct page_call);
	char env[SPOOL_KEY_MAX], state[SPOOL_KEY_MAX], cursor_text[24], count_text[NUMBER_MAX];
	struct str keys[2], args[2];

	snprintf(cursor_text, sizeof(cursor_text), "%llu", (unsigned long long)cursor);
	keys[0] = spool_key(KEY_SPOOL_ENVELOPES, shard, env);
	keys[1] = spool_key(KEY_SPOOL_STATES, shard, state);
	args[0] = str_c(cursor_text);
	args[1] = spool_number(count, count_text);
	c->cb = cb;
	c->arg = arg;
	redis_eval(r, spool_on_page_read, c, &spool_page, 2, keys, 2, args);
}

/* ---- Events ---- */
struct events_call {
	spool_on_events *cb;
	void *arg;
};

static bool
is_event(const redisReply *r)
{
	return r->type == REDIS_REPLY_ARRAY && r->elements == 2 && r->element[1]->type == REDIS_REPLY_ARRAY &&
	       r->element[1]->elements >= 2;
}

static void
on_events(void *arg, const redisReply *reply, const struct err *err)
{
	struct events_call *c = arg;
	struct spool_event *events = NULL;
	size_t count = 0;

	if (err == NULL && reply->type == REDIS_REPLY_ARRAY) {
		events = mem_alloc((reply->elements + 1) * sizeof(*events));
		for (size_t i = 0; i < reply->elements; i++)
			if (is_event(reply->element[i]))
				events[count++] = (struct spool_event){
					.id = redis_str(reply->element[i]->element[0]),
					.json = redis_str(reply->element[i]->element[1]->element[1])};
	}
	c->cb(c->arg, events, count, err);
	mem_free(events);
	mem_free(c);
}

void
spool_read_events(struct redis *r, unsigned shard, const char *after, unsigned count, spool_on_events *cb, void *arg)
{
	struct events_call *c = mem_new(struct events_call);
	char key[SPOOL_KEY_MAX], start[64], number[NUMBER_MAX];

	CHECK(snprintf(start, sizeof(start), "(%s", after) < (int)sizeof(start));
	*c = (struct events_call){.cb = cb, .arg = arg};
	redis_call_key(r, on_events, c, "XRANGE", spool_key(KEY_SPOOL_EVENTS, shard, key), 4,
		       (const struct str[]){str_c(start), STR("+"), STR("COUNT"), spool_number(count, number)});
}
