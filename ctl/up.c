/* `stagepost up`: a whole cluster on one machine, supervised (up_processes.c: its processes).
 *
 * Started in the order of their dependencies: Redis, brokers, workers,
 * frontends; stopped in reverse order, so that accepted mail is in the spool
 * and synced before the store stops. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctl/certificate.h"
#include "ctl/commands.h"
#include "ctl/demo.h"
#include "ctl/up.h"
#include "lib/base/host_port.h"

/* The highest port used is the last frontend's XMPP port or the store's. */
enum { PORT_BASE_MAX = 40000 };
enum { GRACE_MS = 35000, MAX_OF_A_KIND = 50 };

static volatile sig_atomic_t stop_wanted, reread_wanted;

static void
on_stop_signal(int signal_number)
{
	(void)signal_number;
	stop_wanted = 1;
}

static void
on_hangup_signal(int signal_number)
{
	(void)signal_number;
	reread_wanted = 1;
}

static void
on_child_signal(int signal_number)
{
	(void)signal_number; /* only to wake us from sleep */
}

/* ---- Options ---- */

static int
up_take_number(int *argc, char **argv, const char *name, int least, int most, int *value)
{
	const char *text = NULL;
	int64_t number;

	if (ctl_take_option(argc, argv, name, &text) != 0)
		return ctl_fail("%s needs a value", name);
	if (text == NULL)
		return 0;
	if (!str_to_i64(str_c(text), &number) || number < least || number > most)
		return ctl_fail("%s takes a number from %d to %d, not '%s'", name, least, most, text);
	*value = (int)number;
	return 0;
}

static int
take_options(struct up *up, int argc, char **argv)
{
	struct layout *l = &up->layout;
	const char *listen = "", *hostname = getenv("STAGEPOST_HOSTNAME");

	*l = (struct layout){.port_base = 10000, .frontends = 1, .brokers = 1, .workers = 1};
	if (up_take_number(&argc, argv, "--port-base", 0, PORT_BASE_MAX, &l->port_base) != 0 ||
	    up_take_number(&argc, argv, "--frontends", 0, MAX_OF_A_KIND, &l->frontends) != 0 ||
	    up_take_number(&argc, argv, "--brokers", 0, MAX_OF_A_KIND, &l->brokers) != 0 ||
	    up_take_number(&argc, argv, "--workers", 0, MAX_OF_A_KIND, &l->workers) != 0)
		return 1;
	if (ctl_take_option(&argc, argv, "--listen", &listen) != 0)
		return ctl_fail("--listen needs an address");
	up->demo = !ctl_take_flag(&argc, argv, "--no-demo");
	up->detach = ctl_take_flag(&argc, argv, "--detach");
	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc != 0)
		return ctl_usage("up");
	if (hostname != NULL && !host_name_is_valid(str_c(hostname)))
		return ctl_fail("STAGEPOST_HOSTNAME is '%s', which is not a host name", hostname);
	str_copy(str_c(listen), l->listen, sizeof(l->listen));
	if (hostname != NULL)
		str_copy(str_c(hostname), l->hostname, sizeof(l->hostname));
	else
		gethostname(l->hostname, sizeof(l->hostname) - 1);
	return 0;
}

/* ---- Running ---- */

static int
find_programs(struct up *up, struct err *err)
{
	ssize_t len = readlink("/proc/self/exe", up->bin_dir, sizeof(up->bin_dir) - 1);
	char *slash;

	if (len <= 0)
		return err_set_errno(err, errno, "finding our own programs");
	up->bin_dir[len] = '\0';
	slash = strrchr(up->bin_dir, '/');
	*slash = '\0';
	return 0;
}

