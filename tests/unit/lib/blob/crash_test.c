/* The state of the blob store after a crash: a disk that kept only synced data, a killed
 * process. */
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/base/buf.h"
#include "tests/unit/lib/blob/disk_fixture.h"

/* ---- Only what was synced ---- */

enum { BODIES = 300, AT_ONCE = 12 };

static struct body bodies[BODIES];

static bool
is_stored(void *arg, const struct blob_id *id)
{
	(void)arg;
	for (unsigned i = 0; i < BODIES; i++)
		if (bodies[i].done && bodies[i].id.pack == id->pack && bodies[i].id.offset == id->offset)
			return true;
	return false;
}

static void
check_all_stored(struct blob_store *s)
{
	struct err err = {0};

	for (unsigned i = 0; i < BODIES; i++)
		if (bodies[i].done && !body_is_intact(s, &bodies[i].id, bodies[i].seed, bodies[i].len, &err))
			fail_msg("body %u of %zu bytes: %s", i, bodies[i].len, err.text);
}

/* All that was acknowledged is there, before and after a sweep that takes all
 * else away; what else there is cannot be taken for a body that it is not. */
static void
check_after_power_cut(void)
{
	int64_t later = clock_unix_ms() + 3600 * 1000;
	char dir[64], url[80];
	struct blob_usage usage;
	struct blob_store *s;
	uint64_t stored = 0;
	struct err err;

	disk_cut(dir);
	snprintf(url, sizeof(url), "file:%s", dir);
	s = blob_store_open(NULL, url, &err);
	assert_non_null(s);
	for (unsigned i = 0; i < BODIES; i++)
		stored += bodies[i].done;
	check_all_stored(s);
	assert_int_equal(blob_sweep(s, later, is_stored, NULL, &err), 0);
	check_all_stored(s);
	assert_int_equal(blob_usage(s, &usage, &err), 0);
	assert_int_equal(usage.blobs, stored);
	blob_store_close(&s);
	blob_fixture_remove_folder(dir);
}

/* Mostly small ones, some streams, half of them with a front; some that are given up, some digests. */
static void
start_body(struct blob_fixture *f, unsigned i, unsigned *done)
{
	uint64_t kind = dice(10), front;
	char digest[300];

	bodies[i] = (struct body){.seed = i + 1, .len = dice(kind < 7 ? 6000 : 300000), .done_count = done};
	if (kind == 0) {
		struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, 0);
		char *part = body_new(99, 100000);
		assert_int_equal(blob_append_data(a, part, 100000, NULL), 0);
		mem_free(part);
		blob_append_abort(&a);
	}
	body_fill(77, digest, sizeof(digest));
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, digest, sizeof(digest), NULL, NULL, NULL, NULL), 0);
	front = dice(2) == 0 ? dice(bodies[i].len < BLOB_FRONT_MAX ? bodies[i].len + 1 : BLOB_FRONT_MAX) : 0;
	body_append_fronted(f, &bodies[i], dice(2) == 0 ? bodies[i].len : 0, 20000, front - front % BLOB_FRONT_ALIGN);
}

static void
test_only_synced_data_is_kept(void **state)
{
	struct blob_fixture *f = *state;
	unsigned started = 0, done = 0, cuts = 0;

	memset(bodies, 0, sizeof(bodies));
	while (done < BODIES) {
		unsigned before = done;
		while (started < BODIES && started - done < AT_ONCE)
			start_body(f, started++, &done);
		blob_fixture_wait(f, &done, before + 1);
		assert_true(done > before);
		if (done >= (cuts + 1) * BODIES / 16) {
			cuts++;
			check_after_power_cut();
		}
	}
	check_after_power_cut();
	assert_true(cuts >= 1); /* how many bodies end at once is the machine's */
	memset(bodies, 0, sizeof(bodies));
}

/* ---- Group commit ---- */

static void
hold_syncs(bool hold)
{
	pthread_mutex_lock(&disk.lock);
	disk.hold = hold;
	pthread_cond_broadcast(&disk.released);
	pthread_mutex_unlock(&disk.lock);
}

