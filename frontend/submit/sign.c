/* DKIM signatures of submissions: of authenticated users, and of hosts that
 * may relay. What others send in the name of a domain here is not vouched for.
 *
 * The domain that signs is that of From:, else that of the account (or of the
 * reverse-path), whichever has a key. Who may write which From: is the setting
 * require_auth_match. */
#include "frontend/smtp/private.h"

#include "lib/base/check.h"
#include "lib/mime/address.h"

static bool
is_vouched_for(const struct smtp_session *s)
{
	return s->account != NULL || ip_blocks_have(&smtp_settings(s)->relay_whitelist, conn_peer(s->conn));
}

bool
smtp_sign_begin(struct smtp_transaction *t)
{
	CHECK(t->dkim == NULL);
	if (is_vouched_for(t->session))
		t->dkim = dkim_stream_new();
	return t->dkim != NULL;
}

void
smtp_sign_feed(struct smtp_transaction *t, struct str piece)
{
	if (t->dkim != NULL)
		dkim_stream_feed(t->dkim, piece);
}

/* The domain of the first address of From:. */
static struct str
from_domain(struct smtp_transaction *t)
{
	struct mime_address *address = mime_parse_addresses(buf_str(&t->watch.from), &t->arena);

	while (address != NULL && address->kind != MIME_MAILBOX)
		address = address->next;
	return address != NULL ? address->host : STR_NONE;
}

static void
add_domain(struct smtp_transaction *t, struct str domain)
{
	char canonical[DIRECTORY_DOMAIN_MAX];

	if (domain.len > 0 && directory_canonical_domain(domain, canonical))
		dkim_signing_add(&t->signing, arena_str(&t->arena, str_c(canonical)));
}

void
smtp_sign_header_known(struct smtp_transaction *t)
{
	const struct smtp_session *s = t->session;

	if (t->dkim == NULL)
		return;
	add_domain(t, from_domain(t));
	add_domain(t, s->account != NULL ? directory_domain_of(str_c(s->account)) : t->sender_domain);
	/* Spares the hash of the body. */
	if (dkim_signing_is_vain(&t->signing, t->frontend->dkim_keys))
		dkim_stream_free(&t->dkim);
}

/* ---- At the end of the data ---- */
static void
on_end_of_signing(void *arg, enum dkim_outcome outcome, struct str fields, const struct err *err)
{
	struct smtp_transaction *t = arg;

	if (outcome == DKIM_SIGNED) {
		metrics_add(M_DKIM_SIGNED, 1);
		t->signatures = arena_str(&t->arena, fields);
	} else if (outcome == DKIM_NOT_SIGNED) {
		log_warning(&t->log, "message not signed", F_STR("domain", t->signing.domains[t->signing.at]),
			    F_ERR(err));
	}
	t->on_signing_end(t, outcome == DKIM_KEYS_AWAY ? err : NULL);
}

void
smtp_sign_end(struct smtp_transaction *t, void (*on_end)(struct smtp_transaction *t, const struct err *err))
{
	t->on_signing_end = on_end;
	if (t->dkim == NULL)
		on_end(t, NULL);
	else
		dkim_signing_start(&t->signing, t->frontend->dkim_keys, t->frontend->dkim_signer, &t->dkim,
				   on_end_of_signing, t);
}
