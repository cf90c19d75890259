/* The commands trace and queue show: one message, from the store, so that they
 * work from any host and whatever became of the one that took the message in;
 * and what its broker is doing with it now. */
#include <stdio.h>

#include "ctl/brokers.h"
#include "ctl/commands.h"
#include "ctl/message.h"
#include "lib/base/clock.h"
#include "lib/spool/id.h"

static int
connect_store(struct ctl *ctl)
{
	struct err err;
	return ctl_connect(ctl, &err) == 0 ? 0 : ctl_fail("%s", err.text);
}

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

static void
print_or_show(const struct ctl *ctl, cJSON *record)
{
	if (ctl->json) {
		output_json(record);
		return;
	}
	message_print_trace(record);
	cJSON_Delete(record);
}

int
command_trace(struct ctl *ctl, int argc, char **argv)
{
	cJSON *record;

	if (ctl_has_unknown_option(argc, argv) || argc != 1)
		return ctl_usage("trace");
	if (connect_store(ctl) != 0 || (record = find_message(ctl, argv[0])) == NULL)
		return 1;
	print_or_show(ctl, record);
	return 0;
}

/* What the owner of its shard says, as far as there is one. */
static void
add_now(struct ctl *ctl, const char *id, cJSON *record)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueQuery query = STAGEPOST__QUEUE_QUERY__INIT;
	const Stagepost__Frame *answer;
	struct brokers *b;
	struct err err;
	int owner;

	b = brokers_new(ctl, &err);
	if (b == NULL)
		return;
	query.id = (char *)(uintptr_t)id;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &query;
	owner = brokers_find(b, id);
	if (owner >= 0) {
		brokers_ask(b, (unsigned)owner, &frame);
		brokers_wait(b);
		answer = brokers_answer(b, (unsigned)owner);
		if (answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_PAGE &&
		    answer->queue_page->n_entries == 1)
			message_add_entry(record, answer->queue_page->entries[0]);
	}
	brokers_free(&b);
}

int
command_queue_show(struct ctl *ctl, int argc, char **argv)
{
	cJSON *record;

	if (ctl_has_unknown_option(argc, argv) || argc != 1)
		return ctl_usage("queue show");
	if (connect_store(ctl) != 0 || (record = find_message(ctl, argv[0])) == NULL)
		return 1;
	if (cJSON_GetObjectItem(record, "finished") == NULL)
		add_now(ctl, argv[0], record);
	print_or_show(ctl, record);
	return 0;
}
