/* The answers of SEARCH and SORT: "* SEARCH" (RFC 3501), "* ESEARCH" (RFC 4731, 5182,
 * 5267, 7162, 9394).
 *
 * An answer is a sequence of steps. Each step writes its words, and may leave numbers
 * to be written after them, which is done in slices. */
#include <stdlib.h>

#include "frontend/imap/search/search.h"

enum { NUMBER_WORK = 2, NUMBERS = 64 }; /* for one number, in units of lib/base/slice.h; numbers at a time */

struct step {
	/* NULL: the end. */
	void (*tell)(struct search_run *r, struct buf *out);
};

/* UID or sequence number, as the client requested. */
static uint32_t
result_number(const struct search_run *r, uint32_t at)
{
	const struct imap_session *s = r->session;

	return s->by_uid ? imap_view_uid(s->view, r->found.seqs[at]) : r->found.seqs[at];
}

static void
result_leave_numbers(struct search_run *r, uint32_t begin, uint32_t end, bool is_set)
{
	r->answer.at = begin;
	r->answer.end = end;
	r->answer.is_set = is_set;
}

/* The messages that the options select: with only MIN and MAX, just those (RFC 5182,
 * 2.4 for SAVE; RFC 7162, 3.1.10 for MODSEQ). At most two are copied to `ends`. */
static struct imap_found
result_named(const struct search_run *r, uint32_t ends[2])
{
	const struct imap_found *all = &r->found;
	struct imap_found named = {ends, 0};
	unsigned returns = r->search.returns;

	if (!r->search.extended || all->count == 0 || (returns & (RETURN_MIN | RETURN_MAX)) == 0 ||
	    (returns & (RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL)) != 0)
		return *all;
	if ((returns & RETURN_MIN) != 0)
		ends[named.count++] = all->seqs[0];
	if ((returns & RETURN_MAX) != 0 && (named.count == 0 || all->count > 1))
		ends[named.count++] = all->seqs[all->count - 1];
	return named;
}

static uint64_t
result_modseq(const struct search_run *r)
{
	uint32_t ends[2];
	struct imap_found named = result_named(r, ends);
	uint64_t highest = 0;

	for (uint32_t i = 0; i < named.count; i++) {
		const char *record = imap_view_record(r->session->view, named.seqs[i]);
		uint64_t modseq = record != NULL ? mailbox_hot_modseq(record) : 0;
		highest = modseq > highest ? modseq : highest;
	}
	session_spend(&r->session->base, named.count / 4);
	return highest;
}

/* ---- SAVE ---- */

/* The value of "$" after this command: UIDs in order; those of SORT are not in order. */
static void
result_save(struct search_run *r)
{
	struct imap_view *v = r->session->view;
	uint32_t ends[2], count = 0;
	struct imap_found named = result_named(r, ends);
	uint8_t *is_named = arena_alloc(&r->session->command.arena, imap_view_count(v) + 1);
	uint32_t *uids = arena_array(&r->session->command.arena, uint32_t, named.count + 1);

	for (uint32_t i = 0; i < named.count; i++)
		is_named[named.seqs[i]] = 1;
	for (uint32_t seq = 1; seq <= imap_view_count(v); seq++)
		if (is_named[seq])
			uids[count++] = imap_view_uid(v, seq);
	imap_view_save(v, uids, count);
	session_spend(&r->session->base, imap_view_count(v) / 4);
}

/* ---- ESEARCH ---- */

static void
result_tell_tag(struct search_run *r, struct buf *out)
{
	unsigned returns = r->search.returns;

	if ((returns & RETURN_SAVE) != 0)
		result_save(r);
	buf_add_c(out, "* ESEARCH (TAG ");
	imap_print_string(r->session, r->session->tag, out);
	buf_add_c(out, r->session->by_uid ? ") UID" : ")");
	if ((returns & RETURN_MIN) != 0 && r->found.count != 0)
		buf_printf(out, " MIN %u", result_number(r, 0));
	if ((returns & RETURN_MAX) != 0 && r->found.count != 0)
		buf_printf(out, " MAX %u", result_number(r, r->found.count - 1));
}

static void
result_tell_all(struct search_run *r, struct buf *out)
{
	if ((r->search.returns & RETURN_ALL) == 0 || r->found.count == 0)
		return;
	buf_add_c(out, " ALL ");
	result_leave_numbers(r, 0, r->found.count, true);
}

