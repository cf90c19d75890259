/* One message over a ready connection: its commands and their replies. */
#ifndef SP_WORKER_REMOTE_TRANSACTION_H
#define SP_WORKER_REMOTE_TRANSACTION_H

#include "delivery-worker/remote/awaited.h"
#include "delivery-worker/remote/reply.h"

struct smtp_client;

struct transaction {
	enum smtp_step next; /* next to send: RSET, MAIL, RCPT, DATA; END: all were sent */
	unsigned next_rcpt;
	unsigned accepted;
	bool mail_refused;
	bool is_open; /* the last message left one open: RSET comes first */
};

void transaction_begin(struct smtp_client *c);	 /* c->message */
void transaction_advance(struct smtp_client *c); /* sends what may be sent */

/* Handlers of replies, for the dialogue's table. */
void transaction_on_rset(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_mail(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_rcpt(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_data(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_chunk(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);
void transaction_on_end(struct smtp_client *c, const struct smtp_reply *r, unsigned rcpt);

#endif
