/* What the files of a retrieval round share. Private to delivery-worker/retrieve.
 *
 *	retriever.c  what is due, slots, the rounds in progress
 *	claim.c      claims of accounts, connections to one host
 *	round.c      a round from its claim to its end
 *	recover.c    what an earlier round was handing over when it died
 *	folders.c    which folders are read, and where their messages go
 *	listing.c    what is new in a folder
 *	reading.c    messages as they come from the remote
 *	message.c    one message on its way into the spool
 *	ledger.c     what is written to the store meanwhile, under the round's fence
 *	known.c      the ledger in memory
 *	stuck.c      messages that the remote does not give
 *	gate.c       trouble of our own, which all accounts wait out together
 *	pace.c       how long it may have its slot while others wait
 *	space.c      whether there is room in the mailbox here
 *	session.c    the login, IDLE, the end of the session
 *	ending.c     the status, the next time
 *	remote.h     sessions with remote mailboxes
 *
 * A round is one operation (lib/base/op.h): callbacks of the store, the blob store and the bus get the round or
 * one of its messages. The session with the remote, timers and queries are cancelled with it. */
#ifndef SP_WORKER_RETRIEVE_PRIVATE_H
#define SP_WORKER_RETRIEVE_PRIVATE_H

#include <openssl/ssl.h>

#include "delivery-worker/retrieve/head.h"
#include "delivery-worker/retrieve/known.h"
#include "delivery-worker/retrieve/ledger.h"
#include "delivery-worker/retrieve/remote.h"
#include "delivery-worker/retrieve/retriever.h"
#include "delivery-worker/retrieve/stuck.h"
#include "delivery-worker/worker.h"
#include "lib/base/log.h"
#include "lib/base/op.h"
#include "lib/mailauth/auth_results_filter.h"
#include "lib/retrieve/account.h"
#include "lib/retrieve/oauth.h"
#include "lib/retrieve/store.h"
#include "lib/spool/id.h"

enum {
	ROUND_MESSAGES_MAX = 1000,   /* new ones, then others have their turn */
	ROUND_MOVE_MAX = 100 * 1000, /* the same, for each folder of a move */
	ROUND_SEEN_MAX = 1000000,    /* messages of one list */
	ROUND_IN_FLIGHT_MAX = 48,    /* read, but not noted yet */
	RETRIEVE_PROTOCOLS = 2,
};

struct round;

/* Shut while there is trouble here. */
struct gate {
	unsigned troubles;		  /* one after the other */
	int64_t until_ms, probe_until_ms; /* monotonic */
};

struct retriever {
	struct worker *worker;	  /* borrowed */
	struct secret_keys *keys; /* owner */
	SSL_CTX *tls;		  /* owner, like the next */
	struct web_client *web;
	struct event *timer;  /* owner: the next look */
	struct round *rounds; /* owner */
	unsigned running[RETRIEVE_PROTOCOLS], idling;
	struct gate gate;
	int64_t wanted_ms[RETRIEVE_PROTOCOLS]; /* monotonic: somebody found no slot; 0: never */
	unsigned starting;		       /* claimed, and not known by protocol yet */
	bool asking;
	bool stopped;
	bool freed; /* with the answer that is due the structure goes */
};

/* A message that is to be read. */
struct listed {
	uint32_t uid;
	uint64_t size;
	uint64_t id; /* hash of the remote id */
	struct str uidl;
	unsigned repeat; /* POP3: messages with the same UIDL before it */
	unsigned flags;
	char **keywords; /* in the folder's arena */
	unsigned keyword_count;
	int64_t date_ms;
};

/* A folder at the remote, and where its messages go. */
struct round_folder {
	struct str name; /* there */
	struct str into; /* here; empty: INBOX */
	enum remote_use use;
	bool is_missing; /* here */
	bool compares;	 /* what is here by its fingerprint is not taken again */
	char place[40];	 /* as stored: "<UIDVALIDITY> <last UID>[ c]"; empty: none */
};

