/* Searches in progress: what they wait for, their slices, their end. A search that
 * needs nothing but a loaded book is over before the next request is read. */
#include <utlist.h>

#include "frontend/ldap/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum {
	/* Units of lib/base/slice.h: to write an entry, and each byte of it. */
	ENTRY_WORK = 400,
	ENTRY_BYTE_WORK = 2,
	SORT_WORK = 100,  /* to look at an entry for the sorter */
	ROLES_MS = 60000, /* how long an answer about the client's roles counts */
};

static void search_run(struct ldap_search *s);

static struct ldap_search *
search_of(struct op *op)
{
	return OP_OWNER(op, struct ldap_search, op);
}

static struct frontend *
search_frontend(const struct ldap_search *s)
{
	return conn_frontend(s->session->conn);
}

/* ---- Life ---- */

static void
search_on_last_answer(struct op *op)
{
	mem_free(search_of(op));
}

struct ldap_search *
ldap_search_new(struct ldap_session *session, const struct ldap_request *r)
{
	struct ldap_search *s = mem_new(struct ldap_search);

	op_init(&s->op, search_on_last_answer);
	arena_init(&s->scratch);
	s->session = session;
	s->id = r->id;
	s->tag = r->operation->response;
	/* The search outlives the message that these point into. */
	s->controls = r->controls;
	s->controls.cookie = arena_str(&s->op.arena, r->controls.cookie);
	s->controls.sort_wrong = arena_str(&s->op.arena, r->controls.sort_wrong);
	DL_APPEND(session->searches, s);
	session->search_count++;
	return s;
}

struct ldap_search *
ldap_search_find(struct ldap_session *session, int32_t id)
{
	struct ldap_search *s;

	DL_FOREACH (session->searches, s)
		if (s->id == id)
			return s;
	return NULL;
}

/* Answers that are still due find the operation cancelled. */
void
ldap_search_drop(struct ldap_search **sp)
{
	struct ldap_search *s = *sp;

	*sp = NULL;
	DL_DELETE(s->session->searches, s);
	s->session->search_count--;
	if (s->book != NULL)
		book_let_go(&s->book);
	if (s->timer != NULL)
		event_free(s->timer);
	ldap_sorter_free(&s->sorter);
	arena_fini(&s->scratch);
	op_cancel(&s->op);
}

void
ldap_search_drop_all(struct ldap_session *session)
{
	while (session->searches != NULL) {
		struct ldap_search *first = session->searches;

		ldap_search_drop(&first);
	}
}

static struct str
search_matched_dn(struct ldap_search *s)
{
	enum ldap_kind kind = s->base.kind;

	if (kind == LDAP_USER)
		kind = LDAP_PEOPLE;
	else if (kind == LDAP_GROUP)
		kind = LDAP_GROUPS;
	else
		kind = s->base.above;
	return kind != LDAP_NOTHING ? ldap_dn_of(kind, s->base.domain, STR_NONE, &s->op.arena) : STR_NONE;
}

void
ldap_search_end(struct ldap_search *s, enum ldap_reply_name name)
{
	struct ldap_session *session = s->session;
	struct ldap_extras extras = {.controls = s->compares ? NULL : &s->controls};
	bool was_waiting = s->is_waiting;

	if (name == LDAP_NO_SUCH_OBJECT)
		extras.matched_dn = search_matched_dn(s);
	/* A full page: there is more. */
	if (name == LDAP_SIZE_LIMIT && s->controls.has_page) {
		name = ldap_page_cookie(s, &extras.cookie) ? LDAP_SUCCESS : LDAP_UNAVAILABLE;
	}
	ldap_answer(session, s->id, s->tag, name, &extras);
	ldap_search_drop(&s);
	if (was_waiting)
		session_settle(&session->base);
}

static void
search_on_time(evutil_socket_t fd, short what, void *arg)
{
	struct ldap_search *s = arg;

	(void)fd, (void)what;
	ldap_search_end(s, LDAP_TIME_LIMIT);
}

