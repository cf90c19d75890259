/* The mailbox store itself. */
#include <stdio.h>

#include "lib/base/mem.h"
#include "lib/mailbox/private.h"

/* A script takes some 5 µs per message of a copy. A step waits for references, which
 * are added one by one, and for a busy store: it never takes a minute. */
enum { COPY_AT_ONCE = MAILBOX_CHUNK_UIDS, COPY_LEASE_MS = 120000 };

struct mailbox_store *
mailbox_store_new(struct redis *r, struct blob_store *blobs)
{
	struct mailbox_store *m = mem_new(struct mailbox_store);

	m->redis = r;
	m->blobs = blobs;
	m->retention_s = MAILBOX_DEFAULT_RETENTION_S;
	m->copy_at_once = COPY_AT_ONCE;
	m->copy_lease_ms = COPY_LEASE_MS;
	return m;
}

void
mailbox_store_free(struct mailbox_store **m)
{
	mem_free(*m);
	*m = NULL;
}

void
mailbox_store_set_retention(struct mailbox_store *m, int64_t ms)
{
	m->retention_s = ms / 1000;
}

void
mailbox_channel(struct str address, char out[MAILBOX_CHANNEL_MAX])
{
	snprintf(out, MAILBOX_CHANNEL_MAX, "mail:{%.*s}", STR_ARG(address));
}
