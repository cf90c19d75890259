/* The meaning of search keys in this session: sets of its messages, its saved result,
 * its \Recent messages, the folder's keywords. */
#include "frontend/imap/search/search.h"

#include <string.h>

static uint64_t
prepare_keyword_bit(const struct folder_index *ix, struct str name)
{
	for (unsigned i = 0; i < ix->keyword_count; i++)
		if (ix->keywords[i] != NULL && str_eq_ci(name, str_c(ix->keywords[i])))
			return UINT64_C(1) << i;
	return 0;
}

/* A copy, since more messages may become recent during the search. */
static void
prepare_recent(struct imap_session *s, struct message_key *k)
{
	const struct folder_recent *recent = &s->view->recent;
	struct range *ranges = arena_array(&s->command.arena, struct range, recent->count + 1);

	if (recent->count != 0)
		memcpy(ranges, recent->ranges, sizeof(*ranges) * recent->count);
	k->ranges = ranges;
	k->range_count = recent->count;
}

/* Numbers without a message match nothing. A range of sequence numbers is a range of
 * UIDs as long as the view does not change. */
static void
prepare_set(struct imap_session *s, struct imap_search_late *late)
{
	const struct imap_view *v = s->view;
	uint32_t count = imap_view_count(v), kept = 0;
	bool by_seq = late->kind == SEARCH_SEQS && !late->set.saved;
	struct range *ranges;

	if (late->set.saved)
		late->set = imap_set_of(&s->command.arena, v->saved, v->saved_count);
	else
		imap_set_resolve(&late->set, by_seq || count == 0 ? count : imap_view_uid(v, count));
	ranges = arena_array(&s->command.arena, struct range, late->set.count + 1);
	for (uint32_t i = 0; i < late->set.count; i++) {
		struct range range = late->set.ranges[i];
		if (by_seq && range.first > count)
			break;
		if (by_seq)
			range = (struct range){imap_view_uid(v, range.first),
					       imap_view_uid(v, range.last < count ? range.last : count)};
		ranges[kept++] = range;
	}
	late->key->ranges = ranges;
	late->key->range_count = kept;
}

const char *
imap_search_prepare(struct search_run *r)
{
	struct imap_session *s = r->session;

	for (struct imap_search_late *late = r->search.late; late != NULL; late = late->next) {
		late->key->op = late->kind == SEARCH_KEYWORD ? MATCH_KEYWORDS : MATCH_UIDS;
		switch (late->kind) {
		case SEARCH_SEQS:
		case SEARCH_UIDS: prepare_set(s, late); break;
		case SEARCH_RECENT: prepare_recent(s, late->key); break;
		case SEARCH_KEYWORD: late->key->number = prepare_keyword_bit(s->view->index, late->name); break;
		}
	}
	return message_finder_init(&r->finder, r->search.key, &r->scratch)
		       ? NULL
		       : "too many search keys that need message bodies";
}
