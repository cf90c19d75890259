/* LIST with SPECIAL-USE (RFC 6154), SELECT and EXAMINE. */
#include <stdlib.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/imap.h"
#include "delivery-worker/retrieve/wire/words.h"
#include "lib/base/mem.h"
#include "lib/mailbox/mutf7.h"

#define FOLDERS_MAX	10000
#define FOLDER_NAME_MAX 1000 /* bytes on the wire; longer ones are left out: they cannot be filed here */

void
imap_folders_fini(struct imap_folders *f)
{
	mem_free(f->items);
	mem_free(f->wires);
	arena_fini(&f->arena);
}

void
imap_start_folders(struct remote_box *b)
{
	struct imap_folders *f = &b->imap->folders;
	const unsigned both = IMAP_CAN_SPECIAL_USE | IMAP_CAN_LIST_EXTENDED;

	f->count = 0;
	arena_reset(&f->arena);
	imap_command(b, IMAP_STEP_LIST, "LIST \"\" \"*\"%s",
		     (b->imap->caps & both) == both ? " RETURN (SPECIAL-USE)" : "");
}

/* Some servers send UTF-8 or worse where modified UTF-7 should be. */
static struct str
imap_folder_name(struct str wire, struct arena *arena)
{
	struct buf decoded = BUF_EMPTY;
	char clean[FOLDER_NAME_MAX * 3 + 1];
	size_t len;

	if (mailbox_mutf7_decode(wire, &decoded))
		wire = buf_str(&decoded);
	len = words_clean(wire, clean, sizeof(clean));
	buf_fini(&decoded);
	return len > 0 ? arena_str(arena, str_of(clean, len)) : STR("?");
}

void
imap_folders_item(struct remote_box *b, const struct imap_list *item)
{
	struct imap_folders *f = &b->imap->folders;

	if (f->count >= FOLDERS_MAX) {
		box_fail(b, REMOTE_LIMIT, STR_NONE, "the remote has more than %d folders", FOLDERS_MAX);
		return;
	}
	if (item->name.len == 0 || item->name.len > FOLDER_NAME_MAX)
		return;
	if (f->count == f->capacity) {
		f->capacity = f->capacity * 2 + 16;
		f->items = mem_realloc(f->items, sizeof(*f->items) * f->capacity);
		f->wires = mem_realloc(f->wires, sizeof(*f->wires) * f->capacity);
	}
	f->wires[f->count] = arena_str(&f->arena, item->name);
	f->items[f->count++] = (struct remote_folder){
		.name = imap_folder_name(item->name, &f->arena),
		.delimiter = item->delimiter,
		.use = item->use,
		.no_select = item->no_select,
	};
}

/* ---- Names that differ ---- */
struct folder_key {
	struct str name, wire;
	unsigned at; /* in the list */
};

static int
imap_folder_compare(const void *a, const void *b)
{
	const struct folder_key *x = a, *y = b;
	int order = str_cmp(x->name, y->name);

	if (order == 0)
		order = str_cmp(x->wire, y->wire);
	return order != 0 ? order : x->at < y->at ? -1 : x->at > y->at;
}

static int
imap_folder_compare_name(const void *name, const void *key)
{
	return str_cmp(*(const struct str *)name, ((const struct folder_key *)key)->name);
}

/* "name (2)", or with the next number that no name of the server has. The numbers go up, so
 * each name that the server has is met once. */
static struct str
imap_folder_number(struct imap_folders *f, const struct folder_key *keys, unsigned total, struct str name,
		   unsigned *number)
{
	struct str made;

	do
		made = str_c(arena_printf(&f->arena, "%.*s (%u)", STR_ARG(name), ++*number));
	while (bsearch(&made, keys, total, sizeof(*keys), imap_folder_compare_name) != NULL);
	return made;
}

/* Two folders may have the same name once it is made printable; a server may also list one
 * folder twice, which then counts once. By the order of the names on the wire, so that a
 * folder has the same name in each session. */
