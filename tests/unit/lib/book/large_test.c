/* Address books of many entries: how long searches, loading and changes take. */
#include "lib/base/turn.h"
#include "tests/unit/lib/book/book_fixture.h"

static void
fill_directly(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		char address[64], given[32], surname[32], phone[32], title[40];
		snprintf(address, sizeof(address), "user%u.name%u@example.test", i, i * 7919 % count);
		snprintf(given, sizeof(given), "Given%u", i % 997);
		snprintf(surname, sizeof(surname), "Surname%u", i);
		snprintf(phone, sizeof(phone), "+43 1 %u", 100000 + i);
		snprintf(title, sizeof(title), "Engineer of kind %u", i % 50);
		struct buf e = entry_of(0, (const char *const[]){"given_name", given, "surname", surname, "phone",
								 phone, "title", title, "department", "Development",
								 "company", "Example Company", "city", "Wien", NULL});
		redisAppendCommand(direct, "HSET book:{" DOMAIN "} %s %b", address, e.data, e.len);
		buf_fini(&e);
		if (i % 1000 != 999 && i + 1 != count)
			continue;
		for (unsigned k = 0; k <= i % 1000; k++) {
			redisReply *r;
			assert_int_equal(redisGetReply(direct, (void **)&r), REDIS_OK);
			freeReplyObject(r);
		}
	}
	command("INCRBY book:{" DOMAIN "}:v 1000000");
}

/* Of the processor's time that this thread got: other programs do not count. */
static int64_t
cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

enum { SEARCHES = 20 };

/* The mean of some. */
static double
search_ms(enum book_match match, uint32_t fields, const char *text, bool aimed, unsigned *count_out)
{
	int64_t began = cpu_us();

	for (unsigned i = 0; i < SEARCHES; i++) {
		struct book_cursor c = {.chunk = 0};
		struct book_query q;
		struct book_entry e;
		struct arena arena;

		arena_init(&arena);
		book_query_init(&q, match, fields, str_c(text), &arena);
		if (aimed)
			(void)book_query_aim(&q, book, &arena);
		*count_out = 0;
		while (book_next(book, &c, &q, NULL, &e) == BOOK_FOUND)
			++*count_out;
		arena_fini(&arena);
	}
	return (double)(cpu_us() - began) / 1000 / SEARCHES;
}

static int64_t longest_turn_us, last_turn_us;

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	int64_t now = cpu_us();

	(void)fd, (void)what;
	event_add(*(struct event **)arg, NULL);
	if (last_turn_us != 0 && now - last_turn_us > longest_turn_us)
		longest_turn_us = now - last_turn_us;
	last_turn_us = now;
}

static const struct {
	const char *what;
	enum book_match match;
	uint32_t fields;
	const char *text;
} searches[] = {
	{"substring of any field", BOOK_SUBSTRING, BOOK_ANY_FIELD, "name123@"},
	{"substring of the address", BOOK_SUBSTRING, BOOK_FIELD_BIT(BOOK_ADDRESS), "ser12345.n"},
	{"2 letters", BOOK_SUBSTRING, BOOK_ANY_FIELD, "xq"},
	{"3 letters", BOOK_SUBSTRING, BOOK_ANY_FIELD, "xqz"},
	{"5 letters", BOOK_SUBSTRING, BOOK_NAME_FIELDS, "xqzrt"},
	{"5 digits", BOOK_SUBSTRING, BOOK_ANY_FIELD, "12345"},
	{"word", BOOK_WORD, BOOK_NAME_FIELDS, "surname123"},
	{"word of 2 letters", BOOK_WORD, BOOK_NAME_FIELDS, "xq"},
	{"prefix of surname", BOOK_PREFIX, BOOK_FIELD_BIT(BOOK_SURNAME), "surname19"},
	{"what all have", BOOK_SUBSTRING, BOOK_ANY_FIELD, "example"},
	{"all", BOOK_PRESENT, BOOK_ANY_FIELD, ""},
};

static void
test_large(void **state)
{
	const char *size = getenv("BOOK_TEST_ENTRIES");
	unsigned entries = size != NULL ? (unsigned)atoi(size) : 20000, count, aimed_count;

	(void)state;
	book_let_go(&book);
	books_free(&books);
	books = books_new(base, redis, tracking, NULL);
	fill_directly(entries);
	while (!redis_is_connected(redis))
		turn(10);
	longest_turn_us = last_turn_us = 0;
	struct event *tick = turn_event_new(base, on_tick, &tick);
	event_add(tick, NULL);
	int64_t began = clock_monotonic_ms(), began_us = cpu_us();
	assert_int_equal(get(), ERR_NONE);
	print_message("  %u entries: loaded in %lld ms (%lld ms of the processor), longest turn %lld us, %.0f bytes an "
		      "entry\n",
		      entries, (long long)(clock_monotonic_ms() - began), (long long)(cpu_us() - began_us) / 1000,
		      (long long)longest_turn_us, (double)book_bytes(book) / entries);
	event_free(tick);
	assert_true(longest_turn_us < 10000); /* 2 ms, but for a machine under load */
	assert_int_equal(book_count(book), entries);
	assert_true(book_bytes(book) / entries < 650);
	for (size_t i = 0; i < sizeof(searches) / sizeof(searches[0]); i++) {
		double scan_ms = search_ms(searches[i].match, searches[i].fields, searches[i].text, false, &count);
		double ms = search_ms(searches[i].match, searches[i].fields, searches[i].text, true, &aimed_count);

		print_message("  %s: %.3f ms by the index, %.2f ms without (%u found)\n", searches[i].what, ms, scan_ms,
			      count);
		assert_int_equal(aimed_count, count);
	}
	struct book_entry e;
	began = clock_monotonic_us();
	for (unsigned i = 0; i < 10000; i++) {
		char address[64];
		unsigned n = i * 31 % entries;
		snprintf(address, sizeof(address), "user%u.name%u@example.test", n, n * 7919 % entries);
		assert_true(book_find(book, str_c(address), false, &e));
	}
	print_message("  exact: %.2f us\n", (double)(clock_monotonic_us() - began) / 10000);
}

static void
put_group(unsigned number, unsigned members)
{
	struct buf entry = BUF_EMPTY;
	char text[64];

	entry_begin(&entry, ENTRY_GROUP, 1000);
	for (unsigned i = 0; i < members; i++) {
		snprintf(text, sizeof(text), "member%u.%u@example.test", number, i);
		entry_add(&entry, BOOK_MEMBER, str_c(text));
	}
	snprintf(text, sizeof(text), "group%u@example.test", number);
	put_entry(text, buf_str(&entry));
	buf_fini(&entry);
}

/* One answer of the log with many large groups does not hold the loop. */
static void
test_large_changes(void **state)
{
	struct event *tick = turn_event_new(base, on_tick, &tick);

	(void)state;
	command("HSET domain:{" DOMAIN "} created_ms 1");
	settle();
	for (unsigned wave = 0; wave < 2; wave++) {
		book_let_go(&book);
		longest_turn_us = last_turn_us = 0;
		for (unsigned i = 0; i < 64; i++)
			put_group(i, 1000 + wave);
		event_add(tick, NULL);
		assert_int_equal(get(), ERR_NONE);
		settle();
		event_del(tick);
		print_message("  64 groups of 1000: longest turn %lld us\n", (long long)longest_turn_us);
		assert_true(longest_turn_us < 10000); /* all at once takes 16 ms */
	}
	event_free(tick);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_large_changes),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
