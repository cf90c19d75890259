/* Keeps the threads that check passwords busy, until they are let go. */
#ifndef SP_TESTS_UNIT_GATE_FIXTURE_H
#define SP_TESTS_UNIT_GATE_FIXTURE_H

#include "tests/unit/lib/auth/login_fixture.h"

struct gate {
	struct verify_task task;
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool open;
	pthread_t ran_on, done_on;
	volatile bool done;
};

static inline void
run_gate(struct verify_task *t)
{
	struct gate *g = (struct gate *)t;

	g->ran_on = pthread_self();
	pthread_mutex_lock(&g->lock);
	while (!g->open)
		pthread_cond_wait(&g->opened, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static inline void
gate_done(struct verify_task *t)
{
	struct gate *g = (struct gate *)t;

	g->done_on = pthread_self();
	g->done = true;
}

/* Keeps every thread busy until open_gates(). */
static inline void
close_gates(struct gate gates[VERIFY_THREADS])
{
	for (unsigned i = 0; i < f->nodes[0].auth->thread_count; i++) {
		gates[i] = (struct gate){.task = {.run = run_gate, .done = gate_done}};
		pthread_mutex_init(&gates[i].lock, NULL);
		pthread_cond_init(&gates[i].opened, NULL);
		assert_true(verify_give(f->nodes[0].auth, &gates[i].task));
	}
}

static inline void
open_gates(struct gate gates[VERIFY_THREADS])
{
	for (unsigned i = 0; i < f->nodes[0].auth->thread_count; i++) {
		pthread_mutex_lock(&gates[i].lock);
		gates[i].open = true;
		pthread_cond_signal(&gates[i].opened);
		pthread_mutex_unlock(&gates[i].lock);
	}
	for (unsigned i = 0; i < f->nodes[0].auth->thread_count; i++)
		auth_fixture_wait(f, &gates[i].done);
}

#endif
