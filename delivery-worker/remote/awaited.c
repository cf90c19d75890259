#include "delivery-worker/remote/awaited.h"

#include <stddef.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

#define END_TIMEOUT_MS (10 * 60 * 1000)

static const char *const awaited_names[] = {
	[STEP_GREETING] = "greeting", [STEP_EHLO] = "EHLO",  [STEP_HELO] = "HELO",	 [STEP_STARTTLS] = "STARTTLS",
	[STEP_AUTH] = "AUTH",	      [STEP_RSET] = "RSET",  [STEP_MAIL] = "MAIL",	 [STEP_RCPT] = "RCPT",
	[STEP_DATA] = "DATA",	      [STEP_CHUNK] = "BDAT", [STEP_END] = "end of data",
};

void
awaited_fini(struct awaited *a)
{
	mem_free(a->list);
	*a = (struct awaited){0};
}

void
awaited_add(struct awaited *a, enum smtp_step step, unsigned rcpt)
{
	if (a->at == a->count)
		a->at = a->count = 0;
	if (a->count == a->size) {
		a->size = a->size > 0 ? a->size * 2 : 16;
		a->list = mem_realloc(a->list, a->size * sizeof(*a->list));
	}
	a->list[a->count++] = (struct expectation){step, rcpt};
}

unsigned
awaited_count(const struct awaited *a)
{
	return a->count - a->at;
}

struct expectation
awaited_take(struct awaited *a)
{
	CHECK(a->at < a->count);
	return a->list[a->at++];
}

const char *
awaited_name(const struct awaited *a)
{
	return awaited_count(a) > 0 ? awaited_names[a->list[a->at].step] : NULL;
}

/* RFC 5321, 4.5.3.2.6: a server that has the message may take ten minutes to
 * answer, and giving up earlier would send it twice. */
int64_t
awaited_timeout(const struct awaited *a, int64_t ms)
{
	if (awaited_count(a) > 0 && a->list[a->at].step == STEP_END && ms < END_TIMEOUT_MS)
		return END_TIMEOUT_MS;
	return ms;
}
