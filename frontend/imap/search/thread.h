/* Threads of messages (RFC 5256, 4). Pure. */
#ifndef SP_FRONTEND_IMAP_SEARCH_THREAD_H
#define SP_FRONTEND_IMAP_SEARCH_THREAD_H

#include "lib/base/arena.h"
#include "lib/base/buf.h"

#define IMAP_THREAD_DEPTH_MAX 500 /* what would lie deeper begins a thread of its own */

/* What threads want of a message. */
struct thread_message {
	uint32_t seq, uid;
	int64_t date;	    /* unix seconds; without a Date: the arrival */
	struct str subject; /* its base, folded */
	bool is_reply;
	struct str message_id, references; /* digest.h */
};

/* A message, or the place of one that is only referred to. */
struct imap_thread {
	const struct thread_message *message; /* borrowed; NULL: not among what was found */
	struct imap_thread *parent, *child;   /* the first child */
	struct imap_thread *prev, *next;      /* of one parent, in the end in order */
	/* What orders it: its own; of a dummy: its first child's. */
	int64_t date; /* unix seconds */
	uint32_t seq;
};

/* REFERENCES and ORDEREDSUBJECT: the roots in order. Messages: in order of
 * sequence number; ORDEREDSUBJECT sorts them. All in the arena. */
struct imap_thread *imap_thread_by_references(struct thread_message *messages, uint32_t count, struct arena *arena);
struct imap_thread *imap_thread_by_subject(struct thread_message *messages, uint32_t count, struct arena *arena);
/* "(2)(3 6 (4 23)(44 7 96))": UIDs or sequence numbers. */
void imap_thread_print(const struct imap_thread *roots, bool by_uid, struct buf *out);

#endif
