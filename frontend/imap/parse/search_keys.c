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

static struct message_key *keys_parse_key(struct parsing *p);

/* ---- Text ---- */
static bool
keys_known_charset(struct str charset)
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
keys_take_text(struct parsing *p, struct str *out)
{
	struct str raw;

	if (!imap_lex_sp(p->lexer) || !imap_lex_astring(p->lexer, &raw))
		return false;
	*out = message_fold(mime_to_utf8(p->charset, raw, p->lexer->arena), p->lexer->arena);
	return true;
}

/* ---- Keys ---- */
static struct message_key *
keys_new(struct parsing *p, enum message_key_op op)
{
	struct message_key *k = arena_new(p->lexer->arena, struct message_key);

	k->op = op;
	return k;
}

static struct imap_search_late *
keys_late(struct parsing *p, enum imap_search_late_kind kind)
{
	struct imap_search_late *late = arena_new(p->lexer->arena, struct imap_search_late);

	late->kind = kind;
	late->key = keys_new(p, MATCH_NONE);
	LL_PREPEND(p->search->late, late);
	return late;
}

static struct message_key *
keys_negate(struct parsing *p, struct message_key *k)
{
	struct message_key *not = keys_new(p, MATCH_NOT);

	not ->children = k;
	return not ;
}

/* Keys without an argument. */
static const struct {
	const char *name;
	enum message_key_op op;
	uint64_t number;
	bool negated;
} bare_words[] = {
	{"ALL", MATCH_ALL, 0, false},
	{"ANSWERED", MATCH_FLAGS, MAILBOX_ANSWERED, false},
	{"DELETED", MATCH_FLAGS, MAILBOX_DELETED, false},
	{"DRAFT", MATCH_FLAGS, MAILBOX_DRAFT, false},
	{"FLAGGED", MATCH_FLAGS, MAILBOX_FLAGGED, false},
	{"SEEN", MATCH_FLAGS, MAILBOX_SEEN, false},
	{"UNANSWERED", MATCH_FLAGS, MAILBOX_ANSWERED, true},
	{"UNDELETED", MATCH_FLAGS, MAILBOX_DELETED, true},
	{"UNDRAFT", MATCH_FLAGS, MAILBOX_DRAFT, true},
	{"UNFLAGGED", MATCH_FLAGS, MAILBOX_FLAGGED, true},
	{"UNSEEN", MATCH_FLAGS, MAILBOX_SEEN, true},
	{"SAVEDATESUPPORTED", MATCH_ALL, 0, false},
};

enum argument { ARG_DATE, ARG_TEXT, ARG_NUMBER, ARG_SECONDS };

static const struct {
	const char *name;
	enum message_key_op op;
	enum argument argument;
	uint64_t number; /* which text it is */
	bool negated;
} argument_words[] = {
	{"BEFORE", MATCH_BEFORE, ARG_DATE, 0, false},
	{"ON", MATCH_ON, ARG_DATE, 0, false},
	{"SINCE", MATCH_SINCE, ARG_DATE, 0, false},
	{"SENTBEFORE", MATCH_SENT_BEFORE, ARG_DATE, 0, false},
	{"SENTON", MATCH_SENT_ON, ARG_DATE, 0, false},
	{"SENTSINCE", MATCH_SENT_SINCE, ARG_DATE, 0, false},
	{"SAVEDBEFORE", MATCH_SAVED_BEFORE, ARG_DATE, 0, false},
	{"SAVEDON", MATCH_SAVED_ON, ARG_DATE, 0, false},
	{"SAVEDSINCE", MATCH_SAVED_SINCE, ARG_DATE, 0, false},
	{"LARGER", MATCH_LARGER, ARG_NUMBER, 0, false},
	{"SMALLER", MATCH_SMALLER, ARG_NUMBER, 0, false},
	{"OLDER", MATCH_OLDER, ARG_SECONDS, 0, false},
	{"YOUNGER", MATCH_YOUNGER, ARG_SECONDS, 0, false},
	{"FROM", MATCH_DIGEST_TEXT, ARG_TEXT, DIGEST_FROM, false},
	{"TO", MATCH_DIGEST_TEXT, ARG_TEXT, DIGEST_TO, false},
	{"CC", MATCH_DIGEST_TEXT, ARG_TEXT, DIGEST_CC, false},
	{"BCC", MATCH_DIGEST_TEXT, ARG_TEXT, DIGEST_BCC, false},
	{"SUBJECT", MATCH_DIGEST_TEXT, ARG_TEXT, DIGEST_SUBJECT, false},
	{"BODY", MATCH_BODY, ARG_TEXT, 0, false},
	{"TEXT", MATCH_TEXT, ARG_TEXT, 0, false},
};

