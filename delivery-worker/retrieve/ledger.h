/* What a round writes to the store: which messages are being handed over, which are here, how far each folder
 * is read. All writes carry the fence of the round: after another worker has claimed the account they fail with
 * ERR_FENCED and change nothing.
 *
 * A message goes through it like this:
 *   pend    its remote id, with the envelope under which it is handed over, before that happens;
 *   done    it is durable here: it leaves the pending ones, and its record is added.
 * So whoever takes over after a crash hands over again what is pending, under the same id, and the spool and the
 * mailbox refuse what they have already.
 *
 * Writes that come while one is on its way go together in the next. */
#ifndef SP_WORKER_RETRIEVE_LEDGER_H
#define SP_WORKER_RETRIEVE_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/redis/redis.h"

enum {
	RETRIEVE_LEASE_MS = 30 * 1000,
	RETRIEVE_PENDING_MAX = 64,
	RETRIEVE_HOST_MAX = 3, /* connections to one host */
	LEDGER_RECORD = 20,    /* hash of the remote id u64, fingerprint u64, day u32 */
};

struct ledger_record {
	uint64_t id; /* hash of the remote id */
	uint64_t fingerprint;
	uint32_t day; /* since 1970: when it was retrieved */
};
void ledger_record_pack(const struct ledger_record *in, char out[LEDGER_RECORD]);
struct ledger_record ledger_record_unpack(const char in[LEDGER_RECORD]);
/* The day of a record that is made now. */
uint32_t ledger_today(void);

typedef void ledger_on_done(void *arg, const struct err *err);

/* One message's part of a write. */
struct ledger_entry {
	struct str remote_id; /* borrowed until on_written */
	struct str pending;   /* pend: what is kept; empty: it is done */
	struct ledger_record record;
	bool has_record;
	bool was_pending;
	bool is_sent; /* set by the ledger: the write that has it is on its way, or done */
	bool counts;  /* a message that has come over, of so many bytes */
	uint64_t bytes;
	ledger_on_done *on_written; /* once, never from within */
	void *arg;
	struct ledger_entry *next;
};

struct ledger {
	struct redis *redis;	/* borrowed */
	struct str address, id; /* borrowed */
	int64_t fence;
	/* The place of the folder that is being read: called when a write is made. False: no change. */
	bool (*on_place)(void *arg, struct str *folder_out, struct buf *place_out);
	void *arg;
	struct ledger_entry *first, *last; /* waiting */
	struct ledger_call *call;	   /* on its way; owned by itself */
	/* Owner: a place that waits to be written, as it was when that was asked for. */
	struct buf waiting_folder, waiting_place;
};

void ledger_init(struct ledger *l, struct redis *r, struct str address, struct str id, int64_t fence);
/* Entries that wait or are on their way get no callback any more. */
void ledger_stop(struct ledger *l);
/* e is borrowed until on_written. */
void ledger_write(struct ledger *l, struct ledger_entry *e);
/* Writes the folder's place as it is now, with the next write if one is on its way. */
void ledger_write_place(struct ledger *l);

/* ---- Single calls ---- */
/* The reply: [packed account, wanted]. */
void ledger_keep(struct ledger *l, redis_on_reply *cb, void *arg);
void ledger_total(struct ledger *l, uint64_t messages, uint64_t bytes);
/* These pending ones will be fetched again, as if they had never been seen. */
void ledger_forget(struct ledger *l, const struct str *ids, unsigned count, struct str folder, struct str place,
		   redis_on_reply *cb, void *arg);
void ledger_rewrite(struct ledger *l, size_t length, struct str records, redis_on_reply *cb, void *arg);
/* Fields of the status and their values, in turn. ends: so does the lease. */
void ledger_status(struct ledger *l, bool ends, const struct str *fields, unsigned count, redis_on_reply *cb,
		   void *arg);

/* ---- Claims ---- */
/* The reply: members and marks, in turn. */
void claim_due(struct redis *r, unsigned most, redis_on_reply *cb, void *arg);
/* Unless somebody else has moved it. after_ms: from now. The reply: the new mark; nil: it was moved. */
void claim_put_off(struct redis *r, struct str member, struct str mark, int64_t after_ms, redis_on_reply *cb,
		   void *arg);
void claim_put_at(struct redis *r, struct str member, struct str mark, struct str at);
void claim_remove(struct redis *r, struct str member, struct str mark);
/* The reply: [packed account, fence, status, folders, pending]. ERR_NOT_FOUND: no such account; ERR_EXISTS:
 * another worker has it, until the time in the text. */
void claim_begin(struct redis *r, struct str address, struct str id, const char *worker, redis_on_reply *cb, void *arg);
/* The reply: 1, or 0: all connections are in use. */
void claim_host(struct redis *r, const char *host, struct str who, redis_on_reply *cb, void *arg);
void claim_host_free(struct redis *r, const char *host, struct str who);

#endif
