/* What lies deeper than the index of some messages at a time: their cold
 * records, which the index keeps, and their digests. FETCH, SEARCH and SORT go
 * through their messages in batches of this. */
#ifndef SP_FRONTEND_IMAP_VIEW_RECORDS_H
#define SP_FRONTEND_IMAP_VIEW_RECORDS_H

#include "frontend/imap/private.h"
#include "lib/message/digest.h"

/* Of a batch: what is done for all of one at once is a small part of a slice. */
#define IMAP_RECORDS_MAX 128

struct imap_records;

struct imap_record {
	uint32_t seq, uid;
	uint32_t row;	   /* of whoever added it */
	bool known;	   /* cold is there: else the message has just gone */
	bool asked;	   /* the store was asked for cold */
	bool wants_digest; /* set by whoever wants it */
	bool lost;	   /* there is no digest: the body cannot be read */
	struct mailbox_cold cold;
	struct message_digest digest; /* .ready: it is there */
	struct imap_records *records;
};

/* err: the store did not answer. The session is open. */
typedef void imap_records_on_loaded(struct imap_session *s, const struct err *err);

struct imap_records {
	struct imap_session *session;
	struct imap_record *items; /* arena; in order of UID */
	unsigned count;
	uint32_t ahead;
	unsigned loading;	 /* digests that come one by one */
	struct buf bytes;	 /* owner: the digests that came at once */
	struct blob_peek *peeks; /* arena */
	imap_records_on_loaded *on_loaded;
};

void imap_records_init(struct imap_records *r, struct imap_session *s);
/* Frees what was read; empty then, and usable again. */
void imap_records_clear(struct imap_records *r);
void imap_records_fini(struct imap_records *r);
/* False: it is full. Sequence numbers rise. */
bool imap_records_add(struct imap_records *r, uint32_t seq);
/* Gets the cold records of all. ahead: messages that the command will want
 * after these. True: they are there; else cb comes later. */
bool imap_records_read_cold(struct imap_records *r, uint32_t ahead, imap_records_on_loaded *cb);
/* Gets the digests of those that want one; as above. */
bool imap_records_read_digests(struct imap_records *r, imap_records_on_loaded *cb);
#endif
