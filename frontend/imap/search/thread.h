/* Threads of messages (RFC 5256, 4), built in slices. Pure. */
#ifndef SP_FRONTEND_IMAP_SEARCH_THREAD_H
#define SP_FRONTEND_IMAP_SEARCH_THREAD_H

#include "frontend/imap/search/sort_order.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/slice.h"

#define IMAP_THREAD_DEPTH_MAX 500 /* a message that would be deeper begins a thread of its own */

/* The data that threading needs from a message. */
struct thread_message {
	uint32_t seq, uid;
	int64_t date;			   /* unix seconds; without a Date: the arrival */
	const struct folder_text *subject; /* its base, folded */
	bool is_reply;
	struct str message_id, references; /* digest.h */
};

enum thread_algorithm { THREAD_REFERENCES, THREAD_ORDEREDSUBJECT };

struct imap_threads;

/* messages: in order of sequence number, borrowed. The result is allocated in the
 * arena, except for tables, which imap_threads_free() frees. */
struct imap_threads *imap_threads_new(enum thread_algorithm algorithm, const struct thread_message *messages,
				      uint32_t count, struct arena *arena);
void imap_threads_free(struct imap_threads **t);
/* True: the threads are complete. False: the slice is over. */
bool imap_threads_run(struct imap_threads *t, struct slice *slice);
/* "(2)(3 6 (4 23)(44 7 96))": UIDs or sequence numbers. Appends a piece of it. True:
 * it was the last one. */
bool imap_threads_print(struct imap_threads *t, bool by_uid, struct buf *out);

#endif
