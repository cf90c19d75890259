/* A FETCH in progress; shared by fetch.c (which messages, their batches),
 * fetch_records.c (data from the records), fetch_section.c (bodies), fetch_binary.c
 * (decoded bodies), fetch_literal.c (output common to both), fetch_preview.c and
 * fetch_vanished.c. fetch.c calls the others, and they call back through on_section()
 * and on_lost(). */
#ifndef SP_FRONTEND_IMAP_FETCH_FETCH_H
#define SP_FRONTEND_IMAP_FETCH_FETCH_H

#include "frontend/imap/parse/fetch_items.h"
#include "frontend/imap/view/records.h"
#include "lib/message/decode.h"
#include "lib/message/preview.h"

#define FETCH_PIECE_BYTES (64 * 1024) /* in one read of a body that is streamed */

struct fetch {
	struct imap_session *session;
	struct imap_fetch_items items;
	struct imap_set asked; /* as it was written, for VANISHED */
	struct imap_messages messages;
	uint32_t at; /* in messages: the next one */
	bool wants_cold, wants_digest;
	/* To be reported at the end. */
	bool some_lost, some_gone, some_unknown_cte;
	bool lost_checked; /* some_lost is final */
	struct buf lost;   /* owner: uint32_t, sequence numbers of messages that could not be read */
	size_t mark;	   /* where the current message begins in line; FETCH_SENT: part of it has been sent */
	/* Messages of the batch that this command marked \Seen, so their FLAGS are reported.
	 * Arena; NULL: none is to be marked. */
	uint32_t *seen_uids;
	uint32_t seen_count;

	struct imap_records records;
	unsigned record_at; /* the message being sent */

	/* Its sections. Called when the current one is done, if that was not immediate. */
	void (*on_section)(struct fetch *f);
	/* Called when the body cannot be read. */
	void (*on_lost)(struct fetch *f, const struct err *err);
	struct imap_section *section; /* the next one */
	uint64_t start;		      /* of the section, in the body */
	uint64_t offset, end;	      /* what remains to be read of it */
	struct buf line;	      /* owner: the next output */
	struct buf piece;	      /* owner: part of a header, or decoded */

	/* fetch_binary.c */
	enum mime_encoding encoding;
	struct message_decoder decoder;
	uint64_t decoded;  /* bytes so far */
	uint64_t from, to; /* of those: the range to send */
	bool sending;	   /* the bytes have been counted */

	struct message_preview preview; /* fetch_preview.c */
};

#define FETCH_SENT SIZE_MAX

static inline struct imap_record *
fetch_record(struct fetch *f)
{
	return &f->records.items[f->record_at];
}

/* ---- fetch_records.c ---- */
/* "* 1 FETCH (" and the items available from the index. */
void fetch_begin_message(struct fetch *f, uint32_t seq, const struct mailbox_hot *hot);
/* The items from the cold record and the digest. */
void fetch_tell_deeper(struct fetch *f, const struct imap_record *r);
/* An item's name, with the spaces that it needs around it. */
void fetch_begin_item(struct fetch *f, struct str name);

/* ---- fetch_vanished.c ---- */
/* err: the store did not answer. */
typedef void fetch_on_vanished_told(struct fetch *f, const struct err *err);
/* Puts those UIDs of the set (as parsed) that have vanished since items.changed_since
 * into f->line, then calls `then`. */
void fetch_ask_vanished(struct fetch *f, const struct imap_set *asked, fetch_on_vanished_told *then);

/* ---- fetch_literal.c ---- */
/* "BODY[1]<0> " for the current section. */
void fetch_begin_section(struct fetch *f);
/* The same, plus "{12}" and the line end; for BINARY "~{12}". */
void fetch_begin_literal(struct fetch *f, uint64_t size);
/* Limits start and end to the requested partial. */
void fetch_cut(const struct imap_section *p, uint64_t *start, uint64_t *end);
/* Sends bytes of a literal. True: there is room for more. False: on_drained is called
 * once there is. */
bool fetch_write(struct fetch *f, const char *data, size_t len, void (*on_drained)(struct imap_session *s));
/* Reads the data at f->offset and passes it to cb. */
void fetch_read(struct fetch *f, size_t bytes, blob_on_read *cb);

/* ---- fetch_section.c, fetch_binary.c, fetch_preview.c ---- */
/* Sends the current section. True: done. False: on_section() or on_lost() is called
 * later. */
bool fetch_tell_body(struct fetch *f);
bool fetch_tell_binary(struct fetch *f);
bool fetch_tell_preview(struct fetch *f);
/* Does a BINARY section name a part with an unknown encoding? */
bool fetch_has_unknown_cte(const struct fetch *f, const struct mime_digest *d);

#endif
