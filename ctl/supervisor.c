/* Child processes: started, watched, restarted, stopped. */
#include "ctl/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { RESTART_MS = 300, STABLE_MS = 10000 };

struct child {
	char *name;
	unsigned stage;
	char **argv; /* owner, NULL at the end */
	char **env;
	pid_t pid;	       /* 0: not running */
	int64_t started_ms;    /* monotonic */
	int64_t restart_at_ms; /* while not running */
	unsigned restarts;     /* without a stable period in between */
	struct child *prev, *next;
};

struct supervisor {
	const char *log_dir; /* borrowed */
	const char *run_dir; /* borrowed */
	struct child *children;
};

struct supervisor *
supervisor_new(const char *log_dir, const char *run_dir)
{
	struct supervisor *s = mem_new(struct supervisor);
	s->log_dir = log_dir;
	s->run_dir = run_dir;
	return s;
}

static char **
copy_list(const char *const *list)
{
	size_t count = 0;
	char **copy;

	while (list[count] != NULL)
		count++;
	copy = mem_zalloc(sizeof(*copy) * (count + 1));
	for (size_t i = 0; i < count; i++)
		copy[i] = mem_strdup(list[i]);
	return copy;
}

static void
free_list(char **list)
{
	for (size_t i = 0; list[i] != NULL; i++)
		mem_free(list[i]);
	mem_free(list);
}

void
supervisor_free(struct supervisor **sp)
{
	struct child *c, *next;

	if (*sp == NULL)
		return;
	DL_FOREACH_SAFE ((*sp)->children, c, next) {
		CHECK(c->pid == 0);
		free_list(c->argv);
		free_list(c->env);
		mem_free(c->name);
		mem_free(c);
	}
	mem_free(*sp);
	*sp = NULL;
}

/* In the child, between fork and exec. */
__attribute__((noreturn)) static void
become(const struct child *c, int log_fd, pid_t supervisor)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != supervisor)
		_exit(1);
	/* Ctrl-C reaches only the supervisor, which stops us in order. */
	setpgid(0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	dup2(log_fd, STDOUT_FILENO);
	dup2(log_fd, STDERR_FILENO);
	close(STDIN_FILENO);
	open("/dev/null", O_RDONLY);
	for (size_t i = 0; c->env[i] != NULL; i++)
		putenv(c->env[i]);
	execvp(c->argv[0], c->argv);
	fprintf(stderr, "cannot run %s: %m\n", c->argv[0]);
	_exit(127);
}

static void
note_pid(const struct supervisor *s, const struct child *c)
{
	char path[1024];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.pid", s->run_dir, c->name);
	if (c->pid == 0) {
		unlink(path);
		return;
	}
	f = fopen(path, "w");
	if (f == NULL)
		return;
	fprintf(f, "%d\n", (int)c->pid);
	fclose(f);
}

static int
supervisor_spawn(struct supervisor *s, struct child *c, struct err *err)
{
	char path[1024];
	pid_t self = getpid();
	int log_fd;

	snprintf(path, sizeof(path), "%s/%s.log", s->log_dir, c->name);
	log_fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (log_fd < 0)
		return err_set_errno(err, errno, "opening %s", path);
	fflush(NULL);
	c->pid = fork();
	if (c->pid == 0)
		become(c, log_fd, self);
	close(log_fd);
	if (c->pid < 0) {
		c->pid = 0;
		return err_set_errno(err, errno, "starting %s", c->name);
	}
	c->started_ms = clock_monotonic_ms();
	note_pid(s, c);
	return 0;
}

int
supervisor_start(struct supervisor *s, const char *name, unsigned stage, const char *const *argv,
		 const char *const *env, struct err *err)
{
	struct child *c = mem_new(struct child);

	c->name = mem_strdup(name);
	c->stage = stage;
	c->argv = copy_list(argv);
	c->env = copy_list(env);
	DL_APPEND(s->children, c);
	return supervisor_spawn(s, c, err);
}

static struct child *
find_pid(struct supervisor *s, pid_t pid)
{
	struct child *c;

	DL_FOREACH (s->children, c)
		if (c->pid == pid)
			return c;
	return NULL;
}

static void
supervisor_reap(struct supervisor *s, bool say)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = find_pid(s, pid);
		int64_t now = clock_monotonic_ms();
		if (c == NULL)
			continue;
		c->pid = 0;
		note_pid(s, c);
		if (now - c->started_ms > STABLE_MS)
			c->restarts = 0;
		c->restart_at_ms = c->restarts == 0 ? now : now + RESTART_MS;
		if (!say)
			continue;
		if (WIFSIGNALED(status))
			printf("%s ended by signal %d; starting it again\n", c->name, WTERMSIG(status));
		else
			printf("%s ended with status %d; starting it again (its log: %s/%s.log)\n", c->name,
			       WEXITSTATUS(status), s->log_dir, c->name);
		fflush(stdout);
	}
}

void
supervisor_tend(struct supervisor *s)
{
	struct child *c;

	supervisor_reap(s, true);
	DL_FOREACH (s->children, c) {
		struct err err;
		if (c->pid != 0 || clock_monotonic_ms() < c->restart_at_ms)
			continue;
		c->restarts++;
		if (supervisor_spawn(s, c, &err) != 0) {
			c->restart_at_ms = clock_monotonic_ms() + RESTART_MS;
			fprintf(stderr, "stagepost: %s\n", err.text);
		}
	}
}

const char *
supervisor_failing(const struct supervisor *s, unsigned times)
{
	const struct child *c;

	DL_FOREACH (s->children, c)
		if (c->restarts > times)
			return c->name;
	return NULL;
}

static bool
stage_is_running(const struct supervisor *s, unsigned stage)
{
	const struct child *c;

	DL_FOREACH (s->children, c)
		if (c->stage == stage && c->pid != 0)
			return true;
	return false;
}

void
supervisor_signal(struct supervisor *s, unsigned stage, int signal_number)
{
	struct child *c;

	DL_FOREACH (s->children, c)
		if (c->stage == stage && c->pid != 0)
			kill(c->pid, signal_number);
}

void
supervisor_stop(struct supervisor *s, int grace_ms)
{
	unsigned highest = 0;
	struct child *c;

	DL_FOREACH (s->children, c)
		highest = c->stage > highest ? c->stage : highest;
	for (unsigned stage = highest + 1; stage-- > 0;) {
		int64_t until = clock_monotonic_ms() + grace_ms;
		supervisor_signal(s, stage, SIGTERM);
		while (stage_is_running(s, stage)) {
			if (clock_monotonic_ms() > until)
				supervisor_signal(s, stage, SIGKILL);
			usleep(5000);
			supervisor_reap(s, false);
		}
	}
}
