/* Addresses, blocks, literals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sys/un.h>

#include "lib/base/ip.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
test_addresses(void **state)
{
	static const struct {
		struct str text;
		uint8_t family; /* 0: refused */
		const char *canonical, *literal;
		bool loopback;
	} cases[] = {
		{STR("192.0.2.1"), 4, "192.0.2.1", "[192.0.2.1]", false},
		{STR("127.255.0.1"), 4, "127.255.0.1", "[127.255.0.1]", true},
		{STR("0.0.0.0"), 4, "0.0.0.0", "[0.0.0.0]", false},
		{STR("2001:DB8::1"), 6, "2001:db8::1", "[IPv6:2001:db8::1]", false},
		{STR("2001:db8:0:0:0:0:0:1"), 6, "2001:db8::1", "[IPv6:2001:db8::1]", false},
		{STR("::"), 6, "::", "[IPv6:::]", false},
		{STR("::1"), 6, "::1", "[IPv6:::1]", true},
		{STR("::ffff:127.0.0.1"), 4, "127.0.0.1", "[127.0.0.1]", true},
		{STR("::FFFF:c000:201"), 4, "192.0.2.1", "[192.0.2.1]", false},
		{STR("1111:2222:3333:4444:5555:6666:7777:8888"), 6, "1111:2222:3333:4444:5555:6666:7777:8888",
		 "[IPv6:1111:2222:3333:4444:5555:6666:7777:8888]", false},
		{STR(""), 0, "", "[]", false},
		{STR_NONE, 0, "", "[]", false},
		{STR("192.0.2"), 0, "", "[]", false},
		{STR("192.0.2.256"), 0, "", "[]", false},
		{STR("192.0.2.1 "), 0, "", "[]", false},
		{STR("192.0.2.1\0"), 0, "", "[]", false},
		{STR("fe80::1%lo"), 0, "", "[]", false},
		{STR(":::"), 0, "", "[]", false},
		{STR("1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa"), 0, "", "[]", false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip, again;
		char text[IP_TEXT_MAX], literal[IP_LITERAL_MAX];
		assert_int_equal(ip_parse(cases[i].text, &ip), cases[i].family != 0);
		assert_int_equal(ip.family, cases[i].family);
		ip_text(&ip, text);
		assert_string_equal(text, cases[i].canonical);
		ip_literal(&ip, literal);
		assert_string_equal(literal, cases[i].literal);
		assert_int_equal(ip_is_loopback(&ip), cases[i].loopback);
		if (cases[i].family != 0) {
			assert_true(ip_literal_parse(str_c(literal), &again));
			assert_true(ip_eq(&ip, &again));
		}
	}
}

