/* The commands queue list and queue summary: from the brokers' memory, the
 * messages in the order in which they came. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/brokers.h"
#include "ctl/commands.h"
#include "ctl/message.h"
#include "ctl/queue_filter.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/spool/id.h"

enum { DEFAULT_LIMIT = 100, PAGE_MAX = 5000, SUMMARY_LIMIT = 40 };

/* ---- Pages of all brokers, put together ---- */
struct listing {
	struct ctl *ctl;
	struct brokers *brokers;
	Stagepost__QueueQuery query;
	char after[SPOOL_ID_MAX];
	uint64_t limit, shown;
	bool more;   /* than were shown */
	cJSON *list; /* owner; NULL: printed as they come */
};

static void
show_entry(struct listing *l, const Stagepost__QueueEntry *e)
{
	cJSON *m = message_listed(e);

	if (m == NULL)
		return;
	if (l->list != NULL) {
		cJSON_AddItemToArray(l->list, m);
		return;
	}
	message_print_listed(m);
	cJSON_Delete(m);
}

static const Stagepost__QueuePage *
page_of(const struct brokers *b, unsigned number)
{
	const Stagepost__Frame *answer = brokers_answer(b, number);
	return answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_PAGE ? answer->queue_page : NULL;
}

static int
by_id(const void *a, const void *b)
{
	return strcmp((*(Stagepost__QueueEntry *const *)a)->id, (*(Stagepost__QueueEntry *const *)b)->id);
}

/* Up to where every broker has told all that it has: empty: to the end. */
static const char *
find_bound(const struct listing *l, size_t *count_out)
{
	const char *bound = "";

	*count_out = 0;
	for (unsigned i = 0; i < brokers_count(l->brokers); i++) {
		const Stagepost__QueuePage *page = page_of(l->brokers, i);
		if (page == NULL)
			continue;
		*count_out += page->n_entries;
		if (page->next_after[0] != '\0' && (bound[0] == '\0' || strcmp(page->next_after, bound) < 0))
			bound = page->next_after;
	}
	return bound;
}

/* One round; false: it was the last. */
static bool
show_round(struct listing *l)
{
	size_t room, count = 0;
	const char *bound = find_bound(l, &room);
	Stagepost__QueueEntry **all = mem_alloc((room + 1) * sizeof(struct Stagepost__QueueEntry *));

	for (unsigned i = 0; i < brokers_count(l->brokers); i++) {
		const Stagepost__QueuePage *page = page_of(l->brokers, i);
		for (size_t k = 0; page != NULL && k < page->n_entries; k++)
			if (bound[0] == '\0' || strcmp(page->entries[k]->id, bound) <= 0)
				all[count++] = page->entries[k];
	}
	if (count > 1)
		qsort(all, count, sizeof(struct Stagepost__QueueEntry *), by_id);
	for (size_t k = 0; k < count; k++) {
		/* A shard that moves meanwhile is told of twice. */
		if (k != 0 && strcmp(all[k]->id, all[k - 1]->id) == 0)
			continue;
		if (l->shown == l->limit) {
			l->more = true;
			break;
		}
		show_entry(l, all[k]);
		l->shown++;
	}
	mem_free(all);
	str_copy(str_c(bound), l->after, sizeof(l->after));
	l->more |= bound[0] != '\0' && l->shown == l->limit;
	return bound[0] != '\0' && l->shown < l->limit;
}

static void
run_listing(struct listing *l)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;

	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &l->query;
	l->query.after = l->after;
	do {
		uint64_t left = l->limit - l->shown;
		l->query.limit = left < PAGE_MAX ? (uint32_t)left : PAGE_MAX;
		brokers_ask_all(l->brokers, &frame);
		brokers_wait(l->brokers);
	} while (show_round(l));
}

