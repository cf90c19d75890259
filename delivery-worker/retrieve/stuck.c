/* Messages that the remote does not give: it refuses them, or the session ends at them.
 *
 * One such message must not keep those behind it from coming. After a few tries it is put aside: the rounds pass it
 * over, but for one try a day. Nothing of it is noted as retrieved, and nothing is deleted at the remote. If many are
 * put aside and not one comes between them, the trouble is the remote's own: then no more are, and all are tried
 * again when the first one comes.
 *
 * The rows are a field of the account's status, "<id in hex> <tries> <last try, unix ms>;" each, and behind them
 * "|<put aside, one after the other>|<what the remote said last>". */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "delivery-worker/retrieve/private.h"
#include "lib/base/clock.h"

enum {
	STUCK_TRIES = 3,
	STUCK_STREAK_MAX = 10,
	STUCK_AGAIN_MS = 24 * 3600 * 1000,
	STUCK_FORGET_DAYS = 30, /* it has not been seen for so long */
};

static bool
stuck_is_put_aside(const struct stuck_row *row)
{
	return row->tries >= STUCK_TRIES;
}

static struct stuck_row *
stuck_find(struct stuck *s, uint64_t id)
{
	for (unsigned i = 0; i < s->count; i++)
		if (s->rows[i].id == id)
			return &s->rows[i];
	return NULL;
}

static void
stuck_remove(struct stuck *s, struct stuck_row *row)
{
	*row = s->rows[--s->count];
	s->is_changed = true;
}

/* A new row, perhaps in the place of a suspect's. NULL: there is no room, for so many are put aside. */
static struct stuck_row *
stuck_add(struct stuck *s, uint64_t id)
{
	struct stuck_row *row = NULL;

	if (s->count < STUCK_MAX)
		row = &s->rows[s->count++];
	else
		for (unsigned i = 0; i < s->count; i++)
			if (!stuck_is_put_aside(&s->rows[i]) && (row == NULL || s->rows[i].tried_ms < row->tried_ms))
				row = &s->rows[i];
	if (row != NULL)
		*row = (struct stuck_row){.id = id};
	return row;
}

/* ---- As it is stored ---- */
void
stuck_read(struct stuck *s, struct str text)
{
	struct str rows, word, streak;
	int64_t oldest_ms = clock_unix_ms() - STUCK_FORGET_DAYS * INT64_C(24) * 3600 * 1000;
	struct stuck_row row;
	char line[64];

	*s = (struct stuck){.count = 0};
	str_cut(text, '|', &rows, &text);
	str_cut(text, '|', &streak, &text);
	str_copy(streak, line, sizeof(line));
	s->streak = (unsigned)strtoul(line, NULL, 10);
	str_copy(text, s->words, sizeof(s->words));
	while (str_next_word(&rows, ";", &word) && s->count < STUCK_MAX) {
		char *at = line;

		str_copy(word, line, sizeof(line));
		row.id = strtoull(at, &at, 16);
		row.tries = (unsigned)strtoul(at, &at, 10);
		row.tried_ms = strtoll(at, &at, 10);
		if (row.tried_ms > oldest_ms)
			s->rows[s->count++] = row;
	}
}

struct str
stuck_write(const struct stuck *s, struct arena *arena)
{
	struct buf out = BUF_EMPTY;
	struct str text;

	for (unsigned i = 0; i < s->count; i++)
		buf_printf(&out, "%" PRIx64 " %u %" PRId64 ";", s->rows[i].id, s->rows[i].tries, s->rows[i].tried_ms);
	buf_printf(&out, "|%u|%s", s->streak, s->words);
	text = arena_str(arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

/* ---- During a round ---- */
bool
stuck_passes_over(struct stuck *s, uint64_t id)
{
	const struct stuck_row *row = stuck_find(s, id);

	return row != NULL && stuck_is_put_aside(row) && clock_unix_ms() - row->tried_ms < STUCK_AGAIN_MS;
}

bool
stuck_suspects(struct stuck *s, uint64_t id)
{
	return s->count > 0 && stuck_find(s, id) != NULL;
}

bool
stuck_note(struct stuck *s, uint64_t id, const char *words, bool counts)
{
	struct stuck_row *row = stuck_find(s, id);
	bool was_aside;

	if (row == NULL)
		row = stuck_add(s, id);
	if (row == NULL)
		return false;
	was_aside = stuck_is_put_aside(row);
	row->tried_ms = clock_unix_ms();
	str_copy(str_c(words), s->words, sizeof(s->words));
	s->is_changed = true;
	if (!was_aside && counts && s->streak < STUCK_STREAK_MAX && ++row->tries == STUCK_TRIES)
		s->streak++;
	return stuck_is_put_aside(row);
}

void
stuck_note_come(struct stuck *s, uint64_t id)
{
	struct stuck_row *row = s->count > 0 ? stuck_find(s, id) : NULL;

	if (row != NULL)
		stuck_remove(s, row);
	for (unsigned i = 0; i < s->count && s->streak >= STUCK_STREAK_MAX; i++)
		s->rows[i].tries = 0;
	s->is_changed |= s->streak > 0;
	s->streak = 0;
}

unsigned
stuck_count(const struct stuck *s)
{
	unsigned count = 0;

	for (unsigned i = 0; i < s->count; i++)
		count += stuck_is_put_aside(&s->rows[i]);
	return count;
}

bool
stuck_is_remotes_own(const struct stuck *s)
{
	return s->streak >= STUCK_STREAK_MAX || stuck_count(s) == STUCK_MAX;
}
