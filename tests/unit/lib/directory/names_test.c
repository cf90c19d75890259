/* Canonical forms of addresses and domains. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "lib/directory/directory.h"

static const struct {
	const char *text, *canonical; /* NULL: no address */
} addresses[] = {
	{"alice@example.test", "alice@example.test"},
	{"Alice.B@Example.TEST", "alice.b@example.test"},
	{"alice+Lists@example.test", "alice+lists@example.test"},
	{"\"alice\"@example.test", "alice@example.test"},
	{"\"al\\ice\"@example.test", "alice@example.test"},
	{"\"Al Ice\"@example.test", "\"al ice\"@example.test"},
	{"\"al\\\"ice\"@example.test", "\"al\\\"ice\"@example.test"},
	{"\"a@b\"@example.test", "\"a@b\"@example.test"},
	{"\"\"@example.test", "\"\"@example.test"},
	{"a@xn--bcher-kva.example", "a@xn--bcher-kva.example"},
	{"a@b\xc3\xbc"
	 "cher.example",
	 "a@xn--bcher-kva.example"},
	{"a@B\xc3\x9c"
	 "CHER.example",
	 "a@xn--bcher-kva.example"},
	{"a@bu\xcc\x88"
	 "cher.example",
	 "a@xn--bcher-kva.example"},
	/* a local part in UTF-8: lower case, NFC */
	{"J\xc3\x96RG@example.test", "j\xc3\xb6rg@example.test"},
	{"jo\xcc\x88rg@example.test", "j\xc3\xb6rg@example.test"},
	{"\"JO\xcc\x88RG\"@example.test", "j\xc3\xb6rg@example.test"},
	{"a@[192.0.2.1]", "a@[192.0.2.1]"},
	{"a@[IPv6:2001:DB8::1]", "a@[ipv6:2001:db8::1]"},
	{"a@localhost", "a@localhost"},
	{"", NULL},
	{"alice", NULL},
	{"@example.test", NULL},
	{"alice@", NULL},
	{".alice@example.test", NULL},
	{"alice.@example.test", NULL},
	{"al..ice@example.test", NULL},
	{"al ice@example.test", NULL},
	{"alice@exa mple.test", NULL},
	{"alice@-example.test", NULL},
	{"alice@example-.test", NULL},
	{"alice@example..test", NULL},
	{"alice@example.test.", NULL},
	{"alice@.test", NULL},
	{"alice@exa_mple.test", NULL},
	{"alice@[192.0.2.1", NULL},
	{"a\r\nb@example.test", NULL},
	{"\"a\rb\"@example.test", NULL},
	{"\"alice@example.test", NULL},
	{"\"al\"ice\"@example.test", NULL},
	{"\"alice\\\"@example.test", NULL},
	{"\xff\xfe@example.test", NULL},
	{"a@\xff\xfe.test", NULL},
};

static void
test_addresses(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		char out[DIRECTORY_ADDRESS_MAX] = "", again[DIRECTORY_ADDRESS_MAX];
		bool ok = directory_canonical_address(str_c(addresses[i].text), out);
		if (ok != (addresses[i].canonical != NULL) || (ok && strcmp(out, addresses[i].canonical) != 0))
			fail_msg("%s → %s", addresses[i].text, ok ? out : "refused");
		if (ok) {
			assert_true(directory_canonical_address(str_c(out), again));
			assert_string_equal(out, again);
		}
	}
}

static bool
takes_lengths(size_t local, size_t label, size_t labels)
{
	char text[2000], out[DIRECTORY_ADDRESS_MAX];
	size_t len = 0;
	memset(text, 'a', sizeof(text));
	len += local;
	text[len++] = '@';
	for (size_t i = 0; i < labels; i++) {
		len += label;
		text[len++] = '.';
	}
	return directory_canonical_address(str_of(text, len - 1), out);
}

static void
test_lengths(void **state)
{
	(void)state;
	assert_true(takes_lengths(64, 10, 2));
	assert_false(takes_lengths(65, 10, 2));
	assert_false(takes_lengths(1000, 10, 2));
	assert_true(takes_lengths(1, 63, 3));
	assert_false(takes_lengths(1, 64, 1));
	assert_true(takes_lengths(64, 1, 127)); /* 253 bytes */
	assert_false(takes_lengths(64, 1, 128));

	/* 64 bytes that all need a backslash: longer than any path may be. */
	char text[400], out[DIRECTORY_ADDRESS_MAX];
	size_t len = 0;
	text[len++] = '"';
	for (int i = 0; i < 64; i++) {
		text[len++] = '\\';
		text[len++] = '"';
	}
	text[len++] = '"';
	text[len++] = '@';
	for (int i = 0; i < 126; i++) {
		text[len++] = 'a';
		text[len++] = '.';
	}
	text[len++] = 'a';
	assert_false(directory_canonical_address(str_of(text, len), out));
	assert_true(directory_canonical_address(str_of(text, 131 + 121), out));
	assert_int_equal(strlen(out), 131 + 121);
}

static void
test_domain_of(void **state)
{
	(void)state;
	assert_true(str_eq(directory_domain_of(STR("a@b")), STR("b")));
	assert_true(str_eq(directory_domain_of(STR("\"a@b\"@c")), STR("c")));
	assert_int_equal(directory_domain_of(STR("postmaster")).len, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_domain_of),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
