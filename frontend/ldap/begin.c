/* A search before it can run: does the domain exist, what may the client see, where is the
 * book? */
#include "frontend/ldap/private.h"
#include "lib/base/clock.h"

enum { BEGIN_ROLES_MS = 60000 }; /* how long an answer about the client's roles counts */

/* ---- The book ---- */

static bool
begin_is_too_large(struct ldap_search *s)
{
	int64_t most = ldap_settings(s->session)->book_max;

	return !s->plan.is_exact && (s->kinds & (1U << LDAP_USER | 1U << LDAP_GROUP)) != 0 && most != 0 &&
	       s->looked_at > (uint64_t)most;
}

static void
begin_run(struct ldap_search *s, struct book *book)
{
	struct book_entry person;
	struct ldap_entry e;

	s->book = book;
	if (!ldap_search_base_entry(s, &e, &person)) {
		ldap_search_end(s, LDAP_NO_SUCH_OBJECT);
		return;
	}
	ldap_walk_begin(s);
	if (begin_is_too_large(s)) {
		ldap_search_end(s, LDAP_BOOK_TOO_LARGE);
		return;
	}
	/* One more than is sent tells whether there is more. */
	if (s->controls.key_count != 0)
		s->sorter = ldap_sorter_new(&s->controls, (unsigned)s->most + 1, s->after);
	ldap_search_run(s);
}

static void
begin_on_book(void *arg, struct book *book, const struct err *err)
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
	begin_run(s, book);
}

static void
begin_ask_book(struct ldap_search *s)
{
	struct book *book;

	s->view.with_hidden = s->session->is_admin && !s->view.is_foreign;
	if (s->base.kind == LDAP_NOTHING) {
		ldap_search_end(s, LDAP_NO_SUCH_OBJECT);
		return;
	}
	op_hold(&s->op);
	book = books_get(ldap_search_frontend(s)->books, s->base.domain, begin_on_book, s);
	if (book == NULL) {
		ldap_search_begin_waiting(s);
		return;
	}
	(void)op_back(&s->op);
	begin_run(s, book);
}

/* ---- Is the client an administrator? Asked now and then, as its cache has it. ---- */

static void
begin_set_roles(struct ldap_search *s, const struct directory_user *user)
{
	struct str roles = str_c(user != NULL ? user->roles : ""), word;

	s->session->roles_until_ms = clock_monotonic_ms() + BEGIN_ROLES_MS;
	s->session->is_admin = false;
	while (str_next_word(&roles, " ,", &word))
		if (str_eq(word, STR("domain_admin")) || str_eq(word, STR("system_admin")))
			s->session->is_admin = true;
}

static void
begin_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct ldap_search *s = arg;

	if (!op_back(&s->op))
		return;
	/* Without the store what was known stays. */
	if (err == NULL)
		begin_set_roles(s, user);
	begin_ask_book(s);
}

static void
begin_ask_user(struct ldap_search *s)
{
	struct directory_user user;
	bool found;

	if (clock_monotonic_ms() < s->session->roles_until_ms) {
		begin_ask_book(s);
		return;
	}
	op_hold(&s->op);
	if (!directory_get_user(ldap_search_frontend(s)->directory, s->view.own, &user, &found, begin_on_user, s)) {
		ldap_search_begin_waiting(s);
		return;
	}
	(void)op_back(&s->op);
	begin_set_roles(s, found ? &user : NULL);
	begin_ask_book(s);
}

/* ---- Does another domain exist? ---- */

static void
begin_judge_domain(struct ldap_search *s, bool is_local)
{
	if (!is_local)
		s->base = (struct ldap_name){.kind = LDAP_NOTHING, .above = LDAP_NOTHING};
	begin_ask_user(s);
}

static void
begin_on_domain(void *arg, bool is_local, const struct err *err)
{
	struct ldap_search *s = arg;

	if (!op_back(&s->op))
		return;
	if (err != NULL)
		ldap_search_end(s, LDAP_UNAVAILABLE);
	else
		begin_judge_domain(s, is_local);
}

static void
begin_ask_domain(struct ldap_search *s)
{
	bool is_local;

	op_hold(&s->op);
	if (!directory_is_local_domain(ldap_search_frontend(s)->directory, s->base.domain, &is_local, begin_on_domain,
				       s)) {
		ldap_search_begin_waiting(s);
		return;
	}
	(void)op_back(&s->op);
	begin_judge_domain(s, is_local);
}

/* ---- The start ---- */

/* Is it answered, or named by the filter? */
static bool
begin_looks_at(const struct ldap_search *s, enum ldap_attribute a)
{
	return (s->selection.attributes >> a & 1) != 0 || ldap_filter_looks_at(&s->filter, a);
}

/* The root DSE and the schema: always there. */
static void
begin_static(struct ldap_search *s)
{
	struct str account = str_c(s->session->account);
	struct book_entry person;
	struct ldap_entry e;

	if (s->base.kind == LDAP_ROOT && begin_looks_at(s, LDAP_AT_SUPPORTED_SASL))
		s->root.mechanisms = ldap_mechanisms(s->session, &s->op.arena);
	s->root.offers_tls = !conn_is_tls(s->session->conn) && conn_tls_available(s->session->conn);
	if (account.len != 0)
		s->root.context = ldap_dn_of(LDAP_DOMAIN, directory_domain_of(account), STR_NONE, &s->op.arena);
	(void)ldap_search_base_entry(s, &e, &person);
	if (s->scope != LDAP_SCOPE_ONE && s->scope != LDAP_SCOPE_BELOW &&
	    ldap_filter_judge(&s->filter, &e, &s->scratch, &s->session->command.slice) == LDAP_TRUE)
		ldap_search_send(s, &s->session->command.slice, &e);
	ldap_search_end_walk(s);
}

void
ldap_search_start(struct ldap_search *s)
{
	if (s->base.kind == LDAP_ROOT || s->base.kind == LDAP_SUBSCHEMA)
		begin_static(s); /* of one page: no cookie is of it */
	else if (!ldap_page_open(s))
		ldap_search_end(s, LDAP_BAD_COOKIE);
	else if (s->controls.has_page && s->most == 0) /* the client gives up (RFC 2696, section 3) */
		ldap_search_end_walk(s);
	else if (s->view.is_foreign)
		begin_ask_domain(s);
	else
		begin_ask_user(s);
}
