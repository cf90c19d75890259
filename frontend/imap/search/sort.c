/* SORT and UID SORT (RFC 5256, 3; RETURN: RFC 5267; DISPLAY: RFC 5957). */
#include "frontend/imap/search/sort.h"

#include <stdlib.h>

static const struct {
	const char *name;
	enum sort_key key;
} keys[] = {
	{"ARRIVAL", SORT_ARRIVAL},
	{"CC", SORT_CC},
	{"DATE", SORT_DATE},
	{"FROM", SORT_FROM},
	{"SIZE", SORT_SIZE},
	{"SUBJECT", SORT_SUBJECT},
	{"TO", SORT_TO},
	{"DISPLAYFROM", SORT_DISPLAY_FROM},
	{"DISPLAYTO", SORT_DISPLAY_TO},
};

static int
sort_compare_numbers(int64_t a, int64_t b)
{
	return a < b ? -1 : a > b;
}

static int
sort_compare(const void *left, const void *right, void *arg)
{
	const struct sort_message *a = left, *b = right;
	const struct sort_run *r = arg;

	for (unsigned i = 0; i < r->criteria_count; i++) {
		enum sort_key key = r->criteria[i].key;
		int order;
		switch (key) {
		case SORT_ARRIVAL: order = sort_compare_numbers(a->arrival, b->arrival); break;
		case SORT_DATE: order = sort_compare_numbers(a->date, b->date); break;
		case SORT_SIZE: order = sort_compare_numbers((int64_t)a->size, (int64_t)b->size); break;
		default: order = str_cmp(a->texts[key], b->texts[key]); break;
		}
		if (order != 0)
			return r->criteria[i].reverse ? -order : order;
	}
	return sort_compare_numbers(a->seq, b->seq);
}

static void
sort_print_plain(const struct sort_run *r, const struct imap_result *result, struct buf *out)
{
	const struct imap_session *s = r->search.session;

	buf_add_c(out, "* SORT");
	for (uint32_t i = 0; i < r->count; i++) {
		buf_add_byte(out, ' ');
		imap_print_u64(s->by_uid ? r->messages[i].uid : r->messages[i].seq, out);
	}
	if (r->search.search.uses_modseq && r->count != 0)
		buf_printf(out, " (MODSEQ %llu)", (unsigned long long)imap_result_modseq(s, result));
	buf_add_c(out, "\r\n");
}

static void
sort_on_loaded(struct sort_run *r)
{
	struct imap_session *s = r->search.session;
	uint32_t *seqs = arena_array(&s->command.arena, uint32_t, r->count + 1);
	struct imap_result result = {seqs, r->count};
	struct buf out = BUF_EMPTY;

	qsort_r(r->messages, r->count, sizeof(*r->messages), sort_compare, r);
	for (uint32_t i = 0; i < r->count; i++)
		seqs[i] = r->messages[i].seq;
	if (r->search.search.extended)
		imap_print_esearch(s, &r->search.search, &result, &out);
	else
		sort_print_plain(r, &result, &out);
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}

static bool
sort_parse_key(struct imap_lexer *lex, struct sort_run *r)
{
	bool reverse = false;

	if (imap_lex_try_word(lex, "REVERSE")) {
		reverse = true;
		if (!imap_lex_sp(lex))
			return false;
	}
	if (r->criteria_count == SORT_CRITERIA_MAX)
		return imap_lex_fail(lex, "too many sort keys");
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (imap_lex_try_word(lex, keys[i].name)) {
			r->criteria[r->criteria_count].key = keys[i].key;
			r->criteria[r->criteria_count++].reverse = reverse;
			r->wants |= 1u << keys[i].key;
			return true;
		}
	return imap_lex_fail(lex, "an unknown sort key");
}

enum cmd_status
imap_cmd_sort(struct imap_session *s, struct imap_lexer *lex)
{
	struct sort_run *r = arena_new(&s->command.arena, struct sort_run);

	r->search.session = s;
	r->on_loaded = sort_on_loaded;
	if (!imap_lex_sp(lex) || !imap_parse_return(lex, &r->search.search) || !imap_lex_char(lex, '('))
		return imap_syntax(s, lex);
	do {
		if (!sort_parse_key(lex, r))
			return imap_syntax(s, lex);
	} while (imap_lex_try(lex, ' '));
	if (!imap_lex_char(lex, ')'))
		return imap_syntax(s, lex);
	return imap_sort_begin(r, lex);
}
