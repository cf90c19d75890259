/* The POP3 session of a box (RFC 1939, 2449, 2595, 5034):
 *
 *   pop.c         greeting to login's end; every line comes in here
 *   pop_command.c what is sent
 *   pop_login.c   AUTH, or USER and PASS
 *   pop_list.c    LIST and UIDL
 *   pop_fetch.c   RETR, as it streams, and DELE */
#ifndef SP_WORKER_RETRIEVE_POP_H
#define SP_WORKER_RETRIEVE_POP_H

#include "delivery-worker/retrieve/wire/box.h"
#include "delivery-worker/retrieve/wire/pop_reader.h"

#define POP_AHEAD 64 /* commands that may wait for their answers; 1 without PIPELINING */

enum pop_step {
	POP_STEP_GREETING,
	POP_STEP_CAPA,
	POP_STEP_STLS,
	POP_STEP_AUTH,
	POP_STEP_USER,
	POP_STEP_PASS,
	POP_STEP_STAT,
	POP_STEP_LIST,
	POP_STEP_UIDL,
	POP_STEP_RETR,
	POP_STEP_DELE,
	POP_STEP_QUIT,
	POP_STEPS
};

enum { POP_CAN_STLS = 1, POP_CAN_PIPELINING = 2 };

struct pop_list {
	bool known;
	uint32_t *numbers; /* owner, like the next two; ascending */
	uint64_t *sizes;
	struct str *uidls; /* in the arena */
	unsigned count, capacity;
	unsigned named; /* of them have their UIDL */
	struct arena arena;
	struct remote_message *page; /* owner */
};

struct pop {
	struct pop_reader reader;
	enum pop_read event;
	enum pop_step awaited[POP_AHEAD];
	unsigned awaited_count;
	bool in_lines;	 /* of a multi-line answer */
	bool in_message; /* of RETR */
	unsigned caps;	 /* POP_CAN_... */
	unsigned sasl;
	struct login *login; /* owner */
	bool login_sent;     /* the initial response */
	struct pop_list list;

	unsigned sent, done; /* of the operation's uids */
	unsigned refused;    /* of those done: DELE */
	uint64_t message_bytes;
	bool too_large;
};

/* ---- pop_command.c ---- */
void pop_expect(struct pop *p, enum pop_step step);
/* The format has no CRLF. Secrets go through pop_command_secret(), which wipes. */
__attribute__((format(printf, 3, 4))) void pop_command(struct remote_box *b, enum pop_step step, const char *format,
						       ...);
void pop_command_secret(struct remote_box *b, enum pop_step step, struct buf *command);
/* How many more commands may be sent. */
unsigned pop_room(const struct pop *p);
/* REMOTE_UNAVAILABLE if the code says so, else `trouble`. */
void pop_fail_status(struct remote_box *b, enum remote_trouble trouble, const struct pop_status *s, const char *what);

void pop_login_begin(struct remote_box *b);
void pop_login_continue(struct remote_box *b, struct str challenge);
void pop_on_auth(struct remote_box *b, const struct pop_status *s);
void pop_on_user(struct remote_box *b, const struct pop_status *s);
void pop_on_pass(struct remote_box *b, const struct pop_status *s);

void pop_start_page(struct remote_box *b);
void pop_on_list(struct remote_box *b, const struct pop_status *s);
void pop_list_line(struct remote_box *b, struct str line);
void pop_list_end(struct remote_box *b);
void pop_on_uidl(struct remote_box *b, const struct pop_status *s);
void pop_uidl_line(struct remote_box *b, struct str line);
void pop_uidl_end(struct remote_box *b);
void pop_list_fini(struct pop_list *l);

void pop_start_fetch(struct remote_box *b);
void pop_on_retr(struct remote_box *b, const struct pop_status *s);
void pop_fetch_piece(struct remote_box *b, struct str piece);
void pop_fetch_end(struct remote_box *b);
void pop_start_delete(struct remote_box *b);
void pop_on_dele(struct remote_box *b, const struct pop_status *s);

#endif
