/* The address book as the directory writes it: what an order leaves, what a comparison
 * mends. */
#include "tests/unit/lib/directory/directory_fixture.h"

#include "lib/book/book.h"

static struct books *books;

/* ---- The book of a.test as a process sees it ---- */
struct got {
	volatile bool done;
	struct book *book;
};

static void
on_book(void *arg, struct book *book, const struct err *err)
{
	struct got *g = arg;
	assert_null(err);
	g->book = book;
	g->done = true;
}

static struct book *
get_book(void)
{
	struct got g = {.done = false};
	struct book *book = books_get(books, STR("a.test"), on_book, &g);
	if (book != NULL)
		return book;
	assert_true(redis_fixture_wait(base, &g.done, 10000));
	return g.book;
}

/* Waits until the book in memory is that of the store. */
static void
settle(const struct book *book)
{
	int64_t until = clock_monotonic_ms() + 20000;

	for (;;) {
		redisReply *reply = command("GET book:{a.test}:v");
		uint64_t version = reply->type == REDIS_REPLY_STRING ? strtoull(reply->str, NULL, 10) : 0;
		freeReplyObject(reply);
		if (version == book_version(book))
			return;
		assert_true(clock_monotonic_ms() < until);
		turn(5);
	}
}

/* "alice: Alice Head of Sales; team: >x@b.test", of all entries. */
static const char *
book_text(void)
{
	static char text[4000];
	struct book *book;
	struct book_query all = {.match = BOOK_PRESENT, .fields = BOOK_ANY_FIELD, .with_hidden = true};
	struct book_cursor c = {.chunk = 0};
	struct book_entry e;
	size_t len = 0;

	book = get_book();
	settle(book);
	text[0] = '\0';
	while (book_next(book, &c, &all, NULL, &e) == BOOK_FOUND) {
		enum book_field field;
		struct str value;
		size_t at = 0;

		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%.*s%s%s:", len > 0 ? "; " : "",
					(int)str_index(e.address, '@'), e.address.p, e.is_hidden ? "-" : "",
					e.is_disabled ? "!" : "");
		while (book_entry_next(&e, &at, &field, &value))
			if (field != BOOK_ADDRESS)
				len += (size_t)snprintf(text + len, sizeof(text) - len, " %s%.*s",
							field == BOOK_MEMBER ? ">" : "", STR_ARG(value));
	}
	book_let_go(&book);
	return text;
}

static int
open_books(void **state)
{
	if (open_directory(state) != 0)
		return -1;
	books = books_new(base, redis, tracking, dir);
	return 0;
}

static int
close_books(void **state)
{
	books_free(&books);
	return close_directory(state);
}

/* ---- Comparing ---- */
struct compared {
	volatile bool done;
	enum err_code code;
	struct directory_comparison figures;
};

static void
on_compared(void *arg, const struct directory_comparison *figures, const struct err *err)
{
	struct compared *c = arg;
	assert_false(c->done);
	c->done = true;
	c->code = err != NULL ? err->code : ERR_NONE;
	c->figures = *figures;
}

static struct compared
compare(int64_t due_ms)
{
	struct compared c = {.done = false};
	const struct directory_comparison_options options = {.name = "test", .due_ms = due_ms};
	directory_book_compare(tool, STR("a.test"), &options, on_compared, &c);
	assert_true(redis_fixture_wait(base, &c.done, 20000));
	return c;
}

/* ---- Tests ---- */
static void
test_orders(void **state)
{
	(void)state;
	assert_string_equal(book_text(), "");
	add_domain("a.test");
	add_user("alice@a.test");
	assert_string_equal(book_text(), "alice: alice");
	assert_int_equal(set_user("alice@a.test", "given_name", "Alice"), ERR_NONE);
	assert_int_equal(set_user("alice@a.test", "title", "Boss"), ERR_NONE);
	assert_int_equal(set_user("alice@a.test", "title", "a\tb"), ERR_INVALID);
	assert_int_equal(set_user("alice@a.test", "phone", "\xff"), ERR_INVALID);
	assert_int_equal(set_user("alice@a.test", "telephone", "1"), ERR_INVALID);
	assert_string_equal(book_text(), "alice: Alice Boss Alice");
	assert_int_equal(set_user("alice@a.test", "display_name", "A. Liddell"), ERR_NONE);
	assert_int_equal(set_user("alice@a.test", "title", ""), ERR_NONE);
	assert_string_equal(book_text(), "alice: A. Liddell Alice");
	assert_int_equal(set_user("alice@a.test", "book", "off"), ERR_NONE);
	assert_string_equal(book_text(), "alice-: A. Liddell Alice");
	set_user("alice@a.test", "book", "on");
	set_user("alice@a.test", "enabled", "off");
	assert_string_equal(book_text(), "alice-!: A. Liddell Alice");
	set_user("alice@a.test", "enabled", "on");
	add_alias("team@a.test", "x@b.test");
	add_alias("team@a.test", "alice@a.test");
	assert_string_equal(book_text(), "alice: A. Liddell Alice; team: team >alice@a.test >x@b.test");
	delete_alias("team@a.test", "x@b.test");
	assert_string_equal(book_text(), "alice: A. Liddell Alice; team: team >alice@a.test");
	delete_alias("team@a.test", NULL);
	assert_int_equal(ORDER(directory_user_delete, STR("alice@a.test")), ERR_NONE);
	assert_string_equal(book_text(), "");
}

