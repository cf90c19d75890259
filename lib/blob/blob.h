/* The blob store: message bodies, written once, synced, referred to by id.
 *
 * The spool and every mailbox copy refer to the same blob; no body is written
 * twice. Back ends: "file:/folder" (pack files, may be shared by NFS or CephFS)
 * and "s3:https://endpoint/bucket" (one object per blob).
 *
 * Threads: disk work is done by the store's own threads; callbacks run on the
 * event loop given to blob_store_open(). */
#ifndef SP_BLOB_BLOB_H
#define SP_BLOB_BLOB_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/* Identifies a blob permanently. pack 0: none. */
struct blob_id {
	uint64_t pack;	 /* random part and time of the pack that contains it */
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
 * folder is created if it is missing. */
struct blob_store *blob_store_open(struct event_base *base, const char *url, struct err *err);
/* All appends must have ended. Seals the open packs. */
void blob_store_close(struct blob_store **s);

/* ---- Writing ---- */
struct blob_append;

/* A new body. size_hint_bytes: 0 if unknown. If it is larger than
 * BLOB_SMALL_BYTES, the body is streamed at once to a pack of its own.
 * Otherwise the bytes are kept in memory until they exceed that size or the
 * body ends, and are written together with other bodies in one group commit. */
#define BLOB_SMALL_BYTES (64 * 1024)

enum blob_class {
	BLOB_BODY,  /* synced before on_done */
	BLOB_DIGEST /* can be recomputed: written, not waited for */
};

struct blob_append *blob_append_begin(struct blob_store *s, enum blob_class class, uint64_t size_hint_bytes);
/* Copies the bytes. -1 (and err) if an earlier write failed, e.g. ERR_NO_SPACE;
 * the append must then be aborted. */
int blob_append_data(struct blob_append *a, const void *data, size_t len, struct err *err);
/* Bytes accepted but not yet written. Above BLOB_BACKLOG_BYTES the caller
 * should stop reading from its client until on_room is called (once, when the
 * backlog is below that again). */
#define BLOB_BACKLOG_BYTES (256 * 1024)
size_t blob_append_backlog(const struct blob_append *a);
void blob_append_wait_room(struct blob_append *a, void (*on_room)(void *arg), void *arg);
/* Leaves room for bytes in front of all others, which are known only at the end. Right
 * after the beginning. */
#define BLOB_FRONT_MAX	 8192
#define BLOB_FRONT_ALIGN 8
void blob_append_leave_front(struct blob_append *a);
/* Those bytes, copied: at most BLOB_FRONT_MAX, a multiple of BLOB_FRONT_ALIGN. Once, or never. */
void blob_append_set_front(struct blob_append *a, struct str front);
/* Bytes added so far, without the front. */
uint64_t blob_append_size(const struct blob_append *a);
/* The body is complete. on_done is called on the loop once it is synced (id) or
 * has failed (err; nothing is left behind). Frees *a at once and sets it to
 * NULL. */
typedef void blob_on_appended(void *arg, const struct blob_id *id, const struct err *err);
void blob_append_commit(struct blob_append **a, blob_on_appended *on_done, void *arg);
/* Aborts and returns the space. Sets *a to NULL. */
void blob_append_abort(struct blob_append **a);
/* Writes a whole body at once. on_done may be NULL for BLOB_DIGEST, whose id is
 * known immediately (*id_out, which may be NULL for BLOB_BODY). Returns 0 or
 * -1. */
int blob_put(struct blob_store *s, enum blob_class class, const void *data, size_t len, struct blob_id *id_out,
	     blob_on_appended *on_done, void *arg, struct err *err);

/* ---- Reading ---- */
/* data is borrowed for the call. If a body is gone or damaged, err is
 * ERR_NOT_FOUND or ERR_CORRUPT. */
typedef void blob_on_read(void *arg, const char *data, size_t len, const struct err *err);
/* Reads at most length bytes of the body from offset; fewer at its end. length
 * is at most BLOB_READ_MAX. */
#define BLOB_READ_MAX (1024 * 1024)
struct blob_read;
struct blob_read *blob_read(struct blob_store *s, const struct blob_id *id, uint64_t offset, size_t length,
			    blob_on_read *on_read, void *arg);
/* on_read will not be called any more. Sets *r to NULL. The handle is freed by
 * itself after on_read. */
void blob_read_cancel(struct blob_read **r);
/* The same on the calling thread, for tools and for short, cheap reads (local
 * page cache). Returns the number of bytes read, or -1. */
int64_t blob_read_sync(struct blob_store *s, const struct blob_id *id, uint64_t offset, void *buffer, size_t length,
		       struct err *err);

/* Reads many small bodies at once, as far as the page cache has them completely.
 * It never waits for the disk, and adjacent bodies of a pack take one read. If
 * data.p is NULL, the body was not cached: blob_read() reads it, or reports why
 * not. The bytes are in `out`, whose content they replace. */
struct blob_peek {
	struct blob_id id;
	struct str data;
};
void blob_peek(struct blob_store *s, struct blob_peek *items, size_t count, struct buf *out);

/* ---- Releasing ---- */
/* The last reference is gone: frees the space (punches a hole, removes the
 * object), off the loop. Releasing twice does no harm. See refs.h for the
 * counting. */
void blob_release(struct blob_store *s, const struct blob_id *id);

struct blob_usage {
	uint64_t packs;
	uint64_t blobs;		  /* not released */
	uint64_t live_bytes;	  /* of bodies that are not released */
	uint64_t allocated_bytes; /* on the disk */
	uint64_t free_bytes;	  /* of the file system */
};
int blob_usage(struct blob_store *s, struct blob_usage *usage_out, struct err *err);

/* ---- Can the store accept bodies? ---- */
/* Checks now: writes, syncs and removes a small body. Synchronous. */
int blob_store_check(struct blob_store *s, struct err *err);

enum blob_state {
	BLOB_UNKNOWN, /* not checked yet */
	BLOB_TAKES,
	BLOB_FULL, /* less than the reserve is free; what is stored can be read and released */
	BLOB_FAILS /* writes fail, or it does not answer */
};
struct blob_health {
	enum blob_state state;
	uint64_t free_bytes; /* of the file system */
	struct err why;	     /* if state is BLOB_FULL or BLOB_FAILS */
};
/* Checks the store now and every every_ms, off the loop. on_look is called on
 * the loop after each check, and when a check gets no answer for 30 s. Call it
 * once per store; it lasts for the store's lifetime. */
void blob_store_watch(struct blob_store *s, int64_t every_ms,
		      void (*on_look)(void *arg, const struct blob_health *health), void *arg);
/* The space that must stay free; with less the state is BLOB_FULL. 0: none.
 * Only for a watched store; takes effect at the next check. */
void blob_store_keep_free(struct blob_store *s, uint64_t reserve_bytes);
/* True if the last check found no room for a body of this size (0: unknown).
 * Appends do not check this, so that reports can still be written. */
bool blob_store_is_full(const struct blob_store *s, uint64_t size_bytes);

/* ---- The sweep ----
 * Visits every unreleased blob written before older_than_unix_ms (so that a
 * blob which nothing refers to yet is left alone). If visit returns false, the
 * blob is released. Then removes packs that are sealed and empty. It blocks: only
 * unit tests call it, and look inside with it. */
int blob_sweep(struct blob_store *s, int64_t older_than_unix_ms, bool (*visit)(void *arg, const struct blob_id *id),
	       void *arg, struct err *err);
/* The same one pack at a time, off the loop, for callers that pause in between:
 * first the list of packs, then each of them. visit is called on a thread while the
 * caller waits for on_done. Only one pack at a time per store. */
typedef void blob_on_packs(void *arg, const uint64_t *packs, size_t count, const struct err *err);
void blob_sweep_list(struct blob_store *s, blob_on_packs *on_packs, void *arg);
void blob_sweep_pack(struct blob_store *s, uint64_t pack, int64_t older_than_unix_ms,
		     bool (*visit)(void *arg, const struct blob_id *id),
		     void (*on_done)(void *arg, const struct err *err), void *arg);

#endif
