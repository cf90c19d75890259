/* Every place in the store that has sealed texts (lib/secret/seal.h): what is not here
 * is not sealed anew, and is lost with its key. `make tables` fails if a file seals
 * something and is in no row; the integration tests fail if they leave a sealed text
 * behind in a place that has no row.
 *
 *	P(key, form, member, context, "what", "files that seal it")
 *
 * key: a row of lib/redis/keys_table.h. form: where in it:
 *	VALUE  its value
 *	FIELD  the field `member` of a hash
 *	JSON   the member `member` of the JSON object in each field of a hash
 *	ACCOUNT  the same of a packed remote account (lib/retrieve/account.h)
 * context: a function of lib/admin/secrets_place.c, which returns the context of secret_seal(). */
#ifndef SP_ADMIN_SECRETS_TABLE_H
#define SP_ADMIN_SECRETS_TABLE_H

#define SECRET_PLACES(P) \
	P(USER, FIELD, "totp", secrets_totp_context, "second factors", "lib/auth/code.c lib/admin/totp.c") \
	P(AUTH_TOTP_NEW, VALUE, "", secrets_totp_context, "second factors that are not confirmed", "lib/admin/totp.c") \
	P(ACME_ACCOUNTS, JSON, "key", secrets_account_context, "keys of ACME accounts", "lib/acme/store.c") \
	P(ACME_CERTIFICATE, FIELD, "key", secrets_certificate_context, "keys of ordered certificates", \
	  "lib/acme/store.c") \
	P(RETRIEVE, ACCOUNT, "secret", secrets_remote_context, "passwords and refresh tokens of remote accounts", \
	  "lib/retrieve/secret.c") \
	P(RETRIEVE, ACCOUNT, "client_secret", secrets_client_context, "client secrets of remote accounts", \
	  "lib/retrieve/secret.c") \
	P(RETRIEVE_STATUS, FIELD, "access", secrets_access_context, "access tokens of remote accounts", \
	  "lib/retrieve/secret.c")

#endif
