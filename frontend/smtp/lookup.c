/* Who does an address belong to? Answered at once from the directory's cache, or later. */
#include <string.h>

#include "frontend/smtp/private.h"
#include "lib/base/check.h"

/* A lookup in progress; in the command arena. */
struct smtp_lookup {
	struct smtp_session *session; /* borrowed */
	struct str local;	      /* empty: the address is looked up as it is */
	struct str domain;	      /* where local is being looked up; borrowed from the hostname */
	struct str address;
	smtp_on_found *done;
	void *arg;
};

static enum smtp_status
lookup_finish(struct smtp_lookup *lookup, const struct directory_result *result, const struct err *err)
{
	struct smtp_found found = {.result = result, .address = lookup->address, .err = err};
	return lookup->done(lookup->session, &found, lookup->arg);
}

static void
lookup_build_address(struct smtp_lookup *lookup)
{
	lookup->address = str_c(arena_printf(&lookup->session->command.arena, "%.*s@%.*s", STR_ARG(lookup->local),
					     STR_ARG(lookup->domain)));
}

/* Not found in this domain: is there a parent domain to look in? */
static bool
lookup_go_up(struct smtp_lookup *lookup, const struct directory_result *result)
{
	struct str label;

	if (lookup->local.len == 0 || result->kind != DIR_NOT_LOCAL ||
	    !str_cut(lookup->domain, '.', &label, &lookup->domain) || lookup->domain.len == 0)
		return false;
	lookup_build_address(lookup);
	return true;
}

static void lookup_on_resolved(void *arg, const struct directory_result *result, const struct err *err);

static enum smtp_status
lookup_resolve(struct smtp_lookup *lookup)
{
	struct smtp_session *s = lookup->session;
	struct directory *directory = conn_frontend(s->conn)->directory;
	struct directory_result result;

	do {
		if (!directory_resolve(directory, lookup->address, &result, lookup_on_resolved, lookup)) {
			s->lookup = lookup;
			return SMTP_WAIT;
		}
	} while (lookup_go_up(lookup, &result));
	return lookup_finish(lookup, &result, NULL);
}

static void
lookup_on_resolved(void *arg, const struct directory_result *result, const struct err *err)
{
	struct smtp_lookup *lookup = arg;
	struct smtp_session *s = lookup->session;
	enum smtp_status status;

	s->lookup = NULL;
	if (err == NULL && lookup_go_up(lookup, result))
		status = lookup_resolve(lookup);
	else
		status = lookup_finish(lookup, err == NULL ? result : NULL, err);
	/* From here on the lookup is gone: the next command may have begun. */
	if (status != SMTP_WAIT)
		session_resume(&s->base);
}

/* [192.0.2.1] is ours if it is the address that the client connected to. */
static bool
lookup_is_own_literal(const struct smtp_session *s, struct str domain)
{
	struct ip ip;
	return ip_literal_parse(domain, &ip) && ip_eq(&ip, conn_local(s->conn));
}

enum smtp_status
smtp_lookup(struct smtp_session *s, const struct smtp_path *path, smtp_on_found *done, void *arg)
{
	struct smtp_lookup *lookup = arena_new(&s->command.arena, struct smtp_lookup);
	bool has_domain = path->domain.len != 0 && !lookup_is_own_literal(s, path->domain);

	CHECK(s->lookup == NULL && path->kind != SMTP_PATH_NULL);
	lookup->session = s;
	lookup->done = done;
	lookup->arg = arg;
	if (has_domain) {
		lookup->address = path->address;
	} else if (str_eq_ci(path->local, STR("postmaster"))) {
		lookup->address = STR("postmaster"); /* the directory knows who this belongs to */
	} else {
		lookup->local = path->local;
		lookup->domain = str_c(smtp_hostname(conn_frontend(s->conn)));
		lookup_build_address(lookup);
	}
	return lookup_resolve(lookup);
}

enum smtp_status
smtp_lookup_sender(struct smtp_session *s, smtp_on_found *done, void *arg)
{
	struct smtp_lookup *lookup = arena_new(&s->command.arena, struct smtp_lookup);

	CHECK(s->lookup == NULL);
	lookup->session = s;
	lookup->done = done;
	lookup->arg = arg;
	lookup->address = submit_options(s->submit)->reverse_path;
	CHECK(lookup->address.len != 0);
	return lookup_resolve(lookup);
}

void
smtp_lookup_cancel(struct smtp_session *s)
{
	if (s->lookup != NULL)
		directory_cancel(conn_frontend(s->conn)->directory, s->lookup);
	s->lookup = NULL;
}
