/* The answers of SEARCH: "* SEARCH" (RFC 3501), "* ESEARCH" (RFC 4731, 5182,
 * 7162, 9394). */
#include "frontend/imap/search.h"

/* As the client wants them: UIDs or sequence numbers. */
static uint32_t *
numbers_of(struct search_run *r)
{
	struct imap_session *s = r->session;
	uint32_t *numbers;

	if (!s->by_uid)
		return r->found.seqs;
	numbers = arena_array(&s->command, uint32_t, r->found.count + 1);
	for (uint32_t i = 0; i < r->found.count; i++)
		numbers[i] = imap_view_uid(s->view, r->found.seqs[i]);
	return numbers;
}

/* RFC 5182, 2.4: what "$" is after this command. */
static void
save(struct search_run *r)
{
	struct imap_session *s = r->session;
	unsigned returns = r->search.returns;
	uint32_t count = r->found.count, first = 0, last = count;
	uint32_t *uids = arena_array(&s->command, uint32_t, count + 2);

	for (uint32_t i = 0; i < count; i++)
		uids[i] = imap_view_uid(s->view, r->found.seqs[i]);
	if (count > 1 && (returns & (RETURN_ALL | RETURN_COUNT | RETURN_PARTIAL)) == 0) {
		if ((returns & RETURN_MIN) != 0 && (returns & RETURN_MAX) != 0) {
			uids[1] = uids[count - 1];
			last = 2;
		} else if ((returns & RETURN_MIN) != 0) {
			last = 1;
		} else if ((returns & RETURN_MAX) != 0) {
			first = count - 1;
		}
	}
	imap_view_save(s->view, uids + first, last - first);
}

/* Places first to last of the result, from 0, end behind the last. */
static void
partial_range(const struct search_run *r, uint32_t *first, uint32_t *end)
{
	int64_t a = r->search.partial_first, b = r->search.partial_last, count = r->found.count;

	if (a < 0) {
		a = count + a + 1;
		b = count + b + 1;
	}
	if (a > b) {
		int64_t swap = a;
		a = b;
		b = swap;
	}
	a = a < 1 ? 1 : a;
	b = b > count ? count : b;
	*first = (uint32_t)(a - 1);
	*end = a <= b ? (uint32_t)b : *first;
}

static void
print_set(const char *name, const uint32_t *numbers, uint32_t count, struct buf *out)
{
	buf_add_c(out, name);
	imap_set_print_numbers(numbers, count, out);
}

static void
print_extended(struct search_run *r, const uint32_t *numbers, struct buf *out)
{
	struct imap_session *s = r->session;
	unsigned returns = r->search.returns;
	uint32_t count = r->found.count;

	buf_add_c(out, "* ESEARCH (TAG ");
	imap_print_string(s, s->tag, out);
	buf_add_c(out, s->by_uid ? ") UID" : ")");
	if ((returns & RETURN_MIN) != 0 && count != 0)
		buf_printf(out, " MIN %u", numbers[0]);
	if ((returns & RETURN_MAX) != 0 && count != 0)
		buf_printf(out, " MAX %u", numbers[count - 1]);
	if ((returns & RETURN_ALL) != 0 && count != 0)
		print_set(" ALL ", numbers, count, out);
	if ((returns & RETURN_COUNT) != 0)
		buf_printf(out, " COUNT %u", count);
	if ((returns & RETURN_PARTIAL) != 0) {
		uint32_t first, end;
		partial_range(r, &first, &end);
		buf_printf(out, " PARTIAL (%lld:%lld ", (long long)r->search.partial_first, (long long)r->search.partial_last);
		if (end > first)
			print_set("", numbers + first, end - first, out);
		else
			buf_add_c(out, "NIL");
		buf_add_byte(out, ')');
	}
	if (r->search.uses_modseq && count != 0)
		buf_printf(out, " MODSEQ %llu", (unsigned long long)r->found.modseq);
	buf_add_c(out, "\r\n");
}

static void
print_plain(struct search_run *r, const uint32_t *numbers, struct buf *out)
{
	buf_add_c(out, "* SEARCH");
	for (uint32_t i = 0; i < r->found.count; i++) {
		buf_add_byte(out, ' ');
		imap_print_u64(numbers[i], out);
	}
	if (r->search.uses_modseq && r->found.count != 0)
		buf_printf(out, " (MODSEQ %llu)", (unsigned long long)r->found.modseq);
	buf_add_c(out, "\r\n");
}

void
imap_search_answer(struct search_run *r)
{
	struct imap_session *s = r->session;
	const uint32_t *numbers = numbers_of(r);
	struct buf out = BUF_EMPTY;

	if ((r->search.returns & RETURN_SAVE) != 0)
		save(r);
	if (!r->search.extended && (s->enabled & IMAP_REV2) != 0) {
		r->search.extended = true; /* rev2 knows no other answer */
		r->search.returns = RETURN_ALL;
	}
	if (!r->search.extended)
		print_plain(r, numbers, &out);
	else if ((r->search.returns & ~(unsigned)RETURN_SAVE) != 0)
		print_extended(r, numbers, &out);
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}