/* From now on others have their turns: the search needs a limit. */
static void
search_begin_waiting(struct ldap_search *s)
{
	struct timeval tv = clock_timeval(s->time_ms);

	if (s->is_waiting)
		return;
	s->is_waiting = true;
	s->timer = event_new(search_frontend(s)->service->base, -1, 0, search_on_time, s);
	CHECK(s->timer != NULL);
	event_add(s->timer, &tv);
}

/* ---- Running ---- */

static void
search_send(struct ldap_search *s, struct slice *slice, const struct ldap_entry *e)
{
	size_t bytes;

	s->sent++;
	s->last_kind = e->kind;
	s->last[0] = '\0';
	if (e->person != NULL)
		str_copy(e->person->address, s->last, sizeof(s->last));
	if (s->compares)
		return;
	arena_reset(&s->scratch);
	bytes = ldap_answer_entry(s->session, s->id, e, &s->selection, &s->scratch);
	(void)slice_spend(slice, (uint32_t)(ENTRY_WORK + bytes * ENTRY_BYTE_WORK));
}

/* The entry at the base. False: it does not exist, or is not visible. */
static bool
search_base_entry(const struct ldap_search *s, struct ldap_entry *out, struct book_entry *person)
{
	if (s->base.kind == LDAP_USER || s->base.kind == LDAP_GROUP)
		return ldap_walk_find(s, str_c(s->base.address), out, person) && out->kind == s->base.kind;
	*out = (struct ldap_entry){.kind = s->base.kind, .domain = s->base.domain, .root = &s->root};
	return s->base.kind != LDAP_NOTHING;
}

static enum ldap_reply_name
search_compare_result(struct ldap_search *s)
{
	enum ldap_attribute a = (enum ldap_attribute)__builtin_ctzll(s->selection.attributes);
	struct book_entry person;
	struct ldap_entry e;

	if (s->sent != 0)
		return LDAP_COMPARE_TRUE;
	if (!search_base_entry(s, &e, &person))
		return LDAP_NO_SUCH_OBJECT;
	return ldap_entry_values(&e, a, &s->scratch).count != 0 ? LDAP_COMPARE_FALSE : LDAP_NO_SUCH_ATTRIBUTE;
}

static void
search_end_walk(struct ldap_search *s)
{
	ldap_search_end(s, s->compares ? search_compare_result(s) : LDAP_SUCCESS);
}

static void
search_take_turn(struct op *op)
{
	search_run(search_of(op));
}

static void
search_rest(struct ldap_search *s)
{
	search_begin_waiting(s);
	metrics_add(M_SESSION_TURNS, 1);
	op_later(&s->op, search_frontend(s)->service->base, search_take_turn);
}

/* The client does not read: nothing more is written until it does. */
static bool
search_must_drain(struct ldap_search *s)
{
	if (session_may_write(&s->session->base, ldap_search_on_drained))
		return false;
	search_begin_waiting(s);
	s->wants_drain = true;
	return true;
}

static struct ldap_search *
search_that_goes_on(struct ldap_session *session)
{
	struct ldap_search *s;

	DL_FOREACH (session->searches, s)
		if (s->goes_on)
			return s;
	return NULL;
}

void
ldap_search_on_drained(struct session *base)
{
	struct ldap_session *session = (struct ldap_session *)base;
	struct ldap_search *s;

	DL_FOREACH (session->searches, s) {
		s->goes_on = s->wants_drain;
		s->wants_drain = false;
	}
	/* The end of one can begin the next request, which may drop any other: each is looked for anew. */
	while ((s = search_that_goes_on(session)) != NULL) {
		s->goes_on = false;
		slice_begin(&s->op.slice);
		search_run(s);
	}
	/* While a Bind awaits its result, nothing is read. */
	if (!conn_is_closing(session->conn) && !session->binding)
		session_settle(base);
}

/* The next entry to send, in the order of the keys. */
static enum ldap_step
search_next_sorted(struct ldap_search *s, struct ldap_entry *out, struct book_entry *person)
{
	enum ldap_kind kind;
	struct str address, key;

	while (ldap_sorter_next(s->sorter, &kind, &address, &key)) {
		s->after = key;
		*out = (struct ldap_entry){.kind = kind, .domain = s->base.domain};
		/* It may have gone since it was found. */
		if (address.len == 0 || ldap_walk_find(s, address, out, person))
			return LDAP_STEP_ENTRY;
	}
	return LDAP_STEP_END;
}