static void
result_tell_partial(struct search_run *r, struct buf *out)
{
	uint32_t begin, end;

	if ((r->search.returns & RETURN_COUNT) != 0)
		buf_printf(out, " COUNT %u", r->found.count);
	if ((r->search.returns & RETURN_PARTIAL) == 0)
		return;
	imap_partial_range(&r->search.partial, r->found.count, &begin, &end);
	buf_add_c(out, " PARTIAL (");
	imap_partial_print(&r->search.partial, out);
	buf_add_byte(out, ' ');
	if (end > begin)
		result_leave_numbers(r, begin, end, true);
	else
		buf_add_c(out, "NIL");
}

static void
result_tell_end(struct search_run *r, struct buf *out)
{
	if ((r->search.returns & RETURN_PARTIAL) != 0)
		buf_add_byte(out, ')');
	if (r->search.uses_modseq && r->found.count != 0)
		buf_printf(out, " MODSEQ %llu", (unsigned long long)result_modseq(r));
	buf_add_c(out, "\r\n");
}

/* SAVE alone has no answer. */
static void
result_only_save(struct search_run *r, struct buf *out)
{
	(void)out;
	result_save(r);
}

/* ---- A plain list ---- */

static void
result_tell_list(struct search_run *r, struct buf *out)
{
	buf_add_c(out, r->answer.is_sort ? "* SORT" : "* SEARCH");
	result_leave_numbers(r, 0, r->found.count, false);
}

static void
result_tell_list_end(struct search_run *r, struct buf *out)
{
	if (r->search.uses_modseq && r->found.count != 0)
		buf_printf(out, " (MODSEQ %llu)", (unsigned long long)result_modseq(r));
	buf_add_c(out, "\r\n");
}

static const struct step extended_steps[] = {
	{result_tell_tag}, {result_tell_all}, {result_tell_partial}, {result_tell_end}, {NULL}};
static const struct step save_steps[] = {{result_only_save}, {NULL}};
static const struct step list_steps[] = {{result_tell_list}, {result_tell_list_end}, {NULL}};

/* ---- Continuing ---- */

/* Consecutive numbers are joined. */
static void
result_tell_range(struct search_run *r, struct buf *out)
{
	struct imap_answer *a = &r->answer;
	uint32_t first = result_number(r, a->at), last = first;

	if (out->len == 0 || out->data[out->len - 1] != ' ')
		buf_add_byte(out, ',');
	while (++a->at < a->end && result_number(r, a->at) == last + 1)
		last++;
	buf_add_decimal(out, first);
	if (first == last)
		return;
	buf_add_byte(out, ':');
	buf_add_decimal(out, last);
}

static void
result_tell_numbers(struct search_run *r, struct buf *out)
{
	struct imap_answer *a = &r->answer;

	for (unsigned n = 0; n < NUMBERS && a->at < a->end; n++) {
		if (a->is_set) {
			result_tell_range(r, out);
			continue;
		}
		buf_add_byte(out, ' ');
		buf_add_decimal(out, result_number(r, a->at++));
	}
}

static void
result_on_cancel(struct imap_session *s)
{
	buf_fini(&((struct search_run *)s->work)->answer.out);
}

static void
result_go_on(struct imap_session *s)
{
	struct search_run *r = s->work;
	struct imap_answer *a = &r->answer;

	for (;;) {
		while (a->at < a->end) {
			uint32_t from = a->at;
			result_tell_numbers(r, &a->out);
			if (!imap_may_go_on(s, &a->out, NUMBERS * NUMBER_WORK + (a->at - from) / 4, result_go_on))
				return;
		}
		if (a->step->tell == NULL)
			break;
		(a->step++)->tell(r, &a->out);
	}
	imap_write(s, &a->out);
	result_on_cancel(s);
	imap_ok(s);
}

void
imap_search_answer(struct search_run *r)
{
	struct imap_session *s = r->session;

	if (!r->search.extended && !r->answer.is_sort && (s->enabled & IMAP_REV2) != 0) {
		r->search.extended = true; /* the only kind of answer in rev2 */
		r->search.returns = RETURN_ALL;
	}
	if (!r->search.extended)
		r->answer.step = list_steps;
	else if ((r->search.returns & ~(unsigned)RETURN_SAVE) == 0)
		r->answer.step = save_steps;
	else
		r->answer.step = extended_steps;
	s->work = r;
	s->on_cancel = result_on_cancel;
	result_go_on(s);
}
