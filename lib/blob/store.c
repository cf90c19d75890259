/* The blob store: opening, and what its threads have done. */
#include "lib/blob/store.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"

/* ---- Back to the loop ---- */

static void
store_run_done(struct blob_store *s)
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
store_on_done(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	store_run_done(arg);
}

/* ---- Open and close ---- */

static int
store_make_folders(const char *path, struct err *err)
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
	if (store_make_folders(url, err) != 0)
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
		s->done_event = event_new(base, -1, 0, store_on_done, s);
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
	store_run_done(s);
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
