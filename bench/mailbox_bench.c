/* How long one operation on a very large folder blocks the store: every change of
 * lib/mailbox on a folder of MESSAGES, one after another, against its own
 * redis-server that syncs every write.
 *
 *   seconds   until the operation was answered
 *   calls     scripts and commands that Redis ran for it
 *   longest   ms that the longest of them took, according to Redis's slow log
 *   beside    longest wait in ms of another account's STORE, sent every 5 ms
 *
 * Prints one line of JSON per operation.
 * usage: mailbox_bench [MESSAGES (100000)] */
#include <event2/event.h>
#include <event2/thread.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/mailbox/mailbox.h"
#include "tests/unit/redis_fixture.h"

enum { AT_ONCE = 500, SLOW_US = 300, BESIDE_MS = 5 };

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis, *admin;
static struct blob_store *blobs;
static struct mailbox_store *store, *beside_store;
static const struct str who = {"large@b.test", 12}, other = {"other@b.test", 12};

static struct answer {
	volatile bool done;
	uint32_t folder;
	uint32_t *uids, count; /* owner */
	uint64_t modseq, number;
} got;

static void
ended(const struct err *err)
{
	CHECKF(err == NULL, "%s", err->text);
	got.done = true;
}

static void
wait_answer(void)
{
	CHECK(redis_fixture_wait(base, &got.done, 600000));
	got.done = false;
}

static void
on_done(void *arg, const struct err *err)
{
	(void)arg;
	ended(err);
}

static void
on_filed(void *arg, const struct mailbox_filed *f, const struct err *err)
{
	(void)arg, (void)f;
	ended(err);
}

static void
on_folder(void *arg, const struct mailbox_folder *f, const struct err *err)
{
	(void)arg;
	if (f != NULL) {
		got.folder = f->id;
		got.modseq = f->highest_modseq;
	}
	ended(err);
}

static void
on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	(void)arg;
	if (r != NULL) {
		got.count = r->count;
		got.uids = mem_realloc(got.uids, (r->count + 1) * sizeof(*got.uids));
		for (uint32_t i = 0; i < r->count; i++)
			got.uids[i] = mailbox_hot_uid(r->hot + (size_t)i * MAILBOX_HOT_BYTES);
	}
	ended(err);
}

static void
on_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	(void)arg, (void)c;
	ended(err);
}

static void
on_stored(void *arg, const struct mailbox_stored *s, const struct err *err)
{
	(void)arg, (void)s;
	ended(err);
}

static void
on_expunged(void *arg, const struct mailbox_expunged *e, const struct err *err)
{
	(void)arg, (void)e;
	ended(err);
}

static void
on_copied(void *arg, const struct mailbox_copied *c, const struct err *err)
{
	(void)arg, (void)c;
	ended(err);
}

/* ---- Figures from Redis ---- */

static struct {
	uint64_t calls, longest_us;
} redis_says;

static void
on_slow(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	redis_says.longest_us = 0;
	for (size_t i = 0; reply != NULL && i < reply->elements; i++) {
		uint64_t us = (uint64_t)redis_i64(reply->element[i]->element[2], 0);
		if (us > redis_says.longest_us)
			redis_says.longest_us = us;
	}
	ended(err);
}

static void
on_stats(void *arg, const redisReply *reply, const struct err *err)
{
	const char *at = reply != NULL ? strstr(reply->str, "total_commands_processed:") : NULL;

	(void)arg;
	redis_says.calls = at != NULL ? strtoull(strchr(at, ':') + 1, NULL, 10) : 0;
	ended(err);
}

static void
on_command(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg, (void)reply;
	ended(err);
}

static void
ask(const char *text, redis_on_reply *on_reply)
{
	redis_callf(admin, on_reply, NULL, text);
	wait_answer();
}

/* ---- Another account ---- */

static struct {
	struct event *timer;
	int64_t asked_us, longest_us;
	uint64_t calls;
	bool waits;
} beside;

static void
beside_on_stored(void *arg, const struct mailbox_stored *s, const struct err *err)
{
	int64_t us = clock_monotonic_us() - beside.asked_us;

	(void)arg, (void)s;
	CHECKF(err == NULL, "%s", err->text);
	beside.waits = false;
	if (us > beside.longest_us)
		beside.longest_us = us;
}

static void
beside_on_timer(evutil_socket_t fd, short what, void *arg)
{
	static const uint32_t first = 1;
	struct mailbox_flag_change change = {.mode = beside.calls % 2 == 0 ? MAILBOX_FLAGS_ADD : MAILBOX_FLAGS_REMOVE,
					     .flags = MAILBOX_SEEN,
					     .unchanged_since = UINT64_MAX};

	(void)fd, (void)what, (void)arg;
	if (beside.waits)
		return;
	beside.waits = true;
	beside.calls++;
	beside.asked_us = clock_monotonic_us();
	mailbox_store_flags(beside_store, other, 1, &first, 1, &change, beside_on_stored, NULL);
}

/* ---- Operations ---- */

static int64_t began_us;

static void
measure(void)
{
	ask("SLOWLOG RESET", on_command);
	ask("INFO stats", on_stats);
	beside.longest_us = 0;
	beside.calls = 0;
	began_us = clock_monotonic_us();
}

