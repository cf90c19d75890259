/* The operations of remote.h: each is kept in b->op, starts at the loop's next turn, and
 * ends here with its callback. */
#include <stdio.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/box.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

const char *
remote_trouble_name(enum remote_trouble trouble)
{
	static const char *const names[] = {
		[REMOTE_NO_HOST] = "dns",
		[REMOTE_NOT_ALLOWED] = "not-allowed",
		[REMOTE_NO_CONNECTION] = "connect",
		[REMOTE_NO_TLS] = "tls",
		[REMOTE_BAD_CERTIFICATE] = "certificate",
		[REMOTE_LOGIN_REFUSED] = "login",
		[REMOTE_UNAVAILABLE] = "unavailable",
		[REMOTE_REFUSED] = "refused",
		[REMOTE_UNSUPPORTED] = "unsupported",
		[REMOTE_PROTOCOL] = "protocol",
		[REMOTE_LIMIT] = "limit",
		[REMOTE_TIME] = "time",
		[REMOTE_LOST] = "lost",
		[REMOTE_OURS] = "ours",
	};

	return names[trouble];
}

/* ---- The end ---- */
/* The next operation may start in the callback, so nothing of this one may be in use. */
static struct box_op
op_take(struct remote_box *b)
{
	struct box_op op = b->op;

	CHECK(op.kind != OP_NONE);
	b->op.kind = OP_NONE;
	if (b->paused && b->state == BOX_TALKING)
		connection_pause(&b->connection, false);
	b->paused = false;
	if (op.kind == OP_CLOSE)
		b->closed = true;
	box_set_timer(b);
	return op;
}

void
op_done(struct remote_box *b, const struct remote_failure *failure)
{
	struct remote_failure copy;
	struct box_op op;

	if (failure != NULL)
		copy = *failure;
	failure = failure != NULL ? &copy : NULL;
	if (b->free_wanted)
		return;
	op = op_take(b);
	switch (op.kind) {
	case OP_FOLDERS: op.folders(op.arg, NULL, 0, failure); break;
	case OP_SELECT: op.selected(op.arg, NULL, failure); break;
	case OP_PAGE:
	case OP_CHANGES: op.page(op.arg, NULL, 0, 0, failure); break;
	case OP_FETCH: op.fetch->on_done(op.arg, failure); break;
	case OP_DELETE: op.deleted(op.arg, false, failure); break;
	default: op.done(op.arg, failure); break;
	}
}

void
op_folders(struct remote_box *b, const struct remote_folder *folders, unsigned count)
{
	struct box_op op = op_take(b);

	op.folders(op.arg, folders, count, NULL);
}

void
op_selected(struct remote_box *b, const struct remote_state *state)
{
	struct box_op op = op_take(b);

	op.selected(op.arg, state, NULL);
}

void
op_page(struct remote_box *b, const struct remote_message *messages, unsigned count, uint32_t next)
{
	struct box_op op = op_take(b);

	op.page(op.arg, messages, count, next, NULL);
}

void
op_deleted(struct remote_box *b, bool expunged)
{
	struct box_op op = op_take(b);

	op.deleted(op.arg, expunged, NULL);
}

void
op_refused(struct remote_box *b, struct str words, const char *format, ...)
{
	struct remote_failure failure;
	char text[REMOTE_TEXT_MAX];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	box_failure_set(&failure, REMOTE_REFUSED, words, "%s", text);
	op_done(b, &failure);
}

/* ---- The beginning ---- */
static struct box_op *
op_new(struct remote_box *b, enum box_op_kind kind, void *arg)
{
	struct box_op *op = &b->op;

	CHECK(op->kind == OP_NONE && !b->free_wanted && !b->closed);
	arena_reset(&op->arena);
	*op = (struct box_op){.kind = kind, .arg = arg, .arena = op->arena};
	event_add(b->turn, NULL);
	return op;
}

void
op_begin(struct remote_box *b)
{
	if (b->op.kind == OP_NONE || b->op.started || b->free_wanted)
		return;
	b->op.started = true;
	if (b->state == BOX_DEAD) {
		op_done(b, &b->failure);
		return;
	}
	if (b->op.kind == OP_OPEN) {
		box_resolve(b);
		return;
	}
	b->protocol->start[b->op.kind](b);
	box_set_timer(b);
}

void
remote_box_close(struct remote_box *b, remote_on_done *cb, void *arg)
{
	op_new(b, OP_CLOSE, arg)->done = cb;
}

void
remote_box_folders(struct remote_box *b, remote_on_folders *cb, void *arg)
{
	op_new(b, OP_FOLDERS, arg)->folders = cb;
}

void
remote_box_select(struct remote_box *b, struct str folder, bool read_only, remote_on_selected *cb, void *arg)
{
	struct box_op *op = op_new(b, OP_SELECT, arg);

	op->selected = cb;
	op->folder = arena_str(&op->arena, folder);
	op->read_only = read_only;
}

void
remote_box_list(struct remote_box *b, uint32_t after, remote_on_page *cb, void *arg)
{
	struct box_op *op = op_new(b, OP_PAGE, arg);

	op->page = cb;
	op->after = after;
}

void
remote_box_changes(struct remote_box *b, uint64_t modseq, remote_on_page *cb, void *arg)
{
	struct box_op *op;

	/* Not the ability: what the remote says that it can do may have changed. */
	CHECK(b->protocol->start[OP_CHANGES] != NULL);
	op = op_new(b, OP_CHANGES, arg);
	op->page = cb;
	op->modseq = modseq;
}

static void
op_set_uids(struct box_op *op, const uint32_t *uids, unsigned count)
{
	op->uids = arena_array(&op->arena, uint32_t, count + 1);
	if (count > 0)
		memcpy(op->uids, uids, sizeof(*uids) * count);
	op->count = count;
}

void
remote_box_fetch(struct remote_box *b, const uint32_t *uids, unsigned count, const struct remote_fetch_events *events,
		 void *arg)
{
	struct box_op *op = op_new(b, OP_FETCH, arg);

	op->fetch = events;
	op_set_uids(op, uids, count);
}

void
remote_box_delete(struct remote_box *b, const uint32_t *uids, unsigned count, remote_on_deleted *cb, void *arg)
{
	struct box_op *op = op_new(b, OP_DELETE, arg);

	op->deleted = cb;
	op_set_uids(op, uids, count);
}

void
remote_box_idle(struct remote_box *b, remote_on_done *cb, void *arg)
{
	CHECK(b->protocol->start[OP_IDLE] != NULL);
	op_new(b, OP_IDLE, arg)->done = cb;
}

void
remote_box_idle_end(struct remote_box *b)
{
	if (b->op.kind != OP_IDLE || b->op.end_wanted)
		return;
	b->op.end_wanted = true;
	if (b->op.started && b->state == BOX_TALKING)
		b->protocol->leave_idle(b);
}

/* ---- Figures ---- */
struct remote_abilities
remote_box_abilities(const struct remote_box *b)
{
	return b->abilities;
}

const char *
remote_box_tls(const struct remote_box *b)
{
	return b->tls_text;
}

struct ip
remote_box_ip(const struct remote_box *b)
{
	return b->ip_at < b->ip_count ? b->ips[b->ip_at] : (struct ip){0};
}

uint64_t
remote_box_bytes(const struct remote_box *b)
{
	return b->bytes;
}
