/* The processes of `stagepost up`: how each is started, and whether all are ready. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/probe.h"
#include "ctl/up.h"
#include "lib/base/clock.h"

enum { READY_MS = 30000 };

static int
processes_start_redis(struct up *up, const volatile sig_atomic_t *stop_wanted, struct err *err)
{
	char port[16], dir[LAYOUT_PATH_MAX];
	const char *const env[] = {NULL};
	const char *const argv[] = {"redis-server",
				    "--port",
				    port,
				    "--bind",
				    "127.0.0.1",
				    "--dir",
				    dir,
				    "--appendonly",
				    "yes",
				    "--appendfsync",
				    "always",
				    "--save",
				    "",
				    "--no-appendfsync-on-rewrite",
				    "no",
				    "--daemonize",
				    "no",
				    "--stop-writes-on-bgsave-error",
				    "no",
				    "--repl-diskless-sync",
				    "no",
				    "--tcp-backlog",
				    "4096",
				    "--maxclients",
				    "20000",
				    NULL};

	snprintf(port, sizeof(port), "%d", layout_port(&up->layout, 6379, 0));
	layout_path(&up->layout, "redis", dir);
	if (supervisor_start(up->children, "redis", UP_STAGE_REDIS, argv, env, err) != 0)
		return -1;
	if (!probe_port("127.0.0.1", layout_port(&up->layout, 6379, 0), READY_MS, stop_wanted))
		return err_set(err, ERR_UNAVAILABLE, "redis-server did not start; see %s/redis.log", up->log_dir);
	return 0;
}

/* One of our programs. extra: further arguments, terminated by NULL, or NULL. */
static int
processes_start_program(struct up *up, const char *program, const char *name, unsigned stage, const char *const *extra,
			struct err *err)
{
	char path[LAYOUT_PATH_MAX + 40], id[80], metrics[16];
	char redis[LAYOUT_TEXT_MAX + 32], blobs[LAYOUT_TEXT_MAX + 32], host[300];
	char cert[LAYOUT_PATH_MAX + 32], key[LAYOUT_PATH_MAX + 32];
	char seal_key[SECRET_FILE_KEY_MAX + 32];
	const char *env[] = {redis, blobs, host, cert, key, up->seal_key[0] != '\0' ? seal_key : NULL, NULL};
	const char *argv[20] = {path, "--id", id, "--metrics-port", metrics};
	unsigned used = 5;

	snprintf(path, sizeof(path), "%s/%s", up->bin_dir, program);
	snprintf(id, sizeof(id), "%s", name);
	snprintf(metrics, sizeof(metrics), "%d", layout_metrics_port(&up->layout, up->metrics_count++));
	snprintf(redis, sizeof(redis), "STAGEPOST_REDIS=%s", up->layout.redis_url);
	snprintf(blobs, sizeof(blobs), "STAGEPOST_BLOBS=%s", up->layout.blobs_url);
	snprintf(host, sizeof(host), "STAGEPOST_HOSTNAME=%s", up->layout.hostname);
	snprintf(cert, sizeof(cert), "STAGEPOST_TLS_CERT=%s", up->cert);
	snprintf(key, sizeof(key), "STAGEPOST_TLS_KEY=%s", up->key);
	snprintf(seal_key, sizeof(seal_key), "STAGEPOST_SECRET_KEY=%s", up->seal_key);
	for (unsigned i = 0; extra != NULL && extra[i] != NULL; i++)
		argv[used++] = extra[i];
	argv[used] = NULL;
	return supervisor_start(up->children, name, stage, argv, env, err);
}

static int
processes_start_frontend(struct up *up, int index, struct err *err)
{
	char name[32], base[16];
	const char *extra[] = {"--port-base", base, "--listen", up->layout.listen, NULL};

	snprintf(name, sizeof(name), "frontend-%d", index);
	snprintf(base, sizeof(base), "%d", layout_port(&up->layout, 0, index));
	if (up->layout.listen[0] == '\0')
		extra[2] = NULL;
	return processes_start_program(up, "frontend", name, UP_STAGE_FRONTEND, extra, err);
}

int
up_start_all(struct up *up, const volatile sig_atomic_t *stop_wanted, struct err *err)
{
	char name[32];

	if (processes_start_redis(up, stop_wanted, err) != 0)
		return -1;
	for (int i = 0; i < up->layout.brokers; i++) {
		snprintf(name, sizeof(name), "spool-broker-%d", i);
		if (processes_start_program(up, "spool-broker", name, UP_STAGE_BROKER, NULL, err) != 0)
			return -1;
	}
	for (int i = 0; i < up->layout.workers; i++) {
		snprintf(name, sizeof(name), "delivery-worker-%d", i);
		if (processes_start_program(up, "delivery-worker", name, UP_STAGE_WORKER, NULL, err) != 0)
			return -1;
	}
	for (int i = 0; i < up->layout.frontends; i++)
		if (processes_start_frontend(up, i, err) != 0)
			return -1;
	return 0;
}

/* The last line of a log, which says why the process ended. */
static void
processes_last_log_line(const char *path, char *out, size_t size)
{
	FILE *f = fopen(path, "r");
	size_t len = 0;

	out[0] = '\0';
	if (f == NULL)
		return;
	if (fseek(f, -(long)(size - 1), SEEK_END) != 0)
		rewind(f);
	len = fread(out, 1, size - 1, f);
	fclose(f);
	while (len > 0 && out[len - 1] == '\n')
		len--;
	out[len] = '\0';
	if (strrchr(out, '\n') != NULL)
		memmove(out, strrchr(out, '\n') + 1, strlen(strrchr(out, '\n')));
}

static int
processes_fail_for(const struct up *up, const char *process, struct err *err)
{
	char path[LAYOUT_PATH_MAX + 80], line[400], *words;

	snprintf(path, sizeof(path), "%s/%s.log", up->log_dir, process);
	processes_last_log_line(path, line, sizeof(line));
	words = strstr(line, "msg="); /* after the time and the process */
	return err_set(err, ERR_UNAVAILABLE, "%s does not stay up (its log: %s): %s", process, path,
		       words != NULL ? words : line);
}

int
up_wait_ready(struct up *up, const volatile sig_atomic_t *stop_wanted, struct err *err)
{
	int64_t until = clock_monotonic_ms() + READY_MS;

	for (int i = 0; i < up->metrics_count; i++) {
		int port = layout_metrics_port(&up->layout, i);
		while (!probe_http_ok("127.0.0.1", port, "/readyz")) {
			const char *failing = supervisor_failing(up->children, 3);
			if (*stop_wanted)
				return err_set(err, ERR_UNAVAILABLE, "interrupted while starting");
			if (failing != NULL)
				return processes_fail_for(up, failing, err);
			if (clock_monotonic_ms() > until)
				return err_set(err, ERR_TIMEOUT,
					       "the process with metrics port %d is not ready after %d s; see %s", port,
					       READY_MS / 1000, up->log_dir);
			supervisor_tend(up->children);
			usleep(20000);
		}
	}
	return 0;
}
