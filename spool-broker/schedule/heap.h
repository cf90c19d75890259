/* A heap by time of nodes that are embedded in other structs. */
#ifndef SP_BROKER_HEAP_H
#define SP_BROKER_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct heap_node {
	int64_t time_ms;
	uint32_t place; /* place in the heap, from 1; 0: in none */
};

struct heap {
	struct heap_node **nodes; /* owner of the list; nodes[0] is not used */
	uint32_t count, capacity;
};

/* The struct around a node. */
#define heap_owner(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

void heap_fini(struct heap *h); /* must be empty, or its nodes must go with it */
/* Puts the node in, or moves it to another time. */
void heap_set(struct heap *h, struct heap_node *node, int64_t time_ms);
void heap_remove(struct heap *h, struct heap_node *node); /* harmless when it is in none */
struct heap_node *heap_first(const struct heap *h);	  /* NULL: empty */

static inline bool
heap_has(const struct heap_node *node)
{
	return node->place != 0;
}

#endif
