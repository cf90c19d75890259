/* The state of one struct smtp_client, and how it fails and is freed.
 *
 *   client.c       its life, for others
 *   dialogue.c     greeting, EHLO, STARTTLS, AUTH; every reply comes in here
 *   transaction.c  MAIL, RCPT, DATA or BDAT, and their replies
 *   body.c         the data
 *   state.c        failing and freeing
 *   awaited.c      what replies are to come
 *   ../net/connection.c, ../net/login.c, ../net/tls.c   bytes, TLS, time limits; AUTH
 *
 * Each calls only those below it, and reports to those above with the callback
 * that it was given when the client was made. Only these files include this
 * header. */
#ifndef SP_WORKER_REMOTE_STATE_H
#define SP_WORKER_REMOTE_STATE_H

#include "delivery-worker/remote/awaited.h"
#include "delivery-worker/remote/body.h"
#include "delivery-worker/remote/client.h"
#include "delivery-worker/net/connection.h"
#include "delivery-worker/net/login.h"
#include "delivery-worker/remote/transaction.h"

enum client_state {
	CLIENT_STILLBORN, /* no connection could even start: still to be reported */
	CLIENT_CONNECTING,
	CLIENT_TLS,	 /* the handshake is in progress */
	CLIENT_GREETING, /* up to EHLO's reply */
	CLIENT_LOGIN,
	CLIENT_READY,
	CLIENT_SENDING, /* a message */
	CLIENT_FAILED,
};

struct smtp_client {
	struct smtp_client_options options;
	const struct smtp_client_events *events;
	void *arg;
	void (*on_gone)(struct smtp_client *c); /* it has failed or is freed: operations in progress for it end */
	enum client_state state;
	unsigned busy; /* own code on the stack: freeing waits */
	bool free_wanted;
	struct smtp_failure stillborn;

	struct connection connection;
	struct awaited awaited;

	struct smtp_reply_parser parser;
	struct smtp_caps caps;
	bool tls_done;
	enum tls_result tls_result;
	char tls[96];
	char helo[256];
	struct login *login; /* owner; NULL: none in progress */
	bool leaving;	     /* the server said 421 */
	unsigned messages;
	struct smtp_answer last; /* the last reply, for a failure to quote; text on the heap */
	struct buf last_text;
	bool is_ours; /* the failure: see smtp_failure */

	/* The current message. */
	struct smtp_message *message; /* borrowed; NULL: none */
	bool any_reply;		      /* to it */
	struct transaction transaction;
	struct body body;
};

/* Around everything that may call the owner back: freeing waits until the outermost call has returned. */
void client_enter(struct smtp_client *c);
void client_leave(struct smtp_client *c);
/* Now, or on return. */
void client_free_later(struct smtp_client *c);
__attribute__((format(printf, 3, 4))) void client_fail(struct smtp_client *c, enum smtp_stage stage, const char *format,
						       ...);
void client_expect(struct smtp_client *c, enum smtp_step step, unsigned rcpt);
/* The time limit of the awaited reply. */
void client_set_timer(struct smtp_client *c);
void client_write(struct smtp_client *c, const void *data, size_t len);
bool client_is_waiting(const struct smtp_client *c); /* for a reply */

#endif
