/* The orders of the queue command: retry, hold, release, delete. They go to the
 * broker that owns the message's shard. */
#include <stdio.h>
#include <string.h>

#include "ctl/commands.h"
#include "ctl/queue_walk.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/bus/client.h"
#include "lib/spool/id.h"

enum { ORDER_MS = 5000 };

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

/* The ids that a filter finds: all of them, before the first order changes the
 * queue that is walked. */
struct chosen {
	char (*ids)[SPOOL_ID_MAX]; /* owner */
	size_t count, room;
};

static bool
choose(void *arg, cJSON *m)
{
	struct chosen *c = arg;

	if (c->count == c->room) {
		c->room = c->room == 0 ? 256 : c->room * 2;
		c->ids = mem_realloc(c->ids, c->room * sizeof(*c->ids));
	}
	str_copy(str_c(cJSON_GetStringValue(cJSON_GetObjectItem(m, "id"))), c->ids[c->count++], SPOOL_ID_MAX);
	cJSON_Delete(m);
	return true;
}

static int
order_messages(struct ctl *ctl, const char *verb, const char *name, int argc, char **argv)
{
	static const struct bus_events events = {on_peer, on_peer_lost, on_frame};
	struct ordering o = {.wait = CTL_WAIT};
	struct queue_filter filter;
	struct chosen chosen = {.count = 0};
	struct err err;
	int status = 0;

	if (queue_filter_take(&filter, &argc, argv) != 0 || ctl_has_unknown_option(argc, argv))
		return 1;
	if ((argc < 1) == queue_filter_is_empty(&filter))
		return ctl_usage(name); /* ids or a filter, not both */
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	if (argc < 1 && queue_walk(ctl, &filter, choose, &chosen) != 0)
		return 1;
	o.bus = bus_client_new(ctl->base, ctl->redis, ctl->tracking, "stagepost-tool", &err);
	if (o.bus == NULL)
		return ctl_fail("%s", err.text);
	bus_client_watch(o.bus, &events, &o);
	for (int i = 0; i < argc; i++)
		if (give_order(ctl, &o, verb, argv[i]) != 0)
			status = 1;
	for (size_t i = 0; i < chosen.count; i++)
		if (give_order(ctl, &o, verb, chosen.ids[i]) != 0)
			status = 1;
	mem_free(chosen.ids);
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
