/* The load generator of the benchmarks: build/bench/load MODE [options].
 *
 *   smtp     sends messages over many sessions; done when the last one is
 *            answered 250
 *   relay    the same to a remote domain, with the sink in this process; done
 *            when the last has arrived at the sink
 *   sink     only the sink; done when --count messages have arrived
 *   message  prints the message that the others send
 *   latency  one at a time: from the end of the data to the sink's 250
 *   pop3     logs in, reads all (--retrieve), quits
 *   imap     the mixed load: logs in, reads, changes, logs out
 *   imap-body  fetches the first message of each account
 *   files    a plain file server for imap-body, until it is killed
 *   ldap     binds once, then sends one search (--search) after another
 *   ldap-idle  holds connections that are bound until standard input ends
 *   idle     holds connections until standard input ends
 *
 * Prints one JSON object. */
#include "bench/load.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "lib/base/mem.h"

enum { ERRORS_MAX = 1000, ERRORS_TOLD = 5 };

static const struct {
	const char *name;
	void (*run)(struct load *l);
} modes[] = {{"smtp", run_smtp},       {"message", run_message}, {"relay", run_relay}, {"sink", run_sink},
	     {"latency", run_latency}, {"pop3", run_pop3},	 {"imap", run_imap},   {"imap-body", run_imap_body},
	     {"files", run_files},     {"idle", run_idle},	 {"ldap", run_ldap},   {"ldap-idle", run_ldap_idle}};

int64_t
now_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

void
load_note(struct load *l, int64_t since_us)
{
	l->done++;
	load_note_time(l, since_us);
}

void
load_note_time(struct load *l, int64_t since_us)
{
	if (l->times == l->times_room) {
		l->times_room = l->times_room * 2 + 1024;
		l->times_us = mem_realloc(l->times_us, sizeof(*l->times_us) * l->times_room);
	}
	l->times_us[l->times++] = (uint32_t)(now_us() - since_us);
}

void
load_error(struct load *l, const char *format, ...)
{
	va_list ap;

	if (++l->errors <= ERRORS_TOLD) {
		va_start(ap, format);
		fprintf(stderr, "load: ");
		vfprintf(stderr, format, ap);
		fprintf(stderr, "\n");
		va_end(ap);
	}
	if (l->errors == ERRORS_MAX)
		load_end(l);
}

void
load_end(struct load *l)
{
	l->ended_us = now_us();
	event_base_loopbreak(l->base);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static double
percentile_ms(const struct load *l, double part)
{
	return l->times == 0 ? 0 : l->times_us[(uint64_t)((double)(l->times - 1) * part)] / 1000.0;
}

static void
print_result(struct load *l)
{
	struct rusage used;
	double cpu_s;

	getrusage(RUSAGE_SELF, &used);
	cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		(double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	if (l->times != 0)
		qsort(l->times_us, l->times, sizeof(*l->times_us), compare);
	printf("{\"done\": %llu, \"seconds\": %.6f, \"bytes\": %llu, \"retries\": %llu, \"errors\": %llu, "
	       "\"p50_ms\": %.3f, \"p99_ms\": %.3f, \"cpu_s\": %.3f}\n",
	       (unsigned long long)l->done, (double)(l->ended_us - l->begun_us) / 1e6, (unsigned long long)l->bytes,
	       (unsigned long long)l->retries, (unsigned long long)l->errors, percentile_ms(l, 0.5),
	       percentile_ms(l, 0.99), cpu_s);
}

/* One row per option: a number, a word or a switch. */
static int
read_options(struct options *o, int argc, char **argv)
{
	const struct {
		const char *name;
		int *number;
		const char **word;
		bool *flag;
	} rows[] = {
		{"port", &o->port, NULL, NULL},
		{"sink-port", &o->sink_port, NULL, NULL},
		{"sessions", &o->sessions, NULL, NULL},
		{"count", &o->count, NULL, NULL},
		{"size", &o->size_bytes, NULL, NULL},
		{"users", &o->users, NULL, NULL},
		{"first-user", &o->first_user, NULL, NULL},
		{"interval-ms", &o->interval_ms, NULL, NULL},
		{"protocol", NULL, &o->protocol, NULL},
		{"domain", NULL, &o->domain, NULL},
		{"search", NULL, &o->search, NULL},
		{"prefix", NULL, &o->prefix, NULL},
		{"tls", NULL, NULL, &o->tls},
		{"pipeline", NULL, NULL, &o->pipeline},
		{"reconnect", NULL, NULL, &o->reconnect},
		{"retrieve", NULL, NULL, &o->retrieve},
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	struct option list[ROWS + 1] = {0};
	int row = 0, got;

	for (int i = 0; i < ROWS; i++)
		list[i] = (struct option){rows[i].name, rows[i].flag == NULL, NULL, 1};
	while ((got = getopt_long_only(argc, argv, "", list, &row)) != -1) {
		if (got != 1)
			return -1;
		if (rows[row].number != NULL)
			*rows[row].number = atoi(optarg);
		else if (rows[row].word != NULL)
			*rows[row].word = optarg;
		else
			*rows[row].flag = true;
	}
	return 0;
}

/* Ten thousand connections need as many descriptors. */
static void
raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
main(int argc, char **argv)
{
	struct options options = {.sessions = 1,
				  .count = 1,
				  .size_bytes = 4096,
				  .users = 1,
				  .protocol = "smtp",
				  .domain = "bench.test",
				  .search = "exact",
				  .interval_ms = 20};
	struct load load = {.options = &options};

	if (argc < 2 || read_options(&options, argc - 1, argv + 1) != 0 || options.port == 0) {
		fprintf(stderr, "usage: load MODE --port N [options]; see bench/load.c\n");
		return 1;
	}
	raise_limit();
	load.base = event_base_new();
	if (options.tls)
		load.tls = SSL_CTX_new(TLS_client_method());
	if (options.sessions > options.count)
		options.sessions = options.count;
	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(argv[1], modes[i].name) != 0)
			continue;
		load.begun_us = now_us();
		modes[i].run(&load);
		print_result(&load);
		return load.errors != 0;
	}
	fprintf(stderr, "load: no mode '%s'\n", argv[1]);
	return 1;
}
