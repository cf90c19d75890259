/* The internals of a dialogue with a milter, for the files of frontend/milter only.
 *
 *   session.c   the connection, and one step after the other
 *   steps.c     what each step sends
 *   answer.c    what the milter answers
 *   changes.c   its changes, kept until its verdict */
#ifndef SP_FRONTEND_MILTER_PRIVATE_H
#define SP_FRONTEND_MILTER_PRIVATE_H

#include <event2/bufferevent.h>

#include "frontend/milter/session.h"
#include "frontend/milter/wire.h"
#include "lib/base/buf.h"

enum milter_step {
	MILTER_STEP_OPTIONS,
	MILTER_STEP_CONNECT,
	MILTER_STEP_HELO,
	MILTER_STEP_MAIL,
	MILTER_STEP_RCPT,
	MILTER_STEP_DATA,
	MILTER_STEP_HEADER,
	MILTER_STEP_EOH,
	MILTER_STEP_BODY,
	MILTER_STEP_EOM,
	MILTER_STEP_COUNT
};

struct milter_session {
	struct milter_asked asked;
	milter_on_end *on_end;
	void *arg;
	struct bufferevent *bev; /* owner */
	struct event *timer;	 /* owner */
	struct blob_read *read;	 /* owner; NULL: none */
	enum milter_step step;	 /* the next one, or whose answer is awaited */
	unsigned at;		 /* recipient or field of it */
	uint64_t body_sent;	 /* bytes */
	bool awaits_answer, awaits_drain, is_ended;
	uint32_t version, dialogue; /* as negotiated */
	struct buf changes;	    /* packets, in their order */
	struct buf body;	    /* that replaces the message's */
	bool replaces_body;
	enum milter_verdict verdict;
	struct buf text;
};

/* ---- session.c ---- */
/* The owner hears of it at the loop's next turn. */
void milter_session_end(struct milter_session *s, enum milter_verdict verdict, struct str text);
void milter_session_set_timer(struct milter_session *s, int64_t ms);
void milter_session_go_on(struct milter_session *s);

/* ---- steps.c ---- */
enum milter_sent {
	MILTER_SENT_ASKED,   /* its answer is awaited */
	MILTER_SENT_MUTE,    /* sent, has no answer */
	MILTER_SENT_NOTHING, /* left out, or all of it was sent before */
	MILTER_SENT_LATER    /* it goes on by itself */
};
enum milter_sent milter_step_send(struct milter_session *s);

/* ---- answer.c ---- */
/* False: the dialogue has ended. */
bool milter_answer_take(struct milter_session *s, const struct milter_packet *packet);

/* ---- changes.c ---- */
bool milter_changes_is_one(char kind);
/* False: beyond a limit. */
bool milter_changes_keep(struct milter_session *s, const struct milter_packet *packet);
/* False: one is malformed. */
bool milter_changes_apply(struct milter_session *s);

#endif
