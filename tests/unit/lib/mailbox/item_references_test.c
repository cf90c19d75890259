/* References to the bodies of items: random but seeded histories of puts, changes, moves and
 * removals, against a real server and a real blob store. Connections break before answers,
 * clients retry with their tokens, requests arrive late, folders and accounts are deleted,
 * and sweeps run.
 *
 * At the end each item can be read, also while one after the other goes, no token has
 * made two items, and no body is left behind.
 *
 * STAGEPOST_HISTORIES=n plays n of them (15), STAGEPOST_SEED=s those from s on. */
#include "tests/unit/lib/mailbox/history_fixture.h"

enum { BREAKS = 6, FOLDERS = 2, STEPS = 120, BODIES = 1000, BODY_BYTES = 300, OPEN = 6 };

static uint32_t folders[ACCOUNTS][FOLDERS];
static struct body bodies[BODIES];
static unsigned body_count;

/* A put whose end is not known: it is tried again, or lies in the network. */
struct open_put {
	bool is_used, is_late;
	unsigned account, tries;
	unsigned char token[MAILBOX_ONCE_BYTES];
	unsigned char key[MAILBOX_KEY_BYTES];
	struct mailbox_put put;
};
static struct open_put open_puts[OPEN];

/* ---- Answers ---- */

static void
on_put(void *arg, const struct mailbox_put_done *put, const struct err *err)
{
	(void)arg;
	if (put != NULL)
		got.put = *put;
	ended(err);
}

static void
on_extra_set(void *arg, uint64_t modseq, const struct err *err)
{
	(void)arg, (void)modseq;
	ended(err);
}

static void
on_folders(void *arg, const struct mailbox_folder *list, unsigned count, const struct str *missing,
	   unsigned missing_count, const struct err *err)
{
	(void)arg, (void)missing, (void)missing_count;
	for (unsigned i = 0; i < count && i < FOLDERS; i++)
		got.ids[i] = list[i].id;
	ended(err);
}

static void
on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	(void)arg;
	got.ids[1] = folder != NULL ? folder->id : 0;
	ended(err);
}

static void
read_folder(unsigned account, unsigned folder)
{
	begin();
	mailbox_read(store, str_c(accounts[account]), folders[account][folder], 1, UINT32_MAX,
		     MAILBOX_HOT | MAILBOX_COLD, 0, on_records, NULL);
	finish_surely();
}

/* The first one of its class, which stays, and another, which comes and goes. */
static void
find_folders(unsigned account)
{
	begin();
	mailbox_items(store, str_c(accounts[account]), MAILBOX_CLASS_BIT(MAILBOX_CONTACTS), true, on_folders, NULL);
	assert_int_equal(finish_surely(), ERR_NONE);
	memcpy(folders[account], got.ids, sizeof(got.ids));
	if (folders[account][1] != 0)
		return;
	begin();
	mailbox_create_items(store, str_c(accounts[account]), MAILBOX_CONTACTS, STR("Other"), on_folder, NULL);
	assert_int_equal(finish_surely(), ERR_NONE);
	folders[account][1] = got.ids[1];
}

/* ---- Puts ---- */

static struct blob_id
new_body(void)
{
	struct body *b = &bodies[body_count];

	assert_true(body_count < BODIES);
	*b = (struct body){.seed = seed * BODIES + body_count++, .len = BODY_BYTES};
	assert_true(body_put(&blobs, b));
	return b->id;
}

static void
drop(const struct mailbox_put *put)
{
	blob_ref_drop(redis, blobs.store, &put->body, 1);
	if (!blob_id_is_none(&put->digest))
		blob_ref_drop(redis, blobs.store, &put->digest, 1);
}

/* Goes by the contract of mailbox_put(). */
static void
put_conclude(struct open_put *o)
{
	enum err_code code = got.err.code;

	if (code == ERR_NONE) {
		if (!got.put.took_reference)
			drop(&o->put);
		assert_true(got.put.took_reference || got.put.duplicate);
		o->is_used = false;
	} else if (mailbox_is_certain(&got.err)) {
		drop(&o->put);
		o->is_used = false;
	} else if (o->put.once == NULL || ++o->tries > 3) {
		o->is_used = false; /* in doubt for good */
	}
}

static void
put_try(struct open_put *o)
{
	begin();
	mailbox_put(store, &o->put, on_put, NULL);
	finish_or_break(BREAKS);
	put_conclude(o);
}

static void
put_aim(struct open_put *o, unsigned folder)
{
	unsigned at;

	o->put.folder_id = folders[o->account][folder];
	read_folder(o->account, folder);
	if (got.count == 0 || pick(3) == 0) {
		o->put.key = pick(3) != 0 ? o->key : NULL;
		return;
	}
	at = pick(got.count);
	o->put.uid = got.hot[at].uid;
	o->put.unchanged_since = pick(4) == 0 ? got.hot[at].modseq - 1 : got.hot[at].modseq;
}

