/* The commands queue and trace. Reading goes straight to the store, so it
 * works from any host and whatever became of the one that took the message in. */
#include <stdio.h>
#include <string.h>
#include <uthash.h>

#include "ctl/commands.h"
#include "ctl/message.h"
#include "ctl/queue_walk.h"
#include "lib/base/mem.h"
#include "lib/spool/id.h"

enum { DEFAULT_LIMIT = 100 };

static int
connect_store(struct ctl *ctl)
{
	struct err err;
	return ctl_connect(ctl, &err) == 0 ? 0 : ctl_fail("%s", err.text);
}

/* ---- Reading ---- */

struct find_wait {
	struct ctl_wait wait;
	cJSON *record;
};

static void
on_entry(void *arg, const struct spool_entry *entry, const struct err *err)
{
	struct find_wait *w = arg;

	if (err == NULL)
		w->record = message_record(entry);
	ctl_wait_end(&w->wait, err);
}

static cJSON *
find_message(struct ctl *ctl, const char *id)
{
	struct find_wait w = {.wait = CTL_WAIT};

	if (!spool_id_parse(str_c(id), NULL, NULL)) {
		ctl_fail("'%s' is not a message's id", id);
		return NULL;
	}
	spool_find(ctl->redis, str_c(id), on_entry, &w);
	if (ctl_wait(ctl, &w.wait) != 0)
		ctl_fail(w.wait.err.code == ERR_NOT_FOUND ? "no message %s is in the queue or known any more" : "%s",
			 w.wait.err.code == ERR_NOT_FOUND ? id : w.wait.err.text);
	else if (w.record == NULL)
		ctl_fail("what is stored of %s is damaged", id);
	return w.record;
}

static int
show_message(struct ctl *ctl, const char *name, int argc, char **argv)
{
	cJSON *record;

	if (ctl_has_unknown_option(argc, argv) || argc != 1)
		return ctl_usage(name);
	if (connect_store(ctl) != 0)
		return 1;
	record = find_message(ctl, argv[0]);
	if (record == NULL)
		return 1;
	if (ctl->json) {
		output_json(record);
		return 0;
	}
	message_print_trace(record);
	cJSON_Delete(record);
	return 0;
}

int
command_trace(struct ctl *ctl, int argc, char **argv)
{
	return show_message(ctl, "trace", argc, argv);
}

int
command_queue_show(struct ctl *ctl, int argc, char **argv)
{
	return show_message(ctl, "queue show", argc, argv);
}

/* ---- Listing ---- */

struct listing {
	uint64_t limit, shown;
	cJSON *list; /* owner; NULL: printed as they come */
};

static void
print_summary(const cJSON *m)
{
	const char *answer = cJSON_GetStringValue(cJSON_GetObjectItem(m, "answer"));
	const cJSON *recipient;

	printf("%s  %-8s %8.0f s  %9.0f  <%s>\n", cJSON_GetStringValue(cJSON_GetObjectItem(m, "id")),
	       cJSON_GetStringValue(cJSON_GetObjectItem(m, "state")),
	       cJSON_GetNumberValue(cJSON_GetObjectItem(m, "age_ms")) / 1000,
	       cJSON_GetNumberValue(cJSON_GetObjectItem(m, "size")),
	       cJSON_GetStringValue(cJSON_GetObjectItem(m, "sender")));
	cJSON_ArrayForEach (recipient, cJSON_GetObjectItem(m, "recipients"))
		printf("    <%s>\n", cJSON_GetStringValue(recipient));
	if (answer != NULL)
		printf("    (%s)\n", answer);
}

static bool
list_one(void *arg, cJSON *m)
{
	struct listing *l = arg;

	if (l->list != NULL) {
		cJSON_AddItemToArray(l->list, m);
	} else {
		print_summary(m);
		cJSON_Delete(m);
	}
	return ++l->shown < l->limit;
}

