/* The blob store: message bodies, written once, synced, referred to by id.
 *
 * The spool and every mailbox copy refer to the same blob; nothing writes a
 * body twice. Back ends: "file:/folder" (pack files, may be shared by NFS or
 * CephFS) and "s3:https://endpoint/bucket" (one object a blob).
 *
 * Threads: disk work is done by threads of the store's own; callbacks run on
 * the event loop given to blob_store_open(). */
#ifndef SP_BLOB_BLOB_H
#define SP_BLOB_BLOB_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/* Names a blob for ever. pack 0 names none. */
struct blob_id {
	uint64_t pack;	 /* random part and time of the pack that holds it */
	uint64_t offset; /* of the body's first byte in the pack; < 2^48 */
	uint64_t length; /* bytes; < 2^48 */
};

#define BLOB_ID_PACKED 20 /* pack u64, offset u48, length u48 */
#define BLOB_ID_TEXT   64 /* "<pack>-<offset>-<length>" in hexadecimal, with NUL */

void blob_id_pack(const struct blob_id *id, char out[BLOB_ID_PACKED]);
struct blob_id blob_id_unpack(const char in[BLOB_ID_PACKED]);
void blob_id_text(const struct blob_id *id, char out[BLOB_ID_TEXT]);
bool blob_id_parse(struct str text, struct blob_id *id_out);
static inline bool
blob_id_is_none(const struct blob_id *id)
{
	return id->pack == 0;
}

struct blob_store;

/* base may be NULL for a store that is only read or swept synchronously. The
 * folder is made if it is missing. */
struct blob_store *blob_store_open(struct event_base *base, const char *url, struct err *err);
/* Every append must have ended. Seals the open packs. */
void blob_store_close(struct blob_store **s);

/* ---- Writing ---- */
struct blob_append;

/* A new body. size_hint_bytes: 0 when unknown; larger than BLOB_SMALL_BYTES
 * streams at once to a pack of its own, else bytes are kept in memory until
 * they are more than that or the body ends, and go out with those of others
 * in one group commit. */
#define BLOB_SMALL_BYTES (64 * 1024)

enum blob_class {
	BLOB_BODY,  /* synced before on_done */
	BLOB_DIGEST /* what can be computed anew: written, not waited for */
};

struct blob_append *blob_append_begin(struct blob_store *s, enum blob_class class, uint64_t size_hint_bytes);
/* Copies the bytes. -1 (and err) when an earlier write failed, e.g.
 * ERR_NO_SPACE; the append must then be aborted. */
int blob_append_data(struct blob_append *a, const void *data, size_t len, struct err *err);
/* Bytes taken but not yet written: above BLOB_BACKLOG_BYTES the caller should
 * stop reading its client until on_room is called (once, when below again). */
#define BLOB_BACKLOG_BYTES (256 * 1024)
size_t blob_append_backlog(const struct blob_append *a);
void blob_append_wait_room(struct blob_append *a, void (*on_room)(void *arg), void *arg);
/* Bytes given so far. */
uint64_t blob_append_size(const struct blob_append *a);
/* The body is whole. on_done comes on the loop once it is synced (id) or has
 * failed (err; nothing is left behind). Frees and NULLs *a at once. */
typedef void blob_on_appended(void *arg, const struct blob_id *id, const struct err *err);
void blob_append_commit(struct blob_append **a, blob_on_appended *on_done, void *arg);
/* The same. place_out: the id that on_done will have, if all goes well, for who wants
 * to name the body while it is being synced; blob_id_is_none() when it is not known
 * yet (a stream; the first body of a pack). Until on_done nothing may stand there. */
void blob_append_commit_placed(struct blob_append **a, struct blob_id *place_out, blob_on_appended *on_done, void *arg);
/* Gives up; the space is given back. NULLs *a. */
void blob_append_abort(struct blob_append **a);
/* A whole body at once; on_done may be NULL for BLOB_DIGEST, whose id is known
 * at once (*id_out, may be NULL for BLOB_BODY). Returns 0 or -1. */
int blob_put(struct blob_store *s, enum blob_class class, const void *data, size_t len, struct blob_id *id_out,
	     blob_on_appended *on_done, void *arg, struct err *err);

/* ---- Reading ---- */
/* data is borrowed for the call. A body that is gone or damaged gives
 * ERR_NOT_FOUND or ERR_CORRUPT. */
typedef void blob_on_read(void *arg, const char *data, size_t len, const struct err *err);
/* At most length bytes from offset of the body; fewer at its end. length at
 * most BLOB_READ_MAX. */
