/* The address book of a domain: its accounts and aliases with the fields that
 * describe them, for everything that searches people (LDAP, EWS ResolveNames, EAS
 * Search, CardDAV's directory, the page).
 *
 * The directory writes it to the store, behind the records of accounts and aliases
 * (book:{<domain>}: lib/directory/entry.h). A process loads a domain's book when it is
 * first asked for, keeps it in memory in the order of addresses, and follows the log of
 * its changes; a notice is only a wake-up. If the log is too short, or notices were lost,
 * it loads again. Without the store a loaded book goes on answering as it was. A book that
 * nobody used for 15 minutes is dropped. Beyond about 16 books or 96 MiB the least recently
 * used ones make room for a new one, unless they are held.
 *
 * It takes about 500 bytes of memory an entry. Folded text is searched; an index of all
 * parts of three bytes tells which entries can have a text at all, so that a rare one is found
 * in some 50 us in 100,000 entries. Shorter texts are found by a scan, which takes some
 * milliseconds. No function here blocks; work that may take long is cut by the caller's
 * slice (lib/base/slice.h).
 *
 * What is hidden (the field `book` of an account is off, or the account is disabled) is
 * only shown to callers who ask for it: BOOK_WITH_HIDDEN. Who may see it, and which domains
 * a user may search, is the caller's decision. Of a photo the fingerprint is here, which is not searched
 * (BOOK_PHOTO); the photo is read by directory_photo_read(). */
#ifndef SP_BOOK_BOOK_H
#define SP_BOOK_BOOK_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/slice.h"
#include "lib/directory/directory.h"
#include "lib/directory/entry.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"

/* ---- The books of a process, and the book of a domain ---- */
struct books;
struct book;

/* All are borrowed for its lifetime. directory may be NULL: then a book that has never
 * been written (accounts of an older version) is not made now, and stays empty until the
 * regular comparison makes it. */
struct books *books_new(struct event_base *base, struct redis *r, struct tracking *tracking,
			struct directory *directory);
/* Callbacks that are outstanding will not come. Every book must have been let go. */
void books_free(struct books **b);

/* book NULL exactly when err is not: ERR_UNAVAILABLE, try later. Else the caller holds
 * the book: book_let_go(). */
typedef void books_on_ready(void *arg, struct book *book, const struct err *err);
/* The book of a domain. Not NULL: it is loaded, and the caller holds it; cb will not be
 * called. NULL: cb is called later, once, never from within the call; it cannot be
 * cancelled, so arg must stay valid until then. A domain that does not exist has an empty
 * book. domain: canonical. */
struct book *books_get(struct books *b, struct str domain, books_on_ready *cb, void *arg);
/* A held book stays; its content may change whenever control returns to the loop.
 * Hold it for a request, not for a session: a held book is never dropped. */
void book_let_go(struct book **book);

uint64_t book_count(const struct book *book); /* entries, hidden ones too */

/* ---- For its unit tests ---- */
/* The version in the store that the content has; it grows with every change. */
uint64_t book_version(const struct book *book);
/* Bytes of memory of the content, the index included. */
size_t book_bytes(const struct book *book);
/* Loaded books and their entries; for tests. */
void books_figures(const struct books *b, uint64_t *books_out, uint64_t *entries_out);

/* ---- Entries ---- */
/* A view, borrowed until control returns to the loop. */
struct book_entry {
	struct str address; /* canonical */
	bool is_group;	    /* an alias or list; it has members and no other field but a name */
	bool is_hidden;	    /* not shown in address books; so is a disabled account */
	bool is_disabled;
	int64_t created_ms; /* since 1970; 0: not known */
	struct str fields;  /* private */
	struct str folded;  /* private */
};

/* The value, in UTF-8 as it was written; empty: there is none. BOOK_DISPLAY_NAME is never
 * empty: without one it is given name and surname, else the local part of the address. Of
 * BOOK_MEMBER the first. */
struct str book_entry_get(const struct book_entry *e, enum book_field field);
/* Every value, in no order of fields, members in order. *at is 0 at first. False: there is no more. */
bool book_entry_next(const struct book_entry *e, size_t *at, enum book_field *field_out, struct str *value_out);

