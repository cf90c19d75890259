/* What a search key says of a message, as far as it is known: a key that needs
 * more than is known says so, and the next deeper thing is read for that
 * message alone. */
#include "lib/message/fold.h"
#include "frontend/imap/search/search.h"

/* ---- Before the first message ---- */
static uint64_t
keyword_bit(const struct folder_index *ix, struct str name)
{
	for (unsigned i = 0; i < ix->keyword_count; i++)
		if (ix->keywords[i] != NULL && str_eq_ci(name, str_c(ix->keywords[i])))
			return UINT64_C(1) << i;
	return 0;
}

/* Numbers that no message has match nothing. */
static void
prepare_set(struct imap_session *s, struct imap_search_key *k)
{
	struct imap_view *v = s->view;
	uint32_t count = imap_view_count(v);

	if (k->set.saved) {
		k->set = imap_set_of(&s->command.arena, v->saved, v->saved_count);
		k->op = SEARCH_UIDS;
	} else if (k->op == SEARCH_UIDS) {
		imap_set_resolve(&k->set, count != 0 ? imap_view_uid(v, count) : 0);
	} else {
		imap_set_resolve(&k->set, count);
	}
}

struct preparing {
	struct imap_session *session;
	struct imap_search_key **body_keys;
	unsigned *count, expensive;
};

/* As a set of UIDs, since more may become recent while the search goes on. */
static struct imap_set
recent_set(const struct folder_recent *recent, struct arena *arena)
{
	struct imap_set set = {.ranges = arena_array(arena, struct imap_range, recent->count + 1),
			       .count = recent->count};

	for (uint32_t i = 0; i < recent->count; i++)
		set.ranges[i] = (struct imap_range){recent->ranges[i].first, recent->ranges[i].last};
	return set;
}

static const char *
prepare(struct preparing *p, struct imap_search_key *k)
{
	const char *error;

	for (; k != NULL; k = k->next) {
		switch (k->op) {
		case SEARCH_SEQS:
		case SEARCH_UIDS: prepare_set(p->session, k); break;
		case SEARCH_RECENT:
			k->op = SEARCH_UIDS;
			k->set = recent_set(&p->session->view->recent, &p->session->command.arena);
			break;
		case SEARCH_KEYWORD: k->number = keyword_bit(p->session->view->index, k->text); break;
		case SEARCH_HEADER:
		case SEARCH_BODY:
		case SEARCH_TEXT:
			/* Those with a shortcut hardly ever do. */
			p->expensive += k->shortcut == 0;
			if (p->expensive > SEARCH_EXPENSIVE_KEYS_MAX || *p->count == SEARCH_BODY_KEYS_MAX)
				return "too many keys that look into bodies";
			k->number = *p->count;
			p->body_keys[(*p->count)++] = k;
			break;
		default: break;
		}
		error = prepare(p, k->children);
		if (error != NULL)
			return error;
	}
	return NULL;
}

const char *
imap_search_prepare(struct imap_session *s, struct imap_search *search, struct imap_search_key **body_keys,
		    unsigned *body_key_count)
{
	struct preparing p = {s, body_keys, body_key_count, 0};

	return prepare(&p, search->key);
}

/* ---- Of one message ---- */
static enum verdict
of(bool yes)
{
	return yes ? VERDICT_YES : VERDICT_NO;
}

static int64_t
day_of(int64_t unix_seconds, int zone_minutes)
{
	int64_t local = unix_seconds + zone_minutes * 60;

	return local >= 0 ? local / 86400 : -((-local + 86399) / 86400);
}

static enum verdict
compare_days(enum imap_search_op op, enum imap_search_op before, int64_t day, int64_t wanted)
{
	if (op == before)
		return of(day < wanted);
	return of(op == before + 1 ? day == wanted : day >= wanted);
}

static enum verdict
eval_all(const struct imap_search_key *k, const struct search_subject *m)
{
	enum verdict all = VERDICT_YES;

	for (k = k->children; k != NULL; k = k->next) {
		enum verdict v = imap_search_eval(k, m);
		if (v == VERDICT_NO)
			return VERDICT_NO;
		if (v == VERDICT_UNKNOWN)
			all = VERDICT_UNKNOWN;
	}
	return all;
}

