/* GETMETADATA and SETMETADATA (RFC 5464), for mailboxes and, with the empty
 * name, for the account. */
#include <string.h>

#include "frontend/imap/private.h"

enum { ENTRIES_MAX = 100, NAME_MAX_BYTES = 250, VALUE_MAX_BYTES = 64 * 1024 };

struct metadata {
	struct str mailbox; /* empty: the account */
	uint32_t folder_id;
	/* GETMETADATA: */
	unsigned depth; /* 0, 1, or UINT_MAX: infinity */
	uint64_t max_size;
	bool has_max_size;
	/* Names to get, or annotations to set. */
	struct mailbox_annotation *list;
	unsigned count;
	const char *refused; /* SETMETADATA: constant; the reason for refusing */
};

/* ---- Arguments ---- */

/* "/private/..." or "/shared/...", converted to lower case. */
static bool
metadata_take_entry(struct imap_lexer *lex, struct str *name_out)
{
	struct str name;
	char *lower;

	if (!imap_lex_astring(lex, &name))
		return false;
	lower = arena_dup(lex->arena, name.p, name.len);
	str_lower(lower, name.len);
	*name_out = str_of(lower, name.len);
	if (!str_is_printable_ascii(*name_out) || name.len > NAME_MAX_BYTES || memchr(lower, '*', name.len) != NULL ||
	    memchr(lower, '%', name.len) != NULL || strstr(lower, "//") != NULL || name.len < 2 ||
	    lower[name.len - 1] == '/')
		return imap_lex_fail(lex, "malformed annotation name");
	if (str_eq(*name_out, STR("/private")) || str_eq(*name_out, STR("/shared")) ||
	    str_starts(*name_out, STR("/private/")) || str_starts(*name_out, STR("/shared/")))
		return true;
	return imap_lex_fail(lex, "an annotation's name must begin with /private/ or /shared/");
}

static bool
metadata_take_options(struct imap_lexer *lex, struct metadata *w)
{
	if (!imap_lex_open(lex))
		return false;
	do {
		if (imap_lex_try_word(lex, "MAXSIZE")) {
			w->has_max_size = true;
			if (!imap_lex_sp(lex) || !imap_lex_number64(lex, &w->max_size))
				return false;
		} else if (imap_lex_try_word(lex, "DEPTH")) {
			if (!imap_lex_sp(lex))
				return false;
			if (imap_lex_try_word(lex, "0"))
				w->depth = 0;
			else if (imap_lex_try_word(lex, "1"))
				w->depth = 1;
			else if (imap_lex_try_word(lex, "infinity"))
				w->depth = UINT32_MAX;
			else
				return imap_lex_fail(lex, "DEPTH must be 0, 1 or infinity");
		} else {
			return imap_lex_fail(lex, "unknown GETMETADATA option");
		}
	} while (imap_lex_more(lex));
	return lex->error == NULL && imap_lex_sp(lex);
}

static bool
metadata_take_entries(struct imap_lexer *lex, struct metadata *w)
{
	bool list = imap_lex_peek(lex) == '(';

	w->list = arena_array(lex->arena, struct mailbox_annotation, ENTRIES_MAX);
	if (list && !imap_lex_open(lex))
		return false;
	do {
		if (w->count == ENTRIES_MAX)
			return imap_lex_fail(lex, "too many annotations");
		if (!metadata_take_entry(lex, &w->list[w->count++].name))
			return false;
	} while (list && imap_lex_more(lex));
	return lex->error == NULL;
}

/* "(/private/comment "text" /shared/x NIL)" */
static bool
metadata_take_values(struct imap_lexer *lex, struct metadata *w)
{
	w->list = arena_array(lex->arena, struct mailbox_annotation, ENTRIES_MAX);
	if (!imap_lex_open(lex))
		return false;
	do {
		struct mailbox_annotation *a = &w->list[w->count];
		if (w->count++ == ENTRIES_MAX)
			return imap_lex_fail(lex, "too many annotations");
		if (!metadata_take_entry(lex, &a->name) || !imap_lex_sp(lex) || !imap_lex_nstring(lex, &a->value))
			return false;
		if (str_rindex(a->name, '/') == 0)
			return imap_lex_fail(lex, "an annotation needs a name below /private or /shared");
		a->removed = a->value.p == NULL;
		if (a->value.len > VALUE_MAX_BYTES)
			w->refused = "[METADATA MAXSIZE 65536] the value is too large";
	} while (imap_lex_more(lex));
	return lex->error == NULL;
}

/* ---- The mailbox, then go_on ---- */

struct finding {
	void (*go_on)(struct imap_session *s);
	struct metadata metadata;
};

static void
metadata_on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;
	struct finding *f;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	f = s->work;
	f->metadata.folder_id = folder->id;
	f->go_on(s);
}

