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
#include "lib/base/arena.h"
#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/spool/id.h"
#include "spool-broker/heap.h"
#include "spool-broker/interned.h"
#include "spool-broker/schedule.h"

struct broker;
struct shard;

/* Limits of one message, so that it fits a frame of 16 MiB with all that there is
 * of it, as an operator's list and a report's job show it: the envelope and what
 * expansion adds to it (SPOOL_ENVELOPE_MAX, 6 MiB together) and a status for each
 * recipient (48 bytes and its texts: of many recipients the texts are cut, so
 * that they are 7 MiB, and 200,000 of them without any text 9.2 MiB). The trace
 * is 64 events of a kilobyte each. */
#define RECIPIENTS_MAX	 200000 /* of one message, added ones too */
#define STATUS_BYTES_MAX (7 * 1024 * 1024)
#define EVENTS_MAX	 64 /* of one message's trace */

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

/* Envelope and state while something is done with them. */
struct work {
	struct arena arena;
	Stagepost__Envelope *envelope;		    /* in the arena */
	Stagepost__MessageState *state;		    /* in the arena; a status for each recipient */
	size_t status_room, added_room, event_room; /* slots in the state's lists */
	uint32_t *by_address;			    /* in the arena: hash of recipients, work.c; NULL: not made */
	size_t by_address_room;
	size_t recipient_bytes;	      /* about; once by_address is made */
	Stagepost__TraceEvent **news; /* in the arena: events that are not published yet, the state's or dropped */
	size_t news_count, news_room;
	bool dirty; /* the state differs from what Redis has */
};

/* Keeps the addresses of its work, as far as they are few. */
void message_note_addresses(struct message *m);
/* A recipient is put off with these words. Needs the work. */
void message_note_answer(struct broker *b, struct message *m, const char *text);

/* The broker counts those that are held. */
void message_set_held(struct broker *b, struct message *m, bool held);

/* In the state too, as soon as the work is there. */
void message_set_uncertain(struct message *m);

struct message *message_find(struct shard *shard, struct str id);
/* In the shard's table, without parts. */
struct message *message_new(struct broker *b, struct shard *shard, struct str id);
/* With its parts, whose jobs must be gone. */
void message_free(struct broker *b, struct message **m);

/* Keeps the packed envelope, when it fits the bound. */
void message_keep_packed(struct broker *b, struct message *m, struct str envelope);
void message_forget_packed(struct broker *b, struct message *m);

/* Unpacks; state may be empty. ERR_CORRUPT: not an envelope of this id, or a
 * state that does not fit it. */
int message_open_work(struct message *m, struct str envelope, struct str state, struct err *err);
/* The work that there is, or made of the packed envelope of a fresh message;
 * NULL: it has to be read. */
struct work *message_work(struct message *m);
void message_close_work(struct message *m);

/* Calls with the work there, now or when it was read, or with what hindered
 * that; not at all when the message is gone by then. */
typedef void message_on_work(struct broker *b, struct message *m, const struct err *err);
void message_with_work(struct broker *b, struct message *m, message_on_work *fn);

/* ---- Recipients ---- */
unsigned work_recipient_count(const struct work *w);
Stagepost__Recipient *work_recipient(const struct work *w, unsigned index);
Stagepost__RecipientStatus *work_status(const struct work *w, unsigned index);
/* "local", or the domain of the address. */
struct str recipient_destination(const Stagepost__Recipient *r);
Stagepost__JobKind recipient_kind(const Stagepost__Recipient *r);
/* Is it to be served by this part's job? */
bool part_serves(const struct part *p, const Stagepost__Recipient *r, const Stagepost__RecipientStatus *status);
Stagepost__JobKind part_kind(const struct part *p);
/* Texts are copied into the work's arena; NULL is allowed for them. */
void work_set_status(struct work *w, unsigned index, Stagepost__RecipientState state, const char *code,
		     const char *text, const char *remote);
/* All texts to what is their share now: recipients may have been added since they
 * were set. */
void work_cut_texts(struct work *w);
/* Appends to the trace; returns the event for what more there is to say. */
Stagepost__TraceEvent *work_add_event(struct work *w, const char *kind, unsigned recipient_number, const char *host,
				      const char *detail);
/* Is there room for all of them, by expansion? */
bool work_has_room(struct work *w, Stagepost__Recipient *const *list, size_t count);
/* A recipient more; false: it is there already, or is none. */
bool work_add_recipient(struct work *w, const Stagepost__Recipient *r);

/* ---- Parts ---- */
/* Senders that are fair to each other: the account's domain, else that of the
 * reverse-path. Borrowed. */
struct str message_sender(const Stagepost__Envelope *e);
/* Is it to be checked for spam before anything else? (check.c) */
bool check_is_due(const struct work *w);
/* Words of the last check that failed, as long as there is no verdict; NULL: none did. */
const char *check_last_trouble(const Stagepost__MessageState *state);
/* Makes the parts of all recipients from index `from` on that are queued, and
 * puts them where they belong: ready, deferred or held. unsaved: they wait for
 * the next save. A message to be checked gets the part of its CHECK instead. */
void message_make_parts(struct broker *b, struct message *m, unsigned from, bool unsaved);
/* Puts a part that is not ACTIVE where it belongs, to be tried at time_ms. */
void part_place(struct broker *b, struct part *p, int64_t time_ms);
/* Out of its schedule and of its message. */
void part_free(struct broker *b, struct part *p);
/* A part for a report job. */
struct part *message_make_report_part(struct broker *b, struct message *m, Stagepost__Job__Report report);
bool message_has_report_part(const struct message *m);
const struct schedule_ops *part_schedule(struct broker *b, const struct part *p, struct schedule **schedule_out);

/* What is to be said of where a message, a part stands. */
enum queue_state { QUEUE_QUEUED, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HELD, QUEUE_STATES };
extern const char *const queue_state_names[QUEUE_STATES];
enum queue_state part_queue_state(const struct part *p);
enum queue_state message_queue_state(const struct message *m);

/* ---- After any change ----
 * Sees to reports, saves what changed, finishes a message that is at its end
 * (which frees it later), gives back the work that is not needed. */
void message_settle(struct broker *b, struct message *m);
/* What Redis said to a save and to a finish. */
void message_on_saved(struct broker *b, struct message *m);
void message_on_finished(struct broker *b, struct message *m);

/* Ends the queued recipients of parts that are in no worker's hands: those
 * with this address (empty: all); returns how many. tell: the sender gets a
 * report, if he wants one, and those that are kept (RecipientStatus.kept) stay.
 * Needs the work. */
unsigned message_give_up(struct broker *b, struct message *m, struct str address, const char *event, const char *code,
			 const char *text, bool tell);

/* ---- Deadlines: delay reports and expiry ---- */
void message_set_deadline(struct broker *b, struct message *m);
void message_run_deadlines(struct broker *b, int64_t now_ms);
bool message_is_expired(const struct broker *b, const struct message *m, int64_t now_ms);

#endif
