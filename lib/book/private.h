/* Shared by the files of lib/book; nobody else includes it. */
#ifndef SP_BOOK_PRIVATE_H
#define SP_BOOK_PRIVATE_H

#include "lib/base/buf.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/base/op.h"
#include "lib/book/book.h"
#include "lib/redis/keys.h"

/* ---- Folded text ---- lib/book/fold.c */
/* Appends what comparisons see of a value. */
void fold_add(struct buf *out, enum book_field field, struct str value, struct arena *scratch);
#define FOLD_PHONE_FIELDS \
	(BOOK_FIELD_BIT(BOOK_PHONE) | BOOK_FIELD_BIT(BOOK_MOBILE) | BOOK_FIELD_BIT(BOOK_HOME_PHONE) | \
	 BOOK_FIELD_BIT(BOOK_FAX) | BOOK_FIELD_BIT(BOOK_PAGER))
/* Before which a word begins, beside the beginning of a value. */
#define FOLD_BREAKS " -.@_'("

/* ---- Finding ---- lib/book/find.c */
/* Where the needle (not empty) is in [p, end) first; NULL: nowhere. */
const char *find_text(const char *p, const char *end, struct str needle);

/* ---- A chunk: some entries in order; its content is immutable ---- lib/book/chunk.c
 *
 * Values are in `data`, folded text in `text`: of each entry, field after field, the
 * field's number (a byte below 32, which no text contains) and the text; members last.
 * So one scan over `text` searches many entries. */
enum { CHUNK_FILL = 112, CHUNK_MAX = 128, CHUNK_BYTES = 128 * 1024 };

struct chunk {
	uint32_t count;
	uint32_t seat;			 /* in the index; INDEX_NO_SEAT: it is not in it */
	uint8_t columns[CHUNK_MAX];	 /* of its entries, in the seat */
	uint32_t data_at[CHUNK_MAX + 1]; /* where each entry begins; at [count]: the end */
	uint32_t text_at[CHUNK_MAX + 1];
	char *data, *text; /* within this allocation */
	size_t bytes;	   /* of this allocation */
};

/* A chunk that is being made. All zero: empty. */
struct chunk_draft {
	uint32_t count;
	uint32_t data_at[CHUNK_MAX + 1], text_at[CHUNK_MAX + 1];
	struct buf data, text;
	struct arena scratch;
};

void chunk_draft_init(struct chunk_draft *d);
void chunk_draft_fini(struct chunk_draft *d);
/* Appends an entry as the store has it; false: it is damaged, and left out. */
bool chunk_draft_add(struct chunk_draft *d, struct str address, struct str stored);
/* Appends entries [from, to) of a chunk. */
void chunk_draft_copy(struct chunk_draft *d, const struct chunk *c, uint32_t from, uint32_t to);
/* Is it time to begin the next one? It has many entries, or groups with many members. */
bool chunk_is_full(const struct chunk_draft *d);
/* The chunk; the draft is empty again. */
struct chunk *chunk_seal(struct chunk_draft *d);
void chunk_entry(const struct chunk *c, uint32_t i, struct book_entry *out);
struct str chunk_address(const struct chunk *c, uint32_t i);
/* The first entry that is not before the address; count if there is none. */
uint32_t chunk_lower_bound(const struct chunk *c, struct str address);

struct str chunk_text(const struct chunk *c, uint32_t i); /* folded */

/* ---- Grams: three bytes in a row of a folded text ---- lib/book/gram.c
 *
 * A gram stands for two of GRAM_ROWS rows, which it shares with other grams. Because the
 * marks of fields are bytes of the text, the beginning of a value is a gram too. */
enum { GRAM_ROWS = 1024, GRAM_LEN = 3 };

struct gram_set {
	uint64_t words[GRAM_ROWS / 64];
};
struct gram_rows {
	uint16_t rows[2];
};
struct gram_rows gram_rows_of(const char *gram);
void gram_set_of(struct str text, struct gram_set *out); /* the rows of all its grams */

/* ---- The index ---- lib/book/index.c
 *
 * A matrix of bits: a column for an entry, a row of GRAM_ROWS for what texts have. Entries
 * that can have a text are those whose bits are set in all rows of its grams; some of
 * them do not have it, but no entry that has it is missing. A chunk has a seat of
 * CHUNK_MAX columns, and its entries keep theirs as long as they stay in it: a change of an
 * entry changes one column, in place. The order of results is that of the chunks.
 *
 * Seats lie in banks, where the parts of a row are side by side. */
enum { INDEX_NO_SEAT = UINT32_MAX, INDEX_SEAT_WORDS = CHUNK_MAX / 64, INDEX_BANK_SEATS = 16 };

/* The rows of one seat. */
struct index_seat {
	uint64_t bits[GRAM_ROWS][INDEX_SEAT_WORDS];
};
void gram_mark(struct str text, struct index_seat *seat, uint32_t column); /* sets those of the text */

