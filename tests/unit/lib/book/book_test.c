/* The address book in memory: searches, changes, and what is lost. */
#include "tests/unit/lib/book/book_fixture.h"

static const char *
found(enum book_match match, uint32_t fields, const char *text, bool with_hidden)
{
	static char names[1000];
	struct book_cursor c = {.chunk = 0};
	struct book_query q;
	struct book_entry e;
	struct arena arena;
	size_t len = 0;

	arena_init(&arena);
	book_query_init(&q, match, fields, str_c(text), &arena);
	q.with_hidden = with_hidden;
	(void)book_query_aim(&q, book, &arena);
	names[0] = '\0';
	while (book_next(book, &c, &q, NULL, &e) == BOOK_FOUND) {
		assert_true(book_query_matches(&q, &e));
		len += (size_t)snprintf(names + len, sizeof(names) - len, "%s%.*s", len > 0 ? " " : "",
					(int)str_index(e.address, '@'), e.address.p);
	}
	arena_fini(&arena);
	return names;
}

static const char *
value(const char *address, const char *name)
{
	static char text[1000];
	struct book_entry e;

	if (!book_find(book, str_c(address), BOOK_WITH_HIDDEN, &e))
		return "no entry";
	str_copy(book_entry_get(&e, book_field_of_name(str_c(name))), text, sizeof(text));
	return text;
}

/* ---- Tests ---- */
static void
fill(void)
{
	put("alice@example.test", 0, "given_name", "Alice", "surname", "Müller-Straße", "title", "Head of Sales",
	    "phone", "+49 30 1234-567");
	put("bob@example.test", 0, "display_name", "Bob  Builder", "city", "Berlin", "notes", "alice's friend");
	put("carol@example.test", ENTRY_HIDDEN, "given_name", "Carol");
	put("dave@example.test", ENTRY_DISABLED);
	put("team@example.test", ENTRY_GROUP, "member", "alice@example.test", "member", "zoe@elsewhere.test");
	while (puts_due > 0)
		turn(5);
}

static void
test_searches(void **state)
{
	static const struct {
		enum book_match match;
		const char *field; /* NULL: any */
		const char *text, *found;
	} rows[] = {
		{BOOK_EQUAL, "address", "ALICE@example.test", "alice"},
		{BOOK_EQUAL, "address", "alice@example.tes", ""},
		{BOOK_EQUAL, "surname", "muller-strasse", "alice"},
		{BOOK_EQUAL, "surname", "MÜLLER-STRASSE", "alice"},
		{BOOK_EQUAL, "display_name", " bob builder ", "bob"},
		{BOOK_EQUAL, "display_name", "alice müller-straße", "alice"},
		{BOOK_EQUAL, "phone", "+49301234567", "alice"},
		{BOOK_EQUAL, "phone", "+49-30 1234 567", "alice"},
		{BOOK_SUBSTRING, "phone", "1234 5", "alice"},
		{BOOK_SUBSTRING, "phone", "12345", "alice"},
		{BOOK_SUBSTRING, NULL, "1234 5", "alice"},
		{BOOK_PREFIX, "phone", "49", ""},
		{BOOK_PREFIX, "surname", "Mul", "alice"},
		{BOOK_SUBSTRING, "surname", "stra", "alice"},
		{BOOK_SUBSTRING, NULL, "ALICE", "alice bob team"},
		{BOOK_SUBSTRING, "notes", "alice", "bob"},
		{BOOK_PREFIX, "notes", "friend", ""},
		{BOOK_WORD, "notes", "frie", "bob"},
		{BOOK_WORD, NULL, "straße", "alice"},
		{BOOK_SUFFIX, "notes", "friend", "bob"},
		{BOOK_SUFFIX, "title", "Head", ""},
		{BOOK_PRESENT, "title", "", "alice"},
		{BOOK_PRESENT, "display_name", "", "alice bob team"},
		{BOOK_EQUAL, "member", "alice@example.test", "team"},
		{BOOK_SUBSTRING, "display_name", "carol", ""},
		{BOOK_SUBSTRING, NULL, "a", "alice bob team"},
		{BOOK_SUBSTRING, NULL, "nobody", ""},
		{BOOK_SUBSTRING, NULL, "", "alice bob team"},
		{BOOK_EQUAL, "title", "", ""},
	};

	(void)state;
	fill();
	assert_int_equal(get(), ERR_NONE);
	assert_int_equal(book_count(book), 5);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint32_t fields = rows[i].field != NULL ? BOOK_FIELD_BIT(book_field_of_name(str_c(rows[i].field)))
							: BOOK_ANY_FIELD;
		const char *names = found(rows[i].match, fields, rows[i].text, false);
		if (strcmp(names, rows[i].found) != 0)
			fail_msg("row %zu (%s): '%s' instead of '%s'", i, rows[i].text, names, rows[i].found);
	}
	assert_string_equal(found(BOOK_SUBSTRING, BOOK_NAME_FIELDS, "carol", true), "carol");
	assert_string_equal(found(BOOK_SUBSTRING, BOOK_ANY_FIELD, "@", true), "alice bob carol dave team");
}