#define BLOB_READ_MAX (1024 * 1024)
struct blob_read;
struct blob_read *blob_read(struct blob_store *s, const struct blob_id *id, uint64_t offset, size_t length,
			    blob_on_read *on_read, void *arg);
/* on_read will not be called any more. NULLs *r. After on_read the handle is
 * gone by itself. */
void blob_read_cancel(struct blob_read **r);
/* The same on the calling thread, for tools and for short reads that are
 * cheap (local page cache): returns the count read or -1. */
int64_t blob_read_sync(struct blob_store *s, const struct blob_id *id, uint64_t offset, void *buffer, size_t length,
		       struct err *err);

/* Does the whole body stand there, and has it reached the disk? For one whose writer
 * may have died before its sync: what is there is synced first. Small bodies only. */
enum blob_look {
	BLOB_LOOK_WHOLE,
	BLOB_LOOK_TORN,	  /* its pack was read, and there is no such body */
	BLOB_LOOK_UNKNOWN /* it cannot be said now: no such pack, an error; err tells */
};
typedef void blob_on_looked(void *arg, enum blob_look look, const struct err *err);
void blob_look_at(struct blob_store *s, const struct blob_id *id, blob_on_looked *on_looked, void *arg);

/* Many small bodies at once, as far as the page cache holds them whole: nothing
 * waits for the disk, and those that follow each other in a pack come with one
 * read. Where data.p is NULL there was none to be had so: blob_read() gets it, or
 * says why not. The bytes lie in `out`, whose content they replace. */
struct blob_peek {
	struct blob_id id;
	struct str data;
};
void blob_peek(struct blob_store *s, struct blob_peek *items, size_t count, struct buf *out);

/* ---- Releasing ---- */
/* The last reference is gone: gives the space back (punches a hole, removes
 * the object), off the loop. Releasing twice does no harm. See refs.h for who
 * counts. */
void blob_release(struct blob_store *s, const struct blob_id *id);

struct blob_usage {
	uint64_t packs;
	uint64_t blobs;		  /* not released */
	uint64_t live_bytes;	  /* of bodies not released */
	uint64_t allocated_bytes; /* on the disk */
	uint64_t free_bytes;	  /* of the file system */
};
int blob_usage(struct blob_store *s, struct blob_usage *usage_out, struct err *err);

/* ---- Can the store take bodies? ---- */
/* Now: writes, syncs and removes a small one. Synchronous. */
int blob_store_check(struct blob_store *s, struct err *err);

enum blob_state {
	BLOB_UNKNOWN, /* not looked at yet */
	BLOB_TAKES,
	BLOB_FULL, /* or less is free than the reserve; what is there can be read and released */
	BLOB_FAILS /* it cannot be written, or does not answer */
};
struct blob_health {
	enum blob_state state;
	uint64_t free_bytes; /* of the file system */
	struct err why;	     /* where state is BLOB_FULL or BLOB_FAILS */
};
/* Has the store looked at now and every every_ms, off the loop; on_look comes on
 * the loop after each look, and when one gets no answer for 30 s. Once a store,
 * for its life. */
void blob_store_watch(struct blob_store *s, int64_t every_ms,
		      void (*on_look)(void *arg, const struct blob_health *health), void *arg);
/* The space that is to stay free: with less the state is BLOB_FULL. 0: none.
 * Only of a store that is watched; counts from the next look on. */
void blob_store_keep_free(struct blob_store *s, uint64_t reserve_bytes);
/* Is there no room for a body of so many bytes (0: unknown), by the last look?
 * Appends do not ask this, so that reports can still be written. */
bool blob_store_is_full(const struct blob_store *s, uint64_t size_bytes);

/* ---- The sweep ----
 * Visits every blob not released that was written before older_than_unix_ms
 * (so that one not yet referred to is left alone). Returning false from visit
 * releases it. Then removes packs that are sealed and empty. Synchronous; may
 * take long: call it from a thread or a tool of its own. */
int blob_sweep(struct blob_store *s, int64_t older_than_unix_ms, bool (*visit)(void *arg, const struct blob_id *id),
	       void *arg, struct err *err);
/* The same a pack at a time, off the loop, for who rests between: which packs there
 * are, then each of them. visit is called on a thread, while the caller waits for
 * on_done. One pack at once a store. */
typedef void blob_on_packs(void *arg, const uint64_t *packs, size_t count, const struct err *err);
void blob_sweep_list(struct blob_store *s, blob_on_packs *on_packs, void *arg);
void blob_sweep_pack(struct blob_store *s, uint64_t pack, int64_t older_than_unix_ms,
		     bool (*visit)(void *arg, const struct blob_id *id),
		     void (*on_done)(void *arg, const struct err *err), void *arg);

#endif
