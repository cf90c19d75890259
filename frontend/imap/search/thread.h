/* Threads of messages (RFC 5256, 4). Pure. */
#ifndef SP_FRONTEND_IMAP_SEARCH_THREAD_H
#define SP_FRONTEND_IMAP_SEARCH_THREAD_H

#include "frontend/imap/search/sort.h"

#define IMAP_THREAD_DEPTH_MAX 500 /* what would lie deeper begins a thread of its own */

/* A message, or the place of one that is only referred to. */
struct imap_thread {
	const struct sort_message *message; /* borrowed; NULL: not among what was found */
	struct imap_thread *parent, *child; /* the first child */
	struct imap_thread *prev, *next;    /* of one parent, in the end in order */
	/* What orders it: its own; of a dummy: its first child's. */
	int64_t date; /* unix seconds */
	uint32_t seq;
};

/* REFERENCES and ORDEREDSUBJECT: the roots in order. Messages: in order of
 * sequence number; ORDEREDSUBJECT sorts them. All in the arena. */
struct imap_thread *imap_thread_by_references(const struct sort_message *messages, uint32_t count, struct arena *arena);
struct imap_thread *imap_thread_by_subject(struct sort_message *messages, uint32_t count, struct arena *arena);
/* "(2)(3 6 (4 23)(44 7 96))": UIDs or sequence numbers. */
void imap_thread_print(const struct imap_thread *roots, bool by_uid, struct buf *out);

#endif