static void
test_entries(void **state)
{
	struct book_entry e;
	enum book_field field;
	struct str text;
	size_t at = 0;
	unsigned members = 0;

	(void)state;
	assert_string_equal(value("alice@example.test", "display_name"), "Alice Müller-Straße");
	assert_string_equal(value("bob@example.test", "display_name"), "Bob  Builder");
	assert_string_equal(value("team@example.test", "display_name"), "team");
	assert_string_equal(value("alice@example.test", "phone"), "+49 30 1234-567");
	assert_string_equal(value("nobody@example.test", "phone"), "no entry");
	assert_false(book_find(book, STR("carol@example.test"), false, &e));
	assert_true(book_find(book, STR("dave@example.test"), BOOK_WITH_HIDDEN, &e));
	assert_true(e.is_disabled && e.is_hidden && !e.is_group);
	assert_true(book_find(book, STR("team@example.test"), false, &e));
	assert_true(e.is_group && e.created_ms == 1000);
	while (book_entry_next(&e, &at, &field, &text))
		members += field == BOOK_MEMBER;
	assert_int_equal(members, 2);
}

static void
test_changes_arrive(void **state)
{
	struct book_cursor c;
	struct book_entry e;

	(void)state;
	put("alice@example.test", 0, "title", "Boss");
	put("bob@example.test", 0);
	put_entry("carol@example.test", STR(""));
	put("aaron@example.test", 0, "title", "New");
	settle();
	assert_string_equal(value("alice@example.test", "title"), "Boss");
	assert_string_equal(value("alice@example.test", "phone"), "");
	assert_string_equal(found(BOOK_SUBSTRING, BOOK_ANY_FIELD, "@", true), "aaron alice bob dave team");
	/* The same again changes nothing. */
	uint64_t version = stored_version();
	put("alice@example.test", 0, "title", "Boss");
	settle();
	assert_int_equal(stored_version(), version);

	book_cursor_after(&c, STR("alice@example.test"));
	assert_int_equal(book_next(book, &c, NULL, NULL, &e), BOOK_FOUND);
	assert_true(str_eq(e.address, STR("bob@example.test")));
	put_entry("bob@example.test", STR(""));
	put("boc@example.test", 0);
	settle();
	assert_int_equal(book_next(book, &c, NULL, NULL, &e), BOOK_FOUND);
	assert_true(str_eq(e.address, STR("boc@example.test")));
	assert_int_equal(book_next(book, &c, NULL, NULL, &e), BOOK_FOUND);
	assert_true(str_eq(e.address, STR("team@example.test")));
	assert_int_equal(book_next(book, &c, NULL, NULL, &e), BOOK_END);
}

/* Every entry in memory and in the store are compared. */
static void
assert_equal_to_store(void)
{
	redisReply *all = redisCommand(direct, "HGETALL book:{" DOMAIN "}");
	struct book_query q = {.match = BOOK_PRESENT, .fields = BOOK_ANY_FIELD, .with_hidden = true};
	struct book_cursor c = {.chunk = 0};
	struct book_entry e;
	char last[DIRECTORY_ADDRESS_MAX] = "";
	uint64_t count = 0;

	assert_int_equal(all->elements / 2, book_count(book));
	for (size_t i = 0; i < all->elements; i += 2) {
		struct entry_reader r;
		enum book_field field;
		struct str text;

		assert_true(book_find(book, redis_str(all->element[i]), true, &e));
		assert_true(entry_open(&r, redis_str(all->element[i + 1])));
		while (entry_next(&r, &field, &text))
			if (field != BOOK_MEMBER)
				assert_true(str_eq(book_entry_get(&e, field), text));
	}
	while (book_next(book, &c, &q, NULL, &e) == BOOK_FOUND) {
		assert_true(str_cmp(str_c(last), e.address) < 0);
		str_copy(e.address, last, sizeof(last));
		count++;
	}
	assert_int_equal(count, book_count(book));
	freeReplyObject(all);
}

static void
put_random(unsigned range)
{
	char address[64], title[64];

	snprintf(address, sizeof(address), "user%u@example.test", (unsigned)rand() % range);
	snprintf(title, sizeof(title), "Title %d", rand());
	if (rand() % 4 == 0)
		put_entry(address, STR(""));
	else
		put(address, 0, "title", title, "city", "Wien");
}

