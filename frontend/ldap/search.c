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
	SORT_WORK = 100, /* to look at an entry for the sorter */
};

static struct ldap_search *
search_of(struct op *op)
{
	return OP_OWNER(op, struct ldap_search, op);
}

struct frontend *
ldap_search_frontend(const struct ldap_search *s)
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
void
ldap_search_begin_waiting(struct ldap_search *s)
{
	struct timeval tv = clock_timeval(s->time_ms);

	if (s->is_waiting)
		return;
	s->is_waiting = true;
	s->timer = event_new(ldap_search_frontend(s)->service->base, -1, 0, search_on_time, s);
	CHECK(s->timer != NULL);
	event_add(s->timer, &tv);
}

/* ---- Running ---- */

void
ldap_search_send(struct ldap_search *s, struct slice *slice, const struct ldap_entry *e)
{
	struct ldap_selection shown = s->selection;
	size_t bytes;

	s->sent++;
	s->last_kind = e->kind;
	s->last[0] = '\0';
	if (e->person != NULL)
		str_copy(e->person->address, s->last, sizeof(s->last));
	if (s->compares)
		return;
	/* One that could not be read is left out: its fingerprint is no photo. */
	if (e->photo.len == 0 && !shown.types_only)
		shown.attributes &= ~(UINT64_C(1) << LDAP_AT_JPEG_PHOTO);
	arena_reset(&s->scratch);
	bytes = ldap_answer_entry(s->session, s->id, e, &shown, &s->scratch);
	(void)slice_spend(slice, (uint32_t)(ENTRY_WORK + bytes * ENTRY_BYTE_WORK));
}

/* The entry at the base. False: it does not exist, or is not visible. */
bool
ldap_search_base_entry(const struct ldap_search *s, struct ldap_entry *out, struct book_entry *person)
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
	if (!ldap_search_base_entry(s, &e, &person))
		return LDAP_NO_SUCH_OBJECT;
	return ldap_entry_values(&e, a, &s->scratch).count != 0 ? LDAP_COMPARE_FALSE : LDAP_NO_SUCH_ATTRIBUTE;
}

void
ldap_search_end_walk(struct ldap_search *s)
{
	ldap_search_end(s, s->compares ? search_compare_result(s) : LDAP_SUCCESS);
}

static void
search_take_turn(struct op *op)
{
	ldap_search_run(search_of(op));
}

static void
search_rest(struct ldap_search *s)
{
	ldap_search_begin_waiting(s);
	metrics_add(M_SESSION_TURNS, 1);
	op_later(&s->op, ldap_search_frontend(s)->service->base, search_take_turn);
}

/* The client does not read: nothing more is written until it does. */
static bool
search_must_drain(struct ldap_search *s)
{
	if (session_may_write(&s->session->base, ldap_search_on_drained))
		return false;
	ldap_search_begin_waiting(s);
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
		ldap_search_run(s);
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

void
ldap_search_run(struct ldap_search *s)
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
			ldap_search_end_walk(s);
			return;
		}
		if (s->sent == s->most) {
			s->after = before;
			ldap_search_end(s, LDAP_SIZE_LIMIT);
			return;
		}
		if (ldap_photo_is_needed(s, &e)) {
			ldap_photo_read(s, &e);
			return;
		}
		ldap_search_send(s, slice, &e);
	}
}