int
command_queue_list(struct ctl *ctl, int argc, char **argv)
{
	struct listing l = {.ctl = ctl, .limit = DEFAULT_LIMIT, .query = STAGEPOST__QUEUE_QUERY__INIT};
	Stagepost__QueueFilter filter;
	const char *limit = NULL;
	bool any, whole;
	struct err err;

	if (queue_filter_take("queue list", &argc, argv, &filter, &any) != 0)
		return 1;
	if (ctl_take_option(&argc, argv, "--limit", &limit) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("queue list");
	if (limit != NULL && ctl_number("--limit", limit, &l.limit) != 0)
		return 1;
	if (ctl_connect(ctl, &err) != 0 || (l.brokers = brokers_new(ctl, &err)) == NULL)
		return ctl_fail("%s", err.text);
	l.query.filter = &filter;
	l.list = ctl->json ? cJSON_CreateArray() : NULL;
	if (l.limit != 0)
		run_listing(&l);
	if (l.list != NULL)
		output_json(l.list);
	else if (l.more)
		fprintf(stderr, "(the first %llu; --limit N for more)\n", (unsigned long long)l.limit);
	whole = brokers_are_whole(l.brokers);
	brokers_free(&l.brokers);
	return whole ? 0 : 1;
}

/* ---- The summary ---- */
static uint64_t
size_of(const Stagepost__QueueLine *line)
{
	return (uint64_t)line->queued + line->active + line->deferred + line->held;
}

static int
by_destination(const void *a, const void *b)
{
	const Stagepost__QueueLine *x = *(Stagepost__QueueLine *const *)a, *y = *(Stagepost__QueueLine *const *)b;
	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->destination, y->destination);
}

static int
largest_first(const void *a, const void *b)
{
	uint64_t x = size_of(*(Stagepost__QueueLine *const *)a), y = size_of(*(Stagepost__QueueLine *const *)b);
	return x > y ? -1 : x < y ? 1 : by_destination(a, b);
}

static uint64_t
sooner(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

/* Lines of one destination are one; how many are left. */
static size_t
merge(Stagepost__QueueLine **lines, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(lines, count, sizeof(*lines), by_destination);
	for (size_t i = 0; i < count; i++) {
		Stagepost__QueueLine *into = kept != 0 ? lines[kept - 1] : NULL;
		if (into == NULL || by_destination(&into, &lines[i]) != 0) {
			lines[kept++] = lines[i];
			continue;
		}
		into->queued += lines[i]->queued;
		into->active += lines[i]->active;
		into->deferred += lines[i]->deferred;
		into->held += lines[i]->held;
		into->oldest_ms = sooner(into->oldest_ms, lines[i]->oldest_ms);
		into->next_try_ms = sooner(into->next_try_ms, lines[i]->next_try_ms);
		into->probe_ms = sooner(into->probe_ms, lines[i]->probe_ms);
		into->throttled |= lines[i]->throttled;
		if (into->answer[0] == '\0')
			into->answer = lines[i]->answer;
		if (into->site[0] == '\0')
			into->site = lines[i]->site;
	}
	if (kept > 1)
		qsort(lines, kept, sizeof(*lines), largest_first);
	return kept;
}

/* What is due goes at once, unless the destination is left alone: then with the
 * next look at that. What is deferred waits for both. 0: nothing waits for time. */
static uint64_t
next_try_ms(const Stagepost__QueueLine *line)
{
	if (line->queued != 0)
		return line->probe_ms;
	return line->next_try_ms > line->probe_ms ? line->next_try_ms : line->probe_ms;
}

static void
print_line(const Stagepost__QueueLine *line, int64_t now_ms)
{
	uint64_t next_ms = next_try_ms(line);
	char next[32] = "-";

	if (next_ms != 0)
		snprintf(next, sizeof(next), "%.0f s", ((double)next_ms - (double)now_ms) / 1000);
	printf("%-40s %8u %8u %8u %8u %9.0f s %10s  %s\n", line->destination, line->queued, line->active,
	       line->deferred, line->held, line->oldest_ms != 0 ? ((double)now_ms - (double)line->oldest_ms) / 1000 : 0,
	       next,
	       line->answer[0] == '\0' && line->throttled ? "waits for its limits (settings:destination)"
							  : line->answer);
}

static cJSON *
line_record(const Stagepost__QueueLine *line, int64_t now_ms)
{
	static const char *const kinds[] = {"local", "remote", "report", "retrieve", "check"};
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "destination", line->destination);
	cJSON_AddStringToObject(o, "kind", (unsigned)line->kind < 5 ? kinds[line->kind] : "other");
	cJSON_AddNumberToObject(o, "queued", line->queued);
	cJSON_AddNumberToObject(o, "active", line->active);
	cJSON_AddNumberToObject(o, "deferred", line->deferred);
	cJSON_AddNumberToObject(o, "held", line->held);
	if (line->oldest_ms != 0)
		cJSON_AddNumberToObject(o, "oldest_age_ms", (double)now_ms - (double)line->oldest_ms);
	if (line->site[0] != '\0')
		cJSON_AddStringToObject(o, "site", line->site);
	cJSON_AddBoolToObject(o, "throttled", line->throttled);
	message_add_time(o, "next_try", next_try_ms(line));
	message_add_time(o, "ill_until", line->probe_ms);
	if (line->answer[0] != '\0')
		cJSON_AddStringToObject(o, "answer", line->answer);
	return o;
}

