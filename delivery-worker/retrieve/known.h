/* The messages that are here already, as an account's ledger names them: by the hash of the remote id, and by a
 * fingerprint that does not depend on the remote's numbering (Message-ID, date and size). */
#ifndef SP_WORKER_RETRIEVE_KNOWN_H
#define SP_WORKER_RETRIEVE_KNOWN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "delivery-worker/retrieve/ledger.h"

struct known_row {
	struct ledger_record record;
	bool is_listed;	  /* the remote has it still */
	bool is_replaced; /* its message has another remote id now */
};

struct known {
	struct known_row *rows; /* owner */
	size_t count, capacity;
	uint32_t *by_id, *by_print; /* owner: open addressing, row + 1 */
	size_t slots;
	bool is_indexed;
	bool has_forgotten; /* rows without an id */
	size_t bytes;	    /* of the ledger as read */
	char part[LEDGER_RECORD];
	size_t part_len;
};

void known_fini(struct known *k);
/* The ledger in pieces of any size. */
void known_feed(struct known *k, struct str piece);
/* Also while it is in use. */
void known_add(struct known *k, const struct ledger_record *r);
/* NULL: it is not here. Valid until the next known_add(). */
struct known_row *known_find(struct known *k, uint64_t id);
/* any false: one that is neither listed nor replaced. NULL: none. */
struct known_row *known_find_print(struct known *k, uint64_t fingerprint, bool any);

/* The ledger without what it need not keep: rows that are replaced, and rows of messages that are gone from the
 * remote and were retrieved before that day. forget_ids: of the others that are gone only the fingerprint stays (id
 * 0), because the remote may give the id to another message now. False: not worth it. */
bool known_shrink(const struct known *k, uint32_t before_day, bool forget_ids, struct buf *out);

#endif
