/* The commands queue and trace. Reading goes straight to the store, so it
 * works from any host and whatever became of the one that took the message in;
 * orders go to the broker that owns the message's shard. */
#include <stdio.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/message.h"
#include "lib/base/clock.h"
#include "lib/bus/client.h"
#include "lib/spool/id.h"

enum { PAGE_ENTRIES = 200, DEFAULT_LIMIT = 100, ORDER_MS = 5000 };

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
	struct ctl_wait wait;
	struct ctl *ctl;
	const char *state, *sender, *recipient;
	uint64_t limit, shown;
	uint64_t next_cursor;
	cJSON *list; /* owner; NULL: printed as they come */
};

static bool
has_text(const char *text, const char *part)
{
	return part == NULL || (text != NULL && strcasestr(text, part) != NULL);
}

static bool
is_wanted(const struct listing *l, const cJSON *m)
{
	const cJSON *recipient;
	bool any = l->recipient == NULL;

	cJSON_ArrayForEach(recipient, cJSON_GetObjectItem(m, "recipients"))
		any = any || has_text(cJSON_GetStringValue(recipient), l->recipient);
	return any && has_text(cJSON_GetStringValue(cJSON_GetObjectItem(m, "sender")), l->sender) &&
	       (l->state == NULL || strcmp(cJSON_GetStringValue(cJSON_GetObjectItem(m, "state")), l->state) == 0);
}

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
	cJSON_ArrayForEach(recipient, cJSON_GetObjectItem(m, "recipients"))
		printf("    <%s>\n", cJSON_GetStringValue(recipient));
	if (answer != NULL)
		printf("    (%s)\n", answer);
}

static void
on_page(void *arg, const struct spool_entry *entries, size_t count, uint64_t next_cursor, const struct err *err)
{
	struct listing *l = arg;

	l->next_cursor = next_cursor;
	for (size_t i = 0; err == NULL && i < count && l->shown < l->limit; i++) {
		cJSON *m = message_summary(&entries[i]);
		if (m == NULL || !is_wanted(l, m)) {
			cJSON_Delete(m);
			continue;
		}
		l->shown++;
		if (l->list != NULL) {
			cJSON_AddItemToArray(l->list, m);
			continue;
		}
		print_summary(m);
		cJSON_Delete(m);
	}
	ctl_wait_end(&l->wait, err);
}

struct count_wait {
	struct ctl_wait wait;
	int64_t count;
};

static void
on_count(void *arg, int64_t count, const struct err *err)
{
	struct count_wait *w = arg;

	w->count = count;
	ctl_wait_end(&w->wait, err);
}

static int
list_shards(struct ctl *ctl, struct listing *l)
{
	struct count_wait shards = {.wait = CTL_WAIT};

	spool_read_shard_count(ctl->redis, on_count, &shards);
	if (ctl_wait(ctl, &shards.wait) != 0)
		return ctl_fail("%s", shards.wait.err.text);
	for (unsigned shard = 0; shard < shards.count && l->shown < l->limit; shard++) {
		l->next_cursor = 0;
		do {
			l->wait = CTL_WAIT;
			spool_read_page(ctl->redis, shard, l->next_cursor, PAGE_ENTRIES, on_page, l);
			if (ctl_wait(ctl, &l->wait) != 0)
				return ctl_fail("%s", l->wait.err.text);
		} while (l->next_cursor != 0 && l->shown < l->limit);
	}
	return 0;
}

