#include "lib/message/match.h"

#include "lib/message/fold.h"

static enum message_verdict
match_of(bool yes)
{
	return yes ? VERDICT_YES : VERDICT_NO;
}

/* ---- Dates ---- */

static int64_t
match_day_of(int64_t unix_seconds, int zone_minutes)
{
	int64_t local = unix_seconds + zone_minutes * 60;

	return local >= 0 ? local / 86400 : -((-local + 86399) / 86400);
}

/* before: the first of three consecutive keys, of which op is one. */
static enum message_verdict
match_days(enum message_key_op op, enum message_key_op before, int64_t day, int64_t wanted)
{
	if (op == before)
		return match_of(day < wanted);
	return match_of(op == before + 1 ? day == wanted : day >= wanted);
}

static enum message_verdict
match_cold(const struct message_key *k, const struct message_known *m)
{
	const struct mailbox_cold *c = m->cold;

	if (c == NULL)
		return VERDICT_UNKNOWN;
	switch (k->op) {
	case MATCH_OLDER: return match_of(m->now - c->internal_date >= (int64_t)k->number);
	case MATCH_YOUNGER: return match_of(m->now - c->internal_date <= (int64_t)k->number);
	case MATCH_SAVED_BEFORE:
	case MATCH_SAVED_ON:
	case MATCH_SAVED_SINCE: return match_days(k->op, MATCH_SAVED_BEFORE, match_day_of(c->save_date, 0), k->day);
	default: return match_days(k->op, MATCH_BEFORE, match_day_of(c->internal_date, c->zone_minutes), k->day);
	}
}

/* ---- The digest ---- */

static enum message_verdict
match_text(const struct message_key *k, const struct message_known *m, uint64_t text)
{
	if (m->digest == NULL)
		return VERDICT_UNKNOWN;
	return match_of(message_fold_contains(m->digest->texts[text], k->text, m->scratch));
}

static enum message_verdict
match_sent(const struct message_key *k, const struct message_known *m)
{
	const struct mime_digest *d = m->digest;

	if (d == NULL)
		return VERDICT_UNKNOWN;
	if (!d->has_date)
		return VERDICT_NO;
	return match_days(k->op, MATCH_SENT_BEFORE, match_day_of(d->date, d->zone_minutes), k->day);
}

/* ---- The body ---- */

static enum message_verdict
match_body(const struct message_key *k, const struct message_known *m)
{
	if (k->shortcut != 0 && (m->digest == NULL || !m->digest->repeats))
		return match_text(k, m, k->shortcut);
	return m->found == NULL ? VERDICT_UNKNOWN : match_of(m->found[k->slot]);
}

/* ---- Trees ---- */

/* decisive: the verdict of one child that decides for all. */
static enum message_verdict
match_children(const struct message_key *k, const struct message_known *m, enum message_verdict decisive)
{
	enum message_verdict all = match_of(decisive == VERDICT_NO);

	for (k = k->children; k != NULL; k = k->next) {
		enum message_verdict v = message_match(k, m);
		if (v == decisive)
			return v;
		if (v == VERDICT_UNKNOWN)
			all = VERDICT_UNKNOWN;
	}
	return all;
}

static enum message_verdict
match_not(const struct message_key *child, const struct message_known *m)
{
	enum message_verdict v = message_match(child, m);

	return v == VERDICT_UNKNOWN ? v : match_of(v == VERDICT_NO);
}

enum message_verdict
message_match(const struct message_key *k, const struct message_known *m)
{
	switch (k->op) {
	case MATCH_NONE: return VERDICT_NO;
	case MATCH_ALL: return VERDICT_YES;
	case MATCH_AND: return match_children(k, m, VERDICT_NO);
	case MATCH_OR: return match_children(k, m, VERDICT_YES);
	case MATCH_NOT: return match_not(k->children, m);
	case MATCH_UIDS: return match_of(ranges_have(k->ranges, k->range_count, m->hot->uid));
	case MATCH_FLAGS: return match_of((m->hot->flags & k->number) == k->number);
	case MATCH_KEYWORDS: return match_of((m->hot->keywords & k->number) != 0);
	case MATCH_LARGER: return match_of(m->hot->size > k->number);
	case MATCH_SMALLER: return match_of(m->hot->size < k->number);
	case MATCH_MODSEQ: return match_of(m->hot->modseq >= k->number);
	case MATCH_EMAIL_ID: return match_of(m->hot->email_id == k->number);
	case MATCH_SENT_BEFORE:
	case MATCH_SENT_ON:
	case MATCH_SENT_SINCE: return match_sent(k, m);
	case MATCH_DIGEST_TEXT: return match_text(k, m, k->number);
	case MATCH_HEADER:
	case MATCH_BODY:
	case MATCH_TEXT: return match_body(k, m);
	default: return match_cold(k, m);
	}
}