static void
measured(const char *name)
{
	double seconds = (double)(clock_monotonic_us() - began_us) / 1e6;
	uint64_t calls = redis_says.calls;

	ask("INFO stats", on_stats);
	calls = redis_says.calls - calls - beside.calls;
	ask("SLOWLOG GET 100000", on_slow);
	printf("{\"operation\": \"%s\", \"seconds\": %.2f, \"calls\": %" PRIu64
	       ", \"longest_ms\": %.1f, \"beside_ms\": %.1f}\n",
	       name, seconds, calls, (double)redis_says.longest_us / 1000, (double)beside.longest_us / 1000);
	fflush(stdout);
}

static void
file_messages(struct str address, unsigned count)
{
	struct mailbox_new_message list[AT_ONCE];
	struct mailbox_filing f = {.address = address, .messages = list};

	for (unsigned done = 0; done < count; done += f.count) {
		f.count = count - done < AT_ONCE ? count - done : AT_ONCE;
		for (unsigned i = 0; i < f.count; i++)
			list[i] = (struct mailbox_new_message){.body = {1, (uint64_t)(done + i) * 5000, 4000},
							       .digest = {2, (uint64_t)(done + i) * 500, 400}};
		mailbox_file(store, &f, on_filed, NULL);
		wait_answer();
	}
}

static void
read_folder(const char *name)
{
	mailbox_open(store, who, str_c(name), on_folder, NULL);
	wait_answer();
	mailbox_read(store, who, got.folder, 1, UINT32_MAX, MAILBOX_HOT, 0, on_records, NULL);
	wait_answer();
}

static void
create(const char *name)
{
	mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	wait_answer();
}

static void
copy(const char *name, const char *to, bool move)
{
	measure();
	mailbox_copy(store, who, got.folder, got.uids, got.count, str_c(to), move, 0, on_copied, NULL);
	wait_answer();
	measured(name);
}

static void
flag(const char *name, enum mailbox_store_mode mode)
{
	struct str keyword = STR("$Label1");
	struct mailbox_flag_change change = {.mode = mode,
					     .flags = MAILBOX_DELETED,
					     .keywords = &keyword,
					     .keyword_count = 1,
					     .unchanged_since = UINT64_MAX};

	measure();
	mailbox_store_flags(store, who, got.folder, got.uids, got.count, &change, on_stored, NULL);
	wait_answer();
	measured(name);
}

static void
follow(const char *name)
{
	measure();
	mailbox_read_changes(store, who, got.folder, got.modseq, false, on_changes, NULL);
	wait_answer();
	measured(name);
}

static void
named(const char *name, void (*call)(struct mailbox_store *, struct str, struct str, mailbox_on_done *, void *),
      const char *folder)
{
	measure();
	call(store, who, str_c(folder), on_done, NULL);
	wait_answer();
	/* What follows the answer is part of the operation. */
	while (redis_pending(redis) != 0)
		event_base_loop(base, EVLOOP_ONCE);
	measured(name);
}

/* Every kind of change, on a folder with all messages. */
static void
run(void)
{
	const char *const folders[] = {"Copies", "More", "Moved"};

	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++)
		create(folders[i]);
	read_folder("INBOX");
	copy("copy", "Copies", false);
	read_folder("Copies");
	flag("store +flags", MAILBOX_FLAGS_ADD);
	follow("changes of flags");
	copy("copy with keywords", "More", false);
	copy("move", "Moved", true);
	follow("changes of a move");
	read_folder("Moved");
	measure();
	mailbox_expunge(store, who, got.folder, got.uids, got.count / 2, true, on_expunged, NULL);
	wait_answer();
	measured("expunge of half");
	measure();
	mailbox_rename(store, who, STR("INBOX"), STR("Old"), on_done, NULL);
	wait_answer();
	measured("rename of INBOX");
	named("delete", mailbox_delete, "More");
	measure();
	mailbox_destroy(store, who, on_done, NULL);
	wait_answer();
	measured("destroy the account");
}

static void
start(void)
{
	char url[128];
	struct err err;

	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("mailbox_bench");
	evthread_use_pthreads();
	CHECK(redis_fixture_start(&server, true));
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
	admin = redis_new(base, server.url, &err);
	snprintf(url, sizeof(url), "file:%s/blobs", server.dir);
	blobs = blob_store_open(base, url, &err);
	CHECKF(blobs != NULL, "%s", err.text);
	store = mailbox_store_new(redis, blobs);
	beside_store = mailbox_store_new(admin, blobs);
	while (!redis_is_connected(redis) || !redis_is_connected(admin))
		event_base_loop(base, EVLOOP_ONCE);
	ask("CONFIG SET slowlog-max-len 100000", on_command);
	redis_callf(admin, on_command, NULL, "CONFIG SET slowlog-log-slower-than %d", SLOW_US);
	wait_answer();
}

int
main(int argc, char **argv)
{
	unsigned messages = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 100000;
	struct timeval every = {.tv_usec = BESIDE_MS * 1000};

	start();
	file_messages(other, 1);
	file_messages(who, messages);
	beside.timer = event_new(base, -1, EV_PERSIST, beside_on_timer, NULL);
	event_add(beside.timer, &every);
	run();
	event_free(beside.timer);
	while (beside.waits)
		event_base_loop(base, EVLOOP_ONCE);
	mailbox_store_free(&store);
	mailbox_store_free(&beside_store);
	redis_free(&redis);
	redis_free(&admin);
	blob_store_close(&blobs);
	event_base_free(base);
	redis_fixture_stop(&server);
	mem_free(got.uids);
	return 0;
}
