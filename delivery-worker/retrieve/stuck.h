/* Messages that the remote does not give, and that are put aside after a few tries (stuck.c). */
#ifndef SP_WORKER_RETRIEVE_STUCK_H
#define SP_WORKER_RETRIEVE_STUCK_H

#include <stdbool.h>
#include <stdint.h>

#include "delivery-worker/retrieve/remote.h"
#include "lib/base/arena.h"
#include "lib/base/str.h"

enum { STUCK_MAX = 100 };

struct stuck_row {
	uint64_t id; /* hash of the remote id, as in the ledger */
	unsigned tries;
	int64_t tried_ms; /* unix: the last one */
};

/* All zero: none. */
struct stuck {
	struct stuck_row rows[STUCK_MAX];
	unsigned count;
	unsigned streak;	     /* put aside since the last one that came */
	bool is_changed;	     /* and not stored yet */
	char words[REMOTE_TEXT_MAX]; /* the remote's, at the last try */
};

/* As it is stored; empty: none. Rows that make no sense are left out. */
void stuck_read(struct stuck *s, struct str text);
struct str stuck_write(const struct stuck *s, struct arena *arena);
/* Is it put aside, and not to be tried today? */
bool stuck_passes_over(struct stuck *s, uint64_t id);
/* It may be one at which the session ends. */
bool stuck_suspects(struct stuck *s, uint64_t id);
/* A try has failed; counts false: perhaps because of another message. True: it is put aside now. */
bool stuck_note(struct stuck *s, uint64_t id, const char *words, bool counts);
/* A message has come: any one. */
void stuck_note_come(struct stuck *s, uint64_t id);
/* So many do not come that it is not the messages. */
bool stuck_is_remotes_own(const struct stuck *s);
/* How many are put aside. */
unsigned stuck_count(const struct stuck *s);

#endif
