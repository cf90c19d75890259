/* DKIM signatures for submissions of authenticated users, and of hosts that may
 * relay. We do not vouch for mail that others send in the name of a local domain.
 *
 * The signing domain is that of From:, otherwise that of the account (or of the
 * reverse-path), whichever has a key. Who may use which From: is up to the setting
 * require_auth_match. */
#include "frontend/submit/private.h"

#include "lib/base/check.h"
#include "lib/mime/address.h"

bool
submit_sign_begin(struct submit *s)
{
	CHECK(s->dkim == NULL);
	if (s->options.account != NULL || s->options.may_relay)
		s->dkim = dkim_stream_new();
	return s->dkim != NULL;
}

void
submit_sign_feed(struct submit *s, struct str piece)
{
	if (s->dkim != NULL)
		dkim_stream_feed(s->dkim, piece);
}

/* The domain of the first address of From:. */
static struct str
sign_from_domain(struct submit *s)
{
	struct mime_address *address = mime_parse_addresses(buf_str(&s->watch.from), &s->op.arena);

	while (address != NULL && address->kind != MIME_MAILBOX)
		address = address->next;
	return address != NULL ? address->host : STR_NONE;
}

static void
sign_add_domain(struct submit *s, struct str domain)
{
	char canonical[DIRECTORY_DOMAIN_MAX];

	if (domain.len > 0 && directory_canonical_domain(domain, canonical))
		dkim_signing_add(&s->signing, arena_str(&s->op.arena, str_c(canonical)));
}

void
submit_sign_header_known(struct submit *s)
{
	const char *account = s->options.account;

	if (s->dkim == NULL)
		return;
	sign_add_domain(s, sign_from_domain(s));
	sign_add_domain(s, directory_domain_of(account != NULL ? str_c(account) : s->options.reverse_path));
	/* Saves hashing the body. */
	if (dkim_signing_is_vain(&s->signing, s->frontend->dkim_keys))
		dkim_stream_free(&s->dkim);
}

/* ---- At the end of the data ---- */
static void
sign_on_end(void *arg, enum dkim_outcome outcome, struct str fields, const struct err *err)
{
	struct submit *s = arg;

	if (outcome == DKIM_SIGNED) {
		metrics_add(M_DKIM_SIGNED, 1);
		s->signatures = arena_str(&s->op.arena, fields);
	} else if (outcome == DKIM_NOT_SIGNED) {
		log_warning(&s->log, "message not signed", F_STR("domain", s->signing.domains[s->signing.at]),
			    F_ERR(err));
	}
	s->on_signing_end(s, outcome == DKIM_KEYS_AWAY ? err : NULL);
}

void
submit_sign_end(struct submit *s, void (*on_end)(struct submit *s, const struct err *err))
{
	s->on_signing_end = on_end;
	if (s->dkim == NULL)
		on_end(s, NULL);
	else
		dkim_signing_start(&s->signing, s->frontend->dkim_keys, s->frontend->dkim_signer, &s->dkim, sign_on_end,
				   s);
}