struct index_bank {
	uint32_t used; /* mask of seats */
	uint64_t bits[GRAM_ROWS][INDEX_BANK_SEATS][INDEX_SEAT_WORDS];
};

struct book_index {
	struct index_bank **banks; /* owner; NULL: one that is not needed now */
	uint32_t bank_count;
	uint32_t set[GRAM_ROWS]; /* entries that have the row's bit */
	uint64_t entries;	 /* that are in it */
	size_t bytes;		 /* of the banks */
};

/* Which entries of a seat. */
struct index_set {
	uint64_t words[INDEX_SEAT_WORDS];
};

void index_fini(struct book_index *ix);
/* The chunk, which has no seat, with all of its entries. */
void index_add_chunk(struct book_index *ix, struct chunk *c);
/* Takes entries [from, count) out, and the seat too if from is 0. Without a seat it does nothing. */
void index_drop_entries(struct book_index *ix, struct chunk *c, uint32_t from);
/* `to` has taken the place of `from`, in whose place `at` are now `added` entries (0 or 1) instead of
 * `removed`. `to` gets the seat. */
void index_replace_chunk(struct book_index *ix, struct chunk *from, struct chunk *to, uint32_t at, uint32_t removed,
			 uint32_t added);
struct index_bank *index_bank_of(const struct book_index *ix, uint32_t seat);
/* The bits of a seat in this row: INDEX_SEAT_WORDS words. */
const uint64_t *index_row(const struct index_bank *bank, uint32_t seat, uint32_t row);

bool index_set_is_empty(const struct index_set *s);

/* ---- Queries and the index ---- lib/book/aim.c */
/* Which entries of a seat can match; *looked_out += rows that were read. */
struct index_set aim_look(const struct aim *aim, const struct index_bank *bank, uint32_t seat, uint32_t *looked_out);

/* ---- The content of a book: chunks in order ---- lib/book/content.c */
struct content {
	struct chunk **chunks; /* owner of all */
	uint32_t *seats;       /* of the chunks; owner */
	uint32_t count, capacity;
	struct book_index index;
	uint64_t entries;
	size_t bytes;	     /* of the chunks */
	uint64_t generation; /* changes with every change */
};

void content_fini(struct content *c);
void content_append(struct content *c, struct chunk_draft *d); /* seals it */
/* stored empty: the entry is removed. Returns the work that it was: units of lib/base/slice.h. */
uint32_t content_put(struct content *c, struct str address, struct str stored);
/* The place of the first entry not before the address; false: there is none. */
bool content_seek(const struct content *c, struct str address, uint32_t *chunk_out, uint32_t *entry_out);

/* ---- Loading ---- lib/book/load.c */
struct load;
/* err NULL: *content is the book as it was at some time not before `version`, and the callee
 * owns it. The load has ended. */
typedef void load_on_done(void *arg, struct content *content, uint64_t version, const struct err *err);
struct load *load_start(struct event_base *base, struct redis *r, struct str domain, load_on_done *cb, void *arg);
void load_cancel(struct load **l);

/* ---- Books ---- lib/book/books.c */
struct books_waiter {
	books_on_ready *cb;
	void *arg;
	unsigned round; /* of telling, in which it began to wait */
	struct books_waiter *prev, *next;
};

struct book {
	struct books *books; /* borrowed */
	char domain[DIRECTORY_DOMAIN_MAX];
	unsigned holds;
	int64_t used_ms; /* monotonic */
	bool is_loaded;
	bool is_subscribed; /* has been at least once */
	bool load_again;    /* the content may be that of a store that is gone */
	struct content content;
	uint64_t version;
	struct make *making;	      /* owner; NULL: not in progress, like the next */
	struct load *load;	      /* owner */
	struct books_waiter *waiters; /* owner */
	unsigned round;
	struct tracking_subscription *subscription; /* owner */
	/* follow.c */
	struct follow *following; /* a question about the log is outstanding; owner */
	bool ask_again;		  /* a notice came meanwhile */
	struct book *prev, *next;
};

struct books {
	struct event_base *base;
	struct redis *redis;
	struct tracking *tracking;
	struct directory *directory; /* may be NULL */
	struct event *timer;
	struct book *list; /* owner */
};

void book_load(struct book *b); /* unless it is being loaded */
void book_made(struct book *b, const struct err *err);
void book_followed(struct book *b, const struct err *err);

/* ---- Making a book that has never been written ---- lib/book/make.c */
/* Calls book_made(). */
void make_start(struct book *b);
void make_stop(struct book *b);

/* ---- Following the log ---- lib/book/follow.c */
/* Reads what has changed since b->version, and applies it. */
void follow_start(struct book *b);
void follow_stop(struct book *b);

#endif
