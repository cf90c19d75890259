/* Credentials besides the main password: app passwords for mail clients, tokens for the
 * API. Made by us, shown once, revocable one by one.
 *
 * Each is a field of its account's record, "app:<id>" or "token:<id>", with the value
 *   <SHA-256 of the secret> <made, ms> <ends, ms; 0: never> <role, or -> <name>
 * A plain hash is enough: the secrets are random and too long to be guessed, unlike the
 * passwords that people choose. For the same reason a correct one is never delayed. */
#ifndef SP_AUTH_CREDENTIAL_H
#define SP_AUTH_CREDENTIAL_H

#include "lib/directory/directory.h"

enum credential_kind { CREDENTIAL_APP, CREDENTIAL_TOKEN };

#define CREDENTIAL_ID_MAX   9 /* with the NUL, like the others */
#define CREDENTIAL_NAME_MAX 101
#define CREDENTIAL_ROLE_MAX 16
#define CREDENTIAL_TEXT_MAX 520 /* a token has its account's address in it */
#define CREDENTIAL_HASH_MAX 65
#define CREDENTIAL_MOST	    50 /* of a kind in an account */

struct credential {
	enum credential_kind kind;
	char id[CREDENTIAL_ID_MAX];
	char name[CREDENTIAL_NAME_MAX];
	char role[CREDENTIAL_ROLE_MAX]; /* of a token: user, domain_admin or system_admin */
	int64_t created_ms, ends_ms;	/* unix; ends_ms 0: never */
	char hash[CREDENTIAL_HASH_MAX];
};

/* "app:" or "token:" */
struct str credential_prefix(enum credential_kind kind);
/* False: another kind, or malformed. */
bool credential_parse(const struct directory_credential *field, enum credential_kind kind, struct credential *out);
/* The value of its field. */
void credential_print(const struct credential *c, struct buf *out);

/* Makes a secret: id and hash in *c, and what the user is shown in text_out. An app
 * password is "abcd-efgh-jkmn-pqrs-tvwx"; a token
 * "stp.<address in base64url>.<secret>". */
void credential_make(struct credential *c, struct str address, char text_out[CREDENTIAL_TEXT_MAX]);
/* The valid credential of this kind whose secret this is. Dashes, spaces and the case
 * of an app password do not matter. */
bool credential_find(const struct directory_user *user, enum credential_kind kind, struct str secret, int64_t now_ms,
		     struct credential *out);
/* The valid one with this id. */
bool credential_get(const struct directory_user *user, enum credential_kind kind, const char *id, int64_t now_ms,
		    struct credential *out);
/* Parts of a token; false: it is none. */
bool credential_split_token(struct str token, char address_out[DIRECTORY_ADDRESS_MAX], struct str *secret_out);

/* SHA-256 in hexadecimal. */
void credential_hash(struct str text, char out[CREDENTIAL_HASH_MAX]);
/* Random letters and digits, 5 bits each, that are not mistaken for others; count
 * characters and a NUL. */
void credential_random(char *out, unsigned count);

#endif
