/* Follows the log of a book: reads what has changed since the version at hand, some
 * entries a time, until nothing has. */
#include <inttypes.h>
#include <stdio.h>

#include "lib/book/private.h"

REDIS_SCRIPT(book_changes, "lib/book/changes.lua");

/* A change copies a chunk, which takes some 10 us: those of one answer fit into a slice. */
#define FOLLOW_MOST "64"

struct follow {
	struct op op;
	struct book *book; /* borrowed */
};

static void
follow_on_end(struct op *op)
{
	mem_free(OP_OWNER(op, struct follow, op));
}

/* True: something was new. */
static bool
follow_apply(struct book *b, const redisReply *reply)
{
	uint64_t version, before = b->version;

	for (size_t i = 1; i + 1 < reply->elements; i += 2)
		content_put(&b->content, redis_str(reply->element[i]), redis_str(reply->element[i + 1]));
	if (str_to_u64(redis_str(reply->element[0]), &version))
		b->version = version;
	return b->version != before;
}

static void follow_ask(struct book *b);

static void
follow_on_changes(void *arg, const redisReply *reply, const struct err *err)
{
	struct follow *f = arg;
	struct book *b = f->book;

	if (!op_back(&f->op))
		return;
	follow_stop(b);
	if (err != NULL) {
		book_followed(b, err);
	} else if (reply->elements == 0) {
		book_load(b);
	} else if (follow_apply(b, reply) || b->ask_again) {
		follow_ask(b);
	} else {
		book_followed(b, NULL);
	}
}

static void
follow_ask(struct book *b)
{
	struct follow *f = mem_new(struct follow);
	struct str domain = str_c(b->domain);
	char since[24];

	op_init(&f->op, follow_on_end);
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
	redis_eval(b->books->redis, follow_on_changes, f, &book_changes, 3, keys, 2, args);
}

void
follow_start(struct book *b)
{
	if (b->load != NULL || b->making != NULL)
		return; /* it is followed once it is loaded */
	if (b->following != NULL)
		b->ask_again = true;
	else
		follow_ask(b);
}

void
follow_stop(struct book *b)
{
	struct follow *f = b->following;

	b->following = NULL;
	if (f != NULL)
		op_cancel(&f->op);
}
