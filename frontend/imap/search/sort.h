/* SORT and THREAD (RFC 5256, 5267, 5957): loads the data that orders the result,
 * message by message. */
#ifndef SP_FRONTEND_IMAP_SEARCH_SORT_H
#define SP_FRONTEND_IMAP_SEARCH_SORT_H

#include "frontend/imap/search/search.h"

struct sort_run {
	struct search_run search; /* first: it is passed to on_found */
	/* Takes the message of a row (its place in search.found) if everything needed is
	 * known. False: its records are read, and take() is called. NULL: never known. */
	bool (*take_known)(struct sort_run *r, uint32_t row);
	/* If record->digest is not ready, the message cannot be read. */
	void (*take)(struct sort_run *r, uint32_t row, const struct imap_record *record, const struct mailbox_hot *hot);
	bool wants_digest;
	/* Called before any message is taken, and again with all messages: those that have
	 * vanished in the meantime have sequence number 0 in search.found. */
	void (*on_found)(struct sort_run *r);
	void (*on_loaded)(struct sort_run *r);
	/* Frees the command's own data; may be NULL. */
	void (*clean)(struct sort_run *r);
	uint32_t at; /* rows */
	struct imap_records records;
};
/* Parses what SORT and THREAD have in common, charset and keys; begins the search. */
enum cmd_status imap_sort_begin(struct sort_run *r, struct imap_lexer *lex);
/* Call it after on_loaded(): releases what is held. */
void imap_sort_end(struct sort_run *r);

#endif
