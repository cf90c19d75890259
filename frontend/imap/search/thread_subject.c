/* ORDEREDSUBJECT (RFC 5256, 3): the messages with one subject are the first of them
 * and its children. */
#include "frontend/imap/search/thread_private.h"

enum { NODE_WORK = 5 };

static bool
subject_make_nodes(struct imap_threads *t, uint32_t *work)
{
	for (unsigned n = 0; n < THREAD_STEP && t->at < t->count; n++, t->at++) {
		t->nodes[t->at] = thread_node_new(t);
		t->nodes[t->at]->message = &t->messages[t->at];
	}
	*work += THREAD_STEP * NODE_WORK;
	return t->at == t->count;
}

/* In date order: a node belongs to the first one with its subject. */
static bool
subject_find_parents(struct imap_threads *t, uint32_t *work)
{
	if (t->at == 0)
		thread_table_init(&t->subjects, t->count);
	for (unsigned n = 0; n < THREAD_STEP && t->at < t->count; n++, t->at++) {
		struct imap_thread *node = thread_at(t, t->at);
		const struct folder_text *text = node->message->subject;
		struct thread_named **slot = thread_table_find(&t->subjects, str_of(text->bytes, text->len));
		if (*slot == NULL) {
			node->named.name = str_of(text->bytes, text->len);
			*slot = &node->named;
		} else {
			node->parent = (struct imap_thread *)(void *)*slot;
		}
	}
	*work += THREAD_STEP * NODE_WORK * 3;
	return t->at == t->count;
}

static bool
subject_link(struct imap_threads *t, uint32_t *work)
{
	for (unsigned n = 0; n < THREAD_STEP && t->at < t->count; n++, t->at++) {
		struct imap_thread *node = thread_at(t, t->count - t->at - 1);
		if (node->parent != NULL) {
			thread_link(node->parent, node);
			continue;
		}
		node->next = t->roots;
		t->roots = node;
	}
	*work += THREAD_STEP * NODE_WORK;
	return t->at == t->count;
}

thread_step *const thread_subject_steps[] = {
	subject_make_nodes, thread_order_by_date, subject_find_parents, subject_link, NULL,
};
