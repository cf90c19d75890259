/* Files of accounts: CSV, LDIF, and what is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/admin/csv.h"
#include "lib/admin/people.h"

/* ---- CSV ---- */
/* "1:a|b 2:c|d", with "!" for a malformed row. */
static const char *
rows(const char *text)
{
	static char out[2000];
	struct arena arena;
	struct csv_row row;
	struct csv c;
	struct err err;
	size_t len = 0;
	int rc;

	arena_init(&arena);
	csv_open(&c, str_c(text));
	out[0] = '\0';
	while ((rc = csv_next(&c, &row, &arena, &err)) != 0) {
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%llu%s", len > 0 ? " " : "",
					(unsigned long long)row.line, rc < 0 ? "!" : ":");
		for (unsigned i = 0; rc > 0 && i < row.count; i++)
			len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%.*s", i > 0 ? "|" : "",
						STR_ARG(row.values[i]));
	}
	arena_fini(&arena);
	return out;
}

static void
test_csv(void **state)
{
	static const struct {
		const char *text, *rows;
	} cases[] = {
		{"", ""},
		{"\r\n\n", ""},
		{"a,b\r\nc,d", "1:a|b 2:c|d"},
		{"\xef\xbb\xbf"
		 "a,b\n",
		 "1:a|b"},
		{"a;b,c\n", "1:a|b,c"},
		{"a\tb;c\n", "1:a|b;c"},
		{"a,,\n,\n", "1:a|| 2:|"},
		{"\"a\",\"b\"\"c\"\n", "1:a|b\"c"},
		{"\"a\nb\",c\nd,e\n", "1:a\nb|c 3:d|e"},
		{"\"\",x\n", "1:|x"},
		{"a,\"b\n", "1!"},
		{"a,b\"c\nd,e\n", "1! 2:d|e"},
		{"\"a\"b,c\nd,e\n", "1! 2:d|e"},
		{"a,b\n\n\nc,d\n", "1:a|b 4:c|d"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(rows(cases[i].text), cases[i].rows) != 0)
			fail_msg("row %zu: '%s'", i, rows(cases[i].text));
}

static void
test_csv_written_is_read(void **state)
{
	static const char *const values[] = {"",	   "plain", "a,b",  "a;b",  "a\tb",   "\"",
					     "\"quoted\"", " lead", "end ", "a\nb", "a\r\nb", "é,ß"};
	enum { COUNT = sizeof(values) / sizeof(values[0]) };
	struct buf out = BUF_EMPTY;
	struct arena arena;
	struct csv_row row;
	struct csv c;
	struct err err;

	(void)state;
	arena_init(&arena);
	csv_add(&out, STR("first"), true);
	csv_add(&out, STR("second"), false);
	csv_end_row(&out);
	for (size_t i = 0; i < COUNT; i++)
		csv_add(&out, str_c(values[i]), i == 0);
	csv_end_row(&out);
	csv_open(&c, buf_str(&out));
	assert_int_equal(csv_next(&c, &row, &arena, &err), 1);
	assert_int_equal(csv_next(&c, &row, &arena, &err), 1);
	assert_int_equal(row.count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_true(str_eq(row.values[i], str_c(values[i])));
	assert_int_equal(csv_next(&c, &row, &arena, &err), 0);
	buf_fini(&out);
	arena_fini(&arena);
}

/* ---- LDIF ---- */
static const char *
records(const char *text)
{
	static char out[2000];
	static struct ldif_record r;
	struct arena arena;
	struct ldif l;
	struct err err;
	size_t len = 0;
	int rc;

	arena_init(&arena);
	ldif_open(&l, str_c(text));
	out[0] = '\0';
	while ((rc = ldif_next(&l, &r, &arena, &err)) != 0) {
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%llu%s", len > 0 ? " " : "",
					(unsigned long long)r.line, rc < 0 ? "!" : ":");
		for (unsigned i = 0; rc > 0 && i < r.count; i++)
			len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%.*s=%.*s", i > 0 ? "|" : "",
						STR_ARG(r.values[i].name), STR_ARG(r.values[i].value));
	}
	arena_fini(&arena);
	return out;
}

