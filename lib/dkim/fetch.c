#include "lib/dkim/fetch.h"

static void
fetch_on_answer(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct dkim_fetch *f = arg;

	f->query = NULL;
	f->is_failed = err != NULL;
	for (unsigned i = 0; err == NULL && i < answer->text_count && f->count < DKIM_RECORDS_MAX; i++)
		if (answer->texts[i].len <= DKIM_RECORD_BYTES_MAX)
			f->records[f->count++] = arena_str(f->arena, answer->texts[i]);
	f->on_end(f->arg);
}

void
dkim_fetch_start(struct dkim_fetch *f, struct dns *dns, struct arena *arena, struct str selector, struct str domain,
		 void (*on_end)(void *arg), void *arg)
{
	const char *name = arena_printf(arena, "%.*s._domainkey.%.*s", STR_ARG(selector), STR_ARG(domain));

	f->arena = arena;
	f->on_end = on_end;
	f->arg = arg;
	f->query = dns_query_txt(dns, str_c(name), fetch_on_answer, f);
}

bool
dkim_fetch_is_waiting(const struct dkim_fetch *f)
{
	return f->query != NULL;
}

void
dkim_fetch_cancel(struct dkim_fetch *f)
{
	if (f->query == NULL)
		return;
	dns_cancel(&f->query);
	f->is_failed = true;
}

const char *
dkim_fetch_key(const struct dkim_fetch *f, enum dkim_algorithm algorithm, struct dkim_record *record_out,
	       enum dkim_result *result_out)
{
	const char *problem = "there is no key for it";

	*record_out = (struct dkim_record){0};
	*result_out = DKIM_RESULT_PERMERROR;
	if (f->is_failed) {
		*result_out = DKIM_RESULT_TEMPERROR;
		return "its key cannot be looked up now";
	}
	for (unsigned i = 0; i < f->count && problem != NULL; i++)
		problem = dkim_record_parse(f->records[i], algorithm, record_out, result_out);
	return problem;
}
