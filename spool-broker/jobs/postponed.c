/* Our own trouble: a job that a worker could not do because the store, a body, a
 * descriptor or a resolver was not available does not count as a try of its
 * recipients. It costs them no attempt and does not bring their expiry nearer;
 * another worker gets it soon.
 *
 * As long as nothing else of this kind is served either, the trouble is general,
 * and "soon" stays soon. When others are served again and again and this one is
 * not, something that belongs to it is damaged (its body, its mailbox): it waits
 * longer and longer, and its age counts again. */
#include "spool-broker/jobs/postponed.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/backoff.h"
#include "spool-broker/schedule/schedule.h"

/* Together with the random part of the back-off, always below three seconds. */
enum { SOON_FIRST_MS = 300, SOON_LONGEST_MS = 2400, DAMAGED_LONGEST_MS = 60000 };
enum { DAMAGED_FROM = 12, HOPELESS_FROM = 50 };

static bool
postponed_is_postponed(const Stagepost__RecipientResult *r)
{
	return r != NULL && r->outcome == STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED;
}

bool
postponed_is(const Stagepost__JobDone *done)
{
	for (size_t i = 0; i < done->n_results; i++)
		if (postponed_is_postponed(done->results[i]))
			return true;
	return false;
}

bool
postponed_is_all(const Stagepost__JobDone *done)
{
	for (size_t i = 0; i < done->n_results; i++)
		if (done->results[i] != NULL && !postponed_is_postponed(done->results[i]))
			return false;
	return done->n_results != 0;
}

static const char *
postponed_words(const Stagepost__JobDone *done)
{
	for (size_t i = 0; i < done->n_results; i++)
		if (postponed_is_postponed(done->results[i]))
			return done->results[i]->text;
	return "";
}

static int64_t
postponed_wait_ms(const struct part *p)
{
	if (p->postponed < DAMAGED_FROM)
		return backoff_ms(SOON_FIRST_MS, SOON_LONGEST_MS, p->postponed, backoff_random());
	return backoff_ms(SOON_LONGEST_MS, DAMAGED_LONGEST_MS, p->postponed - DAMAGED_FROM + 1u, backoff_random());
}

int64_t
postponed_note(struct broker *b, struct part *p, const char *host, const Stagepost__JobDone *done)
{
	struct message *m = p->message;

	if (p->postponed == 0)
		work_add_event(m->work, "postponed", 0, host, postponed_words(done));
	if (p->postponed == 0 || (p->served != (uint8_t)b->jobs->served[p->kind] && p->postponed < UINT8_MAX))
		p->postponed++;
	p->served = (uint8_t)b->jobs->served[p->kind];
	/* It is not known how far it got: the store's answer may have been lost. */
	p->recheck = true;
	if (p->postponed == DAMAGED_FROM)
		log_error(NULL, "a message is postponed repeatedly while others are delivered", F_C("id", m->id),
			  F_C("reason", postponed_words(done)));
	return clock_unix_ms() + postponed_wait_ms(p);
}

void
postponed_end(struct broker *b, struct part *p)
{
	p->postponed = 0;
	b->jobs->served[p->kind]++;
}

bool
postponed_holds(const struct message *m)
{
	for (const struct part *p = m->parts; p != NULL; p = p->next)
		if (p->postponed != 0 && p->postponed < DAMAGED_FROM)
			return true;
	return false;
}

bool
postponed_is_hopeless(const struct part *p)
{
	return p->postponed >= HOPELESS_FROM;
}