/* One `up` per folder: the lock is held as long as we run. */
static int
lock_folder(struct up *up, struct err *err)
{
	char path[LAYOUT_PATH_MAX];
	int fd;

	layout_path(&up->layout, "run/up.lock", path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
	if (fd < 0)
		return err_set_errno(err, errno, "opening %s", path);
	if (lockf(fd, F_TLOCK, 0) != 0) {
		close(fd);
		return err_set(err, ERR_EXISTS,
			       "a cluster is already running in %s (stop it with `stagepost down --dir %s`)",
			       up->layout.dir, up->layout.dir);
	}
	return 0;
}

static int
refuse_half_restored(const struct up *up, struct err *err)
{
	char path[LAYOUT_PATH_MAX];

	layout_path(&up->layout, LAYOUT_UNFINISHED_RESTORE, path);
	return access(path, F_OK) != 0
		       ? 0
		       : err_set(err, ERR_DENIED,
				 "a restore into %.150s was not finished: run it again (its mark is %s)",
				 up->layout.dir, LAYOUT_UNFINISHED_RESTORE);
}

static void
watch_signals(void)
{
	struct sigaction stop = {.sa_handler = on_stop_signal}, child = {.sa_handler = on_child_signal},
			 hangup = {.sa_handler = on_hangup_signal};

	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &hangup, NULL);
	sigaction(SIGCHLD, &child, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* Unless the operator has given one, the cluster gets a key of its own at its first start. */
static int
find_seal_key(struct up *up, struct err *err)
{
	const char *given = getenv("STAGEPOST_SECRET_KEY");
	char path[LAYOUT_PATH_MAX];

	if (given != NULL && given[0] != '\0')
		return 0;
	layout_path(&up->layout, "tls/secret.key", path);
	return secret_file_ensure_key(path, up->seal_key, err);
}

static int
bring_up(struct up *up, struct err *err)
{
	if (lock_folder(up, err) != 0 || refuse_half_restored(up, err) != 0 ||
	    certificate_ensure(up->cert, up->key, up->layout.hostname, err) != 0 || find_seal_key(up, err) != 0)
		return -1;
	up->layout.up_pid = (int)getpid();
	if (layout_save(&up->layout, err) != 0 || up_start_all(up, &stop_wanted, err) != 0)
		return -1;
	return up_wait_ready(up, &stop_wanted, err);
}

/* In the background no terminal or pipe is held open. */
static int
leave_terminal(const struct up *up)
{
	char path[LAYOUT_PATH_MAX];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC), log;

	layout_path(&up->layout, "log/up.log", path);
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
	if (null < 0 || log < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(log, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0)
		return -1;
	close(null);
	close(log);
	return 0;
}

/* SIGHUP is for the frontends, which read their certificates again. But a SIGHUP
 * because the terminal was closed means the same as Ctrl-C: otherwise nobody
 * could stop us. */
static void
take_hangup(struct up *up, bool had_terminal)
{
	if (!reread_wanted)
		return;
	reread_wanted = 0;
	if (had_terminal && !isatty(STDIN_FILENO)) {
		stop_wanted = 1;
		return;
	}
	printf("SIGHUP: the frontends read their certificates again.\n");
	fflush(stdout);
	supervisor_signal(up->children, UP_STAGE_FRONTEND, SIGHUP);
}

/* Runs until told to stop. report_fd: the pipe to the waiting parent of
 * --detach (one byte once ready), or -1. */
static int
up_run(struct up *up, int report_fd)
{
	struct err err;
	int status = 0;
	bool had_terminal;

	watch_signals();
	up->children = supervisor_new(up->log_dir, up->run_dir);
	if (bring_up(up, &err) != 0) {
		status = stop_wanted ? 0 : ctl_fail("%s", err.text);
	} else {
		if (up->demo && demo_run(&up->layout, &err) != 0)
			fprintf(stderr, "stagepost: the first message: %s\n", err.text);
		layout_print_ports(&up->layout);
		demo_print_admin(&up->layout);
		if (up->demo)
			demo_print_try(&up->layout);
		printf(up->detach ? "Running in the background; stop with `stagepost down --dir %s`.\n"
				  : "Running; logs in %s/log. Ctrl-C stops the cluster.\n",
		       up->layout.dir);
		fflush(stdout);
		if (report_fd >= 0 &&
		    (leave_terminal(up) != 0 || write(report_fd, "r", 1) != 1 || close(report_fd) != 0))
			stop_wanted = 1;
		had_terminal = isatty(STDIN_FILENO);
		while (!stop_wanted) {
			take_hangup(up, had_terminal);
			supervisor_tend(up->children);
			usleep(100000);
		}
		printf("Stopping.\n");
		fflush(stdout);
	}
	supervisor_stop(up->children, GRACE_MS);
	supervisor_free(&up->children);
	return status;
}

/* The parent waits until the cluster is ready, so that the next command can use it. */
static int
run_detached(struct up *up)
{
	int ready[2];
	char byte;
	pid_t pid;

	if (pipe2(ready, O_CLOEXEC) != 0)
		return ctl_fail("making a pipe: %s", strerror(errno));
	fflush(NULL);
	pid = fork();
	if (pid < 0)
		return ctl_fail("going into the background: %s", strerror(errno));
	if (pid != 0) {
		int status = 1;
		close(ready[1]);
		if (read(ready[0], &byte, 1) == 1)
			return 0;
		waitpid(pid, &status, 0);
		return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
	}
	close(ready[0]);
	setsid();
	return up_run(up, ready[1]);
}

int
command_up(struct ctl *ctl, int argc, char **argv)
{
	struct up *up = arena_new(&ctl->arena, struct up);
	struct err err;

	if (take_options(up, argc, argv) != 0)
		return 1;
	if (layout_prepare(&up->layout, ctl->dir, &err) != 0 || find_programs(up, &err) != 0)
		return ctl_fail("%s", err.text);
	layout_path(&up->layout, "log", up->log_dir);
	layout_path(&up->layout, "run", up->run_dir);
	layout_path(&up->layout, "tls/cert.pem", up->cert);
	layout_path(&up->layout, "tls/key.pem", up->key);
	return up->detach ? run_detached(up) : up_run(up, -1);
}
