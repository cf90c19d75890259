/* The messages of a folder, in ranges of UIDs that hold about a page each. UIDs may be
 * sparse: how wide a range is follows from how many messages the last ones had. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/imap.h"
#include "lib/base/mem.h"

#define PAGE_ITEMS_MAX (REMOTE_PAGE * 8)
#define PAGE_BYTES_MAX (16 * 1024 * 1024) /* keywords of a page */

void
imap_page_fini(struct imap_page *p)
{
	mem_free(p->items);
	arena_fini(&p->arena);
}

static void
imap_page_clear(struct imap_page *p)
{
	p->count = 0;
	p->highest = 0;
	p->overflow = false;
	arena_reset(&p->arena);
}

static void
imap_page_ask(struct remote_box *b)
{
	struct imap_page *p = &b->imap->page;
	const struct remote_state *s = &b->imap->selected;
	char last[16] = "*";

	imap_page_clear(p);
	p->last = p->width - 1 > UINT32_MAX - p->first ? UINT32_MAX : p->first + p->width - 1;
	/* The last range is open, for what arrives meanwhile. */
	if (s->uidnext == 0 || p->last >= s->uidnext - 1)
		p->last = UINT32_MAX;
	else
		snprintf(last, sizeof(last), "%u", p->last);
	imap_command(b, IMAP_STEP_PAGE, "UID FETCH %u:%s (UID RFC822.SIZE FLAGS INTERNALDATE)", p->first, last);
}

/* As wide as would hold a page if the UIDs were spread evenly. */
static uint32_t
imap_page_width(const struct remote_state *s)
{
	uint64_t width = REMOTE_PAGE;

	if (s->uidnext > 1 && s->exists > 0)
		width = (uint64_t)(s->uidnext - 1) * REMOTE_PAGE / s->exists;
	return width < 1 ? 1 : width > UINT32_MAX ? UINT32_MAX : (uint32_t)width;
}

void
imap_start_page(struct remote_box *b)
{
	struct imap_page *p = &b->imap->page;
	const struct remote_state *s = &b->imap->selected;

	if (s->uidvalidity == 0) {
		op_refused(b, STR_NONE, "no folder is selected");
		return;
	}
	imap_page_clear(p);
	if (b->op.after == 0 || b->op.after != p->next)
		p->listed = 0;
	p->next = 0;
	b->imap->news = false;
	if (s->exists == 0 || b->op.after == UINT32_MAX) {
		op_page(b, NULL, 0, 0);
		return;
	}
	p->first = b->op.after + 1;
	p->width = imap_page_width(s);
	imap_page_ask(b);
}

void
imap_start_changes(struct remote_box *b)
{
	struct imap_page *p = &b->imap->page;

	if (b->imap->selected.uidvalidity == 0) {
		op_refused(b, STR_NONE, "no folder is selected");
		return;
	}
	if ((b->imap->caps & IMAP_CAN_CONDSTORE) == 0) {
		op_refused(b, STR_NONE, "the remote offers CONDSTORE no more");
		return;
	}
	imap_page_clear(p);
	p->first = 1;
	p->last = UINT32_MAX;
	imap_command(b, IMAP_STEP_CHANGES, "UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE %llu)",
		     (unsigned long long)b->op.modseq);
}

static void
imap_page_add(struct imap_page *p, const struct imap_fetch *f, uint64_t age)
{
	struct remote_message *to;
	struct str *keywords = arena_array(&p->arena, struct str, f->keyword_count + 1);

	if (p->count == p->capacity) {
		p->capacity = p->capacity * 2 + 64;
		p->items = mem_realloc(p->items, sizeof(*p->items) * p->capacity);
	}
	for (unsigned i = 0; i < f->keyword_count; i++)
		keywords[i] = arena_str(&p->arena, f->keywords[i]);
	to = &p->items[p->count++];
	*to = (struct remote_message){
		.uid = f->uid,
		.size = f->size,
		.flags = f->flags,
		.keywords = keywords,
		.keyword_count = f->keyword_count,
		.date_ms = f->date_ms,
		.modseq = age,
	};
}