static void
test_random_changes(void **state)
{
	(void)state;
	srand(1);
	for (int i = 0; i < 8000; i++) {
		put_random(3000);
		if (i % 500 == 0)
			turn(2);
	}
	settle();
	assert_equal_to_store();
}

/* The notices' connection is cut again and again during 1,000 changes. */
static void
test_notices_lost(void **state)
{
	(void)state;
	for (int i = 0; i < 1000; i++) {
		put_random(3000);
		if (i % 100 == 50)
			command("CLIENT KILL TYPE pubsub");
		if (i % 10 == 0)
			turn(3);
	}
	settle();
	/* The last changes come while nobody listens, and no later one tells of them. */
	for (int i = 0; i < 10; i++) {
		command("CLIENT KILL TYPE pubsub");
		for (int k = 0; k < 5; k++)
			put_random(3000);
		settle();
	}
	print_message("  equal after %lld ms at most\n", (long long)longest_settle_ms);
	assert_equal_to_store();
}

/* The log was cut while nobody looked: all is loaded again. */
static void
test_log_too_short(void **state)
{
	(void)state;
	command("DEL book:{" DOMAIN "}:log");
	command("INCRBY book:{" DOMAIN "}:v 20000");
	command("HDEL book:{" DOMAIN "} team@example.test");
	command("PUBLISH book:{" DOMAIN "} x");
	settle();
	assert_equal_to_store();
	put("zoe@example.test", 0);
	settle();
	assert_equal_to_store();
}

/* Another store takes over, which did not have the last changes; its versions are as high. */
static void
test_other_history(void **state)
{
	int64_t began = clock_monotonic_ms();

	(void)state;
	put("lost@example.test", 0);
	settle();
	command("HDEL book:{" DOMAIN "} lost@example.test");
	command("CLIENT KILL TYPE pubsub");
	while (strcmp(value("lost@example.test", "title"), "no entry") != 0) {
		assert_true(clock_monotonic_ms() < began + 10000);
		assert_true(book_find(book, STR("aaron@example.test"), false, &(struct book_entry){0}));
		turn(5);
	}
	settle();
	assert_equal_to_store();
	put("later@example.test", 0);
	settle();
	assert_equal_to_store();
}

/* Beyond the limit, books that nobody holds make room. */
static void
test_many_books(void **state)
{
	struct book *held = book, *other = NULL;
	uint64_t count, entries;
	char domain[32];

	(void)state;
	for (unsigned i = 0; i < 40; i++) {
		snprintf(domain, sizeof(domain), "other%u.test", i);
		is_ready = false;
		other = books_get(books, str_c(domain), on_ready, &server);
		if (other == NULL) {
			assert_true(redis_fixture_wait(base, &is_ready, 10000));
			other = book;
		}
		book_let_go(&other);
		turn(2);
	}
	book = held;
	books_figures(books, &count, &entries);
	assert_int_equal(count, 16);
	assert_equal_to_store();
	/* The last one is still there, the first one is not. */
	other = books_get(books, str_c(domain), on_ready, &server);
	assert_non_null(other);
	book_let_go(&other);
	is_ready = false;
	assert_null(books_get(books, STR("other0.test"), on_ready, &server));
	assert_true(redis_fixture_wait(base, &is_ready, 10000));
	book_let_go(&book);
	book = held;
}

static void
test_store_away(void **state)
{
	uint64_t count = book_count(book);

	(void)state;
	redis_fixture_kill(&server);
	turn(300);
	assert_int_equal(get(), ERR_NONE); /* held twice now */
	assert_int_equal(book_count(book), count);
	assert_string_equal(value("aaron@example.test", "title"), "New");
	/* Another book cannot be loaded meanwhile. */
	struct book *held = book;
	is_ready = false;
	assert_null(books_get(books, STR("other.test"), on_ready, &server));
	assert_true(redis_fixture_wait(base, &is_ready, 10000));
	assert_int_equal(ready_err.code, ERR_UNAVAILABLE);
	book = held;
	book_let_go(&held);
	redisFree(direct);
	/* It comes back empty, as a store without a file does. */
	assert_true(redis_fixture_run(&server, false));
	direct = redisConnectUnix(server.socket);
	settle();
	assert_int_equal(book_count(book), 0);
	assert_int_equal(stored_version(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_searches),       cmocka_unit_test(test_entries),
		cmocka_unit_test(test_changes_arrive), cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_notices_lost),   cmocka_unit_test(test_log_too_short),
		cmocka_unit_test(test_other_history),  cmocka_unit_test(test_many_books),
		cmocka_unit_test(test_store_away),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
