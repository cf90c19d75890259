/* LIST (RFC 9051, 6.3.9, which includes LIST-EXTENDED, LIST-STATUS, CHILDREN and
 * SPECIAL-USE; LIST-MYRIGHTS: RFC 8440) and LSUB (RFC 3501). */
#include <stdio.h>
#include <stdlib.h>

#include "frontend/imap/parse/pattern.h"
#include "frontend/imap/private.h"
#include "frontend/imap/cmd/status.h"
#include "lib/base/check.h"
#include "lib/mailbox/name.h"

enum { PATTERNS_MAX = 100 };

enum {
	SELECT_SUBSCRIBED = 1,
	SELECT_RECURSIVE = 2,
	SELECT_SPECIAL_USE = 4,
	RETURN_SUBSCRIBED = 8,
	RETURN_STATUS = 16,
	RETURN_MYRIGHTS = 32,
};

/* All folders, sorted by name, and names that are only subscribed to. */
struct names {
	const struct mailbox_folder *folders;
	unsigned folder_count;
	const struct str *missing;
	unsigned missing_count;
};

/* A name, and whether it is subscribed to or only stands above such a name. */
struct subscription {
	struct str name;
	bool subscribed;
};

struct listing {
	unsigned options;
	unsigned status_items;
	bool extended; /* more than RFC 3501's LIST */
	bool lsub;
	struct str *patterns; /* with the reference in front */
	unsigned count;
	/* The answer, in slices; all of it in the arena */
	struct names names;
	unsigned next_folder, next_missing;
	struct subscription *others; /* names that come behind the folders; all, with LSUB */
	unsigned other_count, next_other;
	bool is_united; /* others are sorted, each once */
	uint32_t spent; /* for the line in hand, units of lib/base/slice.h */
};

enum { LINE_WORK = 60, STATUS_WORK = 60, MATCH_WORK = 5, LOOK_WORK = 3, TAKE_WORK = 5 };

/* ---- Arguments ---- */

struct option {
	const char *name;
	unsigned bits;
};

static bool
list_take_option(struct imap_lexer *lex, const struct option *options, struct listing *w)
{
	for (; options->name != NULL; options++) {
		if (!imap_lex_try_word(lex, options->name))
			continue;
		w->options |= options->bits;
		return true;
	}
	return imap_lex_fail(lex, "unknown LIST option");
}

static bool
list_take_selection(struct imap_lexer *lex, struct listing *w)
{
	static const struct option options[] = {{"SUBSCRIBED", SELECT_SUBSCRIBED | RETURN_SUBSCRIBED},
						{"RECURSIVEMATCH", SELECT_RECURSIVE},
						{"SPECIAL-USE", SELECT_SPECIAL_USE},
						{"REMOTE", 0},
						{NULL, 0}};

	w->extended = true;
	if (!imap_lex_open(lex))
		return false;
	if (imap_lex_peek(lex) == ')')
		return imap_lex_close(lex);
	do {
		if (!list_take_option(lex, options, w))
			return false;
	} while (imap_lex_more(lex));
	if ((w->options & SELECT_RECURSIVE) != 0 && (w->options & (SELECT_SUBSCRIBED | SELECT_SPECIAL_USE)) == 0)
		return imap_lex_fail(lex, "RECURSIVEMATCH needs another selection option");
	return lex->error == NULL;
}

static bool
list_take_return(struct imap_session *s, struct imap_lexer *lex, struct listing *w)
{
	static const struct option options[] = {{"SUBSCRIBED", RETURN_SUBSCRIBED},
						{"CHILDREN", 0},
						{"SPECIAL-USE", 0},
						{"MYRIGHTS", RETURN_MYRIGHTS},
						{NULL, 0}};

	if (!imap_lex_try_word(lex, "RETURN"))
		return imap_lex_fail(lex, "unknown LIST argument");
	w->extended = true;
	if (!imap_lex_sp(lex) || !imap_lex_open(lex))
		return false;
	if (imap_lex_peek(lex) == ')')
		return imap_lex_close(lex);
	do {
		if (imap_lex_try_word(lex, "STATUS")) {
			w->options |= RETURN_STATUS;
			if (!imap_lex_sp(lex) || !imap_take_status_items(s, lex, &w->status_items))
				return false;
		} else if (!list_take_option(lex, options, w)) {
			return false;
		}
	} while (imap_lex_more(lex));
	return lex->error == NULL;
}