void
imap_page_item(struct remote_box *b, const struct imap_fetch *f)
{
	struct imap_page *p = &b->imap->page;
	unsigned max = b->op.kind == OP_CHANGES ? b->options.max_messages : PAGE_ITEMS_MAX;

	/* "n:*" gives the last message even if its UID is below n. A FETCH that nobody asked
	 * for has no UID or no flags. */
	if (!f->has_uid || !f->has_flags || f->uid < p->first || f->uid > p->last)
		return;
	if (f->uid > p->highest)
		p->highest = f->uid;
	if (p->count >= max || p->arena.total_bytes > PAGE_BYTES_MAX)
		p->overflow = true;
	if (!p->overflow)
		imap_page_add(p, f, b->op.kind == OP_CHANGES ? f->modseq : p->count);
}

/* modseq: which of two rows of a UID is the later one. */
static int
imap_page_compare(const void *a, const void *b)
{
	const struct remote_message *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return x->modseq < y->modseq ? -1 : x->modseq > y->modseq;
}

/* A UID comes twice if another client changes flags meanwhile: the server then sends the flags
 * alone, before or after the row that was asked for. */
static void
imap_page_merge(struct remote_message *to, const struct remote_message *later)
{
	to->flags = later->flags;
	to->keywords = later->keywords;
	to->keyword_count = later->keyword_count;
	to->modseq = later->modseq;
	if (to->size == 0)
		to->size = later->size;
	if (to->date_ms == 0)
		to->date_ms = later->date_ms;
}

/* Ascending, and each UID once. */
static void
imap_page_sort(struct imap_page *p)
{
	unsigned kept = 0;

	if (p->count > 1)
		qsort(p->items, p->count, sizeof(*p->items), imap_page_compare);
	for (unsigned i = 0; i < p->count; i++) {
		if (kept > 0 && p->items[kept - 1].uid == p->items[i].uid)
			imap_page_merge(&p->items[kept - 1], &p->items[i]);
		else
			p->items[kept++] = p->items[i];
	}
	p->count = kept;
}

static void
imap_page_give(struct remote_box *b)
{
	struct imap_page *p = &b->imap->page;

	imap_page_sort(p);
	for (unsigned i = 0; i < p->count; i++)
		p->items[i].modseq = 0; /* it was the order of the rows */
	p->listed += p->count;
	if (p->listed > b->options.max_messages) {
		box_fail(b, REMOTE_LIMIT, STR_NONE, "the folder has more than %u messages", b->options.max_messages);
		return;
	}
	p->next = p->last == UINT32_MAX ? 0 : p->last;
	op_page(b, p->items, p->count, p->next);
}

void
imap_page_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap_page *p = &b->imap->page;
	struct remote_state *s = &b->imap->selected;

	if (r->status != IMAP_OK) {
		imap_fail_status(b, REMOTE_REFUSED, r, "FETCH");
	} else if (p->overflow) {
		if (p->width == 1) {
			box_fail(b, REMOTE_LIMIT, STR_NONE, "the list of messages is too large");
			return;
		}
		/* Denser here than elsewhere. An open range has shown where the folder ends. */
		if (p->last == UINT32_MAX && p->highest < UINT32_MAX)
			s->uidnext = p->highest + 1 > s->uidnext ? p->highest + 1 : s->uidnext;
		p->width = p->width / 8 + (p->width < 8);
		imap_page_ask(b);
	} else if (p->count == 0 && p->last != UINT32_MAX) {
		p->first = p->last + 1;
		p->width = p->width > UINT32_MAX / 4 ? UINT32_MAX : p->width * 4;
		imap_page_ask(b);
	} else {
		imap_page_give(b);
	}
}

void
imap_changes_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct imap_page *p = &b->imap->page;

	if (r->status != IMAP_OK) {
		imap_fail_status(b, REMOTE_REFUSED, r, "FETCH (CHANGEDSINCE)");
	} else if (p->overflow) {
		box_fail(b, REMOTE_LIMIT, STR_NONE, "the list of changes is too large");
	} else {
		imap_page_sort(p);
		op_page(b, p->items, p->count, 0);
	}
}
