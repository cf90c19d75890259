#include "delivery-worker/book/comparer.h"

#include <stdlib.h>

#include "delivery-worker/worker.h"
#include "lib/base/arena.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/directory/directory.h"
#include "lib/redis/keys.h"
#include "lib/service/metrics.h"

/* A look asks about some domains, so that a hundred thousand of them are no burden. */
enum { COMPARER_LOOK_MS = 5000, COMPARER_PAUSE_MS = 20 };
#define COMPARER_DOMAINS "100"

struct comparer {
	struct worker *worker; /* borrowed */
	struct event *timer;   /* owner */
	struct arena arena;    /* of one look */
	struct str *domains;   /* those of this look that may be due */
	unsigned count, at;
	char cursor[24];
	bool is_stopped;
	bool is_looking; /* an answer is due; the comparer must stay */
	bool is_freed;
};

static void comparer_next(struct comparer *c);

static int64_t
comparer_interval_ms(const struct comparer *c)
{
	return settings_mailbox(settings_current(c->worker->settings), STR_NONE)->book_interval;
}

static void
comparer_arm(struct comparer *c)
{
	struct timeval tv = clock_timeval(COMPARER_LOOK_MS / 2 + (int64_t)arc4random_uniform(COMPARER_LOOK_MS));

	if (!c->is_stopped)
		evtimer_add(c->timer, &tv);
}

/* ---- Comparing ---- */
static void
comparer_on_compared(void *arg, const struct directory_comparison *figures, const struct err *err)
{
	struct comparer *c = arg;
	struct str domain = c->domains[c->at - 1];

	if (err == NULL) {
		metrics_add(M_BOOK_COMPARISONS, 1);
		metrics_add(M_BOOK_MENDED, (int64_t)figures->mended);
	}
	if (err == NULL && figures->mended != 0)
		log_info(NULL, "address book mended", F_STR("domain", domain), F_I64("examined", figures->examined),
			 F_I64("mended", figures->mended));
	else if (err != NULL && err->code != ERR_EXISTS && err->code != ERR_DENIED && err->code != ERR_NOT_FOUND)
		log_warning(NULL, "the comparison of an address book failed", F_STR("domain", domain), F_ERR(err));
	comparer_next(c);
}

static void
comparer_next(struct comparer *c)
{
	const struct directory_comparison_options options = {
		.name = c->worker->name,
		.due_ms = comparer_interval_ms(c),
		.pause_ms = COMPARER_PAUSE_MS,
	};

	if (c->is_stopped)
		return;
	if (c->at == c->count)
		comparer_arm(c);
	else
		directory_book_compare(c->worker->directory, c->domains[c->at++], &options, comparer_on_compared, c);
}

/* ---- Looking ---- */
static void
comparer_on_domains(void *arg, const redisReply *reply, const struct err *err)
{
	struct comparer *c = arg;

	c->is_looking = false;
	if (c->is_freed) {
		arena_fini(&c->arena);
		mem_free(c);
		return;
	}
	c->count = c->at = 0;
	if (err == NULL) {
		const redisReply *list = reply->element[1];
		c->domains = arena_array(&c->arena, struct str, list->elements + 1);
		for (size_t i = 0; i < list->elements; i++)
			c->domains[c->count++] = arena_str(&c->arena, redis_str(list->element[i]));
		str_copy(redis_str(reply->element[0]), c->cursor, sizeof(c->cursor));
	}
	comparer_next(c);
}

static void
comparer_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct comparer *c = arg;
	const struct str args[] = {str_c(c->cursor), STR("COUNT"), STR(COMPARER_DOMAINS)};

	(void)fd, (void)what;
	arena_reset(&c->arena);
	c->is_looking = true;
	redis_call_key(c->worker->redis, comparer_on_domains, c, "SSCAN", str_c(redis_key_pattern(KEY_DOMAINS)), 3,
		       args);
}

/* ---- Life ---- */
struct comparer *
comparer_new(struct worker *w)
{
	struct comparer *c = mem_new(struct comparer);

	c->worker = w;
	c->timer = evtimer_new(w->base, comparer_on_look, c);
	arena_init(&c->arena);
	str_copy(STR("0"), c->cursor, sizeof(c->cursor));
	comparer_arm(c);
	return c;
}

void
comparer_stop(struct comparer *c)
{
	c->is_stopped = true;
	event_del(c->timer);
	directory_cancel(c->worker->directory, c);
}

void
comparer_free(struct comparer **cp)
{
	struct comparer *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	comparer_stop(c);
	event_free(c->timer);
	c->is_freed = true;
	if (c->is_looking)
		return; /* its answer frees it */
	arena_fini(&c->arena);
	mem_free(c);
}
