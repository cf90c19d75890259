#include "lib/dkim/signing.h"

void
dkim_signing_add(struct dkim_signing *s, struct str domain)
{
	for (unsigned i = 0; i < s->count; i++)
		if (str_eq(s->domains[i], domain))
			return;
	if (domain.len > 0 && s->count < DKIM_SIGNERS_MAX)
		s->domains[s->count++] = domain;
}

void
dkim_signing_add_all(struct dkim_signing *s, struct str domain)
{
	while (str_index(domain, '.') > 0) {
		dkim_signing_add(s, domain);
		domain = str_from(domain, (size_t)str_index(domain, '.') + 1);
	}
}

bool
dkim_signing_is_vain(const struct dkim_signing *s, struct dkim_keys *keys)
{
	for (unsigned i = 0; i < s->count; i++)
		if (!dkim_keys_has_none(keys, s->domains[i]))
			return false;
	return true;
}

static void
on_signed(void *arg, struct str fields, const struct err *err)
{
	struct dkim_signing *s = arg;

	s->cb(s->arg, err != NULL ? DKIM_NOT_SIGNED : DKIM_SIGNED, fields, err);
}

static void on_keys(void *arg, struct dkim_key_set *set, const struct err *err);

static void
signing_ask(struct dkim_signing *s)
{
	if (s->at < s->count)
		dkim_keys_get(s->keys, s->domains[s->at], on_keys, s);
	else
		s->cb(s->arg, DKIM_NO_KEYS, STR_NONE, NULL);
}

static void
on_keys(void *arg, struct dkim_key_set *set, const struct err *err)
{
	struct dkim_signing *s = arg;

	if (err != NULL) {
		s->cb(s->arg, DKIM_KEYS_AWAY, STR_NONE, err);
	} else if (set->count == 0) {
		s->at++;
		signing_ask(s);
	} else {
		dkim_sign(s->signer, s->stream, s->domains[s->at], set, on_signed, s);
	}
}

void
dkim_signing_start(struct dkim_signing *s, struct dkim_keys *keys, struct dkim_signer *signer,
		   struct dkim_stream **stream, dkim_on_end *cb, void *arg)
{
	s->keys = keys;
	s->signer = signer;
	s->stream = stream;
	s->cb = cb;
	s->arg = arg;
	s->at = 0;
	signing_ask(s);
}
