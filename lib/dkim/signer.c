#include "lib/dkim/signer.h"

#include <pthread.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

struct queue {
	struct dkim_job *first, *last; /* owner */
};

struct dkim_signer {
	struct event *done_event; /* owner */
	pthread_t thread;
	bool is_started;

	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t wake;
	struct queue work, done;
	bool stop;
};

static void
signer_append(struct queue *q, struct dkim_job *job)
{
	job->next = NULL;
	if (q->first == NULL)
		q->first = job;
	else
		q->last->next = job;
	q->last = job;
}

static struct dkim_job *
signer_take(struct dkim_signer *s)
{
	struct dkim_job *job;

	pthread_mutex_lock(&s->lock);
	while (s->work.first == NULL && !s->stop)
		pthread_cond_wait(&s->wake, &s->lock);
	job = s->stop ? NULL : s->work.first;
	if (job != NULL)
		s->work.first = job->next;
	pthread_mutex_unlock(&s->lock);
	return job;
}

static void *
signer_main(void *arg)
{
	struct dkim_signer *s = arg;
	struct dkim_job *job;

	while ((job = signer_take(s)) != NULL) {
		job->run(job);
		pthread_mutex_lock(&s->lock);
		signer_append(&s->done, job);
		pthread_mutex_unlock(&s->lock);
		event_active(s->done_event, EV_READ, 0);
	}
	return NULL;
}

static void
signer_end_all(struct dkim_job *list, bool is_wanted)
{
	while (list != NULL) {
		struct dkim_job *next = list->next;

		list->on_end(list, is_wanted);
		list = next;
	}
}

static void
signer_on_done(evutil_socket_t fd, short what, void *arg)
{
	struct dkim_signer *s = arg;
	struct dkim_job *list;

	(void)fd;
	(void)what;
	pthread_mutex_lock(&s->lock);
	list = s->done.first;
	s->done = (struct queue){NULL, NULL};
	pthread_mutex_unlock(&s->lock);
	signer_end_all(list, true);
}

struct dkim_signer *
dkim_signer_new(struct event_base *base)
{
	struct dkim_signer *s = mem_new(struct dkim_signer);

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->done_event = event_new(base, -1, 0, signer_on_done, s);
	return s;
}

void
dkim_signer_free(struct dkim_signer **signer)
{
	struct dkim_signer *s = *signer;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (s->is_started)
		pthread_join(s->thread, NULL);
	signer_end_all(s->work.first, false);
	signer_end_all(s->done.first, false);
	event_free(s->done_event);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	mem_free(s);
	*signer = NULL;
}

void
dkim_signer_run(struct dkim_signer *s, struct dkim_job *job)
{
	pthread_mutex_lock(&s->lock);
	if (!s->is_started) {
		CHECK(pthread_create(&s->thread, NULL, signer_main, s) == 0);
		s->is_started = true;
	}
	signer_append(&s->work, job);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
}

void
dkim_signer_end(struct dkim_signer *s, struct dkim_job *job)
{
	pthread_mutex_lock(&s->lock);
	signer_append(&s->done, job);
	pthread_mutex_unlock(&s->lock);
	event_active(s->done_event, EV_READ, 0);
}
