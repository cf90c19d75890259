/* LIST and UIDL, once a session: a maildrop does not change during it (RFC 1939, 4). Both must
 * name the same messages in ascending order, or nothing is known about any of them. */
#include <string.h>

#include "delivery-worker/retrieve/wire/pop.h"
#include "lib/base/mem.h"

#define UIDLS_MAX (64 * 1024 * 1024) /* bytes, with those of LIST */

void
pop_list_fini(struct pop_list *l)
{
	mem_free(l->numbers);
	mem_free(l->sizes);
	mem_free(l->uidls);
	mem_free(l->page);
	arena_fini(&l->arena);
}

/* The messages with a number above op.after, from memory. */
static void
pop_list_give(struct remote_box *b)
{
	struct pop_list *l = &b->pop->list;
	unsigned at = 0, count = 0;

	if (l->page == NULL)
		l->page = mem_zalloc(sizeof(*l->page) * REMOTE_PAGE);
	while (at < l->count && l->numbers[at] <= b->op.after)
		at++;
	for (; at < l->count && count < REMOTE_PAGE; at++)
		l->page[count++] =
			(struct remote_message){.uid = l->numbers[at], .size = l->sizes[at], .uidl = l->uidls[at]};
	op_page(b, l->page, count, at < l->count ? l->numbers[at - 1] : 0);
}

void
pop_start_page(struct remote_box *b)
{
	struct pop_list *l = &b->pop->list;

	if (l->known) {
		pop_list_give(b);
		return;
	}
	l->count = l->named = 0;
	arena_reset(&l->arena);
	pop_command(b, POP_STEP_LIST, "LIST");
	if (pop_room(b->pop) > 0)
		pop_command(b, POP_STEP_UIDL, "UIDL");
}

void
pop_on_list(struct remote_box *b, const struct pop_status *s)
{
	if (s->ok)
		b->pop->in_lines = true;
	else
		pop_fail_status(b, REMOTE_PROTOCOL, s, "LIST");
}

void
pop_list_line(struct remote_box *b, struct str line)
{
	struct pop_list *l = &b->pop->list;
	uint32_t number;
	uint64_t size;

	if (!pop_numbers_parse(line, &number, &size) || number == 0 ||
	    (l->count > 0 && number <= l->numbers[l->count - 1])) {
		box_fail(b, REMOTE_PROTOCOL, line, "a line of LIST makes no sense");
		return;
	}
	if (l->count >= b->options.max_messages || l->count * sizeof(struct remote_message) > UIDLS_MAX) {
		box_fail(b, REMOTE_LIMIT, STR_NONE, "the remote has more than %u messages", l->count);
		return;
	}
	if (l->count == l->capacity) {
		l->capacity = l->capacity * 2 + 64;
		l->numbers = mem_realloc(l->numbers, sizeof(*l->numbers) * l->capacity);
		l->sizes = mem_realloc(l->sizes, sizeof(*l->sizes) * l->capacity);
		l->uidls = mem_realloc(l->uidls, sizeof(*l->uidls) * l->capacity);
	}
	l->numbers[l->count] = number;
	l->sizes[l->count++] = size;
}

void
pop_list_end(struct remote_box *b)
{
	if (b->pop->awaited_count == 0)
		pop_command(b, POP_STEP_UIDL, "UIDL");
}

void
pop_on_uidl(struct remote_box *b, const struct pop_status *s)
{
	if (s->ok)
		b->pop->in_lines = true;
	else
		pop_fail_status(b, REMOTE_UNSUPPORTED, s, "UIDL, without which messages cannot be told apart,");
}

void
pop_uidl_line(struct remote_box *b, struct str line)
{
	struct pop_list *l = &b->pop->list;
	uint32_t number;
	struct str uidl;

	if (!pop_uidl_parse(line, &number, &uidl))
		box_fail(b, REMOTE_PROTOCOL, line, "a line of UIDL makes no sense");
	else if (l->arena.total_bytes > UIDLS_MAX)
		box_fail(b, REMOTE_LIMIT, STR_NONE, "the answer to UIDL is too long");
	else if (l->named >= l->count || l->numbers[l->named] != number)
		box_fail(b, REMOTE_PROTOCOL, STR_NONE, "LIST and UIDL do not name the same messages");
	else
		l->uidls[l->named++] = arena_str(&l->arena, uidl);
}

void
pop_uidl_end(struct remote_box *b)
{
	struct pop_list *l = &b->pop->list;

	if (l->named != l->count) {
		box_fail(b, REMOTE_PROTOCOL, STR_NONE, "LIST and UIDL do not name the same messages");
		return;
	}
	l->known = true;
	pop_list_give(b);
}
