/* Parses one whole IMAP command (RFC 9051, section 9; RFC 3501) that is in memory,
 * with its literals inline as they were received: "A LOGIN {2}\r\nme pw". The
 * command's last CRLF is not part of it. Pure.
 *
 * Every function that can fail returns false and stores the reason, a constant text,
 * in `error` (the first one is kept); the handler reports it with BAD. Results point
 * into the text or are allocated in the arena. */
#ifndef SP_FRONTEND_IMAP_PARSE_LEXER_H
#define SP_FRONTEND_IMAP_PARSE_LEXER_H

#include <stdbool.h>
#include <stdint.h>

#include "frontend/imap/parse/set.h"
#include "lib/base/arena.h"
#include "lib/base/str.h"

#define IMAP_DEPTH_MAX	  50  /* nested parentheses */
#define IMAP_KEYWORD_MAX  128 /* bytes in one */
#define IMAP_KEYWORDS_MAX 64  /* in one list */

struct imap_lexer {
	struct str text;
	size_t at;
	struct arena *arena; /* borrowed */
	bool utf8;	     /* UTF8=ACCEPT or IMAP4rev2 is enabled: names are UTF-8 */
	unsigned depth;
	const char *error; /* constant; NULL: none yet */
};

void imap_lex_init(struct imap_lexer *l, struct str text, struct arena *arena, bool utf8);
/* Always returns false. */
bool imap_lex_fail(struct imap_lexer *l, const char *error);

/* ---- Single characters and words ---- */
int imap_lex_peek(const struct imap_lexer *l); /* -1 at the end */
bool imap_lex_at_end(const struct imap_lexer *l);
bool imap_lex_end(struct imap_lexer *l); /* nothing may follow */
bool imap_lex_sp(struct imap_lexer *l);	 /* one space must follow */
bool imap_lex_char(struct imap_lexer *l, char c);
bool imap_lex_try(struct imap_lexer *l, char c); /* consumes c if it is next; not an error otherwise */
/* Consumes an atom if it is this word, in any case; not an error otherwise. */
bool imap_lex_try_word(struct imap_lexer *l, const char *word);
/* "(" and ")", within the depth limit. */
bool imap_lex_open(struct imap_lexer *l);
bool imap_lex_close(struct imap_lexer *l);
/* Within parentheses, after an item. True: a space was consumed and an item follows.
 * False: ")" was consumed, or an error is set. */
bool imap_lex_more(struct imap_lexer *l);

/* ---- Words and strings ---- */
bool imap_lex_tag(struct imap_lexer *l, struct str *out);
bool imap_lex_atom(struct imap_lexer *l, struct str *out);
/* Letters, digits, '-', '.', '_', '=' and '/': names of commands and of items such as
 * BODY.PEEK, which end before "[". */
bool imap_lex_name(struct imap_lexer *l, struct str *out);
bool imap_lex_string(struct imap_lexer *l, struct str *out); /* quoted or literal */
bool imap_lex_astring(struct imap_lexer *l, struct str *out);
bool imap_lex_nstring(struct imap_lexer *l, struct str *out); /* NIL: p is NULL */

/* ---- Numbers and sets ---- */
bool imap_lex_number(struct imap_lexer *l, uint32_t *out);
bool imap_lex_nz_number(struct imap_lexer *l, uint32_t *out);
bool imap_lex_number64(struct imap_lexer *l, uint64_t *out);   /* below 2^63 */
bool imap_lex_set(struct imap_lexer *l, struct imap_set *out); /* unresolved; "$" too */
/* A set of UIDs as in VANISHED and in QRESYNC's parameters: no "$", no "*"; resolved. */
bool imap_lex_known_uids(struct imap_lexer *l, struct imap_set *out);

/* ---- Flags ---- */
struct imap_flags {
	uint16_t flags; /* enum mailbox_flag */
	struct str *keywords;
	unsigned keyword_count;
};
bool imap_lex_flag_list(struct imap_lexer *l, struct imap_flags *out); /* "(...)" */
bool imap_lex_flags(struct imap_lexer *l, struct imap_flags *out);     /* a list, or flags without "()" */
/* One keyword (SEARCH KEYWORD). */
bool imap_lex_keyword(struct imap_lexer *l, struct str *out);

/* ---- Mailbox names: UTF-8 in NFC, INBOX in capitals ---- */
/* A name that is invalid (malformed modified UTF-7, or not UTF-8) begins with this
 * byte, which never occurs in UTF-8: the store refuses it, and no pattern with it
 * matches. */
#define IMAP_NO_NAME "\xff"
bool imap_lex_mailbox(struct imap_lexer *l, struct str *out);
/* With the wildcards "%" and "*" (LIST, LSUB). */
bool imap_lex_list_mailbox(struct imap_lexer *l, struct str *out);

/* ---- Dates ---- */
/* date: days since 1970-01-01. */
bool imap_lex_date(struct imap_lexer *l, int64_t *days_out);
/* "17-Jul-1996 02:44:25 -0700": unix seconds, and the zone in minutes. */
bool imap_lex_date_time(struct imap_lexer *l, int64_t *unix_out, int16_t *zone_minutes_out);

#endif
