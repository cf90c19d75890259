/* THREAD and UID THREAD: ORDEREDSUBJECT and REFERENCES (RFC 5256, 3 and 4). */
#include <stdlib.h>

#include <uthash.h>

#include "frontend/imap/sort.h"
#include "lib/base/mem.h"

enum { THREAD_DEPTH_MAX = 500 };

/* A message, or the place of one that is only referred to. */
struct node {
	const struct sort_message *message; /* NULL: not among what was found */
	struct str id;
	struct node *parent, *child, *next;
	int64_t date; /* its own; of a dummy: of its first child */
	UT_hash_handle hh;
};

/* ---- The tree ---- */
static bool
is_above(const struct node *above, const struct node *n)
{
	for (; n != NULL; n = n->parent)
		if (n == above)
			return true;
	return false;
}

static void
unlink_node(struct node *n)
{
	struct node **link;

	if (n->parent == NULL)
		return;
	for (link = &n->parent->child; *link != n; link = &(*link)->next)
		;
	*link = n->next;
	n->parent = NULL;
	n->next = NULL;
}

static void
link_node(struct node *parent, struct node *n)
{
	n->parent = parent;
	n->next = parent->child;
	parent->child = n;
}

static struct node *
get_node(struct node **table, struct str id, struct arena *arena)
{
	struct node *n;

	HASH_FIND(hh, *table, id.p, id.len, n);
	if (n != NULL)
		return n;
	n = arena_new(arena, struct node);
	n->id = id;
	HASH_ADD_KEYPTR(hh, *table, n->id.p, n->id.len, n);
	return n;
}

/* Step 1 of section 4, REFERENCES: one message into the tables. */
static void
add_message(struct node **table, const struct sort_message *m, struct arena *arena)
{
	struct str id = m->message_id, rest = m->references, reference;
	struct node *n = NULL, *above = NULL;

	/* An id that is missing, or another message's already, is replaced. */
	if (id.len != 0)
		n = get_node(table, id, arena);
	if (n == NULL || n->message != NULL)
		n = get_node(table, str_c(arena_printf(arena, "\001%u", m->seq)), arena);
	n->message = m;
	while (str_next_word(&rest, " ", &reference)) {
		struct node *r = get_node(table, reference, arena);
		/* A link that is there stays; none may make a loop. */
		if (above != NULL && r->parent == NULL && !is_above(r, above))
			link_node(above, r);
		above = r;
	}
	if (above == NULL || is_above(n, above))
		return;
	unlink_node(n);
	link_node(above, n);
}

/* What follows goes down the tree by recursion: nothing may lie deeper. */
static void
cut_depth(struct node *table)
{
	struct node *n, *next;

	HASH_ITER (hh, table, n, next) {
		struct node *above = n;
		for (unsigned i = 0; i < THREAD_DEPTH_MAX && above != NULL; i++)
			above = above->parent;
		if (above != NULL)
			unlink_node(above);
	}
}

/* Step 3: dummies without children go; those with some give them to their
 * parents, but at the root only a single one. */
