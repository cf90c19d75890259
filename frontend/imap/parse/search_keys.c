/* The grammar of search-key (RFC 9051, section 9). */
#include "frontend/imap/parse/search_keys.h"

#include <unicode/ucnv.h>
#include <utlist.h>

#include "lib/message/fold.h"
#include "lib/mailbox/mailbox.h"
#include "lib/mime/digest.h"
#include "lib/mime/word.h"

struct parsing {
	struct imap_lexer *lexer;
	struct imap_search *search;
	struct str charset;
	unsigned keys, depth;
};

static struct imap_search_key *parse_key(struct parsing *p);

/* ---- Text ---- */
static bool
known_charset(struct str charset)
{
	UErrorCode status = U_ZERO_ERROR;
	UConverter *converter;
	char name[64];

	if (charset.len == 0 || str_eq_ci(charset, STR("UTF-8")) || str_eq_ci(charset, STR("US-ASCII")))
		return true;
	if (!str_copy(charset, name, sizeof(name)))
		return false;
	converter = ucnv_open(name, &status);
	if (U_FAILURE(status))
		return false;
	ucnv_close(converter);
	return true;
}

static bool
take_text(struct parsing *p, struct str *out)
{
	struct str raw;

	if (!imap_lex_sp(p->lexer) || !imap_lex_astring(p->lexer, &raw))
		return false;
	*out = message_fold(mime_to_utf8(p->charset, raw, p->lexer->arena), p->lexer->arena);
	return true;
}

/* ---- Keys ---- */
static struct imap_search_key *
new_key(struct parsing *p, enum imap_search_op op)
{
	struct imap_search_key *k = arena_new(p->lexer->arena, struct imap_search_key);

	k->op = op;
	return k;
}

static struct imap_search_key *
negate(struct parsing *p, struct imap_search_key *k)
{
	struct imap_search_key *not = new_key(p, SEARCH_NOT);

	not ->children = k;
	return not ;
}

/* Words that take no argument. */
static const struct {
	const char *name;
	enum imap_search_op op;
	uint64_t number;
	bool negated;
} bare_words[] = {
	{"ALL", SEARCH_ALL, 0, false},
	{"ANSWERED", SEARCH_FLAGS, MAILBOX_ANSWERED, false},
	{"DELETED", SEARCH_FLAGS, MAILBOX_DELETED, false},
	{"DRAFT", SEARCH_FLAGS, MAILBOX_DRAFT, false},
	{"FLAGGED", SEARCH_FLAGS, MAILBOX_FLAGGED, false},
	{"SEEN", SEARCH_FLAGS, MAILBOX_SEEN, false},
	{"UNANSWERED", SEARCH_FLAGS, MAILBOX_ANSWERED, true},
	{"UNDELETED", SEARCH_FLAGS, MAILBOX_DELETED, true},
	{"UNDRAFT", SEARCH_FLAGS, MAILBOX_DRAFT, true},
	{"UNFLAGGED", SEARCH_FLAGS, MAILBOX_FLAGGED, true},
	{"UNSEEN", SEARCH_FLAGS, MAILBOX_SEEN, true},
	{"RECENT", SEARCH_RECENT, 0, false}, /* RFC 3501, as NEW */
	{"OLD", SEARCH_RECENT, 0, true},
	{"SAVEDATESUPPORTED", SEARCH_ALL, 0, false},
};

enum argument { ARG_DATE, ARG_TEXT, ARG_NUMBER, ARG_SECONDS, ARG_KEYWORD };