static void
show_lines(const struct ctl *ctl, Stagepost__QueueLine **lines, size_t count, size_t all)
{
	int64_t now_ms = clock_unix_ms();
	cJSON *list = ctl->json ? cJSON_CreateArray() : NULL;

	if (list == NULL)
		printf("%-40s %8s %8s %8s %8s %11s %10s  %s\n", "DESTINATION", "QUEUED", "ACTIVE", "DEFERRED", "HELD",
		       "OLDEST", "NEXT TRY", "LAST ANSWER");
	for (size_t i = 0; i < count; i++) {
		if (list != NULL)
			cJSON_AddItemToArray(list, line_record(lines[i], now_ms));
		else
			print_line(lines[i], now_ms);
	}
	if (list != NULL)
		output_json(list);
	else if (count < all)
		fprintf(stderr, "(%zu of %zu; --limit N for more)\n", count, all);
}

static void
summarize(const struct ctl *ctl, struct brokers *b, Stagepost__QueueFilter *filter, uint64_t limit)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueSummaryQuery query = STAGEPOST__QUEUE_SUMMARY_QUERY__INIT;
	Stagepost__QueueLine **lines;
	size_t room = 1, count = 0;

	query.filter = filter;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_SUMMARY_QUERY;
	frame.queue_summary_query = &query;
	brokers_ask_all(b, &frame);
	brokers_wait(b);
	for (unsigned i = 0; i < brokers_count(b); i++) {
		const Stagepost__Frame *answer = brokers_answer(b, i);
		if (answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_SUMMARY)
			room += answer->queue_summary->n_lines;
	}
	lines = mem_alloc(room * sizeof(struct Stagepost__QueueLine *));
	for (unsigned i = 0; i < brokers_count(b); i++) {
		const Stagepost__Frame *answer = brokers_answer(b, i);
		if (answer == NULL || answer->body_case != STAGEPOST__FRAME__BODY_QUEUE_SUMMARY)
			continue;
		for (size_t k = 0; k < answer->queue_summary->n_lines; k++)
			lines[count++] = answer->queue_summary->lines[k];
	}
	count = merge(lines, count);
	show_lines(ctl, lines, count < limit ? count : limit, count);
	mem_free(lines);
}

int
command_queue_summary(struct ctl *ctl, int argc, char **argv)
{
	const char *text = NULL;
	uint64_t limit = ctl->json ? UINT32_MAX : SUMMARY_LIMIT;
	Stagepost__QueueFilter filter;
	struct brokers *b;
	struct err err;
	bool any, whole;

	if (queue_filter_take("queue summary", &argc, argv, &filter, &any) != 0)
		return 1;
	if (ctl_take_option(&argc, argv, "--limit", &text) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("queue summary");
	if (text != NULL && ctl_number("--limit", text, &limit) != 0)
		return 1;
	if (ctl_connect(ctl, &err) != 0 || (b = brokers_new(ctl, &err)) == NULL)
		return ctl_fail("%s", err.text);
	summarize(ctl, b, &filter, limit);
	whole = brokers_are_whole(b);
	brokers_free(&b);
	return whole ? 0 : 1;
}
