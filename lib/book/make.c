/* Before a book is loaded: has it ever been made? Accounts of a version without address
 * books have none until a comparison makes it, and somebody waits for it now. */
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/book/private.h"

enum { MAKE_AGAIN_MS = 500 };

struct make {
	struct op op;
	struct book *book;   /* borrowed */
	struct event *again; /* owner: another process makes it; ask again */
};

static void
make_on_end(struct op *op)
{
	struct make *m = OP_OWNER(op, struct make, op);

	event_free(m->again);
	mem_free(m);
}

void
make_stop(struct book *b)
{
	struct make *m = b->making;

	b->making = NULL;
	if (m == NULL)
		return;
	if (b->books->directory != NULL)
		directory_cancel(b->books->directory, m);
	op_cancel(&m->op);
}

static void
make_end(struct make *m, const struct err *err)
{
	struct book *b = m->book;

	make_stop(b);
	book_made(b, err);
}

static void
make_on_compared(void *arg, const struct directory_comparison *figures, const struct err *err)
{
	struct make *m = arg;
	struct timeval wait = clock_timeval(MAKE_AGAIN_MS);

	if (err == NULL)
		log_info(NULL, "address book made", F_C("domain", m->book->domain),
			 F_I64("entries", figures->examined));
	if (err != NULL && err->code == ERR_EXISTS)
		event_add(m->again, &wait);
	else
		make_end(m, err != NULL && err->code != ERR_NOT_FOUND ? err : NULL);
}

static void
make_on_state(void *arg, const redisReply *reply, const struct err *err)
{
	struct make *m = arg;
	struct directory *d = m->book->books->directory;
	const struct directory_comparison_options options = {.name = "frontend"};

	if (!op_back(&m->op))
		return;
	if (err != NULL)
		make_end(m, err);
	else if (d == NULL || redis_str(reply).len != 0)
		make_end(m, NULL);
	else
		directory_book_compare(d, str_c(m->book->domain), &options, make_on_compared, m);
}

static void
make_ask(struct make *m)
{
	struct str key = redis_key(&m->op.arena, KEY_BOOK_STATE, str_c(m->book->domain)), field = STR("made_ms");

	op_hold(&m->op);
	redis_call_key(m->book->books->redis, make_on_state, m, "HGET", key, 1, &field);
}

static void
make_on_again(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	make_ask(arg);
}

void
make_start(struct book *b)
{
	struct make *m = mem_new(struct make);

	op_init(&m->op, make_on_end);
	m->book = b;
	m->again = evtimer_new(b->books->base, make_on_again, m);
	b->making = m;
	make_ask(m);
}