static const struct {
	const char *name;
	enum imap_search_op op;
	enum argument argument;
	uint64_t number; /* which text */
	bool negated;
} argument_words[] = {
	{"BEFORE", SEARCH_BEFORE, ARG_DATE, 0, false},
	{"ON", SEARCH_ON, ARG_DATE, 0, false},
	{"SINCE", SEARCH_SINCE, ARG_DATE, 0, false},
	{"SENTBEFORE", SEARCH_SENT_BEFORE, ARG_DATE, 0, false},
	{"SENTON", SEARCH_SENT_ON, ARG_DATE, 0, false},
	{"SENTSINCE", SEARCH_SENT_SINCE, ARG_DATE, 0, false},
	{"SAVEDBEFORE", SEARCH_SAVED_BEFORE, ARG_DATE, 0, false},
	{"SAVEDON", SEARCH_SAVED_ON, ARG_DATE, 0, false},
	{"SAVEDSINCE", SEARCH_SAVED_SINCE, ARG_DATE, 0, false},
	{"LARGER", SEARCH_LARGER, ARG_NUMBER, 0, false},
	{"SMALLER", SEARCH_SMALLER, ARG_NUMBER, 0, false},
	{"OLDER", SEARCH_OLDER, ARG_SECONDS, 0, false},
	{"YOUNGER", SEARCH_YOUNGER, ARG_SECONDS, 0, false},
	{"KEYWORD", SEARCH_KEYWORD, ARG_KEYWORD, 0, false},
	{"UNKEYWORD", SEARCH_KEYWORD, ARG_KEYWORD, 0, true},
	{"FROM", SEARCH_DIGEST_TEXT, ARG_TEXT, DIGEST_FROM, false},
	{"TO", SEARCH_DIGEST_TEXT, ARG_TEXT, DIGEST_TO, false},
	{"CC", SEARCH_DIGEST_TEXT, ARG_TEXT, DIGEST_CC, false},
	{"BCC", SEARCH_DIGEST_TEXT, ARG_TEXT, DIGEST_BCC, false},
	{"SUBJECT", SEARCH_DIGEST_TEXT, ARG_TEXT, DIGEST_SUBJECT, false},
	{"BODY", SEARCH_BODY, ARG_TEXT, 0, false},
	{"TEXT", SEARCH_TEXT, ARG_TEXT, 0, false},
};

static bool
take_argument(struct parsing *p, enum argument argument, struct imap_search_key *k)
{
	switch (argument) {
	case ARG_DATE: return imap_lex_sp(p->lexer) && imap_lex_date(p->lexer, &k->day);
	case ARG_NUMBER: return imap_lex_sp(p->lexer) && imap_lex_number64(p->lexer, &k->number);
	case ARG_SECONDS: /* RFC 5032: not 0 */
		return imap_lex_sp(p->lexer) && imap_lex_number64(p->lexer, &k->number) &&
		       (k->number != 0 || imap_lex_fail(p->lexer, "an interval of no seconds"));
	case ARG_KEYWORD: return imap_lex_sp(p->lexer) && imap_lex_keyword(p->lexer, &k->text);
	case ARG_TEXT: return take_text(p, &k->text);
	}
	return false;
}

static struct imap_search_key *
parse_header(struct parsing *p)
{
	struct imap_search_key *k = new_key(p, SEARCH_HEADER);

	if (!imap_lex_sp(p->lexer) || !imap_lex_astring(p->lexer, &k->field) || !take_text(p, &k->text))
		return NULL;
	/* An empty text asks whether there is such a field at all, which the
	 * digest's texts do not tell. */
	if (k->text.len != 0 && str_eq_ci(k->field, STR("Subject")))
		k->shortcut = DIGEST_SUBJECT;
	else if (k->text.len != 0 && str_eq_ci(k->field, STR("Message-ID")))
		k->shortcut = DIGEST_MESSAGE_ID;
	return k;
}

/* RFC 7162, 3.1.5: "MODSEQ [entry-name SP entry-type] number". */
static struct imap_search_key *
parse_modseq(struct parsing *p)
{
	struct imap_search_key *k = new_key(p, SEARCH_MODSEQ);
	struct str entry, type;

	p->search->uses_modseq = true;
	if (!imap_lex_sp(p->lexer))
		return NULL;
	if (imap_lex_peek(p->lexer) == '"' && (!imap_lex_string(p->lexer, &entry) || !imap_lex_sp(p->lexer) ||
					       !imap_lex_atom(p->lexer, &type) || !imap_lex_sp(p->lexer)))
		return NULL;
	return imap_lex_number64(p->lexer, &k->number) ? k : NULL;
}

