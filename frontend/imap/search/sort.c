/* SORT and UID SORT (RFC 5256, 3; RETURN: RFC 5267; DISPLAY: RFC 5957). Texts
 * computed for a message are kept with the folder's index. */
#include "frontend/imap/search/sort.h"

#include <string.h>

#include "frontend/imap/search/sort_order.h"
#include "lib/message/fold.h"
#include "lib/message/subject.h"

/* Also used as kinds of texts in the folder's index. */
enum sort_key {
	SORT_ARRIVAL,
	SORT_CC,
	SORT_DATE, /* text: the bytes of a uint64_t */
	SORT_FROM,
	SORT_SIZE,
	SORT_SUBJECT,
	SORT_TO,
	SORT_DISPLAY_FROM,
	SORT_DISPLAY_TO,
	SORT_KEYS
};
_Static_assert((int)SORT_KEYS <= FOLDER_TEXT_KINDS, "each key is a kind of text");

static const struct {
	const char *name;
	enum sort_key key;
	bool is_text;
	enum mime_digest_text text;
} keys[] = {
	{"ARRIVAL", SORT_ARRIVAL, false, 0},
	{"CC", SORT_CC, true, DIGEST_CC_BOX},
	{"DATE", SORT_DATE, false, 0},
	{"FROM", SORT_FROM, true, DIGEST_FROM_BOX},
	{"SIZE", SORT_SIZE, false, 0},
	{"SUBJECT", SORT_SUBJECT, true, DIGEST_SUBJECT},
	{"TO", SORT_TO, true, DIGEST_TO_BOX},
	{"DISPLAYFROM", SORT_DISPLAY_FROM, true, DIGEST_FROM_DISPLAY},
	{"DISPLAYTO", SORT_DISPLAY_TO, true, DIGEST_TO_DISPLAY},
};
#define SORT_CRITERIA_MAX 20

struct sorting {
	struct sort_run run; /* first */
	struct {
		enum sort_key key;
		bool is_text;
		enum mime_digest_text text;
		union sort_value *values; /* arena; by row */
	} criteria[SORT_CRITERIA_MAX];
	struct sort_column columns[SORT_CRITERIA_MAX];
	unsigned criteria_count;
	struct folder_pool *pool; /* a reference: the index's texts */
	struct sort_order *order; /* arena */
	uint32_t count;		  /* rows already in order */
};

/* ---- Values ---- */

/* Makes negative numbers sort first. */
static uint64_t
sort_number(int64_t n)
{
	return (uint64_t)n ^ UINT64_C(1) << 63;
}

/* The position in the index. */
static bool
sort_position(const struct imap_view *v, uint32_t seq, uint32_t *at_out)
{
	bool found = true;

	*at_out = v->uids == v->index->uids ? seq - 1 : folder_index_find(v->index, imap_view_uid(v, seq), &found);
	return found;
}

static bool
sort_know_value(const struct sorting *w, unsigned i, uint32_t at, uint32_t row)
{
	const struct folder_index *ix = w->run.search.session->view->index;
	union sort_value *v = &w->criteria[i].values[row];
	const struct folder_text *text;
	struct mailbox_cold cold;
	struct mailbox_hot hot;

	switch (w->criteria[i].key) {
	case SORT_SIZE:
		mailbox_hot_unpack(folder_index_record(ix, at), &hot);
		v->number = hot.size;
		return true;
	case SORT_ARRIVAL:
		if (!folder_index_cold(ix, at, &cold))
			return false;
		v->number = sort_number(cold.internal_date);
		return true;
	default:
		text = folder_texts_get(ix, w->pool, w->criteria[i].key, at);
		if (text != NULL && w->criteria[i].is_text)
			v->text = text;
		else if (text != NULL)
			memcpy(&v->number, text->bytes, sizeof(v->number));
		return text != NULL;
	}
}

static bool
sort_take_known(struct sort_run *r, uint32_t row)
{
	const struct sorting *w = (const struct sorting *)r;
	uint32_t at;

	if (!sort_position(r->search.session->view, r->search.found.seqs[row], &at))
		return false;
	for (unsigned i = 0; i < w->criteria_count; i++)
		if (!sort_know_value(w, i, at, row))
			return false;
	return true;
}

/* Kept in the index if possible, otherwise for the command. */
static const struct folder_text *
sort_keep(struct sorting *w, enum sort_key key, const struct imap_record *record, struct str s)
{
	struct imap_session *session = w->run.search.session;
	const struct folder_text *kept = NULL;
	struct folder_text *own;
	uint32_t at;

	if (record->digest.ready && sort_position(session->view, record->seq, &at))
		kept = folder_texts_keep(session->view->index, w->pool, key, at, s);
	if (kept != NULL)
		return kept;
	own = arena_alloc(&session->command.arena, sizeof(*own) + s.len);
	own->len = (uint32_t)s.len;
	if (s.len != 0)
		memcpy(own->bytes, s.p, s.len);
	return own;
}