static void
test_ldif(void **state)
{
	static const struct {
		const char *text, *records;
	} cases[] = {
		{"", ""},
		{"version: 1\n", ""},
		{"version: 1\n\ndn: a\ncn: x\n\n\ndn: b\r\ncn:y\r\n", "3:cn=x 7:cn=y"},
		{"# comment\n  goes on\ndn: a\n# another\ncn: x\n", "3:cn=x"},
		{"dn: a\ncn: long\n  er\n", "1:cn=long er"},
		{"dn:: YQ==\ncn:: w6\n k=\n", "1:cn=é"},
		{"dn: a\ncn;lang-de: x\n", "1:cn=x"},
		{"dn: a\nchangetype: add\ncn: x\n", "1:cn=x"},
		{"dn: a\nchangetype: delete\n\ndn: b\ncn: x\n", "2! 4:cn=x"},
		{"cn: x\n\ndn: b\ncn: y\n", "1! 3:cn=y"},
		{"dn: a\ncn:: *\n\ndn: b\ncn: y\n", "2! 4:cn=y"},
		{"dn: a\nphoto:< file:///etc/passwd\n", "2!"},
		{"dn: a\nnothing\n", "2!"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(records(cases[i].text), cases[i].records) != 0)
			fail_msg("row %zu: '%s'", i, records(cases[i].text));
}

static void
test_ldif_written_is_read(void **state)
{
	static const char *const values[] = {"plain",
					     " lead",
					     "end ",
					     ":x",
					     "<x",
					     "é",
					     "a\nb",
					     "0123456789012345678901234567890123456789012345678901234567890123456789"
					     "0123456789012345678901234567890123456789012345678901234567890123456789"
					     "éééééééééééééééééééééééééééééééééééééééééééééé"};
	enum { COUNT = sizeof(values) / sizeof(values[0]) };
	static struct ldif_record r;
	struct buf out = BUF_EMPTY;
	struct arena arena;
	struct ldif l;
	struct err err;
	struct str line, rest;

	(void)state;
	arena_init(&arena);
	ldif_add(&out, "dn", STR("x"));
	for (size_t i = 0; i < COUNT; i++)
		ldif_add(&out, "cn", str_c(values[i]));
	rest = buf_str(&out);
	while (str_cut(rest, '\n', &line, &rest))
		assert_true(line.len <= 76);
	ldif_open(&l, buf_str(&out));
	assert_int_equal(ldif_next(&l, &r, &arena, &err), 1);
	assert_int_equal(r.count, COUNT);
	for (size_t i = 0; i < COUNT; i++)
		assert_true(str_eq(r.values[i].value, str_c(values[i])));
	buf_fini(&out);
	arena_fini(&arena);
}

/* ---- Accounts ---- */
/* "alice@a.test city=Wien #hash plain; !2 text" */
static const char *
people(const char *text)
{
	static char out[4000];
	struct people p;
	size_t len = 0;

	people_init(&p);
	people_read(&p, people_guess_format(str_c(text)), str_c(text), NULL, NULL);
	out[0] = '\0';
	for (size_t i = 0; i < people_count(&p); i++) {
		const struct people_account *a = people_account(&p, i);
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s%.*s", len > 0 ? "; " : "",
					STR_ARG(a->address));
		for (unsigned k = 0; k < a->count; k++)
			len += (size_t)snprintf(out + len, sizeof(out) - len, " %.*s=%.*s", STR_ARG(a->fields[k].name),
						STR_ARG(a->fields[k].value));
		if (a->hash.len != 0)
			len += (size_t)snprintf(out + len, sizeof(out) - len, " #%.*s", STR_ARG(a->hash));
		if (a->plain.len != 0)
			len += (size_t)snprintf(out + len, sizeof(out) - len, " '%.*s'", STR_ARG(a->plain));
	}
	for (size_t i = 0; i < people_complaint_count(&p); i++)
		len += (size_t)snprintf(out + len, sizeof(out) - len, "%s!%llu %s", len > 0 ? "; " : "",
					(unsigned long long)people_complaint(&p, i)->line,
					people_complaint(&p, i)->text);
	people_fini(&p);
	return out;
}

