#include "delivery-worker/retrieve/wire/imap.h"

#include <stdio.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/words.h"
#include "lib/base/mem.h"

static const char *const imap_step_names[IMAP_STEPS] = {
	[IMAP_STEP_GREETING] = "the greeting",
	[IMAP_STEP_CAPABILITY] = "CAPABILITY",
	[IMAP_STEP_STARTTLS] = "STARTTLS",
	[IMAP_STEP_LOGIN] = "the login",
	[IMAP_STEP_LIST] = "LIST",
	[IMAP_STEP_SELECT] = "SELECT",
	[IMAP_STEP_PAGE] = "FETCH",
	[IMAP_STEP_CHANGES] = "FETCH (CHANGEDSINCE)",
	[IMAP_STEP_FETCH] = "FETCH BODY",
	[IMAP_STEP_SEARCH] = "SEARCH",
	[IMAP_STEP_STORE] = "STORE",
	[IMAP_STEP_EXPUNGE] = "EXPUNGE",
	[IMAP_STEP_IDLE] = "IDLE",
	[IMAP_STEP_LOGOUT] = "LOGOUT",
};

/* ---- Life ---- */
static void
imap_make(struct remote_box *b)
{
	struct imap *m = mem_new(struct imap);

	b->imap = m;
	imap_reader_init(&m->reader, BOX_LINE_MAX);
	arena_init(&m->arena);
	arena_init(&m->folders.arena);
	arena_init(&m->page.arena);
}

static void
imap_unmake(struct remote_box *b)
{
	struct imap *m = b->imap;

	login_free(&m->login);
	imap_reader_fini(&m->reader);
	imap_folders_fini(&m->folders);
	imap_page_fini(&m->page);
	arena_fini(&m->arena);
	mem_free(m);
}

/* ---- Greeting, CAPABILITY, STARTTLS ---- */
static const struct {
	const char *name;
	unsigned bit;
} imap_capabilities[] = {
	{"STARTTLS", IMAP_CAN_STARTTLS},
	{"LOGINDISABLED", IMAP_LOGIN_DISABLED},
	{"SASL-IR", IMAP_CAN_SASL_IR},
	{"UIDPLUS", IMAP_CAN_UIDPLUS},
	{"IDLE", IMAP_CAN_IDLE},
	{"CONDSTORE", IMAP_CAN_CONDSTORE},
	{"QRESYNC", IMAP_CAN_CONDSTORE},
	{"SPECIAL-USE", IMAP_CAN_SPECIAL_USE},
	{"LIST-EXTENDED", IMAP_CAN_LIST_EXTENDED},
	{"IMAP4rev2", IMAP_REV2 | IMAP_CAN_SASL_IR | IMAP_CAN_UIDPLUS | IMAP_CAN_IDLE | IMAP_CAN_SPECIAL_USE |
			      IMAP_CAN_LIST_EXTENDED},
};

static void
imap_read_capabilities(struct remote_box *b, struct str words)
{
	struct imap *m = b->imap;
	struct str word;

	m->caps = m->sasl = 0;
	m->caps_known = true;
	while (str_next_word(&words, " ", &word)) {
		for (size_t i = 0; i < sizeof(imap_capabilities) / sizeof(imap_capabilities[0]); i++)
			if (str_eq_ci(word, str_c(imap_capabilities[i].name)))
				m->caps |= imap_capabilities[i].bit;
		if (str_starts_ci(word, STR("AUTH=")))
			m->sasl |= login_read_offered(str_from(word, 5));
	}
	b->abilities = (struct remote_abilities){
		.idle = (m->caps & IMAP_CAN_IDLE) != 0,
		.condstore = (m->caps & IMAP_CAN_CONDSTORE) != 0,
		.uidplus = (m->caps & IMAP_CAN_UIDPLUS) != 0,
		.special_use = (m->caps & IMAP_CAN_SPECIAL_USE) != 0,
	};
}

static void
imap_begin(struct remote_box *b)
{
	imap_expect(b->imap, 0, IMAP_STEP_GREETING);
}

static void
imap_ask_capability(struct remote_box *b)
{
	imap_command(b, IMAP_STEP_CAPABILITY, "CAPABILITY");
}

/* What was offered before TLS does not count any more (RFC 9051, 6.2.1). */
static void
imap_secured(struct remote_box *b)
{
	b->imap->caps = b->imap->sasl = 0;
	b->imap->caps_known = false;
	imap_ask_capability(b);
}

