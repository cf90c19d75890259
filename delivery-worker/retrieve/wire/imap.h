/* The IMAP session of a box (RFC 3501, RFC 9051):
 *
 *   imap.c          greeting to login's end; every response comes in here
 *   imap_command.c  what is sent
 *   imap_login.c    AUTHENTICATE and LOGIN
 *   imap_folders.c  LIST, SELECT
 *   imap_page.c     the messages of a folder, page after page
 *   imap_fetch.c    messages, as they stream
 *   imap_delete.c   STORE, EXPUNGE
 *   imap_idle.c     IDLE
 *
 * Each operation's file gives its start and its handlers of responses; imap.c calls them. */
#ifndef SP_WORKER_RETRIEVE_IMAP_H
#define SP_WORKER_RETRIEVE_IMAP_H

#include "delivery-worker/retrieve/wire/box.h"
#include "delivery-worker/retrieve/wire/imap_reader.h"
#include "delivery-worker/retrieve/wire/imap_response.h"

#define IMAP_AHEAD 4 /* commands that may wait for their answers */

enum imap_step {
	IMAP_STEP_GREETING,
	IMAP_STEP_CAPABILITY,
	IMAP_STEP_STARTTLS,
	IMAP_STEP_LOGIN,
	IMAP_STEP_LIST,
	IMAP_STEP_SELECT,
	IMAP_STEP_PAGE,
	IMAP_STEP_CHANGES,
	IMAP_STEP_FETCH,
	IMAP_STEP_SEARCH,
	IMAP_STEP_STORE,
	IMAP_STEP_EXPUNGE,
	IMAP_STEP_IDLE,
	IMAP_STEP_LOGOUT,
	IMAP_STEPS
};

enum {
	IMAP_CAN_STARTTLS = 1,
	IMAP_LOGIN_DISABLED = 2,
	IMAP_CAN_SASL_IR = 4,
	IMAP_CAN_UIDPLUS = 8,
	IMAP_CAN_IDLE = 16,
	IMAP_CAN_CONDSTORE = 32,
	IMAP_CAN_SPECIAL_USE = 64,
	IMAP_CAN_LIST_EXTENDED = 128,
	IMAP_REV2 = 256,
};

struct imap_folders {
	struct remote_folder *items; /* owner: the arena, but for the array */
	struct str *wires;	     /* the names as the server gave them */
	unsigned count, capacity;
	struct arena arena;
};

struct imap_page {
	struct remote_message *items; /* owner of the array only; the rest is in the arena */
	unsigned count, capacity;
	uint32_t first, last; /* of the range that is asked for; last UINT32_MAX: "*" */
	uint32_t highest;     /* UID seen in it */
	uint32_t next;	      /* as the last page gave it */
	unsigned listed;      /* messages of the pages before this one of the same list */
	bool overflow;	      /* more than a page may have */
	uint32_t width;	      /* of the next range */
	struct arena arena;
};

struct imap_fetching {
	unsigned from, sent;   /* of the operation's uids: in the command in hand; up to here */
	unsigned single_until; /* up to here they are asked for one by one */
	bool *ended;	       /* for each of them: on_message_end was called; in the operation's arena */
	bool begun;	       /* a body is arriving */
	unsigned current;      /* whose */
	bool too_large, stray; /* it is thrown away */
};

struct imap_deleting {
	unsigned done;	/* of the operation's uids: stored and expunged */
	unsigned asked; /* up to here they are in the command in hand */
	bool mark_only;
};

struct imap {
	struct imap_reader reader;
	struct arena arena; /* of the response in hand */
	bool bad_input;
	enum imap_read event;
	unsigned next_tag;
	struct {
		unsigned tag;
		enum imap_step step;
	} awaited[IMAP_AHEAD];
	unsigned awaited_count;
	bool greeted;
	unsigned caps; /* IMAP_CAN_... */
	unsigned sasl; /* SASL_... */
	bool caps_known;
	struct login *login; /* owner */
	bool login_sent;     /* the initial response */
	bool leaving;	     /* BYE was seen */
	char bye[REMOTE_TEXT_MAX];
	struct remote_state selected;
	struct imap_folders folders;
	struct imap_page page;
	struct imap_fetching fetch;
	struct imap_deleting deleting;
	bool idling;   /* "+" has come */
	bool idle_end; /* DONE was sent */
	bool news;     /* EXISTS grew since the folder was last listed */
};