static enum verdict
eval_any(const struct imap_search_key *k, const struct search_subject *m)
{
	enum verdict any = VERDICT_NO;

	for (k = k->children; k != NULL; k = k->next) {
		enum verdict v = imap_search_eval(k, m);
		if (v == VERDICT_YES)
			return VERDICT_YES;
		if (v == VERDICT_UNKNOWN)
			any = VERDICT_UNKNOWN;
	}
	return any;
}

static enum verdict
eval_cold(const struct imap_search_key *k, const struct search_subject *m)
{
	const struct mailbox_cold *c = m->cold;

	if (c == NULL)
		return VERDICT_UNKNOWN;
	switch (k->op) {
	case SEARCH_OLDER: return of(m->now - c->internal_date >= (int64_t)k->number);
	case SEARCH_YOUNGER: return of(m->now - c->internal_date <= (int64_t)k->number);
	case SEARCH_SAVED_BEFORE:
	case SEARCH_SAVED_ON:
	case SEARCH_SAVED_SINCE: return compare_days(k->op, SEARCH_SAVED_BEFORE, day_of(c->save_date, 0), k->day);
	default: return compare_days(k->op, SEARCH_BEFORE, day_of(c->internal_date, c->zone_minutes), k->day);
	}
}

static enum verdict
eval_digest(const struct imap_search_key *k, const struct search_subject *m)
{
	if (m->digest == NULL)
		return VERDICT_UNKNOWN;
	if (k->op != SEARCH_DIGEST_TEXT)
		return m->digest->has_date ? compare_days(k->op, SEARCH_SENT_BEFORE,
							  day_of(m->digest->date, m->digest->zone_minutes), k->day)
					   : VERDICT_NO;
	return of(message_fold_contains(m->digest->texts[k->number], k->text, m->scratch));
}

static enum verdict
eval_shortcut(const struct imap_search_key *k, const struct search_subject *m)
{
	if (m->digest == NULL)
		return VERDICT_UNKNOWN;
	return of(message_fold_contains(m->digest->texts[k->shortcut], k->text, m->scratch));
}

enum verdict
imap_search_eval(const struct imap_search_key *k, const struct search_subject *m)
{
	enum verdict v;

	switch (k->op) {
	case SEARCH_ALL: return VERDICT_YES;
	case SEARCH_NEVER: return VERDICT_NO;
	case SEARCH_AND: return eval_all(k, m);
	case SEARCH_OR: return eval_any(k, m);
	case SEARCH_NOT: v = imap_search_eval(k->children, m); return v == VERDICT_UNKNOWN ? v : of(v == VERDICT_NO);
	case SEARCH_SEQS: return of(imap_set_has(&k->set, m->seq));
	case SEARCH_UIDS: return of(imap_set_has(&k->set, m->uid));
	case SEARCH_FLAGS: return of((m->hot->flags & k->number) == k->number);
	case SEARCH_KEYWORD: return of((m->hot->keywords & k->number) != 0);
	case SEARCH_LARGER: return of(m->hot->size > k->number);
	case SEARCH_SMALLER: return of(m->hot->size < k->number);
	case SEARCH_MODSEQ: return of(m->hot->modseq >= k->number);
	case SEARCH_EMAILID: return of(m->hot->email_id == k->number);
	case SEARCH_HEADER:
		if (k->shortcut != 0 && (m->digest == NULL || !m->digest->repeats))
			return eval_shortcut(k, m);
		return m->found == NULL ? VERDICT_UNKNOWN : of(m->found[k->number]);
	case SEARCH_BODY:
	case SEARCH_TEXT: return m->found == NULL ? VERDICT_UNKNOWN : of(m->found[k->number]);
	case SEARCH_SENT_BEFORE:
	case SEARCH_SENT_ON:
	case SEARCH_SENT_SINCE:
	case SEARCH_DIGEST_TEXT: return eval_digest(k, m);
	default: return eval_cold(k, m);
	}
}
