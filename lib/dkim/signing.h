/* One message's signing: by the first of some domains that has keys.
 *
 *   dkim_signing_add(&s, domain); ...             the better one first
 *   dkim_signing_start(&s, keys, signer, &stream, on_end, arg); */
#ifndef SP_DKIM_SIGNING_H
#define SP_DKIM_SIGNING_H

#include "lib/dkim/sign.h"

#define DKIM_SIGNERS_MAX 8

enum dkim_outcome {
	DKIM_SIGNED,
	DKIM_NO_KEYS,	 /* none of the domains has any */
	DKIM_NOT_SIGNED, /* there are keys, but it could not be done: err */
	DKIM_KEYS_AWAY,	 /* they cannot be read now: err */
};

/* fields: whole lines, borrowed for the call. err: NULL unless said above. */
typedef void dkim_on_end(void *arg, enum dkim_outcome outcome, struct str fields, const struct err *err);

/* Zeroed by its owner, and in place until the end. */
struct dkim_signing {
	struct str domains[DKIM_SIGNERS_MAX]; /* borrowed until the end; as A-labels, lower case */
	unsigned count, at;

	/* private */
	struct dkim_keys *keys;
	struct dkim_signer *signer;
	struct dkim_stream **stream;
	dkim_on_end *cb;
	void *arg;
};

/* Those that are there already, and more than the most, are passed over. */
void dkim_signing_add(struct dkim_signing *s, struct str domain);
/* The domain and those above it, but the topmost: a key of example.org vouches
 * for mx.example.org too. */
void dkim_signing_add_all(struct dkim_signing *s, struct str domain);
/* Is it known that none of the domains has keys? */
bool dkim_signing_is_vain(const struct dkim_signing *s, struct dkim_keys *keys);
/* on_end comes once, maybe from within. The stream is taken (and its pointer
 * NULLed) when there are keys. */
void dkim_signing_start(struct dkim_signing *s, struct dkim_keys *keys, struct dkim_signer *signer,
			struct dkim_stream **stream, dkim_on_end *cb, void *arg);

#endif
