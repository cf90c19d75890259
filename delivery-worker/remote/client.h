/* One connection to a remote SMTP server: greeting, EHLO, STARTTLS, AUTH, and
 * then messages, one after another.
 *
 * Callbacks: each may free the client (smtp_client_free() takes effect once the
 * client's own code has returned). After on_failed the client can only be
 * freed. */
#ifndef SP_WORKER_REMOTE_CLIENT_H
#define SP_WORKER_REMOTE_CLIENT_H

#include <openssl/ssl.h>

#include "delivery-worker/remote/reply.h"
#include "delivery-worker/remote/downgrade.h"
#include "delivery-worker/net/tls.h"
#include "lib/base/ip.h"
#include "lib/blob/blob.h"

struct smtp_client;

struct smtp_target {
	struct ip ip;
	uint16_t port;
	char host[256]; /* for reports */
};

struct smtp_client_options {
	struct event_base *base; /* borrowed */
	struct smtp_target target;
	struct ip source;	     /* family 0: the system chooses */
	const char *helo;	     /* borrowed */
	SSL_CTX *tls;		     /* borrowed; may be NULL with TLS_NONE */
	struct tls_wish wish;	     /* what it points to is borrowed until on_ready or on_failed */
	const char *user, *password; /* borrowed like the wish; NULL or empty: no AUTH */
	int64_t command_timeout_ms;
};

/* What the server said about one thing. */
struct smtp_answer {
	int code; /* 0: nothing yet */
	char enhanced[ENHANCED_CODE_MAX];
	struct str text; /* in the message's arena */
};

struct smtp_rcpt {
	struct str address;
	struct str orcpt;	   /* xtext with its type; empty: none */
	unsigned notify;	   /* bits as in the proto */
	struct smtp_answer answer; /* to RCPT; once accepted, to the whole message */
	bool accepted;		   /* by RCPT */
};

/* Borrowed until its end was reported. */
struct smtp_message {
	struct arena *arena; /* of the answers' texts */
	struct str reverse_path;
	struct smtp_rcpt *rcpts;
	unsigned count;
	struct blob_store *blobs;
	struct blob_id body;
	uint64_t offset;	 /* of the first byte to be sent */
	struct str extra_header; /* whole lines, sent first */
	bool eight_bit, smtputf8, require_tls;
	int priority;		     /* RFC 6710; 0: not given */
	struct downgrade *downgrade; /* borrowed; the data is converted by it; NULL: sent as it is */
	struct str ret, envid;	     /* RFC 3461 */

	/* results */
	bool dsn_passed; /* the server sends reports; otherwise it only relays */
	bool end_sent;	 /* the final dot was sent: the server may have the message */
};

enum smtp_stage {
	SMTP_AT_CONNECT,
	SMTP_AT_TLS,
	SMTP_AT_GREETING,
	SMTP_AT_LOGIN,
	SMTP_AT_MESSAGE,
	SMTP_AT_BODY,
	SMTP_IDLE
};

struct smtp_failure {
	enum smtp_stage stage;
	bool is_ours;		    /* no descriptor, port or memory for it on this host: not the server's fault */
	bool bad_source;	    /* the source address cannot be used */
	bool at_first_reply;	    /* for this message: an idle connection had been closed */
	struct smtp_answer answer;  /* the server's last reply, if it was about this (code 0: none) */
	char text[ERR_TEXT_MAX];    /* our words */
	enum tls_result tls_result; /* SMTP_AT_TLS */
};

struct smtp_client_events {
	void (*on_ready)(void *arg);
	/* Every recipient has an answer. The connection may take another message
	 * if smtp_client_is_ready(). */
	void (*on_sent)(void *arg);
	void (*on_failed)(void *arg, const struct smtp_failure *failure);
};

struct smtp_client *smtp_client_new(const struct smtp_client_options *options, const struct smtp_client_events *events,
				    void *arg);
/* Sends QUIT on an established connection. Sets *c to NULL. */
void smtp_client_free(struct smtp_client **c);
/* Hands it to another owner (the pool and back). */
void smtp_client_set_owner(struct smtp_client *c, const struct smtp_client_events *events, void *arg);

bool smtp_client_is_ready(const struct smtp_client *c);
const struct smtp_caps *smtp_client_caps(const struct smtp_client *c);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" without TLS. */
const char *smtp_client_tls(const struct smtp_client *c);
/* The verdict on the certificate by the rules of the wish (for TLS_MAY and
 * TLS_ENCRYPT: of TLS_VERIFY). Without TLS: STARTTLS_NOT_SUPPORTED. */
enum tls_result smtp_client_tls_result(const struct smtp_client *c);
/* Our end of the connection; family 0 before it was established. */
struct ip smtp_client_own_ip(const struct smtp_client *c);
/* The name that the server gave at EHLO or HELO; "" before it did. */
const char *smtp_client_helo(const struct smtp_client *c);
unsigned smtp_client_messages(const struct smtp_client *c); /* sent over it */

/* Only when ready. The caller must check the limits and the extensions that the message needs. */
void smtp_client_send(struct smtp_client *c, struct smtp_message *message, int64_t command_timeout_ms);

#endif
