/* Streamed messages and their signature fields. (That the signatures are valid
 * is shown with an independent verifier: tests/integration/test_dkim.py.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/dkim/header.h"
#include "lib/dkim/sign.h"
#include "tests/unit/redis_fixture.h"

#define RFC_KEY "ed25519 active 1528637909000 MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"

static struct event_base *base;

struct answer {
	volatile bool done;
	struct err err;
	struct buf fields;
};

static void
on_signed(void *arg, struct str fields, const struct err *err)
{
	struct answer *a = arg;

	assert_false(a->done);
	a->done = true;
	if (err != NULL)
		a->err = *err;
	buf_add_str(&a->fields, fields);
}

static struct dkim_key_set *
new_set(unsigned count)
{
	struct dkim_key_set *set = mem_new(struct dkim_key_set);
	struct err err;

	set->references = 1;
	set->count = count;
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(dkim_key_read(STR("brisbane"), STR(RFC_KEY), &set->keys[i], &err), 0);
	return set;
}

/* Signs the message, given in pieces of `size` bytes. */
static struct answer
sign(struct str message, size_t size, unsigned keys)
{
	struct dkim_signer *signer = dkim_signer_new(base);
	struct dkim_stream *stream = dkim_stream_new();
	struct dkim_key_set *set = new_set(keys);
	struct answer a = {.done = false};

	while (message.len > 0) {
		struct str piece = str_first(message, size);
		dkim_stream_feed(stream, piece);
		message = str_from(message, piece.len);
	}
	dkim_sign(signer, &stream, STR("football.example.com"), set, on_signed, &a);
	assert_null(stream);
	assert_false(a.done); /* later, always */
	assert_true(redis_fixture_wait(base, &a.done, 10000));
	dkim_key_set_unref(&set);
	dkim_signer_free(&signer);
	return a;
}

static bool
has(const struct answer *a, const char *text)
{
	return memmem(a->fields.data, a->fields.len, text, strlen(text)) != NULL;
}

static void
test_pieces(void **state)
{
	static const struct str message =
		STR("From: Joe SixPack <joe@football.example.com>\r\nTo: Suzie Q\r\n <suzie@shopping.example.net>\r\n"
		    "Subject: Is dinner ready?\r\nX-Other: not signed\r\n\r\n"
		    "Hi.\r\n\r\nWe lost the game.  Are you hungry yet?\r\n\r\nJoe.\r\n");

	(void)state;
	for (size_t size = 1; size < message.len + 10; size += size < 20 ? 1 : 50) {
		struct answer a = sign(message, size, 1);
		assert_int_equal(a.err.code, ERR_NONE);
		assert_true(
			has(&a, "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=football.example.com;"));
		assert_true(has(&a, "bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;"));
		assert_true(has(&a, "h=from:from:reply-to:subject:subject:to:to:cc;"));
		assert_memory_equal(a.fields.data + a.fields.len - 4, "==\r\n", 4);
		buf_fini(&a.fields);
	}
}

static void
test_two_keys(void **state)
{
	struct answer a = sign(STR("From: a@b.test\r\n\r\n"), 1000, 2);
	const char *second;

	(void)state;
	second = memmem(a.fields.data + 1, a.fields.len - 1, "DKIM-Signature:", 15);
	assert_non_null(second);
	buf_fini(&a.fields);
}

static void
test_lines_are_folded(void **state)
{
	struct buf message = BUF_EMPTY;
	struct answer a;
	struct str rest, line;

	(void)state;
	for (int i = 0; i < 200; i++)
		buf_add_c(&message, "Resent-Message-ID: <x@y.test>\r\n");
	buf_add_c(&message, "\r\n");
	a = sign(buf_str(&message), 1000, 1);
	assert_int_equal(a.err.code, ERR_NONE);
	for (rest = buf_str(&a.fields); rest.len > 0;) {
		str_cut(rest, '\n', &line, &rest);
		assert_true(line.len <= 100);
	}
	buf_fini(&a.fields);
	buf_fini(&message);
}

static void
test_too_large(void **state)
{
	struct buf lines = BUF_EMPTY, longest = BUF_EMPTY;
	struct answer a;

	(void)state;
	for (int i = 0; i < 1001; i++)
		buf_add_c(&lines, "A: b\r\n");
	a = sign(buf_str(&lines), 512, 1);
	assert_int_equal(a.err.code, ERR_LIMIT);
	assert_int_equal(a.fields.len, 0);
	buf_fini(&a.fields);
	buf_add_c(&longest, "A: ");
	for (int i = 0; i < DKIM_HEADER_MAX; i++)
		buf_add_byte(&longest, 'x');
	a = sign(buf_str(&longest), 4096, 1);
	assert_int_equal(a.err.code, ERR_LIMIT);
	buf_fini(&a.fields);
	buf_fini(&lines);
	buf_fini(&longest);
}

/* No header at all, no body, garbage: a signature all the same. */
static void
test_odd_messages(void **state)
{
	static const struct str messages[] = {STR(""),	       STR("\r\n"), STR("\r\nbody"),  STR(" folded\r\n\r\n"),
					      STR("no colon"), STR("From"), STR(":\r\n:\r\n")};

	(void)state;
	for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		struct answer a = sign(messages[i], 3, 1);
		assert_int_equal(a.err.code, ERR_NONE);
		assert_true(has(&a, "DKIM-Signature:"));
		buf_fini(&a.fields);
	}
}

/* The process ends with work in hand: no callback, nothing leaks. */
static void
test_freed(void **state)
{
	struct dkim_signer *signer = dkim_signer_new(base);
	struct dkim_key_set *set = new_set(1);
	struct answer a = {.done = false};

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct dkim_stream *stream = dkim_stream_new();
		dkim_sign(signer, &stream, STR("x.test"), set, on_signed, &a);
	}
	dkim_signer_free(&signer);
	assert_false(redis_fixture_wait(base, &a.done, 50));
	assert_int_equal(set->references, 1);
	dkim_key_set_unref(&set);
}

static int
start(void **state)
{
	(void)state;
	base = event_base_new();
	return base == NULL;
}

static int
stop(void **state)
{
	(void)state;
	event_base_free(base);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),		 cmocka_unit_test(test_two_keys),
		cmocka_unit_test(test_lines_are_folded), cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_odd_messages),	 cmocka_unit_test(test_freed),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
