/* A private redis-server for unit tests: on a unix socket in a folder of its
 * own, ended by its pid. Header only; every test program has its own. */
#ifndef SP_TESTS_UNIT_REDIS_FIXTURE_H
#define SP_TESTS_UNIT_REDIS_FIXTURE_H

#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "tests/unit/redis_command.h"

struct redis_fixture {
	char dir[64];
	char socket[96];
	char url[112];
	pid_t pid;
};

static inline bool
redis_fixture_answers(const struct redis_fixture *f)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char answer[16] = "";
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok;

	strncpy(sa.sun_path, f->socket, sizeof(sa.sun_path) - 1);
	ok = connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0 && write(fd, "PING\r\n", 6) == 6 &&
	     read(fd, answer, sizeof(answer) - 1) > 0 && strncmp(answer, "+PONG", 5) == 0;
	close(fd);
	return ok;
}

/* Starts (again) in f's folder; durable: appendonly, appendfsync always. */
static inline bool
redis_fixture_run(struct redis_fixture *f, bool durable)
{
	int64_t until = clock_monotonic_ms() + 20000;

	f->pid = fork();
	if (f->pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (freopen("/dev/null", "w", stdout) == NULL)
			_exit(1);
		execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", f->socket, "--dir", f->dir,
		       "--save", "", "--appendonly", durable ? "yes" : "no", "--appendfsync", "always", (char *)NULL);
		_exit(127);
	}
	while (!redis_fixture_answers(f)) {
		if (clock_monotonic_ms() > until || waitpid(f->pid, NULL, WNOHANG) == f->pid)
			return false;
		usleep(10000);
	}
	return true;
}

static inline bool
redis_fixture_start(struct redis_fixture *f, bool durable)
{
	signal(SIGPIPE, SIG_IGN); /* as every program does */
	strcpy(f->dir, "/tmp/stagepost-unit-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return false;
	snprintf(f->socket, sizeof(f->socket), "%s/s", f->dir);
	snprintf(f->url, sizeof(f->url), "unix:%s", f->socket);
	return redis_fixture_run(f, durable);
}

static inline void
redis_fixture_kill(struct redis_fixture *f)
{
	if (f->pid <= 0)
		return;
	kill(f->pid, SIGKILL);
	waitpid(f->pid, NULL, 0);
	f->pid = 0;
}

static inline void
redis_fixture_stop(struct redis_fixture *f)
{
	char command[160];

	redis_fixture_kill(f);
	snprintf(command, sizeof(command), "rm -rf '%s'", f->dir);
	if (strncmp(f->dir, "/tmp/stagepost-unit-", 20) == 0 && system(command) != 0)
		fprintf(stderr, "cannot remove %s\n", f->dir);
}

/* Turns the loop until *flag, at most timeout_ms; the flag's value. */
static inline bool
redis_fixture_wait(struct event_base *base, const volatile bool *flag, int timeout_ms)
{
	int64_t until = clock_monotonic_ms() + timeout_ms;

	while (!*flag && clock_monotonic_ms() < until) {
		struct timeval turn = {.tv_usec = 5000};
		event_base_loopexit(base, &turn);
		event_base_loop(base, EVLOOP_ONCE);
	}
	return *flag;
}

#endif
