/* No operation on a large folder blocks the store for long: the work of each
 * script, as seen by MONITOR, is bounded, whatever the size of the folder. The test
 * counts the words of its commands and the chunks that it reads, not time, so a
 * busy machine makes no difference. (Times: bench/mailbox_bench.c.) */
#include <fcntl.h>
#include <sys/un.h>

#include "lib/base/buf.h"
#include "tests/unit/lib/mailbox/staging_fixture.h"

enum {
	COUNT = 6000, /* of them APPENDED come by one APPEND */
	APPENDED = 1000,
	FOLDERS = 1200,
	WORDS_MAX = 1000,
	READ_MAX = 80,
	CHANGED_MAX = 16,
	ADDED_MAX = 10,
	PUBLISH_CHUNK_WORDS = 14
};

/* Of one script. */
struct load {
	unsigned words;
	unsigned chunks; /* hot and cold ones that it reads */
	unsigned added;	 /* and that it adds to */
	bool writes, publishes;
};

static struct {
	int fd;
	struct buf text;
} monitor;

static void
monitor_send(const char *text)
{
	assert_int_equal(write(monitor.fd, text, strlen(text)), (ssize_t)strlen(text));
}

static void
monitor_start(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	char ok[5];

	strncpy(sa.sun_path, server.socket, sizeof(sa.sun_path) - 1);
	monitor.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(monitor.fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	monitor_send("MONITOR\r\n");
	/* It sees all from here on, and nothing before. */
	assert_int_equal(recv(monitor.fd, ok, sizeof(ok), MSG_WAITALL), sizeof(ok));
	fcntl(monitor.fd, F_SETFL, O_NONBLOCK);
}

static void
monitor_read(void)
{
	char piece[65536];
	ssize_t got_bytes;

	while ((got_bytes = read(monitor.fd, piece, sizeof(piece))) > 0)
		buf_add(&monitor.text, piece, (size_t)got_bytes);
}

/* Each as MONITOR tells it: +1700000000.123456 [0 lua] "GET" "key". */
static unsigned
words_of(struct str line)
{
	unsigned words = 1;

	for (size_t i = 0; i + 2 < line.len; i++)
		words += memcmp(line.p + i, "\" \"", 3) == 0;
	return words;
}

static void
load_add(struct load *load, struct str line)
{
	char head[160];
	size_t shown = line.len < sizeof(head) - 1 ? line.len : sizeof(head) - 1;

	memcpy(head, line.p, shown);
	head[shown] = '\0';
	load->words += words_of(line);
	load->chunks += strstr(head, "\"GET\"") != NULL && (strstr(head, ":h:") != NULL || strstr(head, ":c:") != NULL);
	load->added += strstr(head, "\"APPEND\"") != NULL;
	load->writes |= strstr(head, "\"APPEND\"") != NULL || strstr(head, "\"SET\"") != NULL ||
			strstr(head, "\"SETRANGE\"") != NULL || strstr(head, "\"DEL\"") != NULL;
	load->publishes |= strstr(head, "\"BITOP\"") != NULL;
}

/* A copy is published by one script: it reads no chunk, but names each. */
static void
load_check(const struct load *load)
{
	if (load->publishes)
		assert_true(load->words <= 100 + (2 * COUNT / MAILBOX_CHUNK_UIDS + 1) * PUBLISH_CHUNK_WORDS);
	else
		assert_true(load->words <= WORDS_MAX);
	assert_true(load->added <= ADDED_MAX);
	assert_true(load->chunks <= (load->publishes ? 0 : load->writes ? CHANGED_MAX : READ_MAX));
}

/* Checks every script since the last call. */
static void
monitor_check(const char *operation, const char *marker)
{
	struct load load = {.words = 0}, most = {.words = 0};
	struct str rest, line;
	bool is_whole = false;

	redis_callf(redis, on_reply, NULL, "ECHO %s", marker);
	assert_int_equal(finish(), ERR_NONE);
	while (!is_whole) {
		monitor_read();
		is_whole = monitor.text.len > 100 && strstr(monitor.text.data + monitor.text.len - 100, marker) != NULL;
	}
	rest = buf_str(&monitor.text);
	while (str_cut(rest, '\n', &line, &rest)) {
		if (line.len > 40 && memmem(line.p, 40, " lua] ", 6) != NULL) {
			load_add(&load, line);
			continue;
		}
		load_check(&load);
		most.words = load.words > most.words ? load.words : most.words;
		most.chunks = load.chunks > most.chunks ? load.chunks : most.chunks;
		load = (struct load){.words = 0};
	}
	print_message("%s: at most %u words, %u chunks\n", operation, most.words, most.chunks);
	assert_true(most.words != 0);
	buf_clear(&monitor.text);
}

/* ---- Operations ---- */

static uint32_t all[2 * COUNT];

static void
take_all(const char *name)
{
	mailbox_open(store, who, str_c(name), on_folder, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(read_folder(got.folder.id), ERR_NONE);
	for (uint32_t i = 0; i < got.count; i++)
		all[i] = got.hot[i].uid;
}

static void
on_all_copied(void *arg, const struct mailbox_copied *c, const struct err *err)
{
	(void)arg, (void)c;
	ended(err);
}

static void
copy_all(const char *from, const char *to, bool move)
{
	take_all(from);
	mailbox_copy(store, who, got.folder.id, all, got.count, str_c(to), move, 0, on_all_copied, NULL);
}

static void
op_copy(void)
{
	copy_all("INBOX", "Copies", false);
}

static void
op_store(void)
{
	static const struct str word = {"$Label1", 7};
	struct mailbox_flag_change change = {.mode = MAILBOX_FLAGS_ADD,
					     .flags = MAILBOX_DELETED,
					     .keywords = &word,
					     .keyword_count = 1,
					     .unchanged_since = UINT64_MAX};

	take_all("Copies");
	mailbox_store_flags(store, who, got.folder.id, all, got.count, &change, on_stored, NULL);
}

static void
op_move(void)
{
	copy_all("Copies", "Moved", true);
}

static void
op_changes(void)
{
	mailbox_open(store, who, STR("Copies"), on_folder, NULL);
	assert_int_equal(finish(), ERR_NONE);
	mailbox_read_changes(store, who, got.folder.id, 1, false, on_changes, NULL);
}

static void
op_copy_within(void)
{
	copy_all("Moved", "Moved", false);
}

static void
op_expunge(void)
{
	take_all("INBOX");
	mailbox_expunge(store, who, 1, all, got.count / 2, false, on_expunged, NULL);
}

static void
op_rename_inbox(void)
{
	mailbox_rename(store, who, STR("INBOX"), STR("Old"), on_done, NULL);
}

static void
op_delete(void)
{
	mailbox_delete(store, who, STR("Moved"), on_done, NULL);
}

static void
on_bodies(void *arg, struct str cold)
{
	(void)arg, (void)cold;
}

static void
op_read_bodies(void)
{
	mailbox_read_bodies(store, who, on_bodies, on_done, NULL);
}

static void
op_destroy(void)
{
	mailbox_destroy(store, who, on_done, NULL);
}

static void
op_list(void)
{
	mailbox_list(store, who, on_folders, NULL);
}

static void
op_list_names(void)
{
	mailbox_list_names(store, who, on_folders, NULL);
}

static void
op_rename(void)
{
	mailbox_rename(store, who, STR("tree"), STR("below/another"), on_done, NULL);
}

/* The most that one APPEND takes, each message with keywords. */
static void
op_append(void)
{
	static const struct str words[] = {STR("one"), STR("two"), STR("three"), STR("four")};
	static struct mailbox_new_message list[APPENDED];
	struct mailbox_filing filing = {.address = who, .messages = list, .count = APPENDED};

	for (unsigned i = 0; i < APPENDED; i++)
		list[i] = (struct mailbox_new_message){.body = {0, 0, 10}, .keywords = words, .keyword_count = 4};
	mailbox_file(store, &filing, on_filed, NULL);
}

struct operation {
	const char *name;
	void (*run)(void);
};

static const struct operation operations[] = {
	{"append", op_append},	 {"copy", op_copy},	     {"store", op_store},
	{"move", op_move},	 {"changes", op_changes},    {"copy within", op_copy_within},
	{"expunge", op_expunge}, {"bodies", op_read_bodies}, {"rename INBOX", op_rename_inbox},
	{"delete", op_delete},	 {"destroy", op_destroy},
};

static const struct operation folder_operations[] = {
	{"list", op_list},
	{"list of names", op_list_names},
	{"rename", op_rename},
};

static void
make_folders(void)
{
	char name[20];

	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "tree/%u", i);
		create(name);
	}
}