static const struct folder_text *
sort_compute_text(struct sorting *w, unsigned i, const struct imap_record *record)
{
	struct str text = record->digest.ready ? record->digest.digest.texts[w->criteria[i].text] : STR_NONE;

	arena_reset(&w->run.search.scratch);
	if (w->criteria[i].key == SORT_SUBJECT)
		text = message_base_subject(text, &w->run.search.scratch, NULL);
	return sort_keep(w, w->criteria[i].key, record, message_fold(text, &w->run.search.scratch));
}

/* Without a Date: the time of arrival. */
static uint64_t
sort_compute_date(struct sorting *w, const struct imap_record *record)
{
	const struct mime_digest *d = &record->digest.digest;
	bool has_date = record->digest.ready && d->has_date;
	uint64_t number = sort_number(has_date ? d->date : record->cold.internal_date);

	sort_keep(w, SORT_DATE, record, str_of((const char *)&number, sizeof(number)));
	return number;
}

static void
sort_take(struct sort_run *r, uint32_t row, const struct imap_record *record, const struct mailbox_hot *hot)
{
	struct sorting *w = (struct sorting *)r;

	for (unsigned i = 0; i < w->criteria_count; i++) {
		union sort_value *v = &w->criteria[i].values[row];
		switch (w->criteria[i].key) {
		case SORT_SIZE: v->number = hot->size; break;
		case SORT_ARRIVAL: v->number = sort_number(record->cold.internal_date); break;
		case SORT_DATE: v->number = sort_compute_date(w, record); break;
		default: v->text = sort_compute_text(w, i, record); break;
		}
	}
}

/* ---- The run ---- */

static void
sort_on_found(struct sort_run *r)
{
	struct sorting *w = (struct sorting *)r;
	struct arena *arena = &r->search.session->command.arena;

	w->pool = folder_texts_pool(r->search.session->view->index);
	for (unsigned i = 0; i < w->criteria_count; i++) {
		w->criteria[i].values = arena_array(arena, union sort_value, r->search.found.count + 1);
		w->columns[i].values = w->criteria[i].values;
	}
}

static void
sort_clean(struct sort_run *r)
{
	folder_pool_unref(&((struct sorting *)r)->pool);
}

static void
sort_go_on(struct imap_session *s)
{
	struct sorting *w = s->work;
	struct imap_found *found = &w->run.search.found;
	uint32_t *seqs;

	if (!sort_order_run(w->order, &s->command.slice)) {
		imap_later(s, sort_go_on);
		return;
	}
	seqs = arena_array(&s->command.arena, uint32_t, w->count + 1);
	for (uint32_t i = 0; i < w->count; i++)
		seqs[i] = found->seqs[sort_order_row(w->order, i)];
	*found = (struct imap_found){seqs, w->count};
	imap_sort_end(&w->run);
	imap_search_answer(&w->run.search);
}

static void
sort_on_loaded(struct sort_run *r)
{
	struct sorting *w = (struct sorting *)r;
	struct arena *arena = &r->search.session->command.arena;
	uint32_t *rows = arena_array(arena, uint32_t, r->search.found.count + 1);

	for (uint32_t i = 0; i < r->search.found.count; i++)
		if (r->search.found.seqs[i] != 0)
			rows[w->count++] = i;
	w->order = sort_order_new(arena, w->columns, w->criteria_count, rows, w->count);
	sort_go_on(r->search.session);
}

/* ---- The command ---- */

static bool
sort_parse_key(struct imap_lexer *lex, struct sorting *w)
{
	bool reverse = false;

	if (imap_lex_try_word(lex, "REVERSE")) {
		reverse = true;
		if (!imap_lex_sp(lex))
			return false;
	}
	if (w->criteria_count == SORT_CRITERIA_MAX)
		return imap_lex_fail(lex, "too many sort keys");
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (imap_lex_try_word(lex, keys[i].name)) {
			w->criteria[w->criteria_count].key = keys[i].key;
			w->criteria[w->criteria_count].is_text = keys[i].is_text;
			w->criteria[w->criteria_count].text = keys[i].text;
			w->columns[w->criteria_count++] =
				(struct sort_column){.is_text = keys[i].is_text, .reverse = reverse};
			w->run.wants_digest |= keys[i].key != SORT_ARRIVAL && keys[i].key != SORT_SIZE;
			return true;
		}
	return imap_lex_fail(lex, "unknown sort key");
}

enum cmd_status
imap_cmd_sort(struct imap_session *s, struct imap_lexer *lex)
{
	struct sorting *w = arena_new(&s->command.arena, struct sorting);

	w->run.search.session = s;
	w->run.search.answer.is_sort = true;
	w->run.take_known = sort_take_known;
	w->run.take = sort_take;
	w->run.on_found = sort_on_found;
	w->run.on_loaded = sort_on_loaded;
	w->run.clean = sort_clean;
	if (!imap_lex_sp(lex) || !imap_parse_return(lex, &w->run.search.search) || !imap_lex_char(lex, '('))
		return imap_syntax(s, lex);
	do {
		if (!sort_parse_key(lex, w))
			return imap_syntax(s, lex);
	} while (imap_lex_try(lex, ' '));
	if (!imap_lex_char(lex, ')'))
		return imap_syntax(s, lex);
	return imap_sort_begin(&w->run, lex);
}
