/* STORE and UID STORE (RFC 9051, 6.4.6; UNCHANGEDSINCE: RFC 7162). */
#include <string.h>

#include "frontend/imap/private.h"
#include "lib/base/bytes.h"
#include "lib/base/check.h"

/* Messages in one call of the store. Results are reported before more is stored, and
 * reporting them takes part of a slice (lib/base/slice.h). */
enum { PIECE = 1000, MESSAGE_WORK = 30 };

/* A message in the state that the client knows. */
struct before {
	uint64_t keywords;
	uint16_t flags;
	bool known; /* the client had been told of the index's state */
};

struct storing {
	struct imap_set set;
	struct mailbox_flag_change change;
	bool silent;
	struct imap_messages messages;
	const uint32_t *uids;  /* of all messages */
	uint32_t done, piece;  /* UIDs reported so far; UIDs that the store is working on */
	struct before *before; /* for the piece; .SILENT */
	bool some_gone;	       /* some of the named messages are expunged */
	uint32_t *modified;    /* UIDs that UNCHANGEDSINCE left alone; NULL: none */
	uint32_t modified_count;
};

/* ---- Arguments ---- */

static bool
store_take_modifiers(struct imap_session *s, struct imap_lexer *lex, struct storing *w)
{
	if (!imap_lex_open(lex))
		return false;
	if (!imap_lex_try_word(lex, "UNCHANGEDSINCE"))
		return imap_lex_fail(lex, "unknown STORE modifier");
	if (!imap_lex_sp(lex) || !imap_lex_number64(lex, &w->change.unchanged_since) || !imap_lex_close(lex) ||
	    !imap_lex_sp(lex))
		return false;
	imap_enable_condstore(s);
	return true;
}

static bool
store_take_what(struct imap_lexer *lex, struct storing *w)
{
	struct imap_flags flags;
	struct str name;

	if (imap_lex_try(lex, '+'))
		w->change.mode = MAILBOX_FLAGS_ADD;
	else if (imap_lex_try(lex, '-'))
		w->change.mode = MAILBOX_FLAGS_REMOVE;
	else
		w->change.mode = MAILBOX_FLAGS_SET;
	if (!imap_lex_name(lex, &name))
		return false;
	w->silent = str_eq_ci(name, STR("FLAGS.SILENT"));
	if (!w->silent && !str_eq_ci(name, STR("FLAGS")))
		return imap_lex_fail(lex, "unknown STORE item");
	if (!imap_lex_sp(lex) || !imap_lex_flags(lex, &flags))
		return false;
	w->change.flags = flags.flags;
	w->change.keywords = flags.keywords;
	w->change.keyword_count = flags.keyword_count;
	return true;
}

/* ---- The answer ---- */

static uint64_t
store_keyword_mask(const struct folder_index *ix, const struct mailbox_flag_change *change)
{
	uint64_t mask = 0;

	for (unsigned i = 0; i < change->keyword_count; i++)
		for (unsigned b = 0; b < ix->keyword_count; b++)
			if (str_eq_ci(change->keywords[i], str_c(ix->keywords[b])))
				mask |= UINT64_C(1) << b;
	return mask;
}

/* Is this the result that the client expects, given the state it knew? If not,
 * somebody else has changed the message too, and .SILENT does not hide that. */
static bool
store_is_expected(const struct mailbox_flag_change *change, uint64_t mask, const struct before *before,
		  const struct mailbox_hot *now)
{
	uint64_t flags = change->flags, keywords = mask;

	if (!before->known)
		return false;

	if (change->mode == MAILBOX_FLAGS_ADD) {
		flags |= before->flags;
		keywords |= before->keywords;
	} else if (change->mode == MAILBOX_FLAGS_REMOVE) {
		flags = before->flags & ~flags;
		keywords = before->keywords & ~keywords;
	}
	return now->flags == flags && now->keywords == keywords;
}

static uint32_t
store_position(const uint32_t *uids, uint32_t count, uint32_t uid)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void
store_tell_stored(struct imap_session *s, const struct storing *w, uint64_t mask, const struct mailbox_hot *now,
		  struct buf *out)
{
	struct imap_view *v = s->view;
	uint32_t seq = imap_view_seq(v, now->uid);
	bool condstore = (s->enabled & IMAP_CONDSTORE) != 0;
	const char *between = "";

	if (seq == 0)
		return;
	if (w->silent && !store_is_expected(&w->change, mask,
					    &w->before[store_position(w->uids + w->done, w->piece, now->uid)], now))
		return; /* reported with the unsolicited changes */
	imap_view_told(v, now);
	if (w->silent && !condstore)
		return;
	buf_add(out, "* ", 2);
	imap_print_u64(seq, out);
	buf_add_c(out, " FETCH (");
	if (s->by_uid || condstore) {
		buf_add_c(out, "UID ");
		imap_print_u64(now->uid, out);
		between = " ";
	}
	if (!w->silent) {
		buf_printf(out, "%sFLAGS ", between);
		imap_print_message_flags(v, now, out);
		between = " ";
	}
	if (condstore) {
		buf_printf(out, "%sMODSEQ (", between);
		imap_print_u64(now->modseq, out);
		buf_add_byte(out, ')');
	}
	buf_add(out, ")\r\n", 3);
}

static bool
store_is_modified(const struct mailbox_stored *stored, uint32_t uid)
{
	uint32_t at = store_position(stored->modified_uids, stored->modified_count, uid);

	return at < stored->modified_count && stored->modified_uids[at] == uid;
}