static enum cmd_status
metadata_find_mailbox(struct imap_session *s, struct finding *f, void (*go_on)(struct imap_session *s))
{
	s->work = f;
	f->go_on = go_on;
	if (f->metadata.mailbox.len == 0) {
		go_on(s);
		return CMD_WAIT;
	}
	session_hold(&s->base);
	mailbox_open(imap_store(s), imap_address(s), f->metadata.mailbox, metadata_on_folder, s);
	return CMD_WAIT;
}

/* ---- GETMETADATA ---- */

static bool
metadata_is_wanted(const struct metadata *w, struct str name)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct str upper = w->list[i].name, below;
		if (str_eq(name, upper))
			return true;
		if (w->depth == 0 || !str_starts(name, upper) || name.p[upper.len] != '/')
			continue;
		below = str_from(name, upper.len + 1);
		if (w->depth == UINT32_MAX || str_index(below, '/') < 0)
			return true;
	}
	return false;
}

static void
metadata_print_value(const struct imap_session *s, struct str value, struct buf *out)
{
	if (memchr(value.p, '\0', value.len) != NULL)
		buf_add_byte(out, '~');
	imap_print_string(s, value, out);
}

static uint64_t
metadata_print_annotations(const struct imap_session *s, const struct metadata *w,
			   const struct mailbox_annotation *list, unsigned count, struct buf *out)
{
	uint64_t too_long = 0;
	unsigned printed = 0;

	buf_add_c(out, "* METADATA ");
	if (w->mailbox.len == 0)
		buf_add_c(out, "\"\"");
	else
		imap_print_mailbox(s, w->mailbox, out);
	buf_add_c(out, " (");
	for (unsigned i = 0; i < count; i++) {
		if (!metadata_is_wanted(w, list[i].name))
			continue;
		if (w->has_max_size && list[i].value.len > w->max_size) {
			too_long = list[i].value.len > too_long ? list[i].value.len : too_long;
			continue;
		}
		buf_printf(out, "%s%.*s ", printed++ != 0 ? " " : "", STR_ARG(list[i].name));
		metadata_print_value(s, list[i].value, out);
	}
	buf_add_c(out, ")\r\n");
	if (printed == 0)
		buf_clear(out);
	return too_long;
}

static void
metadata_on_metadata(void *arg, const struct mailbox_annotation *list, unsigned count, const struct err *err)
{
	struct imap_session *s = arg;
	struct buf out = BUF_EMPTY;
	uint64_t too_long;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	too_long = metadata_print_annotations(s, &((struct finding *)s->work)->metadata, list, count, &out);
	imap_write(s, &out);
	buf_fini(&out);
	if (too_long != 0)
		imap_finish(s, IMAP_OK, "[METADATA LONGENTRIES %llu] some values are longer",
			    (unsigned long long)too_long);
	else
		imap_ok(s);
}

static void
metadata_get(struct imap_session *s)
{
	session_hold(&s->base);
	mailbox_get_metadata(imap_store(s), imap_address(s), ((struct finding *)s->work)->metadata.folder_id,
			     metadata_on_metadata, s);
}

static enum cmd_status
cmd_getmetadata(struct imap_session *s, struct imap_lexer *lex)
{
	struct finding *f = arena_new(&s->command.arena, struct finding);
	struct metadata *w = &f->metadata;

	if (!imap_lex_sp(lex) || (imap_lex_peek(lex) == '(' && !metadata_take_options(lex, w)) ||
	    !imap_lex_mailbox(lex, &w->mailbox) || !imap_lex_sp(lex) || !metadata_take_entries(lex, w) ||
	    !imap_lex_end(lex))
		return imap_syntax(s, lex);
	return metadata_find_mailbox(s, f, metadata_get);
}

/* ---- SETMETADATA ---- */

static void
metadata_on_set(void *arg, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err != NULL && err->code == ERR_LIMIT)
		imap_finish(s, IMAP_NO, "[METADATA TOOMANY] %s", err->text);
	else if (err != NULL)
		imap_failed(s, err);
	else
		imap_ok(s);
}

static void
metadata_set(struct imap_session *s)
{
	const struct metadata *w = &((struct finding *)s->work)->metadata;

	session_hold(&s->base);
	mailbox_set_metadata(imap_store(s), imap_address(s), w->folder_id, w->list, w->count, metadata_on_set, s);
}

static enum cmd_status
cmd_setmetadata(struct imap_session *s, struct imap_lexer *lex)
{
	struct finding *f = arena_new(&s->command.arena, struct finding);
	struct metadata *w = &f->metadata;

	if (!imap_lex_sp(lex) || !imap_lex_mailbox(lex, &w->mailbox) || !imap_lex_sp(lex) ||
	    !metadata_take_values(lex, w) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (w->refused != NULL)
		return imap_finish(s, IMAP_NO, "%s", w->refused);
	return metadata_find_mailbox(s, f, metadata_set);
}

const struct imap_command imap_metadata_commands[] = {
	/* name, allowed in, flags, handler */
	{"GETMETADATA", IMAP_LOGGED_IN, 0, cmd_getmetadata},
	{"SETMETADATA", IMAP_LOGGED_IN, 0, cmd_setmetadata},
	{NULL, 0, 0, NULL},
};
