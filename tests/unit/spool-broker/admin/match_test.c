/* Which messages an operator means; the texts that messages share. */
#include "spool-broker/admin/match.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* What a message of these addresses is to a filter. */
static enum match_result
match(Stagepost__QueueFilter *f, const char *addresses, unsigned recipients, uint16_t flags)
{
	struct message m = {.addresses = (char *)(uintptr_t)addresses,
			    .recipients = recipients,
			    .flags = flags,
			    .received_ms = 1000};
	struct match compiled;
	enum match_result result;

	assert_true(match_init(&compiled, f));
	result = match_message(&compiled, &m);
	match_fini(&compiled);
	return result;
}

static void
test_addresses(void **state)
{
	static const struct {
		const char *sender, *recipient, *domain;
		enum match_result one, two; /* a message to b@y.test; one to b@y.test and c@z.test */
	} rows[] = {
		{"", "", "", MATCH_YES, MATCH_YES},
		{"A@X.test", "", "", MATCH_YES, MATCH_YES},
		{"@x.TEST", "", "", MATCH_YES, MATCH_YES},
		{"@test", "", "", MATCH_NO, MATCH_NO},
		{"a", "", "", MATCH_YES, MATCH_YES},
		{"aa@x.test", "", "", MATCH_NO, MATCH_NO},
		{"", "b@y.test", "", MATCH_YES, MATCH_UNSURE},
		{"", "@Z.test", "", MATCH_NO, MATCH_UNSURE},
		{"", "c@", "", MATCH_NO, MATCH_NO}, /* an address, and not that one */
		{"", "y.t", "", MATCH_YES, MATCH_UNSURE},
		{"", "", "x.test", MATCH_YES, MATCH_YES},
		{"", "", "@y.test", MATCH_YES, MATCH_UNSURE},
		{"", "", "test", MATCH_NO, MATCH_NO},
		{"a@x.test", "nobody", "", MATCH_NO, MATCH_NO},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		Stagepost__QueueFilter f = STAGEPOST__QUEUE_FILTER__INIT;
		f.sender = (char *)(uintptr_t)rows[i].sender;
		f.recipient = (char *)(uintptr_t)rows[i].recipient;
		f.domain = (char *)(uintptr_t)rows[i].domain;
		assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 1, 0), rows[i].one);
		assert_int_equal(match(&f, "a@x.test\0b@y.test\0c@z.test\0", 2, 0), rows[i].two);
		/* More recipients than are kept: who knows. */
		if (rows[i].recipient[0] != '\0' && rows[i].sender[0] == '\0')
			assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 500, MESSAGE_MORE_ADDRESSES), MATCH_UNSURE);
	}
}

static void
test_the_rest(void **state)
{
	Stagepost__QueueFilter f = STAGEPOST__QUEUE_FILTER__INIT;
	struct match compiled;
	char word[] = "nosuch", held[] = "held", answer[] = "LATER";

	(void)state;
	f.before_ms = 1000;
	assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 1, 0), MATCH_NO);
	f.before_ms = 1001;
	assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 1, 0), MATCH_YES);
	assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 1, MESSAGE_FINISHING), MATCH_NO);
	f.state = held;
	assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 1, 0), MATCH_NO);
	assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 1, MESSAGE_HELD), MATCH_YES);
	f.answer = answer;
	assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 1, MESSAGE_HELD), MATCH_NO);
	assert_int_equal(match(&f, "a@x.test\0b@y.test\0", 1, MESSAGE_HELD | MESSAGE_MORE_ANSWERS), MATCH_UNSURE);
	f.state = word;
	assert_false(match_init(&compiled, &f));
	match_fini(&compiled);
}

static void
test_entry(void **state)
{
	Stagepost__Envelope e = STAGEPOST__ENVELOPE__INIT;
	Stagepost__MessageState s = STAGEPOST__MESSAGE_STATE__INIT;
	Stagepost__Recipient r[2] = {STAGEPOST__RECIPIENT__INIT, STAGEPOST__RECIPIENT__INIT};
	Stagepost__Recipient *own[1] = {&r[0]}, *added[1] = {&r[1]};
	Stagepost__RecipientStatus status[2] = {STAGEPOST__RECIPIENT_STATUS__INIT, STAGEPOST__RECIPIENT_STATUS__INIT};
	Stagepost__RecipientStatus *statuses[2] = {&status[0], &status[1]};
	Stagepost__QueueFilter f = STAGEPOST__QUEUE_FILTER__INIT;
	char first[] = "b@y.test", second[] = "c@z.test", text[] = "450 later", part[] = "LATER";
	struct match compiled;

	(void)state;
	r[0].address = first;
	r[1].address = second;
	e.recipients = own;
	e.n_recipients = 1;
	f.recipient = first;
	assert_true(match_init(&compiled, &f));
	assert_true(match_entry(&compiled, &e, NULL));
	s.added = added;
	s.status = statuses;
	s.n_added = 1;
	s.n_status = 2;
	status[0].state = STAGEPOST__RECIPIENT_STATE__DELIVERED;
	assert_false(match_entry(&compiled, &e, &s)); /* waits no more */
	match_fini(&compiled);
	f.recipient = second;
	f.answer = part;
	assert_true(match_init(&compiled, &f));
	assert_false(match_entry(&compiled, &e, &s));
	status[1].last_text = text;
	assert_true(match_entry(&compiled, &e, &s));
	match_fini(&compiled);
}

static void
test_interned(void **state)
{
	struct interned_table t = {NULL};
	struct interned *a = interned_get(&t, "later"), *b = interned_get(&t, "later"), *c = interned_get(&t, "");

	(void)state;
	assert_ptr_equal(a, b);
	assert_ptr_not_equal(a, c);
	assert_string_equal(a->text, "later");
	interned_drop(&t, &a);
	assert_null(a);
	assert_string_equal(b->text, "later");
	interned_drop(&t, &b);
	interned_drop(&t, &b);
	interned_drop(&t, &c);
	assert_null(t.texts);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_the_rest),
		cmocka_unit_test(test_entry),
		cmocka_unit_test(test_interned),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
