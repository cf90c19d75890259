/* The messages that a broker holds. Read top to bottom: the data model of the queue.
 *
 *   shard ─── message ─┬─ part ── lane (destination, sender domain, priority)
 *                      ├─ part ── lane
 *                      └─ work (envelope and state, unpacked; only while needed)
 *
 * A queued message costs some 400 bytes here: its envelope and state are stored in Redis and read when it is
 * tried. Its addresses and its last answer are kept in memory, so that an operator's query need not read the
 * whole spool. A fresh message keeps its packed envelope until its first try, as long as all of these fit
 * the limit.
 *
 * Invariant: a message is in the table of a shard that this broker owns, and is dropped when the shard's
 * lease is lost. Code that waits for an answer remembers a message by shard and id, never by pointer. */
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
	/* A single, local recipient and no report of success: the mailbox takes
	 * over the spool's reference to the body. */
	MESSAGE_ONE_LOCAL = 1 << 2,
	MESSAGE_TAKEN_OVER = 1 << 3, /* read from the spool: it is not known what was tried */
	/* A mailbox may have it without our knowledge: a local job was lost, or got
	 * no answer from a mailbox. That stays uncertain for good: its reference is
	 * neither passed on nor dropped any more, and the sweep finds out what
	 * happens to the body. */
	MESSAGE_UNCERTAIN = 1 << 4,
	MESSAGE_PASSED = 1 << 5,	 /* the mailbox has the reference */
	MESSAGE_DELAY_TOLD = 1 << 6,	 /* the delay report, as far as it was asked for */
	MESSAGE_FINISHING = 1 << 7,	 /* its finish is on the way to Redis */
	MESSAGE_DELETED = 1 << 8,	 /* by order: parts that no worker holds are not tried any more */
	MESSAGE_MORE_ADDRESSES = 1 << 9, /* than are kept here */
	MESSAGE_MORE_ANSWERS = 1 << 10,	 /* the same */
	MESSAGE_REPORTING = 1 << 11,	 /* it has a part for a report */
	MESSAGE_PARTS_UNSAVED = 1 << 12, /* some of its parts wait for the next save */
};

struct message {
	UT_hash_handle hh; /* by id, in its shard */
	char id[SPOOL_ID_MAX];
	uint8_t priority;	   /* PRIORITY_... */
	bool saving;		   /* a save is on the way to Redis; the work must not be freed */
	uint16_t flags;		   /* enum message_flag */
	uint32_t active;	   /* parts that workers hold */
	uint32_t recipients;	   /* of the envelope */
	uint32_t packed_len;	   /* of packed */
	struct shard *shard;	   /* borrowed */
	struct part *parts;	   /* owner: list */
	struct work *work;	   /* owner; NULL: not needed now */
	char *addresses;	   /* owner: sender NUL recipient NUL ... NUL; those of the envelope */
	struct interned *answer;   /* a reference: the last answer that deferred a recipient; NULL: none */
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
/* All messages must have been freed. */
void messages_free(struct messages **messages);

/* Keeps the addresses of its work, up to the limit. */
void message_note_addresses(struct message *m);
/* A recipient is deferred with this text. Needs the work. */
void message_note_answer(struct broker *b, struct message *m, const char *text);

/* Held from now on, except what is being delivered. Needs the work. */
void message_hold(struct broker *b, struct message *m, const char *why);
/* The broker counts held messages. */
void message_set_held(struct broker *b, struct message *m, bool held);

/* Those who wait until a message is durable are told: struct broker, on_message_news. */
enum message_news {
	MESSAGE_NEWS_SAVED,    /* Redis has answered a save of the message */
	MESSAGE_NEWS_FINISHED, /* and its end */
	MESSAGE_NEWS_GONE      /* the message is dropped from memory, together with its shard */
};

struct message *message_find(struct shard *shard, struct str id);
/* Adds it to the shard's table, without parts. */
struct message *message_new(struct broker *b, struct shard *shard, struct str id);
/* Frees it with its parts, whose jobs must have ended. */
void message_free(struct broker *b, struct message **m);

/* Keeps the packed envelope if it fits the limit. */
void message_keep_packed(struct broker *b, struct message *m, struct str envelope);
void message_forget_packed(struct broker *b, struct message *m);

/* Calls back with the work in memory, now or once it was read, or with the
 * error that prevented this; not at all when the message is gone by then. */
typedef void message_on_work(struct broker *b, struct message *m, const struct err *err);
void message_with_work(struct broker *b, struct message *m, message_on_work *fn);
/* The error is final: the spool does not have the message, or has it damaged. */
bool message_is_missing(const struct err *err);

/* ---- After any change ----
 * Makes reports, saves changes, finishes a message that is done (which frees it
 * later), and frees the work if it is not needed. */
void message_settle(struct broker *b, struct message *m);
/* Redis has answered a save or a finish. */
void message_on_saved(struct shard *s, struct str id);
void message_on_finished(struct shard *s, struct str id);
/* Frees what a waiting message does not need in memory: its work, its packed envelope. */
void message_give_back(struct broker *b, struct message *m);

#endif
