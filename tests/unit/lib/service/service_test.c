/* The runtime of a program, seen from outside: options, /metrics, /healthz,
 * /readyz, heartbeat, signals. The program is a child of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>

#include "lib/base/mem.h"
#include "lib/service/service.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;

/* ---- The program ---- */

static struct service service;

static const char *
why_not_ready(void *arg)
{
	return access(arg, F_OK) == 0 ? "a file is in the way" : NULL;
}

static void
on_drain(void *arg)
{
	char path[200];

	/* Drained at once, unless a file says otherwise. */
	snprintf(path, sizeof(path), "%s/busy", (char *)arg);
	if (access(path, F_OK) != 0)
		service_drained(&service);
}

static void
on_status(void *arg, cJSON *status)
{
	(void)arg;
	cJSON_AddNumberToObject(status, "answer", 42);
}

static void
run_program(int argc, char **argv)
{
	static const struct service_description description = {.kind = "tester", .summary = "is tested"};
	char in_the_way[200];
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	snprintf(in_the_way, sizeof(in_the_way), "%s/in-the-way", server.dir);
	service_init(&service, &description, argc, argv);
	service_on_drain(&service, on_drain, server.dir);
	service_on_ready_check(&service, why_not_ready, in_the_way);
	service_on_status(&service, on_status, NULL);
	status = service_run(&service);
	service_fini(&service);
	_exit(status);
}

/* ---- The test's side ---- */

struct program {
	pid_t pid;
	int port;
	FILE *output; /* of both streams */
};

static int
free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	close(fd);
	return ntohs(sa.sin_port);
}

static void
start(struct program *p, const char *option, const char *value)
{
	char port[16], blobs[200];
	const char *argv[] = {"tester", "--redis", server.url, "--blobs", blobs, "--metrics-port",
			      port,	"--id",	   "tester-1", option,	  value, NULL};

	p->port = free_port();
	snprintf(port, sizeof(port), "%d", p->port);
	snprintf(blobs, sizeof(blobs), "file:%s/blobs", server.dir);
	p->output = tmpfile();
	fflush(stdout);
	p->pid = fork();
	if (p->pid == 0) {
		dup2(fileno(p->output), STDOUT_FILENO);
		dup2(fileno(p->output), STDERR_FILENO);
		run_program(option != NULL ? value != NULL ? 11 : 10 : 9, (char **)argv);
	}
}

