/* Internals of the blob store. Private to lib/blob.
 *
 * Threads: `committer` writes small bodies and digests, many per sync; `streamers` write large bodies, each
 * stream to a pack of its own; `readers` read what is not in the page cache; `releaser` punches holes; one
 * more checks whether bodies can be written (health.c). Each has a queue. Finished tasks go to `done`, which
 * the loop empties. */
#ifndef SP_BLOB_STORE_H
#define SP_BLOB_STORE_H

#include <event2/event.h>
#include <pthread.h>

#include "lib/base/buf.h"
#include "lib/blob/blob.h"
#include "lib/blob/pack.h"

enum { STREAMERS = 4, READERS = 3, READ_FDS = 256 };

/* Work for a thread: run() is called on the thread, done() on the loop (NULL: none). */
struct task {
	void (*run)(struct task *t);
	void (*done)(struct task *t);
	struct task *next;
};

/* A first-in, first-out queue with one thread. */
struct task_thread {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct task *first, *last;
	bool stop, started;
};

struct put;	   /* commit.c: a small body on its way */
struct blob_watch; /* health.c */

struct committer {
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake;
	struct put *first, *last; /* waiting */
	bool stop, started;
	struct pack bodies, digests; /* used by the thread only, like the next */
	uint64_t failed_digests;     /* the pack that takes no more digests; 0: none */
	/* A digest gets its place when it is submitted, without a look at the disk: the thread makes
	 * the pack when it gets the first digest with a place in it. Under the lock. */
	uint64_t digest_pack; /* 0: the next digest gets another one */
	uint64_t digest_end;
	int64_t digests_rest_until_ms; /* monotonic; after a failure */
};

struct read_fd {
	uint64_t pack;
	int fd;
	unsigned refs;
	uint64_t used; /* tick, to find the least recently used */
};

struct blob_store {
	char folder[PACK_PATH_MAX];
	struct event_base *base; /* borrowed; NULL: no loop */
	struct committer committer;
	struct task_thread streamers[STREAMERS];
	struct task_thread readers[READERS];
	struct task_thread releaser;
	struct blob_watch *watch; /* owner; NULL: not watched */
	unsigned next_streamer, next_reader;
	/* Stream packs that no stream uses at the moment. */
	pthread_mutex_t pool_lock;
	struct pack pool[STREAMERS * 8];
	unsigned pool_count;
	/* Finished tasks on their way to the loop. */
	pthread_mutex_t done_lock;
	struct task *done_first, *done_last;
	struct event *done_event;
	bool done_told;
	size_t open_tasks; /* loop thread: tasks whose done() is still to come */
	pthread_mutex_t fds_lock;
	struct read_fd fds[READ_FDS];
	uint64_t fds_tick;
};

/* ---- Threads ---- lib/blob/thread.c */
void task_thread_init(struct task_thread *w);
/* Finishes the queued tasks first. */
void task_thread_stop(struct task_thread *w);
void task_thread_give(struct blob_store *s, struct task_thread *w, struct task *t);
/* From any thread: runs t->done on the loop. */
void store_tell_done(struct blob_store *s, struct task *t);

void watch_stop(struct blob_store *s);
void watch_free(struct blob_store *s);

void committer_start(struct blob_store *s);
void committer_stop(struct blob_store *s);

/* A descriptor for reading a pack; the caller must return it. -1: err. */
int fds_get(struct blob_store *s, uint64_t pack, bool anew, struct err *err);
void fds_put(struct blob_store *s, int fd);

/* Checks a header and the complete body as read from the file: the right one,
 * intact and not released? */
bool record_is_good(const char *header, const char *data, const struct blob_id *id);

/* Marks a record released and punches its hole; may be called on any thread. */
int release_now(struct blob_store *s, const struct blob_id *id, struct err *err);

#endif
