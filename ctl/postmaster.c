#include "ctl/postmaster.h"

#include <string.h>

#include "lib/base/buf.h"
#include "lib/directory/directory.h"

static const char *const roles[] = {"postmaster", "abuse"};
enum { ROLES = sizeof(roles) / sizeof(roles[0]), AT_ONCE = 200, NAMED_MAX = 6 };

/* One address that is asked about. */
struct question {
	struct search *search; /* borrowed */
	struct str address;
	bool is_unclaimed;
};

struct search {
	struct ctl_wait wait;
	struct ctl *ctl;
	const struct str *domains;
	unsigned count; /* of domains */
	struct question *questions;
	unsigned next, outstanding;
	bool starting; /* answers that come at once are only counted */
};

static void postmaster_ask(struct search *s);

static void
on_role_resolved(void *arg, const struct directory_result *result, const struct err *err)
{
	struct question *q = arg;
	struct search *s = q->search;

	if (err != NULL && s->wait.err.code == ERR_NONE)
		s->wait.err = *err;
	q->is_unclaimed = err == NULL && result->kind == DIR_UNCLAIMED;
	s->outstanding--;
	if (!s->starting)
		postmaster_ask(s);
}

static void
postmaster_ask(struct search *s)
{
	unsigned total = s->count * ROLES;

	s->starting = true;
	while (s->outstanding < AT_ONCE && s->next < total && s->wait.err.code == ERR_NONE) {
		struct question *q = &s->questions[s->next];
		struct directory_result result;

		q->search = s;
		q->address = str_c(arena_printf(&s->ctl->arena, "%s@%.*s", roles[s->next % ROLES],
						STR_ARG(s->domains[s->next / ROLES])));
		s->next++;
		s->outstanding++;
		if (directory_resolve(ctl_directory(s->ctl), q->address, &result, on_role_resolved, q))
			on_role_resolved(q, &result, NULL);
	}
	s->starting = false;
	if (s->outstanding == 0)
		ctl_wait_end(&s->wait, s->wait.err.code != ERR_NONE ? &s->wait.err : NULL);
}

static void
on_domain_names(void *arg, const struct str *names, unsigned count, const struct err *err)
{
	struct search *s = arg;
	struct str *copies = arena_array(&s->ctl->arena, struct str, count + 1);

	if (err != NULL) {
		ctl_wait_end(&s->wait, err);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		copies[i] = arena_str(&s->ctl->arena, names[i]);
	s->domains = copies;
	s->count = count;
	s->questions = arena_array(&s->ctl->arena, struct question, count * ROLES + 1);
	postmaster_ask(s);
}

int
postmaster_find_unclaimed(struct ctl *ctl, struct str **addresses_out, unsigned *count_out, struct err *err)
{
	struct search s = {.wait = CTL_WAIT, .ctl = ctl};

	directory_domain_list(ctl_directory(ctl), on_domain_names, &s);
	if (ctl_wait(ctl, &s.wait) != 0) {
		*err = s.wait.err;
		return -1;
	}
	*addresses_out = arena_array(&ctl->arena, struct str, s.count * ROLES + 1);
	*count_out = 0;
	for (unsigned i = 0; i < s.count * ROLES; i++)
		if (s.questions[i].is_unclaimed)
			(*addresses_out)[(*count_out)++] = s.questions[i].address;
	return 0;
}

const char *
postmaster_warning(struct ctl *ctl, const struct str *addresses, unsigned count)
{
	struct buf text = BUF_EMPTY;
	const char *copy;

	buf_add_c(&text, "nobody takes mail for ");
	for (unsigned i = 0; i < count && i < NAMED_MAX; i++)
		buf_printf(&text, "%s%.*s", i > 0 ? ", " : "", STR_ARG(addresses[i]));
	if (count > NAMED_MAX)
		buf_printf(&text, " and %u more", count - NAMED_MAX);
	buf_add_c(&text, "; it is kept in the queue until the domain has an admin or mailbox.postmaster is set");
	copy = arena_strdup(&ctl->arena, text.data);
	buf_fini(&text);
	return copy;
}