static struct imap_search_key *
parse_email_id(struct parsing *p)
{
	struct imap_search_key *k = new_key(p, SEARCH_EMAILID);
	struct str id;

	if (!imap_lex_sp(p->lexer) || !imap_lex_astring(p->lexer, &id))
		return NULL;
	if (id.len < 2 || id.p[0] != 'M' || !str_to_u64(str_from(id, 1), &k->number))
		k->op = SEARCH_NEVER;
	return k;
}

static struct imap_search_key *
parse_uid(struct parsing *p)
{
	struct imap_search_key *k = new_key(p, SEARCH_UIDS);

	return imap_lex_sp(p->lexer) && imap_lex_set(p->lexer, &k->set) ? k : NULL;
}

static struct imap_search_key *
parse_not(struct parsing *p)
{
	struct imap_search_key *k = imap_lex_sp(p->lexer) ? parse_key(p) : NULL;

	return k != NULL ? negate(p, k) : NULL;
}

static struct imap_search_key *
parse_or(struct parsing *p)
{
	struct imap_search_key *k = new_key(p, SEARCH_OR);

	for (unsigned i = 0; i < 2; i++) {
		struct imap_search_key *child = imap_lex_sp(p->lexer) ? parse_key(p) : NULL;
		if (child == NULL)
			return NULL;
		LL_APPEND(k->children, child);
	}
	return k;
}

/* RECENT UNSEEN */
static struct imap_search_key *
parse_new(struct parsing *p)
{
	struct imap_search_key *k = new_key(p, SEARCH_AND), *seen = new_key(p, SEARCH_FLAGS);

	seen->number = MAILBOX_SEEN;
	LL_APPEND(k->children, new_key(p, SEARCH_RECENT));
	LL_APPEND(k->children, negate(p, seen));
	return k;
}

/* Matches nothing: there are no threads with ids. */
static struct imap_search_key *
parse_thread_id(struct parsing *p)
{
	struct str id;

	return imap_lex_sp(p->lexer) && imap_lex_astring(p->lexer, &id) ? new_key(p, SEARCH_NEVER) : NULL;
}

static const struct {
	const char *name;
	struct imap_search_key *(*parse)(struct parsing *p);
} special_words[] = {
	{"HEADER", parse_header}, {"MODSEQ", parse_modseq}, {"EMAILID", parse_email_id},   {"UID", parse_uid},
	{"NOT", parse_not},	  {"OR", parse_or},	    {"THREADID", parse_thread_id}, {"NEW", parse_new},
};

static struct imap_search_key *
parse_word(struct parsing *p)
{
	struct str word;

	if (!imap_lex_atom(p->lexer, &word))
		return NULL;
	for (unsigned i = 0; i < sizeof(bare_words) / sizeof(bare_words[0]); i++)
		if (str_eq_ci(word, str_c(bare_words[i].name))) {
			struct imap_search_key *k = new_key(p, bare_words[i].op);
			k->number = bare_words[i].number;
			return bare_words[i].negated ? negate(p, k) : k;
		}
	for (unsigned i = 0; i < sizeof(argument_words) / sizeof(argument_words[0]); i++)
		if (str_eq_ci(word, str_c(argument_words[i].name))) {
			struct imap_search_key *k = new_key(p, argument_words[i].op);
			k->number = argument_words[i].number;
			if (!take_argument(p, argument_words[i].argument, k))
				return NULL;
			return argument_words[i].negated ? negate(p, k) : k;
		}
	for (unsigned i = 0; i < sizeof(special_words) / sizeof(special_words[0]); i++)
		if (str_eq_ci(word, str_c(special_words[i].name)))
			return special_words[i].parse(p);
	imap_lex_fail(p->lexer, "an unknown search key");
	return NULL;
}

