/* Server-side sorting (RFC 2891). A search keeps no more entries than it will send, so a
 * sorted page of a large book takes the memory of a page: a heap whose top is the last
 * of those kept, which a better one displaces.
 *
 * An entry's key is a text whose bytes are in the order wanted: for each sort key a byte
 * (1: it has a value; 2: none, which comes last), the normal form and a NUL, all
 * inverted if the order is reversed; then kind and address, so that no two are equal and
 * a page can begin behind one. */
#include <stdlib.h>

#include "frontend/ldap/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { SORT_VALUE_MAX = 200, HAS_VALUE = 1, HAS_NONE = 2 };

struct sorted {
	char *key; /* owner */
	size_t len, address_at;
};

struct ldap_sorter {
	const struct ldap_controls *controls; /* borrowed */
	unsigned most, count, at;
	struct str after;     /* borrowed */
	struct sorted *items; /* owner; a heap until finished */
	unsigned capacity;
	struct buf key;
};

struct ldap_sorter *
ldap_sorter_new(const struct ldap_controls *controls, unsigned most, struct str after)
{
	struct ldap_sorter *sorter = mem_new(struct ldap_sorter);

	sorter->controls = controls;
	sorter->most = most;
	sorter->after = after;
	return sorter;
}

void
ldap_sorter_free(struct ldap_sorter **sp)
{
	struct ldap_sorter *sorter = *sp;

	if (sorter == NULL)
		return;
	*sp = NULL;
	for (unsigned i = 0; i < sorter->count; i++)
		mem_free(sorter->items[i].key);
	mem_free(sorter->items);
	buf_fini(&sorter->key);
	mem_free(sorter);
}

/* The least of an attribute's values (RFC 2891, section 2.2). */
static void
sort_add_value(struct buf *key, const struct ldap_sort_key *k, const struct ldap_entry *e, struct arena *scratch)
{
	struct ldap_values values = ldap_entry_values(e, k->attribute, scratch);
	struct str least = STR_NONE, value;
	size_t begin = key->len;

	for (unsigned i = 0; i < values.count; i++)
		if (ldap_normalize(k->form, LDAP_WHOLE, values.items[i], scratch, &value) &&
		    (least.p == NULL || str_cmp(value, least) < 0))
			least = value;
	buf_add_byte(key, least.p != NULL ? HAS_VALUE : HAS_NONE);
	buf_add_str(key, str_first(least, SORT_VALUE_MAX));
	buf_add_byte(key, '\0');
	for (size_t i = begin; k->reverse && i < key->len; i++)
		key->data[i] = (char)~key->data[i];
}

static int
sort_compare(const void *a, const void *b)
{
	const struct sorted *x = a, *y = b;

	return str_cmp(str_of(x->key, x->len), str_of(y->key, y->len));
}

static void
sort_swap(struct sorted *a, struct sorted *b)
{
	struct sorted other = *a;

	*a = *b;
	*b = other;
}

static void
sort_up(struct sorted *heap, unsigned i)
{
	for (; i != 0 && sort_compare(&heap[i], &heap[(i - 1) / 2]) > 0; i = (i - 1) / 2)
		sort_swap(&heap[i], &heap[(i - 1) / 2]);
}

static void
sort_down(struct sorted *heap, unsigned count)
{
	for (unsigned i = 0, child; (child = 2 * i + 1) < count; i = child) {
		if (child + 1 < count && sort_compare(&heap[child + 1], &heap[child]) > 0)
			child++;
		if (sort_compare(&heap[i], &heap[child]) >= 0)
			return;
		sort_swap(&heap[i], &heap[child]);
	}
}

static void
sort_grow(struct ldap_sorter *sorter)
{
	if (sorter->count < sorter->capacity)
		return;
	sorter->capacity = sorter->capacity != 0 ? sorter->capacity * 2 : 16;
	sorter->items = mem_realloc(sorter->items, sizeof(*sorter->items) * sorter->capacity);
}

void
ldap_sorter_add(struct ldap_sorter *sorter, const struct ldap_entry *e, struct arena *scratch)
{
	struct buf *key = &sorter->key;
	struct sorted item;

	buf_clear(key);
	for (unsigned i = 0; i < sorter->controls->key_count; i++)
		sort_add_value(key, &sorter->controls->keys[i], e, scratch);
	buf_add_byte(key, (char)e->kind);
	item = (struct sorted){.address_at = key->len};
	if (e->person != NULL)
		buf_add_str(key, e->person->address);
	item.len = key->len;
	/* Sent on an earlier page, or behind all that will be sent? */
	if ((sorter->after.len != 0 && str_cmp(buf_str(key), sorter->after) <= 0) || sorter->most == 0)
		return;
	if (sorter->count == sorter->most &&
	    str_cmp(buf_str(key), str_of(sorter->items[0].key, sorter->items[0].len)) > 0)
		return;
	item.key = mem_strndup(key->data, key->len);
	if (sorter->count == sorter->most) {
		mem_free(sorter->items[0].key);
		sorter->items[0] = item;
		sort_down(sorter->items, sorter->count);
		return;
	}
	sort_grow(sorter);
	sorter->items[sorter->count] = item;
	sort_up(sorter->items, sorter->count++);
}

void
ldap_sorter_finish(struct ldap_sorter *sorter)
{
	if (sorter->count != 0)
		qsort(sorter->items, sorter->count, sizeof(*sorter->items), sort_compare);
	sorter->at = 0;
}

bool
ldap_sorter_next(struct ldap_sorter *sorter, enum ldap_kind *kind_out, struct str *address_out, struct str *key_out)
{
	const struct sorted *item;

	if (sorter->at == sorter->count)
		return false;
	item = &sorter->items[sorter->at++];
	*kind_out = (enum ldap_kind)item->key[item->address_at - 1];
	*address_out = str_of(item->key + item->address_at, item->len - item->address_at);
	*key_out = str_of(item->key, item->len);
	return true;
}
