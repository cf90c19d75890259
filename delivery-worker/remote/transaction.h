/* One message over a connection that is ready: its commands and their replies. */
#ifndef SP_WORKER_REMOTE_TRANSACTION_H
#define SP_WORKER_REMOTE_TRANSACTION_H

#include "delivery-worker/remote/awaited.h"
#include "delivery-worker/remote/reply.h"

struct smtp_client;

struct transaction {
	enum smtp_step next; /* to be sent: RSET, MAIL, RCPT, DATA; END: all was */
	unsigned next_rcpt;
	unsigned accepted;
	bool mail_refused;
	bool is_open; /* the last message left one: RSET comes first */
};

void transaction_begin(struct smtp_client *c);	 /* c->message */
void transaction_advance(struct smtp_client *c); /* sends what may be sent */

/* Replies, for the table of the dialogue. */
void transaction_on_rset(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_mail(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_rcpt(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_data(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_chunk(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_end(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);

#endif
