/* FETCH under way; shared by fetch.c (which message, which items) and
 * fetch_section.c (bodies). */
#ifndef SP_FRONTEND_IMAP_FETCH_H
#define SP_FRONTEND_IMAP_FETCH_H

#include "frontend/imap/digests.h"
#include "frontend/imap/parse/fetch_items.h"
#include "frontend/imap/section.h"

#define FETCH_BATCH 128 /* messages whose records are read in one go */

struct fetch_entry {
	uint32_t seq, uid;
	struct mailbox_cold cold;
	bool known; /* cold is there: else the message has just gone */
	bool lost;  /* its body cannot be read */
	struct imap_digest digest;
};

struct fetch {
	struct imap_session *session;
	struct imap_fetch_items items;
	struct imap_messages messages;
	uint32_t at; /* in messages: the next one */
	bool by_uid, wants_cold, wants_digest;
	bool some_lost; /* to be said at the end */
	bool some_unknown; /* of an encoding that is not known: RFC 3516, 4.3 */
	uint32_t *seen_uids; /* arena; got \Seen by this command: their FLAGS are told */
	uint32_t seen_count;

	/* The batch: records and digests read, told one after another. */
	struct fetch_entry *batch; /* arena */
	unsigned batch_count, batch_at, loading;

	/* The message being told. */
	struct imap_section *section; /* the next one */
	struct blob_id body;
	uint64_t offset, end; /* of the section being streamed */
	struct fetch_binary *binary; /* arena; NULL until one is asked for */
	struct buf line;      /* owner: what is written next */
};

/* Tells the sections of the entry from f->section on. True: all are told.
 * False: it goes on by itself and ends in fetch_next_entry(). */
bool fetch_sections(struct fetch *f);
/* A section has come to its end, later than it was asked for. */
void fetch_go_on(struct fetch *f);
void fetch_give_up(struct fetch *f, const struct err *err);
/* "BODY[1]<0> " and, of a partial, which bytes of a section. */
void fetch_begin_section(struct fetch *f);
void fetch_cut(const struct imap_section *p, uint64_t *start, uint64_t *end);
/* fetch_binary.c: f->body from start to end without its encoding; true: told
 * already. */
bool fetch_binary(struct fetch *f, const struct imap_extent *extent);
/* The entry is told but for its ")": goes on with the next one. */
void fetch_next_entry(struct fetch *f);

#endif
