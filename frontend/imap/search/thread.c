/* Threads: ORDEREDSUBJECT and REFERENCES. */
#include "frontend/imap/search/thread.h"

#include <stdlib.h>

#include <uthash.h>

#include "lib/base/mem.h"

/* So far a loop is looked for; a link into anything deeper is not made. */
enum { WALK_MAX = 2000 };

/* Where a message's id leads. */
struct entry {
	struct imap_thread thread;
	struct str id;
	UT_hash_handle hh;
};

/* ---- The tree ---- */
/* Would it close a loop to put n below `below`? When that lies too deep to
 * tell: true. */
static bool
thread_closes_loop(const struct imap_thread *n, const struct imap_thread *below)
{
	unsigned steps = 0;

	if (n == below)
		return true;
	if (n->child == NULL)
		return false;
	for (; below != NULL; below = below->parent)
		if (below == n || ++steps == WALK_MAX)
			return true;
	return false;
}

static void
thread_unlink(struct imap_thread *n)
{
	if (n->parent == NULL)
		return;
	if (n->prev != NULL)
		n->prev->next = n->next;
	else
		n->parent->child = n->next;
	if (n->next != NULL)
		n->next->prev = n->prev;
	n->parent = n->prev = n->next = NULL;
}

static void
thread_link(struct imap_thread *parent, struct imap_thread *n)
{
	n->parent = parent;
	n->prev = NULL;
	n->next = parent->child;
	if (n->next != NULL)
		n->next->prev = n;
	parent->child = n;
}

static struct imap_thread *
thread_get(struct entry **table, struct str id, struct arena *arena)
{
	struct entry *e;

	HASH_FIND(hh, *table, id.p, id.len, e);
	if (e != NULL)
		return &e->thread;
	e = arena_new(arena, struct entry);
	e->id = id;
	HASH_ADD_KEYPTR(hh, *table, e->id.p, e->id.len, e);
	return &e->thread;
}

/* Step 1 of section 4, REFERENCES: one message into the tables. */
static void
thread_add_message(struct entry **table, const struct thread_message *m, struct arena *arena)
{
	struct str id = m->message_id, rest = m->references, reference;
	struct imap_thread *n = NULL, *above = NULL;

	/* An id that is missing, or another message's already, is replaced. */
	if (id.len != 0)
		n = thread_get(table, id, arena);
	if (n == NULL || n->message != NULL)
		n = thread_get(table, str_c(arena_printf(arena, "\001%u", m->seq)), arena);
	n->message = m;
	while (str_next_word(&rest, " ", &reference)) {
		struct imap_thread *r = thread_get(table, reference, arena);
		/* A link that is there stays; none may make a loop. */
		if (above != NULL && r->parent == NULL && !thread_closes_loop(r, above))
			thread_link(above, r);
		above = r;
	}
	/* Its own word on its parent counts, none or one that cannot be included:
	 * what another message's references made of it was a guess. */
	thread_unlink(n);
	if (above != NULL && !thread_closes_loop(n, above))
		thread_link(above, n);
}

/* What follows goes down the tree by recursion: nothing may lie deeper. */
static void
thread_cut_depth(struct entry *table)
{
	struct entry *e, *next;

	HASH_ITER (hh, table, e, next) {
		struct imap_thread *above = &e->thread;
		for (unsigned i = 0; i < IMAP_THREAD_DEPTH_MAX && above != NULL; i++)
			above = above->parent;
		if (above != NULL)
			thread_unlink(above);
	}
}

/* Step 3: dummies without children go; those with some give them to their
 * parents, but at the root only a single one. */
static struct imap_thread *
thread_prune(struct imap_thread *list, bool at_root)
{
	struct imap_thread *kept = NULL, *next;

	for (struct imap_thread *n = list; n != NULL; n = next) {
		next = n->next;
		n->child = thread_prune(n->child, false);
		if (n->message != NULL || (at_root && n->child != NULL && n->child->next != NULL)) {
			n->next = kept;
			kept = n;
			continue;
		}
		while (n->child != NULL) {
			struct imap_thread *c = n->child;
			n->child = c->next;
			c->next = kept;
			c->parent = n->parent;
			kept = c;
		}
	}
	return kept;
}

/* ---- Order ---- */
static int
thread_compare_nodes(const void *left, const void *right)
{
	const struct imap_thread *a = *(struct imap_thread *const *)left, *b = *(struct imap_thread *const *)right;

	if (a->date != b->date)
		return a->date < b->date ? -1 : 1;
	return a->seq < b->seq ? -1 : a->seq > b->seq;
}

static struct imap_thread *
thread_sort_list(struct imap_thread *list)
{
	size_t count = 0;
	struct imap_thread **all, *first;

	for (struct imap_thread *n = list; n != NULL; n = n->next)
		count++;
	if (count == 0)
		return NULL;
	all = mem_alloc(sizeof(struct imap_thread *) * count);
	count = 0;
	for (struct imap_thread *n = list; n != NULL; n = n->next) {
		n->child = thread_sort_list(n->child);
		n->date = n->message != NULL ? n->message->date : n->child->date;
		n->seq = n->message != NULL ? n->message->seq : n->child->seq;
		all[count++] = n;
	}
	qsort(all, count, sizeof(struct imap_thread *), thread_compare_nodes);
	for (size_t i = 0; i < count; i++)
		all[i]->next = i + 1 < count ? all[i + 1] : NULL;
	first = all[0];
	mem_free(all);
	return first;
}