static struct imap_search_key *
parse_list(struct parsing *p)
{
	struct imap_search_key *k = new_key(p, SEARCH_AND), *child;

	if (!imap_lex_open(p->lexer))
		return NULL;
	do {
		child = parse_key(p);
		if (child == NULL)
			return NULL;
		LL_PREPEND(k->children, child);
	} while (imap_lex_more(p->lexer));
	return p->lexer->error == NULL ? k : NULL;
}

static struct imap_search_key *
parse_key(struct parsing *p)
{
	int c = imap_lex_peek(p->lexer);
	struct imap_search_key *k;

	if (++p->keys > IMAP_SEARCH_KEYS_MAX || ++p->depth > IMAP_SEARCH_DEPTH_MAX) {
		imap_lex_fail(p->lexer, "too many search keys, or too deep");
		return NULL;
	}
	if (c == '(') {
		k = parse_list(p);
	} else if ((c >= '0' && c <= '9') || c == '*' || c == '$') {
		k = new_key(p, SEARCH_SEQS);
		if (!imap_lex_set(p->lexer, &k->set))
			k = NULL;
	} else {
		k = parse_word(p);
	}
	p->depth--;
	return k;
}

bool
imap_parse_search(struct imap_lexer *l, struct str charset, struct imap_search *out)
{
	struct parsing p = {.lexer = l, .search = out, .charset = charset};
	struct imap_search_key *child;

	out->bad_charset = !known_charset(charset);
	if (out->bad_charset)
		p.charset = STR_NONE;
	out->key = new_key(&p, SEARCH_AND);
	do {
		child = parse_key(&p);
		if (child == NULL)
			return false;
		LL_PREPEND(out->key->children, child);
	} while (imap_lex_try(l, ' '));
	return imap_lex_end(l);
}

bool
imap_parse_charset(struct imap_lexer *l, struct str *charset_out)
{
	*charset_out = STR_NONE;
	if (!imap_lex_try_word(l, "CHARSET"))
		return true;
	return imap_lex_sp(l) && imap_lex_astring(l, charset_out) && imap_lex_sp(l);
}

/* ---- RETURN ---- */
bool
imap_parse_return(struct imap_lexer *l, struct imap_search *out)
{
	static const struct {
		const char *name;
		unsigned bit;
	} options[] = {{"MIN", RETURN_MIN},	{"MAX", RETURN_MAX},   {"ALL", RETURN_ALL},
		       {"COUNT", RETURN_COUNT}, {"SAVE", RETURN_SAVE}, {"PARTIAL", RETURN_PARTIAL}};
	unsigned bit;

	if (!imap_lex_try_word(l, "RETURN"))
		return true;
	out->extended = true;
	if (!imap_lex_sp(l) || !imap_lex_char(l, '('))
		return false;
	if (imap_lex_try(l, ')')) {
		out->returns = RETURN_ALL;
		return imap_lex_sp(l);
	}
	do {
		bit = 0;
		for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]) && bit == 0; i++)
			if (imap_lex_try_word(l, options[i].name))
				bit = options[i].bit;
		if (bit == 0 || (bit == RETURN_PARTIAL && (out->returns & RETURN_PARTIAL) != 0))
			return imap_lex_fail(l, "an unknown return option, or PARTIAL twice");
		out->returns |= bit;
		if (bit == RETURN_PARTIAL && (!imap_lex_sp(l) || !imap_lex_partial(l, &out->partial)))
			return false;
	} while (imap_lex_try(l, ' '));
	/* RFC 9394, 3.1: one or the other. */
	if ((out->returns & RETURN_PARTIAL) != 0 && (out->returns & RETURN_ALL) != 0)
		return imap_lex_fail(l, "both ALL and PARTIAL");
	return imap_lex_char(l, ')') && imap_lex_sp(l);
}
