/* Threads: the steps, one after another. */
#include "frontend/imap/search/thread_private.h"

/* Nested branches: joining by subject adds to the depth. */
enum { OPEN_MAX = IMAP_THREAD_DEPTH_MAX + 8 };

struct imap_threads *
imap_threads_new(enum thread_algorithm algorithm, const struct thread_message *messages, uint32_t count,
		 struct arena *arena)
{
	struct imap_threads *t = arena_new(arena, struct imap_threads);

	t->arena = arena;
	t->messages = messages;
	t->count = count;
	t->steps = algorithm == THREAD_REFERENCES ? thread_references_steps : thread_subject_steps;
	t->nodes = arena_array(arena, struct imap_thread *, count + 1);
	t->dates = arena_array(arena, union sort_value, count + 1);
	t->open = arena_array(arena, struct imap_thread *, OPEN_MAX);
	return t;
}

void
imap_threads_free(struct imap_threads **t)
{
	if (*t != NULL) {
		thread_table_fini(&(*t)->ids);
		thread_table_fini(&(*t)->subjects);
	}
	*t = NULL;
}

bool
imap_threads_run(struct imap_threads *t, struct slice *slice)
{
	while (*t->steps != NULL) {
		uint32_t work = 0;
		if ((*t->steps)(t, &work)) {
			t->steps++;
			t->at = 0;
			t->cursor = t->last = NULL;
		}
		if (slice_spend(slice, work + 1))
			return *t->steps == NULL;
	}
	return true;
}

/* ---- For the algorithms ---- */

struct imap_thread *
thread_node_new(struct imap_threads *t)
{
	struct imap_thread *n = arena_new(t->arena, struct imap_thread);

	n->older = t->all;
	t->all = n;
	return n;
}

void
thread_link(struct imap_thread *parent, struct imap_thread *n)
{
	n->parent = parent;
	n->next = parent->child;
	parent->child = n;
}

bool
thread_order_by_date(struct imap_threads *t, uint32_t *work)
{
	uint32_t *rows;

	if (t->order == NULL) {
		rows = arena_array(t->arena, uint32_t, t->count + 1);
		for (uint32_t i = 0; i < t->count; i++) {
			rows[i] = i;
			t->dates[i].number = (uint64_t)t->messages[i].date ^ UINT64_C(1) << 63;
		}
		t->column = (struct sort_column){t->dates, false, false};
		t->order = sort_order_new(t->arena, &t->column, 1, rows, t->count);
	}
	return sort_order_step(t->order, work);
}

/* ---- The answer ---- */

static void
thread_open(struct imap_threads *t, struct imap_thread *n, struct buf *out)
{
	buf_add_byte(out, '(');
	t->open[t->opened++] = n;
	t->printing = n;
}

/* A child follows its parent; several children are branches. */
static void
thread_print_node(struct imap_threads *t, bool by_uid, struct buf *out)
{
	const struct imap_thread *n = t->printing;

	if (n->message != NULL)
		buf_add_decimal(out, by_uid ? n->message->uid : n->message->seq);
	if (n->child != NULL && n->message != NULL)
		buf_add_byte(out, ' ');
	t->printing = n->child;
	if (n->child != NULL && n->child->next != NULL)
		thread_open(t, n->child, out);
}

bool
imap_threads_print(struct imap_threads *t, bool by_uid, struct buf *out)
{
	if (!t->print_begun && t->roots != NULL)
		thread_open(t, t->roots, out);
	t->print_begun = true;
	for (unsigned n = 0; n < THREAD_STEP && t->opened != 0; n++) {
		struct imap_thread *branch;
		if (t->printing != NULL) {
			thread_print_node(t, by_uid, out);
			continue;
		}
		branch = t->open[--t->opened];
		buf_add_byte(out, ')');
		if (branch->next != NULL)
			thread_open(t, branch->next, out);
	}
	return t->opened == 0;
}
