/* Follows the log of a book: reads what has changed since the version at hand, some
 * entries a time, until nothing has. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/book/private.h"

REDIS_SCRIPT(book_changes, "lib/book/changes.lua");

/* A change copies a chunk, which takes some 10 us; but chunks of groups with many members
 * are larger. */
#define FOLLOW_MOST "64"

struct follow_change {
	struct str address, stored; /* in the arena */
};

struct follow {
	struct op op;
	struct book *book; /* borrowed */
	struct follow_change *changes;
	size_t count, next; /* next: the first that is not applied yet */
	uint64_t version;   /* after all of them */
};

static void
book_follow_on_end(struct op *op)
{
	mem_free(OP_OWNER(op, struct follow, op));
}

static void book_follow_ask(struct book *b);

/* The version is set at the end: what is applied in part is asked for again if this is cancelled. */
static void
book_follow_apply(struct op *op)
{
	struct follow *f = OP_OWNER(op, struct follow, op);
	struct book *b = f->book;
	bool is_over = false;

	while (f->next < f->count && !is_over) {
		const struct follow_change *c = &f->changes[f->next++];
		is_over = slice_spend(&op->slice, content_put(&b->content, c->address, c->stored));
	}
	if (f->next < f->count) {
		op_later(op, b->books->base, book_follow_apply);
		return;
	}
	is_over = f->version == b->version && !b->ask_again;
	b->version = f->version;
	follow_stop(b);
	if (is_over)
		book_followed(b, NULL);
	else
		book_follow_ask(b);
}

/* reply: version, address, entry, address, entry, ... */
static void
book_follow_take(struct follow *f, const redisReply *reply)
{
	f->count = (reply->elements - 1) / 2;
	f->changes = arena_array(&f->op.arena, struct follow_change, f->count + 1);
	for (size_t i = 0; i < f->count; i++) {
		f->changes[i].address = arena_str(&f->op.arena, redis_str(reply->element[2 * i + 1]));
		f->changes[i].stored = arena_str(&f->op.arena, redis_str(reply->element[2 * i + 2]));
	}
	if (!str_to_u64(redis_str(reply->element[0]), &f->version))
		f->version = f->book->version;
}

static void
book_follow_on_changes(void *arg, const redisReply *reply, const struct err *err)
{
	struct follow *f = arg;
	struct book *b = f->book;

	if (!op_back(&f->op))
		return;
	if (err == NULL && reply->elements != 0) {
		book_follow_take(f, reply);
		book_follow_apply(&f->op);
		return;
	}
	follow_stop(b);
	if (err != NULL)
		book_followed(b, err);
	else
		book_load(b);
}

static void
book_follow_ask(struct book *b)
{
	struct follow *f = mem_new(struct follow);
	struct str domain = str_c(b->domain);
	char since[24];

	op_init(&f->op, book_follow_on_end);
	f->book = b;
	b->following = f;
	b->ask_again = false;
	snprintf(since, sizeof(since), "%" PRIu64, b->version);
	const struct str keys[] = {
		redis_key(&f->op.arena, KEY_BOOK, domain),
		redis_key(&f->op.arena, KEY_BOOK_LOG, domain),
		redis_key(&f->op.arena, KEY_BOOK_VERSION, domain),
	};
	const struct str args[] = {str_c(since), STR(FOLLOW_MOST)};
	op_hold(&f->op);
	redis_eval(b->books->redis, book_follow_on_changes, f, &book_changes, 3, keys, 2, args);
}

void
follow_start(struct book *b)
{
	if (b->load != NULL || b->making != NULL)
		return; /* it is followed once it is loaded */
	if (b->following != NULL)
		b->ask_again = true;
	else
		book_follow_ask(b);
}

void
follow_stop(struct book *b)
{
	struct follow *f = b->following;

	b->following = NULL;
	if (f != NULL)
		op_cancel(&f->op);
}