static bool
list_take_pattern(struct imap_lexer *lex, struct str reference, struct listing *w)
{
	struct str pattern;
	char *joined;

	if (!imap_lex_list_mailbox(lex, &pattern))
		return false;
	if (w->count == PATTERNS_MAX)
		return imap_lex_fail(lex, "too many patterns");
	joined = arena_alloc(lex->arena, reference.len + pattern.len + 1);
	memcpy(joined, reference.p, reference.len);
	memcpy(joined + reference.len, pattern.p, pattern.len);
	w->patterns[w->count++] = str_of(joined, reference.len + pattern.len);
	return true;
}

static bool
list_take_patterns(struct imap_lexer *lex, struct str reference, struct listing *w)
{
	w->patterns = arena_array(lex->arena, struct str, PATTERNS_MAX);
	if (imap_lex_peek(lex) != '(')
		return list_take_pattern(lex, reference, w);
	w->extended = true;
	if (!imap_lex_open(lex))
		return false;
	do {
		if (!list_take_pattern(lex, reference, w))
			return false;
	} while (imap_lex_more(lex));
	return lex->error == NULL;
}

/* ---- Matching ---- */

static bool
list_matches(struct listing *w, struct str name)
{
	w->spent += w->count * MATCH_WORK;
	for (unsigned i = 0; i < w->count; i++)
		if (imap_pattern_matches(w->patterns[i], name))
			return true;
	return false;
}

static bool
list_is_below(struct str name, struct str upper)
{
	return name.len > upper.len && name.p[upper.len] == '/' && str_starts(name, upper);
}

/* Index of the first folder that may be below the name: they are sorted, except that
 * INBOX comes first. */
