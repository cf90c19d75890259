/* Messages for the tests of the MIME reader: random combinations of what
 * readers stumble over, always the same for the same seed. */
#ifndef SP_TESTS_UNIT_MIME_MESSAGES_H
#define SP_TESTS_UNIT_MIME_MESSAGES_H

#include <stdint.h>

#include "lib/base/buf.h"

static inline void
random_message(uint32_t seed, struct buf *out)
{
	static const struct str tokens[] = {
		STR("\r\n"),
		STR("\r\n"),
		STR("\n"),
		STR("\r"),
		STR("\r\n\r\n"),
		STR("\n\n"),
		STR("--x"),
		STR("--x\r\n"),
		STR("\r\n--x\r\n"),
		STR("\r\n--x--\r\n"),
		STR("\r\n--y\r\n"),
		STR("\r\n--y--\r\n"),
		STR("--"),
		STR("-"),
		STR(" "),
		STR("\t"),
		STR(":"),
		STR("\0"),
		STR("\xff"),
		STR("\xc3\xa4"),
		STR("text"),
		STR("\r\n\r\ntext\r\n"),
		STR("Content-Type: multipart/mixed; boundary=x\r\n"),
		STR("Content-Type: multipart/alternative; boundary=\"y\"\r\n\r\n"),
		STR("Content-Type: multipart/digest; boundary=xx\r\n\r\n--xx\r\n"),
		STR("Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n"),
		STR("Content-Type: message/rfc822\r\n"),
		STR("Content-Type: message/rfc822\r\n\r\n"),
		STR("Content-Type: text/plain; charset=\"utf-8\"; name*0=a;\r\n name*1*=%20\r\n"),
		STR("Content-Transfer-Encoding: base64\r\n"),
		STR("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"),
		STR("Content-Transfer-Encoding: \"q\" (x); y\r\n"),
		STR("Content-Type: multipart/mixed\r\n"),
		STR("Content-Type: message/global; \r\n"),
		STR("Content-Disposition: attachment; filename=\"a\\\"b\"\r\n"),
		STR("Content-Language: en, de\r\n"),
		STR("Subject: =?utf-8?q?=c3=a4?= =?iso-8859-1?b?5A==?= \"quoted\" \\\r\n"),
		STR("From: \"A \\\" B\" <a@b>, group: c@d (x), <@r:e@f>;\r\n"),
		STR("To: <\0@\"\r\nCc: ,;:<>@\r\n"),
		STR("Date: Mon, 7 Feb 1994 21:52:25 -0800\r\n"),
		STR("Message-ID: <a@b>\r\nReferences: <c@d> <e@f>\r\n"),
	};
	unsigned count;

	buf_clear(out);
	buf_add(out, "", 0);
	seed = seed * 2654435761u + 1;
	count = (seed >> 16) % 60;
	for (unsigned i = 0; i < count; i++) {
		seed = seed * 1664525 + 1013904223;
		buf_add_str(out, tokens[(seed >> 16) % (sizeof(tokens) / sizeof(tokens[0]))]);
	}
}

#endif
