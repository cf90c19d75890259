/* The whole dialogue with one milter about one message, after its data has arrived: the
 * connection, the commands of the client's session, the message, its changes, the verdict.
 *
 *	s = milter_session_begin(&asked, on_end, arg);
 *	... on_end(arg, verdict, text)
 *	milter_session_free(&s);        at any time, also in on_end
 *
 * Nothing blocks; a milter that is late, gone or wrong is MILTER_FAILED. */
#ifndef SP_FRONTEND_MILTER_SESSION_H
#define SP_FRONTEND_MILTER_SESSION_H

#include <event2/event.h>

#include "frontend/milter/message.h"
#include "lib/base/ip.h"
#include "lib/base/milter_url.h"

enum milter_verdict {
	MILTER_ACCEPT,	    /* no objection */
	MILTER_REJECT,	    /* 550 */
	MILTER_TEMPFAIL,    /* 451 */
	MILTER_REPLY,	    /* text: the answer, whole lines */
	MILTER_DISCARD,	    /* 250, but nothing is kept */
	MILTER_FAILED,	    /* text: why it could not be asked, or what it did wrong */
	MILTER_STORE_FAILED /* text: why the message cannot be read */
};

/* Borrowed until the end. Texts are never NULL. */
struct milter_asked {
	struct event_base *base;
	struct blob_store *blobs;
	struct milter_url place;
	int64_t connect_timeout_ms, command_timeout_ms, content_timeout_ms;
	const char *hostname, *id;
	struct ip client;
	uint16_t client_port;
	const char *helo;
	const char *account; /* empty: not logged in */
	const char *tls;     /* "TLSv1.3 CIPHER"; empty: none */
	bool is_submission;
	struct str sender;
	const struct str *recipients; /* the present ones */
	unsigned recipient_count;
	struct blob_id blob;
	struct milter_message *message; /* changed only if the verdict is MILTER_ACCEPT */
};

struct milter_session;
typedef void milter_on_end(void *arg, enum milter_verdict verdict, struct str text);
/* on_end is called once, never from within. */
struct milter_session *milter_session_begin(const struct milter_asked *asked, milter_on_end *on_end, void *arg);
void milter_session_free(struct milter_session **s);

#endif