/* Finds all entries for the sorter. False: it goes on later. */
static bool
search_collect(struct ldap_search *s, struct slice *slice)
{
	struct book_entry person;
	struct ldap_entry e;

	for (;;) {
		switch (ldap_walk_next(s, slice, &e, &person)) {
		case LDAP_STEP_PAUSE: search_rest(s); return false;
		case LDAP_STEP_END:
			ldap_sorter_finish(s->sorter);
			s->is_sorted = true;
			return true;
		case LDAP_STEP_ENTRY:
			ldap_sorter_add(s->sorter, &e, &s->scratch);
			/* What it has made is what it has worked at. */
			(void)slice_spend(slice, (uint32_t)(SORT_WORK + s->scratch.total_bytes / 4));
			break;
		}
	}
}

static void
search_run(struct ldap_search *s)
{
	struct slice *slice = s->is_waiting ? &s->op.slice : &s->session->command.slice;
	struct book_entry person;
	struct ldap_entry e;
	struct str before;
	enum ldap_step step;

	if (s->sorter != NULL && !s->is_sorted && !search_collect(s, slice))
		return;
	for (;;) {
		if (search_must_drain(s))
			return;
		if (slice_spend(slice, 1)) {
			search_rest(s);
			return;
		}
		before = s->after;
		step = s->sorter != NULL ? search_next_sorted(s, &e, &person) : ldap_walk_next(s, slice, &e, &person);
		if (step == LDAP_STEP_PAUSE) {
			search_rest(s);
			return;
		}
		if (step == LDAP_STEP_END) {
			search_end_walk(s);
			return;
		}
		if (s->sent == s->most) {
			s->after = before;
			ldap_search_end(s, LDAP_SIZE_LIMIT);
			return;
		}
		search_send(s, slice, &e);
	}
}

/* ---- Before it can run: the domain, the client's roles, the book ---- */

static bool
search_is_too_large(struct ldap_search *s)
{
	int64_t most = ldap_settings(s->session)->book_max;

	return !s->plan.is_exact && (s->kinds & (1U << LDAP_USER | 1U << LDAP_GROUP)) != 0 && most != 0 &&
	       s->looked_at > (uint64_t)most;
}

static void
search_begin(struct ldap_search *s, struct book *book)
{
	struct book_entry person;
	struct ldap_entry e;

	s->book = book;
	if (!search_base_entry(s, &e, &person)) {
		ldap_search_end(s, LDAP_NO_SUCH_OBJECT);
		return;
	}
	ldap_walk_begin(s);
	if (search_is_too_large(s)) {
		ldap_search_end(s, LDAP_BOOK_TOO_LARGE);
		return;
	}
	/* One more than is sent tells whether there is more. */
	if (s->controls.key_count != 0)
		s->sorter = ldap_sorter_new(&s->controls, (unsigned)s->most + 1, s->after);
	search_run(s);
}

static void
search_on_book(void *arg, struct book *book, const struct err *err)
{
	struct ldap_search *s = arg;

	if (!op_back(&s->op)) {
		if (book != NULL)
			book_let_go(&book);
		return;
	}
	if (err != NULL) {
		log_info(conn_log(s->session->conn), "the address book cannot be read", F_ERR(err));
		ldap_search_end(s, LDAP_UNAVAILABLE);
		return;
	}
	search_begin(s, book);
}

static void
search_ask_book(struct ldap_search *s)
{
	struct book *book;

	s->view.with_hidden = s->session->is_admin && !s->view.is_foreign;
	if (s->base.kind == LDAP_NOTHING) {
		ldap_search_end(s, LDAP_NO_SUCH_OBJECT);
		return;
	}
	op_hold(&s->op);
	book = books_get(search_frontend(s)->books, s->base.domain, search_on_book, s);
	if (book == NULL) {
		search_begin_waiting(s);
		return;
	}
	(void)op_back(&s->op);
	search_begin(s, book);
}

