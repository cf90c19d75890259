/* Loads a book from the store: its version, then all entries by HSCAN, each page
 * sorted, then all pages merged. What changes meanwhile is in the log, behind the version
 * that was read first. */
#include "lib/base/log.h"
#include "lib/book/private.h"

#define LOAD_PAGE "500" /* entries: parsing and sorting them takes about 1 ms */
/* Units of 10 ns: what an entry takes to be merged, folded and indexed; and bytes of it for a unit. */
enum { LOAD_ENTRY_COST = 250, LOAD_BYTES_A_UNIT = 1 };

struct load_item {
	struct str address, stored; /* in the page's text */
};

/* One answer of HSCAN. */
struct load_page {
	struct load_item *items; /* owner; sorted */
	char *text;		 /* owner */
	uint32_t count, next;
};

struct load {
	struct op op; /* first */
	struct event_base *base;
	struct redis *redis;
	char key[DIRECTORY_DOMAIN_MAX + 16];
	load_on_done *cb;
	void *arg;
	uint64_t version;
	struct buf pages; /* struct load_page *; when all are here: a heap, the least next address first */
	struct content content;
	struct chunk_draft draft;
	char last[DIRECTORY_ADDRESS_MAX]; /* the last address merged */
};

static void
load_page_free(struct load_page *page)
{
	mem_free(page->items);
	mem_free(page->text);
	mem_free(page);
}

static struct load_page **
load_pages(struct load *l, size_t *count_out)
{
	*count_out = l->pages.len / sizeof(struct load_page *);
	return (struct load_page **)(void *)l->pages.data;
}

static void
load_on_end(struct op *op)
{
	struct load *l = OP_OWNER(op, struct load, op);
	size_t count;
	struct load_page **pages = load_pages(l, &count);

	for (size_t i = 0; i < count; i++)
		load_page_free(pages[i]);
	buf_fini(&l->pages);
	content_fini(&l->content);
	chunk_draft_fini(&l->draft);
	mem_free(l);
}

static void
book_load_end(struct load *l, const struct err *err)
{
	struct content content = l->content;

	if (err == NULL)
		l->content = (struct content){.chunks = NULL};
	l->cb(l->arg, err == NULL ? &content : NULL, l->version, err);
	op_cancel(&l->op);
}

/* ---- Merging: a heap of pages ---- */
static struct str
load_head(const struct load_page *page)
{
	return page->items[page->next].address;
}

static void
load_sift(struct load_page **heap, size_t count, size_t i)
{
	for (;;) {
		size_t least = i, left = 2 * i + 1;

		for (size_t child = left; child < count && child <= left + 1; child++)
			if (str_cmp(load_head(heap[child]), load_head(heap[least])) < 0)
				least = child;
		if (least == i)
			return;
		struct load_page *page = heap[i];
		heap[i] = heap[least];
		heap[least] = page;
		i = least;
	}
}

/* HSCAN may have told of an entry twice; either may be the newer one, and then it is
 * in the log. */
static void
book_load_take(struct load *l, const struct load_item *item)
{
	if (str_eq(item->address, str_c(l->last)))
		return;
	str_copy(item->address, l->last, sizeof(l->last));
	if (!chunk_draft_add(&l->draft, item->address, item->stored))
		log_warning(NULL, "an entry of an address book is damaged", F_STR("address", item->address));
	if (chunk_is_full(&l->draft))
		content_append(&l->content, &l->draft);
}

static void
load_merge(struct op *op)
{
	struct load *l = OP_OWNER(op, struct load, op);
	size_t count;
	struct load_page **heap = load_pages(l, &count);
	bool is_over = false;

	while (count > 0 && !is_over) {
		struct load_page *page = heap[0];
		const struct load_item *item = &page->items[page->next++];

		book_load_take(l, item);
		is_over = slice_spend(&op->slice, (uint32_t)(LOAD_ENTRY_COST + item->stored.len / LOAD_BYTES_A_UNIT));
		if (page->next == page->count) {
			load_page_free(page);
			heap[0] = heap[--count];
			l->pages.len = count * sizeof(*heap);
		}
		load_sift(heap, count, 0);
	}
	if (count > 0) {
		op_later(op, l->base, load_merge);
		return;
	}
	content_append(&l->content, &l->draft);
	book_load_end(l, NULL);
}

