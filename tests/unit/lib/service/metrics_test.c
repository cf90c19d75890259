/* Metrics: the numbers, and the text format (exposition format 0.0.4). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "lib/service/metrics.h"

static void
test_numbers(void **state)
{
	(void)state;
	assert_int_equal(metrics_get(M_CONNECTIONS_SMTP), 0);
	metrics_add(M_CONNECTIONS_SMTP, 3);
	metrics_add(M_CONNECTIONS_SMTP, -1);
	assert_int_equal(metrics_get(M_CONNECTIONS_SMTP), 2);
	metrics_set(M_CONNECTIONS_SMTP, INT64_MAX);
	assert_int_equal(metrics_get(M_CONNECTIONS_SMTP), INT64_MAX);
	metrics_set(M_CONNECTIONS_SMTP, 0);
	assert_int_equal(metrics_get(M_CONNECTIONS_POP3), 0);
}

static void *
count(void *arg)
{
	for (unsigned i = 0; i < 100000; i++)
		metrics_add(M_AUTH_OK, 1);
	return arg;
}

static void
test_threads(void **state)
{
	pthread_t threads[4];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (unsigned i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(metrics_get(M_AUTH_OK), 400000);
	metrics_set(M_AUTH_OK, 0);
}

static bool
is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr("abcdefghijklmnopqrstuvwxyz_0123456789", s.p[i]) == NULL || s.p[i] == '\0')
			return false;
	return str_starts(s, STR("stagepost_")) && s.len > 10;
}

/* `name{label="value"} number` or `name number`. */
static void
check_sample(struct str line, struct str family)
{
	struct str name, rest, labels = STR_NONE, number;
	int64_t value;

	assert_true(str_cut(line, ' ', &name, &number));
	if (str_index(name, '{') >= 0) {
		assert_true(str_cut(name, '{', &name, &rest) && str_cut(rest, '}', &labels, &rest) && rest.len == 0);
		assert_true(str_index(labels, '=') > 0 && labels.p[labels.len - 1] == '"');
	}
	assert_true(is_name(name));
	assert_true(str_eq(name, family));
	assert_true(str_to_i64(number, &value));
}

/* One family is declared once, before its samples, which stand together; a
 * counter's name says so; no sample comes twice. */
static void
test_text(void **state)
{
	struct buf text = BUF_EMPTY;
	struct str rest, line, family = STR_NONE, families[METRICS_COUNT], samples[METRICS_COUNT];
	unsigned family_count = 0, sample_count = 0;

	(void)state;
	metrics_set(M_CONNECTIONS_SMTP, 42);
	metrics_render(&text);
	assert_int_equal(text.data[text.len - 1], '\n');
	rest = buf_str(&text);
	while (str_cut(rest, '\n', &line, &rest)) {
		struct str word, kind, help;
		if (str_starts(line, STR("# HELP "))) {
			assert_true(str_cut(str_from(line, 7), ' ', &family, &help) && help.len != 0);
			for (unsigned i = 0; i < family_count; i++)
				assert_false(str_eq(families[i], family));
			families[family_count++] = family;
		} else if (str_starts(line, STR("# TYPE "))) {
			assert_true(str_cut(str_from(line, 7), ' ', &word, &kind) && str_eq(word, family));
			assert_true(str_eq(kind, STR("counter")) || str_eq(kind, STR("gauge")));
			assert_int_equal(str_eq(kind, STR("counter")), str_ends_ci(word, STR("_total")));
		} else {
			check_sample(line, family);
			str_cut(line, ' ', &word, &kind);
			for (unsigned i = 0; i < sample_count; i++)
				assert_false(str_eq(samples[i], word));
			samples[sample_count++] = word;
		}
	}
	assert_int_equal(rest.len, 0);
	assert_int_equal(sample_count, METRICS_COUNT);
	assert_non_null(strstr(text.data, "\nstagepost_connections{protocol=\"smtp\"} 42\n"));
	metrics_set(M_CONNECTIONS_SMTP, 0);
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