static bool
keys_take_argument(struct parsing *p, enum argument argument, struct message_key *k)
{
	switch (argument) {
	case ARG_DATE: return imap_lex_sp(p->lexer) && imap_lex_date(p->lexer, &k->day);
	case ARG_NUMBER: return imap_lex_sp(p->lexer) && imap_lex_number64(p->lexer, &k->number);
	case ARG_SECONDS: /* RFC 5032: not 0 */
		return imap_lex_sp(p->lexer) && imap_lex_number64(p->lexer, &k->number) &&
		       (k->number != 0 || imap_lex_fail(p->lexer, "the interval must not be zero"));
	case ARG_TEXT: return keys_take_text(p, &k->text);
	}
	return false;
}

static struct message_key *
keys_parse_header(struct parsing *p)
{
	struct message_key *k = keys_new(p, MATCH_HEADER);

	if (!imap_lex_sp(p->lexer) || !imap_lex_astring(p->lexer, &k->field) || !keys_take_text(p, &k->text))
		return NULL;
	/* An empty text tests whether the field exists at all, which the digest's texts do
	 * not tell. */
	if (k->text.len != 0 && str_eq_ci(k->field, STR("Subject")))
		k->shortcut = DIGEST_SUBJECT;
	else if (k->text.len != 0 && str_eq_ci(k->field, STR("Message-ID")))
		k->shortcut = DIGEST_MESSAGE_ID;
	return k;
}

/* RFC 7162, 3.1.5: "MODSEQ [entry-name SP entry-type] number". */
static struct message_key *
keys_parse_modseq(struct parsing *p)
{
	struct message_key *k = keys_new(p, MATCH_MODSEQ);
	struct str entry, type;

	p->search->uses_modseq = true;
	if (!imap_lex_sp(p->lexer))
		return NULL;
	if (imap_lex_peek(p->lexer) == '"' && (!imap_lex_string(p->lexer, &entry) || !imap_lex_sp(p->lexer) ||
					       !imap_lex_atom(p->lexer, &type) || !imap_lex_sp(p->lexer)))
		return NULL;
	return imap_lex_number64(p->lexer, &k->number) ? k : NULL;
}

static struct message_key *
keys_parse_email_id(struct parsing *p)
{
	struct message_key *k = keys_new(p, MATCH_EMAIL_ID);
	struct str id;

	if (!imap_lex_sp(p->lexer) || !imap_lex_astring(p->lexer, &id))
		return NULL;
	if (id.len < 2 || id.p[0] != 'M' || !str_to_u64(str_from(id, 1), &k->number))
		k->op = MATCH_NONE;
	return k;
}

static struct message_key *
keys_parse_set(struct parsing *p, enum imap_search_late_kind kind)
{
	struct imap_search_late *late = keys_late(p, kind);

	return imap_lex_set(p->lexer, &late->set) ? late->key : NULL;
}

static struct message_key *
keys_parse_uid(struct parsing *p)
{
	return imap_lex_sp(p->lexer) ? keys_parse_set(p, SEARCH_UIDS) : NULL;
}

static struct message_key *
keys_parse_keyword(struct parsing *p)
{
	struct imap_search_late *late = keys_late(p, SEARCH_KEYWORD);

	return imap_lex_sp(p->lexer) && imap_lex_keyword(p->lexer, &late->name) ? late->key : NULL;
}

static struct message_key *
keys_parse_unkeyword(struct parsing *p)
{
	struct message_key *k = keys_parse_keyword(p);

	return k != NULL ? keys_negate(p, k) : NULL;
}

/* OLD and NEW of RFC 3501. */
static struct message_key *
keys_parse_recent(struct parsing *p)
{
	return keys_late(p, SEARCH_RECENT)->key;
}

static struct message_key *
keys_parse_old(struct parsing *p)
{
	return keys_negate(p, keys_parse_recent(p));
}

static struct message_key *
keys_parse_not(struct parsing *p)
{
	struct message_key *k = imap_lex_sp(p->lexer) ? keys_parse_key(p) : NULL;

	return k != NULL ? keys_negate(p, k) : NULL;
}

static struct message_key *
keys_parse_or(struct parsing *p)
{
	struct message_key *k = keys_new(p, MATCH_OR);

	for (unsigned i = 0; i < 2; i++) {
		struct message_key *child = imap_lex_sp(p->lexer) ? keys_parse_key(p) : NULL;
		if (child == NULL)
			return NULL;
		LL_APPEND(k->children, child);
	}
	return k;
}