static void
imap_folders_part(struct imap_folders *f)
{
	struct folder_key *keys = arena_array(&f->arena, struct folder_key, f->count + 1);
	unsigned number = 1, total = f->count;

	for (unsigned i = 0; i < total; i++)
		keys[i] = (struct folder_key){f->items[i].name, f->wires[i], i};
	if (total > 1)
		qsort(keys, total, sizeof(*keys), imap_folder_compare);
	for (unsigned i = 1; i < total; i++) {
		if (!str_eq(keys[i].name, keys[i - 1].name))
			number = 1;
		else if (str_eq(keys[i].wire, keys[i - 1].wire))
			f->items[keys[i].at].name = STR_NONE;
		else
			f->items[keys[i].at].name = imap_folder_number(f, keys, total, keys[i].name, &number);
	}
	f->count = 0;
	for (unsigned i = 0; i < total; i++) {
		if (f->items[i].name.len == 0)
			continue;
		f->wires[f->count] = f->wires[i];
		f->items[f->count++] = f->items[i];
	}
}

void
imap_folders_tagged(struct remote_box *b, const struct imap_response *r)
{
	if (r->status != IMAP_OK) {
		imap_fail_status(b, REMOTE_REFUSED, r, "LIST");
		return;
	}
	imap_folders_part(&b->imap->folders);
	op_folders(b, b->imap->folders.items, b->imap->folders.count);
}

/* ---- SELECT ---- */
/* The name as the server gave it, so that whatever it sent can be selected. */
static bool
imap_wire_name(struct remote_box *b, struct str name, struct buf *out)
{
	struct imap_folders *f = &b->imap->folders;
	struct buf wire = BUF_EMPTY;
	bool good;

	for (unsigned i = 0; i < f->count; i++)
		if (str_eq(f->items[i].name, name))
			return imap_add_quoted(out, f->wires[i]);
	if (!str_is_utf8(name))
		return false;
	mailbox_mutf7_encode(name, &wire);
	good = imap_add_quoted(out, buf_str(&wire));
	buf_fini(&wire);
	return good;
}

void
imap_start_select(struct remote_box *b)
{
	struct imap *m = b->imap;
	struct buf name = BUF_EMPTY;

	memset(&m->selected, 0, sizeof(m->selected));
	m->page.next = 0;
	if (imap_wire_name(b, b->op.folder, &name))
		imap_command(b, IMAP_STEP_SELECT, "%s %s%s", b->op.read_only ? "EXAMINE" : "SELECT", name.data,
			     (m->caps & IMAP_CAN_CONDSTORE) != 0 ? " (CONDSTORE)" : "");
	else
		op_refused(b, STR_NONE, "the name of the folder is not valid");
	buf_fini(&name);
}

void
imap_select_code(struct remote_box *b, const struct imap_response *r)
{
	struct remote_state *s = &b->imap->selected;
	uint64_t number = imap_number(r->code_value);

	if (str_eq_ci(r->code, STR("UIDVALIDITY")) && number <= UINT32_MAX)
		s->uidvalidity = (uint32_t)number;
	else if (str_eq_ci(r->code, STR("UIDNEXT")) && number <= UINT32_MAX)
		s->uidnext = (uint32_t)number;
	else if (str_eq_ci(r->code, STR("HIGHESTMODSEQ")))
		s->highestmodseq = number;
}

void
imap_select_tagged(struct remote_box *b, const struct imap_response *r)
{
	struct remote_state *s = &b->imap->selected;

	if (r->status != IMAP_OK) {
		memset(s, 0, sizeof(*s));
		imap_fail_status(b, REMOTE_REFUSED, r, "SELECT");
		return;
	}
	s->read_only = b->op.read_only || str_eq_ci(r->code, STR("READ-ONLY"));
	/* Without it no UID means anything (RFC 9051, 2.3.1.1). */
	if (s->uidvalidity == 0)
		box_fail(b, REMOTE_UNSUPPORTED, STR_NONE, "the remote gives the folder no UIDVALIDITY");
	else
		op_selected(b, s);
}
