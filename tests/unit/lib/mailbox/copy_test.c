/* A copy while its messages change: what was read and referred to is what is copied. */
#include "lib/blob/refs.h"
#include "tests/unit/lib/mailbox/mailbox_fixture.h"

enum { PACK = 9, BODY = 100, FIRST_DIGEST = 200, SECOND_DIGEST = 300 };

static struct blob_id
blob_at(uint64_t offset)
{
	return (struct blob_id){PACK, offset, 10};
}

static int64_t
further_references(uint64_t offset)
{
	char text[100];

	snprintf(text, sizeof(text), "HGET blobrefs:{%016x} %llu", PACK, (unsigned long long)offset);
	return command(text) < 0 ? 0 : got.number;
}

static void
file_with_digest(void)
{
	struct mailbox_new_message m = {.body = blob_at(BODY), .digest = blob_at(FIRST_DIGEST)};
	struct mailbox_filing f = {.address = who, .folder = STR("INBOX"), .messages = &m, .count = 1};

	begin_anew();
	begin();
	mailbox_file(store, &f, on_filed, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

/* The new digest is written behind the read of the message, and before the script that
 * copies it: that one follows when the references were added. */
static void
test_digest_is_replaced_in_between(void **state)
{
	const struct blob_id second = blob_at(SECOND_DIGEST);
	const uint32_t uid = 1;

	(void)state;
	file_with_digest();
	make_folder("To");
	begin();
	mailbox_copy(store, who, 1, &uid, 1, STR("To"), false, 0, on_copied, NULL);
	mailbox_set_digest(store, who, 1, uid, &second);
	assert_int_equal(finish(), ERR_NONE);

	assert_int_equal(read_folder(1, 1, UINT32_MAX, 0), ERR_NONE);
	assert_int_equal(got.cold[0].digest.offset, SECOND_DIGEST);
	assert_int_equal(open_folder("To"), ERR_NONE);
	assert_int_equal(read_folder(got.folder.id, 1, UINT32_MAX, 0), ERR_NONE);
	assert_int_equal(got.hot_count, 1);
	assert_int_equal(got.cold[0].body.offset, BODY);
	assert_int_equal(got.cold[0].digest.offset, FIRST_DIGEST);
	/* Each digest has one record, which owns the first reference. */
	assert_int_equal(further_references(BODY), 1);
	assert_int_equal(further_references(FIRST_DIGEST), 0);
	assert_int_equal(further_references(SECOND_DIGEST), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_digest_is_replaced_in_between)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
