/* 8-bit messages made fit for 7-bit servers, wherever they are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "delivery-worker/remote/downgrade.h"

#define MIXED	"Content-Type: multipart/mixed; boundary=\"b 1\"\r\n"
#define E_ACUTE "\xc3\xa9"

static const struct {
	const char *name, *input, *output; /* output NULL: it cannot be done */
} rows[] = {
	{"nothing to do", "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n",
	 "Subject: x\r\nContent-Transfer-Encoding: 8bit\r\n\r\nplain\r\n"},
	{"bare text", "Subject: x\r\n\r\na" E_ACUTE " = b \r\n\tc\t\r\n",
	 "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
	 "Content-Transfer-Encoding: quoted-printable\r\n\r\na=C3=A9 =3D b=20\r\n\tc=09\r\n"},
	{"text with an encoding",
	 "MIME-Version: 1.0\r\nContent-transfer-encoding:\r\n 8bit\r\nContent-Type: text/html; "
	 "charset=utf-8\r\n\r\n" E_ACUTE "\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: "
	 "quoted-printable\r\n\r\n"
	 "=C3=A9\r\n"},
	{"a long line",
	 "Content-Type: text/plain\r\nMIME-Version: 1.0\r\n\r\n"
	 "0123456789012345678901234567890123456789012345678901234567890123456789012" E_ACUTE "\r\n",
	 "Content-Type: text/plain\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
	 "0123456789012345678901234567890123456789012345678901234567890123456789012=\r\n=C3=A9\r\n"},
	{"only the part that needs it",
	 MIXED "Content-Transfer-Encoding: 8bit\r\n\r\npream" E_ACUTE "\r\n--b 1\r\n\r\nplain\r\n--b 1 \r\n"
	       "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n" E_ACUTE
	       "\r\n--b 1--\r\nend\r\n",
	 MIXED "\r\npream??\r\n--b 1\r\n\r\nplain\r\n--b 1 \r\n"
	       "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
	       "quoted-printable\r\n\r\n=C3=A9\r\n--b 1--\r\nend\r\n"},
	{"base64",
	 MIXED
	 "\r\n--b 1\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: binary\r\n\r\n\xff\r\nx\r\n--b 1--\r\n",
	 MIXED
	 "\r\n--b 1\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n/w0KeA==\r\n--b 1--\r\n"},
	{"base64 to the end", "MIME-Version: 1.0\r\nContent-Type: image/x\r\n\r\n\xff\r\n",
	 "MIME-Version: 1.0\r\nContent-Type: image/x\r\nContent-Transfer-Encoding: base64\r\n\r\n/w0K\r\n"},
	{"within a message",
	 MIXED "\r\n--b 1\r\nContent-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n\r\nSubject: "
	       "in\r\n\r\n" E_ACUTE "\r\n--b 1--\r\n",
	 MIXED "\r\n--b 1\r\nContent-Type: message/rfc822\r\n\r\nSubject: in\r\nMIME-Version: 1.0\r\n"
	       "Content-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: "
	       "quoted-printable\r\n\r\n=C3=A9\r\n--b 1--\r\n"},
	{"a line that only looks like a boundary", MIXED "\r\n--b 1\r\n\r\n--b 12\r\n--\r\n-" E_ACUTE "\r\n--b 1--\r\n",
	 MIXED "\r\n--b 1\r\nContent-Type: text/plain; charset=unknown-8bit\r\nContent-Transfer-Encoding: "
	       "quoted-printable\r\n\r\n"
	       "--b 12\r\n--\r\n-=C3=A9\r\n--b 1--\r\n"},
	{"8-bit header", "Subject: " E_ACUTE "\r\n\r\nx\r\n", NULL},
	{"8-bit header of a part", MIXED "\r\n--b 1\r\nX: " E_ACUTE "\r\n\r\nx\r\n--b 1--\r\n", NULL},
	{"signed", "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" E_ACUTE "\r\n--b--\r\n", NULL},
	{"signed, and clean", "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n",
	 "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n"},
	{"not what it says", "Content-Transfer-Encoding: base64\r\n\r\n" E_ACUTE "\r\n", NULL},
	{"a piece of a message", "Content-Type: message/partial\r\n\r\n" E_ACUTE "\r\n", NULL},
	{"no blank line", MIXED "\r\n--b 1\r\nX: y\r\n--b 1--\r\n", MIXED "\r\n--b 1\r\nX: y\r\n\r\n--b 1--\r\n"},
	{"empty", "", ""},
};

static void
check(unsigned row, size_t piece)
{
	struct downgrade *d = downgrade_new();
	struct str input = str_c(rows[row].input);
	struct buf out = BUF_EMPTY;
	struct err err;
	int rc;

	for (size_t at = 0; at < input.len; at += piece)
		downgrade_scan(d, str_first(str_from(input, at), piece));
	rc = downgrade_scan_end(d, &err);
	assert_int_equal(rc, rows[row].output == NULL ? -1 : 0);
	/* twice: a message may have to be sent again */
	for (unsigned i = 0; rc == 0 && i < 2; i++) {
		buf_clear(&out);
		downgrade_begin(d);
		for (size_t at = 0; at < input.len; at += piece)
			downgrade_write(d, str_first(str_from(input, at), piece), &out);
		downgrade_write_end(d, &out);
		if (!str_eq(buf_str(&out), str_c(rows[row].output)))
			fail_msg("%s by %zu: '%.*s'", rows[row].name, piece, STR_ARG(buf_str(&out)));
	}
	buf_fini(&out);
	downgrade_free(&d);
}

static void
test_rows(void **state)
{
	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece <= strlen(rows[i].input) + 1; piece++)
			check(i, piece);
}

static bool
is_needed(const char *message)
{
	struct downgrade *d = downgrade_new();
	struct err err;
	bool needed;

	downgrade_scan(d, str_c(message));
	assert_int_equal(downgrade_scan_end(d, &err), 0);
	needed = downgrade_is_needed(d);
	downgrade_free(&d);
	return needed;
}

static void
test_is_needed(void **state)
{
	(void)state;
	assert_false(is_needed("Subject: x\r\n\r\nx\r\n"));
	assert_true(is_needed("Subject: x\r\n\r\n" E_ACUTE "\r\n"));
	/* Nobody reads it, but it is 8-bit data all the same. */
	assert_true(is_needed(MIXED "\r\npream" E_ACUTE "\r\n--b 1\r\n\r\nx\r\n--b 1--\r\n"));
	assert_true(is_needed(MIXED "\r\n--b 1\r\n\r\nx\r\n--b 1--\r\n" E_ACUTE "\r\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_is_needed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