static void
run_all(const struct operation *list, size_t count)
{
	monitor_start();
	for (size_t i = 0; i < count; i++) {
		char marker[40];
		list[i].run();
		assert_int_equal(finish(), ERR_NONE);
		/* And what goes behind the answer. */
		while (redis_pending(redis) != 0)
			event_base_loop(blobs.base, EVLOOP_ONCE);
		snprintf(marker, sizeof(marker), "end-%s-%zu", list[i].name, i);
		monitor_check(list[i].name, marker);
	}
	close(monitor.fd);
	buf_fini(&monitor.text);
}

static void
test_messages(void **state)
{
	static struct mailbox_new_message list[1000];

	(void)state;
	command("HSET user:{a@b.test} address a@b.test");
	create("Copies");
	create("Moved");
	for (uint32_t i = 0; i < 1000; i++)
		list[i] = (struct mailbox_new_message){.body = {0, 0, 10}};
	for (uint32_t at = 0; at < COUNT - APPENDED; at += 1000)
		file("INBOX", list, 1000);
	run_all(operations, sizeof(operations) / sizeof(operations[0]));
}

static void
test_folders(void **state)
{
	(void)state;
	make_folders();
	run_all(folder_operations, sizeof(folder_operations) / sizeof(folder_operations[0]));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_messages), cmocka_unit_test(test_folders)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
