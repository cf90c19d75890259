/* Walking the queue: page by page, straight from the store. */
#include "ctl/queue_walk.h"

#include <string.h>

#include "ctl/message.h"

enum { PAGE_ENTRIES = 200 };

/* ---- The filter ---- */
int
queue_filter_take(struct queue_filter *f, int *argc, char **argv)
{
	const char *age = NULL;

	*f = (struct queue_filter){0};
	if (ctl_take_option(argc, argv, "--state", &f->state) != 0 ||
	    ctl_take_option(argc, argv, "--sender", &f->sender) != 0 ||
	    ctl_take_option(argc, argv, "--recipient", &f->recipient) != 0 ||
	    ctl_take_option(argc, argv, "--domain", &f->domain) != 0 ||
	    ctl_take_option(argc, argv, "--destination", &f->destination) != 0 ||
	    ctl_take_option(argc, argv, "--answer", &f->answer) != 0 ||
	    ctl_take_option(argc, argv, "--older-than", &age) != 0)
		return ctl_fail("a filter without its value");
	if (f->state != NULL && strcmp(f->state, "active") != 0 && strcmp(f->state, "deferred") != 0 &&
	    strcmp(f->state, "held") != 0)
		return ctl_fail("--state is one of active, deferred, held, not '%s'", f->state);
	return age != NULL ? ctl_duration("--older-than", age, &f->older_than_ms) : 0;
}

bool
queue_filter_is_empty(const struct queue_filter *f)
{
	return f->state == NULL && f->sender == NULL && f->recipient == NULL && f->answer == NULL &&
	       f->domain == NULL && f->destination == NULL && f->older_than_ms == 0;
}

static const char *
text_of(const cJSON *m, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItem(m, name));

	return text != NULL ? text : "";
}

static bool
has_text(const char *text, const char *part)
{
	return part == NULL || strcasestr(text, part) != NULL;
}

static bool
is_of_domain(const char *address, const char *domain)
{
	const char *at = strrchr(address, '@');

	return at != NULL && strcasecmp(at + 1, domain) == 0;
}

static bool
is_wanted(const struct queue_filter *f, const cJSON *m)
{
	bool recipient_fits = f->recipient == NULL, destination_fits = f->destination == NULL;
	bool domain_fits = f->domain == NULL || is_of_domain(text_of(m, "sender"), f->domain);
	const cJSON *r;

	cJSON_ArrayForEach (r, cJSON_GetObjectItem(m, "recipients")) {
		const char *address = cJSON_GetStringValue(r);
		recipient_fits = recipient_fits || has_text(address, f->recipient);
		destination_fits = destination_fits || is_of_domain(address, f->destination);
		domain_fits = domain_fits || is_of_domain(address, f->domain);
	}
	return recipient_fits && destination_fits && domain_fits && has_text(text_of(m, "sender"), f->sender) &&
	       has_text(text_of(m, "answer"), f->answer) &&
	       cJSON_GetNumberValue(cJSON_GetObjectItem(m, "age_ms")) >= (double)f->older_than_ms &&
	       (f->state == NULL || strcmp(text_of(m, "state"), f->state) == 0);
}

/* ---- The walk ---- */
struct walk {
	struct ctl_wait wait;
	const struct queue_filter *filter;
	bool (*visit)(void *arg, cJSON *m);
	void *arg;
	uint64_t next_cursor;
	bool ended;
};

static void
on_page(void *arg, const struct spool_entry *entries, size_t count, uint64_t next_cursor, const struct err *err)
{
	struct walk *w = arg;

	w->next_cursor = next_cursor;
	for (size_t i = 0; err == NULL && i < count && !w->ended; i++) {
		cJSON *m = message_summary(&entries[i]);
		if (m == NULL || !is_wanted(w->filter, m))
			cJSON_Delete(m);
		else
			w->ended = !w->visit(w->arg, m);
	}
	ctl_wait_end(&w->wait, err);
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

int
queue_walk(struct ctl *ctl, const struct queue_filter *f, bool (*visit)(void *arg, cJSON *m), void *arg)
{
	struct count_wait shards = {.wait = CTL_WAIT};
	struct walk w = {.filter = f, .visit = visit, .arg = arg};

	spool_read_shard_count(ctl->redis, on_count, &shards);
	if (ctl_wait(ctl, &shards.wait) != 0)
		return ctl_fail("%s", shards.wait.err.text);
	for (unsigned shard = 0; shard < shards.count && !w.ended; shard++) {
		w.next_cursor = 0;
		do {
			w.wait = CTL_WAIT;
			spool_read_page(ctl->redis, shard, w.next_cursor, PAGE_ENTRIES, on_page, &w);
			if (ctl_wait(ctl, &w.wait) != 0)
				return ctl_fail("%s", w.wait.err.text);
		} while (w.next_cursor != 0 && !w.ended);
	}
	return 0;
}
