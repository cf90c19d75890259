/* SORT and THREAD (RFC 5256, 5267, 5957): what was found, with what orders it. */
#ifndef SP_FRONTEND_IMAP_SEARCH_SORT_H
#define SP_FRONTEND_IMAP_SEARCH_SORT_H

#include "frontend/imap/search/search.h"

enum sort_key {
	SORT_END,
	SORT_ARRIVAL,
	SORT_CC,
	SORT_DATE,
	SORT_FROM,
	SORT_SIZE,
	SORT_SUBJECT,
	SORT_TO,
	SORT_DISPLAY_FROM,
	SORT_DISPLAY_TO,
	SORT_KEYS
};
#define SORT_CRITERIA_MAX 20

/* All that an order may want of one message. Texts are folded; in the arena. */
struct sort_message {
	uint32_t seq, uid;
	int64_t arrival, date; /* unix seconds; without a Date: the arrival */
	uint64_t size;
	struct str texts[SORT_KEYS]; /* CC, FROM, TO, SUBJECT (base), DISPLAY_* */
	bool is_reply;
	struct str message_id, references; /* THREAD */
};

struct sort_run {
	struct search_run search; /* first: on_found gets it */
	struct {
		enum sort_key key;
		bool reverse;
	} criteria[SORT_CRITERIA_MAX];
	unsigned criteria_count;
	unsigned wants; /* bits of enum sort_key: texts that are needed */
	bool wants_threads;
	/* Called with all messages in order of sequence number. */
	void (*on_loaded)(struct sort_run *r);
	struct sort_message *messages; /* arena */
	uint32_t count, at;
	struct imap_records records;
};
/* Loads what the order wants of what was found. */
void imap_sort_load(struct search_run *found);
/* Parses what SORT and THREAD share: charset and keys; begins the search. */
enum cmd_status imap_sort_begin(struct sort_run *r, struct imap_lexer *lex);

#endif
