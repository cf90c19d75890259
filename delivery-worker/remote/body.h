/* The data of the current message, on its way from the blob store to the socket. */
#ifndef SP_WORKER_REMOTE_BODY_H
#define SP_WORKER_REMOTE_BODY_H

#include "lib/base/buf.h"
#include "lib/blob/blob.h"
#include "lib/smtp/data.h"

struct smtp_client;

struct body {
	void (*on_read)(struct smtp_client *c); /* a piece has been read, but must not be sent yet */
	struct blob_read *read;			/* in progress */
	uint64_t read_at;			/* in the blob */
	struct smtp_data_writer writer;
	struct buf plain;   /* down-converted, not yet encoded */
	struct buf encoded; /* read, not yet written to the socket */
	bool chunking;	    /* by BDAT */
	bool chunk_refused; /* no more of it is sent */
	bool go_ahead;	    /* 354 came */
	bool is_read;	    /* to its end */
	bool is_started;    /* reading */
};

void body_init(struct smtp_client *c, void (*on_read)(struct smtp_client *c));
bool body_is_small(const struct smtp_client *c); /* all of it is read: it may be sent ahead of replies */
void body_begin(struct smtp_client *c);
void body_go(struct smtp_client *c); /* 354 came */
void body_pump(struct smtp_client *c);
void body_send_empty(struct smtp_client *c); /* 354 came, but no recipient is left */
void body_refuse_chunk(struct smtp_client *c);
void body_end(struct smtp_client *c); /* forgets it all */

#endif
