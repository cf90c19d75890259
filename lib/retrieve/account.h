/* A remote POP3 or IMAP account from which mail is retrieved into an account here.
 *
 * It is set up field by field (retrieve_account_set), then checked as a whole, and
 * stored packed (proto/retrieve.proto) by lib/retrieve/store.h. Its secrets are sealed
 * (lib/secret/seal.h) from the moment they are set: the struct never has them in clear. */
#ifndef SP_RETRIEVE_ACCOUNT_H
#define SP_RETRIEVE_ACCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/secret/seal.h"

enum {
	RETRIEVE_ID_LEN = 12,	    /* characters, a-z and 0-9 */
	RETRIEVE_ID_MAX = 13,	    /* with the NUL */
	RETRIEVE_ACCOUNTS_MAX = 50, /* of one address */
	RETRIEVE_FOLDERS_MAX = 100,
	RETRIEVE_TEXT_MAX = 1000,   /* bytes of a field */
	RETRIEVE_SECRET_MAX = 8192, /* bytes of a password or token */
	RETRIEVE_KEEP_DAYS_MAX = 3650,
};

enum retrieve_protocol { RETRIEVE_POP3, RETRIEVE_IMAP };
enum retrieve_tls { RETRIEVE_TLS_IMPLICIT, RETRIEVE_TLS_STARTTLS, RETRIEVE_TLS_NONE };
enum retrieve_auth { RETRIEVE_PASSWORD, RETRIEVE_OAUTH2 };
enum retrieve_keep { RETRIEVE_KEEP, RETRIEVE_DELETE, RETRIEVE_DELETE_AFTER };

/* Texts are borrowed, mostly from the arena with which it was made; never NULL. */
struct retrieve_account {
	char id[RETRIEVE_ID_MAX];
	const char *address; /* the account here, canonical */
	enum retrieve_protocol protocol;
	const char *host; /* lower case, or an IP address */
	uint16_t port;
	enum retrieve_tls tls;
	bool any_certificate; /* the remote's certificate is not verified */
	const char *user;     /* there */
	enum retrieve_auth auth;
	const char *secret;	    /* sealed: the password, or the refresh token; empty: none yet */
	const char *const *folders; /* IMAP: names at the remote, UTF-8, with '/' between levels */
	unsigned folder_count;	    /* 0 without mirror: INBOX */
	bool mirror;		    /* IMAP: all folders, each into one of its name below `into` */
	enum retrieve_keep keep;    /* what becomes of a message at the remote once it is here */
	unsigned keep_days;	    /* with RETRIEVE_DELETE_AFTER: since it was retrieved */
	/* The folder here. Empty: INBOX; with mirror the top level. With several folders and no
	 * mirror all go into this one. */
	const char *into;
	int64_t interval_ms; /* 0: retrieval_interval of the protocol's settings */
	bool enabled;
	bool once;  /* a move: until all is here, then it rests (state "done") */
	bool trial; /* logs in, counts, writes its status; no message moves */
	int64_t created_ms;
	/* With RETRIEVE_OAUTH2: */
	const char *token_url; /* https */
	const char *client_id;
	const char *client_secret; /* sealed; empty: none */
	const char *scope;	   /* empty: as granted */
	struct str later;	   /* packed fields of a later version, which stay as they are */
};

/* Empty texts, POP3, enabled, a new id, now. */
void retrieve_account_init(struct retrieve_account *a, const char *address);

/* Sets a field from text. Names and values:
 *	protocol  pop3|imap              host, user, into, token_url, client_id, scope
 *	port      1 to 65535             tls       implicit|starttls|none
 *	certificate  verify|any          auth      password|oauth2
 *	folder    one more folder        folders   "" (forgets them)
 *	mirror    on|off                 keep      keep|delete|a number of days ("7d")
 *	interval  "5m"; "": the setting  enabled, once  on|off
 * ERR_INVALID with the reason, which starts with the field's name; ERR_NOT_FOUND: no such
 * field. The value is copied into the arena. */
int retrieve_account_set(struct retrieve_account *a, struct str field, struct str value, struct arena *arena,
			 struct err *err);
/* Is there such a field? */
bool retrieve_field_is_known(struct str field);
/* Fills in the port if it is missing; is it complete and consistent? into becomes canonical. */
int retrieve_account_check(struct retrieve_account *a, struct arena *arena, struct err *err);

/* Words of the values, as in retrieve_account_set(). */
const char *retrieve_protocol_name(enum retrieve_protocol p);
const char *retrieve_tls_name(enum retrieve_tls t);
const char *retrieve_auth_name(enum retrieve_auth a);
/* "keep", "delete", "7d" */
const char *retrieve_keep_text(const struct retrieve_account *a, char out[16]);

/* Do both read a folder of the same mailbox? It would come twice. */
bool retrieve_account_overlaps(const struct retrieve_account *a, const struct retrieve_account *b);
/* Is a a move of the mailbox of b? */
bool retrieve_account_is_move_of(const struct retrieve_account *a, const struct retrieve_account *b);
/* Of the same mailbox: are they of the same folders, into the same place, and is the same
 * kept there? */
bool retrieve_account_moves_alike(const struct retrieve_account *a, const struct retrieve_account *b);

/* Appends the stored form. */
void retrieve_account_pack(const struct retrieve_account *a, struct buf *out);
/* Texts are in the arena. ERR_CORRUPT. */
int retrieve_account_unpack(struct str packed, struct arena *arena, struct retrieve_account *out, struct err *err);

/* True: 12 characters of a-z and 0-9. */
bool retrieve_id_is_valid(struct str id);

/* ---- Secrets ---- */
enum retrieve_secret {
	RETRIEVE_SECRET,	/* the password or refresh token */
	RETRIEVE_CLIENT_SECRET, /* of the OAuth2 client */
	RETRIEVE_ACCESS_TOKEN,	/* kept with the status, not in the account */
};

/* Appends where it belongs, the context of secret_seal(): a sealed text that was moved to
 * another account cannot be opened. */
void retrieve_secret_context(struct str address, struct str id, enum retrieve_secret which, struct buf *out);
/* The sealed text, in the arena. Of the first two it becomes the account's. address and id
 * must be set: they are the context. NULL: err; ERR_DENIED: there is no key
 * (STAGEPOST_SECRET_KEY), ERR_INVALID: empty, too long, or a control character. */
const char *retrieve_seal(const struct secret_keys *keys, struct retrieve_account *a, enum retrieve_secret which,
			  struct str plain, struct arena *arena, struct err *err);
/* Appends it in clear; the caller wipes it. ERR_NOT_FOUND: the key is missing; ERR_CORRUPT.
 * sealed: of the first two the account's; of an access token what the status has. */
int retrieve_open(const struct secret_keys *keys, const struct retrieve_account *a, enum retrieve_secret which,
		  struct str sealed, struct buf *plain_out, struct err *err);

#endif
