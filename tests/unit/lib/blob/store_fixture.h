/* Set up and torn down around each test of a store of bodies. */
#ifndef SP_TESTS_UNIT_STORE_FIXTURE_H
#define SP_TESTS_UNIT_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/bytes.h"
#include "tests/unit/lib/blob/blob_fixture.h"

static inline int
setup(void **state)
{
	struct blob_fixture *f = mem_new(struct blob_fixture);

	blob_fixture_start(f);
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct blob_fixture *f = *state;

	blob_fixture_stop(f);
	mem_free(f);
	return 0;
}

static inline unsigned
open_descriptors(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(d) != NULL)
		count++;
	closedir(d);
	return count;
}

#define BLOB_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
