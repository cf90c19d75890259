/* What is new in a folder.
 *
 * IMAP: UIDs above the place up to which the folder was read. POP3, and wherever that does not suffice: messages
 * that the ledger does not have. If a folder has a new UIDVALIDITY, or most UIDLs are unknown at once, each message
 * is compared by its fingerprint with the ledger before it is taken as new (message.c). */
#include <inttypes.h>
#include <stdlib.h>

#include "delivery-worker/retrieve/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { FORGET_DAYS = 30, LISTING_SETTLE_MS = 5 * 60 * 1000 };

static struct round_folder *
listing_folder(const struct round *r)
{
	return &r->folders[r->folder_at];
}

static bool
listing_is_pop(const struct round *r)
{
	return r->account.protocol == RETRIEVE_POP3;
}

void
listing_remote_id(const struct round *r, const struct listed *l, struct buf *out)
{
	if (!listing_is_pop(r))
		buf_printf(out, "%" PRIu32 " %" PRIu32 " %.*s", r->state.uidvalidity, l->uid,
			   STR_ARG(listing_folder(r)->name));
	else if (l->repeat == 0)
		buf_add_str(out, l->uidl);
	else
		buf_printf(out, "%.*s\n%u", STR_ARG(l->uidl), l->repeat);
}

/* ---- The place of a folder ---- */
static bool
listing_still_compares(const struct round *r)
{
	const struct round_folder *f = listing_folder(r);

	return f->compares && f->use != REMOTE_USE_ALL && !(r->is_read && r->is_whole);
}

bool
listing_place(void *arg, struct str *folder_out, struct buf *place_out)
{
	const struct round *r = arg;
	uint32_t upto = r->read_upto;

	if (listing_is_pop(r) || r->is_counting || !r->has_listed)
		return false;
	/* All up to here are pending, or here. */
	for (const struct message *m = r->messages; m != NULL; m = m->next) {
		if (m->is_recovered || m->entry.is_sent || m->state > MESSAGE_PENDING)
			continue;
		if (m->uid - 1 < upto)
			upto = m->uid - 1;
		break;
	}
	if (r->is_capped && r->cap < upto)
		upto = r->cap;
	*folder_out = listing_folder(r)->name;
	/* A message may be here before one with a lower UID: until all are here, the ledger tells. */
	buf_printf(place_out, "%" PRIu32 " %" PRIu32 "%s%s", r->state.uidvalidity, upto,
		   r->is_capped || !r->is_read ? " c" : "", listing_still_compares(r) ? " v" : "");
	return true;
}

/* "<UIDVALIDITY> <UID>[ c][ v]" */
static void
listing_read_place(struct round *r)
{
	struct round_folder *f = listing_folder(r);
	struct str rest = str_c(f->place), word;
	uint64_t validity = 0, last = 0;

	r->after = 0;
	if (f->place[0] == '\0' || listing_is_pop(r))
		return;
	if (!str_next_word(&rest, " ", &word) || !str_to_u64(word, &validity) || !str_next_word(&rest, " ", &word) ||
	    !str_to_u64(word, &last) || last > UINT32_MAX)
		return;
	while (str_next_word(&rest, " ", &word)) {
		r->asks_for_place |= str_eq(word, STR("c"));
		f->compares |= str_eq(word, STR("v"));
	}
	if (validity == r->state.uidvalidity) {
		r->after = (uint32_t)last;
		return;
	}
	f->compares = true;
	snprintf(r->note, sizeof(r->note),
		 "the remote has renumbered %.*s (UIDVALIDITY): messages that are here already are not taken again",
		 STR_ARG(f->name));
}

/* ---- The list ---- */
static bool
listing_is_due_for_deletion(const struct round *r, uint32_t day)
{
	const struct retrieve_account *a = &r->account;

	if (day == 0 || r->is_counting || a->keep == RETRIEVE_KEEP)
		return false;
	return a->keep == RETRIEVE_DELETE || day + a->keep_days <= ledger_today();
}

