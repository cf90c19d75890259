/* Deadlines of what is queued, after a change of settings that they depend on.
 *
 * Other changes cost nothing. Such a one is a walk through all messages, in slices
 * of the loop; one that comes meanwhile is seen to by a walk of its own. Until a
 * message is reached it has its old deadline: what comes to that is judged by the
 * settings of then (message_run_deadlines), so only an earlier one comes late. */
#include "lib/base/log.h"
#include "spool-broker/handlers.h"
#include "spool-broker/scan.h"

static struct deadline_terms
terms_now(const struct broker *b)
{
	const struct settings_spool *spool = settings_spool(broker_settings(b), STR_NONE);
	const struct settings_spam *spam = settings_spam(broker_settings(b), STR_NONE);

	return (struct deadline_terms){
		.expire_ms = spool->expire_after,
		.bounce_expire_ms = spool->bounce_expire_after,
		.delay_ms = spool->delay_warning_after,
		.check_ms = spam->unavailable == SPAM_UNAVAILABLE_ACCEPT ? spam->unavailable_after : -1,
		.check_off = check_is_off(b)};
}

static bool
are_same(const struct deadline_terms *x, const struct deadline_terms *y)
{
	return x->expire_ms == y->expire_ms && x->bounce_expire_ms == y->bounce_expire_ms &&
	       x->delay_ms == y->delay_ms && x->check_ms == y->check_ms && x->check_off == y->check_off;
}

static void
visit(void *arg, struct message *m)
{
	message_set_deadline(arg, m);
}

static void
on_walked(void *arg, bool whole)
{
	struct broker *b = arg;

	b->deadlines_walked = false;
	if (whole)
		deadlines_look(b);
}

void
deadlines_look(struct broker *b)
{
	static const struct scan_ops ops = {.visit = visit, .end = on_walked};
	struct deadline_terms now = terms_now(b);

	/* What changes during a walk is looked at behind it. */
	if (b->deadlines_walked || b->closing || b->shards == NULL || are_same(&now, &b->deadline_terms))
		return;
	if (!scan_start(b, &ops, b))
		return; /* too many walks: the next tick tries again */
	b->deadlines_walked = true;
	b->deadline_terms = now;
	log_info(NULL, "deadlines are set anew", F_I64("messages", b->messages));
}

void
deadlines_init(struct broker *b)
{
	b->deadline_terms = terms_now(b);
}