/* ---- Step 5: roots with the same subject ---- */
struct subject {
	struct str text;
	struct imap_thread *root;
	UT_hash_handle hh;
};

static const struct thread_message *
thread_first_message(const struct imap_thread *n)
{
	while (n->message == NULL)
		n = n->child;
	return n->message;
}

static void
thread_collect_subjects(struct subject **table, struct imap_thread *roots, struct arena *arena)
{
	for (struct imap_thread *n = roots; n != NULL; n = n->next) {
		const struct thread_message *m = thread_first_message(n);
		struct str text = m->subject;
		struct subject *s;
		if (text.len == 0)
			continue;
		HASH_FIND(hh, *table, text.p, text.len, s);
		if (s == NULL) {
			s = arena_new(arena, struct subject);
			s->text = text;
			s->root = n;
			HASH_ADD_KEYPTR(hh, *table, s->text.p, s->text.len, s);
		} else if ((n->message == NULL && s->root->message != NULL) ||
			   (thread_first_message(s->root)->is_reply && !m->is_reply)) {
			s->root = n;
		}
	}
}

/* n goes to the root of its subject. */
static void
thread_merge_into(struct imap_thread *root, struct imap_thread *n, struct arena *arena)
{
	if (root->message == NULL && n->message == NULL) {
		while (n->child != NULL) {
			struct imap_thread *c = n->child;
			n->child = c->next;
			thread_link(root, c);
		}
	} else if (root->message == NULL ||
		   (thread_first_message(n)->is_reply && !thread_first_message(root)->is_reply)) {
		thread_link(root, n);
	} else { /* two of the same: both below a dummy */
		struct imap_thread *copy = arena_new(arena, struct imap_thread);
		copy->message = root->message;
		copy->child = root->child;
		for (struct imap_thread *c = copy->child; c != NULL; c = c->next)
			c->parent = copy;
		root->message = NULL;
		root->child = NULL;
		thread_link(root, copy);
		thread_link(root, n);
	}
}

static struct imap_thread *
thread_merge_subjects(struct imap_thread *roots, struct arena *arena)
{
	struct subject *table = NULL, *s;
	struct imap_thread *kept = NULL, *next;

	thread_collect_subjects(&table, roots, arena);
	for (struct imap_thread *n = roots; n != NULL; n = next) {
		struct str text = thread_first_message(n)->subject;
		next = n->next;
		s = NULL;
		if (text.len != 0)
			HASH_FIND(hh, table, text.p, text.len, s);
		if (s == NULL || s->root == n) {
			n->next = kept;
			kept = n;
		} else {
			thread_merge_into(s->root, n, arena);
		}
	}
	HASH_CLEAR(hh, table);
	return kept;
}

/* ---- The algorithms ---- */
struct imap_thread *
imap_thread_by_references(struct thread_message *messages, uint32_t count, struct arena *arena)
{
	struct entry *table = NULL, *e, *next;
	struct imap_thread *roots = NULL;

	for (uint32_t i = 0; i < count; i++)
		thread_add_message(&table, &messages[i], arena);
	thread_cut_depth(table);
	HASH_ITER (hh, table, e, next)
		if (e->thread.parent == NULL) {
			e->thread.next = roots;
			roots = &e->thread;
		}
	HASH_CLEAR(hh, table);
	roots = thread_sort_list(thread_prune(roots, true));
	return thread_sort_list(thread_merge_subjects(roots, arena));
}

static int
thread_compare_subjects(const void *left, const void *right)
{
	const struct thread_message *a = left, *b = right;
	int order = str_cmp(a->subject, b->subject);

	if (order == 0 && a->date != b->date)
		order = a->date < b->date ? -1 : 1;
	return order != 0 ? order : a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* Messages of one subject: the first, and the others as its children. */
struct imap_thread *
imap_thread_by_subject(struct thread_message *messages, uint32_t count, struct arena *arena)
{
	struct imap_thread *roots = NULL, *root = NULL;

	qsort(messages, count, sizeof(*messages), thread_compare_subjects);
	for (uint32_t i = 0; i < count; i++) {
		struct imap_thread *n = arena_new(arena, struct imap_thread);
		n->message = &messages[i];
		if (root != NULL && str_eq(root->message->subject, n->message->subject)) {
			thread_link(root, n);
			continue;
		}
		n->next = roots;
		roots = root = n;
	}
	return thread_sort_list(roots);
}

/* ---- The answer ---- */

/* Children follow their parent; several branch. */
static void
thread_print(const struct imap_thread *n, bool by_uid, struct buf *out)
{
	for (;;) {
		if (n->message != NULL)
			buf_add_decimal(out, by_uid ? n->message->uid : n->message->seq);
		if (n->child == NULL)
			return;
		if (n->message != NULL)
			buf_add_byte(out, ' ');
		if (n->child->next != NULL)
			break;
		n = n->child;
	}
	for (n = n->child; n != NULL; n = n->next) {
		buf_add_byte(out, '(');
		thread_print(n, by_uid, out);
		buf_add_byte(out, ')');
	}
}

void
imap_thread_print(const struct imap_thread *roots, bool by_uid, struct buf *out)
{
	for (; roots != NULL; roots = roots->next) {
		buf_add_byte(out, '(');
		thread_print(roots, by_uid, out);
		buf_add_byte(out, ')');
	}
}
