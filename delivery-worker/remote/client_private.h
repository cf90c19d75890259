/* The connection's parts: client.c (life, bytes, time), dialogue.c (commands
 * and replies), body.c (the message's data). */
#ifndef SP_WORKER_REMOTE_CLIENT_PRIVATE_H
#define SP_WORKER_REMOTE_CLIENT_PRIVATE_H

#include <event2/bufferevent.h>
#include <event2/event.h>

#include "delivery-worker/remote/client.h"
#include "delivery-worker/remote/login.h"
#include "lib/smtp/data.h"

/* What a reply answers. */
enum smtp_step {
	STEP_GREETING,
	STEP_EHLO,
	STEP_HELO,
	STEP_STARTTLS,
	STEP_AUTH,
	STEP_RSET,
	STEP_MAIL,
	STEP_RCPT,
	STEP_DATA,
	STEP_CHUNK, /* a BDAT that is not the last */
	STEP_END,   /* the final dot, or the last BDAT */
};

struct expectation {
	enum smtp_step step;
	unsigned rcpt; /* STEP_RCPT */
};

enum client_state {
	CLIENT_CONNECTING,
	CLIENT_TLS,	 /* the handshake is under way */
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
	enum client_state state;
	struct bufferevent *bev; /* owner; NULL once failed */
	struct event *timer;	 /* the time limit of what is waited for */
	unsigned busy;		 /* own code on the stack: freeing waits */
	bool free_wanted;

	struct smtp_reply_parser parser;
	struct smtp_caps caps;
	bool tls_done;
	enum tls_result tls_result;
	char tls[96];
	struct ip own_ip;
	char helo[256];
	struct login *login; /* owner; NULL: none under way */
	bool leaving;	     /* the server said 421 */
	bool needs_rset;     /* the last message left a transaction open */
	unsigned messages;
	struct smtp_answer last; /* the last reply, for a failure to quote; text on the heap */
	struct buf last_text;

	/* Replies that are to come, in order: [expect_at, expect_count). */
	struct expectation *expected; /* owner */
	unsigned expect_at, expect_count, expect_size;

	/* The message in hand. */
	struct smtp_message *message; /* borrowed; NULL: none */
	enum smtp_step next;	      /* to be sent: RSET, MAIL, RCPT, DATA; END: all was */
	unsigned next_rcpt;
	unsigned accepted;
	bool any_reply;
	bool is_ours; /* the failure: see smtp_failure */
	bool mail_refused;

	/* Its data (body.c). */
	struct blob_read *read; /* under way */
	uint64_t read_at;	/* in the blob */
	struct smtp_data_writer writer;
	struct buf plain;   /* down-converted, not yet encoded */
	struct buf encoded; /* read, not yet given to the socket */
	bool chunking;	    /* by BDAT */
	bool chunk_refused; /* nothing more of it is sent */
	bool go_ahead;	    /* 354 came */
	bool body_read;	    /* to its end */
	bool body_started;  /* reading */
	size_t output_seen; /* for the time limit: output left at the last look */
};

/* client.c */
/* Around whatever may call the owner back: freeing waits until the last has
 * been left. */
void client_enter(struct smtp_client *c);
void client_leave(struct smtp_client *c);
void client_set_timer(struct smtp_client *c, int64_t ms);
__attribute__((format(printf, 3, 4))) void client_fail(struct smtp_client *c, enum smtp_stage stage, const char *format,
						       ...);
void client_start_tls(struct smtp_client *c);
void client_write(struct smtp_client *c, const void *data, size_t len);

/* dialogue.c */
void dialogue_expect(struct smtp_client *c, enum smtp_step step, unsigned rcpt);
bool dialogue_is_waiting(const struct smtp_client *c);
void dialogue_greet(struct smtp_client *c);   /* says EHLO */
void dialogue_advance(struct smtp_client *c); /* sends what may be sent */
void dialogue_on_reply(struct smtp_client *c, const struct smtp_reply *reply);
void dialogue_message_begin(struct smtp_client *c);
int64_t dialogue_timeout(const struct smtp_client *c);
const char *dialogue_step_name(const struct smtp_client *c);

/* body.c */
bool body_is_small(const struct smtp_client *c); /* all of it is read: it may be sent ahead of replies */
void body_begin(struct smtp_client *c);
void body_go(struct smtp_client *c); /* 354 came */
void body_pump(struct smtp_client *c);
void body_end(struct smtp_client *c); /* forgets it all */
void body_send_empty(struct smtp_client *c);

#endif