static void
listing_add_gone(struct round *r, uint32_t uid)
{
	if (r->gone_count == r->gone_room) {
		r->gone_room = r->gone_room == 0 ? 64 : r->gone_room * 2;
		r->gone = mem_realloc(r->gone, r->gone_room * sizeof(*r->gone));
	}
	r->gone[r->gone_count++] = uid;
}

void
listing_note_here(struct round *r, uint32_t uid, uint32_t day)
{
	if (listing_is_due_for_deletion(r, day))
		listing_add_gone(r, uid);
}

static uint64_t
listing_hash(struct round *r, struct listed *l)
{
	struct buf id = BUF_EMPTY;
	struct known_row *before;
	uint64_t hash;

	listing_remote_id(r, l, &id);
	hash = head_hash(buf_str(&id));
	if (listing_is_pop(r)) {
		before = known_find(&r->repeats, hash);
		if (before == NULL) {
			known_add(&r->repeats, &(struct ledger_record){.id = hash});
		} else {
			r->has_repeats = true;
			l->repeat = ++before->record.day;
			buf_clear(&id);
			listing_remote_id(r, l, &id);
			hash = head_hash(buf_str(&id));
		}
	}
	buf_fini(&id);
	return hash;
}

static uint64_t
listing_size_max(const struct round *r)
{
	int64_t max = settings_smtp_in(round_settings(r), STR_NONE)->max_message_size;

	return max > 0 ? (uint64_t)max : UINT64_MAX;
}

static void
listing_take(struct round *r, const struct remote_message *m, const struct listed *from)
{
	struct listed *l;

	if (r->list_count == r->list_room) {
		r->list_room = r->list_room == 0 ? 64 : r->list_room * 2;
		r->list = mem_realloc(r->list, r->list_room * sizeof(*r->list));
	}
	l = &r->list[r->list_count++];
	*l = *from;
	l->uidl = arena_str(&r->folder_arena, m->uidl);
	if (m->keyword_count > 0)
		l->keywords = arena_array(&r->folder_arena, char *, m->keyword_count);
	for (unsigned i = 0; i < m->keyword_count; i++)
		l->keywords[i] = arena_dup(&r->folder_arena, m->keywords[i].p, m->keywords[i].len);
	l->keyword_count = m->keyword_count;
	r->list_bytes += m->size;
}

static bool
listing_is_full(const struct round *r)
{
	if (r->account.once)
		return r->list_count >= ROUND_MOVE_MAX;
	return r->taken + r->list_count >= ROUND_MESSAGES_MAX;
}

/* A mirror's "all mail" shows what is in the other folders too, and they are read first: what came after that waits
 * for the next round, which finds it there. */
static bool
listing_is_too_new(const struct round *r, const struct remote_message *m)
{
	return listing_folder(r)->use == REMOTE_USE_ALL &&
	       (!r->is_whole || m->date_ms + LISTING_SETTLE_MS > r->begun_ms);
}

static void
listing_look(struct round *r, const struct remote_message *m)
{
	struct listed l = {.uid = m->uid, .size = m->size, .uidl = m->uidl, .flags = m->flags, .date_ms = m->date_ms};
	struct known_row *row = NULL;

	l.id = listing_hash(r, &l);
	if (r->knows)
		row = known_find(&r->known, l.id);
	r->seen_count++;
	if (row != NULL && !row->is_replaced) {
		row->is_listed = true;
		listing_note_here(r, m->uid, row->record.day);
		return;
	}
	if (m->uid <= r->after && !listing_is_pop(r)) /* only looked at for its deletion */
		return;
	r->unknown_count++;
	if (m->size > listing_size_max(r)) {
		r->too_large++;
		return;
	}
	if (stuck_passes_over(&r->stuck, l.id)) {
		reading_pass_over(r, m->uid);
		return;
	}
	if (r->is_counting) {
		r->new_count++;
		r->list_bytes += m->size;
		return;
	}
	if (listing_is_too_new(r, m)) {
		r->is_whole = false;
		r->unread += r->account.once;
		return;
	}
	if (r->is_full || !space_has(r, r->list_bytes + m->size)) {
		r->is_whole = false;
		return;
	}
	if (listing_is_full(r)) {
		r->has_more = true;
		r->is_whole = false;
		return;
	}
	listing_take(r, m, &l);
	r->listed_upto = m->uid;
}

