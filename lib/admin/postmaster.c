#include "lib/admin/postmaster.h"

#include "lib/directory/directory.h"

static const char *const postmaster_roles[] = {"postmaster", "abuse"};
enum { ROLES = sizeof(postmaster_roles) / sizeof(postmaster_roles[0]), AT_ONCE = 200, NAMED_MAX = 6 };

/* One address to check. */
struct role_question {
	struct search *search; /* borrowed */
	struct str address;
	bool is_unclaimed;
};

struct search {
	struct admin_call *call;
	postmaster_on_found *cb;
	const struct str *domains;
	unsigned count; /* of domains */
	struct role_question *questions;
	unsigned next, outstanding;
	struct err err;
};

static void search_ask(struct search *s);

static const char *
search_warning(const struct search *s)
{
	struct buf text = BUF_EMPTY;
	const char *copy;
	unsigned found = 0;

	buf_add_c(&text, "there is no recipient for mail to ");
	for (unsigned i = 0; i < s->count * ROLES; i++) {
		if (!s->questions[i].is_unclaimed)
			continue;
		if (found < NAMED_MAX)
			buf_printf(&text, "%s%.*s", found > 0 ? ", " : "", STR_ARG(s->questions[i].address));
		found++;
	}
	if (found > NAMED_MAX)
		buf_printf(&text, " and %u more", found - NAMED_MAX);
	buf_add_c(&text, "; it is kept in the queue until the domain has an admin or mailbox.postmaster is set");
	copy = found != 0 ? arena_strdup(&s->call->op.arena, text.data) : NULL;
	buf_fini(&text);
	return copy;
}

static void
search_end(struct search *s)
{
	if (s->err.code != ERR_NONE)
		s->cb(s->call, NULL, &s->err);
	else
		s->cb(s->call, search_warning(s), NULL);
}

static void
search_take(struct role_question *q, const struct directory_result *result, const struct err *err)
{
	if (err != NULL && q->search->err.code == ERR_NONE)
		q->search->err = *err;
	q->is_unclaimed = err == NULL && result->kind == DIR_UNCLAIMED;
	q->search->outstanding--;
}

static void
search_on_resolved(void *arg, const struct directory_result *result, const struct err *err)
{
	struct role_question *q = arg;
	struct search *s = q->search;

	if (!op_back(&s->call->op))
		return;
	search_take(q, result, err);
	search_ask(s);
}

static void
search_ask(struct search *s)
{
	struct arena *arena = &s->call->op.arena;

	while (s->outstanding < AT_ONCE && s->next < s->count * ROLES && s->err.code == ERR_NONE) {
		struct role_question *q = &s->questions[s->next];
		struct directory_result result;

		q->search = s;
		q->address = str_c(arena_printf(arena, "%s@%.*s", postmaster_roles[s->next % ROLES],
						STR_ARG(s->domains[s->next / ROLES])));
		s->next++;
		s->outstanding++;
		if (directory_resolve(s->call->admin->directory, q->address, &result, search_on_resolved, q))
			search_take(q, &result, NULL);
		else
			op_hold(&s->call->op);
	}
	if (s->outstanding == 0)
		search_end(s);
}

static void
search_on_domains(void *arg, const struct str *names, unsigned count, const struct err *err)
{
	struct search *s = arg;
	struct arena *arena = &s->call->op.arena;
	struct str *copies;

	if (!op_back(&s->call->op))
		return;
	if (err != NULL) {
		s->cb(s->call, NULL, err);
		return;
	}
	copies = arena_array(arena, struct str, count + 1);
	for (unsigned i = 0; i < count; i++)
		copies[i] = arena_str(arena, names[i]);
	s->domains = copies;
	s->count = count;
	s->questions = arena_array(arena, struct role_question, count * ROLES + 1);
	search_ask(s);
}

void
postmaster_search(struct admin_call *call, postmaster_on_found *cb)
{
	struct search *s = arena_new(&call->op.arena, struct search);

	s->call = call;
	s->cb = cb;
	op_hold(&call->op);
	directory_domain_list(call->admin->directory, search_on_domains, s);
}
