/* Recipients by destination: a part's own, whatever was added meanwhile. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/served.h"

enum { DESTINATIONS = 40, MANY = 3000 };

static struct {
	struct work work;
	Stagepost__Envelope envelope;
	Stagepost__MessageState state;
	Stagepost__Recipient *own[MANY], *added[MANY];
	Stagepost__RecipientStatus *status[2 * MANY];
} m;

static Stagepost__Recipient *
new_recipient(unsigned number)
{
	Stagepost__Recipient *r = arena_new(&m.work.arena, Stagepost__Recipient);
	unsigned destination = (unsigned)rand() % DESTINATIONS;
	char address[60];

	stagepost__recipient__init(r);
	r->local = destination == 0;
	snprintf(address, sizeof(address), "r%u@destination-%u.test", number, destination);
	r->address = arena_strdup(&m.work.arena, address);
	return r;
}

static void
add_one(Stagepost__Recipient **list, size_t *count)
{
	Stagepost__RecipientStatus *s = arena_new(&m.work.arena, Stagepost__RecipientStatus);

	stagepost__recipient_status__init(s);
	if (rand() % 4 == 0)
		s->state = STAGEPOST__RECIPIENT_STATE__DELIVERED;
	m.status[m.state.n_status++] = s;
	list[(*count)++] = new_recipient((unsigned)m.state.n_status);
}

static void
begin(unsigned own)
{
	memset(&m, 0, sizeof(m));
	arena_init(&m.work.arena);
	stagepost__envelope__init(&m.envelope);
	stagepost__message_state__init(&m.state);
	m.work.envelope = &m.envelope;
	m.work.state = &m.state;
	m.envelope.recipients = m.own;
	m.state.added = m.added;
	m.state.status = m.status;
	while (m.envelope.n_recipients < own)
		add_one(m.own, &m.envelope.n_recipients);
}

/* A part of the schedule's, as far as its kind and destination go. */
static void
check_part(Stagepost__JobKind kind, const char *destination)
{
	struct schedule *s = schedule_fair.create();
	struct message message = {.priority = PRIORITY_NORMAL};
	struct part *p = mem_new(struct part);
	uint32_t next;

	p->message = &message;
	p->kind = (uint8_t)kind;
	assert_ptr_equal(schedule_fair.enlist(s, p, str_c(destination), STR("a.test"), STR("a.test"), PRIORITY_NORMAL),
			 p);
	next = served_first(&m.work, p);
	for (unsigned i = 0; i < work_recipient_count(&m.work); i++) {
		while (next < i)
			next = served_next(&m.work, p, next);
		if (part_serves(p, work_recipient(&m.work, i), work_status(&m.work, i)))
			assert_int_equal(next, i);
	}
	while (next != SERVED_END)
		next = served_next(&m.work, p, next);
	schedule_fair.dismiss(s, p);
	mem_free(p);
	schedule_fair.destroy(&s);
}

static void
check_all(void)
{
	char name[60];

	check_part(STAGEPOST__JOB_KIND__LOCAL, "local");
	check_part(STAGEPOST__JOB_KIND__CHECK, "spam-check");
	check_part(STAGEPOST__JOB_KIND__REMOTE, "nobody.test");
	for (unsigned i = 1; i < DESTINATIONS; i++) {
		snprintf(name, sizeof(name), "destination-%u.test", i);
		check_part(STAGEPOST__JOB_KIND__REMOTE, name);
	}
}

static void
test_served(void **state)
{
	static const unsigned owns[] = {1, 2, 16, 17, 100, MANY};

	(void)state;
	for (unsigned i = 0; i < sizeof(owns) / sizeof(owns[0]); i++) {
		begin(owns[i]);
		check_all();
		/* Within the room that is left, and beyond it. */
		for (unsigned k = 0; k < 5; k++) {
			for (unsigned n = 0; n < owns[i] / 4 + 1 && m.state.n_added < MANY; n++)
				add_one(m.added, &m.state.n_added);
			check_all();
		}
		arena_fini(&m.work.arena);
	}
}

/* Only the part's own are visited, so that all parts together cost what the recipients cost. */
static void
test_visits_few(void **state)
{
	unsigned visited = 0;

	(void)state;
	begin(MANY);
	for (unsigned d = 1; d < DESTINATIONS; d++) {
		struct schedule *s = schedule_fair.create();
		struct message message = {.priority = PRIORITY_NORMAL};
		struct part *p = mem_new(struct part);
		char name[60];
		snprintf(name, sizeof(name), "destination-%u.test", d);
		p->message = &message;
		p->kind = STAGEPOST__JOB_KIND__REMOTE;
		schedule_fair.enlist(s, p, str_c(name), STR("a.test"), STR("a.test"), PRIORITY_NORMAL);
		for (uint32_t i = served_first(&m.work, p); i != SERVED_END; i = served_next(&m.work, p, i))
			visited++;
		schedule_fair.dismiss(s, p);
		mem_free(p);
		schedule_fair.destroy(&s);
	}
	assert_in_range(visited, MANY * 9 / 10, MANY);
	arena_fini(&m.work.arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_served),
		cmocka_unit_test(test_visits_few),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
