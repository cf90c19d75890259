/* Queries that are answered from records.
 *
 * A request is a step function that looks up records and answers when it has
 * all it needs. Records that are not cached are fetched; several requests can
 * wait for one fetch. The step then runs again from its start: a request holds
 * the records it got, so its view does not change under it.
 *
 * A notice about a key drops it from the cache and detaches its fetch: the
 * pending answer may be older than the change, so it only serves the requests
 * that already wait, is not cached, and no other request joins it. */
#include "lib/directory/private.h"

struct waiter {
	struct request *req; /* borrowed */
	unsigned slot;	     /* in req->held */
	struct waiter *next;
};

struct fetch {
	struct directory *d; /* borrowed; NULL: freed meanwhile */
	enum record_kind kind;
	bool is_detached;
	struct waiter *waiters;	   /* owner */
	struct fetch *prev, *next; /* among the detached ones */
	UT_hash_handle hh;
	char key[]; /* of hh.keylen bytes */
};

/* ---- Fetching ---- */
static void
unlink_fetch(struct fetch *fetch)
{
	CHECK(fetch->d != NULL);
	if (fetch->is_detached)
		DL_DELETE(fetch->d->detached, fetch);
	else
		HASH_DEL(fetch->d->fetches, fetch);
}

static void
detach_fetch(struct fetch *fetch)
{
	CHECK(fetch->d != NULL);
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): lost in uthash */
	HASH_DEL(fetch->d->fetches, fetch);
	fetch->is_detached = true;
	DL_APPEND(fetch->d->detached, fetch);
}

static void request_go_on(struct request *req);

/* Not where there are no notices to keep it true. */
static void
fetch_keep(struct fetch *fetch, struct record *record)
{
	if (fetch->d->tracking != NULL)
		cache_put(&fetch->d->cache, str_of(fetch->key, fetch->hh.keylen), record);
}

static void
request_on_fetched(void *arg, const redisReply *reply, const struct err *err)
{
	struct fetch *fetch = arg;
	struct directory *d = fetch->d;
	if (d == NULL) {
		mem_free(fetch);
		return;
	}
	struct record *record = reply != NULL ? record_new(fetch->kind, reply) : NULL;
	if (record != NULL && !fetch->is_detached)
		fetch_keep(fetch, record);
	unlink_fetch(fetch);
	for (struct waiter *w = fetch->waiters, *next; w != NULL; w = next) {
		next = w->next;
		struct request *req = w->req;
		if (record != NULL)
			req->held[w->slot].record = record_ref(record);
		else
			req->err = *err;
		mem_free(w);
		req->outstanding--;
		if (req->outstanding == 0)
			request_go_on(req);
	}
	record_unref(&record);
	mem_free(fetch);
}

static struct fetch *
fetch_get(struct directory *d, enum record_kind kind, struct str key)
{
	struct fetch *fetch;
	HASH_FIND(hh, d->fetches, key.p, key.len, fetch);
	if (fetch != NULL)
		return fetch;
	fetch = mem_zalloc(sizeof(*fetch) + key.len);
	fetch->d = d;
	fetch->kind = kind;
	memcpy(fetch->key, key.p, key.len);
	HASH_ADD(hh, d->fetches, key, key.len, fetch);
	record_request(d->redis, kind, key, request_on_fetched, fetch);
	return fetch;
}

static void
forget_fetch(struct fetch *fetch)
{
	for (struct waiter *w = fetch->waiters, *next; w != NULL; w = next) {
		next = w->next;
		mem_free(w);
	}
	fetch->waiters = NULL;
	unlink_fetch(fetch);
	fetch->d = NULL; /* its answer will free it */
}

void
fetches_fini(struct directory *d)
{
	while (d->fetches != NULL)
		forget_fetch(d->fetches);
	while (d->detached != NULL)
		forget_fetch(d->detached);
}

void
directory_forget_key(struct directory *d, struct str key)
{
	struct fetch *fetch;
	cache_drop(&d->cache, key);
	HASH_FIND(hh, d->fetches, key.p, key.len, fetch);
	if (fetch != NULL)
		detach_fetch(fetch);
}

void
directory_forget_all(struct directory *d)
{
	cache_clear(&d->cache);
	while (d->fetches != NULL)
		detach_fetch(d->fetches);
}

/* ---- Requests ---- */
void
request_init(struct request *req, struct directory *d)
{
	req->d = d;
	req->step = NULL;
	req->deliver = NULL;
	req->cb = NULL;
	req->arg = NULL;
	req->is_cancelled = false;
	req->name[0] = '\0';
	req->has_base = false;
	req->held_count = req->outstanding = 0;
	req->err.code = ERR_NONE;
}

void
request_fini(struct request *req)
{
	for (unsigned i = 0; i < req->held_count; i++)
		record_unref(&req->held[i].record);
	req->held_count = 0;
}

const struct record *
request_lookup(struct request *req, enum record_kind kind, struct str name)
{
	char key[DIRECTORY_KEY_MAX];
	size_t key_len = record_key(kind, name, key);
	for (unsigned i = 0; i < req->held_count; i++)
		if (req->held[i].key_len == key_len && memcmp(req->held[i].key, key, key_len) == 0)
			return req->held[i].record;

	CHECK(req->held_count < REQUEST_RECORDS_MAX);
	unsigned slot = req->held_count++;
	memcpy(req->held[slot].key, key, key_len);
	req->held[slot].key_len = key_len;
	req->held[slot].kind = kind;
	req->held[slot].record = NULL;
	struct record *record = cache_find(&req->d->cache, str_of(key, key_len));
	if (record != NULL)
		req->held[slot].record = record_ref(record);
	else
		req->outstanding++;
	return record;
}

/* Requests everything that the step found missing. */
static void
request_wait(struct request *req)
{
	for (unsigned slot = 0; slot < req->held_count; slot++) {
		if (req->held[slot].record != NULL)
			continue;
		struct str key = str_of(req->held[slot].key, req->held[slot].key_len);
		enum record_kind kind = req->held[slot].kind;
		struct fetch *fetch = fetch_get(req->d, kind, key);
		struct waiter *w = mem_new(struct waiter);
		w->req = req;
		w->slot = slot;
		LL_PREPEND(fetch->waiters, w);
	}
}

static void
request_go_on(struct request *req)
{
	if (req->err.code == ERR_NONE && !req->is_cancelled && !req->step(req)) {
		CHECK(req->outstanding > 0);
		request_wait(req);
		return;
	}
	DL_DELETE(req->d->requests, req);
	if (!req->is_cancelled)
		req->deliver(req, req->err.code != ERR_NONE ? &req->err : NULL);
	request_fini(req);
	mem_free(req);
}

bool
request_start(struct request *req)
{
	if (req->step(req))
		return true;
	CHECK(req->outstanding > 0);
	struct request *waiting = mem_alloc(sizeof(*waiting));
	*waiting = *req; /* with its references */
	req->held_count = 0;
	DL_APPEND(waiting->d->requests, waiting);
	request_wait(waiting);
	return false;
}

void
requests_cancel(struct directory *d, const void *arg)
{
	for (struct request *req = d->requests; req != NULL; req = req->next)
		if (req->arg == arg)
			req->is_cancelled = true;
}

/* After fetches_fini(): nobody waits any more. */
void
requests_fini(struct directory *d)
{
	for (struct request *req = d->requests, *next; req != NULL; req = next) {
		next = req->next;
		request_fini(req);
		mem_free(req);
	}
	d->requests = NULL;
}