/* ---- Is the client an administrator? Asked now and then, as its cache has it. ---- */

static void
search_set_roles(struct ldap_search *s, const struct directory_user *user)
{
	struct str roles = str_c(user != NULL ? user->roles : ""), word;

	s->session->roles_until_ms = clock_monotonic_ms() + ROLES_MS;
	s->session->is_admin = false;
	while (str_next_word(&roles, " ,", &word))
		if (str_eq(word, STR("domain_admin")) || str_eq(word, STR("system_admin")))
			s->session->is_admin = true;
}

static void
search_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct ldap_search *s = arg;

	if (!op_back(&s->op))
		return;
	/* Without the store what was known stays. */
	if (err == NULL)
		search_set_roles(s, user);
	search_ask_book(s);
}

static void
search_ask_user(struct ldap_search *s)
{
	struct directory_user user;
	bool found;

	if (clock_monotonic_ms() < s->session->roles_until_ms) {
		search_ask_book(s);
		return;
	}
	op_hold(&s->op);
	if (!directory_get_user(search_frontend(s)->directory, s->view.own, &user, &found, search_on_user, s)) {
		search_begin_waiting(s);
		return;
	}
	(void)op_back(&s->op);
	search_set_roles(s, found ? &user : NULL);
	search_ask_book(s);
}

/* ---- Does another domain exist? ---- */

static void
search_judge_domain(struct ldap_search *s, bool is_local)
{
	if (!is_local)
		s->base = (struct ldap_name){.kind = LDAP_NOTHING, .above = LDAP_NOTHING};
	search_ask_user(s);
}

static void
search_on_domain(void *arg, bool is_local, const struct err *err)
{
	struct ldap_search *s = arg;

	if (!op_back(&s->op))
		return;
	if (err != NULL)
		ldap_search_end(s, LDAP_UNAVAILABLE);
	else
		search_judge_domain(s, is_local);
}

static void
search_ask_domain(struct ldap_search *s)
{
	bool is_local;

	op_hold(&s->op);
	if (!directory_is_local_domain(search_frontend(s)->directory, s->base.domain, &is_local, search_on_domain, s)) {
		search_begin_waiting(s);
		return;
	}
	(void)op_back(&s->op);
	search_judge_domain(s, is_local);
}

/* ---- The start ---- */

/* Is it answered, or named by the filter? */
static bool
search_looks_at(const struct ldap_search *s, enum ldap_attribute a)
{
	return (s->selection.attributes >> a & 1) != 0 || ldap_filter_looks_at(&s->filter, a);
}

/* The root DSE and the schema: always there. */
static void
search_static(struct ldap_search *s)
{
	struct str account = str_c(s->session->account);
	struct book_entry person;
	struct ldap_entry e;

	if (s->base.kind == LDAP_ROOT && search_looks_at(s, LDAP_AT_SUPPORTED_SASL))
		s->root.mechanisms = ldap_mechanisms(s->session, &s->op.arena);
	s->root.offers_tls = !conn_is_tls(s->session->conn) && conn_tls_available(s->session->conn);
	if (account.len != 0)
		s->root.context = ldap_dn_of(LDAP_DOMAIN, directory_domain_of(account), STR_NONE, &s->op.arena);
	(void)search_base_entry(s, &e, &person);
	if (s->scope != LDAP_SCOPE_ONE && s->scope != LDAP_SCOPE_BELOW &&
	    ldap_filter_judge(&s->filter, &e, &s->scratch, &s->session->command.slice) == LDAP_TRUE)
		search_send(s, &s->session->command.slice, &e);
	search_end_walk(s);
}

void
ldap_search_start(struct ldap_search *s)
{
	if (s->base.kind == LDAP_ROOT || s->base.kind == LDAP_SUBSCHEMA)
		search_static(s); /* of one page: no cookie is of it */
	else if (!ldap_page_open(s))
		ldap_search_end(s, LDAP_BAD_COOKIE);
	else if (s->controls.has_page && s->most == 0) /* the client gives up (RFC 2696, section 3) */
		search_end_walk(s);
	else if (s->view.is_foreign)
		search_ask_domain(s);
	else
		search_ask_user(s);
}
