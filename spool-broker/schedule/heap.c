/* A heap by time. */
#include "spool-broker/schedule/heap.h"

#include "lib/base/check.h"
#include "lib/base/mem.h"

void
heap_fini(struct heap *h)
{
	mem_free(h->nodes);
	*h = (struct heap){NULL, 0, 0};
}

static void
heap_put(struct heap *h, uint32_t place, struct heap_node *node)
{
	h->nodes[place] = node;
	node->place = place;
}

static void
heap_sift_up(struct heap *h, struct heap_node *node)
{
	uint32_t place = node->place;

	for (; place > 1 && h->nodes[place / 2]->time_ms > node->time_ms; place /= 2)
		heap_put(h, place, h->nodes[place / 2]);
	heap_put(h, place, node);
}

static void
heap_sift_down(struct heap *h, struct heap_node *node)
{
	uint32_t place = node->place;

	for (uint32_t child; (child = place * 2) <= h->count; place = child) {
		if (child < h->count && h->nodes[child + 1]->time_ms < h->nodes[child]->time_ms)
			child++;
		if (h->nodes[child]->time_ms >= node->time_ms)
			break;
		heap_put(h, place, h->nodes[child]);
	}
	heap_put(h, place, node);
}

void
heap_set(struct heap *h, struct heap_node *node, int64_t time_ms)
{
	bool later = node->place != 0 && time_ms > node->time_ms;

	node->time_ms = time_ms;
	if (node->place == 0) {
		if (h->count + 1 >= h->capacity) {
			h->capacity = h->capacity == 0 ? 64 : h->capacity * 2;
			h->nodes = mem_realloc(h->nodes, h->capacity * sizeof(struct heap_node *));
		}
		heap_put(h, ++h->count, node);
	}
	CHECKF(node->place <= h->count && h->nodes[node->place] == node, "place %u of %u", node->place, h->count);
	if (later)
		heap_sift_down(h, node);
	else
		heap_sift_up(h, node);
}

void
heap_remove(struct heap *h, struct heap_node *node)
{
	struct heap_node *last;

	if (node->place == 0)
		return;
	CHECKF(node->place <= h->count && h->nodes[node->place] == node, "place %u of %u", node->place, h->count);
	last = h->nodes[h->count--];
	if (last != node) {
		heap_put(h, node->place, last);
		heap_sift_up(h, last);
		heap_sift_down(h, last);
	}
	node->place = 0;
}

struct heap_node *
heap_first(const struct heap *h)
{
	return h->count != 0 ? h->nodes[1] : NULL;
}
