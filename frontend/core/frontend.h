/* What all sessions of a frontend process share. */
#ifndef SP_FRONTEND_CORE_FRONTEND_H
#define SP_FRONTEND_CORE_FRONTEND_H

#include "lib/auth/auth.h"
#include "lib/blob/blob.h"
#include "lib/book/book.h"
#include "lib/bus/client.h"
#include "lib/dkim/signing.h"
#include "lib/directory/directory.h"
#include "lib/dns/dns.h"
#include "lib/mailauth/org_domain.h"
#include "lib/mailbox/mailbox.h"
#include "lib/secret/seal.h"
#include "lib/secret/secret.h"
#include "lib/service/service.h"
#include "lib/settings/settings.h"
#include "lib/spam/ask.h"

struct conn;
struct arena;
struct web;

struct frontend {
	struct service *service;	 /* borrowed: loop, redis, tracking, settings, blobs, hostname */
	struct secret *secret;		 /* owner: shared by the cluster's processes */
	struct secret_keys *seals;	 /* owner: STAGEPOST_SECRET_KEY; NULL: none are given */
	struct directory *directory;	 /* owner */
	struct auth *auth;		 /* owner */
	struct mailbox_store *mailboxes; /* owner */
	struct books *books;		 /* owner: the address books in memory */
	struct bus_client *bus;		 /* owner: hand-over to the brokers */
	struct dkim_keys *dkim_keys;	 /* owner */
	struct dkim_signer *dkim_signer; /* owner */
	struct dns *dns;		 /* owner */
	struct org_domains *org_domains; /* owner */
	struct spam_health *spam_health; /* owner */
	unsigned spam_asks;		 /* messages about which engines are asked now */
	struct web *web;		 /* owner: what the administration page works on */
};

/* The settings currently in force. */
const struct settings *frontend_settings(const struct frontend *f);

/* Signs data (CMS, DER, data included) with the certificate that a TLS client would
 * get for this name, and adds its chain. False: there is no certificate. */
bool frontend_sign(struct frontend *f, struct str server_name, struct str data, struct buf *out);

/* Fills in the variables of a banner (#HostName#, #ConnectedIP#, #Time#, #TimeUTC#,
 * #UnixTime#) for a connection. The result is allocated in arena. */
const char *frontend_banner(struct conn *c, struct arena *arena, const char *text);

#endif