static void
imap_on_capability(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;

	if (b->logged_in) {
		box_opened(b);
		return;
	}
	if (r != NULL && r->status != IMAP_OK) {
		imap_fail_status(b, REMOTE_PROTOCOL, r, "CAPABILITY");
		return;
	}
	if (!m->caps_known) {
		box_fail(b, REMOTE_PROTOCOL, STR_NONE, "the remote does not say what it can do");
		return;
	}
	if (b->options.tls_mode != REMOTE_TLS_STARTTLS || b->tls_on)
		imap_login_begin(b);
	else if ((m->caps & IMAP_CAN_STARTTLS) == 0)
		box_fail(b, REMOTE_NO_TLS, STR_NONE, "the remote does not offer STARTTLS");
	else
		imap_command(b, IMAP_STEP_STARTTLS, "STARTTLS");
}

static void
imap_on_starttls(struct remote_box *b, const struct imap_response *r)
{
	if (r->status != IMAP_OK)
		imap_fail_status(b, REMOTE_NO_TLS, r, "STARTTLS");
	else
		box_start_tls(b);
}

static void
imap_on_greeting(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;

	m->awaited_count = 0;
	m->greeted = true;
	if (r->kind != IMAP_UNTAGGED) {
		box_fail(b, REMOTE_PROTOCOL, STR_NONE, "the remote does not speak IMAP");
	} else if (r->status == IMAP_PREAUTH) {
		/* Whose mailbox would that be? And STARTTLS is not allowed any more. */
		box_fail(b, REMOTE_PROTOCOL, r->text, "the remote logs in by itself (PREAUTH)");
	} else if (r->status != IMAP_OK) {
		box_fail(b, REMOTE_UNAVAILABLE, imap_words(m, r), "the remote does not serve now");
	} else if (m->caps_known && (b->options.tls_mode != REMOTE_TLS_STARTTLS)) {
		imap_on_capability(b, NULL);
	} else {
		imap_ask_capability(b);
	}
}

static void
imap_on_logout(struct remote_box *b, const struct imap_response *r)
{
	(void)r;
	op_done(b, NULL);
}

/* ---- Every response ---- */
static void (*const imap_tagged[IMAP_STEPS])(struct remote_box *b, const struct imap_response *r) = {
	[IMAP_STEP_CAPABILITY] = imap_on_capability, [IMAP_STEP_STARTTLS] = imap_on_starttls,
	[IMAP_STEP_LOGIN] = imap_login_tagged,	     [IMAP_STEP_LIST] = imap_folders_tagged,
	[IMAP_STEP_SELECT] = imap_select_tagged,     [IMAP_STEP_PAGE] = imap_page_tagged,
	[IMAP_STEP_CHANGES] = imap_changes_tagged,   [IMAP_STEP_FETCH] = imap_fetch_tagged,
	[IMAP_STEP_SEARCH] = imap_search_tagged,     [IMAP_STEP_STORE] = imap_store_tagged,
	[IMAP_STEP_EXPUNGE] = imap_expunge_tagged,   [IMAP_STEP_IDLE] = imap_idle_tagged,
	[IMAP_STEP_LOGOUT] = imap_on_logout,
};

static enum imap_step
imap_step(const struct imap *m)
{
	return m->awaited_count > 0 ? m->awaited[0].step : IMAP_STEPS;
}

static void
imap_on_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;
	enum imap_step step = imap_step(m);
	char tag[16];

	snprintf(tag, sizeof(tag), "A%u", m->awaited_count > 0 ? m->awaited[0].tag : 0);
	if (m->awaited_count == 0 || !str_eq(r->tag, str_c(tag))) {
		box_fail(b, REMOTE_PROTOCOL, r->tag, "an answer has a tag that is not awaited");
		return;
	}
	m->awaited_count--;
	memmove(m->awaited, m->awaited + 1, sizeof(m->awaited[0]) * m->awaited_count);
	imap_tagged[step](b, r);
	if (box_is_alive(b) && b->state == BOX_TALKING && !m->idling)
		box_set_timer(b);
}

void
imap_unwanted_continue(struct remote_box *b, const struct imap_response *r)
{
	box_fail(b, REMOTE_PROTOCOL, r->text, "the remote wants more where there is no more");
}

static void
imap_on_continue(struct remote_box *b, const struct imap_response *r)
{
	switch (imap_step(b->imap)) {
	case IMAP_STEP_LOGIN: imap_login_continue(b, r); break;
	case IMAP_STEP_IDLE: imap_idle_continue(b, r); break;
	default: imap_unwanted_continue(b, r); break;
	}
}

static void
imap_on_untagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;

	if (r->status == IMAP_BYE) {
		m->leaving = true;
		words_clean(imap_words(m, r), m->bye, sizeof(m->bye));
	}
	if (imap_step(m) == IMAP_STEP_SELECT)
		imap_select_code(b, r);
}

static void
imap_on_exists(struct remote_box *b, uint32_t count)
{
	struct imap *m = b->imap;
	bool grew = count > m->selected.exists;

	m->selected.exists = count;
	if (grew && imap_step(m) != IMAP_STEP_SELECT)
		imap_idle_news(b);
}

