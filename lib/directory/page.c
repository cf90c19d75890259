/* Pages of the sorted lists of names.
 *
 * The sets in the store are not sorted, and may have 100,000 members. They are walked
 * through some hundreds at a time, and only the best names so far are kept: those of the
 * page, and one more that tells whether there is another page. */
#include <ctype.h>

#include "lib/directory/private.h"

struct order_page {
	enum directory_list list;
	struct str after, query; /* in the arena; query in lower case, as the names are */
	size_t most;		 /* that are kept */
	struct str *names;	 /* sorted; the array and the text are in the arena */
	size_t count;
};

static bool
page_wants(const struct order_page *page, struct str name)
{
	if (page->after.len != 0 && str_cmp(name, page->after) <= 0)
		return false;
	if (page->count == page->most && str_cmp(name, page->names[page->count - 1]) >= 0)
		return false;
	return page->query.len == 0 || memmem(name.p, name.len, page->query.p, page->query.len) != NULL;
}

/* A walk may tell a name twice. */
static void
page_take(struct order *o, struct str name)
{
	struct order_page *page = o->page;
	size_t low = 0, high = page->count;

	if (!page_wants(page, name))
		return;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (str_cmp(page->names[middle], name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low < page->count && str_eq(page->names[low], name))
		return;
	if (page->count < page->most)
		page->count++;
	memmove(&page->names[low + 1], &page->names[low], (page->count - low - 1) * sizeof(*page->names));
	page->names[low] = arena_str(&o->arena, name);
}

static void
page_deliver(struct order *o, const struct err *err)
{
	const struct order_page *page = o->page;
	bool is_last = page->count < page->most;
	size_t count = err != NULL ? 0 : is_last ? page->count : page->count - 1;

	((directory_on_page *)o->cb)(o->arg, page->names, (unsigned)count, is_last, err);
}

static void
page_walk_members(struct order *o)
{
	enum redis_key set = o->page->list == DIRECTORY_USERS ? KEY_DOMAIN_USERS : KEY_DOMAIN_ALIASES;

	order_walk(o, redis_key(&o->arena, set, str_c(o->domain)), page_take, order_end);
}

void
directory_page(struct directory *d, enum directory_list list, struct str domain, const struct directory_page *want,
	       directory_on_page *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	struct order_page *page = arena_new(&o->arena, struct order_page);
	char *query = arena_dup(&o->arena, want->query.p != NULL ? want->query.p : "", want->query.len);

	CHECK(want->limit >= 1 && want->limit <= DIRECTORY_PAGE_MAX);
	for (char *c = query; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	page->list = list;
	page->after = arena_str(&o->arena, want->after);
	page->query = str_of(query, want->query.len);
	page->most = want->limit + 1;
	page->names = arena_array(&o->arena, struct str, page->most);
	o->page = page;
	o->deliver = page_deliver;
	if (list == DIRECTORY_DOMAINS)
		order_walk(o, str_c(redis_key_pattern(KEY_DOMAINS)), page_take, order_end);
	else if (order_take_domain(o, domain))
		order_find_domain(o, page_walk_members);
}