static void
test_people(void **state)
{
	static const struct {
		const char *text, *people;
	} cases[] = {
		{"address,city\nAlice@A.test,Wien\n", "alice@a.test city=Wien"},
		{"Mail;givenName;SURNAME\nalice@a.test;A;\n", "alice@a.test given_name=A surname="},
		{"address,enabled,book,quota\na@a.test,,,\nb@a.test,off,on,1G\n",
		 "a@a.test quota=; b@a.test enabled=off book=on quota=1G"},
		{"address,password\na@a.test,secret\nb@a.test,\n", "a@a.test 'secret'; b@a.test"},
		{"address,password_hash\na@a.test,{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\nb@a.test,{PLAIN}x\n",
		 "a@a.test #{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=; b@a.test 'x'"},
		{"address,password_hash\na@a.test,secret\n",
		 "!2 this password hash is not supported, or would take too long to check"},
		{"address,password,password_hash\na@a.test,x,{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
		 "!2 there is both a password and a hash"},
		{"city\nWien\n", "!1 the first row must name the columns, and \"address\" among them"},
		{"address,town\na@a.test,x\n", "!1 there is no field \"town\""},
		{"address,city,l\na@a.test,x,y\n", "!1 the column city is there twice"},
		{"address,city\na@a.test\n", "!2 1 values, but there are 2 columns"},
		{"address,quota\na@a.test,much\nb,1\n", "!2 quota: not a size (bytes, or with K, M, G, T); !3 \"b\" is "
							"not an address that an account can have here"},
		{"address\na@a.test\nb@a.test\nA@a.TEST\n",
		 "a@a.test; b@a.test; a@a.test; !4 a@a.test is on line 2 already"},
		{"", "!1 the file is empty"},
		{"dn: uid=a,dc=a\nobjectClass: inetOrgPerson\nmail: a@a.test\nsn: -\nl: Wien\ntelephoneNumber: 1\n"
		 "telephoneNumber: 2\nuserPassword: secret\njpegPhoto:\njpegPhoto:: AAAA\n",
		 "a@a.test city=Wien phone=1 'secret'"},
		{"version: 1\n\ndn: ou=people,dc=a\nobjectClass: organizationalUnit\nou: people\n\n"
		 "dn: cn=a\nmail: a@a.test\nuserPassword:: e1NIQX01ZW42RzZNZXpScm9UM1hLcWtkUE9tWS9CZlE9\n",
		 "a@a.test #{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="},
		{"dn: cn=a\nmail: a@a.test\n\ndn: cn=b\nmail: b@a.test\njpegPhoto:: AAAA\n",
		 "a@a.test; !6 jpegPhoto: a photo must be a whole JPEG of at most 4096 by 4096 pixels"},
		{"address,photo\na@a.test,x\n", "!1 CSV has no photos: import them from LDIF"},
		{"address,jpegPhoto\na@a.test,x\n", "!1 CSV has no photos: import them from LDIF"},
		{"dn: cn=a\nobjectClass: person\ncn: x\n", "!1 there is no address"},
		{"dn: ou=x\nou: x\n", "!1 the file contains no accounts"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (strcmp(people(cases[i].text), cases[i].people) != 0)
			fail_msg("row %zu: '%s' instead of '%s'", i, people(cases[i].text), cases[i].people);
}

/* What is shown of a file does not control a terminal, and is whole characters. */
static void
test_complaints_are_clean(void **state)
{
	(void)state;
	assert_string_equal(people("address\n\x1b]0;x\a\n"),
			    "!2 \"?]0;x?\" is not an address that an account can have here");
	assert_string_equal(people("address\n\xc2\x9b"
				   "2J \xff!\n"),
			    "!2 \"??2J ?!\" is not an address that an account can have here");
	/* 59 bytes, then a character of two. */
	assert_string_equal(people("address\n12345678901234567890123456789012345678901234567890123456789ää\n"),
			    "!2 \"12345678901234567890123456789012345678901234567890123456789\" is not an address that "
			    "an account can have here");
}

static void
test_many_complaints(void **state)
{
	struct buf text = BUF_EMPTY;
	struct people p;

	(void)state;
	buf_add_c(&text, "address\n");
	for (unsigned i = 0; i < 30000; i++)
		buf_add_c(&text, "x\n");
	people_init(&p);
	people_read(&p, PEOPLE_CSV, buf_str(&text), NULL, NULL);
	assert_int_equal(people_complaint_count(&p), PEOPLE_COMPLAINTS_MAX);
	assert_true(p.has_more);
	people_fini(&p);
	buf_fini(&text);
}

static void
test_roles(void **state)
{
	static const char text[] = "address,roles\na@a.test,domain_admin\nb@a.test,\n";
	static const char *const names[] = {"a@a.test", "b@a.test"};
	struct people p;

	(void)state;
	assert_string_equal(people(text), "b@a.test; !2 roles are only imported with --with-roles");
	assert_string_equal(people("dn: cn=a\nmail: a@a.test\nstagepostRoles: domain_admin\n"),
			    "!3 roles are only imported with --with-roles");
	people_init(&p);
	p.with_roles = true;
	people_read(&p, PEOPLE_CSV, str_c(text), NULL, NULL);
	assert_int_equal(people_complaint_count(&p), 0);
	assert_int_equal(people_count(&p), 2);
	for (size_t i = 0; i < 2; i++) {
		assert_true(str_eq(people_account(&p, i)->address, str_c(names[i])));
		assert_int_equal(people_account(&p, i)->count, 1);
	}
	people_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_csv),
		cmocka_unit_test(test_csv_written_is_read),
		cmocka_unit_test(test_ldif),
		cmocka_unit_test(test_ldif_written_is_read),
		cmocka_unit_test(test_people),
		cmocka_unit_test(test_complaints_are_clean),
		cmocka_unit_test(test_many_complaints),
		cmocka_unit_test(test_roles),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
