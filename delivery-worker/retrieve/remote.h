/* A session with a remote mailbox, by POP3 or IMAP, on the caller's loop.
 *
 *	remote_box_open()                resolve, connect, TLS, log in
 *	remote_box_folders()             IMAP; POP3 has INBOX only
 *	remote_box_select()
 *	remote_box_list()                page after page
 *	remote_box_fetch()               message after message
 *	remote_box_delete()
 *	remote_box_close()               QUIT or LOGOUT: POP3 deletes only now
 *	remote_box_free()
 *
 * One operation at a time: the next may start in the callback of the one before.
 * Each ends with one callback, never from within the call that started it, and
 * each callback may free the box. remote_box_free() ends an operation without a callback.
 *
 * After a failure other than REMOTE_REFUSED the box is dead: it can only be freed.
 * Nothing that the remote sends is trusted: lines, literals, lists, folders, time and
 * bytes have limits, texts are made printable. Messages are read with BODY.PEEK, so
 * nothing is ever marked as read at the remote. */
#ifndef SP_WORKER_RETRIEVE_REMOTE_H
#define SP_WORKER_RETRIEVE_REMOTE_H

#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ip.h"
#include "lib/base/str.h"
#include "lib/dns/dns.h"

struct remote_box;

enum remote_protocol { REMOTE_POP3, REMOTE_IMAP };
/* STARTTLS (STLS): a server that does not offer it is refused. NONE: not even if it is offered. */
enum remote_tls { REMOTE_TLS_IMPLICIT, REMOTE_TLS_STARTTLS, REMOTE_TLS_NONE };
/* OAUTH2: the secret is an access token (XOAUTH2 or OAUTHBEARER, as the server offers). */
enum remote_auth { REMOTE_AUTH_PASSWORD, REMOTE_AUTH_OAUTH2 };

/* Times in milliseconds; 0: the value in brackets. */
struct remote_options {
	struct event_base *base; /* borrowed, like the next two */
	struct dns *dns;
	SSL_CTX *tls; /* tls_context_new(); may be NULL with REMOTE_TLS_NONE */
	enum remote_protocol protocol;
	const char *host; /* a name or an address; this and the next two are copied */
	uint16_t port;
	enum remote_tls tls_mode;
	bool any_certificate; /* false: from a trusted authority, for the host */
	const char *user;
	const char *secret; /* the password or the access token; wiped after the login */
	enum remote_auth auth;
	bool (*ip_is_allowed)(void *arg, const struct ip *ip); /* asked for every address; not NULL */
	void *ip_arg;

	int64_t connect_ms;	    /* an address [10 s] */
	int64_t answer_ms;	    /* greeting, login, each answer; a long one must keep moving [60 s] */
	int64_t idle_ms;	    /* IDLE is sent anew after this (RFC 2177) [25 min] */
	uint64_t max_message_bytes; /* a larger one is not passed on [64 MiB] */
	uint64_t max_session_bytes; /* of all that the remote sends [64 GiB] */
	unsigned max_messages;	    /* of one folder's lists [100,000] */
};

enum remote_trouble {
	REMOTE_NO_HOST,	    /* DNS: no such name, or no answer */
	REMOTE_NOT_ALLOWED, /* none of the host's addresses may be reached */
	REMOTE_NO_CONNECTION,
	REMOTE_NO_TLS, /* not offered, refused, or the handshake failed */
	REMOTE_BAD_CERTIFICATE,
	REMOTE_LOGIN_REFUSED,
	REMOTE_UNAVAILABLE, /* the remote says that it cannot now ([IN-USE], [UNAVAILABLE], BYE, ...) */
	REMOTE_REFUSED,	    /* one request was refused: the box goes on */
	REMOTE_UNSUPPORTED, /* the server lacks what is needed: UIDL, a way to log in */
	REMOTE_PROTOCOL,    /* the answer makes no sense */
	REMOTE_LIMIT,	    /* it sends more than is allowed */
	REMOTE_TIME,	    /* no answer in time, or too slow */
	REMOTE_LOST,	    /* the connection was closed or broke */
	REMOTE_OURS,	    /* this host lacks a descriptor, port or memory: not the remote's fault */
};

#define REMOTE_TEXT_MAX 400

/* Borrowed for the call. */
struct remote_failure {
	enum remote_trouble trouble;
	char text[REMOTE_TEXT_MAX]; /* printable UTF-8, one line: ours, with the remote's own words in quotes */
};

/* "dns", "not-allowed", ..., for logs and metrics. */
const char *remote_trouble_name(enum remote_trouble trouble);

/* failure NULL: done. */
typedef void remote_on_done(void *arg, const struct remote_failure *failure);

/* Done: logged in. */
struct remote_box *remote_box_open(const struct remote_options *options, remote_on_done *cb, void *arg);
/* At once; no callback comes any more. Sets *b to NULL; NULL is allowed. */
void remote_box_free(struct remote_box **b);
/* QUIT or LOGOUT, and its answer. POP3: only then are messages deleted; REMOTE_REFUSED:
 * the remote did not delete all. Afterwards the box can only be freed. */
void remote_box_close(struct remote_box *b, remote_on_done *cb, void *arg);

/* After remote_box_open(). */
struct remote_abilities {
	bool idle;	  /* RFC 2177 */
	bool condstore;	  /* RFC 7162: remote_box_changes() */
	bool uidplus;	  /* RFC 4315: remote_box_delete() removes exactly what it should */
	bool special_use; /* RFC 6154 */
};
struct remote_abilities remote_box_abilities(const struct remote_box *b);
/* "TLSv1.3 TLS_AES_256_GCM_SHA384"; "" without TLS. */
const char *remote_box_tls(const struct remote_box *b);
struct ip remote_box_ip(const struct remote_box *b);   /* of the remote */
uint64_t remote_box_bytes(const struct remote_box *b); /* received so far */