enum message_state {
	MESSAGE_READING,
	MESSAGE_SYNCING,
	MESSAGE_PENDING, /* being noted as such */
	MESSAGE_HANDED,	 /* given to a broker */
	MESSAGE_NOTING,
};

/* One message between the remote and the spool. On the heap; freed by its last callback. */
struct message {
	struct round *round; /* borrowed; gone once the round is cancelled */
	struct message *prev, *next;
	enum message_state state;
	uint32_t uid;
	struct buf remote_id; /* owner */
	struct head head;
	struct buf authserv_id; /* owner */
	/* Takes out what claims to be said by us: nothing here has been verified by us. */
	struct auth_results_filter filter;
	struct blob_append *append; /* owner, while reading */
	struct blob_id body;
	char id[SPOOL_ID_MAX];
	struct buf kept;      /* owner: the pending entry */
	struct listed listed; /* its texts are borrowed from the folder, while reading */
	struct ledger_entry entry;
	struct ledger_record record;
	bool is_recovered;
	bool is_skipped; /* not handed over */
};

/* Of the slot that it has. */
struct pace {
	int64_t begun_ms, window_ms; /* monotonic */
	uint64_t window_bytes;	     /* received before */
	bool window_reads;	     /* messages */
	bool yields;		     /* others have their turn, then it goes on */
	bool is_slow;		     /* it ends because of that */
};

struct round {
	struct op op;
	struct retriever *retriever; /* borrowed */
	struct round *prev, *next;
	struct log_context log;
	char member[RETRIEVE_MEMBER_MAX];
	char mark[24];			    /* the score of the claim */
	char who[RETRIEVE_MEMBER_MAX + 24]; /* has the connection to the host: this round, not a later one */
	struct str address, id;
	struct retrieve_account account; /* texts in the arena */
	struct retrieve_status status;	 /* texts in the arena */
	struct str packed;		 /* the account, as it was at the claim */
	int64_t begun_ms;		 /* unix */
	int64_t lease_until_ms;		 /* monotonic */
	bool has_protocol;		 /* it counts as running */
	bool has_host;
	struct pace pace;
	bool is_starting; /* counts as such */
	bool has_begun;
	bool is_idle;	       /* waits for new mail */
	int64_t next_in_ms;    /* RETRIEVE_NEVER_MS: not at all */
	bool is_changed;       /* somebody has changed the account meanwhile */
	unsigned passes;       /* over the same session */
	uint32_t idle_uidnext; /* of the first folder, when it was read */
	uint64_t refusals;     /* of the login, one after the other */
	struct event *timer;   /* owner: the lease */
	struct event *wait;    /* owner: a connection to the host, IDLE's end */
	struct ledger ledger;
	struct known known;
	bool knows; /* the ledger is read */
	size_t known_at;
	void (*on_known)(struct round *r);
	struct retrieve_token *token; /* owner: a request for an access token */
	bool token_is_fresh;
	int64_t keep_sent_ms; /* monotonic */
	struct str *places;   /* folders and their places, in turn; in the arena */
	unsigned place_count;

	/* What an earlier round left. */
	const struct str *pending; /* remote ids and entries, in turn */
	unsigned pending_count, pending_at;
	struct recovery *recovery; /* owner: the entry that the ledger notes */

	struct stuck stuck;
	unsigned asked_for; /* messages, in the fetch that is in progress */
	unsigned careful;   /* messages that are to be asked for one after the other */
	bool blames;	    /* a message for the session's end */
	bool puts_aside;    /* a message, in this round: what is behind it comes at once */

	/* Of the mailbox here. */
	uint64_t space_total; /* 0: no limit */
	uint64_t space_used;  /* with what this round has taken */
	bool is_full;	      /* the next message did not fit: no more are taken */
	void (*on_space)(struct round *r);