static void listing_on_listed(struct round *r);

static void
listing_on_page(void *arg, const struct remote_message *messages, unsigned count, uint32_t next,
		const struct remote_failure *failure)
{
	struct round *r = arg;

	if (failure != NULL) {
		round_fail_remote(r, failure);
		return;
	}
	for (unsigned i = 0; i < count; i++)
		listing_look(r, &messages[i]);
	if (r->seen_count > ROUND_SEEN_MAX) {
		round_fail(r, false, "the remote lists more than 1,000,000 messages in a folder");
		return;
	}
	if (r->is_whole && count > 0)
		r->listed_upto = messages[count - 1].uid;
	if (next != 0 && (r->is_whole || r->knows))
		remote_box_list(r->box, next, listing_on_page, r);
	else
		listing_on_listed(r);
}

/* What is to be deleted is found in the list of all messages. */
static bool
listing_is_from_start(const struct round *r)
{
	return listing_is_pop(r) || (r->account.keep != RETRIEVE_KEEP && !r->is_counting);
}

static bool
listing_is_empty(const struct round *r)
{
	return r->state.exists == 0 ||
	       (!listing_is_from_start(r) && r->state.uidnext != 0 && r->after + 1 >= r->state.uidnext);
}

static void
listing_read(struct round *r)
{
	remote_box_list(r->box, listing_is_from_start(r) ? 0 : r->after, listing_on_page, r);
}

static void
listing_clear(struct round *r)
{
	arena_reset(&r->folder_arena);
	known_fini(&r->repeats);
	r->list_count = r->list_at = r->list_from = r->gone_count = 0;
	r->list_bytes = r->new_count = 0;
	r->seen_count = r->unknown_count = 0;
	r->is_capped = r->has_repeats = r->asks_for_place = r->is_read = r->has_listed = false;
	r->is_whole = true;
	r->read_upto = r->listed_upto = 0;
}

static void
listing_on_selected(void *arg, const struct remote_state *state, const struct remote_failure *failure)
{
	struct round *r = arg;
	struct round_folder *f = listing_folder(r);

	if (failure != NULL && failure->trouble == REMOTE_REFUSED) {
		snprintf(r->note, sizeof(r->note), "%s", failure->text);
		r->unread++;
		folders_next(r);
		return;
	}
	if (failure != NULL) {
		round_fail_remote(r, failure);
		return;
	}
	listing_clear(r);
	r->state = *state;
	f->compares |= f->use == REMOTE_USE_ALL;
	listing_read_place(r);
	r->read_upto = r->listed_upto = r->after;
	if (listing_is_empty(r) && listing_is_pop(r) && r->account.keep != RETRIEVE_KEEP && !r->is_counting)
		round_know(r, listing_on_listed); /* an empty maildrop forgets its UIDLs too */
	else if (listing_is_empty(r))
		listing_on_listed(r);
	else if (listing_is_from_start(r) || r->asks_for_place || f->compares)
		round_know(r, listing_read);
	else
		listing_read(r);
}

void
listing_start(struct round *r)
{
	bool changes = r->account.keep != RETRIEVE_KEEP && !r->is_counting;

	remote_box_select(r->box, listing_folder(r)->name, !changes, listing_on_selected, r);
}