static void
check_user(void *arg, const struct directory_user *u, const struct err *err)
{
	assert_null(err);
	assert_non_null(u);
	assert_true(str_eq(directory_user_field(u, BOOK_CITY), STR("Wien")));
	assert_true(str_eq(directory_user_field(u, BOOK_NOTES), STR("none")));
	assert_int_equal(directory_user_field(u, BOOK_STREET).len, 0);
	assert_true(u->is_in_book);
	assert_string_equal(u->password, "$argon2id$x");
	((struct answer *)arg)->done = true;
}

static void
test_user_fields(void **state)
{
	struct answer a = {.done = false};
	struct directory_user user;
	bool found = false;

	(void)state;
	add_domain("a.test");
	add_user("alice@a.test");
	set_user("alice@a.test", "city", "Wien");
	set_user("alice@a.test", "notes", "none");
	assert_false(directory_get_user(tool, STR("alice@a.test"), &user, &found, check_user, &a));
	wait_for(&a);
}

/* The book goes with its domain, and comes back with it; a late order leaves nothing. */
static void
test_domain_deleted(void **state)
{
	(void)state;
	add_domain("a.test");
	add_user("alice@a.test");
	assert_string_equal(book_text(), "alice: alice");
	assert_int_equal(ORDER(directory_domain_delete, STR("a.test"), true), ERR_NONE);
	assert_string_equal(book_text(), "");
	assert_int_equal(number("EXISTS %s", "book:{a.test}"), 0);
	assert_int_equal(ORDER(directory_user_delete, STR("alice@a.test")), ERR_NOT_FOUND);
	assert_int_equal(compare(0).code, ERR_NOT_FOUND);
	assert_int_equal(number("EXISTS %s", "book:{a.test}:v"), 0);
	assert_int_equal(number("EXISTS %s", "book:{a.test}:state"), 0);
	add_domain("a.test");
	add_user("bob@a.test");
	assert_string_equal(book_text(), "bob: bob");
}

/* Accounts of a version that knew no books. */
static void
test_made_at_first_use(void **state)
{
	(void)state;
	add_domain("a.test");
	freeReplyObject(command("DEL book:{a.test}:state"));
	for (int i = 0; i < 1000; i++) {
		freeReplyObject(command("SADD domain:{a.test}:users u%d@a.test", i));
		freeReplyObject(command("HSET user:{u%d@a.test} address u%d@a.test enabled 1", i, i));
	}
	freeReplyObject(command("SADD domain:{a.test}:aliases team@a.test"));
	freeReplyObject(command("SADD alias:{team@a.test} u1@a.test"));
	/* One that is written before does not pass for the whole. */
	set_user("u7@a.test", "title", "Seventh");
	struct book *book = get_book();
	assert_int_equal(book_count(book), 1001);
	book_let_go(&book);
	assert_int_equal(compare(0).figures.mended, 0);
}

static void
test_comparison(void **state)
{
	(void)state;
	add_domain("a.test");
	add_user("alice@a.test");
	add_user("bob@a.test");
	add_alias("team@a.test", "bob@a.test");
	assert_string_equal(book_text(), "alice: alice; bob: bob; team: team >bob@a.test");
	struct compared c = compare(0);
	assert_int_equal(c.code, ERR_NONE);
	assert_int_equal(c.figures.examined, 3);
	assert_int_equal(c.figures.mended, 0);
	assert_int_equal(compare(60000).code, ERR_DENIED);

	/* What crashes leave: a record changed, one gone, one of which the book knows nothing. */
	freeReplyObject(command("HSET user:{alice@a.test} title Boss"));
	freeReplyObject(command("DEL user:{bob@a.test}"));
	freeReplyObject(command("SADD domain:{a.test}:users carol@a.test"));
	freeReplyObject(command("HSET user:{carol@a.test} address carol@a.test enabled 1"));
	freeReplyObject(command("DEL alias:{team@a.test}"));
	freeReplyObject(command("SREM domain:{a.test}:aliases team@a.test"));
	assert_string_equal(book_text(), "alice: alice; bob: bob; team: team >bob@a.test");
	c = compare(0);
	assert_int_equal(c.figures.mended, 4);
	assert_string_equal(book_text(), "alice: Boss alice; carol: carol");
	assert_int_equal(compare(0).figures.mended, 0);
}

