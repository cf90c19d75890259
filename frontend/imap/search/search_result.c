/* The answers of SEARCH and SORT: "* SEARCH" (RFC 3501), "* ESEARCH" (RFC 4731,
 * 5182, 5267, 7162, 9394). */
#include <stdlib.h>

#include "frontend/imap/search/search.h"

uint64_t
imap_result_modseq(const struct imap_session *s, const struct imap_result *result)
{
	uint64_t highest = 0;

	for (uint32_t i = 0; i < result->count; i++) {
		struct mailbox_hot hot;
		if (imap_view_hot(s->view, result->seqs[i], &hot) && hot.modseq > highest)
			highest = hot.modseq;
	}
	return highest;
}

/* As the client wants them: UIDs or sequence numbers. */
static const uint32_t *
result_numbers_of(struct imap_session *s, const struct imap_result *result)
{
	uint32_t *numbers;

	if (!s->by_uid)
		return result->seqs;
	numbers = arena_array(&s->command.arena, uint32_t, result->count + 1);
	for (uint32_t i = 0; i < result->count; i++)
		numbers[i] = imap_view_uid(s->view, result->seqs[i]);
	return numbers;
}

/* What the options name: with none but MIN and MAX, only those (RFC 5182, 2.4
 * for SAVE; RFC 7162, 3.1.10 for MODSEQ). At most two are copied to `ends`. */
static struct imap_result
result_named_by(unsigned returns, const struct imap_result *all, uint32_t ends[2])
{
	struct imap_result named = {ends, 0};

	if (all->count == 0 || (returns & (RETURN_MIN | RETURN_MAX)) == 0 ||
	    (returns & (RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL)) != 0)
		return *all;
	if ((returns & RETURN_MIN) != 0)
		ends[named.count++] = all->seqs[0];
	if ((returns & RETURN_MAX) != 0 && (named.count == 0 || all->count > 1))
		ends[named.count++] = all->seqs[all->count - 1];
	return named;
}

static int
result_compare_uids(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* What "$" is after this command. */
static void
result_save(struct imap_session *s, const struct imap_result *named)
{
	uint32_t *uids = arena_array(&s->command.arena, uint32_t, named->count + 1);

	for (uint32_t i = 0; i < named->count; i++)
		uids[i] = imap_view_uid(s->view, named->seqs[i]);
	qsort(uids, named->count, sizeof(*uids), result_compare_uids);
	imap_view_save(s->view, uids, named->count);
}

static void
result_print_partial(const struct imap_partial *partial, const uint32_t *numbers, uint32_t count, struct buf *out)
{
	uint32_t begin, end;

	imap_partial_range(partial, count, &begin, &end);
	buf_add_c(out, " PARTIAL (");
	imap_partial_print(partial, out);
	buf_add_byte(out, ' ');
	if (end > begin)
		imap_set_print_numbers(numbers + begin, end - begin, out);
	else
		buf_add_c(out, "NIL");
	buf_add_byte(out, ')');
}

void
imap_print_esearch(struct imap_session *s, const struct imap_search *search, const struct imap_result *result,
		   struct buf *out)
{
	unsigned returns = search->returns;
	uint32_t count = result->count, ends[2];
	struct imap_result named = result_named_by(returns, result, ends);
	const uint32_t *numbers = result_numbers_of(s, result);

	if ((returns & RETURN_SAVE) != 0)
		result_save(s, &named);
	if ((returns & ~(unsigned)RETURN_SAVE) == 0)
		return; /* SAVE alone has no answer */
	buf_add_c(out, "* ESEARCH (TAG ");
	imap_print_string(s, s->tag, out);
	buf_add_c(out, s->by_uid ? ") UID" : ")");
	if ((returns & RETURN_MIN) != 0 && count != 0)
		buf_printf(out, " MIN %u", numbers[0]);
	if ((returns & RETURN_MAX) != 0 && count != 0)
		buf_printf(out, " MAX %u", numbers[count - 1]);
	if ((returns & RETURN_ALL) != 0 && count != 0) {
		buf_add_c(out, " ALL ");
		imap_set_print_numbers(numbers, count, out);
	}
	if ((returns & RETURN_COUNT) != 0)
		buf_printf(out, " COUNT %u", count);
	if ((returns & RETURN_PARTIAL) != 0)
		result_print_partial(&search->partial, numbers, count, out);
	if (search->uses_modseq && count != 0)
		buf_printf(out, " MODSEQ %llu", (unsigned long long)imap_result_modseq(s, &named));
	buf_add_c(out, "\r\n");
}

static void
result_print_plain(struct search_run *r, const struct imap_result *result, struct buf *out)
{
	const uint32_t *numbers = result_numbers_of(r->session, result);

	buf_add_c(out, "* SEARCH");
	for (uint32_t i = 0; i < result->count; i++) {
		buf_add_byte(out, ' ');
		imap_print_u64(numbers[i], out);
	}
	if (r->search.uses_modseq && result->count != 0)
		buf_printf(out, " (MODSEQ %llu)", (unsigned long long)imap_result_modseq(r->session, result));
	buf_add_c(out, "\r\n");
}

void
imap_search_answer(struct search_run *r)
{
	struct imap_session *s = r->session;
	struct imap_result result = {r->found.seqs, r->found.count};
	struct buf out = BUF_EMPTY;

	if (!r->search.extended && (s->enabled & IMAP_REV2) != 0) {
		r->search.extended = true; /* rev2 knows no other answer */
		r->search.returns = RETURN_ALL;
	}
	if (r->search.extended)
		imap_print_esearch(s, &r->search, &result, &out);
	else
		result_print_plain(r, &result, &out);
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}
