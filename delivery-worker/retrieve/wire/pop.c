#include "delivery-worker/retrieve/wire/pop.h"

#include <string.h>

#include "lib/base/mem.h"

/* ---- Life ---- */
static void
pop_make(struct remote_box *b)
{
	b->pop = mem_new(struct pop);
	pop_reader_init(&b->pop->reader, BOX_LINE_MAX);
	arena_init(&b->pop->list.arena);
}

static void
pop_unmake(struct remote_box *b)
{
	struct pop *p = b->pop;

	login_free(&p->login);
	pop_reader_fini(&p->reader);
	pop_list_fini(&p->list);
	mem_free(p);
}

/* ---- Greeting, CAPA, STLS ---- */
static void
pop_begin(struct remote_box *b)
{
	pop_expect(b->pop, POP_STEP_GREETING);
}

/* What was offered before TLS does not count any more (RFC 2595, 4). */
static void
pop_ask_capa(struct remote_box *b)
{
	b->pop->caps = b->pop->sasl = 0;
	pop_command(b, POP_STEP_CAPA, "CAPA");
}

static void
pop_on_greeting(struct remote_box *b, const struct pop_status *s)
{
	if (!s->ok)
		box_fail(b, REMOTE_UNAVAILABLE, s->text, "the remote does not serve now");
	else
		pop_ask_capa(b);
}

/* All that it can do is known, or it has no CAPA. */
static void
pop_capa_end(struct remote_box *b)
{
	if (b->options.tls_mode != REMOTE_TLS_STARTTLS || b->tls_on)
		pop_login_begin(b);
	else if ((b->pop->caps & POP_CAN_STLS) == 0)
		box_fail(b, REMOTE_NO_TLS, STR_NONE, "the remote does not offer STLS");
	else
		pop_command(b, POP_STEP_STLS, "STLS");
}

static void
pop_on_capa(struct remote_box *b, const struct pop_status *s)
{
	if (s->ok)
		b->pop->in_lines = true;
	else
		pop_capa_end(b);
}

static void
pop_capa_line(struct remote_box *b, struct str line)
{
	static const struct {
		const char *name;
		unsigned bit;
	} capabilities[] = {
		{"STLS", POP_CAN_STLS},
		{"PIPELINING", POP_CAN_PIPELINING},
	};
	struct str word;

	if (!str_next_word(&line, " ", &word))
		return;
	for (size_t i = 0; i < sizeof(capabilities) / sizeof(capabilities[0]); i++)
		if (str_eq_ci(word, str_c(capabilities[i].name)))
			b->pop->caps |= capabilities[i].bit;
	if (str_eq_ci(word, STR("SASL")))
		b->pop->sasl |= login_read_offered(line);
}

static void
pop_on_stls(struct remote_box *b, const struct pop_status *s)
{
	if (s->ok)
		box_start_tls(b);
	else
		pop_fail_status(b, REMOTE_NO_TLS, s, "STLS");
}

/* ---- Small operations ---- */
static void
pop_start_folders(struct remote_box *b)
{
	static const struct remote_folder inbox = {.name = {"INBOX", 5}};

	op_folders(b, &inbox, 1);
}

static void
pop_start_select(struct remote_box *b)
{
	pop_command(b, POP_STEP_STAT, "STAT");
}

/* The count is for people; what there is to get, LIST and UIDL say. */
static void
pop_on_stat(struct remote_box *b, const struct pop_status *s)
{
	struct remote_state state = {0};
	uint64_t bytes;

	if (!s->ok)
		pop_fail_status(b, REMOTE_REFUSED, s, "STAT");
	else if (!pop_numbers_parse(s->text, &state.exists, &bytes))
		box_fail(b, REMOTE_PROTOCOL, s->text, "the answer to STAT makes no sense");
	else
		op_selected(b, &state);
}

static void
pop_start_close(struct remote_box *b)
{
	pop_command(b, POP_STEP_QUIT, "QUIT");
}

static void
pop_on_quit(struct remote_box *b, const struct pop_status *s)
{
	if (s->ok)
		op_done(b, NULL);
	else
		op_refused(b, s->text, "the remote did not delete all messages");
}

/* ---- Every line ---- */
struct pop_step_row {
	const char *name;
	void (*on_status)(struct remote_box *b, const struct pop_status *s);
	void (*on_line)(struct remote_box *b, struct str line); /* of a multi-line answer */
	void (*on_end)(struct remote_box *b);
};