static void
put_step(void)
{
	static const struct str bag = {"a bag", 5};
	struct open_put *o = open_puts;

	while (o < open_puts + OPEN && o->is_used)
		o++;
	if (o == open_puts + OPEN)
		return;
	*o = (struct open_put){.is_used = true, .account = pick(ACCOUNTS)};
	for (unsigned i = 0; i < MAILBOX_ONCE_BYTES; i++)
		o->token[i] = (unsigned char)pick(256);
	o->key[0] = (unsigned char)pick(4); /* often another's */
	o->put = (struct mailbox_put){.address = str_c(accounts[o->account]),
				      .unchanged_since = UINT64_MAX,
				      .once = pick(3) != 0 ? o->token : NULL,
				      .body = new_body(),
				      .size = BODY_BYTES,
				      .extra = pick(3) == 0 ? &bag : NULL};
	if (pick(2) == 0)
		o->put.digest = new_body();
	put_aim(o, pick(FOLDERS));
	o->is_late = pick(6) == 0; /* whoever sent it gives up; it arrives when it arrives */
	if (!o->is_late)
		put_try(o);
}

/* A late one arrives, to nobody; or one in doubt is tried again, with a new body. */
static void
again_step(void)
{
	struct open_put *o = &open_puts[pick(OPEN)];

	if (!o->is_used)
		return;
	if (o->is_late) {
		begin();
		mailbox_put(store, &o->put, on_put, NULL);
		finish_surely();
		o->is_used = false;
		return;
	}
	o->put.body = new_body();
	o->put.digest = (struct blob_id){0};
	put_try(o);
}

/* ---- What else happens ---- */

static void
change_step(void)
{
	unsigned account = pick(ACCOUNTS), folder = pick(FOLDERS);
	struct str address = str_c(accounts[account]);
	uint32_t uid, id = folders[account][folder];

	read_folder(account, folder);
	if (got.count == 0)
		return;
	uid = got.hot[pick(got.count)].uid;
	begin();
	if (pick(4) == 0)
		mailbox_expunge(store, address, id, &uid, 1, false, on_expunged, NULL);
	else if (pick(2) == 0)
		mailbox_move_item(store, address, id, uid, folders[account][pick(FOLDERS)], STR_NONE, UINT64_MAX,
				  on_put, NULL);
	else
		mailbox_set_extra(store, address, id, uid, pick(2) == 0 ? STR("x") : STR("y"), UINT64_MAX, on_extra_set,
				  NULL);
	finish_or_break(BREAKS);
}

/* A folder goes, with its account or alone. Late puts find none. */
static void
folder_step(void)
{
	unsigned account = pick(ACCOUNTS);
	struct str address = str_c(accounts[account]);
	bool all = pick(2) == 0;

	begin();
	if (all)
		mailbox_destroy(store, address, on_done, NULL);
	else
		mailbox_delete_id(store, address, folders[account][1], on_done, NULL);
	finish_or_break(all ? 0 : BREAKS);
	find_folders(account);
}

/* ---- The sweep ---- */
static bool referred[BODIES];

static unsigned
body_of(const struct blob_id *id)
{
	for (unsigned i = 0; i < body_count; i++)
		if (bodies[i].id.pack == id->pack && bodies[i].id.offset == id->offset)
			return i;
	fail_msg("seed %llu: a record of no body", (unsigned long long)seed);
	return 0;
}

static void
refer(const struct blob_id *id)
{
	if (!blob_id_is_none(id))
		referred[body_of(id)] = true;
}

static void
on_cold(void *arg, struct str cold)
{
	(void)arg;
	for (size_t at = 0; at < cold.len; at += MAILBOX_COLD_BYTES) {
		struct mailbox_cold record;

		mailbox_cold_unpack(cold.p + at, &record);
		refer(&record.body);
		refer(&record.digest);
	}
}

static bool
is_to_stay(void *arg, const struct blob_id *id)
{
	(void)arg;
	return referred[body_of(id)];
}

static void
sweep(void)
{
	struct err err;

	memset(referred, 0, sizeof(referred));
	for (unsigned i = 0; i < OPEN; i++) /* younger than any that a sweep looks at */
		if (open_puts[i].is_used) {
			refer(&open_puts[i].put.body);
			refer(&open_puts[i].put.digest);
		}
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		begin();
		mailbox_read_bodies(store, str_c(accounts[i]), on_cold, on_done, NULL);
		assert_int_equal(finish_surely(), ERR_NONE);
	}
	assert_int_equal(blob_sweep(blobs.store, clock_unix_ms() + 3600000, is_to_stay, NULL, &err), 0);
}

/* ---- A history ---- */

static void
begin_history(void)
{
	command("FLUSHALL");
	memset(open_puts, 0, sizeof(open_puts));
	body_count = 0;
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	for (unsigned i = 0; i < ACCOUNTS; i++)
		find_folders(i);
}

