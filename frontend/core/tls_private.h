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

/* A pair of files, and what is in force from it. */
struct certificate {
	char *name; /* owner; its folder's name, or "default" */
	char *cert_path, *key_path;
	SSL_CTX *ctx;		       /* owner; the last good pair. NULL: there has been none yet */
	int64_t ends_ms;	       /* unix; when the one in force expires */
	char problem[ERR_TEXT_MAX];    /* why the current files are not in force; empty: they are */
	struct stat cert_was, key_was; /* the files when they were last tried */
	bool listed;		       /* its folder is still there */
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

struct tls {
	struct tls_options options;
	struct certificate *given;   /* owner; NULL: there is no default */
	struct certificate *folders; /* owner; hash */
	struct certificate *next;    /* of the folder: to be checked next; NULL: a new round begins */
	struct tls_name *names;	     /* owner; hash */
	struct certificate *any;     /* for clients that name none, or an unknown one; NULL: none */
	bool dir_failed;	     /* and this was logged */
	struct tickets tickets;
	struct event *look, *hangup; /* owner */
};

/* ---- tls_certificate.c ---- */
struct certificate *certificate_new(const char *name, const char *dir, const char *cert_path, const char *key_path);
void certificate_free(struct certificate **c);
/* Loads the files if they changed, or did not load the last time. True: the pair in
 * force, or what is wrong with it, has changed. */
bool certificate_look(struct certificate *c, struct tls *t);

/* ---- tls_store.c ---- */
int tls_store_open(struct tls *t, struct event_base *base, struct err *err);
void tls_store_close(struct tls *t);
/* server_name: NULL, or as the client wrote it. Returns NULL if there is no certificate at all. */
struct certificate *tls_store_choose(const struct tls *t, const char *server_name);

/* ---- tls_tickets.c ---- */
void tickets_init(struct tickets *k, const struct secret *secret);
void tickets_fini(struct tickets *k);
/* Makes the context's sessions use them; k must stay valid. */
void tickets_arm(struct tickets *k, SSL_CTX *ctx);
/* Derives the keys for the day of now_ms (unix); pure but for the secret. */
void tickets_turn(struct tickets *k, int64_t now_ms);

/* ---- tls.c ---- */
/* With everything that is the same for all certificates. */
SSL_CTX *tls_context_new(struct tls *t);

#endif