/* ---- imap_command.c ---- */
void imap_expect(struct imap *m, unsigned tag, enum imap_step step);
/* Sends "A12 " and the command, and awaits its answer. The format has no CRLF. */
__attribute__((format(printf, 3, 4))) void imap_command(struct remote_box *b, enum imap_step step, const char *format,
							...);
/* The command's words may be secret: they are wiped. */
void imap_command_secret(struct remote_box *b, enum imap_step step, struct buf *command);
/* A string that any server reads: quoted; false: it has bytes that cannot be quoted. */
bool imap_add_quoted(struct buf *out, struct str text);
/* Fails the box because of a tagged NO or BAD: REMOTE_UNAVAILABLE if its code says so, else `trouble`. */
void imap_fail_status(struct remote_box *b, enum remote_trouble trouble, const struct imap_response *r,
		      const char *what);
/* The text with its code, which helps those who know it: "[AUTHENTICATIONFAILED] no". */
struct str imap_words(struct imap *m, const struct imap_response *r);
/* "3:5,9" of ascending uids, at most about `max` bytes; returns how many are in it. */
unsigned imap_add_set(struct buf *out, const uint32_t *uids, unsigned count, size_t max);

/* ---- imap.c ---- */
/* Fails the box: "+" has come for nothing. */
void imap_unwanted_continue(struct remote_box *b, const struct imap_response *r);

/* ---- Handlers: of the tagged answer of a step, or of an untagged response ---- */
void imap_login_begin(struct remote_box *b);
void imap_login_continue(struct remote_box *b, const struct imap_response *r);
void imap_login_tagged(struct remote_box *b, const struct imap_response *r);

void imap_start_folders(struct remote_box *b);
void imap_folders_item(struct remote_box *b, const struct imap_list *item);
void imap_folders_tagged(struct remote_box *b, const struct imap_response *r);
void imap_start_select(struct remote_box *b);
void imap_select_code(struct remote_box *b, const struct imap_response *r);
void imap_select_tagged(struct remote_box *b, const struct imap_response *r);
void imap_folders_fini(struct imap_folders *f);

void imap_start_page(struct remote_box *b);
void imap_start_changes(struct remote_box *b);
void imap_page_item(struct remote_box *b, const struct imap_fetch *f);
void imap_page_tagged(struct remote_box *b, const struct imap_response *r);
void imap_changes_tagged(struct remote_box *b, const struct imap_response *r);
void imap_page_fini(struct imap_page *p);

void imap_start_fetch(struct remote_box *b);
void imap_fetch_body(struct remote_box *b, uint64_t bytes);
void imap_fetch_piece(struct remote_box *b, struct str piece);
void imap_fetch_item(struct remote_box *b, const struct imap_fetch *f, bool had_literal);
void imap_fetch_tagged(struct remote_box *b, const struct imap_response *r);

void imap_start_delete(struct remote_box *b);
void imap_delete_found(struct remote_box *b, struct str numbers);
void imap_search_tagged(struct remote_box *b, const struct imap_response *r);
void imap_store_tagged(struct remote_box *b, const struct imap_response *r);
void imap_expunge_tagged(struct remote_box *b, const struct imap_response *r);

void imap_start_idle(struct remote_box *b);
void imap_idle_continue(struct remote_box *b, const struct imap_response *r);
void imap_idle_news(struct remote_box *b);
void imap_idle_tagged(struct remote_box *b, const struct imap_response *r);
void imap_leave_idle(struct remote_box *b);

#endif
