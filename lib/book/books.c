/* The books that a process has loaded. */
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/book/private.h"

enum {
	/* Beyond either, books that nobody holds make room for new ones. */
	BOOKS_MOST = 16,
	BOOKS_BYTES_MOST = 96 * 1024 * 1024,
	BOOKS_UNUSED_MS = 15 * 60 * 1000,
	/* A notice may be lost in spite of all; and unused books are looked for. */
	BOOKS_LOOK_MS = 30 * 1000,
};

/* ---- Those who wait ---- */
static void
book_tell(struct book *b, const struct err *err)
{
	unsigned round = b->round++;

	b->holds++; /* it stays meanwhile */
	/* One that begins to wait meanwhile is told next time. */
	while (b->waiters != NULL && b->waiters->round == round) {
		struct books_waiter *first = b->waiters, w = *first;

		DL_DELETE(b->waiters, first);
		mem_free(first);
		if (err == NULL)
			b->holds++;
		w.cb(w.arg, err == NULL ? b : NULL, err);
	}
	b->holds--;
}

/* The log has been followed to its end, or could not be read. */
void
book_followed(struct book *b, const struct err *err)
{
	if (err == NULL)
		b->is_loaded = true;
	book_tell(b, err);
}

/* ---- Loading ---- */
static void
book_on_loaded(void *arg, struct content *content, uint64_t version, const struct err *err)
{
	struct book *b = arg;
	uint64_t generation = b->content.generation;

	b->load = NULL;
	if (err != NULL) {
		book_tell(b, err);
		return;
	}
	content_fini(&b->content);
	b->content = *content;
	b->content.generation += generation + 1; /* no cursor's */
	b->version = version;
	b->load_again = false;
	log_info(NULL, "address book loaded", F_C("domain", b->domain), F_I64("entries", b->content.entries),
		 F_I64("bytes", book_bytes(b)));
	follow_start(b);
}

void
book_load(struct book *b)
{
	if (b->load == NULL && b->making == NULL)
		make_start(b);
}

void
book_made(struct book *b, const struct err *err)
{
	if (err != NULL)
		book_tell(b, err);
	else
		b->load = load_start(b->books->base, b->books->redis, str_c(b->domain), book_on_loaded, b);
}

/* ---- Notices ---- */
static void
book_look(struct book *b)
{
	if (!b->is_loaded)
		return;
	if (b->load_again)
		book_load(b);
	else
		follow_start(b);
}

static void
book_on_notice(void *arg, struct str channel, struct str payload)
{
	(void)channel, (void)payload;
	book_look(arg);
}

/* Another store may be in place of the lost one, and its versions may count other changes. So
 * a book is loaded again; its content goes on answering until then. */
static void
book_on_lost(void *arg)
{
	struct book *b = arg;

	if (!b->is_subscribed) {
		b->is_subscribed = true; /* nothing was lost */
		book_look(b);
		return;
	}
	b->load_again = true;
	follow_stop(b);
	make_stop(b);
	load_cancel(&b->load);
	book_load(b);
}

/* ---- Life of a book ---- */
static struct book *
book_new(struct books *books, struct str domain)
{
	struct book *b = mem_new(struct book);
	char channel[DIRECTORY_DOMAIN_MAX + 16];

	b->books = books;
	str_copy(domain, b->domain, sizeof(b->domain));
	b->content.generation = 1; /* a new cursor has 0 */
	b->subscription =
		tracking_subscribe(books->tracking, redis_key_print(channel, sizeof(channel), KEY_BOOK, domain),
				   book_on_notice, book_on_lost, b);
	DL_APPEND(books->list, b);
	return b;
}

static void
book_free(struct book *b)
{
	struct books_waiter *w, *next;

	DL_FOREACH_SAFE (b->waiters, w, next)
		mem_free(w);
	DL_DELETE(b->books->list, b);
	make_stop(b);
	load_cancel(&b->load);
	follow_stop(b);
	tracking_unsubscribe(&b->subscription);
	content_fini(&b->content);
	mem_free(b);
}

static void
books_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct books *books = arg;
	struct book *b, *next;
	int64_t now_ms = clock_monotonic_ms();

	(void)fd, (void)what;
	DL_FOREACH_SAFE (books->list, b, next) {
		if (b->holds == 0 && b->waiters == NULL && now_ms - b->used_ms >= BOOKS_UNUSED_MS)
			book_free(b);
		else
			book_look(b);
	}
}

struct books *
books_new(struct event_base *base, struct redis *r, struct tracking *tracking, struct directory *directory)
{
	struct books *books = mem_new(struct books);
	struct timeval look = clock_timeval(BOOKS_LOOK_MS);

	books->base = base;
	books->redis = r;
	books->tracking = tracking;
	books->directory = directory;
	books->timer = event_new(base, -1, EV_PERSIST, books_on_timer, books);
	event_add(books->timer, &look);
	return books;
}

void
books_free(struct books **bp)
{
	struct books *books = *bp;

	*bp = NULL;
	if (books == NULL)
		return;
	while (books->list != NULL) {
		CHECK(books->list->holds == 0);
		book_free(books->list);
	}
	event_free(books->timer);
	mem_free(books);
}

/* ---- Callers ---- */
static struct book *
books_find(struct books *books, struct str domain)
{
	struct book *b;

	DL_FOREACH (books->list, b)
		if (str_eq(str_c(b->domain), domain))
			return b;
	return NULL;
}

/* Frees what was not used for longest, as far as nobody holds it. */
static void
books_make_room(struct books *books)
{
	for (;;) {
		struct book *b, *oldest = NULL;
		size_t bytes = 0;
		unsigned count = 0;

		DL_FOREACH (books->list, b) {
			bytes += book_bytes(b);
			count++;
			if (b->holds == 0 && b->waiters == NULL && (oldest == NULL || b->used_ms < oldest->used_ms))
				oldest = b;
		}
		if (oldest == NULL || (count < BOOKS_MOST && bytes < BOOKS_BYTES_MOST))
			return;
		book_free(oldest);
	}
}

struct book *
books_get(struct books *books, struct str domain, books_on_ready *cb, void *arg)
{
	struct book *b = books_find(books, domain);
	struct books_waiter *w;

	CHECK(domain.len < DIRECTORY_DOMAIN_MAX);
	if (b == NULL) {
		books_make_room(books);
		b = book_new(books, domain);
	}
	b->used_ms = clock_monotonic_ms();
	if (b->is_loaded) {
		b->holds++;
		return b;
	}
	w = mem_new(struct books_waiter);
	w->cb = cb;
	w->arg = arg;
	w->round = b->round;
	DL_APPEND(b->waiters, w);
	if (b->following == NULL)
		book_load(b);
	return NULL;
}

void
book_let_go(struct book **bp)
{
	struct book *b = *bp;

	*bp = NULL;
	if (b == NULL)
		return;
	CHECK(b->holds > 0);
	b->holds--;
	b->used_ms = clock_monotonic_ms();
}

uint64_t
book_count(const struct book *b)
{
	return b->content.entries;
}

uint64_t
book_version(const struct book *b)
{
	return b->version;
}

size_t
book_bytes(const struct book *b)
{
	return b->content.bytes + b->content.index.bytes;
}

void
books_figures(const struct books *books, uint64_t *books_out, uint64_t *entries_out)
{
	const struct book *b;

	*books_out = *entries_out = 0;
	DL_FOREACH (books->list, b) {
		*books_out += b->is_loaded;
		*entries_out += b->content.entries;
	}
}