/* ---- Folders ---- */
enum remote_use {
	REMOTE_USE_NONE,
	REMOTE_USE_ALL,
	REMOTE_USE_ARCHIVE,
	REMOTE_USE_DRAFTS,
	REMOTE_USE_FLAGGED,
	REMOTE_USE_JUNK,
	REMOTE_USE_SENT,
	REMOTE_USE_TRASH,
};

struct remote_folder {
	struct str name; /* UTF-8 without control characters, levels as the remote separates them */
	char delimiter;	 /* '\0': the remote has no levels */
	enum remote_use use;
	bool no_select; /* \Noselect or \NonExistent */
};

/* Borrowed for the call. POP3: INBOX. */
typedef void remote_on_folders(void *arg, const struct remote_folder *folders, unsigned count,
			       const struct remote_failure *failure);
void remote_box_folders(struct remote_box *b, remote_on_folders *cb, void *arg);

struct remote_state {
	uint32_t uidvalidity; /* POP3: 0 */
	uint32_t uidnext;     /* 0: unknown */
	uint32_t exists;
	uint64_t highestmodseq; /* 0: unknown */
	bool read_only;
};

typedef void remote_on_selected(void *arg, const struct remote_state *state, const struct remote_failure *failure);
/* folder: as remote_box_folders() gave it, or any name in UTF-8. read_only: EXAMINE,
 * which leaves \Recent alone; nothing can be deleted then. POP3: STAT; the folder
 * and read_only do not count. REMOTE_REFUSED: there is no such folder. */
void remote_box_select(struct remote_box *b, struct str folder, bool read_only, remote_on_selected *cb, void *arg);

/* ---- Messages ---- */
enum remote_flag {
	REMOTE_SEEN = 1,
	REMOTE_ANSWERED = 2,
	REMOTE_FLAGGED = 4,
	REMOTE_DELETED = 8,
	REMOTE_DRAFT = 16,
};

struct remote_message {
	uint32_t uid;	 /* POP3: the message's number in this session */
	struct str uidl; /* POP3; else empty */
	uint64_t size;	 /* bytes, as the remote says: it may be wrong */
	unsigned flags;	 /* REMOTE_SEEN, ... */
	const struct str *keywords;
	unsigned keyword_count;
	int64_t date_ms; /* INTERNALDATE; 0: none (POP3) */
	uint64_t modseq; /* remote_box_changes(); else 0 */
};

#define REMOTE_PAGE 1000 /* about as many messages are in a page */

/* messages: in ascending order of uid, borrowed for the call. next: what to give as `after`
 * for the next page; 0: this was the last one. A page may be empty only if it is the last. */
typedef void remote_on_page(void *arg, const struct remote_message *messages, unsigned count, uint32_t next,
			    const struct remote_failure *failure);
/* The messages of the selected folder with a uid above `after`. POP3: REMOTE_UNSUPPORTED if the
 * server has no UIDL; REMOTE_PROTOCOL if UIDL and LIST do not name the same messages. */
void remote_box_list(struct remote_box *b, uint32_t after, remote_on_page *cb, void *arg);
/* Those whose flags changed since modseq: uid, flags, keywords, modseq; `next` is 0. Only with condstore. */
void remote_box_changes(struct remote_box *b, uint64_t modseq, remote_on_page *cb, void *arg);

/* A message's callbacks come in the order on_message, on_piece..., on_message_end; the
 * messages in the order of the call. A message that was refused or is gone may have only
 * on_message_end; one without on_message_end is not whole. on_done last. */
struct remote_fetch_events {
	/* size: of the whole, as the remote announces it with the data; 0: unknown (POP3). */
	void (*on_message)(void *arg, uint32_t uid, uint64_t size);
	/* Bytes as they are, without dot-stuffing. It may call remote_box_pause(). */
	void (*on_piece)(void *arg, struct str piece);
	/* NULL: the whole message was passed on. Else what came of it must be thrown away:
	 * REMOTE_REFUSED (also: it is gone), or REMOTE_LIMIT, which leaves the box alive here. */
	void (*on_message_end)(void *arg, uint32_t uid, const struct remote_failure *failure);
	remote_on_done *on_done;
};
/* uids, in ascending order, are copied. Many messages are asked for at a time, so that the time
 * of the way counts once. `events` is borrowed until on_done. */
void remote_box_fetch(struct remote_box *b, const uint32_t *uids, unsigned count,
		      const struct remote_fetch_events *events, void *arg);
/* No on_piece until remote_box_resume(), and the remote is slowed down. Time limits rest. */
void remote_box_pause(struct remote_box *b);
/* Pieces go on at the loop's next turn. */
void remote_box_resume(struct remote_box *b);

/* expunged: gone. Else: marked as \Deleted only, because the server has no UIDPLUS and
 * other messages are marked too, which are not ours to expunge. POP3: true, but they are
 * gone only when remote_box_close() is done; REMOTE_REFUSED: not all of them will be. */
typedef void remote_on_deleted(void *arg, bool expunged, const struct remote_failure *failure);
/* uids are copied; those that are gone already count as deleted. */
void remote_box_delete(struct remote_box *b, const uint32_t *uids, unsigned count, remote_on_deleted *cb, void *arg);

/* ---- Waiting for new mail (IMAP) ---- */
/* Done: the folder has new messages, the remote has ended it, or remote_box_idle_end() was
 * called. Only with `idle`. */
void remote_box_idle(struct remote_box *b, remote_on_done *cb, void *arg);
/* DONE; then the callback comes. May be called at any time during remote_box_idle(). */
void remote_box_idle_end(struct remote_box *b);

#endif