/* RECENT UNSEEN */
static struct message_key *
keys_parse_new(struct parsing *p)
{
	struct message_key *k = keys_new(p, MATCH_AND), *seen = keys_new(p, MATCH_FLAGS);

	seen->number = MAILBOX_SEEN;
	LL_APPEND(k->children, keys_parse_recent(p));
	LL_APPEND(k->children, keys_negate(p, seen));
	return k;
}

/* Matches nothing: there are no thread ids. */
static struct message_key *
keys_parse_thread_id(struct parsing *p)
{
	struct str id;

	return imap_lex_sp(p->lexer) && imap_lex_astring(p->lexer, &id) ? keys_new(p, MATCH_NONE) : NULL;
}

static const struct {
	const char *name;
	struct message_key *(*parse)(struct parsing *p);
} special_words[] = {
	{"HEADER", keys_parse_header},
	{"MODSEQ", keys_parse_modseq},
	{"EMAILID", keys_parse_email_id},
	{"UID", keys_parse_uid},
	{"NOT", keys_parse_not},
	{"OR", keys_parse_or},
	{"THREADID", keys_parse_thread_id},
	{"NEW", keys_parse_new},
	{"RECENT", keys_parse_recent},
	{"OLD", keys_parse_old},
	{"KEYWORD", keys_parse_keyword},
	{"UNKEYWORD", keys_parse_unkeyword},
};

static struct message_key *
keys_parse_word(struct parsing *p)
{
	struct str word;

	if (!imap_lex_atom(p->lexer, &word))
		return NULL;
	for (unsigned i = 0; i < sizeof(bare_words) / sizeof(bare_words[0]); i++)
		if (str_eq_ci(word, str_c(bare_words[i].name))) {
			struct message_key *k = keys_new(p, bare_words[i].op);
			k->number = bare_words[i].number;
			return bare_words[i].negated ? keys_negate(p, k) : k;
		}
	for (unsigned i = 0; i < sizeof(argument_words) / sizeof(argument_words[0]); i++)
		if (str_eq_ci(word, str_c(argument_words[i].name))) {
			struct message_key *k = keys_new(p, argument_words[i].op);
			k->number = argument_words[i].number;
			if (!keys_take_argument(p, argument_words[i].argument, k))
				return NULL;
			return argument_words[i].negated ? keys_negate(p, k) : k;
		}
	for (unsigned i = 0; i < sizeof(special_words) / sizeof(special_words[0]); i++)
		if (str_eq_ci(word, str_c(special_words[i].name)))
			return special_words[i].parse(p);
	imap_lex_fail(p->lexer, "unknown search key");
	return NULL;
}

static struct message_key *
keys_parse_list(struct parsing *p)
{
	struct message_key *k = keys_new(p, MATCH_AND), *child;

	if (!imap_lex_open(p->lexer))
		return NULL;
	do {
		child = keys_parse_key(p);
		if (child == NULL)
			return NULL;
		LL_PREPEND(k->children, child);
	} while (imap_lex_more(p->lexer));
	return p->lexer->error == NULL ? k : NULL;
}

static struct message_key *
keys_parse_key(struct parsing *p)
{
	int c = imap_lex_peek(p->lexer);
	struct message_key *k;

	if (++p->keys > MESSAGE_KEYS_MAX || ++p->depth > MESSAGE_KEY_DEPTH_MAX) {
		imap_lex_fail(p->lexer, "too many search keys, or nested too deeply");
		return NULL;
	}
	if (c == '(') {
		k = keys_parse_list(p);
	} else if ((c >= '0' && c <= '9') || c == '*' || c == '$') {
		k = keys_parse_set(p, SEARCH_SEQS);
	} else {
		k = keys_parse_word(p);
	}
	p->depth--;
	return k;
}

bool
imap_parse_search(struct imap_lexer *l, struct str charset, struct imap_search *out)
{
	struct parsing p = {.lexer = l, .search = out, .charset = charset};
	struct message_key *child;

	out->bad_charset = !keys_known_charset(charset);
	if (out->bad_charset)
		p.charset = STR_NONE;
	out->key = keys_new(&p, MATCH_AND);
	do {
		child = keys_parse_key(&p);
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
			return imap_lex_fail(l, "unknown return option, or repeated PARTIAL");
		out->returns |= bit;
		if (bit == RETURN_PARTIAL && (!imap_lex_sp(l) || !imap_lex_partial(l, &out->partial)))
			return false;
	} while (imap_lex_try(l, ' '));
	/* RFC 9394, 3.1: only one of them is allowed. */
	if ((out->returns & RETURN_PARTIAL) != 0 && (out->returns & RETURN_ALL) != 0)
		return imap_lex_fail(l, "ALL and PARTIAL cannot be combined");
	return imap_lex_char(l, ')') && imap_lex_sp(l);
}
