/* The PROXY protocol header, byte by byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "frontend/core/proxy.h"
#include "lib/base/buf.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))
#define SIGNATURE    "\r\n\r\n\0\r\nQUIT\n"

struct proxy_case {
	struct str header;
	enum proxy_result result;
	const char *source, *destination; /* "address:port" */
};

static void
format(const struct ip *ip, unsigned port, char out[80])
{
	char text[IP_TEXT_MAX];

	ip_text(ip, text);
	snprintf(out, 80, "%s:%u", text, port);
}

/* The first bytes of a valid header are always recognised as an incomplete header;
 * what follows the header changes nothing. */
static void
check(const struct proxy_case *c)
{
	struct proxy_header h;
	struct buf longer = BUF_EMPTY;

	for (size_t len = 0; len < c->header.len; len++) {
		enum proxy_result result = proxy_parse(str_first(c->header, len), &h);
		if (c->result == PROXY_BAD)
			assert_true(result == PROXY_MORE || result == PROXY_BAD);
		else
			assert_int_equal(result, PROXY_MORE);
	}
	buf_add_str(&longer, c->header);
	buf_add_c(&longer, "EHLO client\r\nPROXY TCP4 \r\n");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(proxy_parse(i == 0 ? c->header : buf_str(&longer), &h), c->result);
		if (c->result != PROXY_BAD && c->result != PROXY_MORE)
			assert_int_equal(h.length, c->header.len);
		if (c->result == PROXY_ADDRESS) {
			char text[80];
			format(&h.source, h.source_port, text);
			assert_string_equal(text, c->source);
			format(&h.destination, h.destination_port, text);
			assert_string_equal(text, c->destination);
		}
	}
	buf_fini(&longer);
}

static void
test_version_1(void **state)
{
	static const struct proxy_case cases[] = {
		{STR("PROXY TCP4 192.0.2.1 198.51.100.2 1234 25\r\n"), PROXY_ADDRESS, "192.0.2.1:1234",
		 "198.51.100.2:25"},
		{STR("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), PROXY_ADDRESS,
		 "255.255.255.255:65535", "255.255.255.255:65535"},
		{STR("PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n"), PROXY_ADDRESS, "0.0.0.0:0", "0.0.0.0:0"},
		{STR("PROXY TCP6 2001:db8::1 2001:DB8::2 1 2\r\n"), PROXY_ADDRESS, "2001:db8::1:1", "2001:db8::2:2"},
		{STR("PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n"), PROXY_ADDRESS, "192.0.2.1:1", "::1:2"},
		{STR("PROXY TCP6 ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY UNKNOWN\r\n"), PROXY_LOCAL, NULL, NULL},
		{STR("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		     "65535 "
		     "65535\r\n"),
		 PROXY_LOCAL, NULL, NULL}, /* the longest possible: 107 bytes */
		{STR("PROXY UNKNOWN anything at all\r\n"), PROXY_LOCAL, NULL, NULL},
		{STR("PROXY\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY \r\n"), PROXY_BAD, NULL, NULL},
		{STR("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR(" PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY tcp4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP4 ::1 ::1 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP6 ::1 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP4 192.0.2.1 192.0.2.256 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"), PROXY_BAD, NULL, NULL},
		{STR("EHLO client\r\n"), PROXY_BAD, NULL, NULL},
		{STR("\x16\x03\x01"), PROXY_BAD, NULL, NULL}, /* TLS */
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check(&cases[i]);
}

/* A line without an end is refused at 107 bytes. */
static void
test_version_1_too_long(void **state)
{
	struct buf line = BUF_EMPTY;
	struct proxy_header h;

	(void)state;
	buf_add_c(&line, "PROXY UNKNOWN ");
	while (line.len < 200) {
		assert_int_equal(proxy_parse(buf_str(&line), &h), line.len < 107 ? PROXY_MORE : PROXY_BAD);
		buf_add_byte(&line, 'x');
	}
	buf_clear(&line);
	buf_add_c(&line, "PROXY UNKNOWN ");
	while (line.len < 106)
		buf_add_byte(&line, 'x');
	buf_add_c(&line, "\r\n"); /* 108 in total */
	assert_int_equal(proxy_parse(buf_str(&line), &h), PROXY_BAD);
	buf_clear(&line);
	buf_add_c(&line, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"); /* a bare LF does not end the line */
	assert_int_equal(proxy_parse(buf_str(&line), &h), PROXY_MORE);
	buf_fini(&line);
}

static void
test_version_2(void **state)
{
	static const struct proxy_case cases[] = {
		{STR(SIGNATURE "\x21\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x19"), PROXY_ADDRESS, "192.0.2.1:1234",
		 "198.51.100.2:25"},
		{STR(SIGNATURE "\x21\x21\0\x24 \1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\1"
			       " \1\r\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x04\xd2\0\x19"),
		 PROXY_ADDRESS, "2001:db8::1:1234", "2001:db8::2:25"},
		/* With a TLV after the addresses. */
		{STR(SIGNATURE "\x21\x11\0\x11\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x19\x04\0\2xx"), PROXY_ADDRESS,
		 "192.0.2.1:1234", "198.51.100.2:25"},
		{STR(SIGNATURE "\x20\0\0\0"), PROXY_LOCAL, NULL, NULL}, /* a health check */
		{STR(SIGNATURE "\x20\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x19"), PROXY_LOCAL, NULL, NULL},
		{STR(SIGNATURE "\x21\0\0\0"), PROXY_LOCAL, NULL, NULL},	     /* without a family */
		{STR(SIGNATURE "\x21\x31\0\3abc"), PROXY_LOCAL, NULL, NULL}, /* a unix socket */
		{STR(SIGNATURE "\x11\x11\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x19"), PROXY_BAD, NULL,
		 NULL}, /* version 1 */
		{STR(SIGNATURE "\x31\x11\0\0"), PROXY_BAD, NULL, NULL},
		{STR(SIGNATURE "\x22\x11\0\0"), PROXY_BAD, NULL, NULL}, /* an unknown command */
		{STR(SIGNATURE "\x21\x12\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x19"), PROXY_BAD, NULL,
		 NULL}, /* UDP */
		{STR(SIGNATURE "\x21\x11\0\x0b\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0"), PROXY_BAD, NULL,
		 NULL}, /* too short */
		{STR(SIGNATURE "\x21\x21\0\x0c\xc0\0\2\1\xc6\x33\x64\2\x04\xd2\0\x19"), PROXY_BAD, NULL, NULL},
		{STR(SIGNATURE "\x21\x11\x02\x09"), PROXY_BAD, NULL, NULL}, /* 537 bytes in total */
		{STR("\r\n\r\n\0\r\nQUIX"), PROXY_BAD, NULL, NULL},
		{STR("\r\nEHLO"), PROXY_BAD, NULL, NULL},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		check(&cases[i]);
}

static void
test_version_2_largest(void **state)
{
	struct buf header = BUF_EMPTY;
	struct proxy_header h;

	(void)state;
	buf_add_str(&header, STR(SIGNATURE "\x20\0\x02\x08"));
	while (header.len < PROXY_HEADER_MAX) {
		assert_int_equal(proxy_parse(buf_str(&header), &h), PROXY_MORE);
		buf_add_byte(&header, 'x');
	}
	assert_int_equal(proxy_parse(buf_str(&header), &h), PROXY_LOCAL);
	assert_int_equal(h.length, PROXY_HEADER_MAX);
	buf_fini(&header);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_version_1),
		cmocka_unit_test(test_version_1_too_long),
		cmocka_unit_test(test_version_2),
		cmocka_unit_test(test_version_2_largest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
