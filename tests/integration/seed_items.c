/* Fills an account with folders of items, which no client of IMAP or POP3 may notice:
 *
 *	seed_items REDIS BLOBS ADDRESS COUNT
 *
 * Some folders have names that mail has too. The items take no room in the quota, so
 * that all answers stay as they are without them; a few have a body. Integration tests
 * run it for every account that they make, where STAGEPOST_TEST_ITEMS is set to a count. */
#include "lib/base/log.h"
#include "lib/base/str.h"
#include "lib/mailbox/items.h"
#include "tests/unit/lib/blob/blob_fixture.h"

enum { WITH_BODY = 10, BODY_BYTES = 400, AT_ONCE = 200, WAIT_MS = 60000, FOLDERS_MAX = 32 };

struct seed {
	struct event_base *base;
	struct mailbox_store *store;
	struct str address;
	uint32_t folders[FOLDERS_MAX];
	unsigned folder_count, due;
	bool failed;
};

static void
seed_done(struct seed *s, const struct err *err)
{
	s->due--;
	if (err == NULL)
		return;
	fprintf(stderr, "seed_items: %s\n", err->text);
	s->failed = true;
}

static void
seed_on_folders(void *arg, const struct mailbox_folder *list, unsigned count, const struct str *missing,
		unsigned missing_count, const struct err *err)
{
	struct seed *s = arg;

	(void)missing, (void)missing_count;
	for (unsigned i = 0; i < count && s->folder_count < FOLDERS_MAX; i++)
		s->folders[s->folder_count++] = list[i].id;
	seed_done(s, err);
}

static void
seed_on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct seed *s = arg;

	if (folder != NULL)
		s->folders[s->folder_count++] = folder->id;
	seed_done(s, err);
}

static void
seed_on_put(void *arg, const struct mailbox_put_done *put, const struct err *err)
{
	(void)put;
	seed_done(arg, err);
}

static void
seed_wait(struct seed *s, unsigned left)
{
	int64_t until = clock_monotonic_ms() + WAIT_MS;

	while (s->due > left && clock_monotonic_ms() < until) {
		struct timeval turn = {.tv_usec = 20000};
		event_base_loopexit(s->base, &turn);
		event_base_loop(s->base, EVLOOP_ONCE);
	}
	s->failed = s->failed || s->due > left;
}

static void
seed_make_folders(struct seed *s)
{
	static const char *const names[] = {"INBOX", "Sent", "Sent/Below", "Drafts", "Team", "a/b/c"};

	s->due++;
	mailbox_items(s->store, s->address, MAILBOX_CLASSES_ALL & ~MAILBOX_CLASS_BIT(MAILBOX_MAIL), true,
		      seed_on_folders, s);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		s->due++;
		mailbox_create_items(s->store, s->address, (enum mailbox_class)(1 + i), str_c(names[i]), seed_on_folder,
				     s);
	}
	seed_wait(s, 0);
}

static void
seed_put(struct seed *s, struct blob_fixture *blobs, unsigned i)
{
	static const struct str bag = {"properties beside it", 20};
	unsigned char key[MAILBOX_KEY_BYTES] = {0};
	struct body body = {.seed = i, .len = BODY_BYTES};
	char name[32];

	snprintf(name, sizeof(name), "item-%u", i);
	memcpy(key, &i, sizeof(i));
	s->failed = s->failed || (i < WITH_BODY && !body_put(blobs, &body));
	s->due++;
	mailbox_put(s->store,
		    &(struct mailbox_put){.address = s->address,
					  .folder_id = s->folders[i % s->folder_count],
					  .unchanged_since = UINT64_MAX,
					  .key = key,
					  .name = str_c(name),
					  .body = body.id,
					  .flags = (uint16_t)(i % 32),
					  .extra = i % 2 == 0 ? &bag : NULL},
		    seed_on_put, s);
}

int
main(int argc, char **argv)
{
	struct blob_fixture blobs = {0};
	struct seed s = {0};
	struct redis *r;
	struct err err;

	if (argc != 5) {
		fprintf(stderr, "usage: seed_items REDIS BLOBS ADDRESS COUNT\n");
		return 1;
	}
	signal(SIGPIPE, SIG_IGN);
	setenv("STAGEPOST_LOG_LEVEL", "error", 1);
	log_init("seed_items");
	evthread_use_pthreads();
	s.base = blobs.base = event_base_new();
	r = redis_new(s.base, argv[1], &err);
	blobs.store = blob_store_open(s.base, argv[2], &err);
	if (r == NULL || blobs.store == NULL) {
		fprintf(stderr, "seed_items: %s\n", err.text);
		return 1;
	}
	while (!redis_is_connected(r))
		event_base_loop(s.base, EVLOOP_ONCE);
	s.store = mailbox_store_new(r, blobs.store);
	s.address = str_c(argv[3]);
	seed_make_folders(&s);
	for (unsigned i = 0; i < (unsigned)atoi(argv[4]) && !s.failed; i++) {
		seed_put(&s, &blobs, i);
		seed_wait(&s, AT_ONCE);
	}
	seed_wait(&s, 0);
	mailbox_store_free(&s.store);
	redis_free(&r);
	blob_store_close(&blobs.store);
	event_base_free(s.base);
	return s.failed ? 1 : 0;
}