/* Its status; -1: it was killed. */
static int
wait_for_end(struct program *p)
{
	int status;

	assert_true(waitpid(p->pid, &status, 0) == p->pid);
	fclose(p->output);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int
connect_to(int port)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Sends a request, gives the whole answer; empty: no connection. */
static const char *
ask(int port, const char *request)
{
	static char text[65536];
	size_t len = 0;
	int fd = connect_to(port);
	ssize_t got;

	text[0] = '\0';
	if (fd < 0)
		return text;
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while (len < sizeof(text) - 1 && (got = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)got;
	text[len] = '\0';
	close(fd);
	return text;
}

static const char *
get(int port, const char *path)
{
	char request[300];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", path);
	return ask(port, request);
}

static void
wait_for_answer(int port, const char *path, const char *words)
{
	int64_t until = clock_monotonic_ms() + 60000;

	while (strstr(get(port, path), words) == NULL) {
		assert_true(clock_monotonic_ms() < until);
		usleep(10000);
	}
}

static void
touch(const char *name, bool there)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", server.dir, name);
	if (there)
		fclose(fopen(path, "w"));
	else
		unlink(path);
}

static int
setup(void **state)
{
	(void)state;
	return redis_fixture_start(&server, true) ? 0 : -1;
}

static int
teardown(void **state)
{
	(void)state;
	redis_fixture_stop(&server);
	return 0;
}

/* ---- Tests ---- */

static void
test_http(void **state)
{
	char *long_header = mem_zalloc(20000);
	struct program p;

	(void)state;
	setenv("STAGEPOST_READY_PATIENCE", "0", 1);
	start(&p, NULL, NULL);
	unsetenv("STAGEPOST_READY_PATIENCE");
	wait_for_answer(p.port, "/readyz", "200 OK");
	assert_non_null(strstr(get(p.port, "/healthz"), "\r\n\r\nok\n"));
	assert_non_null(strstr(get(p.port, "/metrics"), "Content-Type: text/plain; version=0.0.4"));
	assert_non_null(strstr(get(p.port, "/metrics"), "\nstagepost_redis_connected 1\n"));
	assert_non_null(strstr(get(p.port, "/metrics"), "\nstagepost_smtp_messages_total 0\n"));
	assert_non_null(strstr(get(p.port, "/metrics"), "\nstagepost_loop_lag_ms_bucket{le=\"+Inf\"} "));
	assert_non_null(strstr(get(p.port, "/metrics"), "\nstagepost_loop_lag_longest_ms "));
	assert_non_null(strstr(get(p.port, "/metrics"), "\nprocess_resident_memory_bytes "));
	assert_non_null(strstr(get(p.port, "/metrics?x=y"), "200 OK"));
	assert_non_null(strstr(get(p.port, "/"), " 404 "));
	assert_non_null(strstr(get(p.port, "/metrics/x"), " 404 "));
	/* What is no friendly client is refused, and nothing falls over. */
	assert_null(strstr(ask(p.port, "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"), "200 OK"));
	assert_null(strstr(ask(p.port, "nonsense\r\n\r\n"), "200 OK"));
	strcpy(long_header, "GET /healthz HTTP/1.1\r\nX: ");
	memset(long_header + strlen(long_header), 'a', 15000);
	strcat(long_header, "\r\nConnection: close\r\n\r\n");
	assert_null(strstr(ask(p.port, long_header), "200 OK"));
	assert_non_null(strstr(get(p.port, "/healthz"), "200 OK"));
	/* Not ready for a reason of the program's own. */
	touch("in-the-way", true);
	assert_non_null(strstr(get(p.port, "/readyz"), " 503 "));
	assert_non_null(strstr(get(p.port, "/readyz"), "a file is in the way\n"));
	touch("in-the-way", false);
	assert_non_null(strstr(get(p.port, "/readyz"), " 200 "));
	kill(p.pid, SIGTERM);
	assert_int_equal(wait_for_end(&p), 0);
	mem_free(long_header);
}

/* What is answered, for every kind of request that is not a plain GET. */
static void
test_http_requests(void **state)
{
	static const struct {
		const char *request, *status, *words; /* words: NULL: no body */
	} cases[] = {
		{"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK", "ok\n"},
		{"GET /healthz HTTP/1.0\r\n\r\n", "200 OK", "ok\n"},
		{"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "200 OK\r\n", NULL},
		{"HEAD /nothing HTTP/1.1\r\nHost: x\r\n\r\n", "404 Not Found\r\n", NULL},
		{"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", "405 ", "Method Not Allowed\n"},
		{"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", "405 ", "Method Not Allowed\n"},
		{"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", "413 ", "Content Too Large\n"},
		{"GET /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "413 ",
		 "Content Too Large\n"},
		{"GET /healthz HTTP/1.1\r\n\r\n", "400 ", "Bad Request\n"},
		{"GET /healthz\n\n", "400 ", "Bad Request\n"},
	};
	struct program p;

	(void)state;
	start(&p, NULL, NULL);
	wait_for_answer(p.port, "/readyz", "200 OK");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *answer = ask(p.port, cases[i].request), *body = strstr(answer, "\r\n\r\n");

		if (strncmp(answer, "HTTP/1.1 ", 9) != 0 ||
		    strncmp(answer + 9, cases[i].status, strlen(cases[i].status)) != 0 || body == NULL ||
		    strcmp(body + 4, cases[i].words != NULL ? cases[i].words : "") != 0)
			fail_msg("%s%s", cases[i].request, answer);
	}
	kill(p.pid, SIGTERM);
	assert_int_equal(wait_for_end(&p), 0);
}

/* Clients that say nothing, or half, or too much, keep nobody else out; a request
 * may come byte by byte, and its client close its half at once. */
static void
test_http_unfriendly(void **state)
{
	enum { SILENT = 300 };
	const char *request = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";
	char *long_head = mem_zalloc(40000), answer[1000] = "";
	int fds[SILENT], fd;
	struct program p;
	size_t len = 0;
	ssize_t got;

	(void)state;
	start(&p, NULL, NULL);
	wait_for_answer(p.port, "/readyz", "200 OK");
	for (unsigned i = 0; i < SILENT; i++) {
		fds[i] = connect_to(p.port);
		assert_true(fds[i] >= 0);
		if (i % 2 == 0)
			assert_int_equal(write(fds[i], request, 10), 10);
	}
	assert_non_null(strstr(get(p.port, "/healthz"), "200 OK"));
	for (unsigned i = 0; i < SILENT; i++)
		close(fds[i]);
	fd = connect_to(p.port);
	for (size_t i = 0; i < strlen(request); i++) {
		assert_int_equal(write(fd, request + i, 1), 1);
		usleep(1000);
	}
	shutdown(fd, SHUT_WR);
	while (len < sizeof(answer) - 1 && (got = read(fd, answer + len, sizeof(answer) - 1 - len)) > 0)
		len += (size_t)got;
	close(fd);
	assert_non_null(strstr(answer, "200 OK"));
	strcpy(long_head, "GET /healthz HTTP/1.1\r\nHost: x\r\nX: ");
	memset(long_head + strlen(long_head), 'a', 39000);
	assert_non_null(strstr(ask(p.port, long_head), " 431 "));
	assert_non_null(strstr(get(p.port, "/healthz"), "200 OK"));
	kill(p.pid, SIGTERM);
	assert_int_equal(wait_for_end(&p), 0);
	mem_free(long_head);
}

/* Redis comes and goes; the process stays, and says so. */
static void
test_redis_away(void **state)
{
	struct program p;

	(void)state;
	redis_fixture_kill(&server);
	setenv("STAGEPOST_READY_PATIENCE", "2", 1);
	start(&p, NULL, NULL);
	unsetenv("STAGEPOST_READY_PATIENCE");
	/* What never was ready has nothing to be patient about. */
	wait_for_answer(p.port, "/readyz", "Redis cannot be reached");
	assert_non_null(strstr(get(p.port, "/healthz"), "200 OK"));
	assert_true(redis_fixture_run(&server, true));
	wait_for_answer(p.port, "/readyz", "200 OK");
	redis_fixture_kill(&server);
	wait_for_answer(p.port, "/readyz", "ok; a store");
	wait_for_answer(p.port, "/readyz", " 503 ");
	assert_non_null(strstr(get(p.port, "/metrics"), "\nstagepost_redis_connected 0\n"));
	assert_true(redis_fixture_run(&server, true));
	wait_for_answer(p.port, "/readyz", "200 OK");
	kill(p.pid, SIGINT);
	assert_int_equal(wait_for_end(&p), 0);
}

static long long
number_of(redisContext *c, const char *command)
{
	redisReply *reply = redisCommand(c, command);
	long long number;

	assert_non_null(reply);
	number = reply->type == REDIS_REPLY_STRING ? strtoll(reply->str, NULL, 10) : reply->integer;
	freeReplyObject(reply);
	return number;
}

/* A process that dies between two commands would leave a heartbeat without an end:
 * what writes it and what limits it are of one script. */
static void
check_beat_is_one_step(void)
{
	redisContext *c = redisConnectUnix(server.socket);
	redisReply *reply = redisCommand(c, "MONITOR");
	bool seen = false;

	while (!seen) {
		freeReplyObject(reply);
		assert_int_equal(redisGetReply(c, (void **)&reply), REDIS_OK);
		seen = strstr(reply->str, "\"HSET\" \"cluster:proc:tester-1\"") != NULL;
	}
	assert_non_null(strstr(reply->str, " lua] "));
	freeReplyObject(reply);
	redisFree(c);
}

static void
test_heartbeat(void **state)
{
	redisContext *c = redisConnectUnix(server.socket);
	redisReply *reply;
	struct program p;

	(void)state;
	start(&p, NULL, NULL);
	wait_for_answer(p.port, "/readyz", "200 OK");
	while (number_of(c, "EXISTS cluster:proc:tester-1") == 0)
		usleep(10000);
	assert_int_equal(number_of(c, "HGET cluster:proc:tester-1 pid"), p.pid);
	reply = redisCommand(c, "HGET cluster:proc:tester-1 status");
	assert_ptr_equal(strstr(reply->str, "{\"draining\":false,\"loop_lag_longest_ms\":"), reply->str);
	assert_non_null(strstr(reply->str, ",\"answer\":42}"));
	freeReplyObject(reply);
	assert_true(number_of(c, "PTTL cluster:proc:tester-1") > 0);
	check_beat_is_one_step();
	/* A process that ends in order takes it along; one that dies cannot. */
	kill(p.pid, SIGTERM);
	assert_int_equal(wait_for_end(&p), 0);
	assert_int_equal(number_of(c, "EXISTS cluster:proc:tester-1"), 0);
	assert_int_equal(number_of(c, "ZCARD cluster:procs"), 0);
	redisFree(c);
}

/* Open work ends first, unless there is a second signal, or the time is over. */
static void
test_draining(void **state)
{
	struct program p;

	(void)state;
	touch("busy", true);
	start(&p, NULL, NULL);
	wait_for_answer(p.port, "/readyz", "200 OK");
	kill(p.pid, SIGTERM);
	wait_for_answer(p.port, "/readyz", "draining");
	assert_non_null(strstr(get(p.port, "/metrics"), "\nstagepost_draining 1\n"));
	kill(p.pid, SIGTERM);
	assert_int_equal(wait_for_end(&p), 0);
	start(&p, "--grace=0", NULL);
	wait_for_answer(p.port, "/readyz", "200 OK");
	kill(p.pid, SIGTERM);
	assert_int_equal(wait_for_end(&p), 0);
	touch("busy", false);
}

static void
test_bad_options(void **state)
{
	static const struct {
		const char *option, *value, *words;
		int status;
	} cases[] = {
		{"--help", NULL, "EXIT STATUS", 0},
		{"--nonsense", "1", "tester: unknown option '--nonsense'", 1},
		{"--port-base", "x", "tester: --port-base takes a number", 1},
		{"--port-base", "60001", "tester: --port-base takes a number", 1},
		{"--grace", "-1", "tester: --grace takes a number", 1},
		{"--metrics-port", "65536", "tester: --metrics-port takes a number", 1},
		{"--metrics-port", "", "tester: --metrics-port takes a number", 1},
		{"--metrics-listen", "192.0.2.1", "listening on the metrics port 192.0.2.1:", 1},
		{"--hostname", "two words", "tester: --hostname takes a host name", 1},
		{"--redis", "http://x", "tester: the URL of the store", 1},
		{"--blobs", "nowhere", "tester: the blob store", 1},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[8192];
		struct program p;
		FILE *output;
		size_t len;
		start(&p, cases[i].option, cases[i].value);
		output = fdopen(dup(fileno(p.output)), "r");
		assert_int_equal(wait_for_end(&p), cases[i].status);
		rewind(output);
		len = fread(text, 1, sizeof(text) - 1, output);
		text[len] = '\0';
		fclose(output);
		if (strstr(text, cases[i].words) == NULL)
			fail_msg("%s: %s", cases[i].option, text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_http, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http_unfriendly, setup, teardown),
		cmocka_unit_test_setup_teardown(test_redis_away, setup, teardown),
		cmocka_unit_test_setup_teardown(test_heartbeat, setup, teardown),
		cmocka_unit_test_setup_teardown(test_draining, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_options, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
