#include "delivery-worker/jobs/health.h"

/* One trial per such interval costs a message a second; a kind that works again is used at once. */
enum { FAILURES_MAX = 3, REST_FIRST_MS = 300, REST_LONGEST_MS = 1000 };

bool
health_note(struct health *h, struct str id, bool failed, int64_t now_ms)
{
	bool was_ill = h->rests != 0;
	int64_t rest_ms = REST_FIRST_MS;

	if (!failed) {
		*h = (struct health){0};
		return was_ill;
	}
	if (str_eq(id, str_c(h->last)))
		return false;
	str_copy(id, h->last, sizeof(h->last));
	/* Other failures of the jobs that it still had count only once. */
	if (++h->failures < (was_ill ? 1 : FAILURES_MAX) || now_ms < h->rest_until_ms)
		return false;
	for (unsigned i = 0; i < h->rests && rest_ms < REST_LONGEST_MS; i++)
		rest_ms *= 2;
	h->rests++;
	h->rest_until_ms = now_ms + (rest_ms < REST_LONGEST_MS ? rest_ms : REST_LONGEST_MS);
	return true;
}

void
health_forget(struct health *h)
{
	*h = (struct health){0};
}

int64_t
health_slots(const struct health *h, int64_t slots, int64_t now_ms)
{
	if (h->rests == 0)
		return slots;
	return now_ms < h->rest_until_ms ? 0 : slots > 0 ? 1 : 0;
}