int
command_queue_list(struct ctl *ctl, int argc, char **argv)
{
	struct listing l = {.limit = DEFAULT_LIMIT};
	struct queue_filter filter;
	const char *limit = NULL;

	if (queue_filter_take(&filter, &argc, argv) != 0)
		return 1;
	if (ctl_take_option(&argc, argv, "--limit", &limit) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("queue list");
	if (limit != NULL && (!str_to_u64(str_c(limit), &l.limit) || l.limit == 0))
		return ctl_fail("--limit takes a number, not '%s'", limit);
	if (connect_store(ctl) != 0)
		return 1;
	l.list = ctl->json ? cJSON_CreateArray() : NULL;
	if (queue_walk(ctl, &filter, list_one, &l) != 0)
		return 1;
	if (l.list != NULL)
		output_json(l.list);
	else if (l.shown == l.limit)
		fprintf(stderr, "(the first %llu; --limit N for more)\n", (unsigned long long)l.limit);
	return 0;
}

/* ---- By destination ---- */

struct destination {
	char *name;
	unsigned recipients, deferred, held;
	double oldest_ms;
	char answer[200]; /* the last one that was met on the way */
	UT_hash_handle hh;
};

static void
count_recipient(struct destination **all, const char *address, const cJSON *m)
{
	const char *at = strrchr(address, '@'), *name = at != NULL ? at + 1 : address;
	const char *state = cJSON_GetStringValue(cJSON_GetObjectItem(m, "state"));
	const char *answer = cJSON_GetStringValue(cJSON_GetObjectItem(m, "answer"));
	double age_ms = cJSON_GetNumberValue(cJSON_GetObjectItem(m, "age_ms"));
	struct destination *d;

	HASH_FIND_STR(*all, name, d);
	if (d == NULL) {
		d = mem_new(struct destination);
		d->name = mem_strdup(name);
		HASH_ADD_KEYPTR(hh, *all, d->name, strlen(d->name), d);
	}
	d->recipients++;
	d->deferred += strcmp(state, "deferred") == 0;
	d->held += strcmp(state, "held") == 0;
	if (age_ms > d->oldest_ms)
		d->oldest_ms = age_ms;
	if (answer != NULL)
		str_copy(str_c(answer), d->answer, sizeof(d->answer));
}

static bool
count_one(void *arg, cJSON *m)
{
	const cJSON *recipient;

	cJSON_ArrayForEach (recipient, cJSON_GetObjectItem(m, "recipients"))
		count_recipient(arg, cJSON_GetStringValue(recipient), m);
	cJSON_Delete(m);
	return true;
}

static int
by_count(const struct destination *a, const struct destination *b)
{
	return a->recipients < b->recipients ? 1 : a->recipients > b->recipients ? -1 : strcmp(a->name, b->name);
}

static void
show_destination(const struct destination *d, cJSON *list)
{
	cJSON *o;

	if (list == NULL) {
		printf("%-40s %8u %8u %6u %8.0f s  %s\n", d->name, d->recipients, d->deferred, d->held,
		       d->oldest_ms / 1000, d->answer);
		return;
	}
	o = cJSON_CreateObject();
	cJSON_AddStringToObject(o, "destination", d->name);
	cJSON_AddNumberToObject(o, "recipients", d->recipients);
	cJSON_AddNumberToObject(o, "deferred", d->deferred);
	cJSON_AddNumberToObject(o, "held", d->held);
	cJSON_AddNumberToObject(o, "oldest_ms", d->oldest_ms);
	cJSON_AddStringToObject(o, "answer", d->answer);
	cJSON_AddItemToArray(list, o);
}

int
command_queue_summary(struct ctl *ctl, int argc, char **argv)
{
	struct destination *all = NULL, *d, *next;
	cJSON *list = ctl->json ? cJSON_CreateArray() : NULL;
	struct queue_filter filter;

	if (queue_filter_take(&filter, &argc, argv) != 0)
		return 1;
	if (ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("queue summary");
	if (connect_store(ctl) != 0 || queue_walk(ctl, &filter, count_one, &all) != 0)
		return 1;
	HASH_SORT(all, by_count);
	if (list == NULL)
		printf("%-40s %8s %8s %6s %10s  %s\n", "DESTINATION", "WAITING", "DEFERRED", "HELD", "OLDEST",
		       "LAST ANSWER");
	HASH_ITER (hh, all, d, next) {
		show_destination(d, list);
		HASH_DEL(all, d);
		mem_free(d->name);
		mem_free(d);
	}
	if (list != NULL)
		output_json(list);
	return 0;
}