static void
store_tell_all(struct imap_session *s, const struct storing *w, const struct mailbox_stored *stored)
{
	struct buf out = BUF_EMPTY;
	uint64_t mask;

	folder_index_set_keywords(s->view->index, stored->keywords, stored->keyword_count);
	imap_view_tell_keywords(s->view, &out);
	mask = store_keyword_mask(s->view->index, &w->change);
	for (uint32_t i = 0; i < stored->count; i++) {
		struct mailbox_hot now;
		mailbox_hot_unpack(stored->hot + (size_t)i * MAILBOX_HOT_BYTES, &now);
		if (stored->modified_count == 0 || !store_is_modified(stored, now.uid))
			store_tell_stored(s, w, mask, &now, &out);
	}
	imap_write(s, &out);
	buf_fini(&out);
	folder_index_take_stored(s->view->index, stored);
}

static void
store_note_modified(struct imap_session *s, struct storing *w, const struct mailbox_stored *stored)
{
	if (stored->modified_count == 0)
		return;
	if (w->modified == NULL)
		w->modified = arena_array(&s->command.arena, uint32_t, w->messages.count);
	memcpy(w->modified + w->modified_count, stored->modified_uids, stored->modified_count * sizeof(*w->modified));
	w->modified_count += stored->modified_count;
}

/* "[MODIFIED 7,9]": UIDs or sequence numbers, whichever the command used. */
static void
store_finish_modified(struct imap_session *s, const struct storing *w)
{
	uint32_t *numbers = arena_array(&s->command.arena, uint32_t, w->modified_count);
	struct buf set = BUF_EMPTY;
	uint32_t count = 0;

	for (uint32_t i = 0; i < w->modified_count; i++) {
		uint32_t uid = w->modified[i], seq = imap_view_seq(s->view, uid);
		if (seq != 0)
			numbers[count++] = s->by_uid ? uid : seq;
	}
	imap_set_print_numbers(numbers, count, &set);
	imap_finish(s, IMAP_OK, "[MODIFIED %s] some were changed by others", set.data);
	buf_fini(&set);
}

/* If some messages are gone, the rest is stored all the same (RFC 2180, 4.2). The
 * reply is OK even when none are left: a client that takes NO for its own fault would
 * retry forever; it learns of the EXPUNGE with its next command. */
static void
store_finish(struct imap_session *s, const struct storing *w)
{
	if (w->modified_count != 0)
		store_finish_modified(s, w);
	else if (w->some_gone)
		imap_finish(s, IMAP_OK, "[EXPUNGEISSUED] stored; some of the messages are expunged");
	else
		imap_ok(s);
}

static void store_piece(struct imap_session *s);

static void
store_on_stored(void *arg, const struct mailbox_stored *stored, const struct err *err)
{
	struct imap_session *s = arg;
	struct storing *w;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	w = s->work;
	store_tell_all(s, w, stored);
	store_note_modified(s, w, stored);
	session_spend(&s->base, w->piece * MESSAGE_WORK);
	w->done += w->piece;
	if (w->done == w->messages.count)
		store_finish(s, w);
	else if (imap_may_write(s, store_piece))
		store_piece(s);
}

/* Notes what the client knows of the current piece. */
static void
store_remember(const struct imap_session *s, struct storing *w)
{
	for (uint32_t i = 0; i < w->piece; i++) {
		struct mailbox_hot hot;
		w->before[i] = (struct before){0};
		if (imap_view_hot(s->view, w->messages.seqs[w->done + i], &hot))
			w->before[i] = (struct before){hot.keywords, hot.flags, imap_view_knows(s->view, &hot)};
	}
}

static void
store_piece(struct imap_session *s)
{
	struct storing *w = s->work;
	uint32_t left = w->messages.count - w->done;

	w->piece = left < PIECE ? left : PIECE;
	if (w->silent)
		store_remember(s, w);
	session_hold(&s->base);
	mailbox_store_flags(imap_store(s), imap_address(s), s->view->index->folder_id, w->uids + w->done, w->piece,
			    &w->change, store_on_stored, s);
}

static enum cmd_status
cmd_store(struct imap_session *s, struct imap_lexer *lex)
{
	struct storing *w = arena_new(&s->command.arena, struct storing);
	const char *error;

	w->change.unchanged_since = UINT64_MAX;
	if (!imap_lex_sp(lex) || !imap_lex_set(lex, &w->set) || !imap_lex_sp(lex) ||
	    (imap_lex_peek(lex) == '(' && !store_take_modifiers(s, lex, w)) || !store_take_what(lex, w) ||
	    !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (s->view->read_only)
		return imap_finish(s, IMAP_NO, "[CANNOT] the mailbox is selected read-only");
	error = imap_view_resolve(s->view, &w->set, s->by_uid, &s->command.arena, &w->messages);
	if (error != NULL)
		return imap_finish(s, IMAP_BAD, "%s", error);
	if (w->messages.count == 0)
		return imap_ok(s);
	for (uint32_t i = 0; !s->by_uid && i < w->messages.count && !w->some_gone; i++)
		w->some_gone = imap_view_record(s->view, w->messages.seqs[i]) == NULL;
	w->uids = imap_view_uids(s->view, &w->messages, &s->command.arena);
	if (w->silent)
		w->before = arena_array(&s->command.arena, struct before, PIECE);
	s->work = w;
	store_piece(s);
	return CMD_WAIT;
}

const struct imap_command imap_store_commands[] = {
	/* name, allowed in, flags, handler */
	{"STORE", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_NO_EXPUNGE, cmd_store},
	{"UID STORE", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_BY_UID, cmd_store},
	{NULL, 0, 0, NULL},
};
