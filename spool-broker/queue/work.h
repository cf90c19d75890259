/* A message's envelope and state while it is being worked on: the recipients, what happened to them, the trace. */
#ifndef SP_BROKER_WORK_H
#define SP_BROKER_WORK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/stagepost.pb-c.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct message;

/* Limits of one message, so that all of it fits a frame of 16 MiB, as an
 * operator's list and a report's job show it: the envelope and what expansion
 * adds to it (SPOOL_ENVELOPE_MAX, 6 MiB together) and a status for each recipient
 * (48 bytes and its texts: with many recipients the texts are cut, so that all
 * statuses take 7 MiB; 200,000 statuses without any text take 9.2 MiB). The trace
 * is 64 events of a kilobyte each. */
#define RECIPIENTS_MAX	 200000 /* of one message, including added ones */
#define STATUS_BYTES_MAX (7 * 1024 * 1024)
#define EVENTS_MAX	 64 /* of one message's trace */

/* Envelope and state while they are being worked on. */
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
	struct served *served; /* in the arena: served.h; NULL: not made */
	bool dirty;	       /* the state differs from what Redis has */
	bool report_due;       /* a report may have to be made: report_look() finds out */
};

/* Unpacks; state may be empty. ERR_CORRUPT: not an envelope of this id, or a state that does not match it. */
int message_open_work(struct message *m, struct str envelope, struct str state, struct err *err);
/* The work in memory, or made from the packed envelope of a fresh message; NULL: it must be read. */
struct work *message_work(struct message *m);
void message_close_work(struct message *m);

unsigned work_recipient_count(const struct work *w);
Stagepost__Recipient *work_recipient(const struct work *w, unsigned index);
Stagepost__RecipientStatus *work_status(const struct work *w, unsigned index);
/* "local", or the domain of the address. */
struct str recipient_destination(const Stagepost__Recipient *r);
Stagepost__JobKind recipient_kind(const Stagepost__Recipient *r);
/* Texts are copied into the work's arena; NULL is allowed for them. */
void work_set_status(struct work *w, unsigned index, Stagepost__RecipientState state, const char *code,
		     const char *text, const char *remote);
/* Cuts all texts to their current share: recipients may have been added since they were set. */
void work_cut_texts(struct work *w);
/* Appends to the trace; returns the event, so that the caller can add details. */
Stagepost__TraceEvent *work_add_event(struct work *w, const char *kind, unsigned recipient_number, const char *host,
				      const char *detail);
/* Is there room for all recipients that expansion adds? */
bool work_has_room(struct work *w, Stagepost__Recipient *const *list, size_t count);
/* Adds a recipient; false: it is there already, or is not valid. */
bool work_add_recipient(struct work *w, const Stagepost__Recipient *r);

/* The sender for fair sharing: the account's domain, else that of the reverse-path. Borrowed. */
struct str envelope_sender(const Stagepost__Envelope *e);
/* Must it be checked for spam before anything else? */
bool check_is_due(const struct work *w);
/* The text of the last check that failed, as long as there is no verdict; NULL: none failed. */
const char *check_last_trouble(const Stagepost__MessageState *state);
/* A mailbox may have it without our knowledge: noted in the state too, as soon as the work is in memory. */
void message_set_uncertain(struct message *m);

#endif
