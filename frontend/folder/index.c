/* The folder indexes in this process. */
#include <stdio.h>

#include <utlist.h>

#include "frontend/folder/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

static struct {
	struct folder_index_private *table;
	struct folder_index_private *spare; /* oldest first */
	size_t spare_bytes;
	struct event *poll; /* owner; from the first index on */
	unsigned turn, made;
} all;

/* ---- Polling ---- */

static void
index_on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct folder_index_private *p, *next;

	(void)fd, (void)what, (void)arg;
	/* Each index has its own second, so that the store does not get all requests at once. */
	all.turn = (all.turn + 1) % FOLDER_POLL_S;
	HASH_ITER (hh, all.table, p, next)
		if (p->poll_turn == all.turn && !p->spare && p->watchers != NULL)
			folder_follow_look(&p->index);
}

static void
index_begin_poll(struct frontend *f)
{
	struct timeval every = clock_timeval(1000);

	if (all.poll != NULL)
		return;
	all.poll = event_new(f->service->base, -1, EV_PERSIST, index_on_poll, NULL);
	event_add(all.poll, &every);
}

/* ---- Life ---- */

static size_t
index_bytes(const struct folder_index_private *p)
{
	return sizeof(*p) + folder_records_bytes(&p->index);
}

static void
index_destroy(struct folder_index_private *p)
{
	struct folder_index *ix = &p->index;

	CHECK(p->refs == 0 && p->watchers == NULL && p->served == NULL);
	while (p->next != NULL) { /* only at the end of the process */
		struct folder_waiter *w = p->next;
		p->next = w->next;
		mem_free(w);
	}
	tracking_unsubscribe(&p->subscription);
	HASH_DEL(all.table, p);
	folder_records_free(ix);
	mem_free(ix->address);
	mem_free(p);
}

static void
index_unspare(struct folder_index_private *p)
{
	DL_DELETE2(all.spare, p, spare_prev, spare_next);
	all.spare_bytes -= index_bytes(p);
	p->spare = false;
}

void
folder_index_release(struct folder_index_private *p)
{
	CHECK(p->refs != 0);
	if (--p->refs != 0)
		return;
	if (p->index.gone || !p->index.loaded) {
		index_destroy(p);
		return;
	}
	/* Nobody listens now; the next user asks what has changed. */
	tracking_unsubscribe(&p->subscription);
	p->spare = true;
	DL_APPEND2(all.spare, p, spare_prev, spare_next);
	all.spare_bytes += index_bytes(p);
	while (all.spare_bytes > FOLDER_INDEX_SPARE_BYTES) {
		struct folder_index_private *oldest = all.spare;
		index_unspare(oldest);
		index_destroy(oldest);
	}
}

static struct folder_index_private *
index_make(struct frontend *f, struct str address, const struct mailbox_folder *folder, const char *key)
{
	struct folder_index_private *p = mem_new(struct folder_index_private);

	p->index.private = p;
	p->index.frontend = f;
	p->index.address = str_dup(address);
	p->index.folder_id = folder->id;
	p->poll_turn = all.made++ % FOLDER_POLL_S;
	folder_records_take_counts(&p->index, folder);
	folder_index_set_keywords(&p->index, folder->keywords, folder->keyword_count);
	snprintf(p->key, sizeof(p->key), "%s", key);
	HASH_ADD_STR(all.table, key, p);
	index_begin_poll(f);
	return p;
}

struct folder_index *
folder_index_get(struct frontend *f, struct str address, const struct mailbox_folder *folder,
		 struct folder_watcher *watcher)
{
	struct folder_index_private *p;
	char key[FOLDER_KEY_MAX];

	snprintf(key, sizeof(key), "%u %.*s", folder->id, STR_ARG(address));
	HASH_FIND_STR(all.table, key, p);
	if (p == NULL)
		p = index_make(f, address, folder, key);
	else if (p->spare)
		index_unspare(p);
	if (p->refs == 0 && folder->uid_validity != p->index.folder.uid_validity)
		folder_records_forget(&p->index); /* another folder with the same number: a new account */
	p->refs++;
	DL_APPEND(p->watchers, watcher);
	if (p->subscription == NULL)
		folder_follow_subscribe(&p->index);
	if (!p->index.loaded && folder->highest_modseq >= p->index.folder.highest_modseq)
		folder_records_take_counts(&p->index, folder);
	return &p->index;
}

void
folder_index_put(struct folder_index **ix, struct folder_watcher *watcher)
{
	struct folder_index_private *p = *ix != NULL ? folder_inside(*ix) : NULL;

	*ix = NULL;
	if (p == NULL)
		return;
	DL_DELETE(p->watchers, watcher);
	folder_index_release(p);
}
