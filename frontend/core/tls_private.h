/* The internals of the certificate store, for the files tls*.c only. */
#ifndef SP_FRONTEND_CORE_TLS_PRIVATE_H
#define SP_FRONTEND_CORE_TLS_PRIVATE_H

#include <openssl/x509.h>
#include <sys/stat.h>

#include "frontend/core/tls.h"
#include "lib/base/check.h"
#include "lib/base/str.h"

#define uthash_fatal(message) CHECKF(false, "%s", message)
#include <uthash.h>

/* A pair of files, or of the store, and what is in force from it. */
struct certificate {
	char *name;		       /* owner; its folder's name, "default", or the host name that it is for */
	char *cert_path, *key_path;    /* owner; NULL: of the store */
	char *entry;		       /* owner; of the store: its entry of the index as it was read */
	SSL_CTX *ctx;		       /* owner; the last good pair. NULL: there has been none yet */
	int64_t ends_ms;	       /* unix; when the one in force expires */
	char problem[ERR_TEXT_MAX];    /* why the current files are not in force; empty: they are */
	struct stat cert_was, key_was; /* the files when they were last tried */
	bool listed;		       /* its folder, or its entry, is still there */
	UT_hash_handle hh;	       /* by name, in alphabetical order */
};

/* A name that clients ask for: "mx.example.com", "*.example.com". */
struct tls_name {
	char *name;		  /* owner; lower case */
	struct certificate *pair; /* borrowed */
	UT_hash_handle hh;
};

/* Ticket keys of one day. */
struct ticket_key {
	unsigned char name[16], cipher[32], mac[32];
};

struct tickets {
	const struct secret *secret; /* borrowed */
	unsigned char own[32];	     /* random: until the secret is known, tickets are valid only here */
	int64_t day;		     /* since 1970, of keys[0] */
	bool shared;		     /* the keys are derived from the cluster's secret */
	struct ticket_key keys[2];   /* today's, yesterday's */
};

/* The authorities of clients' certificates, as their file was last read. All zero: none were asked for. */
struct client_authorities {
	char *path;		     /* owner */
	struct stat was;	     /* the file when it was read */
	int64_t look_ms;	     /* monotonic; not examined again before */
	int64_t warn_ms;	     /* log_is_due(): that it does not load */
	STACK_OF(X509_NAME) * names; /* owner; NULL, like the next: it does not load */
	X509_STORE *store;	     /* owner */
};

struct tls {
	struct tls_options options;
	struct certificate *given;   /* owner; NULL: there is no default */
	struct certificate *folders; /* owner; hash */
	struct certificate *next;    /* of the folder: to be checked next; NULL: a new round begins */
	struct certificate *stored;  /* owner; hash: those of the store */
	struct tls_stored *reader;   /* owner; NULL: the store is not read */
	bool given_gives_way;	     /* to a certificate of the store */
	struct tls_name *names;	     /* owner; hash */
	struct certificate *any;     /* for clients that name none, or an unknown one; NULL: none */
	bool dir_failed;	     /* and this was logged */
	struct tickets tickets;
	struct client_authorities clients;
	struct event *look, *hangup; /* owner */
};

/* ---- tls_certificate.c ---- */
/* All zeros for a file that cannot be examined. */
struct stat certificate_stat(const char *path);
bool certificate_is_same_file(const struct stat *a, const struct stat *b);
struct certificate *certificate_new(const char *name, const char *dir, const char *cert_path, const char *key_path);
struct certificate *certificate_new_stored(struct str name);
void certificate_free(struct certificate **c);
/* Puts a chain (PEM) in force, with its key, which stays the caller's. */
int certificate_take(struct certificate *c, struct tls *t, struct str chain, EVP_PKEY *key, struct err *err);
/* What is stored or in the files now is not used. True: that is news; it is logged. */
bool certificate_failed(struct certificate *c, const struct err *err);
/* Loads the files if they changed, or did not load the last time. True: the pair in
 * force, or what is wrong with it, has changed. */
bool certificate_look(struct certificate *c, struct tls *t);

/* ---- tls_store.c ---- */
int tls_store_open(struct tls *t, struct event_base *base, struct err *err);
void tls_store_close(struct tls *t);
/* server_name: NULL, or as the client wrote it. Returns NULL if there is no certificate at all. */
struct certificate *tls_store_choose(const struct tls *t, const char *server_name);

/* To be called when certificates were added, replaced or removed. */
void tls_store_note_change(struct tls *t);

/* ---- tls_stored.c ---- */
struct tls_stored;
struct tls_stored *tls_stored_open(struct tls *t, struct event_base *base);
void tls_stored_close(struct tls_stored **s);

/* ---- tls_tickets.c ---- */
void tickets_init(struct tickets *k, const struct secret *secret);
void tickets_fini(struct tickets *k);
/* Makes the context's sessions use them; k must stay valid. */
void tickets_arm(struct tickets *k, SSL_CTX *ctx);
/* Derives the keys for the day of now_ms (unix); pure but for the secret. */
void tickets_turn(struct tickets *k, int64_t now_ms);

/* ---- tls_client.c ---- */
void client_authorities_fini(struct client_authorities *a);

/* ---- tls.c ---- */
/* With everything that is the same for all certificates. */
SSL_CTX *tls_context_new(struct tls *t);

#endif