static const struct pop_step_row pop_steps[POP_STEPS] = {
	[POP_STEP_GREETING] = {"the greeting", pop_on_greeting, NULL, NULL},
	[POP_STEP_CAPA] = {"CAPA", pop_on_capa, pop_capa_line, pop_capa_end},
	[POP_STEP_STLS] = {"STLS", pop_on_stls, NULL, NULL},
	[POP_STEP_AUTH] = {"AUTH", pop_on_auth, NULL, NULL},
	[POP_STEP_USER] = {"USER", pop_on_user, NULL, NULL},
	[POP_STEP_PASS] = {"PASS", pop_on_pass, NULL, NULL},
	[POP_STEP_STAT] = {"STAT", pop_on_stat, NULL, NULL},
	[POP_STEP_LIST] = {"LIST", pop_on_list, pop_list_line, pop_list_end},
	[POP_STEP_UIDL] = {"UIDL", pop_on_uidl, pop_uidl_line, pop_uidl_end},
	[POP_STEP_RETR] = {"RETR", pop_on_retr, NULL, pop_fetch_end},
	[POP_STEP_DELE] = {"DELE", pop_on_dele, NULL, NULL},
	[POP_STEP_QUIT] = {"QUIT", pop_on_quit, NULL, NULL},
};

static enum pop_step
pop_take_step(struct pop *p)
{
	enum pop_step step = p->awaited[0];

	p->awaited_count--;
	memmove(p->awaited, p->awaited + 1, sizeof(p->awaited[0]) * p->awaited_count);
	return step;
}

/* A step goes when its whole answer is here. */
static void
pop_on_status_line(struct remote_box *b, struct str line)
{
	struct pop *p = b->pop;
	enum pop_step step = p->awaited[0];
	struct pop_status status;

	if (step == POP_STEP_AUTH && str_starts(line, STR("+ "))) {
		pop_login_continue(b, str_trim(str_from(line, 2)));
		return;
	}
	if (step == POP_STEP_AUTH && str_eq(line, STR("+"))) {
		pop_login_continue(b, STR_NONE);
		return;
	}
	if (!pop_status_parse(line, &status)) {
		box_fail(b, REMOTE_PROTOCOL, line, "the remote does not speak POP3 at %s", pop_steps[step].name);
		return;
	}
	if (!status.ok || pop_steps[step].on_end == NULL)
		pop_take_step(p);
	pop_steps[step].on_status(b, &status);
}

static void
pop_on_list_line(struct remote_box *b, struct str line)
{
	struct pop *p = b->pop;
	enum pop_step step = p->awaited[0];

	if (!str_eq(line, STR("."))) {
		pop_steps[step].on_line(b, str_from(line, str_starts(line, STR("."))));
		return;
	}
	p->in_lines = false;
	pop_take_step(p);
	pop_steps[step].on_end(b);
	if (box_is_alive(b) && b->state == BOX_TALKING)
		box_set_timer(b);
}

static void
pop_on_message_end(struct remote_box *b)
{
	b->pop->in_message = false;
	pop_take_step(b->pop);
	pop_fetch_end(b);
	if (box_is_alive(b))
		box_set_timer(b);
}

static void
pop_handle(struct remote_box *b)
{
	struct pop *p = b->pop;
	struct str line = buf_str(&p->reader.line);

	if (p->event == POP_READ_END) {
		pop_on_message_end(b);
	} else if (p->awaited_count == 0) {
		box_fail(b, REMOTE_PROTOCOL, line, "the remote sent a line that nobody asked for");
	} else if (p->in_lines) {
		pop_on_list_line(b, line);
	} else {
		pop_on_status_line(b, line);
		if (box_is_alive(b) && b->state == BOX_TALKING)
			box_set_timer(b);
	}
}

static size_t
pop_take(struct remote_box *b, struct str input, bool *complete_out)
{
	struct pop *p = b->pop;
	struct str piece;
	size_t used = pop_reader_take(&p->reader, input, p->in_message, &p->event, &piece);

	switch (p->event) {
	case POP_READ_PIECE: pop_fetch_piece(b, piece); break;
	case POP_READ_LINE:
	case POP_READ_END: *complete_out = true; break;
	case POP_READ_LONG:
		box_fail(b, REMOTE_LIMIT, STR_NONE, "the remote sent a line of more than %d KiB", BOX_LINE_MAX / 1024);
		break;
	case POP_READ_MORE: break;
	}
	return used;
}

static const char *
pop_awaited(const struct remote_box *b)
{
	return b->pop->awaited_count > 0 ? pop_steps[b->pop->awaited[0]].name : NULL;
}

/* Never: without QUIT's answer nobody knows what was deleted. */
static bool
pop_ends_well(struct remote_box *b)
{
	(void)b;
	return false;
}

static void
pop_leave_idle(struct remote_box *b)
{
	(void)b;
}

static void (*const pop_starts[OP_KINDS])(struct remote_box *b) = {
	[OP_CLOSE] = pop_start_close, [OP_FOLDERS] = pop_start_folders, [OP_SELECT] = pop_start_select,
	[OP_PAGE] = pop_start_page,   [OP_FETCH] = pop_start_fetch,	[OP_DELETE] = pop_start_delete,
};

const struct box_protocol pop_protocol = {
	.name = "POP3",
	.make = pop_make,
	.unmake = pop_unmake,
	.begin = pop_begin,
	.secured = pop_ask_capa,
	.take = pop_take,
	.handle = pop_handle,
	.start = pop_starts,
	.awaited = pop_awaited,
	.ends_well = pop_ends_well,
	.leave_idle = pop_leave_idle,
};