/* ---- Queries ---- */
enum book_match {
	BOOK_PRESENT,	/* has a value */
	BOOK_EQUAL,	/* the whole value */
	BOOK_PREFIX,	/* its beginning */
	BOOK_WORD,	/* the beginning of one of its words: what people type into a search field */
	BOOK_SUBSTRING, /* any part */
	BOOK_SUFFIX,	/* its end */
	BOOK_ALL_OF,	/* all of some queries */
	BOOK_ANY_OF,	/* at least one of them */
};

#define BOOK_FIELD_BIT(field) (UINT32_C(1) << (field))
#define BOOK_ANY_FIELD	      (UINT32_MAX & ~BOOK_FIELD_BIT(0))
/* What people mean by a name: address, display name, given name, surname. */
#define BOOK_NAME_FIELDS \
	(BOOK_FIELD_BIT(BOOK_ADDRESS) | BOOK_FIELD_BIT(BOOK_DISPLAY_NAME) | BOOK_FIELD_BIT(BOOK_GIVEN_NAME) | \
	 BOOK_FIELD_BIT(BOOK_SURNAME))

struct aim;

/* Fields are alternatives. Texts are compared folded: neither case nor accents count
 * ("MULLER" is "Müller", "strasse" is "Straße"), several spaces are one, and in telephone
 * numbers spaces and hyphens do not count (RFC 4518). */
struct book_query {
	enum book_match match;
	uint32_t fields; /* BOOK_FIELD_BIT()s */
	bool with_hidden;
	struct str text;  /* folded; in the arena */
	struct str phone; /* the same for telephone numbers */
	/* BOOK_ALL_OF, BOOK_ANY_OF */
	const struct book_query *parts; /* borrowed */
	unsigned count;
	/* private */
	struct str needle;     /* no entry matches without it; empty: there is no such text */
	uint32_t terms;	       /* texts to be looked for */
	const struct aim *aim; /* NULL: every entry is looked at */
};
/* Folds text into the arena, which must outlive the query. */
void book_query_init(struct book_query *q, enum book_match match, uint32_t fields, struct str text,
		     struct arena *arena);
/* Of several queries, which must outlive it. Of none BOOK_ALL_OF is true and BOOK_ANY_OF false. */
void book_query_join(struct book_query *q, enum book_match match, const struct book_query *parts, unsigned count);
/* Prepares a whole query for the index of this book; the arena must outlive it. Without this, or in
 * another book, the same entries are found, but more are looked at. Returns about how many will
 * be looked at: all, if a text is too short or common, or the query accepts entries without one. */
uint64_t book_query_aim(struct book_query *q, const struct book *book, struct arena *arena);
/* Does this one entry match? with_hidden is not looked at. For filters of several terms. */
bool book_query_matches(const struct book_query *q, const struct book_entry *e);

#define BOOK_WITH_HIDDEN true
/* The entry with this address (canonical); false: there is none, or it is hidden. */
bool book_find(const struct book *book, struct str address, bool with_hidden, struct book_entry *entry_out);

/* ---- Going through a book, in the order of addresses (bytes) ---- */
/* A place in a book. It stays valid while the book changes: what comes after an
 * address is what comes after it now. All zero: before the first entry. */
struct book_cursor {
	char address[DIRECTORY_ADDRESS_MAX]; /* the last entry passed; empty: none */
	uint64_t generation;		     /* private */
	uint32_t chunk, entry;		     /* private */
};
/* To just behind this address, whether it exists or not; empty: before the first. */
void book_cursor_after(struct book_cursor *c, struct str address);

enum book_step {
	BOOK_FOUND, /* *entry_out is the next match; the cursor is behind it */
	BOOK_PAUSE, /* the slice is over: return to the loop, then call again */
	BOOK_END,   /* there is no further one */
};
/* The next entry that matches. query NULL: every entry that is not hidden. slice NULL:
 * no pause. */
enum book_step book_next(const struct book *book, struct book_cursor *c, const struct book_query *query,
			 struct slice *slice, struct book_entry *entry_out);

#endif