static void
check_blob(unsigned account, const struct blob_id *id)
{
	struct err err;
	const struct body *b;

	if (blob_id_is_none(id))
		return;
	b = &bodies[body_of(id)];
	if (!body_is_intact(blobs.store, &b->id, b->seed, b->len, &err))
		fail_msg("seed %llu: an item of %s cannot be read: %s", (unsigned long long)seed, accounts[account],
			 err.text);
}

static void
check_account(unsigned account)
{
	for (unsigned folder = 0; folder < FOLDERS; folder++) {
		read_folder(account, folder);
		for (unsigned i = 0; i < got.count; i++) {
			check_blob(account, &got.cold[i].body);
			check_blob(account, &got.cold[i].digest);
		}
	}
}

static void
expunge_all(unsigned account)
{
	for (unsigned folder = 0; folder < FOLDERS;) {
		uint32_t uid;

		read_folder(account, folder);
		if (got.count == 0) {
			folder++;
			continue;
		}
		uid = got.hot[pick(got.count)].uid;
		begin();
		mailbox_expunge(store, str_c(accounts[account]), folders[account][folder], &uid, 1, false, on_expunged,
				NULL);
		assert_int_equal(finish_surely(), ERR_NONE);
		settle();
		check_account(account);
	}
}

static void
step(void)
{
	unsigned n = pick(100);

	if (n < 50)
		put_step();
	else if (n < 80)
		again_step();
	else if (n < 97)
		change_step();
	else
		folder_step();
}

static void
play(void)
{
	unsigned live = 0;
	struct err err;

	begin_history();
	for (unsigned i = 0; i < STEPS; i++) {
		step();
		if (pick(30) == 0)
			sweep();
	}
	for (unsigned i = 0; i < 100; i++)
		again_step();
	memset(open_puts, 0, sizeof(open_puts));
	settle();
	for (unsigned i = 0; i < ACCOUNTS; i++)
		check_account(i);
	sweep();
	for (unsigned i = 0; i < ACCOUNTS; i++)
		check_account(i);
	for (unsigned i = 0; i < ACCOUNTS; i++) {
		expunge_all(i);
		begin();
		mailbox_destroy(store, str_c(accounts[i]), on_done, NULL);
		assert_int_equal(finish_surely(), ERR_NONE);
	}
	sweep();
	assert_int_equal(blob_sweep(blobs.store, clock_unix_ms() + 3600000, is_live, &live, &err), 0);
	if (live != 0)
		fail_msg("seed %llu: %u bodies have no owner", (unsigned long long)seed, live);
}

/* A put whose answer is lost, tried again under its token, makes one item. */
static void
test_lost_answers(void **state)
{
	unsigned made = 0, lost = 0;

	(void)state;
	seed = 1000000;
	begin_history();
	for (unsigned i = 0; i < 60; i++) {
		unsigned char token[MAILBOX_ONCE_BYTES] = {(unsigned char)i, 1};
		struct mailbox_put put = {.address = str_c(accounts[0]),
					  .folder_id = folders[0][0],
					  .unchanged_since = UINT64_MAX,
					  .once = token,
					  .body = new_body(),
					  .size = BODY_BYTES};
		unsigned tries = 0;

		do {
			begin();
			mailbox_put(store, &put, on_put, NULL);
			finish_or_break(++tries < 20 ? BREAKS : 0);
			lost += got.err.code != ERR_NONE;
		} while (got.err.code != ERR_NONE);
		made++;
		assert_true(got.put.took_reference);
		read_folder(0, 0);
		assert_int_equal(got.count, made);
	}
	assert_true(lost != 0);
}

/* What is replaced gives its body back at once, without a sweep; what is refused, or
 * is a duplicate, takes none. */
static void
test_replaced_body_is_released(void **state)
{
	const unsigned char token[MAILBOX_ONCE_BYTES] = "changed once";
	struct mailbox_put put;
	struct err err;

	(void)state;
	seed = 2000000;
	begin_history();
	put = (struct mailbox_put){.address = str_c(accounts[0]),
				   .folder_id = folders[0][0],
				   .unchanged_since = UINT64_MAX,
				   .body = new_body(),
				   .digest = new_body()};
	begin();
	mailbox_put(store, &put, on_put, NULL);
	assert_int_equal(finish_surely(), ERR_NONE);
	put.uid = got.put.uid;
	put.once = token;
	put.body = new_body();
	put.digest = new_body();
	begin();
	mailbox_put(store, &put, on_put, NULL);
	assert_int_equal(finish_surely(), ERR_NONE);
	put.body = new_body();
	begin();
	mailbox_put(store, &put, on_put, NULL);
	assert_int_equal(finish_surely(), ERR_NONE);
	assert_true(got.put.duplicate && !got.put.took_reference);
	settle();
	for (unsigned i = 0; i < body_count; i++)
		assert_int_equal(body_is_intact(blobs.store, &bodies[i].id, bodies[i].seed, bodies[i].len, &err),
				 i >= 2);
	check_account(0);
}

static void
test_histories(void **state)
{
	(void)state;
	play_histories(15, play);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories),
		cmocka_unit_test(test_lost_answers),
		cmocka_unit_test(test_replaced_body_is_released),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
