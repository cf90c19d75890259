/* Signs one message with the keys of the first of several domains that has any.
 *
 *   dkim_signing_add(&s, domain); ...             in order of preference
 *   dkim_signing_start(&s, keys, signer, &stream, on_end, arg); */
#ifndef SP_DKIM_SIGNING_H
#define SP_DKIM_SIGNING_H

#include "lib/dkim/sign.h"

#define DKIM_SIGNERS_MAX 8

enum dkim_outcome {
	DKIM_SIGNED,
	DKIM_NO_KEYS,	 /* none of the domains has any */
	DKIM_NOT_SIGNED, /* there are keys, but signing failed: err */
	DKIM_KEYS_AWAY,	 /* the keys cannot be read now: err */
};

/* fields: whole lines, borrowed for the call. err: NULL unless stated above. */
typedef void dkim_on_end(void *arg, enum dkim_outcome outcome, struct str fields, const struct err *err);

/* All zero at first; must stay in place until the end. */
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

/* Duplicates, and domains beyond the maximum, are ignored. */
void dkim_signing_add(struct dkim_signing *s, struct str domain);
/* Adds the domain and its parents, except the topmost: a key of example.org
 * also vouches for mx.example.org. */
void dkim_signing_add_all(struct dkim_signing *s, struct str domain);
/* True if it is known that none of the domains has keys. */
bool dkim_signing_is_vain(const struct dkim_signing *s, struct dkim_keys *keys);
/* on_end is called once, possibly from within. If there are keys, the stream is
 * taken over and its pointer set to NULL. */
void dkim_signing_start(struct dkim_signing *s, struct dkim_keys *keys, struct dkim_signer *signer,
			struct dkim_stream **stream, dkim_on_end *cb, void *arg);

#endif
