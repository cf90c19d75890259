/* Signing keys (RFC 6376, RFC 8463): making them, storing them as text, publishing them. */
#ifndef SP_DKIM_KEY_H
#define SP_DKIM_KEY_H

#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

#define DKIM_SELECTOR_MAX 64 /* with the NUL */
#define DKIM_DIGEST_BYTES 32 /* SHA-256 */

enum dkim_algorithm { DKIM_RSA, DKIM_ED25519, DKIM_ALGORITHMS };

/* For each algorithm of a domain one key signs: the ACTIVE one. */
enum dkim_state {
	DKIM_WAITING, /* made; its record must be published first */
	DKIM_ACTIVE,
	DKIM_RETIRED, /* no longer signs; mail in transit still needs its record */
	DKIM_STATES
};

struct dkim_key {
	enum dkim_algorithm algorithm;
	enum dkim_state state;
	char selector[DKIM_SELECTOR_MAX];
	int64_t created_ms; /* unix */
	EVP_PKEY *pkey;	    /* owner */
};

/* "rsa", "ed25519"; "waiting", "active", "retired". */
const char *dkim_algorithm_name(enum dkim_algorithm algorithm);
bool dkim_algorithm_parse(struct str text, enum dkim_algorithm *algorithm_out);
const char *dkim_state_name(enum dkim_state state);
/* Letters, digits and inner hyphens in labels separated by dots (RFC 6376, 3.1). */
bool dkim_selector_is_valid(struct str selector);

/* RSA with 2048 bits takes some 100 ms. */
int dkim_key_make(enum dkim_algorithm algorithm, struct str selector, int64_t now_ms, struct dkim_key *key_out,
		  struct err *err);
void dkim_key_fini(struct dkim_key *key);

/* The stored form: "<algorithm> <state> <created_ms> <base64 of PKCS #8>". */
void dkim_key_write(const struct dkim_key *key, struct buf *out);
int dkim_key_read(struct str selector, struct str text, struct dkim_key *key_out, struct err *err);

/* The content of its TXT record: "v=DKIM1; k=rsa; p=...". */
void dkim_key_record(const struct dkim_key *key, struct buf *out);
/* The whole record in zone file format, in strings of at most 255 bytes. */
void dkim_key_zone_line(const struct dkim_key *key, struct str domain, struct buf *out);

/* Signs a digest; appends base64. Thread-safe. RSA takes about 1 ms. */
int dkim_key_sign(const struct dkim_key *key, const unsigned char digest[DKIM_DIGEST_BYTES], struct buf *out,
		  struct err *err);

#endif
