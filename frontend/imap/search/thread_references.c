/* REFERENCES (RFC 5256, 4).
 *
 * Nodes know their parents. Lists of children are built from that once all parents
 * are known, in date order, so nothing ever has to descend the tree. */
#include "frontend/imap/search/thread_private.h"

enum {
	WALK_MAX = 2000, /* the search for a loop stops here; no link into anything deeper is made */
	/* In units of lib/base/slice.h. */
	ID_WORK = 15,
	NODE_WORK = 3,
};

struct subject {
	struct thread_named named;
	struct imap_thread *root;
};

/* ---- Step 1 of the RFC: messages and their references ---- */

static bool
references_count_names(struct imap_threads *t, uint32_t *work)
{
	for (unsigned n = 0; n < THREAD_STEP && t->at < t->count; n++, t->at++) {
		struct str r = t->messages[t->at].references;
		t->names += 2;
		for (size_t i = 0; i < r.len; i++)
			t->names += r.p[i] == ' ';
		*work += 1 + (uint32_t)r.len / 8;
	}
	if (t->at < t->count)
		return false;
	thread_table_init(&t->ids, t->names);
	return true;
}

/* Would putting n below `below` create a loop? Returns true if that is too deep to
 * tell. */
static bool
references_closes_loop(const struct imap_thread *n, const struct imap_thread *below, uint32_t *work)
{
	unsigned steps = 0;

	if (n == below)
		return true;
	if (n->children == 0)
		return false;
	for (; below != NULL; below = below->parent, ++*work)
		if (below == n || ++steps == WALK_MAX)
			return true;
	return false;
}

static void
references_set_parent(struct imap_thread *n, struct imap_thread *parent)
{
	if (n->parent != NULL)
		n->parent->children--;
	if (parent != NULL)
		parent->children++;
	n->parent = parent;
}

static struct imap_thread *
references_get(struct imap_threads *t, struct str id)
{
	struct thread_named **slot = thread_table_find(&t->ids, id);
	struct imap_thread *n = (struct imap_thread *)(void *)*slot;

	if (n == NULL) {
		n = thread_node_new(t);
		n->named.name = id;
		*slot = &n->named;
	}
	return n;
}

static void
references_add_message(struct imap_threads *t, uint32_t at, uint32_t *work)
{
	const struct thread_message *m = &t->messages[at];
	struct str rest = m->references, reference;
	struct imap_thread *n = NULL, *above = NULL;

	/* An id that is missing, or already belongs to another message, is replaced. */
	if (m->message_id.len != 0)
		n = references_get(t, m->message_id);
	if (n == NULL || n->message != NULL)
		n = thread_node_new(t);
	n->message = m;
	t->nodes[at] = n;
	*work += ID_WORK;
	while (str_next_word(&rest, " ", &reference)) {
		struct imap_thread *r = references_get(t, reference);
		/* An existing link is kept; no new one may create a loop. */
		if (above != NULL && r->parent == NULL && !references_closes_loop(r, above, work))
			references_set_parent(r, above);
		above = r;
		*work += ID_WORK;
	}
	/* The message's own statement about its parent counts, even if it is none or one that
	 * cannot be included: links made from other messages' references were guesses. */
	references_set_parent(n, NULL);
	if (above != NULL && !references_closes_loop(n, above, work))
		references_set_parent(n, above);
}

static bool
references_add_messages(struct imap_threads *t, uint32_t *work)
{
	while (*work < SLICE_LOOK && t->at < t->count)
		references_add_message(t, t->at++, work);
	return t->at == t->count;
}

/* ---- Depth ---- */

/* The output also nests parentheses. */
static bool
references_cut_depth(struct imap_threads *t, uint32_t *work)
{
	if (t->at++ == 0)
		t->cursor = t->all;
	for (; *work < SLICE_LOOK && t->cursor != NULL; t->cursor = t->cursor->older) {
		struct imap_thread *above = t->cursor;
		unsigned i = 0;
		for (; i < IMAP_THREAD_DEPTH_MAX && above != NULL; i++)
			above = above->parent;
		if (above != NULL)
			references_set_parent(above, NULL);
		*work += NODE_WORK + i;
	}
	return t->cursor == NULL;
}

/* ---- Step 3: remove placeholders ---- */

/* Their children move to the next message above, or else to the placeholder at the
 * root. */
static bool
references_find_parents(struct imap_threads *t, uint32_t *work)
{
	for (; *work < SLICE_LOOK && t->at < t->count; t->at++) {
		struct imap_thread *n = t->nodes[t->at], *above = n->parent;
		for (; above != NULL && above->message == NULL && above->parent != NULL; ++*work)
			above = above->parent;
		n->parent = above;
		if (above != NULL && above->message == NULL)
			above->first++; /* for now: how many remain below it */
		*work += NODE_WORK;
	}
	return t->at == t->count;
}

/* A placeholder at the root is kept only for several children. */
static bool
references_drop_places(struct imap_threads *t, uint32_t *work)
{
	for (unsigned n = 0; n < THREAD_STEP && t->at < t->count; n++, t->at++) {
		const struct imap_thread *above = t->nodes[t->at]->parent;
		if (above != NULL && above->message == NULL && above->first == 1)
			t->nodes[t->at]->parent = NULL;
	}
	*work += THREAD_STEP * NODE_WORK;
	return t->at == t->count;
}