static unsigned
list_first_below(const struct names *n, struct str name)
{
	unsigned low = n->folder_count != 0, high = n->folder_count;

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		struct str other = n->folders[middle].name;
		int order = str_cmp(str_first(other, name.len), name);
		if (order < 0 || (order == 0 && (other.len == name.len || (unsigned char)other.p[name.len] < '/')))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool
list_has_children(const struct names *n, struct str name)
{
	unsigned i = list_first_below(n, name);

	return i < n->folder_count && list_is_below(n->folders[i].name, name);
}

static bool
list_is_selected(struct listing *w, const struct mailbox_folder *f)
{
	return ((w->options & SELECT_SUBSCRIBED) == 0 || f->subscribed) &&
	       ((w->options & SELECT_SPECIAL_USE) == 0 || f->special_use.len != 0);
}

/* Is anything below it selected? hidden: something that is not listed itself. */
static bool
list_has_selected_below(struct listing *w, const struct names *n, struct str name, bool hidden)
{
	for (unsigned i = list_first_below(n, name); i < n->folder_count && list_is_below(n->folders[i].name, name);
	     i++, w->spent += LOOK_WORK)
		if (list_is_selected(w, &n->folders[i]) && !(hidden && list_matches(w, n->folders[i].name)))
			return true;
	for (unsigned i = 0; (w->options & SELECT_SPECIAL_USE) == 0 && i < n->missing_count; i++, w->spent += LOOK_WORK)
		if (list_is_below(n->missing[i], name) && !(hidden && list_matches(w, n->missing[i])))
			return true;
	return false;
}

/* ---- Answers ---- */

/* What is below it meets all criteria of the selection (RFC 5258, section 4). */
static void
list_print_child_info(const struct listing *w, struct buf *out)
{
	bool subscribed = (w->options & SELECT_SUBSCRIBED) != 0, special = (w->options & SELECT_SPECIAL_USE) != 0;

	buf_printf(out, " (\"CHILDINFO\" (%s%s%s))", subscribed ? "\"SUBSCRIBED\"" : "",
		   subscribed && special ? " " : "", special ? "\"SPECIAL-USE\"" : "");
}

static void
list_print_line(const struct imap_session *s, struct listing *w, struct str attributes, struct str name,
		bool child_info, struct buf *out)
{
	w->spent += LINE_WORK;
	buf_printf(out, "* %s (%.*s) \"/\" ", w->lsub ? "LSUB" : "LIST", STR_ARG(attributes));
	imap_print_mailbox(s, name, out);
	if (child_info)
		list_print_child_info(w, out);
	buf_add_c(out, "\r\n");
}

static void
list_folder(const struct imap_session *s, struct listing *w, const struct names *n, const struct mailbox_folder *f,
	    struct buf *out)
{
	bool selected = list_is_selected(w, f);
	bool child_info;
	char attributes[160];

	if (!list_matches(w, f->name))
		return;
	/* A folder that is not selected itself is listed if the answer would otherwise not
	 * mention what is selected below it (RFC 9051, 6.3.9.6). */
	child_info = (w->options & SELECT_RECURSIVE) != 0 && list_has_selected_below(w, n, f->name, !selected);
	if (!selected && !child_info)
		return;
	snprintf(attributes, sizeof(attributes), "%s%s%s%.*s",
		 list_has_children(n, f->name) ? "\\HasChildren" : "\\HasNoChildren",
		 (w->options & RETURN_SUBSCRIBED) != 0 && f->subscribed ? " \\Subscribed" : "",
		 f->special_use.len != 0 ? " " : "", STR_ARG(f->special_use));
	list_print_line(s, w, str_c(attributes), f->name, child_info, out);
	if ((w->options & RETURN_MYRIGHTS) != 0) {
		buf_add_c(out, "* MYRIGHTS ");
		imap_print_mailbox(s, f->name, out);
		buf_add_c(out, " " IMAP_OWNER_RIGHTS "\r\n");
	}
	if ((w->options & RETURN_STATUS) == 0)
		return;
	w->spent += STATUS_WORK;
	imap_print_status(s, f, w->status_items, out);
}

/* ---- Names without a mailbox ---- */

static int
list_subscription_compare(const void *a, const void *b)
{
	const struct subscription *x = a, *y = b;
	int order = str_cmp(x->name, y->name);

	return order != 0 ? order : (int)y->subscribed - (int)x->subscribed;
}

/* Sorts and removes duplicates; a name stays subscribed if any of its entries is. */
static void
list_subscription_unite(struct subscription *list, unsigned *count)
{
	unsigned kept = 0;

	qsort(list, *count, sizeof(*list), list_subscription_compare);
	for (unsigned i = 0; i < *count; i++)
		if (kept == 0 || !str_eq(list[kept - 1].name, list[i].name))
			list[kept++] = list[i];
	*count = kept;
}

/* The parent name; false: there is none. */
static bool
list_go_up(struct str *name)
{
	ptrdiff_t slash = str_rindex(*name, '/');

	if (slash <= 0)
		return false;
	name->len = (size_t)slash;
	return true;
}

static bool
list_folder_exists(const struct names *n, struct str name)
{
	unsigned low = n->folder_count != 0, high = n->folder_count; /* sorted except for INBOX */

	while (low < high) {
		unsigned middle = low + (high - low) / 2;
		if (str_cmp(n->folders[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return str_eq(name, STR("INBOX")) || (low < n->folder_count && str_eq(n->folders[low].name, name));
}

/* A subscribed name that is no mailbox; with RECURSIVEMATCH the levels above it too,
 * as far as they are none either. */
static void
list_take_missing(struct listing *w, struct str name)
{
	if (list_folder_exists(&w->names, name))
		return;
	w->others[w->other_count++] = (struct subscription){name, true};
	while ((w->options & SELECT_RECURSIVE) != 0 && list_go_up(&name) && !list_folder_exists(&w->names, name))
		w->others[w->other_count++] = (struct subscription){name, false};
}

static void
list_missing(const struct imap_session *s, struct listing *w, const struct subscription *other, struct buf *out)
{
	bool child_info;

	if (!list_matches(w, other->name))
		return;
	child_info = (w->options & SELECT_RECURSIVE) != 0 &&
		     list_has_selected_below(w, &w->names, other->name, !other->subscribed);
	if (other->subscribed || child_info)
		list_print_line(s, w, other->subscribed ? STR("\\Subscribed \\NonExistent") : STR("\\NonExistent"),
				other->name, child_info, out);
}

/* ---- LSUB ---- */

/* "%" lists the upper levels of subscribed names below (RFC 3501, 6.3.9). */
static void
list_lsub_take(struct listing *w, struct str name)
{
	bool subscribed = true;

	do {
		if (list_matches(w, name)) {
			w->others[w->other_count++] = (struct subscription){name, subscribed};
			return;
		}
		subscribed = false;
	} while (list_go_up(&name));
}

/* ---- In slices ---- */

static void
list_print_folder(const struct imap_session *s, struct listing *w, const struct mailbox_folder *f, struct buf *out)
{
	if (!w->lsub)
		list_folder(s, w, &w->names, f, out);
	else if (f->subscribed)
		list_lsub_take(w, f->name);
}

static void
list_print_other(const struct imap_session *s, struct listing *w, const struct subscription *other, struct buf *out)
{
	if (w->lsub)
		list_print_line(s, w, other->subscribed ? STR("") : STR("\\Noselect"), other->name, false, out);
	else
		list_missing(s, w, other, out);
}

/* One folder, or one other name; false: there is none left. */
static bool
list_print_next(const struct imap_session *s, struct listing *w, struct buf *out)
{
	const struct names *n = &w->names;
	bool wants_missing = w->lsub || (w->options & (SELECT_SUBSCRIBED | SELECT_SPECIAL_USE)) == SELECT_SUBSCRIBED;

	w->spent = TAKE_WORK;
	if (w->next_folder < n->folder_count) {
		list_print_folder(s, w, &n->folders[w->next_folder++], out);
	} else if (wants_missing && w->next_missing < n->missing_count) {
		struct str name = n->missing[w->next_missing++];
		if (w->lsub)
			list_lsub_take(w, name);
		else
			list_take_missing(w, name);
	} else if (!w->is_united) {
		w->spent += w->other_count * LOOK_WORK * 5;
		list_subscription_unite(w->others, &w->other_count);
		w->is_united = true;
	} else if (w->next_other < w->other_count) {
		list_print_other(s, w, &w->others[w->next_other++], out);
	} else {
		return false;
	}
	return true;
}

static void
list_go_on(struct imap_session *s)
{
	struct listing *w = s->work;
	struct buf out = BUF_EMPTY;

	while (list_print_next(s, w, &out)) {
		if (imap_may_go_on(s, &out, w->spent, list_go_on))
			continue;
		buf_fini(&out);
		return;
	}
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}

/* ---- The folders ---- */

/* What is given is gone before the last slice. */
static void
list_keep(struct listing *w, struct arena *arena, const struct names *given)
{
	struct mailbox_folder *folders = arena_array(arena, struct mailbox_folder, given->folder_count + 1);
	struct str *missing = arena_array(arena, struct str, given->missing_count + 1);
	unsigned levels = !w->lsub && (w->options & SELECT_RECURSIVE) != 0 ? MAILBOX_DEPTH_MAX : 1;

	for (unsigned i = 0; i < given->folder_count; i++) {
		folders[i] = given->folders[i];
		folders[i].name = arena_str(arena, folders[i].name);
		folders[i].special_use = arena_str(arena, folders[i].special_use);
	}
	for (unsigned i = 0; i < given->missing_count; i++)
		missing[i] = arena_str(arena, given->missing[i]);
	w->names = (struct names){folders, given->folder_count, missing, given->missing_count};
	w->others =
		arena_array(arena, struct subscription,
			    (w->lsub ? (size_t)given->folder_count : 0) + (size_t)given->missing_count * levels + 1);
}

static void
list_on_folders(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *subscribed_missing,
		unsigned missing_count, const struct err *err)
{
	struct imap_session *s = arg;
	const struct names names = {folders, count, subscribed_missing, missing_count};

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	list_keep(s->work, &s->command.arena, &names);
	session_spend(&s->base, (count + missing_count) * TAKE_WORK);
	list_go_on(s);
}

static enum cmd_status
list_ask(struct imap_session *s, struct listing *w)
{
	s->work = w;
	session_hold(&s->base);
	if ((w->options & RETURN_STATUS) != 0)
		mailbox_list(imap_store(s), imap_address(s), list_on_folders, s);
	else
		mailbox_list_names(imap_store(s), imap_address(s), list_on_folders, s);
	return CMD_WAIT;
}

static enum cmd_status
cmd_list_list(struct imap_session *s, struct imap_lexer *lex)
{
	struct listing *w = arena_new(&s->command.arena, struct listing);
	struct str reference;

	if (!imap_lex_sp(lex) || (imap_lex_peek(lex) == '(' && (!list_take_selection(lex, w) || !imap_lex_sp(lex))) ||
	    !imap_lex_mailbox(lex, &reference) || !imap_lex_sp(lex) || !list_take_patterns(lex, reference, w) ||
	    (imap_lex_try(lex, ' ') && !list_take_return(s, lex, w)) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	/* An empty pattern is a request for the delimiter. */
	if (!w->extended && w->count == 1 && w->patterns[0].len == reference.len) {
		imap_untagged(s, "LIST (\\Noselect) \"/\" \"\"");
		return imap_ok(s);
	}
	return list_ask(s, w);
}

static enum cmd_status
cmd_lsub(struct imap_session *s, struct imap_lexer *lex)
{
	struct listing *w = arena_new(&s->command.arena, struct listing);
	struct str reference;

	w->lsub = true;
	w->patterns = arena_array(&s->command.arena, struct str, PATTERNS_MAX);
	if (!imap_lex_sp(lex) || !imap_lex_mailbox(lex, &reference) || !imap_lex_sp(lex) ||
	    !list_take_pattern(lex, reference, w) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	return list_ask(s, w);
}

const struct imap_command imap_list_commands[] = {
	/* name, allowed in, flags, handler */
	{"LIST", IMAP_LOGGED_IN, 0, cmd_list_list},
	{"LSUB", IMAP_LOGGED_IN, 0, cmd_lsub},
	{NULL, 0, 0, NULL},
};