/* ---- Reading ---- */
static int
load_compare(const void *a, const void *b)
{
	return str_cmp(((const struct load_item *)a)->address, ((const struct load_item *)b)->address);
}

static struct str
load_copy(char **to, const redisReply *reply)
{
	struct str text = redis_str(reply), copy = str_of(*to, text.len);

	if (text.len != 0)
		memcpy(*to, text.p, text.len);
	*to += text.len;
	return copy;
}

/* list: address, entry, address, entry, ... */
static void
load_add_page(struct load *l, const redisReply *list)
{
	struct load_page *page = mem_new(struct load_page);
	size_t bytes = 0;
	char *to;

	for (size_t i = 0; i < list->elements; i++)
		bytes += redis_str(list->element[i]).len;
	page->count = (uint32_t)(list->elements / 2);
	page->items = mem_alloc(page->count * sizeof(*page->items));
	to = page->text = mem_alloc(bytes);
	for (uint32_t i = 0; i < page->count; i++) {
		page->items[i].address = load_copy(&to, list->element[2 * i]);
		page->items[i].stored = load_copy(&to, list->element[2 * i + 1]);
	}
	qsort(page->items, page->count, sizeof(*page->items), load_compare);
	buf_add(&l->pages, &page, sizeof(page));
}

static void load_scan(struct load *l, struct str cursor);

static void
load_on_page(void *arg, const redisReply *reply, const struct err *err)
{
	struct load *l = arg;
	size_t count;

	if (!op_back(&l->op))
		return;
	if (err != NULL) {
		book_load_end(l, err);
		return;
	}
	if (reply->element[1]->elements >= 2)
		load_add_page(l, reply->element[1]);
	if (!str_eq(redis_str(reply->element[0]), STR("0"))) {
		load_scan(l, redis_str(reply->element[0]));
		return;
	}
	struct load_page **heap = load_pages(l, &count);
	for (size_t i = count / 2; i-- > 0;)
		load_sift(heap, count, i);
	op_later(&l->op, l->base, load_merge);
}

static void
load_scan(struct load *l, struct str cursor)
{
	const struct str args[] = {cursor, STR("COUNT"), STR(LOAD_PAGE)};

	op_hold(&l->op);
	redis_call_key(l->redis, load_on_page, l, "HSCAN", str_c(l->key), 3, args);
}

static void
load_on_version(void *arg, const redisReply *reply, const struct err *err)
{
	struct load *l = arg;

	if (!op_back(&l->op))
		return;
	if (err != NULL) {
		book_load_end(l, err);
		return;
	}
	l->version = (uint64_t)redis_i64(reply, 0);
	load_scan(l, STR("0"));
}

struct load *
load_start(struct event_base *base, struct redis *r, struct str domain, load_on_done *cb, void *arg)
{
	struct load *l = mem_new(struct load);
	char version_key[DIRECTORY_DOMAIN_MAX + 16];

	op_init(&l->op, load_on_end);
	chunk_draft_init(&l->draft);
	l->base = base;
	l->redis = r;
	l->cb = cb;
	l->arg = arg;
	redis_key_print(l->key, sizeof(l->key), KEY_BOOK, domain);
	op_hold(&l->op);
	redis_call_key(r, load_on_version, l, "GET",
		       redis_key_print(version_key, sizeof(version_key), KEY_BOOK_VERSION, domain), 0, NULL);
	return l;
}

void
load_cancel(struct load **lp)
{
	struct load *l = *lp;

	*lp = NULL;
	if (l != NULL)
		op_cancel(&l->op);
}
