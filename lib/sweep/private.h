/* Internals of a sweep, for the files of lib/sweep only.
 *
 *   sweep.c     its start and end, and its pace
 *   refer.c     reads the references: spool, then mailboxes
 *   release.c   unreferenced bodies: suspects and leaked bodies
 *   places      a set of places; on its own, with a header of its own
 *   lease       who may sweep; on its own, with a header of its own */
#ifndef SP_SWEEP_PRIVATE_H
#define SP_SWEEP_PRIVATE_H

#include <uthash.h>

#include "lib/base/op.h"
#include "lib/sweep/lease.h"
#include "lib/sweep/places.h"
#include "lib/sweep/sweep.h"

enum { SWEEP_CURSOR_MAX = 32 };

struct sweep_suspect {
	uint64_t key[2]; /* pack, offset */
	uint64_t length;
	int64_t since_ms; /* unix: no reference existed when a sweep had read the spool */
	bool found;	  /* seen by this sweep, still without a reference */
	bool is_over;	  /* referred to, or released: no longer a suspect */
	UT_hash_handle hh;
};

typedef void sweep_step(struct sweep *s);

struct sweep {
	struct op op;		      /* holds: answers due, from Redis and from the disk's thread */
	struct sweep_options options; /* name: in the arena */
	sweep_on_end *cb;
	void *arg;
	bool has_ended;
	struct err failure; /* being reported to the store */
	struct sweep_lease lease;
	bool has_lease;
	struct sweep_figures figures;
	int64_t started_ms; /* unix */
	int64_t read_ms;    /* unix: when the spool had been read */

	/* sweep.c: pace */
	struct event *rest, *keep; /* owner */
	sweep_step *next;	   /* after the pause */
	int64_t step_us;	   /* monotonic: when the current step began */

	/* refer.c */
	struct places places;
	struct sweep_suspect *suspects; /* owner; table */
	const char *pattern;		/* of the keys to search for */
	sweep_step *on_key, *on_keys_end;
	char keys_cursor[SWEEP_CURSOR_MAX], fields_cursor[SWEEP_CURSOR_MAX];
	struct arena keys_arena;
	struct str *keys; /* a page of them */
	size_t key_count, key_next;
	struct mailbox_bodies_at at; /* for the current account */

	/* release.c */
	uint64_t *packs; /* owner */
	size_t pack_count, pack_next;
	uint64_t visited;	/* in the current pack; counted by the thread */
	struct blob_id *leaked; /* owner: unreferenced bodies, by pack */
	size_t leaked_count, leaked_room, leaked_next;
	uint64_t released_pack; /* in which bodies were just released; 0: none */
};

/* ---- sweep.c ---- */
/* Runs the next step, after a pause in proportion to the current one. */
void sweep_go_on(struct sweep *s, sweep_step *next);
/* An answer has arrived. False: do nothing more. With err the sweep has failed. */
bool sweep_back(struct sweep *s, const struct err *err);
void sweep_fail(struct sweep *s, const struct err *err);
/* Everything is done. */
void sweep_finish(struct sweep *s);

/* ---- refer.c ---- */
/* Reads all references; then calls sweep_packs(). */
void sweep_read(struct sweep *s);
struct sweep_suspect *sweep_find_suspect(const struct sweep *s, const struct blob_id *id);

/* ---- release.c ---- */
void sweep_packs(struct sweep *s);

#endif