int
command_queue_list(struct ctl *ctl, int argc, char **argv)
{
	struct listing l = {.ctl = ctl, .limit = DEFAULT_LIMIT};
	const char *limit = NULL;

	if (ctl_take_option(&argc, argv, "--state", &l.state) != 0 ||
	    ctl_take_option(&argc, argv, "--sender", &l.sender) != 0 ||
	    ctl_take_option(&argc, argv, "--recipient", &l.recipient) != 0 ||
	    ctl_take_option(&argc, argv, "--limit", &limit) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("queue list");
	if (l.state != NULL && strcmp(l.state, "active") != 0 && strcmp(l.state, "deferred") != 0 &&
	    strcmp(l.state, "held") != 0)
		return ctl_fail("--state is one of active, deferred, held, not '%s'", l.state);
	if (limit != NULL && !str_to_u64(str_c(limit), &l.limit))
		return ctl_fail("--limit takes a number, not '%s'", limit);
	if (connect_store(ctl) != 0)
		return 1;
	l.list = ctl->json ? cJSON_CreateArray() : NULL;
	if (list_shards(ctl, &l) != 0)
		return 1;
	if (l.list != NULL)
		output_json(l.list);
	else if (l.shown == l.limit)
		fprintf(stderr, "(the first %llu; --limit N for more)\n", (unsigned long long)l.limit);
	return 0;
}

/* ---- Orders ---- */

struct ordering {
	struct ctl_wait wait;
	struct bus_client *bus;
	uint64_t request;
	bool done;
	char text[300];
};

static void
on_frame(void *arg, struct bus_peer *p, const Stagepost__Frame *frame)
{
	struct ordering *o = arg;

	(void)p;
	if (frame->body_case != STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY || frame->request != o->request)
		return;
	o->done = frame->queue_order_reply->done;
	str_copy(str_c(frame->queue_order_reply->text), o->text, sizeof(o->text));
	ctl_wait_end(&o->wait, NULL);
}

static void
on_peer(void *arg, struct bus_peer *p)
{
	(void)arg, (void)p;
}

static void
on_peer_lost(void *arg, struct bus_peer *p)
{
	(void)arg, (void)p;
}

/* The shard's owner, once it is known. */
static struct bus_peer *
wait_owner(struct ctl *ctl, struct ordering *o, unsigned shard)
{
	int64_t until = clock_monotonic_ms() + ORDER_MS;
	struct bus_peer *owner;

	while ((owner = bus_client_owner(o->bus, shard)) == NULL && clock_monotonic_ms() < until) {
		struct timeval turn = clock_timeval(10);
		event_base_loopexit(ctl->base, &turn);
		event_base_loop(ctl->base, EVLOOP_ONCE);
	}
	return owner;
}

static int
give_order(struct ctl *ctl, struct ordering *o, const char *verb, const char *id)
{
	Stagepost__QueueOrder order = STAGEPOST__QUEUE_ORDER__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	struct bus_peer *owner;
	struct err err;
	unsigned shard;

	if (!spool_id_parse(str_c(id), &shard, NULL))
		return ctl_fail("'%s' is not a message's id", id);
	owner = wait_owner(ctl, o, shard);
	if (owner == NULL)
		return ctl_fail("no broker owns the shard of %s", id);
	order.verb = (char *)(uintptr_t)verb;
	order.id = (char *)(uintptr_t)id;
	frame.request = ++o->request;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER;
	frame.queue_order = &order;
	o->wait = CTL_WAIT;
	if (bus_send(o->bus, owner, &frame, &err) != 0)
		return ctl_fail("%s", err.text);
	if (ctl_wait(ctl, &o->wait) != 0)
		return ctl_fail("%s", o->wait.err.text);
	if (!o->done)
		return ctl_fail("%s: %s", id, o->text);
	printf("%s: %s\n", id, o->text);
	return 0;
}

static int
order_messages(struct ctl *ctl, const char *verb, const char *name, int argc, char **argv)
{
	static const struct bus_events events = {on_peer, on_peer_lost, on_frame};
	struct ordering o = {.wait = CTL_WAIT};
	struct err err;
	int status = 0;

	if (ctl_has_unknown_option(argc, argv))
		return 1;
	if (argc < 1)
		return ctl_usage(name);
	if (connect_store(ctl) != 0)
		return 1;
	o.bus = bus_client_new(ctl->base, ctl->redis, ctl->tracking, "stagepost-tool", &err);
	if (o.bus == NULL)
		return ctl_fail("%s", err.text);
	bus_client_watch(o.bus, &events, &o);
	for (int i = 0; i < argc; i++)
		if (give_order(ctl, &o, verb, argv[i]) != 0)
			status = 1;
	bus_client_free(&o.bus);
	return status;
}

int
command_queue_retry(struct ctl *ctl, int argc, char **argv)
{
	return order_messages(ctl, "retry", "queue retry", argc, argv);
}

int
command_queue_hold(struct ctl *ctl, int argc, char **argv)
{
	return order_messages(ctl, "hold", "queue hold", argc, argv);
}

int
command_queue_release(struct ctl *ctl, int argc, char **argv)
{
	return order_messages(ctl, "release", "queue release", argc, argv);
}

int
command_queue_delete(struct ctl *ctl, int argc, char **argv)
{
	return order_messages(ctl, "delete", "queue delete", argc, argv);
}
