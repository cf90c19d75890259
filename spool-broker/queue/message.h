/* The messages that a broker has in its hands. Read top to bottom: the data
 * model of the queue.
 *
 *   shard ─── message ─┬─ part ── lane (destination, sender domain, priority)
 *                      ├─ part ── lane
 *                      └─ work (envelope and state, unpacked; only while needed)
 *
 * A queued message costs some 400 bytes here: its envelope and state lie in
 * Redis and are read when it is tried. Its addresses and its last answer are
 * kept, so that an operator's question need not read all of the spool. A fresh one keeps its packed envelope
 * until its first try, as long as all of those fit the bound.
 *
 * Invariant: a message is in the table of a shard that this broker owns, and
 * goes when the shard's lease is lost. Whoever waits for an answer remembers
 * it by shard and id, never by pointer. */
#ifndef SP_BROKER_MESSAGE_H
#define SP_BROKER_MESSAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "proto/stagepost.pb-c.h"
#include "lib/base/err.h"
#include "lib/spool/id.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/queue/interned.h"
#include "spool-broker/schedule/schedule.h"

struct broker;
struct shard;
struct work;

enum message_flag {
	MESSAGE_HELD = 1 << 0,
	MESSAGE_NULL_SENDER = 1 << 1, /* nobody to report to */
	/* One recipient in all, a local one, and no report of success: the mailbox
	 * takes the spool's reference to the body. */
	MESSAGE_ONE_LOCAL = 1 << 2,
	MESSAGE_TAKEN_OVER = 1 << 3, /* read from the spool: what was tried is not known */
	/* A mailbox may have it without our knowing: a local job was lost, or did not
	 * hear from a mailbox. It is never certain again; its reference is not passed
	 * any more, and not dropped: the sweep sees what becomes of the body. */
	MESSAGE_UNCERTAIN = 1 << 4,
	MESSAGE_PASSED = 1 << 5,	 /* the reference did pass */
	MESSAGE_DELAY_TOLD = 1 << 6,	 /* as far as it was asked for */
	MESSAGE_FINISHING = 1 << 7,	 /* its end is on the way to Redis */
	MESSAGE_DELETED = 1 << 8,	 /* by order: what is not in a worker's hands is not tried any more */
	MESSAGE_MORE_ADDRESSES = 1 << 9, /* than those kept here */
	MESSAGE_MORE_ANSWERS = 1 << 10,	 /* the same */
	MESSAGE_UNSYNCED = 1 << 11,	 /* the store has it with its mark (unconfirmed.h), until a save */
	MESSAGE_REPORTING = 1 << 12,	 /* it has a part for a report */
};

struct message {
	UT_hash_handle hh; /* by id, in its shard */
	char id[SPOOL_ID_MAX];
	uint8_t priority;	   /* PRIORITY_... */
	bool saving;		   /* a save is on the way to Redis; the work must stay */
	uint16_t flags;		   /* enum message_flag */
	uint32_t active;	   /* parts in workers' hands */
	uint32_t recipients;	   /* of the envelope */
	uint32_t packed_len;	   /* of packed */
	struct shard *shard;	   /* borrowed */
	struct part *parts;	   /* owner: list */
	struct work *work;	   /* owner; NULL: not needed now */
	char *addresses;	   /* owner: sender NUL recipient NUL ... NUL; those of the envelope */
	struct interned *answer;   /* a reference: the last that put a recipient off; NULL: none */
	char *packed;		   /* owner: the packed envelope; NULL: only in Redis */
	int64_t received_ms;	   /* unix */
	struct heap_node deadline; /* delay report or expiry, unix ms */
};

/* Of all shards. */
struct messages {
	size_t count;
	unsigned held;
	size_t packed_bytes;	       /* kept envelopes */
	struct interned_table answers; /* owner */
};

struct messages *messages_new(void);
/* All messages must be gone. */
void messages_free(struct messages **messages);

/* Keeps the addresses of its work, as far as they are few. */
void message_note_addresses(struct message *m);
/* A recipient is put off with these words. Needs the work. */
void message_note_answer(struct broker *b, struct message *m, const char *text);

/* Held from now on, but for what is being delivered. Needs the work. */
void message_hold(struct broker *b, struct message *m, const char *why);
/* The broker counts those that are held. */
void message_set_held(struct broker *b, struct message *m, bool held);

/* Who waits until a message is durable is told: struct broker, on_message_news. */
enum message_news {
	MESSAGE_NEWS_SAVED,    /* Redis has answered a save of the message */
	MESSAGE_NEWS_FINISHED, /* and its end */
	MESSAGE_NEWS_GONE      /* the message goes from memory, its shard with it */
};

struct message *message_find(struct shard *shard, struct str id);
/* In the shard's table, without parts. */
struct message *message_new(struct broker *b, struct shard *shard, struct str id);
/* With its parts, whose jobs must be gone. */
void message_free(struct broker *b, struct message **m);

/* Keeps the packed envelope, when it fits the bound. */
void message_keep_packed(struct broker *b, struct message *m, struct str envelope);
void message_forget_packed(struct broker *b, struct message *m);

/* Calls with the work there, now or when it was read, or with what hindered
 * that; not at all when the message is gone by then. */
typedef void message_on_work(struct broker *b, struct message *m, const struct err *err);
void message_with_work(struct broker *b, struct message *m, message_on_work *fn);
/* It was hindered for good: the spool has not got the message, or damaged. */
bool message_is_missing(const struct err *err);

/* ---- After any change ----
 * Sees to reports, saves what changed, finishes a message that is at its end
 * (which frees it later), gives back the work that is not needed. */
void message_settle(struct broker *b, struct message *m);
/* Redis has answered a save, a finish. */
void message_on_saved(struct shard *s, struct str id);
void message_on_finished(struct shard *s, struct str id);
/* Gives back what a message that waits does not need here: its work, its packed
 * envelope. */
void message_give_back(struct broker *b, struct message *m);

#endif