/* ---- Lists of children, and of roots ---- */

static bool
references_forget_lists(struct imap_threads *t, uint32_t *work)
{
	if (t->at++ == 0)
		t->cursor = t->all;
	for (unsigned n = 0; n < THREAD_STEP && t->cursor != NULL; n++, t->cursor = t->cursor->older) {
		t->cursor->child = t->cursor->next = NULL;
		t->cursor->first = 0;
	}
	t->roots = NULL;
	*work += THREAD_STEP;
	return t->cursor == NULL;
}

/* A placeholder's position is that of its first child. */
static bool
references_find_first(struct imap_threads *t, uint32_t *work)
{
	for (unsigned n = 0; n < THREAD_STEP && t->at < t->count; n++, t->at++) {
		struct imap_thread *node = thread_at(t, t->at);
		node->first = t->at + 1;
		for (node = node->parent; node != NULL && node->message == NULL && node->first == 0;
		     node = node->parent)
			node->first = t->at + 1;
	}
	*work += THREAD_STEP * NODE_WORK;
	return t->at == t->count;
}

/* From last to first, so that each is prepended to those after it. */
static bool
references_link(struct imap_threads *t, uint32_t *work)
{
	for (unsigned n = 0; n < THREAD_STEP && t->at < t->count; n++, t->at++) {
		uint32_t place = t->count - t->at - 1;
		struct imap_thread *node = thread_at(t, place);
		for (; node != NULL && node->first == place + 1; node = node->parent) {
			if (node->parent == NULL) {
				node->next = t->roots;
				t->roots = node;
				break;
			}
			thread_link(node->parent, node);
			if (node->parent->message != NULL)
				break;
		}
	}
	*work += THREAD_STEP * NODE_WORK;
	return t->at == t->count;
}

/* ---- Step 5: roots with the same subject ---- */

static const struct thread_message *
references_first_message(const struct imap_thread *n)
{
	while (n->message == NULL)
		n = n->child;
	return n->message;
}

static struct str
references_subject(const struct imap_thread *n)
{
	const struct folder_text *text = references_first_message(n)->subject;

	return str_of(text->bytes, text->len);
}

static bool
references_collect_subjects(struct imap_threads *t, uint32_t *work)
{
	if (t->at++ == 0) {
		thread_table_init(&t->subjects, t->count);
		t->cursor = t->roots;
	}
	for (unsigned i = 0; i < THREAD_STEP && t->cursor != NULL; i++, t->cursor = t->cursor->next) {
		struct imap_thread *n = t->cursor;
		struct str text = references_subject(n);
		struct thread_named **slot;
		struct subject *s;
		if (text.len == 0)
			continue;
		slot = thread_table_find(&t->subjects, text);
		s = (struct subject *)(void *)*slot;
		if (s == NULL) {
			s = arena_new(t->arena, struct subject);
			*s = (struct subject){{text}, n};
			*slot = &s->named;
		} else if ((n->message == NULL && s->root->message != NULL) ||
			   (references_first_message(s->root)->is_reply && !references_first_message(n)->is_reply)) {
			s->root = n;
		}
	}
	*work += THREAD_STEP * ID_WORK;
	return t->cursor == NULL;
}

/* Moves the children of one node to another. */
static void
references_give_children(struct imap_thread *from, struct imap_thread *to, uint32_t *work)
{
	while (from->child != NULL) {
		struct imap_thread *c = from->child;
		from->child = c->next;
		thread_link(to, c);
		++*work;
	}
}

/* Merges n with the root of its subject. */
static void
references_merge_into(struct imap_threads *t, struct imap_thread *root, struct imap_thread *n, uint32_t *work)
{
	if (root->message == NULL && n->message == NULL) {
		references_give_children(n, root, work);
	} else if (root->message == NULL ||
		   (references_first_message(n)->is_reply && !references_first_message(root)->is_reply)) {
		thread_link(root, n);
	} else { /* neither takes precedence: put both below a placeholder */
		struct imap_thread *copy = thread_node_new(t);
		copy->message = root->message;
		t->nodes[copy->message - t->messages] = copy;
		references_give_children(root, copy, work);
		root->message = NULL;
		thread_link(root, copy);
		thread_link(root, n);
	}
}

static bool
references_merge_subjects(struct imap_threads *t, uint32_t *work)
{
	if (t->at++ == 0)
		t->cursor = t->roots;
	while (*work < SLICE_LOOK && t->cursor != NULL) {
		struct imap_thread *n = t->cursor;
		struct str text = references_subject(n);
		const struct subject *s = NULL;
		t->cursor = n->next;
		if (text.len != 0)
			s = (const struct subject *)(const void *)*thread_table_find(&t->subjects, text);
		if (s != NULL && s->root != n)
			references_merge_into(t, s->root, n, work);
		*work += ID_WORK;
	}
	return t->cursor == NULL;
}

thread_step *const thread_references_steps[] = {
	references_count_names,	     references_add_messages,	references_cut_depth,
	thread_order_by_date,	     references_find_parents,	references_drop_places,
	references_forget_lists,     references_find_first,	references_link,
	references_collect_subjects, references_merge_subjects, references_forget_lists,
	references_find_first,	     references_link,		NULL,
};