static void
test_literals(void **state)
{
	static const struct {
		struct str text;
		uint8_t family; /* 0: refused */
	} cases[] = {
		{STR("[192.0.2.1]"), 4},
		{STR("[ipv6:::1]"), 6},
		{STR("[IPv6:::ffff:192.0.2.1]"), 4},
		{STR("[IPv6:192.0.2.1]"), 0},
		{STR("[::1]"), 0},
		{STR("192.0.2.1"), 0},
		{STR("[192.0.2.1"), 0},
		{STR("192.0.2.1]"), 0},
		{STR("[]"), 0},
		{STR("["), 0},
		{STR(""), 0},
		{STR("[x]"), 0},
		{STR("[IPv6:]"), 0},
		{STR("[ 192.0.2.1]"), 0},
		{STR("[tag:192.0.2.1]"), 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip ip = {0};
		assert_int_equal(ip_literal_parse(cases[i].text, &ip), cases[i].family != 0);
		if (cases[i].family != 0)
			assert_int_equal(ip.family, cases[i].family);
	}
}

static void
test_blocks(void **state)
{
	static const struct {
		struct str block;
		bool good;
		struct str inside, outside;
	} cases[] = {
		{STR("192.0.2.1"), true, STR("192.0.2.1"), STR("192.0.2.0")},
		{STR("192.0.2.0/24"), true, STR("192.0.2.255"), STR("192.0.3.0")},
		{STR("192.0.2.0/24"), true, STR("::ffff:192.0.2.9"), STR("2001:db8::1")},
		{STR("10.0.0.0/8"), true, STR("10.255.255.255"), STR("11.0.0.0")},
		{STR("172.16.0.0/12"), true, STR("172.31.0.1"), STR("172.32.0.1")},
		{STR("192.0.2.128/25"), true, STR("192.0.2.129"), STR("192.0.2.127")},
		{STR("192.0.2.4/31"), true, STR("192.0.2.5"), STR("192.0.2.6")},
		{STR("0.0.0.0/0"), true, STR("203.0.113.9"), STR("::1")},
		{STR("2001:db8::/32"), true, STR("2001:db8:ffff::1"), STR("2001:db9::")},
		{STR("2001:db8::/33"), true, STR("2001:db8:7fff::1"), STR("2001:db8:8000::")},
		{STR("::/0"), true, STR("2001:db8::1"), STR("192.0.2.1")},
		{STR("2001:db8::1/128"), true, STR("2001:db8::1"), STR("2001:db8::2")},
		{STR("192.0.2.1/24"), false, STR_NONE, STR_NONE}, /* bits behind the prefix */
		{STR("192.0.2.2/30"), false, STR_NONE, STR_NONE},
		{STR("2001:db8::1/64"), false, STR_NONE, STR_NONE},
		{STR("192.0.2.0/33"), false, STR_NONE, STR_NONE},
		{STR("2001:db8::/129"), false, STR_NONE, STR_NONE},
		{STR("192.0.2.0/"), false, STR_NONE, STR_NONE},
		{STR("192.0.2.0/-1"), false, STR_NONE, STR_NONE},
		{STR("192.0.2.0/24/8"), false, STR_NONE, STR_NONE},
		{STR("192.0.2.0/18446744073709551640"), false, STR_NONE, STR_NONE},
		{STR("/24"), false, STR_NONE, STR_NONE},
		{STR(""), false, STR_NONE, STR_NONE},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct ip_block block;
		struct ip in, out;
		assert_int_equal(ip_block_parse(cases[i].block, &block), cases[i].good);
		if (!cases[i].good)
			continue;
		assert_true(ip_parse(cases[i].inside, &in) && ip_parse(cases[i].outside, &out));
		assert_true(ip_block_has(&block, &in));
		assert_false(ip_block_has(&block, &out));
	}
}

static void
test_lists_of_blocks(void **state)
{
	struct ip_block items[2];
	struct ip_blocks list = {items, 2}, none = {NULL, 0};
	struct ip ip;

	(void)state;
	assert_true(ip_block_parse(STR("192.0.2.0/24"), &items[0]) && ip_block_parse(STR("::1"), &items[1]));
	assert_true(ip_parse(STR("::1"), &ip));
	assert_true(ip_blocks_have(&list, &ip));
	assert_false(ip_blocks_have(&none, &ip));
	assert_true(ip_parse(STR("198.51.100.1"), &ip));
	assert_false(ip_blocks_have(&list, &ip));
}

static void
test_sockaddr(void **state)
{
	static const struct {
		struct str text;
		int family;
	} cases[] = {{STR("192.0.2.1"), AF_INET}, {STR("2001:db8::1"), AF_INET6}};
	struct sockaddr_un local = {.sun_family = AF_UNIX};
	struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = htons(25)};
	struct sockaddr_storage sa;
	struct ip ip, back;
	uint16_t port;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_true(ip_parse(cases[i].text, &ip));
		assert_int_equal(ip_to_sockaddr(&ip, 2525, &sa),
				 cases[i].family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
		assert_int_equal(sa.ss_family, cases[i].family);
		assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &back, &port));
		assert_true(ip_eq(&ip, &back));
		assert_int_equal(port, 2525);
		assert_true(ip_from_sockaddr((struct sockaddr *)&sa, &back, NULL));
	}
	/* An IPv4 client of an IPv6 socket. */
	memcpy(&mapped.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\0\2\1", 16);
	assert_true(ip_from_sockaddr((struct sockaddr *)&mapped, &back, &port));
	assert_true(ip_parse(STR("192.0.2.1"), &ip));
	assert_true(ip_eq(&ip, &back));
	assert_int_equal(port, 25);
	assert_false(ip_from_sockaddr((struct sockaddr *)&local, &back, &port));
	assert_int_equal(back.family, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_addresses),	cmocka_unit_test(test_literals), cmocka_unit_test(test_blocks),
		cmocka_unit_test(test_lists_of_blocks), cmocka_unit_test(test_sockaddr),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
