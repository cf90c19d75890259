/* FETCH under way; shared by fetch.c (which messages, their batches),
 * fetch_records.c (what the records have), fetch_section.c (bodies),
 * fetch_binary.c (decoded bodies), fetch_literal.c (what both write),
 * fetch_preview.c and fetch_vanished.c. fetch.c calls the others, and is called
 * back by on_section() and on_lost(). */
#ifndef SP_FRONTEND_IMAP_FETCH_FETCH_H
#define SP_FRONTEND_IMAP_FETCH_FETCH_H

#include "frontend/imap/parse/fetch_items.h"
#include "frontend/imap/view/records.h"
#include "lib/message/decode.h"
#include "lib/message/preview.h"

#define FETCH_PIECE_BYTES (64 * 1024) /* of one read of a body that is streamed */

struct fetch {
	struct imap_session *session;
	struct imap_fetch_items items;
	struct imap_set asked; /* as it was written, for VANISHED */
	struct imap_messages messages;
	uint32_t at; /* in messages: the next one */
	bool wants_cold, wants_digest;
	/* To be said at the end. */
	bool some_lost, some_gone, some_unknown_cte;
	bool lost_checked; /* some_lost is the last word */
	struct buf lost;   /* owner: uint32_t, sequence numbers of what could not be read */
	size_t mark;	   /* where in line the message in hand begins; FETCH_SENT: some of it is gone out */
	/* Of the batch: got \Seen by this command, so their FLAGS are told. Arena;
	 * NULL: nothing is to get it. */
	uint32_t *seen_uids;
	uint32_t seen_count;

	struct imap_records records;
	unsigned record_at; /* the message being told */

	/* Its sections. Called once the one in hand is told, later than it was asked for. */
	void (*on_section)(struct fetch *f);
	/* Called when the body cannot be read. */
	void (*on_lost)(struct fetch *f, const struct err *err);
	struct imap_section *section; /* the next one */
	uint64_t start;		      /* of the section, in the body */
	uint64_t offset, end;	      /* what is still to be read of it */
	struct buf line;	      /* owner: what is written next */
	struct buf piece;	      /* owner: of a header, or decoded */

	/* fetch_binary.c */
	enum mime_encoding encoding;
	struct message_decoder decoder;
	uint64_t decoded;  /* bytes so far */
	uint64_t from, to; /* of those: what is told */
	bool sending;	   /* counted before */

	struct message_preview preview; /* fetch_preview.c */
};

#define FETCH_SENT SIZE_MAX

static inline struct imap_record *
fetch_record(struct fetch *f)
{
	return &f->records.items[f->record_at];
}

/* ---- fetch_records.c ---- */
/* "* 1 FETCH (" and the items of the index. */
void fetch_begin_message(struct fetch *f, uint32_t seq, const struct mailbox_hot *hot);
/* Those of the cold record and the digest. */
void fetch_tell_deeper(struct fetch *f, const struct imap_record *r);
/* A name with spaces around it as they must be. */
void fetch_begin_item(struct fetch *f, struct str name);

/* ---- fetch_vanished.c ---- */
/* err: the store did not say. */
typedef void fetch_on_vanished_told(struct fetch *f, const struct err *err);
/* Puts what is gone of the set (as read) since items.changed_since into f->line,
 * then calls. */
void fetch_ask_vanished(struct fetch *f, const struct imap_set *asked, fetch_on_vanished_told *then);

/* ---- fetch_literal.c ---- */
/* "BODY[1]<0> " of the section in hand. */
void fetch_begin_section(struct fetch *f);
/* The same, "{12}" and the line end; of BINARY "~{12}". */
void fetch_begin_literal(struct fetch *f, uint64_t size);
/* Cuts start to end to the partial that was asked for. */
void fetch_cut(const struct imap_section *p, uint64_t *start, uint64_t *end);
/* Bytes of a literal go out; on_drained: called once there is room. True: there
 * is some. */
bool fetch_write(struct fetch *f, const char *data, size_t len, void (*on_drained)(struct imap_session *s));
/* Reads what follows f->offset: cb gets it. */
void fetch_read(struct fetch *f, size_t bytes, blob_on_read *cb);

/* ---- fetch_section.c, fetch_binary.c, fetch_preview.c ---- */
/* The section in hand. True: it is told. False: on_section() or on_lost() is
 * called later. */
bool fetch_tell_body(struct fetch *f);
bool fetch_tell_binary(struct fetch *f);
bool fetch_tell_preview(struct fetch *f);
/* A part that a BINARY section names has an encoding that is not known. */
bool fetch_has_unknown_cte(const struct fetch *f, const struct mime_digest *d);

#endif
