/* A schedule of its own and the parts put into it. */
#ifndef SP_TESTS_UNIT_SCHEDULE_FIXTURE_H
#define SP_TESTS_UNIT_SCHEDULE_FIXTURE_H

#include "spool-broker/schedule/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/mem.h"

static const struct schedule_ops *const ops = &schedule_fair;
static struct schedule *s;

/* Parts that are not yet dismissed. */
static struct part *made[300000];
static unsigned made_count;

static inline void
set_at_once(unsigned at_once)
{
	struct schedule_limits limits = {.site = {.at_once = at_once}, .dead_first_ms = 1000, .dead_longest_ms = 60000};

	ops->set_limits(s, &limits, NULL);
	ops->reroute(s, STR_NONE);
}

static inline int
setup(void **state)
{
	(void)state;
	s = ops->create();
	set_at_once(20);
	made_count = 0;
	return 0;
}

static inline void
drop(struct part *p)
{
	if (p->state == PART_ACTIVE)
		ops->end(s, p, TRY_UNKNOWN, NULL, 0, 0);
	ops->dismiss(s, p);
	mem_free(p);
}

static inline void
teardown_parts(void)
{
	for (unsigned i = 0; i < made_count; i++)
		drop(made[i]);
	made_count = 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	teardown_parts();
	ops->destroy(&s);
	return 0;
}

/* A part of a message of its own. */
static inline struct part *
add(const char *destination, const char *sender, unsigned priority)
{
	struct part *p = mem_new(struct part);

	p->message = (struct message *)p; /* only compared */
	assert_ptr_equal(ops->enlist(s, p, str_c(destination), str_c(sender), str_c(sender), priority), p);
	ops->ready(s, p);
	made[made_count++] = p;
	return p;
}

static inline void
end(struct part *p, enum try_end how, int64_t now_ms)
{
	ops->end(s, p, how, how == TRY_TROUBLE ? "no route" : NULL, 0, now_ms);
}

static inline unsigned
take_all(struct part *taken[], int64_t now_ms)
{
	unsigned count = 0;

	while ((taken[count] = ops->take(s, now_ms)) != NULL)
		count++;
	return count;
}

/* ---- Sites ---- */
static const char *mx_of_d = "mx";
static struct site_limits mx_limits;

/* "d1", "d2", ...: served by mx_of_d (NULL: not known yet); others by themselves. */
static inline bool
find_site(void *arg, struct str destination, struct str from, char name_out[SITE_NAME_MAX],
	  struct site_limits *limits_out)
{
	(void)arg;
	*limits_out = mx_limits;
	if (str_eq(from, STR("relayed")))
		str_copy(STR("relay"), name_out, SITE_NAME_MAX);
	else if (destination.p[0] != 'd')
		str_copy(destination, name_out, SITE_NAME_MAX);
	else if (mx_of_d != NULL)
		str_copy(str_c(mx_of_d), name_out, SITE_NAME_MAX);
	else
		return false;
	return true;
}

static inline void
use_router(struct site_limits limits)
{
	static const struct schedule_limits common = {.dead_first_ms = 1000, .dead_longest_ms = 60000};
	static const struct schedule_router router = {.find = find_site};

	mx_of_d = "mx";
	mx_limits = limits;
	ops->set_limits(s, &common, &router);
	ops->reroute(s, STR_NONE);
}

/* ---- Permits ---- */
static inline void
grant(const char *site, unsigned quota, unsigned tokens, int64_t wait_ms, int64_t now_ms)
{
	ops->permit(s, str_c(site),
		    &(struct permit){.quota = quota, .tokens = tokens, .valid_ms = 8000, .wait_ms = wait_ms}, now_ms);
}

#endif