	struct remote_box *box; /* owner */
	struct ip remote_ip;	/* of the last session, which may have ended */
	char *remote_tls;
	bool box_failed;
	struct round_folder *folders;
	unsigned folder_count, folder_at, create_at;
	bool is_counting; /* a pass that only counts */
	uint64_t count_messages, count_bytes;

	/* The folder in hand. */
	struct arena folder_arena;
	struct remote_state state;
	uint32_t after; /* what is above is new */
	bool is_capped; /* one was not read: the place stays below it */
	uint32_t cap;
	uint32_t read_upto; /* all up to here are read, or on their way */
	uint32_t listed_upto;
	bool is_whole;	      /* the list has all that is new */
	struct known repeats; /* POP3: UIDLs of this session; the day is their number */
	bool has_repeats;
	bool asks_for_place; /* the place alone does not say what is new */
	bool has_listed;     /* of the folder in hand; false between two folders */
	bool is_read;	     /* and all of it is here */
	struct listed *list;
	unsigned list_count, list_room;
	unsigned list_at, list_from, list_ended; /* being read; the next to be asked for, and to end */
	uint64_t list_bytes;
	unsigned seen_count, unknown_count; /* of its messages */
	uint64_t new_count;		    /* while counting: those that would be taken */
	uint32_t *gone;			    /* to be deleted there; owner */
	unsigned gone_count, gone_room;
	bool is_reading; /* a fetch is in progress */
	bool is_paused, waits_room;
	uint64_t added; /* records, since the ledger was read */

	struct message *messages; /* in the order of reading */
	unsigned in_flight;	  /* those that are read */
	void (*on_drained)(struct round *r);

	/* What came of it. */
	uint64_t taken, taken_bytes, again, too_large, loops, unread;
	bool has_more;
	bool is_ending;
	bool own_trouble; /* ours: no failure of the account */
	bool login_refused;
	bool bad_grant;
	char trouble[REMOTE_TEXT_MAX];
	char note[REMOTE_TEXT_MAX]; /* no failure, but worth telling */
};

/* ---- retriever.c ---- */
/* A slot for its protocol; false: there is none. */
bool retriever_take_slot(struct retriever *v, enum retrieve_protocol p);
void retriever_give_slot(struct retriever *v, enum retrieve_protocol p);
/* Somebody waits for one of these slots. */
bool retriever_is_wanted(const struct retriever *v, enum retrieve_protocol p);
bool retriever_may_idle(const struct retriever *v);
/* The round is over: frees it. */
void retriever_on_round_end(struct round *r);
/* A slot is free, or something is due at once. */
void retriever_poke(struct retriever *v);

/* ---- round.c ---- */
void round_start(struct retriever *v, struct str member, struct str mark);
/* Gives the account back at once; what is under way is recovered by the next round. */
void round_stop(struct round *r);
/* Frees nothing that callbacks still need. */
void round_cancel(struct round *r);
/* Has it still the lease? Else it ends. */
bool round_has_lease(struct round *r);
/* The store failed, or another worker has the account: the round is over, and nothing more is written. */
void round_lose(struct round *r, const struct err *err);
/* For a callback that holds the round: false if the round is over, or is lost now because of err. */
bool round_back(struct round *r, const struct err *err);
/* Trouble: messages on their way end theirs, and so does the round. */
void round_fail(struct round *r, bool own, const char *text);
void round_fail_remote(struct round *r, const struct remote_failure *f);
const struct settings *round_settings(const struct round *r);
/* The place of a folder, as the store has it; empty: none. */
struct str round_place(const struct round *r, struct str folder);
void round_set_place(struct round *r, struct str folder, struct str place);
/* Reads the ledger, unless that is done; then `next`. */
void round_know(struct round *r, void (*next)(struct round *r));
void round_on_recovered(struct round *r);
void round_on_folders_done(struct round *r);

