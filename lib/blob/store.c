/* The blob store: opening, threads, and how their work comes back to the loop. */
#include "lib/blob/store.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

/* ---- Threads ---- */

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
	/* Threads are started when they are first needed: a tool that reads one
	 * body starts one. */
	if (!w->started) {
		CHECK(pthread_create(&w->thread, NULL, task_thread_main, w) == 0);
		w->started = true;
	}
	if (w->last != NULL)
		w->last->next = t;
	else
		w->first = t;
	w->last = t;
	pthread_cond_signal(&w->wake);
	pthread_mutex_unlock(&w->lock);
}

/* ---- Back to the loop ---- */

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

static void
run_done(struct blob_store *s)
{
	struct task *list;

	pthread_mutex_lock(&s->done_lock);
	list = s->done_first;
	s->done_first = s->done_last = NULL;
	s->done_told = false;
	pthread_mutex_unlock(&s->done_lock);
	while (list != NULL) {
		struct task *t = list;
		list = t->next;
		CHECK(s->open_tasks != 0);
		s->open_tasks--;
		t->done(t);
	}
}

static void
on_done(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	run_done(arg);
}

/* ---- Open and close ---- */

static int
make_folders(const char *path, struct err *err)
{
	char part[PATH_MAX];
	struct stat st;

	if (!str_copy(str_c(path), part, sizeof(part)) || part[0] == '\0')
		return err_set(err, ERR_INVALID, "'%s' is not a folder", path);
	for (char *slash = strchr(part + 1, '/');; slash = strchr(slash + 1, '/')) {
		if (slash != NULL)
			*slash = '\0';
		if (mkdir(part, 0750) != 0 && errno != EEXIST)
			return err_set_errno(err, errno, "making the folder %s", part);
		if (slash == NULL)
			break;
		*slash = '/';
	}
	if (stat(part, &st) != 0 || !S_ISDIR(st.st_mode))
		return err_set(err, ERR_INVALID, "'%s' is not a folder", path);
	return 0;
}

struct blob_store *
blob_store_open(struct event_base *base, const char *url, struct err *err)
{
	struct blob_store *s;

	if (!str_starts(str_c(url), STR("file:"))) {
		err_set(err, ERR_INVALID, "the blob store '%s' is not file:/folder", url);
		return NULL;
	}
	url += strlen("file:");
	if (make_folders(url, err) != 0)
		return NULL;
	s = mem_new(struct blob_store);
	str_copy(str_c(url), s->folder, sizeof(s->folder) - 32);
	s->base = base;
	pthread_mutex_init(&s->pool_lock, NULL);
	pthread_mutex_init(&s->done_lock, NULL);
	pthread_mutex_init(&s->fds_lock, NULL);
	for (unsigned i = 0; i < STREAMERS; i++)
		task_thread_init(&s->streamers[i]);
	for (unsigned i = 0; i < READERS; i++)
		task_thread_init(&s->readers[i]);
	task_thread_init(&s->releaser);
	committer_start(s);
	if (base != NULL)
		s->done_event = event_new(base, -1, 0, on_done, s);
	for (unsigned i = 0; i < READ_FDS; i++)
		s->fds[i].fd = -1;
	return s;
}

void
blob_store_close(struct blob_store **sp)
{
	struct blob_store *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	committer_stop(s);
	for (unsigned i = 0; i < STREAMERS; i++)
		task_thread_stop(&s->streamers[i]);
	for (unsigned i = 0; i < READERS; i++)
		task_thread_stop(&s->readers[i]);
	task_thread_stop(&s->releaser);
	watch_stop(s);
	run_done(s);
	watch_free(s);
	CHECKF(s->open_tasks == 0, "%zu tasks", s->open_tasks);
	for (unsigned i = 0; i < s->pool_count; i++)
		pack_close(&s->pool[i]);
	for (unsigned i = 0; i < READ_FDS; i++)
		if (s->fds[i].fd >= 0)
			close(s->fds[i].fd);
	if (s->done_event != NULL)
		event_free(s->done_event);
	pthread_mutex_destroy(&s->pool_lock);
	pthread_mutex_destroy(&s->done_lock);
	pthread_mutex_destroy(&s->fds_lock);
	mem_free(s);
}
