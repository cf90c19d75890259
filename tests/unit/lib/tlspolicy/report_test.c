/* The format of the report: that of RFC 8460, appendix B. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <zlib.h>
#include <cmocka.h>

#include "lib/tlspolicy/report.h"
#include "lib/tlspolicy/tally.h"

#define STS "[\"sts\",\"company-y.example\",[\"version: STSv1\",\"mode: testing\",\"mx: *.mail.company-y.example\"," \
	    "\"max_age: 86400\"],[\"*.mail.company-y.example\"],"

static const char expected[] =
	"{\"organization-name\":\"Company-X\","
	"\"date-range\":{\"start-datetime\":\"2016-04-01T00:00:00Z\",\"end-datetime\":\"2016-04-01T23:59:59Z\"},"
	"\"contact-info\":\"sts-reporting@company-x.example\","
	"\"report-id\":\"5065427c-23d3-47ca-b6e0-946ea0e8c4be\","
	"\"policies\":[{"
	"\"policy\":{\"policy-type\":\"sts\",\"policy-string\":[\"version: STSv1\",\"mode: testing\","
	"\"mx: *.mail.company-y.example\",\"max_age: 86400\"],"
	"\"policy-domain\":\"company-y.example\",\"mx-host\":[\"*.mail.company-y.example\"]},"
	"\"summary\":{\"total-successful-session-count\":5326,\"total-failure-session-count\":303},"
	"\"failure-details\":[{"
	"\"result-type\":\"certificate-expired\",\"sending-mta-ip\":\"2001:db8:abcd:12::1\","
	"\"receiving-mx-hostname\":\"mx1.mail.company-y.example\",\"failed-session-count\":100},{"
	"\"result-type\":\"starttls-not-supported\",\"sending-mta-ip\":\"2001:db8:abcd:13::1\","
	"\"receiving-mx-hostname\":\"mx2.mail.company-y.example\",\"receiving-ip\":\"203.0.113.56\","
	"\"failed-session-count\":200},{"
	"\"result-type\":\"validation-failure\",\"sending-mta-ip\":\"198.51.100.62\","
	"\"receiving-mx-hostname\":\"mx-backup.mail.company-y.example\",\"receiving-mx-helo\":\"mx-b\","
	"\"receiving-ip\":\"203.0.113.58\",\"failure-reason-code\":\"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\","
	"\"failed-session-count\":3}]},{"
	"\"policy\":{\"policy-type\":\"no-policy-found\",\"policy-domain\":\"company-y.example\"},"
	"\"summary\":{\"total-successful-session-count\":7,\"total-failure-session-count\":0}}]}";

static cJSON *
example(void)
{
	static const struct tls_report_head head = {"Company-X", "sts-reporting@company-x.example",
						    "5065427c-23d3-47ca-b6e0-946ea0e8c4be", INT64_C(1459468800000)};
	cJSON *r = tls_report_new(&head);

	assert_true(tls_report_is_empty(r));
	tls_report_add(r, STR(STS "\"\",\"\",\"\",\"\",\"\",\"\"]"), 5326);
	tls_report_add(r,
		       STR(STS "\"certificate-expired\",\"2001:db8:abcd:12::1\",\"mx1.mail.company-y.example\",\"\","
			       "\"\",\"\"]"),
		       100);
	tls_report_add(r,
		       STR(STS "\"starttls-not-supported\",\"2001:db8:abcd:13::1\",\"mx2.mail.company-y.example\","
			       "\"\",\"203.0.113.56\",\"\"]"),
		       200);
	tls_report_add(r,
		       STR(STS "\"validation-failure\",\"198.51.100.62\",\"mx-backup.mail.company-y.example\","
			       "\"mx-b\",\"203.0.113.58\",\"X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED\"]"),
		       3);
	tls_report_add(r, STR("[\"no-policy-found\",\"company-y.example\",[],[],\"\",\"\",\"\",\"\",\"\",\"\"]"), 7);
	return r;
}

static void
test_example(void **state)
{
	cJSON *r = example();
	char *text = cJSON_PrintUnformatted(r);

	(void)state;
	assert_string_equal(text, expected);
	assert_false(tls_report_is_empty(r));
	cJSON_free(text);
	cJSON_Delete(r);
}

/* What is no entry changes nothing. */
static void
test_odd_entries(void **state)
{
	static const struct str odd[] = {
		STR("#0123456789abcdef"), STR(""), STR("["), STR("[]"), STR("{}"), STR("[1,2,3,4,5,6,7,8,9,10]"),
		STR("[\"a\",\"b\",\"c\",[],\"\",\"\",\"\",\"\",\"\",\"\"]"),
		STR("[\"a\",\"b\",[],[],\"\",\"\",\"\",\"\",\"\"]"),
	};
	cJSON *r = example();
	char *text;

	(void)state;
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		tls_report_add(r, odd[i], 5);
	tls_report_add(r, STR("[\"tlsa\",\"b\",[],[],\"\",\"\",\"\",\"\",\"\",\"\"]"), 0);
	text = cJSON_PrintUnformatted(r);
	assert_string_equal(text, expected);
	cJSON_free(text);
	cJSON_Delete(r);
}

static void
test_gzip(void **state)
{
	struct buf packed = BUF_EMPTY;
	unsigned char out[4096];
	z_stream z = {.zalloc = NULL};

	(void)state;
	tls_report_gzip(str_c(expected), &packed);
	assert_true(packed.len > 18 && packed.len < sizeof(expected));
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	z.next_in = (Bytef *)packed.data;
	z.avail_in = (uInt)packed.len;
	z.next_out = out;
	z.avail_out = sizeof(out);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, strlen(expected));
	assert_memory_equal(out, expected, z.total_out);
	inflateEnd(&z);
	buf_fini(&packed);
}

static void
test_days(void **state)
{
	static const char *const bad[] = {"", "2026-11-24x", "2026-11-2", "2026-02-30", "2026/11/24", "2026-13-01",
					  " 2026-1-1", "today"};
	int64_t ms, due;
	char day[TALLY_DAY_MAX];
	unsigned late = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(tally_day_parse(str_c(bad[i]), &ms));
	assert_true(tally_day_parse(STR("2016-04-01"), &ms));
	assert_true(ms == INT64_C(1459468800000));
	tally_day(ms + TALLY_DAY_MS - 1, day);
	assert_string_equal(day, "2016-04-01");
	tally_day(ms + TALLY_DAY_MS, day);
	assert_string_equal(day, "2016-04-02");
	/* Due after the day, spread, and the same whoever asks. */
	for (int i = 0; i < 1000; i++) {
		char domain[30];

		snprintf(domain, sizeof(domain), "d%d.test", i);
		due = tally_due_ms("2016-04-01", str_c(domain), STR("x.test"), 4 * 3600000);
		assert_true(due >= ms + TALLY_DAY_MS + 60000 && due < ms + TALLY_DAY_MS + 60000 + 4 * 3600000);
		assert_true(due == tally_due_ms("2016-04-01", str_c(domain), STR("x.test"), 4 * 3600000));
		late += due >= ms + TALLY_DAY_MS + 60000 + 2 * 3600000;
	}
	assert_in_range(late, 400, 600);
	assert_true(tally_due_ms("2016-04-01", STR("a"), STR("b"), 0) == ms + TALLY_DAY_MS + 60000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_example), cmocka_unit_test(test_odd_entries),
					   cmocka_unit_test(test_gzip), cmocka_unit_test(test_days)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
