/* Threads with a queue each, and what they have done on its way back to the loop. */
#include "lib/blob/store.h"

#include "lib/base/check.h"

static void *
task_thread_main(void *arg)
{
	struct task_thread *w = arg;

	for (;;) {
		struct task *t;
		pthread_mutex_lock(&w->lock);
		while (w->first == NULL && !w->stop)
			pthread_cond_wait(&w->wake, &w->lock);
		t = w->first;
		if (t != NULL) {
			w->first = t->next;
			if (w->first == NULL)
				w->last = NULL;
		}
		pthread_mutex_unlock(&w->lock);
		if (t == NULL)
			return NULL;
		t->run(t);
	}
}

void
task_thread_init(struct task_thread *w)
{
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->wake, NULL);
}

void
task_thread_stop(struct task_thread *w)
{
	pthread_mutex_lock(&w->lock);
	w->stop = true;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
	if (w->started)
		pthread_join(w->thread, NULL);
	pthread_mutex_destroy(&w->lock);
	pthread_cond_destroy(&w->wake);
}

void
task_thread_give(struct blob_store *s, struct task_thread *w, struct task *t)
{
	t->next = NULL;
	if (t->done != NULL)
		s->open_tasks++;
	pthread_mutex_lock(&w->lock);
	/* Threads come into being when they are first needed: a tool that reads
	 * one body starts one. */
	if (!w->started) {
		CHECK(pthread_create(&w->thread, NULL, task_thread_main, w) == 0);
		w->started = true;
	}
	if (w->last != NULL)
		w->last->next = t;
	else
		w->first = t;
	w->last = t;
	pthread_mutex_unlock(&w->lock);
	pthread_cond_signal(&w->wake);
}

void
store_tell_done(struct blob_store *s, struct task *t)
{
	bool tell;

	t->next = NULL;
	pthread_mutex_lock(&s->done_lock);
	if (s->done_last != NULL)
		s->done_last->next = t;
	else
		s->done_first = t;
	s->done_last = t;
	tell = !s->done_told;
	s->done_told = true;
	pthread_mutex_unlock(&s->done_lock);
	if (tell && s->base != NULL)
		event_active(s->done_event, EV_READ, 0);
}
