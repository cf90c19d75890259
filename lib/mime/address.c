/* Address lists of headers. A small recursive reader that never fails: anything
 * that is not an address is skipped to the next comma. */
#include "lib/mime/address.h"

#include "lib/base/buf.h"
#include "lib/mime/header.h"

struct reader {
	struct str rest;
	struct arena *arena;
	struct mime_address **tail; /* where the next one is appended */
	unsigned count;
	bool in_group;
};

static struct mime_address *
address_add(struct reader *r, enum mime_address_kind kind, struct str name, struct str mailbox, struct str host)
{
	struct mime_address *a;

	r->count++;
	a = arena_new(r->arena, struct mime_address);
	a->kind = kind;
	a->name = name;
	a->mailbox = mailbox;
	a->host = host;
	*r->tail = a;
	r->tail = &a->next;
	return a;
}

static char
address_peek(const struct reader *r)
{
	return r->rest.len != 0 ? r->rest.p[0] : '\0';
}

/* Skips white space and comments; the text of the last comment is kept, since
 * "joe@x (Joe Doe)" is an old form of a display name. */
static void
address_skip_over(struct reader *r, struct str *comment_out)
{
	struct str before = r->rest, text;
	ptrdiff_t open, close;

	mime_skip_cfws(&r->rest);
	if (comment_out == NULL || r->rest.p == before.p)
		return;
	text = str_of(before.p, (size_t)(r->rest.p - before.p));
	open = str_index(text, '(');
	close = str_rindex(text, ')');
	if (open >= 0 && close > open)
		*comment_out = str_of(text.p + open + 1, (size_t)(close - open - 1));
}

static void
take_quoted(struct reader *r, struct buf *out)
{
	size_t i = 1;

	for (; i < r->rest.len && r->rest.p[i] != '"'; i++) {
		if (r->rest.p[i] == '\\' && i + 1 < r->rest.len)
			i++;
		if (r->rest.p[i] != '\r' && r->rest.p[i] != '\n')
			buf_add_byte(out, r->rest.p[i] == '\0' ? ' ' : r->rest.p[i]);
	}
	r->rest = str_from(r->rest, i + 1);
}

static bool
ends_phrase(char c)
{
	return c == '\0' || c == ',' || c == ';' || c == ':' || c == '<' || c == '>' || c == '@' || c == '"' ||
	       c == '(' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void
take_atom(struct reader *r, struct buf *out)
{
	size_t len = 0;

	while (len < r->rest.len && !ends_phrase(r->rest.p[len]))
		len++;
	/* Whatever cannot start an atom: skip it. */
	if (len == 0 && r->rest.len != 0)
		len = 1;
	buf_add(out, r->rest.p, len);
	r->rest = str_from(r->rest, len);
}

/* Words up to a special character; spaces between them are collapsed. */
static struct str
take_phrase(struct reader *r, struct str *comment_out)
{
	struct buf out = BUF_EMPTY;
	struct str phrase;

	address_skip_over(r, comment_out);
	while (r->rest.len != 0 && strchr(",;:<>@", address_peek(r)) == NULL) {
		const char *before = r->rest.p;
		if (address_peek(r) == '"')
			take_quoted(r, &out);
		else
			take_atom(r, &out);
		const char *after = r->rest.p;
		address_skip_over(r, comment_out);
		if (r->rest.p != after && r->rest.len != 0 && strchr(",;:<>@", address_peek(r)) == NULL)
			buf_add_byte(&out, ' ');
		if (r->rest.p == before)
			break;
	}
	phrase = arena_str(r->arena, str_trim(buf_str(&out)));
	buf_fini(&out);
	return phrase;
}

/* A local part or domain inside <>: words and dots without spaces. */
static struct str
take_words(struct reader *r, const char *stops)
{
	struct buf out = BUF_EMPTY;
	struct str words;

	address_skip_over(r, NULL);
	while (r->rest.len != 0 && (address_peek(r) == '\0' || strchr(stops, address_peek(r)) == NULL)) {
		if (address_peek(r) == '"')
			take_quoted(r, &out);
		else {
			if (address_peek(r) != '\0') /* nowhere in a string of IMAP */
				buf_add_byte(&out, address_peek(r));
			r->rest = str_from(r->rest, 1);
		}
		address_skip_over(r, NULL);
	}
	words = arena_str(r->arena, buf_str(&out));
	buf_fini(&out);
	return words;
}

/* "@a,@b:" in front of an address; without the colon it is not a route. */
static struct str
take_route(struct reader *r)
{
	struct str before = r->rest, route = take_words(r, ":>");

	if (address_peek(r) == ':') {
		r->rest = str_from(r->rest, 1);
		return route;
	}
	r->rest = before;
	return STR_NONE;
}

/* After the '<': "[route:]local@domain>". */
static void
take_angle(struct reader *r, struct str name)
{
	struct str local, host = STR_NONE, route = STR_NONE;

	r->rest = str_from(r->rest, 1);
	address_skip_over(r, NULL);
	if (address_peek(r) == '@')
		route = take_route(r);
	local = take_words(r, "@>");
	if (address_peek(r) == '@') {
		r->rest = str_from(r->rest, 1);
		host = take_words(r, ">");
	}
	if (address_peek(r) == '>')
		r->rest = str_from(r->rest, 1);
	if (local.len != 0 || host.len != 0)
		address_add(r, MIME_MAILBOX, name, local, host)->route = route;
}

static void
take_one(struct reader *r)
{
	struct str comment = STR_NONE;
	struct str phrase = take_phrase(r, &comment);

	switch (address_peek(r)) {
	case '<': take_angle(r, phrase); break;
	case ':':
		r->rest = str_from(r->rest, 1);
		if (!r->in_group)
			address_add(r, MIME_GROUP_START, phrase, STR_NONE, STR_NONE);
		r->in_group = true;
		return;
	case '@': {
		struct str host;
		r->rest = str_from(r->rest, 1);
		host = take_phrase(r, &comment);
		address_add(r, MIME_MAILBOX, mime_unfold(comment, r->arena), phrase, host);
		break;
	}
	default:
		if (phrase.len != 0)
			address_add(r, MIME_MAILBOX, mime_unfold(comment, r->arena), phrase, STR_NONE);
	}
	/* What follows up to the next separator belongs to nothing. */
	address_skip_over(r, NULL);
	while (r->rest.len != 0 && address_peek(r) != ',' && address_peek(r) != ';') {
		r->rest = str_from(r->rest, 1);
		address_skip_over(r, NULL);
	}
}

struct mime_address *
mime_parse_addresses(struct str raw, struct arena *arena)
{
	struct mime_address *first = NULL;
	struct reader r = {.rest = raw, .arena = arena, .tail = &first};

	while (r.rest.len != 0 && r.count < MIME_ADDRESSES_MAX) {
		char c;
		address_skip_over(&r, NULL);
		c = address_peek(&r);
		if (c == ',' || c == '>') {
			r.rest = str_from(r.rest, 1);
		} else if (c == ';') {
			r.rest = str_from(r.rest, 1);
			if (r.in_group)
				address_add(&r, MIME_GROUP_END, STR_NONE, STR_NONE, STR_NONE);
			r.in_group = false;
		} else if (r.rest.len != 0) {
			take_one(&r);
		}
	}
	if (r.in_group)
		address_add(&r, MIME_GROUP_END, STR_NONE, STR_NONE, STR_NONE);
	return first;
}
