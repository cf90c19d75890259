/* SORT and THREAD (RFC 5256, 5267, 5957): what was found, and what orders it,
 * loaded message by message. */
#ifndef SP_FRONTEND_IMAP_SEARCH_SORT_H
#define SP_FRONTEND_IMAP_SEARCH_SORT_H

#include "frontend/imap/search/search.h"

struct sort_run {
	struct search_run search; /* first: on_found gets it */
	/* Takes the message of a row (its place in search.found) if all that is wanted
	 * of it is known. False: its records are read, and take() follows. NULL: never. */
	bool (*take_known)(struct sort_run *r, uint32_t row);
	/* record->digest is not ready: the message cannot be read. */
	void (*take)(struct sort_run *r, uint32_t row, const struct imap_record *record, const struct mailbox_hot *hot);
	bool wants_digest;
	/* Called before anything is taken, and with all messages: those that have gone
	 * meanwhile have the sequence number 0 in search.found. */
	void (*on_found)(struct sort_run *r);
	void (*on_loaded)(struct sort_run *r);
	/* Frees what the command has; may be NULL. */
	void (*clean)(struct sort_run *r);
	uint32_t at; /* rows */
	struct imap_records records;
};
/* Parses what SORT and THREAD share: charset and keys; begins the search. */
enum cmd_status imap_sort_begin(struct sort_run *r, struct imap_lexer *lex);
/* Behind on_loaded(): what is held goes. */
void imap_sort_end(struct sort_run *r);

#endif