static struct node *
prune(struct node *list, bool at_root)
{
	struct node *kept = NULL, *next;

	for (struct node *n = list; n != NULL; n = next) {
		next = n->next;
		n->child = prune(n->child, false);
		if (n->message != NULL || (at_root && n->child != NULL && n->child->next != NULL)) {
			n->next = kept;
			kept = n;
			continue;
		}
		while (n->child != NULL) {
			struct node *c = n->child;
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
compare_nodes(const void *left, const void *right)
{
	const struct node *a = *(struct node *const *)left, *b = *(struct node *const *)right;
	uint32_t a_seq = a->message != NULL ? a->message->seq : 0, b_seq = b->message != NULL ? b->message->seq : 0;

	if (a->date != b->date)
		return a->date < b->date ? -1 : 1;
	return a_seq < b_seq ? -1 : a_seq > b_seq;
}

static struct node *
sort_list(struct node *list)
{
	size_t count = 0;
	struct node **all, *first;

	for (struct node *n = list; n != NULL; n = n->next)
		count++;
	if (count == 0)
		return NULL;
	all = mem_alloc(sizeof(struct node *) * count);
	count = 0;
	for (struct node *n = list; n != NULL; n = n->next) {
		n->child = sort_list(n->child);
		n->date = n->message != NULL ? n->message->date : n->child->date;
		all[count++] = n;
	}
	qsort(all, count, sizeof(struct node *), compare_nodes);
	for (size_t i = 0; i < count; i++)
		all[i]->next = i + 1 < count ? all[i + 1] : NULL;
	first = all[0];
	mem_free(all);
	return first;
}

/* ---- Step 5: roots with the same subject ---- */
struct subject {
	struct str text;
	struct node *root;
	UT_hash_handle hh;
};

static const struct sort_message *
first_message(const struct node *n)
{
	return n->message != NULL ? n->message : n->child->message;
}

static void
collect_subjects(struct subject **table, struct node *roots, struct arena *arena)
{
	for (struct node *n = roots; n != NULL; n = n->next) {
		const struct sort_message *m = first_message(n);
		struct str text = m->texts[SORT_SUBJECT];
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
			   (first_message(s->root)->is_reply && !m->is_reply)) {
			s->root = n;
		}
	}
}

/* n goes to the root of its subject. */
static void
merge_into(struct node *root, struct node *n, struct arena *arena)
{
	if (root->message == NULL && n->message == NULL) {
		while (n->child != NULL) {
			struct node *c = n->child;
			n->child = c->next;
			link_node(root, c);
		}
	} else if (root->message == NULL || (first_message(n)->is_reply && !first_message(root)->is_reply)) {
		link_node(root, n);
	} else { /* two of the same: both below a dummy */
		struct node *copy = arena_new(arena, struct node);
		copy->message = root->message;
		copy->child = root->child;
		for (struct node *c = copy->child; c != NULL; c = c->next)
			c->parent = copy;
		root->message = NULL;
		root->child = NULL;
		link_node(root, copy);
		link_node(root, n);
	}
}

static struct node *
merge_subjects(struct node *roots, struct arena *arena)
{
	struct subject *table = NULL, *s;
	struct node *kept = NULL, *next;

	collect_subjects(&table, roots, arena);
	for (struct node *n = roots; n != NULL; n = next) {
		struct str text = first_message(n)->texts[SORT_SUBJECT];
		next = n->next;
		s = NULL;
		if (text.len != 0)
			HASH_FIND(hh, table, text.p, text.len, s);
		if (s == NULL || s->root == n) {
			n->next = kept;
			kept = n;
		} else {
			merge_into(s->root, n, arena);
		}
	}
	HASH_CLEAR(hh, table);
	return kept;
}

/* ---- The answer ---- */
static void
print_number(const struct sort_run *r, const struct node *n, struct buf *out)
{
	imap_print_u64(r->search.session->by_uid ? n->message->uid : n->message->seq, out);
}

/* "3 6 (4 23)(44 7 96)": children follow their parent; several branch. */
static void
print_thread(const struct sort_run *r, const struct node *n, struct buf *out)
{
	for (;;) {
		if (n->message != NULL)
			print_number(r, n, out);
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
		print_thread(r, n, out);
		buf_add_byte(out, ')');
	}
}

static void
answer(struct sort_run *r, const struct node *roots)
{
	struct imap_session *s = r->search.session;
	struct buf out = BUF_EMPTY;

	buf_add_c(&out, roots != NULL ? "* THREAD " : "* THREAD");
	for (; roots != NULL; roots = roots->next) {
		buf_add_byte(&out, '(');
		print_thread(r, roots, &out);
		buf_add_byte(&out, ')');
	}
	buf_add_c(&out, "\r\n");
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}

void
imap_thread_by_references(struct sort_run *r)
{
	struct arena *arena = &r->search.session->command;
	struct node *table = NULL, *roots = NULL, *n, *next;

	for (uint32_t i = 0; i < r->count; i++)
		add_message(&table, &r->messages[i], arena);
	cut_depth(table);
	HASH_ITER (hh, table, n, next)
		if (n->parent == NULL) {
			n->next = roots;
			roots = n;
		}
	HASH_CLEAR(hh, table);
	roots = sort_list(prune(roots, true));
	answer(r, sort_list(merge_subjects(roots, arena)));
}

static int
compare_subjects(const void *left, const void *right)
{
	const struct sort_message *a = left, *b = right;
	int order = str_cmp(a->texts[SORT_SUBJECT], b->texts[SORT_SUBJECT]);

	if (order == 0 && a->date != b->date)
		order = a->date < b->date ? -1 : 1;
	return order != 0 ? order : a->seq < b->seq ? -1 : a->seq > b->seq;
}

/* Messages of one subject: the first, and the others as its children. */
void
imap_thread_by_subject(struct sort_run *r)
{
	struct arena *arena = &r->search.session->command;
	struct node *roots = NULL, *root = NULL;

	qsort(r->messages, r->count, sizeof(*r->messages), compare_subjects);
	for (uint32_t i = 0; i < r->count; i++) {
		struct node *n = arena_new(arena, struct node);
		n->message = &r->messages[i];
		if (root != NULL && str_eq(root->message->texts[SORT_SUBJECT], n->message->texts[SORT_SUBJECT])) {
			link_node(root, n);
			continue;
		}
		n->next = roots;
		roots = root = n;
	}
	answer(r, sort_list(roots));
}

enum cmd_status
imap_cmd_thread(struct imap_session *s, struct imap_lexer *lex)
{
	struct sort_run *r = arena_new(&s->command, struct sort_run);

	r->search.session = s;
	r->wants = 1u << SORT_SUBJECT | 1u << SORT_DATE;
	if (!imap_lex_sp(lex))
		return imap_syntax(s, lex);
	if (imap_lex_try_word(lex, "REFERENCES")) {
		r->on_loaded = imap_thread_by_references;
		r->wants_threads = true;
	} else if (imap_lex_try_word(lex, "ORDEREDSUBJECT")) {
		r->on_loaded = imap_thread_by_subject;
	} else {
		imap_lex_fail(lex, "an unknown threading algorithm");
		return imap_syntax(s, lex);
	}
	return imap_sort_begin(r, lex);
}