/* ---- recover.c ---- */
/* Hands over what is pending; then round_on_recovered(). */
void recover_start(struct round *r);
/* Of a round that is cancelled. */
void recover_drop(struct round *r);

/* ---- folders.c ---- */
/* Finds the folders, creates those that are missing here; then reads them one after the other, and calls
 * round_on_folders_done(). */
void folders_start(struct round *r);
void folders_next(struct round *r);

/* ---- listing.c ---- */
void listing_start(struct round *r);
/* The place of the folder, for the ledger. */
bool listing_place(void *arg, struct str *folder_out, struct buf *place_out);
/* The remote id of a message in the folder in hand. */
void listing_remote_id(const struct round *r, const struct listed *l, struct buf *out);
/* A message of the folder in hand is durable here, since that day. */
void listing_note_here(struct round *r, uint32_t uid, uint32_t day);
/* All of the list is read, and noted. */
void listing_on_read(struct round *r);

/* ---- reading.c ---- */
void reading_start(struct round *r);
/* Goes on or rests, by what is in flight. */
void reading_flow(struct round *r);
/* This message is not here, and is read again: the folder's place stays below it. */
void reading_cap(struct round *r, uint32_t uid);
/* The same, but it is put aside: no reason to come back soon. */
void reading_pass_over(struct round *r, uint32_t uid);
/* The body in hand ends, and with it the callback that would tell of room: the hold comes back here. */
void reading_forget_room(struct round *r);

/* ---- message.c ---- */
/* NULL: there is no broker; the round fails. */
struct message *message_new(struct round *r, const struct listed *l);
void message_feed(struct message *m, struct str piece);
/* It is whole. */
void message_end(struct message *m);
/* It stays where it is. day 0 in its record says so, if it is not to be read again. */
void message_skip(struct message *m, bool remember);
/* Hands over again what is pending since an earlier round; kept: its entry, which has been checked. */
void message_recover(struct round *r, struct str remote_id, struct str kept);
/* Of a round that is cancelled. */
void message_drop(struct message *m);

/* ---- gate.c ---- */
/* A round met trouble of our own. Milliseconds after which its account is tried again. */
int64_t gate_on_trouble(struct retriever *v);
/* A round went well. */
void gate_on_good(struct retriever *v, bool took_mail);
/* A round begins. */
void gate_on_start(struct retriever *v);
/* How many of so many rounds may begin. */
unsigned gate_room(const struct retriever *v, unsigned room);

/* ---- pace.c ---- */
/* It has a slot now. */
void pace_begin(struct round *r);
/* From time to time: ends the round if it has its slot for too long, or the remote is too slow. */
void pace_look(struct round *r);
/* Between messages, the last of which is on its way. */
void pace_on_message_end(struct round *r);
/* Between batches, which is the best place: it shall end now, and goes on when others had their turn. */
bool pace_ends_batch(struct round *r);

/* ---- space.c ---- */
/* Asks how much room there is, then `next`. The round fails if the account may not receive mail. */
void space_ask(struct round *r, void (*next)(struct round *r));
/* False: a message of this size does not fit; it is noted that the mailbox is full. */
bool space_has(struct round *r, uint64_t bytes);

/* ---- session.c ---- */
/* Logs in; then folders_start(). */
void session_start(struct round *r);
/* All is read: waits for new mail, or ends the session. */
void session_rest(struct round *r);
/* An operator wants a look now, or the time is up: IDLE ends. */
void session_wake(struct round *r);
bool session_ip_is_allowed(void *arg, const struct ip *ip);

/* ---- ending.c ---- */
/* Writes the status and the next time; then retriever_on_round_end(). */
void ending_start(struct round *r);
/* The round went well, and goes on waiting for new mail: its status, without the end of its lease. Gives back the
 * slot and the connection to the host. */
void ending_rest(struct round *r);
/* Gives the account back as it was, to be claimed again after that time. */
void ending_give_back(struct round *r, int64_t after_ms);

#endif
