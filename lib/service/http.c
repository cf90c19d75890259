/* /metrics, /healthz and /readyz. evhttp is good enough for an internal
 * address: few clients, all of them friendly. */
#include "lib/service/http.h"

#include <dirent.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lib/service/lag.h"

enum { MAX_HEADER_BYTES = 8192, MAX_BODY_BYTES = 0, TIMEOUT_S = 10 };

static void
http_answer(struct evhttp_request *req, int code, const char *reason, const char *type, struct buf *body)
{
	struct evbuffer *out = evbuffer_new();

	evbuffer_add(out, body->data, body->len);
	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
	evhttp_send_reply(req, code, reason, out);
	evbuffer_free(out);
	buf_fini(body);
}

static long
resident_bytes(void)
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
open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int count = 0;

	if (dir == NULL)
		return 0;
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count - 3; /* without ".", ".." and the descriptor of the directory itself */
}

static void
add_process_metrics(struct service *s, struct buf *out)
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
		   "# HELP stagepost_redis_connected 1: connected to Redis\n"
		   "# TYPE stagepost_redis_connected gauge\nstagepost_redis_connected %d\n"
		   "# HELP stagepost_draining 1: SIGTERM was received, and open work is being finished\n"
		   "# TYPE stagepost_draining gauge\nstagepost_draining %d\n",
		   resident_bytes(), open_files(), cpu, redis_pending(s->redis), redis_is_connected(s->redis),
		   s->draining);
}

static void
on_metrics(struct evhttp_request *req, void *arg)
{
	struct buf body = BUF_EMPTY;

	metrics_render(&body);
	add_process_metrics(arg, &body);
	lag_render(((struct service *)arg)->lag, &body);
	http_answer(req, 200, "OK", "text/plain; version=0.0.4", &body);
}

static void
on_healthz(struct evhttp_request *req, void *arg)
{
	struct buf body = BUF_EMPTY;

	(void)arg; /* the answer itself proves that the loop works */
	buf_add_c(&body, "ok\n");
	http_answer(req, 200, "OK", "text/plain", &body);
}

static void
on_readyz(struct evhttp_request *req, void *arg)
{
	struct service *s = arg;
	const char *why_not = service_why_not_ready(s);
	struct buf body = BUF_EMPTY;

	if (why_not != NULL)
		buf_printf(&body, "%s\n", why_not);
	else
		buf_add_c(&body,
			  s->trouble_since_ms == 0 ? "ok\n" : "ok; the store or the brokers cannot be reached\n");
	http_answer(req, why_not == NULL ? 200 : 503, why_not == NULL ? "OK" : "Service Unavailable", "text/plain",
		    &body);
}

/* "::" covers both families, or only IPv4 on a host without IPv6. */
static int
http_listen(struct evhttp *http, const char *address, uint16_t port)
{
	if (evhttp_bind_socket(http, address, port) == 0)
		return 0;
	if (strcmp(address, "::") != 0 || (errno != EAFNOSUPPORT && errno != EADDRNOTAVAIL))
		return -1;
	return evhttp_bind_socket(http, "0.0.0.0", port);
}

int
http_start(struct service *s, const char *address, int port, struct err *err)
{
	s->http = evhttp_new(s->base);
	evhttp_set_max_headers_size(s->http, MAX_HEADER_BYTES);
	evhttp_set_max_body_size(s->http, MAX_BODY_BYTES);
	evhttp_set_timeout(s->http, TIMEOUT_S);
	evhttp_set_allowed_methods(s->http, EVHTTP_REQ_GET);
	evhttp_set_cb(s->http, "/metrics", on_metrics, s);
	evhttp_set_cb(s->http, "/healthz", on_healthz, s);
	evhttp_set_cb(s->http, "/readyz", on_readyz, s);
	if (http_listen(s->http, address, (uint16_t)port) != 0)
		return err_set_errno(err, errno, "listening on the metrics port %s:%d", address, port);
	return 0;
}

void
http_stop(struct service *s)
{
	if (s->http != NULL)
		evhttp_free(s->http);
	s->http = NULL;
}