/* ---- After the list ---- */
static void
listing_on_listed(struct round *r)
{
	struct round_folder *f = listing_folder(r);

	if (r->is_counting) {
		r->count_messages += r->account.trial ? r->seen_count : r->new_count;
		r->count_bytes += r->list_bytes;
		folders_next(r);
		return;
	}
	r->has_listed = true;
	if (listing_is_pop(r) && r->known.count > 0 && (r->known.has_forgotten || r->unknown_count * 2 > r->seen_count))
		f->compares = true;
	if (r->list_count > 0 && !r->account.once)
		ledger_total(&r->ledger, r->list_count, r->list_bytes);
	reading_start(r);
}

static void
listing_on_deleted(void *arg, bool expunged, const struct remote_failure *failure)
{
	struct round *r = arg;

	if (failure != NULL && failure->trouble != REMOTE_REFUSED) {
		round_fail_remote(r, failure);
		return;
	}
	if (failure != NULL)
		snprintf(r->note, sizeof(r->note), "%s", failure->text);
	else if (!expunged)
		snprintf(r->note, sizeof(r->note),
			 "the server lacks UIDPLUS, and others have marked messages as deleted: ours are only marked "
			 "too");
	folders_next(r);
}

static int
listing_compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void
listing_delete(struct round *r)
{
	if (r->has_repeats) {
		snprintf(r->note, sizeof(r->note),
			 "the server gives several messages the same UIDL: none is deleted there");
		r->gone_count = 0;
	}
	if (r->gone_count == 0) {
		folders_next(r);
		return;
	}
	qsort(r->gone, r->gone_count, sizeof(*r->gone), listing_compare_uids);
	remote_box_delete(r->box, r->gone, r->gone_count, listing_on_deleted, r);
}

static void
listing_on_rewritten(void *arg, const redisReply *reply, const struct err *err)
{
	struct round *r = arg;

	(void)reply;
	if (round_back(r, err))
		listing_delete(r);
}

static void
listing_keep_place(struct round *r)
{
	struct buf place = BUF_EMPTY;
	struct str folder;

	if (listing_place(r, &folder, &place)) {
		if (!str_eq(buf_str(&place), str_c(listing_folder(r)->place)))
			ledger_write_place(&r->ledger);
		str_copy(buf_str(&place), listing_folder(r)->place, sizeof(listing_folder(r)->place));
		round_set_place(r, folder, buf_str(&place));
	}
	buf_fini(&place);
	listing_folder(r)->compares = listing_still_compares(r);
	if (r->folder_at == 0)
		r->idle_uidnext = r->state.uidnext;
}

void
listing_on_read(struct round *r)
{
	struct buf rows = BUF_EMPTY;
	bool keeps = r->account.keep == RETRIEVE_KEEP;
	/* A maildrop may be incomplete for a while: what is kept there is never forgotten here. */
	uint32_t before = keeps || ledger_today() < FORGET_DAYS ? 0 : ledger_today() - FORGET_DAYS;

	r->is_read = true;
	if (r->is_whole && r->listed_upto > r->read_upto)
		r->read_upto = r->listed_upto;
	listing_keep_place(r);
	if (r->again > 0 && listing_is_pop(r))
		snprintf(r->note, sizeof(r->note),
			 "the remote has given new UIDLs to %" PRIu64 " messages that are here already", r->again);
	/* The ledger has the messages of all folders: what is gone shows only if there is one. */
	if ((listing_is_pop(r) || (listing_is_from_start(r) && r->folder_count == 1)) && r->is_whole &&
	    known_shrink(&r->known, before, !keeps && listing_is_pop(r), &rows)) {
		op_hold(&r->op);
		ledger_rewrite(&r->ledger, r->known.bytes + (size_t)r->added * LEDGER_RECORD, buf_str(&rows),
			       listing_on_rewritten, r);
	} else {
		listing_delete(r);
	}
	buf_fini(&rows);
}
