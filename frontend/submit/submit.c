/* A mail transaction: what was said of a message from MAIL on. */
#include "frontend/smtp/private.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

struct smtp_transaction *
smtp_transaction_new(struct smtp_session *s)
{
	struct frontend *f = conn_frontend(s->conn);
	int shard = bus_client_pick_shard(f->bus);
	struct smtp_transaction *t;

	CHECK(s->transaction == NULL);
	if (shard < 0)
		return NULL;
	t = mem_new(struct smtp_transaction);
	t->session = s;
	t->frontend = f;
	t->begun_ms = clock_unix_ms();
	t->recipients_end = &t->recipients;
	arena_init(&t->arena);
	spool_id_new((unsigned)shard, t->id);
	t->log = (struct log_context){.parent = conn_log(s->conn), .fields = {F_C("id", t->id)}};
	return t;
}

void
smtp_transaction_free(struct smtp_transaction **transaction)
{
	struct smtp_transaction *t = *transaction;

	if (t == NULL)
		return;
	if (t->append != NULL)
		blob_append_abort(&t->append);
	if (t->is_blob_ours)
		blob_release(t->frontend->service->blobs, &t->blob);
	header_watch_fini(&t->watch);
	dkim_stream_free(&t->dkim);
	buf_fini(&t->held);
	arena_fini(&t->arena);
	mem_free(t);
	*transaction = NULL;
}

void
smtp_transaction_reset(struct smtp_session *s)
{
	smtp_transaction_free(&s->transaction);
	if (s->state != SMTP_NEW)
		smtp_set_state(s, SMTP_GREETED);
}

static uint32_t
hash_address(struct str address)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (size_t i = 0; i < address.len; i++)
		hash = (hash ^ (unsigned char)address.p[i]) * 16777619u;
	return hash;
}

/* Packed, with tags and lengths; an address may get longer as it is looked up. */
static size_t
recipient_bytes(struct str address, const struct smtp_rcpt_params *params)
{
	enum { AROUND = 32, LONGER = 16 };

	return address.len + params->orcpt.len + AROUND + LONGER;
}

bool
smtp_transaction_has_room(const struct smtp_transaction *t, struct str address, const struct smtp_rcpt_params *params)
{
	enum { ALL_ELSE = 256 * 1024 }; /* signatures, names */

	return t->recipient_bytes + recipient_bytes(address, params) <= SPOOL_ENVELOPE_MAX - ALL_ELSE;
}

bool
smtp_transaction_add(struct smtp_transaction *t, struct str address, bool local, const struct smtp_rcpt_params *params)
{
	uint32_t hash = hash_address(address);
	struct smtp_recipient *r;

	for (r = t->recipients; r != NULL; r = r->next)
		if (r->hash == hash && str_eq(str_c(r->record.address), address))
			return false;
	r = arena_new(&t->arena, struct smtp_recipient);
	stagepost__recipient__init(&r->record);
	r->record.address = arena_dup(&t->arena, address.p, address.len);
	if (params->orcpt.len != 0)
		r->record.orcpt = arena_dup(&t->arena, params->orcpt.p, params->orcpt.len);
	r->record.notify = params->notify;
	r->record.local = local;
	r->hash = hash;
	*t->recipients_end = r;
	t->recipients_end = &r->next;
	t->recipient_count++;
	t->recipient_bytes += recipient_bytes(address, params);
	return true;
}

void
smtp_transaction_detach(struct smtp_transaction *t)
{
	t->session = NULL;
	t->log.parent = NULL;
}
