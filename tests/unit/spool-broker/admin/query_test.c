/* Pages of the queue. */
#include "tests/unit/spool-broker/fixture.h"

/* A page fits a frame, whatever the messages are like. */
static void
test_pages_of_large_messages(void **state)
{
	struct handed h = {.id = ""};
	struct buf helo = BUF_EMPTY;

	(void)state;
	workers[0].slots = 0;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	for (int i = 0; i < 400000; i++)
		buf_add_byte(&helo, 'x');
	client_helo = helo.data;
	for (int i = 0; i < 60; i++) {
		h.id[0] = '\0';
		hand_over(&h, "a@sender.test", "one@x.test");
	}
	client_helo = NULL;
	buf_fini(&helo);
	assert_true(ask_pages(NULL) > 1);
	assert_int_equal(page_count, 60);
	for (unsigned i = 1; i < page_count; i++)
		assert_true(strcmp(page_ids[i - 1], page_ids[i]) < 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_pages_of_large_messages),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
