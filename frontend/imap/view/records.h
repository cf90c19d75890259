/* Data beyond the index for a batch of messages: their cold records, which the index
 * keeps, and their digests. FETCH, SEARCH and SORT process their messages in such
 * batches. */
#ifndef SP_FRONTEND_IMAP_VIEW_RECORDS_H
#define SP_FRONTEND_IMAP_VIEW_RECORDS_H

#include "frontend/imap/private.h"
#include "lib/message/digest.h"

/* In a batch: what is done for a whole batch at once is a small part of a slice. */
#define IMAP_RECORDS_MAX 128

struct imap_records;

struct imap_record {
	uint32_t seq, uid;
	uint32_t row;	   /* set by the code that added it */
	bool known;	   /* cold is valid; otherwise the message has just been removed */
	bool asked;	   /* cold was requested from the store */
	bool wants_digest; /* set by the code that needs it */
	bool lost;	   /* there is no digest: the body cannot be read */
	struct mailbox_cold cold;
	struct message_digest digest; /* .ready: it is valid */
	struct imap_records *records;
};

/* err: the store did not answer. The session is open. */
typedef void imap_records_on_loaded(struct imap_session *s, const struct err *err);

struct imap_records {
	struct imap_session *session;
	struct imap_record *items; /* arena; in UID order */
	unsigned count;
	uint32_t ahead;
	unsigned loading;	 /* digests read one by one */
	struct buf bytes;	 /* owner: the digests that were read at once */
	struct blob_peek *peeks; /* arena */
	imap_records_on_loaded *on_loaded;
};

void imap_records_init(struct imap_records *r, struct imap_session *s);
/* Frees what was read; the batch is then empty and can be reused. */
void imap_records_clear(struct imap_records *r);
void imap_records_fini(struct imap_records *r);
/* False: the batch is full. Sequence numbers must increase. */
bool imap_records_add(struct imap_records *r, uint32_t seq);
/* Gets the cold records of all. ahead: messages that the command will need after
 * these. True: they are available; otherwise cb is called later. */
bool imap_records_read_cold(struct imap_records *r, uint32_t ahead, imap_records_on_loaded *cb);
/* Gets the digests of those that need one; returns as above. */
bool imap_records_read_digests(struct imap_records *r, imap_records_on_loaded *cb);
#endif