static void
imap_on_fetch(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;
	enum imap_step step = imap_step(m);

	if (step == IMAP_STEP_PAGE || step == IMAP_STEP_CHANGES)
		imap_page_item(b, &r->fetch);
	else if (r->fetch.has_body)
		imap_fetch_item(b, &r->fetch, m->reader.has_body);
	/* Else flags that another client has changed. */
}

static void
imap_on_response(struct remote_box *b, const struct imap_response *r)
{
	struct imap *m = b->imap;

	if (str_eq_ci(r->code, STR("CAPABILITY")))
		imap_read_capabilities(b, r->code_value);
	if (!m->greeted) {
		imap_on_greeting(b, r);
		box_set_timer(b);
		return;
	}
	switch (r->kind) {
	case IMAP_TAGGED: imap_on_tagged(b, r); break;
	case IMAP_UNTAGGED: imap_on_untagged(b, r); break;
	case IMAP_CONTINUE: imap_on_continue(b, r); break;
	case IMAP_CAPABILITY: imap_read_capabilities(b, r->text); break;
	case IMAP_LIST:
		if (imap_step(m) == IMAP_STEP_LIST)
			imap_folders_item(b, &r->list);
		break;
	case IMAP_SEARCH:
		if (imap_step(m) == IMAP_STEP_SEARCH)
			imap_delete_found(b, r->text);
		break;
	case IMAP_EXISTS: imap_on_exists(b, r->number); break;
	case IMAP_EXPUNGE:
		if (m->selected.exists > 0)
			m->selected.exists--;
		break;
	case IMAP_FETCH: imap_on_fetch(b, r); break;
	case IMAP_OTHER: break;
	}
}

/* ---- Input ---- */
static size_t
imap_take(struct remote_box *b, struct str input, bool *complete_out)
{
	struct imap *m = b->imap;
	struct str piece;
	size_t used = imap_reader_take(&m->reader, input, &m->event, &piece);

	switch (m->event) {
	case IMAP_READ_BODY: imap_fetch_body(b, m->reader.body_bytes); break;
	case IMAP_READ_PIECE: imap_fetch_piece(b, piece); break;
	case IMAP_READ_RESPONSE: *complete_out = true; break;
	case IMAP_READ_LONG:
		box_fail(b, REMOTE_LIMIT, STR_NONE, "the remote sent a line of more than %d KiB", BOX_LINE_MAX / 1024);
		break;
	case IMAP_READ_BAD: box_fail(b, REMOTE_PROTOCOL, STR_NONE, "a literal of the remote makes no sense"); break;
	case IMAP_READ_MORE: break;
	}
	return used;
}

static void
imap_handle(struct remote_box *b)
{
	struct imap *m = b->imap;
	struct imap_response response;

	arena_reset(&m->arena);
	if (imap_response_parse(buf_str(&m->reader.text), &m->arena, &response))
		imap_on_response(b, &response);
	else if (m->greeted)
		box_fail(b, REMOTE_PROTOCOL, buf_str(&m->reader.text), "an answer of the remote cannot be read");
	else
		box_fail(b, REMOTE_PROTOCOL, buf_str(&m->reader.text), "the remote does not speak IMAP");
}

static const char *
imap_awaited(const struct remote_box *b)
{
	const struct imap *m = b->imap;

	if (m->idling && !m->idle_end)
		return NULL;
	return m->awaited_count > 0 ? imap_step_names[m->awaited[0].step] : NULL;
}

/* After LOGOUT many servers close at once. Nothing depends on its answer. */
static bool
imap_ends_well(struct remote_box *b)
{
	struct imap *m = b->imap;

	if (imap_step(m) == IMAP_STEP_LOGOUT)
		return true;
	if (m->leaving)
		box_fail(b, b->logged_in ? REMOTE_LOST : REMOTE_UNAVAILABLE, str_c(m->bye), "the remote said goodbye");
	return false;
}

static void
imap_start_close(struct remote_box *b)
{
	imap_command(b, IMAP_STEP_LOGOUT, "LOGOUT");
}

static void (*const imap_starts[OP_KINDS])(struct remote_box *b) = {
	[OP_CLOSE] = imap_start_close,	 [OP_FOLDERS] = imap_start_folders, [OP_SELECT] = imap_start_select,
	[OP_PAGE] = imap_start_page,	 [OP_CHANGES] = imap_start_changes, [OP_FETCH] = imap_start_fetch,
	[OP_DELETE] = imap_start_delete, [OP_IDLE] = imap_start_idle,
};

const struct box_protocol imap_protocol = {
	.name = "IMAP",
	.make = imap_make,
	.unmake = imap_unmake,
	.begin = imap_begin,
	.secured = imap_secured,
	.take = imap_take,
	.handle = imap_handle,
	.start = imap_starts,
	.awaited = imap_awaited,
	.ends_well = imap_ends_well,
	.leave_idle = imap_leave_idle,
};
