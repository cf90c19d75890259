/* One session with a remote mailbox, below the interface of remote.h.
 *
 *   box.c            its life: names to addresses, connecting, TLS, bytes, time limits, failing, freeing
 *   box_failure.c    the words of a failure
 *   box_login.c      which login, with which secret
 *   box_ops.c        the operations of remote.h, and how each tells its caller
 *   pop*.c, imap*.c  the two protocols, each behind one struct box_protocol
 *   *_reader.c       bytes to lines and pieces; imap_response.c: lines to values. Pure.
 *
 * Only these files include this header. */
#ifndef SP_WORKER_RETRIEVE_BOX_H
#define SP_WORKER_RETRIEVE_BOX_H

#include <stdarg.h>

#include "delivery-worker/net/connection.h"
#include "delivery-worker/net/login.h"
#include "delivery-worker/retrieve/remote.h"
#include "lib/base/arena.h"
#include "lib/base/buf.h"

#define BOX_IPS_MAX  8
#define BOX_LINE_MAX (64 * 1024) /* a line of the remote, with its small literals */

enum box_state {
	BOX_RESOLVING,
	BOX_CONNECTING,
	BOX_TLS, /* the handshake is in progress */
	BOX_TALKING,
	BOX_DEAD,
};

enum box_op_kind {
	OP_NONE,
	OP_OPEN,
	OP_CLOSE,
	OP_FOLDERS,
	OP_SELECT,
	OP_PAGE,
	OP_CHANGES,
	OP_FETCH,
	OP_DELETE,
	OP_IDLE,
	OP_KINDS
};

/* The operation in progress. */
struct box_op {
	enum box_op_kind kind;
	bool started; /* by the protocol */
	void *arg;
	union {
		remote_on_done *done; /* OP_OPEN, OP_CLOSE, OP_IDLE */
		remote_on_folders *folders;
		remote_on_selected *selected;
		remote_on_page *page; /* OP_PAGE, OP_CHANGES */
		const struct remote_fetch_events *fetch;
		remote_on_deleted *deleted;
	};
	struct str folder; /* in the arena, like uids */
	bool read_only;
	uint32_t after;
	uint64_t modseq;
	uint32_t *uids;
	unsigned count;
	bool end_wanted; /* OP_IDLE */
	struct arena arena;
};

struct remote_box;

struct box_protocol {
	const char *name;
	void (*make)(struct remote_box *b);
	void (*unmake)(struct remote_box *b);
	/* Connected, with TLS if it is implicit: the greeting is to come. */
	void (*begin)(struct remote_box *b);
	/* TLS after STARTTLS. */
	void (*secured)(struct remote_box *b);
	/* Takes input up to the end of one answer or line; returns the bytes used. */
	size_t (*take)(struct remote_box *b, struct str input, bool *complete_out);
	/* Handles what is complete. The input up to its end has been removed. */
	void (*handle)(struct remote_box *b);
	/* By the kind of operation; NULL: done by box_ops.c. Runs from the loop. */
	void (*const *start)(struct remote_box *b);
	/* What the remote owes, in words; NULL: nothing. */
	const char *(*awaited)(const struct remote_box *b);
	/* The connection has ended: true if that is how it should end. */
	bool (*ends_well)(struct remote_box *b);
	/* The time limit of IDLE, or remote_box_idle_end(). */
	void (*leave_idle)(struct remote_box *b);
};

struct pop;
struct imap;

struct remote_box {
	struct remote_options options; /* host, user and secret point to what is owned here */
	char *host, *user, *secret;    /* owner */
	char tls_name[256];
	const struct box_protocol *protocol;
	union {
		struct pop *pop; /* owner */
		struct imap *imap;
	};
	enum box_state state;
	unsigned busy; /* own code on the stack: freeing waits */
	bool free_wanted;
	bool logged_in;
	bool paused;
	bool closed; /* by remote_box_close() */
	struct remote_abilities abilities;

	struct dns_query *query;
	struct ip ips[BOX_IPS_MAX];
	unsigned ip_count, ip_at;
	struct connection connection;
	bool tls_on;
	char tls_text[96];
	bool lost; /* the end of the connection; input may be left */
	int lost_errno;
	struct event *turn; /* owner: the loop's next turn */

	uint64_t bytes;		 /* received */
	uint64_t answer_bytes;	 /* received when the last answer was complete */
	int64_t answer_since_ms; /* that was then, by clock_monotonic_ms() */
	uint64_t window_bytes;	 /* received when the time limit was set */

	struct box_op op;
	struct remote_failure failure; /* BOX_DEAD */
};

extern const struct box_protocol pop_protocol, imap_protocol;

/* ---- box.c ---- */
/* Around all that may call the owner back. */
void box_enter(struct remote_box *b);
void box_leave(struct remote_box *b);
/* words: the remote's, quoted; may be empty. The box is dead; tells the operation in progress. */
__attribute__((format(printf, 4, 5))) void box_fail(struct remote_box *b, enum remote_trouble trouble, struct str words,
						    const char *format, ...);
__attribute__((format(printf, 4, 5))) void box_failure_set(struct remote_failure *f, enum remote_trouble trouble,
							   struct str words, const char *format, ...);
/* OP_OPEN. */
void box_resolve(struct remote_box *b);
__attribute__((format(printf, 4, 0))) void box_failure_vset(struct remote_failure *f, enum remote_trouble trouble,
							    struct str words, const char *format, va_list ap);
void box_start_tls(struct remote_box *b);
void box_write(struct remote_box *b, struct str text);
__attribute__((format(printf, 2, 3))) void box_printf(struct remote_box *b, const char *format, ...);
/* An answer is complete, or a command was sent: the limits of the next answer, in time and bytes, begin. */
void box_set_timer(struct remote_box *b);
bool box_is_alive(const struct remote_box *b); /* neither dead nor freed by its owner */
/* Logged in: the secret is wiped. */
void box_opened(struct remote_box *b);
/* The login as the options want it; NULL: none that the server offers. */
struct login *box_login_new(struct remote_box *b, unsigned offered);
/* Appends a secret in base64. The room is made first: a buffer that grows leaves copies behind. */
void box_add_secret(struct buf *out, struct str secret);
/* Frees it with nothing left in its memory. */
void box_wipe(struct buf *secret);
/* ": \"status\":\"401\"" of a refused token; else empty. */
void box_token_error(const struct login *l, char *out, size_t size);

/* ---- box_ops.c: the end of the operation in progress ---- */
void op_done(struct remote_box *b, const struct remote_failure *failure);
/* Done, by what the kind of operation gives. */
void op_folders(struct remote_box *b, const struct remote_folder *folders, unsigned count);
void op_selected(struct remote_box *b, const struct remote_state *state);
void op_page(struct remote_box *b, const struct remote_message *messages, unsigned count, uint32_t next);
void op_deleted(struct remote_box *b, bool expunged);
/* The request is refused; the box goes on. */
__attribute__((format(printf, 3, 4))) void op_refused(struct remote_box *b, struct str words, const char *format, ...);
/* Starts the operation that waits, if any. */
void op_begin(struct remote_box *b);

#endif