static void
test_one_comparison_at_a_time(void **state)
{
	struct compared first = {.done = false}, second = {.done = false};
	const struct directory_comparison_options options = {.name = "test", .pause_ms = 50};

	(void)state;
	add_domain("a.test");
	directory_book_compare(tool, STR("a.test"), &options, on_compared, &first);
	directory_book_compare(dir, STR("a.test"), &options, on_compared, &second);
	assert_true(redis_fixture_wait(base, &first.done, 5000) && redis_fixture_wait(base, &second.done, 5000));
	assert_int_equal(first.code, ERR_NONE);
	assert_int_equal(second.code, ERR_EXISTS);
	/* One that is given up lets the next begin. */
	directory_book_compare(tool, STR("a.test"), &options, on_compared, &first);
	directory_cancel(tool, &first);
	assert_int_equal(compare(0).code, ERR_NONE);
}

/* Many orders about one account at once, from two processes: the book ends as the record. */
static void
test_orders_at_once(void **state)
{
	enum { ORDERS = 200 };
	static struct answer answers[ORDERS];
	char values[ORDERS][16], expected[100];

	(void)state;
	add_domain("a.test");
	add_user("alice@a.test");
	for (int i = 0; i < ORDERS; i++) {
		struct directory_field f = {STR("title"), STR_NONE};
		snprintf(values[i], sizeof(values[i]), "T%d", i);
		f.value = str_c(values[i]);
		memset(&answers[i], 0, sizeof(answers[i]));
		directory_user_set(i % 2 ? tool : dir, STR("alice@a.test"), &f, 1, on_done, &answers[i]);
	}
	for (int i = 0; i < ORDERS; i++)
		wait_for(&answers[i]);
	redisReply *title = command("HGET user:{alice@a.test} title");
	snprintf(expected, sizeof(expected), "alice: %s alice", title->str);
	freeReplyObject(title);
	assert_string_equal(book_text(), expected);
}

static void
on_synced(void *arg, bool has_changed, const struct err *err)
{
	assert_null(err);
	assert_true(has_changed);
	*(volatile bool *)arg = true;
}

/* The record changes after it was read for the book, and before the book is written: the server holds
 * writes back in between. */
static void
test_changed_meanwhile(void **state)
{
	volatile bool is_done = false;
	redisContext *other;
	int is_written = 0;

	(void)state;
	add_domain("a.test");
	add_user("alice@a.test");
	freeReplyObject(command("HSET user:{alice@a.test} title First"));
	freeReplyObject(command("CLIENT PAUSE 5000 WRITE"));
	book_sync(redis, STR("alice@a.test"), &(struct number_rules){.of_user = false}, on_synced,
		  (void *)(uintptr_t)&is_done);
	turn(200);
	other = redisConnectUnix(server.socket);
	redisAppendCommand(other, "HSET user:{alice@a.test} title Second");
	while (!is_written)
		assert_int_equal(redisBufferWrite(other, &is_written), REDIS_OK);
	turn(100);
	assert_false(is_done);
	freeReplyObject(command("CLIENT UNPAUSE"));
	assert_true(redis_fixture_wait(base, &is_done, 5000));
	redisFree(other);
	assert_string_equal(book_text(), "alice: Second alice");
}

int
main(void)
{
#define WITH_BOOKS(test) cmocka_unit_test_setup_teardown(test, open_books, close_books)
	const struct CMUnitTest tests[] = {
		WITH_BOOKS(test_orders),		WITH_BOOKS(test_user_fields),
		WITH_BOOKS(test_domain_deleted),	WITH_BOOKS(test_made_at_first_use),
		WITH_BOOKS(test_comparison),		WITH_BOOKS(test_one_comparison_at_a_time),
		WITH_BOOKS(test_orders_at_once),	WITH_BOOKS(test_changed_meanwhile),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