/* While one sync runs, all that comes waits, and shares the next one. */
static void
test_group_commit(void **state)
{
	struct blob_fixture *f = *state;
	struct body first = {.seed = 1, .len = 100}, *more = mem_zalloc(600 * sizeof(*more));
	unsigned done = 0, syncs;

	assert_true(body_put(f, &first));
	syncs = disk.syncs;
	hold_syncs(true);
	for (unsigned i = 0; i < 600; i++) {
		more[i] = (struct body){.seed = i, .len = i, .done_count = &done};
		body_append(f, &more[i], 0, 100);
	}
	for (unsigned turn = 0; turn < 20; turn++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(done, 0); /* none before its sync */
	hold_syncs(false);
	assert_true(blob_fixture_wait(f, &done, 600));
	/* One or some were taken before the others came; 256 go together at most. */
	assert_true(disk.syncs - syncs <= 5);
	for (unsigned i = 0; i < 600; i++)
		assert_true(body_is_intact(f->store, &more[i].id, i, i, NULL));
	assert_int_equal(more[599].id.pack, first.id.pack);
	mem_free(more);
}

/* ---- kill -9 ---- */

struct ack {
	uint64_t seed, len;
	struct blob_id id;
};

static int ack_fd;

static void
on_child_appended(void *arg, const struct blob_id *id, const struct err *err)
{
	struct body *b = arg;
	struct ack ack = {b->seed, b->len, {0}};

	if (err != NULL)
		_exit(2);
	ack.id = *id;
	if (write(ack_fd, &ack, sizeof(ack)) != sizeof(ack))
		_exit(3);
	++*b->done_count;
	mem_free(b);
}

/* Writes without end, and tells each id that it was given. */
static void
child_writer(const char *url, uint64_t seed)
{
	struct blob_fixture f = {.base = event_base_new()};
	unsigned done = 0, started = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	f.store = blob_store_open(f.base, url, NULL);
	for (;;) {
		while (started - done < 20) {
			struct body *b = mem_new(struct body);
			struct blob_append *a;
			char *data;
			b->seed = seed + started++;
			b->len = b->seed % 7 == 0 ? 150000 : b->seed % 5000;
			b->done_count = &done;
			a = blob_append_begin(f.store, BLOB_BODY, 0);
			data = body_new(b->seed, b->len);
			if (blob_append_data(a, data, b->len, NULL) != 0)
				_exit(4);
			mem_free(data);
			blob_append_commit(&a, on_child_appended, b);
		}
		event_base_loop(f.base, EVLOOP_ONCE);
	}
}

static unsigned
run_and_kill(struct blob_fixture *f, uint64_t seed, unsigned acks_before_kill, struct buf *acks)
{
	unsigned before = (unsigned)(acks->len / sizeof(struct ack));
	int fds[2], status;
	struct ack ack;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		ack_fd = fds[1];
		child_writer(f->url, seed);
	}
	close(fds[1]);
	for (unsigned i = 0; read(fds[0], &ack, sizeof(ack)) == sizeof(ack); i++) {
		buf_add(acks, &ack, sizeof(ack));
		if (i + 1 == acks_before_kill)
			kill(pid, SIGKILL);
	}
	close(fds[0]);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status));
	return (unsigned)(acks->len / sizeof(struct ack)) - before;
}

static bool
is_acknowledged(void *arg, const struct blob_id *id)
{
	const struct buf *acks = arg;

	for (size_t at = 0; at < acks->len; at += sizeof(struct ack)) {
		struct ack ack;
		memcpy(&ack, acks->data + at, sizeof(ack));
		if (ack.id.pack == id->pack && ack.id.offset == id->offset)
			return true;
	}
	return false;
}

static void
check_acks(struct blob_store *s, const struct buf *acks)
{
	for (size_t at = 0; at < acks->len; at += sizeof(struct ack)) {
		struct err err = {0};
		struct ack ack;
		memcpy(&ack, acks->data + at, sizeof(ack));
		if (!body_is_intact(s, &ack.id, ack.seed, ack.len, &err))
			fail_msg("body %llu: %s", (unsigned long long)ack.seed, err.text);
	}
}

static void
test_killed_writer(void **state)
{
	static const unsigned acks_before_kill[] = {1, 2, 30, 77, 200};
	struct blob_fixture *f = *state;
	struct buf acks = BUF_EMPTY;
	struct blob_usage usage;
	struct err err;

	pack_io = (struct pack_io){.pwritev = pwritev, .fdatasync = fdatasync, .fsync = fsync};
	for (unsigned i = 0; i < sizeof(acks_before_kill) / sizeof(acks_before_kill[0]); i++) {
		assert_true(run_and_kill(f, 10000 * (i + 1), acks_before_kill[i], &acks) >= acks_before_kill[i]);
		check_acks(f->store, &acks);
	}
	assert_int_equal(blob_sweep(f->store, clock_unix_ms() + 3600000, is_acknowledged, &acks, &err), 0);
	check_acks(f->store, &acks);
	assert_int_equal(blob_usage(f->store, &usage, &err), 0);
	assert_int_equal(usage.blobs, acks.len / sizeof(struct ack));
	buf_fini(&acks);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CRASH_TEST(test_only_synced_data_is_kept),
		CRASH_TEST(test_group_commit),
		CRASH_TEST(test_killed_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
