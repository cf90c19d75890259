#include "lib/service/pages.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/service/lag.h"
#include "lib/service/ready.h"

static long
pages_resident_bytes(void)
{
	char text[128] = "", *second;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL)
		return 0;
	second = fgets(text, sizeof(text), f) != NULL ? strchr(text, ' ') : NULL;
	fclose(f);
	return second != NULL ? strtol(second, NULL, 10) * sysconf(_SC_PAGESIZE) : 0;
}

static int
pages_open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 3; /* ".", ".." and the folder itself */
}

static void
pages_add_process(struct service *s, struct buf *out)
{
	struct rusage usage;
	double cpu;

	getrusage(RUSAGE_SELF, &usage);
	cpu = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	      (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
	buf_printf(out,
		   "# HELP process_resident_memory_bytes Memory in use\n"
		   "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes %ld\n"
		   "# HELP process_open_fds Open descriptors\n"
		   "# TYPE process_open_fds gauge\nprocess_open_fds %d\n"
		   "# HELP process_cpu_seconds_total Time on the processors, user and system\n"
		   "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total %.3f\n"
		   "# HELP stagepost_redis_pending Commands that Redis has not answered yet\n"
		   "# TYPE stagepost_redis_pending gauge\nstagepost_redis_pending %zu\n"
		   "# HELP stagepost_redis_connected 1: there is a connection to Redis that takes commands\n"
		   "# TYPE stagepost_redis_connected gauge\nstagepost_redis_connected %d\n"
		   "# HELP stagepost_draining 1: SIGTERM has come, open work ends\n"
		   "# TYPE stagepost_draining gauge\nstagepost_draining %d\n",
		   pages_resident_bytes(), pages_open_files(), cpu, redis_pending(s->redis),
		   redis_is_connected(s->redis), s->draining);
}

static int
pages_metrics(void *arg, struct buf *body)
{
	struct service *s = arg;

	metrics_render(body);
	pages_add_process(s, body);
	lag_render(s->lag, body);
	return 200;
}

/* That the loop answers is the proof. */
static int
pages_healthz(void *arg, struct buf *body)
{
	(void)arg;
	buf_add_c(body, "ok\n");
	return 200;
}

static int
pages_readyz(void *arg, struct buf *body)
{
	struct service *s = arg;
	const char *why_not = service_why_not_ready(s);

	if (why_not != NULL)
		buf_printf(body, "%s\n", why_not);
	else
		buf_add_c(body, s->trouble_since_ms == 0 ? "ok\n" : "ok; a store or the brokers are away\n");
	return why_not == NULL ? 200 : 503;
}

const struct monitor_page service_pages[] = {
	{"/metrics", "text/plain; version=0.0.4", pages_metrics},
	{"/healthz", "text/plain", pages_healthz},
	{"/readyz", "text/plain", pages_readyz},
	{.path = NULL},
};
